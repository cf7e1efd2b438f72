"""Choice: conflicts are settled because a person says whose value it is to be, or which.

The side that loses counts as unchanged from then on: its present value becomes its base, and the winner's base is one that it
differs from. So the next run carries the winner's value over, through all the rules of the field, with the care of any run.
Another value is written to the local side first, which then wins. Where a value has moved since the conflict was listed, the
person chose between other values than there are now: that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.convert import convert
from twinrow.engine import columns as c
from twinrow.engine.amend import RECORD, SOURCE_THERE, THERE, Amendments, look, unsettled_ids
from twinrow.engine.context import ReadContext
from twinrow.engine.decide import any_of
from twinrow.engine.fields import FieldPlan
from twinrow.engine.rewriting import CAME, DONE, NOTHING, expected, rewrite, unlike, value
from twinrow.model.errors import DataError
from twinrow.model.mapping import ConflictScope
from twinrow.model.outcomes import Counters
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Field, FieldType
from twinrow.store.bases import base_column, read_bases, update_bases
from twinrow.store.bulk import delete_in
from twinrow.store.conflicts import Conflict, forget_conflicts
from twinrow.store.couplings import by_number, update_couplings
from twinrow.store.leases import check_fence
from twinrow.store.runs import advance_job
from twinrow.store.tables import undone

_GONE = "one of the two records is gone"
_MOVED = "a value has changed since the conflict was listed"
_UNSETTLED = "it is not known yet what became of what was sent for the record"
_NOT_MAPPED = "the field is not mapped any more"
_TEXT = Field("value", FieldType.TEXT)


@dataclass(slots=True)
class Chosen:
    """What became of conflicts: the numbers of those that are settled, and why the others are not."""

    settled: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    """The local ids of the records that the next run carries over."""


def choose(amendments: Amendments, conflicts: Sequence[Conflict], winner: Side, new_value: str | None = None) -> Chosen:
    """Settle conflicts of the mapping: `winner` wins, or `new_value` (as text, in the local side's terms) is written first.

    Raises `DataError` for a value that the local field cannot hold.
    """
    context = ReadContext(amendments.shared, Pass.TO)
    result = Chosen()
    plans = {plan.key: plan for plan in context.plans.plans if plan.bidirectional}
    known = [conflict for conflict in conflicts if conflict.field in plans]
    result.refused |= {conflict.id: _NOT_MAPPED for conflict in conflicts if conflict.field not in plans}
    typed = {one.field: _typed(plans[one.field], new_value) for one in known} if new_value is not None else {}
    frame = _beside(context, known)
    frame = _judged(amendments, frame, plans)
    refused = frame.filter(pl.col("reason").is_not_null())
    reasons = refused.get_column("reason").to_list()
    result.refused |= dict(zip(refused.get_column("number").to_list(), reasons, strict=True))
    frame = frame.filter(pl.col("reason").is_null())
    if typed:
        frame = _write(amendments, frame, plans, typed, result)
    _store(amendments, frame, plans, winner)
    result.settled = frame.get_column("number").to_list()
    result.records = frame.get_column("source_id").unique(maintain_order=True).to_list()
    return result


def _typed(plan: FieldPlan, text: str) -> str:
    """Return the canonical text of the value that a person has written for a local field."""
    local = plan.field(Side.LOCAL)
    converted = convert(pl.col("value"), _TEXT, local)
    row = pl.DataFrame({"value": [text]}).select(
        canonical(converted.value, local).alias("text"), converted.error.alias("error"), converted.lost.alias("lost")
    )
    found, error, lost = row.row(0)
    if error is not None or lost:
        raise DataError(f"{text!r} is no value for {local.name}", cause=error or "It does not fit.", field=plan.key)
    return str(found)


def _beside(context: ReadContext, conflicts: Sequence[Conflict]) -> pl.DataFrame:
    """Return the conflicts (`number`, `field`, both values as listed) beside both records as they are now."""
    told = pl.DataFrame(
        [(one.id, one.coupling_id, one.field, one.local_value, one.integration_value) for one in conflicts],
        schema={
            "number": pl.Int64(),
            "coupling_id": pl.Int64(),
            "field": pl.String(),
            "listed_local": pl.String(),
            "listed_integration": pl.String(),
        },
        orient="row",
    )
    with context.shared.database.reading() as connection:
        numbers = told.get_column("coupling_id").unique().to_list()
        couplings = by_number(connection, context.mapping, numbers)
    records = couplings.select(
        "coupling_id", pl.col("local_id").alias("source_id"), pl.col("integration_id").alias("destination_id")
    )
    seen = look(context, records.select(*RECORD))
    return told.join(seen, on="coupling_id", how="left", maintain_order="left")


def _judged(amendments: Amendments, frame: pl.DataFrame, plans: dict[str, FieldPlan]) -> pl.DataFrame:
    """Add `reason`: why a conflict cannot be settled. A conflict of a group cannot where another one of it cannot."""
    held = unsettled_ids(amendments.shared)
    moved = any_of(
        (pl.col("field") == key)
        & (
            (pl.col(c.source(plan.index)) != pl.col("listed_local"))
            | (pl.col(c.found(plan.index)) != pl.col("listed_integration"))
        ).fill_null(True)
        for key, plan in plans.items()
    )
    waits = pl.col("source_id").is_in(sorted(held[Side.LOCAL])) | pl.col("destination_id").is_in(
        sorted(held[Side.INTEGRATION])
    )
    there = pl.col(THERE).fill_null(False) & pl.col(SOURCE_THERE).fill_null(False)
    groups = {key: plan.mapping.merge_group or key for key, plan in plans.items()}
    together = (
        pl.lit("record")
        if amendments.shared.mapping.mapping.conflict_scope is ConflictScope.RECORD
        else pl.col("field").replace_strict(groups, default=pl.col("field"), return_dtype=pl.String)
    )
    judged = frame.with_columns(
        pl.when(~there)
        .then(pl.lit(_GONE))
        .when(waits.fill_null(False))
        .then(pl.lit(_UNSETTLED))
        .when(moved)
        .then(pl.lit(_MOVED))
        .alias("reason"),
        together.alias("group"),
    )
    return judged.with_columns(pl.col("reason").drop_nulls().first().over("coupling_id", "group"))


def _write(
    amendments: Amendments,
    frame: pl.DataFrame,
    plans: dict[str, FieldPlan],
    typed: dict[str, str],
    result: Chosen,
) -> pl.DataFrame:
    """Write the value to the local side; return the conflicts of which that is done."""
    amendment = amendments.writing(Pass.FROM)
    done = []
    for key, text in typed.items():
        index = plans[key].index
        wanted = frame.filter(pl.col("field") == key).select(
            "coupling_id",
            pl.col("destination_id").alias("source_id"),
            pl.col("source_id").alias("destination_id"),
            pl.lit(text).alias(value(index)),
            pl.col("listed_local").alias(expected(index)),
        )
        if wanted.is_empty():
            continue
        came = rewrite(amendment, wanted)
        well = came.filter(pl.col(CAME).is_in([DONE, NOTHING]))
        written = came.filter(pl.col(CAME) == DONE).height
        with amendment.shared.database.transaction() as connection:
            check_fence(connection, amendment.shared.lease)
            failed = came.height - well.height
            counters = Counters(read=came.height, modified=written, unchanged=well.height - written, failed=failed)
            advance_job(connection, amendment.context.job.id, counters, {}, None, None)
        here = frame.filter(pl.col("field") == key)
        fine = here.filter(pl.col("coupling_id").is_in(well.get_column("coupling_id").implode()))
        done.append(fine.with_columns(pl.lit(text).alias(c.source(index))))
        for number in here.join(fine, on="number", how="anti").get_column("number").to_list():
            result.refused[number] = "the local system did not take the value"
    return pl.concat(done) if done else frame.head(0)


def _store(amendments: Amendments, frame: pl.DataFrame, plans: dict[str, FieldPlan], winner: Side) -> None:
    """Make the loser's values its bases, those of the whole group where there is one; the winner's differ from its own.

    That holds for members that were not named, too: one that only the loser has changed, or that was never reconciled, would
    else count as unchanged on both sides, and stay different.
    """
    if frame.is_empty():
        return
    shared = amendments.shared
    context = amendments.writing(Pass.TO if winner is Side.LOCAL else Pass.FROM).context
    identities = context.plans.identities
    numbers = frame.get_column("coupling_id").unique(maintain_order=True).to_list()
    present = {Side.LOCAL: c.source, Side.INTEGRATION: c.found}
    chosen = frame.group_by("coupling_id", maintain_order=True).agg(
        pl.col("group").alias("groups"),
        pl.exclude("field", "group", "coupling_id").last(),
    )
    values = _latest(frame, chosen, plans)
    with shared.database.reading() as connection:
        bases = read_bases(connection, shared.mapping.id, identities, numbers)
    joined = values.join(bases, on="coupling_id", how="left", maintain_order="left")
    by_index = {plan.index: plan for plan in plans.values()}
    whole_record = shared.mapping.mapping.conflict_scope is ConflictScope.RECORD
    columns: list[pl.Expr] = []
    for index in range(len(identities)):
        plan = by_index.get(index)
        if plan is None:
            columns += [pl.col(base_column(side, index)) for side in Side]
            continue
        with_it = pl.col("groups").list.contains(plan.mapping.merge_group or plan.key) | whole_record
        for side in Side:
            now, base = pl.col(present[side](index)), pl.col(base_column(side, index))
            kept = unlike(now, base) if side is winner else now
            columns.append(pl.when(with_it).then(kept).otherwise(base).alias(base_column(side, index)))
    with shared.database.transaction() as connection:
        check_fence(connection, shared.lease)
        update_bases(connection, context.shape, len(identities), joined.select("coupling_id", *columns))
        nothing = pl.lit(None, dtype=pl.String)
        versions = [nothing.alias(f"{side.value}_version") for side in Side]
        update_couplings(connection, joined.select("coupling_id", *versions))
        forget_conflicts(connection, frame.get_column("number").to_list())
        for key in frame.get_column("field").unique().to_list():
            here = frame.filter(pl.col("field") == key).get_column("coupling_id").to_list()
            delete_in(connection, undone, "coupling_id", here, field=plans[key].identity)


def _latest(frame: pl.DataFrame, chosen: pl.DataFrame, plans: dict[str, FieldPlan]) -> pl.DataFrame:
    """Return one row for each coupling, with the local values that were written just now."""
    for key, plan in plans.items():
        own = frame.filter(pl.col("field") == key).select("coupling_id", pl.col(c.source(plan.index)).alias("@own"))
        chosen = (
            chosen.join(own, on="coupling_id", how="left", maintain_order="left")
            .with_columns(pl.coalesce("@own", c.source(plan.index)).alias(c.source(plan.index)))
            .drop("@own")
        )
    return chosen
