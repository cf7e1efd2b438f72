"""Service protection limits, which a switch turns on."""

from __future__ import annotations

import pytest
from tests.sandbox.dataverse.api import DirectApi

from twinrow.sandbox.http import Request


@pytest.fixture
def limited(api: DirectApi) -> DirectApi:
    api.clock.freeze()
    api.service.switches.change({"protection_limits": {"enabled": True, "requests": 3, "window_seconds": 300}})
    return api


def test_requests_are_counted_within_a_sliding_window(limited: DirectApi) -> None:
    left = [limited.get("WhoAmI").headers["x-ms-ratelimit-burst-remaining-xrm-requests"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    limited.clock.advance(100)
    refused = limited.get("WhoAmI")
    assert refused.error == (429, "0x80072322")
    assert refused.message == "Number of requests exceeded the limit of 3 over time window of 300 seconds."
    assert refused.headers["retry-after"] == "201"
    limited.clock.advance(201)
    assert limited.get("WhoAmI").status == 200


def test_users_have_limits_of_their_own_and_a_batch_is_one_request(limited: DirectApi) -> None:
    head = "Content-Type: application/http\nContent-Transfer-Encoding: binary\n\nGET /api/data/v9.2/WhoAmI HTTP/1.1\n\n"
    for _ in range(3):
        assert limited.batch(f"--b\n{head}\n--b\n{head}\n--b--").status == 200
    assert limited.get("WhoAmI").status == 429
    assert limited.send("GET", "WhoAmI", client="person").status == 200


def test_execution_time_adds_up(api: DirectApi) -> None:
    api.service.switches.change({"protection_limits": {"enabled": True, "execution_seconds": 0.000001}})
    assert api.get("WhoAmI").status == 200
    refused = api.get("WhoAmI")
    assert refused.error == (429, "0x80072321")
    assert refused.message.startswith("Combined execution time of incoming requests exceeded limit of 0 milliseconds")


def test_too_many_at_once_are_refused(api: DirectApi) -> None:
    api.service.switches.change({"protection_limits": {"enabled": True}})
    headers = {"authorization": f"Bearer {api.token('twinrow')}"}
    statuses = [
        api.service.answer(Request("GET", "/api/data/v9.2/WhoAmI", "", headers, b"", in_flight)).status
        for in_flight in (51, 52)
    ]
    assert statuses == [200, 429]


def test_nothing_is_refused_while_the_switch_is_off(api: DirectApi) -> None:
    api.service.switches.change({"protection_limits": {"requests": 0}})
    assert api.get("WhoAmI").status == 200
