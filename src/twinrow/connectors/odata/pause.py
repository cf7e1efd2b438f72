"""A pause of all requests to a system, ordered by a part of a batch.

What an answer as a whole says about waiting is the client's matter (`pacing`). A service may also answer the batch and
refuse one of its parts with "not now"; whoever takes the batch apart then orders the pause here. It is handed to the client
as its budget, so that nothing goes out while it lasts.
"""

from __future__ import annotations

import threading

from twinrow.model.protocols import Budget, Clock


class Pause:
    """A budget that hands out nothing during a pause. May be used by several threads at once."""

    def __init__(self, clock: Clock, budget: Budget | None = None) -> None:
        self.clock = clock
        self._budget = budget
        self._lock = threading.Lock()
        self._until = 0.0

    def order(self, seconds: float) -> None:
        """Let no request begin for that long."""
        with self._lock:
            self._until = max(self._until, self.clock.monotonic() + seconds)

    def take(self, requests: int = 1) -> None:
        """Wait until no pause is on and the budget behind this one hands the requests out."""
        while (rest := self._until - self.clock.monotonic()) > 0:
            self.clock.sleep(rest)
        if self._budget is not None:
            self._budget.take(requests)
