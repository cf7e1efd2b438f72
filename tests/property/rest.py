"""Rest: people mend what is refused and stop, no question is left open, and soon nothing is written any more (promise 3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.property.ledger import Work
from tests.property.people import People
from tests.property.plans import Plans
from tests.property.rulebook import MAPPED, FieldRule, Rulebook
from tests.property.runs import Runs
from tests.property.steps import Numbers, Step
from tests.property.world import World, is_bad
from twinrow.model.mapping import DeletionConflict, UpdateConflict
from twinrow.model.outcomes import DifferenceKind
from twinrow.model.sides import Direction, Pass, Side

ROUNDS = 3
"""One in which failures and conflicts are settled, and two more."""


class Rest:
    """Brings a world to rest and looks whether both sides agree."""

    def __init__(self, world: World, people: People, runs: Runs, plans: Plans) -> None:
        self._world = world
        self._people = people
        self._runs = runs
        self._plans = plans

    def come(self, everything: bool) -> None:
        """Come to rest. `everything`: the mapping then carries all fields both ways, without filter, and makes what is missing.

        Raises `AssertionError`.
        """
        world = self._world
        world.calm()
        self._people.couple(Numbers(Step("couple", (0,) * 8)))
        world.wait(timedelta(hours=1))
        self._leave_no_question(everything)
        self._mend()
        for _ in range(ROUNDS):
            world.pair.workspace.retry_skipped("CUSTOMER")
            self._settle()
        self._check_quiet()
        self._check_agreement()
        if everything:
            self._check_complete()
        self._check_verified()

    def _leave_no_question(self, everything: bool) -> None:
        world = self._world
        winner = [UpdateConflict.SEND, UpdateConflict.GET][world.tags % 2]
        rules = replace(world.rules, update=winner, deletion=DeletionConflict.RESTORE, limit=1_000)
        if everything:
            for name in MAPPED:
                world.ledger.forget_base(name)
            fields = {name: FieldRule(Direction.BIDIRECTIONAL) for name in rules.fields}
            rules = Rulebook(fields=fields, update=winner, deletion=DeletionConflict.RESTORE)
        world.administer(rules)

    def _mend(self) -> None:
        for side in Side:
            for id, record in sorted(self._world.ledger.records[side].items()):
                bad = [name for name in MAPPED if is_bad(record[name])]
                if bad:
                    self._world.edit(side, id, dict.fromkeys(bad, "A"))

    def _settle(self) -> None:
        if self._runs.make() is None:
            # It would delete more than is allowed: somebody looks at a plan of it, and allows it.
            self._plans.carry_out(self._plans.make())
            self._runs.make()
        self._world.unclear = False

    def _check_quiet(self) -> None:
        """Runs write nothing, and nothing waits but what is outside the filter, or has lost its counterpart there."""
        world = self._world
        with world.ledger.working(Work()) as written:
            run = world.pair.synchronize()
        assert not written, f"systems at rest were written to: {written}"
        assert run.counters.failed == run.counters.written == 0, run.errors
        waiting = [
            row for row in run.pending if world.rules.goes(row.pass_) and self._admitted(row.pass_, row.source_id)
        ]
        assert not waiting, waiting
        couplings = world.pair.workspace.couplings("CUSTOMER").select("coupling_id", "local_id", "integration_id")
        pairs = {number: ids for number, *ids in couplings.iter_rows()}
        open_still = [one for one in run.conflicts if world.takes_part(*pairs[one.coupling_id])]
        assert not open_still, open_still

    def _admitted(self, pass_: Pass, id: str) -> bool:
        record = self._world.ledger.records[pass_.source].get(id)
        return record is not None and self._world.rules.admits(pass_.source, record)

    def _check_agreement(self) -> None:
        """What goes both ways is the same on both sides, but for what a template has written, or what was taken back."""
        world, rules = self._world, self._world.rules
        coupled = world.pair.counterparts()
        by_template = {"T", "U", "closed"}
        for tag, sides in world.values().items():
            local, integration = sides["local"], sides["integration"]
            if local is None or integration is None:
                continue
            here, there = (world.ledger.ids[side][tag] for side in Side)
            if coupled.get(here) != there or not world.takes_part(here, there):
                continue
            for name in MAPPED:
                pair = (local[name], integration[name])
                excused = world.undone.get((tag, name)) == pair or (name == "faxNo" and by_template & set(pair))
                if rules.both_ways(name) and not excused:
                    assert rules.agree(name, *pair), f"{tag} {name} differs at rest: {pair}"

    def _check_complete(self) -> None:
        """Every record has its counterpart, and is coupled with it."""
        world = self._world
        coupled = world.pair.counterparts()
        for tag in world.values():
            here, there = (world.ledger.ids[side].get(tag) for side in Side)
            if (here or there) and tag not in world.given_up:
                assert here is not None and coupled.get(here) == there, f"{tag} is alone at rest: {here}, {there}"  # noqa: PT018

    def _check_verified(self) -> None:
        """A comparison of both sides finds nothing that is left to do."""
        world = self._world
        result = world.pair.workspace.verify("CUSTOMER", limit=1_000)
        wrong = (DifferenceKind.DRIFT, DifferenceKind.AWAITING, DifferenceKind.CONFLICT, DifferenceKind.PENDING)
        one_way = {name for name in MAPPED if not world.rules.both_ways(name)}
        found = [one for one in result.samples if one.kind in wrong and str(one.field).partition("=")[0] not in one_way]
        # Where the side that wins is outside its filter, the other one stands aside for good.
        found = [one for one in found if world.takes_part(one.local_id, one.integration_id)]
        assert not found, found
