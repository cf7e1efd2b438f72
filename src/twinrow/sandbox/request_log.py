"""Which requests a server has seen: counts by method and path shape, and the last ones in order.

A *path shape* is the path with everything between parentheses left out, so that requests for different records count
together: `/api/data/v9.2/accounts()`.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import Any

_KEPT = 10_000
_KEY = re.compile(r"\([^()]*\)")


class RequestLog:
    """Requests in the order in which they were taken up, control requests excepted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._entries: deque[tuple[str, str, str, int | None, int]] = deque(maxlen=_KEPT)

    def add(self, method: str, path: str, query: str, status: int | None, parts: int) -> None:
        """Note one request; `status` is None when the caller got no answer."""
        self._counts[f"{method} {_KEY.sub('()', path)}"] += 1
        self._entries.append((method, path, query, status, parts))

    def clear(self) -> None:
        """Forget everything."""
        self._counts.clear()
        self._entries.clear()

    def shown(self) -> dict[str, Any]:
        """As control shows it."""
        return {
            "counts": dict(self._counts),
            "requests": [
                {"method": method, "path": path, "query": query, "status": status, "parts": parts}
                for method, path, query, status, parts in self._entries
            ],
        }
