"""What fails comes again by itself, what fails twice the same way is set aside, and what somebody retries is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    TO,
    Recorded,
    add_pair,
    add_synchronized,
    compatible,
    edit,
    errors,
    job,
    mapping,
    open_failures,
    outcomes,
    remove,
    settle,
    skipped,
    value,
)
from twinrow.cli import application
from twinrow.connectors.memory import MemorySystem
from twinrow.model.sides import Pass
from twinrow.testing.pair import MemoryPair


class Strict:
    """A system that takes no name that begins with `bad`, and says which; what it does not take may change."""

    def __init__(self) -> None:
        self.lenient = False

    def __call__(self, table: str, values: Mapping[str, Any]) -> str | None:
        if self.lenient:
            return None
        bad = [str(each) for each in values.values() if str(each).startswith("bad")]
        return f"{bad[0]} is not taken" if bad else None


@pytest.fixture
def strict() -> Strict:
    return Strict()


@pytest.fixture
def pair(strict: Strict) -> Iterator[MemoryPair]:
    """Two systems that both refuse bad names."""
    with MemoryPair(mapping(), local={"refuse": strict}, integration={"refuse": strict}) as made:
        yield made


def fail(pair: MemoryPair, pass_: Pass, id: str, name: str = "bad", times: int = 1) -> list[dict[str, int]]:
    """Give a record a name that the other side refuses, and synchronize."""
    edit(pair, pass_.source, id, NAME, name)
    return [outcomes(job(pair.synchronize(), pass_)) for _ in range(times)]


@pytest.mark.scenario("A059")
def test_a_second_failure_for_another_reason_does_not_set_aside(pair: MemoryPair) -> None:
    customer, _ = add_synchronized(pair)
    assert fail(pair, TO, customer, "bad PS") == [{"failed": 1}]

    assert fail(pair, TO, customer, "bad XX") == [{"failed": 1}]

    assert errors(pair) == ["bad PS is not taken", "bad XX is not taken"]
    assert open_failures(pair) == {(TO, customer): "bad XX is not taken"}
    assert skipped(pair) == set()
    assert [row.skipped for row in pair.workspace.list_pending("CUSTOMER")] == [False]


@pytest.mark.scenario("A060")
def test_the_same_failure_twice_in_a_row_sets_aside(pair: MemoryPair) -> None:
    customer, _ = add_synchronized(pair)
    assert fail(pair, TO, customer) == [{"failed": 1}]
    assert skipped(pair) == set()

    run = pair.synchronize()

    done = job(run, TO)
    assert (done.skipped, done.failed) == (1, 0)
    assert outcomes(done) == {"skipped": 1}
    assert [error.message for error in run.errors] == ["bad is not taken"]
    assert open_failures(pair) == {(TO, customer): "bad is not taken"}
    assert skipped(pair) == {customer}


@pytest.mark.scenario("B198")
def test_the_same_failure_twice_sets_aside_on_the_way_to_the_local_side_too(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    assert fail(pair, FROM, account) == [{"failed": 1}]
    assert skipped(pair) == set()

    assert outcomes(job(pair.synchronize(), FROM)) == {"skipped": 1}

    assert errors(pair) == ["bad is not taken"] * 2
    assert skipped(pair) == {customer}


@pytest.mark.scenario("A062")
def test_a_record_that_failed_comes_again_although_nothing_about_it_is_new() -> None:
    with MemoryPair(compatible()) as pair:
        first = dict(zip((LOCAL, INTEGRATION), add_synchronized(pair, "First"), strict=True))
        second = dict(zip((LOCAL, INTEGRATION), add_synchronized(pair, "Second"), strict=True))
        edit(pair, LOCAL, first[LOCAL], NAME, "First here")
        edit(pair, INTEGRATION, first[INTEGRATION], NAME, "First there")
        edit(pair, INTEGRATION, second[INTEGRATION], NAME, "Second there")

        run = pair.synchronize()

        assert outcomes(run) == {"failed": 2, "modified": 1}
        assert skipped(pair) == set()

        run = pair.synchronize()

        assert run.counters.skipped == 2
        assert run.counters.failed == 0
        # The customer that the first run changed comes back; the account, which the original reads once more because its
        # watermark overlaps, is not counted.
        assert outcomes(job(run, TO)) == {"skipped": 1, "unchanged": 1}
        assert outcomes(job(run, FROM)) == {"skipped": 1}
        assert skipped(pair) == {first[LOCAL]}
        assert value(pair, LOCAL, second[LOCAL], NAME) == "Second there"


@pytest.mark.scenario("A063")
def test_a_new_failure_in_the_other_direction_does_not_bring_a_record_back() -> None:
    with MemoryPair(compatible(), integration={"refuse": Strict()}) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAME, "bad here")
        edit(pair, INTEGRATION, account, NAME, "there")
        for _ in range(2):
            pair.synchronize()
        # The conflict was told in both directions, and the coupling was set aside.
        assert {error.pass_ for error in pair.workspace.list_errors("CUSTOMER")} == {TO, FROM}
        assert skipped(pair) == {customer}

        # Now only the other direction could fail, and for another reason.
        edit(pair, INTEGRATION, account, NAME, "Adatum")
        edit(pair, LOCAL, customer, NAME, "bad again")
        run = pair.synchronize()

        assert outcomes(run) == {"skipped": 2}
        assert skipped(pair) == {customer}


@pytest.mark.scenario("A172")
def test_a_record_that_was_set_aside_is_left_out_and_told_no_more(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    fail(pair, TO, customer, times=2)
    assert skipped(pair) == {customer}
    told = errors(pair)

    edit(pair, LOCAL, customer, NAME, "bad still")
    edit(pair, INTEGRATION, account, NAME, "good")
    run = pair.synchronize()

    assert outcomes(run) == {"skipped": 2}
    assert run.errors == ()
    assert errors(pair) == told
    assert value(pair, LOCAL, customer, NAME) == "bad still"
    assert value(pair, INTEGRATION, account, NAME) == "good"
    assert outcomes(pair.synchronize()) == {}


@pytest.mark.scenario("A064")
@pytest.mark.parametrize(
    ("count", "chosen", "told"),
    [
        (2, 1, "1 record is tried again by the next run."),
        (3, 2, "2 records are tried again by the next run."),
        (3, 3, "3 records are tried again by the next run."),
    ],
    ids=["one of two", "two of three", "all"],
)
def test_retrying_takes_the_chosen_ones_off_the_list_and_does_nothing_else(
    strict: Strict, tmp_path: Path, count: int, chosen: int, told: str
) -> None:
    store = f"sqlite:///{tmp_path / 'twinrow.db'}"
    with MemoryPair(mapping(), integration={"refuse": strict}, store=store) as pair:
        customers = [add_pair(pair, f"Customer {number}")[0] for number in range(count)]
        settle(pair)
        for customer in customers:
            edit(pair, LOCAL, customer, NAME, "bad")
        for _ in range(2):
            pair.synchronize()
        assert skipped(pair) == set(customers)
        numbers = {row.source_id: str(row.id) for row in pair.workspace.list_pending("CUSTOMER")}
        runs = len(pair.workspace.list_jobs("CUSTOMER"))
        wanted = [numbers[customer] for customer in customers[:chosen]] if chosen < count else []

        answer = CliRunner().invoke(application, ["pending", "retry", "CUSTOMER", *wanted, "--store", store])

        assert answer.exit_code == 0
        assert told in answer.output
        left = set(customers[chosen:])
        assert skipped(pair) == left
        assert {row.source_id for row in pair.workspace.list_pending("CUSTOMER") if row.skipped} == left
        assert len(pair.workspace.list_jobs("CUSTOMER")) == runs


@pytest.mark.scenario("A065", "A173")
def test_a_retried_record_that_was_mended_is_well_again(pair: MemoryPair, strict: Strict) -> None:
    customer, account = add_synchronized(pair)
    fail(pair, TO, customer, times=2)
    (row,) = pair.workspace.list_pending("CUSTOMER")
    assert (row.skipped, row.failures) == (True, 2)
    strict.lenient = True
    pair.workspace.retry_skipped("CUSTOMER")
    assert skipped(pair) == set()

    run = pair.synchronize()

    assert outcomes(job(run, TO)) == {"modified": 1}
    assert value(pair, INTEGRATION, account, NAME) == "bad"
    assert pair.workspace.list_pending("CUSTOMER") == []
    assert skipped(pair) == set()
    # What was counted before is forgotten: the next failure is a first one.
    strict.lenient = False
    assert fail(pair, TO, customer, "bad again") == [{"failed": 1}]
    assert skipped(pair) == set()


@pytest.mark.scenario("A175")
def test_coupled_to_another_record_an_account_begins_anew(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    edit(pair, INTEGRATION, account, NAME, "bad")
    for _ in range(2):
        pair.synchronize()
    (row,) = pair.workspace.list_pending("CUSTOMER")
    assert (row.skipped, row.failures) == (True, 2)
    other = pair.local.add("customers", {"displayName": "bad", "faxNo": "1"})
    remove(pair, LOCAL, customer)

    pair.couple(other, account)

    assert pair.counterparts() == {other: account}
    assert skipped(pair) == set()
    # The new pair has not been synchronized yet, and nothing of it has failed.
    assert {(row.failures, row.skipped) for row in pair.workspace.list_pending("CUSTOMER")} == {(0, False)}


@pytest.mark.scenario("A176")
def test_equal_errors_of_one_record_in_one_job_are_both_kept() -> None:
    with MemoryPair(mapping()) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAME, "here")
        edit(pair, INTEGRATION, account, NAME, "there")
        pair.synchronize()
        # Somebody saves the record again while the job has it in hand, so that it comes once more in the same job.
        pair.wrap(INTEGRATION, Saving(pair.integration, lambda: pair.local.touch("customers", customer)))

        run = pair.synchronize()

        rows = pair.workspace.list_errors("CUSTOMER", job=job(run, TO).id)
        assert len(rows) == len({row.id for row in rows}) == 2
        assert {row.source_id for row in rows} == {customer}
        assert len({row.message for row in rows}) == 1


class Saving(Recorded):
    """A system in which somebody does something, once, when the first record is fetched."""

    def __init__(self, system: MemorySystem, saves: Callable[[], None]) -> None:
        super().__init__(system)
        self._saves = [saves]

    def fetch(self, table: str, fields: tuple[str, ...], ids: list[str]) -> pl.DataFrame:
        found = super().fetch(table, fields, ids)
        while self._saves:
            self._saves.pop()()
        return found


# A person who names a record that was set aside wants it to be tried.


@pytest.mark.parametrize("direction", [None, "to"], ids=["merged", "in a direction"])
def test_a_named_record_is_tried_though_it_was_set_aside(
    pair: MemoryPair, strict: Strict, direction: str | None
) -> None:
    first, account = add_synchronized(pair, "First")
    second, other = add_synchronized(pair, "Second")
    for customer in (first, second):
        edit(pair, LOCAL, customer, NAME, "bad")
    for _ in range(2):
        pair.synchronize()
    assert skipped(pair) == {first, second}
    strict.lenient = True

    run = pair.synchronize(records=[first], direction=direction)

    assert outcomes(job(run, TO)) == {"modified": 1}
    assert value(pair, INTEGRATION, account, NAME) == "bad"
    assert skipped(pair) == {second}
    assert value(pair, INTEGRATION, other, NAME) == "Second"


# The better behaviour beside the original's: an open conflict of fields never is set aside.


def test_an_open_conflict_of_a_field_is_tried_again_and_again() -> None:
    with MemoryPair(mapping()) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAME, "here")
        edit(pair, INTEGRATION, account, NAME, "there")
        for _ in range(3):
            assert outcomes(pair.synchronize()) == {"failed": 2}
        assert skipped(pair) == set()
        edit(pair, INTEGRATION, account, NAME, "here")
        assert pair.synchronize().succeeded


def test_a_failed_create_is_set_aside_like_any_other_record(pair: MemoryPair, strict: Strict) -> None:
    pair.local.add("customers", {"displayName": "bad"})
    assert [outcomes(pair.synchronize()) for _ in range(3)] == [{"failed": 1}, {"skipped": 1}, {}]
    strict.lenient = True
    assert pair.workspace.retry_skipped("CUSTOMER") == 1
    assert job(pair.synchronize(), TO).inserted == 1


def test_other_records_come_out_as_if_the_failing_one_were_not_there(pair: MemoryPair) -> None:
    bad, _ = add_pair(pair)
    good, account = add_pair(pair)
    settle(pair)
    edit(pair, LOCAL, bad, NAME, "bad")
    edit(pair, LOCAL, good, NAME, "good")
    assert outcomes(job(pair.synchronize(), TO)) == {"failed": 1, "modified": 1}
    assert value(pair, INTEGRATION, account, NAME) == "good"
