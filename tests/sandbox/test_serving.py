"""What stands around a service: HTTPS, connections, faults, latency, control."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.tiny import Running, running


@pytest.fixture(scope="module")
def server(authority_directory: Path) -> Iterator[Running]:
    with running(authority_directory) as started:
        yield started


@pytest.fixture(autouse=True)
def _clean(server: Running) -> None:
    server.control("POST", "/sandbox/clock", {"now": None, "frozen": False})
    server.control("POST", "/sandbox/reset")
    server.control("DELETE", "/sandbox/requests")
    server.control("POST", "/sandbox/latency", {"milliseconds": 0})


def post(server: Running, text: str, path: str = "/api/notes") -> int:
    return server.send("POST", path, {"text": text})[0]


def post_lost(server: Running, text: str) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        post(server, text)


def test_a_connection_serves_many_requests(server: Running) -> None:
    connection = server.connect()
    for _ in range(3):
        connection.request("GET", "/api/notes", headers={"Authorization": f"Bearer {server.token}"})
        response = connection.getresponse()
        assert response.status == 200
        assert not response.will_close
        assert response.read() == b'{"notes":[],"caller":"Twinrow Integration"}'
    connection.close()


def test_the_date_of_answers_follows_the_sandbox_clock(server: Running) -> None:
    server.control("POST", "/sandbox/clock", {"now": "2019-05-06T07:08:09Z", "frozen": True})
    assert server.send("GET", "/api/notes")[1]["date"] == "Mon, 06 May 2019 07:08:09 GMT"


def test_refused_requests_are_not_carried_out(server: Running) -> None:
    body = {"error": {"code": "0x80072322"}}
    rule = {"path": "/notes$", "method": "POST", "action": "refuse", "status": 429, "retry_after": 7, "body": body}
    server.control("POST", "/sandbox/faults", [{**rule, "times": 2, "skip": 1}])
    assert post(server, "one") == 204
    status, headers, answer = server.send("POST", "/api/notes", {"text": "two"})
    assert (status, headers["retry-after"], answer) == (429, "7", body)
    assert post(server, "three") == 429
    assert post(server, "four") == 204
    assert server.notes() == ["one", "four"]
    assert server.control("GET", "/sandbox/faults")[0]["fired"] == 2


def test_a_request_lost_on_the_way_there_does_nothing(server: Running) -> None:
    server.control("POST", "/sandbox/faults", {"path": "notes", "action": "lose_before"})
    post_lost(server, "one")
    assert server.notes() == []


def test_a_request_whose_answer_is_lost_is_carried_out(server: Running) -> None:
    server.control("POST", "/sandbox/faults", {"path": "notes", "action": "lose_answer"})
    post_lost(server, "one")
    assert server.notes() == ["one"]


def test_a_late_request_is_carried_out_when_its_time_has_passed(server: Running) -> None:
    server.control("POST", "/sandbox/clock", {"frozen": True})
    server.control("POST", "/sandbox/faults", {"path": "notes", "action": "late", "seconds": 600})
    post_lost(server, "late")
    server.control("POST", "/sandbox/clock", {"advance": 599})
    assert server.notes() == []
    post(server, "early")
    server.control("POST", "/sandbox/clock", {"advance": 1})
    assert server.notes() == ["early", "late"]


def test_a_late_request_comes_by_itself_when_the_clock_runs(server: Running) -> None:
    server.control("POST", "/sandbox/faults", {"path": "notes", "action": "late", "seconds": 0.01})
    post_lost(server, "late")
    server.control("POST", "/sandbox/latency", {"milliseconds": 30})
    assert server.notes() == ["late"]


def test_delayed_requests_are_carried_out_after_others(server: Running) -> None:
    server.control("POST", "/sandbox/faults", {"path": "notes", "method": "POST", "action": "delay", "seconds": 0.2})
    connection = server.connect()
    headers = {"Authorization": f"Bearer {server.token}"}
    connection.request("POST", "/api/notes", b'{"text":"slow"}', headers)
    assert post(server, "quick") == 204
    assert connection.getresponse().status == 204
    connection.close()
    assert server.notes() == ["quick", "slow"]


def test_faults_that_make_no_sense_are_refused(server: Running) -> None:
    for rule in ({"path": "x", "action": "explode"}, {"path": "(", "action": "late"}, {"action": "late"}, {"x": 1}):
        assert server.send("POST", "/sandbox/faults", rule, {})[0] == 400
    assert server.control("GET", "/sandbox/faults") == []


def test_the_log_counts_requests_by_shape_and_shows_batch_parts(server: Running) -> None:
    post(server, "one", "/api/notes(1)/x")
    post(server, "two", "/api/notes(2)/x")
    post(server, "three", "/api/$batch")
    server.send("GET", "/api/notes?$top=1")
    shown = server.control("GET", "/sandbox/requests")
    assert shown["counts"] == {"POST /api/notes()/x": 2, "POST /api/$batch": 1, "GET /api/notes": 1}
    assert [entry["path"][:15] for entry in shown["requests"]] == [
        "/api/notes(1)/x",
        "/api/notes(2)/x",
        "/api/$batch",
        "/api/notes",
    ]
    assert shown["requests"][2] == {"method": "POST", "path": "/api/$batch", "query": "", "status": 204, "parts": 3}
    assert shown["requests"][3]["query"] == "$top=1"
    server.control("DELETE", "/sandbox/requests")
    assert server.control("GET", "/sandbox/requests") == {"counts": {}, "requests": []}


def test_a_request_without_an_answer_has_no_status_in_the_log(server: Running) -> None:
    server.control("POST", "/sandbox/faults", {"path": "notes", "action": "lose_answer"})
    post_lost(server, "one")
    assert server.control("GET", "/sandbox/requests")["requests"][0]["status"] is None


def test_switches_keep_their_kind(server: Running) -> None:
    assert server.control("POST", "/sandbox/switches", {"loud": True, "limits": {"b": 5}}) == {
        "loud": True,
        "limits": {"a": 1, "b": 5},
    }
    for wrong in ({"quiet": True}, {"loud": 1}, {"limits": [1]}):
        assert server.send("POST", "/sandbox/switches", wrong, {})[0] in (400, 404)
    assert server.control("GET", "/sandbox/switches")["limits"] == {"a": 1, "b": 5}
    server.control("POST", "/sandbox/reset")
    assert server.control("GET", "/sandbox/switches") == {"loud": False, "limits": {"a": 1, "b": 2}}


def test_tables_are_read_and_written_as_stored(server: Running) -> None:
    assert server.control("POST", "/sandbox/tables/note", {"text": "direct"}) == {"text": "direct"}
    assert server.control("GET", "/sandbox/tables/note") == [{"text": "direct"}]
    assert server.send("GET", "/sandbox/tables/nothing", None, {})[0] == 404


def test_a_snapshot_brings_everything_back(server: Running) -> None:
    assert server.control("POST", "/sandbox/sample", {"customers": 2, "seed": 9}) == {"note": 2}
    server.control("POST", "/sandbox/snapshot", {"name": "two"})
    for _ in range(3):
        post(server, "later")
        server.control("POST", "/sandbox/restore", {"name": "two"})
        assert server.notes() == ["sample 9 0", "sample 9 1"]
    assert server.control("GET", "/sandbox/snapshots") == ["two"]
    assert server.send("POST", "/sandbox/restore", {"name": "other"}, {})[0] == 404


def test_the_clock_is_moved_frozen_and_set_going(server: Running) -> None:
    shown = server.control("POST", "/sandbox/clock", {"now": "2030-01-01T00:00:00+01:00", "frozen": True})
    assert shown["now"] == "2029-12-31T23:00:00Z"
    assert server.control("POST", "/sandbox/clock", {"advance": -3600})["now"] == "2029-12-31T22:00:00Z"
    assert server.control("POST", "/sandbox/clock", {"frozen": False})["now"] >= "2029-12-31T22:00:00"
    assert server.control("POST", "/sandbox/clock", {"offset": -86400})["offset"] == pytest.approx(-86400, abs=5)
    assert server.send("POST", "/sandbox/clock", {"now": "2030-01-01T00:00:00"}, {})[0] == 400
    assert server.send("POST", "/sandbox/clock", {"later": 1}, {})[0] == 400


def test_unknown_control_addresses_are_told(server: Running) -> None:
    assert server.send("GET", "/sandbox/nothing", None, {})[0] == 404
    assert server.control("GET", "/sandbox/ready") == {"ready": True, "service": "notes"}
