"""Steps: what somebody does in a life, as a word and some numbers.

The numbers choose among what there is when the step is taken. So a life with steps left out still is one, and a failing one can
be made short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")

KINDS = {
    "add": 10, "add_pair": 3, "add_apart": 3, "couple": 3, "edit": 34, "edit_both": 8, "edit_record": 5, "remove": 8, "park": 4,
    "filter": 4, "direction": 3, "field_direction": 4, "field_status": 4, "transformation": 4, "update_policy": 5,
    "deletion_policy": 4, "scope": 2, "only_coupled": 3, "propagation": 4, "marking": 3, "limit": 2, "template": 3,
    "run": 34, "run_full": 6, "run_creating": 2, "run_named": 5, "run_forced": 3, "run_unconditional": 2, "storm": 8, "race": 6,
    "retry": 5, "resolve": 5, "undo": 5, "plan": 8, "apply": 7, "discard": 1, "wait": 3,
}  # fmt: skip
"""How often each kind of step comes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody does."""

    kind: str
    numbers: tuple[int, ...]


class Numbers:
    """The numbers of a step, taken one after the other, round and round."""

    def __init__(self, step: Step) -> None:
        self._left = list(step.numbers)

    def pick(self, choices: Sequence[T]) -> T:
        self._left.append(self._left.pop(0))
        return choices[self._left[-1] % len(choices)]


def script(seed: int, length: int) -> list[Step]:
    """Return the steps of a life."""
    random = Random(seed)
    kinds = random.choices(list(KINDS), list(KINDS.values()), k=length)
    return [Step(kind, tuple(random.getrandbits(16) for _ in range(8))) for kind in kinds]


def _tour(*steps: tuple[str, *tuple[int, ...]]) -> list[Step]:
    return [Step(kind, tuple(numbers) or (0,)) for kind, *numbers in steps]


TOURS = (
    # A deletion is held back by the limit, planned, and allowed once; another one is carried over, and taken back.
    _tour(
        ("propagation", 3), ("limit", 0), ("remove", 0, 0), ("run_full",), ("plan", 3), ("apply",),
        ("limit", 3), ("remove", 0, 1), ("run_full",), ("undo", 1, 0, 0),
    ),
    # The mapping gives up couplings of records that are gone; it is planned, and done.
    _tour(("remove", 0, 0), ("run_full",), ("deletion_policy", 2), ("edit", 1, 0, 0, 1), ("plan", 0), ("run",)),
    # A record leaves the filter; a plan is overtaken by a change of a field mapping, another one by an edit.
    _tour(
        ("edit", 0, 0, 3, 3), ("run",), ("filter", 0, 2), ("run_named", 0, 0, 0, 1),
        ("edit", 0, 1, 0, 1), ("plan", 0), ("transformation", 0, 1), ("apply",),
        ("edit", 0, 1, 0, 2), ("plan", 0), ("edit", 0, 1, 0, 3), ("apply",),
    ),
    # A conflict is planned, left open by a run, and settled; both sides come to the same value; one side moves and is named.
    _tour(
        ("edit_both", 0, 0, 1, 2), ("plan", 0), ("run",), ("resolve", 0, 0),
        ("edit_both", 1, 0, 1, 1), ("run_named", 0, 1, 0, 1), ("edit", 1, 1, 0, 2), ("run_named", 0, 1, 0, 1),
    ),
    # One member of a merge group is changed while it is not mapped; mapped again, it is not overwritten along with the other one.
    _tour(
        ("update_policy", 2), ("field_status", 2), ("run",), ("edit", 1, 0, 2, 2), ("run",),
        ("field_status", 2), ("edit", 0, 0, 1, 3), ("run",),
    ),
)  # fmt: skip
"""Lives that come to what random ones seldom come to."""
