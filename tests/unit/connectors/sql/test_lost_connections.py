"""Connections that break: before anything was carried out, and while nobody can tell whether it was.

A go-between stands between the connector and a real PostgreSQL and cuts the line at a statement of the test's choice.
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from twinrow.connectors.base import Status
from twinrow.connectors.sql import SqlSystem
from twinrow.model.errors import SignInFailed, SystemUnavailable, Unreachable

from .conftest import Database, create, feed, update

NAME = ".s.PGSQL.5432"


class GoBetween:
    """Passes everything between a client and the server, and cuts the line when a message of the client holds `cut_at`.

    With `deliver` the message still reaches the server, and its answer is lost. A message that holds `spare` is not cut.
    """

    def __init__(self, server: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="twinrow-go-between-"))
        self._server = str(Path(server) / NAME)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / NAME))
        self._listening.listen()
        self._threads: list[threading.Thread] = []
        self.cut_at: bytes | None = None
        self.deliver = False
        self.spare = b"nothing"
        self._start(self._accept)

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._start(self._to_server, client, server)
            self._start(self._to_client, server, client)

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        while message := _received(client):
            if self.cut_at is not None and self.cut_at in message and self.spare not in message:
                _cut(client)
                if self.deliver:
                    server.sendall(message)
                    server.shutdown(socket.SHUT_WR)
                else:
                    _cut(server)
                return
            server.sendall(message)
        _cut(server)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        while message := _received(server):
            try:
                client.sendall(message)
            except OSError:
                continue
        _cut(client)
        server.close()
        client.close()

    def close(self) -> None:
        _cut(self._listening)
        self._listening.close()
        for thread in self._threads:
            thread.join(5)
        shutil.rmtree(self.folder)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@pytest.fixture
def go_between(postgresql: Database) -> Iterator[GoBetween]:
    postgresql.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50), modified_at timestamptz DEFAULT now())",
        "INSERT INTO goods VALUES ('there', 'as it was')",
    )
    made = GoBetween(str(make_url(postgresql.url).query["host"]))
    yield made
    postgresql.close()
    made.close()


@pytest.fixture
def system(postgresql: Database, go_between: GoBetween) -> SqlSystem:
    url = make_url(postgresql.url).update_query_dict({"host": str(go_between.folder)})
    system = postgresql.open(url.render_as_string(hide_password=False))
    system.describe("goods")
    return system


def names(database: Database) -> dict[str, str]:
    return dict(database.execute("SELECT id, name FROM goods"))


def test_a_lost_answer_to_the_commit_is_indeterminate_and_the_record_is_there(
    postgresql: Database, go_between: GoBetween, system: SqlSystem
) -> None:
    go_between.cut_at, go_between.deliver = b"COMMIT", True
    (answer,) = create(system, "goods", [{"name": "new"}], ["new"])
    assert (answer["@status"], answer["@id"], answer["@recovery"]) == (Status.INDETERMINATE, "new", "retry")
    go_between.cut_at = None
    assert create(system, "goods", [{"name": "again"}], ["new"])[0]["@status"] == Status.EXISTS
    assert names(postgresql) == {"there": "as it was", "new": "new"}


def test_a_commit_that_never_arrived_is_indeterminate_as_well(
    postgresql: Database, go_between: GoBetween, system: SqlSystem
) -> None:
    go_between.cut_at = b"COMMIT"
    (answer,) = create(system, "goods", [{"name": "new"}], ["new"])
    assert answer["@status"] == Status.INDETERMINATE
    go_between.cut_at = None
    assert create(system, "goods", [{"name": "again"}], ["new"])[0]["@status"] == Status.WRITTEN
    assert names(postgresql) == {"there": "as it was", "new": "again"}


@pytest.mark.parametrize("cut_at", [b"BEGIN", b"INSERT INTO"])
def test_a_line_cut_before_the_commit_has_written_nothing(
    postgresql: Database, go_between: GoBetween, system: SqlSystem, cut_at: bytes
) -> None:
    go_between.cut_at, go_between.deliver = cut_at, True
    with pytest.raises(SystemUnavailable):
        create(system, "goods", [{"name": "new"}], ["new"])
    go_between.cut_at = None
    assert names(postgresql) == {"there": "as it was"}
    assert create(system, "goods", [{"name": "new"}], ["new"])[0]["@status"] == Status.WRITTEN


def test_what_was_written_before_the_line_was_cut_keeps_its_answer(
    postgresql: Database, go_between: GoBetween, system: SqlSystem
) -> None:
    postgresql.execute("ALTER TABLE goods ADD CONSTRAINT no_bad_ones CHECK (name <> 'bad')")
    # The refused record divides the request into parts; the last of them meets the cut.
    go_between.cut_at, go_between.spare = b"the last one", b"bad"
    rows = [{"name": name} for name in ("a", "bad", "c", "the last one")]
    answers = create(system, "goods", rows, list("abcd"))
    expected = [Status.WRITTEN, Status.REFUSED, Status.UNSENT, Status.UNSENT]
    assert [answer["@status"] for answer in answers] == expected
    assert names(postgresql) == {"there": "as it was", "a": "a"}


def test_a_feed_whose_line_is_cut_goes_on_from_its_cursor(
    postgresql: Database, go_between: GoBetween, system: SqlSystem
) -> None:
    go_between.cut_at = b"COPY (SELECT"
    with pytest.raises(SystemUnavailable):
        feed(system, "goods")
    go_between.cut_at = None
    assert feed(system, "goods")[0] == ["there"]


def test_a_connection_that_went_while_nobody_used_it_is_made_anew(postgresql: Database, system: SqlSystem) -> None:
    postgresql.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    assert feed(system, "goods")[0] == ["there"]


def test_who_waits_for_a_lock_and_is_sent_away_has_written_nothing(
    postgresql: Database, go_between: GoBetween, system: SqlSystem
) -> None:
    version = system.fetch("goods", (), ["there"])["@version"][0]
    with closing(postgresql.connect()) as other:
        other.execute("BEGIN")
        other.execute("UPDATE goods SET name = 'theirs'")
        waiting = threading.Thread(
            target=lambda: outcomes.append(update(system, "goods", "there", version, name="ours"))
        )
        outcomes: list[dict[str, object]] = []
        waiting.start()
        for _ in range(200):
            if postgresql.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                break
        other.execute("COMMIT")
        waiting.join()
    assert outcomes[0]["@status"] == Status.STALE
    assert names(postgresql) == {"there": "theirs"}


def test_there_is_no_such_database_or_user(postgresql: Database) -> None:
    url = make_url(postgresql.url)
    with pytest.raises(Unreachable):
        postgresql.open(str(url.set(database="nowhere"))).now()
    with pytest.raises(SignInFailed):
        postgresql.open(str(url.set(username="nobody"))).now()
    with pytest.raises(SystemUnavailable):
        postgresql.open(str(url.update_query_dict({"host": "/nowhere/at/all"}))).now()
    (check,) = postgresql.open(str(url.set(database="nowhere"))).test()
    assert not check.passed
    assert check.remedy


def test_a_sqlite_file_that_another_program_holds(sqlite: Database) -> None:
    sqlite.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50))")
    system = sqlite.open(f"{sqlite.url}?timeout=0.05")
    system.describe("goods")
    with closing(sqlite3.connect(sqlite.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SystemUnavailable):
            create(system, "goods", [{"name": "x"}], ["a"])
        other.execute("ROLLBACK")
    assert create(system, "goods", [{"name": "x"}], ["a"])[0]["@status"] == Status.WRITTEN
