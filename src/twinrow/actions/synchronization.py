"""Synchronizing: one mapping, several, or all of a connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twinrow.actions.context import ActionContext
from twinrow.actions.results import Job, Round, Run, job_of
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import PassContext, RunOptions
from twinrow.engine.rounds import RoundOutcome, RunOutcome, run_round
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.outcomes import Counters
from twinrow.model.sides import Pass
from twinrow.standard.order import run_order
from twinrow.store.conflicts import list_conflicts
from twinrow.store.couplings import by_record
from twinrow.store.errors import list_errors
from twinrow.store.mappings import StoredMapping, mapping_by_id
from twinrow.store.pending import list_pending, retry, set_aside
from twinrow.store.runs import RunRow, jobs_of_run

DIRECTIONS = {"to": (Pass.TO,), "from": (Pass.FROM,), "both": tuple(Pass)}

_MOST_OPEN = 100_000
"""How many open records of each kind a run hands back; they are counted by those who tell what is open."""

Progress = Callable[[str, str, Counters], None]
"""Called after each settled batch with the mapping's name, the direction, and the batch's counters."""


def synchronize(
    context: ActionContext,
    mapping: str,
    *,
    full: bool = False,
    create: bool = False,
    unconditional: bool = False,
    direction: str | None = None,
    records: Sequence[str] = (),
    allow_duplicates: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run one mapping and return what came of it; records that fail do not make it raise.

    `full` reads everything again, `create` also creates what is not coupled (this time only), `unconditional` writes also what
    has not changed. `direction` is `to`, `from` or `both`; one that is named makes its source win every field. `records` are
    ids of either side: only these are synchronized; those that had been set aside are taken off that list. `allow_duplicates`
    makes records without a look at whether they seem to be there already.

    Raises `UnknownName`, `LeaseHeld` when another process runs the mapping, and what stops a run as a whole.
    """
    options = asked_options(full, create, unconditional, direction, records, allow_duplicates)
    return run_named(context, context.mapping(mapping), options, progress)


def run_named(
    context: ActionContext, stored: StoredMapping, options: RunOptions, progress: Progress | None = None
) -> Run:
    """Run a mapping as is asked, and return what came of it; records that are named are taken off the skipped list."""
    if options.records and stored.local_guid is not None:
        _take_off_the_skipped(context, stored, options.records)
    return run_result(context, context.engine().run(stored.name, options, progress=reporting(progress)))


def _take_off_the_skipped(context: ActionContext, stored: StoredMapping, records: Sequence[str]) -> None:
    """Have records that were set aside tried as if they had not failed before; they are named by the id of either side."""
    with context.database.transaction() as connection:
        numbers: list[int] = []
        for pass_ in stored.mapping.direction.passes:
            here, there = pass_.source, pass_.destination
            coupled = by_record(connection, stored, there, possible_ids(stored, there, records))
            sources = [*possible_ids(stored, here, records), *coupled.get_column(f"{here.value}_id").to_list()]
            numbers += set_aside(connection, stored, pass_, list(dict.fromkeys(sources)))
        if numbers:
            retry(connection, stored, context.clock.now(), numbers)


def synchronize_all(
    context: ActionContext,
    mappings: Sequence[str] = (),
    *,
    full: bool = False,
    create: bool = False,
    unconditional: bool = False,
    direction: str | None = None,
    allow_duplicates: bool = False,
    progress: Progress | None = None,
    started: Callable[[str], None] | None = None,
) -> Round:
    """Run mappings (all that are enabled, or those named) in dependency order, and then what had waited for a later one.

    A mapping that cannot run does not keep the others from running: its run says why. Options are those of `synchronize`.
    """
    names = names_in_order(context, mappings)
    options = asked_options(full, create, unconditional, direction, (), allow_duplicates)
    return round_result(context, run_round(context.engine(), names, options, reporting(progress), started))


def names_in_order(context: ActionContext, mappings: Sequence[str] = ()) -> list[str]:
    """Return the names of mappings (all of the connection that are enabled, or those named) in dependency order.

    Raises `UnknownName`, and `ConfigurationError` where there is none.
    """
    known = context.mappings()
    names = {stored.name for stored in known}
    for name in mappings:
        if name not in names:
            raise UnknownName("mapping", name, sorted(names))
    wanted = [s.mapping for s in known if (s.name in mappings if mappings else s.mapping.enabled)]
    if known and not wanted:
        raise ConfigurationError(
            "No mapping is enabled", remedy="To let one run again: twinrow mapping enable MAPPING."
        )
    if not wanted:
        raise ConfigurationError(
            "There is no mapping yet",
            remedy="Set the connection up (`twinrow connection setup`) or apply a mapping file.",
        )
    return [mapping.name for mapping in run_order(wanted)]


def round_result(context: ActionContext, outcome: RoundOutcome) -> Round:
    """Return a round with its runs."""
    return Round(outcome.id, tuple(_outcome(context, one) for one in outcome.runs))


def asked_options(
    full: bool,
    create: bool,
    unconditional: bool,
    direction: str | None,
    records: Sequence[str],
    allow_duplicates: bool = False,
) -> RunOptions:
    """Return what is asked of a run, from the options of `synchronize`. Raises `UnknownName` for a direction."""
    if direction is not None and direction not in DIRECTIONS:
        raise UnknownName("direction", direction, tuple(DIRECTIONS))
    passes = DIRECTIONS[direction] if direction else ()
    return RunOptions(
        full=full,
        create=create,
        unconditional=unconditional,
        forced=direction in ("to", "from"),
        passes=tuple(pass_.value for pass_ in passes),
        records=tuple(records),
        allow_duplicates=allow_duplicates,
    )


def reporting(progress: Progress | None) -> Callable[[PassContext, Counters], None] | None:
    """Return what the engine calls after each batch, for those who want names and counters."""
    if progress is None:
        return None
    return lambda pass_context, counters: progress(pass_context.mapping.name, pass_context.pass_.value, counters)


def _outcome(context: ActionContext, outcome: RunOutcome) -> Run:
    if outcome.run is None:
        return Run(None, outcome.mapping, "failed", message=str(outcome.error) if outcome.error else None)
    return run_result(context, outcome.run)


def run_result(context: ActionContext, row: RunRow) -> Run:
    """Return a run with its jobs, the errors that it recorded, and the mapping's open conflicts and pending records."""
    with context.database.reading() as connection:
        mapping: StoredMapping = mapping_by_id(connection, row.mapping_id)
        jobs: list[Job] = [job_of(job, mapping.name) for job in jobs_of_run(connection, row.id)]
        return Run(
            id=row.id,
            mapping=mapping.name,
            state=row.state,
            jobs=tuple(jobs),
            errors=tuple(list_errors(connection, [mapping], run_id=row.id)),
            conflicts=tuple(list_conflicts(connection, [mapping], limit=_MOST_OPEN)),
            pending=tuple(list_pending(connection, [mapping], limit=_MOST_OPEN)),
            message=row.message,
        )
