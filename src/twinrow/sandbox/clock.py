"""The sandbox's own clock: the only source of time in both servers.

It follows real UTC time at an offset (which may be negative), or stands still. Tests move it; nothing else does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Real UTC time plus an offset, or frozen at one instant."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._frozen_at: datetime | None = None

    def now(self) -> datetime:
        """The present instant, in UTC, with microseconds."""
        return self._frozen_at if self._frozen_at is not None else datetime.now(UTC) + self._offset

    def set(self, instant: datetime | None) -> None:
        """Make `instant` (with a time zone) the present; None goes back to real time. A frozen clock stays frozen."""
        real = datetime.now(UTC)
        target = real if instant is None else instant.astimezone(UTC)
        self._offset = target - real
        if self._frozen_at is not None:
            self._frozen_at = target

    def advance(self, seconds: float) -> None:
        """Move the present by `seconds`; negative values move it back."""
        self._offset += timedelta(seconds=seconds)
        if self._frozen_at is not None:
            self._frozen_at += timedelta(seconds=seconds)

    def freeze(self) -> None:
        """Stand still at the present instant."""
        if self._frozen_at is None:
            self._frozen_at = self.now()

    def run(self) -> None:
        """Go on from the present instant at the pace of real time."""
        if self._frozen_at is not None:
            self._offset = self._frozen_at - datetime.now(UTC)
            self._frozen_at = None

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._frozen_at is not None

    @property
    def offset(self) -> float:
        """How far the clock is ahead of real UTC time, in seconds."""
        return (self.now() - datetime.now(UTC)).total_seconds()
