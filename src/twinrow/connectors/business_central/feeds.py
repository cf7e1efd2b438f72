"""Feeds of changes: by row version, by time, or everything.

Source: protocol page, sections 4, 8 and 19. A feed never follows the service's own links in an order that a change can
upset: the link names the last record of a page, and where that record is by then is where the next page begins. Instead
each page asks for what comes behind the *value* that the last record had.

**By row version** (twinrow's own pages). Before anything else the version is asked for below which everything is committed;
records from the last such version up to this one are all that changed. Nothing is missed and nothing comes twice.

**By time** (the standard API). Times are set when a record is written, not when it is committed, so each feed goes back by
the overlap. Within a feed, records of one moment stay together: what shares its time with the last record of an answer is
left to the next. The service compares times less exactly than it prints them, so each answer is asked for with a margin and
cut here. A moment that fills a whole answer (a migration stamps all its records alike) is read by the service's own links,
in the order of the key, which no change upsets.

Words: a *position* is what cursors and watermarks hold; its first letter says which kind of feed it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Self

import msgspec
import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, conform, empty_batch
from twinrow.connectors.base import ChangePage, ChangeRequest, FeedKind
from twinrow.connectors.business_central.filters import TIME_TOLERANCE, filter_text
from twinrow.connectors.business_central.reading import LinkLost, Reading
from twinrow.connectors.business_central.settings import MOST_ROWS
from twinrow.connectors.business_central.site import Site
from twinrow.connectors.business_central.tables import MODIFIED, ROW_VERSION, ApiTable
from twinrow.connectors.odata.client import get
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.filters import instant_literal
from twinrow.connectors.odata.paging import unreadable
from twinrow.connectors.odata.records import Page, RecordReader
from twinrow.model.errors import FeedExpired, SystemUnavailable

FEWEST_ROWS = 500
"""A feed by time asks for at least so many records, so that a moment rarely fills an answer."""

LONGEST_ADDRESS = 4_000
"""Characters of an address with a condition; where it would be longer, the condition is left to the reader."""

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Stands for times that records may lack: before every other."""

_MILLISECOND = timedelta(milliseconds=1)
_TIME = "~time"
# What a feed's own conditions count in a filter.
_OWN_NODES = 12


class _State(msgspec.Struct):
    minimum: int = msgspec.field(name="minimumActiveRowVersion")
    last: int = msgspec.field(name="lastUsedRowVersion")


class _States(msgspec.Struct):
    value: list[_State]


@dataclass(frozen=True, slots=True)
class VersionPosition:
    """Everything up to the version `last` has been handed over; the feed ends below `high`."""

    high: int
    last: int

    @property
    def text(self) -> str:
        """The position as a cursor."""
        return f"v{self.high}|{self.last}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the position that a cursor or a watermark is; None when it is of another kind."""
        high, _, last = text[1:].partition("|")
        if text[:1] != "v" or not high.isdecimal() or not (last or "0").isdecimal():
            return None
        return cls(int(high), int(last) if last else int(high) - 1)


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
        """The position as a cursor."""
        began = self.began.isoformat() if self.began is not None else ""
        return f"t{began}|{self.behind.isoformat()}|{self.id}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the position that a cursor is; None when it is of another kind."""
        parts = text[1:].split("|")
        if text[:1] != "t" or len(parts) != 3:
            return None
        try:
            began = datetime.fromisoformat(parts[0]) if parts[0] else None
            return cls(began, datetime.fromisoformat(parts[1]), parts[2])
        except ValueError:
            return None


class Feeds:
    """Reads the changes of a company's tables."""

    def __init__(self, site: Site, reading: Reading) -> None:
        self._site = site
        self._client = site.client
        self._reading = reading

    def changes(self, table: ApiTable, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed. Raises `FeedExpired` for a position of another feed or another database."""
        match table.capabilities.feed:
            case FeedKind.ROW_VERSION:
                return self._by_version(table, request)
            case FeedKind.MODIFIED_AT:
                return _ByTime(self._site, self._reading, table, request).pages()
            case _:
                return self._everything(table, request)

    def _by_version(self, table: ApiTable, request: ChangeRequest) -> Iterator[ChangePage]:
        position = self._version_position(table, request)
        reader = self._reading.reader(table, request.fields, ROW_VERSION)
        options = (self._reading.selected(table, request.fields, ROW_VERSION), f"$orderby={ROW_VERSION}")
        rows = min(request.page_rows, self._site.settings.page_rows)
        more = True
        while more:
            text = f"{ROW_VERSION} gt {position.last} and {ROW_VERSION} lt {position.high}"
            page = condition_page(self._reading, table, request, text, options, rows, reader)
            versions = page.frame.get_column(f"~{ROW_VERSION}")
            more = page.next_link is not None
            if versions.is_empty():
                if more:
                    raise disordered(self._client.system, table.name, ROW_VERSION)
            else:
                first, last = int(versions[0] or 0), int(versions[-1] or 0)
                if not versions.is_sorted() or first <= position.last or last >= position.high:
                    raise disordered(self._client.system, table.name, ROW_VERSION)
                position = replace(position, last=last)
            frame = conform(page.frame, table.table, request.fields)
            yield ChangePage(frame, position.text, None if more else f"v{position.high}")

    def _version_position(self, table: ApiTable, request: ChangeRequest) -> VersionPosition:
        state = self._state(table)
        position: VersionPosition | None = VersionPosition(state.minimum, 0)
        if request.cursor is not None:
            position = VersionPosition.read(request.cursor)
        elif request.since is not None:
            position = VersionPosition.read(request.since)
            if position is not None:
                position = replace(position, high=max(position.high, state.minimum))
        # Versions only grow: one that was never given out belongs to another database, a restored or copied one.
        if position is None or max(position.high, position.last) > state.last + 1:
            raise expired(self._client.system, table.name)
        return position

    def _state(self, table: ApiTable) -> _State:
        address = f"{table.route.root}/{self._site.set_path('syncStates')}"
        content = self._client.read(get(address)).content
        try:
            states = msgspec.json.decode(content, type=_States).value
        except msgspec.DecodeError as error:
            raise unreadable(self._client.system, f"syncStates: {error}") from None
        if len(states) != 1:
            raise unreadable(self._client.system, f"syncStates has {len(states)} records")
        return states[0]

    def _everything(self, table: ApiTable, request: ChangeRequest) -> Iterator[ChangePage]:
        reader = self._reading.reader(table, request.fields)
        address = self._reading.address(table, "", self._reading.selected(table, request.fields))
        for position in (request.cursor, request.since):
            if position is not None and not position.startswith("w"):
                raise expired(self._client.system, table.name)
        if request.cursor is not None:
            address = request.cursor[1:]
        if not address:
            yield ChangePage(empty_batch(table.table, request.fields), "w", "w")
            return
        try:
            for page in self._reading.follow(address, request.page_rows, reader):
                frame = conform(page.frame, table.table, request.fields)
                yield ChangePage(frame, f"w{page.next_link or ''}", None if page.next_link else "w")
        except LinkLost:
            raise expired(self._client.system, table.name) from None


class _ByTime:
    """One feed by time."""

    def __init__(self, site: Site, reading: Reading, table: ApiTable, request: ChangeRequest) -> None:
        self._client = site.client
        self._reading = reading
        self._table = table
        self._request = request
        self._reader = reading.reader(table, request.fields)
        self._select = reading.selected(table, request.fields)
        self._asked = max(FEWEST_ROWS, min(request.page_rows, site.settings.page_rows))

    def pages(self) -> Iterator[ChangePage]:
        """Yield the pages of the feed."""
        position = self._position()
        ended = False
        while not ended:
            page = self._page(_from(position.behind), [self._select, f"$orderby={MODIFIED}"])
            if position.began is None:
                # Not before the first answer: the overlap covers what was written while it was made.
                position = replace(position, began=self._client.time.now())
            times = page.frame.get_column(_TIME)
            ended = page.next_link is None
            if not times.is_sorted() or (times.is_empty() and not ended):
                raise disordered(self._client.system, self._table.name, MODIFIED)
            rest = self._behind(position, page.frame)
            if ended:
                yield from self._slices(rest, position, ended=True)
                return
            last: datetime = times[-1]
            complete = rest.filter(pl.col(_TIME) < last)
            yield from self._slices(complete, position, ended=False)
            if last > position.behind:
                position = TimePosition(position.began, last)
            elif page.frame.height >= self._asked and self._asked < MOST_ROWS:
                self._asked = min(self._asked * 4, MOST_ROWS)
            else:
                yield from self._moment(position)
                position = TimePosition(position.began, position.behind + 2 * TIME_TOLERANCE + _MILLISECOND)

    def _moment(self, position: TimePosition) -> Iterator[ChangePage]:
        """Yield what changed at a moment that fills more than an answer: by the service's links, in the order of the key.

        Whoever breaks off in here begins again before the moment.
        """
        end = position.behind + 2 * TIME_TOLERANCE
        text = f"{MODIFIED} le {instant_literal(end + TIME_TOLERANCE)}"
        start = _from(position.behind)
        first = self._page(f"{start} and {text}" if start else text, [self._select])
        further = self._reading.behind(self._table, first.next_link, self._asked, self._reader)
        for page in chain([first], map(self._timed, further)):
            rest = self._behind(position, page.frame).filter(pl.col(_TIME) <= end)
            for piece in self._pieces(rest):
                yield self._change_page(piece, position)

    def _page(self, text: str, options: list[str]) -> Page:
        return self._timed(
            condition_page(self._reading, self._table, self._request, text, options, self._asked, self._reader)
        )

    @staticmethod
    def _timed(page: Page) -> Page:
        time = pl.col(MODIFIED_AT).fill_null(BEGINNING).alias(_TIME)
        return replace(page, frame=page.frame.with_columns(time))

    @staticmethod
    def _behind(position: TimePosition, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the records behind a position, in the order of time and id."""
        later = pl.col(_TIME) > position.behind
        same = (pl.col(_TIME) == position.behind) & (pl.col(ID) > position.id)
        return frame.filter(later | same).sort(_TIME, ID)

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
        position: TimePosition | None = TimePosition(None, BEGINNING)
        if request.cursor is not None:
            position = TimePosition.read(request.cursor)
        elif request.since is not None:
            position = TimePosition.read(request.since)
            if position is not None:
                position = replace(position, behind=position.behind - self._table.capabilities.overlap)
        if position is None:
            raise expired(self._client.system, self._table.name)
        return position


def _from(behind: datetime) -> str:
    """Return the condition for what changed at a moment or later, as exactly as the service compares."""
    return f"{MODIFIED} ge {instant_literal(behind - TIME_TOLERANCE)}" if behind > BEGINNING else ""


def condition_page(
    reading: Reading,
    table: ApiTable,
    request: ChangeRequest,
    text: str,
    options: list[str] | tuple[str, ...],
    rows: int,
    reader: RecordReader,
) -> Page:
    """Read a page of a feed with as much of its condition as the service understands."""
    while True:
        pushed = filter_text(request.condition, table, reading.refused(table), beside=_OWN_NODES)
        address = reading.address(table, " and ".join(filter(None, (text, pushed))), *options)
        if len(address) > LONGEST_ADDRESS:
            pushed, address = "", reading.address(table, text, *options)
        try:
            return reading.page(address, rows, reader)
        except RequestRefused as refusal:
            reading.widen(table, request.condition if pushed else None, refusal)


def expired(system: str, table: str) -> FeedExpired:
    """Return the exception for a position that does not belong to this feed, or to this database."""
    return FeedExpired(
        f"The position in the changes of {table} does not belong to {system} as it is now",
        cause="The database was restored or copied, or the route by which the table is read has changed.",
        remedy="The table is read again and compared.",
    )


def disordered(system: str, table: str, by: str) -> SystemUnavailable:
    """Return the exception for a page that is not in the order that was asked for: going on behind it would miss records."""
    return SystemUnavailable(
        f"{system} does not hand the records of {table} over in the order of {by}",
        cause="Going on behind the last of them would miss changes.",
    )
