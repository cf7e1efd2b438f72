"""A process that synchronizes two sandboxes is killed at one step after the other, and another one goes on.

However far it came: nothing is doubled, nothing lost, what people wrote meanwhile stays, every record is counted once, and once
all is settled nothing is written any more (promises 1, 2, 3 and 6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KILLS
from tests.crash.world import CHOSEN, MARKED, UNMARKED, CrashWorld, crash_world
from twinrow.actions.results import Run
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.store.runs import get_job
from twinrow.workspace import Workspace

SYSTEMS: Mapping[str, Mapping[str, Any]] = {"chosen": CHOSEN, "marked": MARKED, "unmarked": UNMARKED}
"""Business Central takes the ids of new records; or not, but marks by which they are known again; or neither."""

PARTS = 4
SAMPLE = {"chosen": 16, "marked": 12, "unmarked": 12}
"""How many points of a synchronization are tried in a quick run; a long one tries all."""


class Crashes:
    """The worlds of a test process, and the steps of an undisturbed synchronization of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[str, Any] = {}
        self._worlds: dict[str, CrashWorld] = {}
        self._steps: dict[tuple[str, str], Sequence[str]] = {}
        self.plan = 0

    def world(self, name: str) -> CrashWorld:
        """Return the sandboxes with these settings, started and prepared."""
        if name not in self._worlds:
            opened = crash_world(self._folder / name, SYSTEMS[name])
            world = opened.__enter__()
            self._opened[name], self._worlds[name] = opened, world
            world.keep("first")
            self._steps[name, "first"] = world.run().steps
            world.run()
            world.keep("loaded")
            let_people_work(world)
            world.keep("updates")
            self._steps[name, "updates"] = world.run().steps
            world.bring_back("updates")
            self.plan = world.plan()
            world.keep("plan")
            self._steps[name, "plan"] = world.run(other=("plan", self.plan)).steps
            world.bring_back("loaded")
            let_people_delete(world)
            world.keep("removals")
            self._steps[name, "removals"] = world.run().steps
        return self._worlds[name]

    def points(self, name: str, phase: str, count: int | None) -> list[int]:
        """Return the steps at which to kill: evenly spread over commits and writes, or simply all."""
        steps = self._steps[name, phase]
        if count is None:
            return list(range(len(steps)))
        telling = [number for number, kind in enumerate(steps) if not kind.endswith("GET")]
        return sorted({telling[place * len(telling) // count] for place in range(count)})

    def close(self) -> None:
        """Stop everything."""
        for opened in self._opened.values():
            opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashes]:
    crashes = Crashes(tmp_path_factory.mktemp("crashes"))
    yield crashes
    crashes.close()


def coupled_customers(world: CrashWorld, name: str = "") -> list[tuple[str, str]]:
    """Return the coupled customers and their accounts: those whose name begins so."""
    with world.open() as workspace:
        pairs = sorted(workspace.couplings("CUSTOMER").select("local_id", "integration_id").iter_rows())
    named = world.people[Side.LOCAL].fetch("customers", ["displayName"], [here for here, _ in pairs])
    wanted = set(named.filter(named.get_column("displayName").str.starts_with(name)).get_column("@id"))
    return [pair for pair in pairs if pair[0] in wanted]


def let_people_work(world: CrashWorld) -> None:
    (first, account), (second, other), *_ = coupled_customers(world)
    world.edit(Side.LOCAL, "customers", first, "phoneNumber", "+49 30 1")
    world.edit(Side.INTEGRATION, "account", account, "emailaddress1", "a@demo.example")
    world.edit(Side.LOCAL, "customers", second, "email", "b@demo.example")
    world.edit(Side.INTEGRATION, "account", other, "telephone1", "+49 30 2")
    world.add(Side.LOCAL, "customers", {"displayName": "Demo Neukunde AG", "email": "new@demo.example"})
    world.add(Side.INTEGRATION, "account", {"name": "Demo New Account Ltd.", "customertypecode": 3})


def let_people_delete(world: CrashWorld) -> None:
    """Some are deleted, on either side and on both."""
    for number in range(4):
        world.add(Side.LOCAL, "customers", {"displayName": f"Demo Eintagsfliege {number}"})
    world.run()
    made = coupled_customers(world, "Demo Eintagsfliege")
    world.remove(Side.LOCAL, "customers", made[0][0])
    world.remove(Side.INTEGRATION, "account", made[1][1])
    world.remove(Side.LOCAL, "customers", made[2][0])
    world.remove(Side.INTEGRATION, "account", made[2][1])
    (first, _), *_ = coupled_customers(world)
    world.edit(Side.LOCAL, "customers", first, "phoneNumber", "+49 30 1")


def interfere(world: CrashWorld, phase: str) -> None:
    """While no process is at work, somebody changes a record that it may have been working on."""
    if phase in ("updates", "plan"):
        (first, account), (second, _), *_ = coupled_customers(world)
        world.edit(Side.LOCAL, "customers", first, "addressLine1", "Am Markt 1")
        world.edit(Side.INTEGRATION, "account", account, "emailaddress1", "c@demo.example")
        world.edit(Side.LOCAL, "customers", second, "website", "https://demo.example")
    elif phase == "removals":
        (first, _), *_ = coupled_customers(world)
        world.edit(Side.LOCAL, "customers", first, "addressLine1", "Am Markt 2")
    elif not world.unmarked:
        customers = world.people[Side.LOCAL].select("customers", ["number"], None)
        first = customers.sort("number").get_column("@id").item(0)
        world.edit(Side.LOCAL, "customers", first, "phoneNumber", "+49 30 5")


def survive(crashes: Crashes, name: str, phase: str, points: Sequence[int], kills: Counter[str]) -> None:
    world = crashes.world(name)
    for point in points:
        world.bring_back(phase)
        kind = crashes._steps[name, phase][point]
        if not world.run(fatal=point, other=("plan", crashes.plan) if phase == "plan" else None).killed:
            continue
        kills[kind.split()[0]] += 1
        interfere(world, phase)
        taken_over = world.run()
        assert not taken_over.failed, (point, kind, taken_over.failed)
        if world.unmarked:
            # What was made without key or mark is left alone as long as its request may still be under way.
            world.advance()
            world.run()
        if world.run_here():
            assert world.run_here() == 0, (point, kind, "something is written although nothing has changed")
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(f"killed at step {point} of {name}, {phase} ({kind}): {error}") from error


PHASES = {
    "chosen": ("first", "updates", "removals", "plan"),
    "marked": ("first", "updates"),
    "unmarked": ("first", "updates", "removals"),
}
CASES = [(name, phase, part) for name in SYSTEMS for phase in PHASES[name] for part in range(PARTS)]


@pytest.mark.parametrize(("name", "phase", "part"), CASES)
def test_a_killed_process_costs_nothing(
    crashes: Crashes, name: str, phase: str, part: int, pytestconfig: pytest.Config
) -> None:
    crashes.world(name)
    count = SAMPLE[name] if phase == "first" else SAMPLE[name] // 2
    points = crashes.points(name, phase, count)[part::PARTS]
    survive(crashes, name, phase, points, pytestconfig.stash[KILLS])


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("name", "phase", "part"), CASES)
def test_a_killed_process_costs_nothing_wherever_it_is_killed(
    crashes: Crashes, name: str, phase: str, part: int, pytestconfig: pytest.Config
) -> None:
    crashes.world(name)
    points = crashes.points(name, phase, None)[part::PARTS]
    survive(crashes, name, phase, points, pytestconfig.stash[KILLS])


def test_what_was_made_without_key_or_mark_is_left_alone_until_its_time_is_over(crashes: Crashes) -> None:
    """The answer to a create is lost: nothing is made again, and nothing coupled, before the request's time is over."""
    world = crashes.world("unmarked")
    world.bring_back("updates")
    # The new account becomes a customer whose answer is lost; the name is made so that it is the one request meant.
    world.pair.business_central.control(
        "POST", "/sandbox/faults", {"path": "batch", "method": "POST", "action": "lose_answer", "times": 50}
    )
    world.run_here()
    world.pair.business_central.control("DELETE", "/sandbox/faults")
    for _ in range(2):
        world.run_here()
        with world.open() as workspace:
            waiting = [row for row in workspace.list_pending("CUSTOMER") if row.decision is Decision.INDETERMINATE]
        assert waiting, "the new customer is there, and must wait"
    made = [row for row in _customers(world) if row == "Demo New Account Ltd."]
    assert len(made) == 1
    world.advance()
    world.run_here()
    world.run_here()
    assert world.run_here() == 0
    world.check()


def _customers(world: CrashWorld) -> list[str]:
    rows = world.people[Side.LOCAL].select("customers", ["displayName"], None)
    return rows.get_column("displayName").to_list()


def test_a_process_that_is_killed_while_it_undoes_costs_nothing(crashes: Crashes, pytestconfig: pytest.Config) -> None:
    """A run wrote, made and deleted; whoever goes on with undoing it comes to the same as if nobody had been killed."""
    world = crashes.world("chosen")
    world.bring_back("updates")
    before = fields_of(world)
    world.run_here()
    with world.open() as workspace:
        run = max(run.id or 0 for run in runs_of(workspace, "CUSTOMER"))
    world.keep("to undo")
    steps = world.run(other=("undo", run)).steps
    undone = fields_of(world)
    assert {id: undone[id] for id in before} == before, "the undo alone does not bring everything back"
    telling = [number for number, kind in enumerate(steps) if not kind.endswith("GET")]
    for point in telling[:: max(1, len(telling) // 10)]:
        world.bring_back("to undo")
        if not world.run(fatal=point, other=("undo", run)).killed:
            continue
        pytestconfig.stash[KILLS][steps[point].split()[0]] += 1
        # As long as a request of the killed process may still arrive, its record is left alone.
        world.advance()
        with world.open() as workspace:
            workspace.undo(run)
        assert fields_of(world) == undone, (point, steps[point])
        world.run_here()
        assert world.run_here() == 0, (point, steps[point])
        assert fields_of(world) == undone, (point, steps[point])


def runs_of(workspace: Workspace, mapping: str) -> list[Run]:
    """Return the runs of a mapping that wrote something."""
    with workspace.context.database.reading() as connection:
        numbers = {get_job(connection, job.id).run_id for job in workspace.list_jobs(mapping)}
    return [run for run in map(workspace.show_run, numbers) if run.counters.written]


def fields_of(world: CrashWorld) -> dict[str, list[str]]:
    """Return what people see of the customers on both sides, by id."""
    wanted = {
        Side.LOCAL: ("customers", ["displayName", "phoneNumber", "email"]),
        Side.INTEGRATION: ("account", ["name", "telephone1", "emailaddress1"]),
    }
    found = {}
    for side, (table, fields) in wanted.items():
        for row in world.people[side].select(table, fields, None).select("@id", *fields).iter_rows():
            found[row[0]] = [value or "" for value in row[1:]]
    return found
