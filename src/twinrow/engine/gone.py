"""Gone: records that were found deleted are collected through a pass, and dealt with at its end, if they are not too many.

Whatever a pass would delete or uncouple is only marked in the store while the source's changes are worked on. At the end it is
counted, and where it is more than the mapping's limit, all of a side, or comes with a changed filter, the run stops before the
first of it (promise 9). A plan of the run shows what it would be, and applying that plan allows it once.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from twinrow.batch.columns import ID
from twinrow.engine.context import PassContext
from twinrow.model.errors import RemovalsHeld
from twinrow.model.mapping import DeletionConflict
from twinrow.store.couplings import GONE, State, count_couplings, count_in_state, in_state, set_state
from twinrow.store.leases import check_fence
from twinrow.store.watermarks import read_watermark

_BOTH = State.LOCAL_GONE | State.INTEGRATION_GONE


def check_removals(context: PassContext) -> None:
    """Raise `RemovalsHeld` where the pass would delete or uncouple more than it may. In a pilot nothing is."""
    if context.shared.pilot is not None:
        return
    mapping = context.mapping
    with context.database.reading() as connection:
        removed = sum(count_in_state(connection, mapping, *bits) for bits in _wanted(context))
        if not removed:
            return
        coupled = count_couplings(connection, mapping)
        known = read_watermark(connection, mapping.id, context.pass_.source)
    side = context.pass_.source.value
    if known is not None and not context.has_filter_of(known):
        why = f"The filter of the {side} side has changed since the last run."
    elif not mapping.mapping.delete_limit.allows(removed, coupled):
        limit = mapping.mapping.delete_limit
        why = f"The mapping allows {limit.records:,} records and a share of {limit.share} in one pass, and never all."
    else:
        return
    raise RemovalsHeld(
        f"{removed:,} of {coupled:,} couplings of {mapping.name} would lead to a deletion or be removed: nothing was deleted",
        cause=why,
        remedy=f"Look at them with `twinrow sync {mapping.name} --plan`; `twinrow plan apply` allows that plan once.",
    )


def deleted_ids(context: PassContext) -> Iterator[list[str]]:
    """Yield the ids of deleted source records whose counterpart is to be dealt with, each confirmed by a fetch.

    That is those whose deletion the mapping carries over, and those whose counterpart is gone, too. In a pilot there are none.
    """
    if context.shared.pilot is not None:
        return
    source = context.pass_.source
    choices = [(_BOTH, State.SKIPPED)]
    if context.carries_deletes:
        choices.append(_carried(context))
    for on, off in choices:
        for page in _pages(context, on, off):
            yield confirmed(context, page.get_column(f"{source.value}_id").to_list())


def confirmed(context: PassContext, ids: list[str]) -> list[str]:
    """Return the source records that really are gone; of the others it is forgotten that they were reported."""
    end, side = context.source, context.pass_.source
    there = set(end.connector.fetch(end.table.name, (), ids).get_column(ID).to_list())
    if there and not context.options.planning:
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            numbers = context.coupling_numbers(connection, [id for id in ids if id in there])
            set_state(connection, numbers, off=GONE[side] | State.DEACTIVATED)
    return [id for id in ids if id not in there]


def to_uncouple(context: PassContext) -> Iterator[list[str]]:
    """Yield the ids of source records whose counterpart was found gone, where the mapping then removes the coupling."""
    held = context.shared.pilot is not None
    if held or context.mapping.mapping.deletion_conflict_resolution is not DeletionConflict.REMOVE_COUPLING:
        return
    for page in _pages(context, *_uncoupled(context)):
        yield page.get_column(f"{context.pass_.source.value}_id").to_list()


def _pages(context: PassContext, on: State, off: State) -> Iterator[pl.DataFrame]:
    with context.database.reading() as connection:
        if not count_in_state(connection, context.mapping, on, off):
            return
        # The couplings are removed while they are gone through: their ids are few, and read beforehand.
        pages = list(in_state(connection, context.mapping, on, off, context.shared.engine.page_rows))
    yield from pages


def _wanted(context: PassContext) -> list[tuple[State, State]]:
    wanted = []
    if context.carries_deletes:
        wanted.append(_carried(context))
    if context.mapping.mapping.deletion_conflict_resolution is DeletionConflict.REMOVE_COUPLING:
        wanted.append(_uncoupled(context))
    return wanted


def _carried(context: PassContext) -> tuple[State, State]:
    on = GONE[context.pass_.source]
    return on, (_BOTH & ~on) | State.DEACTIVATED | State.SKIPPED


def _uncoupled(context: PassContext) -> tuple[State, State]:
    on = GONE[context.pass_.destination]
    return on | State.TO_UNCOUPLE, (_BOTH & ~on) | State.SKIPPED
