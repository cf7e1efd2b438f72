"""Changes: the source batches of a pass, in the order in which they are worked on.

First what an earlier attempt left behind (`recover`), then what is to be tried again (`retry`), then what the source says has
changed (`changes`), at last what is gone without any feed having said so (`deletes`). Each batch tells the stage and cursor
from which a process that takes the run over goes on. Where a person named the records, only these are read (`named`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from twinrow.batch.bounds import bounded
from twinrow.batch.columns import DELETED, ID, empty_batch
from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.engine.ahead import read_ahead
from twinrow.engine.behind import Settling
from twinrow.engine.context import PassContext
from twinrow.engine.echoes import part_echoes, remembered
from twinrow.model.errors import FeedExpired
from twinrow.model.sides import Side
from twinrow.store.couplings import by_number, by_record, count_couplings, coupling_numbers
from twinrow.store.leases import check_fence
from twinrow.store.mappings import StoredMapping
from twinrow.store.pending import due_ids, resolvable_ids
from twinrow.store.systems import get_setting, set_setting
from twinrow.store.watermarks import (
    Watermark,
    clear_staged,
    coupled_but_not_staged,
    prune_seen,
    read_watermark,
    stage_ids,
    was_seen,
)

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

RECOVER, RETRY, CHANGES, DELETES, NAMED, PLANNED = "recover", "retry", "changes", "deletes", "named", "planned"


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Source records to work on, and those known to be unchanged (`echoes`).

    `watermark` comes with the last page of the feed, `recheck_from` with every page.
    """

    frame: pl.DataFrame
    stage: str
    cursor: str | None = None
    recheck_from: datetime | None = None
    watermark: Watermark | None = None
    echoes: pl.DataFrame | None = None


def retry_batches(context: PassContext, related: list[int]) -> Iterator[SourceBatch]:
    """Yield the records that are to be tried again: pending ones, and those whose references may now be resolved."""
    with context.database.reading() as connection:
        due = due_ids(connection, context.mapping, context.pass_, context.destination.connector.now())
        resolvable = resolvable_ids(connection, context.mapping, context.pass_, related)
    wanted = list(dict.fromkeys([*due, *resolvable]))
    yield from fetched_batches(context, wanted, RETRY)


def named_batches(context: PassContext) -> Iterator[SourceBatch]:
    """Yield the records that a person named, by the id of either side."""
    with context.database.reading() as connection:
        named = possible_ids(context.mapping, context.pass_.destination, context.options.records)
        other = by_record(connection, context.mapping, context.pass_.destination, named)
    source, destination = context.pass_.source.value, context.pass_.destination.value
    counterparts = dict(other.select(f"{destination}_id", f"{source}_id").iter_rows())
    wanted = list(dict.fromkeys(counterparts.get(id, id) for id in context.options.records))
    yield from fetched_batches(context, possible_ids(context.mapping, context.pass_.source, wanted), NAMED)


def coupled_batches(context: PassContext, numbers: tuple[int, int]) -> Iterator[SourceBatch]:
    """Yield the source records of the couplings from one number to another, as far as they are still there."""
    after, last = numbers[0] - 1, numbers[1]
    while True:
        with context.database.reading() as connection:
            found = coupling_numbers(connection, context.mapping, after, context.batch_rows)
            couplings = by_number(connection, context.mapping, found.filter(found <= last).to_list())
        if couplings.is_empty():
            return
        after = int(found[-1])
        yield from fetched_batches(context, couplings.get_column(f"{context.pass_.source.value}_id").to_list(), NAMED)


def possible_ids(mapping: StoredMapping, side: Side, ids: Iterable[str]) -> list[str]:
    """Return those ids that could be ids of a side (GUIDs, where it has such)."""
    return [id for id in ids if not mapping.guid(side) or is_guid(id)]


def is_guid(id: str) -> bool:
    """Whether an id is a GUID as both services write them."""
    return _GUID.fullmatch(id) is not None


def fetched_batches(context: PassContext, ids: list[str], stage: str) -> Iterator[SourceBatch]:
    """Yield the source records with these ids; coupled ones that are gone come as deleted."""
    source = context.source
    step = context.batch_rows
    for start in range(0, len(ids), step):
        chunk = ids[start : start + step]
        frame = source.connector.fetch(source.table.name, context.source_fields, chunk)
        gone = sorted(set(chunk) - set(frame.get_column(ID).to_list()))
        with context.database.reading() as connection:
            coupled = by_record(connection, context.mapping, context.pass_.source, gone)
        lost = coupled.get_column(f"{context.pass_.source.value}_id").to_list()
        pending = [id for id in gone if id not in set(lost)]
        yield SourceBatch(pl.concat([frame, deleted_rows(context, [*lost, *pending])]), stage)


def deleted_rows(context: PassContext, ids: list[str]) -> pl.DataFrame:
    """Return a source batch that says of these records that they are gone."""
    frame = empty_batch(context.source.table, context.source_fields)
    if not ids:
        return frame
    return pl.concat(
        [frame, pl.DataFrame({ID: ids, DELETED: [True] * len(ids)}, schema={ID: pl.String, DELETED: pl.Boolean})],
        how="diagonal",
    )


def changed_batches(
    context: PassContext, cursor: str | None, settling: Settling, *, anew: bool = False
) -> Iterator[SourceBatch]:
    """Yield what the source says has changed since the watermark, or goes on from a run's cursor.

    Everything is read again where the mapping's filter or fields are not those of the watermark, where a person asked for
    it, where records that were left alone so far may be made now, and where the source no longer knows the position. Rows
    of the overlap that were seen before are dropped, but not when everything is read again. `anew` says that a run goes on
    whose cursor belongs to other filters or fields than there are now. Records that come again while `settling` is at work on
    them wait.
    """
    with context.database.reading() as connection:
        known = read_watermark(connection, context.mapping.id, context.pass_.source)
    valid = known is not None and context.still_valid(known.shape) and not context.options.full and not anew
    since = known.position if known is not None and valid else None
    try:
        yield from _pages(context, since, cursor, settling)
    except FeedExpired:
        settling.wait()
        yield from _pages(context, None, None, settling)


def _pages(context: PassContext, since: str | None, cursor: str | None, settling: Settling) -> Iterator[SourceBatch]:
    source = context.source
    with context.database.reading() as connection:
        was_read = read_watermark(connection, context.mapping.id, context.pass_.source) is not None
    if since is None and cursor is None and not context.options.planning:
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            prune_seen(connection, context.mapping.id, context.pass_.source, None)
            if was_read:
                # A feed that begins anew tells nothing of what was deleted before.
                set_setting(connection, _deletes_setting(context), _LONG_AGO.isoformat())
    request = ChangeRequest(
        source.table.name,
        context.source_fields,
        since,
        cursor,
        context.condition,
        context.batch_rows,
        # What is read again is to be compared, also where nobody has said that it was changed.
        None if was_read and since is None else remembered(context),
    )
    pages = source.connector.changes(request)
    for page in read_ahead(pages) if source.capabilities.reads_ahead else pages:
        for rows in (page.frame, page.known):
            if rows is not None:
                settling.wait_for(rows)
        yield from _slices(context, page, whole=since is None and cursor is None)


def _slices(context: PassContext, page: ChangePage, *, whole: bool) -> Iterator[SourceBatch]:
    """Yield a page in slices within the bounds of a batch; the cursor moves with the last of them.

    Of a `whole` reading nothing was seen before: a run forgets it at the start, which a plan must not do.
    """
    frame, echoes = page.frame, page.known
    if page.recheck_from is not None and not (whole and context.options.planning):
        frame, echoes = _not_seen(context, frame), None if echoes is None else _not_seen(context, echoes)
    frame = frame.unique(ID, keep="last", maintain_order=True)
    if echoes is None or echoes.is_empty():
        frame, echoes = part_echoes(context, frame)
    watermark = None
    if page.watermark is not None:
        watermark = Watermark(page.watermark, context.feed_shape, context.shared.clock.now())
    slices = list(bounded(frame, context.batch_rows))
    slices = slices or [frame]
    for piece in slices[:-1]:
        yield SourceBatch(piece, CHANGES, None, page.recheck_from)
    yield SourceBatch(slices[-1], CHANGES, page.cursor, page.recheck_from, watermark, echoes)


def _not_seen(context: PassContext, rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the rows of the overlap that were seen before."""
    if rows.is_empty():
        return rows
    with context.database.reading() as connection:
        return rows.filter(~was_seen(connection, context.mapping, context.pass_.source, rows))


def delete_batches(context: PassContext) -> Iterator[SourceBatch]:
    """Yield coupled source records that are gone, where no feed says so: by comparing ids.

    That is done now and then, when asked, and after everything was read again. Each record that is missing is confirmed by a
    fetch.
    """
    if not _deletes_due(context):
        return
    side, database, mapping = context.pass_.source, context.database, context.mapping
    with database.transaction() as connection:
        check_fence(connection, context.shared.lease)
        clear_staged(connection, mapping.id, side)
    for page in context.source.connector.ids(context.source.table.name):
        with database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            stage_ids(connection, mapping, side, page)
    with database.reading() as connection:
        portions = list(coupled_but_not_staged(connection, mapping, side))
    for missing in portions:
        there = context.source.connector.fetch(context.source.table.name, (), missing).get_column(ID).to_list()
        gone = sorted(set(missing) - set(there))
        if gone:
            yield SourceBatch(deleted_rows(context, gone), DELETES)
    with database.transaction() as connection:
        check_fence(connection, context.shared.lease)
        clear_staged(connection, mapping.id, side)
        if not context.options.planning:
            set_setting(connection, _deletes_setting(context), context.shared.clock.now().isoformat())


def _deletes_setting(context: PassContext) -> str:
    return f"deletes looked for: {context.mapping.id} {context.pass_.source.value}"


def _deletes_due(context: PassContext) -> bool:
    with context.database.reading() as connection:
        last = get_setting(connection, _deletes_setting(context))
        coupled = count_couplings(connection, context.mapping) > 0 if last is None else True
    if context.source.capabilities.deletes_in_feed:
        return bool(last == _LONG_AGO.isoformat())
    if context.options.full:
        return coupled
    if last is None and context.options.planning:
        return False
    if last is None:
        # Nothing was coupled before this run's pass, or it just has been: nothing can be missing yet.
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            set_setting(connection, _deletes_setting(context), context.shared.clock.now().isoformat())
        return False
    age = context.shared.clock.now() - datetime.fromisoformat(last)
    return age >= context.shared.engine.delete_check_interval
