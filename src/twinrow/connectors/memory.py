"""A system in memory: complete, small, and able to behave like any of the others.

Tests and the state machine run on it; its settings choose how it finds changes, whether it checks versions, and how creates
are told from their repetition. `edit`, `add` and `remove` are what people do in the system; `logic` stands for the system's
own business logic, which may change what was not sent.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl

from twinrow.batch.columns import DELETED, ID, MODIFIED_AT, MODIFIED_BY, VERSION, conform, frame_schema
from twinrow.batch.filters import filter_expression
from twinrow.connectors.base import (
    ERROR,
    ERROR_CODE,
    ERROR_FIELD,
    MARK,
    RECOVERY,
    REMEDY,
    STATUS,
    Capabilities,
    ChangePage,
    ChangeRequest,
    Check,
    CreateKeys,
    FeedKind,
    Identity,
    Remembered,
    Status,
    WriteKind,
    WriteRequest,
    result_schema,
    sent,
)
from twinrow.model.errors import FeedExpired, RecordNotFound, UnknownTable
from twinrow.model.filters import Filter
from twinrow.model.tables import Field, FieldType, Table

MARK_FIELD = "mark"
"""The field that holds the mark of a create, where creates are told apart by marks."""

Logic = Callable[[str, dict[str, Any], dict[str, Any] | None], dict[str, Any]]
"""Business logic: (table, values to be stored, values before or None) → values that are stored."""


@dataclass(slots=True)
class _Record:
    values: dict[str, Any]
    version: int
    modified_at: datetime
    modified_by: str
    created_at: datetime
    mark: str | None = None


@dataclass(slots=True)
class _Content:
    records: dict[str, _Record] = field(default_factory=dict)
    deleted: list[tuple[int, str]] = field(default_factory=list)
    """Version of the deletion and id, in order."""


class MemorySystem:
    """A connector to tables held in this process."""

    def __init__(
        self,
        tables: Iterable[Table],
        *,
        name: str = "memory",
        feed: FeedKind = FeedKind.ROW_VERSION,
        version_checks: bool = True,
        create_keys: CreateKeys = CreateKeys.CHOSEN,
        deletes_in_feed: bool = False,
        overlap: timedelta = timedelta(),
        request_lifetime: timedelta = timedelta(minutes=10),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        logic: Logic | None = None,
        refuse: Callable[[str, Mapping[str, Any]], str | None] | None = None,
        caller: str = "twinrow",
        merged_into: str | None = None,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.name = name
        marked = create_keys is CreateKeys.MARK
        self._tables = {table.name: _with_mark(table) if marked else table for table in tables}
        self._contents = {name: _Content() for name in self._tables}
        self._feed = feed
        self._version_checks = version_checks
        self._create_keys = create_keys
        self._deletes_in_feed = deletes_in_feed or feed is FeedKind.DELTA
        self._overlap = overlap
        self._request_lifetime = request_lifetime
        self._clock = clock
        self._logic = logic
        self._refuse = refuse
        self._caller = caller
        self._merged_into = merged_into
        self._new_id = new_id
        self._counter = 0
        self._oldest_token = 0
        self._lock = threading.RLock()

    # What people do in the system.

    def add(self, table: str, values: Mapping[str, Any], *, id: str | None = None, by: str = "person") -> str:
        """Make a record and return its id."""
        with self._lock:
            key = id or self._new_id()
            self._store(table, key, dict(values), None, by)
            return key

    def edit(self, table: str, id: str, by: str = "person", **values: Any) -> None:
        """Change fields of a record. Raises `RecordNotFound`."""
        with self._lock:
            record = self._record(table, id)
            self._store(table, id, record.values | values, record, by)

    def remove(self, table: str, id: str) -> None:
        """Delete a record. Raises `RecordNotFound`."""
        with self._lock:
            self._record(table, id)
            del self._content(table).records[id]
            self._counter += 1
            self._content(table).deleted.append((self._counter, id))

    def record(self, table: str, id: str) -> dict[str, Any]:
        """Return the values of a record. Raises `RecordNotFound`."""
        with self._lock:
            return dict(self._record(table, id).values)

    def records(self, table: str) -> dict[str, dict[str, Any]]:
        """Return the values of all records by id."""
        with self._lock:
            return {key: dict(record.values) for key, record in self._content(table).records.items()}

    def modified_at(self, table: str, id: str) -> datetime:
        """Return the time of a record's last change."""
        with self._lock:
            return self._record(table, id).modified_at

    def touch(self, table: str, id: str, at: datetime | None = None) -> None:
        """Give a record a new version and time without changing a value."""
        with self._lock:
            record = self._record(table, id)
            self._counter += 1
            record.version, record.modified_at = self._counter, at or self._clock()

    def expire_feeds(self) -> None:
        """Make every watermark and cursor given out so far useless."""
        with self._lock:
            self._counter += 1
            self._oldest_token = self._counter

    def reshape(self, table: Table) -> None:
        """Change the description of a table; the records stay."""
        with self._lock:
            self._tables[table.name] = table
            self._contents.setdefault(table.name, _Content())

    def _content(self, table: str) -> _Content:
        self.describe(table)
        return self._contents[table]

    def _record(self, table: str, id: str) -> _Record:
        found = self._content(table).records.get(id)
        if found is None:
            raise RecordNotFound(f"{self.name} has no record {id} in {table}", record=id)
        return found

    def _store(self, table: str, id: str, values: dict[str, Any], before: _Record | None, by: str) -> _Record:
        description = self.describe(table)
        full = {name: _blank(description, name) for name in description.fields} | values
        if self._logic is not None:
            full = self._logic(table, full, dict(before.values) if before else None)
        if description.key in description.fields:
            full[description.key] = id
        self._counter += 1
        now = self._clock()
        record = _Record(full, self._counter, now, by, before.created_at if before else now)
        record.mark = before.mark if before else None
        self._content(table).records[id] = record
        return record

    # The protocol.

    @property
    def request_lifetime(self) -> timedelta:
        """The time after which a request can no longer take effect."""
        return self._request_lifetime

    def identify(self) -> Identity:
        """Say which system this is."""
        return Identity(f"memory:{self.name}", self._caller)

    def test(self) -> list[Check]:
        """Say that all is well."""
        return [Check("Tables", True, ", ".join(self._tables))]

    def now(self) -> datetime:
        """Return the time of the system's clock."""
        return self._clock()

    def tables(self) -> Sequence[str]:
        """Return the names of the tables."""
        return tuple(self._tables)

    def describe(self, table: str) -> Table:
        """Return the description of a table."""
        found = self._tables.get(table)
        if found is None:
            raise UnknownTable(self.name, table, tuple(self._tables))
        return found

    def capabilities(self, table: str) -> Capabilities:
        """Return what the settings say."""
        fields = self.describe(table).fields
        return Capabilities(
            feed=self._feed,
            version_checks=self._version_checks,
            create_keys=self._create_keys,
            deletes_in_feed=self._deletes_in_feed,
            overlap=self._overlap,
            created_at="created_at" if "created_at" in fields else None,
            mark_field=MARK_FIELD if self._create_keys is CreateKeys.MARK else None,
            merged_into=self._merged_into if self._merged_into in fields else None,
        )

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed since the watermark."""
        table = self.describe(request.table)
        with self._lock:
            start, high, began, after = self._position(request)
            rows = self._changed(table, start, high)
        keys = [row[0] for row in rows]
        rows = rows[bisect_right(keys, after) :] if after else rows
        recheck = began - self._overlap if self._feed is FeedKind.MODIFIED_AT else None
        end = began.isoformat() if self._feed is FeedKind.MODIFIED_AT else str(high)
        position = f"{start or ''}|{high}|{began.isoformat()}|"
        while True:
            page, rows = rows[: request.page_rows], rows[request.page_rows :]
            frame = self._frame(table, tuple(table.fields), [row[1] for row in page])
            if request.condition is not None:
                frame = frame.filter(filter_expression(request.condition, table) | pl.col(DELETED))
            frame, known = _parted(conform(frame, table, request.fields), request.remembered)
            cursor = position + (page[-1][0] if page else after)
            if not rows:
                yield ChangePage(frame, cursor, end, recheck, known)
                return
            yield ChangePage(frame, cursor, recheck_from=recheck, known=known)

    def _position(self, request: ChangeRequest) -> tuple[str | None, int, datetime, str]:
        if request.cursor is not None:
            start, high, began, after = request.cursor.split("|", 3)
            if int(high) < self._oldest_token:
                raise FeedExpired(f"{self.name} no longer knows the position in {request.table}")
            return start or None, int(high), datetime.fromisoformat(began), after
        by_time = self._feed is FeedKind.MODIFIED_AT
        if request.since is not None and not by_time and int(request.since) < self._oldest_token:
            raise FeedExpired(f"{self.name} no longer knows the watermark of {request.table}")
        return request.since, self._counter, self._clock(), ""

    def _changed(
        self, table: Table, start: str | None, high: int
    ) -> list[tuple[str, tuple[str, _Record | None, bool]]]:
        """Return (order, (id, record, deleted)) of everything between the positions, in order."""
        content = self._contents[table.name]
        found: list[tuple[str, tuple[str, _Record | None, bool]]] = []
        whole = start is None or self._feed is FeedKind.WHOLE
        for key, record in content.records.items():
            if self._feed is FeedKind.MODIFIED_AT:
                if not whole and record.modified_at < datetime.fromisoformat(start or "") - self._overlap:
                    continue
                order = f"{record.modified_at.isoformat(timespec='microseconds')}|{key}"
            elif self._feed is FeedKind.WHOLE:
                order = key
            else:
                if record.version > high or (not whole and record.version <= int(start or 0)):
                    continue
                order = f"{record.version:012d}"
            found.append((order, (key, replace(record, values=dict(record.values)), False)))
        if self._deletes_in_feed and not whole and self._feed is not FeedKind.MODIFIED_AT:
            found += [
                (f"~{version:012d}", (key, None, True))
                for version, key in content.deleted
                if int(start or 0) < version <= high and key not in content.records
            ]
        return sorted(found, key=lambda entry: entry[0])

    def _frame(
        self, table: Table, fields: Sequence[str], rows: Sequence[tuple[str, _Record | None, bool]]
    ) -> pl.DataFrame:
        data: dict[str, list[Any]] = {
            ID: [key for key, _, _ in rows],
            VERSION: [str(record.version) if record else None for _, record, _ in rows],
            MODIFIED_AT: [record.modified_at if record else None for _, record, _ in rows],
            MODIFIED_BY: [record.modified_by if record else None for _, record, _ in rows],
            DELETED: [gone for _, _, gone in rows],
        }
        for name in fields:
            data[name] = [self._value(record, name) if record else None for _, record, _ in rows]
        return conform(pl.DataFrame(data, schema=frame_schema(table, fields), strict=False), table, fields)

    @staticmethod
    def _value(record: _Record, name: str) -> Any:
        if name == MARK_FIELD:
            return record.mark
        return record.created_at if name == "created_at" else record.values.get(name)

    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the records with these ids that exist."""
        description = self.describe(table)
        with self._lock:
            records = self._content(table).records
            rows = [(key, records[key], False) for key in dict.fromkeys(ids) if key in records]
            return self._frame(description, fields, rows)

    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        """Return the records that satisfy the condition."""
        description = self.describe(table)
        with self._lock:
            rows = [(key, record, False) for key, record in self._content(table).records.items()]
            frame = self._frame(description, tuple(description.fields), rows)
        if condition is not None:
            frame = frame.filter(filter_expression(condition, description))
        return conform(frame.head(limit) if limit is not None else frame, description, tuple(fields))

    def ids(self, table: str) -> Iterator[pl.Series]:
        """Yield all ids."""
        with self._lock:
            keys = list(self._content(table).records)
        for start in range(0, len(keys), 5_000):
            yield pl.Series(ID, keys[start : start + 5_000], dtype=pl.String)

    def write(self, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out, one after the other."""
        table = self.describe(request.table)
        with self._lock:
            results = [self._write_one(table, request, row) for row in request.frame.iter_rows(named=True)]
        return pl.DataFrame(results, schema=result_schema(table, request.answered), strict=False)

    def _write_one(self, table: Table, request: WriteRequest, row: dict[str, Any]) -> dict[str, Any]:
        records = self._contents[table.name].records
        values = {name: row[name] for name in request.fields if row.get(sent(name), True)}
        if request.kind is WriteKind.CREATE:
            existing = self._existing(records, row)
            if existing is not None:
                return {STATUS: Status.EXISTS, ID: existing}
            chosen = row[ID] if self._create_keys in (CreateKeys.CHOSEN, CreateKeys.PROPOSED) else None
            key: str = chosen or self._new_id()
            problem = self._problem(table, values)
            if problem is not None:
                return problem
            record = self._store(table.name, key, values, None, self._caller)
            record.mark = row.get(MARK)
        else:
            key = str(row[ID])
            before = records.get(key)
            if before is None:
                return {STATUS: Status.MISSING, ID: key}
            if self._version_checks and row.get(VERSION) is not None and row[VERSION] != str(before.version):
                return {STATUS: Status.STALE, ID: key}
            if request.kind is WriteKind.DELETE:
                self.remove(table.name, key)
                return {STATUS: Status.WRITTEN, ID: key}
            problem = self._problem(table, values)
            if problem is not None:
                return problem | {ID: key}
            record = self._store(table.name, key, before.values | values, before, self._caller)
        answer = {STATUS: Status.WRITTEN, ID: key, VERSION: str(record.version), MODIFIED_AT: record.modified_at}
        return answer | {name: self._value(record, name) for name in request.answered}

    def _existing(self, records: Mapping[str, _Record], row: Mapping[str, Any]) -> str | None:
        if self._create_keys in (CreateKeys.CHOSEN, CreateKeys.PROPOSED) and row[ID] in records:
            return str(row[ID])
        mark = row.get(MARK)
        if self._create_keys is CreateKeys.MARK and mark is not None:
            return next((key for key, record in records.items() if record.mark == mark), None)
        return None

    def _problem(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any] | None:
        for name, value in values.items():
            column = table.field(name)
            if (
                column.is_text
                and column.max_length is not None
                and value is not None
                and len(value) > column.max_length
            ):
                message = f"{name} takes {column.max_length} characters, the value has {len(value)}"
                return _refusal(message, name, "Shorten the value, or let the field mapping cut it (on_loss).")
        refusal = self._refuse(table.name, values) if self._refuse is not None else None
        return _refusal(refusal, None, "Mend the record.") if refusal else None

    def propose_keys(self, table: str, count: int) -> list[str]:
        """Return numbers that no record has."""
        with self._lock:
            taken = [int(key) for key in self._content(table).records if key.isdecimal()]
            first = max(taken, default=0) + 1
            return [str(first + index) for index in range(count)]

    def close(self) -> None:
        """Nothing to let go of."""


def _with_mark(table: Table) -> Table:
    mark = Field(MARK_FIELD, FieldType.GUID, creatable=False, updatable=False)
    return replace(table, fields={**table.fields, MARK_FIELD: mark})


def _blank(table: Table, name: str) -> Any:
    column = table.field(name)
    if column.is_text and not column.nullable and column.type is not FieldType.REFERENCE:
        return ""
    return None


def _refusal(message: str, name: str | None, remedy: str) -> dict[str, Any]:
    return {
        STATUS: Status.REFUSED,
        ERROR: message,
        ERROR_CODE: "refused",
        ERROR_FIELD: name,
        REMEDY: remedy,
        RECOVERY: "data",
    }


def _parted(frame: pl.DataFrame, remembered: Remembered | None) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Part the rows that are in the version that is remembered of them."""
    if remembered is None or frame.is_empty():
        return frame, None
    same = (frame.get_column(VERSION) == remembered(frame.get_column(ID))).fill_null(False)
    known = same & ~frame.get_column(DELETED)
    return frame.filter(~known), frame.filter(known).select(ID, VERSION, MODIFIED_AT)
