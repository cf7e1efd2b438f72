"""Calls that a server makes to its subscribers (webhooks).

A *letter* is one POST. `ask` waits for the answer (handshakes, synchronous steps); `send` hands the letter to a
thread that delivers letters one after the other, in order, and tries again as the letter says. What became of each
delivery is kept in `deliveries`, for control to show.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Letter:
    """One POST: `attempts` in all, the later ones only after a status of `again_on`; `timeout` in seconds."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float = 60.0
    attempts: int = 1
    again_on: frozenset[int] = frozenset()


@dataclass
class Delivery:
    """What became of a letter: the status of each attempt, None where no answer came."""

    url: str
    statuses: list[int | None] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """As control shows it."""
        return {"url": self.url, "statuses": self.statuses}


class Postman:
    """Delivers letters. `ca_file` is trusted beside the system's own authorities."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self.deliveries: deque[Delivery] = deque(maxlen=1000)
        self._ca_file = ca_file
        self._letters: SimpleQueue[Letter] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, letter: Letter) -> tuple[int, bytes] | None:
        """Deliver at once and give status and body of the answer; None when none came in time."""
        delivery = Delivery(letter.url)
        self.deliveries.append(delivery)
        return self._deliver(letter, delivery)

    def send(self, letter: Letter) -> None:
        """Deliver later, in the order of sending."""
        self._letters.put(letter)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="postman", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            letter = self._letters.get()
            delivery = Delivery(letter.url)
            self.deliveries.append(delivery)
            self._deliver(letter, delivery)

    def _deliver(self, letter: Letter, delivery: Delivery) -> tuple[int, bytes] | None:
        for _ in range(letter.attempts):
            answer = self._post(letter)
            delivery.statuses.append(answer[0] if answer else None)
            if answer is None or answer[0] not in letter.again_on:
                return answer
        return answer

    def _post(self, letter: Letter) -> tuple[int, bytes] | None:
        parts = urlsplit(letter.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = self._connect(parts.scheme, parts.hostname or "", parts.port, letter.timeout)
            try:
                connection.request("POST", target, body=letter.body, headers=dict(letter.headers))
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return None

    def _connect(self, scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
        if scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
