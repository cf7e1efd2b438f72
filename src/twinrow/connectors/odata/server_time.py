"""What time it is in a system, by what its answers tell.

Each answer carries a `Date` of whole seconds, made between the moments when the request went out and the answer came: the
system's clock is ahead of our monotonic one by something between two bounds. Several answers narrow the bounds. Where
they contradict each other, the system's clock was set, and the newest answer counts. The time of a change that a system
has just told of narrows the lower bound further.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from twinrow.model.errors import SystemUnavailable
from twinrow.model.protocols import Clock

_SECOND = timedelta(seconds=1)
_DRIFT = timedelta(milliseconds=50)
"""How far two clocks may drift apart between two answers without being said to have been set."""


class ServerTime:
    """The clock of a system, as seen from here. May be used by several threads at once."""

    def __init__(self, system: str, clock: Clock) -> None:
        self._system = system
        self._clock = clock
        self._lock = threading.Lock()
        # Bounds of the instant at which our monotonic clock showed zero.
        self._earliest: datetime | None = None
        self._latest: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether the system has told its time."""
        return self._earliest is not None

    def heard(self, date: datetime, sent: float, received: float) -> None:
        """Take note of a `Date`, and of when (monotonic) its request went out and its answer came."""
        earliest = date - timedelta(seconds=received)
        latest = date + _SECOND - timedelta(seconds=sent)
        with self._lock:
            first, last = self._earliest or earliest, self._latest or latest
            if earliest <= last + _DRIFT and latest >= first - _DRIFT:
                earliest = max(first, earliest)
                latest = max(min(last, latest), earliest)
            self._earliest, self._latest = earliest, latest

    def witnessed(self, instant: datetime) -> None:
        """Take note of an instant that the system's clock has certainly passed."""
        with self._lock:
            earliest = instant - timedelta(seconds=self._clock.monotonic())
            # Nothing far ahead is believed: a record may carry any time.
            if self._earliest is not None and self._latest is not None and earliest <= self._latest + _DRIFT:
                self._earliest = max(self._earliest, earliest)
                self._latest = max(self._latest, self._earliest)

    def now(self) -> datetime:
        """Return the system's time (UTC), never ahead of it as far as its answers tell.

        Raises `SystemUnavailable` when no answer has told it.
        """
        if self._earliest is None:
            raise SystemUnavailable(f"{self._system} does not tell its time", cause="No answer had a usable Date.")
        return self._earliest + timedelta(seconds=self._clock.monotonic())
