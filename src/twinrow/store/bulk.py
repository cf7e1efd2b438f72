"""Many rows at once, by the quickest way that each database has.

Frames go in as rows: `insert_frame` with statements of many rows on SQLite and COPY on PostgreSQL, `update_frame` with
executemany or an UPDATE from one JSON value. `select_in` reads rows by a list of keys, however long, into a frame. SQLite's
driver is asked directly: what SQLAlchemy does for each value and each row costs as much as the database itself. Rows are made
and read in portions that stay in the processor's cache.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, Table, literal, select
from sqlalchemy.exc import DBAPIError

from twinrow.batch.inserts import inserts

_PARAMETERS = 30_000
"""SQLite's own limit on the parameters of one statement is 32,766."""

_PORTION = 1_000
"""Rows that are made at once for the driver."""

_WORTH_A_LOOK = 100
"""For so many keys it pays to ask first whether a table has any row that could be meant."""


def insert_frame(connection: Connection, table: Table, frame: pl.DataFrame) -> None:
    """Insert the rows of a frame whose columns are columns of the table."""
    if frame.is_empty():
        return
    columns = ", ".join(f'"{name}"' for name in frame.columns)
    if connection.dialect.name == "sqlite":
        _insert_many(connection, table, frame)
        return
    # In one piece, as CSV: an empty place is null, an empty text a pair of quotes.
    texts = frame.select(_as_text(name, kind) for name, kind in frame.schema.items())
    content = texts.write_csv(include_header=False, quote_style="non_numeric").encode()
    cursor = connection.connection.cursor()
    statement = f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT csv)'
    errors = connection.dialect.loaded_dbapi.Error
    try:
        with cursor.copy(statement) as copy:
            copy.write(content)
    except errors as error:
        raise _as_from_sqlalchemy(error, statement, errors) from error


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as PostgreSQL reads it: bytes by their digits."""
    if kind == pl.Binary:
        return pl.concat_str(pl.lit("\\x"), pl.col(name).bin.encode("hex")).alias(name)
    return pl.col(name)


def update_frame(connection: Connection, table: Table, key: str, frame: pl.DataFrame) -> None:
    """Set the columns of a frame in the rows that its column `key` names."""
    if frame.is_empty():
        return
    changed = [name for name in frame.columns if name != key]
    if connection.dialect.name == "sqlite":
        assignments = ", ".join(f'"{name}" = ?' for name in changed)
        statement = f'UPDATE "{table.name}" SET {assignments} WHERE "{key}" = ?'  # noqa: S608
        _carry_out_many(connection, statement, frame.select(*changed, key))
        return
    assignments = ", ".join(f'"{name}" = data."{name}"' for name in changed)
    typed = ", ".join(f'"{name}" {_type(connection, table, name)}' for name in frame.columns)
    connection.exec_driver_sql(
        f'UPDATE "{table.name}" SET {assignments} FROM json_to_recordset(%s) AS data({typed}) '  # noqa: S608
        f'WHERE "{table.name}"."{key}" = data."{key}"',
        (frame.write_json(),),
    )


def _insert_many(connection: Connection, table: Table, frame: pl.DataFrame) -> None:
    driver = _sqlite(connection)
    for statement, values in inserts(f'"{table.name}"', [f'"{name}"' for name in frame.columns], frame):
        try:
            driver.execute(statement, values)
        except sqlite3.Error as error:
            raise _as_from_sqlalchemy(error, f"INSERT INTO {table.name}") from error


def _carry_out_many(connection: Connection, statement: str, frame: pl.DataFrame) -> None:
    """Carry out a statement for every row of a frame, on SQLite."""
    driver = _sqlite(connection)
    try:
        for portion in frame.iter_slices(_PORTION):
            driver.executemany(statement, portion.rows())
    except sqlite3.Error as error:
        raise _as_from_sqlalchemy(error, statement) from error


def _sqlite(connection: Connection) -> sqlite3.Connection:
    """Return the driver's connection, in the transaction of the one given."""
    if not connection.in_transaction():
        connection.begin()
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101
    return driver


def _as_from_sqlalchemy(error: Exception, statement: str, errors: type[Exception] = sqlite3.Error) -> Exception:
    """Return the error that SQLAlchemy would raise: callers know its classes, whichever the database."""
    return DBAPIError.instance(statement, None, error, errors)


def _array(values: Sequence[Any]) -> str:
    """Return keys or numbers as PostgreSQL writes an array of them."""
    if isinstance(values[0], bytes):
        return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
    return "{" + ",".join(map(str, values)) + "}"


def _type(connection: Connection, table: Table, name: str) -> str:
    return table.c[name].type.compile(dialect=connection.dialect)


def select_in(
    connection: Connection,
    table: Table,
    columns: Mapping[str, pl.DataType],
    key: str,
    values: Sequence[Any],
    **equal: Any,
) -> pl.DataFrame:
    """Return the rows whose column `key` is one of `values` and whose other columns equal `equal`, as a frame of `columns`."""
    if equal and not worth_asking(connection, table, len(values), **equal):
        return pl.DataFrame(schema=dict(columns))
    if not len(values):
        return pl.DataFrame(schema=dict(columns))
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f'SELECT {names} FROM "{table.name}" WHERE '  # noqa: S608
    rows: list[Sequence[Any]] = []
    if connection.dialect.name == "sqlite":
        conditions = "".join(f'"{name}" = ? AND ' for name in equal)
        sqlite = _sqlite(connection)
        for start in range(0, len(values), _PARAMETERS):
            chunk = values[start : start + _PARAMETERS]
            marks = ", ".join("?" * len(chunk))
            asked = f'{statement}{conditions}"{key}" IN ({marks})'
            try:
                rows += sqlite.execute(asked, (*equal.values(), *chunk)).fetchall()
            except sqlite3.Error as error:
                raise _as_from_sqlalchemy(error, asked) from error
    else:
        conditions = "".join(f'"{name}" = %s AND ' for name in equal)
        kind = _type(connection, table, key)
        # Binary answers and an array in one text: the driver looks at each value otherwise.
        driver: Any = connection.connection.driver_connection
        with driver.cursor(binary=True) as cursor:
            cursor.execute(f'{statement}{conditions}"{key}" = ANY(%s::{kind}[])', (*equal.values(), _array(values)))
            rows += cursor.fetchall()
    return rows_to_frame(rows, columns)


def select_between(
    connection: Connection,
    table: Table,
    columns: Mapping[str, pl.DataType],
    key: str,
    first: int,
    last: int,
    **equal: Any,
) -> pl.DataFrame:
    """Return the rows whose column `key` lies in a range and whose other columns equal `equal`, as a frame of `columns`."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(f'"{name}"' for name in columns)
    # The plus keeps SQLite from going through an index of these columns instead of the range.
    conditions = "".join(f' AND +"{name}" = {mark}' for name in equal)
    statement = f'SELECT {names} FROM "{table.name}" WHERE "{key}" BETWEEN {mark} AND {mark}{conditions}'  # noqa: S608
    values = (first, last, *equal.values())
    if connection.dialect.name == "sqlite":
        return rows_to_frame(_sqlite(connection).execute(statement, values).fetchall(), columns)
    driver: Any = connection.connection.driver_connection
    with driver.cursor(binary=True) as cursor:
        cursor.execute(statement, values)
        return rows_to_frame(cursor.fetchall(), columns)


def worth_asking(connection: Connection, table: Table, count: int, **equal: Any) -> bool:
    """Whether rows could be found by so many keys: tables of what failed or waits mostly have none at all.

    Whoever has yet to make the keys asks before.
    """
    return count > 0 and (count <= _WORTH_A_LOOK or has_rows(connection, table, **equal))


def has_rows(connection: Connection, table: Table, **equal: Any) -> bool:
    """Whether there is any row with these values."""
    wanted = [table.c[name] == value for name, value in equal.items()]
    return connection.execute(select(literal(1)).select_from(table).where(*wanted).limit(1)).first() is not None


def rows_to_frame(rows: Sequence[Sequence[Any]], columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return database rows as a frame."""
    if not rows:
        return pl.DataFrame(schema=dict(columns))
    values = zip(*rows, strict=True)
    return pl.DataFrame(
        [_series(name, kind, column) for (name, kind), column in zip(columns.items(), values, strict=True)]
    )


def _series(name: str, kind: pl.DataType, values: Sequence[Any]) -> pl.Series:
    if kind == pl.Boolean:
        # SQLite keeps truth values as numbers.
        values = [None if value is None else bool(value) for value in values]
    return pl.Series(name, values, dtype=kind)


def delete_in(connection: Connection, table: Table, key: str, values: Iterable[Any], **equal: Any) -> None:
    """Delete the rows whose column `key` is one of `values` and whose other columns equal `equal`."""
    wanted = list(values)
    if not worth_asking(connection, table, len(wanted), **equal):
        return
    sqlite = connection.dialect.name == "sqlite"
    mark = "?" if sqlite else "%s"
    conditions = "".join(f'"{name}" = {mark} AND ' for name in equal)
    statement = f'DELETE FROM "{table.name}" WHERE {conditions}'  # noqa: S608
    if not sqlite:
        if wanted:
            kind = _type(connection, table, key)
            connection.exec_driver_sql(f'{statement}"{key}" = ANY(%s::{kind}[])', (*equal.values(), _array(wanted)))
        return
    for start in range(0, len(wanted), _PARAMETERS):
        chunk = tuple(wanted[start : start + _PARAMETERS])
        marks = ", ".join("?" * len(chunk))
        connection.exec_driver_sql(f'{statement}"{key}" IN ({marks})', (*equal.values(), *chunk))


def allocate(connection: Connection, table: Table, count: int) -> list[int]:
    """Return that many numbers for the table's `id` column that were never used, in order, within a writing transaction."""
    if count == 0:
        return []
    if connection.dialect.name == "sqlite":
        newest = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar()
        return list(range((newest or 0) + 1, (newest or 0) + 1 + count))
    # In one text: thousands of rows with one number each take longer than the numbers themselves.
    text = connection.exec_driver_sql(
        "SELECT string_agg(nextval(counter)::text, ',') "
        "FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS counter) AS named, generate_series(1, %s)",
        (table.name, count),
    ).scalar_one()
    return [int(number) for number in text.split(",")]
