"""Transformation rules and the field mappings that use them: looking, trying, taking away."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.batch.rules import ERROR, LOST, RESULT, rule_problem, transform_values
from twinrow.engine.context import ReadContext
from twinrow.engine.rule_inputs import RuleLookups, chain_functions
from twinrow.engine.trial import Trial, try_field
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.mapping import FieldMapping
from twinrow.model.rules import PREDEFINED_CODES, AnyRule, rule_chain, with_predefined
from twinrow.model.sides import Pass, Side
from twinrow.store.mappings import delete_rule, list_mappings, read_rules, save_mapping


def list_transformation_rules(context: ActionContext) -> list[AnyRule]:
    """Return all transformation rules by code: those of mapping files, and those that are always there."""
    with context.database.reading() as connection:
        known = with_predefined(read_rules(connection))
    return [known[code] for code in sorted(known)]


def delete_transformation_rule(context: ActionContext, code: str) -> None:
    """Take a transformation rule away.

    Raises `UnknownName`, or `ConfigurationError` for a rule that is always there or that something uses.
    """
    with context.database.transaction() as connection:
        own = read_rules(connection)
        if code in PREDEFINED_CODES:
            raise ConfigurationError(f"The transformation rule {code} is always there, and cannot be deleted")
        if code not in own:
            raise UnknownName("transformation rule", code, tuple(own))
        users = [
            f"{row.key} of {stored.name}"
            for stored in list_mappings(connection)
            for row in stored.mapping.fields
            if code in row.transformation
        ]
        users += [f"the rule {rule.code}" for rule in own.values() if rule.next_rule == code]
        if users:
            raise ConfigurationError(
                f"The transformation rule {code} is in use and cannot be deleted",
                cause=f"It is used by {', '.join(users[:10])}{', …' if len(users) > 10 else ''}.",
                remedy="Take it out there first.",
            )
        delete_rule(connection, code)


def list_field_mappings(context: ActionContext, mapping: str) -> Sequence[FieldMapping]:
    """Return the field mappings of a mapping, also the disabled ones, in their order. Raises `UnknownName`."""
    return context.mapping(mapping).mapping.fields


def reset_transformation_rules(context: ActionContext, mapping: str) -> list[str]:
    """Take the transformation rules out of all field mappings of a mapping; return the keys of those that had any.

    The values of these fields are looked at again in the next run. Raises `UnknownName`.
    """
    stored = context.mapping(mapping)
    reset = [row.key for row in stored.mapping.fields if row.transformation]
    blank = {"transformation": (), "transformation_direction": None}
    rows = tuple(row.model_copy(update=blank) if row.transformation else row for row in stored.mapping.fields)
    with context.database.transaction() as connection:
        changed = stored.mapping.model_copy(update={"fields": rows})
        save_mapping(connection, stored.connection_id, stored.position, changed)
    return reset


def try_transformation_rule(context: ActionContext, code: str, value: str) -> Trial:
    """Return what a transformation rule, and those that follow it, make of a text.

    Raises `UnknownName` or `ConfigurationError` for a rule that does not exist or cannot work.
    """
    with context.database.reading() as connection:
        own = read_rules(connection)
    chain = rule_chain([code], own)
    for rule in chain:
        fault = rule_problem(rule)
        if fault is not None:
            raise ConfigurationError(f"The transformation rule {rule.code} cannot be used", cause=fault)
    texts = pl.Series([value], dtype=pl.String)
    lookups = RuleLookups({}, chain_functions(chain))
    if any(rule.type == "field_lookup" for rule in chain):
        pair = context.pair()
        lookups = RuleLookups({side: context.connector(pair.system(side)) for side in Side}, chain_functions(chain))
    made = transform_values(texts, chain, lookups.cover(texts, chain))
    result, problem, lost = made.select(RESULT, ERROR, LOST).row(0)
    return Trial(value, None if problem else result, problem, lost)


def try_field_mapping(context: ActionContext, mapping: str, field: str, value: str, direction: str = "to") -> Trial:
    """Return what a field mapping makes of a value: pairs of values, rules, type, length. Nothing is written.

    `field` is the name of the field on either side, its caption, or both names as `local=integration`; `direction` is `to` or
    `from`. References are looked for among the couplings. Raises `UnknownName` or `ConfigurationError`.
    """
    engine = context.engine()
    shared = engine.reading(context.mapping(mapping).name)
    pass_ = Pass.FROM if direction == "from" else Pass.TO
    rows = {plan.key: plan for plan in shared.plans.plans}
    wanted = [
        plan
        for plan in shared.plans.plans
        if field in (plan.key, plan.caption, plan.mapping.local, plan.mapping.integration)
    ]
    if not wanted:
        raise UnknownName(f"field mapping in {mapping}", field, tuple(rows))
    carried = [plan for plan in wanted if plan.carried_in(pass_) and plan.has_field(pass_.source)]
    if not carried:
        raise ConfigurationError(
            f"{wanted[0].key} carries no value {pass_.value.replace('_', ' the ')} side",
            remedy="Name the other direction, or another field.",
        )
    return try_field(ReadContext(shared, pass_), carried[0], value)
