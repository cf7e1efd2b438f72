"""PostgreSQL: many writers at a time, types and a clock of its own.

Records travel in bulk: out by COPY as CSV, in by COPY where they are new, else as one JSON value that the server takes apart.
A record's version is the transaction that wrote it (`xmin`), which changes with every change and with nothing else.

A change becomes visible when its transaction is committed, and its time may be that of the transaction's beginning. So a feed
by times begins at the beginning of the oldest transaction under way, less the overlap, and leaves out what an earlier feed's
snapshot saw already: nothing is missed, and nothing comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl
import psycopg
import sqlalchemy as sa
from sqlalchemy.pool import PoolProxiedConnection

from twinrow.connectors.base import Check, Identity
from twinrow.connectors.sql.database import (
    GUID_PATTERN,
    AnswerMissing,
    Database,
    NotCarriedOut,
    Output,
    Position,
    Transaction,
    quoted,
)
from twinrow.connectors.sql.postgresql_refusals import failure, refusal
from twinrow.connectors.sql.postgresql_tables import find_table, table_names
from twinrow.connectors.sql.postgresql_transaction import PostgresqlTransaction, qualified
from twinrow.connectors.sql.postgresql_values import array_literal, read_texts, typed
from twinrow.connectors.sql.shape import Column, FoundTable, Relation, Shape, Storage
from twinrow.model.errors import ConfigurationError, TwinrowError

OLDEST_VERSION = 130_000
STATEMENT_TIMEOUT = timedelta(minutes=4)
LOCK_TIMEOUT = timedelta(seconds=20)
IDLE_TIMEOUT = timedelta(minutes=1)
_GUID = re.compile(GUID_PATTERN)
_SESSION = (
    "SET TIME ZONE 'UTC'",
    "SET DateStyle = 'ISO'",
    f"SET statement_timeout = {int(STATEMENT_TIMEOUT.total_seconds() * 1000)}",
    f"SET lock_timeout = {int(LOCK_TIMEOUT.total_seconds() * 1000)}",
    f"SET idle_in_transaction_session_timeout = {int(IDLE_TIMEOUT.total_seconds() * 1000)}",
)
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")
"""Connection, rollback by the server, resources, locks, intervention, the machine: the same may work later."""
_UNDER_WAY = """
    SELECT clock_timestamp(), least(clock_timestamp(), min(xact_start)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
"""
_SETTLED = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_NEWEST_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_IS_BEING_WRITTEN = """
    SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE d.datname = current_database() AND l.relation = %s::regclass AND l.mode = 'RowExclusiveLock'
                   AND l.pid <> pg_backend_pid())
"""
_IDENTITY = "SELECT system_identifier::text FROM pg_control_system()"


class Postgresql(Database):
    """A PostgreSQL database."""

    kind = "PostgreSQL"
    default_overlap = timedelta(seconds=60)
    request_lifetime = STATEMENT_TIMEOUT + IDLE_TIMEOUT
    forbidden_character = "\0"
    inserts_quickly = True
    knows_guids = True

    def __init__(self, name: str, url: sa.URL, schema: str | None) -> None:
        self._address = url.set(drivername="postgresql+psycopg")
        self._schema = schema
        engine = sa.create_engine(self._address, pool_pre_ping=True, isolation_level="AUTOCOMMIT")
        sa.event.listen(engine, "connect", _prepare)
        super().__init__(name, engine)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Give a connection.

        Raises `SignInFailed` or `Unreachable` when there can be none, `SystemUnavailable` when there is none now or the server
        breaks off, `ConfigurationError` when it does not know what is asked for.
        """
        try:
            with closing(self.engine.raw_connection()) as pooled:
                yield _driver(pooled)
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            found = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            raise self._translated(found) from error

    def _translated(self, error: BaseException | None) -> TwinrowError:
        return failure(error, self._address.render_as_string(hide_password=True))

    def _ask(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        with self.connection() as connection:
            row = connection.execute(statement, parameters or None).fetchone()
            assert row is not None  # noqa: S101
            return tuple(row)

    # What it is.

    def identify(self) -> Identity:
        """Say which database of which server this is, and as whom we write."""
        database, oid, user, version = self._ask(
            "SELECT current_database(), d.oid, current_user, current_setting('server_version') "
            "FROM pg_database d WHERE datname = current_database()"
        )
        try:
            (server,) = self._ask(_IDENTITY)
        except ConfigurationError:
            server = f"{self._address.host}:{self._address.port or 5432}"
        return Identity(f"postgresql:{server}/{oid}", user, {"version": version, "database": database})

    def now(self) -> datetime:
        """Return the server's time."""
        (now,) = self._ask("SELECT clock_timestamp()")
        assert isinstance(now, datetime)  # noqa: S101
        return now.astimezone(UTC)

    def checks(self) -> list[Check]:
        """Look at the server's version, whether it is the one that is written to, and what we see of others."""
        version, number, standby, sees_others, user = self._ask(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(), "
            "pg_has_role('pg_read_all_stats', 'USAGE'), current_user"
        )
        shown = self._address.render_as_string(hide_password=True)
        return [
            Check(
                "Connection",
                number >= OLDEST_VERSION,
                f"PostgreSQL {version}, {shown}",
                "" if number >= OLDEST_VERSION else "PostgreSQL 13 or newer is needed.",
            ),
            Check(
                "Primary server",
                not standby,
                "a standby" if standby else "yes",
                "A standby cannot be written, and does not tell which changes are still to come: name the primary server."
                if standby
                else "",
            ),
            Check(
                "Transactions under way",
                True,
                "visible"
                if sees_others
                else "only our own are visible: changes that appear later are found within the overlap",
                ""
                if sees_others
                else f"GRANT pg_read_all_stats TO {quoted(user)}, or an overlap longer than any transaction.",
            ),
        ]

    def table_names(self) -> list[str]:
        """Return the names of the tables and views of the schema."""
        with self._catalogue() as connection:
            return table_names(connection, self._schema or _default_schema(connection))

    def find(self, name: str) -> FoundTable | None:
        """Return a table as the database describes it; `schema.table` names one of another schema."""
        with self._catalogue() as connection:
            schema = self._schema or _default_schema(connection)
            found = find_table(connection, name, schema, self._schema)
            if found is None and "." in name:
                elsewhere, _, bare = name.partition(".")
                found = find_table(connection, bare, elsewhere, elsewhere)
            return found

    @contextmanager
    def _catalogue(self) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise self._translated(error.orig) from error

    def limits(self, shape: Shape) -> list[str]:
        """Name decimals without a stated number of digits, and tables whose records have no version of their own."""
        found = []
        open_ended = [
            name
            for name, column in shape.columns.items()
            if column.storage is Storage.DECIMAL and column.found.scale is None
        ]
        if open_ended:
            found.append(f"Decimals without a stated scale are read with ten places ({', '.join(open_ended)}).")
        if shape.modified_at is not None and shape.row_version is None:
            found.append(
                f"A change whose {shape.modified_at.name} lies more than {shape.overlap.total_seconds():.0f} seconds before its "
                "transaction is not seen."
            )
        return found

    # Reading.

    def rows(self, statement: sa.Select[Any], columns: Sequence[Output]) -> pl.DataFrame:
        """Return the result of a statement as columns."""
        with self.connection() as connection:
            return self.rows_by(connection, statement, columns)

    def rows_by(
        self,
        connection: psycopg.Connection[Any],
        statement: sa.Select[Any],
        columns: Sequence[Output],
    ) -> pl.DataFrame:
        """Return the result of a statement, carried out by this connection, as columns."""
        compiled = statement.compile(dialect=self.engine.dialect, compile_kwargs={"render_postcompile": True})
        # COPY takes no parameters, so the values are written into the statement, quoted by the driver.
        text = psycopg.ClientCursor(connection).mogrify(compiled.string, compiled.params)
        with connection.cursor().copy(f"COPY ({text}) TO STDOUT (FORMAT csv)") as copy:
            content = b"".join(copy)
        return read_texts(content, [name for name, _ in columns])

    def typed(self, shape: Shape, column: Column) -> pl.Expr:  # noqa: ARG002
        """Return the expression for values from their texts."""
        return typed(column)

    def read_form(self, column: Column) -> sa.ColumnElement[Any]:
        """Return the expression by which a column is read: times in UTC, texts without the blanks that CHAR adds."""
        element: sa.ColumnElement[Any] = sa.column(column.name)
        if column.storage is Storage.INSTANT and column.found.declared.endswith("with time zone"):
            return sa.func.timezone("UTC", element)
        if column.storage is Storage.TEXT and not column.found.exact:
            return sa.cast(element, sa.Text)
        return element

    def version_of(self, shape: Shape) -> sa.ColumnElement[Any] | None:
        """Return the row version, or the transaction that wrote the record; a view has neither."""
        if shape.row_version is not None:
            return sa.column(shape.row_version.name)
        return sa.column("xmin") if shape.found.relation is Relation.TABLE else None

    def is_one_of(self, column: Column, values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a column has one of these values, which travel as one array."""
        return sa.column(column.name) == sa.any_(sa.literal(array_literal(values), sa.types.NULLTYPE))

    def stored(self, column: Column, value: Any) -> Any:
        """Return a value of a filter as it is compared with the column; None where no value of the column equals it."""
        match value:
            case bool():
                return "true" if value else "false"
            case datetime():
                moment = value.astimezone(UTC) if value.tzinfo is not None else value
                return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + "+00"
            case date():
                return value.isoformat() + (" 00:00:00+00" if column.storage is Storage.INSTANT else "")
            case Decimal():
                return format(value, "f")
            case str() if column.storage is Storage.UUID:
                return value.lower() if _GUID.match(value.lower()) else None
            case str() if column.storage is Storage.INTEGER:
                return int(value) if value.lstrip("-").isdecimal() and abs(int(value)) < 2**63 else None
            case str() if column.storage is Storage.ENUM:
                return value if value in {option.value for option in column.found.options} else None
            case str() if "\0" in value:
                return None
        return value

    def stored_keys(self, shape: Shape, ids: Sequence[str]) -> list[Any]:
        """Return ids in the form in which they are compared with the key, without those that no key can be."""
        if shape.key.storage is Storage.TEXT:
            return [id for id in ids if "\0" not in id]
        if shape.key.storage is Storage.UUID:
            return [id for lower in ids if _GUID.match(id := lower.lower())]
        return super().stored_keys(shape, ids)

    def comparable(self, column: Column) -> sa.ColumnElement[Any]:
        """Return the column as it is."""
        return sa.column(column.name)

    def matches(self, function: str, column: Column, value: str) -> sa.ColumnElement[bool]:
        """Return the condition that a column contains, or starts or ends with, a text."""
        if "\0" in value:
            return sa.false()
        text = sa.cast(sa.column(column.name), sa.Text)
        if function == "contains":
            return sa.func.strpos(text, value) > 0
        return (
            text.startswith(value, autoescape=True)
            if function == "startswith"
            else text.endswith(value, autoescape=True)
        )

    # Feeds.

    def order(self, shape: Shape, *, whole: bool) -> list[sa.ColumnClause[Any]]:
        """Return the order: by key for everything, else by what changes and key."""
        by = shape.row_version or shape.modified_at
        return [shape.key_column] if whole or by is None else [sa.column(by.name), shape.key_column]

    def layout(self, shape: Shape) -> str | None:  # noqa: ARG002
        """Return None: keys keep their order."""
        return None

    def position(self, shape: Shape, since: Position | None) -> Position:
        """Return where the next feed must begin, and which transactions were over when this one began."""
        if shape.row_version is not None:
            return self._version_position(shape, shape.row_version, since)
        if shape.modified_at is None:
            return Position("")
        # In this order: what begins later than the first question has a later time, what it does not see under way is over
        # when the second one is asked.
        now, oldest = self._ask(_UNDER_WAY)
        settled = self._settled(shape)
        low, high = (moment.astimezone(UTC).isoformat() for moment in (oldest, now))
        return Position(shape.modified_at.name, low, high, settled)

    def _settled(self, shape: Shape) -> int | None:
        if shape.found.relation is not Relation.TABLE:
            return None
        return int(self._ask(_SETTLED)[0])

    def _version_position(self, shape: Shape, column: Column, since: Position | None) -> Position:
        """Return the newest row version; whoever still writes to the table may have an older one that is to come."""
        newest: sa.Select[Any] = sa.select(sa.func.max(sa.column(column.name)).label("newest")).select_from(
            shape.source
        )
        found = self.rows(newest, [("newest", None)]).item()
        high = int(found) if found is not None else None
        if shape.found.relation is not Relation.TABLE:
            return Position(column.name, high)
        settled = self._settled(shape)
        (written,) = self._ask(_IS_BEING_WRITTEN, [qualified(shape)])
        low = (since.low if since is not None else None) if written else high
        return Position(column.name, low, high, settled)

    def since(self, shape: Shape, position: Position) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for what has changed since a position."""
        by = shape.row_version or shape.modified_at
        if by is None:
            return []
        column: sa.ColumnClause[Any] = sa.column(by.name)
        low, high = position.low, position.high
        if shape.row_version is None and low is not None:
            low = (datetime.fromisoformat(str(low)) - shape.overlap).isoformat()
        conditions: list[sa.ColumnElement[bool]] = []
        if low is not None:
            bound = sa.literal(low, sa.types.NULLTYPE)
            conditions.append(column > bound if shape.row_version is not None else column >= bound)
        (newest,) = self._ask(_NEWEST_TRANSACTION)
        if position.settled is not None and high is not None and position.settled <= newest:
            above = column > sa.literal(high, sa.types.NULLTYPE)
            conditions.append(sa.or_(above, _transaction(newest) >= sa.literal(position.settled, sa.types.NULLTYPE)))
        return conditions

    def recheck_from(self, shape: Shape, position: Position) -> datetime | None:
        """Return where a view is read again from. Tables hand over again only what was written while others were writing."""
        if shape.modified_at is None or shape.row_version is not None or position.settled is not None:
            return None
        return datetime.fromisoformat(str(position.low)) - shape.overlap

    # Writing.

    def reserve_keys(self, shape: Shape, count: int) -> list[str]:
        """Return the next numbers of the sequence, which gives none twice."""
        with self.transaction() as transaction:
            return transaction.new_keys(shape, count) or []

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Give a transaction."""
        try:
            pooled = self.engine.raw_connection()
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            raise NotCarriedOut(f"There is no connection: {getattr(error, 'orig', None) or error}") from error
        with closing(pooled):
            connection = _driver(pooled)
            completing = False
            try:
                connection.execute("BEGIN")
                yield PostgresqlTransaction(self, partial(self.rows_by, connection), connection)
                # What is checked only at the end is checked here, while its failure still has a name.
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                completing = True
                connection.execute("COMMIT")
            except psycopg.Error as error:
                if connection.closed or connection.broken:
                    pooled.invalidate()
                    if completing:
                        raise AnswerMissing(f"The connection was lost: {error}") from error
                    raise NotCarriedOut(f"The connection was lost: {error}") from error
                connection.execute("ROLLBACK")
                if (error.sqlstate or "")[:2] in _PASSING_CLASSES:
                    raise NotCarriedOut(str(error)) from error
                raise refusal(error) from error
            except BaseException:
                if not connection.closed:
                    connection.execute("ROLLBACK")
                raise


def _transaction(newest: int) -> sa.ColumnElement[int]:
    """Return the expression for the number of the transaction that wrote a record.

    A record keeps the lower 32 bits of it; the whole number is the one nearest to the newest transaction.
    """
    lower = sa.cast(sa.cast(sa.column("xmin"), sa.Text), sa.BigInteger)
    apart = (lower - newest % 2**32 + 2**32 + 2**31) % 2**32 - 2**31
    return apart + newest


def _default_schema(connection: sa.Connection) -> str:
    return str(connection.exec_driver_sql("SELECT current_schema()").scalar_one())


def _driver(pooled: PoolProxiedConnection) -> psycopg.Connection[Any]:
    connection = pooled.driver_connection
    assert isinstance(connection, psycopg.Connection)  # noqa: S101
    return connection


def _prepare(connection: psycopg.Connection[Any], record: Any) -> None:  # noqa: ARG001
    connection.autocommit = True  # transactions begin and end where this module says so
    connection.prepare_threshold = (
        None  # a statement is repeated with other data, and poolers do not keep prepared ones
    )
    for setting in _SESSION:
        connection.execute(setting)
