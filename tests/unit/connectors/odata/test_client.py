from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta

import httpx2
import pytest
from tests.unit.connectors.odata.service import NOON, TOKEN, Service, http_text, said

from twinrow.connectors.odata.client import Answer, Call, NoAnswer, get
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.model.errors import ConfigurationError, SignInFailed, SystemUnavailable, Unreachable

ADDRESS = "https://system.example/api/things"
WRITE = Call("POST", ADDRESS, {"Content-Type": "application/json"}, b"{}")


def test_a_read_is_repeated_until_the_service_can() -> None:
    service = Service(said(503), said(504), said(408), httpx2.ReadError("gone"), said(200, b"here"))
    assert service.client.read(get(ADDRESS)).content == b"here"
    assert len(service.requests) == 5
    assert service.budget.taken == 5
    assert 0 < service.waited < 60


def test_a_read_gives_up_when_patience_is_used_up() -> None:
    service = Service(said(503, b'{"error":{"code":"Busy","message":"Not now."}}'), patience_seconds=30.0)
    with pytest.raises(SystemUnavailable, match=r"the system cannot answer now.*Busy Not now\."):
        service.client.read(get(ADDRESS))
    assert service.waited <= 30
    assert len(service.requests) > 3


def test_whoever_looks_on_is_told_once_that_a_system_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(
        *[httpx2.ConnectError("refused")] * 4, said(200), *[httpx2.ConnectError("refused")] * 3, said(200)
    )
    service.client.read(get(ADDRESS))
    (told,) = caplog.messages
    assert told.startswith("the system cannot be reached; tried again for up to ")
    service.client.read(get(ADDRESS))
    assert len(caplog.messages) == 2


def test_a_request_that_succeeds_the_second_time_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    Service(said(503), said(200)).client.read(get(ADDRESS))
    assert not caplog.messages


def test_the_wait_that_the_service_names_is_kept() -> None:
    service = Service(said(429, Retry_After="17"), said(200))
    service.client.read(get(ADDRESS))
    assert 17 <= service.waited <= 17 * 1.1


def test_a_date_to_come_back_at_is_read_by_the_services_own_clock() -> None:
    hours_off = NOON + timedelta(hours=3)
    later = http_text(hours_off + timedelta(seconds=20))
    service = Service(said(429, date=hours_off, Retry_After=later), said(200))
    service.client.read(get(ADDRESS))
    assert 20 <= service.waited <= 22


def test_a_wait_beyond_all_patience_is_not_begun() -> None:
    service = Service(said(429, Retry_After="3600"))
    with pytest.raises(SystemUnavailable):
        service.client.read(get(ADDRESS))
    assert service.waited == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_write_that_was_turned_away_is_sent_again(status: int) -> None:
    service = Service(said(status, Retry_After="1"), said(201))
    outcome = service.client.exchange(WRITE)
    assert isinstance(outcome, Answer)
    assert outcome.status == 201


@pytest.mark.parametrize("status", [429, 503])
def test_a_write_that_was_turned_away_for_good_is_unsent(status: int) -> None:
    outcome = Service(said(status), patience_seconds=0).client.exchange(WRITE)
    assert isinstance(outcome, NoAnswer)
    assert not outcome.sent


@pytest.mark.parametrize(
    "lost",
    [
        said(408),
        said(502),
        said(504),
        httpx2.ReadTimeout("silence"),
        httpx2.ReadError("reset"),
        httpx2.WriteError("broken pipe"),
        httpx2.RemoteProtocolError("Server disconnected without sending a response."),
    ],
)
def test_a_write_that_may_have_been_carried_out_is_never_sent_again(lost: object) -> None:
    service = Service(lost)
    outcome = service.client.exchange(WRITE)
    assert isinstance(outcome, NoAnswer)
    assert outcome.sent
    assert len(service.requests) == 1


def test_a_write_that_its_connector_calls_repeatable_is_sent_again() -> None:
    service = Service(httpx2.ReadError("reset"), said(200))
    outcome = service.client.exchange(Call("PATCH", ADDRESS, repeatable=True))
    assert isinstance(outcome, Answer)


def test_a_write_without_a_connection_is_sent_later() -> None:
    service = Service(said(200), httpx2.ConnectTimeout("slow"), httpx2.PoolTimeout("full"), said(201))
    service.client.exchange(get(ADDRESS))
    outcome = service.client.exchange(WRITE)
    assert isinstance(outcome, Answer)
    assert outcome.status == 201


def test_a_token_that_is_refused_is_renewed_once() -> None:
    service = Service(said(401), said(200))
    assert service.client.read(get(ADDRESS)).status == 200
    used = [request.headers["authorization"] for request in service.requests]
    assert used == [f"Bearer {TOKEN}-0", f"Bearer {TOKEN}-1"]

    service = Service(said(401, b'{"error":{"code":"Authentication_InvalidCredentials","message":"No."}}'))
    with pytest.raises(SignInFailed, match=r"Authentication_InvalidCredentials.*register it") as failed:
        service.client.read(get(ADDRESS))
    assert len(service.requests) == 2
    assert TOKEN not in str(failed.value)


def connect_error(cause: Exception) -> httpx2.ConnectError:
    error = httpx2.ConnectError("it did not work", request=httpx2.Request("GET", ADDRESS))
    error.__cause__ = cause
    return error


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "unable to get local issuer certificate"
    return error


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (untrusted(), r"The certificate of system\.example is not trusted.*local issuer.*ca_file"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "does not speak HTTPS"),
        (socket.gaierror(-2, "Name or service not known"), r"There is no host named system\.example"),
        (ConnectionRefusedError(111, "Connection refused"), r"Nothing answers at system\.example"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_at_once(cause: Exception, message: str) -> None:
    service = Service(connect_error(cause))
    with pytest.raises(Unreachable, match=message):
        service.client.read(get(ADDRESS))
    assert service.waited == 0


@pytest.mark.parametrize("cause", [socket.gaierror(-3, "Temporary failure"), ConnectionRefusedError(111, "refused")])
def test_an_address_that_has_answered_before_will_answer_again(cause: Exception) -> None:
    service = Service(said(200), connect_error(cause), said(200))
    service.client.read(get(ADDRESS))
    assert service.client.read(get(ADDRESS)).status == 200

    service = Service(said(200), connect_error(cause))
    service.client.read(get(ADDRESS))
    with pytest.raises(SystemUnavailable, match="the system cannot be reached"):
        service.client.read(get(ADDRESS))


def test_an_address_that_is_none() -> None:
    service = Service(httpx2.UnsupportedProtocol("Request URL has an unsupported protocol 'ftp://'."))
    with pytest.raises(Unreachable, match="https://"):
        service.client.read(get("ftp://system.example"))


@pytest.mark.parametrize(
    ("status", "exception"),
    [(400, RequestRefused), (404, RequestRefused), (403, ConfigurationError), (500, SystemUnavailable)],
)
def test_refusals_are_told_by_what_gets_the_work_going_again(status: int, exception: type[Exception]) -> None:
    service = Service(said(status, b'{"error":{"code":"X","message":"Because."}}'))
    with pytest.raises(exception, match=r"X Because\.") as raised:
        service.client.read(get(ADDRESS))
    assert type(raised.value) is exception


def test_many_calls_are_answered_in_their_order() -> None:
    barrier = threading.Barrier(4)

    def answer(request: httpx2.Request) -> httpx2.Response:
        # All four are under way at once, or none gets through.
        barrier.wait(10)
        return said(200, request.url.path.encode())

    service = Service(answer, parallel_requests=4)
    calls = [get(f"https://system.example/{number}") for number in range(8)]
    contents = [outcome.content for outcome in service.client.exchange_all(calls) if isinstance(outcome, Answer)]
    assert contents == [f"/{number}".encode() for number in range(8)]
    service.client.close()


def test_no_more_calls_at_once_than_allowed() -> None:
    under_way = 0
    most = 0
    lock = threading.Lock()

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1
        return said(200)

    service = Service(answer, parallel_requests=2)
    assert len(list(service.client.exchange_all([get(ADDRESS)] * 20))) == 20
    assert most <= 2
    service.client.close()


def test_when_one_call_cannot_be_sent_the_others_are_not_tried() -> None:
    service = Service(said(503), patience_seconds=0, parallel_requests=1)
    outcomes = list(service.client.exchange_all([WRITE] * 10))
    assert all(isinstance(outcome, NoAnswer) and not outcome.sent for outcome in outcomes)
    assert len(service.requests) == 1
    service.client.close()


def test_the_services_time_is_that_of_its_answers() -> None:
    ahead = NOON + timedelta(days=2)
    service = Service(said(200, date=ahead))
    assert not service.client.time.known
    service.client.read(get(ADDRESS))
    assert ahead <= service.client.time.now() < ahead + timedelta(seconds=1)


def test_what_is_sent() -> None:
    service = Service(said(200))
    service.client.exchange(WRITE)
    (request,) = service.requests
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("twinrow/")
    assert request.headers["content-type"] == "application/json"
    assert request.content == b"{}"


def test_a_file_of_authorities_that_cannot_be_read() -> None:
    with pytest.raises(ConfigurationError, match="certificate authorities of the system"):
        Service(said(200), ca_file="/nowhere/authority.pem")


def test_it_can_be_closed_twice() -> None:
    service = Service(said(200))
    list(service.client.exchange_all([get(ADDRESS)] * 3))
    service.client.close()
    service.client.close()
