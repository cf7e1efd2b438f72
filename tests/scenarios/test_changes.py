"""Changes are carried once, to the record coupled; what has not changed is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.scenarios.conftest import Register
from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    TO,
    Probe,
    add_synchronized,
    compatible,
    edit,
    job,
    mapping,
    outcomes,
    recorded,
    settle,
    value,
)
from twinrow.connectors.base import FeedKind
from twinrow.model.sides import Pass
from twinrow.testing.pair import MemoryPair

BY_TIME: dict[str, Any] = {"feed": FeedKind.MODIFIED_AT, "overlap": timedelta(milliseconds=999)}
FEEDS = pytest.mark.parametrize("feed", [{}, BY_TIME], ids=["by version", "by time"])


@pytest.mark.scenario("A004")
@pytest.mark.parametrize(
    ("pass_", "options"),
    [
        (TO, {}),
        (TO, {"direction": "to"}),
        (TO, {"direction": "to", "unconditional": True}),
        (FROM, {}),
    ],
    ids=["to", "to, chosen by a person", "to, unconditionally", "from"],
)
def test_a_changed_record_updates_its_counterpart_and_no_other(
    register: Register, pass_: Pass, options: dict[str, Any]
) -> None:
    probe = register(Probe())
    with MemoryPair(mapping(rules=("probe",))) as pair:
        ids = dict(zip((LOCAL, INTEGRATION), add_synchronized(pair), strict=True))
        other = dict(zip((LOCAL, INTEGRATION), add_synchronized(pair, "Adatum"), strict=True))
        destination = recorded(pair, pass_.destination)
        probe.counts()
        edit(pair, pass_.source, ids[pass_.source], NAME, "Adatum Corporation")

        run = pair.synchronize(records=[ids[pass_.source]], **options) if options else pair.synchronize()

        done = job(run, pass_)
        assert done.modified == 1
        assert done.inserted == 0
        assert outcomes(done) == {"modified": 1}
        assert value(pair, pass_.destination, ids[pass_.destination], NAME) == "Adatum Corporation"
        assert value(pair, pass_.destination, other[pass_.destination], NAME) == "Adatum"
        assert len(pair.local.records("customers")) == len(pair.integration.records("account")) == 2
        # One record went through the hooks of carrying and none through those of making; one update was sent.
        assert probe.counts() == (1, 0)
        assert destination.kinds() == {"update": 1}


@pytest.mark.scenario("A005")
@pytest.mark.parametrize("adds", ["", " (changed by a rule)"], ids=["no further changes", "a rule would change more"])
@pytest.mark.parametrize("pass_", [TO, FROM], ids=["to", "from"])
def test_an_unchanged_record_is_not_even_carried(register: Register, adds: str, pass_: Pass) -> None:
    with MemoryPair(mapping()) as pair:
        add_synchronized(pair)
        probe = register(Probe(adds))
        pair.set_mapping(mapping(rules=("probe",)))
        destination = recorded(pair, pass_.destination)

        done = job(pair.synchronize(full=True), pass_)

        assert done.unchanged == 1
        assert done.modified == 0
        assert outcomes(done) == {"unchanged": 1}
        assert probe.counts() == (0, 0)
        assert destination.written == []


@pytest.mark.scenario("A019")
@FEEDS
def test_a_new_record_is_made_once_and_then_at_rest(feed: dict[str, Any]) -> None:
    with MemoryPair(mapping(), local=feed, integration=feed) as pair:
        pair.integration.add("account", {"name": "Adatum"})

        first, second, third = (pair.synchronize() for _ in range(3))

        assert job(first, FROM).inserted == 1
        assert outcomes(first) == {"inserted": 1}
        # Its own customer comes back once as unchanged. The account, read again because watermarks overlap, is not counted.
        assert outcomes(second) == {"unchanged": 1}
        assert outcomes(job(second, TO)) == {"unchanged": 1}
        assert outcomes(third) == {}
        assert len(pair.local.records("customers")) == 1
        assert len(pair.integration.records("account")) == 1


@pytest.mark.scenario("A042")
@FEEDS
def test_both_sides_get_what_the_other_has_and_nothing_comes_back(feed: dict[str, Any]) -> None:
    with MemoryPair(mapping(), local=feed, integration=feed) as pair:
        for number in (1, 2):
            pair.local.add("customers", {"displayName": f"Customer {number}"})
            pair.integration.add("account", {"name": f"Account {number}"})

        run = pair.synchronize()

        names = {"Customer 1", "Customer 2", "Account 1", "Account 2"}
        assert {record["displayName"] for record in pair.local.records("customers").values()} == names
        assert {record["name"] for record in pair.integration.records("account").values()} == names
        assert len(pair.local.records("customers")) == len(pair.integration.records("account")) == 4
        assert job(run, TO).inserted == job(run, FROM).inserted == 2
        settle(pair)
        assert len(pair.local.records("customers")) == len(pair.integration.records("account")) == 4


@pytest.mark.scenario("A166")
@FEEDS
def test_a_change_after_the_last_synchronization_is_noticed(feed: dict[str, Any]) -> None:
    with MemoryPair(compatible(), local=feed, integration=feed) as pair:
        customer, account = add_synchronized(pair)
        assert outcomes(pair.synchronize()) == {}

        edit(pair, LOCAL, customer, NAME, "Adatum Corporation")

        assert outcomes(job(pair.synchronize(), TO)) == {"modified": 1}
        assert value(pair, INTEGRATION, account, NAME) == "Adatum Corporation"
