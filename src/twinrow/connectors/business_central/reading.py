"""Reading records: by id, by condition, the ids of all.

Source: protocol page, section 4. What the service lets through is looked at again here, because its texts are
case-sensitive and its filters are limited; so a selection means what `batch.filters` means. A filter that the service
refuses (a field that the page computes cannot be filtered by, and nothing says so beforehand) is not tried twice: the
field is left out of filters from then on, and looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, MODIFIED_BY, VERSION, conform, empty_batch
from twinrow.batch.filters import filter_expression
from twinrow.connectors.business_central.filters import MOST_NODES, filter_texts
from twinrow.connectors.business_central.settings import MOST_PARTS, MOST_ROWS
from twinrow.connectors.business_central.site import Site
from twinrow.connectors.business_central.tables import KEY, MODIFIED, MODIFIER, ApiTable
from twinrow.connectors.business_central.values import instants
from twinrow.connectors.odata.batch import batch_call, chunks, part
from twinrow.connectors.odata.client import NoAnswer
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.filters import is_guid
from twinrow.connectors.odata.paging import Pages, unreadable
from twinrow.connectors.odata.records import Page, RecordReader, WireProperty
from twinrow.model.errors import SystemUnavailable
from twinrow.model.filters import Filter, filter_fields

ETAG = "@odata.etag"

SKIP_TOKEN_GONE = "SkipTokenIsNoLongerValid"  # noqa: S105 - a code of the service
"""The service's word for a link to a page whose predecessor's last record was deleted meanwhile."""

READ_AGAIN = 3
"""How often a selection is begun anew when such a link is met."""

LONGEST_ADDRESS = 2_000
"""Characters of an address that every server in between lets through; longer ones travel inside a batch."""

IDS_OF_FILTER = MOST_NODES // 5
"""Records that one filter names: each takes five of the nodes that the service counts."""

ROWS_OF_PART = 1_000
"""Records that each of many answers in one batch may hold."""


def record_columns(table: ApiTable, fields: Iterable[str]) -> tuple[list[WireProperty], list[pl.Expr]]:
    """Return the properties to read for these fields, and the columns of a batch (without `@deleted`) made of them."""
    names = list(dict.fromkeys(fields))
    properties = {name: table.wire[name].property for name in names}
    for name in (KEY, MODIFIED, MODIFIER):
        if table.has(name):
            properties[name] = table.wire[name].property
    columns = [
        pl.col(KEY).str.to_lowercase().alias(ID),
        pl.col(ETAG).alias(VERSION),
        (instants(pl.col(MODIFIED)) if table.has(MODIFIED) else pl.lit(None, dtype=pl.String)).alias(MODIFIED_AT),
        (pl.col(MODIFIER) if table.has(MODIFIER) else pl.lit(None, dtype=pl.String)).alias(MODIFIED_BY),
        *(table.wire[name].read() for name in names),
    ]
    return [WireProperty(ETAG, str), *properties.values()], columns


class LinkLost(SystemUnavailable):
    """The link to the next page leads nowhere any more; reading must begin again."""

    def __init__(self, system: str) -> None:
        super().__init__(
            f"{system} has lost the place up to which records were read",
            cause="The last record of a page was deleted before the next page was asked for.",
            remedy="Read again.",
        )


class Reading:
    """Reads records of a company."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._client = site.client
        self._pages = Pages(site.client)
        self._readers: dict[tuple[str, tuple[str, ...]], RecordReader] = {}
        self._refused: dict[str, frozenset[str]] = {}

    def fetch(self, table: ApiTable, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the records with these ids; what is no id of this service does not exist."""
        wanted = list(dict.fromkeys([id.lower() for id in ids if is_guid(id)]))
        if not wanted:
            return empty_batch(table.table, fields)
        texts = [" or ".join([f"{KEY} eq {id}" for id in piece]) for piece in chunks(wanted, IDS_OF_FILTER)]
        return self._whole(table, fields, self.pages(table, fields, texts))

    def select(
        self, table: ApiTable, fields: Sequence[str], condition: Filter | None, limit: int | None
    ) -> pl.DataFrame:
        """Return the records that satisfy a condition, `limit` at the most."""
        for _ in range(READ_AGAIN - 1):
            try:
                return self._select(table, fields, condition, limit)
            except LinkLost:
                continue
        return self._select(table, fields, condition, limit)

    def _select(
        self, table: ApiTable, fields: Sequence[str], condition: Filter | None, limit: int | None
    ) -> pl.DataFrame:
        needed = tuple(dict.fromkeys([*fields, *sorted(filter_fields(condition))]))
        frames: list[pl.DataFrame] = []
        found: set[str] = set()
        for frame in self.matching(table, needed, condition, limit) if limit != 0 else ():
            if condition is not None:
                frame = frame.filter(filter_expression(condition, table.table))
            frames.append(frame)
            if limit is not None:
                found.update(frame.get_column(ID))
                if len(found) >= limit:
                    break
        whole = self._whole(table, needed, frames)
        return conform(whole if limit is None else whole.head(limit), table.table, fields)

    def matching(
        self, table: ApiTable, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield at least the records that satisfy a condition, some of them perhaps twice."""
        rows = self._site.settings.page_rows if limit is None else min(max(limit, 100), self._site.settings.page_rows)
        while True:
            texts = filter_texts(condition, table, self.refused(table))
            try:
                yield from self.pages(table, fields, texts, rows)
            except RequestRefused as refusal:
                self.widen(table, condition, refusal)
            else:
                return

    def ids(self, table: ApiTable) -> Iterator[pl.Series]:
        """Yield the ids of all records, in pages."""
        reader = self.reader(table, ())
        address = self.address(table, "", f"$select={KEY}")
        for page in self.follow(address, MOST_ROWS, reader):
            yield page.frame.get_column(ID)

    def pages(
        self, table: ApiTable, fields: Sequence[str], texts: Sequence[str], rows: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield what these filters let through, page by page."""
        reader = self.reader(table, fields)
        select = self.selected(table, fields)
        if len(texts) == 1:
            address = self.address(table, texts[0], select)
            if len(address) <= LONGEST_ADDRESS:
                for page in self.follow(address, rows or self._site.settings.page_rows, reader):
                    yield page.frame
                return
        yield from self._batched(table, texts, select, reader)

    def _batched(
        self, table: ApiTable, texts: Sequence[str], select: str, reader: RecordReader
    ) -> Iterator[pl.DataFrame]:
        root, headers = table.route.root, _rows(ROWS_OF_PART)
        path = self._site.set_path(table.name)
        parts = [
            part(number % MOST_PARTS, "GET", f"{path}?{_query(text, select)}", headers)
            for number, text in enumerate(texts)
        ]
        batches = chunks(parts, MOST_PARTS)
        outcomes = self._client.exchange_all([batch_call(root, batch, repeatable=True) for batch in batches])
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, NoAnswer):
                raise outcome.error
            if outcome.status >= 300:
                raise self._client.refusal(outcome)
            frame, links = self._pages_of(outcome.content, len(batch), reader)
            yield frame
            for link in links:
                for further in self.behind(table, link, ROWS_OF_PART, reader):
                    yield further.frame

    def _pages_of(self, content: bytes, count: int, reader: RecordReader) -> tuple[pl.DataFrame, list[str]]:
        try:
            answers = reader.parts(content, count)
            for answer in answers:
                if answer is None or answer.unreadable:
                    raise ValueError("the answer to a part of the batch is missing, or cannot be read")
                if answer.error is not None:
                    raise self._client.refused(answer.error)
            return reader.pages_of([answer.body for answer in answers if answer is not None])
        except ValueError as error:
            raise unreadable(self._client.system, str(error)) from None

    # What the pages of a feed need, too.

    def reader(self, table: ApiTable, fields: Sequence[str], *further: str) -> RecordReader:
        """Return the reader of records with these fields, and of further properties under their own names."""
        key = (table.name, (*fields, "", *further))
        if key not in self._readers:
            properties, columns = record_columns(table, fields)
            known = {item.name for item in properties}
            properties += [table.wire[name].property for name in further if name not in known]
            columns += [pl.col(name).alias(f"~{name}") for name in further]
            self._readers[key] = RecordReader(properties, columns)
        return self._readers[key]

    def selected(self, table: ApiTable, fields: Iterable[str], *further: str) -> str:
        """Return the `$select` for these fields and what every record brings."""
        properties, _ = record_columns(table, [*fields, *further])
        return f"$select={','.join(item.name for item in properties if item.name != ETAG)}"

    def address(self, table: ApiTable, text: str, *options: str) -> str:
        """Return the address of a table's records that a filter lets through."""
        query = _query(text, *options)
        return f"{table.route.root}/{self._site.set_path(table.name)}{'?' if query else ''}{query}"

    def page(self, address: str, rows: int, reader: RecordReader) -> Page:
        """Read one page of at most so many records."""
        return self._pages.read(address, _rows(rows), reader)

    def follow(self, address: str, rows: int, reader: RecordReader) -> Iterator[Page]:
        """Read a page and all that follow it by the service's own links. Raises `LinkLost`."""
        try:
            yield from self._pages.follow(address, _rows(rows), reader)
        except RequestRefused as refusal:
            if refusal.error.code == SKIP_TOKEN_GONE:
                raise LinkLost(self._client.system) from None
            raise

    def behind(self, table: ApiTable, link: str | None, rows: int, reader: RecordReader) -> Iterator[Page]:
        """Read all pages from a link that a page of a table has named, if it has. Raises `LinkLost`."""
        if link is not None:
            yield from self.follow(self._pages.same_host(table.route.root, link), rows, reader)

    def refused(self, table: ApiTable) -> frozenset[str]:
        """Return the fields that the service does not filter by."""
        return self._refused.get(table.name, frozenset())

    def widen(self, table: ApiTable, condition: Filter | None, refusal: RequestRefused) -> None:
        """Take note that a filter was refused; raises the refusal when it cannot be the condition's fault."""
        left = filter_fields(condition) - self.refused(table)
        if refusal.error.status not in (400, 501) or not left:
            raise refusal
        named = {name for name in left if name in refusal.error.message}
        self._refused[table.name] = self.refused(table) | (named or left)

    def _whole(self, table: ApiTable, fields: Sequence[str], frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
        found = list(frames)
        if not found:
            return empty_batch(table.table, fields)
        whole = pl.concat(found).unique(ID, keep="last", maintain_order=True) if len(found) > 1 else found[0]
        return conform(whole, table.table, fields)


def _query(text: str, *options: str) -> str:
    filtered = [f"$filter={quote(text, safe=_SAFE)}"] if text else []
    return "&".join([*filtered, *options])


_SAFE = "()',:$/"


def _rows(rows: int) -> dict[str, str]:
    return {"Prefer": f"odata.maxpagesize={rows}"}
