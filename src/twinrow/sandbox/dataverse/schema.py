"""Tables, columns, choices, keys and relationships as data: what metadata tells and what writing obeys.

The data files hold the tables of a new environment; tables, columns, keys and options made later have the same form.
A *lookup* is a column that refers to a row of another table; it is *polymorphic* when there are several such tables.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

Write = Literal["create", "update", "never"]
DeleteBehaviour = Literal["RemoveLink", "Restrict", "Cascade"]

BASE_LANGUAGE = 1033
_LOOKUPS = ("Lookup", "Owner", "Customer")
_EDM = {
    "String": "Edm.String",
    "Memo": "Edm.String",
    "Integer": "Edm.Int32",
    "BigInt": "Edm.Int64",
    "Boolean": "Edm.Boolean",
    "Picklist": "Edm.Int32",
    "State": "Edm.Int32",
    "Status": "Edm.Int32",
    "MultiSelectPicklist": "Edm.String",
    "Money": "Edm.Decimal",
    "Decimal": "Edm.Decimal",
    "Double": "Edm.Double",
    "DateTime": "Edm.DateTimeOffset",
    "Uniqueidentifier": "Edm.Guid",
    "Lookup": "Edm.Guid",
    "Owner": "Edm.Guid",
    "Customer": "Edm.Guid",
    "Image": "Edm.Binary",
}
_NAMESPACE = uuid.UUID("5d0f4c5e-3c8e-4b7b-9f0a-7d3f2b1c9a10")


def metadata_id(*names: str) -> str:
    """The id of a piece of metadata, the same in every sandbox."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


class Option(msgspec.Struct):
    """One value of a choice, with its label for each language. `state` is the state that a status reason belongs to."""

    value: int
    labels: dict[int, str]
    state: int | None = None
    color: str | None = None
    external_value: str | None = None
    description: str | None = None

    @property
    def label(self) -> str:
        """The label in the base language."""
        return self.labels.get(BASE_LANGUAGE) or next(iter(self.labels.values()), "")


class OptionSet(msgspec.Struct):
    """A choice that several columns may share."""

    name: str
    label: str
    options: list[Option]


class Column(msgspec.Struct, kw_only=True):
    """A column. `hidden` ones are listed by metadata but not served; `secret` ones are never read back.

    `options` holds number, label and (for status reasons) state. `write` restricts writing; None allows all.
    """

    name: str
    type: str
    schema: str
    label: str
    length: int = 0
    min: Decimal | None = None
    max: Decimal | None = None
    precision: int = 0
    precision_source: int = 0
    format: str | None = None
    required: str = "None"
    targets: list[str] = []
    options: list[list[int | str]] = []
    write: Write | None = None
    hidden: bool = False
    secret: bool = False
    date_only: bool = False
    custom: bool = False
    default: int | None = None
    option_set: str | None = None

    @property
    def is_lookup(self) -> bool:
        """Whether the column refers to rows."""
        return self.type in _LOOKUPS

    @property
    def polymorphic(self) -> bool:
        """Whether it may refer to rows of several tables; then it has a companion that holds the table's name."""
        return self.is_lookup and len(self.targets) > 1

    @property
    def is_choice(self) -> bool:
        """Whether its values are the numbers of options."""
        return self.type in ("Picklist", "State", "Status")

    @property
    def stored(self) -> bool:
        """Whether the database holds it and the Web API serves it."""
        return not self.hidden and self.type in _EDM

    @property
    def property_name(self) -> str:
        """Its name when read over the Web API."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def edm(self) -> str:
        """Its type in OData."""
        return "Edm.Date" if self.date_only else _EDM[self.type]

    def writable(self, *, creating: bool) -> bool:
        """Whether a value is taken; otherwise it is passed over."""
        return self.write is None or self.write == ("create" if creating else "update")


class Key(msgspec.Struct):
    """An alternate key."""

    name: str
    label: str
    columns: list[str]


class TableData(msgspec.Struct, kw_only=True):
    """A table as the data files hold it. `set` is its name in URLs, `code` its object type code."""

    name: str
    schema: str
    set: str
    label: str
    plural: str
    code: int
    id: str
    primary_name: str | None
    ownership: str
    custom: bool
    change_tracking: bool
    optimistic_concurrency: bool
    columns: list[Column]
    keys: list[Key] = []


class ManyToOne(msgspec.Struct, kw_only=True):
    """A lookup's relationship: `column` of `table` refers to `target`.

    `navigation` is its name on the referring side, `name` its schema name and its name on the other side. `delete`
    says what becomes of referring rows when the row they refer to is deleted.
    """

    table: str
    column: str
    target: str
    name: str
    navigation: str
    delete: DeleteBehaviour = "RemoveLink"
    custom: bool = False


class ManyToMany(msgspec.Struct, kw_only=True):
    """A relationship kept in a table of its own (`intersect`), with the same name on both sides."""

    name: str
    intersect: str
    tables: tuple[str, str]
    custom: bool = False

    def other(self, table: str) -> str:
        """The table on the other side."""
        return self.tables[1] if self.tables[0] == table else self.tables[0]


class _RelationshipEntry(msgspec.Struct):
    table: str
    column: str
    name: str
    target: str = ""
    navigation: str = ""
    delete: DeleteBehaviour = "RemoveLink"


class _Relationships(msgspec.Struct):
    many_to_one: list[_RelationshipEntry]
    many_to_many: list[ManyToMany]


@cache
def shipped_tables() -> bytes:
    """The tables of a new environment, as one JSON array: decoded anew for each service, which may change them."""
    folder = files("twinrow.sandbox.dataverse") / "data" / "tables"
    return b"[" + b",".join(entry.read_bytes() for entry in sorted(folder.iterdir(), key=lambda e: e.name)) + b"]"


def load_tables() -> list[TableData]:
    """The tables of a new environment."""
    return msgspec.json.decode(shipped_tables(), type=list[TableData])


def system_columns() -> dict[str, list[Column]]:
    """The columns that every table made later gets: `all` of them, those with an owner, those with money."""
    content = (files("twinrow.sandbox.dataverse") / "data" / "system_columns.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, list[Column]])


@cache
def _named_relationships() -> _Relationships:
    content = (files("twinrow.sandbox.dataverse") / "data" / "relationships.json").read_bytes()
    return msgspec.json.decode(content, type=_Relationships)


def load_many_to_many() -> list[ManyToMany]:
    """The many-to-many relationships of a new environment."""
    return list(_named_relationships().many_to_many)


def relationships_of(table: TableData, column: Column) -> list[ManyToOne]:
    """The relationships of a lookup, one for each target, with the names of the data file or made by rule."""
    found = []
    for target in column.targets:
        entry = _entry(table.name, column.name, target)
        found.append(
            ManyToOne(
                table=table.name,
                column=column.name,
                target=target,
                name=entry.name if entry else _relationship_name(table, column, target),
                navigation=(entry and entry.navigation) or navigation_name(column, target),
                delete=entry.delete if entry else _delete_behaviour(column, target),
                custom=_is_custom(column),
            )
        )
    return found


def navigation_name(column: Column, target: str) -> str:
    """The single-valued navigation property: a custom lookup's schema name, else its logical name, and the target
    behind it where there are several."""
    if column.type == "Owner":
        return column.name
    custom = column.custom or "_" in column.schema
    name = column.schema if custom else column.name
    return f"{name}_{target}" if column.polymorphic else name


def _entry(table: str, column: str, target: str) -> _RelationshipEntry | None:
    for entry in _named_relationships().many_to_one:
        if entry.table == table and entry.column == column and entry.target in ("", target):
            return entry
    return None


def _relationship_name(table: TableData, column: Column, target: str) -> str:
    match column.name:
        case "createdby" | "modifiedby" | "createdonbehalfby" | "modifiedonbehalfby":
            base = "" if table.custom else "base"
            return f"lk_{table.name}{base}_{column.name}"
        case "owninguser":
            return f"user_{table.set}"
        case "owningteam":
            return f"team_{table.set}"
        case "owningbusinessunit":
            return f"business_unit_{table.set}"
        case "ownerid":
            return f"owner_{table.set}"
        case "transactioncurrencyid":
            return f"transactioncurrency_{table.name}"
    return f"{target}_{table.name}_{column.name}"


def _is_custom(column: Column) -> bool:
    return column.custom or column.name.startswith(("bcbi_", "cdm_"))


def _delete_behaviour(column: Column, target: str) -> DeleteBehaviour:
    if not _is_custom(column) and target in (
        "systemuser",
        "team",
        "businessunit",
        "transactioncurrency",
        "organization",
    ):
        return "Restrict"
    return "RemoveLink"
