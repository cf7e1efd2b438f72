"""The SQL connector, on SQLite and on a real PostgreSQL: all cases for the usual table, and for others those that they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from twinrow.testing.conformance import (
    ConnectorContract,
    Creating,
    Deleting,
    Enduring,
    Feeding,
    Reading,
    Refusing,
    Subject,
    Updating,
    Values,
)

from .sql import (
    COUNTED,
    NUMBERED,
    USUAL,
    WITH_ROW_VERSION,
    WITH_TRIGGERS,
    WITH_UUID,
    WITHOUT_CHANGES,
    Making,
    PostgresqlSubject,
    SqliteSubject,
    SqlSubject,
)


class Tables:
    """The tables of this module's tests, made when they are first asked for and emptied before each case."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self._folder = folder
        self._server = server
        self._made: dict[tuple[str, Making], SqlSubject] = {}

    def get(self, kind: str, making: Making) -> SqlSubject:
        if (kind, making) not in self._made:
            self._made[kind, making] = self._make(kind, making)
        self._made[kind, making].clear()
        return self._made[kind, making]

    def _make(self, kind: str, making: Making) -> SqlSubject:
        if kind == "sqlite":
            return SqliteSubject(self._folder / f"{len(self._made)}.db", making)
        return PostgresqlSubject(self._server.url(self._server.create_database()), making)

    def close(self) -> None:
        for table in self._made.values():
            table.close()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Tables]:
    made = Tables(tmp_path_factory.mktemp("sql"), postgres_server)
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
class Sql:
    making = USUAL

    @pytest.fixture
    def subject(self, kind: str, tables: Tables) -> Subject:
        return tables.get(kind, self.making)


class TestTable(Sql, ConnectorContract):
    """A text key with GUIDs, changes by their time, no triggers."""


class TestTableWithTriggers(Sql, Creating, Updating, Refusing):
    making = WITH_TRIGGERS


class TestTableWithRowVersion(Sql, Updating, Deleting, Feeding, Enduring):
    making = WITH_ROW_VERSION


class TestTableWithoutChanges(Sql, Updating, Deleting, Feeding):
    making = WITHOUT_CHANGES


class TestTableWithCountedKey(Sql, Creating, Deleting, Feeding):
    making = COUNTED


class TestTableWithNumberedKey(Sql, Creating, Updating):
    making = NUMBERED


class TestTableWithUuidKey(Sql, Values, Creating, Reading, Refusing):
    making = WITH_UUID
