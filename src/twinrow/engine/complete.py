"""Complete: what a record about to be made gets besides the mapped values: its template's values, and what rules fill in.

Template values win over mapped ones (semantics 13); the first template, by priority, whose filter the source record satisfies
is used. Rules fill only what then still is blank, unless they say otherwise by their own expression. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import column_type
from twinrow.batch.filters import filter_expression
from twinrow.batch.hooks import HookContext, Rule
from twinrow.engine import columns as c
from twinrow.engine.fields import FieldPlan
from twinrow.model.filters import parse_filter, settings_as_variables
from twinrow.model.mapping import Template

_EXTRA = "extra."


def extra(name: str) -> str:
    """Return the column of a value for a destination field that is not mapped."""
    return _EXTRA + name


def extra_before(name: str) -> str:
    """Return the column of the canonical text that such a field had before."""
    return f"before.{name}"


def extra_fields(frame: pl.DataFrame) -> list[str]:
    """Return the destination fields, beside the mapped ones, that records about to be made get."""
    return [name.removeprefix(_EXTRA) for name in frame.columns if name.startswith(_EXTRA)]


def complete(
    frame: pl.DataFrame,
    hooks: HookContext,
    carried: Sequence[FieldPlan],
    templates: Sequence[Template],
    rules: Sequence[Rule],
) -> pl.DataFrame:
    """Fill templates and rules into records about to be made; add `extra.*` for fields that are not mapped.

    Raises `UnknownField` when a template or a rule names a field that the destination does not have.
    """
    side = hooks.pass_.destination
    by_field = {plan.field(side).name: plan for plan in carried}
    frame = _set(frame, hooks, by_field, _template_values(hooks, templates, by_field))
    columns = {name: c.carried(plan.index) for name, plan in by_field.items()}
    columns |= {name: extra(name) for name in extra_fields(frame)}
    for rule in rules:
        frame = _set(frame, hooks, by_field, rule.complete_create(hooks, frame, columns))
    return frame


def _template_values(
    hooks: HookContext, templates: Sequence[Template], by_field: Mapping[str, FieldPlan]
) -> dict[str, pl.Expr]:
    variables = settings_as_variables(hooks.settings)
    chosen = [t for t in sorted(templates, key=lambda t: t.priority) if t.side is hooks.pass_.destination]
    values: dict[str, pl.Expr] = {}
    taken = pl.lit(False)
    for template in chosen:
        condition = parse_filter(template.filter, variables)
        fits = filter_expression(condition, hooks.source) if condition is not None else pl.lit(True)
        here = fits & ~taken
        taken = taken | fits
        for name, value in template.values.items():
            kind = column_type(hooks.destination.field(name))
            present = values.get(name)
            if present is None:
                present = pl.col(c.carried(by_field[name].index)) if name in by_field else pl.lit(None, dtype=kind)
            values[name] = pl.when(here).then(pl.lit(value).cast(kind)).otherwise(present)
    return values


def _set(
    frame: pl.DataFrame, hooks: HookContext, by_field: Mapping[str, FieldPlan], values: Mapping[str, pl.Expr]
) -> pl.DataFrame:
    if not values:
        return frame
    columns = []
    for name, value in values.items():
        field = hooks.destination.field(name)
        plan = by_field.get(name)
        typed = value.cast(column_type(field))
        columns.append(typed.alias(c.carried(plan.index) if plan else extra(name)))
    frame = frame.with_columns(columns)
    texts = [
        canonical(pl.col(c.carried(plan.index)), plan.field(hooks.pass_.destination)).alias(c.carried_text(plan.index))
        for name in values
        if (plan := by_field.get(name)) is not None
    ]
    return frame.with_columns(texts)
