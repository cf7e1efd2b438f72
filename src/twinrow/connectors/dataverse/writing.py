"""Writing rows: in batches, several at once, each record with its own outcome.

Source: protocol page, sections 4, 5, 6, 13 and 22. The parts of a batch stand outside change sets and go on after errors, so
no record depends on another.

* A create is a PATCH to the chosen id that must not exist (`If-None-Match: *`); repeating it changes nothing. Without a
  chosen id it is a POST.
* An update or delete carries the version that must still hold. Where the table does not check versions it carries `*`, so that
  it makes no row anew.
* Each write asks for the row as it is afterwards (`return=representation`): there is no other way to learn its version.
  Where a service does not comply, the row is read.
* Parts that are put off (429) are sent again once the pause that the service names is over, as long as patience lasts; a
  batch without an answer is indeterminate part by part, and never sent again.

The messages CreateMultiple and UpsertMultiple are not used: they neither check versions nor return them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import Status, WriteKind, WriteRequest, result_schema, sent
from twinrow.connectors.dataverse.answers import (
    PASSING,
    Sent,
    bad_id,
    judge,
    lost_reference,
    may_be_missing,
    may_exist,
)
from twinrow.connectors.dataverse.parts import Outgoing, Target, lost_references, outgoing
from twinrow.connectors.dataverse.reading import Reading, preferences
from twinrow.connectors.dataverse.settings import API_PATH
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.dataverse.tables import DataverseTable
from twinrow.connectors.odata.client import Answer, NoAnswer, Outcome
from twinrow.connectors.odata.errors import read_error
from twinrow.connectors.odata.filters import is_guid
from twinrow.connectors.odata.multipart import Part, batch_call, is_multipart, read_parts
from twinrow.connectors.odata.pacing import FIRST_WAIT, LONGEST_WAIT, retry_after
from twinrow.connectors.odata.pause import Pause
from twinrow.connectors.odata.verdict import (
    MISSING,
    STALE,
    WRITTEN,
    Verdict,
    indeterminate,
    unsent,
    verdict_columns,
)
from twinrow.connectors.odata.work import Work, check_writable
from twinrow.model.errors import TwinrowError

_MADE_ID = re.compile(r"\(([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\)\s*$")
_REPRESENTATION = "return=representation"


class Writing:
    """Writes rows of an environment."""

    def __init__(self, site: Site, reading: Reading, pause: Pause) -> None:
        self._site = site
        self._client = site.client
        self._reading = reading
        self._pause = pause

    def write(self, table: DataverseTable, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out. Raises only when nothing at all was carried out."""
        check_writable(self._client.system, table, request)
        if request.frame.is_empty():
            return pl.DataFrame(schema=result_schema(table.table, request.answered))
        work = _Work(table, request, self._outgoing(table, request), self._reading)
        self._send(work, work.sendable())
        if work.nothing_done is not None:
            raise work.nothing_done
        self._find_existing(work)
        self._confirm_missing(work)
        self._read_unrepresented(work)
        result = work.result()
        latest = result.get_column(MODIFIED_AT).max()
        if latest is not None:
            self._client.time.witnessed(latest)  # type: ignore[arg-type]
        return result

    def _outgoing(self, table: DataverseTable, request: WriteRequest) -> Outgoing:
        reading = self._reading
        headers = preferences(None, reading.annotations(table, request.answered), _REPRESENTATION)
        target = Target(f"{API_PATH}/{table.entity_set}", reading.selected(table, request.answered), headers)
        return outgoing(table, request, target)

    def _send(self, work: _Work, rows: Sequence[int]) -> None:
        """Send these records, and again those that are put off."""
        settings = self._site.settings
        patience, wait = settings.patience_seconds, FIRST_WAIT
        while rows:
            size = settings.batch_parts
            batches = [rows[start : start + size] for start in range(0, len(rows), size)]
            calls = [batch_call(settings.api_root, work.parts(batch), repeatable=False) for batch in batches]
            told: float | None = None
            for batch, outcome in zip(batches, self._client.exchange_all(calls), strict=True):
                asked = self._take(work, batch, outcome)
                if asked is not None and asked <= patience:
                    self._pause.order(asked)
                told = max(filter(None, (told, asked)), default=None)
            rows = work.put_off()
            seconds = wait if told is None else told
            if not rows or seconds > patience:
                return
            self._pause.order(seconds)
            patience -= seconds
            wait = min(wait * 2, LONGEST_WAIT)

    def _take(self, work: _Work, rows: Sequence[int], outcome: Outcome) -> float | None:
        """Take note of what became of a batch; return the pause in seconds that one of its parts has named."""
        if isinstance(outcome, NoAnswer):
            work.unanswered(rows, outcome)
        elif is_multipart(outcome):
            return self._take_parts(work, rows, outcome)
        elif outcome.status >= 500 or outcome.status < 300:
            work.lost(rows, str(self._client.refusal(outcome).cause))
        else:
            work.not_done(rows, self._client.refusal(outcome))
        return None

    def _take_parts(self, work: _Work, rows: Sequence[int], answer: Answer) -> float | None:
        try:
            parts = read_parts(answer)
        except ValueError as error:
            work.lost(rows, f"The answer cannot be read: {error}")
            return None
        for row, part in zip(rows, parts, strict=False):
            work.answered(row, part)
        left = rows[len(parts) :]
        if left and answer.status >= 300:
            # It went no further than the part that failed (protocol page, section 22).
            work.not_done(left, self._client.refused(parts[-1].error if parts else read_error(answer.status, b"")))
        elif left:
            work.lost(left, "Dataverse did not answer for this record.")
        pauses = (
            retry_after(part.header("Retry-After"), None, self._pause.clock) for part in parts if part.status in PASSING
        )
        return max((pause for pause in pauses if pause is not None), default=None)

    def _find_existing(self, work: _Work) -> None:
        """Turn refused creates into `EXISTS` where there is a row with the chosen id."""
        ids = {row: id for row in work.perhaps_existing if (id := work.id(row)) is not None}
        there = self._there(work, ids)
        for row, id in ids.items():
            if isinstance(there, TwinrowError):
                work.verdicts[row] = unsent(there)
            elif id in there:
                work.verdicts[row] = Verdict(Status.EXISTS, id=id)

    def _confirm_missing(self, work: _Work) -> None:
        """Look whether rows are gone where the answer may mean one that they refer to."""
        ids = {row: str(work.id(row)) for row in work.perhaps_missing}
        there = self._there(work, ids)
        for row, id in ids.items():
            if isinstance(there, TwinrowError):
                work.verdicts[row] = unsent(there)
            elif id not in there:
                work.verdicts[row] = MISSING

    def _there(self, work: _Work, ids: dict[int, str]) -> set[str] | TwinrowError:
        if not ids:
            return set()
        try:
            return set(self._reading.fetch(work.table, (), list(ids.values())).get_column(ID))
        except TwinrowError as error:
            return error

    def _read_unrepresented(self, work: _Work) -> None:
        """Read the rows that were written but not handed back."""
        if not work.unrepresented:
            return
        try:
            work.read_back(self._reading.fetch(work.table, work.answered_fields, list(work.unrepresented.values())))
        except TwinrowError as error:
            for row in work.unrepresented:
                work.verdicts[row] = indeterminate(f"It was written, but cannot be read: {error.message}")


class _Work(Work):
    """One request under way: what is sent, and what has become of each record so far."""

    def __init__(self, table: DataverseTable, request: WriteRequest, sending: Outgoing, reading: Reading) -> None:
        super().__init__()
        self.table = table
        self.answered_fields = request.answered
        self.perhaps_existing: list[int] = []
        self.perhaps_missing: list[int] = []
        self.unrepresented: dict[int, str] = {}
        self._request = request
        self._sending = sending
        self._reader = reading.reader(table, request.answered)
        self._ids: list[str | None] = request.frame.get_column(ID).to_list()
        self._written: dict[int, bytes] = {}
        self._read: list[pl.DataFrame] = []
        self._put_off: list[int] = []

    def sendable(self) -> list[int]:
        """Return the records that can be sent; the others have their verdict."""
        creating = self._request.kind is WriteKind.CREATE
        for row, (companion, value) in lost_references(self.table, self._request).items():
            self.verdicts[row] = lost_reference(companion, value)
        for row, part in enumerate(self._sending.parts):
            if part is None and row not in self.verdicts:
                id = self._ids[row]
                if creating:
                    self.verdicts[row] = bad_id(id)
                else:
                    # Without a version the write would go over whatever is there now.
                    self.verdicts[row] = STALE if id is not None and is_guid(id) else MISSING
        return [row for row in range(len(self._ids)) if row not in self.verdicts]

    def parts(self, rows: Sequence[int]) -> list[str]:
        """Return the parts of a batch that write these records."""
        return [self._sending.parts[row] or "" for row in rows]

    def answered(self, row: int, part: Part) -> None:
        """Take note of what the service said about a record."""
        self.reached()
        self.verdicts.pop(row, None)
        kind = self._request.kind
        if part.succeeded:
            if kind is WriteKind.DELETE:
                self.verdicts[row] = WRITTEN
            elif part.body:
                self._written[row] = part.body
            elif (id := self.id(row) or _made_id(part)) is not None:
                self.unrepresented[row] = id
            else:
                self.verdicts[row] = indeterminate("Dataverse does not say which row it made.")
            return
        if part.status in PASSING:
            self._put_off.append(row)
        values = self._request.frame.row(row, named=True)
        fields = tuple(name for name in self._request.fields if values.get(sent(name), True))
        self.verdicts[row] = judge(part, kind, self.table, Sent(self.id(row), values, fields))
        if may_exist(part, kind):
            self.perhaps_existing.append(row)
        elif may_be_missing(part, kind):
            self.perhaps_missing.append(row)

    def put_off(self) -> list[int]:
        """Return the records that the service has put off since this was last asked."""
        rows, self._put_off = self._put_off, []
        return rows

    def id(self, row: int) -> str | None:
        """Return the id that the request has for a record."""
        id = self._ids[row]
        return id.lower() if id is not None else None

    def read_back(self, frame: pl.DataFrame) -> None:
        """Take note of rows that had to be read."""
        numbers = pl.DataFrame({"row": list(self.unrepresented), ID: list(self.unrepresented.values())})
        found = numbers.cast({"row": pl.UInt32}).join(frame, on=ID, how="left", maintain_order="left")
        self._read.append(found.filter(pl.col(VERSION).is_not_null()))
        for row in found.filter(pl.col(VERSION).is_null()).get_column("row"):
            self.verdicts[row] = indeterminate("It was written, but is not there any more.")

    def result(self) -> pl.DataFrame:
        """Return the result of the request."""
        schema = result_schema(self.table.table, self._request.answered)
        written = self._written_rows()
        creating = self._request.kind is WriteKind.CREATE
        verdicts = [self.verdicts.get(row, WRITTEN) for row in range(len(self._ids))]
        known = [v.id or (None if creating else self.id(row)) for row, v in enumerate(verdicts)]
        rows = pl.DataFrame(
            {
                **verdict_columns(verdicts),
                "known": pl.Series(known, dtype=pl.String),
            },
            strict=False,
        ).with_row_index("row")
        joined = rows.join(written, on="row", how="left", maintain_order="left")
        joined = joined.with_columns(pl.coalesce(ID, "known").alias(ID))
        return joined.select(pl.col(name).cast(kind) for name, kind in schema.items())

    def _written_rows(self) -> pl.DataFrame:
        """Return what was handed back of the records that were written, with their numbers."""
        frames = [self._numbered(list(self._written), list(self._written.values())), *self._read]
        written = pl.concat([frame.select(frames[0].columns) for frame in frames])
        if self._sending.untouched and self.table.capabilities.version_checks:
            # These were only looked at: whether their version still held is seen here.
            versions = self._request.frame.get_column(VERSION)
            told = dict(zip(written.get_column("row"), written.get_column(VERSION), strict=True))
            moved = [row for row in self._sending.untouched if row in told and told[row] != versions[row]]
            self.verdicts |= dict.fromkeys(moved, STALE)
            written = written.filter(~pl.col("row").is_in(moved))
        return written

    def _numbered(self, rows: list[int], bodies: list[bytes]) -> pl.DataFrame:
        try:
            frame = self._reader.page(b'{"value":[' + b",".join(bodies) + b"]}").frame
        except ValueError as error:
            if len(rows) == 1:
                self.verdicts[rows[0]] = indeterminate(f"The answer for this record cannot be read: {error}")
                return self._numbered([], [])
            # One of them is not what it should be.
            half = len(rows) // 2
            halves = ((rows[:half], bodies[:half]), (rows[half:], bodies[half:]))
            return pl.concat([self._numbered(*some) for some in halves])
        return frame.with_columns(pl.Series("row", rows, dtype=pl.UInt32))


def _made_id(part: Part) -> str | None:
    for name in ("OData-EntityId", "Location"):
        found = _MADE_ID.search(part.header(name) or "")
        if found is not None:
            return found[1].lower()
    return None
