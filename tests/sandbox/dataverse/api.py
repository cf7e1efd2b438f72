"""A plain client of the Dataverse Web API for tests, over HTTPS or directly on the service."""

from __future__ import annotations

import http.client
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.database import open_database
from twinrow.sandbox.dataverse import DataverseService, open_service
from twinrow.sandbox.http import Request, decode_json, encode_json
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.process import SandboxProcess
from twinrow.sandbox.sign_in import SignIn
from twinrow.sandbox.surroundings import Surroundings

ROOT = "/api/data/v9.2/"
_SAFE = "/:?&=$()',@;!*~%"


@dataclass
class Reply:
    """An answer; `body` is decoded JSON where there is some, `error` its error code and text."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return decode_json(self.raw)

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.raw
        value: list[dict[str, Any]] = self.body["value"]
        return value

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.body["error"]["code"]

    @property
    def message(self) -> str:
        text: str = self.body["error"]["message"]
        return text

    @property
    def id(self) -> str:
        """The id of the row made or changed."""
        match = re.search(r"\(([0-9a-f-]{36})\)$", self.headers["odata-entityid"])
        assert match is not None
        return match[1]


class Api(ABC):
    """Requests are given relative to the API's root, or absolute as links are."""

    @abstractmethod
    def carry(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """Send one request; `target` is path and query, percent-encoded."""

    @abstractmethod
    def token(self, client: str) -> str:
        """A token for a client."""

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, client: str = "twinrow"
    ) -> Reply:
        if path.startswith("https://"):
            parts = urlsplit(path)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        else:
            target = quote(path if path.startswith("/") else ROOT + path, safe=_SAFE)
        content = body if isinstance(body, bytes) else b"" if body is None else encode_json(body)
        sent = {"Host": "localhost:9", "Accept": "application/json", "Authorization": f"Bearer {self.token(client)}"}
        if content:
            sent["Content-Type"] = "application/json"
        return self.carry(method, target, sent | (headers or {}), content)

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=_named(headers))

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.send("POST", path, body, _named(headers))

    def patch(self, path: str, body: Any, **headers: str) -> Reply:
        return self.send("PATCH", path, body, _named(headers))

    def put(self, path: str, body: Any, **headers: str) -> Reply:
        return self.send("PUT", path, body, _named(headers))

    def delete(self, path: str, **headers: str) -> Reply:
        return self.send("DELETE", path, headers=_named(headers))

    def make(self, path: str, **values: Any) -> str:
        """Make a row and give its id; `bind` is a table of bindings."""
        bindings = {f"{name}@odata.bind": target for name, target in values.pop("bind", {}).items()}
        reply = self.post(path, values | bindings)
        assert reply.status == 204, reply.raw
        return reply.id

    def row(self, path: str, **headers: str) -> dict[str, Any]:
        reply = self.get(path, **headers)
        assert reply.status == 200, reply.raw
        body: dict[str, Any] = reply.body
        return body

    def names(self, filter_text: str, path: str = "accounts", column: str = "name") -> list[str]:
        """The sorted names of the rows that a filter finds."""
        return sorted(row[column] for row in self.get(f"{path}?$select={column}&$filter={filter_text}").rows)

    def batch(self, parts: str, **headers: str) -> Reply:
        """Send a batch whose parts are separated by `--b` lines; line ends are made CRLF."""
        text = parts.strip("\n").replace("\n", "\r\n") + "\r\n"
        return self.send(
            "POST", "$batch", text.encode(), {"Content-Type": "multipart/mixed; boundary=b", **_named(headers)}
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class DirectApi(Api):
    """The service in this process."""

    def __init__(self) -> None:
        self.clock = SandboxClock()
        self._sign_in = SignIn(self.clock, b"a key of tests")
        surroundings = Surroundings(open_database(":memory:"), self.clock, self._sign_in, Postman())
        self.service: DataverseService = open_service(surroundings)
        self._tokens: dict[str, str] = {}

    def token(self, client: str) -> str:
        if client not in self._tokens:
            self._tokens[client] = self._sign_in.issue(client, seconds=10**9)
        return self._tokens[client]

    def carry(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        path, _, query = target.partition("?")
        lowered = {name.lower(): value for name, value in headers.items()}
        answer = self.service.answer(Request(method, unquote(path), query, lowered, body))
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)


class HttpsApi(Api):
    """A started process."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self._tokens: dict[str, str] = {}
        self._connection: http.client.HTTPSConnection | None = None

    def token(self, client: str) -> str:
        if client not in self._tokens:
            secret = {"twinrow": "sandbox-secret", "person": "person-secret"}[client]
            form = f"grant_type=client_credentials&client_id={client}&client_secret={secret}&scope=x/.default"
            reply = self.carry("POST", "/tenant/oauth2/v2.0/token", {}, form.encode())
            self._tokens[client] = reply.body["access_token"]
        return self._tokens[client]

    def carry(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        if self._connection is None:
            from twinrow.sandbox.authority import authority

            context = authority(self.process.ca_file.parent).client_context()
            port = urlsplit(self.process.url).port
            self._connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
        headers.pop("Host", None)
        self._connection.request(method, target, body, headers)
        response = self._connection.getresponse()
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, lowered, response.read())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def decimal(text: str) -> Decimal:
    """A decimal, written short."""
    return Decimal(text)
