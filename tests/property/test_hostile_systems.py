"""Two systems that lose answers, run late, break off and repeat themselves: no value is lost, no record doubled, and once they
behave, everything comes to rest in agreement (promises 1, 2, 3, 5, 6)."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from tests.property.watched import EDITED, TAG, Watch, WatchedSystem
from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.engine.context import EngineSettings
from twinrow.model.errors import TwinrowError
from twinrow.model.mapping import UpdateConflict
from twinrow.model.sides import Side
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping

NAMES = {
    Side.LOCAL: {"displayName": "displayName", "addressLine1": "addressLine1", "city": "city", "faxNo": "faxNo",
                 "number": "number", "phoneNumber": "phoneNumber", "website": "website"},
    Side.INTEGRATION: {"displayName": "name", "addressLine1": "address1_line1", "city": "address1_city", "faxNo": "fax",
                       "number": "accountnumber", "phoneNumber": "telephone1", "website": "websiteurl"},
}  # fmt: skip
TABLES = {Side.LOCAL: "customers", Side.INTEGRATION: "account"}
VALUES = ("A", "B", "C", "D", "")


class World:
    """Two watched, hostile systems and people who edit them, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        pick = self.random.choice
        self.policy = pick(list(UpdateConflict))
        self.watch = Watch(self.policy)
        lifetime = timedelta(minutes=10)
        self.made_by_people: set[str] = set()
        self.keys = keys = pick([CreateKeys.CHOSEN, CreateKeys.MARK, CreateKeys.NONE])
        feed = pick([FeedKind.ROW_VERSION, FeedKind.DELTA, FeedKind.MODIFIED_AT])
        mapping = customer_mapping(update_conflict_resolution=self.policy)
        self.pair = MemoryPair(mapping, settings=EngineSettings(page_rows=self.random.randint(1, 5)))
        self.hostile: dict[Side, Hostile] = {}
        self.systems: dict[Side, WatchedSystem] = {}
        for side, table in ((Side.LOCAL, CUSTOMERS), (Side.INTEGRATION, ACCOUNTS)):
            system = WatchedSystem(
                self.watch,
                side,
                [table],
                name=side.value,
                feed=feed,
                create_keys=keys,
                overlap=timedelta(seconds=2) if feed is FeedKind.MODIFIED_AT else timedelta(),
                clock=self.pair.clocks[side].tick,
                new_id=lambda: str(UUID(int=self.random.getrandbits(128), version=4)),
                request_lifetime=lifetime,
            )
            self.systems[side] = system
            self.hostile[side] = Hostile(system, Faults.everywhere(0.08), seed=seed + len(self.hostile))
            self.pair.wrap(side, self.hostile[side])
        self.tags = 0
        self.unbalanced = 0

    def live(self, steps: int) -> None:
        for _ in range(steps):
            step = self.random.random()
            if step < 0.15:
                self.add()
            elif step < 0.6:
                self.edit()
            elif step < 0.7:
                self.advance(timedelta(minutes=self.random.randint(1, 30)))
            else:
                self.synchronize()

    def add(self) -> None:
        side = self.random.choice(list(Side))
        self.tags += 1
        values = {name: self.random.choice(VALUES) for name in EDITED} | {TAG: f"tag{self.tags}"}
        made = self.systems[side].add(
            TABLES[side], {NAMES[side][name]: self._form(side, v) for name, v in values.items()}
        )
        self.made_by_people.add(made)

    def edit(self) -> None:
        side = self.random.choice(list(Side))
        records = [id for id in sorted(self.systems[side].records(TABLES[side])) if self._may_edit(side, id)]
        if records:
            name = self.random.choice(EDITED)
            value = self._form(side, self.random.choice(VALUES))
            self.systems[side].edit(TABLES[side], self.random.choice(records), **{NAMES[side][name]: value})

    def _may_edit(self, side: Side, id: str) -> bool:
        """Made without key or mark, a record whose answer was lost can only be known again as long as nobody edits it."""
        if self.keys is not CreateKeys.NONE:
            return True
        return id in self.made_by_people or id in self.pair.counterparts(side)

    @staticmethod
    def _form(side: Side, value: str) -> str | None:
        return value if side is Side.LOCAL else value or None

    def advance(self, span: timedelta) -> None:
        self.pair.clock.advance(span)
        for clock in self.pair.clocks.values():
            clock.advance(span)

    def synchronize(self) -> None:
        try:
            run = self.pair.synchronize()
        except TwinrowError:
            return
        self.unbalanced += sum(not job.counters.balanced for job in run.jobs)

    def come_to_rest(self) -> None:
        for hostile in self.hostile.values():
            hostile.calm()
            hostile.deliver()
        self.advance(timedelta(hours=1))
        for _ in range(3):
            self.pair.workspace.retry_skipped("CUSTOMER")
            self.synchronize()

    def close(self) -> None:
        self.pair.workspace.close()


def check(world: World) -> None:
    watch = world.watch
    assert not watch.wrong, watch.wrong[:5]
    assert world.unbalanced == 0
    before = dict(watch.writes)
    run = world.pair.synchronize()
    assert dict(watch.writes) == before, "a synchronization of systems at rest wrote something"
    assert run.counters.written == 0
    conflicts = {(conflict.coupling_id, conflict.field) for conflict in world.pair.workspace.list_conflicts()}
    differing = 0
    for tag in (f"tag{number}" for number in range(1, world.tags + 1)):
        sides = [watch.values[side].get(tag) for side in Side]
        assert all(side is not None for side in sides), f"{tag} is missing on a side"
        here, there = sides
        assert here is not None
        assert there is not None
        for name in EDITED:
            if here[name] != there[name]:
                differing += 1
                one_way = name in ("number", "phoneNumber")
                assert one_way or world.policy is UpdateConflict.NONE, f"{tag} {name} differs"
    if world.policy is not UpdateConflict.NONE:
        assert not conflicts
    assert not [row for row in world.pair.workspace.list_pending() if row.decision.name not in ("CONFLICT",)]


@pytest.mark.parametrize("seed", range(16))
def test_hostile_systems_lose_nothing_and_double_nothing(seed: int) -> None:
    world = World(seed)
    try:
        world.live(60)
        world.come_to_rest()
        check(world)
    finally:
        world.close()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_400))
def test_hostile_systems_for_long(seed: int) -> None:
    world = World(seed)
    try:
        world.live(150)
        world.come_to_rest()
        check(world)
    finally:
        world.close()
