"""A tally of how often each kind of step, decision, outcome and fault has come: what never comes is not tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl
import pytest

from tests.property.steps import KINDS
from twinrow.actions.results import Run
from twinrow.engine import columns, settle
from twinrow.model.outcomes import Counters, Decision, Ignored, Outcome

FIRED: Counter[str] = Counter()

ELSEWHERE = {
    Decision.COUPLE_NATURAL: "needs a table whose rule knows natural counterparts: tests/scenarios/test_tables.py",
    Decision.WAITING: "needs a second mapping to refer to: tests/unit/engine/test_fields_and_references.py",
    Decision.OSCILLATING: "needs systems whose own logic reverses values: tests/unit/engine/test_oscillation.py",
}
"""Decisions that these lives cannot come to, and where they are tested."""

REASONS = [Ignored.OUTSIDE_FILTER, Ignored.NOT_COUPLED, Ignored.SOURCE_DELETED, Ignored.STANDS_ASIDE]
"""Why records are left out here; the others need a rule of a standard table, an unknown id, or a pilot."""

ALWAYS = (
    *KINDS,
    *(f"decided: {one.name}" for one in Decision if one not in (*ELSEWHERE, Decision.INDETERMINATE)),
    *(f"outcome: {one.value}" for one in Outcome),
    *(f"ignored: {one.value}" for one in REASONS),
    *(f"planned: {kind}" for kind in ("create", "update", "delete", "uncouple", "conflict", "fail")),
    *("held", "plan outdated", "plan made before a change", "settled"),
    *(f"undone: {what}" for what in ("fields", "made", "deleted", "refused")),
)
"""What must have come in the lives of every test run."""

STORMS = (
    "decided: INDETERMINATE",
    *(f"fault: {name}" for name in ("lost", "late", "partial", "unsent", "unavailable", "stale", "repeated", "broken")),
)
"""What must have come besides where many lives are lived."""


def count(run: Run) -> None:
    """Count how the records of a run came out."""
    for job in run.jobs:
        FIRED.update({f"outcome: {name}": n for name, n in job.counters.as_dict().items() if n})
        FIRED.update({f"ignored: {name}": n for name, n in job.ignored_reasons.items()})


def missing(names: Sequence[str]) -> list[str]:
    """Return what has never come."""
    return [name for name in names if not FIRED[name]]


@contextmanager
def counting() -> Iterator[None]:
    """Count every decision that a run comes to. Of records with which nothing was done the store keeps none, so this one thing
    is taken from inside the engine: to count, and for no check.
    """
    told = settle.count_outcomes

    def counted(frames: Sequence[pl.DataFrame]) -> tuple[Counters, dict[str, int]]:
        for frame in frames:
            if frame.height:
                FIRED.update(f"decided: {Decision(number).name}" for number in frame.get_column(columns.DECISION))
        return told(frames)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "count_outcomes", counted)
        yield
