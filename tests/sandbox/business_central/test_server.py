"""The whole server as clients meet it: a process, HTTPS, sign-in, faults, a kill and a restart."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from twinrow.sandbox.process import SandboxProcess, start
from twinrow.sandbox.sign_in import DEFAULT_CLIENTS

API = "/v2.0/sandbox/api/v2.0"
SYNC = "/v2.0/sandbox/api/twinrow/sync/v1.0"


@pytest.fixture(scope="module")
def server(authority_directory: Path) -> Iterator[SandboxProcess]:
    with start("business-central", directory=authority_directory, sample=20) as process:
        yield process


@pytest.fixture
def client(server: SandboxProcess) -> Iterator[httpx2.Client]:
    server.control("POST", "/sandbox/reset")
    server.control("POST", "/sandbox/clock", {"now": None, "frozen": False})
    server.control("DELETE", "/sandbox/requests")
    with connect(server) as client:
        yield client


@contextmanager
def connect(server: SandboxProcess, client_id: str = "twinrow") -> Iterator[httpx2.Client]:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with httpx2.Client(base_url=server.url, verify=context) as client:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": next(known.secret for known in DEFAULT_CLIENTS if known.client_id == client_id),
            "scope": "https://api.businesscentral.dynamics.com/.default",
        }
        token = client.post("/contoso/oauth2/v2.0/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def customers(client: httpx2.Client, root: str = API) -> str:
    company = client.get(f"{root}/companies").json()["value"][0]["id"]
    return f"{root}/companies({company})/customers"


def names(client: httpx2.Client) -> list[str]:
    return [row["displayName"] for row in client.get(customers(client)).json()["value"]]


def test_the_sample_is_there_at_the_start(server: SandboxProcess) -> None:
    # The first test of the module: what comes later begins with a reset.
    with connect(server) as client:
        assert len(names(client)) == 20


def test_rows_are_made_changed_and_deleted(client: httpx2.Client) -> None:
    target = customers(client)
    made = client.post(target, json={"displayName": "Über-See GmbH"})
    assert made.status_code == 201
    assert made.headers["location"] == f"{client.base_url}{target}({made.json()['id']})"
    assert "date" in made.headers
    row = f"{target}({made.json()['id']})"
    changed = client.patch(row, json={"city": "Köln"}, headers={"If-Match": made.headers["etag"]})
    assert (changed.status_code, changed.json()["city"]) == (200, "Köln")
    assert client.delete(row, headers={"If-Match": made.headers["etag"]}).status_code == 409
    assert client.delete(row, headers={"If-Match": changed.json()["@odata.etag"]}).status_code == 204
    assert client.get(row).status_code == 404


def test_an_answer_that_is_lost_is_no_sign_that_nothing_was_done(server: SandboxProcess, client: httpx2.Client) -> None:
    target = customers(client)
    server.control("POST", "/sandbox/faults", [{"path": "customers", "method": "POST", "action": "lose_answer"}])
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post(target, json={"displayName": "made"})
    assert names(client) == ["made"]


def test_a_request_may_be_carried_out_long_after_it_was_given_up(server: SandboxProcess, client: httpx2.Client) -> None:
    target = customers(client, SYNC)
    server.control("POST", "/sandbox/clock", {"frozen": True})
    late = {"path": "customers", "method": "POST", "action": "late", "seconds": 26 * 60}
    server.control("POST", "/sandbox/faults", [late])
    mark = "0f0e0d0c-0b0a-4000-8000-000000000001"
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post(target, json={"displayName": "late", "syncMark": mark})
    server.control("POST", "/sandbox/clock", {"advance": 25 * 60})
    assert names(client) == []
    again = client.post(target, json={"displayName": "again", "syncMark": mark})
    assert again.status_code == 201
    server.control("POST", "/sandbox/clock", {"advance": 2 * 60})
    assert names(client) == ["again"]


def test_a_person_edits_beside_the_application(server: SandboxProcess, client: httpx2.Client) -> None:
    made = client.post(customers(client), json={"displayName": "x"}).json()
    with connect(server, "person") as person:
        row = f"{customers(person, SYNC)}({made['id']})"
        changed = person.patch(row, json={"displayName": "y"}, headers={"If-Match": made["@odata.etag"]}).json()
    assert changed["modifiedBy"] == "Paula Person"
    refused = client.patch(row, json={"displayName": "z"}, headers={"If-Match": made["@odata.etag"]})
    assert refused.json()["error"]["code"] == "Request_EntityChanged"


def test_control_sees_and_sets_everything(server: SandboxProcess, client: httpx2.Client) -> None:
    switches = server.control("GET", "/sandbox/switches")
    assert switches["page_size"] == 20_000
    server.control("POST", "/sandbox/switches", {"page_size": 1})
    server.control("POST", "/sandbox/tables/Country%2FRegion", {"Code": "XK", "Name": "Kosovo"})
    rows = server.control("GET", "/sandbox/tables/countriesRegions")
    assert "XK" in [row["Code"] for row in rows]
    assert len(client.get(customers(client).replace("customers", "countriesRegions")).json()["value"]) == 1
    with pytest.raises(RuntimeError, match="400"):
        server.control("POST", "/sandbox/switches", {"companies": ["x" * 40]})
    part: dict[str, Any] = {"method": "GET", "url": "companies"}
    client.post(f"{API}/$batch", json={"requests": [part, part]})
    assert server.control("GET", "/sandbox/requests")["requests"][-1]["parts"] == 2


def test_a_killed_server_has_what_it_answered_for(authority_directory: Path, tmp_path: Path) -> None:
    database = tmp_path / "bc.db"
    first = start("business-central", directory=authority_directory, database=database)
    with connect(first) as client:
        client.post(customers(client), json={"displayName": "kept"})
    first.kill()
    with (
        start("business-central", directory=authority_directory, database=database) as second,
        connect(second) as client,
    ):
        assert names(client) == ["kept"]
