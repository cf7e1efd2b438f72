# ruff: noqa: S608 -- names of tables and columns come from metadata, values are bound
"""The rows of an environment in SQLite: one table for each table, one column for each column that is served.

Words: the *version* is a number that grows with every write anywhere in the environment; each row carries that of its
last write (`versionnumber`), and a deleted row leaves its id and version behind in `sandbox_deleted`. A polymorphic
lookup has a companion column `<lookup>type` with the logical name of the table that it refers to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse.catalog import Catalog, Table
from twinrow.sandbox.dataverse.schema import Column, Key

_FIRST_VERSION = 1_000_000
_SQL_TYPES = {
    "Integer": "INTEGER",
    "BigInt": "INTEGER",
    "Boolean": "INTEGER",
    "Picklist": "INTEGER",
    "State": "INTEGER",
    "Status": "INTEGER",
    "Money": "INTEGER",
    "Double": "REAL",
}
# Lookups to few, seldom deleted rows; finding who refers to them may take a scan.
_UNINDEXED_TARGETS = {"systemuser", "team", "businessunit", "transactioncurrency", "organization"}


def type_column(column: Column) -> str:
    """The companion of a polymorphic lookup."""
    return f"{column.name}type"


class Storage:
    """The database of one environment. A transaction stands around each request; see `begin`."""

    def __init__(self, connection: sqlite3.Connection, catalog: Catalog) -> None:
        self.version = _FIRST_VERSION
        self._connection = connection
        self._catalog = catalog
        self._stored_version = 0
        self._inserts: dict[tuple[str, ...], str] = {}
        self._updates: dict[tuple[str, ...], str] = {}
        self._tables_with_deletions: set[str] = set()
        connection.create_collation("decimal", _compare_decimals)

    def open(self) -> None:
        """Make the tables that are missing, and read where the version stands."""
        execute = self._connection.execute
        execute("CREATE TABLE IF NOT EXISTS sandbox_version (version INTEGER NOT NULL)")
        execute(
            "CREATE TABLE IF NOT EXISTS sandbox_deleted "
            "(entity TEXT, id TEXT, version INTEGER, at TEXT, PRIMARY KEY (entity, id)) WITHOUT ROWID"
        )
        execute("CREATE INDEX IF NOT EXISTS sandbox_deleted_version ON sandbox_deleted (entity, version)")
        row = execute("SELECT version FROM sandbox_version").fetchone()
        if row is None:
            execute("INSERT INTO sandbox_version VALUES (?)", (_FIRST_VERSION,))
        self.version = self._stored_version = row[0] if row else _FIRST_VERSION
        self._tables_with_deletions = {name for (name,) in execute("SELECT DISTINCT entity FROM sandbox_deleted")}
        for table in self._catalog.tables.values():
            self.prepare(table)
        for relationship in self._catalog.many_to_many:
            first, second = (self._catalog.tables[name].id for name in relationship.tables)
            execute(
                f'CREATE TABLE IF NOT EXISTS "{relationship.intersect}" '
                f'("{first}" TEXT, "{second}" TEXT, PRIMARY KEY ("{first}", "{second}")) WITHOUT ROWID'
            )

    def prepare(self, table: Table) -> None:
        """Make the SQL table, its missing columns and its indexes."""
        execute = self._connection.execute
        present = {row[1] for row in execute(f'PRAGMA table_info("{table.name}")')}
        wanted = {c.name: _SQL_TYPES.get(c.type, "TEXT") for c in table.properties.values()}
        wanted |= {type_column(c): "TEXT" for c in table.properties.values() if c.polymorphic}
        if not present:
            rest = "".join(f', "{name}" {kind}' for name, kind in wanted.items() if name != table.id)
            execute(f'CREATE TABLE "{table.name}" ("{table.id}" TEXT NOT NULL PRIMARY KEY{rest})')
        else:
            for name in wanted.keys() - present:
                execute(f'ALTER TABLE "{table.name}" ADD COLUMN "{name}" {wanted[name]}')
        for name in ("versionnumber", "modifiedon"):
            if name in wanted:
                self._index(table.name, name, f'"{name}", "{table.id}"')
        for relationship in table.many_to_one:
            if relationship.target not in _UNINDEXED_TARGETS:
                column = relationship.column
                self._index(table.name, column, f'"{column}"', f'WHERE "{column}" IS NOT NULL')
        for key in table.data.keys:
            self.add_key(table, key)

    def _index(self, table: str, name: str, columns: str, condition: str = "") -> None:
        self._connection.execute(f'CREATE INDEX IF NOT EXISTS "{table}_{name}" ON "{table}" ({columns}) {condition}')

    def add_key(self, table: Table, key: Key) -> None:
        """Make the unique index of an alternate key; sqlite3.IntegrityError when rows stand in the way."""
        columns = ", ".join(f'"{name}" COLLATE NOCASE' for name in key.columns)
        self._connection.execute(f'CREATE UNIQUE INDEX IF NOT EXISTS "key_{key.name}" ON "{table.name}" ({columns})')

    def remove_key(self, key: Key) -> None:
        """Drop the unique index of an alternate key."""
        self._connection.execute(f'DROP INDEX IF EXISTS "key_{key.name}"')

    def drop_table(self, table: Table) -> None:
        """Drop a table with its rows."""
        self._connection.execute(f'DROP TABLE IF EXISTS "{table.name}"')

    def drop_column(self, table: Table, column: Column) -> None:
        """Drop a column with its values."""
        self._connection.execute(f'DROP INDEX IF EXISTS "{table.name}_{column.name}"')
        self._connection.execute(f'ALTER TABLE "{table.name}" DROP COLUMN "{column.name}"')

    def empty(self) -> None:
        """Remove everything: rows, tables, customizations, versions."""
        names = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (name,) in names:
            self._connection.execute(f'DROP TABLE "{name}"')

    # Transactions. Savepoints may be nested.

    def begin(self) -> None:
        """Begin the transaction of a request."""
        self._connection.execute("BEGIN")

    def commit(self) -> None:
        """Make everything since `begin` lasting, the version with it."""
        if self.version != self._stored_version:
            self._connection.execute("UPDATE sandbox_version SET version = ?", (self.version,))
            self._stored_version = self.version
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo everything since `begin`. Versions given out are not given out again."""
        self._connection.execute("ROLLBACK")

    def savepoint(self) -> None:
        """Begin a part that can be undone alone."""
        self._connection.execute("SAVEPOINT part")

    def release(self) -> None:
        """Keep the part begun last."""
        self._connection.execute("RELEASE part")

    def undo(self) -> None:
        """Undo the part begun last."""
        self._connection.execute("ROLLBACK TO part")
        self._connection.execute("RELEASE part")

    # Rows.

    def next_version(self) -> int:
        """The version of the next write."""
        self.version += 1
        return self.version

    def version_of(self, table: Table, key: str) -> int | None:
        """The version of a row; None when there is none."""
        row = self._connection.execute(
            f'SELECT "versionnumber" FROM "{table.name}" WHERE "{table.id}" = ?', (key,)
        ).fetchone()
        return row[0] if row else None

    def exists(self, table: Table, key: str) -> bool:
        """Whether there is such a row."""
        query = f'SELECT 1 FROM "{table.name}" WHERE "{table.id}" = ?'
        return self._connection.execute(query, (key,)).fetchone() is not None

    def insert(self, table: Table, values: Mapping[str, Any]) -> None:
        """Add a row; raises sqlite3.IntegrityError when a key is taken."""
        shape = (table.name, *values)
        sql = self._inserts.get(shape)
        if sql is None:
            names = ", ".join(f'"{name}"' for name in values)
            sql = f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(values))})'
            self._inserts[shape] = sql
        self._connection.execute(sql, tuple(values.values()))

    def update(self, table: Table, key: str, values: Mapping[str, Any]) -> None:
        """Change a row; raises sqlite3.IntegrityError when an alternate key is taken."""
        shape = (table.name, *values)
        sql = self._updates.get(shape)
        if sql is None:
            assignments = ", ".join(f'"{name}" = ?' for name in values)
            sql = self._updates[shape] = f'UPDATE "{table.name}" SET {assignments} WHERE "{table.id}" = ?'
        self._connection.execute(sql, (*values.values(), key))

    def delete(self, table: Table, key: str, at: str) -> None:
        """Remove a row and leave its id and version behind."""
        self._connection.execute(f'DELETE FROM "{table.name}" WHERE "{table.id}" = ?', (key,))
        self._connection.execute(
            "INSERT OR REPLACE INTO sandbox_deleted VALUES (?, ?, ?, ?)", (table.name, key, self.next_version(), at)
        )
        self._tables_with_deletions.add(table.name)

    def forget_deletion(self, table: Table, key: str) -> None:
        """A row with an id that was deleted before is back."""
        if table.name in self._tables_with_deletions:
            self._connection.execute("DELETE FROM sandbox_deleted WHERE entity = ? AND id = ?", (table.name, key))

    def fetch(self, table: Table, key: str, columns: Iterable[str]) -> dict[str, Any] | None:
        """Some columns of a row as stored; None when there is no such row."""
        names = list(columns)
        listed = ", ".join(f'"{name}"' for name in names) or "1"
        row = self._connection.execute(f'SELECT {listed} FROM "{table.name}" WHERE "{table.id}" = ?', (key,)).fetchone()
        return None if row is None else dict(zip(names, row, strict=False))

    def execute(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Run any statement."""
        return self._connection.execute(sql, tuple(values))


def _compare_decimals(left: str, right: str) -> int:
    first, second = Decimal(left), Decimal(right)
    return (first > second) - (first < second)
