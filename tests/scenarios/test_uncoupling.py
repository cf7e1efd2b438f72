"""Uncoupling: what becomes of couplings, of the company of integration records, and of the contacts of a customer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.scenarios.standard import COMPANY, Standard
from tests.scenarios.world import INTEGRATION, LOCAL, skipped
from twinrow.actions.results import Job
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import MemoryPair, field, table

STAMPED = ("CUSTOMER", "ITEM", "OPPORTUNITY", "CONTACT", "RESOURCE")
"""Mappings whose integration tables have a company."""
PLAIN = ("SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE", "PRICE GROUP")


def here(name: str) -> str:
    return f"local {name.lower()}"


def there(name: str) -> str:
    return f"integration {name.lower()}"


class World:
    """Coupled records of several mappings; those of `STAMPED` carry the company of the connection."""

    def __init__(
        self,
        *names: str,
        directions: dict[str, Direction] | None = None,
        fields: tuple[FieldMapping, ...] = (),
    ) -> None:
        self.directions = directions or {}
        stamped = [name for name in names if name in STAMPED]
        self.pair = MemoryPair(
            [
                TableMapping(
                    name=name,
                    local_table=here(name),
                    integration_table=there(name),
                    direction=self.directions.get(name, Direction.BIDIRECTIONAL),
                    fields=fields or tuple(field(each, each, on_loss="refuse") for each in ("name", "note")),
                    rules=("company",) if name in stamped else (),
                    uncouple_resets_company_id=name in stamped,
                )
                for name in names
            ],
            local_tables=[
                table(
                    here(name),
                    "id",
                    Field("name", FieldType.TEXT),
                    Field("note", FieldType.INTEGER),
                    Field("rank", FieldType.TEXT),
                )
                for name in names
            ],
            integration_tables=[
                table(
                    there(name),
                    "rowid",
                    Field("name", FieldType.TEXT, max_length=40),
                    Field("note", FieldType.TEXT),
                    Field("rank", FieldType.INTEGER),
                    Field("bcbi_companyid", FieldType.REFERENCE),
                )
                for name in names
            ],
            connection={"company_id": COMPANY},
        )

    def __enter__(self) -> World:
        return self

    def __exit__(self, *error: object) -> None:
        self.pair.workspace.close()

    def couple(self, name: str, count: int = 3) -> list[tuple[str, str]]:
        """Add records of both sides, couple and synchronize them."""
        ids = [self.add(name, f"{name} {number}") for number in range(count)]
        for local, integration in ids:
            self.pair.couple(local, integration, name)
        self.pair.synchronize(name)
        self.pair.synchronize(name)
        return ids

    def add(self, name: str, called: str) -> tuple[str, str]:
        return (
            self.pair.local.add(here(name), {"name": called}),
            self.pair.integration.add(there(name), {"name": called, "bcbi_companyid": COMPANY}),
        )

    def set_aside(self, name: str, ids: Iterable[tuple[str, str]]) -> None:
        """Have records fail twice, with a value that the other side cannot hold."""
        going_from = self.directions.get(name) is Direction.FROM_INTEGRATION
        for number in range(2):
            for local, integration in ids:
                if going_from:
                    self.pair.integration.edit(there(name), integration, note="no number")
                else:
                    self.pair.local.edit(here(name), local, name=f"{number}" * 50)
            self.pair.synchronize(name)

    def company(self, name: str, integration: str) -> Any:
        return self.pair.integration.record(there(name), integration)["bcbi_companyid"]

    def coupled(self, name: str) -> list[str]:
        return self.pair.workspace.couplings(name).get_column("local_id").to_list()

    def jobs(self, *names: str) -> list[Job]:
        """Return the jobs that uncoupled, oldest first."""
        found = [job for name in names for job in self.pair.workspace.list_jobs(name) if job.type == "uncoupling"]
        return sorted(found, key=lambda job: job.id)


def counted(jobs: Iterable[Job]) -> tuple[int, int, int]:
    """Return how many records were uncoupled, changed on the integration side, and failed."""
    jobs = list(jobs)
    return tuple(sum(getattr(job, name) for job in jobs) for name in ("uncoupled", "modified", "failed"))  # type: ignore[return-value]


@pytest.mark.scenario("B106")
def test_uncoupling_again_does_nothing() -> None:
    with World("SALESPEOPLE", "CUSTOMER") as world:
        for name in ("SALESPEOPLE", "CUSTOMER"):
            ((local, integration),) = world.couple(name, 1)

            assert world.pair.workspace.uncouple(name, local).uncoupled == 1
            assert world.coupled(name) == []
            for id in (local, integration, local):
                assert world.pair.workspace.uncouple(name, id).uncoupled == 0
            assert world.pair.workspace.list_errors(name) == []


@pytest.mark.scenario("B107")
def test_a_whole_mapping_gives_up_its_company_also_where_it_was_left_behind() -> None:
    with World("CUSTOMER") as world:
        ids = world.couple("CUSTOMER")
        _, stuck = world.add("CUSTOMER", "stuck")

        result = world.pair.workspace.uncouple("CUSTOMER", everything=True)

        assert (result.uncoupled, result.cleared, result.failed) == (3, 4, 0)
        assert world.coupled("CUSTOMER") == []
        assert [world.company("CUSTOMER", id) for id in (*(there for _, there in ids), stuck)] == [None] * 4
        (job,) = world.jobs("CUSTOMER")
        assert job.state == "finished"
        assert counted([job]) == (3, 4, 0)


@pytest.mark.scenario("B109")
def test_several_whole_mappings() -> None:
    with World("CUSTOMER", "SALESPEOPLE", "ITEM", "CURRENCY", "OPPORTUNITY") as world:
        ids = {name: world.couple(name, 3 if name == "ITEM" else 1) for name in (*STAMPED[:3], *PLAIN[:2])}

        for name in ("CUSTOMER", "ITEM", "SALESPEOPLE"):
            world.pair.workspace.uncouple(name, everything=True)

        assert [world.coupled(name) for name in ("CUSTOMER", "ITEM", "SALESPEOPLE")] == [[], [], []]
        for name in ("CUSTOMER", "ITEM"):
            assert [world.company(name, there) for _, there in ids[name]] == [None] * len(ids[name])
        assert len(world.coupled("CURRENCY")) == len(world.coupled("OPPORTUNITY")) == 1
        assert world.company("OPPORTUNITY", ids["OPPORTUNITY"][0][1]) == COMPANY
        jobs = world.jobs("CUSTOMER", "ITEM", "SALESPEOPLE")
        assert {job.mapping: counted([job]) for job in jobs} == {"CUSTOMER": (1, 1, 0), "ITEM": (3, 3, 0)}


@pytest.mark.scenario("B110")
@pytest.mark.parametrize("name", STAMPED)
def test_some_records_of_a_mapping(name: str) -> None:
    with World(name) as world:
        first, second, third = world.couple(name)
        loose, _ = world.add(name, "loose")

        world.pair.workspace.uncouple(name, first[0], third[0], loose)

        assert world.coupled(name) == [second[0]]
        assert [world.company(name, one[1]) for one in (first, second, third)] == [None, COMPANY, None]
        (job,) = world.jobs(name)
        assert counted([job]) == (2, 2, 0)


@pytest.mark.scenario("B111")
@pytest.mark.parametrize("side", [LOCAL, INTEGRATION])
@pytest.mark.parametrize("name", STAMPED)
def test_one_record_of_a_mapping(name: str, side: str) -> None:
    with World(name) as world:
        first, second, third = world.couple(name)

        world.pair.workspace.uncouple(name, second[0 if side is LOCAL else 1])

        assert world.coupled(name) == [first[0], third[0]]
        assert [world.company(name, one[1]) for one in (first, second, third)] == [COMPANY, None, COMPANY]
        (job,) = world.jobs(name)
        assert counted([job]) == (1, 1, 0)


@pytest.mark.scenario("B112")
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
@pytest.mark.parametrize("name", PLAIN)
def test_without_a_company_it_is_done_at_once(name: str, several: bool) -> None:
    with World(name) as world:
        first, second, third = world.couple(name)
        chosen = [first[0], second[0]] if several else [second[0]]

        result = world.pair.workspace.uncouple(name, *chosen)

        assert result.run is None
        assert world.jobs(name) == []
        assert world.coupled(name) == [one[0] for one in (first, second, third) if one[0] not in chosen]


@pytest.mark.scenario("B113")
@pytest.mark.parametrize("name", ["ITEM", "SALESPEOPLE"])
def test_a_record_that_was_set_aside(name: str) -> None:
    with World(name) as world:
        ids = world.couple(name)
        world.set_aside(name, ids)
        assert skipped(world.pair, name) == {local for local, _ in ids}

        world.pair.workspace.uncouple(name, ids[1][0])

        left = {ids[0][0], ids[2][0]}
        assert set(world.coupled(name)) == skipped(world.pair, name) == left
        assert {row.source_id for row in world.pair.workspace.list_pending(name) if row.skipped} == left
        if name == "ITEM":
            assert world.company(name, ids[1][1]) is None
            assert counted(world.jobs(name)) == (1, 1, 0)
        else:
            assert world.jobs(name) == []


@pytest.mark.scenario("B114")
def test_records_that_were_set_aside_are_uncoupled_also_when_a_side_is_gone() -> None:
    with World("ITEM", "CUSTOMER", "SALESPEOPLE") as world:
        ids = {
            name: world.couple(name, 3 if name == "SALESPEOPLE" else 4) for name in ("ITEM", "CUSTOMER", "SALESPEOPLE")
        }
        for name, pairs in ids.items():
            world.set_aside(name, pairs)
        world.pair.local.remove(here("CUSTOMER"), ids["CUSTOMER"][3][0])
        world.pair.integration.remove(there("ITEM"), ids["ITEM"][3][1])

        uncouple = world.pair.workspace.uncouple
        uncouple("ITEM", ids["ITEM"][0][0], ids["ITEM"][1][0], ids["ITEM"][3][0])
        uncouple("CUSTOMER", ids["CUSTOMER"][0][0], ids["CUSTOMER"][1][0])
        uncouple("CUSTOMER", ids["CUSTOMER"][3][1])
        uncouple("SALESPEOPLE", ids["SALESPEOPLE"][0][0], ids["SALESPEOPLE"][1][0])

        for name, pairs in ids.items():
            assert world.coupled(name) == [pairs[2][0]]
        for name, number in (("ITEM", 0), ("ITEM", 1), ("CUSTOMER", 0), ("CUSTOMER", 1), ("CUSTOMER", 3)):
            assert world.company(name, ids[name][number][1]) is None
        assert len(world.jobs("ITEM", "CUSTOMER", "SALESPEOPLE")) == 3
        assert counted(world.jobs("CUSTOMER")) == (3, 3, 0)
        assert counted(world.jobs("ITEM")) == (3, 2, 0)


@pytest.mark.scenario("B115")
@pytest.mark.parametrize("name", ["CURRENCY", "ITEM"])
def test_the_record_of_an_error(name: str) -> None:
    with World(name) as world:
        ids = world.couple(name)
        world.set_aside(name, ids)
        error = next(row for row in world.pair.workspace.list_errors(name) if row.source_id == ids[1][0])

        world.pair.workspace.uncouple(name, error.source_id or "")

        assert world.coupled(name) == [ids[0][0], ids[2][0]]
        assert counted(world.jobs(name)) == ((1, 1, 0) if name == "ITEM" else (0, 0, 0))
        if name == "ITEM":
            assert world.company(name, ids[1][1]) is None


@pytest.mark.scenario("B116")
def test_the_records_of_several_errors_each_once() -> None:
    names = ("ITEM", "CUSTOMER", "SALESPEOPLE")
    with World(*names) as world:
        ids = {name: world.couple(name) for name in names}
        for name in names:
            world.set_aside(name, ids[name])

        for name in names:
            chosen = {local for local, _ in ids[name][:2]}
            errors = [row.source_id or "" for row in world.pair.workspace.list_errors(name) if row.source_id in chosen]
            assert len(errors) == 4
            world.pair.workspace.uncouple(name, *errors)

        assert {name: world.coupled(name) for name in names} == {name: [ids[name][2][0]] for name in names}
        jobs = world.jobs(*names)
        assert {job.mapping: counted([job]) for job in jobs} == {"CUSTOMER": (2, 2, 0), "ITEM": (2, 2, 0)}
        assert [world.company(name, ids[name][2][1]) for name in names[:2]] == [COMPANY, COMPANY]


@pytest.mark.scenario("B117")
def test_the_contacts_that_belong_to_a_customer_on_both_sides_go_with_it() -> None:
    with Standard() as standard:
        customer, account = standard.company()
        elsewhere, other = standard.company()
        people = {
            "A": (standard.person(customer), standard.contact(account)),
            "B": (standard.person(customer), standard.contact(account)),
            "C": (standard.person(customer), standard.contact(other)),
            "D": (standard.person(elsewhere), standard.contact(account)),
        }
        for ids in people.values():
            standard.pair.couple(*ids, "CONTACT")

        result = standard.pair.workspace.uncouple("CUSTOMER", customer)

        assert result.uncoupled == 1
        assert [(one.mapping, one.uncoupled) for one in result.followers] == [("CONTACT", 2)]
        assert standard.pair.counterpart(customer) is None
        assert standard.pair.counterpart(elsewhere) == other
        left = standard.pair.workspace.couplings("CONTACT").get_column("local_id").to_list()
        assert left == [people["C"][0], people["D"][0]]
