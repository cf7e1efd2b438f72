"""Jobs and what is listed of them; mappings that serve a single run leave no trace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.scenarios.world import TO, add_pair, add_synchronized, compatible, mapping
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Direction
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, field, table

PEOPLE_HERE = table("contacts", "id", Field("surname", FieldType.TEXT, nullable=False))
PEOPLE = table("contact", "contactid", Field("lastname", FieldType.TEXT, empty_text=False))


def contacts(name: str, direction: Direction = Direction.BIDIRECTIONAL) -> TableMapping:
    rows = (field("surname", "lastname", direction=direction),)
    return TableMapping(
        name=name, local_table="contacts", integration_table="contact", direction=direction, fields=rows
    )


def systems(*mappings: TableMapping) -> MemoryPair:
    return MemoryPair(list(mappings), local_tables=(CUSTOMERS, PEOPLE_HERE), integration_tables=(ACCOUNTS, PEOPLE))


@pytest.mark.scenario("B038")
def test_what_serves_a_single_run_is_never_among_the_mappings() -> None:
    with MemoryPair(mapping()) as pair:
        before = pair.workspace.list_table_mappings()
        new = pair.local.add("customers", {"displayName": "New"})
        customer, _ = add_synchronized(pair)

        pair.synchronize(records=[new], create=True, direction="to")
        pair.synchronize(records=[customer], direction="from", unconditional=True)

        assert [one.name for one in pair.workspace.list_table_mappings()] == ["CUSTOMER"]
        assert pair.workspace.list_table_mappings() == before
        assert [one.mapping for one in pair.workspace.status()] == ["CUSTOMER"]


@pytest.mark.scenario("B040")
def test_the_jobs_of_a_mapping_are_listed_newest_first_without_those_of_others() -> None:
    with systems(compatible(), contacts("CONTACT")) as pair:
        for name in ("CONTACT", "CUSTOMER", "CONTACT", "CUSTOMER"):
            pair.synchronize(name)
            pair.clock.advance(timedelta(minutes=1))

        listed = pair.workspace.list_jobs("CUSTOMER")

        assert {one.mapping for one in listed} == {"CUSTOMER"}
        assert len(listed) == 4
        order = [(one.started_at, one.id) for one in listed]
        assert order == sorted(order, reverse=True)


@pytest.mark.scenario("B144")
def test_synchronizing_everything_makes_a_job_for_each_mapping_and_direction() -> None:
    mappings = [
        mapping(),
        contacts("BOTH"),
        contacts("FROM", Direction.FROM_INTEGRATION),
        contacts("TO", Direction.TO_INTEGRATION),
    ]
    with systems(*mappings) as pair:
        round_ = pair.workspace.synchronize_all()

        jobs = sorted((one.mapping, one.direction) for one in pair.workspace.list_jobs())
        assert jobs == sorted((one.name, pass_.value) for one in mappings for pass_ in one.direction.passes)
        assert len(jobs) == 6
        assert sorted((one.mapping, one.direction) for run in round_.runs for one in run.jobs) == jobs
        assert {one.state for one in pair.workspace.list_jobs()} == {"finished"}


def test_a_named_record_is_the_only_one_that_is_read() -> None:
    with MemoryPair(mapping()) as pair:
        customer, _ = add_pair(pair)
        add_pair(pair, "Other")
        run = pair.synchronize(records=[customer])
        assert [one.read for one in run.jobs] == [1, 1]
        assert run.jobs[0].direction == TO.value
