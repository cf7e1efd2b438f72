"""What actions hand back: runs with their jobs, and what became of single records, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from twinrow.model.outcomes import Counters
from twinrow.store.conflicts import Conflict
from twinrow.store.errors import ErrorRow
from twinrow.store.pending import PendingRecord
from twinrow.store.runs import JobRow


@dataclass(frozen=True, slots=True)
class Job:
    """One pass of a run, with its counters as attributes."""

    id: int
    mapping: str
    direction: str
    type: str
    state: str
    read: int
    inserted: int
    modified: int
    unchanged: int
    failed: int
    skipped: int
    deleted: int
    uncoupled: int
    ignored: int
    coupled: int
    ignored_reasons: Mapping[str, int]
    message: str | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def duration(self) -> timedelta | None:
        """How long the pass took, when it has ended."""
        return None if self.finished_at is None else self.finished_at - self.started_at

    @property
    def counters(self) -> Counters:
        """The counters as a value."""
        return Counters(**{name: getattr(self, name) for name in Counters().as_dict()})


def job_of(row: JobRow, mapping: str) -> Job:
    """Return a job row as people see it."""
    return Job(
        id=row.id,
        mapping=mapping,
        direction=row.pass_.value if row.pass_ else "",
        type=row.type,
        state=row.state,
        ignored_reasons=dict(row.ignored_reasons),
        message=row.message,
        started_at=row.started_at,
        finished_at=row.finished_at,
        **row.counters.as_dict(),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a mapping: its jobs (one for each direction), and the errors that they recorded.

    `conflicts` and `pending` are the mapping's open ones after the run; `message` says why a run broke off.
    """

    id: int | None
    mapping: str
    state: str
    jobs: tuple[Job, ...] = ()
    errors: tuple[ErrorRow, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    pending: tuple[PendingRecord, ...] = ()
    message: str | None = None
    unavailable: tuple[str, ...] = ()

    @property
    def counters(self) -> Counters:
        """The counters of both directions together."""
        total = Counters()
        for job in self.jobs:
            total += job.counters
        return total

    @property
    def succeeded(self) -> bool:
        """Whether the run came to its end and no record failed."""
        return self.state == "finished" and self.counters.failed == 0


@dataclass(frozen=True, slots=True)
class Round:
    """Several runs in dependency order, and the follow-up runs for what had waited."""

    id: int
    runs: tuple[Run, ...] = field(default_factory=tuple)

    @property
    def counters(self) -> Counters:
        """The counters of all runs together."""
        total = Counters()
        for run in self.runs:
            total += run.counters
        return total

    @property
    def succeeded(self) -> bool:
        """Whether every run came to its end and no record failed or waits any more."""
        if any(run.state != "finished" for run in self.runs):
            return False
        # What failed at first and then was done in a follow-up run is well.
        last = {run.mapping: run for run in self.runs}
        return not any(run.pending for run in last.values())
