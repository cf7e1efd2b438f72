"""`$expand`: related rows inside the rows that were asked for.

Single-valued properties may nest; collections hold up to one page of related rows for each row. Related rows are read
with one query for each property and level, not for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Navigation, Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.preferences import Preferences
from twinrow.sandbox.dataverse.questions import other_table, owner_column, question_of, related_source
from twinrow.sandbox.dataverse.schema import ManyToMany, ManyToOne
from twinrow.sandbox.dataverse.selecting import ALIAS, Plan, plan_for
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.odata.errors import ODataError
from twinrow.sandbox.odata.query_options import Expansion, parse_expand, parse_select

_MOST = 15
_OPTIONS = {"$select", "$filter", "$orderby", "$top", "$expand"}
_CHUNK = 500
_MOST_RELATED = 5000


class Expander:
    """The expansions of one query on one table."""

    def __init__(
        self, environment: Environment, call: Call, preferences: Preferences, plan: Plan, text: str, depth: int = 0
    ) -> None:
        self._environment = environment
        self._call = call
        self._preferences = preferences
        self._plan = plan
        self._depth = depth
        try:
            self._expansions = parse_expand(text) if text else []
        except ODataError as error:
            raise errors.bad_query(str(error)) from None
        self._nested = depth > 0 or any("$expand" in expansion.options for expansion in self._expansions)
        if text.count("$expand=") + len(self._expansions) > _MOST:
            raise errors.bad_query(f"A query can have at most {_MOST} expanded properties.")
        for expansion in self._expansions:
            self._check(expansion)

    @property
    def context_names(self) -> list[str]:
        """How the expansions are listed in the context URL."""
        return [_shown(expansion) for expansion in self._expansions]

    def fill(self, rows: list[dict[str, Any]], raws: list[tuple[Any, ...]]) -> None:
        """Put the related rows into the rows; `raws` are these rows as they were read."""
        for expansion in self._expansions:
            navigation = self._plan.table.navigations.get(expansion.name)
            if navigation is not None:
                self._fill_single(expansion, navigation, rows, raws)
            else:
                self._fill_collection(expansion, self._plan.table.collections[expansion.name], rows, raws)

    def _check(self, expansion: Expansion) -> None:
        table = self._plan.table
        unknown = expansion.options.keys() - _OPTIONS
        if unknown:
            raise errors.bad_query(f"The query option '{min(unknown)}' is not supported in $expand.")
        if expansion.name in table.navigations:
            navigation = table.navigations[expansion.name]
            # The lookup and its companion are needed to find the related rows.
            self._plan.raw(navigation.column.name)
            if navigation.column.polymorphic:
                self._plan.raw(type_column(navigation.column))
            if expansion.reference:
                self._plan.raw(navigation.column.name)
            return
        relationship = table.collections.get(expansion.name)
        if relationship is None:
            raise errors.unknown_property(expansion.name, table.name)
        if expansion.reference:
            raise errors.bad_query("Expand with $ref is only supported on lookup type navigation property.")
        if self._nested and (isinstance(relationship, ManyToMany) or {"$orderby", "$top"} & expansion.options.keys()):
            raise errors.bad_query(
                "Nested expand is not supported together with $orderby or $top, or with many-to-many relationships."
            )
        self._plan.raw(table.id)

    def _fill_single(
        self, expansion: Expansion, navigation: Navigation, rows: list[dict[str, Any]], raws: list[tuple[Any, ...]]
    ) -> None:
        place = self._plan.raw(navigation.column.name)
        if expansion.reference:
            self._fill_references(expansion, navigation, rows, raws, place)
            return
        kinds = self._plan.raw(type_column(navigation.column)) if navigation.column.polymorphic else None
        related: dict[str, dict[str, Any]] = {}
        for target in navigation.targets:
            wanted = {raw[place] for raw in raws if kinds is None or raw[kinds] == target}
            if wanted - {None}:
                related |= self._read_by_id(self._environment.catalog.tables[target], expansion, wanted - {None})
        for row, raw in zip(rows, raws, strict=True):
            row[expansion.name] = related.get(raw[place]) if kinds is None or raw[kinds] in navigation.targets else None

    def _fill_references(
        self,
        expansion: Expansion,
        navigation: Navigation,
        rows: list[dict[str, Any]],
        raws: list[tuple[Any, ...]],
        place: int,
    ) -> None:
        target = self._environment.catalog.tables[navigation.targets[0]]
        for row, raw in zip(rows, raws, strict=True):
            key = raw[place]
            row[navigation.column.property_name] = key
            row[expansion.name] = {"@odata.id": self._call.url(f"{target.set}({key})")} if key else None

    def _inner(self, table: Table, expansion: Expansion) -> tuple[Plan, Expander]:
        selected = tuple(parse_select(expansion.options.get("$select", ""))) or None
        plan = plan_for(self._environment, table, selected, self._preferences)
        text = expansion.options.get("$expand", "")
        inner = Expander(self._environment, self._call, self._preferences, plan, text, self._depth + 1)
        return plan, inner

    def _read_by_id(self, table: Table, expansion: Expansion, wanted: set[Any]) -> dict[str, dict[str, Any]]:
        plan, inner = self._inner(table, expansion)
        place = plan.raw(table.id)
        found: dict[str, dict[str, Any]] = {}
        for chunk in _chunks(sorted(wanted)):
            marks = ", ".join("?" * len(chunk))
            sql = f'SELECT {plan.sql} FROM "{table.name}" {ALIAS} WHERE {ALIAS}."{table.id}" IN ({marks})'  # noqa: S608
            raws = self._environment.storage.execute(sql, chunk).fetchall()
            rows = [plan.build(raw) for raw in raws]
            inner.fill(rows, raws)
            found |= {raw[place]: row for row, raw in zip(rows, raws, strict=True)}
        return found

    def _fill_collection(
        self,
        expansion: Expansion,
        relationship: ManyToOne | ManyToMany,
        rows: list[dict[str, Any]],
        raws: list[tuple[Any, ...]],
    ) -> None:
        place = self._plan.raw(self._plan.table.id)
        keys = [raw[place] for raw in raws]
        related: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
        for chunk in _chunks(keys):
            for owner, row in self._read_collection(expansion, relationship, chunk):
                if len(related[owner]) < self._limit(expansion):
                    related[owner].append(row)
        for row, key in zip(rows, keys, strict=True):
            row[expansion.name] = related[key]
            link = self._call.url(f"{self._plan.table.set}({key})/{expansion.name}")
            selected = expansion.options.get("$select")
            row[f"{expansion.name}@odata.nextLink"] = f"{link}?$select={selected}" if selected else link

    def _limit(self, expansion: Expansion) -> int:
        if "$top" in expansion.options and expansion.options["$top"].isdigit():
            return int(expansion.options["$top"])
        if self._nested and self._preferences.page_size is not None:
            return self._preferences.page_size
        return _MOST_RELATED

    def _read_collection(
        self, expansion: Expansion, relationship: ManyToOne | ManyToMany, keys: list[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        table = self._environment.catalog.tables[other_table(self._plan.table, relationship)]
        plan, inner = self._inner(table, expansion)
        source = related_source(self._environment, self._plan.table, relationship, keys, "")
        question = question_of(self._environment, self._call, source, expansion.options, ordered=True)
        owner = owner_column(self._plan.table, relationship)
        order = ", ".join(term.order for term in question.terms)
        sql = (
            f'SELECT {plan.sql}, {owner} FROM "{table.name}" {ALIAS}{question.joins} '  # noqa: S608
            f"WHERE {question.condition.sql} ORDER BY {order}"
        )
        raws = self._environment.storage.execute(sql, question.condition.values).fetchall()
        rows = [plan.build(raw) for raw in raws]
        inner.fill(rows, raws)
        for row, raw in zip(rows, raws, strict=True):
            yield raw[-1], row


def _shown(expansion: Expansion) -> str:
    if expansion.reference:
        return expansion.name
    return f"{expansion.name}({','.join(parse_select(expansion.options.get('$select', '')))})"


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = list(keys)
    for start in range(0, len(remaining), _CHUNK):
        yield remaining[start : start + _CHUNK]
