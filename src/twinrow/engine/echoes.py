"""Echoes: rows of a feed in the very version that their coupling remembers.

What one pass has written comes back in the other one's feed, and a feed that is read anew hands over everything. Such rows are
unchanged without a look at their fields (`model.outcomes.Decision.UNCHANGED`, by version), so one narrow question for a whole
page parts them from the others, before anything is joined to them. A few rows of the page tell first whether it pays.
"""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.columns import DELETED, ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import Remembered
from twinrow.engine.context import PassContext
from twinrow.engine.pair import in_filter
from twinrow.store.couplings import has_couplings, is_known, known_versions
from twinrow.store.mappings import read_shapes
from twinrow.store.pending import has_open_work

_SAMPLE = 100
"""So many rows, from all over the page, are asked for first."""

_COLUMNS = (ID, VERSION, MODIFIED_AT)


def remembered(context: PassContext) -> Remembered | None:
    """Return what tells a connector which records are echoes before it reads their fields; None where these are wanted anyway."""
    if context.condition is not None or not _may_pass(context):
        return None
    with context.database.reading() as connection:
        if not has_couplings(connection, context.mapping):
            return None

    def versions(ids: pl.Series) -> pl.Series:
        with context.database.reading() as connection:
            if not _are_all_well(connection, context):
                return pl.repeat(None, ids.len(), dtype=pl.String, eager=True)
            return known_versions(connection, context.mapping, context.pass_.source, ids)

    return versions


def _may_pass(context: PassContext) -> bool:
    """Whether equal records are left alone, and no person wants to know of each."""
    options = context.options
    return not (options.named or options.forced or options.unconditional or options.planning)


def _are_all_well(connection: Connection, context: PassContext) -> bool:
    """Whether no record waits, and no field has been mapped that bases do not hold."""
    if set(read_shapes(connection, context.mapping.id)) - {context.shape}:
        return False
    return not has_open_work(connection, context.mapping, context.pass_)


def part_echoes(context: PassContext, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Part a page of the feed into the rows to look at, and the echoes (`@id`, `@version`, `@modified_at`); None: there are none.

    Where a person wants equal records looked at too, or planned, where records wait, and where fields were mapped since, all are
    looked at.
    """
    if frame.is_empty() or not _may_pass(context):
        return frame, None
    step = max(1, frame.height // _SAMPLE)
    with context.database.reading() as connection:
        if not _are_all_well(connection, context):
            return frame, None
        known = is_known(connection, context.mapping, context.pass_.source, frame.gather_every(step))
        if step > 1:
            if known.sum() * 2 < known.len():
                return frame, None
            known = is_known(connection, context.mapping, context.pass_.source, frame)
    if not known.any():
        return frame, None
    echo = frame.select(known & ~pl.col(DELETED) & in_filter(context)).to_series()
    if echo.all():
        return frame.head(0), frame.select(_COLUMNS)
    return frame.filter(~echo), frame.filter(echo).select(_COLUMNS)
