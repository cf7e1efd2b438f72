"""The small protocols that others fulfil: whatever waits, tells the time or knows a secret is handed in."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits. `twinrow.workspace` hands in the machine's, tests a settable one."""

    def now(self) -> datetime:
        """Return the present time, in UTC, with its zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that only goes forward, for measuring silences."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Secrets(Protocol):
    """Turns a reference to a secret (`env:NAME`, `file:PATH`) into the secret."""

    def resolve(self, reference: str) -> str:
        """Return the secret; raise `ConfigurationError` when the reference leads nowhere."""
        ...


class Budget(Protocol):
    """Hands out the requests that a system allows."""

    def take(self, requests: int = 1) -> None:
        """Wait until that many requests may be sent."""
        ...
