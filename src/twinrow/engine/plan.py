"""Plan: what is stored of a decided record, and whether a record still is as it was when the plan was made.

Applying a plan takes its records through the stages again and writes only where that comes to the same: the same decision, the
same fields with the same values before and after, and neither record moved since, but by what the plan itself has written. All
else is refused by name (promise 7). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import ID, VERSION
from twinrow.engine import columns as c
from twinrow.engine.complete import extra, extra_fields
from twinrow.engine.context import PassContext
from twinrow.engine.decide import CREATE, DELETE, RESTORE, UPDATE
from twinrow.engine.pair import NATURAL
from twinrow.engine.write import Purpose, sent_when
from twinrow.model.outcomes import Decision, Outcome
from twinrow.model.sides import Side
from twinrow.store.journal import NEW, OLD, UNMAPPED
from twinrow.store.plans import DESTINATION, PLAN_SCHEMA, SOURCE

MOVED = "one of the two records has changed since the plan was made: the plan is not carried out for it"

OwnVersions = Mapping[Side, Mapping[str, str | None]]
"""The versions that applying the plan has brought about so far, by the ids of each side."""


def planned_rows(context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the records of a decided frame with which something would be done, or that fail (`store.plans`)."""
    frame = frame.filter(_matters(frame))
    columns: list[pl.Expr] = []
    for plan in context.plans.plans:
        i = plan.index
        if not plan.has_field(context.pass_.destination) or c.send(i) not in frame.columns:
            continue
        before = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(pl.col(c.base_destination(i)))
        deleted = pl.col(c.WRITE) == DELETE
        if plan.carried_in(context.pass_):
            made = pl.col(c.WRITE).is_in([CREATE, RESTORE]) & sent_when(context, i, Purpose.CREATE)
            updated = (pl.col(c.WRITE) == UPDATE) & sent_when(context, i, Purpose.UPDATE)
            clash = pl.col(c.conflict(i)) & (pl.col(c.DECISION) == int(Decision.CONFLICT))
            columns += [
                pl.when(updated | deleted).then(before).alias(OLD + plan.identity),
                pl.when(made | updated).then(pl.col(c.carried_text(i))).alias(NEW + plan.identity),
                pl.when(clash).then(pl.col(c.source(i))).alias(SOURCE + plan.identity),
                pl.when(clash).then(before).alias(DESTINATION + plan.identity),
            ]
        else:
            columns.append(pl.when(deleted).then(before).alias(OLD + plan.identity))
    for name in extra_fields(frame):
        value = canonical(pl.col(extra(name)), context.destination.table.field(name))
        written = pl.col(c.WRITE).is_not_null() & pl.col(extra(name)).is_not_null()
        columns.append(pl.when(written).then(value).alias(NEW + UNMAPPED + name))
    creating = pl.col(c.WRITE) == CREATE
    fixed = {
        "source_id": pl.col(ID),
        "destination_id": pl.when(~creating.fill_null(False)).then(pl.col(c.DESTINATION_ID)),
        "coupling_id": pl.col(c.COUPLING),
        "source_version": pl.col(VERSION),
        "destination_version": pl.col(c.TOKEN),
        "decision": pl.col(c.DECISION),
        "outcome": pl.col(c.OUTCOME),
        "write": pl.col(c.WRITE),
        "field": pl.col(c.PROBLEM_FIELD),
        "message": pl.col(c.MESSAGE),
    }
    return frame.select(
        *(expression.cast(PLAN_SCHEMA[name]).alias(name) for name, expression in fixed.items()),
        *(column.fill_null(pl.lit(None, dtype=pl.String)) for column in columns),
    )


def _matters(frame: pl.DataFrame) -> pl.Expr:
    done = [Outcome.FAILED.value, Outcome.DELETED.value, Outcome.UNCOUPLED.value]
    coupled = pl.col(NATURAL) & pl.col(c.COUPLING).is_null() if NATURAL in frame.columns else pl.lit(False)
    return pl.col(c.WRITE).is_not_null() | pl.col(c.OUTCOME).is_in(done) | coupled.fill_null(False)


def has_effect() -> pl.Expr:
    """Return which records of a plan (`store.plans`) something would be done with; the others only fail."""
    effects = [Outcome.DELETED.value, Outcome.UNCOUPLED.value, Outcome.UNCHANGED.value]
    return pl.col("write").is_not_null() | pl.col("outcome").is_in(effects)


def hold_to_plan(context: PassContext, frame: pl.DataFrame, planned: pl.DataFrame, own: OwnVersions) -> pl.DataFrame:
    """Refuse the records of a decided frame that would now be written in another way than the plan says.

    Records whose write had no answer are held to what was sent for them instead (`engine.attempts`).
    """
    now = planned_rows(context, frame)
    names = [name for name in dict.fromkeys([*now.columns, *planned.columns]) if name not in _NOT_COMPARED]
    absent = pl.lit(None, dtype=pl.String)
    now = now.with_columns(absent.alias(name) for name in names if name not in now.columns)
    then = planned.with_columns(absent.alias(name) for name in names if name not in planned.columns)
    both = now.join(then, on="source_id", how="inner", suffix="@then")
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name}@then")) for name in names if name not in ("source_id", *_VERSIONS)
    )
    source, destination = context.pass_.source, context.pass_.destination
    unmoved = _unmoved(both, "source", own[source]) & _unmoved(both, "destination", own[destination])
    kept = both.filter(same & unmoved).get_column("source_id")
    nothing = pl.col(c.OUTCOME).is_in(_WITHOUT_EFFECT) & ~pl.col(ID).is_in(planned.get_column("source_id").implode())
    allowed = pl.col(ID).is_in(kept.implode()) | pl.col(c.ATTEMPTED) | nothing
    return refuse_moved(frame, ~allowed)


_WITHOUT_EFFECT = [Outcome.UNCHANGED.value, Outcome.IGNORED.value]
_NOT_COMPARED = ("outcome", "field", "message")
_VERSIONS = ("source_version", "destination_version")


def _unmoved(both: pl.DataFrame, which: str, own: Mapping[str, str | None]) -> pl.Expr:
    """Return where a record has the version of the plan, or the one that the plan has brought about."""
    ids = both.get_column(f"{which}_id").drop_nulls()
    ours = {id: own[id] for id in ids if id in own}
    expected = pl.col(f"{which}_version@then")
    if ours:
        expected = pl.col(f"{which}_id").replace_strict(ours, default=expected, return_dtype=pl.String)
    return pl.col(f"{which}_version").eq_missing(expected)


def refuse_moved(frame: pl.DataFrame, which: pl.Expr) -> pl.DataFrame:
    """Turn the decision on some records into a refusal because they have moved."""

    def instead(column: str, value: pl.Expr) -> pl.Expr:
        return pl.when(which).then(value).otherwise(pl.col(column)).alias(column)

    none = pl.lit(None, dtype=pl.String)
    return frame.with_columns(
        instead(c.DECISION, pl.lit(int(Decision.STALE), dtype=pl.Int64)),
        instead(c.OUTCOME, pl.lit(Outcome.FAILED.value)),
        instead(c.REASON, none),
        instead(c.WRITE, none),
        instead(c.MESSAGE, pl.lit(MOVED)),
        instead(c.PROBLEM_FIELD, none),
    )
