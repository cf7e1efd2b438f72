"""Differences: what a coupled pair differs in, and why. Pure: frames in, frames out.

Most pairs agree; `digests` tell that without a look at each field. Of the others, frames have a row for each coupling, with
both sides' values as they are now (`now`), what each pass would carry (`would_be`), and the bases. A field differs when no
direction in which it is carried finds the destination as its source would have it; where only one direction does, the rules
lose something on the way, and that is as the mapping wants it.

`differences` returns a row for each field that differs: `coupling_id`, `local_id`, `integration_id`, `field` (the key of the
field mapping; null where the record as a whole is meant), `identity`, `kind` (`model.outcomes.DifferenceKind`), `reason`,
`local` and `integration` (canonical texts), and `quiet`: both sides are as they were last reconciled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from twinrow.batch.canonical import NULL, canonical
from twinrow.batch.columns import column_type
from twinrow.batch.convert import comparable
from twinrow.engine.decide import any_of, takes_part
from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.model.mapping import Template
from twinrow.model.outcomes import DifferenceKind
from twinrow.model.sides import Pass, Side
from twinrow.store.bases import base_column

DIFFERENCE_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "local_id": pl.String(),
    "integration_id": pl.String(),
    "field": pl.String(),
    "identity": pl.String(),
    "kind": pl.String(),
    "reason": pl.String(),
    "local": pl.String(),
    "integration": pl.String(),
    "quiet": pl.Boolean(),
}

PENDING, SKIPPED = "pending", "skipped"
"""The message of the record's pending row (null: there is none), and whether the coupling is set aside."""

EDITED = "it was changed on the side to which it is only carried"
MISSED = "it was changed, and the system does not report the change"
NEVER = "it was never reconciled"
QUIET = "both sides are as they were when last reconciled"
LOSSY = "its rules lose something on the way"
TEMPLATE = "a template gave the record this value"
CONSTANT = "the constant is written when the record is written next"
GIVEN_UP = "the other record was deleted, and this one marked as given up"
OWN_FORM = "the system answered with this value when it was written"


def now(side: Side, index: int) -> str:
    """Return the column of a side's value as it is now (canonical text)."""
    return f"now.{side.value}.{index}"


def would_be(pass_: Pass, index: int) -> str:
    """Return the column of what a pass would carry (canonical text of the destination's field; null: it cannot)."""
    return f"would_be.{pass_.value}.{index}"


def problem(pass_: Pass, index: int) -> str:
    """Return the column that says why a pass cannot carry the value (null: it can)."""
    return f"cannot.{pass_.value}.{index}"


def active(pass_: Pass) -> str:
    """Return the column that says whether the source record takes part in a pass."""
    return f"active.{pass_.value}"


def comes(side: Side) -> str:
    """Return the column that says whether the next run looks at the record of a side."""
    return f"comes.{side.value}"


def in_conflict(index: int) -> str:
    """Return the column that says whether the field is on the list of conflicts."""
    return f"in_conflict.{index}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing needs to know beside the frame."""

    plans: FieldPlans
    passes: tuple[Pass, ...]
    templates: Sequence[Template] = ()

    def directions(self, plan: FieldPlan) -> tuple[Pass, ...]:
        """Return the passes that keep a field in step."""
        return tuple(pass_ for pass_ in self.passes if plan.carried_in(pass_) and takes_part(plan))

    @property
    def loose(self) -> tuple[FieldPlan, ...]:
        """The fields whose blanks stand for any value on the other side."""
        return tuple(plan for plan in self.compared if plan.mapping.not_null)

    @property
    def loose_columns(self) -> list[str]:
        """The columns that compare the loose fields with the other side, of what the local side says."""
        carried = [would_be(Pass.TO, p.index) for p in self.loose if Pass.TO in self.directions(p)]
        return [*(now(Side.LOCAL, plan.index) for plan in self.loose), *carried]

    @property
    def compared(self) -> tuple[FieldPlan, ...]:
        """The fields that any pass keeps in step."""
        return tuple(plan for plan in self.plans.plans if self.directions(plan))


def _same(plan: FieldPlan, pass_: Pass) -> pl.Expr:
    destination, source = plan.field(pass_.destination), plan.field(pass_.source)
    carried, there = pl.col(would_be(pass_, plan.index)), pl.col(now(pass_.destination, plan.index))
    same = comparable(carried, destination, source) == comparable(there, destination, source)
    return (same | (carried == NULL) if plan.mapping.not_null else same).fill_null(False)


def digests(comparison: Comparison, side: Side) -> list[pl.Expr]:
    """Return three digests of what a side says, equal to those of the other side where both agree.

    `one_way` is of the fields that go one way; `to_integration` and `from_integration` of those that go both ways, in the form
    in which each pass compares them. Null where a value cannot be carried. Digests hold within one process only.
    """
    parts: dict[str, list[pl.Expr]] = {"one_way": [], Pass.TO.value: [], Pass.FROM.value: []}
    for plan in comparison.compared:
        if plan in comparison.loose:
            continue
        directions = comparison.directions(plan)
        for pass_ in directions:
            mine = now(side, plan.index) if side is pass_.destination else would_be(pass_, plan.index)
            form = comparable(pl.col(mine), plan.field(pass_.destination), plan.field(pass_.source))
            parts["one_way" if len(directions) == 1 else pass_.value].append(form)
    return [_digest(forms).alias(name) for name, forms in parts.items()]


def _digest(forms: Sequence[pl.Expr]) -> pl.Expr:
    if not forms:
        return pl.lit(0, dtype=pl.Int64)
    whole = pl.concat_str([form.alias(str(index)) for index, form in enumerate(forms)], separator="\x1f")
    return pl.when(whole.is_not_null()).then(whole.hash().reinterpret(signed=True))


_LOCAL = "_local"
"""What the names of the local side's digests end in beside those of the other side."""


def agrees(comparison: Comparison) -> pl.Expr:
    """Return where every field is on its destinations as its source would have it, by digests and loose values."""
    strict = [_equal("one_way"), _equal(Pass.TO.value), _equal(Pass.FROM.value)]
    loose = [_same(plan, pass_) for plan in comparison.loose for pass_ in comparison.directions(plan)]
    return pl.all_horizontal([*strict, *loose])


def agrees_one_way(comparison: Comparison) -> pl.Expr:
    """Return where every field is so in one direction at least, all in the same: its rules lose something in the other one."""
    strict = [_equal("one_way"), _equal(Pass.TO.value) | _equal(Pass.FROM.value)]
    loose = [any_of(_same(plan, pass_) for pass_ in comparison.directions(plan)) for plan in comparison.loose]
    return pl.all_horizontal([*strict, *loose])


def _equal(name: str) -> pl.Expr:
    return (pl.col(name) == pl.col(name + _LOCAL)).fill_null(False)


def _losses(frame: pl.DataFrame, comparison: Comparison) -> pl.DataFrame:
    """Return the differences that are there because rules lose something on the way."""
    parts = [pl.DataFrame(schema=DIFFERENCE_SCHEMA)]
    for plan in comparison.compared:
        same = [_same(plan, pass_) for pass_ in comparison.directions(plan)]
        here = frame.filter(any_of(same) & ~pl.all_horizontal(same))
        if here.height:
            parts.append(_rows(here, plan, pl.lit(DifferenceKind.RULE.value), pl.lit(LOSSY)))
    return pl.concat(parts)


def differences(frame: pl.DataFrame, comparison: Comparison) -> pl.DataFrame:
    """Return what the couplings of a frame differ in, and why."""
    out = ~any_of(pl.col(active(pass_)) for pass_ in comparison.passes)
    parts = [whole(frame.filter(out), DifferenceKind.OUTSIDE_FILTER)]
    frame = frame.filter(~out)
    parts.append(_losses(frame, comparison))
    for plan in comparison.compared:
        here = frame.filter(~any_of(_same(plan, pass_) for pass_ in comparison.directions(plan)))
        if here.height:
            kind, reason = _kind(plan, comparison)
            parts.append(_rows(here, plan, kind, reason))
    return pl.concat(parts)


def whole(frame: pl.DataFrame, kind: DifferenceKind, reason: str | None = None) -> pl.DataFrame:
    """Return a difference of each record as a whole."""
    told = frame.select(
        "coupling_id",
        "local_id",
        "integration_id",
        pl.lit(kind.value).alias("kind"),
        pl.lit(reason, dtype=pl.String).alias("reason"),
    )
    return pl.concat([pl.DataFrame(schema=DIFFERENCE_SCHEMA), told], how="diagonal")


def _rows(frame: pl.DataFrame, plan: FieldPlan, kind: pl.Expr, reason: pl.Expr) -> pl.DataFrame:
    quiet = ~_changed(plan, Side.LOCAL) & ~_changed(plan, Side.INTEGRATION) & ~_unknown(plan)
    return frame.select(
        "coupling_id",
        "local_id",
        "integration_id",
        pl.lit(plan.key).alias("field"),
        pl.lit(plan.identity).alias("identity"),
        kind.alias("kind"),
        reason.alias("reason"),
        pl.col(now(Side.LOCAL, plan.index)).alias("local"),
        pl.col(now(Side.INTEGRATION, plan.index)).alias("integration"),
        quiet.alias("quiet"),
    ).cast(pl.Schema(DIFFERENCE_SCHEMA))


def _changed(plan: FieldPlan, side: Side) -> pl.Expr:
    """Return where a side's value is not its base; a base that is not known is no change."""
    if not plan.has_field(side):
        return pl.lit(False)
    return (pl.col(now(side, plan.index)) != pl.col(base_column(side, plan.index))).fill_null(False)


def _unknown(plan: FieldPlan) -> pl.Expr:
    return any_of(pl.col(base_column(side, plan.index)).is_null() for side in Side if plan.has_field(side))


def _record_changed(comparison: Comparison, pass_: Pass) -> pl.Expr:
    """Return where the pass would find its source changed, so that it asserts every field again."""
    return any_of(
        _changed(plan, pass_.source) | _unknown(plan)
        for plan in comparison.compared
        if pass_ in comparison.directions(plan) and not plan.is_constant
    )


def _kind(plan: FieldPlan, comparison: Comparison) -> tuple[pl.Expr, pl.Expr]:
    """Return the kind of a difference in a field, and the reason."""
    directions = comparison.directions(plan)
    message = pl.coalesce(
        [*(pl.col(problem(pass_, plan.index)) for pass_ in directions), pl.lit(None, dtype=pl.String)]
    )
    unknown = _unknown(plan)
    quiet = ~_changed(plan, Side.LOCAL) & ~_changed(plan, Side.INTEGRATION) & ~unknown
    if plan.is_constant:
        moved, waits, out = pl.lit(False), pl.lit(False), pl.lit(False)
    elif len(directions) == 1:
        (pass_,) = directions
        moved = _changed(plan, pass_.source) | unknown
        waits = _record_changed(comparison, pass_) & pl.col(comes(pass_.source)) & pl.col(active(pass_))
        out = moved & ~pl.col(active(pass_))
    else:
        moved = any_of(_changed(plan, side) for side in Side) | unknown
        waits = any_of(
            (_changed(plan, pass_.source) | unknown) & pl.col(comes(pass_.source)) & pl.col(active(pass_))
            for pass_ in directions
        )
        out = moved & pl.all_horizontal(
            ~(_changed(plan, pass_.source) | unknown) | ~pl.col(active(pass_)) for pass_ in directions
        )
    template = quiet & _from_template(plan, comparison)
    constant = unknown if plan.is_constant else pl.lit(False)
    cases: list[tuple[pl.Expr, DifferenceKind, pl.Expr]] = [
        (pl.col(SKIPPED), DifferenceKind.SKIPPED, pl.col(PENDING)),
        (pl.col(in_conflict(plan.index)), DifferenceKind.CONFLICT, pl.lit(None, dtype=pl.String)),
        (pl.col(PENDING).is_not_null(), DifferenceKind.PENDING, pl.col(PENDING)),
        (template, DifferenceKind.RULE, pl.lit(TEMPLATE)),
        (constant, DifferenceKind.RULE, pl.lit(CONSTANT)),
        (waits, DifferenceKind.AWAITING, pl.lit(None, dtype=pl.String)),
        (out, DifferenceKind.OUTSIDE_FILTER, pl.lit(None, dtype=pl.String)),
    ]
    kind = pl.lit(DifferenceKind.DRIFT.value)
    told = (
        pl.when(message.is_not_null())
        .then(message)
        .when(unknown)
        .then(pl.lit(NEVER))
        .when(moved)
        .then(pl.lit(MISSED))
        .when(~quiet)
        .then(pl.lit(EDITED))
        .otherwise(pl.lit(QUIET))
    )
    for condition, value, reason in reversed(cases):
        kind = pl.when(condition.fill_null(False)).then(pl.lit(value.value)).otherwise(kind)
        told = pl.when(condition.fill_null(False)).then(reason).otherwise(told)
    return kind, told


def _from_template(plan: FieldPlan, comparison: Comparison) -> pl.Expr:
    """Return where the value is one that a template gives to new records."""
    found = []
    for pass_ in comparison.directions(plan):
        field = plan.field(pass_.destination)
        for template in comparison.templates:
            if template.side is pass_.destination and field.name in template.values:
                given = canonical(pl.lit(template.values[field.name]).cast(column_type(field)), field)
                there = comparable(pl.col(now(pass_.destination, plan.index)), field, field)
                found.append(there == comparable(given, field, field))
    return any_of(found)


def undone_fields(found: pl.DataFrame, undone: pl.DataFrame) -> pl.DataFrame:
    """Recognize the fields that differ because a write was undone (`store.undone`), and have the values of then."""
    told = undone.select("coupling_id", pl.col("field").alias("identity"), "local_value", "integration_value")
    joined = found.join(told, on=["coupling_id", "identity"], how="left", maintain_order="left")
    there = pl.any_horizontal(pl.col(f"{side.value}_value").is_not_null() for side in Side)
    same = pl.all_horizontal(
        pl.col(f"{side.value}_value").is_null() | pl.col(f"{side.value}_value").eq_missing(pl.col(side.value))
        for side in Side
    )
    here = there & same
    return joined.with_columns(
        pl.when(here).then(pl.lit(DifferenceKind.UNDONE.value)).otherwise(pl.col("kind")).alias("kind"),
        pl.when(here).then(pl.lit(None, dtype=pl.String)).otherwise(pl.col("reason")).alias("reason"),
    ).select(list(DIFFERENCE_SCHEMA))


def own_forms(found: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Recognize the values that are a system's own form of what was written.

    `answers` has `coupling_id`, `identity`, `side` and `text`: what a side answered when the field was last written there.
    """
    told = answers.pivot(on="side", index=["coupling_id", "identity"], values="text", aggregate_function="last")
    joined = found.join(told, on=["coupling_id", "identity"], how="left", maintain_order="left", suffix=" answered")
    same = any_of(
        (pl.col(side.value) == pl.col(f"{side.value} answered")).fill_null(False)
        for side in Side
        if f"{side.value} answered" in joined.columns
    )
    here = (pl.col("kind") == DifferenceKind.DRIFT.value) & pl.col("quiet") & same
    return joined.with_columns(
        pl.when(here).then(pl.lit(DifferenceKind.RULE.value)).otherwise(pl.col("kind")).alias("kind"),
        pl.when(here).then(pl.lit(OWN_FORM)).otherwise(pl.col("reason")).alias("reason"),
    ).select(list(DIFFERENCE_SCHEMA))
