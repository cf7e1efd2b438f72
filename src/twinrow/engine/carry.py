"""Carry: the source's values in the destination's terms. Pure: frames in, frames out.

For each field that the pass carries, in this order: constant or source value (or a derived one), reference translated
through couplings, value pairs, transformation rules, conversion to the destination's type and length, the rules of special
tables. A field sees the source's own value, whatever other fields do with it (design 10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import column_type
from twinrow.batch.convert import Converted, convert
from twinrow.batch.hooks import HookContext, Rule
from twinrow.batch.rules import (
    ERROR,
    LOST,
    RESULT,
    VALUE,
    RuleInputs,
    Transformed,
    apply_rules,
    transform_values,
    works_by_value,
)
from twinrow.engine import columns as c
from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.model.mapping import OnLoss
from twinrow.model.rules import AnyRule
from twinrow.model.sides import Pass
from twinrow.model.tables import Field, FieldType, Table

_TEXT = Field("text", FieldType.TEXT)


@dataclass(frozen=True, slots=True)
class CarryContext:
    """What carrying needs to know beside the frame.

    `references` holds for each reference field (by index) a frame with `value` (text of the source's value), `target` (text
    of the destination's, null for a blank) and `known` (true): values that are not in it are not coupled.
    """

    hooks: HookContext
    plans: FieldPlans
    rules: Sequence[Rule] = ()
    inputs: RuleInputs = field(default_factory=RuleInputs)
    references: Mapping[int, pl.DataFrame] = field(default_factory=dict)


def source_values(frame: pl.DataFrame, context: CarryContext) -> pl.DataFrame:
    """Add `source.i` for every field that the source side has (also those that the pass does not carry)."""
    side = context.hooks.pass_.source
    texts = [
        canonical(_source_value(plan, context.hooks), plan.field(side)).alias(c.source(plan.index))
        for plan in context.plans.plans
    ]
    return frame.with_columns(texts)


def _source_value(plan: FieldPlan, hooks: HookContext) -> pl.Expr:
    side = hooks.pass_.source
    if plan.derived is not None and not plan.has_field(side):
        if plan.carried_in(hooks.pass_):
            return plan.derived.value(hooks)
        return pl.lit(None, dtype=column_type(plan.field(side)))
    if plan.has_field(side):
        return pl.col(plan.field(side).name)
    return pl.lit(plan.mapping.constant).cast(column_type(plan.field(side)))


def carry(frame: pl.DataFrame, context: CarryContext) -> pl.DataFrame:
    """Add `carried.i`, `carried_text.i`, `problem.i`, `unresolved.i` and `lost.i` for every field that the pass carries."""
    pass_ = context.hooks.pass_
    frame = _transform(_translate(frame, context), context)
    results: list[pl.Expr] = []
    for plan in context.plans.carried(pass_):
        destination = plan.field(pass_.destination)
        converted, unresolved, taken_away = _carried(plan, destination, context)
        value = converted.value
        for rule in context.rules:
            value = rule.adjust(context.hooks, destination.name, value)
        problem = converted.error
        refusals = [rule.refuse(context.hooks, destination.name, value) for rule in context.rules]
        if told := [refusal for refusal in refusals if refusal is not None]:
            problem = pl.coalesce(*told, problem)
        if plan.derived is not None and plan.derived.error is not None:
            problem = pl.coalesce(plan.derived.error(context.hooks), problem)
        if plan.mapping.on_loss in (None, OnLoss.REFUSE) and plan.bidirectional:
            problem = pl.coalesce(problem, _loss_problem(plan, destination, converted, taken_away))
        results += [
            value.cast(column_type(destination)).alias(c.carried(plan.index)),
            problem.alias(c.problem(plan.index)),
            unresolved.alias(c.unresolved(plan.index)),
            (converted.lost | taken_away).alias(c.lost(plan.index)),
        ]
    frame = frame.with_columns(results)
    texts = [
        canonical(pl.col(c.carried(plan.index)), plan.field(pass_.destination)).alias(c.carried_text(plan.index))
        for plan in context.plans.carried(pass_)
    ]
    return frame.with_columns(texts)


def _loss_problem(plan: FieldPlan, destination: Field, converted: Converted, taken_away: pl.Expr) -> pl.Expr:
    what = f"{destination.max_length} characters" if destination.is_text else f"{destination.scale} decimals"
    by_rules = f"the transformation {', '.join(plan.mapping.transformation)} takes something of the value away"
    cut = pl.when(converted.lost).then(pl.lit(f"the value does not fit {destination.name} ({what})"))
    return cut.when(taken_away).then(pl.lit(by_rules)) if plan.chain else cut


def _translated(index: int) -> str:
    return f"translated.{index}"


def _known(index: int) -> str:
    return f"known.{index}"


def _translate(frame: pl.DataFrame, context: CarryContext) -> pl.DataFrame:
    """Join the targets of references: `translated.i` (text) and `known.i`."""
    side = context.hooks.pass_.source
    for plan in context.plans.carried(context.hooks.pass_):
        if not plan.mapping.related_mapping:
            continue
        source = pl.col(plan.field(side).name).cast(pl.String)
        blank = source.is_null() | (source == "")
        pairs = context.references[plan.index].select(
            pl.col("value").alias("@value"),
            pl.col("target").alias(_translated(plan.index)),
            pl.col("known").alias(_known(plan.index)),
        )
        keyed = frame.with_columns(pl.when(~blank).then(source).alias("@value"))
        joined = keyed.join(pairs, on="@value", how="left", maintain_order="left").drop("@value")
        blanks = {
            key: target
            for rule in context.rules
            for key, target in rule.translate(context.hooks, plan.field(context.hooks.pass_.destination).name).items()
        }
        translated, known = pl.col(_translated(plan.index)), pl.col(_known(plan.index)).fill_null(False)
        for key, target in blanks.items():
            here = blank if key is None else source == key
            translated = pl.when(here).then(pl.lit(target, dtype=pl.String)).otherwise(translated)
            known = known | here.fill_null(False)
        frame = joined.with_columns(
            translated.alias(_translated(plan.index)), (known | blank).alias(_known(plan.index))
        )
    return frame


def _transformed(index: int) -> str:
    return f"transformed.{index}"


def _transform(frame: pl.DataFrame, context: CarryContext) -> pl.DataFrame:
    """Join what chains make of values that need Python: a struct `transformed.i` for each such field."""
    hooks = context.hooks
    for plan in context.plans.carried(hooks.pass_):
        chain = _chain(plan, hooks.pass_)
        if not works_by_value(chain):
            continue
        column = _transformed(plan.index)
        keyed = frame.with_columns(before_rules(plan, hooks)[0].alias("@value"))
        made = transform_values(keyed.get_column("@value"), chain, context.inputs)
        made = made.select(pl.col(VALUE).alias("@value"), pl.struct(RESULT, ERROR, LOST).alias(column))
        frame = keyed.join(made, on="@value", how="left", nulls_equal=True, maintain_order="left").drop("@value")
    return frame


def _chain(plan: FieldPlan, pass_: Pass) -> tuple[AnyRule, ...]:
    return () if plan.mapping.related_mapping or plan.is_constant else plan.rules_in(pass_)


def before_rules(plan: FieldPlan, hooks: HookContext) -> tuple[pl.Expr, pl.Expr]:
    """Return a field's values as the texts that its transformation rules get, and why there is none."""
    value, source = _source_value(plan, hooks), plan.field(hooks.pass_.source)
    text = convert(value, source, _TEXT).value
    if not plan.mapping.values:
        return text, pl.lit(None, dtype=pl.String)
    pairs = {key: _text(target) for key, target in plan.mapping.values.items()}
    if hooks.pass_.source.value != "local":
        pairs = {target: key for key, target in pairs.items()}
    found = text.replace_strict(pairs, default=None, return_dtype=pl.String)
    problem = pl.when(found.is_null() & text.is_not_null() & (text != "")).then(
        pl.concat_str([pl.lit("no value corresponds to "), text], ignore_nulls=True)
    )
    return found, problem


def _carried(plan: FieldPlan, destination: Field, context: CarryContext) -> tuple[Converted, pl.Expr, pl.Expr]:
    """Return the converted values, where their reference is not resolved, and where rules took something away."""
    pass_ = context.hooks.pass_
    source = plan.field(pass_.source)
    nothing = pl.lit(False)
    if plan.mapping.related_mapping:
        converted = convert(pl.col(_translated(plan.index)), _TEXT, destination)
        return converted, ~pl.col(_known(plan.index)), nothing
    value = _source_value(plan, context.hooks)
    if plan.is_constant:
        return convert(value, source, destination), nothing, nothing
    chain = _chain(plan, pass_)
    problem = pl.lit(None, dtype=pl.String)
    lost = nothing
    if plan.mapping.values or chain:
        value, problem = before_rules(plan, context.hooks)
        source = _TEXT
    if chain:
        made = _after_rules(plan, chain, value, context)
        value, lost = made.value, made.lost
        problem = pl.coalesce(problem, made.error)
        source = Field("transformed", FieldType.TEXT, max_length=None)
    converted = convert(value, source, destination)
    if plan.derived is not None and plan.derived.waits is not None:
        nothing = plan.derived.waits(context.hooks).fill_null(False)
    told = converted.value
    if plan.derived is not None and plan.derived.not_null:
        # Null says that there is nothing to write, also where the destination knows no null but a blank text.
        told = pl.when(value.is_not_null()).then(told)
    return Converted(told, pl.coalesce(problem, converted.error), converted.lost), nothing, lost


def _after_rules(plan: FieldPlan, chain: Sequence[AnyRule], value: pl.Expr, context: CarryContext) -> Transformed:
    if works_by_value(chain):
        made = pl.col(_transformed(plan.index)).struct
        return Transformed(made.field(RESULT), made.field(ERROR), made.field(LOST))
    return apply_rules(value, chain, context.inputs)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def destination_texts(table: Table, plans: FieldPlans, context: HookContext) -> list[pl.Expr]:
    """Return canonical texts of a batch of destination records: one expression `found.i` for each field."""
    side = context.pass_.destination
    return [
        (
            canonical(pl.col(plan.field(side).name), table.field(plan.field(side).name))
            if plan.has_field(side)
            else canonical(pl.lit(plan.mapping.constant).cast(column_type(plan.field(side))), plan.field(side))
            if plan.is_constant
            else canonical(pl.lit(None, dtype=column_type(plan.field(side))), plan.field(side))
        ).alias(c.found(plan.index))
        for plan in plans.plans
    ]
