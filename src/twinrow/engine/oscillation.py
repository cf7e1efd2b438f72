"""Oscillation: a field that both systems' own logic keep reversing is stopped after two rounds.

One system always sets a field to one value, the other always to another; each run carries both, for ever. It shows in the
journal: the last writes of the field went one way and the other in turn, and now the same value is to replace the same value
again, on a side whose own value was put back. Such a field is not written, and its record fails with the field's name, until a
value is new. A direction that a person chose is carried all the same.

Ordinary records cost one look into an index, and only where the mapping has been writing updates lately.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

import polars as pl

from twinrow.batch.convert import comparable
from twinrow.engine import columns as c
from twinrow.engine.context import PassContext
from twinrow.engine.decide import UPDATE, any_of
from twinrow.engine.fields import FieldPlan
from twinrow.model.outcomes import Decision, Outcome
from twinrow.store.journal import NEW, OLD, Entry, first_entry_since, read_journal, written_lately

WRITES = 4
"""So many writes in turn, two in each direction, before a field is stopped."""

LATELY = timedelta(days=7)
"""What was written longer ago says nothing of what the systems do now."""

REMEDY = (
    "Switch one of the two systems' own logic off for this field, or let the field mapping go one way only. "
    "Until then no side is written; a new value on either is carried."
)

_TOLD = {"coupling_id": pl.Int64(), "entry": pl.Int64(), "pass": pl.String(), "old": pl.String(), "new": pl.String()}


class Oscillation:
    """Stops the oscillating fields of the records of a pass."""

    def __init__(self, context: PassContext) -> None:
        self._context = context
        options = context.options
        chosen = options.forced or options.unconditional
        self._plans = () if chosen else tuple(plan for plan in context.carried if plan.bidirectional)

    @cached_property
    def _first(self) -> int | None:
        """The oldest batch of the journal that counts; None where there were not writes enough."""
        since = self._context.shared.clock.now() - LATELY
        with self._context.database.reading() as connection:
            return first_entry_since(connection, self._context.mapping.id, since, WRITES)

    def stop(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a decided frame without the writes of oscillating fields; their records fail, the other fields go on."""
        if not self._plans or self._first is None:
            return frame
        updated = pl.col(c.WRITE) == UPDATE
        numbers = frame.filter(updated).get_column(c.COUPLING).drop_nulls().to_list()
        if not numbers:
            return frame
        with self._context.database.reading() as connection:
            often = written_lately(connection, numbers, self._first, WRITES)
            entries = (
                self._entries(
                    often,
                    list(read_journal(connection, [self._context.mapping.id], coupling_ids=often, oldest=self._first)),
                )
                if often
                else []
            )
        if not often:
            return frame
        marks = [self._mark(frame, plan, entries).alias(_stopped(plan.index)) for plan in self._plans]
        return self._without(frame.with_columns(marks))

    def _entries(self, often: Sequence[int], entries: Sequence[Entry]) -> list[tuple[Entry, pl.DataFrame]]:
        wanted = pl.col("coupling_id").is_in(list(often)) & (pl.col("decision") != int(Decision.FORCED))
        return [(entry, entry.frame.filter(wanted)) for entry in entries]

    def _mark(self, frame: pl.DataFrame, plan: FieldPlan, entries: Sequence[tuple[Entry, pl.DataFrame]]) -> pl.Series:
        """Return for which records a field that is about to be sent is one that oscillates."""
        told = [
            rows.select(
                "coupling_id",
                pl.lit(entry.id, dtype=pl.Int64).alias("entry"),
                pl.lit(entry.pass_.value).alias("pass"),
                pl.col(OLD + plan.identity).alias("old"),
                pl.col(NEW + plan.identity).alias("new"),
            ).drop_nulls("new")
            for entry, rows in entries
            if NEW + plan.identity in rows.columns
        ]
        latest = (
            pl.concat([pl.DataFrame(schema=_TOLD), *told])
            .sort("entry", descending=True)
            .group_by("coupling_id", maintain_order=True)
            .agg(pl.all().head(WRITES))
            .filter(pl.col("entry").list.len() == WRITES)
        )
        here, there = self._context.pass_, self._context.pass_.opposite
        in_turn = pl.col("pass").list.join("|") == "|".join([there.value, here.value] * (WRITES // 2))
        latest = latest.filter(in_turn).select(
            pl.col("coupling_id").alias(c.COUPLING),
            pl.col("old").list.gather_every(2, 1).alias("@olds"),
            pl.col("new").list.gather_every(2, 1).alias("@news"),
            pl.col("old").list.gather_every(2, 0).alias("@put_back"),
        )
        i = plan.index
        destination, source = plan.field(here.destination), plan.field(here.source)
        current = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(pl.col(c.base_destination(i)))
        beside = frame.select(
            c.COUPLING,
            pl.col(c.send(i)).alias("@send"),
            current.alias("@current"),
            pl.col(c.source(i)).alias("@source"),
            comparable(pl.col(c.carried_text(i)), destination, source).alias("@carried"),
        ).join(
            latest.with_columns(
                pl.col("@news").list.eval(comparable(pl.element(), destination, source)),
            ),
            on=c.COUPLING,
            how="left",
            maintain_order="left",
        )
        again = (
            pl.col("@send")
            & pl.col("@olds").list.contains(pl.col("@current"))
            & pl.col("@news").list.contains(pl.col("@carried"))
            & pl.col("@put_back").list.contains(pl.col("@source"))
        )
        return beside.select(again.fill_null(False)).to_series()

    def _without(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Take the stopped fields, with the groups that they belong to, out of what is sent."""
        groups: dict[str, list[FieldPlan]] = {}
        for plan in self._plans:
            groups.setdefault(plan.mapping.merge_group or plan.key, []).append(plan)
        held = {
            member.index: any_of(pl.col(_stopped(plan.index)) for plan in members)
            for members in groups.values()
            for member in members
        }
        carried = self._context.carried
        frame = frame.with_columns(
            (pl.col(c.send(index)) & ~stopped).alias(c.send(index)) for index, stopped in held.items()
        )
        others = any_of(pl.col(c.send(plan.index)) for plan in carried if not plan.is_constant)
        stopped = any_of(pl.col(_stopped(plan.index)) for plan in self._plans)
        first = pl.coalesce([pl.when(pl.col(_stopped(plan.index))).then(pl.lit(plan.key)) for plan in self._plans])
        captions = {plan.key: plan.caption for plan in self._plans}
        message = pl.concat_str(
            [first.replace_strict(captions, default=first, return_dtype=pl.String), pl.lit(_MESSAGE)], ignore_nulls=True
        )
        # A conflict of another field is as grave, and is told already.
        told = stopped & (pl.col(c.DECISION) != int(Decision.CONFLICT))
        return frame.with_columns(
            *(
                (pl.col(c.send(plan.index)) & (others | ~stopped)).alias(c.send(plan.index))
                for plan in carried
                if plan.is_constant
            ),
            pl.when(stopped & ~others).then(None).otherwise(pl.col(c.WRITE)).alias(c.WRITE),
            pl.when(told).then(int(Decision.OSCILLATING)).otherwise(pl.col(c.DECISION)).alias(c.DECISION),
            pl.when(told).then(pl.lit(Outcome.FAILED.value)).otherwise(pl.col(c.OUTCOME)).alias(c.OUTCOME),
            pl.when(told).then(message).otherwise(pl.col(c.MESSAGE)).alias(c.MESSAGE),
            pl.when(told).then(first).otherwise(pl.col(c.PROBLEM_FIELD)).alias(c.PROBLEM_FIELD),
            pl.when(told).then(pl.lit(REMEDY)).otherwise(pl.col("@remedy")).alias("@remedy"),
        ).drop(_stopped(plan.index) for plan in self._plans)


_MESSAGE = " keeps being reversed by both systems, so that it is not written any more"


def _stopped(index: int) -> str:
    return f"stopped.{index}"
