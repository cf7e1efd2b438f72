"""Trials: what a field mapping makes of a value, in the way in which a run would, without a record."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from twinrow.batch.convert import convert
from twinrow.engine import columns as c
from twinrow.engine.carry import CarryContext, carry
from twinrow.engine.context import ReadContext
from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.engine.lookups import References
from twinrow.engine.rule_inputs import lookups_of
from twinrow.model.tables import Field, FieldType

_TEXT = Field("text", FieldType.TEXT)


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a value: the result as text (None: no value), or why there is none.

    `lost` tells that the way back could not restore the value.
    """

    value: str
    result: str | None
    problem: str | None = None
    lost: bool = False


def try_field(context: ReadContext, plan: FieldPlan, value: str) -> Trial:
    """Carry one value of a field from the source of a pass to its destination."""
    source, destination = plan.field(context.pass_.source), plan.field(context.pass_.destination)
    typed = convert(pl.lit(value), _TEXT, source)
    frame = pl.select(typed.value.alias(source.name), typed.error.alias("@error"))
    wrong = frame.get_column("@error")[0]
    if wrong is not None:
        return Trial(value, None, wrong)
    plans = FieldPlans((plan,), ())
    inputs = lookups_of(context).for_batch(frame, plans.plans, context.hooks)
    references = References(context).for_batch(frame) if plan.mapping.related_mapping else {}
    made = carry(frame, CarryContext(context.hooks, plans, (), inputs, references))
    shown = convert(pl.col(c.carried(plan.index)), destination, _TEXT).value
    result, problem, unresolved, lost = made.select(
        shown.alias("shown"), c.problem(plan.index), c.unresolved(plan.index), c.lost(plan.index)
    ).row(0)
    if unresolved:
        problem = "no record that is coupled is named by this value"
    return Trial(value, None if problem else result, problem, bool(lost))
