"""Deletions that are carried over, and what keeps too many of them from happening."""

from __future__ import annotations

from typing import Any

import pytest

from twinrow.engine.context import EngineSettings
from twinrow.model.errors import RemovalsHeld
from twinrow.model.mapping import DeleteLimit
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import MemoryPair, customer_mapping

SIDES = pytest.mark.parametrize("side", list(Side))
TABLES = {Side.LOCAL: "customers", Side.INTEGRATION: "account"}
NAMES = {Side.LOCAL: "displayName", Side.INTEGRATION: "name"}


def pair_of(count: int, side: Side = Side.LOCAL, **more: Any) -> tuple[MemoryPair, list[str]]:
    """Return a pair with that many coupled records, and their ids on a side; deletions are told by its feed."""
    mapping = customer_mapping(**({"delete_propagation": "both"} | more))
    pair = MemoryPair(
        mapping,
        local={"deletes_in_feed": True},
        integration={"deletes_in_feed": True},
        settings=EngineSettings(page_rows=4),
    )
    for index in range(count):
        pair.local.add("customers", {"displayName": f"Customer {index}", "number": f"C{index}"})
    pair.synchronize()
    pair.synchronize()
    return pair, sorted(pair.counterparts(side))


def counts(run: Any, side: Side) -> dict[str, int]:
    """Return the counters other than zero of the pass that goes from a side."""
    wanted = "to_integration" if side is Side.LOCAL else "from_integration"
    (job,) = [job for job in run.jobs if job.direction == wanted]
    return {name: value for name, value in job.counters.as_dict().items() if value}


@SIDES
def test_a_deletion_is_carried_over_once(side: Side) -> None:
    pair, ids = pair_of(5, side)
    with pair:
        other = pair.counterpart(ids[0], side)
        pair.system(side).remove(TABLES[side], ids[0])
        run = pair.synchronize()
        assert counts(run, side) == {"read": 1, "deleted": 1}
        assert other not in pair.system(side.other).records(TABLES[side.other])
        assert ids[0] not in pair.counterparts(side)
        again = pair.synchronize()
        assert again.counters.written == again.counters.failed == 0
        assert not again.pending
        assert not again.errors


@SIDES
def test_deletions_stay_where_the_mapping_does_not_carry_them(side: Side) -> None:
    pair, ids = pair_of(3, side, delete_propagation="none")
    with pair:
        pair.system(side).remove(TABLES[side], ids[0])
        run = pair.synchronize()
        assert counts(run, side) == {"read": 1, "ignored": 1}
        assert len(pair.system(side.other).records(TABLES[side.other])) == 3


def test_a_counterpart_that_was_changed_since_is_a_conflict_and_stays() -> None:
    pair, ids = pair_of(5)
    with pair:
        account = pair.counterpart(ids[0])
        assert account is not None
        pair.local.remove("customers", ids[0])
        pair.integration.edit("account", account, name="Changed")
        run = pair.synchronize(direction="both")
        assert counts(run, Side.LOCAL) == {"read": 1, "failed": 1}
        error = next(error for error in run.errors if error.decision is Decision.CONFLICT)
        assert "was deleted" in error.message
        assert "changed since" in error.message
        assert account in pair.integration.records("account")


@pytest.mark.parametrize(
    ("policy", "stays"), [("send_update_to_integration", False), ("get_update_from_integration", True)]
)
def test_the_update_policy_settles_a_deletion_against_a_change(policy: str, stays: bool) -> None:
    pair, ids = pair_of(5, update_conflict_resolution=policy, delete_propagation="to_integration")
    with pair:
        account = pair.counterpart(ids[0])
        assert account is not None
        pair.local.remove("customers", ids[0])
        pair.integration.edit("account", account, name="Changed")
        pair.synchronize()
        assert (account in pair.integration.records("account")) is stays


def test_a_deletion_that_no_feed_tells_of_is_found_and_carried_over() -> None:
    with MemoryPair(customer_mapping(delete_propagation="to_integration")) as pair:
        ids = [pair.local.add("customers", {"displayName": f"Customer {index}"}) for index in range(4)]
        pair.synchronize()
        pair.local.remove("customers", ids[0])
        assert pair.synchronize().counters.deleted == 0
        assert pair.synchronize(full=True).counters.deleted == 1
        assert len(pair.integration.records("account")) == 3


def test_a_record_that_is_named_is_removed_with_its_counterpart() -> None:
    pair, ids = pair_of(3)
    with pair:
        pair.local.remove("customers", ids[0])
        run = pair.synchronize(records=[ids[0]])
        assert counts(run, Side.LOCAL) == {"read": 1, "deleted": 1}
        assert len(pair.integration.records("account")) == 2


def test_when_both_are_gone_the_coupling_goes_too() -> None:
    pair, ids = pair_of(3, delete_propagation="none")
    with pair:
        account = pair.counterpart(ids[0])
        assert account is not None
        pair.local.remove("customers", ids[0])
        pair.integration.remove("account", account)
        pair.synchronize()
        run = pair.synchronize()
        assert ids[0] not in pair.counterparts()
        assert run.counters.failed == 0


def test_a_record_is_marked_as_given_up_instead_of_being_deleted() -> None:
    pair, ids = pair_of(5, deactivation={"integration": {"statecode": 1, "fax": "closed"}})
    with pair:
        account = pair.counterpart(ids[0])
        assert account is not None
        pair.local.remove("customers", ids[0])
        run = pair.synchronize()
        assert counts(run, Side.LOCAL) == {"read": 1, "deleted": 1}
        record = pair.integration.record("account", account)
        assert (record["statecode"], record["fax"], record["name"]) == (1, "closed", record["name"])
        for _ in range(2):
            again = pair.synchronize(full=True)
            assert (again.counters.written, again.counters.failed) == (0, 0)
        assert pair.integration.record("account", account)["statecode"] == 1
        assert len(pair.local.records("customers")) == 4


@SIDES
@pytest.mark.parametrize(
    ("limit", "gone"),
    [({"records": 2}, 3), ({"share": "0.1"}, 11), ({}, 20)],
    ids=["too many", "too large a share", "a whole side"],
)
def test_too_many_deletions_stop_the_run_before_the_first(side: Side, limit: dict[str, Any], gone: int) -> None:
    pair, ids = pair_of(20, side, delete_limit=limit)
    with pair:
        for id in ids[:gone]:
            pair.system(side).remove(TABLES[side], id)
        if gone < 20:
            pair.system(side).edit(TABLES[side], ids[-1], **{NAMES[side]: "Changed"})
        for _ in range(2):
            with pytest.raises(RemovalsHeld, match=f"{gone} of 20 couplings") as raised:
                pair.synchronize()
            assert "--plan" in str(raised.value)
            assert len(pair.system(side.other).records(TABLES[side.other])) == 20
            assert len(pair.counterparts()) == 20
        if gone < 20:
            other = pair.counterpart(ids[-1], side)
            assert pair.system(side.other).record(TABLES[side.other], other or "")[NAMES[side.other]] == "Changed"
        pair.set_mapping(customer_mapping(delete_propagation="both", delete_limit={"records": 100, "share": 1}))
        if gone < 20:
            assert pair.synchronize().counters.deleted == gone


def test_removing_couplings_counts_as_much_as_deleting() -> None:
    pair, ids = pair_of(20, delete_propagation="none", deletion_conflict_resolution="remove_coupling")
    with pair:
        accounts = pair.counterparts()
        for id in ids[:12]:
            pair.integration.remove("account", accounts[id])
            pair.local.edit("customers", id, displayName="Changed")
        with pytest.raises(RemovalsHeld, match="12 of 20 couplings"):
            pair.synchronize()
        assert len(pair.counterparts()) == 20
        pair.set_mapping(
            customer_mapping(
                deletion_conflict_resolution="remove_coupling", delete_limit={"share": "0.8"}, only_coupled=True
            )
        )
        assert pair.synchronize().counters.uncoupled == 12
        assert len(pair.counterparts()) == 8


def test_nothing_is_deleted_in_the_run_that_comes_with_another_filter() -> None:
    pair, ids = pair_of(5)
    with pair:
        pair.local.remove("customers", ids[0])
        pair.set_mapping(customer_mapping(delete_propagation="both", local_filter="blocked eq ''"))
        with pytest.raises(RemovalsHeld, match="1 of 5") as raised:
            pair.synchronize(full=True)
        assert "filter" in (raised.value.cause or "")


def test_a_deletion_whose_answer_is_lost_is_found_out_about() -> None:
    pair, ids = pair_of(5)
    with pair:
        hostile = Hostile(pair.integration, Faults(lost=1.0))
        pair.wrap(Side.INTEGRATION, hostile)
        pair.local.remove("customers", ids[0])
        pair.synchronize()
        hostile.calm()
        pair.synchronize()
        assert len(pair.integration.records("account")) == 4
        assert len(pair.counterparts()) == 4
        run = pair.synchronize()
        assert (run.counters.written, run.counters.failed) == (0, 0)
        assert not run.pending


def test_limits() -> None:
    limit = DeleteLimit()
    assert limit.allows(1, 1)
    assert not limit.allows(2, 2)
    assert limit.allows(9, 11)
    assert not limit.allows(10, 11)
    assert limit.allows(20, 100)
    assert not limit.allows(21, 100)
    assert not limit.allows(1_001, 1_000_000)
