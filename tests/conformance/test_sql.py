"""The SQL connector, on SQLite and on a real PostgreSQL, for each way in which a table can be made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from twinrow.testing.conformance import ConnectorContract, Subject

from .sql import MAKINGS, Making, PostgresqlSubject, SqliteSubject


@pytest.mark.parametrize("making", MAKINGS, ids=str)
class TestSqlite(ConnectorContract):
    @pytest.fixture
    def subject(self, making: Making, tmp_path: Path) -> Iterator[Subject]:
        subject = SqliteSubject(tmp_path / "things.db", making)
        yield subject
        subject.close()


@pytest.mark.parametrize("making", MAKINGS, ids=str)
class TestPostgresql(ConnectorContract):
    @pytest.fixture
    def subject(self, making: Making, postgres_url: str) -> Iterator[Subject]:
        subject = PostgresqlSubject(postgres_url, making)
        yield subject
        subject.close()
