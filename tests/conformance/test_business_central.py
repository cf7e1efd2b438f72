"""Business Central: the sandbox over HTTPS, by twinrow's own pages and by the standard API, with and without chosen ids."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from twinrow.connectors.base import Connector, CreateKeys, FeedKind
from twinrow.connectors.business_central import open_system
from twinrow.sandbox.process import SandboxProcess, start
from twinrow.testing.conformance import ConnectorContract, Subject
from twinrow.testing.conformance.creating import Creating
from twinrow.testing.conformance.feeding import Feeding
from twinrow.testing.conformance.updating import Updating
from twinrow.workspace import MachineClock

ZERO = "00000000-0000-0000-0000-000000000000"
JSON = msgspec.json.Encoder(decimal_format="number")


class Secrets:
    def resolve(self, reference: str) -> str:
        return {"env:APPLICATION": "sandbox-secret"}[reference]


class Person:
    """Somebody who works in the company by the API, without twinrow."""

    def __init__(self, server: SandboxProcess) -> None:
        self.client = httpx2.Client(
            base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca_file)), timeout=60
        )
        form = {
            "grant_type": "client_credentials",
            "client_id": "person",
            "client_secret": "person-secret",
            "scope": "https://api.businesscentral.dynamics.com/.default",
        }
        token = self.client.post("/tenant/oauth2/v2.0/token", data=form).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, target: str, values: Mapping[str, Any] | None = None, *, own: bool = False) -> Any:
        route = "twinrow/sync/v1.0" if own else "v2.0"
        companies = self.client.get("/v2.0/tenant/sandbox/api/v2.0/companies").json()["value"]
        response = self.client.request(
            method,
            f"/v2.0/tenant/sandbox/api/{route}/companies({companies[0]['id']})/{target}",
            content=b"" if values is None else JSON.encode({name: wire(value) for name, value in values.items()}),
            headers={"Content-Type": "application/json", "If-Match": "*"},
        )
        assert response.status_code < 300, response.text
        return response.json() if response.content else None


def wire(value: Any) -> Any:
    if isinstance(value, Decimal | bool | int):
        return value
    return ZERO if value is None else str(value)


class Customers(Subject):
    """The customers of a company. `own` says whether twinrow's pages are installed."""

    table = "customers"
    fields = ("displayName", "addressLine1", "website", "postalCode", "city", "creditLimit", "blocked")
    many = 120
    precision = timedelta(milliseconds=1)
    upper_cased = "number"
    unknown_reference = "99999999-0000-4000-8000-000000000009"

    def __init__(self, server: SandboxProcess, person: Person, *, own: bool, **settings: Any) -> None:
        self.server = server
        self.person = person
        self.own = own
        self.settings = settings
        server.control("POST", "/sandbox/reset")
        server.control(
            "POST", "/sandbox/switches", {"custom_route": own, "chosen_ids": settings.get("chosen_ids", False)}
        )
        self.opened: list[Connector] = []
        super().__init__(self.reopen())
        currency = person.send("POST", "currencies", {"code": "NOK", "displayName": "Norwegian krone"})
        self.references = {"currencyId": currency["id"]}
        self.fail_next = self.busy
        if own:
            server.control("POST", "/sandbox/snapshot", {"name": "beginning"})
            self.expire_feeds = self.restore

    def reopen(self) -> Connector:
        options = {
            "address": self.server.url,
            "tenant": "sandbox",
            "environment": "sandbox",
            "company": "Wieland Werke GmbH",
            "client_id": "twinrow",
            "secret": "env:APPLICATION",
            "authority": self.server.url,
            "ca_file": str(self.server.ca_file),
            "patience_seconds": 0,
            **self.settings,
        }
        self.opened.append(open_system("the company", options, Secrets(), MachineClock()))
        return self.opened[-1]

    def close(self) -> None:
        for connector in self.opened:
            connector.close()

    def add(self, values: Mapping[str, Any]) -> str:
        return str(self.person.send("POST", self.table, values, own=self.own)["id"])

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        self.person.send("PATCH", f"{self.table}({id})", values, own=self.own)

    def remove(self, id: str) -> None:
        self.person.send("DELETE", f"{self.table}({id})")

    def restore(self) -> None:
        """Bring an earlier state of the database back, as from a backup: row versions begin there again."""
        self.server.control("POST", "/sandbox/restore", {"name": "beginning"})

    @contextmanager
    def busy(self) -> Iterator[None]:
        fault = {"path": "/api/", "action": "refuse", "status": 503, "times": 1_000}
        self.server.control("POST", "/sandbox/faults", fault)
        yield
        self.server.control("DELETE", "/sandbox/faults")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    directory: Path = tmp_path_factory.mktemp("business central")
    with start("business-central", directory=directory) as process:
        yield process


@pytest.fixture(scope="module")
def person(server: SandboxProcess) -> Iterator[Person]:
    person = Person(server)
    yield person
    person.client.close()


def opened(server: SandboxProcess, person: Person, **settings: Any) -> Iterator[Customers]:
    customers = Customers(server, person, **settings)
    yield customers
    customers.close()


class TestOwnPages(ConnectorContract):
    @pytest.fixture
    def subject(self, server: SandboxProcess, person: Person) -> Iterator[Subject]:
        yield from opened(server, person, own=True)

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        assert (subject.capabilities.feed, subject.capabilities.create_keys) == (FeedKind.ROW_VERSION, CreateKeys.MARK)


class TestStandardApi(ConnectorContract):
    @pytest.fixture
    def subject(self, server: SandboxProcess, person: Person) -> Iterator[Subject]:
        yield from opened(server, person, own=False)

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        assert (subject.capabilities.feed, subject.capabilities.create_keys) == (FeedKind.MODIFIED_AT, CreateKeys.NONE)


class TestStandardApiWithChosenIds(ConnectorContract):
    @pytest.fixture
    def subject(self, server: SandboxProcess, person: Person) -> Iterator[Subject]:
        yield from opened(server, person, own=False, chosen_ids=True)

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        assert (subject.capabilities.feed, subject.capabilities.create_keys) == (
            FeedKind.MODIFIED_AT,
            CreateKeys.CHOSEN,
        )


class TestOwnPagesInSmallPieces(Creating, Updating, Feeding):
    """With few records to a page and few writes to a batch, one after the other."""

    @pytest.fixture
    def subject(self, server: SandboxProcess, person: Person) -> Iterator[Subject]:
        settings = {"page_rows": 3, "batch_parts": 2, "parallel_requests": 1, "chosen_ids": True}
        for customers in opened(server, person, own=True, **settings):
            customers.many = 25
            yield customers
