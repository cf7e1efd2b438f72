"""Matching: which records are coupled by their values, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.world import LOCAL, add_synchronized, mapping
from twinrow.actions.matching import MatchResult
from twinrow.model.mapping import Match, UpdateConflict
from twinrow.model.outcomes import LeftOut, Unmatched
from twinrow.testing.pair import MemoryPair, field

NAMED = field("displayName", "name")
PHONE = field("phoneNumber", "telephone1", match=Match())


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    """Three coupled customers; customers and accounts are matched by their phone numbers."""
    matched = mapping(
        NAMED, PHONE, update_conflict_resolution=UpdateConflict.SEND, synch_after_match_based_coupling=True
    )
    with MemoryPair(matched.model_copy(update={"only_coupled": True})) as made:
        for number in range(3):
            add_synchronized(made, f"Coupled {number}")
        yield made


def add(pair: MemoryPair, count: int) -> tuple[list[str], list[str]]:
    """Add customers and accounts of other names, whose phone numbers are the same but for their case."""
    customers = [
        pair.local.add("customers", {"displayName": f"Customer {n}", "phoneNumber": f"ext {n}"})
        for n in range(1, count + 1)
    ]
    accounts = [
        pair.integration.add("account", {"name": f"Account {n}", "telephone1": f"EXT {n}"}) for n in range(1, count + 1)
    ]
    return customers, accounts


def names(pair: MemoryPair, accounts: list[str]) -> list[Any]:
    return [pair.integration.record("account", id)["name"] for id in accounts]


def runs(pair: MemoryPair) -> int:
    """Return how many synchronizations have run."""
    return sum(job.type == "synchronization" for job in pair.workspace.list_jobs("CUSTOMER"))


def matched(pair: MemoryPair, **options: Any) -> MatchResult:
    """Match, and hold that the job says what the result does."""
    result = pair.workspace.match("CUSTOMER", **options)
    (job,) = [one for one in pair.workspace.list_jobs("CUSTOMER") if one.id == result.job]
    assert (job.type, job.state, job.coupled) == ("coupling", "finished", result.coupled)
    assert job.failed == sum(result.unmatched.values())
    assert job.counters.balanced
    return result


@pytest.mark.scenario("B119")
def test_one_selected_customer_is_coupled_and_synchronized(pair: MemoryPair) -> None:
    customers, accounts = add(pair, 5)
    before = runs(pair)
    result = matched(pair, records=[customers[1]])
    assert (result.looked_at, result.coupled, result.unmatched) == (1, 1, {})
    assert pair.counterpart(customers[1]) == accounts[1]
    assert [pair.counterpart(id) for id in customers].count(None) == 4
    assert runs(pair) > before
    assert names(pair, accounts) == ["Account 1", "Customer 2", "Account 3", "Account 4", "Account 5"]


@pytest.mark.scenario("B119")
def test_selected_customers_that_are_coupled_are_left_out(pair: MemoryPair) -> None:
    coupled = list(pair.counterparts())[:2]
    customers, accounts = add(pair, 5)
    result = matched(pair, records=[*coupled, *customers])
    assert (result.looked_at, result.coupled, result.unmatched) == (5, 5, {})
    assert result.left_out == {LeftOut.COUPLED: 2}
    assert [pair.counterpart(id) for id in customers] == accounts
    assert names(pair, accounts) == [f"Customer {n}" for n in range(1, 6)]


@pytest.mark.scenario("B121")
def test_nothing_is_coupled_where_several_match_or_none(pair: MemoryPair) -> None:
    customers, accounts = add(pair, 5)
    for account in accounts:
        pair.integration.edit("account", account, telephone1="EXT 1")
    before = runs(pair)
    result = matched(pair, records=customers)
    assert (result.coupled, result.unmatched) == (0, {Unmatched.NO_MATCH: 4, Unmatched.SEVERAL: 1})
    assert [pair.counterpart(id) for id in customers] == [None] * 5
    told = {row.source_id: row.message for row in pair.workspace.list_errors("CUSTOMER", job=result.job)}
    assert told == dict.fromkeys(customers, "not coupled: no match") | {customers[0]: "not coupled: several matches"}
    assert runs(pair) == before
    assert names(pair, accounts) == [f"Account {n}" for n in range(1, 6)]


@pytest.mark.scenario("B123")
def test_nothing_is_synchronized_where_that_is_not_wanted(pair: MemoryPair) -> None:
    customers, accounts = add(pair, 5)
    before = runs(pair)
    result = matched(pair, records=customers, sync_after=False)
    assert (result.coupled, result.runs) == (5, ())
    assert [pair.counterpart(id, LOCAL) for id in customers] == accounts
    assert runs(pair) == before
    assert names(pair, accounts) == [f"Account {n}" for n in range(1, 6)]
