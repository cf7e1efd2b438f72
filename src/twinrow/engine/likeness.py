"""Likeness: whether a record could be the one that an unanswered create, made without key or mark, has brought about."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.batch.canonical import NULL, canonical
from twinrow.batch.columns import ID
from twinrow.batch.convert import comparable
from twinrow.engine.fields import FieldPlan
from twinrow.engine.write import INTENT_SENT
from twinrow.model.sides import Side

_ALIKE = 0.5
"""The share of the filled fields that must agree for a record to be taken for one that somebody has edited since."""

_PAIRS = {"source_id": pl.String(), "id": pl.String(), "equal": pl.Boolean(), "alike": pl.Boolean()}


def likenesses(intents: pl.DataFrame, records: pl.DataFrame, plans: Sequence[FieldPlan], side: Side) -> pl.DataFrame:
    """Compare what intents (`write.Sent.rows`) sent to a side with records of that side.

    Returns `source_id` (of the intent), `id` (of the record), `equal` (in every field that was sent) and `alike` (in at least
    half of those that were not blank), for the pairs of which at least the latter holds. Pairs are compared one intent after
    the other, so that the memory needed is that of the records.
    """
    told = [plan for plan in plans if plan.has_field(side) and INTENT_SENT + plan.identity in intents.columns]
    if not told or intents.is_empty() or records.is_empty():
        return pl.DataFrame(schema=_PAIRS)
    forms = records.select(
        pl.col(ID).alias("id"),
        *(_form(canonical(pl.col(plan.field(side).name), plan.field(side)), plan, side) for plan in told),
    )
    sent = intents.select("source_id", *(_form(pl.col(INTENT_SENT + plan.identity), plan, side) for plan in told))
    found = []
    for row in sent.iter_rows(named=True):
        values = {name: value for name, value in row.items() if name != "source_id" and value is not None}
        filled = [name for name, value in values.items() if value not in (NULL, "")]
        agree = pl.sum_horizontal([pl.col(name) == values[name] for name in filled]) if filled else pl.lit(1)
        pair = forms.select(
            pl.lit(row["source_id"]).alias("source_id"),
            "id",
            pl.all_horizontal([pl.col(name) == value for name, value in values.items()]).alias("equal"),
            (agree >= _ALIKE * max(len(filled), 1)).alias("alike"),
        )
        found.append(pair.filter(pl.col("equal") | pl.col("alike")))
    return pl.concat(found)


def _form(text: pl.Expr, plan: FieldPlan, side: Side) -> pl.Expr:
    return comparable(text, plan.field(side), plan.field(side.other)).alias(plan.identity)
