"""What webhooks will be told: changes of the present transaction, noted while they happen.

Nothing is noted for tables and messages that nobody has registered for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Message = Literal["Create", "Update", "Delete"]


@dataclass(frozen=True)
class Notice:
    """One change: `values` are the stored values written; `user` did it, at `now`."""

    message: Message
    table: str
    key: str
    values: dict[str, Any]
    user: str
    now: str


@dataclass
class Notices:
    """The changes noted so far; `wanted` holds (message, table) pairs that somebody has registered for."""

    wanted: set[tuple[str, str]] = field(default_factory=set)
    noted: list[Notice] = field(default_factory=list)

    def note(self, message: Message, table: str, key: str, values: dict[str, Any], user: str, now: str) -> None:
        """Note one change, if somebody wants to know."""
        if (message, table) in self.wanted:
            self.noted.append(Notice(message, table, key, dict(values), user, now))
