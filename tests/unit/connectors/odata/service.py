"""A client whose service is a function of the test: what it answers, or what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx2

from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.errors import Remedies
from twinrow.connectors.odata.settings import ODataSettings
from twinrow.testing.clock import SettableClock

Handler = Callable[[httpx2.Request], httpx2.Response]
TOKEN = "a-token-that-nobody-may-see"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Tokens:
    """Signs in at once; each refused token is followed by a new one."""

    def __init__(self) -> None:
        self.renewed = 0

    def token(self) -> str:
        return f"{TOKEN}-{self.renewed}"

    def renew(self, refused: str) -> None:
        assert refused == self.token()
        self.renewed += 1

    def close(self) -> None:
        pass


class Budget:
    def __init__(self) -> None:
        self.taken = 0

    def take(self, requests: int = 1) -> None:
        self.taken += requests


class Service:
    """Answers with what is in `answers`, one after the other; an exception in there is raised on the way."""

    def __init__(self, *answers: Any, **settings: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.clock = SettableClock(NOON)
        self.tokens = Tokens()
        self.budget = Budget()
        options = {"tenant": "t", "client_id": "c", "secret": "env:S", "patience_seconds": 300.0, **settings}
        self.client = ODataClient(
            "the system",
            ODataSettings(**options),
            self.tokens,  # type: ignore[arg-type]
            self.clock,
            headers={"Accept": "application/json"},
            remedies=Remedies("register it", "give it a role"),
            budget=self.budget,
            transport=httpx2.MockTransport(self.answer),
        )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def waited(self) -> float:
        """Seconds that the client has waited."""
        return self.clock.monotonic()


def said(status: int, content: bytes = b"{}", date: datetime | None = None, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, content=content, headers={"Date": http_text(date or NOON), **named})


def http_text(instant: datetime) -> str:
    return format_datetime(instant, usegmt=True)
