"""Tables of SQLite and PostgreSQL as subjects of the contract suite, with somebody else at work in the same database."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from twinrow.connectors.base import Connector
from twinrow.connectors.sql import SqlSystem, SqlTable
from twinrow.testing.conformance import Subject

OWNER = "0b2c0000-0000-4000-8000-000000000001"
NOBODY = "0b2c0000-0000-4000-8000-00000000ffff"


@dataclass(frozen=True)
class Making:
    """How a table is made: its kind of key, how its changes are found, whether triggers do part of the work."""

    key: str = "text"
    changes: str = "modified_at"
    triggers: bool = False

    def __str__(self) -> str:
        return f"{self.key} key, {self.changes}{', triggers' if self.triggers else ''}"


USUAL = Making()
WITH_TRIGGERS = Making(triggers=True)
WITH_ROW_VERSION = Making(changes="row_version", triggers=True)
WITHOUT_CHANGES = Making(changes="nothing")
COUNTED = Making(key="counted")
NUMBERED = Making(key="number", changes="nothing")
WITH_UUID = Making(key="uuid")

KEYS = {
    "sqlite": {
        "text": "varchar(36) PRIMARY KEY",
        "counted": "integer PRIMARY KEY AUTOINCREMENT",
        "number": "integer PRIMARY KEY",
        "uuid": "uuid PRIMARY KEY NOT NULL",
    },
    "postgresql": {
        "text": "varchar(36) PRIMARY KEY",
        "counted": "integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "number": "bigint PRIMARY KEY DEFAULT (random() * 1000000000000)::bigint",
        "uuid": "uuid PRIMARY KEY DEFAULT gen_random_uuid()",
    },
}
COLUMNS = """
    id {key},
    title varchar(100),
    label varchar(40) NOT NULL,
    remark text,
    link uuid,
    amount numeric(20,4),
    price numeric(18,2),
    pieces numeric(12,0),
    quantity integer,
    small smallint,
    large bigint,
    rate double precision,
    open boolean,
    day date,
    moment {time},
    owner varchar(36) REFERENCES owners (id),
    "Größe, in % (m²)" varchar(30),
    shout varchar(40),
    created_at {time} DEFAULT {now}
"""


class SqlSubject(Subject):
    """A table `things`, made as its `Making` says."""

    table = "things"
    references = {"owner": OWNER}
    unknown_reference = NOBODY
    dialect: str
    time: str
    now: str

    def __init__(self, url: str, making: Making) -> None:
        self.url, self.making = url, making
        self._opened: list[SqlSystem] = []
        self.execute("CREATE TABLE owners (id varchar(36) PRIMARY KEY, name varchar(50))")
        self.execute(f"INSERT INTO owners VALUES ('{OWNER}', 'somebody')")
        columns = COLUMNS.format(key=KEYS[self.dialect][making.key], time=self.time, now=self.now)
        if making.changes == "modified_at":
            columns += f", modified_at {self.time} NOT NULL DEFAULT {self.now}"
        elif making.changes == "row_version":
            columns += ", row_version bigint DEFAULT 0"
        self.execute(f"CREATE TABLE things ({columns})")
        if making.changes != "nothing":
            self.execute(f"CREATE INDEX things_changes ON things ({making.changes})")
        if making.triggers:
            self.upper_cased = "shout"
            self.make_triggers()
        super().__init__(self.open())

    def open(self, url: str | None = None) -> SqlSystem:
        settings = SqlTable(
            guid=True if self.making.key == "text" else None,
            row_version="row_version" if self.making.changes == "row_version" else None,
        )
        system = SqlSystem(url or self.url, name=self.dialect, tables={"things": settings})
        self._opened.append(system)
        return system

    def reopen(self) -> Connector:
        return self.open()

    def clear(self) -> None:
        """Begin anew: without records, and with one connector that has no open connections."""
        for system in self._opened:
            system.close()
        self._opened = self._opened[:1]
        self.connector = self._opened[0]
        self.execute("DELETE FROM things")

    def close(self) -> None:
        for system in self._opened:
            system.close()

    @abstractmethod
    def make_triggers(self) -> None: ...

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def add(self, values: Mapping[str, Any]) -> str:
        row = dict(values)
        if self.making.key in ("text", "uuid"):
            row["id"] = str(uuid4())
        names = ", ".join(f'"{name}"'.replace("%", self.percent) for name in row)
        marks = ", ".join([self.mark] * len(row))
        ((id,),) = self.execute(f"INSERT INTO things ({names}) VALUES ({marks}) RETURNING id", list(row.values()))
        return str(id)

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        sets = ", ".join(f'"{name}" = {self.mark}'.replace('%"', f'{self.percent}"') for name in values)
        if self.making.changes == "modified_at" and not self.making.triggers:
            sets += f", modified_at = {self.now}"
        changed = self.execute(
            f"UPDATE things SET {sets} WHERE CAST(id AS text) = {self.mark} RETURNING id", [*values.values(), id]
        )
        assert len(changed) == 1

    def remove(self, id: str) -> None:
        self.execute(f"DELETE FROM things WHERE CAST(id AS text) = {self.mark} RETURNING id", [id])

    mark: str
    percent: str


class SqliteSubject(SqlSubject):
    """SQLite, whose other programs write whole seconds."""

    dialect = "sqlite"
    time = "timestamp"
    now = "CURRENT_TIMESTAMP"
    mark = "?"
    percent = "%"
    many = 300

    def __init__(self, path: Path, making: Making) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        super().__init__(f"sqlite:///{path}?timeout=5", making)
        self.fail_next = self._locked

    def make_triggers(self) -> None:
        sets = ["shout = upper(new.shout)"]
        if self.making.changes == "modified_at":
            sets.append("modified_at = CURRENT_TIMESTAMP")
        else:
            self.execute("CREATE TABLE versions (last integer)")
            self.execute("INSERT INTO versions VALUES (0)")
            sets.append("row_version = (SELECT last FROM versions)")
        counts = "UPDATE versions SET last = last + 1;" if self.making.changes == "row_version" else ""
        for event in ("INSERT", "UPDATE"):
            self.execute(
                f"CREATE TRIGGER things_{event} AFTER {event} ON things BEGIN {counts} "
                f"UPDATE things SET {', '.join(sets)} WHERE id = new.id; END"
            )

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, [_plain(value) for value in values]).fetchall()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The file is held by another program, which lets nobody even read it."""
        self.connector = self.open(f"sqlite:///{self.path}?timeout=0.05")
        self.connector.describe("things")
        for system in self._opened:
            system.close()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA journal_mode = WAL")


def _plain(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
    return value


class PostgresqlSubject(SqlSubject):
    """PostgreSQL."""

    dialect = "postgresql"
    time = "timestamp with time zone"
    now = "clock_timestamp()"
    mark = "%s"
    percent = "%%"
    many = 300

    def __init__(self, url: str, making: Making) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        super().__init__(url, making)
        self.fail_next = self._closed

    def close(self) -> None:
        super().close()
        self._connection.close()

    def make_triggers(self) -> None:
        if self.making.changes == "row_version":
            self.execute("CREATE SEQUENCE versions")
        change = (
            "modified_at := clock_timestamp()"
            if self.making.changes == "modified_at"
            else "row_version := nextval('versions')"
        )
        self.execute(
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN new.shout := upper(new.shout); new.{change}; RETURN new; END $$"
        )
        self.execute("CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION touch()")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = psycopg.ClientCursor(self._connection).execute(statement, values or None)
        return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def _closed(self) -> Iterator[None]:
        """The database takes no connections, and has broken off those it had."""
        name = make_url(self.url).database
        with psycopg.connect(self.url, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            ours = self._connection.info.backend_pid
            connection.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                [name, ours],
            )
            yield
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
