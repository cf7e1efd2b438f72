"""How fast requests go out: how many at once, how long to wait when a service says "not now", and when to give up.

Sources: Business Central protocol page, section 10; Dataverse protocol page, section 15. A service that is busy says so
with 429 or 503, often with `Retry-After`; what one request is told holds for all of the system. Without it the wait
doubles each time, spread at random so that callers do not come back together.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from twinrow.model.protocols import Budget, Clock

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds of the first and of the longest wait where the service names none."""


class Pacing:
    """The turns of all requests to one system. May be used by several threads at once."""

    def __init__(self, clock: Clock, *, parallel: int, patience: float, budget: Budget | None = None) -> None:
        self.clock = clock
        self.patience = patience
        self._turns = threading.BoundedSemaphore(parallel)
        self._budget = budget
        self._lock = threading.Lock()
        self._held_until = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a request may go out; it is over when the context ends."""
        if self._budget is not None:
            self._budget.take()
        # Clocks round: what is less than a millisecond is over.
        while (pause := self._held_until - self.clock.monotonic()) > 0.001:
            self.clock.sleep(pause)
        with self._turns:
            yield

    def hold(self, seconds: float) -> None:
        """Let no request out for that long: the service has asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, self.clock.monotonic() + seconds)

    def attempts(self) -> Attempts:
        """Return the patience for one request."""
        return Attempts(self)


class Attempts:
    """The attempts of one request: what it takes and waits in all is no longer than the patience."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._until = pacing.clock.monotonic() + pacing.patience
        self._next = FIRST_WAIT
        self.made = 0
        """How often it has been waited."""

    @property
    def left(self) -> float:
        """The seconds of patience that are left."""
        return max(0.0, self._until - self._pacing.clock.monotonic())

    def wait(self, told: float | None, *, all_requests: bool) -> bool:
        """Wait before another attempt; False when that would go beyond the patience, then at once.

        `told` is the wait in seconds that the service has named. `all_requests`: it is the service that cannot, so that
        nothing else should be sent meanwhile.
        """
        spread = random.uniform(0.5, 1.0) if told is None else random.uniform(1.0, 1.1)  # noqa: S311 - no secret
        seconds = max(0.0, (self._next if told is None else told) * spread)
        self._next = min(self._next * 2, LONGEST_WAIT)
        if self._pacing.clock.monotonic() + seconds > self._until:
            return False
        if all_requests:
            self._pacing.hold(seconds)
        self.made += 1
        self._pacing.clock.sleep(seconds)
        return True


def retry_after(value: str | None, date: str | None, clock: Clock) -> float | None:
    """Return the seconds that a `Retry-After` header names, as a number or as a date; None without a usable one.

    A date is compared with the answer's own `Date` header, because the two clocks may differ.
    """
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    until = http_date(value)
    if until is None:
        return None
    now = (http_date(date) if date is not None else None) or clock.now()
    return max(0.0, (until - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """Return the instant that an HTTP date names (UTC); None for anything else."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
