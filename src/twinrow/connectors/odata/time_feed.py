"""Feeds of changes by time.

Times are set when a record is written, not when it is committed, so each feed goes back by the overlap. Within a feed,
records of one *moment* (the shortest time by which the service can be asked) stay together: what shares its time with the last
record of an answer is left to the next, which asks for what changed at that moment or later. A moment that fills a whole answer
(a migration stamps all its records alike) is read by the service's own links.

How a service is asked, and how long its moments are, is said by the class that it makes of `TimeFeed`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Generic, Self

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, conform
from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.records import Page
from twinrow.connectors.odata.tables import AnyTable
from twinrow.model.errors import FeedExpired, SystemUnavailable

FEWEST_ROWS = 500
"""A feed by time asks for at least so many records, so that a moment seldom fills an answer."""

_TIME = "~time"


@dataclass(frozen=True, slots=True)
class TimePosition:
    """Handed over is everything before `behind`, and what changed at that moment with ids up to `id`.

    `began` is the system's time when the feed began, once it is known.
    """

    began: datetime | None
    behind: datetime
    id: str = ""

    @property
    def text(self) -> str:
        """The position as a cursor or watermark."""
        began = self.began.isoformat() if self.began is not None else ""
        return f"t{began}|{self.behind.isoformat()}|{self.id}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the position that a text is; None when it is of another kind."""
        parts = text[1:].split("|")
        if text[:1] != "t" or len(parts) != 3:
            return None
        try:
            began = datetime.fromisoformat(parts[0]) if parts[0] else None
            return cls(began, datetime.fromisoformat(parts[1]), parts[2])
        except ValueError:
            return None


class TimeFeed(ABC, Generic[AnyTable]):
    """One feed by time. `page_rows` is how many records the settings let an answer hold."""

    beginning: ClassVar[datetime]
    """Stands for times that records may lack: before every other."""

    moment: ClassVar[timedelta]
    """How long a moment is that `_pages_of_moment` reads."""

    most_rows: ClassVar[int]
    """How many records one answer can hold."""

    def __init__(self, client: ODataClient, table: AnyTable, request: ChangeRequest, page_rows: int) -> None:
        self._client = client
        self._table = table
        self._request = request
        self._asked = max(FEWEST_ROWS, min(request.page_rows, page_rows))

    @abstractmethod
    def _page_from(self, behind: datetime) -> Page:
        """Read what changed at a moment or later, in the order of time: the first `_asked` of it."""

    @abstractmethod
    def _pages_of_moment(self, behind: datetime) -> Iterator[Page]:
        """Read at least what changed at a moment, in an order that no change upsets."""

    @abstractmethod
    def _expired(self) -> FeedExpired:
        """Return the exception for a position that is none of this feed."""

    @abstractmethod
    def _disordered(self) -> SystemUnavailable:
        """Return the exception for a page that is not in the order of time: going on behind it would miss records."""

    def _can_ask_for_more(self, page: Page) -> bool:  # noqa: ARG002 - a service may go by what it got
        """Whether a larger answer can be had than this one, which a single moment fills."""
        return self._asked < self.most_rows

    def pages(self) -> Iterator[ChangePage]:
        """Yield the pages of the feed."""
        position = self._position()
        ended = False
        while not ended:
            page = self._page_from(position.behind)
            frame = self._timed(page)
            if position.began is None:
                # Not before the first answer: the overlap covers what was written while it was made.
                position = replace(position, began=self._client.time.now())
            times = frame.get_column(_TIME)
            ended = page.next_link is None
            if not times.is_sorted() or (times.is_empty() and not ended):
                raise self._disordered()
            rest = _behind(position, frame)
            if ended:
                yield from self._slices(rest, position, ended=True)
                return
            last: datetime = times[-1]
            yield from self._slices(rest.filter(pl.col(_TIME) < last), position, ended=False)
            if last > position.behind:
                position = TimePosition(position.began, last)
            elif self._can_ask_for_more(page):
                self._asked = min(self._asked * 4, self.most_rows)
            else:
                yield from self._moment(position)
                position = TimePosition(position.began, position.behind + self.moment)

    def _moment(self, position: TimePosition) -> Iterator[ChangePage]:
        """Yield what changed at a moment that fills more than an answer.

        Whoever breaks off in here begins again before the moment.
        """
        for page in self._pages_of_moment(position.behind):
            rest = _behind(position, self._timed(page)).filter(pl.col(_TIME) < position.behind + self.moment)
            for piece in self._pieces(rest):
                yield self._change_page(piece, position)

    def _timed(self, page: Page) -> pl.DataFrame:
        return page.frame.with_columns(pl.col(MODIFIED_AT).fill_null(self.beginning).alias(_TIME))

    def _slices(self, frame: pl.DataFrame, position: TimePosition, *, ended: bool) -> Iterator[ChangePage]:
        """Yield records in pages of the size asked for; the last one of an ended feed has the watermark."""
        pieces = self._pieces(frame)
        if ended and not pieces:
            pieces = [frame]
        for number, piece in enumerate(pieces):
            if piece.height:
                position = replace(position, behind=piece.get_column(_TIME)[-1], id=piece.get_column(ID)[-1])
            yield self._change_page(piece, position, finished=ended and number == len(pieces) - 1)

    def _pieces(self, frame: pl.DataFrame) -> list[pl.DataFrame]:
        rows = self._request.page_rows
        return [frame[start : start + rows] for start in range(0, frame.height, rows)]

    def _change_page(self, frame: pl.DataFrame, position: TimePosition, *, finished: bool = False) -> ChangePage:
        began = position.began or self._client.time.now()
        watermark = TimePosition(None, began).text if finished else None
        frame = conform(frame, self._table.table, self._request.fields)
        return ChangePage(frame, position.text, watermark, began - self._table.capabilities.overlap)

    def _position(self) -> TimePosition:
        request = self._request
        position: TimePosition | None = TimePosition(None, self.beginning)
        if request.cursor is not None:
            position = TimePosition.read(request.cursor)
        elif request.since is not None:
            position = TimePosition.read(request.since)
            if position is not None:
                position = replace(position, behind=position.behind - self._table.capabilities.overlap)
        if position is None:
            raise self._expired()
        return position


def _behind(position: TimePosition, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the records behind a position, in the order of time and id."""
    later = pl.col(_TIME) > position.behind
    same = (pl.col(_TIME) == position.behind) & (pl.col(ID) > position.id)
    return frame.filter(later | same).sort(_TIME, ID)
