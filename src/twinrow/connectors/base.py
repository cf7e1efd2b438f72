"""What a system must offer to be synchronized: the protocol that every connector fulfils.

Words: a *table* is described by `model.tables.Table`; a *batch* is a frame as in `batch.columns`; a *version* is the token
that a system changes with every change of a record; a *watermark* is an opaque text that says up to where a feed of
changes has been read; a *cursor* says how far a feed under way has come. Times are UTC and belong to the system's own clock.

What systems can do differently stands in `Capabilities`, as data. Callers look there and never ask which connector it is.
`testing.conformance` is the contract in executable form; a connector that passes it works with the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION, frame_schema
from twinrow.model.filters import Filter
from twinrow.model.tables import Table


class CreateKeys(StrEnum):
    """How a create can be told from its repetition."""

    CHOSEN = "chosen"
    """The caller chooses the id (a GUID); a second create with it is answered with `Status.EXISTS`."""
    MARK = "mark"
    """The caller sends a unique mark (a GUID, column `@mark`); a second create with it is answered with `Status.EXISTS`."""
    PROPOSED = "proposed"
    """`propose_keys` names free ids; a second create with one is answered with `Status.EXISTS`."""
    NONE = "none"
    """It cannot: whoever did not get an answer must wait and search."""


class FeedKind(StrEnum):
    """How a table's changes are found."""

    DELTA = "delta"
    """The system keeps track of what has changed since a token."""
    ROW_VERSION = "row version"
    """By a number that grows with every change; no change is missed."""
    MODIFIED_AT = "modified at"
    """By the time of the last change, with an overlap, because a change may appear later than its time."""
    WHOLE = "whole"
    """There is nothing to go by: everything is read and compared."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a table of a system can do.

    `overlap` is the time that a feed by modification times reads again. `created_at` names the field with the time of a
    record's creation (or one that is never before it), by which a create without key or mark is searched; `mark_field` the one
    that holds the mark; `merged_into` the one that names the record into which somebody has merged this one. `batch_rows` is how
    many records one call of `write` should carry. `field_logic`: whether the system runs logic of its own for each field that is
    written, as the services do whether they are asked to or not. `reads_ahead`: a thread may go on with a feed while others call
    any method. `limits` are sentences for people: what is weaker here than elsewhere.
    """

    feed: FeedKind
    version_checks: bool
    create_keys: CreateKeys
    deletes_in_feed: bool = False
    can_create: bool = True
    can_update: bool = True
    can_delete: bool = True
    overlap: timedelta = timedelta()
    created_at: str | None = None
    mark_field: str | None = None
    merged_into: str | None = None
    batch_rows: int = 1_000
    field_logic: bool = True
    reads_ahead: bool = False
    limits: tuple[str, ...] = ()


Remembered = Callable[[pl.Series], pl.Series]
"""Returns for each of these ids the version in which its record needs no look any more; null: it needs one."""


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Asks for the changes of a table.

    `since` is the watermark of an earlier feed, or None for every record. `cursor` continues a feed that was broken off.
    `condition` is pushed down as far as the system allows: records outside it may come too, none within it is left out.
    Of records in the version `remembered` the fields need not be read (`ChangePage.known`); it may be called from any thread.
    """

    table: str
    fields: tuple[str, ...]
    since: str | None = None
    cursor: str | None = None
    condition: Filter | None = None
    page_rows: int = 5_000
    remembered: Remembered | None = None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a feed: a batch, and where to go on after it.

    `cursor` continues behind this page. `watermark` is there on the last page only: the feed's position when it began, so
    that nothing that happened during it is missed. Records changed at or after `recheck_from` will be handed over again by
    the next feed (the overlap); every page of a feed says it. `known` are the records of the page, not in the batch, that are in
    the version remembered of them: `@id`, `@version`, `@modified_at`.
    """

    frame: pl.DataFrame
    cursor: str
    watermark: str | None = None
    recheck_from: datetime | None = None
    known: pl.DataFrame | None = None


class WriteKind(StrEnum):
    """What a write does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


MARK = "@mark"
STATUS = "@status"
ERROR = "@error"
ERROR_CODE = "@error_code"
ERROR_FIELD = "@error_field"
REMEDY = "@remedy"
RECOVERY = "@recovery"


def sent(name: str) -> str:
    """Return the name of the Boolean column that says whether a field is sent; absent: it is sent for every record."""
    return f"?{name}"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Records to write, all in one way.

    The frame has `@id` (creates: the chosen or proposed id, or null), `@version` (updates and deletes: the token that must
    still hold, or null where the table has no version checks), `@mark` (creates with marks), and the fields with their
    `sent` columns. Fields that are not sent stay as they are. `returning` names the fields whose values after the write are
    wanted in the result; None: those that are written.
    """

    table: str
    kind: WriteKind
    frame: pl.DataFrame
    fields: tuple[str, ...] = ()
    returning: tuple[str, ...] | None = None

    @property
    def answered(self) -> tuple[str, ...]:
        """The fields whose values the result holds."""
        return self.fields if self.returning is None else self.returning


class Status(StrEnum):
    """How a record's write ended."""

    WRITTEN = "written"
    EXISTS = "exists"
    """A create: there is a record with this key or mark already. Nothing was written; `@id` names it where it is known."""
    STALE = "stale"
    """The version token no longer holds. Nothing was written."""
    MISSING = "missing"
    """An update or delete: there is no such record."""
    REFUSED = "refused"
    """The system will not take it; the error columns say why."""
    UNSENT = "unsent"
    """It certainly was not carried out, and may be sent again: throttled, or the connection was not made."""
    INDETERMINATE = "indeterminate"
    """No answer: it may have been carried out, or may yet be."""


RESULT_SCHEMA: dict[str, pl.DataType] = {
    STATUS: pl.String(),
    ID: pl.String(),
    VERSION: pl.String(),
    MODIFIED_AT: pl.Datetime("us", "UTC"),
    ERROR: pl.String(),
    ERROR_CODE: pl.String(),
    ERROR_FIELD: pl.String(),
    REMEDY: pl.String(),
    RECOVERY: pl.String(),
}
"""The columns of a write's result beside the fields: one row for each record of the request, in its order.

Where `@status` is `written`, `@version`, `@modified_at` and the fields hold what the system has now (after its own logic).
Elsewhere they are null. `@recovery` is a value of `model.outcomes.Recovery`.
"""


def result_schema(table: Table, fields: Sequence[str]) -> dict[str, pl.DataType]:
    """Return the column types of a write's result that answers with these fields (`WriteRequest.answered`)."""
    record = frame_schema(table, fields)
    return RESULT_SCHEMA | {name: record[name] for name in fields}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a connection test: what was looked at, whether it is well, what was found, what to do."""

    name: str
    passed: bool
    found: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which system it is: `environment` never changes for a system and differs between systems; `caller` is who we are there.

    `details` says more for people. A system that is one of several companies gives `company_id` and `company_name`, by which
    the set-up of a connection tells the other side whose records it gets.
    """

    environment: str
    caller: str | None = None
    details: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class Patient(Protocol):
    """A connector that tries again for a while where its system does not answer, and can be told for how long."""

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Within the context, try each request no longer than that: someone is looking on."""
        ...


def hurried(connector: object, seconds: float) -> AbstractContextManager[None]:
    """Return a context in which a connector does not wait longer than that for its system."""
    return connector.patience(seconds) if isinstance(connector, Patient) else nullcontext()


class Connector(Protocol):
    """A system that can be read and written.

    Every method may raise `SystemUnavailable` (nothing was changed), `SignInFailed`, `Unreachable`, `UnknownTable` or
    `UnknownField`. A connector is used by one run at a time, but its reading methods may be called while a feed is open.
    """

    @property
    def request_lifetime(self) -> timedelta:
        """The time after which a request that was sent can no longer take effect, by the system's own limits."""
        ...

    def identify(self) -> Identity:
        """Say which system this is and who we are there."""
        ...

    def test(self) -> list[Check]:
        """Look at everything that must be right before anything else works; never raises for what it finds."""
        ...

    def now(self) -> datetime:
        """Return the system's own time, as recently told by it (UTC)."""
        ...

    def tables(self) -> Sequence[str]:
        """Return the names of the tables that can be mapped."""
        ...

    def describe(self, table: str) -> Table:
        """Return a table's fields as the system has them now; the answer may be kept for the life of the connector."""
        ...

    def capabilities(self, table: str) -> Capabilities:
        """Return what a table can do."""
        ...

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed, page by page; at least one page, the last with a watermark.

        Raises `FeedExpired` when `since` or `cursor` no longer works.
        """
        ...

    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return a batch of the records with these ids, in any order; ids that do not exist are absent."""
        ...

    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        """Return a batch of the records that satisfy the condition exactly as the system understands it, `limit` at the most."""
        ...

    def ids(self, table: str) -> Iterator[pl.Series]:
        """Yield the ids of all records of the table, in pages, in any order."""
        ...

    def write(self, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out; return a result for each record (`result_schema`), whatever becomes of the others."""
        ...

    def propose_keys(self, table: str, count: int) -> list[str]:
        """Return that many free ids, where `create_keys` is PROPOSED."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
