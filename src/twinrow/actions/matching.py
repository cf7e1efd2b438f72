"""Match-based coupling: couples the uncoupled records of a mapping that agree in chosen fields (semantics 11.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.restraints import check_writable, show_read_only
from twinrow.actions.results import Run
from twinrow.actions.synchronization import run_result
from twinrow.engine.amend import Asked
from twinrow.engine.context import MappingContext, PassContext, RunOptions
from twinrow.engine.fields import FieldPlans, plan_fields
from twinrow.engine.match.criteria import Criteria, choose_criteria, named_rows
from twinrow.engine.match.exact import Matched, Matching, Progress
from twinrow.engine.match.job import COUPLING, CouplingJob
from twinrow.engine.run import Engine
from twinrow.model.errors import ConfigurationError
from twinrow.model.outcomes import Counters, LeftOut, Unmatched
from twinrow.model.sides import Pass
from twinrow.store.mappings import StoredMapping
from twinrow.store.proposals import REJECTED, known_pairs

MAKING, SYNCHRONIZING = "unmatched records carried over", "coupled records synchronized"


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What matching came to, in local records; with `run` None what it would come to.

    `criteria` names the groups in the order in which they were tried, `by_group` counts what each coupled. `looked_at` are the
    uncoupled records that took part: each was coupled or is `unmatched`, for the reason that counts it. `left_out` took no part;
    of these, `refused` counts records that were named, and cannot.
    `create_unmatched` and `sync_after` say what followed; `runs` are the runs that did so.
    """

    mapping: str
    run: int | None
    job: int | None
    criteria: tuple[str, ...]
    looked_at: int
    by_group: tuple[int, ...]
    unmatched: Mapping[Unmatched, int]
    left_out: Mapping[LeftOut, int]
    refused: int
    create_unmatched: bool
    sync_after: bool
    runs: tuple[Run, ...] = ()

    @property
    def coupled(self) -> int:
        """How many pairs were coupled, or would be."""
        return sum(self.by_group)

    @property
    def succeeded(self) -> bool:
        """Whether every record that took part has a counterpart now, and what followed came to its end without failures."""
        return not self.failed and all(run.succeeded for run in self.runs)

    @property
    def failed(self) -> int:
        """How many records have no counterpart, and get none by what follows."""
        if self.create_unmatched:
            return self.unmatched.get(Unmatched.UNSETTLED, 0) + self.refused
        return sum(self.unmatched.values()) + self.refused


def match(
    context: ActionContext,
    mapping: str,
    *,
    on: Sequence[Sequence[str]] = (),
    records: Sequence[str] = (),
    create_unmatched: bool | None = None,
    sync_after: bool | None = None,
    plan: bool = False,
    progress: Progress | None = None,
) -> MatchResult:
    """Couple each uncoupled local record with the one integration record that agrees with it.

    `on` names the fields to match by: each member is a group of fields that must agree together, and groups are tried in that
    order; without it the mapping's own criteria count. `records` are the local ids of the only records that are meant. Records
    that find nobody are told of one by one in the job's errors, or with `create_unmatched` their counterparts are made;
    `sync_after` synchronizes what was coupled (None: as the mapping says, for both). `plan` only says what would come of it.

    Raises `UnknownName` and `ConfigurationError` for criteria that are not there or cannot be compared, `LeaseHeld` while a run
    of the mapping is under way, `Stopped`, and what keeps a system from being read.
    """
    stored = context.mapping(mapping)
    engine = context.engine()
    reading = engine.reading(mapping)
    criteria = choose_criteria(stored.mapping, _plans(engine, reading, on), on)
    makes = _makes_unmatched(reading, create_unmatched)
    follows = stored.mapping.synch_after_match_based_coupling if sync_after is None else sync_after
    if not plan:
        _check_what_follows(context, reading, makes=makes, follows=follows)
    if plan:
        with Matching(reading, criteria, records, progress) as matching:
            for _ in matching.pairs():
                pass
            for _ in matching.unmatched():
                pass
        return _result(mapping, criteria, matching.result, makes=makes, follows=follows)
    asked = Asked(amendment=COUPLING, asked="matched by " + ", then ".join(_names(criteria)), who=context.who)
    with engine.amending(mapping, asked) as amendments:
        job = CouplingJob(amendments.shared)
        with Matching(amendments.shared, criteria, records, progress, job.pause) as matching:
            for number, pairs in matching.pairs():
                rejected = _rejected(context, amendments.shared.mapping, pairs)
                job.couple(pairs.join(rejected, on=rejected.columns, how="anti"))
                if rejected.height:
                    matching.take_back(number, rejected.height)
                    reason = pl.lit(Unmatched.REJECTED.value).alias("reason")
                    job.tell_unmatched(rejected.select("local_id", reason))
            for told in matching.unmatched():
                job.tell_unmatched(told, to_be_made=makes)
        refused = [(id, reason.value) for id, reason in matching.result.refused.items()]
        if refused:
            job.tell_unmatched(pl.DataFrame(refused, schema=["local_id", "reason"], orient="row"))
        job.finish(_message(matching.result))
    runs = []
    if makes and matching.result.unmatched:
        asked_next = RunOptions(retry_only=True, passes=(Pass.TO.value,))
        runs.append(_run(context, mapping, asked_next, MAKING, progress))
    if follows and job.couplings is not None:
        runs.append(_run(context, mapping, RunOptions(coupled=job.couplings), SYNCHRONIZING, progress))
    return _result(
        mapping, criteria, matching.result, (amendments.run_id, job.number), runs, makes=makes, follows=follows
    )


def _plans(engine: Engine, reading: MappingContext, on: Sequence[Sequence[str]]) -> FieldPlans:
    """Return the mapping's fields, with those that are named although their field mapping is disabled."""
    mapping = reading.mapping.mapping
    rows = [row.model_copy(update={"enabled": True}) for row in named_rows(mapping, on)]
    if not rows:
        return reading.plans
    tables = {side: end.table for side, end in reading.ends.items()}
    enabled = mapping.model_copy(update={"fields": tuple(rows)})
    more = plan_fields(enabled, tables, engine.transformations, (), engine.settings)
    return FieldPlans((*reading.plans.plans, *more.plans), reading.plans.unavailable)


def _rejected(context: ActionContext, stored: StoredMapping, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return those of the pairs (`local_id`, `integration_id`) of which a person has said that they are not the same."""
    with context.database.reading() as connection:
        known = known_pairs(connection, stored, pairs.get_column("local_id").to_list())
    said = known.filter(pl.col("state") == REJECTED).select("local_id", "integration_id")
    return pairs.select("local_id", "integration_id").join(said, on=["local_id", "integration_id"], how="semi")


def _makes_unmatched(reading: MappingContext, wanted: bool | None) -> bool:
    """Return whether counterparts are made; refuse where that was asked for and cannot be."""
    mapping = reading.mapping.mapping
    if wanted is None:
        wanted = mapping.create_new_in_case_of_no_match
        said_so = False
    else:
        said_so = wanted
    table = mapping.table(Pass.TO.destination)
    if Pass.TO not in mapping.direction.passes:
        cause = "It only goes from the integration side."
    elif not reading.ends[Pass.TO.destination].capabilities.can_create:
        cause = f"No records can be made in {table}."
    else:
        return wanted
    if said_so:
        message = f"{mapping.name} makes no counterparts for records that find none"
        raise ConfigurationError(message, cause=cause, remedy="Leave --create-unmatched out.")
    return False


def _check_what_follows(context: ActionContext, reading: MappingContext, *, makes: bool, follows: bool) -> None:
    """Refuse before anything is coupled where nothing of what is to follow may be written."""
    written = {pass_.destination for pass_ in reading.mapping.mapping.direction.passes}
    if makes:
        check_writable(context, [Pass.TO.destination])
    elif follows and written <= show_read_only(context):
        check_writable(context, written)


def _run(context: ActionContext, mapping: str, options: RunOptions, what: str, progress: Progress | None) -> Run:
    done = 0

    def told(_context: PassContext, counters: Counters) -> None:
        nonlocal done
        done += counters.read
        if progress is not None:
            progress(what, done)

    return run_result(context, context.engine().run(mapping, options, progress=told))


def _names(criteria: Criteria) -> list[str]:
    return [criteria.named(number) for number in range(len(criteria.groups))]


def _message(result: Matched) -> str:
    reasons = ", ".join(f"{count:,} {reason.value}" for reason, count in result.unmatched.items())
    told = f"{result.matched:,} of {result.looked_at:,} records were coupled"
    return f"{told}; of the others {reasons}." if reasons else f"{told}."


def _result(
    mapping: str,
    criteria: Criteria,
    matched: Matched,
    numbers: tuple[int | None, int | None] = (None, None),
    runs: Sequence[Run] = (),
    *,
    makes: bool,
    follows: bool,
) -> MatchResult:
    return MatchResult(
        mapping=mapping,
        run=numbers[0],
        job=numbers[1],
        criteria=tuple(_names(criteria)),
        looked_at=matched.looked_at,
        by_group=tuple(matched.by_group),
        unmatched={reason: matched.unmatched[reason] for reason in Unmatched if reason in matched.unmatched},
        left_out={reason: matched.left_out[reason] for reason in LeftOut if reason in matched.left_out},
        refused=len(matched.refused),
        create_unmatched=makes,
        sync_after=follows,
        runs=tuple(runs),
    )
