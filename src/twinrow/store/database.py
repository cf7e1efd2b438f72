"""The database of a store: opening it, its transactions, and its version.

SQLite (WAL) for one process, PostgreSQL for several. A transaction that writes takes SQLite's write lock at its beginning,
so that what it has read still holds when it writes; on PostgreSQL rows are locked where that is needed (`store.leases`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from twinrow.model.errors import ConfigurationError, RetryError, StoreMismatch

CURRENT_REVISION = "0003"
"""The schema that this version of twinrow works with; `migrations/versions` leads there."""

_READING = "twinrow_reading"
_CACHE_KIB = 40_000
_READING_CACHE_KIB = 8_000
"""Several threads read at a time, each with pages of its own; only writing gains from many."""
_BUSY_SECONDS = 30
_IDLE_SECONDS = 1.0
"""A connection to a server that was idle for longer is asked first whether it is still there."""
_RETURNED = "twinrow_returned"


class Database:
    """A store's database, opened and at the current schema."""

    def __init__(
        self, engine: Engine, folder: TemporaryDirectory[str] | None = None, reading: Engine | None = None
    ) -> None:
        self.engine = engine
        self._folder = folder
        self._reading = reading or engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is committed at the end, or rolled back on an error."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def erasing(self) -> Iterator[Connection]:
        """Give a connection in a transaction after which nothing is left of what it, or anything before it, has replaced.

        SQLite writes its file anew, which takes its time with a large one; PostgreSQL cleans up by itself (VACUUM). Raises
        `RetryError` where another process is at work in the file: what was committed is, but the file still holds what was
        replaced.
        """
        with self.transaction() as connection:
            yield connection
        if self.engine.dialect.name != "sqlite":
            return
        raw = self.engine.raw_connection()
        try:
            raw.cursor().execute("VACUUM")
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            raise RetryError(
                "The store's file could not be cleaned up, because another process is at work in it",
                cause=str(error),
                remedy="Repeat the command when nothing runs.",
            ) from error
        finally:
            raw.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reading only; it holds no write lock. On PostgreSQL each statement sees what is there then."""
        with self._reading.connect().execution_options(**self._reading_options) as connection:
            yield connection

    @property
    def _reading_options(self) -> dict[str, Any]:
        if self.engine.dialect.name == "sqlite":
            return {_READING: True}
        # Without a transaction, whose beginning and end are two questions to the server, and bring nothing for reading.
        return {"isolation_level": "AUTOCOMMIT"}

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()
        self._reading.dispose()
        if self._folder is not None:
            self._folder.cleanup()


def open_database(url: str) -> Database:
    """Open a store, making it where there is none, and bring it to the current schema.

    `url` is `sqlite:///PATH`, `sqlite://` (a file of its own that goes with the database) or `postgresql://…`.
    Raises `ConfigurationError` when there is no such place, `StoreMismatch` when a newer twinrow has been at it.
    """
    database = _database(url)
    try:
        revision = _revision(database)
    except DatabaseError as error:
        raise ConfigurationError(
            f"The store {_shown(url)} cannot be opened",
            cause=str(error.orig),
            remedy="Look at the path or address, and whether this user may read and write there.",
        ) from error
    if revision != CURRENT_REVISION:
        _migrate(database, revision, url)
    return database


def _database(url: str) -> Database:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            f"{url!r} is no address of a store", remedy="Write sqlite:///twinrow.db or postgresql://user@host/database."
        ) from None
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(parsed.set(drivername="postgresql+psycopg"))
        event.listen(engine, "checkin", _remember_return)
        event.listen(engine, "checkout", partial(_look_whether_there, engine))
        return Database(engine)
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"A store cannot be kept on {parsed.get_backend_name()}",
            remedy="Write sqlite:///twinrow.db or postgresql://user@host/database.",
        )
    folder = None
    if parsed.database in (None, "", ":memory:"):
        # Not SQLite's own memory: that has one connection for all threads, so one transaction for all.
        folder = TemporaryDirectory(prefix="twinrow-")
        parsed = parsed.set(database=str(Path(folder.name) / "store.db"))
    elif not Path(str(parsed.database)).absolute().parent.is_dir():
        raise ConfigurationError(
            f"There is no folder {Path(str(parsed.database)).absolute().parent} for the store",
            remedy="Make the folder, or name another place.",
        )
    return Database(_sqlite_engine(parsed, _CACHE_KIB), folder, _sqlite_engine(parsed, _READING_CACHE_KIB))


def _sqlite_engine(url: URL, cache_kib: int) -> Engine:
    connect = {"check_same_thread": False, "timeout": _BUSY_SECONDS}
    # The connection used last is used next: the fewest fill pages of their own.
    engine = create_engine(url, connect_args=connect, pool_use_lifo=True)
    event.listen(engine, "connect", partial(_prepare_sqlite, cache_kib))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _remember_return(connection: Any, record: ConnectionPoolEntry) -> None:  # noqa: ARG001
    record.info[_RETURNED] = time.monotonic()


def _look_whether_there(engine: Engine, connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:  # noqa: ARG001
    """Ask a connection that nobody has used for a while whether it is still there; where it is not, all are made anew."""
    returned = record.info.get(_RETURNED)
    if returned is None or time.monotonic() - returned < _IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _prepare_sqlite(cache_kib: int, connection: Any, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, not by the driver
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"cache_size=-{cache_kib}",
        "wal_autocheckpoint=50000",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READING) else "BEGIN IMMEDIATE")


def _revision(database: Database) -> str | None:
    with database.reading() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(database: Database, revision: str | None, url: str) -> None:
    # Alembic takes more than a second to import; a store that is current never needs it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreMismatch(
            f"The store {_shown(url)} was made by a newer version of twinrow",
            remedy="Use that version, or name another store.",
        )
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
