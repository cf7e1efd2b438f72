"""Verify: compare both sides of a mapping, record by record, without writing to either.

Both sides are read once, in pages, in whatever order they give: what the local side says of each coupling is staged in the
store, compared with the integration side as that is read, and taken out where both agree. What is left (pairs that differ,
records that were not met) is read again by id, with its base, and told by kind (`engine.differences`). Values go through the
same rules as in a run, in both directions that the mapping has. The memory needed is that of a page.

A change that the next run will carry is told from one that no run will see by asking both feeds, from where the mapping's
watermarks stand, what they will hand over. Runs may go on meanwhile: a pair counts as different only if it still is when it
is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from twinrow.batch.bounds import bounded
from twinrow.batch.columns import DELETED, ID, VERSION
from twinrow.connectors.base import ChangeRequest
from twinrow.engine import columns as c
from twinrow.engine.carry import CarryContext, carry, source_values
from twinrow.engine.context import MappingContext, ReadContext
from twinrow.engine.differences import (
    DIFFERENCE_SCHEMA,
    PENDING,
    SKIPPED,
    Comparison,
    active,
    agrees,
    agrees_one_way,
    comes,
    differences,
    in_conflict,
    losses,
    now,
    own_forms,
    problem,
    whole,
    would_be,
)
from twinrow.engine.lookups import References, rule_lookups
from twinrow.engine.pair import ADMITTED, IN_FILTER, admit, in_filter
from twinrow.model.errors import FeedExpired
from twinrow.model.outcomes import DifferenceKind
from twinrow.model.sides import Pass, Side
from twinrow.store import verifications as stored
from twinrow.store.bases import read_bases
from twinrow.store.conflicts import conflicting_fields
from twinrow.store.couplings import State, by_number, by_record
from twinrow.store.journal import last_answers
from twinrow.store.pending import pending_messages
from twinrow.store.watermarks import read_watermark, was_seen

Progress = Callable[[str, int], None]
"""Called with what is being done and how many records that has come to."""

READING = {Side.LOCAL: "local records read", Side.INTEGRATION: "integration records compared"}
LOOKING = "differing pairs looked at"

_SOURCE = {Side.LOCAL: Pass.TO, Side.INTEGRATION: Pass.FROM}


@dataclass(slots=True)
class Verified:
    """What a verification has come to: couplings compared, and of each side the records in its filter that are not coupled."""

    compared: int = 0
    uncoupled: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))


class Verification:
    """One verification of a mapping. Iterate `run` to its end; it yields frames of differences (`DIFFERENCE_SCHEMA`)."""

    def __init__(self, context: MappingContext, progress: Progress | None = None) -> None:
        self._context = context
        self._progress = progress or (lambda _what, _count: None)
        mapping = context.mapping.mapping
        self._comparison = Comparison(context.plans, mapping.direction.passes, mapping.templates)
        self._sides = {side: ReadContext(context, _SOURCE[side]) for side in Side}
        self._references = {side: References(one) for side, one in self._sides.items()}
        self._plans = self._comparison.compared
        self._values = [now(Side.LOCAL, plan.index) for plan in self._plans]
        self._carried = [
            would_be(Pass.TO, plan.index) for plan in self._plans if Pass.TO in self._comparison.directions(plan)
        ]
        self.result = Verified()

    def run(self) -> Iterator[pl.DataFrame]:
        """Compare, and yield what differs; each coupling stands in one frame only."""
        database, clock = self._context.database, self._context.clock
        with database.transaction() as connection:
            number = stored.start_verification(connection, self._context.mapping.id, clock.now())
        counts: dict[str, int] = {}
        try:
            self._stage_local(number)
            for found in self._compare_integration(number):
                _count(counts, found)
                yield found
            for found in self._look_closely(number):
                _count(counts, found)
                yield found
            with database.transaction() as connection:
                stored.finish_verification(connection, number, self.result.compared, counts, clock.now())
        finally:
            with database.transaction() as connection:
                stored.forget_staged(connection, number)

    # Reading both sides.

    def _pages(self, side: Side) -> Iterator[pl.DataFrame]:
        """Yield all records of a side that may take part, in pages."""
        reading = self._sides[side]
        end = reading.source
        condition = reading.condition if reading.pass_ in self._comparison.passes else None
        rows = self._context.engine.page_rows
        request = ChangeRequest(end.table.name, reading.source_fields, None, None, condition, rows)
        count = 0
        for page in end.connector.changes(request):
            frame = page.frame.filter(~pl.col(DELETED)).unique(ID, keep="last", maintain_order=True)
            for piece in bounded(frame, rows):
                yield piece
                count += piece.height
                self._progress(READING[side], count)

    def _stage_local(self, number: int) -> None:
        database, mapping = self._context.database, self._context.mapping
        for page in self._pages(Side.LOCAL):
            frame = self._coupled(Side.LOCAL, self._looked_at(Side.LOCAL, page))
            told = frame.rename({VERSION: "local_version"}).with_columns(
                pl.when(active(Pass.TO)).then(pl.col(name)).alias(name) for name in self._carried
            )
            with database.transaction() as connection:
                stored.stage(connection, number, told, self._values, self._carried)
        with database.transaction() as connection:
            stored.stage_unread(connection, number, mapping)

    def _compare_integration(self, number: int) -> Iterator[pl.DataFrame]:
        database = self._context.database
        for page in self._pages(Side.INTEGRATION):
            frame = self._coupled(Side.INTEGRATION, self._looked_at(Side.INTEGRATION, page))
            numbers = frame.get_column("coupling_id").to_list()
            with database.reading() as connection:
                local = stored.read_staged(connection, number, numbers, self._values, self._carried)
            pairs = frame.join(local, on="coupling_id", how="inner", maintain_order="left")
            inactive = ~pl.col(active(Pass.FROM)) if Pass.FROM in self._comparison.passes else pl.lit(False)
            pairs = pairs.with_columns(
                agrees(self._comparison).alias("@agrees"),
                (agrees_one_way(self._comparison) & ~inactive).alias("@lossy"),
            )
            settled = pairs.filter(pl.col("@agrees") | pl.col("@lossy"))
            versions = frame.select("coupling_id", pl.col(VERSION).alias("integration_version"))
            with database.transaction() as connection:
                stored.check_verification(connection, number)
                stored.agree(connection, number, settled.get_column("coupling_id").to_list())
                stored.remember_versions(connection, number, versions.join(settled, on="coupling_id", how="anti"))
            self.result.compared += settled.height
            lossy = settled.filter(~pl.col("@agrees"))
            if lossy.height:
                yield losses(lossy, self._comparison)

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
        shared, context = reading.shared, reading
        hooks = context.hooks
        takes_part = pass_ in self._comparison.passes
        if takes_part:
            frame, hooks = rule_lookups(context, frame)
            frame = admit(context, hooks, frame.with_columns(in_filter(context).alias(IN_FILTER)))
        references = self._references[side].for_batch(frame)
        carrying = CarryContext(hooks, context.plans, shared.rules, shared.transformations, references)
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
        return frame.select(ID, VERSION, *columns)

    # Looking closely at what is left.

    def _look_closely(self, number: int) -> Iterator[pl.DataFrame]:
        database, rows = self._context.database, self._context.engine.page_rows
        with database.reading() as connection:
            if not stored.has_staged(connection, number):
                return
        read_anew = {side: not self._report(number, side) for side in Side}
        with database.reading() as connection:
            portions = stored.staged_portions(connection, number, rows)
            count = 0
            for portion in portions:
                found = self._differing(portion, read_anew)
                count += portion.height
                self._progress(LOOKING, count)
                if found.height:
                    yield found
        with database.transaction() as connection:
            stored.check_verification(connection, number)

    def _report(self, number: int, side: Side) -> bool:
        """Mark what a side's feed will hand over to the next run; false where that run reads everything again."""
        reading = self._sides[side]
        if reading.pass_ not in self._comparison.passes:
            return True
        database, mapping, end = self._context.database, self._context.mapping, reading.source
        with database.reading() as connection:
            watermark = read_watermark(connection, mapping.id, side)
        if watermark is None or not reading.still_valid(watermark.shape):
            return False
        request = ChangeRequest(
            end.table.name,
            reading.source_fields,
            watermark.position,
            None,
            reading.condition,
            self._context.engine.page_rows,
        )
        try:
            for page in end.connector.changes(request):
                with database.transaction() as connection:
                    fresh = page.frame.filter(~was_seen(connection, mapping, side, page.frame))
                    known = by_record(connection, mapping, side, fresh.get_column(ID).unique().to_list())
                    stored.mark_reported(connection, number, side, known.get_column("coupling_id").to_list())
        except FeedExpired:
            return False
        return True

    def _differing(self, staged: pl.DataFrame, read_anew: Mapping[Side, bool]) -> pl.DataFrame:
        """Read couplings again on both sides, and return what they differ in and why."""
        mapping, plans = self._context.mapping, self._comparison.plans
        numbers = staged.get_column("coupling_id").to_list()
        with self._context.database.reading() as connection:
            couplings = by_number(connection, mapping, numbers)
        frame = couplings.select("coupling_id", "local_id", "integration_id")
        for side in Side:
            frame = frame.join(self._fetched(side, frame), on=f"{side.value}_id", how="left", maintain_order="left")
        gone = {side: pl.col(f"read.{side.value}").is_null() for side in Side}
        here, there = gone[Side.LOCAL], gone[Side.INTEGRATION]
        parts = [
            whole(frame.filter(here & there), DifferenceKind.BOTH_GONE),
            whole(frame.filter(here & ~there), DifferenceKind.LOCAL_GONE),
            whole(frame.filter(~here & there), DifferenceKind.INTEGRATION_GONE),
        ]
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
        frame = frame.join(bases, on="coupling_id", how="left").join(staged, on="coupling_id", how="left")
        frame = frame.join(states, on="coupling_id", how="left").join(waiting, on="coupling_id", how="left")
        frame = frame.with_columns(
            pl.col("message").alias(PENDING),
            (pl.col("state").fill_null(0) & pl.lit(int(State.SKIPPED)) != 0).alias(SKIPPED),
            *(self._comes(side, read_anew[side]).alias(comes(side)) for side in Side),
            *(
                pl.col("coupling_id")
                .is_in(conflicts.filter(pl.col("field") == plan.key).get_column("coupling_id").implode())
                .alias(in_conflict(plan.index))
                for plan in self._plans
            ),
        )
        found = differences(frame, self._comparison)
        return pl.concat([*parts, self._with_own_forms(found)])

    def _fetched(self, side: Side, couplings: pl.DataFrame) -> pl.DataFrame:
        reading = self._sides[side]
        end = reading.source
        ids = couplings.get_column(f"{side.value}_id").to_list()
        read = self._looked_at(side, end.connector.fetch(end.table.name, reading.source_fields, ids))
        return read.rename({ID: f"{side.value}_id", VERSION: f"read.{side.value}.version"}).with_columns(
            pl.lit(True).alias(f"read.{side.value}")
        )

    def _comes(self, side: Side, read_anew: bool) -> pl.Expr:
        """Return where the next run looks at the record of a side.

        What was read in another version the first time has changed since, maybe after its feed was asked.
        """
        if read_anew:
            return pl.lit(True)
        reported = pl.col("reported") & pl.lit(stored.REPORTED[side]) != 0
        before, after = pl.col(f"{side.value}_version"), pl.col(f"read.{side.value}.version")
        return reported | (before != after).fill_null(True)

    def _with_own_forms(self, found: pl.DataFrame) -> pl.DataFrame:
        quiet = found.filter((pl.col("kind") == DifferenceKind.DRIFT.value) & pl.col("quiet"))
        if quiet.is_empty():
            return found
        numbers: Sequence[int] = quiet.get_column("coupling_id").unique().to_list()
        with self._context.database.reading() as connection:
            answers = last_answers(connection, numbers, quiet.get_column("identity").unique().to_list())
        return own_forms(found, answers)


def _count(counts: dict[str, int], found: pl.DataFrame) -> None:
    """Count the couplings by kind."""
    for kind, count in found.group_by("kind").agg(pl.col("coupling_id").n_unique()).iter_rows():
        counts[kind] = counts.get(kind, 0) + count


__all__ = ["DIFFERENCE_SCHEMA", "Progress", "Verification", "Verified"]
