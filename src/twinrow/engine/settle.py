"""Settle: everything that a batch has brought about, in one store transaction under the run's fence.

New couplings, bases, versions, the journal, pending records, conflicts, errors, counters and the run cursor are stored
together, and the intents of the batch are forgotten, but for records whose answer is still missing.

A side's version is stored only when the base then tells all of that side's mapped values: otherwise (an open conflict, a
change that the other pass must carry, a field that the system's own logic changed) it is left null, and the record is looked
at field by field the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.canonical import NULL, canonical
from twinrow.batch.columns import DELETED, ID, INSTANT, MODIFIED_AT, MODIFIED_BY, VERSION, column_type
from twinrow.connectors.base import Status
from twinrow.engine import columns as c
from twinrow.engine.complete import extra, extra_before, extra_fields
from twinrow.engine.context import PassContext
from twinrow.engine.decide import CREATE, DEACTIVATE, RESTORE, any_of
from twinrow.engine.fields import FieldPlan
from twinrow.engine.kept import forget_changed
from twinrow.engine.pair import PENDING, is_skipped
from twinrow.engine.plan import MOVED
from twinrow.engine.questions import leave_to_the_other
from twinrow.engine.write import Sent
from twinrow.model.mapping import ConflictScope
from twinrow.model.outcomes import Counters, Decision, Outcome, Recovery
from twinrow.model.sides import Side
from twinrow.store.bases import base_column, insert_bases, update_bases
from twinrow.store.conflicts import CONFLICT_SCHEMA, replace_conflicts
from twinrow.store.couplings import GONE, PREFER, State, insert_couplings, remove_couplings, set_state, update_couplings
from twinrow.store.errors import ERROR_SCHEMA, add_errors
from twinrow.store.intents import keep_in_intent
from twinrow.store.journal import NEW, OLD, UNMAPPED, add_entry
from twinrow.store.leases import check_fence
from twinrow.store.pending import PENDING_SCHEMA, clear_conflicts, clear_pending, save_pending, save_unresolved
from twinrow.store.restraints import check_stop
from twinrow.store.runs import advance_job
from twinrow.store.watermarks import remember_seen


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch came to.

    `looked_at` are records that were decided field by field (with the results of their writes), `passed` those whose outcome
    needed no look, `postponed` those that are dealt with, and counted, at the end of the pass (`engine.gone`). `sent` are the
    intents of the batch, `old_intent` an earlier one that it has cleared up, with the rows that still are not clear;
    `recheck_from` and `rows` say which source rows will come again. `echoes` are unchanged (`engine.echoes`).
    """

    looked_at: pl.DataFrame
    passed: Sequence[pl.DataFrame] = ()
    postponed: Sequence[pl.DataFrame] = ()
    sent: Sequence[Sent] = ()
    old_intent: tuple[int, pl.DataFrame] | None = None
    rows: pl.DataFrame | None = None
    recheck_from: datetime | None = None
    newest_related: int = 0
    deadlines: dict[str, datetime] = field(default_factory=dict)
    echoes: pl.DataFrame | None = None


_PARTLY = [int(Decision.CONFLICT), int(Decision.OSCILLATING)]
"""What fails a record because of some fields, while its others are carried and settled."""


def settle(context: PassContext, batch: Batch, stage: str, cursor: str | None) -> Counters:
    """Store what the batch came to, and return its counters. Raises `LeaseLost` when another process has the run, and `Stopped`,
    when all is stored, where everything was stopped.
    """
    now = context.shared.clock.now()
    frame = _final(context, batch.looked_at)
    with context.database.transaction() as connection:
        stopped = check_fence(connection, context.shared.lease)
        _remove(connection, context, frame)
        frame = _couple(connection, context, frame)
        _store_bases(connection, context, frame)
        if context.keeps_undone and frame.height:
            forget_changed(connection, context, frame.filter("@settled"))
        _store_journal(connection, context, frame, now)
        _store_conflicts(connection, context, frame, now)
        _store_unresolved(connection, context, frame, batch.newest_related)
        _store_pending(connection, context, frame, batch, now)
        if frame.height:
            leave_to_the_other(connection, context, frame, now)
        for passed in batch.passed:
            _mark_gone(connection, context, passed)
        for postponed in batch.postponed:
            _postpone(connection, context, postponed)
        _forget_intents(connection, batch, frame)
        for rows in (batch.rows, batch.echoes):
            if rows is not None and batch.recheck_from is not None:
                again = rows.filter(pl.col(MODIFIED_AT) >= batch.recheck_from)
                remember_seen(connection, context.mapping, context.pass_.source, again)
        counters, reasons = count_outcomes([*batch.passed, frame])
        if batch.echoes is not None:
            counters += Counters(read=batch.echoes.height, unchanged=batch.echoes.height)
        advance_job(connection, context.job.id, counters, reasons, stage, cursor)
    if stopped:
        with context.database.reading() as connection:
            check_stop(connection)
    return counters


# What became of each record.


@cache
def written() -> pl.Expr:
    """Return where the record's write was carried out and answered."""
    return (pl.col("@status") == Status.WRITTEN.value).fill_null(False)


@cache
def deactivated() -> pl.Expr:
    """Return where the record's counterpart was marked as given up, instead of being deleted."""
    return ((pl.col(c.WRITE) == DEACTIVATE) & written()).fill_null(False)


def _final(context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Turn results of writes into the final decision and outcome, apply the skip rule, say who is to act."""
    if frame.is_empty():
        names = ("@settled", "@skips", "@made", "@found_again")
        return frame.with_columns(pl.lit(None, dtype=pl.Boolean).alias(name) for name in names)
    status = pl.col("@status")
    failures = {
        Status.REFUSED: Decision.REFUSED,
        Status.UNSENT: Decision.REFUSED,
        Status.STALE: Decision.STALE,
        Status.INDETERMINATE: Decision.INDETERMINATE,
        Status.MISSING: Decision.COUNTERPART_GONE,
    }
    unanswered = pl.col(c.WRITE).is_not_null() & ~written()
    decision = (
        pl.when(unanswered)
        .then(
            status.replace_strict(
                {s.value: int(d) for s, d in failures.items()}, default=int(Decision.REFUSED), return_dtype=pl.Int64
            )
        )
        .otherwise(pl.col(c.DECISION))
    )
    frame = frame.with_columns(
        decision.alias(c.DECISION),
        pl.when(unanswered).then(pl.lit(Outcome.FAILED.value)).otherwise(pl.col(c.OUTCOME)).alias(c.OUTCOME),
        pl.when(unanswered).then(_write_message(context)).otherwise(pl.col(c.MESSAGE)).alias(c.MESSAGE),
        pl.when(unanswered).then(_error_key(context)).otherwise(pl.col(c.PROBLEM_FIELD)).alias(c.PROBLEM_FIELD),
        pl.when(unanswered & status.is_in([Status.UNSENT.value, Status.STALE.value, Status.INDETERMINATE.value]))
        .then(pl.lit(Recovery.RETRY.value))
        .when(unanswered)
        .then(pl.col("@recovery").fill_null(Recovery.DATA.value))
        .when(pl.col(c.OUTCOME) == Outcome.FAILED.value)
        .then(pl.lit(Recovery.DATA.value))
        .alias("@recovery"),
    )
    coupled = pl.col(c.COUPLING).is_not_null() | pl.col(c.DESTINATION_ID).is_not_null() | written()
    good = (pl.col(c.OUTCOME) != Outcome.FAILED.value) | (
        pl.col(c.DECISION).is_in(_PARTLY) & (pl.col(c.WRITE).is_null() | written())
    )
    kept = (
        pl.col(c.OUTCOME).is_in([Outcome.INSERTED.value, Outcome.MODIFIED.value, Outcome.UNCHANGED.value])
        | pl.col(c.DECISION).is_in([*_PARTLY, int(Decision.DESTINATION_WINS)])
        | deactivated()
    )
    making = pl.col(c.WRITE).is_in([CREATE, RESTORE]).fill_null(False)
    # What an unanswered create has made belongs to its source, whatever becomes of the update that follows.
    found_again = pl.col(c.ATTEMPTED) & pl.col(c.FETCHED) & ~making & (status != Status.MISSING.value).fill_null(True)
    return frame.with_columns(
        (good & kept & coupled & (~pl.col(DELETED) | deactivated())).alias("@settled"),
        found_again.fill_null(False).alias("@found_again"),
        (making & written()).fill_null(False).alias("@made"),
        _skips(context).alias("@skips"),
    ).with_columns(pl.when("@skips").then(pl.lit(Outcome.SKIPPED.value)).otherwise(pl.col(c.OUTCOME)).alias(c.OUTCOME))


def _write_message(context: PassContext) -> pl.Expr:
    side = context.pass_.destination.value
    return pl.coalesce(
        pl.when(pl.col("@status") == Status.STALE.value).then(
            pl.lit(f"the {side} record was changed again and again while it was being written")
        ),
        pl.when(pl.col("@status") == Status.INDETERMINATE.value).then(
            pl.lit(f"the {side} system has not answered, so that it is not known whether the record was written")
        ),
        pl.when(pl.col("@status") == Status.MISSING.value).then(pl.lit(f"the {side} record coupled to it was deleted")),
        pl.col("@error"),
        pl.lit(f"the {side} system refused the record"),
    )


def _error_key(context: PassContext) -> pl.Expr:
    side = context.pass_.destination
    keys = {plan.field(side).name: plan.key for plan in context.carried}
    return pl.col("@error_field").replace_strict(keys, default=pl.col("@error_field"), return_dtype=pl.String)


def _skips(context: PassContext) -> pl.Expr:
    """Return where the same failure has come twice in a row (semantics 6.1); waiting and open questions do not count."""
    if context.quarantine is not None:
        return pl.lit(False)  # the tables are to be looked at, not the records
    patient = [Decision.WAITING, Decision.INDETERMINATE, Decision.STALE, Decision.OSCILLATING]
    if context.mapping.mapping.conflict_scope is ConflictScope.FIELD:
        patient.append(Decision.CONFLICT)
    again = (
        (pl.col(PENDING + "message") == pl.col(c.MESSAGE))
        & (pl.col(PENDING + "decision") == pl.col(c.DECISION))
        & (pl.col(PENDING + "failures") >= 1)
    )
    return (
        (pl.col(c.OUTCOME) == Outcome.FAILED.value)
        & ~pl.col(c.DECISION).is_in([int(decision) for decision in patient])
        & (pl.col("@recovery") != Recovery.RETRY.value)
        & again
    ).fill_null(False)


# Couplings and bases.

_BLANKS = [NULL, "", "0", "false"]
"""Canonical texts that say that nobody has filled a field."""


def _actual(context: PassContext, plan: FieldPlan) -> pl.Expr:
    """Return the destination's value as it is now, as far as it is known."""
    i = plan.index
    if not plan.has_field(context.pass_.destination):
        return pl.col(c.base_destination(i))
    known = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(pl.col(c.base_destination(i)))
    return pl.when(written() & pl.col(c.returned(i)).is_not_null()).then(pl.col(c.returned(i))).otherwise(known)


def _new_source(context: PassContext, plan: FieldPlan) -> pl.Expr:
    i = plan.index
    present = pl.col(c.source(i))
    if not plan.carried_in(context.pass_):
        return present if plan.has_field(context.pass_.source) else pl.col(c.base_source(i))
    done = (pl.col(c.send(i)) & written()) | pl.col(c.refresh(i)) | pl.col("@made")
    return pl.when(done).then(present).otherwise(pl.col(c.base_source(i)))


def _new_destination(context: PassContext, plan: FieldPlan) -> pl.Expr:
    i = plan.index
    side = context.pass_.destination
    before = pl.col(c.base_destination(i))
    if not plan.has_field(side):
        if plan.is_constant:
            field_ = plan.field(side)
            return canonical(pl.lit(plan.mapping.constant).cast(column_type(field_)), field_)
        return before
    if not plan.carried_in(context.pass_):
        # What a new record's system filled in by itself is a change of that side and travels back; a blank is none.
        blank = pl.col("@made") & pl.col(c.returned(i)).is_in(_BLANKS)
        return pl.when(blank | deactivated()).then(pl.col(c.returned(i))).otherwise(before)
    actual = _actual(context, plan)
    found = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(before)
    sent = (pl.col(c.send(i)) & written()) | pl.col("@made") | deactivated()
    if not plan.bidirectional:
        return pl.when(sent | pl.col(c.refresh(i)) | written()).then(actual).otherwise(found)
    return pl.when(sent).then(actual).when(pl.col(c.refresh(i))).then(found).otherwise(before)


def _settled_side(context: PassContext, side: Side, new: str, now: str) -> pl.Expr:
    """Return where the new base tells all values that the side has now."""
    conditions = []
    for plan in context.plans.plans:
        if plan.derived is not None and plan.derived.on_create_only:
            continue
        known = pl.col(f"{new}.{plan.index}")
        if plan.has_field(side):
            conditions.append((known == pl.col(f"{now}.{plan.index}")).fill_null(False))
        else:
            conditions.append(known.is_not_null())
    return pl.all_horizontal(conditions) if conditions else pl.lit(True)


def _with_new_bases(context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.with_columns(context.once("new bases", lambda: _new_bases(context)))
    return frame.with_columns(context.once("new versions", lambda: _new_versions(context)))


def _new_bases(context: PassContext) -> list[pl.Expr]:
    return [
        *(_new_source(context, plan).alias(f"new_source.{plan.index}") for plan in context.plans.plans),
        *(_new_destination(context, plan).alias(f"new_destination.{plan.index}") for plan in context.plans.plans),
        *(_actual(context, plan).alias(f"actual.{plan.index}") for plan in context.plans.plans),
    ]


def _new_versions(context: PassContext) -> list[pl.Expr]:
    destination_version = (
        pl.when(written()).then(pl.col("@written_version")).otherwise(pl.col(c.TOKEN))
        if context.destination.capabilities.version_checks
        else pl.lit(None, dtype=pl.String)
    )
    source = _settled_side(context, context.pass_.source, "new_source", "source")
    destination = _settled_side(context, context.pass_.destination, "new_destination", "actual")
    # In a conflict both sides stay changed: the times that the coupling remembers do not move (A135).
    open_still = pl.col(c.DECISION) == int(Decision.CONFLICT)
    source_modified = [pl.col(MODIFIED_AT).dt.epoch("us")]
    destination_modified = [pl.col("@written_modified_at").dt.epoch("us"), pl.col(c.FOUND_MODIFIED_AT).dt.epoch("us")]
    return [
        pl.when(source).then(pl.col(VERSION)).alias("@new_source_version"),
        pl.when(destination).then(destination_version).alias("@new_destination_version"),
        _newest(c.SOURCE_MODIFIED_AT, source_modified, open_still).alias("@new_source_modified"),
        _newest(c.DESTINATION_MODIFIED_AT, destination_modified, open_still).alias("@new_destination_modified"),
    ]


def _newest(known: str, further: Sequence[pl.Expr], unmoved: pl.Expr) -> pl.Expr:
    return pl.when(unmoved).then(pl.col(known)).otherwise(pl.max_horizontal(pl.col(known), *further))


def _coupling_columns(context: PassContext, frame: pl.DataFrame) -> list[pl.Expr]:
    source, destination = context.pass_.source.value, context.pass_.destination.value
    given_up = pl.lit(int(GONE[context.pass_.source] | State.DEACTIVATED), dtype=pl.Int64)
    return [
        pl.col("@new_source_version").alias(f"{source}_version"),
        pl.col("@new_destination_version").alias(f"{destination}_version"),
        pl.col("@new_source_modified").alias(f"{source}_modified_at"),
        pl.col("@new_destination_modified").alias(f"{destination}_modified_at"),
        pl.when(deactivated()).then(given_up).otherwise(_preference(context, frame)).alias("state"),
    ]


def _preference(context: PassContext, frame: pl.DataFrame) -> pl.Expr:
    """Return the state of settled couplings: 0, or which side was chosen at coupling, as long as a field waits for its pass."""
    preference = pl.col(c.STATE).fill_null(0) & int(PREFER[Side.LOCAL] | PREFER[Side.INTEGRATION])
    none = pl.lit(0, dtype=pl.Int64)
    if frame.filter(preference != 0).is_empty():
        return none
    waiting = [
        pl.col(f"{new}.{plan.index}").is_null()
        for plan in context.plans.plans
        if plan.bidirectional
        for new in ("new_source", "new_destination")
    ]
    return pl.when(pl.any_horizontal(waiting)).then(preference).otherwise(none) if waiting else none


def _couple(connection: Connection, context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Store new couplings and the versions of those that are settled; number the new ones in the frame."""
    if frame.is_empty():
        return frame
    destination_id = pl.when("@made").then(pl.col("@written_id")).otherwise(pl.col(c.DESTINATION_ID))
    frame = _with_new_bases(context, frame.with_columns(destination_id.alias(c.DESTINATION_ID)))
    is_new = (pl.col("@settled") | pl.col("@found_again")) & pl.col(c.COUPLING).is_null()
    new = frame.filter(is_new)
    frame = frame.with_columns(is_new.alias("@newly_coupled"))
    if new.height:
        source, destination = context.pass_.source.value, context.pass_.destination.value
        stored = new.select(
            pl.col(ID).alias(f"{source}_id"),
            pl.col(c.DESTINATION_ID).alias(f"{destination}_id"),
            *_coupling_columns(context, new),
        ).select("local_id", "integration_id", *_STORED_ORDER)
        numbered = insert_couplings(connection, context.mapping, stored)
        numbers = numbered.select(pl.col(f"{source}_id").alias(ID), pl.col("coupling_id").alias("@new_number"))
        frame = (
            frame.join(numbers, on=ID, how="left", maintain_order="left")
            .with_columns(pl.coalesce("@new_number", c.COUPLING).alias(c.COUPLING))
            .drop("@new_number")
        )
    known = frame.filter(pl.col("@settled") & ~pl.col("@newly_coupled"))
    if known.height:
        update_couplings(
            connection, known.select(pl.col(c.COUPLING).alias("coupling_id"), *_coupling_columns(context, known))
        )
    return frame


_STORED_ORDER = (
    "local_version",
    "integration_version",
    "local_modified_at",
    "integration_modified_at",
    "state",
)


def _remove(connection: Connection, context: PassContext, frame: pl.DataFrame) -> None:
    """Forget the couplings that are removed, and those whose counterpart was made anew."""
    if frame.is_empty():
        return
    source, destination = context.pass_.source.value, context.pass_.destination.value
    deleted = (pl.col(c.OUTCOME) == Outcome.DELETED.value) & ~deactivated()
    removed = (pl.col(c.DECISION) == int(Decision.REMOVE_COUPLING)) | deleted
    number = pl.when(removed).then(pl.col(c.COUPLING)).otherwise(pl.col("@replaced_coupling"))
    gone = frame.select(
        number.alias("coupling_id"),
        pl.col(ID).alias(f"{source}_id"),
        pl.col("@old_destination_id").alias(f"{destination}_id"),
    ).drop_nulls("coupling_id")
    if gone.height:
        remove_couplings(connection, context.mapping, gone)


def _store_bases(connection: Connection, context: PassContext, frame: pl.DataFrame) -> None:
    if frame.is_empty():
        return
    source, destination = context.pass_.source, context.pass_.destination
    fields = len(context.plans.plans)
    texts = frame.filter(pl.col("@settled") | pl.col("@newly_coupled")).select(
        pl.col(c.COUPLING).alias("coupling_id"),
        "@newly_coupled",
        *(pl.col(f"new_source.{i}").alias(base_column(source, i)) for i in range(fields)),
        *(pl.col(f"new_destination.{i}").alias(base_column(destination, i)) for i in range(fields)),
    )
    insert_bases(connection, context.shape, fields, texts.filter("@newly_coupled"))
    update_bases(connection, context.shape, fields, texts.filter(~pl.col("@newly_coupled")))


# The rest.


def _store_journal(connection: Connection, context: PassContext, frame: pl.DataFrame, now: datetime) -> None:
    if frame.is_empty():
        return
    told = [plan for plan in context.plans.plans if c.recovered_new(plan.index) in frame.columns]
    if told:
        _journal_recovered(connection, context, frame, told, now)
    made = pl.col("@made")
    deleted = (pl.col(c.OUTCOME) == Outcome.DELETED.value) & ~deactivated()
    entries: list[tuple[str, pl.Expr, Callable[[PassContext, pl.DataFrame], list[pl.Expr]]]] = [
        ("create", written() & made, _made_columns),
        ("update", written() & ~made & ~deleted, _updated_columns),
        ("delete", deleted, _deleted_columns),
    ]
    for kind, here, columns in entries:
        rows = frame.filter(here)
        if rows.height:
            entry = _journal_rows(rows, columns(context, rows))
            add_entry(connection, context.mapping.id, context.shared.run.id, context.pass_, kind, now, entry)


def _journal_rows(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> pl.DataFrame:
    return frame.select(
        pl.col(c.COUPLING).alias("coupling_id"),
        pl.col(ID).alias("source_id"),
        pl.col(c.DESTINATION_ID).alias("destination_id"),
        pl.col(c.DECISION).alias("decision"),
        pl.col("@written_version").alias("version"),
        *columns,
    )


def _made_columns(context: PassContext, frame: pl.DataFrame) -> list[pl.Expr]:
    """Return what a new record holds: the mapped fields, and what templates and rules have filled in besides."""
    nothing = pl.lit(None, dtype=pl.String)
    columns: list[pl.Expr] = []
    for plan in context.plans.plans:
        if plan.has_field(context.pass_.destination):
            new = pl.col(c.returned(plan.index)).alias(NEW + plan.identity)
            columns += [nothing.alias(OLD + plan.identity), new]
    return columns + _unmapped_columns(context, frame)


def _unmapped_columns(context: PassContext, frame: pl.DataFrame) -> list[pl.Expr]:
    """Return the fields that are not mapped and were written: by a template, a rule, or as a mark of what is given up."""
    columns: list[pl.Expr] = []
    for name in extra_fields(frame):
        value = canonical(pl.col(extra(name)), context.destination.table.field(name))
        old = pl.col(extra_before(name)) if extra_before(name) in frame.columns else pl.lit(None, dtype=pl.String)
        new = pl.when(pl.col(extra(name)).is_not_null()).then(value)
        columns += [old.alias(OLD + UNMAPPED + name), new.alias(NEW + UNMAPPED + name)]
    return columns


def _deleted_columns(context: PassContext, frame: pl.DataFrame) -> list[pl.Expr]:  # noqa: ARG001
    """Return what a deleted record held in the mapped fields."""
    columns: list[pl.Expr] = []
    for plan in context.plans.plans:
        if plan.has_field(context.pass_.destination):
            i = plan.index
            before = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(pl.col(c.base_destination(i)))
            columns += [before.alias(OLD + plan.identity), pl.lit(None, dtype=pl.String).alias(NEW + plan.identity)]
    return columns


def _updated_columns(context: PassContext, frame: pl.DataFrame) -> list[pl.Expr]:
    """Return, of an updated record, the fields that were sent and those that the destination has changed itself."""
    columns: list[pl.Expr] = []
    for plan in context.plans.plans:
        if not plan.has_field(context.pass_.destination):
            continue
        i = plan.index
        before = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(pl.col(c.base_destination(i)))
        sent = pl.col(c.send(i)) if plan.carried_in(context.pass_) else pl.lit(False)
        told = sent | (pl.col(c.returned(i)) != before).fill_null(False)
        columns += [
            pl.when(told).then(before).alias(OLD + plan.identity),
            pl.when(told).then(pl.col(c.returned(i))).alias(NEW + plan.identity),
        ]
    return columns + (_unmapped_columns(context, frame) if not frame.filter(deactivated()).is_empty() else [])


def _journal_recovered(
    connection: Connection, context: PassContext, frame: pl.DataFrame, told: Sequence[FieldPlan], now: datetime
) -> None:
    """Write down what was carried out although its answer is missing, as far as it is known now."""
    carried_out = pl.any_horizontal([pl.col(c.recovered_new(plan.index)).is_not_null() for plan in told])
    found = frame.filter(carried_out & pl.col(c.COUPLING).is_not_null()).with_columns(
        pl.lit(int(Decision.INDETERMINATE), dtype=pl.Int64).alias(c.DECISION),
        pl.lit(None, dtype=pl.String).alias("@written_version"),
    )
    columns = [
        pl.col(text(plan.index)).alias(name + plan.identity)
        for plan in told
        for text, name in ((c.recovered_old, OLD), (c.recovered_new, NEW))
    ]
    for kind, here in (("create", pl.col("@newly_coupled")), ("update", ~pl.col("@newly_coupled"))):
        entry = _journal_rows(found.filter(here), columns)
        add_entry(connection, context.mapping.id, context.shared.run.id, context.pass_, kind, now, entry)


def _store_conflicts(connection: Connection, context: PassContext, frame: pl.DataFrame, now: datetime) -> None:
    if frame.is_empty():
        return
    looked_at = frame.filter(pl.col("@settled") & pl.col(c.COUPLING).is_not_null())
    source, destination = context.pass_.source.value, context.pass_.destination.value
    parts = []
    in_conflict = looked_at.filter(pl.col(c.DECISION) == int(Decision.CONFLICT))
    for plan in context.carried if in_conflict.height else ():
        i = plan.index
        clashing = in_conflict.filter(pl.col(c.conflict(i)))
        if clashing.is_empty():
            continue
        parts.append(
            clashing.select(
                pl.col(c.COUPLING).alias("coupling_id"),
                pl.lit(plan.key).alias("field"),
                pl.col(c.base_source(i)).alias(f"base_{source}"),
                pl.col(c.base_destination(i)).alias(f"base_{destination}"),
                pl.col(c.source(i)).alias(f"{source}_value"),
                _actual(context, plan).alias(f"{destination}_value"),
                pl.col(MODIFIED_AT).alias(f"{source}_modified_at"),
                pl.col(c.FOUND_MODIFIED_AT).alias(f"{destination}_modified_at"),
                pl.col(MODIFIED_BY).alias(f"{source}_modified_by"),
                pl.col(c.FOUND_MODIFIED_BY).alias(f"{destination}_modified_by"),
            ).select(list(CONFLICT_SCHEMA))
        )
    found = pl.concat(parts) if parts else pl.DataFrame(schema=CONFLICT_SCHEMA)
    numbers = looked_at.get_column(c.COUPLING).to_list()
    replace_conflicts(connection, context.mapping, numbers, found, context.job.id, now)
    # Where this pass stands aside, it is the other one that settles the conflict.
    open_still = (pl.col(c.DECISION) == int(Decision.CONFLICT)) | any_of(
        pl.col(c.aside(plan.index)) for plan in context.carried
    )
    settled = looked_at.filter(~open_still).get_column(c.COUPLING).to_list()
    clear_conflicts(connection, context.mapping, context.pass_.opposite, settled)


def _store_unresolved(connection: Connection, context: PassContext, frame: pl.DataFrame, newest: int) -> None:
    if frame.is_empty():
        return
    finished = frame.filter("@settled")
    parts = [
        finished.filter(pl.col(c.unresolved(plan.index))).select(
            pl.col(c.COUPLING).alias("coupling_id"),
            pl.lit(plan.identity).alias("field"),
            pl.col(plan.field(context.pass_.source).name).cast(pl.String).alias("value"),
        )
        for plan in context.carried
        if plan.mapping.related_mapping
    ]
    if not parts:
        return
    numbers = finished.get_column(c.COUPLING).to_list()
    save_unresolved(connection, context.mapping, context.pass_, numbers, pl.concat(parts), newest)


def _store_pending(
    connection: Connection, context: PassContext, frame: pl.DataFrame, batch: Batch, now: datetime
) -> None:
    """Store what is to be tried again, with an error row for each failure; forget what is finished."""
    passed = [_failed_early(part) for part in batch.passed]
    parts = [part for part in passed if part.height]
    if frame.height:
        failed = (pl.col(c.OUTCOME) == Outcome.FAILED.value) | pl.col("@skips")
        clear_pending(connection, context.mapping, context.pass_, frame.filter(~failed).get_column(ID).to_list())
        parts.append(frame.filter(failed).select(_failure_columns()))
    failures = pl.concat(parts) if parts else pl.DataFrame()
    if failures.is_empty():
        return
    deadlines = pl.DataFrame(
        {ID: list(batch.deadlines), "not_before": list(batch.deadlines.values())},
        schema={ID: pl.String, "not_before": INSTANT},
    )
    waits = pl.col("decision") == int(Decision.WAITING)
    rows = failures.join(deadlines, on=ID, how="left", maintain_order="left").with_columns(
        pl.when(waits).then(batch.newest_related).alias("newest_coupling"),
        pl.lit(context.job.id).alias("job_id"),
        pl.coalesce("since", pl.lit(now)).alias("since"),
        pl.lit(now).alias("at"),
    )
    # What a plan does not say is not done later by itself either.
    stored = rows.filter((pl.col("message") != MOVED).fill_null(True)).select(
        pl.col(name).cast(kind) for name, kind in PENDING_SCHEMA.items()
    )
    save_pending(connection, context.mapping, context.pass_, stored)
    told = rows.select(
        pl.col(ID).alias("source_id"),
        pl.when(pl.col("coupling_id").is_not_null()).then(pl.col(c.DESTINATION_ID)).alias("destination_id"),
        *list(ERROR_SCHEMA)[2:],
    )
    add_errors(connection, context.mapping, context.pass_, context.job.id, now, told)


def _failure_columns() -> list[pl.Expr]:
    same = (pl.col(PENDING + "message") == pl.col(c.MESSAGE)).fill_null(False)
    return [
        pl.col(ID),
        pl.col(c.DESTINATION_ID),
        pl.col(c.COUPLING).alias("coupling_id"),
        pl.col(c.DECISION).alias("decision"),
        pl.col("@recovery").alias("recovery"),
        pl.col(c.PROBLEM_FIELD).alias("field"),
        pl.col(c.MESSAGE).alias("message"),
        pl.col("@error_code").alias("cause"),
        pl.col("@remedy").alias("remedy"),
        pl.when(same).then(pl.col(PENDING + "failures").fill_null(0) + 1).otherwise(1).alias("failures"),
        pl.col("@skips").alias("skipped"),
        pl.col(PENDING + "since").alias("since"),
    ]


def _failed_early(passed: pl.DataFrame) -> pl.DataFrame:
    """Return the pending rows of records that failed before their fields were looked at."""
    failed = passed.filter(pl.col(c.MESSAGE).is_not_null())
    again = (pl.col(PENDING + "message") == pl.col(c.MESSAGE)) & (pl.col(PENDING + "failures") >= 1)
    skips = again & (pl.col(c.DECISION) == int(Decision.REFUSED))
    recovery = pl.when(pl.col(c.DECISION) == int(Decision.INDETERMINATE)).then(pl.lit(Recovery.RETRY.value))
    none = pl.lit(None, dtype=pl.String)
    return failed.with_columns(
        recovery.otherwise(pl.lit(Recovery.CONFIGURATION.value)).alias("@recovery"),
        none.alias("@error_code"),
        none.alias("@remedy"),
        skips.fill_null(False).alias("@skips"),
    ).select(_failure_columns())


def _mark_gone(connection: Connection, context: PassContext, passed: pl.DataFrame) -> None:
    """Remember that the source records of couplings are gone; nothing is to be tried with them any more."""
    deleted = passed.filter(DELETED)
    open_work = deleted.filter(~is_skipped())  # what was set aside stays on that list
    clear_pending(connection, context.mapping, context.pass_, open_work.get_column(ID).to_list())
    gone = deleted.get_column(c.COUPLING).drop_nulls().to_list()
    if gone:
        set_state(connection, gone, on=GONE[context.pass_.source])


def _postpone(connection: Connection, context: PassContext, postponed: pl.DataFrame) -> None:
    """Remember what is to be dealt with at the end of the pass."""
    deleted = postponed.filter(DELETED).get_column(c.COUPLING).to_list()
    set_state(connection, deleted, on=GONE[context.pass_.source])
    uncoupled = postponed.filter(~pl.col(DELETED)).get_column(c.COUPLING).to_list()
    set_state(connection, uncoupled, on=GONE[context.pass_.destination] | State.TO_UNCOUPLE)


def _forget_intents(connection: Connection, batch: Batch, frame: pl.DataFrame) -> None:
    """Forget the batch's intents, but for the records whose answer is still missing: of those the newest is kept."""
    if batch.old_intent is not None:
        keep_in_intent(connection, *batch.old_intent)
    unanswered: list[str] = []
    if frame.height:
        lost = frame.filter(pl.col(c.DECISION) == int(Decision.INDETERMINATE))
        unanswered = lost.get_column(ID).to_list()
    for sent in reversed(batch.sent):
        kept = sent.rows.filter(pl.col("source_id").is_in(sorted(set(unanswered) & set(sent.unanswered))))
        keep_in_intent(connection, sent.intent, kept)
        told = set(kept.get_column("source_id").to_list())
        unanswered = [id for id in unanswered if id not in told]


def count_outcomes(frames: Sequence[pl.DataFrame]) -> tuple[Counters, dict[str, int]]:
    """Return the counters of decided frames, and how many records were ignored for each reason."""
    total = Counters()
    reasons: dict[str, int] = {}
    for frame in frames:
        if frame.is_empty():
            continue
        by_outcome = dict(frame.group_by(c.OUTCOME).len().iter_rows())
        coupled = int(frame.get_column("@newly_coupled").sum()) if "@newly_coupled" in frame.columns else 0
        total += Counters(read=frame.height, coupled=coupled, **by_outcome)
        ignored = frame.filter(pl.col(c.REASON).is_not_null()).group_by(c.REASON).len()
        for reason, count in ignored.iter_rows():
            reasons[reason] = reasons.get(reason, 0) + count
    return total, reasons
