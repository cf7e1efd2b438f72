"""Retention: how long the store keeps its journal, and its jobs with their errors; and forgetting what is older."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from twinrow.store.journal import prune_journal
from twinrow.store.systems import get_setting, set_setting
from twinrow.store.tables import conflicts, errors, jobs, journal, pending, rounds, runs

_SETTING = "retention"
_EVERY = timedelta(days=1)
"""What is too old is looked for once a day."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the journal is kept, and how long jobs with their errors; None: for ever."""

    journal: timedelta | None = None
    jobs: timedelta | None = None


def read_retention(connection: Connection) -> Retention:
    """Return how long things are kept."""
    days = get_setting(connection, _SETTING, {})
    return Retention(**{name: timedelta(days=value) for name, value in days.items() if value is not None})


def save_retention(connection: Connection, retention: Retention) -> None:
    """Set how long things are kept, in whole days."""
    spans = {"journal": retention.journal, "jobs": retention.jobs}
    set_setting(connection, _SETTING, {name: span.days for name, span in spans.items() if span is not None})


def prune_if_due(connection: Connection, mapping_id: int, now: datetime) -> None:
    """Forget what is too old of a mapping, unless that was done within a day."""
    kept = read_retention(connection)
    if kept == Retention():
        return
    name = f"pruned: {mapping_id}"
    last = get_setting(connection, name)
    if last is not None and now - datetime.fromisoformat(last) < _EVERY:
        return
    if kept.journal is not None:
        prune_journal(connection, [mapping_id], now - kept.journal)
    if kept.jobs is not None:
        prune_jobs(connection, mapping_id, now - kept.jobs)
    set_setting(connection, name, now.isoformat())


def prune_jobs(connection: Connection, mapping_id: int, before: datetime) -> int:
    """Forget jobs of a mapping that ended before that time, but for those in which what is open now was told.

    Returns how many. A run of which the journal tells stays, though its jobs go.
    """
    open_work = select(pending.c.job_id).where(pending.c.job_id.is_not(None))
    open_conflicts = select(conflicts.c.job_id).where(conflicts.c.job_id.is_not(None))
    old = (
        (jobs.c.mapping_id == mapping_id)
        & (jobs.c.finished_at < before)
        & jobs.c.id.not_in(open_work)
        & jobs.c.id.not_in(open_conflicts)
    )
    connection.execute(delete(errors).where(errors.c.job_id.in_(select(jobs.c.id).where(old))))
    pruned = connection.execute(delete(jobs).where(old)).rowcount
    connection.execute(
        delete(runs).where(
            runs.c.mapping_id == mapping_id,
            runs.c.finished_at < before,
            runs.c.id.not_in(select(jobs.c.run_id)),
            runs.c.id.not_in(select(journal.c.run_id)),
        )
    )
    in_use = select(runs.c.round_id).where(runs.c.round_id.is_not(None))
    connection.execute(delete(rounds).where(rounds.c.finished_at < before, rounds.c.id.not_in(in_use)))
    return pruned
