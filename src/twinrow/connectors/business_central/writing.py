"""Writing records: in batches, several at once, each record with its own outcome.

Source: protocol page, sections 5, 6 and 16. The parts of a batch are independent of each other. A batch without an answer is
indeterminate part by part and never sent again; one that certainly was not carried out is unsent. The service answers a
create or an update with the whole record after its own logic: that is where the values of the result come from.

Properties are validated in the order in which they are sent. What sets other fields goes first (the company of a person, a
primary contact, a name), and what is set by others goes last: a post code sets city and county, a country clears them.

**Creates that may be repetitions.** A refused create whose mark or chosen id is found in the table is no refusal: the
record is there already. Whether an environment takes chosen ids at all is seen by the first record that it makes, which
therefore goes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import (
    MARK,
    STATUS,
    CreateKeys,
    Status,
    WriteKind,
    WriteRequest,
    result_schema,
    sent,
)
from twinrow.connectors.business_central.answers import is_doubtful, judge
from twinrow.connectors.business_central.reading import Reading
from twinrow.connectors.business_central.site import Site
from twinrow.connectors.business_central.tables import KEY, MARK_FIELD, ApiTable
from twinrow.connectors.odata.batch import batch_call
from twinrow.connectors.odata.bodies import json_objects, only_where, text_member
from twinrow.connectors.odata.client import Answer, NoAnswer, Outcome
from twinrow.connectors.odata.filters import is_guid
from twinrow.connectors.odata.records import PartAnswer, RecordReader
from twinrow.connectors.odata.verdict import MISSING, STALE, Verdict, unsent, verdict_columns
from twinrow.connectors.odata.work import Work, check_writable
from twinrow.model.errors import ConfigurationError, TwinrowError
from twinrow.model.filters import Comparison

FIRST = ("type", "customerId", "vendorId", "companyNumber", "companyName", "primaryContactNo", "displayName")
LAST = ("country", "postalCode", "city", "state")
"""What is sent before and after everything else."""

_METHODS = {WriteKind.CREATE: "POST", WriteKind.UPDATE: "PATCH", WriteKind.DELETE: "DELETE"}


class Writing:
    """Writes records of a company."""

    def __init__(self, site: Site, reading: Reading) -> None:
        self._site = site
        self._client = site.client
        self._reading = reading
        self._takes_ids: dict[str, bool] = {}

    def write(self, table: ApiTable, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out. Raises only when nothing at all was carried out."""
        check_writable(self._client.system, table, request)
        if request.kind is WriteKind.CREATE and self._takes_ids.get(table.name) is False:
            raise self._ids_not_taken()
        work = _Work(table, request, self._reading.reader(table, request.answered))
        chosen = request.kind is WriteKind.CREATE and table.capabilities.create_keys is CreateKeys.CHOSEN
        rows: Sequence[int] = work.rows()
        if chosen:
            rows = self._until_ids_are_taken(work, rows)
        size = self._site.settings.batch_parts
        self._send(work, [rows[start : start + size] for start in range(0, len(rows), size)])
        if work.nothing_done is not None:
            raise work.nothing_done
        if request.kind is WriteKind.CREATE:
            self._find_existing(work, ID if chosen else MARK)
        else:
            self._confirm_missing(work)
        result = work.result()
        latest = result.get_column(MODIFIED_AT).max()
        if latest is not None:
            self._client.time.witnessed(latest)  # type: ignore[arg-type]
        return result

    def _ids_not_taken(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._client.system} gives new records ids of its own, although the setting chosen_ids says otherwise",
            remedy="Switch the setting chosen_ids off.",
        )

    def _until_ids_are_taken(self, work: _Work, rows: Sequence[int]) -> Sequence[int]:
        """Make records one by one until one shows that its id was taken; return the rows that are left to be sent."""
        left = list(rows)
        keyed = [row for row in rows if work.chosen_id(row) is not None]
        while keyed and not self._takes_ids.get(work.table.name):
            row = keyed.pop(0)
            left.remove(row)
            self._send(work, [[row]])
            if work.nothing_done is not None:
                return []
            made = work.made_id(row)
            if made is not None:
                self._takes_ids[work.table.name] = made == work.chosen_id(row)
                if made != work.chosen_id(row):
                    for unsent_row in left:
                        work.verdicts[unsent_row] = unsent(self._ids_not_taken())
                    return []
        return left

    def _send(self, work: _Work, batches: Sequence[Sequence[int]]) -> None:
        root = work.table.route.root
        path = self._site.set_path(work.table.name)
        calls = [batch_call(root, work.parts(rows, path), repeatable=False) for rows in batches]
        for rows, outcome in zip(batches, self._client.exchange_all(calls), strict=True):
            self._take(work, rows, outcome)

    def _take(self, work: _Work, rows: Sequence[int], outcome: Outcome) -> None:
        if isinstance(outcome, NoAnswer):
            work.unanswered(rows, outcome)
        elif outcome.status >= 500:
            work.lost(rows, str(self._client.refusal(outcome).cause))
        elif outcome.status >= 300:
            work.not_done(rows, self._client.refusal(outcome))
        else:
            self._take_parts(work, rows, outcome)

    @staticmethod
    def _take_parts(work: _Work, rows: Sequence[int], answer: Answer) -> None:
        try:
            parts = work.reader.parts(answer.content, len(rows))
        except ValueError as error:
            work.lost(rows, f"The answer cannot be read: {error}")
            return
        for row, part in zip(rows, parts, strict=True):
            work.answered(row, part)

    def _find_existing(self, work: _Work, key: str) -> None:
        """Turn refused creates into `EXISTS` where the record with that mark or id is there."""
        refused = work.with_status(Status.REFUSED)
        keys = {row: value for row in refused if (value := work.key(row, key)) is not None}
        field = KEY if key == ID else MARK_FIELD
        if not keys or not work.table.has(field):
            return
        try:
            found = self._reading.select(
                work.table, (field,), Comparison(field, "in", tuple(dict.fromkeys(keys.values()))), None
            )
        except TwinrowError:
            # The refusals stand; a repetition will find what is there.
            return
        there = dict(zip(found.get_column(field), found.get_column(ID), strict=True))
        for row, value in keys.items():
            if value in there:
                work.verdicts[row] = Verdict(Status.EXISTS, id=there[value])

    def _confirm_missing(self, work: _Work) -> None:
        """Look whether records that were answered 404 are gone: the same answer may mean that something else is."""
        ids = {row: str(work.key(row, ID)) for row in work.doubtful}
        if not ids:
            return
        try:
            there = set(self._reading.fetch(work.table, (), list(ids.values())).get_column(ID))
        except TwinrowError:
            return
        for row, id in ids.items():
            if id.lower() not in there:
                work.verdicts[row] = MISSING


class _Work(Work):
    """One request under way: what is sent, and what has become of each record so far."""

    def __init__(self, table: ApiTable, request: WriteRequest, reader: RecordReader) -> None:
        super().__init__()
        self.table = table
        self.reader = reader
        self.doubtful: list[int] = []
        self._request = request
        self._frame = request.frame
        self._bodies = _bodies(table, request) if request.kind is not WriteKind.DELETE else None
        self._ids: list[str | None] = self._frame.get_column(ID).to_list()
        self._versions: list[str | None] = (
            self._frame.get_column(VERSION).to_list() if VERSION in self._frame.columns else [None] * self._frame.height
        )
        self._written: list[tuple[int, Any]] = []

    def rows(self) -> list[int]:
        """Return the records that can be sent; the others have their verdict."""
        if self._request.kind is WriteKind.CREATE:
            return list(range(self._frame.height))
        found = []
        for row, (id, version) in enumerate(zip(self._ids, self._versions, strict=True)):
            if id is None or not is_guid(id):
                self.verdicts[row] = MISSING
            elif version is None:
                # Without a token the write would go over whatever is there now.
                self.verdicts[row] = STALE
            else:
                found.append(row)
        return found

    def parts(self, rows: Sequence[int], path: str) -> Iterable[str]:
        """Return the parts of a batch that write these records."""
        if self._request.kind is WriteKind.CREATE:
            start = f'"method":"POST","url":"{path}","headers":{{"Content-Type":"application/json"}},"body":'
            bodies = self._bodies or []
            return [f'{{"id":"{number}",{start}{bodies[row]}}}' for number, row in enumerate(rows)]
        return [self._change(number, row, path) for number, row in enumerate(rows)]

    def _change(self, number: int, row: int, path: str) -> str:
        token = msgspec.json.encode(self._versions[row]).decode()
        headers, body = f'"If-Match":{token}', ""
        if self._bodies is not None:
            headers, body = f'"Content-Type":"application/json",{headers}', f',"body":{self._bodies[row]}'
        method = _METHODS[self._request.kind]
        return f'{{"id":"{number}","method":"{method}","url":"{path}({self._ids[row]})","headers":{{{headers}}}{body}}}'

    def answered(self, row: int, answer: PartAnswer | None) -> None:
        """Take note of what the service said about a record."""
        self.reached()
        kind = self._request.kind
        if answer is not None and answer.succeeded and answer.body is not None:
            self._written.append((row, answer.body))
            return
        failed = answer is None or not answer.succeeded
        values = self._frame.row(row, named=True) if failed else {}
        fields = [name for name in self._request.fields if values.get(sent(name), True)]
        self.verdicts[row] = judge(answer, kind, self.table, values, fields)
        if is_doubtful(answer, kind):
            self.doubtful.append(row)

    def with_status(self, status: Status) -> list[int]:
        """Return the records with that verdict."""
        return sorted(row for row, verdict in self.verdicts.items() if verdict.status is status)

    def key(self, row: int, column: str) -> str | None:
        """Return the id or mark that the request has for a record."""
        value = self._frame.get_column(column)[row] if column in self._frame.columns else None
        return str(value).lower() if value is not None else None

    def chosen_id(self, row: int) -> str | None:
        """Return the id that was chosen for a record."""
        return self.key(row, ID)

    def made_id(self, row: int) -> str | None:
        """Return the id of a record that was just made."""
        if self._written and self._written[-1][0] == row:
            return str(self.reader.frame([self._written[-1][1]]).get_column(ID)[0])
        return None

    def result(self) -> pl.DataFrame:
        """Return the result of the request."""
        schema = result_schema(self.table.table, self._request.answered)
        creating = self._request.kind is WriteKind.CREATE
        verdicts = list(self.verdicts.values())
        columns = verdict_columns(verdicts)
        told = pl.DataFrame(
            {"row": list(self.verdicts), "there": [verdict.id for verdict in verdicts], **columns},
            schema={"row": pl.UInt32(), "there": pl.String(), **{name: schema[name] for name in columns}},
            strict=False,
        )
        written = self.reader.frame([body for _, body in self._written]).with_columns(
            pl.Series("row", [row for row, _ in self._written], dtype=pl.UInt32)
        )
        asked = pl.Series("asked", [None] * len(self._ids) if creating else self._ids, dtype=pl.String)
        rows = asked.to_frame().with_row_index("row")
        for part in (told, written):
            rows = rows.join(part, on="row", how="left", maintain_order="left")
        rows = rows.with_columns(
            pl.col(STATUS).fill_null(Status.WRITTEN.value), pl.coalesce(ID, "there", "asked").alias(ID)
        )
        return rows.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _bodies(table: ApiTable, request: WriteRequest) -> list[str]:
    """Return the JSON objects to send, one for each record."""
    frame = request.frame
    members = []
    if request.kind is WriteKind.CREATE:
        keys = table.capabilities.create_keys
        for name, column, wanted in ((KEY, ID, CreateKeys.CHOSEN), (MARK_FIELD, MARK, CreateKeys.MARK)):
            if keys is wanted and column in frame.columns:
                members.append(only_where(text_member(name, pl.col(column)), pl.col(column).is_not_null()))
    for name in sorted(request.fields, key=_place):
        member = table.wire[name].member(pl.col(name))
        members.append(only_where(member, pl.col(sent(name))) if sent(name) in frame.columns else member)
    return json_objects(frame, members)


def _place(name: str) -> int:
    if name in FIRST:
        return FIRST.index(name) - len(FIRST)
    return LAST.index(name) + 1 if name in LAST else 0
