"""The list of coupled data errors: what it tells, and what can be done from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.scenarios.test_uncoupling import World, here, there
from tests.scenarios.world import INTEGRATION, LOCAL, add_pair, mapping, remove, skipped
from twinrow.actions.coupled_errors import CoupledError, Remedy
from twinrow.model.errors import ConfigurationError, RemovalsHeld, UnknownName
from twinrow.model.sides import Direction, Pass, Side
from twinrow.testing.pair import MemoryPair, field

LOG_AND_RETRY = {Remedy.RETRY, Remedy.SYNCHRONIZE, Remedy.LOG, Remedy.COUPLE, Remedy.UNCOUPLE}


def aside(name: str = "CUSTOMER", count: int = 2, **more: Any) -> tuple[World, list[tuple[str, str]]]:
    """Return coupled records of a mapping that all failed twice, because their names are too long."""
    world = World(name, **more)
    ids = world.couple(name, count)
    world.set_aside(name, ids)
    return world, ids


def listed(world: World, name: str | None = None) -> dict[str, CoupledError]:
    """Return the list by local id."""
    return {one.ids[LOCAL] or "": one for one in world.pair.workspace.list_coupled_errors(name)}


@pytest.mark.scenario("A066")
def test_a_record_that_is_retried_leaves_the_list() -> None:
    world, _ = aside(count=1)
    with world:
        (error,) = listed(world).values()
        assert error.remedies >= LOG_AND_RETRY
        assert world.pair.workspace.retry_skipped("CUSTOMER", [error.number]) == 1
        assert listed(world) == {}
        assert skipped(world.pair) == set()
        assert world.pair.synchronize("CUSTOMER").counters.failed == 1


@pytest.mark.scenario("A067")
def test_synchronizing_takes_the_mark_away_before_the_job() -> None:
    world, ids = aside("SALESPEOPLE", directions={"SALESPEOPLE": Direction.FROM_INTEGRATION})
    with world:
        x, y = (listed(world)[local] for local, _ in ids)
        world.pair.integration.edit(there("SALESPEOPLE"), ids[0][1], name="Ann", note="1")

        (run,) = world.pair.workspace.synchronize_coupled_errors([x.number])

        assert run.succeeded
        assert world.pair.local.record(here("SALESPEOPLE"), ids[0][0])["name"] == "Ann"
        assert skipped(world.pair, "SALESPEOPLE") == {ids[1][0]}
        assert list(listed(world)) == [y.ids[LOCAL]]


@pytest.mark.scenario("A068")
def test_the_chosen_direction_replaces_what_the_other_side_changed() -> None:
    world, ids = aside()
    with world:
        first, second = ids
        for local, account in ids:
            world.pair.local.edit(here("CUSTOMER"), local, name="from here")
            world.pair.integration.edit(there("CUSTOMER"), account, name="from there")
        offer = world.pair.workspace.offer_synchronization("CUSTOMER", [first[0]])
        assert "The others are replaced" in offer.warnings[0]
        assert offer.choices == ("to", "from")

        world.pair.workspace.synchronize_coupled_errors([listed(world)[first[0]].number], "to")

        assert world.pair.integration.record(there("CUSTOMER"), first[1])["name"] == "from here"
        assert world.pair.integration.record(there("CUSTOMER"), second[1])["name"] == "from there"
        assert skipped(world.pair) == {second[0]}


@pytest.mark.scenario("A069")
def test_one_direction_is_chosen_for_mappings_that_go_both_ways() -> None:
    with World("CUSTOMER", "SALESPEOPLE", directions={"SALESPEOPLE": Direction.FROM_INTEGRATION}) as world:
        ids = {name: world.couple(name, 2) for name in ("CUSTOMER", "SALESPEOPLE")}
        for name, pairs in ids.items():
            world.set_aside(name, pairs)
            for local, other in pairs:
                world.pair.local.edit(here(name), local, name="from here")
                world.pair.integration.edit(there(name), other, name="from there", note="1")
        chosen = [*(local for local, _ in ids["CUSTOMER"]), ids["SALESPEOPLE"][0][0]]

        runs = world.pair.workspace.synchronize_coupled_errors([listed(world)[id].number for id in chosen], "to")

        assert [run.mapping for run in runs] == ["CUSTOMER", "SALESPEOPLE"]
        for _, account in ids["CUSTOMER"]:
            assert world.pair.integration.record(there("CUSTOMER"), account)["name"] == "from here"
        assert world.pair.local.record(here("SALESPEOPLE"), ids["SALESPEOPLE"][0][0])["name"] == "from there"
        assert list(listed(world)) == [ids["SALESPEOPLE"][1][0]]


@pytest.mark.scenario("A070")
def test_only_pairs_of_which_both_are_there_are_synchronized() -> None:
    world, ids = aside(count=5)
    with world:
        numbers = [one.number for one in listed(world).values()]
        world.pair.local.remove(here("CUSTOMER"), ids[2][0])

        (run,) = world.pair.workspace.synchronize_coupled_errors(numbers)

        assert {job.read for job in run.jobs} == {4}
        assert list(listed(world)) == [ids[2][0]]


@pytest.mark.scenario("A072")
@pytest.mark.scenario("B197")
def test_the_list_tells_what_failed_last_and_when() -> None:
    with World("CUSTOMER", "SALESPEOPLE") as world:
        (customer,) = world.couple("CUSTOMER", 1)
        (salesperson,) = world.couple("SALESPEOPLE", 1)
        world.set_aside("CUSTOMER", [customer])
        world.pair.clock.advance(timedelta(hours=1))
        world.set_aside("SALESPEOPLE", [salesperson])

        first, second = world.pair.workspace.list_coupled_errors()

        assert [one.mapping for one in (first, second)] == ["SALESPEOPLE", "CUSTOMER"]
        assert [one.local_table for one in (first, second)] == [here("SALESPEOPLE"), here("CUSTOMER")]
        assert first.failed_at > second.failed_at
        for one, (local, integration) in ((first, salesperson), (second, customer)):
            assert one.ids == {LOCAL: local, INTEGRATION: integration}
            assert one.exists == {LOCAL: True, INTEGRATION: True}
            assert one.labels[LOCAL] == "1" * 50
            assert "40" in one.message
        newest = world.pair.workspace.list_errors("CUSTOMER")[0]
        assert (second.message, second.pass_) == (newest.message, Pass.TO)


@pytest.mark.scenario("B197")
@pytest.mark.parametrize("failing", [(Pass.TO, Pass.FROM), (Pass.TO,), (Pass.FROM,)], ids=["both", "to", "from"])
def test_where_both_directions_failed_the_one_to_the_integration_side_is_told(failing: tuple[Pass, ...]) -> None:
    fields = (
        field("name", "name"),
        field("rank", "rank", direction=Direction.TO_INTEGRATION),
        field("note", "note", direction=Direction.FROM_INTEGRATION),
    )
    with World("CUSTOMER", fields=fields) as world:
        (ids,) = world.couple("CUSTOMER", 1)
        for _ in range(2):
            if Pass.TO in failing:
                world.pair.local.edit(here("CUSTOMER"), ids[0], rank="no number")
            if Pass.FROM in failing:
                world.pair.integration.edit(there("CUSTOMER"), ids[1], note="no number")
            world.pair.synchronize("CUSTOMER")
        (error,) = listed(world).values()
        assert error.pass_ is failing[0]
        told = [one for one in world.pair.workspace.list_errors("CUSTOMER") if one.pass_ is failing[0]]
        assert error.message == told[0].message


@pytest.mark.scenario("A073")
def test_the_log_of_a_record() -> None:
    world, ids = aside(count=1)
    with world:
        for _ in range(2):
            ids += world.couple("CUSTOMER", 1)
            world.set_aside("CUSTOMER", [ids[-1]])
        jobs = world.pair.workspace.list_record_jobs("CUSTOMER", ids[1][0])
        errors = {row.job_id: row.source_id for row in world.pair.workspace.list_errors("CUSTOMER")}
        (told,) = [job.id for job in jobs if job.id in errors]
        assert errors[told] == ids[1][0]


@pytest.mark.scenario("A080")
@pytest.mark.parametrize("gone", list(Side))
def test_deleting_what_is_left(gone: Side) -> None:
    world, ((local, account),) = aside(count=1)
    with world:
        ids = {LOCAL: local, INTEGRATION: account}
        tables = {LOCAL: here("CUSTOMER"), INTEGRATION: there("CUSTOMER")}
        world.pair.system(gone).remove(tables[gone], ids[gone])
        (error,) = listed(world).values()
        assert (error.labels[gone], error.exists[gone], error.exists[gone.other]) == ("", False, True)
        assert Remedy.DELETE in error.remedies

        (run,) = world.pair.workspace.delete_records([error.number])

        assert run.counters.deleted == 1
        assert world.pair.system(gone.other).records(tables[gone.other]) == {}
        assert world.coupled("CUSTOMER") == []
        assert listed(world) == {}


@pytest.mark.scenario("A083")
@pytest.mark.parametrize("gone", list(Side))
def test_restoring_what_is_gone(gone: Side) -> None:
    world, ((local, account),) = aside(count=1)
    with world:
        ids = {LOCAL: local, INTEGRATION: account}
        tables = {LOCAL: here("CUSTOMER"), INTEGRATION: there("CUSTOMER")}
        world.pair.local.edit(here("CUSTOMER"), local, name="short again")
        world.pair.integration.edit(there("CUSTOMER"), account, name="short again")
        world.pair.system(gone).remove(tables[gone], ids[gone])
        (error,) = listed(world).values()

        (run,) = world.pair.workspace.restore_records([error.number])

        assert run.counters.inserted == 1
        assert listed(world) == {}
        (new,) = world.pair.system(gone).records(tables[gone])
        assert new != ids[gone]
        assert world.pair.system(gone).record(tables[gone], new)["name"] == "short again"
        assert list(world.pair.system(gone.other).records(tables[gone.other])) == [ids[gone.other]]
        coupling = {gone: new, gone.other: ids[gone.other]}
        assert world.pair.counterparts() == {coupling[LOCAL]: coupling[INTEGRATION]}


@pytest.mark.scenario("A085")
@pytest.mark.parametrize("gone", [LOCAL, INTEGRATION, None], ids=["local", "integration", "none"])
def test_what_can_be_done_follows_from_what_is_left(gone: Side | None) -> None:
    world, ((local, account),) = aside(count=1)
    with world:
        if gone is LOCAL:
            world.pair.local.remove(here("CUSTOMER"), local)
        elif gone is INTEGRATION:
            world.pair.integration.remove(there("CUSTOMER"), account)
        (error,) = listed(world).values()
        expected = {
            LOCAL: {Remedy.UNCOUPLE, Remedy.RESTORE, Remedy.DELETE},
            INTEGRATION: {Remedy.UNCOUPLE, Remedy.LOG, Remedy.COUPLE, Remedy.RESTORE, Remedy.DELETE},
            None: LOG_AND_RETRY,
        }
        assert error.remedies == expected[gone]


@pytest.mark.scenario("A086")
def test_coupling_anew_replaces_the_broken_coupling() -> None:
    world, ((local, account),) = aside("ITEM", count=1)
    with world:
        world.pair.integration.remove(there("ITEM"), account)
        other = world.pair.integration.add(there("ITEM"), {"name": "B"})
        (error,) = listed(world).values()
        assert Remedy.COUPLE in error.remedies
        # Looking at what would be coupled changes nothing.
        world.pair.workspace.offer_coupling("ITEM", local, other)
        assert list(listed(world)) == [local]

        world.pair.workspace.couple("ITEM", local, other)

        assert world.pair.counterparts(mapping="ITEM") == {local: other}
        assert skipped(world.pair, "ITEM") == set()
        assert listed(world) == {}


@pytest.mark.scenario("A087")
def test_a_coupling_of_which_both_are_gone_is_removed_by_looking() -> None:
    world, ((local, account),) = aside(count=1)
    with world:
        world.pair.local.remove(here("CUSTOMER"), local)
        world.pair.integration.remove(there("CUSTOMER"), account)
        assert listed(world) == {}
        assert world.coupled("CUSTOMER") == []


@pytest.mark.scenario("A088")
@pytest.mark.parametrize("how", ["retried", "replaced"])
def test_what_is_well_again_disappears(how: str) -> None:
    world, ids = aside()
    with world:
        assert len(listed(world)) == 2
        if how == "retried":
            world.pair.workspace.retry_skipped("CUSTOMER", [listed(world)[ids[0][0]].number])
        else:
            world.pair.workspace.uncouple("CUSTOMER", ids[0][0])
            world.pair.couple(*ids[0])
        assert list(listed(world)) == [ids[1][0]]


@pytest.mark.scenario("A089")
def test_couplings_whose_record_is_gone_are_looked_for() -> None:
    with MemoryPair(mapping(direction=Direction.TO_INTEGRATION, local_filter="faxNo ne 'out'")) as pair:
        ids = [add_pair(pair, name) for name in ("gone", "outside", "well")]
        pair.synchronize()
        remove(pair, LOCAL, ids[0][0])
        pair.local.edit("customers", ids[1][0], faxNo="out")
        assert pair.workspace.list_coupled_errors() == []

        found = pair.workspace.find_deleted("CUSTOMER")["CUSTOMER"]

        assert (found.gone, found.outside) == (1, 1)
        assert skipped(pair) == {ids[0][0], ids[1][0]}
        messages = {one.ids[LOCAL]: one.message for one in pair.workspace.list_coupled_errors()}
        assert "deleted" in messages[ids[0][0]]
        assert "filter" in messages[ids[1][0]]
        again = pair.workspace.find_deleted("CUSTOMER")["CUSTOMER"]
        assert (again.gone, again.outside) == (0, 0)


def test_looking_never_fails_for_what_is_gone() -> None:
    with World("CUSTOMER") as world:
        loose = world.pair.local.add(here("CUSTOMER"), {"name": "x" * 50})
        local, account = world.couple("CUSTOMER", 1)[0]
        world.set_aside("CUSTOMER", [(local, account)])
        for _ in range(2):
            world.pair.workspace.synchronize("CUSTOMER", create=True, records=[loose])
            world.pair.synchronize("CUSTOMER")
        assert {one.ids[LOCAL] for one in world.pair.workspace.list_coupled_errors()} == {local, loose}
        for name, id in ((here("CUSTOMER"), loose), (here("CUSTOMER"), local)):
            world.pair.local.remove(name, id)
        world.pair.integration.remove(there("CUSTOMER"), account)
        world.pair.workspace.stop_everything()
        assert listed(world) == {}
        world.pair.workspace.resume_everything()
        assert listed(world) == {}
        assert world.coupled("CUSTOMER") == []
        assert world.pair.workspace.list_pending("CUSTOMER") == []


def test_no_coupling_is_set_aside_where_a_whole_side_seems_to_be_gone() -> None:
    with MemoryPair(mapping(direction=Direction.TO_INTEGRATION)) as pair:
        ids = [add_pair(pair, name) for name in ("a", "b", "c")]
        pair.synchronize()
        for local, _ in ids:
            remove(pair, LOCAL, local)
        with pytest.raises(RemovalsHeld, match="Not one of the 3"):
            pair.workspace.find_deleted("CUSTOMER")
        assert skipped(pair) == set()


def test_a_number_that_is_not_on_the_list_is_told_before_anything_is_done() -> None:
    world, _ = aside(count=1)
    with world:
        (error,) = listed(world).values()
        for action in ("restore_records", "delete_records", "uncouple_coupled_errors", "synchronize_coupled_errors"):
            with pytest.raises(UnknownName, match="999"):
                getattr(world.pair.workspace, action)([error.number, 999])
        for action in ("restore_records", "delete_records"):
            with pytest.raises(ConfigurationError, match="no side is gone"):
                getattr(world.pair.workspace, action)([error.number])
        assert len(world.coupled("CUSTOMER")) == 1


def test_a_record_that_is_there_again_is_not_touched_by_a_deletion_that_was_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MemoryPair(mapping(direction=Direction.TO_INTEGRATION)) as pair:
        local, account = add_pair(pair, "from here")
        add_pair(pair, "another")
        pair.synchronize()
        pair.integration.edit("account", account, name="from there")
        kept = pair.integration.record("account", account)
        remove(pair, INTEGRATION, account)
        pair.workspace.find_deleted("CUSTOMER")
        (error,) = pair.workspace.list_coupled_errors()
        with monkeypatch.context() as patched:
            patched.setattr("twinrow.engine.passes.named_batches", _break_off)
            with pytest.raises(KeyboardInterrupt):
                pair.workspace.delete_records([error.number])
        pair.integration.add("account", {"name": kept["name"]}, id=account)

        pair.synchronize()

        assert pair.local.record("customers", local)["displayName"] == "from here"
        assert pair.integration.record("account", account)["name"] == "from there"


def _break_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_records_that_were_given_up_are_not_broken() -> None:
    given_up = {"integration": {"name": "given up"}}
    rules = {"delete_propagation": "to_integration", "deactivation": given_up}
    with MemoryPair(mapping(**rules), local={"deletes_in_feed": True}) as pair:
        ids = [add_pair(pair, name) for name in ("a", "b", "c")]
        pair.synchronize()
        remove(pair, LOCAL, ids[0][0])
        pair.synchronize()
        assert pair.integration.record("account", ids[0][1])["name"] == "given up"
        found = pair.workspace.find_deleted("CUSTOMER")["CUSTOMER"]
        assert (found.gone, found.outside) == (0, 0)
        assert pair.workspace.list_coupled_errors() == []


def test_couplings_of_which_nothing_is_seen_stay_where_they_are_too_many_to_go_by_themselves() -> None:
    world, ids = aside(count=3)
    with world:
        for local, account in ids:
            world.pair.local.remove(here("CUSTOMER"), local)
            world.pair.integration.remove(there("CUSTOMER"), account)
        errors = world.pair.workspace.list_coupled_errors()
        assert [one.remedies for one in errors] == [{Remedy.UNCOUPLE}] * 3
        assert len(world.coupled("CUSTOMER")) == 3
        world.pair.workspace.uncouple_coupled_errors([one.number for one in errors])
        assert world.coupled("CUSTOMER") == []
