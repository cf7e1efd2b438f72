"""Feeds of changes: by change tracking, by time, or everything.

Source: protocol page, sections 9, 10, 12 and 23.

**By change tracking.** The first answer to `odata.track-changes` holds every row and ends with a *delta link*; that link
answers with what has changed since, deletions last, and ends with a new one. Links are used as they come. They repeat the
columns that were asked for, so one whose columns are not those that are wanted is of no use; nor is one that the service no
longer knows, or one from a later state of the database than the present one (it was restored): then the table is read again.
The service takes no condition here.

**By time**, where change tracking is off (`odata.time_feed`). A moment is a second: times have no fractions. Since the rows
of one second stay together, nothing depends on the order in which the service sorts ids.

Words: a *position* is what cursors and watermarks hold; its first letter says which kind of feed it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import polars as pl

from twinrow.batch.columns import DELETED, ID, conform, empty_batch
from twinrow.connectors.base import ChangePage, ChangeRequest, FeedKind
from twinrow.connectors.dataverse.filters import filter_text
from twinrow.connectors.dataverse.reading import Reading, filtered, preferences
from twinrow.connectors.dataverse.settings import MOST_ROWS
from twinrow.connectors.dataverse.site import EXPIRY_DAYS, Site
from twinrow.connectors.dataverse.tables import MODIFIED, DataverseTable
from twinrow.connectors.odata.client import Answer, NoAnswer, get
from twinrow.connectors.odata.errors import RequestRefused, ServiceError, read_error
from twinrow.connectors.odata.filters import instant_literal
from twinrow.connectors.odata.paging import unreadable
from twinrow.connectors.odata.records import Page, WireProperty
from twinrow.connectors.odata.time_feed import TimeFeed
from twinrow.model.errors import FeedExpired, SystemUnavailable

LONGEST_ADDRESS = 8_000
"""Characters of an address with a condition; where it would be longer, the condition is left to the reader."""

BEGINNING = datetime(1753, 1, 1, tzinfo=UTC)
"""The earliest time that the service knows; stands for times that rows may lack."""

EXPIRED = "0x80044352"
SCHEMA_CHANGED = "0x80072494"

_CONTEXT = WireProperty("@odata.context", str)
_GONE_ID = WireProperty("id", str)
_GONE = "/$deletedEntity"
_TRACK = "odata.track-changes"
_LINK_REFUSED = frozenset({400, 410})
_VERSION = re.compile(r"(\d+)!")


class _Links(msgspec.Struct):
    delta: str | None = msgspec.field(name="@odata.deltaLink", default=None)


@dataclass(frozen=True, slots=True)
class DeltaPosition:
    """A link at which to go on; `began` is when the feed under way began (None: the link begins one)."""

    link: str
    began: datetime | None = None

    @property
    def text(self) -> str:
        """The position as a cursor or watermark."""
        return f"d{self.began.isoformat() if self.began is not None else ''}|{self.link}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the position that a text is; None when it is of another kind."""
        began, _, link = text[1:].partition("|")
        if text[:1] != "d" or not link.startswith("https://"):
            return None
        try:
            return cls(link, datetime.fromisoformat(began) if began else None)
        except ValueError:
            return None


class Feeds:
    """Reads the changes of an environment's tables."""

    def __init__(self, site: Site, reading: Reading) -> None:
        self._site = site
        self._reading = reading

    def changes(self, table: DataverseTable, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed. Raises `FeedExpired` for a position that no longer leads anywhere."""
        match table.capabilities.feed:
            case FeedKind.DELTA:
                return _Tracked(self._site, self._reading, table, request).pages()
            case FeedKind.MODIFIED_AT:
                return _ByTime(self._site, self._reading, table, request).pages()
            case _:
                return self._everything(table, request)

    def _everything(self, table: DataverseTable, request: ChangeRequest) -> Iterator[ChangePage]:
        reading, fields = self._reading, request.fields
        for position in (request.cursor, request.since):
            if position is not None and not position.startswith("w"):
                raise expired(self._site.client.system, table.name)
        address = reading.address(table, reading.selected(table, fields))
        if request.cursor is not None:
            address = request.cursor[1:]
        if not address:
            yield ChangePage(empty_batch(table.table, fields), "w", "w")
            return
        headers = preferences(_rows(self._site, request), reading.annotations(table, fields))
        for page in reading.follow(address, headers, reading.reader(table, fields)):
            frame = conform(page.frame, table.table, fields)
            yield ChangePage(frame, f"w{page.next_link or ''}", None if page.next_link else "w")


class _Tracked:
    """One feed by change tracking."""

    def __init__(self, site: Site, reading: Reading, table: DataverseTable, request: ChangeRequest) -> None:
        self._site = site
        self._client = site.client
        self._reading = reading
        self._table = table
        self._request = request
        self._reader = reading.reader(table, request.fields, _CONTEXT, _GONE_ID)
        self._rows = _rows(site, request)
        self._annotations = reading.annotations(table, request.fields)

    def pages(self) -> Iterator[ChangePage]:
        """Yield the pages of the feed."""
        position = self._position()
        link, began = position.link, position.began
        while True:
            answer = self._read(link)
            now = self._client.time.now()
            if began is not None and now - began > self._lifetime():
                raise expired(self._client.system, self._table.name, "The reading was broken off too long ago.")
            began = began or now
            page = self._page(answer)
            frame = self._frame(page.frame)
            following = self._reading.next_address(link, page)
            if following is None:
                # Going on behind the last page is the same as beginning the next feed.
                watermark = self._watermark(link, page, answer)
                yield ChangePage(frame, watermark, watermark)
                return
            yield ChangePage(frame, DeltaPosition(following, began).text)
            link = following

    def _position(self) -> DeltaPosition:
        text = self._request.cursor if self._request.cursor is not None else self._request.since
        if text is None:
            return DeltaPosition(self._beginning)
        position = DeltaPosition.read(text)
        if position is None or not self._is_ours(position.link) or not self._has_wanted_columns(position.link):
            raise expired(self._client.system, self._table.name)
        return position

    @property
    def _beginning(self) -> str:
        return self._reading.address(self._table, self._reading.selected(self._table, self._request.fields))

    def _is_ours(self, link: str) -> bool:
        """Whether a link that was stored leads to this environment: our token goes with it."""
        parts = urlsplit(link)
        return f"{parts.scheme}://{parts.netloc.lower()}" == self._site.settings.address

    def _has_wanted_columns(self, link: str) -> bool:
        wanted = self._reading.selected_names(self._table, self._request.fields)
        selected = parse_qs(urlsplit(link).query).get("$select", [""])[0]
        return not selected or set(wanted) <= set(selected.split(","))

    def _read(self, link: str) -> Answer:
        # A delta link needs no preference to be one; everything else repeats that of the first request.
        tracking = () if "$deltatoken" in unquote(link) else (_TRACK,)
        headers = preferences(self._rows, self._annotations, *tracking)
        outcome = self._client.exchange(get(link, headers))
        if isinstance(outcome, NoAnswer):
            raise outcome.error
        if outcome.status >= 300:
            error = read_error(outcome.status, outcome.content)
            if _is_expired(error) or (link != self._beginning and outcome.status in _LINK_REFUSED):
                raise expired(self._client.system, self._table.name, str(error))
            raise self._client.refusal(outcome)
        return outcome

    def _page(self, answer: Answer) -> Page:
        try:
            return self._reader.page(answer.content)
        except ValueError as error:
            raise unreadable(self._client.system, str(error)) from None

    def _frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        gone = pl.col(f"~{_CONTEXT.name}").str.ends_with(_GONE).fill_null(False)
        told = frame.with_columns(
            gone.alias(DELETED),
            pl.when(gone).then(pl.col(f"~{_GONE_ID.name}").str.to_lowercase()).otherwise(pl.col(ID)).alias(ID),
        )
        return conform(told, self._table.table, self._request.fields)

    def _watermark(self, link: str, page: Page, answer: Answer) -> str:
        """Return where the next feed begins, after the last page of this one."""
        try:
            delta = msgspec.json.decode(answer.content, type=_Links).delta
        except msgspec.DecodeError as error:
            raise unreadable(self._client.system, str(error)) from None
        following = self._reading.next_address(link, replace(page, next_link=delta))
        if following is None:
            raise unreadable(self._client.system, "the last page of changes has no link to further ones")
        before, after = _version(link), _version(following)
        if before is not None and after is not None and after < before:
            raise expired(self._client.system, self._table.name, "The versions of its rows have jumped backwards.")
        return DeltaPosition(following).text

    def _lifetime(self) -> timedelta:
        days = self._site.organization.expirechangetrackingindays
        return timedelta(days=EXPIRY_DAYS if days is None else days)


class _ByTime(TimeFeed[DataverseTable]):
    """One feed by time."""

    beginning = BEGINNING
    moment = timedelta(seconds=1)
    most_rows = MOST_ROWS

    def __init__(self, site: Site, reading: Reading, table: DataverseTable, request: ChangeRequest) -> None:
        super().__init__(site.client, table, request, site.settings.page_rows)
        self._reading = reading
        self._reader = reading.reader(table, request.fields)
        self._select = reading.selected(table, request.fields)
        self._annotations = reading.annotations(table, request.fields)

    def _page_from(self, behind: datetime) -> Page:
        return self._page(_from(behind), self._select, f"$orderby={MODIFIED},{self._table.key}")

    def _pages_of_moment(self, behind: datetime) -> Iterator[Page]:
        page = self._page(self._within(behind), self._select)
        yield page
        following = self._reading.next_address(self._address("", self._select), page)
        if following is not None:
            yield from self._reading.follow(following, self._headers, self._reader)

    def _within(self, second: datetime) -> str:
        """Return the condition for what changed in a second."""
        if second <= BEGINNING:
            return f"{MODIFIED} eq null"
        return f"{_from(second)} and {MODIFIED} lt {instant_literal(second + self.moment, 'seconds')}"

    @property
    def _headers(self) -> dict[str, str]:
        return preferences(self._asked, self._annotations)

    def _address(self, text: str, *options: str) -> str:
        return self._reading.address(self._table, *filtered(text), *options)

    def _page(self, text: str, *options: str) -> Page:
        """Read a page with as much of the condition as the service understands."""
        condition = self._request.condition
        while True:
            pushed = filter_text(condition, self._table, self._reading.refused(self._table))
            address = self._address(" and ".join(filter(None, (text, pushed))), *options)
            if len(address) > LONGEST_ADDRESS:
                pushed, address = "", self._address(text, *options)
            try:
                return self._reading.page(address, self._headers, self._reader)
            except RequestRefused as refusal:
                self._reading.widen(self._table, condition if pushed else None, refusal)

    def _expired(self) -> FeedExpired:
        return expired(self._client.system, self._table.name)

    def _disordered(self) -> SystemUnavailable:
        return disordered(self._client.system, self._table.name)


def _rows(site: Site, request: ChangeRequest) -> int:
    return min(request.page_rows, site.settings.page_rows)


def _from(behind: datetime) -> str:
    """Return the condition for what changed in a second or later."""
    return f"{MODIFIED} ge {instant_literal(behind, 'seconds')}" if behind > BEGINNING else ""


def _version(link: str) -> int | None:
    """Return the version in a link's token, as far as there is one to be seen."""
    token = parse_qs(urlsplit(link).query).get("$deltatoken", [""])[0]
    found = _VERSION.match(token)
    return int(found[1]) if found is not None else None


def _is_expired(error: ServiceError) -> bool:
    return error.code.lower() in (EXPIRED, SCHEMA_CHANGED) or "full sync" in error.message.lower()


def expired(system: str, table: str, cause: str | None = None) -> FeedExpired:
    """Return the exception for a position that no longer leads anywhere."""
    return FeedExpired(
        f"{system} no longer knows the position in the changes of {table}",
        cause=cause or "It belongs to another environment, to other columns or to another kind of feed.",
        remedy="The table is read again and compared.",
    )


def disordered(system: str, table: str) -> SystemUnavailable:
    """Return the exception for a page that is not in the order that was asked for: going on behind it would miss rows."""
    return SystemUnavailable(
        f"{system} does not hand the rows of {table} over in the order of {MODIFIED}",
        cause="Going on behind the last of them would miss changes.",
    )
