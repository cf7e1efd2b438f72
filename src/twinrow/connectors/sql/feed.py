"""Feeds of changes: in pages, each statement going on behind the last row of the one before.

A *watermark* is a `Position` as text. A *cursor* holds the watermark that the feed began from, the one that it will end
with, and the place of the last row that was handed over; so a feed that is resumed ends where it would have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.connectors.sql.conditions import condition_for
from twinrow.connectors.sql.database import AFTER, Database, Position
from twinrow.connectors.sql.shape import Shape
from twinrow.model.errors import FeedExpired

Kind = TypeVar("Kind")

CHUNK_ROWS = 20_000
"""Rows read by one statement, at least: where many rows were changed at one time, each statement sorts them anew."""


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
    while True:
        rows = database.read(shape, request.fields, [*where, *_behind(cursor, order)], order, limit)
        for start in range(0, max(rows.height, 1), request.page_rows):
            page = rows.slice(start, request.page_rows)
            places = page.select(name for name in page.columns if name.startswith(AFTER))
            if page.height:
                cursor = replace(cursor, after=places.row(-1))
            is_last = rows.height < limit and start + request.page_rows >= rows.height
            yield ChangePage(page.drop(places.columns), _text(cursor), watermark if is_last else None, recheck_from)
            if is_last:
                return


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
