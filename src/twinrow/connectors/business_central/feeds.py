"""Feeds of changes: by row version, by time, or everything.

Source: protocol page, sections 4, 8 and 19. A feed never follows the service's own links in an order that a change can
upset: the link names the last record of a page, and where that record is by then is where the next page begins. Instead
each page asks for what comes behind the *value* that the last record had. A condition that the service only knows in pieces
(`or` between fields) is asked for in several requests, and a page is what all of them have told up to the same value.

**By row version** (twinrow's own pages). Before anything else the version is asked for below which everything is committed;
records from the last such version up to this one are all that changed. Nothing is missed and nothing comes twice.

**By time** (the standard API; `odata.time_feed`). The service compares times less exactly than it prints them, so each answer
is asked for with a margin and cut here. A moment that fills a whole answer is read by the service's own links in the order of
the key, which no change upsets.

Words: a *position* is what cursors and watermarks hold; its first letter says which kind of feed it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import msgspec
import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, conform, empty_batch
from twinrow.connectors.base import ChangePage, ChangeRequest, FeedKind
from twinrow.connectors.business_central.filters import TIME_TOLERANCE, page_texts
from twinrow.connectors.business_central.reading import LinkLost, Reading
from twinrow.connectors.business_central.settings import MOST_ROWS
from twinrow.connectors.business_central.site import Site
from twinrow.connectors.business_central.tables import MODIFIED, ROW_VERSION, ApiTable
from twinrow.connectors.odata.client import get
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.filters import instant_literal
from twinrow.connectors.odata.paging import unreadable
from twinrow.connectors.odata.records import Page, RecordReader
from twinrow.connectors.odata.time_feed import TimeFeed
from twinrow.model.errors import FeedExpired, SystemUnavailable

LONGEST_ADDRESS = 4_000
"""Characters of an address with a condition; where it would be longer, the condition is left to the reader."""

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Stands for times that records may lack: before every other."""

_MILLISECOND = timedelta(milliseconds=1)
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
            page = condition_page(self._reading, table, request, text, options, rows, reader, f"~{ROW_VERSION}")
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


class _ByTime(TimeFeed[ApiTable]):
    """One feed by time."""

    beginning = BEGINNING
    moment = 2 * TIME_TOLERANCE + _MILLISECOND
    most_rows = MOST_ROWS

    def __init__(self, site: Site, reading: Reading, table: ApiTable, request: ChangeRequest) -> None:
        super().__init__(site.client, table, request, site.settings.page_rows)
        self._reading = reading
        self._reader = reading.reader(table, request.fields)
        self._select = reading.selected(table, request.fields)

    def _page_from(self, behind: datetime) -> Page:
        text, options = _from(behind), (self._select, f"$orderby={MODIFIED}")
        return condition_page(
            self._reading, self._table, self._request, text, options, self._asked, self._reader, MODIFIED_AT
        )

    def _pages_of_moment(self, behind: datetime) -> Iterator[Page]:
        # Without another order the service hands records over in that of the key.
        end = f"{MODIFIED} le {instant_literal(behind + 3 * TIME_TOLERANCE)}"
        text = " and ".join(filter(None, (_from(behind), end)))
        first = condition_page(
            self._reading, self._table, self._request, text, (self._select,), self._asked, self._reader, None
        )
        yield first
        yield from self._reading.behind(self._table, first.next_link, self._asked, self._reader)

    def _can_ask_for_more(self, page: Page) -> bool:
        return page.frame.height >= self._asked and super()._can_ask_for_more(page)

    def _expired(self) -> FeedExpired:
        return expired(self._client.system, self._table.name)

    def _disordered(self) -> SystemUnavailable:
        return disordered(self._client.system, self._table.name, MODIFIED)


def _from(behind: datetime) -> str:
    """Return the condition for what changed at a moment or later, as exactly as the service compares."""
    return f"{MODIFIED} ge {instant_literal(behind - TIME_TOLERANCE)}" if behind > BEGINNING else ""


def condition_page(
    reading: Reading,
    table: ApiTable,
    request: ChangeRequest,
    text: str,
    options: tuple[str, ...],
    rows: int,
    reader: RecordReader,
    order: str | None,
) -> Page:
    """Read a page of a feed, in the order of a column, with as much of its condition as the service understands.

    A condition that takes several requests is asked for by all of them, and what they hand over becomes one page; without an
    order, where that cannot be, it is left to the reader.
    """
    while True:
        pushed = page_texts(request.condition, table, reading.refused(table), beside=_OWN_NODES)
        if order is None and len(pushed) > 1:
            pushed = ("",)
        addresses = [reading.address(table, " and ".join(filter(None, (text, one))), *options) for one in pushed]
        if any(len(address) > LONGEST_ADDRESS for address in addresses):
            pushed, addresses = ("",), [reading.address(table, text, *options)]
        try:
            return _together([reading.page(address, rows, reader) for address in addresses], order)
        except RequestRefused as refusal:
            reading.widen(table, request.condition if any(pushed) else None, refusal)


def _together(pages: list[Page], order: str | None) -> Page:
    """Put the pages of several requests together, up to where each of them has told everything; each record once."""
    if len(pages) == 1 or order is None:
        return pages[0]
    if not all(page.frame.get_column(order).is_sorted() for page in pages):
        # Whoever reads on must not go behind the last of them: the order of what is returned here tells.
        return next(page for page in pages if not page.frame.get_column(order).is_sorted())
    more = [page for page in pages if page.next_link is not None]
    frame = pl.concat([page.frame for page in pages])
    told = [page.frame.get_column(order)[-1] for page in more if page.frame.height]
    if len(told) < len(more):
        return next(page for page in more if page.frame.is_empty())
    if told:
        frame = frame.filter(pl.col(order).is_null() | (pl.col(order) <= min(told)))
    frame = frame.unique(ID, keep="last", maintain_order=True).sort(order)
    return Page(frame, more[0].next_link if more else None)


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
