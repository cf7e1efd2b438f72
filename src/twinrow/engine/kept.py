"""Kept: fields that differ between both sides because a write was undone stay so until either side changes.

A bidirectional field stays by its bases alone: both are what its sides have. A field that goes one way, or a constant, would be
asserted again with the next change of its record: it is left out as long as both values are those after the undo.
"""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection

from twinrow.engine import columns as c
from twinrow.engine.context import ReadContext
from twinrow.engine.fields import FieldPlan
from twinrow.store.undone import forget_undone, read_undone


def mark_kept(context: ReadContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `kept.i` for each field that the pass carries: it was undone, and neither side has changed since."""
    with context.shared.database.reading() as connection:
        undone = read_undone(connection, frame.get_column(c.COUPLING).drop_nulls().to_list())
    for plan in context.carried:
        current = pl.when(c.FETCHED).then(pl.col(c.found(plan.index))).otherwise(pl.col(c.base_destination(plan.index)))
        same = _same(context, plan, pl.col(c.source(plan.index)), current)
        frame = _beside(context, frame, plan, undone).with_columns(same.alias(c.kept(plan.index)))
    return frame.drop("@undone", "@undone_source", "@undone_destination")


def forget_changed(connection: Connection, context: ReadContext, frame: pl.DataFrame) -> None:
    """Forget of settled records (with `actual.i`) the undone fields of which either side has changed since."""
    undone = read_undone(connection, frame.get_column(c.COUPLING).drop_nulls().to_list())
    for plan in context.plans.plans:
        if undone.filter(pl.col("field") == plan.identity).is_empty():
            continue
        same = _same(context, plan, pl.col(c.source(plan.index)), pl.col(f"actual.{plan.index}"))
        changed = _beside(context, frame, plan, undone).filter(pl.col("@undone") & ~same)
        named = changed.select(pl.col(c.COUPLING).alias("coupling_id"), pl.lit(plan.identity).alias("field"))
        forget_undone(connection, named)


def _beside(context: ReadContext, frame: pl.DataFrame, plan: FieldPlan, undone: pl.DataFrame) -> pl.DataFrame:
    """Put the values of both sides after the undo beside the records: `@undone_source`, `@undone_destination`."""
    source, destination = context.pass_.source.value, context.pass_.destination.value
    told = undone.filter(pl.col("field") == plan.identity).select(
        pl.col("coupling_id").alias(c.COUPLING),
        pl.lit(True).alias("@undone"),
        pl.col(f"{source}_value").alias("@undone_source"),
        pl.col(f"{destination}_value").alias("@undone_destination"),
    )
    joined = frame.drop("@undone", "@undone_source", "@undone_destination", strict=False).join(
        told, on=c.COUPLING, how="left", maintain_order="left"
    )
    return joined.with_columns(pl.col("@undone").fill_null(False))


def _same(context: ReadContext, plan: FieldPlan, source: pl.Expr, destination: pl.Expr) -> pl.Expr:
    """Return where both sides have the values after the undo; a value that a rule computes must be the one of its base."""
    if plan.has_field(context.pass_.source):
        unchanged = source.eq_missing(pl.col("@undone_source"))
    else:
        base = pl.col(c.base_source(plan.index))
        unchanged = base.is_null() | (source == base).fill_null(False)
    return pl.col("@undone") & unchanged & destination.eq_missing(pl.col("@undone_destination"))
