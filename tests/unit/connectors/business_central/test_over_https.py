"""The connector and a sandbox in a process of its own, over HTTPS: what only a real connection can go through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import polars as pl
import pytest

from twinrow.batch.columns import ID
from twinrow.connectors.base import MARK, STATUS, ChangeRequest, Status, WriteKind, WriteRequest
from twinrow.connectors.business_central import BusinessCentral, open_system
from twinrow.model.errors import SystemUnavailable, Unreachable
from twinrow.sandbox.process import SandboxProcess, start
from twinrow.testing.clock import SettableClock
from twinrow.workspace import MachineClock


class Secrets:
    def resolve(self, reference: str) -> str:
        return "sandbox-secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start("business-central", directory=tmp_path_factory.mktemp("authority")) as process:
        yield process


@pytest.fixture
def connector(server: SandboxProcess) -> Iterator[BusinessCentral]:
    server.control("POST", "/sandbox/reset")
    server.control("DELETE", "/sandbox/requests")
    connector = opened(server)
    yield connector
    connector.close()


def opened(server: SandboxProcess, **settings: Any) -> BusinessCentral:
    options = {
        "address": server.url,
        "tenant": "sandbox",
        "environment": "sandbox",
        "company": "Wieland Werke GmbH",
        "client_id": "twinrow",
        "secret": "env:S",
        "authority": server.url,
        "ca_file": str(server.ca_file),
        "patience_seconds": 5,
        **settings,
    }
    return open_system("the company", options, Secrets(), MachineClock())


def create(connector: BusinessCentral, *names: str, marks: list[str] | None = None) -> list[dict[str, Any]]:
    frame = pl.DataFrame(
        {
            ID: pl.Series([None] * len(names), dtype=pl.String),
            MARK: marks or [str(uuid4()) for _ in names],
            "displayName": list(names),
        }
    )
    return connector.write(WriteRequest("customers", WriteKind.CREATE, frame, ("displayName",))).to_dicts()


def batches(server: SandboxProcess) -> int:
    seen = server.control("GET", "/sandbox/requests")["requests"]
    return sum(request["path"].endswith("$batch") for request in seen)


def test_a_token_that_ends_while_we_work_is_replaced(server: SandboxProcess, connector: BusinessCentral) -> None:
    assert create(connector, "before")[0][STATUS] == Status.WRITTEN
    server.control("POST", "/sandbox/clock", {"advance": 7_200})
    assert create(connector, "after")[0][STATUS] == Status.WRITTEN
    server.control("POST", "/sandbox/clock", {"now": None})


@pytest.mark.parametrize("action", ["lose_answer", "lose_before"])
def test_a_connection_that_breaks_in_a_write(server: SandboxProcess, connector: BusinessCentral, action: str) -> None:
    connector.now()
    marks = [str(uuid4()), str(uuid4())]
    server.control("POST", "/sandbox/faults", {"path": r"\$batch", "action": action})
    first = create(connector, "A", "B", marks=marks)
    assert [row[STATUS] for row in first] == [Status.INDETERMINATE] * 2
    assert batches(server) == 1, "it is not sent again"
    again = create(connector, "A", "B", marks=marks)
    assert {row[STATUS] for row in again} == {Status.EXISTS if action == "lose_answer" else Status.WRITTEN}
    assert len(server.control("GET", "/sandbox/tables/Customer")) == 2


def test_a_write_that_arrives_late(server: SandboxProcess, connector: BusinessCentral) -> None:
    connector.now()
    marks = [str(uuid4())]
    server.control("POST", "/sandbox/faults", {"path": r"\$batch", "action": "late", "seconds": 60})
    assert create(connector, "A", marks=marks)[0][STATUS] == Status.INDETERMINATE
    assert create(connector, "A", marks=marks)[0][STATUS] == Status.WRITTEN
    server.control("POST", "/sandbox/clock", {"advance": 120})
    create(connector, "B")
    names = [row["Name"] for row in server.control("GET", "/sandbox/tables/Customer")]
    assert sorted(names) == ["A", "B"], "the mark keeps the late one out"
    server.control("POST", "/sandbox/clock", {"now": None})


def test_a_connection_that_breaks_in_a_read_is_mended(server: SandboxProcess, connector: BusinessCentral) -> None:
    made = create(connector, "A", "B", "C")
    server.control("POST", "/sandbox/faults", {"path": "/customers", "action": "lose_answer", "times": 2})
    assert connector.fetch("customers", ("displayName",), [row[ID] for row in made]).height == 3


def test_throttled_requests_wait_as_told(server: SandboxProcess, connector: BusinessCentral) -> None:
    connector.now()
    server.control("POST", "/sandbox/faults", {"path": "/api/", "action": "refuse", "status": 429, "retry_after": 1})
    before = MachineClock().monotonic()
    assert create(connector, "A")[0][STATUS] == Status.WRITTEN
    assert MachineClock().monotonic() - before >= 1


def test_many_batches_at_once_come_back_in_order(server: SandboxProcess) -> None:
    connector = opened(server, batch_parts=7, parallel_requests=5)
    names = [f"Customer {number}" for number in range(100)]
    rows = create(connector, *names)
    assert [row["displayName"] for row in rows] == names
    request = ChangeRequest("customers", ("displayName",), page_rows=30)
    fed = [name for page in connector.changes(request) for name in page.frame["displayName"].to_list()]
    assert set(names) <= set(fed)
    connector.close()


def test_a_server_that_goes_away_and_comes_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("authority")
    database = directory / "company.db"
    first = start("business-central", directory=directory, database=database)
    connector = opened(first, patience_seconds=0)
    (made,) = create(connector, "A")
    first.kill()
    with pytest.raises(SystemUnavailable):
        connector.fetch("customers", (), [made[ID]])
    with pytest.raises(SystemUnavailable):
        create(connector, "B")
    with start("business-central", directory=directory, database=database, port=int(first.url.rpartition(":")[2])):
        assert connector.fetch("customers", (), [made[ID]]).height == 1
    connector.close()


def test_nothing_listens_and_nobody_is_trusted(server: SandboxProcess) -> None:
    nowhere = opened(server, address="https://localhost:1")
    with pytest.raises(Unreachable, match="Nothing answers at localhost:1"):
        nowhere.identify()
    nowhere.close()
    untrusting = open_system(
        "the company",
        {
            "address": server.url,
            "tenant": "t",
            "environment": "sandbox",
            "company": "c",
            "client_id": "twinrow",
            "secret": "env:S",
        }
        | {"authority": server.url},
        Secrets(),
        SettableClock(),
    )
    (check,) = [check for check in untrusting.test() if not check.passed]
    assert check.name in ("Address", "Certificate")
    untrusting.close()
