"""Reading rows: by id, by condition, the ids of all.

Source: protocol page, sections 8, 9 and 13. What the service lets through is looked at again here, so that a selection means
what `batch.filters` means. A filter that the service refuses (some columns are worked out on reading, and nothing says so
beforehand) is not tried twice: the field is left out of filters from then on, and looked at here. Addresses that grow too
long for what stands in between, and questions in several filters, travel inside batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, MODIFIED_BY, VERSION, conform, empty_batch
from twinrow.batch.filters import filter_expression
from twinrow.connectors.dataverse.filters import encoded, filter_texts, id_filters
from twinrow.connectors.dataverse.settings import API_PATH, MOST_ROWS
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.dataverse.tables import MODIFIED, MODIFIER, DataverseTable
from twinrow.connectors.dataverse.values import TARGET_NOTE, instants
from twinrow.connectors.odata.batch import chunks
from twinrow.connectors.odata.client import Answer, NoAnswer
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.filters import is_guid
from twinrow.connectors.odata.multipart import batch_call, get_part, read_parts
from twinrow.connectors.odata.paging import Pages, unreadable
from twinrow.connectors.odata.records import Page, WireProperty
from twinrow.connectors.odata.rows import RowReader
from twinrow.model.filters import Filter, filter_fields

ETAG = "@odata.etag"

LONGEST_ADDRESS = 2_000
"""Characters of an address that every server in between lets through; longer ones travel inside a batch."""

PARTS_OF_READING = 2
"""Questions that one batch asks; further ones are asked at the same time by other batches."""


def record_columns(table: DataverseTable, fields: Iterable[str]) -> tuple[list[WireProperty], list[pl.Expr]]:
    """Return the properties to read for these fields, and the columns of a batch (without `@deleted`) made of them."""
    names = list(dict.fromkeys(fields))
    properties = [WireProperty(ETAG, str), table.wire[table.key].property]
    columns = [
        pl.col(table.key).str.to_lowercase().alias(ID),
        pl.col(ETAG).alias(VERSION),
        _told(table, MODIFIED, MODIFIED_AT),
        _told(table, MODIFIER, MODIFIED_BY),
    ]
    properties += [table.wire[name].property for name in (MODIFIED, MODIFIER) if table.has(name)]
    properties += [table.wire[name].property for name in names]
    columns += [table.wire[name].read() for name in names]
    return list(dict.fromkeys(properties)), columns


def _told(table: DataverseTable, name: str, column: str) -> pl.Expr:
    if not table.has(name):
        return pl.lit(None, dtype=pl.String).alias(column)
    raw = pl.col(table.wire[name].property.name)
    return (instants(raw) if name == MODIFIED else raw).alias(column)


class Reading:
    """Reads rows of an environment."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._client = site.client
        self._pages = Pages(site.client)
        self._readers: dict[tuple[DataverseTable, tuple[str, ...]], RowReader] = {}
        self._refused: dict[str, frozenset[str]] = {}

    def fetch(self, table: DataverseTable, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the rows with these ids; what is no id of this service does not exist."""
        wanted = list(dict.fromkeys(id.lower() for id in ids if is_guid(id)))
        if not wanted:
            return empty_batch(table.table, fields)
        return self._whole(table, fields, self.pages(table, fields, id_filters(table.key, wanted)))

    def select(
        self, table: DataverseTable, fields: Sequence[str], condition: Filter | None, limit: int | None
    ) -> pl.DataFrame:
        """Return the rows that satisfy a condition, `limit` at the most."""
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
        self, table: DataverseTable, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield at least the rows that satisfy a condition, some of them perhaps twice."""
        rows = self._site.settings.page_rows if limit is None else min(max(limit, 100), self._site.settings.page_rows)
        while True:
            texts = filter_texts(condition, table, self.refused(table))
            try:
                yield from self.pages(table, fields, texts, rows)
            except RequestRefused as refusal:
                self.widen(table, condition, refusal)
            else:
                return

    def ids(self, table: DataverseTable) -> Iterator[pl.Series]:
        """Yield the ids of all rows, in pages."""
        reader = RowReader([table.wire[table.key].property], [pl.col(table.key).str.to_lowercase().alias(ID)])
        address = self.address(table, f"$select={table.key}")
        for page in self.follow(address, preferences(MOST_ROWS), reader):
            yield page.frame.get_column(ID)

    def pages(
        self, table: DataverseTable, fields: Sequence[str], texts: Sequence[str], rows: int = MOST_ROWS
    ) -> Iterator[pl.DataFrame]:
        """Yield what these filters let through, page by page."""
        reader = self.reader(table, fields)
        select = self.selected(table, fields)
        headers = preferences(rows, self.annotations(table, fields))
        if len(texts) == 1:
            address = self.address(table, *filtered(texts[0]), select)
            if len(address) <= LONGEST_ADDRESS:
                for page in self.follow(address, headers, reader):
                    yield page.frame
                return
        yield from self._batched(table, texts, select, headers, reader)

    def _batched(
        self,
        table: DataverseTable,
        texts: Sequence[str],
        select: str,
        headers: Mapping[str, str],
        reader: RowReader,
    ) -> Iterator[pl.DataFrame]:
        root = self._site.settings.api_root
        path = f"{API_PATH}/{table.entity_set}"
        parts = [get_part(f"{path}?{'&'.join([*filtered(text), select])}", headers) for text in texts]
        batches = chunks(parts, PARTS_OF_READING)
        outcomes = self._client.exchange_all([batch_call(root, batch, repeatable=True) for batch in batches])
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, NoAnswer):
                raise outcome.error
            if outcome.status >= 300:
                raise self._client.refusal(outcome)
            for page in self._pages_of(outcome, len(batch), reader):
                yield page.frame
                link = self._pages.next_address(f"{root}/{table.entity_set}", page)
                for further in self.follow(link, headers, reader) if link is not None else ():
                    yield further.frame

    def _pages_of(self, answer: Answer, count: int, reader: RowReader) -> list[Page]:
        try:
            parts = read_parts(answer)
            for part in parts:
                if not part.succeeded:
                    raise self._client.refused(part.error)
            if len(parts) != count:
                raise ValueError("the answer to a part of the batch is missing")
            return [reader.page(part.body) for part in parts]
        except ValueError as error:
            raise unreadable(self._client.system, str(error)) from None

    # What the pages of a feed and the answers to writes need, too.

    def reader(self, table: DataverseTable, fields: Sequence[str], *further: WireProperty) -> RowReader:
        """Return the reader of rows with these fields, and of further properties under their own names."""
        key = (table, (*fields, *(item.name for item in further)))
        if key not in self._readers:
            properties, columns = record_columns(table, fields)
            known = {item.name for item in properties}
            properties += [item for item in further if item.name not in known]
            columns += [pl.col(item.name).alias(f"~{item.name}") for item in further]
            self._readers[key] = RowReader(properties, columns)
        return self._readers[key]

    def selected(self, table: DataverseTable, fields: Iterable[str]) -> str:
        """Return the `$select` for these fields and what every record brings."""
        return f"$select={','.join(self.selected_names(table, fields))}"

    def selected_names(self, table: DataverseTable, fields: Iterable[str]) -> list[str]:
        """Return the properties that must be asked for."""
        names = [table.key, *(name for name in (MODIFIED, MODIFIER) if table.has(name)), *fields]
        return list(dict.fromkeys(table.wire[name].selected for name in names))

    def annotations(self, table: DataverseTable, fields: Iterable[str]) -> str:
        """Return the annotations that must be asked for."""
        return TARGET_NOTE if any(table.wire[name].companion_of is not None for name in fields) else ""

    def address(self, table: DataverseTable, *options: str) -> str:
        """Return the address of a table's rows, with query options that are encoded already."""
        return f"{self._site.settings.api_root}/{table.entity_set}?{'&'.join(options)}"

    def page(self, address: str, headers: Mapping[str, str], reader: RowReader) -> Page:
        """Read one page."""
        return self._pages.read(address, headers, reader)

    def follow(self, address: str, headers: Mapping[str, str], reader: RowReader) -> Iterator[Page]:
        """Read a page and all that follow it by the service's own links."""
        return self._pages.follow(address, headers, reader)

    def next_address(self, address: str, page: Page) -> str | None:
        """Return the address of the page after this one."""
        return self._pages.next_address(address, page)

    def refused(self, table: DataverseTable) -> frozenset[str]:
        """Return the fields that the service does not filter by."""
        return self._refused.get(table.name, frozenset())

    def widen(self, table: DataverseTable, condition: Filter | None, refusal: RequestRefused) -> None:
        """Take note that a filter was refused; raises the refusal when it cannot be the condition's fault."""
        left = filter_fields(condition) - self.refused(table)
        if refusal.error.status not in (400, 501) or not left:
            raise refusal
        named = {name for name in left if table.wire[name].selected in refusal.error.message}
        self._refused[table.name] = self.refused(table) | (named or left)

    def _whole(self, table: DataverseTable, fields: Sequence[str], frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
        found = list(frames)
        if not found:
            return empty_batch(table.table, fields)
        whole = pl.concat(found).unique(ID, keep="last", maintain_order=True) if len(found) > 1 else found[0]
        return conform(whole, table.table, fields)


def filtered(text: str) -> list[str]:
    """Return the query option of a filter, encoded; none for an empty one."""
    return [f"$filter={encoded(text)}"] if text else []


def preferences(rows: int | None = None, annotations: str = "", *further: str) -> dict[str, str]:
    """Return the header that says what we prefer: so many rows to a page, these annotations, and further preferences."""
    wanted = list(further)
    if rows is not None:
        wanted.append(f"odata.maxpagesize={rows}")
    if annotations:
        wanted.append(f'odata.include-annotations="{annotations}"')
    return {"Prefer": ",".join(wanted)} if wanted else {}
