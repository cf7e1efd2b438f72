"""Dataverse: the sandbox over HTTPS, with and without change tracking and version checks, and the options of a choice."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
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
from twinrow.testing.conformance import ConnectorContract, Reading, Refusing, Subject, Values
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
    """What the subjects have in common: a sandbox that is put back to its beginning for each case."""

    def __init__(
        self, server: SandboxProcess, person: Person, switches: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        self.server = server
        self.person = person
        self.settings = settings
        server.control("POST", "/sandbox/reset")
        server.control("POST", "/sandbox/switches", switches or {})
        self.opened: list[Connector] = []
        super().__init__(opened(server, **settings))
        self.fail_next = self.busy
        self.fill()
        server.control("POST", "/sandbox/snapshot", {"name": "beginning"})

    def fill(self) -> None:
        """Make what every case needs."""

    def begin_anew(self) -> None:
        """Put everything back for the next case."""
        for connector in self.opened:
            connector.close()
        self.opened.clear()
        self.server.control("POST", "/sandbox/restore", {"name": "beginning"})

    def reopen(self) -> Connector:
        self.opened.append(opened(self.server, **self.settings))
        return self.opened[-1]

    def close(self) -> None:
        self.begin_anew()
        self.connector.close()

    @contextmanager
    def busy(self) -> Iterator[None]:
        fault = {"path": "/api/", "action": "refuse", "status": 503, "times": 1_000}
        self.server.control("POST", "/sandbox/faults", fault)
        yield
        self.server.control("DELETE", "/sandbox/faults")


class Rows(Environment):
    """A table with rows."""

    entity_set: str
    many = 250
    precision = timedelta(seconds=1)

    def add(self, values: Mapping[str, Any]) -> str:
        body = {name: wire(value) for name, value in values.items()}
        made = self.person.send("POST", self.entity_set, body, Prefer="return=representation")
        return str(made[f"{self.table}id"])

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        self.person.send("PATCH", f"{self.entity_set}({id})", {name: wire(value) for name, value in values.items()})

    def remove(self, id: str) -> None:
        self.person.send("DELETE", f"{self.entity_set}({id})")


class Accounts(Rows):
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
    entity_set = "accounts"
    unknown_reference = "99999999-0000-4000-8000-000000000009"

    def fill(self) -> None:
        contact = self.person.send("POST", "contacts", {"lastname": "Ahrens"}, Prefer="return=representation")
        self.references = {"primarycontactid": contact["contactid"]}
        if self.capabilities.feed is FeedKind.DELTA:
            self.expire_feeds = self.a_year_passes

    def a_year_passes(self) -> None:
        self.server.control("POST", "/sandbox/clock", {"advance": 86_400 * 365})
        self.person.sign_in()

    def begin_anew(self) -> None:
        super().begin_anew()
        self.server.control("POST", "/sandbox/clock", {"now": None})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start("dataverse", directory=tmp_path_factory.mktemp("dataverse")) as process:
        yield process


@pytest.fixture(scope="module")
def person(server: SandboxProcess) -> Iterator[Person]:
    person = Person(server)
    yield person
    person.client.close()


class PaymentTerms(Environment):
    """The options of a choice. What people do to them, they do by the same actions."""

    table = "account.paymenttermscode"
    many = 30

    def fill(self) -> None:
        for value in (1, 2, 3, 4):
            self.remove(str(value))

    def act(self, action: str, **parameters: Any) -> Any:
        target = {"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode"}
        return self.person.send("POST", action, target | parameters)

    def label(self, text: str) -> dict[str, Any]:
        return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}

    def add(self, values: Mapping[str, Any]) -> str:
        return str(self.act("InsertOptionValue", Label=self.label(values["label"]))["NewOptionValue"])

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        self.act("UpdateOptionValue", Value=int(id), Label=self.label(values["label"]), MergeLabels=True)

    def remove(self, id: str) -> None:
        self.act("DeleteOptionValue", Value=int(id))


class Contacts(Rows):
    """The contacts of an environment: dates without time, and a reference to rows of several tables."""

    table = "contact"
    entity_set = "contacts"
    fields = ("lastname", "birthdate", "address1_city", "annualincome", "familystatuscode")
    unknown_reference = "99999999-0000-4000-8000-000000000009"

    def fill(self) -> None:
        account = self.person.send("POST", "accounts", {"name": "Hafenbau"}, Prefer="return=representation")
        self.references = {"parentcustomerid": account["accountid"]}


class Beginning(ABC):
    """Cases held against an environment that begins anew with each of them."""

    @classmethod
    @abstractmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        """Make the environment of all cases."""

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls, server: SandboxProcess, person: Person) -> Iterator[Environment]:
        environment = cls.make(server, person)
        yield environment
        environment.close()

    @pytest.fixture
    def subject(self, environment: Environment) -> Subject:
        environment.begin_anew()
        return environment


class Contract(Beginning, ConnectorContract):
    """The whole contract."""


class TestAccounts(Contract):
    @classmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        return Accounts(server, person)

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        can = subject.capabilities
        assert (can.feed, can.version_checks, can.create_keys) == (FeedKind.DELTA, True, CreateKeys.CHOSEN)
        assert can.limits == ()


class TestAccountsWithoutChangeTracking(Contract):
    @classmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        return Accounts(server, person, {"change_tracking": {"account": False}})

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        can = subject.capabilities
        assert (can.feed, can.version_checks) == (FeedKind.MODIFIED_AT, True)
        assert any("Change tracking is off" in sentence for sentence in can.limits)


class TestAccountsWithoutVersionChecks(Contract):
    @classmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        return Accounts(server, person, {"optimistic_concurrency": {"account": False}})

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        can = subject.capabilities
        assert (can.feed, can.version_checks) == (FeedKind.DELTA, False)
        assert any("versions are not checked" in sentence for sentence in can.limits)


class TestAccountsInSmallPieces(Contract):
    """With few records to a page and few writes to a batch, one after the other, and error codes of older services."""

    @classmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        switches = {"page_size": 3, "classic_error_codes": True, "entity_id_on_patch": False}
        accounts = Accounts(server, person, switches, page_rows=3, batch_parts=2, parallel_requests=1)
        accounts.many = 25
        return accounts


class TestOptions(Contract):
    """The options of a choice. Cases that need two fields to write do not apply: there is the label alone."""

    test_the_table_is_listed_and_described: ClassVar[Any] = None
    test_only_the_fields_that_were_asked_for_are_handed_over: ClassVar[Any] = None
    test_fields_that_are_not_sent_are_left_to_the_system: ClassVar[Any] = None
    test_each_record_of_a_request_has_fields_of_its_own: ClassVar[Any] = None
    test_an_answer_holds_the_fields_that_were_asked_for: ClassVar[Any] = None
    test_without_version_checks_an_update_leaves_what_it_does_not_send: ClassVar[Any] = None
    test_a_condition_leaves_nothing_out_that_satisfies_it: ClassVar[Any] = None

    @classmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        return PaymentTerms(server, person)

    def test_it_is_the_way_that_is_meant(self, subject: Subject) -> None:
        can = subject.capabilities
        assert (can.feed, can.version_checks, can.create_keys) == (FeedKind.WHOLE, False, CreateKeys.PROPOSED)
        assert subject.table in subject.connector.tables()
        assert subject.names == ("label",)


class TestContacts(Beginning, Values, Refusing, Reading):
    """Values, refusals and conditions on further types."""

    @classmethod
    def make(cls, server: SandboxProcess, person: Person) -> Environment:
        return Contacts(server, person)
