"""Dataverse: the sandbox over HTTPS, with and without change tracking and version checks, and the options of a choice."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx2
import msgspec
import pytest

from twinrow.connectors.base import Connector, CreateKeys, FeedKind
from twinrow.connectors.dataverse import open_system
from twinrow.sandbox.process import SandboxProcess, start
from twinrow.testing.conformance import ConnectorContract, Subject
from twinrow.workspace import MachineClock

ROOT = "/api/data/v9.2"
JSON = msgspec.json.Encoder(decimal_format="number")


class Secrets:
    def resolve(self, reference: str) -> str:
        return {"env:APPLICATION": "sandbox-secret"}[reference]


class Person:
    """Somebody who works in the environment by the Web API, without twinrow."""

    def __init__(self, server: SandboxProcess) -> None:
        self.server = server
        self.client = httpx2.Client(
            base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca_file)), timeout=60
        )
        self.sign_in()

    def sign_in(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": "person",
            "client_secret": "person-secret",
            "scope": f"{self.server.url}/.default",
        }
        token = self.client.post("/tenant/oauth2/v2.0/token", data=form).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, target: str, body: Mapping[str, Any] | None = None, **headers: str) -> Any:
        response = self.client.request(
            method,
            f"{ROOT}/{target}",
            content=b"" if body is None else JSON.encode(body),
            headers={"Content-Type": "application/json", **headers},
        )
        assert response.status_code < 300, response.text
        return response.json() if response.content else None


def wire(value: Any) -> Any:
    """A value as the Web API takes it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value if isinstance(value, Decimal | bool | int | float | None) else str(value)


def opened(server: SandboxProcess, **settings: Any) -> Connector:
    options = {
        "address": server.url,
        "tenant": "sandbox",
        "client_id": "twinrow",
        "secret": "env:APPLICATION",
        "authority": server.url,
        "ca_file": str(server.ca_file),
        "patience_seconds": 0,
        **settings,
    }
    return open_system("the environment", options, Secrets(), MachineClock())


class Environment(Subject):
    """What the subjects have in common: a sandbox that begins anew with each."""

    def __init__(
        self, server: SandboxProcess, person: Person, switches: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        self.server = server
        self.person = person
        self.settings = settings
        server.control("POST", "/sandbox/reset")
        server.control("POST", "/sandbox/switches", switches or {})
        self.opened: list[Connector] = []
        super().__init__(self.reopen())
        self.fail_next = self.busy

    def reopen(self) -> Connector:
        self.opened.append(opened(self.server, **self.settings))
        return self.opened[-1]

    def close(self) -> None:
        for connector in self.opened:
            connector.close()
        self.server.control("POST", "/sandbox/clock", {"now": None})
        self.person.sign_in()

    @contextmanager
    def busy(self) -> Iterator[None]:
        fault = {"path": "/api/", "action": "refuse", "status": 503, "times": 1_000}
        self.server.control("POST", "/sandbox/faults", fault)
        yield
        self.server.control("DELETE", "/sandbox/faults")


class Accounts(Environment):
    """The accounts of an environment."""

    table = "account"
    fields = (
        "name",
        "description",
        "address1_city",
        "websiteurl",
        "numberofemployees",
        "creditlimit",
        "donotemail",
        "customertypecode",
        "lastonholdtime",
    )
    many = 250
    precision = timedelta(seconds=1)
    unknown_reference = "99999999-0000-4000-8000-000000000009"

    def __init__(
        self, server: SandboxProcess, person: Person, switches: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        super().__init__(server, person, switches, **settings)
        contact = person.send("POST", "contacts", {"lastname": "Ahrens"}, Prefer="return=representation")
        self.references = {"primarycontactid": contact["contactid"]}
        if self.capabilities.feed is FeedKind.DELTA:
            self.expire_feeds = self.years_pass

    def add(self, values: Mapping[str, Any]) -> str:
        body = {name: wire(value) for name, value in values.items()}
        return str(self.person.send("POST", "accounts", body, Prefer="return=representation")["accountid"])

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        self.person.send("PATCH", f"accounts({id})", {name: wire(value) for name, value in values.items()})

    def remove(self, id: str) -> None:
        self.person.send("DELETE", f"accounts({id})")

    def years_pass(self) -> None:
        self.server.control("POST", "/sandbox/clock", {"advance": 86_400 * 365})
        self.person.sign_in()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start("dataverse", directory=tmp_path_factory.mktemp("dataverse")) as process:
        yield process


@pytest.fixture(scope="module")
def person(server: SandboxProcess) -> Iterator[Person]:
    person = Person(server)
    yield person
    person.client.close()


def accounts(
    server: SandboxProcess, person: Person, switches: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Accounts]:
    subject = Accounts(server, person, switches, **settings)
    yield subject
    subject.close()


class TestAccounts(ConnectorContract):
    @pytest.fixture
    def subject(self, server: SandboxProcess, person: Person) -> Iterator[Subject]:
        yield from accounts(server, person)

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        can = subject.capabilities
        assert (can.feed, can.version_checks, can.create_keys) == (FeedKind.DELTA, True, CreateKeys.CHOSEN)
