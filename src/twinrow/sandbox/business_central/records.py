"""Rows of one company, as AL code sees them: get, find, insert, modify, rename, delete.

A row is a dict of field name to stored value. What is read is the caller's own copy: it takes effect when it is
given to `modify`. Nothing here knows a business rule; those stand in `customers`, `contacts` and their like.
"""

# ruff: noqa: S608 - names of tables and columns come from the schema, values are bound
from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from twinrow.sandbox.business_central.errors import record_not_found, same_key
from twinrow.sandbox.business_central.schema import Table
from twinrow.sandbox.business_central.store import Row, Store
from twinrow.sandbox.business_central.wire import ZERO_GUID


class TableRecords:
    """The rows of one table of one company."""

    def __init__(self, store: Store, table: Table, company: str) -> None:
        self.table = table
        self.physical = store.name(table, company)
        self.columns = store.columns(table)
        self._store = store
        self._initial = {field.name: field.initial for field in table.all_fields}
        self._select = f'SELECT * FROM "{self.physical}"'
        self._by_key = f"{self._select} WHERE " + " AND ".join(f'"{column}" = ?' for column in table.key)
        self._by_id = f'{self._select} WHERE "SystemId" = ?'
        self._insert = f'INSERT INTO "{self.physical}" VALUES ({", ".join("?" * len(self.columns))})'
        # The plus keeps SQLite from walking through the whole table for the sake of the order.
        self._order = ", ".join(f'+"{column}"' for column in table.key)

    def new(self) -> Row:
        """A row that does not exist yet, every field with the value that it starts with."""
        return dict(self._initial)

    def key(self, row: Row) -> dict[str, Any]:
        """The primary key of a row, by field."""
        return {column: row[column] for column in self.table.key}

    def get(self, *key: Any) -> Row | None:
        """The row with that primary key."""
        row = self.peek(*key)
        return dict(row) if row is not None and self.table.small else row

    def peek(self, *key: Any) -> Row | None:
        """The row with that primary key, not to be changed: of a small table it is the one in memory."""
        if self.table.small:
            return self._store.small_rows(self.physical, self.table).get(key)
        return self._one(self._by_key, key)

    def exists(self, *key: Any) -> bool:
        """Whether a row has that primary key."""
        return self.peek(*key) is not None

    def need(self, *key: Any) -> Row:
        """The row with that primary key; refuses the request when there is none."""
        row = self.get(*key)
        if row is None:
            raise record_not_found(self.table.name, dict(zip(self.table.key, key, strict=True)))
        return row

    def by_id(self, system_id: str) -> Row | None:
        """The row with that SystemId."""
        if system_id == ZERO_GUID:
            return None
        if self.table.small:
            for row in self._store.small_rows(self.physical, self.table).values():
                if row["SystemId"] == system_id:
                    return dict(row)
            return None
        return self._one(self._by_id, (system_id,))

    def where(self, conditions: Mapping[str, Any]) -> list[Row]:
        """All rows whose fields equal the conditions, in the order of the primary key."""
        condition = " AND ".join(f'"{column}" = ?' for column in conditions)
        found = self._store.connection.execute(
            f"{self._select} WHERE {condition} ORDER BY {self._order}", tuple(conditions.values())
        )
        return [dict(zip(self.columns, values, strict=True)) for values in found]

    def first(self, conditions: Mapping[str, Any]) -> Row | None:
        """The first row whose fields equal the conditions."""
        condition = " AND ".join(f'"{column}" = ?' for column in conditions)
        return self._one(f"{self._select} WHERE {condition} ORDER BY {self._order} LIMIT 1", tuple(conditions.values()))

    def all(self) -> list[Row]:
        """All rows, in the order of the primary key."""
        order = ", ".join(f'"{column}"' for column in self.table.key)
        found = self._store.connection.execute(f"{self._select} ORDER BY {order}")
        return [dict(zip(self.columns, values, strict=True)) for values in found]

    def insert(self, row: Row) -> None:
        """Add a row; its system fields are filled. Refuses a key or an id that exists."""
        self._store.stamp_new(row)
        self._store.touch(self.physical, self.table, row)
        try:
            self._store.connection.execute(self._insert, [row[column] for column in self.columns])
        except sqlite3.IntegrityError as error:
            raise self._duplicate(row, error) from error

    def modify(self, row: Row, before: Row) -> None:
        """Write a row back; `before` is what it was. It gets a new version even when no field differs."""
        self._store.touch(self.physical, self.table, before)
        self._store.stamp_changed(row)
        changed = [column for column in self.columns if row[column] != before[column]]
        assignments = ", ".join(f'"{column}" = ?' for column in changed)
        try:
            self._store.connection.execute(
                f'UPDATE "{self.physical}" SET {assignments} WHERE "SystemId" = ?',
                [*(row[column] for column in changed), row["SystemId"]],
            )
        except sqlite3.IntegrityError as error:
            raise self._duplicate(row, error) from error

    def set_system_fields(self, row: Row, given: Row) -> None:
        """Overwrite system fields that Business Central fills itself; only set-up by control may."""
        for column, value in given.items():
            self._store.connection.execute(
                f'UPDATE "{self.physical}" SET "{column}" = ? WHERE "SystemRowVersion" = ?',
                (value, row["SystemRowVersion"]),
            )

    def delete(self, row: Row) -> None:
        """Remove a row."""
        self._store.touch(self.physical, self.table, row)
        self._store.connection.execute(f'DELETE FROM "{self.physical}" WHERE "SystemId" = ?', (row["SystemId"],))

    def _one(self, statement: str, values: Iterable[Any]) -> Row | None:
        found = self._store.connection.execute(statement, tuple(values)).fetchone()
        return dict(zip(self.columns, found, strict=True)) if found is not None else None

    def _duplicate(self, row: Row, error: sqlite3.IntegrityError) -> Exception:
        named = {"SystemId": row["SystemId"]} if str(error).endswith(".SystemId") else self.key(row)
        return same_key(self.table.name, named)


class Records:
    """The tables of one company, by name: `records["Customer"].get("10000")`."""

    def __init__(self, store: Store, company: str) -> None:
        self.store = store
        self.company = company
        self._tables: dict[str, TableRecords] = {}

    def __getitem__(self, table: str) -> TableRecords:
        records = self._tables.get(table)
        if records is None:
            records = self._tables[table] = TableRecords(self.store, self.store.schema.tables[table], self.company)
        return records

    def setup(self, table: str) -> Row:
        """The one row of a setup table, not to be changed."""
        row = self[table].peek("")
        if row is None:
            raise record_not_found(table, {"Primary Key": ""})
        return row
