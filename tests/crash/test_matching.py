"""Matching that is killed goes on where it stood; two processes that couple and match at once never double a coupling."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest
from bench.matching import fill
from bench.synchronizing import MAPPING, set_up
from bench.workload import Place, SqlitePlace, open_places

from tests.crash.matching import PORTION, contend, match
from twinrow.workspace import open_workspace

CUSTOMERS = 40
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Customers and accounts that belong together by number, in databases of a kind; nothing is coupled."""
    with open_places("sqlite", 1) as (tables,), open_places(request.param, 1) as (stores,):
        assert isinstance(tables, SqlitePlace)
        fill(tables, CUSTOMERS)
        if request.param == "postgresql":
            from bench.workload import make_customers

            stores.fill(make_customers(1))
        place = Stored(tables, stores.store_url if request.param == "postgresql" else tables.store_url)
        set_up(place)  # type: ignore[arg-type]
        yield place  # type: ignore[misc]


class Stored:
    """The tables of one place with a store elsewhere."""

    def __init__(self, tables: SqlitePlace, store_url: str) -> None:
        self.customers_url, self.accounts_url, self.store_url = tables.customers_url, tables.accounts_url, store_url
        self.tables = tables


def started(work: Any, *arguments: Any) -> tuple[Any, Any]:
    receiving, sending = SPAWN.Pipe()
    process = SPAWN.Process(target=work, args=(*arguments, sending))
    process.start()
    sending.close()
    return process, receiving


def pairs(place: Place) -> dict[str, str]:
    with open_workspace(place.store_url) as workspace:
        frame = workspace.couplings(MAPPING)
    assert frame.get_column("local_id").n_unique() == frame.get_column("integration_id").n_unique() == frame.height
    return dict(frame.select("local_id", "integration_id").iter_rows())


def wanted(place: Any) -> dict[str, str]:
    numbers = {
        number: id
        for id, number in place.tables.read(place.accounts_url, "SELECT accountid, accountnumber FROM accounts")
    }
    customers = place.tables.read(place.customers_url, "SELECT id, no FROM customers")
    return {id: numbers[f"C-{number}"] for id, number in customers}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_matching_that_is_killed_goes_on_where_it_stood(place: Place) -> None:
    """Killed before one commit after the other: each time what was stored stays, and the next one does the rest."""
    kept: list[int] = []
    for fatal in range(2, 12, 3):
        process, answer = started(match, place.store_url, fatal)
        process.join(60)
        assert process.exitcode == -9
        kept.append(len(pairs(place)))
        assert pairs(place).items() <= wanted(place).items()
    assert kept == sorted(kept)
    assert kept[-1] >= PORTION
    process, answer = started(match, place.store_url, None)
    _, coupled = answer.recv()
    process.join(60)
    assert coupled == CUSTOMERS - kept[-1]
    assert pairs(place) == wanted(place)
    with open_workspace(place.store_url) as workspace:
        states = [job.state for job in workspace.list_jobs(MAPPING)]
    assert states[0] == "finished"
    assert set(states[1:]) <= {"failed"}


def test_two_processes_that_couple_and_match_at_once_never_double(place: Place) -> None:
    all_pairs = list(wanted(place).items())
    halves = [started(contend, place.store_url, chosen) for chosen in (all_pairs[:5], all_pairs[3:9])]
    for _, answer in halves:
        assert answer.recv() == "ready"
    for _, answer in halves:
        answer.send("go")
    for process, answer in halves:
        assert isinstance(answer.recv(), int)
        process.join(60)
        assert process.exitcode == 0
    assert pairs(place) == wanted(place)
