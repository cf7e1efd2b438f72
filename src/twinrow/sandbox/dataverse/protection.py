"""Service protection limits: requests, execution time and concurrency of one user within a sliding window."""

from __future__ import annotations

from collections import defaultdict, deque

from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.switches import Switches


class Protection:
    """Keeps the books of each user and refuses what exceeds the limits of the switch `protection_limits`.

    Times are those of the sandbox's clock; how long a request took is measured by the caller, in real seconds.
    """

    def __init__(self, clock: SandboxClock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._seen: dict[str, deque[tuple[float, float]]] = defaultdict(deque)

    def clear(self) -> None:
        """Forget all requests."""
        self._seen.clear()

    def check(self, user: str, in_flight: int) -> None:
        """Refuse (429) the next request of a user when a limit is reached."""
        limits = self._limits()
        if not limits:
            return
        if in_flight >= limits["concurrent"]:
            raise _refusal(
                "0x80072326",
                f"Number of concurrent requests exceeded the limit of {limits['concurrent']:g}.",
                1,
            )
        seen = self._within(user, limits["window_seconds"])
        window = f"over time window of {limits['window_seconds']:g} seconds."
        if len(seen) >= limits["requests"]:
            wait = self._wait(seen[len(seen) - int(limits["requests"])][0], limits)
            raise _refusal(
                "0x80072322", f"Number of requests exceeded the limit of {limits['requests']:g} {window}", wait
            )
        if sum(duration for _, duration in seen) >= limits["execution_seconds"]:
            milliseconds = f"{limits['execution_seconds'] * 1000:,.0f}"
            raise _refusal(
                "0x80072321",
                f"Combined execution time of incoming requests exceeded limit of {milliseconds} milliseconds {window} "
                "Decrease number of concurrent requests or reduce the duration of requests and try again later.",
                self._wait(seen[0][0] if seen else 0.0, limits),
            )

    def count(self, user: str, seconds: float) -> None:
        """Note a request that was carried out, and how long it took."""
        if self._limits():
            self._seen[user].append((self._clock.now().timestamp(), seconds))

    def headers(self, user: str) -> dict[str, str]:
        """How much is left, as the service tells it."""
        limits = self._limits()
        if not limits:
            return {}
        seen = self._within(user, limits["window_seconds"])
        spent = sum(duration for _, duration in seen)
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(max(0, int(limits["requests"]) - len(seen))),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{max(0.0, limits['execution_seconds'] - spent):.2f}",
        }

    def _limits(self) -> dict[str, float]:
        limits = self._switches["protection_limits"]
        return limits if isinstance(limits, dict) and limits["enabled"] else {}

    def _within(self, user: str, window: float) -> deque[tuple[float, float]]:
        seen, start = self._seen[user], self._clock.now().timestamp() - window
        while seen and seen[0][0] <= start:
            seen.popleft()
        return seen

    def _wait(self, oldest: float, limits: dict[str, float]) -> int:
        return max(1, int(oldest + limits["window_seconds"] - self._clock.now().timestamp()) + 1)


def _refusal(code: str, message: str, retry_after: int) -> DataverseError:
    error = DataverseError(429, code, message)
    error.retry_after = retry_after
    return error
