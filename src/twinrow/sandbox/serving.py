"""A sandbox server: a service behind HTTPS, with control, sign-in, latency and faults around it.

The application is plain ASGI, run by uvicorn with its httptools protocol: HTTP/1.1 with connections that stay open.
The way of a request: body read, control answered at once; else latency, the fault that befalls it, and the service,
which holds the event loop until it is done. So requests are carried out one at a time, in the order in which they
became ready. Requests that a fault put off (`late`) are carried out before the first request after their time, or
when their time comes, whichever is earlier.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from twinrow.sandbox.authority import Authority
from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.control import PREFIX, Control
from twinrow.sandbox.faults import Fault
from twinrow.sandbox.http import Answer, Request, Service, json_answer
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.sign_in import SignIn

Scope = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]

_DROP = "sandbox.drop"
_LARGEST_WAIT = timedelta(days=1)


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the means to drop a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][_DROP] = self.transport.abort


class Application:
    """The ASGI application of one server."""

    def __init__(self, service: Service, clock: SandboxClock, sign_in: SignIn, postman: Postman) -> None:
        self.control = Control(service, clock, postman)
        self._service = service
        self._clock = clock
        self._sign_in = sign_in
        self._in_flight = 0
        self._late: list[tuple[datetime, Request]] = []
        self._date: tuple[int, bytes] = (0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request and answer it, or drop its connection."""
        request = await _read(scope, receive)
        if request is None:
            return
        # A tenant may well be called `sandbox`, too.
        if request.path.startswith(PREFIX) and not self._sign_in.serves(request.path):
            # Clients may have grown impatient before; what is asked now is answered for now.
            answer: Answer | None = self.control.answer(request)
            self._carry_out_late()
        else:
            self._in_flight += 1
            try:
                answer = await self._pass_on(request)
            finally:
                self._in_flight -= 1
        if answer is None:
            scope["state"][_DROP]()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await self._send(answer, send)

    async def _pass_on(self, request: Request) -> Answer | None:
        if self.control.latency > 0:
            await asyncio.sleep(self.control.latency / 1000)
        target = request.path + (f"?{request.query}" if request.query else "")
        fault = self.control.faults.next_for(request.method, target)
        if fault is not None and fault.action == "delay":
            await asyncio.sleep(fault.seconds)
        self._carry_out_late()
        answer = self._meet(fault, request)
        self.control.log.add(
            request.method,
            request.path,
            request.query,
            answer.status if answer else None,
            answer.parts if answer else 0,
        )
        return answer

    def _meet(self, fault: Fault | None, request: Request) -> Answer | None:
        if fault is None or fault.action == "delay":
            return self._carry_out(request)
        if fault.action == "refuse":
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return (
                Answer(fault.status, headers) if fault.body is None else json_answer(fault.status, fault.body, headers)
            )
        if fault.action == "late":
            self._put_off(request, fault.seconds)
        elif fault.action == "lose_answer":
            self._carry_out(request)
        return None

    def _carry_out(self, request: Request) -> Answer:
        request.in_flight = self._in_flight
        return self._sign_in.answer(request) or self._service.answer(request)

    def _put_off(self, request: Request, seconds: float) -> None:
        self._late.append((self._clock.now() + timedelta(seconds=seconds), request))
        if not self._clock.frozen:
            asyncio.get_running_loop().call_later(seconds, self._carry_out_late)

    def _carry_out_late(self) -> None:
        if not self._late:
            return
        now = self._clock.now()
        due = [request for instant, request in self._late if instant <= now]
        self._late = [(instant, request) for instant, request in self._late if instant > now]
        for request in due:
            self._carry_out(request)
        if self._late and not self._clock.frozen:
            # The clock may have been moved or set going since the timer was set.
            soonest = min(instant for instant, _ in self._late)
            wait = min(soonest - now, _LARGEST_WAIT).total_seconds()
            asyncio.get_running_loop().call_later(wait, self._carry_out_late)

    async def _send(self, answer: Answer, send: Send) -> None:
        headers = [(b"date", self._http_date())]
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        if answer.status not in (204, 304):
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body if answer.status not in (204, 304) else b""})

    def _http_date(self) -> bytes:
        now = self._clock.now()
        second = int(now.timestamp())
        if self._date[0] != second:
            self._date = second, format_datetime(now, usegmt=True).encode()
        return self._date[1]


class SandboxServer:
    """One server on a loopback port of its own. `run` serves until `stop` is called, from any thread."""

    def __init__(self, application: Application, authority: Authority, port: int = 0) -> None:
        self.application = application
        self._socket = _listening_socket(port)
        self.url = f"https://localhost:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            application,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = authority.server_context()
        self._server = uvicorn.Server(config)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve; `ready` is called as soon as requests are taken."""
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: Callable[[], None]) -> None:
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.001)
        ready()
        await serving
        # A client that keeps its connection open would otherwise be waited for.
        for connection in list(self._server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    def stop(self) -> None:
        """End serving; open connections are closed."""
        self._server.force_exit = True
        self._server.should_exit = True


def _listening_socket(port: int) -> socket.socket:
    # Only where the protocol is named does asyncio switch Nagle's algorithm off; with it, an answer's body would wait
    # for the client to acknowledge its head, 40 milliseconds and more.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(512)
    return listening


async def _read(scope: Scope, receive: Receive) -> Request | None:
    if scope["type"] != "http":
        return None
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, b"".join(chunks))
