"""Broken couplings: those of which a record is gone, or does not take part any more, are looked for and set aside.

A run meets a deleted record only where its feed tells of it, or when ids are compared; and in a mapping that goes one way nobody
looks at the other side. Setting such couplings aside puts them on the list of coupled data errors (semantics 6.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from twinrow.batch.columns import ID
from twinrow.connectors.base import ChangeRequest
from twinrow.engine.context import ReadContext, RunContext
from twinrow.engine.pair import in_filter
from twinrow.model.errors import RemovalsHeld
from twinrow.model.filters import filter_fields
from twinrow.model.outcomes import Decision, Recovery
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import GONE, State, by_record, count_couplings, in_state
from twinrow.store.leases import check_fence
from twinrow.store.pending import PENDING_SCHEMA, clear_pending, save_pending
from twinrow.store.watermarks import clear_staged, coupled_but_not_staged, stage_ids

_BATCH = 5_000
_SOURCE = {Side.LOCAL: Pass.TO, Side.INTEGRATION: Pass.FROM}
REMEDY = "Make the record again, delete the other one, or uncouple them (twinrow skipped)."


@dataclass(slots=True)
class Broken:
    """How many couplings were set aside: because a record is gone, or does not satisfy the filter any more."""

    gone: int = 0
    outside: int = 0


def set_broken_aside(shared: RunContext) -> Broken:
    """Find the couplings of a mapping whose record of either side is gone or outside the filter, and set them aside."""
    found = Broken()
    for side in Side:
        for couplings in _known(shared, side):
            found.gone += _set_aside(shared, couplings, f"the {side.value} record was deleted")
        for gone, outside in _looked_for(ReadContext(shared, _SOURCE[side])):
            found.gone += _set_aside(shared, gone, f"the {side.value} record was deleted")
            message = f"the {side.value} record does not satisfy the filter of the mapping any more"
            found.outside += _set_aside(shared, outside, message)
    return found


def _known(shared: RunContext, side: Side) -> Iterator[pl.DataFrame]:
    """Yield the couplings whose record is known to be gone already."""
    with shared.database.reading() as connection:
        taken_care_of = State.SKIPPED | State.DEACTIVATED | State.TO_UNCOUPLE
        pages = list(in_state(connection, shared.mapping, GONE[side], taken_care_of, _BATCH))
    yield from pages


def _looked_for(context: ReadContext) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the couplings whose source record is gone, and those whose is outside the filter, in portions."""
    shared, side, end = context.shared, context.pass_.source, context.source
    assert isinstance(shared, RunContext)  # noqa: S101
    mapping, names = shared.mapping, tuple(sorted(filter_fields(context.condition)))
    with shared.database.transaction() as connection:
        check_fence(connection, shared.lease)
        clear_staged(connection, mapping.id, side)
    for page in _taking_part(context, names):
        with shared.database.transaction() as connection:
            check_fence(connection, shared.lease)
            stage_ids(connection, mapping, side, page)
    with shared.database.reading() as connection:
        portions = list(coupled_but_not_staged(connection, mapping, side))
        coupled = count_couplings(connection, mapping)
    if coupled > 1 and sum(map(len, portions)) == coupled:
        raise RemovalsHeld(
            f"Not one of the {coupled:,} coupled {side.value} records takes part any more: none was set aside",
            cause="The table may be empty, the filter a wrong one, or the system another one.",
            remedy="Look at the filter and the system; to give all couplings up, uncouple them.",
        )
    for missing in portions:
        rows = end.connector.fetch(end.table.name, names, missing)
        there = rows.get_column(ID)
        outside = rows.filter(~in_filter(context)).get_column(ID)
        with shared.database.reading() as connection:
            couplings = by_record(connection, mapping, side, missing)
        key = pl.col(f"{side.value}_id")
        well = pl.col("state") & pl.lit(int(State.SKIPPED)) == 0
        yield (
            couplings.filter(well & ~key.is_in(there.implode())),
            couplings.filter(well & key.is_in(outside.implode())),
        )
    with shared.database.transaction() as connection:
        check_fence(connection, shared.lease)
        clear_staged(connection, mapping.id, side)


def _taking_part(context: ReadContext, names: tuple[str, ...]) -> Iterator[pl.Series]:
    """Yield the ids of the records of the source side that satisfy its filter."""
    end = context.source
    if context.condition is None:
        yield from end.connector.ids(end.table.name)
        return
    for page in end.connector.changes(ChangeRequest(end.table.name, names, condition=context.condition)):
        yield page.frame.filter(in_filter(context) & ~pl.col("@deleted")).get_column(ID)


def _set_aside(shared: RunContext, couplings: pl.DataFrame, message: str) -> int:
    """Set couplings aside in a pass that the mapping makes."""
    if couplings.is_empty():
        return 0
    now = shared.clock.now()
    pass_ = shared.mapping.mapping.direction.passes[0]
    known = {
        ID: pl.col(f"{pass_.source.value}_id"),
        "coupling_id": pl.col("coupling_id"),
        "decision": pl.lit(int(Decision.SOURCE_GONE)),
        "recovery": pl.lit(Recovery.DATA.value),
        "message": pl.lit(message),
        "remedy": pl.lit(REMEDY),
        "failures": pl.lit(1),
        "skipped": pl.lit(True),
        "since": pl.lit(now),
        "at": pl.lit(now),
    }
    rows = couplings.select(
        known.get(name, pl.lit(None)).cast(kind).alias(name) for name, kind in PENDING_SCHEMA.items()
    )
    with shared.database.transaction() as connection:
        check_fence(connection, shared.lease)
        for each in Pass:
            clear_pending(connection, shared.mapping, each, couplings.get_column(f"{each.source.value}_id").to_list())
        save_pending(connection, shared.mapping, pass_, rows)
    return couplings.height
