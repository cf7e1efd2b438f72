"""A Business Central sandbox in this process, and a caller to talk to it without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from twinrow.sandbox.business_central import BusinessCentral, open_service
from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.database import open_database
from twinrow.sandbox.http import Answer, Request, encode_json
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.sign_in import SignIn
from twinrow.sandbox.surroundings import Surroundings

ROOT = "/v2.0/sandbox/api/v2.0"
SYNC_ROOT = "/v2.0/sandbox/api/twinrow/sync/v1.0"
HOST = "https://bc.example"
ZERO = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Reply:
    """An answer, its JSON decoded."""

    status: int
    headers: dict[str, str]
    body: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def etag(self) -> str:
        return str(self.body["@odata.etag"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.body["value"])

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


@dataclass
class Site:
    """The server, as one application sees it."""

    service: BusinessCentral
    clock: SandboxClock
    sign_in: SignIn
    client: str = "twinrow"

    def as_client(self, client: str) -> Site:
        return Site(self.service, self.clock, self.sign_in, client)

    def answer(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, signed: bool = True
    ) -> Answer:
        """Send to an absolute path; the answer as it is."""
        path, _, query = path.removeprefix(HOST).partition("?")
        sent = {"host": HOST.removeprefix("https://"), **(headers or {})}
        if signed:
            sent["authorization"] = f"Bearer {self.sign_in.issue(self.client)}"
        content = body if isinstance(body, bytes) else b"" if body is None else encode_json(body)
        lower = {name.lower(): value for name, value in sent.items()}
        return self.service.answer(Request(method, path, query, lower, content))

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Send to an absolute path."""
        return reply(self.answer(method, path, body, headers))

    @property
    def company(self) -> str:
        return self.service.first_company.id

    def path(self, target: str, *, sync: bool = False) -> str:
        return f"{SYNC_ROOT if sync else ROOT}/companies({self.company})/{target}"

    def get(self, target: str, *, sync: bool = False, **headers: str) -> Reply:
        return self.send("GET", self.path(target, sync=sync), headers=_named(headers))

    def post(self, target: str, body: Any, *, sync: bool = False, **headers: str) -> Reply:
        return self.send("POST", self.path(target, sync=sync), body, _named(headers))

    def patch(self, target: str, body: Any, *, sync: bool = False, if_match: str = "*") -> Reply:
        return self.send("PATCH", self.path(target, sync=sync), body, {"If-Match": if_match})

    def delete(self, target: str, *, sync: bool = False, if_match: str = "*") -> Reply:
        return self.send("DELETE", self.path(target, sync=sync), headers={"If-Match": if_match})

    def batch(self, requests: list[dict[str, Any]], *, sync: bool = False, **headers: str) -> Reply:
        root = SYNC_ROOT if sync else ROOT
        return self.send("POST", f"{root}/$batch", {"requests": requests}, _named(headers))

    def switch(self, **values: object) -> None:
        self.service.switches.change(values)

    def write(self, table: str, values: dict[str, Any]) -> dict[str, Any]:
        """Set-up past the rules."""
        return self.service.write_row(table, values)

    def table(self, name: str) -> list[dict[str, Any]]:
        return self.service.table_rows(name)

    def stored(self, table: str, number: str) -> dict[str, Any]:
        """A row of a table by its number."""
        return next(row for row in self.table(table) if row["No."] == number)


def open_site(location: str | Path = ":memory:") -> Site:
    clock = SandboxClock()
    sign_in = SignIn(clock, b"a key for tests only, 32 letters")
    surroundings = Surroundings(open_database(str(location)), clock, sign_in, Postman())
    return Site(open_service(surroundings), clock, sign_in)


def reply(answer: Answer) -> Reply:
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        return Reply(answer.status, answer.headers, msgspec.json.decode(answer.body))
    return Reply(answer.status, answer.headers, answer.body.decode())


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
