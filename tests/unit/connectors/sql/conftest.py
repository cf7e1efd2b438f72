"""A database of either kind, with somebody else at work in it, and the connector beside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from twinrow.connectors.base import ChangePage, ChangeRequest, WriteKind, WriteRequest
from twinrow.connectors.sql import SqlSystem, SqlTable


class Database:
    """A database that tests fill by their own statements, and systems opened on it."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self._opened: list[SqlSystem] = []

    @property
    def time(self) -> str:
        return "timestamp" if self.kind == "sqlite" else "timestamp with time zone"

    @property
    def now(self) -> str:
        return "strftime('%Y-%m-%d %H:%M:%f', 'now')" if self.kind == "sqlite" else "clock_timestamp()"

    def connect(self) -> Any:
        """Return a connection of somebody else, each of whose statements is committed at once."""
        if self.kind == "sqlite":
            return sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None, timeout=5)
        return psycopg.connect(self.url, autocommit=True)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description is not None else []

    def open(self, url: str | None = None, schema: str | None = None, **tables: SqlTable) -> SqlSystem:
        system = SqlSystem(url or self.url, name="shop", schema=schema, tables=tables)
        self._opened.append(system)
        return system

    def close(self) -> None:
        for system in self._opened:
            system.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    database = Database("sqlite", f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def postgresql(postgres_url: str) -> Iterator[Database]:
    database = Database("postgresql", postgres_url)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Database)
    return found


Create = Callable[..., list[dict[str, Any]]]


def create(
    system: SqlSystem, table: str, rows: Sequence[dict[str, Any]], ids: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Create records that all have the same fields; return the answers."""
    frame = pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.Series("@id", ids, dtype=pl.String))
    return system.write(WriteRequest(table, WriteKind.CREATE, frame, tuple(rows[0]))).to_dicts()


def update(system: SqlSystem, table: str, id: str, version: str | None, **values: Any) -> dict[str, Any]:
    """Update a record; return the answer."""
    frame = pl.DataFrame({"@id": [id], "@version": [version], **{name: [value] for name, value in values.items()}})
    (answer,) = system.write(WriteRequest(table, WriteKind.UPDATE, frame, tuple(values))).to_dicts()
    return answer


def feed(system: SqlSystem, table: str, since: str | None = None, **request: Any) -> tuple[list[str], str]:
    """Return the ids that a feed hands over, and its watermark."""
    pages: list[ChangePage] = list(system.changes(ChangeRequest(table, (), since, **request)))
    assert pages[-1].watermark is not None
    return [id for page in pages for id in page.frame["@id"].to_list()], pages[-1].watermark
