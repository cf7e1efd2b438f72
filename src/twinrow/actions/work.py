"""Looking at the work: jobs, errors, conflicts, pending records, and how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from twinrow.actions.context import ActionContext
from twinrow.actions.results import Job, Run, job_of
from twinrow.actions.synchronization import run_result
from twinrow.engine.changes import possible_ids
from twinrow.engine.drift import find_drift, read_seen
from twinrow.engine.fields import Unavailable, plan_fields
from twinrow.model.errors import UnknownName
from twinrow.model.mapping import TableMapping
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.standard.rules import RULES
from twinrow.store.conflicts import Conflict
from twinrow.store.conflicts import list_conflicts as stored_conflicts
from twinrow.store.couplings import by_record, count_couplings
from twinrow.store.errors import ErrorRow
from twinrow.store.errors import list_errors as stored_errors
from twinrow.store.job_log import last_jobs
from twinrow.store.leases import is_dead, read_lease
from twinrow.store.mappings import StoredMapping, read_rules
from twinrow.store.pending import PendingRecord, count_unresolved, retry
from twinrow.store.pending import list_pending as stored_pending
from twinrow.store.retention import prune_jobs
from twinrow.store.runs import get_job, get_run, list_runs
from twinrow.store.runs import list_jobs as stored_jobs
from twinrow.store.watermarks import read_watermark


def _chosen(context: ActionContext, mapping: str | None) -> list[StoredMapping]:
    return [context.mapping(mapping)] if mapping is not None else context.mappings()


def list_jobs(context: ActionContext, mapping: str | None = None, limit: int = 100) -> list[Job]:
    """Return the newest jobs of a mapping, or of all, newest first."""
    chosen = {stored.id: stored for stored in _chosen(context, mapping)}
    with context.database.reading() as connection:
        return [job_of(row, chosen[row.mapping_id].name) for row in stored_jobs(connection, list(chosen), limit)]


def list_record_jobs(context: ActionContext, mapping: str, record: str) -> list[Job]:
    """Return the newest job of each direction that has written a record (named by the id of either side) or failed with it.

    Where none has, all jobs of the mapping are returned, newest first, as `list_jobs` does.
    """
    stored = context.mapping(mapping)
    if stored.local_guid is None:
        return []
    with context.database.reading() as connection:
        ids: dict[Side, str] = {}
        coupling: int | None = None
        for side in Side:
            for row in by_record(connection, stored, side, possible_ids(stored, side, [record])).iter_rows(named=True):
                coupling = row["coupling_id"]
                ids = {each: row[f"{each.value}_id"] for each in Side}
        if coupling is None:
            ids = {side: record for side in Side if possible_ids(stored, side, [record])}
        sources = {pass_: ids[pass_.source] for pass_ in stored.mapping.direction.passes if pass_.source in ids}
        numbers = last_jobs(connection, stored, coupling, sources)
        if numbers:
            return [job_of(get_job(connection, number), mapping) for number in sorted(numbers, reverse=True)]
    return list_jobs(context, mapping)


def delete_jobs(context: ActionContext, mapping: str | None = None, *, older_than_days: int = 7) -> int:
    """Forget jobs (of a mapping, or all) that ended that many days ago, with their errors; return how many.

    Jobs to which a pending, skipped or conflicting record refers stay, with their errors; so does the journal.
    """
    before = context.clock.now() - timedelta(days=older_than_days)
    with context.database.transaction() as connection:
        return sum(prune_jobs(connection, stored.id, before) for stored in _chosen(context, mapping))


def show_run(context: ActionContext, run_id: int) -> Run:
    """Return a run with its jobs and errors. Raises `UnknownName`."""
    with context.database.reading() as connection:
        known = list_runs(connection, [stored.id for stored in context.mappings()])
        if run_id not in {row.id for row in known}:
            raise UnknownName("run", str(run_id), [str(row.id) for row in known])
        row = get_run(connection, run_id)
    return run_result(context, row)


def list_errors(
    context: ActionContext, mapping: str | None = None, *, job: int | None = None, limit: int = 1_000
) -> list[ErrorRow]:
    """Return error rows, newest first: of a mapping, or of one job."""
    with context.database.reading() as connection:
        return stored_errors(connection, _chosen(context, mapping), job_id=job, limit=limit)


def list_conflicts(context: ActionContext, mapping: str | None = None, limit: int = 1_000) -> list[Conflict]:
    """Return the open conflicts, oldest first."""
    with context.database.reading() as connection:
        return stored_conflicts(connection, _chosen(context, mapping), limit)


def list_pending(context: ActionContext, mapping: str | None = None, limit: int = 1_000) -> list[PendingRecord]:
    """Return the records that wait or were set aside, oldest first."""
    with context.database.reading() as connection:
        return stored_pending(connection, _chosen(context, mapping), limit=limit)


def retry_skipped(context: ActionContext, mapping: str, numbers: list[int] | None = None) -> int:
    """Take skipped records of a mapping (all, or pending rows by number) off the list, so that the next run tries them."""
    stored = context.mapping(mapping)
    with context.database.transaction() as connection:
        return retry(connection, stored, context.clock.now(), numbers)


@dataclass(frozen=True, slots=True)
class MappingStatus:
    """How a mapping stands."""

    mapping: str
    direction: str
    coupled: int
    running: bool
    last_run: datetime | None
    last_state: str | None
    read_up_to: Mapping[str, datetime | None]
    """When each side was last read to the end, by the store's clock."""
    conflicts: int
    waiting: int
    skipped: int
    unresolved: int


def status(context: ActionContext) -> list[MappingStatus]:
    """Return how each mapping of the connection stands."""
    found = []
    for stored in context.mappings():
        with context.database.reading() as connection:
            runs = list_runs(connection, [stored.id], limit=1)
            lease = read_lease(connection, stored.id)
            pending = stored_pending(connection, [stored], limit=100_000) if stored.local_guid is not None else []
            marks = {side: read_watermark(connection, stored.id, side) for side in Side}
            found.append(
                MappingStatus(
                    mapping=stored.name,
                    direction=stored.mapping.direction.value,
                    coupled=count_couplings(connection, stored),
                    running=lease is not None and lease.owner is not None and not is_dead(lease.owner),
                    last_run=runs[0].finished_at or runs[0].started_at if runs else None,
                    last_state=runs[0].state if runs else None,
                    read_up_to={side.value: mark.read_at if mark else None for side, mark in marks.items()},
                    conflicts=len(stored_conflicts(connection, [stored], limit=100_000)),
                    waiting=sum(not record.skipped and record.decision is not Decision.CONFLICT for record in pending),
                    skipped=sum(record.skipped for record in pending),
                    unresolved=count_unresolved(connection, stored),
                )
            )
    return found


def unavailable_fields(context: ActionContext, mapping: TableMapping) -> tuple[Unavailable, ...]:
    """Return the mapped fields that a system could serve and does not, with the reason."""
    pair = context.pair()
    tables = {side: context.connector(pair.system(side)).describe(mapping.table(side)) for side in Side}
    rules = [RULES[name] for name in mapping.rules if name in RULES]
    stored = context.mapping(mapping.name)
    with context.database.reading() as connection:
        transformations = read_rules(connection)
        seen = read_seen(connection, stored.id)
    drifted = [one.unavailable for one in find_drift(mapping, tables, seen)]
    plans = plan_fields(mapping, tables, transformations, rules, pair.settings, drifted)
    return plans.unavailable
