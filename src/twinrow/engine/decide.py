"""Decide: what a pass does with each record, field by field. Pure: frames in, frames out.

A field has changed on a side when its value differs from that side's own base. Changed on one side only, it is taken from
there; changed on both to different values, it is a conflict, which the mapping's policy settles or leaves. The record's
decision (`model.outcomes.Decision`, the closed list) is the gravest of its fields'.

Adds, for each field that the pass carries, `send.i`, `conflict.i` and `refresh.i`; for each record `decision`, `outcome`,
`reason` (of an ignored record), `write` (`create`, `update`, `restore` or null), and `message` with `problem_field`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_

import polars as pl

from twinrow.batch.convert import comparable
from twinrow.engine import columns as c
from twinrow.engine.fields import FieldPlan, FieldPlans, Unavailable
from twinrow.model.mapping import ConflictScope, DeletionConflict, OnLoss, UpdateConflict
from twinrow.model.outcomes import Decision, Ignored, Outcome
from twinrow.model.sides import Pass, Side

CREATE = "create"
UPDATE = "update"
RESTORE = "restore"
DELETE = "delete"
DEACTIVATE = "deactivate"

_NEVER = pl.lit(False)


@dataclass(frozen=True)
class DecideContext:
    """What deciding needs to know beside the frame, the same for all batches of a pass.

    `can_create`, `prefer_source` and `prefer_destination` are Boolean expressions: where an uncoupled record may be made, and
    where the person who coupled the pair said that this side's values win as long as there is no base.
    """

    pass_: Pass
    plans: FieldPlans
    update_conflict: UpdateConflict = UpdateConflict.NONE
    deletion_conflict: DeletionConflict = DeletionConflict.NONE
    conflict_scope: ConflictScope = ConflictScope.FIELD
    can_create: pl.Expr = _NEVER
    forced: bool = False
    unconditional: bool = False
    named: bool = False
    prefer_source: pl.Expr = _NEVER
    prefer_destination: pl.Expr = _NEVER
    keeps_undone: bool = False
    """Whether the frame says of fields that they differ because a write was undone (`kept.i`)."""

    @property
    def source_wins(self) -> bool:
        """Whether the mapping's policy lets this pass's source win."""
        return self.update_conflict.winner is self.pass_.source

    @property
    def destination_wins(self) -> bool:
        """Whether the mapping's policy lets this pass's destination win."""
        return self.update_conflict.winner is self.pass_.destination

    @cached_property
    def carried(self) -> tuple[FieldPlan, ...]:
        """The fields that the pass carries."""
        return self.plans.carried(self.pass_)

    # Expressions, made once: that takes as long as a small batch.

    @cached_property
    def comparing(self) -> Sequence[pl.Expr]:
        """What has changed where, and what is equal, field by field."""
        return _comparing(self)

    @cached_property
    def nothing_there(self) -> Sequence[pl.Expr]:
        """The same, and what to do, for records that have no counterpart at all: there is nothing to compare."""
        return _nothing_there(self)

    @cached_property
    def settling_fields(self) -> tuple[Sequence[pl.Expr], ...]:
        """What to do, field by field, in steps."""
        return _settling_fields(self)

    @cached_property
    def settling_records(self) -> tuple[pl.Expr, Sequence[pl.Expr]]:
        """What to do with the record: the decision, and what follows from it."""
        return _settling_records(self)


def any_of(conditions: Iterable[pl.Expr]) -> pl.Expr:
    """Return where at least one condition holds."""
    return reduce(or_, conditions, pl.lit(False))


def decide(frame: pl.DataFrame, context: DecideContext) -> pl.DataFrame:
    """Decide every record of a frame that has been paired and carried."""
    if frame.select((pl.col(c.COUPLING).is_null() & pl.col(c.DESTINATION_ID).is_null()).all()).item():
        frame = frame.with_columns(context.nothing_there)
    else:
        frame = _settle_fields(frame.with_columns(context.comparing), context)
    decision, following = context.settling_records
    return frame.with_columns(decision).with_columns(following)


def _nothing_there(context: DecideContext) -> list[pl.Expr]:
    there = (_changed, _unknown)
    nothing = (_changed_there, _equal, _by_policy, c.send, c.conflict, c.aside, c.refresh)
    return [pl.lit(name in there).alias(name(plan.index)) for plan in context.carried for name in (*there, *nothing)]


# Per field: has it changed on the source, on the destination, and is what would be written there already?


def _changed(index: int) -> str:
    return f"changed_source.{index}"


def _changed_there(index: int) -> str:
    return f"changed_destination.{index}"


def _equal(index: int) -> str:
    return f"equal.{index}"


def _unknown(index: int) -> str:
    return f"unknown.{index}"


def _waits(plan: FieldPlan) -> pl.Expr | None:
    """Return where nobody can say yet whether the references of both sides mean the same record; None: nowhere.

    A fresh pair's reference, whose record is not coupled yet: neither the blank that would be carried nor a conflict is true.
    """
    if not (plan.mapping.related_mapping and plan.mapping.clear_value_on_failed_sync):
        return None
    return pl.col(_unknown(plan.index)) & pl.col(c.unresolved(plan.index)) & ~pl.col(_equal(plan.index))


def _by_policy(index: int) -> str:
    return f"by_policy.{index}"


def _comparing(context: DecideContext) -> list[pl.Expr]:
    flags: list[pl.Expr] = []
    for plan in context.carried:
        i = plan.index
        base_source, base_destination = pl.col(c.base_source(i)), pl.col(c.base_destination(i))
        unknown = base_source.is_null() | base_destination.is_null()
        current = pl.when(c.FETCHED).then(pl.col(c.found(i))).otherwise(base_destination)
        destination, source = plan.field(context.pass_.destination), plan.field(context.pass_.source)
        carriable = pl.col(c.problem(i)).is_null() & (
            ~pl.col(c.unresolved(i)) | plan.mapping.clear_value_on_failed_sync
        )
        same = comparable(pl.col(c.carried_text(i)), destination, source) == comparable(current, destination, source)
        equal = (carriable & same).fill_null(False)
        if plan.leaves_alone(context.pass_):
            equal = equal | pl.col(c.unresolved(i))
        flags += [
            unknown.alias(_unknown(i)),
            ((pl.col(c.source(i)) != base_source).fill_null(True) | pl.col(c.retried(i))).alias(_changed(i)),
            (pl.col(c.FETCHED) & (pl.col(c.found(i)) != base_destination)).fill_null(False).alias(_changed_there(i)),
            equal.alias(_equal(i)),
        ]
    return flags


def _settle_fields(frame: pl.DataFrame, context: DecideContext) -> pl.DataFrame:
    left_blank = {plan.index for plan in context.carried if c.left_blank(plan.index) in frame.columns}
    for step in _settling_fields(context, left_blank) if left_blank else context.settling_fields:
        frame = frame.with_columns(step)
    return frame


def _settling_fields(context: DecideContext, left_blank: Collection[int] = ()) -> tuple[Sequence[pl.Expr], ...]:
    carried = context.carried
    updatable = [plan for plan in carried if takes_part(plan)]
    record_changed = any_of(pl.col(_changed(plan.index)) for plan in updatable if not plan.is_constant)
    both_sides = [plan for plan in updatable if plan.bidirectional]
    held = _NEVER if context.source_wins else _record_conflict(context, both_sides, record_changed)
    groups: dict[tuple[int, ...], tuple[pl.Expr, pl.Expr, pl.Expr]] = {}
    results: list[pl.Expr] = []
    for plan in carried:
        i = plan.index
        equal, unknown = pl.col(_equal(i)), pl.col(_unknown(i))
        # A mapped reference that cannot be resolved is no blank: the record waits for it (B057).
        blank = pl.col(c.carried(i)).is_null() & (~pl.col(c.unresolved(i)) | (plan.derived is not None))
        not_null = plan.mapping.not_null & blank
        by_policy = aside = clash = _NEVER
        if not takes_part(plan):
            send = _NEVER
        elif plan.is_constant:
            send = _NEVER  # written along with others: see `_constants`
        elif context.unconditional:
            send = ~pl.col(c.unresolved(i)) if plan.leaves_alone(context.pass_) else pl.lit(True)
            send = send & ~_left_blank(i, left_blank)
        elif context.forced:
            send = ~equal & ~_left_blank(i, left_blank)
        elif not plan.bidirectional:
            send = record_changed & ~equal & ~held & ~_kept(context, i)
        else:
            members = _group(plan, both_sides)
            numbers = tuple(member.index for member in members)
            if numbers not in groups:
                groups[numbers] = _of_group(members)
            changed, changed_there, undecided = groups[numbers]
            contested = (undecided | (changed & changed_there)) & ~equal
            chosen = undecided & context.prefer_source & ~changed_there
            yielded = undecided & context.prefer_destination & ~context.prefer_source & ~changed
            open_question = contested & ~chosen & ~yielded
            by_policy = open_question & context.source_wins
            aside = yielded & ~equal | (open_question & context.destination_wins)
            clash = open_question & (not context.source_wins) & (not context.destination_wins)
            send = (~undecided & ~unknown & changed & ~changed_there & ~equal) | (chosen & ~equal) | by_policy
            if context.conflict_scope is ConflictScope.RECORD:
                clash = clash | (held & ~equal & (not context.destination_wins))
                aside = aside | (held & ~equal & context.destination_wins)
                send = send & ~held
            if plan.mapping.on_loss is OnLoss.CONFLICT:
                clash = clash | (send & pl.col(c.lost(i)))
                send = send & ~pl.col(c.lost(i))
            waits = _waits(plan)
            if waits is not None:
                send, clash, aside, by_policy = (each & ~waits for each in (send, clash, aside, by_policy))
        results += [
            (send & ~not_null).alias(c.send(i)),
            (clash & ~not_null).alias(c.conflict(i)),
            (aside & ~not_null).alias(c.aside(i)),
            (by_policy & ~not_null).alias(_by_policy(i)),
            (equal | not_null | plan.is_constant | (not takes_part(plan))).alias(c.refresh(i)),
        ]
    return results, _whole_groups(both_sides), _constants(context, carried)


def _left_blank(index: int, left_blank: Collection[int]) -> pl.Expr:
    """Return where the source still has the blank that the opposite pass left there for a reference it could not resolve."""
    if index not in left_blank:
        return _NEVER
    return pl.col(c.left_blank(index)) & ~pl.col(_changed(index))


def _whole_groups(both_sides: Sequence[FieldPlan]) -> list[pl.Expr]:
    """Send all members of a group when one is sent: a system's own logic may clear the others when it takes that one."""
    together = []
    for plan in both_sides:
        if plan.mapping.merge_group is not None:
            any_sent = any_of(pl.col(c.send(member.index)) for member in _group(plan, both_sides))
            carriable = pl.col(c.problem(plan.index)).is_null() & ~pl.col(c.unresolved(plan.index))
            carriable = carriable & ~pl.col(c.conflict(plan.index))
            together.append((pl.col(c.send(plan.index)) | (any_sent & carriable)).alias(c.send(plan.index)))
    return together


def takes_part(plan: FieldPlan) -> bool:
    """Whether an update may write the field."""
    return not (plan.derived is not None and plan.derived.on_create_only)


def _group(plan: FieldPlan, both_sides: Sequence[FieldPlan]) -> list[FieldPlan]:
    group = plan.mapping.merge_group
    if group is None:
        return [plan]
    return [other for other in both_sides if other.mapping.merge_group == group]


def _of_group(members: Sequence[FieldPlan]) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return where any member of a group has changed on the source, or there, and where any is undecided for want of a base."""
    changed = any_of(pl.col(_changed(m.index)) & ~pl.col(_unknown(m.index)) for m in members)
    changed_there = any_of(pl.col(_changed_there(m.index)) & ~pl.col(_unknown(m.index)) for m in members)
    # A member without a base leaves the whole group open: another one's change must not take it along.
    undecided = any_of(_undecided(member) for member in members)
    return changed, changed_there, undecided


def _undecided(plan: FieldPlan) -> pl.Expr:
    waits, open_ = _waits(plan), pl.col(_unknown(plan.index)) & ~pl.col(_equal(plan.index))
    return open_ if waits is None else open_ & ~waits


def _record_conflict(context: DecideContext, both_sides: Sequence[FieldPlan], changed: pl.Expr) -> pl.Expr:
    """Return where the original would see a conflict: both sides changed, and a bidirectional field differs (semantics 4.4)."""
    if context.conflict_scope is not ConflictScope.RECORD:
        return _NEVER
    changed_there = any_of(pl.col(_changed_there(plan.index)) for plan in both_sides)
    differs = any_of(~pl.col(_equal(plan.index)) for plan in both_sides)
    return changed & changed_there & differs


def _constants(context: DecideContext, carried: Sequence[FieldPlan]) -> list[pl.Expr]:
    """Send constants whenever the record is written anyway."""
    others = any_of(pl.col(c.send(plan.index)) for plan in carried if not plan.is_constant)
    return [(others & ~_kept(context, plan.index)).alias(c.send(plan.index)) for plan in carried if plan.is_constant]


def _kept(context: DecideContext, index: int) -> pl.Expr:
    """Return where a field stays as an undo has left it; a person who chose a direction has chosen otherwise."""
    return pl.col(c.kept(index)) if context.keeps_undone and not context.forced else _NEVER


# Per record.


def _settling_records(context: DecideContext) -> tuple[pl.Expr, list[pl.Expr]]:
    carried = context.carried
    creating = pl.col(c.COUPLING).is_null() & pl.col(c.DESTINATION_ID).is_null()
    # A pass that carries no field makes no records: they would be empty.
    restores = context.deletion_conflict is DeletionConflict.RESTORE and carried
    restoring = ~creating & pl.col(c.MISSING) if restores else _NEVER
    making = creating | restoring
    problems = [_problem(plan, context.pass_, making) for plan in carried]
    none = pl.lit(None, dtype=pl.String)
    refused = pl.coalesce(*(message for message, _, _ in problems), none)
    refused_field = pl.coalesce(*(name for _, name, _ in problems), none)
    waiting = pl.coalesce(*(name for _, _, name in problems), none)
    sends = any_of(pl.col(c.send(plan.index)) for plan in carried)
    clashes = any_of(pl.col(c.conflict(plan.index)) for plan in carried)
    by_policy = any_of(pl.col(_by_policy(plan.index)) for plan in carried)
    aside = any_of(pl.col(c.aside(plan.index)) for plan in carried)
    changed = any_of(pl.col(_changed(plan.index)) for plan in carried if takes_part(plan))
    changed_there = any_of(pl.col(_changed_there(plan.index)) for plan in carried)
    decision = (
        pl.when(creating & ~context.can_create)
        .then(int(Decision.LEFT_OUT))
        .when(~making & pl.col(c.MISSING))
        .then(
            int(
                Decision.REMOVE_COUPLING
                if context.deletion_conflict is DeletionConflict.REMOVE_COUPLING
                else Decision.COUNTERPART_GONE
            )
        )
        .when(refused.is_not_null())
        .then(int(Decision.REFUSED))
        .when(waiting.is_not_null())
        .then(int(Decision.WAITING))
        .when(creating)
        .then(int(Decision.CREATE))
        .when(restoring)
        .then(int(Decision.RESTORE))
        .when(clashes)
        .then(int(Decision.CONFLICT))
        .when(sends & (context.forced or context.unconditional))
        .then(int(Decision.FORCED))
        .when(sends & by_policy)
        .then(int(Decision.SOURCE_WINS))
        .when(sends)
        .then(int(Decision.SOURCE_CHANGED))
        .when(aside)
        .then(int(Decision.DESTINATION_WINS))
        .when(changed & pl.col(c.FETCHED) & changed_there)
        .then(int(Decision.BOTH_EQUAL))
        .when(changed_there)
        .then(int(Decision.DESTINATION_CHANGED))
        .otherwise(int(Decision.UNCHANGED))
    )
    decided = pl.col(c.DECISION)
    stands_aside = Outcome.SKIPPED if context.conflict_scope is ConflictScope.RECORD else Outcome.IGNORED
    left_out = Outcome.SKIPPED if context.named else Outcome.IGNORED
    outcomes = {
        Decision.LEFT_OUT: left_out,
        Decision.CREATE: Outcome.INSERTED,
        Decision.COUNTERPART_GONE: Outcome.FAILED,
        Decision.RESTORE: Outcome.INSERTED,
        Decision.REMOVE_COUPLING: Outcome.UNCOUPLED,
        Decision.UNCHANGED: Outcome.UNCHANGED,
        Decision.SOURCE_CHANGED: Outcome.MODIFIED,
        Decision.DESTINATION_CHANGED: Outcome.UNCHANGED,
        Decision.BOTH_EQUAL: Outcome.UNCHANGED,
        Decision.SOURCE_WINS: Outcome.MODIFIED,
        Decision.DESTINATION_WINS: stands_aside,
        Decision.CONFLICT: Outcome.FAILED,
        Decision.FORCED: Outcome.MODIFIED,
        Decision.REFUSED: Outcome.FAILED,
        Decision.WAITING: Outcome.FAILED,
    }
    reasons = {Decision.LEFT_OUT: Ignored.NOT_COUPLED, Decision.DESTINATION_WINS: Ignored.STANDS_ASIDE}
    writes = (
        pl.when(decided == int(Decision.CREATE))
        .then(pl.lit(CREATE))
        .when(decided == int(Decision.RESTORE))
        .then(pl.lit(RESTORE))
        .when(
            decided.is_in([int(d) for d in (Decision.SOURCE_CHANGED, Decision.SOURCE_WINS, Decision.FORCED)])
            | ((decided == int(Decision.CONFLICT)) & sends)
        )
        .then(pl.lit(UPDATE))
    )
    following = [
        decided.replace_strict({int(k): v.value for k, v in outcomes.items()}, return_dtype=pl.String).alias(c.OUTCOME),
        decided.replace_strict(
            {int(k): v.value for k, v in reasons.items()}, default=None, return_dtype=pl.String
        ).alias(c.REASON),
        writes.alias(c.WRITE),
        _message(context, refused, waiting, carried).alias(c.MESSAGE),
        pl.when(decided == int(Decision.REFUSED))
        .then(refused_field)
        .when(decided == int(Decision.WAITING))
        .then(waiting)
        .when(decided == int(Decision.CONFLICT))
        .then(_first_conflict(carried))
        .alias(c.PROBLEM_FIELD),
    ]
    return decision.cast(pl.Int64).alias(c.DECISION), following


def _problem(plan: FieldPlan, pass_: Pass, making: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return the message and field of what cannot be carried, and the field whose reference must be waited for."""
    i = plan.index
    destination = plan.field(pass_.destination)
    may_be_blank = destination.nullable or destination.is_text
    wanted = pl.col(c.send(i)) | making
    name = pl.lit(plan.key)
    bad = wanted & pl.col(c.problem(i)).is_not_null()
    blank = pl.col(c.send(i)) & ~making & pl.col(c.carried(i)).is_null() & (not may_be_blank)
    patient = plan.mapping.clear_value_on_failed_sync or plan.leaves_alone(pass_)
    waits = wanted & pl.col(c.unresolved(i)) & (not patient)
    return (
        pl.when(bad).then(pl.col(c.problem(i))).when(blank).then(pl.lit("the field cannot be blank")),
        pl.when(bad | blank).then(name),
        pl.when(waits).then(name),
    )


def _first_conflict(carried: Sequence[FieldPlan]) -> pl.Expr:
    found: list[pl.Expr] = [pl.when(pl.col(c.conflict(plan.index))).then(pl.lit(plan.key)) for plan in carried]
    return pl.coalesce([*found, pl.lit(None, dtype=pl.String)])


def _message(context: DecideContext, refused: pl.Expr, waiting: pl.Expr, carried: Sequence[FieldPlan]) -> pl.Expr:
    captions = {plan.key: plan.caption for plan in carried}
    clash = _first_conflict(carried)
    source, destination = context.pass_.source.value, context.pass_.destination.value
    decided = pl.col(c.DECISION)
    return (
        pl.when(decided == int(Decision.REFUSED))
        .then(refused)
        .when(decided == int(Decision.WAITING))
        .then(
            pl.concat_str(
                [
                    pl.lit("the record that "),
                    waiting.replace_strict(captions, default=waiting, return_dtype=pl.String),
                    pl.lit(" refers to is not coupled"),
                ],
                ignore_nulls=True,
            )
        )
        .when(decided == int(Decision.CONFLICT))
        .then(
            pl.concat_str(
                [
                    clash.replace_strict(captions, default=clash, return_dtype=pl.String),
                    pl.lit(f" was changed on the {Side.LOCAL.value} and on the {Side.INTEGRATION.value} side"),
                ],
                ignore_nulls=True,
            )
        )
        .when(decided == int(Decision.COUNTERPART_GONE))
        .then(pl.lit(f"the {source} record cannot be synchronized: the {destination} record coupled to it was deleted"))
    )


def refuse_writes(frame: pl.DataFrame, field: Unavailable) -> pl.DataFrame:
    """Turn every decision to write into a failure, because a field is not as it was."""
    message = f"nothing is written while {field.field} is not as it was: {field.reason}"
    stopped = frame.with_columns(pl.col(c.WRITE).is_not_null().alias("@stopped"))
    failed = left_out(stopped.filter("@stopped"), Decision.REFUSED, Outcome.FAILED, message=message)
    failed = failed.with_columns(pl.lit(field.key).alias(c.PROBLEM_FIELD))
    return pl.concat([stopped.filter(~pl.col("@stopped")), failed], how="diagonal").drop("@stopped")


def left_out(
    frame: pl.DataFrame, decision: Decision, outcome: Outcome, reason: Ignored | None = None, message: str | None = None
) -> pl.DataFrame:
    """Give all records of a frame one decision that needs no look at their fields.

    Failed ones with a `message` are told of and tried again; without one it has been told already.
    """
    return frame.with_columns(
        pl.lit(int(decision), dtype=pl.Int64).alias(c.DECISION),
        pl.lit(outcome.value).alias(c.OUTCOME),
        pl.lit(reason.value if reason else None, dtype=pl.String).alias(c.REASON),
        pl.lit(None, dtype=pl.String).alias(c.WRITE),
        pl.lit(message, dtype=pl.String).alias(c.MESSAGE),
        pl.lit(None, dtype=pl.String).alias(c.PROBLEM_FIELD),
    )
