"""What matching is asked for, what follows it, and what it leaves when it does not come to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from tests.scenarios.world import INTEGRATION, LOCAL, add_synchronized, mapping, open_failures

from twinrow.connectors.base import CreateKeys
from twinrow.connectors.memory import MemorySystem
from twinrow.engine.match import exact, job
from twinrow.model.errors import ConfigurationError, LeaseHeld, Stopped, UnknownName
from twinrow.model.mapping import Match, UpdateConflict
from twinrow.model.outcomes import Ignored, Unmatched
from twinrow.model.sides import Direction, Pass
from twinrow.store.leases import release_lease, take_lease, this_process
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import MemoryPair, field

NAME = field("displayName", "name", caption="Name")
PHONE = field("phoneNumber", "telephone1", match=Match())
CONSTANT = field(None, "websiteurl", constant="www", direction=Direction.TO_INTEGRATION)
FAX = field("faxNo", "fax", enabled=False)


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    """Four customers, of whom the first three have an account with their phone number; the names differ."""
    with MemoryPair(mapping(NAME, PHONE, CONSTANT, FAX, only_coupled=True)) as made:
        fill(made)
        yield made


def fill(pair: MemoryPair) -> None:
    for n in range(4):
        pair.local.add("customers", {"displayName": f"Customer {n}", "phoneNumber": str(n)})
    for n in range(3):
        pair.integration.add("account", {"name": f"Account {n}", "telephone1": str(n)})


def names(pair: MemoryPair) -> list[Any]:
    return sorted(record["name"] for record in pair.integration.records("account").values())


# What is asked for.


@pytest.mark.parametrize("name", ["phoneNumber", "telephone1", "phonenumber", "phoneNumber=telephone1", " telephone1 "])
def test_a_field_is_named_by_either_side(pair: MemoryPair, name: str) -> None:
    assert pair.workspace.match("CUSTOMER", on=[[name]]).coupled == 3


def test_a_field_is_named_by_its_caption(pair: MemoryPair) -> None:
    assert pair.workspace.match("CUSTOMER", on=[["Name"]]).criteria == ("Name",)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("phoneNo", UnknownName, "phoneNumber"),
        ("websiteurl", ConfigurationError, "constant"),
    ],
)
def test_a_field_that_cannot_be_matched_by_is_refused(
    pair: MemoryPair, name: str, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        pair.workspace.match("CUSTOMER", on=[[name]])
    assert pair.workspace.list_jobs() == []


def test_a_field_that_is_not_synchronized_may_be_matched_by(pair: MemoryPair) -> None:
    here = pair.local.add("customers", {"displayName": "Fabrikam", "faxNo": "99"})
    there = pair.integration.add("account", {"name": "Contoso", "fax": "99"})
    assert pair.workspace.match("CUSTOMER", on=[["faxNo"]], sync_after=True).coupled == 1
    assert pair.counterpart(here) == there


def test_a_field_that_is_mapped_twice_must_be_told_apart() -> None:
    to, back = Direction.TO_INTEGRATION, Direction.FROM_INTEGRATION
    fields = (field("displayName", "name", direction=to), field("displayName", "fax", direction=back))
    with MemoryPair(mapping(*fields)) as pair, pytest.raises(ConfigurationError, match="displayName=name or"):
        pair.workspace.match("CUSTOMER", on=[["displayName"]])


def test_without_any_criterion_it_is_said_what_to_do() -> None:
    with MemoryPair(mapping(NAME)) as pair, pytest.raises(ConfigurationError, match="--on FIELD"):
        pair.workspace.match("CUSTOMER")


# What follows.


def test_counterparts_of_unmatched_records_are_made_where_that_is_wanted(pair: MemoryPair) -> None:
    result = pair.workspace.match("CUSTOMER", create_unmatched=True)
    assert (result.coupled, result.unmatched, result.succeeded) == (3, {Unmatched.NO_MATCH: 1}, True)
    assert len(pair.counterparts()) == 4
    assert names(pair) == ["Account 0", "Account 1", "Account 2", "Customer 3"]
    (run,) = result.runs
    assert (run.counters.inserted, run.counters.modified) == (1, 0)
    coupling = pair.workspace.list_jobs("CUSTOMER")[-1]
    assert (coupling.type, coupling.coupled, coupling.failed) == ("coupling", 3, 0)
    assert coupling.ignored_reasons == {Ignored.TO_BE_MADE.value: 1}
    assert coupling.counters.balanced
    assert open_failures(pair) == {}


def test_the_mapping_says_what_follows_unless_a_person_does() -> None:
    made = mapping(
        NAME,
        PHONE,
        only_coupled=True,
        create_new_in_case_of_no_match=True,
        synch_after_match_based_coupling=True,
        update_conflict_resolution=UpdateConflict.GET,
    )
    with MemoryPair(made) as pair:
        fill(pair)
        result = pair.workspace.match("CUSTOMER", create_unmatched=False)
        assert (result.create_unmatched, result.sync_after, result.failed) == (False, True, 1)
        assert len(pair.counterparts()) == 3
        local = [record["displayName"] for record in pair.local.records("customers").values()]
        assert local == ["Account 0", "Account 1", "Account 2", "Customer 3"]
        pair.workspace.match("CUSTOMER")
        assert names(pair) == ["Account 0", "Account 1", "Account 2", "Customer 3"]


def test_a_mapping_that_only_comes_from_there_makes_nothing_there() -> None:
    back = mapping(NAME, PHONE, direction=Direction.FROM_INTEGRATION, create_new_in_case_of_no_match=True)
    with MemoryPair(back) as pair:
        fill(pair)
        with pytest.raises(ConfigurationError, match="only goes from the integration side"):
            pair.workspace.match("CUSTOMER", create_unmatched=True)
        result = pair.workspace.match("CUSTOMER", sync_after=True)
        assert (result.create_unmatched, result.coupled) == (False, 3)
        assert sorted(r["displayName"] for r in pair.local.records("customers").values())[:3] == [
            "Account 0",
            "Account 1",
            "Account 2",
        ]


def test_nothing_is_coupled_where_what_follows_must_not_be_written(pair: MemoryPair) -> None:
    pair.workspace.make_read_only("integration")
    with pytest.raises(ConfigurationError, match="read only"):
        pair.workspace.match("CUSTOMER", create_unmatched=True)
    assert pair.counterparts() == {}
    assert pair.workspace.match("CUSTOMER").coupled == 3


@pytest.mark.parametrize("few", [1, 10_000], ids=["everything is read again", "the pairs are looked at again"])
def test_the_next_run_looks_at_what_was_coupled_since_both_sides_were_read(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "FEW", few)
    monkeypatch.setattr(exact, "AT_ONCE", 1)
    with MemoryPair(mapping(NAME, PHONE, only_coupled=True, update_conflict_resolution=UpdateConflict.SEND)) as pair:
        add_synchronized(pair, "Coupled", phoneNumber="x")
        fill(pair)
        pair.synchronize()
        assert pair.synchronize().counters.read == 0
        pair.workspace.match("CUSTOMER")
        assert names(pair) == ["Account 0", "Account 1", "Account 2", "Coupled"]
        pair.synchronize()
        assert names(pair) == ["Coupled", "Customer 0", "Customer 1", "Customer 2"]
        for _ in range(2):
            pair.synchronize()
        assert pair.synchronize().counters.read == 0
        assert open_failures(pair) == {}


# What it leaves when it does not come to its end.


def test_nobody_matches_while_the_mapping_runs(pair: MemoryPair) -> None:
    context = pair.workspace.context
    number = context.mapping("CUSTOMER").id
    with context.database.transaction() as connection:
        lease = take_lease(connection, number, None, this_process())
    with pytest.raises(LeaseHeld):
        pair.workspace.match("CUSTOMER")
    with context.database.transaction() as connection:
        release_lease(connection, lease)
    assert pair.workspace.match("CUSTOMER").coupled == 3


def test_a_stop_ends_matching_and_what_was_coupled_stays(pair: MemoryPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "AT_ONCE", 1)
    couple = job.CouplingJob.couple

    def stop_after_one(self: job.CouplingJob, pairs: pl.DataFrame) -> None:
        couple(self, pairs)
        pair.workspace.stop_everything("enough")

    monkeypatch.setattr(job.CouplingJob, "couple", stop_after_one)
    with pytest.raises(Stopped):
        pair.workspace.match("CUSTOMER")
    assert len(pair.counterparts()) == 1
    with pytest.raises(Stopped):
        pair.workspace.match("CUSTOMER")
    pair.workspace.resume_everything()
    monkeypatch.undo()
    again = pair.workspace.match("CUSTOMER")
    assert (again.coupled, again.looked_at) == (2, 3)
    states = [one.state for one in pair.workspace.list_jobs("CUSTOMER")]
    assert states == ["finished", "failed"]


def test_a_failure_while_reading_leaves_a_job_that_tells_it(pair: MemoryPair, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: MemorySystem, request: Any) -> Any:
        raise ConfigurationError("no such luck")

    with monkeypatch.context() as patch:
        patch.setattr(MemorySystem, "changes", broken)
        with pytest.raises(ConfigurationError):
            pair.workspace.match("CUSTOMER")
    (failed,) = pair.workspace.list_jobs("CUSTOMER")
    assert (failed.type, failed.state, failed.message) == ("coupling", "failed", "no such luck.")
    assert pair.workspace.match("CUSTOMER").coupled == 3


def test_a_record_whose_create_has_no_answer_is_left_to_the_next_run() -> None:
    with MemoryPair(mapping(NAME, PHONE), integration={"create_keys": CreateKeys.NONE}) as pair:
        fill(pair)
        customers = list(pair.local.records("customers"))
        hostile = Hostile(pair.integration, Faults(lost=1))
        pair.wrap(INTEGRATION, hostile)
        pair.synchronize(records=customers[:1])
        pair.wrap(INTEGRATION, pair.integration)
        result = pair.workspace.match("CUSTOMER", create_unmatched=True)
        assert result.unmatched[Unmatched.UNSETTLED] == 1
        assert pair.counterpart(customers[0], LOCAL) is None
        assert (Pass.TO, customers[0]) in open_failures(pair)


def test_records_that_are_named_and_cannot_be_matched_are_failures_with_their_reasons() -> None:
    unknown = "99999999-9999-4999-8999-999999999999"
    with MemoryPair(mapping(only_coupled=True, local_filter="faxNo ne 'out'")) as pair:
        outside = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "out"})
        result = pair.workspace.match("CUSTOMER", on=[["displayName"]], records=[outside, unknown])
        assert (result.failed, result.refused, result.succeeded) == (2, 2, False)
        told = {row.source_id: row.message for row in pair.workspace.list_errors("CUSTOMER")}
        assert told == {outside: "not coupled: outside the filter", unknown: "not coupled: not found"}
