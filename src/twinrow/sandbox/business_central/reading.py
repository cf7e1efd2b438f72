"""Reading: collections with their query options, paging, single rows, expanded rows.

Paging goes by key: the link to the next page names the last row of this one, and the next page begins behind the
place that this row has *then*. A page that is full has a link even when no row follows; the last page may be empty.

Source: protocol page, section 4.
"""

# ruff: noqa: S608 - names of tables and columns come from the schema, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.filters import OrderColumn, filter_condition, order_columns
from twinrow.sandbox.business_central.operation import Operation, Outcome, json_outcome
from twinrow.sandbox.business_central.rendering import View
from twinrow.sandbox.business_central.schema import Navigation, Page, Property
from twinrow.sandbox.business_central.store import Row, Store
from twinrow.sandbox.business_central.wire import ZERO_GUID, etag
from twinrow.sandbox.odata.filter_sql import Fragment
from twinrow.sandbox.odata.query_options import parse_expand, parse_select

_KNOWN_OPTIONS = frozenset({
    "$select", "$filter", "$orderby", "$expand", "$top", "$skip", "$skiptoken", "$count", "$schemaversion", "$format",
})  # fmt: skip
_KEPT_IN_LINKS = ("company", "tenant", "$filter", "$select", "$orderby", "$expand", "$count", "$schemaversion")


@dataclass(frozen=True)
class _Expanded:
    navigation: Navigation
    options: dict[str, str]


class Reader:
    """Reads pages of any company; an answer holds at most `page_size` rows."""

    def __init__(self, store: Store) -> None:
        self.page_size = 20_000
        self._store = store
        self._views: dict[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], View] = {}

    def forget(self) -> None:
        """Companies may have gone: make views anew."""
        self._views.clear()

    def view(self, page: Page, company: Company, select: str = "", expanded: Sequence[str] = ()) -> View:
        """The view of a page with the properties that a `$select` names, or with all."""
        names = tuple(parse_select(select)) if select and select != "*" else ()
        key = (company.name, page.route, page.entity_set, names, tuple(expanded))
        view = self._views.get(key)
        if view is None:
            view = View(page, _selected(page, names), expanded, company, self._store)
            self._views[key] = view
        return view

    def collection(self, operation: Operation, page: Page, company: Company, context: str) -> Outcome:
        """Rows of a page, as the query options ask."""
        options = operation.options
        check_options(options)
        condition = self._condition(operation, page)
        order = order_columns(options.get("$orderby", ""), page, self._store.schema)
        expanded = _expansions(page, options.get("$expand", ""))
        view = self.view(page, company, options.get("$select", ""), [item.navigation.name for item in expanded])
        answer: dict[str, Any] = {"@odata.context": context}
        if options.get("$count", "").lower() == "true":
            answer["@odata.count"] = self._count(view, condition)

        top, skip = _number(options, "$top"), _number(options, "$skip") or 0
        limit = self.page_size if operation.page_limit is None else min(operation.page_limit, self.page_size)
        wanted = limit if top is None else min(limit, top)
        rows = self._rows(view, _both(condition, self._behind(view, order, options)), order, wanted, skip)
        answer["value"] = entities = view.render(rows)
        self._expand(view, entities, rows, expanded, company)
        if rows and len(rows) == limit and (top is None or top > limit):
            answer["@odata.nextLink"] = _next_link(operation, rows[-1][0], None if top is None else top - limit)
        applied = {"Preference-Applied": f"odata.maxpagesize={limit}"} if operation.page_limit is not None else {}
        return json_outcome(200, answer, applied)

    def count(self, operation: Operation, page: Page, company: Company) -> Outcome:
        """How many rows there are: `.../$count`."""
        check_options(operation.options)
        number = self._count(self.view(page, company), self._condition(operation, page))
        return Outcome(200, {"Content-Type": "text/plain", "OData-Version": "4.0"}, str(number).encode())

    def single(self, operation: Operation, page: Page, company: Company, row_id: str, context: str) -> Outcome:
        """One row by its id."""
        options = operation.options
        check_options(options)
        expanded = _expansions(page, options.get("$expand", ""))
        view = self.view(page, company, options.get("$select", ""), [item.navigation.name for item in expanded])
        rows = self._store.reader.execute(f'{view.select} WHERE t."SystemId" = ?', (row_id,)).fetchall()
        if not rows:
            raise errors.record_not_found(page.table, {"SystemId": row_id})
        entities = view.render(rows)
        self._expand(view, entities, rows, expanded, company)
        return json_outcome(200, view.with_context(entities[0], context), {"ETag": etag(rows[0][1])})

    def written(self, page: Page, company: Company, row: Row, context: str) -> Any:
        """The object of a row that was just written, whether others see it yet or not."""
        view = self.view(page, company)
        return view.with_context(view.one(self._store.connection, row["SystemId"]), context)

    def related(self, operation: Operation, page: Page, company: Company, row_id: str, name: str, base: str) -> Outcome:
        """What lies behind a navigation property: `.../customers(id)/paymentTerm`."""
        navigation = next((item for item in page.navigation if item.name.lower() == name.lower()), None)
        if navigation is None:
            raise errors.segment_not_found(name)
        row = self._row(page, company, row_id)
        if row is None:
            raise errors.record_not_found(page.table, {"SystemId": row_id})
        target = self._store.schema.pages[page.route][navigation.entity_set.lower()]
        if navigation.many:
            value = contact_information(company, self._store.reader, page.table, row)
            return json_outcome(
                200, {"@odata.context": f"{base}/{page.entity_set}({row_id})/{navigation.name}", "value": value}
            )
        if row[navigation.by] == ZERO_GUID:
            return Outcome(204, {"OData-Version": "4.0"})
        return self.single(operation, target, company, row[navigation.by], f"{base}/{target.entity_set}/$entity")

    # Pieces

    def _condition(self, operation: Operation, page: Page) -> Fragment | None:
        text = operation.options.get("$filter", "")
        if not text:
            return None
        return filter_condition(text, page, self._store.schema, operation.schema_version)

    def _count(self, view: View, condition: Fragment | None) -> int:
        where, values = (f" WHERE {condition.sql}", condition.values) if condition else ("", ())
        found = self._store.reader.execute(f"SELECT count(*) FROM {view.table}{where}", values).fetchone()
        return int(found[0])

    def _rows(
        self, view: View, condition: Fragment | None, order: list[OrderColumn], limit: int, skip: int
    ) -> list[Any]:
        where, values = (f" WHERE {condition.sql}", condition.values) if condition else ("", ())
        by = ", ".join(f"{column.sql} DESC" if column.descending else column.sql for column in order)
        statement = f"{view.select}{where} ORDER BY {by} LIMIT ? OFFSET ?"
        return self._store.reader.execute(statement, (*values, limit, skip)).fetchall()

    def _behind(self, view: View, order: list[OrderColumn], options: dict[str, str]) -> Fragment | None:
        """The condition for rows behind the one that the skip token names."""
        token = options.get("$skiptoken")
        if not token:
            return None
        columns = ", ".join(column.sql for column in order)
        place = self._store.reader.execute(
            f'SELECT {columns} FROM {view.table} WHERE t."SystemId" = ?', (token.strip("'").lower(),)
        ).fetchone()
        if place is None:
            raise errors.Refusal(400, "SkipTokenIsNoLongerValid", "The skip token is no longer valid.")
        if not any(column.descending for column in order):
            return Fragment(f"({columns}) > ({', '.join('?' * len(order))})", place)
        alternatives, values = [], []
        for number, column in enumerate(order):
            equal = [f"{earlier.sql} = ?" for earlier in order[:number]]
            alternatives.append(" AND ".join([*equal, f"{column.sql} {'<' if column.descending else '>'} ?"]))
            values += place[: number + 1]
        return Fragment("(" + " OR ".join(alternatives) + ")", tuple(values))

    def _row(self, page: Page, company: Company, row_id: str) -> Row | None:
        rows = company.records[page.table]
        found = self._store.reader.execute(
            f'SELECT * FROM "{rows.physical}" WHERE "SystemId" = ?', (row_id,)
        ).fetchone()
        return dict(zip(rows.columns, found, strict=True)) if found is not None else None

    def _expand(
        self,
        view: View,
        entities: list[Any],
        rows: list[Any],
        expanded: list[_Expanded],
        company: Company,
    ) -> None:
        for item in expanded:
            navigation = item.navigation
            target = self._store.schema.pages[view.page.route][navigation.entity_set.lower()]
            for entity, values in zip(entities, rows, strict=True):
                row = self._row(view.page, company, values[0]) or {}
                if navigation.many:
                    value: Any = contact_information(company, self._store.reader, view.page.table, row)
                else:
                    inner = self.view(target, company, item.options.get("$select", ""))
                    value = inner.one(self._store.reader, row[navigation.by])
                view.expand(entity, navigation.name, value)


def contact_information(company: Company, reader: sqlite3.Connection, table: str, row: Row) -> list[dict[str, Any]]:
    """The contacts of a customer or vendor: the one behind it, and the people who belong to that."""
    relations, contacts = company.records["Contact Business Relation"].physical, company.records["Contact"].physical
    found = reader.execute(
        f'SELECT c."SystemId", c."No.", c."Name", c."Type", c."SystemRowVersion" FROM "{relations}" r '
        f'JOIN "{contacts}" c ON c."No." = r."Contact No." OR c."Company No." = r."Contact No." '
        'WHERE r."Link to Table" = ? AND r."No." = ? ORDER BY c."No."',
        (table, row["No."]),
    )
    return [
        {
            "@odata.etag": etag(version),
            "contactId": contact_id,
            "contactNumber": number,
            "contactName": name,
            "contactType": kind,
            "relatedId": row["SystemId"],
            "relatedType": table,
        }
        for contact_id, number, name, kind, version in found
    ]


def check_options(options: dict[str, str]) -> None:
    """Refuse query options that OData has and Business Central does not."""
    for name in options:
        if name.startswith("$") and name not in _KNOWN_OPTIONS:
            raise errors.not_implemented(f"The query option '{name}' is not supported.")


def _selected(page: Page, names: Sequence[str]) -> list[Property]:
    if not names:
        return list(page.properties)
    known = {item.name: item for item in page.properties}
    for name in names:
        if name not in known:
            raise errors.unknown_property(name, page.entity)
    return [known[name] for name in names]


def _expansions(page: Page, text: str) -> list[_Expanded]:
    known = {item.name: item for item in page.navigation}
    expanded = []
    for item in parse_expand(text) if text else ():
        if item.name not in known:
            raise errors.unknown_property(item.name, page.entity)
        if item.options.keys() - {"$select"}:
            raise errors.not_implemented(f"The options {', '.join(item.options)} are not supported below $expand.")
        expanded.append(_Expanded(known[item.name], item.options))
    return expanded


def _number(options: dict[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise errors.query_syntax(f"Invalid value '{text}' for {name} query option found.")
    return int(text)


def _both(left: Fragment | None, right: Fragment | None) -> Fragment | None:
    if left is None or right is None:
        return left or right
    return Fragment(f"({left.sql}) AND {right.sql}", (*left.values, *right.values))


def _next_link(operation: Operation, last_id: str, top: int | None) -> str:
    kept = [(name, operation.options[name]) for name in _KEPT_IN_LINKS if name in operation.options]
    if top is not None:
        kept.append(("$top", str(top)))
    query = "".join(f"{name}={quote(value, safe=_SAFE)}&" for name, value in kept)
    return f"{operation.root}/{quote(operation.path, safe=_SAFE)}?{query}aid=FIN&$skiptoken={last_id}"


_SAFE = "()/,:'$"
