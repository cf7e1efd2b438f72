"""Recover: intents that an earlier process left behind, or whose answer never came.

Whatever was sent may have been carried out or not. The destination is asked: a record that was to be made is looked for under
its id or its mark, or, made without either and once its time is over, as the one record that equals it in every written field
and was made since. Then the source record goes through the stages again, with what was sent as its base.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from twinrow.batch.columns import ID
from twinrow.connectors.base import CreateKeys, WriteKind
from twinrow.engine.context import PassContext
from twinrow.engine.decide import DEACTIVATE, DELETE, RESTORE
from twinrow.engine.likeness import likenesses
from twinrow.model.filters import Comparison
from twinrow.store.couplings import GONE, by_number, by_record, insert_couplings, remove_couplings, set_state
from twinrow.store.intents import Intent, keep_in_intent, open_intents
from twinrow.store.leases import check_fence


@dataclass(frozen=True, slots=True)
class Recovered:
    """Source records to take through the stages again: their rows and what was sent.

    `removed` are the intent's rows of source records that are gone, whose counterpart was being removed. When all are settled,
    the intent `number` is cut down to the rows `unclear`.
    """

    rows: pl.DataFrame
    intents: pl.DataFrame
    number: int
    unclear: pl.DataFrame
    removed: pl.DataFrame


@dataclass(slots=True)
class Recovery:
    """Finds out what became of the open intents of a pass.

    After `batches` has been used up, `waiting` names the source records that must not be touched yet.
    """

    context: PassContext
    waiting: set[str] = field(default_factory=set)

    def batches(self) -> Iterator[Recovered]:
        """Yield the records of open intents, one intent at a time."""
        context = self.context
        with context.database.reading() as connection:
            intents = open_intents(connection, context.mapping.id)
        for intent in intents:
            if intent.pass_ is context.pass_ and not intent.amends:
                yield from self._recover(intent)

    def _recover(self, intent: Intent) -> Iterator[Recovered]:
        context = self.context
        found = intent.frame.with_columns(pl.lit(None, dtype=pl.String).alias("found_id"))
        unclear = found.head(0)
        if intent.kind == WriteKind.CREATE.value:
            self._part_from_vanished(intent)
            located = self.locate(intent)
            if located is None:
                return
            found = located
            unclear = intent.frame.filter(~pl.col("source_id").is_in(found.get_column("source_id").implode()))
        rows = context.source.connector.fetch(
            context.source.table.name, context.source_fields, found.get_column("source_id").to_list()
        )
        gone = found.filter(~pl.col("source_id").is_in(rows.get_column(ID).implode()))
        removing = pl.col("write").is_in([DELETE, DEACTIVATE])
        removed = gone.filter(removing)
        self._couple_orphans(gone.filter(~removing))
        there = found.filter(pl.col("source_id").is_in(rows.get_column(ID).implode()))
        if there.is_empty() and removed.is_empty():
            with context.database.transaction() as connection:
                check_fence(connection, context.shared.lease)
                keep_in_intent(connection, intent.id, unclear)
            return
        yield Recovered(rows, there, intent.id, unclear, removed)

    def _part_from_vanished(self, intent: Intent) -> None:
        """Forget the couplings whose counterpart was being made anew: what was made belongs to a new coupling."""
        context = self.context
        numbers = intent.frame.filter(pl.col("write") == RESTORE).get_column("coupling_id").drop_nulls().to_list()
        if not numbers:
            return
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            remove_couplings(connection, context.mapping, by_number(connection, context.mapping, numbers))

    def locate(self, intent: Intent) -> pl.DataFrame | None:
        """Return the rows of a create's intent with `found_id`; None when none of them may be touched yet."""
        end = self.context.destination
        keys = end.capabilities.create_keys
        frame = intent.frame
        if keys is CreateKeys.PROPOSED:
            return self._own(intent)
        if keys is CreateKeys.CHOSEN:
            ids = frame.get_column("destination_id").drop_nulls().to_list()
            there = end.connector.fetch(end.table.name, (), ids).get_column(ID)
            here = pl.col("destination_id").is_in(there.implode())
            return frame.with_columns(pl.when(here).then(pl.col("destination_id")).alias("found_id"))
        if keys is CreateKeys.MARK:
            mark = str(end.capabilities.mark_field)
            marks = frame.get_column("mark").drop_nulls().to_list()
            rows = end.connector.select(end.table.name, (mark,), Comparison(mark, "in", tuple(marks)))
            pairs = rows.select(pl.col(mark).alias("mark"), pl.col(ID).alias("found_id"))
            return frame.join(pairs, on="mark", how="left", maintain_order="left")
        if end.connector.now() < intent.deadline:
            self.waiting |= set(frame.get_column("source_id").to_list())
            return None
        return self._search(intent)

    def _own(self, intent: Intent) -> pl.DataFrame:
        """Find records made under proposed keys: those that hold what was sent; others' are left alone."""
        context, end = self.context, self.context.destination
        ids = intent.frame.get_column("destination_id").drop_nulls().to_list()
        rows = end.connector.fetch(end.table.name, context.destination_fields, ids)
        pairs = likenesses(intent.frame, rows, context.plans.plans, context.pass_.destination).filter("equal")
        found = pairs.select("source_id", pl.col("id").alias("destination_id"), pl.col("id").alias("found_id"))
        joined = intent.frame.join(found, on=["source_id", "destination_id"], how="left", maintain_order="left")
        taken = pl.col("destination_id").is_in(rows.get_column(ID).implode()) & pl.col("found_id").is_null()
        return joined.with_columns(pl.when(~taken).then(pl.col("destination_id")).alias("destination_id"))

    def _search(self, intent: Intent) -> pl.DataFrame | None:
        """Find records made without key or mark by what was written into them.

        Exactly one that equals in every field is it. Where there is none, but one that is much like it (somebody may have
        edited it since), or where several could be it, a person must say which.
        """
        context, end = self.context, self.context.destination
        side = context.pass_.destination
        created_at = end.capabilities.created_at
        since = intent.deadline - end.connector.request_lifetime
        condition = Comparison(created_at, "ge", since) if created_at else None
        candidates = end.connector.select(end.table.name, context.destination_fields, condition)
        with context.database.reading() as connection:
            taken = by_record(connection, context.mapping, side, candidates.get_column(ID).to_list())
        candidates = candidates.filter(~pl.col(ID).is_in(taken.get_column(f"{side.value}_id").implode()))
        pairs = likenesses(intent.frame, candidates, context.plans.plans, side).rename({"id": "found_id"})
        exact = pairs.filter("equal")
        counted = exact.with_columns(
            pl.len().over("source_id").alias("candidates"), pl.len().over("found_id").alias("claimants")
        )
        several = counted.filter((pl.col("candidates") > 1) | (pl.col("claimants") > 1)).get_column("source_id")
        edited = pairs.join(exact, on="source_id", how="anti").filter("alike").get_column("source_id")
        unclear = pl.concat([several, edited]).unique().to_list()
        self.waiting |= set(unclear)
        clear = intent.frame.filter(~pl.col("source_id").is_in(unclear))
        found = exact.select("source_id", "found_id")
        return None if clear.is_empty() else clear.join(found, on="source_id", how="left", maintain_order="left")

    def _couple_orphans(self, gone: pl.DataFrame) -> None:
        """Couple records that were made although their source has been deleted since, and remember that it is gone."""
        made = gone.filter(pl.col("found_id").is_not_null() & pl.col("coupling_id").is_null())
        if made.is_empty():
            return
        context = self.context
        source, destination = context.pass_.source, context.pass_.destination
        nothing = pl.lit(None, dtype=pl.String)
        stored = made.select(
            pl.col("source_id").alias(f"{source.value}_id"),
            pl.col("found_id").alias(f"{destination.value}_id"),
            nothing.alias("local_version"),
            nothing.alias("integration_version"),
            pl.lit(None, dtype=pl.Int64).alias("local_modified_at"),
            pl.lit(None, dtype=pl.Int64).alias("integration_modified_at"),
            pl.lit(0, dtype=pl.Int64).alias("state"),
        )
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            numbered = insert_couplings(connection, context.mapping, stored)
            set_state(connection, numbered.get_column("coupling_id").to_list(), on=GONE[source])
