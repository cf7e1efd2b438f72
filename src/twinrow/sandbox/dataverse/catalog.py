"""All metadata of one environment: the tables it came with and what was added, changed or removed since.

Words: a *navigation property* of a table leads over one of its lookups to one row; a *collection* leads over another
table's lookup, or a many-to-many relationship, to many. Customizations are kept in a table of the database, so that a
restart and a restored snapshot have them.

Everything derived (properties, navigation, plans that other modules put into `Table.plans`) is made anew whenever
something changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.schema import (
    BASE_LANGUAGE,
    Column,
    Key,
    ManyToMany,
    ManyToOne,
    Option,
    OptionSet,
    TableData,
    load_many_to_many,
    load_tables,
    relationships_of,
)

T = TypeVar("T")
Kind = Literal[
    "table", "table_removed", "column", "column_removed", "key", "key_removed", "options", "option_set", "tracking"
]

COMPANY_COLUMN = "bcbi_companyid"


@dataclass(frozen=True)
class Navigation:
    """A single-valued navigation property: the lookup behind it and the tables that it may lead to."""

    name: str
    column: Column
    targets: tuple[str, ...]


@dataclass
class Table:
    """A table with all that follows from its definition."""

    data: TableData
    columns: dict[str, Column]
    properties: dict[str, Column]
    options: dict[str, list[Option]]
    navigations: dict[str, Navigation] = field(default_factory=dict)
    collections: dict[str, ManyToOne | ManyToMany] = field(default_factory=dict)
    many_to_one: list[ManyToOne] = field(default_factory=list)
    referenced_by: list[ManyToOne] = field(default_factory=list)
    plans: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Read on every request, so kept as plain attributes.
        self.name = self.data.name
        self.set = self.data.set
        self.id = self.data.id
        self.primary_name = self.data.primary_name

    def plan(self, key: Any, make: Callable[[], T]) -> T:
        """What was made for `key` before, else made now; forgotten when metadata changes."""
        found: T | None = self.plans.get(key)
        if found is None:
            found = self.plans[key] = make()
        return found

    def readable(self, name: str) -> Column:
        """The column behind a property name; raises DataverseError."""
        column = self.properties.get(name)
        if column is None:
            raise errors.unknown_property(name, self.name)
        return column

    @property
    def is_principal(self) -> bool:
        """Users and teams share the key property `ownerid`."""
        return self.name in ("systemuser", "team")


class Catalog:
    """The metadata of one environment. `version` grows with every change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.tables: dict[str, Table] = {}
        self.sets: dict[str, Table] = {}
        self.option_sets: dict[str, OptionSet] = {}
        self.many_to_many: list[ManyToMany] = []
        self.version = 0
        self.company_navigation = "bcbi_CompanyId"
        self._data: dict[str, TableData] = {}
        self._options: dict[tuple[str, str], list[Option]] = {}
        self._connection = connection

    def load(self) -> None:
        """Read the shipped tables and the customizations of the database."""
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS sandbox_customization "
            "(kind TEXT, name TEXT, content BLOB, UNIQUE (kind, name) ON CONFLICT REPLACE)"
        )
        self._data = {table.name: table for table in load_tables()}
        self._options = {}
        self.option_sets = {}
        self.many_to_many = load_many_to_many()
        rows = self._connection.execute(
            "SELECT kind, name, content FROM sandbox_customization ORDER BY rowid"
        ).fetchall()
        for kind, name, content in rows:
            self._apply(kind, name, content)
        self.version = 1_000_000 + len(rows)
        self.rebuild()

    def table(self, name: str) -> Table:
        """The table with this logical name; raises DataverseError."""
        found = self.tables.get(name)
        if found is None:
            raise errors.bad_argument(
                f"The entity with a name = '{name}' with namemapping = 'Logical' was not found in the MetadataCache.",
                "0x80041102",
            )
        return found

    def options(self, table: str, column: str) -> list[Option]:
        """The options of a choice column, in order; a list of its own or that of a shared set."""
        definition = self._data[table]
        for candidate in definition.columns:
            if candidate.name == column:
                return self._options_of(definition, candidate)
        return []

    # Changes: each is stored and takes effect at once.

    def add_table(self, data: TableData) -> None:
        """Add a table."""
        self._change("table", data.name, msgspec.json.encode(data))

    def remove_table(self, name: str) -> None:
        """Remove a table made here."""
        self._change("table_removed", name, b"")

    def add_column(self, table: str, column: Column) -> None:
        """Add a column to a table."""
        self._change("column", f"{table}.{column.name}", msgspec.json.encode(column))

    def remove_column(self, table: str, column: str) -> None:
        """Remove a column made here."""
        self._change("column_removed", f"{table}.{column}", b"")

    def add_key(self, table: str, key: Key) -> None:
        """Add an alternate key; its columns are checked by the caller."""
        self._change("key", f"{table}.{key.name}", msgspec.json.encode(key))

    def remove_key(self, table: str, key: str) -> None:
        """Remove an alternate key."""
        self._change("key_removed", f"{table}.{key}", b"")

    def set_options(self, table: str, column: str, options: list[Option]) -> None:
        """Replace the options of a column's own choice."""
        self._change("options", f"{table}.{column}", msgspec.json.encode(options))

    def set_option_set(self, option_set: OptionSet) -> None:
        """Add or replace a shared choice."""
        self._change("option_set", option_set.name, msgspec.json.encode(option_set))

    def remove_option_set(self, name: str) -> None:
        """Remove a shared choice."""
        self._change("option_set", name, b"")

    def track_changes(self, table: str) -> None:
        """Switch the change feed of a table on, for good."""
        self._change("tracking", table, b"")

    def _change(self, kind: Kind, name: str, content: bytes) -> None:
        self._connection.execute("INSERT INTO sandbox_customization VALUES (?, ?, ?)", (kind, name, content))
        self._apply(kind, name, content)
        self.version += 1
        self.rebuild()

    def _apply(self, kind: Kind, name: str, content: bytes) -> None:
        table, _, rest = name.partition(".")
        match kind:
            case "table":
                self._data[name] = msgspec.json.decode(content, type=TableData)
            case "table_removed":
                self._data.pop(name, None)
            case "column":
                self._data[table].columns.append(msgspec.json.decode(content, type=Column))
            case "column_removed":
                self._data[table].columns = [c for c in self._data[table].columns if c.name != rest]
            case "key":
                self._data[table].keys.append(msgspec.json.decode(content, type=Key))
            case "key_removed":
                self._data[table].keys = [k for k in self._data[table].keys if k.name != rest]
            case "options":
                self._options[table, rest] = msgspec.json.decode(content, type=list[Option])
            case "tracking":
                self._data[name].change_tracking = True
            case "option_set":
                self.option_sets.pop(name, None)
                if content:
                    self.option_sets[name] = msgspec.json.decode(content, type=OptionSet)

    def _options_of(self, table: TableData, column: Column) -> list[Option]:
        if column.option_set is not None:
            return self.option_sets[column.option_set].options
        key = (table.name, column.name)
        if key not in self._options:
            self._options[key] = [
                Option(int(entry[0]), {BASE_LANGUAGE: str(entry[1])}, int(entry[2]) if len(entry) > 2 else None)
                for entry in column.options or _boolean_options(column)
            ]
        return self._options[key]

    def rebuild(self) -> None:
        """Derive everything anew from the definitions."""
        self.tables = {data.name: self._derive(data) for data in self._data.values()}
        self.sets = {table.set: table for table in self.tables.values()}
        for table in self.tables.values():
            for column in table.columns.values():
                if column.is_lookup and column.stored:
                    self._connect(table, column)
        for relationship in self.many_to_many:
            for name in relationship.tables:
                self.tables[name].collections[relationship.name] = relationship

    def _derive(self, data: TableData) -> Table:
        columns = {column.name: column for column in data.columns}
        properties = {column.property_name: column for column in data.columns if column.stored}
        choices = [c for c in data.columns if c.is_choice or c.type in ("Boolean", "MultiSelectPicklist")]
        return Table(data, columns, properties, {column.name: self._options_of(data, column) for column in choices})

    def _connect(self, table: Table, column: Column) -> None:
        relationships = [r for r in relationships_of(table.data, column) if r.target in self.tables]
        for relationship in relationships:
            if column.name == COMPANY_COLUMN:
                relationship.navigation = self.company_navigation
            earlier = table.navigations.get(relationship.navigation)
            targets = (*(earlier.targets if earlier else ()), relationship.target)
            table.navigations[relationship.navigation] = Navigation(relationship.navigation, column, targets)
            table.many_to_one.append(relationship)
            target = self.tables[relationship.target]
            target.referenced_by.append(relationship)
            target.collections[relationship.name] = relationship


def _boolean_options(column: Column) -> list[list[int | str]]:
    return [[0, "No"], [1, "Yes"]] if column.type == "Boolean" else []
