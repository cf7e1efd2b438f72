"""SQLite: one writer at a time, no clock and no types of its own.

A transaction that writes takes the write lock at its beginning, so what it has read still holds when it writes. A feed takes
the lock for an instant too, when it begins: then no transaction is under way whose changes might appear behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.pool import PoolProxiedConnection

from twinrow.connectors.base import Check, Identity
from twinrow.connectors.sql.database import (
    AnswerMissing,
    Database,
    NotCarriedOut,
    Output,
    Position,
    Refusal,
    Transaction,
)
from twinrow.connectors.sql.shape import Column, FoundTable, Shape, Storage
from twinrow.connectors.sql.sqlite_refusals import refusal
from twinrow.connectors.sql.sqlite_tables import find_table, table_names
from twinrow.connectors.sql.sqlite_transaction import SqliteTransaction
from twinrow.connectors.sql.sqlite_values import EXACT_DIGITS, TimeText, held, typed, typed_patiently
from twinrow.model.errors import ConfigurationError, SystemUnavailable

BUSY_SECONDS = 30
"""How long another program's write lock is waited for; `?timeout=SECONDS` in the address says otherwise."""
_BARRIER_SECONDS = 2.0
_CACHE_KIB = 8_000
_PORTION = 500
"""Rows that are taken from the driver at once: they become columns while they are in the processor's cache."""
_CHECKPOINT_PAGES = 40_000
"""Pages that may wait in the write-ahead log before they are moved: moving them after each batch takes longer than the batch."""
_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL")


class Sqlite(Database):
    """A SQLite file."""

    kind = "SQLite"
    keeps_nan = False
    default_overlap = timedelta()
    inserts_quickly = True
    request_lifetime = timedelta(seconds=2 * BUSY_SECONDS)

    def __init__(self, name: str, url: sa.URL) -> None:
        if url.database in (None, "", ":memory:"):
            raise ConfigurationError(
                f"The system {name} is a SQLite database in memory, which nobody else can see",
                remedy="Write sqlite:///PATH with the path of a file.",
            )
        self.path = Path(str(url.database))
        if not url.database.startswith("file:") and not self.path.exists():
            raise ConfigurationError(
                f"There is no file {self.path} for the system {name}", remedy="Look at the path; it is made by nobody."
            )
        self._busy_seconds = float(str(url.query.get("timeout", BUSY_SECONDS)))
        connect = {"check_same_thread": False, "timeout": self._busy_seconds}
        engine = sa.create_engine(url.difference_update_query(["timeout"]), connect_args=connect)
        sa.event.listen(engine, "connect", _prepare)
        super().__init__(name, engine)
        self._times: dict[str, dict[str, TimeText]] = {}

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Give a connection.

        Raises `SystemUnavailable` when the database is in use, `ConfigurationError` when it cannot be read.
        """
        with self._translating(), closing(self.engine.raw_connection()) as pooled:
            yield _driver(pooled)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            found = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            if getattr(found, "sqlite_errorname", "").startswith(_PASSING):
                raise SystemUnavailable(
                    f"The database {self.path} cannot be used now",
                    cause=str(found),
                    remedy="Try again when no other program holds it.",
                ) from error
            raise ConfigurationError(
                f"The database {self.path} cannot be read",
                cause=str(found),
                remedy="Look whether it is a SQLite file that this user may read, and whether its tables have changed.",
            ) from error

    def identify(self) -> Identity:
        """Say which file this is."""
        return Identity(f"sqlite:{self.path.resolve()}", None, {"version": sqlite3.sqlite_version})

    def now(self) -> datetime:
        """Return this machine's time, which is the only one that SQLite has."""
        return datetime.now(UTC)

    def checks(self) -> list[Check]:
        """Read the file."""
        with self.connection() as connection:
            journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
        return [Check("Connection", True, f"SQLite {sqlite3.sqlite_version}, {self.path}, journal mode {journal}")]

    def table_names(self) -> list[str]:
        """Return the names of the tables and views."""
        with self._translating(), self.engine.connect() as connection:
            return table_names(connection)

    def find(self, name: str) -> FoundTable | None:
        """Return a table as the database describes it."""
        with self._translating(), self.engine.connect() as connection:
            return find_table(connection, name)

    def limits(self, shape: Shape) -> list[str]:
        """Name the decimals that SQLite holds as binary numbers, and times that stand still."""
        found = []
        decimals = [name for name, column in shape.columns.items() if column.storage is Storage.DECIMAL]
        if decimals:
            found.append(
                f"SQLite keeps {EXACT_DIGITS} digits of a decimal; longer ones are refused ({', '.join(decimals)})."
            )
        return found

    # Reading.

    def rows(self, statement: sa.Select[Any], columns: Sequence[Output]) -> pl.DataFrame:
        """Return the result of a statement as columns."""
        with self.connection() as connection:
            return self.rows_by(connection, statement, columns)

    def rows_by(
        self, connection: sqlite3.Connection, statement: sa.Select[Any], columns: Sequence[Output]
    ) -> pl.DataFrame:
        """Return the result of a statement, carried out by this connection, as columns."""
        compiled = statement.compile(dialect=self.engine.dialect, compile_kwargs={"render_postcompile": True})
        parameters = compiled.construct_params()
        found = connection.execute(compiled.string, [parameters[name] for name in compiled.positiontup or ()])
        portions = [self._portion(found.fetchmany(_PORTION), columns)]
        while rows := found.fetchmany(_PORTION):
            portions.append(self._portion(rows, columns))
        return pl.concat(portions, how="vertical_relaxed", rechunk=True) if len(portions) > 1 else portions[0]

    def _portion(self, rows: Sequence[Sequence[Any]], columns: Sequence[Output]) -> pl.DataFrame:
        by_column = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        return pl.DataFrame(
            [
                held(name, column, values, str(self.path))
                for (name, column), values in zip(columns, by_column, strict=True)
            ]
        )

    def typed(self, shape: Shape, column: Column) -> pl.Expr:
        """Return the expression for values in the form that the table's own program writes."""
        return typed(column, self.time_texts(shape).get(column.name, TimeText()))

    def typed_patiently(self, shape: Shape, column: Column) -> pl.Expr:  # noqa: ARG002
        """Return the expression for values in any form."""
        return typed_patiently(column, TimeText())

    def version_of(self, shape: Shape) -> sa.ColumnElement[Any] | None:
        """Return the row version, where the table has one."""
        return sa.column(shape.row_version.name) if shape.row_version is not None else None

    def is_one_of(self, column: Column, values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a column has one of these values, which travel as one JSON text."""
        listed = sa.func.json_each(json.dumps(list(values))).table_valued("value")
        return self.comparable(column).in_(sa.select(listed.c.value))

    def stored(self, column: Column, value: Any) -> Any:
        """Return a value of a filter as it is compared with the column."""
        match value:
            case bool():
                return int(value)
            case datetime():
                text = (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M:%S.%f")
                return text.rstrip("0").rstrip(".")
            case date():
                return value.isoformat() + (" 00:00:00" if column.storage is Storage.INSTANT else "")
            case Decimal():
                return float(value)
        if column.storage is Storage.INTEGER and isinstance(value, str):
            return int(value) if value.lstrip("-").isdecimal() and abs(int(value)) < 2**63 else None
        if column.storage is Storage.UUID and isinstance(value, str):
            return value.lower()
        return value

    def comparable(self, column: Column) -> sa.ColumnElement[Any]:
        """Return the column as it is compared: times without what they may or may not end in, GUIDs in lower case."""
        plain: sa.ColumnElement[Any] = sa.column(column.name)
        if column.storage is Storage.UUID and not column.is_key:
            return sa.func.lower(plain)
        if column.storage is not Storage.INSTANT:
            return plain
        bare = sa.func.replace(sa.func.replace(sa.func.rtrim(plain, "Z"), "+00:00", ""), "T", " ")
        return sa.case((sa.func.instr(bare, ".") > 0, sa.func.rtrim(sa.func.rtrim(bare, "0"), ".")), else_=bare)

    def matches(self, function: str, column: Column, value: str) -> sa.ColumnElement[bool]:
        """Return the condition that a column contains, or starts or ends with, a text; SQLite's LIKE would ignore case."""
        text = sa.cast(sa.column(column.name), sa.Text)
        if function == "contains":
            return sa.func.instr(text, value) > 0
        if function == "startswith":
            return sa.func.substr(text, 1, len(value)) == value
        return sa.func.substr(text, sa.func.length(text) - len(value) + 1) == value

    # Feeds.

    def order(self, shape: Shape, *, whole: bool) -> list[sa.ColumnClause[Any]]:
        """Return the order: through the table as it lies, or by what changes and then as it lies, which an index gives."""
        last: sa.ColumnClause[Any] = sa.column(shape.found.row_order or shape.key.name)
        by = shape.row_version or shape.modified_at
        return [last] if whole or by is None else [sa.column(by.name), last]

    def layout(self, shape: Shape) -> str | None:
        """Return the number that goes up when VACUUM gives hidden row numbers anew."""
        if shape.found.row_order is None or shape.key.storage is Storage.INTEGER:
            return None
        with self.connection() as connection:
            return str(connection.execute("PRAGMA schema_version").fetchone()[0])

    def position(self, shape: Shape, since: Position | None) -> Position:
        """Return the newest row version, or the second of now: where a feed must begin that misses nothing from now on.

        Where another program does not let go of the write lock, something may still appear with a time before now; the
        position then stays where it was.
        """
        if shape.row_version is not None:
            newest: sa.Select[Any] = sa.select(
                sa.func.max(sa.column(shape.row_version.name)).label("newest")
            ).select_from(shape.source)
            return Position(shape.row_version.name, self.rows(newest, [("newest", shape.row_version)]).item())
        if shape.modified_at is None:
            return Position("")
        began = self.now()
        with self.connection() as connection:
            if not self._nobody_writes(connection):
                return since or Position(shape.modified_at.name)
        return Position(shape.modified_at.name, began.replace(microsecond=0).isoformat())

    def _nobody_writes(self, connection: sqlite3.Connection) -> bool:
        """Whether at one instant, just now, no transaction was under way that writes. A read-only file has none that we see."""
        connection.execute(f"PRAGMA busy_timeout = {int(min(_BARRIER_SECONDS, self._busy_seconds) * 1000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorname.startswith("SQLITE_READONLY")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")
        return True

    def since(self, shape: Shape, position: Position) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for what has changed since a position."""
        if position.low is None:
            return []
        if shape.row_version is not None:
            return [sa.column(shape.row_version.name) > position.low]
        if shape.modified_at is None:
            return []
        start = datetime.fromisoformat(str(position.low)) - shape.overlap
        return [sa.column(shape.modified_at.name) >= self._form(shape, shape.modified_at).second(start)]

    def recheck_from(self, shape: Shape, position: Position) -> datetime | None:
        """Return where the next feed begins again."""
        if shape.row_version is not None or shape.modified_at is None:
            return None
        return (
            datetime.fromisoformat(str(position.low)) - shape.overlap
            if position.low is not None
            else datetime(1, 1, 1, tzinfo=UTC)
        )

    def time_texts(self, shape: Shape) -> dict[str, TimeText]:
        """Return how points in time are written in the columns of a table."""
        known = self._times.get(shape.table.name)
        if known is None:
            known = {
                name: self._sampled(shape, column)
                for name, column in shape.columns.items()
                if column.storage is Storage.INSTANT
            }
            self._times[shape.table.name] = known
        return known

    def _form(self, shape: Shape, column: Column) -> TimeText:
        return self.time_texts(shape)[column.name]

    def _sampled(self, shape: Shape, column: Column) -> TimeText:
        time: sa.ColumnClause[Any] = sa.column(column.name)
        statement = sa.select(time).select_from(shape.source).where(time.is_not(None)).limit(1)
        compiled = str(statement.compile(dialect=self.engine.dialect, compile_kwargs={"literal_binds": True}))
        with self.connection() as connection:
            return TimeText.like((connection.execute(compiled).fetchone() or (None,))[0])

    # Writing.

    def explain(self, refusal: Refusal, shape: Shape, record: pl.DataFrame, names: Sequence[str]) -> Refusal:
        """Find out which reference leads nowhere: SQLite does not say."""
        if refusal.code != "SQLITE_CONSTRAINT_FOREIGNKEY":
            return refusal
        for name in names:
            target, referred = shape.found.references.get(name, (None, None))
            value = record.get_column(name)[0]
            if target is None or referred is None or value is None:
                continue
            there = sa.select(sa.literal(1).label("there")).select_from(sa.table(target))
            there = there.where(sa.column(referred) == self.stored(shape.columns[name], value)).limit(1)
            if self.rows(there, [("there", None)]).is_empty():
                message = f"{name} refers to {value}, which is not in {target}"
                return replace(refusal, message=message, field=name)
        return refusal

    def reserve_keys(self, shape: Shape, count: int) -> list[str]:
        """Let the table's own count go up: it never gives a number twice."""
        with self.transaction() as transaction:
            assert isinstance(transaction, SqliteTransaction)  # noqa: S101
            return transaction.reserve(shape, count)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Give a transaction that holds the write lock."""
        try:
            pooled = self.engine.raw_connection()
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            raise NotCarriedOut(f"The database cannot be opened: {getattr(error, 'orig', error)}") from error
        with closing(pooled):
            connection = _driver(pooled)
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(self, partial(self.rows_by, connection), connection, self.time_texts)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                still_open = connection.in_transaction
                _roll_back(connection)
                if error.sqlite_errorname.startswith("SQLITE_IOERR") and not still_open:
                    raise AnswerMissing(f"The disk failed: {error}") from error
                if error.sqlite_errorname.startswith(_PASSING):
                    raise NotCarriedOut(f"The database cannot be written now: {error}") from error
                raise refusal(error) from error
            except BaseException:
                _roll_back(connection)
                raise


def _driver(pooled: PoolProxiedConnection) -> sqlite3.Connection:
    connection = pooled.driver_connection
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101
    return connection


def _prepare(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # transactions begin and end where this module says so
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
