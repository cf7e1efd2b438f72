"""What transformation rules need besides the values: functions of other people, and records that they look up.

Carrying stays pure: before it, the values that a lookup rule is going to see are worked out and looked up here, once each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from twinrow.batch.columns import ID
from twinrow.batch.convert import convert
from twinrow.batch.hooks import HookContext
from twinrow.batch.rules import ERROR, RESULT, VALUE, CustomFunction, RuleInputs, transform_values
from twinrow.connectors.base import Connector
from twinrow.engine.carry import before_rules
from twinrow.engine.context import ReadContext
from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.model.filters import Comparison
from twinrow.model.rules import AnyRule, Custom, FieldLookup
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType
from twinrow.standard.functions import load_function

MOST_KEPT = 50_000
"""Looked-up values that are remembered for a rule within a pass; beyond them it begins anew."""

_TARGET = "target"
_PAIRS = {VALUE: pl.String(), _TARGET: pl.String()}
_TEXT = Field("text", FieldType.TEXT)


def functions_of(plans: FieldPlans) -> dict[str, CustomFunction]:
    """Return the functions of the custom rules of some fields, by name. Raises `UnknownName` or `ConfigurationError`."""
    return chain_functions(rule for plan in plans.plans for rule in plan.chain)


def chain_functions(chain: Iterable[AnyRule]) -> dict[str, CustomFunction]:
    """Return the functions of the custom rules of a chain, by name. Raises `UnknownName` or `ConfigurationError`."""
    names = {rule.function for rule in chain if isinstance(rule, Custom)}
    return {name: load_function(name) for name in sorted(names)}


def check_inputs(plans: FieldPlans, connectors: Mapping[Side, Connector]) -> None:
    """Look whether everything that the rules need is there.

    Raises `UnknownTable` or `UnknownField` for what a lookup names, `UnknownName` or `ConfigurationError` for a function.
    """
    functions_of(plans)
    for rule in {rule for plan in plans.plans for rule in plan.chain if isinstance(rule, FieldLookup)}:
        table = connectors[rule.side].describe(rule.table)
        table.field(rule.source_field)
        table.field(rule.target_field)


class RuleLookups:
    """Makes the inputs of rules, batch by batch, remembering what has been found."""

    def __init__(self, connectors: Mapping[Side, Connector], functions: Mapping[str, CustomFunction]) -> None:
        self._connectors = connectors
        self._found: dict[str, pl.DataFrame] = {}
        self.inputs = RuleInputs(functions, self._found)

    def for_batch(self, frame: pl.DataFrame, plans: Iterable[FieldPlan], hooks: HookContext) -> RuleInputs:
        """Return the inputs that cover the values of a batch in these fields."""
        for plan in plans:
            chain = plan.rules_in(hooks.pass_)
            if any(isinstance(rule, FieldLookup) for rule in chain):
                self.cover(frame.select(before_rules(plan, hooks)[0]).to_series(), chain)
        return self.inputs

    def cover(self, texts: pl.Series, chain: Sequence[AnyRule]) -> RuleInputs:
        """Return the inputs with what the chain looks up for these texts."""
        for position, rule in enumerate(chain):
            if isinstance(rule, FieldLookup):
                made = transform_values(texts, chain[:position], self.inputs)
                self._add(rule, made.filter(pl.col(ERROR).is_null()).get_column(RESULT))
        return self.inputs

    def _add(self, rule: FieldLookup, texts: pl.Series) -> None:
        wanted = pl.DataFrame({VALUE: texts}).filter(pl.col(VALUE) != "").unique(maintain_order=True)
        known = self._found.get(rule.code, pl.DataFrame(schema=_PAIRS))
        missing = wanted.join(known, on=VALUE, how="anti")
        if missing.is_empty():
            return
        if known.height + missing.height > MOST_KEPT:
            known, missing = known.head(0), wanted
        self._found[rule.code] = pl.concat([known, self._look_up(rule, missing)])

    def _look_up(self, rule: FieldLookup, texts: pl.DataFrame) -> pl.DataFrame:
        """Return for each text the target of the record that has it (the first by id, where there are several), or null."""
        connector = self._connectors[rule.side]
        table = connector.describe(rule.table)
        source, target = table.field(rule.source_field), table.field(rule.target_field)
        keyed = texts.with_columns(convert(pl.col(VALUE), _TEXT, source).value.alias("@key"))
        keys = keyed.get_column("@key").drop_nulls().unique(maintain_order=True)
        if keys.is_empty():
            return texts.with_columns(pl.lit(None, dtype=pl.String).alias(_TARGET))
        fields = [rule.source_field, rule.target_field]
        rows = connector.select(rule.table, fields, Comparison(rule.source_field, "in", tuple(keys)))
        first = rows.sort(ID).select(
            pl.col(rule.source_field).alias("@key"),
            convert(pl.col(rule.target_field), target, _TEXT).value.alias(_TARGET),
        )
        first = first.unique("@key", keep="first", maintain_order=True)
        return keyed.join(first, on="@key", how="left", maintain_order="left").select(*_PAIRS)


def lookups_of(context: ReadContext) -> RuleLookups:
    """Return what makes the inputs for the rules of a mapping. Raises `UnknownName` or `ConfigurationError`."""
    connectors = {side: end.connector for side, end in context.shared.ends.items()}
    return RuleLookups(connectors, functions_of(context.plans))
