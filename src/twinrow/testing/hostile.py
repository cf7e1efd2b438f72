"""A connector that wraps another and behaves as badly as real systems do, at will and repeatably.

    hostile = Hostile(system, Faults(lost=0.1, late=0.1, repeated=0.3), seed=7)
    ...
    assert hostile.counts["lost"] > 0

Each fault has a probability of its own and is counted when it strikes. The same seed and the same calls give the same
faults. Without faults the wrapper is not to be told from what it wraps.

Nothing here lies about what the protocol promises: `UNSENT` and `SystemUnavailable` mean that nothing was carried out, a
late request is carried out within the system's `request_lifetime` or not at all, a repeated row was handed over earlier in
the same feed, and a cursor never leads past a row that was not handed over.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

import polars as pl

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import (
    ERROR,
    RECOVERY,
    STATUS,
    Capabilities,
    ChangePage,
    ChangeRequest,
    Check,
    Connector,
    Identity,
    Status,
    WriteKind,
    WriteRequest,
    result_schema,
)
from twinrow.model.errors import FeedExpired, SystemUnavailable
from twinrow.model.filters import Filter
from twinrow.model.outcomes import Recovery
from twinrow.model.tables import Table

Editor = Callable[[str, str], None]
"""Changes some field of a record as somebody else: (table, id)."""

CURSOR_MARK = "hostile:"
ARRIVAL = 0.3
"""How likely a late request arrives with the next call."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How likely each fault is: 0 never, 1 always.

    Of requests of any kind: `unavailable` (it is not carried out, and says so).
    Of writes: `unsent` (no record was sent), `partial` (some records were not sent), `lost` (carried out, but the answers of
    some records are missing), `late` (no answer, and carried out only later), `stale` (some records are refused because
    somebody edited them at the last moment).
    Of feeds: `expired` (a position no longer works), `small_pages` (fewer rows than asked for), and for each page `repeated`
    (some rows of earlier pages come again as they were), `reordered` (rows, or whole pages, change places), `broken` (the
    feed breaks off behind it).
    """

    unavailable: float = 0.0
    unsent: float = 0.0
    partial: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    stale: float = 0.0
    expired: float = 0.0
    small_pages: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0
    broken: float = 0.0

    @classmethod
    def everywhere(cls, probability: float) -> Faults:
        """Return every fault with the same probability."""
        return cls(**dict.fromkeys(cls.__slots__, probability))


@dataclass(frozen=True, slots=True, eq=False)
class _Late:
    """A request under way, and when it arrives at the latest."""

    request: WriteRequest
    due: datetime


class Hostile:
    """Wraps a connector and commits faults.

    `editor` changes a record as somebody else; with it a stale record really was edited, without it the write is merely
    refused. `counts` tells how often each fault has struck: records for `unsent`, `partial`, `lost`, `late` and `stale`, rows for
    `repeated`, else requests or pages; `arrived` counts late records that have been carried out.
    """

    def __init__(self, connector: Connector, faults: Faults, *, seed: int = 0, editor: Editor | None = None) -> None:
        self.connector = connector
        self.faults = faults
        self.counts: Counter[str] = Counter()
        self._random = Random(seed)
        self._editor = editor
        self._late: list[_Late] = []
        self._lock = threading.RLock()

    def calm(self) -> None:
        """Commit no more faults. What is under way still arrives."""
        self.faults = Faults()

    def deliver(self) -> None:
        """Carry out every request that is under way."""
        with self._lock:
            for late in self._late:
                self._arrive(late)
            self._late.clear()

    def _strikes(self, fault: str) -> bool:
        # A fault that is switched off draws no number: the others strike as they would without it.
        probability: float = getattr(self.faults, fault)
        return probability > 0 and self._random.random() < probability

    def _some(self, rows: Sequence[int]) -> list[int]:
        """Return some of the rows, at least one."""
        return sorted(self._random.sample(rows, self._random.randint(1, len(rows)))) if rows else []

    def _begin_request(self) -> None:
        """Let late requests arrive; then perhaps fail this one."""
        now = self.connector.now()
        arriving = [late for late in self._late if late.due <= now or self._random.random() < ARRIVAL]
        for late in arriving:
            self._late.remove(late)
            self._arrive(late)
        if self._strikes("unavailable"):
            self.counts["unavailable"] += 1
            raise SystemUnavailable("The system does not answer", cause="A fault on purpose.", remedy="Try again.")

    def _arrive(self, late: _Late) -> None:
        self.connector.write(late.request)
        self.counts["arrived"] += late.request.frame.height

    # Reading.

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed, with the faults of feeds."""
        with self._lock:
            self._begin_request()
            if (request.since is not None or request.cursor is not None) and self._strikes("expired"):
                self.counts["expired"] += 1
                raise FeedExpired(f"The position in {request.table} is no longer known")
            if request.page_rows > 1 and self._strikes("small_pages"):
                self.counts["small_pages"] += 1
                request = replace(request, page_rows=self._random.randint(1, min(request.page_rows - 1, 7)))
        if request.cursor is not None and request.cursor.startswith(CURSOR_MARK):
            since, cursor = json.loads(request.cursor.removeprefix(CURSOR_MARK))
            request = replace(request, since=since, cursor=cursor)
        request = replace(request, remembered=None)  # every row takes part in the faults
        handed_over: list[pl.DataFrame] = []
        for page in self._in_some_order(request):
            frame = self._with_repetitions(page.frame, handed_over)
            handed_over.append(page.frame)
            yield replace(page, frame=frame)
            if page.watermark is None and self._strikes("broken"):
                self.counts["broken"] += 1
                raise SystemUnavailable(
                    "The feed broke off", cause="A fault on purpose.", remedy="Go on from the cursor."
                )

    def _in_some_order(self, request: ChangeRequest) -> Iterator[ChangePage]:
        position = CURSOR_MARK + json.dumps([request.since, request.cursor])
        pages = self.connector.changes(request)
        for page in pages:
            following = next(pages, None) if page.watermark is None and self._strikes("reordered") else None
            if following is not None:
                self.counts["reordered"] += 1
                # Until the first page has been handed over too, the cursor stays where it was before both.
                recheck = page.recheck_from or following.recheck_from
                yield ChangePage(following.frame, position, recheck_from=recheck)
                yield replace(following, frame=page.frame, recheck_from=recheck)
                position = following.cursor
            elif page.frame.height > 1 and self._strikes("reordered"):
                self.counts["reordered"] += 1
                yield replace(
                    page, frame=page.frame.sample(fraction=1.0, shuffle=True, seed=self._random.getrandbits(32))
                )
                position = page.cursor
            else:
                yield page
                position = page.cursor

    def _with_repetitions(self, frame: pl.DataFrame, handed_over: list[pl.DataFrame]) -> pl.DataFrame:
        with self._lock:
            if not handed_over or not self._strikes("repeated"):
                return frame
            earlier = self._random.choice(handed_over)
            again = earlier[self._some(range(earlier.height))] if earlier.height else earlier
            self.counts["repeated"] += again.height
            return pl.concat([again, frame] if self._random.random() < 0.5 else [frame, again])

    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the records with these ids, if the system is there."""
        with self._lock:
            self._begin_request()
        return self.connector.fetch(table, fields, ids)

    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        """Return the records that satisfy the condition, if the system is there."""
        with self._lock:
            self._begin_request()
        return self.connector.select(table, fields, condition, limit)

    def ids(self, table: str) -> Iterator[pl.Series]:
        """Yield all ids, if the system is there."""
        with self._lock:
            self._begin_request()
        return self.connector.ids(table)

    def propose_keys(self, table: str, count: int) -> list[str]:
        """Return free ids, if the system is there."""
        with self._lock:
            self._begin_request()
        return self.connector.propose_keys(table, count)

    # Writing.

    def write(self, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out, some of them, or later, or with the answers lost."""
        with self._lock:
            self._begin_request()
            rows = list(range(request.frame.height))
            answers: dict[int, Status] = {}
            if rows and self._strikes("unsent"):
                self._answer(answers, rows, Status.UNSENT, "unsent")
            for fault, status in (("partial", Status.UNSENT), ("late", Status.INDETERMINATE)):
                remaining = [row for row in rows if row not in answers]
                if remaining and self._strikes(fault):
                    struck = self._some(remaining)
                    self._answer(answers, struck, status, fault)
                    if fault == "late":
                        self._send_later(replace(request, frame=request.frame[struck]))
            self._make_stale(request, [row for row in rows if row not in answers], answers)
            sent_rows = [row for row in rows if row not in answers]
        results = self._carry_out(request, sent_rows, answers)
        with self._lock:
            if sent_rows and self._strikes("lost"):
                lost = self._some(sent_rows)
                self._answer(answers, lost, Status.INDETERMINATE, "lost")
                results = _overlaid(results, request, {row: answers[row] for row in lost})
        return results

    def _answer(self, answers: dict[int, Status], rows: Sequence[int], status: Status, fault: str) -> None:
        self.counts[fault] += len(rows)
        answers.update(dict.fromkeys(rows, status))

    def _send_later(self, request: WriteRequest) -> None:
        lifetime = self.connector.request_lifetime.total_seconds()
        delay = timedelta(seconds=self._random.uniform(0, lifetime))
        self._late.append(_Late(request, self.connector.now() + delay))

    def _make_stale(self, request: WriteRequest, rows: Sequence[int], answers: dict[int, Status]) -> None:
        if request.kind is WriteKind.CREATE or not self.capabilities(request.table).version_checks:
            return
        versions = request.frame[VERSION]
        rows = [row for row in rows if versions[row] is not None]
        if not rows or not self._strikes("stale"):
            return
        struck = self._some(rows)
        if self._editor is None:
            self._answer(answers, struck, Status.STALE, "stale")
            return
        there = set(self.connector.fetch(request.table, (), request.frame[ID][struck].to_list())[ID].to_list())
        for row in struck:
            if request.frame[ID][row] in there:
                self._editor(request.table, request.frame[ID][row])
                self.counts["stale"] += 1

    def _carry_out(self, request: WriteRequest, sent_rows: list[int], answers: dict[int, Status]) -> pl.DataFrame:
        if not answers:
            return self.connector.write(request)
        schema = result_schema(self.describe(request.table), request.answered)
        blank = pl.DataFrame(schema=schema).clear(request.frame.height)
        if sent_rows:
            written = self.connector.write(replace(request, frame=request.frame[sent_rows]))
            placed = pl.DataFrame({"row": sent_rows}).hstack(written)
            everywhere = pl.DataFrame({"row": range(request.frame.height)})
            blank = everywhere.join(placed, on="row", how="left", maintain_order="left").drop("row")
        return _overlaid(blank, request, answers)

    # Passed on.

    @property
    def request_lifetime(self) -> timedelta:
        """The time after which a request can no longer take effect."""
        return self.connector.request_lifetime

    def identify(self) -> Identity:
        """Say which system this is."""
        return self.connector.identify()

    def test(self) -> list[Check]:
        """Look at everything that must be right."""
        return self.connector.test()

    def now(self) -> datetime:
        """Return the system's time."""
        return self.connector.now()

    def tables(self) -> Sequence[str]:
        """Return the names of the tables."""
        return self.connector.tables()

    def describe(self, table: str) -> Table:
        """Return the description of a table."""
        return self.connector.describe(table)

    def capabilities(self, table: str) -> Capabilities:
        """Return what a table can do."""
        return self.connector.capabilities(table)

    def close(self) -> None:
        """Let go of connections."""
        self.connector.close()


def _overlaid(results: pl.DataFrame, request: WriteRequest, answers: dict[int, Status]) -> pl.DataFrame:
    """Return the results with these rows answered otherwise: without values, with the id that was sent."""
    statuses = pl.Series([answers.get(row) for row in range(results.height)], dtype=pl.String)
    struck = statuses.is_not_null()
    columns = [pl.when(~struck).then(pl.col(name)).alias(name) for name in results.columns]
    error = (
        pl.when(statuses == Status.INDETERMINATE)
        .then(pl.lit("There was no answer"))
        .otherwise(pl.lit("It was not sent"))
    )
    return results.with_columns(columns).with_columns(
        pl.when(struck).then(statuses).otherwise(pl.col(STATUS)).alias(STATUS),
        pl.when(struck).then(request.frame[ID]).otherwise(pl.col(ID)).alias(ID),
        pl.when(struck & (statuses != Status.STALE)).then(error).otherwise(pl.col(ERROR)).alias(ERROR),
        pl.when(struck & (statuses != Status.STALE))
        .then(pl.lit(Recovery.RETRY.value))
        .otherwise(pl.col(RECOVERY))
        .alias(RECOVERY),
    )
