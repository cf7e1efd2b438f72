"""Faults that a test orders: requests refused, delayed, lost, or carried out only later.

A *rule* names requests by method and a regular expression over path and query, and says what becomes of the next
`times` of them after the first `skip`. Rules are tried in the order in which they were given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Action = Literal["refuse", "lose_before", "lose_answer", "delay", "late"]


@dataclass
class Fault:
    """One rule.

    refuse: answer with `status`, `retry_after` (seconds) and `body` (a JSON value), and do nothing.
    lose_before: close the connection and do nothing. lose_answer: carry the request out, then close the connection.
    delay: wait `seconds` of real time, then go on as usual. late: close the connection, and carry the request out
    only when the sandbox's clock has passed `seconds` from now.
    """

    path: str
    action: Action
    method: str | None = None
    times: int = 1
    skip: int = 0
    status: int = 503
    retry_after: int | None = None
    body: Any = None
    seconds: float = 0.0
    fired: int = field(default=0, init=False)
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.action not in get_args(Action):
            raise ValueError(f"A fault does one of {', '.join(get_args(Action))}, not {self.action!r}.")
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"The path {self.path!r} of a fault is no regular expression: {error}.") from None

    def concerns(self, method: str, target: str) -> bool:
        """Whether the rule names such a request."""
        return (self.method is None or self.method == method) and self._pattern.search(target) is not None

    def shown(self) -> dict[str, Any]:
        """As control shows it."""
        values = asdict(self)
        values.pop("_pattern")
        return values


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, rules: Iterable[dict[str, Any]]) -> None:
        """Add rules given as JSON objects; raises ValueError for one that makes no sense, and then adds none."""
        try:
            self.rules.extend([Fault(**rule) for rule in rules])
        except TypeError as error:
            raise ValueError(f"A fault cannot be read: {error}.") from None

    def next_for(self, method: str, target: str) -> Fault | None:
        """The rule that befalls this request, counted as fired; None for an ordinary course."""
        for rule in self.rules:
            if rule.fired < rule.times and rule.concerns(method, target):
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                rule.fired += 1
                return rule
        return None
