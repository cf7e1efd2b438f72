"""Questions: fields that nobody has reconciled yet, and whose value the opposite pass decides.

A pass stands aside where the mapping, or the person who coupled the pair, lets its destination win. The opposite pass carries
that side's value, but reads only what has changed there: a field without a base may differ though nobody touches it again. So
such a pair is left to the opposite pass by name.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.columns import ID
from twinrow.engine import columns as c
from twinrow.engine.context import PassContext
from twinrow.engine.decide import any_of
from twinrow.model.outcomes import Decision, Recovery
from twinrow.store.couplings import PREFER
from twinrow.store.pending import PENDING_SCHEMA, read_pending, save_pending

LEFT_TO_THE_OTHER = "its values are to win where the two records differ, and were not carried yet"
"""The message of a pending row whose record the opposite pass stood aside for."""


def leave_to_the_other(connection: Connection, context: PassContext, frame: pl.DataFrame, now: datetime) -> None:
    """Have the opposite pass look at settled pairs for which this one stood aside without a base to go by."""
    destination = context.pass_.destination
    if context.mapping.mapping.update_conflict_resolution.winner is not destination:
        preferred = (pl.col(c.STATE).fill_null(0) & int(PREFER[destination])) != 0
        if not frame.select(preferred.any()).item():
            return
    both_ways = [plan.index for plan in context.plans.carried(context.pass_) if plan.bidirectional]
    unknown = {i: pl.col(c.base_source(i)).is_null() | pl.col(c.base_destination(i)).is_null() for i in both_ways}
    left = frame.filter(pl.col("@settled") & any_of(pl.col(c.aside(i)) & unknown[i] for i in both_ways))
    if left.is_empty():
        return
    opposite = context.pass_.opposite
    ids = left.get_column(c.DESTINATION_ID).to_list()
    known = read_pending(connection, context.mapping, opposite, ids).get_column(ID)
    told = {
        ID: pl.col(c.DESTINATION_ID),
        "coupling_id": pl.col(c.COUPLING),
        "decision": pl.lit(int(Decision.SET_ASIDE)),
        "recovery": pl.lit(Recovery.RETRY.value),
        "message": pl.lit(LEFT_TO_THE_OTHER),
        "failures": pl.lit(0),
        "skipped": pl.lit(False),
        "since": pl.lit(now),
        "at": pl.lit(now),
    }
    rows = left.filter(~pl.col(c.DESTINATION_ID).is_in(known.implode())).select(
        told.get(name, pl.lit(None)).cast(kind).alias(name) for name, kind in PENDING_SCHEMA.items()
    )
    save_pending(connection, context.mapping, opposite, rows)
