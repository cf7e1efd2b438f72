"""Feeds of changes: in pages, each statement going on behind the last row of the one before.

Where the caller remembers versions, ids and times are read first, and the fields only of records that are in another version.

A *watermark* is a `Position` as text. A *cursor* holds the watermark that the feed began from, the one that it will end
with, and the place of the last row that was handed over; so a feed that is resumed ends where it would have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
import polars as pl
import sqlalchemy as sa

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION, empty_batch
from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.connectors.sql.conditions import condition_for
from twinrow.connectors.sql.database import AFTER, Database, Position
from twinrow.connectors.sql.shape import Shape
from twinrow.model.errors import FeedExpired

Kind = TypeVar("Kind")

CHUNK_ROWS = 20_000
"""Rows read by one statement, at least: where many rows were changed at one time, each statement sorts them anew."""

_FEW = 100
"""So many rows tell whether most of the following are known."""

_KNOWN = "@known"


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far a feed has come. `layout` is that of the table when the feed began."""

    since: Position | None
    next: Position
    layout: str | None
    after: tuple[str | int, ...] = ()


def feed_pages(request: ChangeRequest, shape: Shape, database: Database) -> Iterator[ChangePage]:
    """Yield what has changed since the watermark, or goes on from the cursor. Raises `FeedExpired`."""
    cursor = _begin(request, shape, database) if request.cursor is None else _resume(request.cursor, shape, database)
    order = database.order(shape, whole=cursor.since is None)
    where = [] if cursor.since is None else database.since(shape, cursor.since)
    if request.condition is not None:
        where.append(condition_for(request.condition, shape, database))
    watermark = _text(cursor.next)
    recheck_from = database.recheck_from(shape, cursor.next)
    limit = max(request.page_rows, CHUNK_ROWS)
    skims = request.remembered is not None and database.tells_versions(shape)
    while True:
        reading = _Reading(request, shape, database, [*where, *_behind(cursor, order)], order, limit)
        chunk = reading.skim() if skims else reading.whole()
        for start in range(0, max(chunk.rows.height, 1), request.page_rows):
            rows = chunk.rows.slice(start, request.page_rows)
            if rows.height:
                cursor = replace(cursor, after=rows.select(_places(rows)).row(-1))
            is_last = chunk.is_last and start + request.page_rows >= chunk.rows.height
            frame, known = chunk.parted(rows)
            yield ChangePage(frame, _text(cursor), watermark if is_last else None, recheck_from, known)
            if is_last:
                return


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What one reading has found: rows with their places in the order, and whether there are no more.

    With `others`, the rows are ids, versions and times (and `_KNOWN`), and `others` holds those that are not known, as a batch.
    """

    rows: pl.DataFrame
    is_last: bool
    others: pl.DataFrame | None = None

    def parted(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Return some of the rows as a batch, and those that are known."""
        if self.others is None:
            return rows.drop(_places(rows)), None
        there = rows.filter(~pl.col(_KNOWN)).select(ID)
        batch = there.join(self.others, on=ID, how="inner", maintain_order="left")
        return batch, rows.filter(_KNOWN).select(ID, VERSION, MODIFIED_AT)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of a feed: the next rows in the order, at most as many as the limit."""

    request: ChangeRequest
    shape: Shape
    database: Database
    where: list[sa.ColumnElement[bool]]
    order: list[sa.ColumnClause[object]]
    limit: int

    def whole(self) -> _Chunk:
        """Read everything of the rows."""
        rows = self.database.read(self.shape, self.request.fields, self.where, self.order, self.limit)
        return _Chunk(rows, rows.height < self.limit)

    def skim(self) -> _Chunk:
        """Read the fields only of rows that are not known; the first few of them tell whether that pays."""
        few = self._narrow(_FEW)
        if 2 * few.get_column(_KNOWN).sum() <= few.height:
            return self.whole() if few.height else _Chunk(few, is_last=True, others=self._fields(few))
        rows, limit = (few, _FEW) if few.height < _FEW else (self._narrow(self.limit), self.limit)
        return _Chunk(rows, rows.height < limit, self._fields(rows))

    def _narrow(self, limit: int) -> pl.DataFrame:
        """Return ids, versions and times, and whether a row is known."""
        assert self.request.remembered is not None  # noqa: S101
        rows = self.database.read(self.shape, (), self.where, self.order, limit, versions=False)
        versions = self.request.remembered(rows.get_column(ID))
        known = self.database.are_versions(self.shape, rows, versions)
        return rows.with_columns(versions.alias(VERSION), known.alias(_KNOWN))

    def _fields(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the batch of those rows that are not known and still there."""
        ids = rows.filter(~pl.col(_KNOWN)).get_column(ID).to_list()
        if not ids:
            return empty_batch(self.shape.table, self.request.fields)
        keys = self.database.stored_keys(self.shape, ids)
        return self.database.read(self.shape, self.request.fields, [self.database.is_one_of(self.shape.key, keys)])


def _places(rows: pl.DataFrame) -> list[str]:
    return [name for name in rows.columns if name.startswith(AFTER)]


def _behind(cursor: _Cursor, order: list[sa.ColumnClause[object]]) -> list[sa.ColumnElement[bool]]:
    if not cursor.after:
        return []
    # The values have no type of their own: each is read as the type of the column that it is compared with.
    return [sa.tuple_(*order) > sa.tuple_(*(sa.literal(value, sa.types.NULLTYPE) for value in cursor.after))]


def _begin(request: ChangeRequest, shape: Shape, database: Database) -> _Cursor:
    since = None if request.since is None else _read(request.since, Position)
    _hold(shape, since)
    layout = database.layout(shape)
    return _Cursor(since, database.position(shape, since), layout)


def _resume(text: str, shape: Shape, database: Database) -> _Cursor:
    cursor = _read(text, _Cursor)
    _hold(shape, cursor.next)
    if cursor.layout != database.layout(shape):
        raise FeedExpired(
            f"The table {shape.table.name} was rearranged while its changes were being read",
            remedy="Its changes are read from the beginning.",
        )
    return cursor


def _hold(shape: Shape, position: Position | None) -> None:
    """Raise `FeedExpired` when a position goes by another column than changes are found by now."""
    by = shape.row_version or shape.modified_at
    if position is not None and position.by != (by.name if by is not None else ""):
        raise FeedExpired(
            f"The changes of {shape.table.name} are found by another column than when they were last read",
            remedy="The table is read again and compared.",
        )


def _text(value: _Cursor | Position) -> str:
    return msgspec.json.encode(value).decode()


def _read(text: str, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        raise FeedExpired(
            "The position in the feed cannot be read", remedy="The table is read again and compared."
        ) from None
