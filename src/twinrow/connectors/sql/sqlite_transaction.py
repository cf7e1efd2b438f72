"""Writing to SQLite, under the write lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from twinrow.batch.columns import ID, VERSION
from twinrow.batch.inserts import ORDERED, inserts
from twinrow.connectors.sql.database import Database, Rows, Transaction, quoted
from twinrow.connectors.sql.shape import Shape, Storage
from twinrow.connectors.sql.sqlite_values import TimeText, encoded
from twinrow.connectors.sql.tokens import own_time

_PORTION = 1_000
"""Rows that are made at once for the driver, so that they stay in the processor's cache."""

TimeTexts = Callable[[Shape], dict[str, TimeText]]
"""Tells how points in time are written in the columns of a table."""


class SqliteTransaction(Transaction):
    """A transaction under way on a connection."""

    def __init__(self, database: Database, rows: Rows, connection: sqlite3.Connection, time_texts: TimeTexts) -> None:
        super().__init__(database, rows)
        self._connection = connection
        self._time_texts = time_texts
        self._now = own_time(database.now())

    @property
    def now(self) -> datetime:
        """The time at which the lock was taken, to the millisecond."""
        return self._now

    @property
    def version(self) -> str | None:
        """Not known beforehand: it is made from the contents."""
        return None

    def new_keys(self, shape: Shape, count: int) -> list[str] | None:
        """Return the numbers that follow: nobody else can take them while the lock is held."""
        if shape.found.row_order is None or shape.key.storage is not Storage.INTEGER:
            return None
        first = self._last_number(shape) + 1
        return [str(first + number) for number in range(count)]

    def reserve(self, shape: Shape, count: int) -> list[str]:
        """Return the numbers that follow, and count on behind them."""
        last = self._last_number(shape)
        name = shape.found.name
        counted = self._connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last + count, name))
        if counted.rowcount == 0:
            self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last + count))
        return [str(last + 1 + number) for number in range(count)]

    def _last_number(self, shape: Shape) -> int:
        """Return the highest number that an id has, or ever had where the table keeps count."""
        highest = self._connection.execute(
            f"SELECT max({shape.found.row_order}) FROM {quoted(shape.found.name)}"  # noqa: S608
        ).fetchone()[0]
        if not shape.found.counted:
            return int(highest or 0)
        seq = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (shape.found.name,)).fetchone()
        return max(int(highest or 0), int(seq[0]) if seq is not None else 0)

    def insert(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str], *, likely_new: bool) -> set[str]:
        """Insert the records; look first which are there where that is not unlikely."""
        new = frame if likely_new else frame.filter(~self._are_there(shape, frame.get_column(ID)))
        if new.height >= ORDERED:
            new = new.sort(ID)
        written = list(dict.fromkeys([shape.key.name, *names]))
        rows = encoded(_with_keys(new, shape), [shape.columns[name] for name in written], self._time_texts(shape))
        table, listed = quoted(shape.found.name), [quoted(name) for name in written]
        if shape.found.guarded:
            marks = ", ".join("?" * len(listed))
            statement = f"INSERT INTO {table} ({', '.join(listed)}) VALUES ({marks})"  # noqa: S608
            self._connection.executemany(statement, rows.iter_rows(buffer_size=_PORTION))
        else:
            for statement, values in inserts(table, listed, rows):
                self._connection.execute(statement, values)
        return set(new.get_column(ID).to_list())

    def _are_there(self, shape: Shape, ids: pl.Series) -> pl.Series:
        condition = self.database.is_one_of(shape.key, self.stored_keys(shape, ids.to_list()))
        statement: sa.Select[Any] = sa.select(shape.key_column.label("key")).select_from(shape.source).where(condition)
        there = self._rows(statement, [("key", shape.key)]).get_column("key").cast(pl.String)
        return ids.is_in(there.implode())

    def versions(self, shape: Shape, ids: Sequence[str]) -> pl.DataFrame:
        """Return ids and versions; the lock keeps the records from being changed."""
        return self.read(shape, (), ids).select(ID, VERSION)

    def update(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str]) -> None:
        """Set the fields, record by record."""
        assignments = ", ".join(f"{quoted(name)} = ?" for name in names)
        columns = [shape.columns[name] for name in [*names, shape.key.name]]
        self._connection.executemany(
            f"UPDATE {quoted(shape.found.name)} SET {assignments} "  # noqa: S608
            f"WHERE {quoted(shape.key.name)} = ?",
            encoded(_with_keys(frame, shape), columns, self._time_texts(shape)).iter_rows(buffer_size=_PORTION),
        )

    def delete(self, shape: Shape, ids: Sequence[str]) -> None:
        """Delete the records."""
        self._connection.executemany(
            f"DELETE FROM {quoted(shape.found.name)} WHERE {quoted(shape.key.name)} = ?",  # noqa: S608
            [(key,) for key in self.stored_keys(shape, ids)],
        )


def _with_keys(frame: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    return frame.with_columns(pl.col(ID).alias(shape.key.name))
