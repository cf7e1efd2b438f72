"""Administrators: they change every rule of the mapping between runs."""

from __future__ import annotations

from dataclasses import replace

from tests.property.people import People
from tests.property.rulebook import MAPPED, UNMAPPED, Condition, FieldRule, Rulebook, TemplateRule
from tests.property.steps import Numbers
from tests.property.world import World
from twinrow.model.mapping import ConflictScope, DeletePropagation, DeletionConflict, UpdateConflict
from twinrow.model.sides import Direction, Pass, Side

CONDITIONS = {
    side: (None, None, Condition("faxNo", "D"), Condition("displayName", "C"), Condition(UNMAPPED[side], parked))
    for side, parked in ((Side.LOCAL, "X"), (Side.INTEGRATION, "1"))
}


class Administrators:
    """What administrators do with the rules. Each method is a kind of step."""

    def __init__(self, world: World, people: People) -> None:
        self._world = world
        self._people = people

    @property
    def _rules(self) -> Rulebook:
        return self._world.rules

    def filter(self, n: Numbers) -> None:
        side = n.pick(list(Side))
        self._world.administer(replace(self._rules, filters={**self._rules.filters, side: n.pick(CONDITIONS[side])}))

    def direction(self, n: Numbers) -> None:
        both = Direction.BIDIRECTIONAL
        rules = replace(self._rules, direction=n.pick([both, both, *Direction]))
        for name in MAPPED:
            if rules.both_ways(name) and not self._rules.both_ways(name):
                # What lay there while the field went one way was never reconciled.
                self._world.ledger.forget_base(name)
        self._world.administer(rules)

    def field_direction(self, n: Numbers) -> None:
        name = n.pick(MAPPED)
        direction = n.pick([Direction.BIDIRECTIONAL, *Direction])
        self._change_field(name, replace(self._rules.fields[name], direction=direction))

    def field_status(self, n: Numbers) -> None:
        """Disable a field mapping, or enable it again."""
        name = n.pick(MAPPED)
        rule = self._rules.fields[name]
        self._change_field(name, replace(rule, enabled=not rule.enabled))

    def transformation(self, n: Numbers) -> None:
        name = n.pick([name for name in MAPPED if name != "number"])
        rule = n.pick([None, "UPPERCASE", "LOWERCASE"])
        self._change_field(name, replace(self._rules.fields[name], transformation=rule, rules_in=n.pick(list(Pass))))

    def _change_field(self, name: str, rule: FieldRule) -> None:
        self._world.ledger.forget_base(name)
        self._world.administer(self._rules.changed(name, rule))

    def update_policy(self, n: Numbers) -> None:
        self._world.administer(replace(self._rules, update=n.pick(list(UpdateConflict))))

    def deletion_policy(self, n: Numbers) -> None:
        self._world.administer(replace(self._rules, deletion=n.pick(list(DeletionConflict))))

    def scope(self, n: Numbers) -> None:
        self._world.administer(replace(self._rules, scope=n.pick(list(ConflictScope))))

    def only_coupled(self, n: Numbers) -> None:
        # What belongs together must be coupled before records may be made: nobody could know it for one.
        self._people.couple(n)
        self._world.administer(replace(self._rules, only_coupled=n.pick([False, True])))

    def propagation(self, n: Numbers) -> None:
        self._world.administer(replace(self._rules, propagation=n.pick(list(DeletePropagation))))

    def marking(self, n: Numbers) -> None:
        """Say on which sides records are marked as given up, instead of being deleted."""
        chosen = n.pick([(), (Side.LOCAL,), (Side.INTEGRATION,), tuple(Side)])
        self._world.administer(replace(self._rules, marking=frozenset(chosen)))

    def limit(self, n: Numbers) -> None:
        self._world.administer(replace(self._rules, limit=n.pick([0, 1, 2, 1_000])))

    def template(self, n: Numbers) -> None:
        """Add a template, or take one away."""
        templates = self._rules.templates
        if templates and n.pick([True, False]):
            gone = n.pick(range(len(templates)))
            kept = tuple(one for index, one in enumerate(templates) if index != gone)
        else:
            side = n.pick(list(Side))
            condition = n.pick([None, Condition("faxNo", "B"), Condition("displayName", "A")])
            kept = (*templates, TemplateRule(side, n.pick(["T", "U"]), condition, n.pick([0, 1])))[-3:]
        self._world.administer(replace(self._rules, templates=kept))
