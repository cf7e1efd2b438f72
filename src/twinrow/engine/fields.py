"""The fields of a pass, resolved: field mappings, constants and derived fields against the tables as they are now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twinrow.batch.hooks import Derived, HookContext, Rule
from twinrow.batch.rules import rule_problem
from twinrow.model.errors import ConfigurationError
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.rules import AnyRule, chain_problem, rule_chain, rule_identity
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.store.bases import ONE_WAY

_CONSTANT_TYPES: dict[type, FieldType] = {
    bool: FieldType.BOOLEAN,
    int: FieldType.INTEGER,
    str: FieldType.TEXT,
}


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field of a table mapping, as both sides have it.

    `index` numbers the columns of the field in the engine's frames. `identity` names it in bases, intents and the journal:
    a field whose rules change has a new identity, and so no base yet. For a constant or a derived field, `source` describes
    the value on the side that has no field.
    """

    index: int
    identity: str
    key: str
    caption: str
    direction: Direction
    local: Field | None
    integration: Field | None
    mapping: FieldMapping
    derived: Derived | None = None
    source: Field | None = None
    chain: tuple[AnyRule, ...] = ()
    """The transformation rules that its values go through, in the pass in which they apply."""

    def field(self, side: Side) -> Field:
        """Return the description of the field (or of the constant or computed value) on a side."""
        found = self.local if side is Side.LOCAL else self.integration
        found = found or self.source
        assert found is not None  # noqa: S101
        return found

    def has_field(self, side: Side) -> bool:
        """Whether the side really has the field."""
        return (self.local if side is Side.LOCAL else self.integration) is not None

    def carried_in(self, pass_: Pass) -> bool:
        """Whether the pass carries the field from its source to its destination."""
        if not self.direction.includes(pass_) or not self.has_field(pass_.destination):
            return False
        return self.field(pass_.destination).writable

    def leaves_alone(self, pass_: Pass) -> bool:
        """Whether an option that nothing is coupled to leaves the destination as it is, and does not keep its record waiting.

        Options come into being without a record of their own that anybody would couple first (semantics 7).
        """
        return bool(self.mapping.related_mapping) and self.field(pass_.source).type is FieldType.OPTION

    @property
    def bidirectional(self) -> bool:
        """Whether both passes carry the field, so that both sides may have changed it."""
        return self.direction is Direction.BIDIRECTIONAL and self.carried_in(Pass.TO) and self.carried_in(Pass.FROM)

    def rules_in(self, pass_: Pass) -> tuple[AnyRule, ...]:
        """Return the transformation rules that values go through in a pass."""
        return self.chain if self.chain and self.mapping.rules_apply(pass_) else ()

    @property
    def base_name(self) -> str:
        """What names the field in bases: its identity, and that it goes one way, where it could also go both."""
        could = self.derived is None and not self.is_constant and self.direction is not Direction.BIDIRECTIONAL
        return self.identity + ONE_WAY if could else self.identity

    @property
    def is_constant(self) -> bool:
        """Whether a constant is written."""
        return self.derived is None and self.mapping.is_constant


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A mapped field that a system could serve and does not; the others go on without it."""

    key: str
    side: Side
    field: str
    reason: str
    drifted: bool = False
    """Whether it was there, or of another type, when the mapping last ran."""


@dataclass(frozen=True, slots=True)
class FieldPlans:
    """The fields of a mapping that can be synchronized, and those that cannot here."""

    plans: tuple[FieldPlan, ...]
    unavailable: tuple[Unavailable, ...]

    @property
    def identities(self) -> tuple[str, ...]:
        """What names the fields in bases, in the order of their columns."""
        return tuple(plan.base_name for plan in self.plans)

    def carried(self, pass_: Pass) -> tuple[FieldPlan, ...]:
        """Return the fields that a pass carries."""
        return tuple(plan for plan in self.plans if plan.carried_in(pass_))

    def names(self, side: Side) -> tuple[str, ...]:
        """Return the names of the mapped fields of a side, each once."""
        names = (plan.field(side).name for plan in self.plans if plan.has_field(side))
        return tuple(dict.fromkeys(names))


def plan_fields(
    mapping: TableMapping,
    tables: Mapping[Side, Table],
    transformations: Mapping[str, AnyRule],
    rules: Iterable[Rule],
    settings: Mapping[str, Any],
    drifted: Sequence[Unavailable] = (),
    renewed: Mapping[str, int] | None = None,
) -> FieldPlans:
    """Resolve the fields of a mapping against the tables of both sides.

    Raises `UnknownField` for a field that a table neither has nor could have, `UnknownName` for a transformation rule,
    `ConfigurationError` for one that cannot work, or not on the values of its field. `drifted` are fields to go on without;
    `renewed` tells for rows, by key, how often they were begun anew: each time their bases are forgotten.
    """
    plans: list[FieldPlan] = []
    unavailable: list[Unavailable] = []
    for row in mapping.fields:
        if not row.enabled:
            continue
        absent = [
            Unavailable(row.key, side, name, tables[side].absent[name])
            for side in Side
            if (name := row.field(side)) is not None and name in tables[side].absent
        ]
        absent += [one for one in drifted if one.key == row.key]
        if absent:
            unavailable += absent
            continue
        begun = (renewed or {}).get(row.key, 0)
        plans.append(_mapped(len(plans), row, mapping, tables, transformations, begun))
    for rule in rules:
        for pass_ in mapping.direction.passes:
            context = HookContext(pass_, tables[pass_.source], tables[pass_.destination], settings)
            for derived in rule.derived(context):
                plans.append(_derived(len(plans), rule, pass_, derived, tables))
    return FieldPlans(tuple(plans), tuple(unavailable))


def _mapped(
    index: int,
    row: FieldMapping,
    mapping: TableMapping,
    tables: Mapping[Side, Table],
    transformations: Mapping[str, AnyRule],
    renewed: int,
) -> FieldPlan:
    fields = {side: tables[side].field(name) if (name := row.field(side)) else None for side in Side}
    chain = rule_chain(row.transformation, transformations)
    plan = FieldPlan(
        index=index,
        identity=_identity(row, chain, renewed),
        key=row.key,
        caption=row.caption or row.local or row.integration or row.key,
        direction=_narrowed(row.direction, mapping.direction),
        local=fields[Side.LOCAL],
        integration=fields[Side.INTEGRATION],
        mapping=row,
        source=_constant_field(row.constant) if row.is_constant else None,
        chain=chain,
    )
    for pass_ in mapping.direction.passes if chain else ():
        _check_rules(plan, pass_, mapping.name)
    return plan


def _check_rules(plan: FieldPlan, pass_: Pass, mapping: str) -> None:
    chain = plan.rules_in(pass_) if plan.carried_in(pass_) and not plan.mapping.related_mapping else ()
    source = FieldType.TEXT if plan.mapping.values else plan.field(pass_.source).type
    problem = next((f"The rule {rule.code}: {found}" for rule in chain if (found := rule_problem(rule))), None)
    problem = problem or chain_problem(chain, source, plan.field(pass_.destination).type)
    if problem is not None:
        raise ConfigurationError(
            f"The transformation rules of {plan.key} in {mapping} cannot be used",
            cause=problem,
            remedy="Change the rule, or take it out of the field mapping.",
            field=plan.key,
        )


def _narrowed(direction: Direction, whole: Direction) -> Direction:
    """A bidirectional field of a mapping that only goes one way goes one way, and knows no conflicts (semantics 4.4)."""
    return whole if direction is Direction.BIDIRECTIONAL else direction


def _derived(index: int, rule: Rule, pass_: Pass, derived: Derived, tables: Mapping[Side, Table]) -> FieldPlan:
    destination = tables[pass_.destination].field(derived.destination)
    direction = Direction(pass_.value)
    # The field mapping only carries the destination's name: a derived field has no rules of its own.
    to_local = pass_.destination is Side.LOCAL
    row = FieldMapping.model_construct(
        local=derived.destination if to_local else None,
        integration=None if to_local else derived.destination,
        direction=direction,
        not_null=derived.not_null,
    )
    return FieldPlan(
        index=index,
        identity=f"{rule.name}:{derived.destination}:{pass_.value}",
        key=row.key,
        caption=derived.destination,
        direction=direction,
        local=destination if pass_.destination is Side.LOCAL else None,
        integration=destination if pass_.destination is Side.INTEGRATION else None,
        mapping=row,
        derived=derived,
        source=derived.source,
    )


def _constant_field(value: object) -> Field:
    return Field("constant", _CONSTANT_TYPES.get(type(value), FieldType.DECIMAL))


def _identity(row: FieldMapping, chain: tuple[AnyRule, ...], renewed: int) -> str:
    """Return the key of the field mapping, with a mark of the rules that its values go through."""
    parts: dict[str, Any] = {
        "rules": [rule_identity(rule) for rule in chain],
        "rules_in": row.transformation_direction if row.transformation else None,
        "values": {key: str(value) for key, value in row.values.items()},
        "related": row.related_mapping,
        "constant": str(row.constant) if row.is_constant else None,
    } | ({"renewed": renewed} if renewed else {})
    if not any(parts.values()):
        return row.key
    mark = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=6).hexdigest()
    return f"{row.key}#{mark}"
