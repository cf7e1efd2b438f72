"""One batch through the stages: pair, look up, carry, decide, write, settle.

Records whose outcome needs no look at their fields (outside the filter, skipped, unchanged by version) leave the way early.
The others are decided, written, and decided again where a version token no longer held or an answer was missing, a bounded
number of times. Everything is settled in one transaction at the end, which may go on while the next batch is prepared
(`engine.behind`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import DELETED, ID
from twinrow.batch.hooks import HookContext
from twinrow.connectors.base import CreateKeys, Status
from twinrow.engine import columns as c
from twinrow.engine.attempts import is_another, merge_attempts, remember_attempt
from twinrow.engine.behind import Settling
from twinrow.engine.carry import CarryContext, carry, source_values
from twinrow.engine.changes import deleted_rows
from twinrow.engine.complete import complete, extra_before
from twinrow.engine.context import PassContext
from twinrow.engine.decide import CREATE, RESTORE, DecideContext, decide, left_out, refuse_writes
from twinrow.engine.guard import HELD_BACK, MAY_BE_MADE, Guard
from twinrow.engine.kept import mark_kept
from twinrow.engine.lookups import References, rule_lookups
from twinrow.engine.oscillation import Oscillation
from twinrow.engine.pair import (
    ADMITTED,
    COUPLED_ELSEWHERE,
    IN_FILTER,
    KNOWN_VERSION,
    PENDING,
    admit,
    fetch_counterparts,
    find_natural,
    is_skipped,
    join_bases,
    needs_counterpart,
    pair,
)
from twinrow.engine.plan import hold_to_plan, planned_rows, refuse_moved
from twinrow.engine.removal import RemovalContext, decide_removal
from twinrow.engine.rule_inputs import lookups_of
from twinrow.engine.settle import Batch, count_outcomes, settle, written
from twinrow.engine.write import RESULT_COLUMNS, Sent, write
from twinrow.model.errors import TwinrowError
from twinrow.model.outcomes import Counters, Decision, Ignored, Outcome
from twinrow.store.couplings import PREFER

Planner = Callable[[PassContext, "pl.DataFrame | None", Counters, Mapping[str, int]], None]
"""Takes what a batch would come to: the records with which something would be done (`store.plans`), counters, reasons."""

NOT_KNOWN_YET = "it is not known yet what became of what was sent for it"


class Stages:
    """Takes batches of one pass through the stages."""

    def __init__(
        self, context: PassContext, waiting: set[str], settling: Settling, planner: Planner | None = None
    ) -> None:
        """`waiting` are source records whose answer is missing; those of this pass are added to them.

        With a `planner` records are decided and handed to it: nothing is written and nothing settled.
        """
        self.context = context
        self._settling = settling
        self._planner = planner
        self._planned: pl.DataFrame | None = None
        self._references = References(context)
        self._rule_lookups = lookups_of(context)
        self._guard = Guard(context)
        self._oscillation = Oscillation(context)
        self._waiting = waiting
        self._cursor = context.job.cursor

    def process(
        self,
        frame: pl.DataFrame,
        stage: str,
        cursor: str | None,
        *,
        recheck_from: datetime | None = None,
        intents: pl.DataFrame | None = None,
        old_intent: tuple[int, pl.DataFrame] | None = None,
        removing: bool = False,
        echoes: pl.DataFrame | None = None,
        behind: bool = False,
    ) -> None:
        """Take a source batch through all stages and settle it.

        What would be deleted or uncoupled is postponed to the end of the pass, unless `removing` says that this is it.
        `intents` are the rows of unanswered intents (`write.Sent.rows`, with `found_id` where the record was found again)
        for records of this batch, `old_intent` its number and the rows that stay in it. `echoes` are settled along with them.
        `behind` allows that it is still being settled on return (`engine.behind`).
        """
        if not behind:
            self._settling.wait()
        if frame.is_empty() and echoes is None and intents is None:
            # Nothing has changed: whoever takes the run over asks again and finds nothing, too.
            self._cursor = cursor
            return
        rows = frame
        paired = pair(self.context, frame)
        if intents is not None:
            paired = _with_found(paired, intents)
        paired = self._guard.mark(paired)
        postponed: list[pl.DataFrame] = []
        removed: list[str] = []
        if intents is None and self.context.carries_deletes:
            gone = pl.col(DELETED) & pl.col(c.COUPLING).is_not_null() & ~is_skipped()
            if removing:
                removed = paired.filter(gone).get_column(ID).to_list()
            else:
                postponed.append(paired.filter(gone))
            paired = paired.filter(~gone)
        passed, rest = self._early(paired, intents is not None)
        if self._planned is not None:
            passed = [refuse_moved(part, pl.lit(True)) for part in passed]
        deadlines: dict[str, datetime] = {}
        newest = self._references.newest()
        sent: list[Sent] = []
        looked_at = rest.head(0)
        try:
            prepared = self._prepare(rest, intents) if rest.height else None
        except TwinrowError:
            raise
        except Exception as error:  # rules are other people's code
            if intents is None and frame.height > 1:
                # One record's trouble is its own: find out whose it is.
                half = frame.height // 2
                self.process(frame.head(half), stage, self._cursor, recheck_from=recheck_from, removing=removing)
                self.process(
                    frame.tail(-half), stage, cursor, recheck_from=recheck_from, removing=removing, echoes=echoes
                )
                return
            logging.getLogger(__name__).debug("A rule of %s failed", self.context.mapping.name, exc_info=True)
            prepared, message = None, f"a rule of the mapping failed: {type(error).__name__}: {error}"
            decision = Decision.REFUSED if intents is None else Decision.INDETERMINATE
            passed.append(left_out(rest, decision, Outcome.FAILED, message=message))
            if intents is not None:
                # What became of the records is not known yet, so their intent stays.
                old_intent = None
                self._waiting |= set(rest.get_column(ID).to_list())
        if prepared is not None:
            decided, hooks, more = prepared
            passed += more
            if self._planner is not None:
                self._plan(decided, passed)
                self.remove(removed, stage, cursor)
                return
            self._settling.wait()
            looked_at, sent, deadlines = self._work(decided, lambda again: self._decide(again, hooks))
            if intents is None and not removing:
                uncoupled = pl.col(c.DECISION) == int(Decision.REMOVE_COUPLING)
                postponed.append(looked_at.filter(uncoupled))
                looked_at = looked_at.filter(~uncoupled)
            lost = looked_at.filter(pl.col("@status") == Status.INDETERMINATE.value)
            self._waiting |= set(lost.get_column(ID).to_list())
        if self._planner is not None:
            self._plan(looked_at, passed)
            self.remove(removed, stage, cursor)
            return
        batch = Batch(looked_at, passed, postponed, sent, old_intent, rows, recheck_from, newest, deadlines, echoes)
        work = partial(settle, self.context, batch, stage, cursor)
        if behind:
            self._settling.behind([part.get_column(ID) for part in (rows, echoes) if part is not None], work)
        else:
            self._settling.now(work)
        self._cursor = cursor
        self.remove(removed, stage, cursor)

    def apply(self, frame: pl.DataFrame, planned: pl.DataFrame, stage: str, cursor: str | None) -> None:
        """Carry out what a plan says (`planned`, as in `store.plans`) of the source records of a frame."""
        self._planned = planned
        try:
            self.process(frame, stage, cursor, removing=True)
        finally:
            self._planned = None

    def _plan(self, decided: pl.DataFrame, passed: Sequence[pl.DataFrame]) -> None:
        """Hand what was decided to the planner, as it would come out."""
        assert self._planner is not None  # noqa: S101
        if decided.height:
            new = pl.col(c.COUPLING).is_null() & (
                pl.col(c.WRITE).is_not_null() | pl.col(c.DESTINATION_ID).is_not_null()
            )
            coupled = (pl.col(c.WRITE) == RESTORE).fill_null(False) | (
                new & (pl.col(c.OUTCOME) != Outcome.FAILED.value)
            )
            decided = decided.with_columns(coupled.alias("@newly_coupled"))
        counters, reasons = count_outcomes([*passed, decided])
        rows = [planned_rows(self.context, part) for part in (*passed, decided) if part.height]
        self._planner(self.context, pl.concat(rows, how="diagonal") if rows else None, counters, reasons)

    def remove(
        self,
        ids: Sequence[str],
        stage: str,
        cursor: str | None,
        *,
        intents: pl.DataFrame | None = None,
        old_intent: tuple[int, pl.DataFrame] | None = None,
    ) -> None:
        """Deal with the counterparts of source records that are gone (`engine.removal`) and settle it.

        `intents` and `old_intent` are those of an unanswered removal of the same records, as in `process`.
        """
        context = self.context
        if not ids:
            return
        self._settling.wait()
        paired = pair(context, deleted_rows(context, list(ids)))
        coupled = pl.col(c.COUPLING).is_not_null()
        waits = pl.col(ID).is_in(sorted(self._waiting)) & (intents is None)
        cases = [
            (~coupled, Decision.SOURCE_GONE, Outcome.IGNORED, Ignored.SOURCE_DELETED, None),
            (is_skipped() & (intents is None), Decision.SET_ASIDE, Outcome.SKIPPED, None, None),
            (waits, Decision.INDETERMINATE, Outcome.FAILED, None, NOT_KNOWN_YET),
        ]
        passed, frame = _part(paired, cases)
        if self._planned is not None:
            passed = [refuse_moved(part, pl.lit(True)) for part in passed]
        sent: list[Sent] = []
        if frame.height:
            frame = source_values(join_bases(context, frame), CarryContext(context.hooks, context.plans))
            frame = self._with_no_result(frame)
            if intents is not None:
                frame = remember_attempt(frame, context.plans.plans, intents)
            frame = fetch_counterparts(context, frame, pl.col(c.DESTINATION_ID).is_not_null())
            frame = self._with_marks_before(frame)
            if self._planner is not None:
                self._plan(self._decide_removal(frame), passed)
                return
            frame, sent, _ = self._work(self._decide_removal(frame), self._decide_removal)
        lost = frame.filter(pl.col("@status") == Status.INDETERMINATE.value) if frame.height else frame
        self._waiting |= set(lost.get_column(ID).to_list())
        if self._planner is not None:
            self._plan(frame, passed)
            return
        batch = Batch(frame, passed, sent=sent, old_intent=old_intent)
        self._settling.now(partial(settle, context, batch, stage, cursor))

    def _with_marks_before(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add what the fields that mark a record as given up hold now (`extra_before`): the journal tells it."""
        names, end = list(self.context.deactivation), self.context.destination
        if not names:
            return frame
        rows = end.connector.fetch(end.table.name, names, frame.get_column(c.DESTINATION_ID).to_list())
        texts = [canonical(pl.col(name), end.table.field(name)).alias(extra_before(name)) for name in names]
        return frame.join(
            rows.select(pl.col(ID).alias(c.DESTINATION_ID), *texts),
            on=c.DESTINATION_ID,
            how="left",
            maintain_order="left",
        )

    def _decide_removal(self, frame: pl.DataFrame) -> pl.DataFrame:
        context = self.context
        decided = decide_removal(
            frame,
            RemovalContext(
                context.pass_,
                context.plans,
                context.destination.table,
                carried=context.carries_deletes,
                deactivation=context.deactivation,
                update_conflict=context.mapping.mapping.update_conflict_resolution,
            ),
        )
        return self._held_to_plan(decided)

    def _held_to_plan(self, decided: pl.DataFrame) -> pl.DataFrame:
        if self.context.quarantine is not None:
            return refuse_writes(decided, self.context.quarantine)
        if self._planned is None:
            return decided
        return hold_to_plan(self.context, decided, self._planned, self.context.shared.own_versions)

    def _with_no_result(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the columns of a write that was not sent yet."""
        return frame.with_columns(
            *(pl.lit(None, dtype=kind).alias(name) for name, kind in _EMPTY_RESULT.items()),
            *(pl.lit(None, dtype=pl.String).alias(c.returned(plan.index)) for plan in self.context.plans.plans),
            pl.col(c.DESTINATION_ID).alias("@old_destination_id"),
            pl.lit(None, dtype=pl.Int64).alias("@replaced_coupling"),
            pl.lit(None, dtype=pl.String).alias(c.PROPOSED),
        )

    def _early(self, frame: pl.DataFrame, recovering: bool) -> tuple[list[pl.DataFrame], pl.DataFrame]:
        """Part the records whose outcome is clear from those that must be looked at."""
        options = self.context.options
        out = Outcome.SKIPPED if options.named else Outcome.IGNORED
        look = options.named or options.forced or options.unconditional or options.plan is not None or recovering
        untouched = pl.col(c.DESTINATION_ID).is_null() if recovering else pl.lit(True)
        unchanged = pl.lit(False) if look else pl.col(KNOWN_VERSION) & pl.col(PENDING + "message").is_null()
        held, waits = pl.col(HELD_BACK), pl.col(ID).is_in(sorted(self._waiting))
        if recovering:
            held = waits = pl.lit(False)
        unknown = pl.col(DELETED) & pl.col(c.COUPLING).is_null() & options.named
        aside = is_skipped() & (not recovering) & (not options.named)
        cases: list[_Case] = [
            (unknown, Decision.SOURCE_GONE, Outcome.IGNORED, Ignored.NOT_FOUND, None),
            (pl.col(DELETED), Decision.SOURCE_GONE, Outcome.IGNORED, Ignored.SOURCE_DELETED, None),
            (aside, Decision.SET_ASIDE, Outcome.SKIPPED, None, None),
            (held, Decision.INDETERMINATE, Outcome.FAILED, None, MAY_BE_MADE),
            (~pl.col(IN_FILTER) & untouched, Decision.LEFT_OUT, out, Ignored.OUTSIDE_FILTER, None),
            (unchanged, Decision.UNCHANGED, Outcome.UNCHANGED, None, None),
            (waits, Decision.INDETERMINATE, Outcome.FAILED, None, NOT_KNOWN_YET),
        ]
        outside, frame = self._outside_pilot(frame, out, recovering)
        passed, frame = _part(frame, cases[:3])
        merged, frame = self._merged(frame, recovering)
        further, frame = _part(frame, cases[3:])
        return [*outside, *passed, *merged, *further], frame

    def _outside_pilot(
        self, frame: pl.DataFrame, out: Outcome, recovering: bool
    ) -> tuple[list[pl.DataFrame], pl.DataFrame]:
        """Part the records that do not take part in the pilot, if there is one; nothing is remembered of them."""
        pilot = self.context.shared.pilot
        if pilot is None or recovering:
            return [], frame
        inside = pilot.has(self.context.pass_.source, pl.col(ID), pl.col(c.DESTINATION_ID))
        others = frame.filter(~inside).with_columns(pl.lit(False).alias(DELETED))
        if others.is_empty():
            return [], frame
        return [left_out(others, Decision.LEFT_OUT, out, Ignored.OUTSIDE_PILOT)], frame.filter(inside)

    def _merged(self, frame: pl.DataFrame, recovering: bool) -> tuple[list[pl.DataFrame], pl.DataFrame]:
        """Part coupled records that somebody has merged into another one: which one now belongs to whom, a person must say."""
        name, side = self.context.source.capabilities.merged_into, self.context.pass_.source.value
        if name is None or name not in frame.columns or recovering:
            return [], frame
        here = pl.col(name).is_not_null() & pl.col(c.COUPLING).is_not_null()
        merged = frame.filter(here)
        if merged.is_empty():
            return [], frame
        words = [
            pl.lit(f"the {side} record was merged into "),
            pl.col(name),
            pl.lit(": couple its counterpart with that one"),
        ]
        told = left_out(merged, Decision.REFUSED, Outcome.FAILED).with_columns(
            pl.concat_str(words).alias(c.MESSAGE), pl.lit(name).alias(c.PROBLEM_FIELD)
        )
        return [told], frame.filter(~here)

    def _prepare(
        self, frame: pl.DataFrame, intents: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, HookContext, list[pl.DataFrame]]:
        """Look up, join bases, fetch the counterparts that are needed, carry and decide."""
        context = self.context
        frame, hooks = rule_lookups(context, frame)
        frame = admit(context, hooks, frame)
        passed: list[pl.DataFrame] = []
        out_by_rule = ~pl.col(ADMITTED) & (pl.lit(intents is None) | pl.col(c.DESTINATION_ID).is_null())
        rejected = frame.filter(out_by_rule)
        if rejected.height:
            out = Outcome.SKIPPED if context.options.named else Outcome.IGNORED
            passed.append(left_out(rejected, Decision.LEFT_OUT, out, Ignored.RULE))
            frame = frame.filter(~out_by_rule)
        frame = find_natural(context, hooks, frame)
        frame = join_bases(context, frame)
        carrying = CarryContext(
            hooks,
            context.plans,
            context.shared.rules,
            self._rule_lookups.for_batch(frame, context.carried, hooks),
            self._references.for_batch(frame),
        )
        frame = source_values(frame, carrying)
        frame = self._with_no_result(frame)
        if intents is not None:
            known = intents.filter(pl.col("source_id").is_in(frame.get_column(ID).implode()))
            frame = remember_attempt(frame, context.plans.plans, known)
            frame = _with_proposed(frame, known)
        must = needs_counterpart(context) | (pl.col(c.ATTEMPTED) & pl.col(c.DESTINATION_ID).is_not_null())
        frame = fetch_counterparts(context, frame, must)
        frame = merge_attempts(frame, context.plans.plans, context.pass_)
        frame = carry(frame, carrying)
        return self._decide(frame, hooks), hooks, passed

    def _decide(self, frame: pl.DataFrame, hooks: HookContext) -> pl.DataFrame:
        context = self.context
        mapping = context.mapping.mapping
        if context.keeps_undone:
            frame = mark_kept(context, frame)
        decided = self._oscillation.stop(decide(frame, self._deciding))
        making = pl.col(c.WRITE).is_in([CREATE, RESTORE]).fill_null(False)
        creates = decided.filter(making)
        if creates.is_empty():
            return self._held_to_plan(decided)
        completed = complete(creates, hooks, context.carried, mapping.templates, context.shared.rules)
        return self._held_to_plan(pl.concat([decided.filter(~making), completed], how="diagonal"))

    @cached_property
    def _deciding(self) -> DecideContext:
        context, mapping = self.context, self.context.mapping.mapping
        state = pl.col(c.STATE).fill_null(0)
        again = pl.col(PENDING + "message").is_not_null() & (
            context.destination.capabilities.can_create and bool(context.carried)
        )
        return DecideContext(
            context.pass_,
            context.plans,
            update_conflict=mapping.update_conflict_resolution,
            deletion_conflict=mapping.deletion_conflict_resolution,
            conflict_scope=mapping.conflict_scope,
            can_create=(pl.lit(context.can_create) | again) & ~pl.col(COUPLED_ELSEWHERE),
            forced=context.options.forced,
            unconditional=context.options.unconditional,
            named=context.options.named,
            prefer_source=(state & int(PREFER[context.pass_.source])) != 0,
            prefer_destination=(state & int(PREFER[context.pass_.destination])) != 0,
            keeps_undone=context.keeps_undone,
        )

    def _work(
        self, frame: pl.DataFrame, decide_again: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> tuple[pl.DataFrame, list[Sent], dict[str, datetime]]:
        """Write what is to be written; decide again where tokens no longer held or answers are missing."""
        context = self.context
        finished: list[pl.DataFrame] = []
        all_sent: list[Sent] = []
        deadlines: dict[str, datetime] = {}
        last = context.shared.engine.attempts - 1
        for attempt in range(last + 1):
            finished.append(frame.filter(pl.col(c.WRITE).is_null()))
            frame = frame.filter(pl.col(c.WRITE).is_not_null())
            if frame.is_empty():
                break
            batches = write(context, frame)
            all_sent += batches
            again: list[pl.DataFrame] = []
            for sent in (_replacing(sent) for sent in batches):
                repeat = self._repeatable() if attempt < last else pl.lit(False)
                finished.append(sent.frame.filter(~repeat))
                if attempt < last:
                    again.append(self._read_back(sent, sent.frame.filter(repeat)))
                deadlines |= self._awaited(finished[-1])
            repeated = [part for part in again if part.height]
            if not repeated:
                break
            frame = decide_again(pl.concat(repeated, how="diagonal"))
        done = _still_unanswered(pl.concat(finished, how="diagonal"), all_sent)
        if self._planned is not None and done.height:
            ours = done.filter(written()).select(pl.coalesce("@written_id", c.DESTINATION_ID), "@written_version")
            context.shared.own_versions[context.pass_.destination] |= dict(ours.iter_rows())
        return done, all_sent, deadlines

    def _repeatable(self) -> pl.Expr:
        """Return which results call for reading and deciding again."""
        status = pl.col("@status")
        creating = pl.col(c.WRITE).is_in([CREATE, RESTORE])
        unkeyed = self.context.destination.capabilities.create_keys is CreateKeys.NONE
        repeat = status.is_in([Status.STALE.value, Status.MISSING.value, Status.EXISTS.value])
        indeterminate = status == Status.INDETERMINATE.value
        return repeat | (indeterminate & ~creating) | (indeterminate & creating & (not unkeyed))

    def _read_back(self, sent: Sent, frame: pl.DataFrame) -> pl.DataFrame:
        """Read the records behind results that say nothing final, and merge them with what was sent."""
        if frame.is_empty():
            return frame
        context = self.context
        status = pl.col("@status")
        creating = pl.col(c.WRITE).is_in([CREATE, RESTORE])
        exists = status == Status.EXISTS.value
        chosen = context.destination.capabilities.create_keys in (CreateKeys.CHOSEN, CreateKeys.PROPOSED)
        found_id = pl.when(exists).then(pl.coalesce("@written_id", c.DESTINATION_ID))
        frame = frame.with_columns(
            pl.when(creating & ~exists & (not chosen))
            .then(pl.lit(None, dtype=pl.String))
            .when(exists)
            .then(found_id)
            .otherwise(pl.col(c.DESTINATION_ID))
            .alias(c.DESTINATION_ID),
            pl.lit(False).alias(c.FETCHED),
            (status == Status.MISSING.value).alias(c.MISSING),
        )
        attempted = exists | (status == Status.INDETERMINATE.value)
        told = remember_attempt(frame, context.plans.plans, sent.rows).with_columns(attempted.alias(c.ATTEMPTED))
        read = pl.col(c.DESTINATION_ID).is_not_null() & (status != Status.MISSING.value)
        told = fetch_counterparts(context, told, read)
        if context.destination.capabilities.create_keys is CreateKeys.PROPOSED:
            # Somebody else has taken the proposed key meanwhile: the record is made under another one.
            another = creating & is_another(context.plans.plans, context.pass_)
            told = told.with_columns(
                pl.when(~another).then(pl.col(c.DESTINATION_ID)).alias(c.DESTINATION_ID),
                pl.when(creating & pl.col(c.MISSING)).then(pl.col(c.DESTINATION_ID)).alias(c.PROPOSED),
                (pl.col(c.FETCHED) & ~another).alias(c.FETCHED),
                (pl.col(c.ATTEMPTED) & ~another).alias(c.ATTEMPTED),
            )
        # A record that was to be made and is not there: it is made again, under the same key.
        absent = creating & pl.col(c.MISSING)
        told = told.with_columns(
            pl.when(absent & (pl.col(c.WRITE) == CREATE))
            .then(pl.lit(None, dtype=pl.String))
            .otherwise(pl.col(c.DESTINATION_ID))
            .alias(c.DESTINATION_ID),
            pl.when(absent & (pl.col(c.WRITE) == CREATE)).then(False).otherwise(pl.col(c.MISSING)).alias(c.MISSING),
        )
        told = merge_attempts(told, context.plans.plans, context.pass_)
        return told.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in _EMPTY_RESULT.items())

    def _awaited(self, frame: pl.DataFrame) -> dict[str, datetime]:
        """Return the records made without key or mark whose answer is missing, and until when they must be left alone."""
        destination = self.context.destination
        if destination.capabilities.create_keys is not CreateKeys.NONE:
            return {}
        creating = pl.col(c.WRITE).is_in([CREATE, RESTORE])
        lost = frame.filter(creating & (pl.col("@status") == Status.INDETERMINATE.value)).get_column(ID).to_list()
        if not lost:
            return {}
        until = destination.connector.now() + destination.connector.request_lifetime
        return dict.fromkeys(lost, until)


_Case = tuple[pl.Expr, Decision, Outcome, Ignored | None, str | None]


def _part(frame: pl.DataFrame, cases: Sequence[_Case]) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Part the records of a frame whose outcome is clear, by the first case that fits, from the rest."""
    passed: list[pl.DataFrame] = []
    for condition, decision, outcome, reason, message in cases:
        here = frame.select(condition.fill_null(False)).to_series()
        if here.any():
            passed.append(left_out(frame.filter(here), decision, outcome, reason, message))
            frame = frame.filter(~here)
    return passed, frame


def _still_unanswered(frame: pl.DataFrame, all_sent: list[Sent]) -> pl.DataFrame:
    """Count as unanswered what was once sent without an answer and not cleared up since, whatever came of later attempts."""
    lost = sorted({id for sent in all_sent for id in sent.unanswered})
    if not lost:
        return frame
    open_still = pl.col(c.WRITE).is_not_null() & (pl.col("@status") != Status.WRITTEN.value) & pl.col(ID).is_in(lost)
    return frame.with_columns(
        pl.when(open_still).then(pl.lit(Status.INDETERMINATE.value)).otherwise(pl.col("@status")).alias("@status")
    )


def _replacing(sent: Sent) -> Sent:
    """Part records that were made anew from the coupling of their vanished counterpart."""
    again = (pl.col(c.WRITE) == RESTORE) & pl.col("@status").is_in([Status.WRITTEN.value, Status.EXISTS.value])
    frame = sent.frame.with_columns(
        pl.when(again).then(pl.col(c.COUPLING)).otherwise(pl.col("@replaced_coupling")).alias("@replaced_coupling"),
        pl.when(again).then(None).otherwise(pl.col(c.COUPLING)).alias(c.COUPLING),
    )
    return Sent(frame, sent.intent, sent.rows)


_EMPTY_RESULT: dict[str, pl.DataType] = {
    name: pl.Datetime("us", "UTC") if name == "@written_modified_at" else pl.String() for name in RESULT_COLUMNS
}


def _with_proposed(frame: pl.DataFrame, intents: pl.DataFrame) -> pl.DataFrame:
    """Give records that were being made, and are not there, the key that was proposed for them."""
    keys = intents.filter(pl.col("found_id").is_null()).select(
        pl.col("source_id").alias(ID), pl.col("destination_id").alias(c.PROPOSED)
    )
    return frame.drop(c.PROPOSED).join(keys, on=ID, how="left", maintain_order="left")


def _with_found(frame: pl.DataFrame, intents: pl.DataFrame) -> pl.DataFrame:
    """Give records that were being made the id under which they were found again."""
    found = intents.select(pl.col("source_id").alias(ID), pl.col("found_id").alias("@found_id"))
    joined = frame.join(found, on=ID, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(c.DESTINATION_ID, "@found_id").alias(c.DESTINATION_ID)).drop("@found_id")
