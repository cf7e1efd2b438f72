"""What administrators may change of a mapping, in plain words: the model of the rules that knows nothing of the engine.

Values go by the local names of their fields. A blank is `""` on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from twinrow.model.mapping import (
    ConflictScope,
    Deactivation,
    DeleteLimit,
    DeletePropagation,
    DeletionConflict,
    FieldMapping,
    TableMapping,
    Template,
    UpdateConflict,
)
from twinrow.model.sides import Direction, Pass, Side
from twinrow.testing.pair import CUSTOMER_FIELDS, customer_mapping

TABLES = {Side.LOCAL: "customers", Side.INTEGRATION: "account"}
TAG = "website"
"""The field by which a record and its counterpart are known to belong together. It is always mapped, and nobody edits it."""
COLUMNS = {side: {str(row.local): str(row.field(side)) for row in CUSTOMER_FIELDS} for side in Side}
"""What each mapped field is called on a side."""
MAPPED = tuple(str(row.local) for row in CUSTOMER_FIELDS if row.local != TAG)
UNMAPPED = {Side.LOCAL: "blocked", Side.INTEGRATION: "statecode"}
"""A field of each side that is not mapped: filters, templates and marks use it."""
GROUP = ("addressLine1", "city")
PASS_TO = {Side.INTEGRATION: Pass.TO, Side.LOCAL: Pass.FROM}

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one field is mapped. `transformation` applies in one pass only, as a bidirectional field's does."""

    direction: Direction
    enabled: bool = True
    transformation: str | None = None
    rules_in: Pass = Pass.TO


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter: the field (its local name, or the unmapped one of the side) is not this value."""

    name: str
    value: str

    def holds(self, values: Values) -> bool:
        # Filters do not look at case.
        return values[self.name].casefold() != self.value.casefold()

    def text(self, side: Side) -> str:
        column = COLUMNS[side].get(self.name, self.name)
        value = self.value if column == "statecode" else f"'{self.value}'"
        return f"{column} ne {value}"


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """What new records of a side get, where the source's condition holds: a value for the fax, and one unmapped."""

    side: Side
    value: str
    condition: Condition | None
    priority: int

    def values(self) -> dict[str, str]:
        return {"faxNo": self.value, UNMAPPED[self.side]: "2" if self.side is Side.INTEGRATION else "T"}


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of the mapping as they are now."""

    direction: Direction = Direction.BIDIRECTIONAL
    fields: Mapping[str, FieldRule] = field(
        default_factory=lambda: {str(row.local): FieldRule(row.direction) for row in CUSTOMER_FIELDS}
    )
    filters: Mapping[Side, Condition | None] = field(default_factory=lambda: dict.fromkeys(Side))
    update: UpdateConflict = UpdateConflict.NONE
    deletion: DeletionConflict = DeletionConflict.NONE
    scope: ConflictScope = ConflictScope.FIELD
    only_coupled: bool = False
    propagation: DeletePropagation = DeletePropagation.NONE
    marking: frozenset[Side] = frozenset()
    """Sides on which records are marked as given up, instead of being deleted, where deletions are carried there."""
    limit: int = 1_000
    templates: tuple[TemplateRule, ...] = ()

    def changed(self, name: str, rule: FieldRule) -> Rulebook:
        return replace(self, fields={**self.fields, name: rule})

    # What the rules say.

    def goes(self, pass_: Pass) -> bool:
        return self.direction.includes(pass_)

    def carries(self, name: str, pass_: Pass) -> bool:
        rule = self.fields[name]
        return rule.enabled and self.goes(pass_) and rule.direction.includes(pass_)

    def both_ways(self, name: str) -> bool:
        return all(self.carries(name, pass_) for pass_ in Pass)

    def group(self, name: str) -> list[str]:
        """Return the fields that are decided together with a field."""
        return [member for member in GROUP if self.both_ways(member)] if name in GROUP else [name]

    def carried(self, name: str, pass_: Pass, value: str) -> str:
        """Return what a pass makes of a value."""
        rule = self.fields[name]
        applies = rule.rules_in if rule.direction is Direction.BIDIRECTIONAL else Pass(rule.direction.value)
        if rule.transformation is None or applies is not pass_:
            return value
        return value.upper() if rule.transformation == "UPPERCASE" else value.lower()

    def agree(self, name: str, local: str, integration: str) -> bool:
        """Whether both sides say the same, in one of the directions in which the field is carried."""
        if local == integration:
            return True
        to = self.carries(name, Pass.TO) and self.carried(name, Pass.TO, local) == integration
        return to or (self.carries(name, Pass.FROM) and self.carried(name, Pass.FROM, integration) == local)

    def admits(self, side: Side, values: Values) -> bool:
        condition = self.filters[side]
        return condition is None or condition.holds(values)

    def deletes(self, side: Side) -> bool:
        """Whether the deletion of the other record is carried over to a side."""
        return self.goes(PASS_TO[side]) and self.propagation.includes(PASS_TO[side])

    def marks(self, side: Side) -> dict[str, str]:
        """Return what marks a record of a side as given up; empty: it is deleted."""
        if side not in self.marking or not self.deletes(side):
            return {}
        return {"faxNo": "closed", UNMAPPED[side]: "1" if side is Side.INTEGRATION else "X"}

    def template(self, side: Side, source: Values) -> dict[str, str]:
        """Return what a new record of a side gets besides the carried values."""
        for template in sorted((t for t in self.templates if t.side is side), key=lambda t: t.priority):
            if template.condition is None or template.condition.holds(source):
                return template.values()
        return {}

    def shape(self) -> object:
        """Return what a plan must have been made with to be carried out."""
        fields = []
        for name, rule in self.fields.items():
            if any(self.carries(name, pass_) for pass_ in Pass):
                both = rule.direction is Direction.BIDIRECTIONAL
                rules_in = rule.rules_in if both and rule.transformation else None
                fields.append((name, rule.transformation, rules_in, self.both_ways(name)))
        return fields, {side: self.filters[side] for side in Side if self.goes(PASS_TO[side.other])}

    # As the engine reads them.

    def mapping(self) -> TableMapping:
        rows = tuple(self._row(row) for row in CUSTOMER_FIELDS)
        marks = {side: self.marks(side) for side in Side}
        return customer_mapping(
            fields=rows,
            direction=self.direction,
            local_filter=_text(self.filters, Side.LOCAL),
            integration_filter=_text(self.filters, Side.INTEGRATION),
            update_conflict_resolution=self.update,
            deletion_conflict_resolution=self.deletion,
            conflict_scope=self.scope,
            only_coupled=self.only_coupled,
            delete_propagation=self.propagation,
            delete_limit=DeleteLimit(records=self.limit),
            deactivation=Deactivation(**{side.value: _stored(side, values) for side, values in marks.items()}),
            templates=tuple(self._template(index, one) for index, one in enumerate(self.templates)),
        )

    def _row(self, row: FieldMapping) -> FieldMapping:
        rule = self.fields[str(row.local)]
        fits = any(rule.direction.includes(pass_) for pass_ in self.direction.passes)
        one_way = rule.direction is not Direction.BIDIRECTIONAL
        return row.model_copy(
            update={
                "direction": rule.direction,
                "enabled": rule.enabled and fits,
                "transformation": (rule.transformation,) if rule.transformation else (),
                "transformation_direction": None if one_way or not rule.transformation else rule.rules_in.value,
            }
        )

    @staticmethod
    def _template(index: int, one: TemplateRule) -> Template:
        condition = one.condition.text(one.side.other) if one.condition else ""
        return Template(
            code=f"T{index}",
            side=one.side,
            filter=condition,
            priority=one.priority,
            values=_stored(one.side, one.values()),
        )


def _text(filters: Mapping[Side, Condition | None], side: Side) -> str:
    condition = filters[side]
    return condition.text(side) if condition else ""


def _stored(side: Side, values: Values) -> dict[str, str | int]:
    """Return values as the columns of a side have them."""
    told = {COLUMNS[side].get(name, name): value for name, value in values.items()}
    return {column: int(value) if column == "statecode" else value for column, value in told.items()}
