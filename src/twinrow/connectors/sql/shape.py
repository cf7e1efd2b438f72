"""The shape of a table: its description for everybody, and beside it what the SQL connector must know about its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

import sqlalchemy as sa

from twinrow.model.tables import Field, Option, Table


class Storage(Enum):
    """How a database holds the values of a column."""

    TEXT = auto()
    UUID = auto()
    INTEGER = auto()
    DECIMAL = auto()
    FLOAT = auto()
    BOOLEAN = auto()
    DATE = auto()
    INSTANT = auto()
    ENUM = auto()


class Relation(Enum):
    """What a name in a database stands for. Only tables are written."""

    TABLE = "table"
    VIEW = "view"
    FOREIGN = "foreign table"


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the database describes it.

    `precision` counts the digits of a decimal, `declared` is the type in the database's own words, `default` the expression
    that stands in for a value that is not sent. `exact` is false where a value may come back in another form than it was sent
    in (blanks cut, times rounded). `fixed` marks columns that the database computes, `binary` decimals that it holds as binary
    numbers.
    """

    name: str
    storage: Storage
    declared: str
    nullable: bool
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    default: str | None = None
    fixed: bool = False
    exact: bool = True
    binary: bool = False
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table as the database describes it. Columns of types that cannot be carried are left out.

    `references` tells to which table and column a column points, `constraints` which columns a unique or foreign key
    constraint is about, `unique` which single columns are unique. `row_order` names a hidden column by which the whole table
    is best read (SQLite's rowid). `counted` tells that ids are numbers of which the database never gives one twice, `guarded`
    that the database looks at each row before it lets it in (row-level policies, triggers and conflict clauses of SQLite).
    """

    name: str
    schema: str | None
    relation: Relation
    columns: tuple[FoundColumn, ...]
    primary_key: tuple[str, ...] = ()
    unique: frozenset[str] = frozenset()
    indexed: frozenset[str] = frozenset()
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    constraints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    triggers: tuple[str, ...] = ()
    row_order: str | None = None
    counted: bool = False
    guarded: bool = False
    privileges: frozenset[str] = frozenset({"INSERT", "UPDATE", "DELETE"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column that can be mapped: the field that it is for everybody, and how the database holds it."""

    found: FoundColumn
    field: Field
    is_key: bool = False

    @property
    def name(self) -> str:
        """The column's name, which is the field's."""
        return self.found.name

    @property
    def storage(self) -> Storage:
        """How the database holds the values."""
        return self.found.storage


@dataclass(frozen=True, slots=True)
class Shape:
    """A table that can be mapped, with its settings filled in."""

    found: FoundTable
    table: Table
    columns: Mapping[str, Column]
    key: Column
    modified_at: Column | None
    row_version: Column | None
    created_at: str | None
    sets_modified_at: bool
    overlap: timedelta

    @property
    def source(self) -> sa.TableClause:
        """The table for SQL expressions."""
        columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in self.columns]
        return sa.table(self.found.name, *columns, schema=self.found.schema)

    @property
    def key_column(self) -> sa.ColumnClause[object]:
        """The key for SQL expressions."""
        return sa.column(self.key.name)

    @property
    def writable(self) -> bool:
        """Whether records can be told apart well enough to be written."""
        return self.found.relation is Relation.TABLE and self.key.name in self.found.unique
