"""One HTTP client for one system: signed in, paced, with connections kept open; it repeats only what may be repeated.

Words: a *call* is a request to be sent; a *repeatable* call may be carried out twice without harm (a GET, or a write that
its connector says so of). A call ends with an `Answer`, or with a `NoAnswer` that says whether it may have been carried out:
where no connection was made, or the service said that it would not (429, 503), it certainly was not. Anything else that
goes wrong with a call that is not repeatable leaves that open, and it is not sent again.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version

import httpx2

from twinrow.connectors.odata.errors import Remedies, ServiceError, read_error, refusal
from twinrow.connectors.odata.pacing import Attempts, Pacing, http_date, retry_after
from twinrow.connectors.odata.server_time import ServerTime
from twinrow.connectors.odata.settings import ODataSettings
from twinrow.connectors.odata.sign_in import SignIn
from twinrow.model.errors import ConfigurationError, RetryError, SystemUnavailable, TwinrowError, Unreachable
from twinrow.model.protocols import Budget, Clock

_LOG = logging.getLogger(__name__)

NOT_CARRIED_OUT = frozenset({429, 503})
"""Answers that say: not now, and nothing was done."""

PASSING = NOT_CARRIED_OUT | {408, 502, 504}
"""Answers that say: try again later."""

CONNECT_SECONDS = 15.0
KEPT_OPEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be sent."""

    method: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    repeatable: bool = False


def get(address: str, headers: Mapping[str, str] | None = None) -> Call:
    """Return the call that reads an address."""
    return Call("GET", address, headers or {}, repeatable=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered, whatever the status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A call without an answer. `sent`: it may have been carried out, or may yet be; otherwise it certainly was not."""

    sent: bool
    error: TwinrowError


Outcome = Answer | NoAnswer


class ODataClient:
    """Sends calls to one system. May be used by several threads at once."""

    def __init__(
        self,
        system: str,
        settings: ODataSettings,
        sign_in: SignIn,
        clock: Clock,
        *,
        headers: Mapping[str, str],
        remedies: Remedies,
        budget: Budget | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.system = system
        self.time = ServerTime(system, clock)
        self._sign_in = sign_in
        self._clock = clock
        self._remedies = remedies
        self._parallel = settings.parallel_requests
        self._pacing = Pacing(
            clock, parallel=self._parallel, patience=settings.patience_seconds, budget=budget
        )  # fmt: skip
        self._client = httpx2.Client(
            headers={"User-Agent": f"twinrow/{version('twinrow')}", **headers},
            verify=_trust(system, settings),
            transport=transport,
            timeout=httpx2.Timeout(settings.timeout_seconds, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(
                max_connections=self._parallel,
                max_keepalive_connections=self._parallel,
                keepalive_expiry=KEPT_OPEN_SECONDS,
            ),
        )
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._has_answered = False
        self._has_told = False

    def exchange(self, call: Call) -> Outcome:
        """Send a call, with the repetitions that are allowed. Raises nothing that has to do with the system."""
        attempts = self._pacing.attempts()
        renewed = False
        while True:
            try:
                token = self._sign_in.token()
            except RetryError as error:
                self._tell_waiting(attempts, error)
                if attempts.wait(None, all_requests=True):
                    continue
                return NoAnswer(False, error)
            except TwinrowError as error:
                return NoAnswer(False, error)
            outcome = self._send(call, token)
            if isinstance(outcome, Answer):
                if outcome.status == 401 and not renewed:
                    # The token was refused, so nothing was done; it may have been withdrawn before its time.
                    renewed = True
                    self._sign_in.renew(token)
                    continue
                if outcome.status not in PASSING:
                    return outcome
                headers = outcome.headers
                told = retry_after(headers.get("retry-after"), headers.get("date"), self._clock)
                failure = NoAnswer(outcome.status not in NOT_CARRIED_OUT, self._busy(outcome))
                busy = outcome.status in NOT_CARRIED_OUT
            else:
                failure, told, busy = outcome, None, False
            repeatable = call.repeatable or not failure.sent
            if not repeatable or isinstance(failure.error, ConfigurationError):
                return failure
            self._tell_waiting(attempts, failure.error)
            if not attempts.wait(told, all_requests=busy):
                return failure

    def _tell_waiting(self, attempts: Attempts, error: TwinrowError) -> None:
        """Say once, when trying again has not helped, that somebody looking on must have patience."""
        if attempts.made and not self._has_told:
            self._has_told = True
            _LOG.warning("%s; tried again for up to %.0f seconds", error.message, attempts.left)

    def read(self, call: Call) -> Answer:
        """Send a repeatable call and return its answer.

        Raises `SystemUnavailable`, `Unreachable`, `SignInFailed`, `ConfigurationError` where a privilege is missing, and
        `RequestRefused` for other refusals.
        """
        outcome = self.exchange(call)
        if isinstance(outcome, NoAnswer):
            raise outcome.error
        if outcome.status >= 300:
            raise self.refusal(outcome)
        return outcome

    def refusal(self, answer: Answer) -> TwinrowError:
        """Return the exception for an answer that refuses a request as a whole."""
        return self.refused(read_error(answer.status, answer.content))

    def refused(self, error: ServiceError) -> TwinrowError:
        """Return the exception for a refusal that came as a part of an answer."""
        return refusal(error, self.system, self._remedies)

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Within the context, try each request no longer than that: someone is looking on."""
        usual = self._pacing.patience
        self._pacing.patience = min(usual, seconds)
        try:
            yield
        finally:
            self._pacing.patience = usual

    def exchange_all(self, calls: Sequence[Call]) -> Iterator[Outcome]:
        """Send calls, several at once, and yield what became of them in their order.

        Once one of them could not be sent for good, those that have not begun are not tried: they share its fate.
        """
        if len(calls) < 2:
            yield from map(self.exchange, calls)
            return
        given_up: list[NoAnswer] = []

        def carry_out(call: Call) -> Outcome:
            if given_up:
                return given_up[0]
            outcome = self.exchange(call)
            if isinstance(outcome, NoAnswer) and not outcome.sent:
                given_up.append(outcome)
            return outcome

        futures = [self._pool().submit(carry_out, call) for call in calls]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Let go of connections and threads."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)
        self._client.close()
        self._sign_in.close()

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._parallel, thread_name_prefix=f"twinrow {self.system}")
            return self._threads

    def _send(self, call: Call, token: str) -> Outcome:
        headers = {**call.headers, "Authorization": f"Bearer {token}"}
        with self._pacing.turn():
            sent = self._clock.monotonic()
            try:
                response = self._client.request(call.method, call.address, headers=headers, content=call.content)
            except httpx2.InvalidURL as error:
                return NoAnswer(False, Unreachable(f"The address of {self.system} is none", cause=str(error)))
            except httpx2.HTTPError as error:
                return self._failure(error)
            received = self._clock.monotonic()
        self._has_answered = True
        self._has_told = False
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            self.time.heard(date, sent, received)
        return Answer(response.status_code, response.headers, response.content)

    def _busy(self, answer: Answer) -> SystemUnavailable:
        error = read_error(answer.status, answer.content)
        return SystemUnavailable(f"{self.system} cannot answer now", cause=str(error), remedy="Wait and try again.")

    def _failure(self, error: httpx2.HTTPError) -> NoAnswer:
        unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        if isinstance(error, httpx2.UnsupportedProtocol):
            reason = Unreachable(
                f"{self.system} has an address that cannot be used", cause=str(error), remedy="Begin it with https://."
            )
            return NoAnswer(False, reason)
        if isinstance(error, httpx2.ConnectError) and (lasting := self._lasting(error)) is not None:
            return NoAnswer(False, lasting)
        if isinstance(error, httpx2.ProxyError):
            return NoAnswer(False, SystemUnavailable(f"The proxy before {self.system} refuses", cause=str(error)))
        what = "cannot be reached" if unsent else "did not answer"
        cause = str(error) or type(error).__name__
        return NoAnswer(
            not unsent, SystemUnavailable(f"{self.system} {what}", cause=cause, remedy="Wait and try again.")
        )

    def _lasting(self, error: httpx2.ConnectError) -> Unreachable | None:
        """Return why a connection can never be made, where that is so.

        An address that has answered before is right: then a name that is not found, or a refused connection, will pass.
        """
        host = error.request.url.host
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return Unreachable(
                    f"The certificate of {host} is not trusted",
                    cause=cause.verify_message,
                    remedy="Check the address, or name the file of the authority that issued it (ca_file).",
                )
            if isinstance(cause, ssl.SSLError):
                return Unreachable(
                    f"{host} does not speak HTTPS at this address", cause=str(cause), remedy="Check the address."
                )
            if isinstance(cause, socket.gaierror) and not self._has_answered:
                return Unreachable(f"There is no host named {host}", cause=cause.strerror, remedy="Check the address.")
            if isinstance(cause, ConnectionRefusedError) and not self._has_answered:
                return Unreachable(
                    f"Nothing answers at {error.request.url.netloc.decode()}",
                    cause="The connection was refused.",
                    remedy="Check host and port, and that the system is running.",
                )
            cause = cause.__cause__ or cause.__context__
        return None


def _trust(system: str, settings: ODataSettings) -> ssl.SSLContext:
    context = httpx2.create_ssl_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(settings.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"The file of certificate authorities of {system} cannot be read",
                cause=str(error),
                remedy=f"Check {settings.ca_file}.",
            ) from None
    return context
