"""The service's own limits on callers: requests within a sliding window, requests under way.

Source: protocol page, section 10. Off unless the switch `limits` sets them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from twinrow.sandbox.business_central.errors import Refusal
from twinrow.sandbox.clock import SandboxClock

DEFAULT_LIMITS: dict[str, Any] = {"requests": 0, "seconds": 300, "in_flight": 0, "retry_after": 0}


class Limits:
    """Counts the requests of each caller; a limit of 0 is none."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._taken: dict[str, deque[float]] = defaultdict(deque)

    def forget(self) -> None:
        """Begin to count anew."""
        self._taken.clear()

    def check(self, settings: dict[str, Any], client_id: str, in_flight: int) -> None:
        """Count a request; refuse it with 429 when the caller has had too many, or too many are waiting."""
        if settings["in_flight"] and in_flight > settings["in_flight"]:
            raise _too_many(settings)
        if not settings["requests"]:
            return
        now = self._clock.now().timestamp()
        taken = self._taken[client_id]
        while taken and taken[0] <= now - settings["seconds"]:
            taken.popleft()
        if len(taken) >= settings["requests"]:
            raise _too_many(settings)
        taken.append(now)


def _too_many(settings: dict[str, Any]) -> Refusal:
    headers = {"Retry-After": str(settings["retry_after"])} if settings["retry_after"] else {}
    return Refusal(
        429, "Application_TooManyRequests", "Too many requests were sent in the given time. Try again later.", headers
    )
