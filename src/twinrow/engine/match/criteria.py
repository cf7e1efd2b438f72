"""Criteria: by which fields records are matched.

A **criterion** is a field mapping whose two values must be equal. The criteria of one priority are a **group**: they hold
together, as far as the local record has values for them. Groups are alternatives, tried in ascending priority (semantics 11.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.mapping import FieldMapping, Match, TableMapping
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import FieldType

MOST_IN_A_GROUP = 16
"""So many criteria hold together at the most: which of them a record has values for is kept as bits."""

_IDS = frozenset({FieldType.GUID, FieldType.REFERENCE})


@dataclass(frozen=True, slots=True)
class Criterion:
    """A field by which records are matched.

    `pass_` is the pass in whose destination's terms both values are compared: as that pass would carry the source's value.
    """

    plan: FieldPlan
    pass_: Pass
    case_sensitive: bool

    @property
    def name(self) -> str:
        """What people call the field."""
        return self.plan.caption


@dataclass(frozen=True, slots=True)
class Criteria:
    """The groups of criteria, in the order in which they are tried. Their plans are numbered from 0."""

    groups: tuple[tuple[Criterion, ...], ...]

    @property
    def all(self) -> tuple[Criterion, ...]:
        """The criteria of all groups."""
        return tuple(criterion for group in self.groups for criterion in group)

    @property
    def plans(self) -> FieldPlans:
        """The criteria's fields, each carried in the pass in which it is compared."""
        return FieldPlans(tuple(criterion.plan for criterion in self.all), ())

    def named(self, group: int) -> str:
        """Return what people call a group."""
        return ", ".join(criterion.name for criterion in self.groups[group])


def choose_criteria(mapping: TableMapping, plans: FieldPlans, on: Sequence[Sequence[str]] = ()) -> Criteria:
    """Return the criteria of a mapping, or those chosen by name: each member of `on` is a group, tried in that order.

    A field is named by its name on either side, its caption, or the key of its field mapping. Raises `UnknownName` for a field
    that is not mapped, and `ConfigurationError` for one that cannot be compared, or where there is no criterion at all.
    """
    if on:
        chosen = [[_criterion_row(mapping, plans, name) for name in names] for names in on]
        return _criteria([[(plan, plan.mapping.match or Match()) for plan in _distinct(group)] for group in chosen])
    marked = [(plan, plan.mapping.match) for plan in plans.plans if plan.mapping.match is not None]
    if not marked:
        raise ConfigurationError(
            f"No field of {mapping.name} is a criterion to match by",
            remedy=f'Name fields: twinrow match "{mapping.name}" --on FIELD; or set match on field mappings of its file.',
        )
    ordered = sorted(marked, key=lambda one: one[1].priority)
    return _criteria([list(group) for _, group in groupby(ordered, key=lambda one: one[1].priority)])


def named_rows(mapping: TableMapping, on: Sequence[Sequence[str]]) -> list[FieldMapping]:
    """Return the field mappings that are named and disabled: matching may look at what is not synchronized."""
    wanted = {name.strip().casefold() for names in on for name in names}
    named = [row for row in mapping.fields if not row.is_constant and wanted & {n.casefold() for n in _names(row)}]
    taken = {text.casefold() for row in named if row.enabled for text in _names(row)}
    return [row for row in named if not row.enabled and wanted & {n.casefold() for n in _names(row)} - taken]


def _distinct(plans: Sequence[FieldPlan]) -> list[FieldPlan]:
    return list({plan.key: plan for plan in plans}.values())


def _criterion_row(mapping: TableMapping, plans: FieldPlans, name: str) -> FieldPlan:
    """Return the field that a person has named; exactly, or regardless of case."""
    wanted = name.strip()
    for fold in (str, str.casefold):
        rows = [row for row in mapping.fields if fold(wanted) in {fold(text) for text in _names(row)}]
        if rows:
            break
    else:
        known = [text for row in mapping.fields if not row.is_constant for text in (row.local, row.integration) if text]
        raise UnknownName(f"mapped field of {mapping.name}", wanted, known)
    keys = {row.key for row in rows}
    available = [plan for plan in plans.plans if plan.derived is None and plan.key in keys and not plan.is_constant]
    if len(available) == 1:
        return available[0]
    if len(available) > 1:
        which = " or ".join(plan.key for plan in available)
        raise ConfigurationError(f"{wanted} is mapped several times in {mapping.name}", remedy=f"Say which: {which}.")
    if all(row.is_constant for row in rows):
        cause, remedy = "It is a constant: every record has it.", "Name a field whose values differ."
    else:
        cause, remedy = "The system does not serve it here.", f"Look at it: twinrow mapping check {mapping.name}."
    raise ConfigurationError(f"{wanted} cannot be matched by", cause=cause, remedy=remedy, field=wanted)


def _names(row: FieldMapping) -> list[str]:
    return [text for text in (row.key, row.local, row.integration, row.caption) if text]


def _criteria(groups: Sequence[Sequence[tuple[FieldPlan, Match]]]) -> Criteria:
    made: list[tuple[Criterion, ...]] = []
    count = 0
    for group in groups:
        if len(group) > MOST_IN_A_GROUP:
            raise ConfigurationError(
                f"{len(group)} fields are to be matched by together; {MOST_IN_A_GROUP} are the most",
                remedy="Choose fewer, or give some of them another priority.",
            )
        criteria = []
        for plan, match in group:
            criteria.append(_criterion(plan, match, count))
            count += 1
        made.append(tuple(criteria))
    return Criteria(tuple(made))


def _criterion(plan: FieldPlan, match: Match, index: int) -> Criterion:
    problem = incomparable(plan)
    if problem is not None:
        raise ConfigurationError(
            f"{plan.caption} cannot be matched by", cause=problem, remedy="Choose another field.", field=plan.key
        )
    # Rules that only change what comes from the integration side say what its values are in local terms.
    only_back = bool(plan.rules_in(Pass.FROM)) and not plan.rules_in(Pass.TO)
    goes_to = plan.direction.includes(Pass.TO) and not (only_back and plan.direction.includes(Pass.FROM))
    pass_ = Pass.TO if goes_to else Pass.FROM
    # Matching writes nothing: a field that can only be read is compared as well.
    sides = {side: replace(plan.field(side), creatable=True) for side in Side}
    numbered = replace(
        plan,
        index=index,
        direction=Direction(pass_.value),
        local=sides[Side.LOCAL],
        integration=sides[Side.INTEGRATION],
    )
    return Criterion(numbered, pass_, match.case_sensitive)


def incomparable(plan: FieldPlan) -> str | None:
    """Return why the values of the two fields can never be equal, or None."""
    if plan.mapping.related_mapping:
        return None
    local, integration = plan.local, plan.integration
    assert local is not None and integration is not None  # noqa: S101, PT018
    if (local.type in _IDS) != (integration.type in _IDS):
        one = local if local.type in _IDS else integration
        return f"{one.name} is the id of a record, and the other field is none; related_mapping would translate it."
    return None
