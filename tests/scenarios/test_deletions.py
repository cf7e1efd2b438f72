"""A coupled record whose counterpart is gone: what the mapping's policy makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    TO,
    add_synchronized,
    edit,
    errors,
    job,
    mapping,
    outcomes,
    remove,
    settle,
    skipped,
)
from twinrow.actions.results import Run
from twinrow.model.errors import RecordNotFound
from twinrow.model.mapping import DeletionConflict
from twinrow.model.sides import Direction
from twinrow.testing.pair import MemoryPair

SETTINGS = [
    {"direction": direction, "only_coupled": only_coupled}
    for direction in (Direction.BIDIRECTIONAL, Direction.FROM_INTEGRATION)
    for only_coupled in (True, False)
]
CASES = pytest.mark.parametrize(
    ("settings", "named"),
    [*((settings, False) for settings in SETTINGS), (SETTINGS[1], True), (SETTINGS[3], True)],
    ids=[
        "both ways, only coupled",
        "both ways, all",
        "from only, only coupled",
        "from only, all",
        "both ways, all, named by a person",
        "from only, all, named by a person",
    ],
)
LONG = "A" * 90 + "B" * 40
"""A name that the integration side takes, and of which the local side takes 100 characters."""


def survivor(policy: DeletionConflict, settings: dict[str, Any], named: bool, name: str) -> tuple[MemoryPair, str, str]:
    """Return two systems, the id of a deleted customer, and that of its account: changed since, unless it will be named."""
    pair = MemoryPair(mapping(deletion_conflict_resolution=policy, **settings))
    customer, account = add_synchronized(pair)
    if named:
        edit(pair, INTEGRATION, account, NAME, name)
        settle(pair)
    remove(pair, LOCAL, customer)
    if not named:
        edit(pair, INTEGRATION, account, NAME, name)
    return pair, customer, account


def synchronize(pair: MemoryPair, account: str, named: bool) -> Run:
    return pair.synchronize(records=[account]) if named else pair.synchronize()


@pytest.mark.scenario("A006")
@CASES
def test_without_a_policy_it_fails_and_is_then_set_aside(settings: dict[str, Any], named: bool) -> None:
    pair, customer, account = survivor(DeletionConflict.NONE, settings, named, "New")
    with pair:
        first = synchronize(pair, account, named)

        assert outcomes(job(first, FROM)) == {"failed": 1}
        (error,) = first.errors
        assert "deleted" in error.message
        assert "coupled" in error.message
        assert error.source_id == account
        assert pair.counterparts() == {customer: account}
        assert skipped(pair) == set()

        second = synchronize(pair, account, named)

        assert outcomes(job(second, FROM)) == {"skipped": 1}
        assert pair.counterparts() == {customer: account}
        assert skipped(pair) == {customer}
        assert pair.local.records("customers") == {}
        assert errors(pair) == [error.message] * 2


@pytest.mark.scenario("A007")
@CASES
def test_with_the_policy_of_removing_the_coupling_it_is_forgotten(settings: dict[str, Any], named: bool) -> None:
    pair, _, account = survivor(DeletionConflict.REMOVE_COUPLING, settings, named, "New")
    with pair:
        run = synchronize(pair, account, named)

        assert outcomes(job(run, FROM)) == {"uncoupled": 1}
        assert run.counters.skipped == 0
        assert pair.counterparts() == {}
        assert list(pair.integration.records("account")) == [account]
        assert pair.local.records("customers") == {}
        assert run.errors == ()


@pytest.mark.scenario("A008")
@CASES
def test_with_the_policy_of_restoring_it_is_made_anew(settings: dict[str, Any], named: bool) -> None:
    pair, customer, account = survivor(DeletionConflict.RESTORE, settings, named, LONG)
    with pair:
        run = synchronize(pair, account, named)

        assert outcomes(job(run, FROM)) == {"inserted": 1}
        assert run.counters.skipped == 0
        ((new, record),) = pair.local.records("customers").items()
        assert new != customer
        assert record["displayName"] == LONG[:100]
        assert pair.integration.record("account", account)["name"] == LONG
        assert pair.counterparts() == {new: account}
        settle(pair)
        assert pair.integration.record("account", account)["name"] == LONG


@pytest.mark.scenario("B084")
def test_a_deleted_record_stays_coupled_and_is_not_set_aside() -> None:
    with MemoryPair(mapping()) as pair:
        customer, account = add_synchronized(pair)
        remove(pair, LOCAL, customer)

        pair.synchronize()

        assert pair.workspace.couplings("CUSTOMER").height == 1
        assert pair.counterpart(account, INTEGRATION) == customer
        assert skipped(pair) == set()
        # The deleted record itself leads nowhere any more.
        with pytest.raises(RecordNotFound):
            pair.couple(customer, pair.integration.add("account", {"name": "Other"}))


def test_the_reason_of_an_ignored_record_is_told() -> None:
    with MemoryPair(mapping()) as pair:
        customer, _ = add_synchronized(pair)
        remove(pair, LOCAL, customer)
        assert job(pair.synchronize(full=True), TO).ignored_reasons == {"source deleted": 1}
