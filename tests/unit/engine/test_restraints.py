"""What keeps runs from writing: a stop, a connection read only, a store that belongs to other systems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.scenarios.world import FAX, INTEGRATION, LOCAL, NAME, add_pair, edit, job, mapping, settle, value

from twinrow.connectors.base import Identity, WriteRequest
from twinrow.engine.context import EngineSettings
from twinrow.model.errors import ConfigurationError, Stopped, UnknownField, UnknownName
from twinrow.model.mapping import DeletePropagation
from twinrow.model.sides import Direction, Pass, Side
from twinrow.testing.pair import MemoryPair, customer_mapping


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    with MemoryPair(mapping(), settings=EngineSettings(page_rows=2)) as made:
        yield made


class Watched:
    """A connector that does something before it writes, and may say that it is another environment."""

    def __init__(self, inner: Any, before: Any = None, environment: str | None = None) -> None:
        self._inner, self._before, self._environment = inner, before, environment
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def identify(self) -> Identity:
        return Identity(self._environment) if self._environment else self._inner.identify()

    def write(self, request: WriteRequest) -> Any:
        self.writes += 1
        if self._before is not None:
            self._before()
        return self._inner.write(request)


# Stopping everything.


def test_nothing_runs_until_it_is_resumed(pair: MemoryPair) -> None:
    customer, account = add_pair(pair)
    settle(pair)
    edit(pair, LOCAL, customer, FAX, "2")
    stop = pair.workspace.stop_everything("the accounts are being cleaned up")
    assert pair.workspace.show_stop() == stop
    with pytest.raises(Stopped, match="Everything is stopped") as told:
        pair.synchronize()
    assert "the accounts are being cleaned up" in str(told.value.cause)
    assert {run.state for run in pair.workspace.synchronize().runs} == {"failed"}
    assert value(pair, INTEGRATION, account, FAX) == "1"
    assert pair.workspace.verify("CUSTOMER").compared == 1, "comparing writes nothing and is still possible"
    assert pair.workspace.resume_everything() == stop
    assert pair.workspace.show_stop() is None
    pair.synchronize()
    assert value(pair, INTEGRATION, account, FAX) == "2"
    assert pair.workspace.resume_everything() is None


def test_a_run_under_way_ends_within_a_batch_and_is_gone_on_with(pair: MemoryPair) -> None:
    for number in range(7):
        pair.local.add("customers", {"displayName": f"Customer {number}"})
    stopped: list[int] = []

    def stop_once() -> None:
        if not stopped:
            stopped.append(1)
            pair.workspace.stop_everything()

    watched = Watched(pair.integration, stop_once)
    pair.wrap(Side.INTEGRATION, watched)
    with pytest.raises(Stopped):
        pair.synchronize()
    # The batch that was being written is settled; the one behind it is not begun.
    assert len(pair.integration.records("account")) == pair.workspace.couplings("CUSTOMER").height == 2
    assert watched.writes == 1
    pair.workspace.resume_everything()
    run = pair.synchronize()
    assert (run.counters.inserted, len(pair.integration.records("account"))) == (7, 7)
    assert sum(one.read for one in run.jobs if one.direction == Pass.TO.value) == 7


# A connection read only.


@pytest.mark.parametrize("side", list(Side))
def test_the_direction_that_would_write_to_a_side_that_is_read_only_is_left_out(pair: MemoryPair, side: Side) -> None:
    ids = dict(zip((LOCAL, INTEGRATION), add_pair(pair), strict=True))
    settle(pair)
    edit(pair, side.other, ids[side.other], FAX, "2")
    edit(pair, side, ids[side], NAME, "New name")
    before = pair.system(side).records("customers" if side is LOCAL else "account")
    assert pair.workspace.make_read_only(side.value) == pair.workspace.show_read_only() == {side}

    run = pair.synchronize()

    assert pair.system(side).records("customers" if side is LOCAL else "account") == before
    assert value(pair, side.other, ids[side.other], NAME) == "New name"
    held = Pass.FROM if side is LOCAL else Pass.TO
    assert f"Nothing is written to the {side.value} system" in str(job(run, held).message)
    # What waited is carried once it may be.
    pair.workspace.make_read_only("none")
    settle(pair)
    assert value(pair, side, ids[side], FAX) == "2"


def test_where_no_direction_is_left_a_run_is_refused_and_a_plan_is_not(pair: MemoryPair) -> None:
    customer, _ = add_pair(pair)
    settle(pair)
    edit(pair, LOCAL, customer, FAX, "2")
    pair.workspace.make_read_only("both")
    with pytest.raises(ConfigurationError, match="Nothing of CUSTOMER can be done"):
        pair.synchronize()
    assert pair.workspace.make_plan("CUSTOMER").counters.modified == 1
    pair.workspace.make_read_only("integration")
    with pytest.raises(ConfigurationError, match="integration system"):
        pair.synchronize(direction="to")
    with pytest.raises(UnknownName):
        pair.workspace.make_read_only("everything")


def test_a_one_way_mapping_to_a_side_that_is_read_only_does_not_run() -> None:
    with MemoryPair(customer_mapping(direction=Direction.TO_INTEGRATION, fields=mapping().fields)) as pair:
        pair.workspace.make_read_only("integration")
        with pytest.raises(ConfigurationError, match="read only"):
            pair.synchronize()
        pair.workspace.make_read_only("local")
        assert pair.synchronize().succeeded


def test_nothing_is_undone_where_nothing_may_be_written(pair: MemoryPair) -> None:
    customer, account = add_pair(pair)
    settle(pair)
    edit(pair, LOCAL, customer, FAX, "2")
    run = pair.synchronize()
    assert run.id is not None
    pair.workspace.make_read_only("integration")
    with pytest.raises(ConfigurationError, match="nothing may be written to the integration system"):
        pair.workspace.undo(run.id)
    pair.workspace.make_read_only("none")
    pair.workspace.stop_everything()
    with pytest.raises(Stopped):
        pair.workspace.undo(run.id)
    assert value(pair, INTEGRATION, account, FAX) == "2"
    pair.workspace.resume_everything()
    pair.workspace.undo(run.id)
    assert value(pair, INTEGRATION, account, FAX) == "1"


# A store that belongs to other systems.


def test_a_system_that_has_become_another_one_is_not_written_until_it_is_accepted(pair: MemoryPair) -> None:
    customer, account = add_pair(pair)
    settle(pair)
    watched = Watched(pair.integration, environment="another")
    pair.wrap(Side.INTEGRATION, watched)
    edit(pair, LOCAL, customer, FAX, "2")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="another one than the couplings") as told:
            pair.synchronize()
        assert "twinrow system accept" in str(told.value.remedy)
    assert watched.writes == 0

    assert pair.workspace.accept_system("integration", keep_couplings=True) == {"CUSTOMER": 1}

    pair.synchronize()
    assert value(pair, INTEGRATION, account, FAX) == "2"
    assert pair.workspace.couplings("CUSTOMER").height == 1
    assert pair.workspace.accept_system("integration", keep_couplings=True) == {}


def test_what_differs_in_a_restored_environment_is_found_after_it_was_accepted(pair: MemoryPair) -> None:
    customer, account = add_pair(pair)
    settle(pair)
    pair.wrap(Side.INTEGRATION, Watched(pair.integration, environment="restored"))
    # As it was in the backup, under a version that says nothing.
    pair.integration._contents["account"].records[account].values["fax"] = "old"
    pair.workspace.accept_system("integration", keep_couplings=True)
    settle(pair)
    assert value(pair, LOCAL, customer, FAX) == "old"


def test_couplings_with_other_records_are_forgotten(pair: MemoryPair) -> None:
    customer, account = add_pair(pair)
    settle(pair)
    before = pair.integration.records("account")
    pair.wrap(Side.INTEGRATION, Watched(pair.integration, environment="another"))
    assert pair.workspace.accept_system("integration", keep_couplings=False) == {"CUSTOMER": 1}
    assert pair.workspace.couplings("CUSTOMER").is_empty()
    assert pair.integration.records("account") == before
    pair.synchronize()
    # Nothing meets the former counterpart by accident.
    assert pair.counterpart(customer) not in (None, account)


def test_only_the_systems_that_there_are_can_be_accepted(pair: MemoryPair) -> None:
    with pytest.raises(UnknownName):
        pair.workspace.accept_system("nowhere", keep_couplings=True)


# A pilot.


def names_of(pair: MemoryPair, side: Side) -> set[str]:
    table = "customers" if side is LOCAL else "account"
    return {str(record[NAME[side]]) for record in pair.system(side).records(table).values()}


@pytest.fixture
def many(pair: MemoryPair) -> MemoryPair:
    for number in range(6):
        pair.local.add("customers", {"displayName": f"Customer {number}", "faxNo": str(number)})
    pair.integration.add("account", {"name": "Account"})
    return pair


def test_only_the_records_of_a_pilot_take_part(many: MemoryPair) -> None:
    pilot = many.workspace.start_pilot("CUSTOMER", where="faxNo eq '1' or faxNo eq '4'")
    assert (pilot.ids.len(), many.workspace.list_pilots()["CUSTOMER"].told) == (2, "where faxNo eq '1' or faxNo eq '4'")

    run = many.synchronize()

    assert names_of(many, INTEGRATION) == {"Account", "Customer 1", "Customer 4"}
    assert job(run, Pass.TO).ignored_reasons == {"outside the pilot": 4}
    assert job(run, Pass.FROM).ignored_reasons == {"outside the pilot": 1}
    assert run.counters.balanced
    # They are kept in step both ways, and nobody else is.
    customer, account = next(iter(many.counterparts().items()))
    edit(many, INTEGRATION, account, NAME, "From there")
    other = next(id for id in many.local.records("customers") if id not in many.counterparts())
    edit(many, LOCAL, other, NAME, "Left alone")
    late = many.local.add("customers", {"displayName": "Later", "faxNo": "1"})
    settle(many)
    assert value(many, LOCAL, customer, NAME) == "From there"
    assert many.counterpart(other) is many.counterpart(late) is None

    assert many.workspace.end_pilot("CUSTOMER") is not None

    settle(many)
    assert many.workspace.list_pilots() == {}
    assert len(many.counterparts()) == 8
    assert names_of(many, LOCAL) == names_of(many, INTEGRATION) >= {"Left alone", "Later", "Account"}


@pytest.mark.parametrize("side", list(Side))
def test_a_pilot_among_coupled_records_leaves_the_others_as_they_are(pair: MemoryPair, side: Side) -> None:
    ids = [dict(zip((LOCAL, INTEGRATION), add_pair(pair, f"Customer {n}", str(n)), strict=True)) for n in range(3)]
    settle(pair)
    chosen = "faxNo eq '1'" if side is LOCAL else "fax eq '1'"
    pair.workspace.start_pilot("CUSTOMER", where=chosen, side=side)
    for one in ids:
        edit(pair, LOCAL, one[LOCAL], NAME, "New name")
        edit(pair, INTEGRATION, one[INTEGRATION], FAX, "9")
    settle(pair)
    assert [value(pair, INTEGRATION, one[INTEGRATION], NAME) for one in ids] == ["Customer 0", "New name", "Customer 2"]
    assert [value(pair, LOCAL, one[LOCAL], FAX) for one in ids] == ["0", "9", "2"]
    found = pair.workspace.verify("CUSTOMER")
    assert {kind.value: count for kind, count in found.records.items()} == {"outside filter": 2}
    run = pair.synchronize(records=[ids[0][LOCAL]])
    assert job(run, Pass.TO).skipped == 1
    pair.workspace.end_pilot("CUSTOMER")
    settle(pair)
    assert [value(pair, INTEGRATION, one[INTEGRATION], NAME) for one in ids] == ["New name"] * 3
    assert [value(pair, LOCAL, one[LOCAL], FAX) for one in ids] == ["9"] * 3


def test_no_deletion_is_carried_over_during_a_pilot() -> None:
    carrying = mapping(delete_propagation=DeletePropagation.BOTH)
    with MemoryPair(carrying, local={"deletes_in_feed": True}) as pair:
        ids = [add_pair(pair, f"Customer {n}", str(n)) for n in range(10)]
        settle(pair)
        pair.workspace.start_pilot("CUSTOMER", first=9)
        for customer, _ in ids[:2]:
            pair.local.remove("customers", customer)
        pair.synchronize()
        assert len(pair.integration.records("account")) == 10
        pair.workspace.end_pilot("CUSTOMER")
        settle(pair)
        pair.synchronize(full=True)
        assert len(pair.integration.records("account")) == 8


def test_a_pilot_that_says_nothing_is_refused(many: MemoryPair) -> None:
    workspace = many.workspace
    assert workspace.start_pilot("CUSTOMER", first=2).ids.len() == 2
    for choice in ({}, {"first": 1, "where": "faxNo eq '1'"}, {"where": "faxNo eq 'none'"}):
        with pytest.raises(ConfigurationError):
            workspace.start_pilot("CUSTOMER", **choice)
    with pytest.raises(UnknownField):
        workspace.start_pilot("CUSTOMER", where="fax eq '1'")
    assert workspace.list_pilots()["CUSTOMER"].told == "the first 2", "what was refused has changed nothing"
    workspace.end_pilot("CUSTOMER")
    assert workspace.end_pilot("CUSTOMER") is None
