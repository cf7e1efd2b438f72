"""Removal: what becomes of the counterpart of a record that was deleted. Pure: frames in, frames out.

Where the mapping carries deletions over, the counterpart is deleted, or marked as given up (`TableMapping.deactivation`). A
counterpart that somebody has changed since the last reconciliation is not thrown away without being asked for: that is a
conflict, which the mapping's update-conflict resolution settles or leaves. Where both records are gone, the coupling goes too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import column_type
from twinrow.engine import columns as c
from twinrow.engine.complete import extra
from twinrow.engine.decide import DEACTIVATE, DELETE, any_of
from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.model.mapping import UpdateConflict
from twinrow.model.outcomes import Decision, Ignored, Outcome
from twinrow.model.sides import Pass
from twinrow.model.tables import Table


@dataclass(frozen=True, slots=True)
class RemovalContext:
    """What deciding needs to know beside the frame.

    `carried`: the mapping carries deletions over in this pass. `deactivation` holds the destination's fields that mark a record
    as given up; none: it is deleted.
    """

    pass_: Pass
    plans: FieldPlans
    destination: Table
    carried: bool
    deactivation: Mapping[str, Any]
    update_conflict: UpdateConflict = UpdateConflict.NONE

    def mark(self, name: str) -> pl.Expr:
        """Return the value of a field that marks a record as given up, in the field's column type."""
        return pl.lit(self.deactivation[name]).cast(column_type(self.destination.field(name)))


def decide_removal(frame: pl.DataFrame, context: RemovalContext) -> pl.DataFrame:
    """Decide every record of a frame of deleted source records whose counterpart has been read.

    Adds the columns of `engine.decide`, with no field to send, and the values that mark a record as given up as `extra.*`.
    """
    gone = pl.col(c.MISSING)
    clash = any_of(_changed(plan, context) for plan in context.plans.plans)
    winner = context.update_conflict.winner
    decision = (
        pl.when(gone & context.carried & pl.col(c.ATTEMPTED))
        .then(int(Decision.PROPAGATE_DELETE))
        .when(gone)
        .then(int(Decision.REMOVE_COUPLING))
        .when(not context.carried)
        .then(int(Decision.SOURCE_GONE))
        .when(clash & (winner is context.pass_.destination))
        .then(int(Decision.DESTINATION_WINS))
        .when(clash & (winner is None))
        .then(int(Decision.CONFLICT))
        .otherwise(int(Decision.PROPAGATE_DELETE))
    )
    frame = _without_fields(frame, context.plans).with_columns(decision.cast(pl.Int64).alias(c.DECISION))
    decided = pl.col(c.DECISION)
    outcomes = {
        Decision.PROPAGATE_DELETE: Outcome.DELETED,
        Decision.REMOVE_COUPLING: Outcome.UNCOUPLED,
        Decision.SOURCE_GONE: Outcome.IGNORED,
        Decision.DESTINATION_WINS: Outcome.IGNORED,
        Decision.CONFLICT: Outcome.FAILED,
    }
    reasons = {Decision.SOURCE_GONE: Ignored.SOURCE_DELETED, Decision.DESTINATION_WINS: Ignored.STANDS_ASIDE}
    write = DEACTIVATE if context.deactivation else DELETE
    source, destination = context.pass_.source.value, context.pass_.destination.value
    message = f"the {source} record was deleted, and the {destination} record was changed since"
    return frame.with_columns(
        decided.replace_strict({int(k): v.value for k, v in outcomes.items()}, return_dtype=pl.String).alias(c.OUTCOME),
        decided.replace_strict(
            {int(k): v.value for k, v in reasons.items()}, default=None, return_dtype=pl.String
        ).alias(c.REASON),
        pl.when((decided == int(Decision.PROPAGATE_DELETE)) & ~gone).then(pl.lit(write)).alias(c.WRITE),
        pl.when(decided == int(Decision.CONFLICT)).then(pl.lit(message)).alias(c.MESSAGE),
        pl.lit(None, dtype=pl.String).alias(c.PROBLEM_FIELD),
        *(context.mark(name).alias(extra(name)) for name in context.deactivation),
    )


def _changed(plan: FieldPlan, context: RemovalContext) -> pl.Expr:
    """Return where somebody has changed a field of the counterpart since the last reconciliation."""
    side = context.pass_.destination
    if not plan.has_field(side) or (plan.derived is not None and plan.derived.on_create_only):
        return pl.lit(False)
    found, base = pl.col(c.found(plan.index)), pl.col(c.base_destination(plan.index))
    changed = (pl.col(c.FETCHED) & (found != base)).fill_null(True)
    name = plan.field(side).name
    if name in context.deactivation:
        # A record that is marked already needs no second thought.
        changed = changed & (found != canonical(context.mark(name), plan.field(side)))
    return changed


def _without_fields(frame: pl.DataFrame, plans: FieldPlans) -> pl.DataFrame:
    """Add the columns that carrying and deciding give to records whose fields are looked at: here no field takes part."""
    nothing, no_text = pl.lit(False), pl.lit(None, dtype=pl.String)
    columns: list[pl.Expr] = []
    for plan in plans.plans:
        i = plan.index
        columns += [no_text.alias(name) for name in (c.source(i), c.carried_text(i), c.problem(i))]
        columns += [
            nothing.alias(n) for n in (c.unresolved(i), c.lost(i), c.send(i), c.conflict(i), c.aside(i), c.refresh(i))
        ]
    return frame.with_columns(columns)
