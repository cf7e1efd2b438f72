"""Rows of the database as the JSON objects of a page.

A *view* is a page with the properties that a request selected. It knows which SQL columns to fetch, turns whole
columns into their wire form at once, and makes one msgspec struct for each row, so that a page of some thousand rows
costs little.
"""

# ruff: noqa: S608 - names of tables and columns come from the schema, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec

from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.relations import TABLE as RELATION
from twinrow.sandbox.business_central.schema import Page, Property
from twinrow.sandbox.business_central.store import Store
from twinrow.sandbox.business_central.wire import ZERO_GUID, etag, wire_time

SYSTEM_VERSION = "26.0.30643.31000"

Converter = Callable[[Sequence[Any]], Iterable[Any]]


@lru_cache(maxsize=4096)
def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_CONVERTERS: dict[str, Converter] = {
    "Boolean": lambda column: map(bool, column),
    "Decimal": lambda column: map(_number, column),
    "DateTime": lambda column: map(wire_time, column),
}


@dataclass(frozen=True)
class Source:
    """Where a property comes from: an SQL expression over the page's table `t`, and how its column is converted."""

    sql: str
    convert: Converter | None = None


class View:
    """A page with selected properties, for one company. `expanded` names the navigation properties to be filled."""

    def __init__(
        self, page: Page, properties: Sequence[Property], expanded: Sequence[str], company: Company, store: Store
    ) -> None:
        self.page = page
        self._sources = [_source(page, item, company, store) for item in properties]
        self._physical = company.records[page.table].physical
        columns = ['t."SystemId"', 't."SystemRowVersion"', *(source.sql for source in self._sources)]
        self.select = f'SELECT {", ".join(columns)} FROM "{self._physical}" t'
        names = ["@odata.context", "@odata.etag", *(item.name for item in properties), *expanded]
        self._struct = msgspec.defstruct(
            page.entity,
            [(f"p{number}", Any, msgspec.UNSET) for number in range(len(names))],
            rename={f"p{number}": name for number, name in enumerate(names)},
        )

    @property
    def table(self) -> str:
        """The FROM clause of the page's rows."""
        return f'"{self._physical}" t'

    def render(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """The objects of rows that `select` brought, ready to be encoded."""
        if not rows:
            return []
        _, versions, *columns = zip(*rows, strict=True)
        converted = [
            source.convert(column) if source.convert else column
            for source, column in zip(self._sources, columns, strict=True)
        ]
        return list(map(self._struct, repeat(msgspec.UNSET), map(etag, versions), *converted))

    def one(self, connection: sqlite3.Connection, system_id: str) -> Any | None:
        """The object of one row, None when it does not exist."""
        rows = connection.execute(f'{self.select} WHERE t."SystemId" = ?', (system_id,)).fetchall()
        return self.render(rows)[0] if rows else None

    def with_context(self, entity: Any, context: str) -> Any:
        """The object of a single row, with its `@odata.context`."""
        entity.p0 = context
        return entity

    def expand(self, entity: Any, name: str, value: Any) -> None:
        """Fill a navigation property."""
        setattr(entity, self._struct.__struct_fields__[self._struct.__struct_encode_fields__.index(name)], value)


def _source(page: Page, item: Property, company: Company, store: Store) -> Source:
    if item.field:
        field = store.schema.tables[page.table].field(item.field)
        return Source(f't."{field.name}"', _CONVERTERS.get(field.type))
    return _computed(item.computed, company, store)


def _computed(name: str, company: Company, store: Store) -> Source:
    records = company.records
    match name:
        case "currency code":
            return Source('t."Currency Code"', lambda column: _or_local(column, company))
        case "contact":
            return Source('t."Contact"')
        case "modified by":
            return Source('t."SystemModifiedBy"', lambda column: [store.users.get(user, "") for user in column])
        case "tax area name":
            return Source(_lookup(records["Tax Area"].physical, "Description", "Tax Area Code"))
        case "business relation description":
            return Source(_lookup(records["Business Relation"].physical, "Description", "Business Relation Code"))
        case "contact name":
            contacts = records["Contact"].physical
            return Source(f'coalesce((SELECT c."Name" FROM "{contacts}" c WHERE c."No." = t."Contact No."), \'\')')
        case "customer id":
            return Source(_partner_id("Customer", company))
        case "vendor id":
            return Source(_partner_id("Vendor", company))
        case "system version":
            return Source(f"'{SYSTEM_VERSION}'")
    raise LookupError(f"Nothing computes {name!r}.")


def _or_local(codes: Sequence[str], company: Company) -> list[str]:
    local = company.local_currency
    return [code or local for code in codes]


def _lookup(table: str, column: str, code: str) -> str:
    return f'coalesce((SELECT r."{column}" FROM "{table}" r WHERE r."Code" = t."{code}"), \'\')'


def _partner_id(link: str, company: Company) -> str:
    relations, partners = company.records[RELATION].physical, company.records[link].physical
    return (
        f'coalesce((SELECT p."SystemId" FROM "{relations}" r JOIN "{partners}" p ON p."No." = r."No." '
        f'WHERE r."Link to Table" = \'{link}\' AND r."Contact No." = t."Company No." AND t."Company No." <> \'\'), '
        f"'{ZERO_GUID}')"
    )
