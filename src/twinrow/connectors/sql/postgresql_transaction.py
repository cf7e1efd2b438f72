"""Writing to PostgreSQL: whole batches, each by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import psycopg

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.sql.database import Database, Rows, Transaction, quoted
from twinrow.connectors.sql.postgresql_values import array_literal, encode_csv, encode_json
from twinrow.connectors.sql.shape import Column, Shape

QUICK_ROWS = 50
"""From how many new records on COPY is worth its preparation."""


class PostgresqlTransaction(Transaction):
    """A transaction under way on a connection."""

    def __init__(self, database: Database, rows: Rows, connection: psycopg.Connection[Any]) -> None:
        super().__init__(database, rows)
        self._connection = connection
        row = connection.execute("SELECT now(), (pg_current_xact_id()::text::bigint % 4294967296)::text").fetchone()
        assert row is not None  # noqa: S101
        self._now, self._version = row

    @property
    def now(self) -> datetime:
        """The time at which the transaction began."""
        now: datetime = self._now
        return now.astimezone(UTC)

    @property
    def version(self) -> str | None:
        """This transaction."""
        version: str = self._version
        return version

    def new_keys(self, shape: Shape, count: int) -> list[str] | None:
        """Return values of the key's default."""
        if not shape.key.found.default:
            return None
        rows = self._connection.execute(
            f"SELECT ({shape.key.found.default})::text FROM generate_series(1, {count})"  # noqa: S608
        )
        return [key for (key,) in rows.fetchall()]

    def insert(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str], *, likely_new: bool) -> set[str]:
        """Copy the records into the table, or insert those that are not there yet."""
        columns = [shape.columns[name] for name in dict.fromkeys([shape.key.name, *names])]
        keyed = frame.with_columns(pl.col(ID).alias(shape.key.name))
        target, listed = qualified(shape), ", ".join(quoted(c.name) for c in columns)
        if likely_new and frame.height >= QUICK_ROWS and not shape.found.guarded:
            statement = f"COPY {target} ({listed}) FROM STDIN (FORMAT csv)"
            with self._connection.cursor().copy(statement) as copy:
                copy.write(encode_csv(keyed, columns))
            return set(frame.get_column(ID).to_list())
        key = quoted(shape.key.name)
        inserted = self._execute(
            f"INSERT INTO {target} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM json_to_recordset(",  # noqa: S608
            encode_json(keyed, columns),
            f") AS source({_typed(columns)}) ON CONFLICT ({key}) DO NOTHING RETURNING {key}::text",
        )
        return {id for (id,) in inserted.fetchall()}

    def versions(self, shape: Shape, ids: Sequence[str]) -> pl.DataFrame:
        """Return ids and versions, and lock the records; always in the order of their keys, so that nobody waits in a ring."""
        key = quoted(shape.key.name)
        version = quoted(shape.row_version.name) if shape.row_version is not None else "xmin"
        found = self._execute(
            f"SELECT {key}::text, {version}::text FROM {qualified(shape)} WHERE {key} = ANY (",  # noqa: S608
            self._keys(shape, ids),
            f") ORDER BY {key} FOR UPDATE",
        ).fetchall()
        return pl.DataFrame(found, schema={ID: pl.String, VERSION: pl.String}, orient="row")

    def update(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str]) -> None:
        """Set the fields of all records by one statement."""
        columns = [shape.columns[name] for name in [shape.key.name, *names]]
        assignments = ", ".join(f"{quoted(name)} = source.{quoted(name)}" for name in names)
        key = quoted(shape.key.name)
        self._execute(
            f"UPDATE {qualified(shape)} AS target SET {assignments} FROM json_to_recordset(",  # noqa: S608
            encode_json(frame.with_columns(pl.col(ID).alias(shape.key.name)), columns),
            f") AS source({_typed(columns)}) WHERE target.{key} = source.{key}",
        )

    def delete(self, shape: Shape, ids: Sequence[str]) -> None:
        """Delete the records by one statement."""
        statement = f"DELETE FROM {qualified(shape)} WHERE {quoted(shape.key.name)} = ANY ("  # noqa: S608
        self._execute(statement, self._keys(shape, ids), ")")

    def _execute(self, before: str, value: str, after: str) -> psycopg.Cursor[Any]:
        """Carry out a statement with one value in it.

        The value travels as a parameter: it takes its type from the statement, and stays out of the server's log.
        """
        statement = f"{_literally(before)}%s{_literally(after)}"
        return self._connection.execute(statement, [value])

    def _keys(self, shape: Shape, ids: Sequence[str]) -> str:
        return array_literal(self.stored_keys(shape, ids))


def _typed(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quoted(column.name)} {column.found.declared}" for column in columns)


def _literally(part: str) -> str:
    """Return a part of a statement with parameters: there, a percent sign is written twice."""
    return part.replace("%", "%%")


def qualified(shape: Shape) -> str:
    """Return the name of a table as statements write it."""
    names = [shape.found.schema, shape.found.name] if shape.found.schema is not None else [shape.found.name]
    return ".".join(quoted(name) for name in names)
