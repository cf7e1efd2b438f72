"""Rounds, runs and jobs: what was executed, how far it has come, and how it came out.

A round is several runs in dependency order; a run is one execution of a mapping; each pass of it has its job row, whose
counters are advanced in the same transaction that settles a batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from twinrow.model.outcomes import Counters
from twinrow.model.sides import Pass
from twinrow.store.tables import jobs, rounds, runs

RUNNING = "running"
FINISHED = "finished"
FAILED = "failed"

COUNTERS = tuple(Counters().as_dict())


@dataclass(frozen=True, slots=True)
class JobRow:
    """One pass of a run. `stage` and `cursor` say how far it has come; times are the store's."""

    id: int
    run_id: int
    mapping_id: int
    type: str
    pass_: Pass | None
    state: str
    stage: str | None
    cursor: str | None
    message: str | None
    started_at: datetime
    finished_at: datetime | None
    counters: Counters
    ignored_reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One execution of a mapping."""

    id: int
    mapping_id: int
    round_id: int | None
    options: Mapping[str, Any]
    state: str
    message: str | None
    started_at: datetime
    finished_at: datetime | None


def start_round(connection: Connection, options: Mapping[str, Any], at: datetime) -> int:
    """Store the beginning of a round; return its number."""
    made = connection.execute(insert(rounds).values(options=dict(options), started_at=at))
    return _key(made.inserted_primary_key)


def finish_round(connection: Connection, number: int, at: datetime) -> None:
    """Store the end of a round."""
    connection.execute(update(rounds).where(rounds.c.id == number).values(finished_at=at))


def start_run(
    connection: Connection, mapping_id: int, round_id: int | None, options: Mapping[str, Any], at: datetime
) -> RunRow:
    """Store the beginning of a run."""
    made = connection.execute(
        insert(runs).values(
            mapping_id=mapping_id, round_id=round_id, options=dict(options), state=RUNNING, started_at=at
        )
    )
    return get_run(connection, _key(made.inserted_primary_key))


def get_run(connection: Connection, number: int) -> RunRow:
    """Return a run."""
    return RunRow(**connection.execute(select(runs).where(runs.c.id == number)).one()._mapping)


def options_of_runs(connection: Connection, numbers: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """Return what was asked of runs, by their numbers; those that are forgotten are absent."""
    found = connection.execute(select(runs.c.id, runs.c.options).where(runs.c.id.in_(numbers)))
    return {row.id: row.options for row in found}


def list_runs(connection: Connection, mapping_ids: Sequence[int], limit: int = 100) -> list[RunRow]:
    """Return the newest runs of mappings, newest first."""
    statement = select(runs).where(runs.c.mapping_id.in_(mapping_ids)).order_by(runs.c.id.desc()).limit(limit)
    return [RunRow(**row._mapping) for row in connection.execute(statement)]


def unfinished_run(connection: Connection, mapping_id: int) -> RunRow | None:
    """Return the run of a mapping that was begun and has not ended, if there is one."""
    wanted = (runs.c.mapping_id == mapping_id) & (runs.c.state == RUNNING)
    row = connection.execute(select(runs).where(wanted).order_by(runs.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else RunRow(**row._mapping)


def give_up_amendments(connection: Connection, mapping_id: int, at: datetime) -> None:
    """End the amendments of a mapping that were begun and have not ended: nobody is at work on them."""
    wanted = (runs.c.mapping_id == mapping_id) & (runs.c.state == RUNNING)
    for number, options in connection.execute(select(runs.c.id, runs.c.options).where(wanted)).fetchall():
        if "amendment" in options:
            finish_run(connection, number, FAILED, "It was broken off. What is left of it can be asked for again.", at)


def finish_run(connection: Connection, number: int, state: str, message: str | None, at: datetime) -> None:
    """Store the end of a run, and of its job rows that are still open."""
    connection.execute(update(runs).where(runs.c.id == number).values(state=state, message=message, finished_at=at))
    connection.execute(
        update(jobs)
        .where(jobs.c.run_id == number, jobs.c.state == RUNNING)
        .values(state=state, message=message, finished_at=at)
    )


def start_job(
    connection: Connection, run: RunRow, type_: str, pass_: Pass | None, at: datetime, message: str | None = None
) -> JobRow:
    """Store the beginning of a pass (or of another job of the run)."""
    made = connection.execute(
        insert(jobs).values(
            {
                "run_id": run.id,
                "mapping_id": run.mapping_id,
                "type": type_,
                "pass": pass_.value if pass_ else None,
                "state": RUNNING,
                "message": message,
                "started_at": at,
                "ignored_reasons": {},
            }
        )
    )
    return get_job(connection, _key(made.inserted_primary_key))


def get_job(connection: Connection, number: int) -> JobRow:
    """Return a job row."""
    return _job(connection.execute(select(jobs).where(jobs.c.id == number)).one())


def jobs_of_run(connection: Connection, run_id: int) -> list[JobRow]:
    """Return the job rows of a run, in order."""
    return [_job(row) for row in connection.execute(select(jobs).where(jobs.c.run_id == run_id).order_by(jobs.c.id))]


def list_jobs(connection: Connection, mapping_ids: Sequence[int], limit: int = 100) -> list[JobRow]:
    """Return the newest job rows of mappings, newest first."""
    statement = select(jobs).where(jobs.c.mapping_id.in_(mapping_ids)).order_by(jobs.c.id.desc()).limit(limit)
    return [_job(row) for row in connection.execute(statement)]


def advance_job(
    connection: Connection,
    number: int,
    counters: Counters,
    ignored: Mapping[str, int],
    stage: str | None,
    cursor: str | None,
) -> None:
    """Add to a job's counters and move its cursor. Called in the transaction that settles the batch."""
    present = connection.execute(select(jobs.c.ignored_reasons).where(jobs.c.id == number)).scalar_one()
    reasons = dict(present)
    for reason, count in ignored.items():
        reasons[reason] = reasons.get(reason, 0) + count
    added = {name: jobs.c[name] + value for name, value in counters.as_dict().items() if value}
    connection.execute(
        update(jobs).where(jobs.c.id == number).values(**added, ignored_reasons=reasons, stage=stage, cursor=cursor)
    )


def finish_job(connection: Connection, number: int, message: str | None, at: datetime) -> None:
    """Store the end of a pass."""
    connection.execute(
        update(jobs).where(jobs.c.id == number).values(state=FINISHED, message=message, finished_at=at, cursor=None)
    )


def tell_of_job(connection: Connection, number: int, message: str) -> None:
    """Add a sentence to a job row that has ended."""
    connection.execute(update(jobs).where(jobs.c.id == number).values(message=message))


def _job(row: Row[Any]) -> JobRow:
    values = dict(row._mapping)
    counters = Counters(**{name: values.pop(name) for name in COUNTERS})
    pass_ = values.pop("pass")
    return JobRow(pass_=Pass(pass_) if pass_ else None, counters=counters, **values)


def _key(primary: Any) -> int:
    return int(primary[0])
