"""Jobs and what is listed of them; mappings that serve a single run leave no trace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.scenarios.world import (
    FAX,
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    TO,
    add_pair,
    add_synchronized,
    compatible,
    edit,
    job,
    mapping,
    skipped,
)
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


# The jobs of one record.


@pytest.mark.scenario("A118")
@pytest.mark.parametrize("both", [False, True], ids=["one direction", "both directions"])
def test_the_log_of_a_record_has_the_jobs_that_dealt_with_it_last(both: bool) -> None:
    with systems(mapping(), contacts("CONTACT")) as pair:
        customer, account = add_synchronized(pair)
        expected: list[int] = []
        for _ in range(2):
            edit(pair, LOCAL, customer, NAME, f"Here {len(expected)} {pair.clock.now()}")
            pair.clock.advance(timedelta(minutes=1))
            expected = [job(pair.synchronize(), TO).id]
        if both:
            edit(pair, INTEGRATION, account, NAME, "There")
            expected = [job(pair.synchronize(), FROM).id, *expected]
        pair.synchronize("CONTACT")
        pair.synchronize()

        for named in (customer, account):
            listed = pair.workspace.list_record_jobs("CUSTOMER", named)
            assert [one.id for one in listed] == expected


def test_the_log_of_a_record_also_has_the_job_with_which_it_failed() -> None:
    def refuse(table: str, values: object) -> str | None:
        return "no"

    with MemoryPair(mapping(), integration={"refuse": refuse}) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        run = pair.synchronize()
        pair.synchronize("CUSTOMER", direction="from")
        assert [one.id for one in pair.workspace.list_record_jobs("CUSTOMER", customer)] == [job(run, TO).id]


@pytest.mark.scenario("A119")
def test_without_a_job_of_its_own_the_log_of_a_record_is_that_of_its_mapping() -> None:
    with systems(mapping(), contacts("CONTACT")) as pair:
        for name in ("CUSTOMER", "CUSTOMER", "CONTACT"):
            pair.synchronize(name, direction="to")
        pair.synchronize("CUSTOMER", direction="from")
        customer, _ = add_pair(pair)

        listed = pair.workspace.list_record_jobs("CUSTOMER", customer)

        assert len(listed) == 3
        assert {one.mapping for one in listed} == {"CUSTOMER"}


# Forgetting old jobs.


@pytest.mark.scenario("A077")
def test_jobs_that_a_skipped_record_refers_to_are_not_forgotten() -> None:
    def refuse(table: str, values: object) -> str | None:
        return "refused" if "Bad" in dict(values).values() else None  # type: ignore[call-overload]

    with MemoryPair(mapping(), local={"refuse": refuse}, integration={"refuse": refuse}) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAME, "Bad")
        edit(pair, INTEGRATION, account, FAX, "Bad")
        first, second = pair.synchronize(), pair.synchronize()
        assert skipped(pair) == {customer}
        last_from, last_to, by_nothing = job(first, FROM).id, job(second, TO).id, job(first, TO).id
        assert {error.job_id for error in pair.workspace.list_errors()} == {last_from, last_to, by_nothing}

        assert pair.workspace.delete_jobs(older_than_days=7) == 0
        pair.clock.advance(timedelta(seconds=1))
        assert pair.workspace.delete_jobs(older_than_days=0) > 0

        assert {one.id for one in pair.workspace.list_jobs()} == {last_from, last_to}
        assert {error.job_id for error in pair.workspace.list_errors()} == {last_from, last_to}


def test_what_is_old_is_forgotten_and_the_journal_stays() -> None:
    with MemoryPair(mapping()) as pair:
        pair.local.add("customers", {"displayName": "Adatum"})
        run = pair.synchronize()
        written = pair.workspace.show_journal(run=run.id).writes
        assert written
        pair.clock.advance(timedelta(days=8))
        pair.synchronize()

        assert pair.workspace.delete_jobs("CUSTOMER") == 2

        assert len(pair.workspace.list_jobs()) == 2
        assert pair.workspace.show_journal(run=run.id).writes == written
