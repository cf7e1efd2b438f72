"""A service of a few lines, to try what stands around services: it counts notes in a table."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from twinrow.sandbox.authority import Authority, authority
from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.database import open_database
from twinrow.sandbox.http import Answer, Request, decode_json, json_answer
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.serving import Application, SandboxServer
from twinrow.sandbox.sign_in import SignIn
from twinrow.sandbox.surroundings import Surroundings
from twinrow.sandbox.switches import Switches


class NoteService:
    name = "notes"

    def __init__(self, surroundings: Surroundings) -> None:
        self.connection = surroundings.connection
        self.switches = Switches({"loud": False, "limits": {"a": 1, "b": 2}})
        self.reloads = 0
        self._surroundings = surroundings
        self.reset()

    def answer(self, request: Request) -> Answer:
        caller = self._surroundings.sign_in.caller(request)
        if caller is None:
            return self._surroundings.sign_in.refusal(request, {"error": {"code": "0", "message": "who?"}})
        if request.method == "POST":
            self.write_row("note", {"text": decode_json(request.body)["text"]})
            return Answer(204, parts=3 if request.path.endswith("$batch") else 0)
        return json_answer(200, {"notes": [row["text"] for row in self.table_rows("note")], "caller": caller.name})

    def reset(self) -> None:
        self.connection.execute("DROP TABLE IF EXISTS note")
        self.connection.execute("CREATE TABLE note (text TEXT)")

    def reload(self) -> None:
        self.reloads += 1

    def table_rows(self, table: str) -> list[dict[str, Any]]:
        if table != "note":
            raise LookupError(f"There is no table {table!r}.")
        return [{"text": text} for (text,) in self.connection.execute("SELECT text FROM note ORDER BY rowid")]

    def write_row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        self.connection.execute("INSERT INTO note VALUES (?)", (row["text"],))
        return row

    def load_sample(self, customers: int, seed: int) -> dict[str, int]:
        for number in range(customers):
            self.write_row("note", {"text": f"sample {seed} {number}"})
        return {"note": customers}


class Running:
    """A server in a thread of this process, with a client of the plainest kind."""

    def __init__(self, server: SandboxServer, files: Authority, clock: SandboxClock, sign_in: SignIn) -> None:
        self.url = server.url
        self.files = files
        self.clock = clock
        self.token = sign_in.issue("twinrow")
        self.sign_in = sign_in

    def connect(self) -> http.client.HTTPSConnection:
        port = int(self.url.rpartition(":")[2])
        return http.client.HTTPSConnection("localhost", port, context=self.files.client_context(), timeout=20)

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        connection = self.connect()
        try:
            content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
            signed_in = {"Authorization": f"Bearer {self.token}"}
            connection.request(method, path, content, signed_in if headers is None else headers)
            response = connection.getresponse()
            raw = response.read()
            return response.status, dict(response.getheaders()), msgspec.json.decode(raw) if raw else None
        finally:
            connection.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        status, _, value = self.send(method, path, body, {})
        assert status == 200, value
        return value

    def notes(self) -> list[str]:
        value: list[str] = self.send("GET", "/api/notes")[2]["notes"]
        return value


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Running]:
    files, clock = authority(directory), SandboxClock()
    sign_in, postman = SignIn(clock, files.token_key), Postman(files.ca_file)
    service = NoteService(Surroundings(open_database(":memory:"), clock, sign_in, postman))
    server = SandboxServer(Application(service, clock, sign_in, postman), files)
    ready = threading.Event()
    thread = threading.Thread(target=server.run, args=(ready.set,))
    thread.start()
    assert ready.wait(20)
    try:
        yield Running(server, files, clock, sign_in)
    finally:
        server.stop()
        thread.join(20)
        service.connection.close()
