"""A clock that stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SettableClock:
    """Fulfils `model.protocols.Clock`; waiting moves it forward at once."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the time that the clock shows."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that it has gone forward."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Go forward."""
        self.advance(timedelta(seconds=seconds))

    def advance(self, span: timedelta) -> None:
        """Go forward (or back: only the shown time does)."""
        self._now += span
        self._monotonic += max(0.0, span.total_seconds())

    def tick(self) -> datetime:
        """Go forward by one millisecond and return the time: a clock for a system whose changes must differ in time."""
        self.advance(timedelta(milliseconds=1))
        return self._now
