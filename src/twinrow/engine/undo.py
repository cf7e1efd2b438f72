"""Undo: the writes of a run are taken back by new, forward writes of the values that the journal kept.

A field gets its old value back only where the record still has what the write left; a record that was made is taken away only
where nobody has touched it since; a record that was deleted is made again, under a new id. What cannot be undone is refused by
name and stops nothing else. The batches of a run are undone newest first, so that a field that was written twice goes back all
the way. What was undone stays so: `engine.amend`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import polars as pl
from sqlalchemy import Connection

from twinrow.engine import columns as c
from twinrow.engine.amend import RECORD, THERE, Amendment, Amendments, unsettled_ids, with_unmapped
from twinrow.engine.clearing import clear_up
from twinrow.engine.context import MappingContext, PassContext, ReadContext
from twinrow.engine.remaking import (
    LEFT,
    REASON,
    judge_remake,
    judge_removal,
    remake,
    remove,
    unmapped_expected,
    unmapped_value,
)
from twinrow.engine.rewriting import (
    CAME,
    DONE,
    FAILED,
    FIXED,
    GONE,
    HELD,
    MOVED,
    UNANSWERED,
    WRITE,
    expected,
    judge,
    rewrite,
    value,
    verdict,
    writes,
)
from twinrow.model.outcomes import Counters, Decision, Recovery
from twinrow.model.sides import Pass, Side
from twinrow.store.database import Database
from twinrow.store.errors import ERROR_SCHEMA, add_errors
from twinrow.store.journal import (
    CREATE,
    DELETE,
    NEW,
    OLD,
    UNMAPPED,
    UPDATE,
    Entry,
    entry_numbers,
    get_entry,
    written_often,
)
from twinrow.store.leases import check_fence
from twinrow.store.runs import advance_job

TOLD = 1_000
"""So many changes and refusals of an undo are handed back; all refusals stand in the errors of its jobs."""

RESTORED, REMOVED, REMADE = "restored", "removed", "made again"

_MESSAGES = {
    MOVED: "it has been changed since",
    HELD: "another field of its group has been changed since",
    FIXED: "its system does not let the field be written",
}
_UNKNOWN_FIELD = "the field is not mapped any more"
_NOT_KNOWN = "what was there before is not known"
_UNSETTLED = "it is not known yet what became of what was sent for the record"
_NO_ANSWER = "there was no answer; what became of it is found out by the next run"
_GONE = "the record is gone"
_WHOLE = "the record was made by that write; undo the whole record"

_REFUSED = pl.Schema({**RECORD, "field": pl.String(), "message": pl.String()})


@dataclass(frozen=True, slots=True)
class Change:
    """A field, or with `field` None a whole record, that an undo changes: what is there now, and what then; canonical texts."""

    kind: str
    side: Side
    source_id: str | None
    destination_id: str | None
    field: str | None
    now: str | None
    then: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that an undo leaves as it is, and why; `field` is the identity of a field mapping, None the whole record."""

    side: Side
    source_id: str | None
    destination_id: str | None
    field: str | None
    reason: str


@dataclass(slots=True)
class Undone:
    """What an undo did, or with `run` None would do: counted in records, `changes` and `refusals` up to `TOLD`."""

    run: int | None = None
    restored: int = 0
    removed: int = 0
    remade: int = 0
    unchanged: int = 0
    refused: int = 0
    changes: list[Change] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a run is undone: the records for which `rows` holds in the journal's frame, the fields that `field` accepts."""

    run_id: int
    rows: pl.Expr | None = None
    field: Callable[[str], bool] | None = None


class Undo:
    """Undoes a run's writes, or tells what undoing them would do."""

    def __init__(self, chosen: Chosen, result: Undone) -> None:
        self._chosen = chosen
        self.result = result

    def plan(self, shared: MappingContext) -> None:
        """Tell what undoing would do; nothing is written."""
        with shared.database.reading() as connection:
            often = written_often(connection, entry_numbers(connection, self._chosen.run_id))
        assumed: dict[Pass, pl.DataFrame] = {}
        for entry, frame in self._entries(shared.database):
            context = with_unmapped(ReadContext(shared, entry.pass_), _unmapped(entry))
            wanted, refused = self._wanted(context, entry, frame)
            if wanted.is_empty():
                self._refuse(context, pl.concat([_refused(frame.head(0), ""), *refused]))
            elif entry.kind == UPDATE:
                judged = judge(context, wanted, assumed.get(entry.pass_))
                gone = _refused(judged.filter(~pl.col(THERE)), _GONE)
                self._refuse(context, pl.concat([gone, *refused, *_field_refusals(context, judged)]))
                self._tell_fields(context, judged)
                self._count(judged.filter(writes(judged)).height, RESTORED)
                repeated = judged.filter(pl.col("coupling_id").is_in(often))
                if repeated.height:
                    assumed[entry.pass_] = _supposed(context, repeated, assumed.get(entry.pass_))
            else:
                removing = entry.kind == CREATE
                judged = (
                    judge_removal(context, wanted, assumed.get(entry.pass_))
                    if removing
                    else judge_remake(context, wanted)
                )
                going = judged.filter(pl.col(REASON).is_null())
                self._tell_records(context, going, REMOVED if removing else REMADE)
                self._count(going.height, REMOVED if removing else REMADE)
                self._refuse(context, pl.concat([_reasons(judged), *refused]))

    def carry_out(self, amendments: Amendments) -> None:
        """Undo. Raises what a connector raises when it could do nothing at all; what was done until then stays."""
        shared = amendments.shared
        self.result.run = amendments.run_id
        for entry, rows in self._entries(shared.database):
            amendment = amendments.writing(entry.pass_)
            context = with_unmapped(amendment.context, _unmapped(entry))
            amendment = replace(amendment, context=context)
            held = unsettled_ids(shared)
            waiting = pl.col("source_id").is_in(sorted(held[context.pass_.source]))
            waiting = waiting | pl.col("destination_id").is_in(sorted(held[context.pass_.destination]))
            waiting = waiting.fill_null(False)
            refused = [_refused(rows.filter(waiting), _UNSETTLED)]
            frame = rows.filter(~waiting)
            wanted, not_wanted = self._wanted(context, entry, frame)
            refused += not_wanted
            if wanted.is_empty():
                done = wanted.with_columns(pl.lit(None, dtype=pl.String).alias(CAME))
            elif entry.kind == UPDATE:
                done = rewrite(amendment, wanted)
                self._tell_fields(context, done)
                refused += _field_refusals(context, done)
            else:
                done = remove(amendment, wanted) if entry.kind == CREATE else remake(amendment, wanted)
                self._tell_records(
                    context, done.filter(pl.col(CAME) == DONE), REMOVED if entry.kind == CREATE else REMADE
                )
                refused.append(_reasons(done))
            if done.filter(pl.col(CAME) == UNANSWERED).height:
                done = self._after_all(amendment, done)
            refused += _record_refusals(done)
            self._settle(context, entry, done, pl.concat(refused), rows.height)

    def _after_all(self, amendment: Amendment, done: pl.DataFrame) -> pl.DataFrame:
        """Look once more for what had no answer."""
        clear_up(amendment.shared, amendment.context.shape)
        held = unsettled_ids(amendment.shared)[amendment.side]
        sources = unsettled_ids(amendment.shared)[amendment.side.other]
        open_still = pl.col("destination_id").is_in(sorted(held)) | pl.col("source_id").is_in(sorted(sources))
        lost = pl.col(CAME) == UNANSWERED
        return done.with_columns(
            pl.when(lost & ~open_still.fill_null(False)).then(pl.lit(DONE)).otherwise(pl.col(CAME)).alias(CAME)
        )

    # What the journal says.

    def _entries(self, database: Database) -> Iterator[tuple[Entry, pl.DataFrame]]:
        with database.reading() as connection:
            numbers = entry_numbers(connection, self._chosen.run_id)
        for number in numbers:
            with database.reading() as connection:
                entry = get_entry(connection, number)
            frame = entry.frame.filter(pl.col("erased").is_null() & pl.col("destination_id").is_not_null())
            if self._chosen.rows is not None:
                frame = frame.filter(self._chosen.rows.fill_null(False))
            if self._chosen.field is not None:
                told = [pl.col(NEW + name).is_not_null() for name in entry.fields if self._chosen.field(name)]
                frame = frame.filter(pl.any_horizontal(told)) if told else frame.head(0)
            if frame.height:
                yield entry, frame

    def _wanted(
        self, context: ReadContext, entry: Entry, frame: pl.DataFrame
    ) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        """Return what undoing a batch wants of the records, and what cannot be wanted."""
        side = context.pass_.destination
        plans = {plan.identity: plan for plan in context.plans.plans if plan.has_field(side)}
        columns: list[pl.Expr] = []
        refused: list[pl.DataFrame] = []
        for name in entry.fields:
            if self._chosen.field is not None and not self._chosen.field(name):
                continue
            old, new = pl.col(OLD + name), pl.col(NEW + name)
            index = plans[name].index if name in plans else None
            if entry.kind == UPDATE and index is not None:
                columns += [old.alias(value(index)), new.alias(expected(index))]
                refused.append(_refused(frame.filter(old.is_null() & new.is_not_null()), _NOT_KNOWN, name))
            elif entry.kind == UPDATE:
                refused.append(_refused(frame.filter(new.is_not_null()), _UNKNOWN_FIELD, name))
            elif entry.kind == CREATE and name.startswith(UNMAPPED):
                columns.append(new.alias(unmapped_expected(name.removeprefix(UNMAPPED))))
            elif entry.kind == CREATE and index is not None:
                columns.append(new.alias(expected(index)))
            elif entry.kind == DELETE and name.startswith(UNMAPPED):
                columns.append(old.alias(unmapped_value(name.removeprefix(UNMAPPED))))
            elif entry.kind == DELETE and index is not None:
                columns.append(old.alias(value(index)))
        if entry.kind == CREATE and self._chosen.field is not None:
            refused.append(_refused(frame, _WHOLE))
            frame = frame.head(0)
        return frame.select(*RECORD, pl.col("version").alias(LEFT), *columns), refused

    # What is told.

    def _count(self, records: int, kind: str) -> None:
        if kind == RESTORED:
            self.result.restored += records
        elif kind == REMOVED:
            self.result.removed += records
        else:
            self.result.remade += records

    def _refuse(self, context: ReadContext, refused: pl.DataFrame) -> None:
        left = TOLD - len(self.result.refusals)
        self.result.refused += refused.height
        self.result.refusals += [
            Refusal(context.pass_.destination, source, destination, name, message)
            for _, source, destination, name, message in refused.head(left).iter_rows()
        ]

    def _tell_fields(self, context: ReadContext, judged: pl.DataFrame) -> None:
        for plan in context.plans.plans:
            left = TOLD - len(self.result.changes)
            if verdict(plan.index) not in judged.columns or left <= 0:
                continue
            changed = pl.col(verdict(plan.index)) == WRITE
            if CAME in judged.columns:
                changed = changed & (pl.col(CAME) == DONE)
            differs = pl.col(c.found(plan.index)) != pl.col(value(plan.index))
            rows = judged.filter((changed & differs).fill_null(False)).head(left)
            self.result.changes += [
                Change(RESTORED, context.pass_.destination, source, destination, plan.identity, now, then)
                for source, destination, now, then in rows.select(
                    "source_id", "destination_id", c.found(plan.index), value(plan.index)
                ).iter_rows()
            ]

    def _tell_records(self, context: ReadContext, frame: pl.DataFrame, kind: str) -> None:
        left = TOLD - len(self.result.changes)
        new_id = pl.col("@written_id") if "@written_id" in frame.columns else pl.lit(None, dtype=pl.String)
        self.result.changes += [
            Change(kind, context.pass_.destination, source, destination, None, None, then if kind == REMADE else None)
            for source, destination, then in frame.select("source_id", "destination_id", new_id.alias("then"))
            .head(max(left, 0))
            .iter_rows()
        ]

    def _settle(self, context: PassContext, entry: Entry, done: pl.DataFrame, refused: pl.DataFrame, read: int) -> None:
        """Count the batch, and store an error row for everything that was refused."""
        self._refuse(context, refused)
        came = done.filter(pl.col(CAME) == DONE).get_column("destination_id")
        kind = {UPDATE: RESTORED, CREATE: REMOVED, DELETE: REMADE}[entry.kind]
        self._count(came.len(), kind)
        failed = refused.get_column("destination_id").unique()
        fine = came.filter(~came.is_in(failed.implode())).len()
        outcome = {RESTORED: "modified", REMOVED: "deleted", REMADE: "inserted"}[kind]
        unchanged = read - failed.len() - fine
        self.result.unchanged += unchanged
        counters = Counters(**{"read": read, outcome: fine, "failed": failed.len(), "unchanged": unchanged})
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            _add_errors(connection, context, refused)
            advance_job(connection, context.job.id, counters, {}, None, None)


def _unmapped(entry: Entry) -> list[str]:
    """Return the fields of an update that are not mapped: marks of a record as given up."""
    return [name.removeprefix(UNMAPPED) for name in entry.fields if entry.kind == UPDATE and name.startswith(UNMAPPED)]


def _supposed(context: ReadContext, judged: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """Return what records are supposed to have after the judged writes, which come after those supposed `before`."""
    plans = [plan for plan in context.plans.plans if verdict(plan.index) in judged.columns]
    now = judged.select(
        "destination_id",
        *(
            pl.when(pl.col(verdict(plan.index)) == WRITE).then(pl.col(value(plan.index))).alias(c.found(plan.index))
            for plan in plans
        ),
    )
    if before is None:
        return now
    latest = pl.concat([now, before], how="diagonal").group_by("destination_id", maintain_order=True)
    return latest.agg(pl.exclude("destination_id").drop_nulls().first())


def _refused(frame: pl.DataFrame, message: str, name: str | None = None) -> pl.DataFrame:
    return frame.select(
        *RECORD, pl.lit(name, dtype=pl.String).alias("field"), pl.lit(message, dtype=pl.String).alias("message")
    )


def _field_refusals(context: ReadContext, judged: pl.DataFrame) -> list[pl.DataFrame]:
    plans = [plan for plan in context.plans.plans if verdict(plan.index) in judged.columns]
    return [
        _refused(judged.filter((pl.col(verdict(plan.index)) == kind).fill_null(False)), message, plan.identity)
        for plan in plans
        for kind, message in _MESSAGES.items()
    ]


def _record_refusals(done: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the records that are gone, whose system refused the write, or has not answered."""
    if CAME not in done.columns or done.is_empty():
        return []
    told = pl.lit(False) if REASON not in done.columns else pl.col(REASON).is_not_null()
    failed = done.filter((pl.col(CAME) == FAILED) & ~told)
    error = pl.col("@error") if "@error" in done.columns else pl.lit(None, dtype=pl.String)
    refused = failed.select(
        *RECORD,
        pl.lit(None, dtype=pl.String).alias("field"),
        pl.coalesce(error, pl.lit("its system refused it")).alias("message"),
    )
    gone = _refused(done.filter((pl.col(CAME) == GONE) & ~told), _GONE)
    return [refused, gone, _refused(done.filter(pl.col(CAME) == UNANSWERED), _NO_ANSWER)]


def _reasons(judged: pl.DataFrame) -> pl.DataFrame:
    return judged.filter(pl.col(REASON).is_not_null()).select(
        *RECORD, pl.lit(None, dtype=pl.String).alias("field"), pl.col(REASON).alias("message")
    )


def _add_errors(connection: Connection, context: PassContext, refused: pl.DataFrame) -> None:
    keys = {plan.identity: plan.key for plan in context.plans.plans}
    rows = refused.select(
        "source_id",
        "destination_id",
        pl.lit(int(Decision.REFUSED), dtype=pl.Int64).alias("decision"),
        pl.lit(Recovery.DATA.value).alias("recovery"),
        pl.col("field").replace_strict(keys, default=pl.col("field"), return_dtype=pl.String).alias("field"),
        pl.concat_str([pl.lit("not undone: "), pl.col("message")]).alias("message"),
        pl.lit(None, dtype=pl.String).alias("cause"),
        pl.lit(None, dtype=pl.String).alias("remedy"),
    )
    add_errors(
        connection,
        context.mapping,
        context.pass_,
        context.job.id,
        context.shared.clock.now(),
        rows.select(*ERROR_SCHEMA),
    )
