"""Transformation rules: whether each can work at all, and whether a row's chain can stand between its two fields."""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.actions.mapping_check.surroundings import Row, Surroundings, nearest
from twinrow.batch.rules import rule_problem
from twinrow.model.errors import ConfigurationError, MappingProblem, UnknownField, UnknownName
from twinrow.model.mapping import TableMapping
from twinrow.model.rules import AnyRule, Custom, FieldLookup, chain_problem, rule_chain, with_predefined
from twinrow.model.sides import Pass
from twinrow.model.tables import FieldType

SUBJECT = "transformation rule"


def check_rules(surroundings: Surroundings) -> Iterator[MappingProblem]:
    """Yield what is wrong with the rules of the workspace themselves; problems name `transformation rule CODE`."""
    for code, rule in surroundings.rules.items():
        for message, remedy in _rule_problems(rule, surroundings):
            yield MappingProblem(message, remedy, field=f"{SUBJECT} {code}")


def _rule_problems(rule: AnyRule, surroundings: Surroundings) -> Iterator[tuple[str, str]]:
    fault = rule_problem(rule)
    if fault is not None:
        yield f"{fault[:1].upper()}{fault[1:].rstrip('.')}.", ""
    try:
        rule_chain([rule.code], surroundings.rules)
    except ConfigurationError as error:
        yield f"{error.message}.", error.remedy or ""
    if isinstance(rule, FieldLookup):
        yield from _lookup_problems(rule, surroundings)
    functions = surroundings.functions
    if isinstance(rule, Custom) and functions is not None and rule.function not in functions:
        yield (
            f"No package that is installed offers the function {rule.function}.",
            nearest(rule.function, functions) or "Install the package that offers it.",
        )


def _lookup_problems(rule: FieldLookup, surroundings: Surroundings) -> Iterator[tuple[str, str]]:
    missing = surroundings.no_table(rule.side, rule.table)
    if missing is not None:
        yield f"{missing.message}.", missing.remedy or ""
        return
    for name in (rule.source_field, rule.target_field):
        try:
            surroundings.tables(rule.side, rule.table).field(name)
        except UnknownField as error:
            yield f"{error.message}.", error.remedy or ""


def check_transformation(
    mapping: TableMapping, row: Row, pass_: Pass, surroundings: Surroundings
) -> Iterator[MappingProblem]:
    """Yield why the rules of a row cannot work on its values in a pass."""
    if not row.mapping.rules_apply(pass_):
        return
    try:
        chain = rule_chain(row.mapping.transformation, surroundings.rules)
    except UnknownName as error:
        remedy = nearest(error.name, with_predefined(surroundings.rules))
        yield MappingProblem(f"{error.message}.", remedy, mapping.name, row.key)
        return
    except ConfigurationError as error:
        yield MappingProblem(f"{error.message}.", error.remedy or "", mapping.name, row.key)
        return
    destination = row[pass_.destination]
    source = FieldType.TEXT if row.mapping.values else row[pass_.source].type
    fault = chain_problem(chain, source, destination.type)
    if fault is not None:
        yield MappingProblem(f"{fault}.", "Take the rule out, or map fields that fit.", mapping.name, row.key)
    for rule in chain:
        if rule.type == "lowercase" and destination.type is FieldType.CODE:
            message = f"The rule {rule.code} has no effect: {destination.name} is a Code, always in upper case."
            yield MappingProblem(message, "Take the rule out.", mapping.name, row.key, severity="warning")
