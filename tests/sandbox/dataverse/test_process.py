"""The server as a process: over HTTPS, controlled, killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.dataverse.api import HttpsApi

from twinrow.sandbox import process


def test_rows_travel_over_https(https: HttpsApi) -> None:
    reply = https.post(
        "accounts?$select=name,revenue", {"name": "Müller", "revenue": 5}, Prefer="return=representation"
    )
    assert reply.status == 201
    assert reply.body["@odata.context"].startswith(f"{https.process.url}/api/data/v9.2/$metadata#accounts")
    assert b'"revenue":5.0000' in reply.raw
    link = https.get("accounts?$select=name", Prefer="odata.track-changes").body["@odata.deltaLink"]
    https.patch(f"accounts({reply.body['accountid']})", {"name": "Meier"})
    assert [row["name"] for row in https.get(link).rows] == ["Meier"]


def test_time_stands_still_for_rows_headers_and_tokens(https: HttpsApi) -> None:
    https.process.control("POST", "/sandbox/clock", {"now": "2031-02-03T04:05:06Z", "frozen": True})
    assert https.get("WhoAmI").status in (200, 401)
    https._tokens.clear()
    reply = https.post("accounts?$select=createdon", {"name": "x"}, Prefer="return=representation")
    assert reply.body["createdon"] == "2031-02-03T04:05:06Z"
    assert reply.headers["date"] == "Mon, 03 Feb 2031 04:05:06 GMT"
    https.process.control("POST", "/sandbox/clock", {"advance": 3600})
    assert https.get("WhoAmI").status == 401
    https.process.control("POST", "/sandbox/clock", {"now": None, "frozen": False})
    https._tokens.clear()


def test_rows_are_written_and_read_past_all_rules(https: HttpsApi) -> None:
    control = https.process.control
    values = {"name": "direct", "revenue": 12.5, "statecode": 1, "modifiedon": "2001-01-01T00:00:00Z"}
    row = control("POST", "/sandbox/tables/account", values)
    assert (row["revenue"], row["statecode"], row["modifiedon"]) == (12.5, 1, "2001-01-01T00:00:00Z")
    control("POST", "/sandbox/tables/account", {"accountid": row["accountid"], "name": "changed"})
    assert [stored["name"] for stored in control("GET", "/sandbox/tables/account")] == ["changed"]
    assert https.row(f"accounts({row['accountid']})?$select=name")["name"] == "changed"
    with pytest.raises(RuntimeError, match="no column 'colour'"):
        control("POST", "/sandbox/tables/account", {"colour": "red"})
    with pytest.raises(RuntimeError, match="There is no table 'nothing'"):
        control("GET", "/sandbox/tables/nothing")


def test_a_snapshot_brings_back_rows_versions_and_metadata(https: HttpsApi) -> None:
    control = https.process.control
    key = https.make("accounts", name="kept")
    version = https.row(f"accounts({key})")["versionnumber"]
    control("POST", "/sandbox/snapshot", {"name": "one"})
    for _ in range(2):
        https.make("accounts", name="gone")
        https.post(
            "EntityDefinitions(LogicalName='account')/Keys", {"SchemaName": "new_n", "KeyAttributes": ["accountnumber"]}
        )
        control("POST", "/sandbox/restore", {"name": "one"})
        assert [row["name"] for row in https.get("accounts").rows] == ["kept"]
        assert https.get("EntityDefinitions(LogicalName='account')/Keys").rows == []
    assert https.row(f"accounts({https.make('accounts', name='next')})")["versionnumber"] == version + 1


def test_the_sample_fills_users_and_partners(https: HttpsApi) -> None:
    made = https.process.control("POST", "/sandbox/sample", {"customers": 100, "seed": 1})
    assert made["account"] == 5
    accounts = https.get(
        "accounts?$select=customertypecode,_primarycontactid_value&$expand=owninguser($select=fullname)"
    ).rows
    assert {row["customertypecode"] for row in accounts} == {3, 11}
    assert all(row["owninguser"]["fullname"] for row in accounts)
    users = https.get("systemusers?$select=fullname,isdisabled,internalemailaddress").rows
    assert [row["isdisabled"] for row in users].count(True) == 1
    assert "beatrix.wolfel@wieland-werke.example" in {row["internalemailaddress"] for row in users}
    assert len(https.get("contacts").rows) == made["contact"]
    https.process.control("POST", "/sandbox/reset")
    assert https.get("accounts").rows == []


def test_a_lost_answer_leaves_the_row(https: HttpsApi) -> None:
    https.process.control("POST", "/sandbox/faults", {"path": "/accounts$", "method": "POST", "action": "lose_answer"})
    with pytest.raises(OSError):
        https.post("accounts", {"name": "made all the same"})
    https.close()
    https._connection = None
    assert [row["name"] for row in https.get("accounts").rows] == ["made all the same"]


def test_a_killed_server_goes_on_with_its_file(tmp_path: Path, authority_directory: Path) -> None:
    file = tmp_path / "dataverse.db"
    with process.start("dataverse", directory=authority_directory, database=file, sample=20) as first:
        api = HttpsApi(first)
        key = api.make("accounts", name="kept")
        api.post(
            "EntityDefinitions(LogicalName='account')/Keys", {"SchemaName": "new_n", "KeyAttributes": ["accountnumber"]}
        )
        etag = api.row(f"accounts({key})")["@odata.etag"]
        link = api.get("accounts?$select=name", Prefer="odata.track-changes").body["@odata.deltaLink"]
        token = api.token("twinrow")
        api.close()
        first.kill()
        assert not first.alive
    with process.start("dataverse", directory=authority_directory, database=file, sample=20) as second:
        api = HttpsApi(second)
        api._tokens["twinrow"] = token
        assert api.row(f"accounts({key})")["@odata.etag"] == etag
        api.patch("accounts(accountnumber='1')", {"name": "by key"})
        assert [row["name"] for row in api.get(link.replace(first.url, second.url)).rows] == ["by key"]
        assert len(api.get("accounts").rows) == 3
        api.close()


def test_switches_may_be_given_at_the_start(tmp_path: Path, authority_directory: Path) -> None:
    switches: dict[str, object] = {"page_size": 2, "change_tracking": {"account": False}}
    with process.start("dataverse", directory=authority_directory, switches=switches) as started:
        started.control("POST", "/sandbox/switches", {"page_size": 3})
        started.control("POST", "/sandbox/reset")
        shown = started.control("GET", "/sandbox/switches")
        assert (shown["page_size"], shown["change_tracking"]) == (2, {"account": False})
    with pytest.raises(RuntimeError, match="did not come up"):
        process.start("dataverse", directory=authority_directory, switches={"nonsense": 1})


def test_the_server_ends_with_the_process_that_started_it(authority_directory: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from twinrow.sandbox import process\n"
        f"started = process.start('dataverse', directory=Path({str(authority_directory)!r}))\n"
        "print(started.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    status = Path(f"/proc/{child}/stat")
    assert status.exists()
    parent.kill()
    parent.wait(10)
    parent.stdin.close()
    # The server's own standard output is a pipe to the parent; here it is enough that it ends by itself.
    for _ in range(200):
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("the server is still there")
    parent.stdout.close()


class _Subscriber(HTTPServer):
    """Somebody who is told of changes; answers with the statuses given, then with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], Any]] = []
        self.statuses: list[int] = []
        self.called = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Receiver)

    def wait_for(self, count: int) -> list[tuple[str, dict[str, str], Any]]:
        with self.called:
            assert self.called.wait_for(lambda: len(self.calls) >= count, 10)
            return list(self.calls)


class _Receiver(BaseHTTPRequestHandler):
    server: _Subscriber

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        with self.server.called:
            self.server.calls.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.server.called.notify_all()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def subscriber() -> Iterator[_Subscriber]:
    server = _Subscriber()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def register(https: HttpsApi, url: str, message: str, table: str, **values: Any) -> None:
    endpoint = https.make("serviceendpoints", name="hook", contract=8, authtype=4, authvalue="geheim", url=url)
    query = f"primaryobjecttypecode eq '{table}' and sdkmessageid/name eq '{message}'"
    filters = https.get(f"sdkmessagefilters?$select=_sdkmessageid_value&$filter={query}").rows[0]
    https.make(
        "sdkmessageprocessingsteps",
        name="step",
        stage=40,
        mode=1,
        bind={
            "eventhandler_serviceendpoint": f"/serviceendpoints({endpoint})",
            "sdkmessageid": f"/sdkmessages({filters['_sdkmessageid_value']})",
            "sdkmessagefilterid": f"/sdkmessagefilters({filters['sdkmessagefilterid']})",
        },
        **values,
    )
    assert https.row(f"serviceendpoints({endpoint})")["authvalue"] is None


def delivered(https: HttpsApi, count: int) -> list[dict[str, Any]]:
    """Return the deliveries once each of them has ended: the last answer is written down only after it was given."""
    for _ in range(200):
        deliveries: list[dict[str, Any]] = https.process.control("GET", "/sandbox/deliveries")
        if len(deliveries) == count and all(delivery["statuses"][-1:] == [200] for delivery in deliveries):
            break
        time.sleep(0.05)
    return deliveries


def test_webhooks_tell_of_changes(https: HttpsApi, subscriber: _Subscriber) -> None:
    url = f"http://127.0.0.1:{subscriber.server_port}/hook"
    register(https, url, "Create", "account")
    register(https, url, "Update", "account", filteringattributes="name,telephone1")
    register(https, url, "Delete", "account")
    subscriber.statuses = [503]
    key = https.make("accounts", name="a", revenue=5, creditonhold=True)
    https.patch(f"accounts({key})", {"fax": "1"})
    https.patch(f"accounts({key})", {"name": "b"})
    https.make("contacts", lastname="x")
    https.delete(f"accounts({key})")
    again, created, updated, deleted = subscriber.wait_for(4)
    assert again[2] == created[2]
    path, headers, body = created
    assert path == "/hook?code=geheim"
    assert (headers["x-ms-dynamics-entity-name"], headers["x-ms-dynamics-request-name"]) == ("account", "Create")
    assert (body["MessageName"], body["PrimaryEntityName"], body["PrimaryEntityId"]) == ("Create", "account", key)
    attributes = {entry["key"]: entry["value"] for entry in body["InputParameters"][0]["value"]["Attributes"]}
    assert (attributes["name"], attributes["revenue"]["Value"], attributes["statecode"]["Value"]) == ("a", 5, 0)
    assert attributes["ownerid"]["LogicalName"] == "systemuser"
    assert attributes["createdon"].startswith("/Date(")
    assert {entry["key"] for entry in updated[2]["InputParameters"][0]["value"]["Attributes"]} >= {"name", "modifiedon"}
    assert deleted[2]["InputParameters"][0]["value"]["__type"].startswith("EntityReference:")
    assert [delivery["statuses"] for delivery in delivered(https, 3)] == [[503, 200], [200], [200]]
