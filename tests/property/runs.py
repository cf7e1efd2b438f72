"""Runs of every kind: whole ones, of named records, forced, in storms. What each does is looked at when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.property.audit import Audit, Couplings
from tests.property.ledger import Work
from tests.property.people import People
from tests.property.steps import Numbers
from tests.property.tally import FIRED, count
from tests.property.world import World
from twinrow.actions.results import Run
from twinrow.model.errors import RemovalsHeld, SystemUnavailable
from twinrow.model.sides import Direction, Pass, Side
from twinrow.testing.hostile import Faults

STORM = replace(Faults.everywhere(0.15), unavailable=0.01, broken=0.03)
"""Runs seldom break off in a storm: most of its faults come after a write was sent."""


class Runs:
    """What is synchronized. Each method but `make` is a kind of step."""

    def __init__(self, world: World, people: People, audit: Audit) -> None:
        self._world = world
        self._people = people
        self._audit = audit

    def make(self, work: Work | None = None, **options: Any) -> Run | None:
        """Make a run and look at everything it did; None where it could not come to its end."""
        world, audit = self._world, self._audit
        before = world.pair.counterparts()
        work = replace(work or Work(), careless=world.unclear, retried=world.pending_sources())
        world.moves += 1
        run: Run | None = None
        with world.ledger.working(work) as written:
            try:
                run = world.pair.synchronize(**options)
            except RemovalsHeld:
                FIRED["held"] += 1
            except SystemUnavailable:
                assert world.unclear, "a system that was there was not reached"
        after = world.pair.counterparts()
        audit.check_balance()
        if not options.get("records"):
            audit.check_limit(written, before, after)
        audit.check_couplings(before, after)
        if run is None:
            return None
        assert run.state == "finished"
        count(run)
        if not world.unclear:
            audit.check_journal(run, written)
            audit.check_counters(run.counters, written)
            world.done[run.id or 0] = (list(written), world.rules)
            if not options and world.rules.direction is Direction.BIDIRECTIONAL:
                self._learn(run, after)
        return run

    def _learn(self, run: Run, coupled: Couplings) -> None:
        """Tell the ledger what pairs the run has looked at from both sides."""
        world = self._world
        waiting = {row.source_id for row in run.pending}
        tags = set()
        for tag, id in world.ledger.ids[Side.LOCAL].items():
            other = coupled.get(id)
            if other is None or other != world.ledger.ids[Side.INTEGRATION].get(tag) or waiting & {id, other}:
                continue
            if world.takes_part(id, other):
                tags.add(tag)
        world.ledger.learned(tags)

    def run(self, _n: Numbers) -> None:
        self._world.unclear = self.make() is None and self._world.unclear

    def run_full(self, _n: Numbers) -> None:
        self.make(full=True)

    def run_creating(self, n: Numbers) -> None:
        self._people.couple(n)
        self.make(Work(create=True), create=True)

    def run_named(self, n: Numbers) -> None:
        found = [one for one in (self._world.chosen(n, n.pick(list(Side))) for _ in range(2)) if one is not None]
        if found:
            self.make(records=[id for id, _ in found])

    def run_forced(self, n: Numbers) -> None:
        """Run in a direction that a person has chosen."""
        pass_ = n.pick(list(Pass))
        self.make(Work(forced=frozenset([pass_])), direction="to" if pass_ is Pass.TO else "from")

    def run_unconditional(self, _n: Numbers) -> None:
        self.make(Work(forced=frozenset(Pass)), unconditional=True)

    def race(self, n: Numbers) -> None:
        """Run while people change records at the very moment at which they are about to be written."""
        if not self._world.stormy:
            return
        self._people.be_busy(n)
        self._world.rage(Faults(stale=n.pick([0.3, 0.6])))
        self.make(full=n.pick([False, False, True]))
        self._world.calm()

    def storm(self, n: Numbers) -> None:
        """Run while answers are lost and requests come late; afterwards all of them have arrived."""
        if not self._world.stormy:
            return
        self._people.be_busy(n)
        self._world.unclear = True
        self._world.rage(STORM)
        self.make(full=n.pick([False, False, True]))
        self._world.calm()

    def retry(self, _n: Numbers) -> None:
        """Have tried again what was set aside."""
        self._world.pair.workspace.retry_skipped("CUSTOMER")
        self._world.moves += 1

    def wait(self, n: Numbers) -> None:
        self._world.wait(timedelta(hours=n.pick([1, 12, 30])))
