"""Attempts: writes whose answer is missing, and creates that met a record which was there already.

The record is read back and merged with the intent as its base: values that equal, in the form in which they are compared, what
the intent sent are ours; other differences are a change of that side. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.batch.columns import ID
from twinrow.batch.convert import comparable
from twinrow.engine import columns as c
from twinrow.engine.fields import FieldPlan
from twinrow.engine.write import INTENT_SENT, INTENT_SOURCE
from twinrow.model.sides import Pass


def remember_attempt(frame: pl.DataFrame, plans: Sequence[FieldPlan], intents: pl.DataFrame) -> pl.DataFrame:
    """Put beside the rows what the intent rows (`write.Sent.rows`) of the same source records say was sent.

    The rows of `frame` are all in `intents`. Fields whose identity the intent does not know were not sent. What an attempt
    before that had sent is kept as `earlier.*`: it may be the one that was carried out.
    """
    now = {c.attempt_source(plan.index): INTENT_SOURCE + plan.identity for plan in plans}
    now |= {c.attempt(plan.index): INTENT_SENT + plan.identity for plan in plans}
    if set(now) <= set(frame.columns):
        frame = frame.with_columns(pl.col(name).alias(_earlier(name)) for name in now).drop(list(now))
    else:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(_earlier(name)) for name in now)
    told = intents.select(
        pl.col("source_id").alias(ID),
        *(
            (pl.col(stored) if stored in intents.columns else pl.lit(None, dtype=pl.String)).alias(name)
            for name, stored in now.items()
        ),
    )
    return frame.join(told, on=ID, how="left", maintain_order="left").with_columns(pl.lit(True).alias(c.ATTEMPTED))


def _earlier(name: str) -> str:
    return f"earlier.{name}"


def is_another(plans: Sequence[FieldPlan], pass_: Pass) -> pl.Expr:
    """Return where the record that was read back does not hold what an attempt sent: under a proposed key it is another's."""
    differs = []
    for plan in plans:
        if plan.has_field(pass_.destination):
            destination, source = plan.field(pass_.destination), plan.field(pass_.source)
            forms = [comparable(pl.col(name(plan.index)), destination, source) for name in (c.found, c.attempt)]
            differs.append((forms[0] != forms[1]).fill_null(False))
    return pl.col(c.ATTEMPTED) & pl.col(c.FETCHED) & pl.any_horizontal(differs)


def merge_attempts(frame: pl.DataFrame, plans: Sequence[FieldPlan], pass_: Pass) -> pl.DataFrame:
    """Make the intent the base of rows that were attempted and whose counterpart has been read back.

    Adds `recovered_old.i` and `recovered_new.i`, for the journal: what is known to have been carried out.
    """
    if not any(c.attempt(plan.index) in frame.columns for plan in plans):
        return frame
    here = pl.col(c.ATTEMPTED) & pl.col(c.FETCHED)
    making = pl.col(c.COUPLING).is_null()
    columns: list[pl.Expr] = []
    for plan in plans:
        i = plan.index
        if not plan.has_field(pass_.destination):
            continue
        destination, source = plan.field(pass_.destination), plan.field(pass_.source)
        found = pl.col(c.found(i))
        form = comparable(found, destination, source)
        sent, earlier = pl.col(c.attempt(i)), pl.col(_earlier(c.attempt(i)))
        ours = here & (comparable(sent, destination, source) == form).fill_null(False)
        ours_earlier = here & ~ours & (comparable(earlier, destination, source) == form).fill_null(False)
        theirs = here & making & sent.is_not_null() & ~ours & ~ours_earlier
        known = c.recovered_new(i) in frame.columns
        before, left = (
            pl.col(name) if known else pl.lit(None, dtype=pl.String)
            for name in (c.recovered_old(i), c.recovered_new(i))
        )
        base = pl.when(~making & left.is_null()).then(pl.col(c.base_destination(i))).otherwise(before)
        columns += [
            pl.when(ours | ours_earlier).then(found).when(theirs).then(sent).otherwise(left).alias(c.recovered_new(i)),
            pl.when(ours | ours_earlier).then(base).otherwise(before).alias(c.recovered_old(i)),
            pl.when(ours | theirs)
            .then(pl.col(c.attempt_source(i)))
            .when(ours_earlier)
            .then(pl.col(_earlier(c.attempt_source(i))))
            .otherwise(pl.col(c.base_source(i)))
            .alias(c.base_source(i)),
            pl.when(ours | ours_earlier)
            .then(found)
            .when(theirs)
            .then(sent)
            .otherwise(pl.col(c.base_destination(i)))
            .alias(c.base_destination(i)),
        ]
    return frame.with_columns(columns)
