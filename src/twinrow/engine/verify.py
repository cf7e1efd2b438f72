"""Verify: compare both sides of a mapping, record by record, without writing to either.

Both sides are read once, in pages, in whatever order they give: of what the local side says of each coupling, digests are staged
in the store, and compared with the integration side as that is read. Where they do not agree, or a record was not met, both
records are read again by id, with their base, and told by kind (`engine.differences`). Values go through the same rules as in
a run, in both directions that the mapping has. The memory needed is that of a page, and some bits for each coupling.

A change that the next run will carry is told from one that no run will see by asking both feeds, from where the mapping's
watermarks stand, what they will hand over. Runs may go on meanwhile: a pair counts as different only if it still is when it
is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from twinrow.batch.bounds import bounded
from twinrow.batch.canonical import pack, unpack
from twinrow.batch.columns import DELETED, ID, MODIFIED_AT
from twinrow.connectors.base import ChangeRequest
from twinrow.engine import columns as c
from twinrow.engine.carry import CarryContext, carry, source_values
from twinrow.engine.context import MappingContext, ReadContext
from twinrow.engine.differences import (
    GIVEN_UP,
    PENDING,
    SKIPPED,
    Comparison,
    active,
    agrees,
    agrees_one_way,
    comes,
    differences,
    digests,
    in_conflict,
    now,
    own_forms,
    problem,
    undone_fields,
    whole,
    would_be,
)
from twinrow.engine.lookups import References, rule_lookups
from twinrow.engine.pair import ADMITTED, IN_FILTER, admit, in_filter
from twinrow.engine.rule_inputs import lookups_of
from twinrow.model.errors import FeedExpired
from twinrow.model.outcomes import DifferenceKind
from twinrow.model.sides import Pass, Side
from twinrow.store import verifications as stored
from twinrow.store.bases import read_bases
from twinrow.store.conflicts import conflicting_fields
from twinrow.store.couplings import State, by_number, by_record, coupling_numbers, coupling_range
from twinrow.store.journal import last_answers
from twinrow.store.pending import pending_messages
from twinrow.store.undone import read_undone
from twinrow.store.watermarks import read_watermark, was_seen

Progress = Callable[[str, int], None]
"""Called with what is being done and how many records that has come to."""

READING = {Side.LOCAL: "local records read", Side.INTEGRATION: "integration records compared"}
LOOKING = "differing pairs looked at"

_PAGE = 5_000
"""The most that is looked at at once."""

_SOURCE = {Side.LOCAL: Pass.TO, Side.INTEGRATION: Pass.FROM}


@dataclass(slots=True)
class Verified:
    """What a verification has come to.

    `compared` counts couplings, `records` those that differ, by kind; `uncoupled` the records of each side that take part and
    are not coupled.
    """

    compared: int = 0
    records: dict[DifferenceKind, int] = field(default_factory=dict)
    uncoupled: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))

    def count(self, found: pl.DataFrame) -> None:
        """Count the couplings of a frame of differences."""
        for kind, count in found.group_by("kind").agg(pl.col("coupling_id").n_unique()).iter_rows():
            self.records[DifferenceKind(kind)] = self.records.get(DifferenceKind(kind), 0) + count

    def lossy(self, count: int) -> None:
        """Count pairs that agree but for what rules lose."""
        if count:
            self.records[DifferenceKind.RULE] = self.records.get(DifferenceKind.RULE, 0) + count


class Marks:
    """What is known of each coupling, as bits: 600,000 couplings take 75 kB for each."""

    def __init__(self, first: int = 0, last: int = -1) -> None:
        self._first, self._last = first, last
        nothing = pl.repeat(False, last - first + 1, eager=True)
        self._agreed = nothing
        self._reported = {side: nothing.clone() for side in Side}

    @property
    def agreed(self) -> int:
        """How many couplings both sides agree on."""
        return int(self._agreed.sum())

    def _known(self, numbers: pl.Series) -> pl.Series:
        # Couplings that were made since have not been compared.
        return numbers.filter(numbers.is_between(self._first, self._last)) - self._first

    def agree(self, numbers: pl.Series) -> None:
        """Mark couplings on which both sides agree."""
        self._agreed = self._agreed.scatter(self._known(numbers), True)

    def report(self, side: Side, numbers: pl.Series) -> None:
        """Mark couplings that the feed of a side tells of."""
        self._reported[side] = self._reported[side].scatter(self._known(numbers), True)

    def left(self, numbers: pl.Series) -> pl.Series:
        """Return those of the couplings on which the sides do not agree."""
        within = numbers.filter(numbers.is_between(self._first, self._last))
        return within.filter(~self._agreed.gather(within - self._first))

    def reported(self, side: Side, numbers: pl.Series) -> pl.Series:
        """Return for each of the couplings whether the feed of a side tells of it."""
        return self._reported[side].gather(numbers - self._first)


class Verification:
    """One verification of a mapping. Iterate `run` to its end; it yields frames of differences (`DIFFERENCE_SCHEMA`)."""

    def __init__(self, context: MappingContext, samples: int = 0, progress: Progress | None = None) -> None:
        """`samples` is how many of the pairs are told in full that agree but for what rules lose; the others are counted."""
        self._context = context
        self._samples = samples
        self._progress = progress or (lambda _what, _count: None)
        mapping = context.mapping.mapping
        self._comparison = Comparison(context.plans, mapping.direction.passes, mapping.templates)
        self._sides = {side: ReadContext(context, _SOURCE[side]) for side in Side}
        self._references = {side: References(one) for side, one in self._sides.items()}
        self._rule_lookups = {side: lookups_of(one) for side, one in self._sides.items()}
        self._plans = self._comparison.compared
        self._rows = min(context.engine.page_rows, _PAGE)
        self._marks = Marks()
        self.result = Verified()

    def run(self) -> Iterator[pl.DataFrame]:
        """Compare, and yield what differs; each coupling stands in one frame only."""
        database, mapping, clock = self._context.database, self._context.mapping, self._context.clock
        with database.transaction() as connection:
            number = stored.start_verification(connection, mapping.id, clock.now())
            self._marks = Marks(*coupling_range(connection, mapping))
        try:
            self._stage_local(number)
            self._compare_integration(number)
            for found in self._look_closely(number):
                self.result.count(found)
                yield found
            with database.transaction() as connection:
                told = {kind.value: count for kind, count in self.result.records.items()}
                stored.finish_verification(connection, number, self.result.compared, told, clock.now())
        finally:
            with database.transaction() as connection:
                stored.forget_staged(connection, number)

    # Reading both sides.

    def _pages(self, side: Side) -> Iterator[pl.DataFrame]:
        """Yield all records of a side that may take part, in pages."""
        reading = self._sides[side]
        end = reading.source
        condition = reading.condition if reading.pass_ in self._comparison.passes else None
        request = ChangeRequest(end.table.name, reading.source_fields, None, None, condition, self._rows)
        count = 0
        for page in end.connector.changes(request):
            frame = page.frame.filter(~pl.col(DELETED)).unique(ID, keep="last", maintain_order=True)
            for piece in bounded(frame, self._rows):
                yield piece
                count += piece.height
                self._progress(READING[side], count)

    def _stage_local(self, number: int) -> None:
        loose = self._comparison.loose_columns
        for page in self._pages(Side.LOCAL):
            frame = self._coupled(Side.LOCAL, self._looked_at(Side.LOCAL, page))
            told = frame.select(
                "coupling_id",
                *digests(self._comparison, Side.LOCAL),
                (pack(loose) if loose else pl.lit(None, dtype=pl.String)).alias("loose_values"),
                active(Pass.TO),
            )
            if Pass.TO in self._comparison.passes:
                # What does not take part any more is looked at closely.
                told = told.filter(active(Pass.TO))
            with self._context.database.transaction() as connection:
                stored.stage(connection, number, told.unique("coupling_id", keep="last"))

    def _compare_integration(self, number: int) -> None:
        loose = self._comparison.loose_columns
        for page in self._pages(Side.INTEGRATION):
            frame = self._coupled(Side.INTEGRATION, self._looked_at(Side.INTEGRATION, page))
            if Pass.FROM in self._comparison.passes:
                frame = frame.filter(active(Pass.FROM))
            told = frame.with_columns(digests(self._comparison, Side.INTEGRATION))
            with self._context.database.reading() as connection:
                local = stored.read_staged(connection, number, told.get_column("coupling_id").to_list())
            local = unpack(local, "loose_values", loose) if loose else local.drop("loose_values")
            pairs = told.join(local, on="coupling_id", how="inner", suffix="_local").select(
                "coupling_id", agrees(self._comparison).alias("agrees"), agrees_one_way(self._comparison).alias("lossy")
            )
            self._marks.agree(pairs.filter("agrees").get_column("coupling_id"))
            lossy = pairs.filter(pl.col("lossy") & ~pl.col("agrees")).get_column("coupling_id")
            told_in_full, counted = lossy.head(self._samples), lossy[self._samples :]
            self._samples -= told_in_full.len()
            self._marks.agree(counted)
            self.result.lossy(counted.len())

    def _coupled(self, side: Side, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep the records that are coupled, with `coupling_id`, `local_id` and `integration_id`; count the others."""
        with self._context.database.reading() as connection:
            known = by_record(connection, self._context.mapping, side, frame.get_column(ID).to_list())
        pairs = known.select("coupling_id", "local_id", "integration_id", pl.col(f"{side.value}_id").alias(ID))
        takes_part = active(_SOURCE[side])
        others = frame.join(pairs, on=ID, how="anti").filter(takes_part).height
        self.result.uncoupled[side] += others
        return frame.join(pairs, on=ID, how="inner", maintain_order="left")

    def _looked_at(self, side: Side, frame: pl.DataFrame) -> pl.DataFrame:
        """Add what the records of a side say, and what the pass from there would carry: `now`, `would_be`, `active`."""
        reading = self._sides[side]
        pass_ = reading.pass_
        hooks = reading.hooks
        takes_part = pass_ in self._comparison.passes
        if takes_part:
            frame, hooks = rule_lookups(reading, frame)
            frame = admit(reading, hooks, frame.with_columns(in_filter(reading).alias(IN_FILTER)))
        references = self._references[side].for_batch(frame)
        inputs = self._rule_lookups[side].for_batch(frame, reading.carried, hooks)
        carrying = CarryContext(hooks, self._context.plans, reading.shared.rules, inputs, references)
        frame = carry(source_values(frame, carrying), carrying)
        columns = [
            (pl.col(IN_FILTER) & pl.col(ADMITTED) if takes_part else pl.lit(False)).alias(active(pass_)),
            *(pl.col(c.source(plan.index)).alias(now(side, plan.index)) for plan in self._plans),
        ]
        for plan in self._plans:
            if pass_ not in self._comparison.directions(plan):
                continue
            i = plan.index
            waits = pl.col(c.unresolved(i)) & (not plan.mapping.clear_value_on_failed_sync)
            if plan.derived is not None and plan.mapping.not_null:
                waits = waits & pl.col(c.carried(i)).is_not_null()
            message = pl.coalesce(
                pl.col(c.problem(i)), pl.when(waits).then(pl.lit("the record that it refers to is not coupled"))
            )
            columns += [
                pl.when(message.is_null()).then(pl.col(c.carried_text(i))).alias(would_be(pass_, i)),
                message.alias(problem(pass_, i)),
            ]
        return frame.select(ID, MODIFIED_AT, *columns)

    # Looking closely at what is left.

    def _look_closely(self, number: int) -> Iterator[pl.DataFrame]:
        self.result.compared = self._marks.agreed
        left = self._left()
        portion = next(left, None)
        if portion is None:
            return
        asked = {side: self._ask(side) for side in Side}
        count = 0
        while portion is not None:
            found = self._differing(portion, asked)
            count += len(portion)
            self._progress(LOOKING, count)
            if found.height:
                yield found
            portion = next(left, None)
        with self._context.database.reading() as connection:
            stored.check_verification(connection, number)

    def _left(self) -> Iterator[list[int]]:
        """Yield the couplings on which the sides do not agree, or of which a record was not met, in portions."""
        database, mapping = self._context.database, self._context.mapping
        waiting: list[int] = []
        after = 0
        while True:
            with database.reading() as connection:
                numbers = coupling_numbers(connection, mapping, after, _PAGE * 10)
            if numbers.is_empty():
                break
            after = int(numbers[-1])
            waiting += self._marks.left(numbers).to_list()
            while len(waiting) >= self._rows:
                yield waiting[: self._rows]
                waiting = waiting[self._rows :]
        if waiting:
            yield waiting

    def _ask(self, side: Side) -> datetime | None:
        """Ask a side's feed what it will hand over to the next run, and mark it.

        Returns the side's own time before it was asked; None where the next run reads everything again.
        """
        reading = self._sides[side]
        database, mapping, end = self._context.database, self._context.mapping, reading.source
        asked_at = end.connector.now()
        if reading.pass_ not in self._comparison.passes:
            return asked_at
        with database.reading() as connection:
            watermark = read_watermark(connection, mapping.id, side)
        if watermark is None or not reading.still_valid(watermark.shape):
            return None
        request = ChangeRequest(
            end.table.name, reading.source_fields, watermark.position, None, reading.condition, self._rows
        )
        try:
            for page in end.connector.changes(request):
                with database.reading() as connection:
                    fresh = page.frame.filter(~was_seen(connection, mapping, side, page.frame))
                    known = by_record(connection, mapping, side, fresh.get_column(ID).unique().to_list())
                self._marks.report(side, known.get_column("coupling_id"))
        except FeedExpired:
            return None
        return asked_at

    def _differing(self, numbers: list[int], asked: Mapping[Side, datetime | None]) -> pl.DataFrame:
        """Read couplings again on both sides, and return what they differ in and why."""
        mapping, plans = self._context.mapping, self._comparison.plans
        with self._context.database.reading() as connection:
            couplings = by_number(connection, mapping, numbers)
        frame = couplings.select("coupling_id", "local_id", "integration_id", "state")
        for side in Side:
            frame = frame.join(self._fetched(side, frame), on=f"{side.value}_id", how="left", maintain_order="left")
        gone = {side: pl.col(f"read.{side.value}").is_null() for side in Side}
        here, there = gone[Side.LOCAL], gone[Side.INTEGRATION]
        parts = [whole(frame.filter(here & there), DifferenceKind.BOTH_GONE)]
        given_up = pl.col("state") & int(State.DEACTIVATED) != 0
        for side, kind in (
            (Side.LOCAL, DifferenceKind.LOCAL_GONE),
            (Side.INTEGRATION, DifferenceKind.INTEGRATION_GONE),
        ):
            pass_ = _SOURCE[side]
            lost = frame.filter(gone[side] & ~gone[side.other])
            parts.append(whole(lost.filter(given_up), DifferenceKind.RULE, GIVEN_UP))
            carried = pass_ in self._comparison.passes and mapping.mapping.delete_propagation.includes(pass_)
            parts.append(whole(lost.filter(~given_up), DifferenceKind.AWAITING if carried else kind))
        frame = frame.filter(~here & ~there)
        self.result.compared += couplings.height
        if frame.is_empty():
            return pl.concat(parts)
        # Bases are read last: a pair that a run settles meanwhile then differs from them, and is awaited.
        with self._context.database.reading() as connection:
            bases = read_bases(connection, mapping.id, plans.identities, numbers)
            states = by_number(connection, mapping, numbers).select("coupling_id", "state")
            waiting = pending_messages(connection, mapping, numbers)
            conflicts = conflicting_fields(connection, numbers)
            undone = read_undone(connection, numbers)
        frame = frame.drop("state").join(bases, on="coupling_id", how="left").join(states, on="coupling_id", how="left")
        frame = frame.join(waiting, on="coupling_id", how="left")
        frame = frame.with_columns(
            pl.col("message").alias(PENDING),
            (pl.col("state").fill_null(0) & pl.lit(int(State.SKIPPED)) != 0).alias(SKIPPED),
            *(self._comes(side, asked[side], frame).alias(comes(side)) for side in Side),
            *(
                pl.col("coupling_id")
                .is_in(conflicts.filter(pl.col("field") == plan.key).get_column("coupling_id").implode())
                .alias(in_conflict(plan.index))
                for plan in self._plans
            ),
        )
        pilot = self._context.pilot
        if pilot is not None:
            inside = pilot.has(Side.LOCAL, pl.col("local_id"), pl.col("integration_id"))
            frame = frame.with_columns(pl.col(active(pass_)) & inside for pass_ in self._comparison.passes)
        found = undone_fields(differences(frame, self._comparison), undone)
        return pl.concat([*parts, self._with_own_forms(found)])

    def _fetched(self, side: Side, couplings: pl.DataFrame) -> pl.DataFrame:
        reading = self._sides[side]
        end = reading.source
        ids = couplings.get_column(f"{side.value}_id").to_list()
        read = self._looked_at(side, end.connector.fetch(end.table.name, reading.source_fields, ids))
        return read.rename({ID: f"{side.value}_id", MODIFIED_AT: f"read.{side.value}.modified_at"}).with_columns(
            pl.lit(True).alias(f"read.{side.value}")
        )

    def _comes(self, side: Side, asked_at: datetime | None, frame: pl.DataFrame) -> pl.Expr | pl.Series:
        """Return where the next run looks at the record of a side: its feed has told it, or it has changed since."""
        if asked_at is None:
            return pl.lit(True)
        since = frame.get_column(f"read.{side.value}.modified_at") >= asked_at
        return self._marks.reported(side, frame.get_column("coupling_id")) | since.fill_null(False)

    def _with_own_forms(self, found: pl.DataFrame) -> pl.DataFrame:
        quiet = found.filter((pl.col("kind") == DifferenceKind.DRIFT.value) & pl.col("quiet"))
        if quiet.is_empty():
            return found
        numbers: Sequence[int] = quiet.get_column("coupling_id").unique().to_list()
        with self._context.database.reading() as connection:
            answers = last_answers(connection, numbers, quiet.get_column("identity").unique().to_list())
        return own_forms(found, answers)
