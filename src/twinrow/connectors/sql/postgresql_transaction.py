"""Writing to PostgreSQL: whole batches, each by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

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
        rows = self._execute(f"SELECT ({shape.key.found.default})::text FROM generate_series(1, {count})")  # noqa: S608
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
            f"INSERT INTO {target} ({listed}) OVERRIDING SYSTEM VALUE "  # noqa: S608
            f"SELECT {listed} FROM {self._record_set(encode_json(keyed, columns), columns)} "
            f"ON CONFLICT ({key}) DO NOTHING RETURNING {key}::text"
        )
        return {id for (id,) in inserted.fetchall()}

    def versions(self, shape: Shape, ids: Sequence[str]) -> pl.DataFrame:
        """Return ids and versions, and lock the records; always in the order of their keys, so that nobody waits in a ring."""
        key = quoted(shape.key.name)
        version = quoted(shape.row_version.name) if shape.row_version is not None else "xmin"
        found = self._execute(
            f"SELECT {key}::text, {version}::text FROM {qualified(shape)} "  # noqa: S608
            f"WHERE {self._is_one_of(shape, ids)} ORDER BY {key} FOR UPDATE"
        ).fetchall()
        return pl.DataFrame(found, schema={ID: pl.String, VERSION: pl.String}, orient="row")

    def update(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str]) -> None:
        """Set the fields of all records by one statement."""
        columns = [shape.columns[name] for name in [shape.key.name, *names]]
        assignments = ", ".join(f"{quoted(name)} = source.{quoted(name)}" for name in names)
        key = quoted(shape.key.name)
        records = encode_json(frame.with_columns(pl.col(ID).alias(shape.key.name)), columns)
        self._execute(
            f"UPDATE {qualified(shape)} AS target SET {assignments} "  # noqa: S608
            f"FROM {self._record_set(records, columns)} WHERE target.{key} = source.{key}"
        )

    def delete(self, shape: Shape, ids: Sequence[str]) -> None:
        """Delete the records by one statement."""
        self._execute(f"DELETE FROM {qualified(shape)} WHERE {self._is_one_of(shape, ids)}")  # noqa: S608

    def _execute(self, statement: str) -> psycopg.Cursor[Any]:
        # Without parameters a percent sign is nothing special, and an untyped literal takes its type from the statement.
        return self._connection.execute(statement)

    def _literal(self, text: str) -> str:
        return sql.Literal(text).as_string(self._connection)

    def _record_set(self, records: str, columns: Sequence[Column]) -> str:
        types = ", ".join(f"{quoted(column.name)} {column.found.declared}" for column in columns)
        return f"json_to_recordset({self._literal(records)}) AS source({types})"

    def _is_one_of(self, shape: Shape, ids: Sequence[str]) -> str:
        return f"{quoted(shape.key.name)} = ANY ({self._literal(array_literal(self.stored_keys(shape, ids)))})"


def qualified(shape: Shape) -> str:
    """Return the name of a table as statements write it."""
    names = [shape.found.schema, shape.found.name] if shape.found.schema is not None else [shape.found.name]
    return ".".join(quoted(name) for name in names)
