"""A batch that is settled while the next one is prepared: nothing comes out differently, and nothing overtakes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import pytest

from twinrow.batch.columns import ID
from twinrow.connectors.base import ChangePage, ChangeRequest, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.engine import stages
from twinrow.engine.behind import Settling
from twinrow.engine.context import EngineSettings
from twinrow.model.errors import LeaseLost, SystemUnavailable
from twinrow.model.outcomes import Counters
from twinrow.model.sides import Side
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair

COUNT = 23
SETTINGS = EngineSettings(page_rows=5)


def _filled(pair: MemoryPair) -> list[str]:
    return [pair.local.add("customers", {"displayName": f"Customer {number}"}) for number in range(COUNT)]


def _ids(*ids: str) -> list[pl.Series]:
    return [pl.Series(list(ids), dtype=pl.String)]


# The order.


def test_one_batch_is_settled_at_a_time_and_in_their_order() -> None:
    settled: list[int] = []
    release = threading.Event()

    def slowly() -> Counters:
        release.wait(10)
        return Counters(read=1)

    with Settling(lambda counters: settled.append(counters.read)) as settling:
        settling.behind(_ids("a"), slowly)
        settling.wait_for(pl.DataFrame({ID: ["b"]}))
        assert settled == []
        release.set()
        settling.wait_for(pl.DataFrame({ID: ["b", "a"]}))
        assert settled == [1]
        settling.behind(_ids("b"), lambda: Counters(read=2))
        settling.now(lambda: Counters(read=3))
        settling.behind(_ids("c"), lambda: Counters(read=4))
    assert settled == [1, 2, 3, 4]


def test_what_goes_wrong_is_told_before_anything_else_is_settled() -> None:
    def fails() -> Counters:
        raise LeaseLost("Another process has taken this run over")

    done: list[Counters] = []
    with Settling(done.append) as settling:
        settling.behind(_ids("a"), fails)
        with pytest.raises(LeaseLost):
            settling.now(Counters)

    def settle_the_last_one() -> None:
        with Settling(done.append) as settling:
            settling.behind(_ids("a"), fails)

    with pytest.raises(LeaseLost):
        settle_the_last_one()
    assert done == []


def test_a_batch_is_settled_to_its_end_whatever_goes_wrong_meanwhile() -> None:
    release, ended = threading.Event(), threading.Event()

    def slowly() -> Counters:
        release.wait(10)
        ended.set()
        return Counters()

    def break_off() -> None:
        with Settling(lambda _: None) as settling:
            settling.behind(_ids("a"), slowly)
            threading.Timer(0.05, release.set).start()
            raise SystemUnavailable("The system does not answer")

    with pytest.raises(SystemUnavailable):
        break_off()
    assert ended.is_set()


# Runs.


class InFlight:
    """Tells whether any batch is being settled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.threads: set[str] = set()
        settle = stages.settle

        def watched(*arguments: object) -> Counters:
            self.now += 1
            self.threads.add(threading.current_thread().name.rpartition("_")[0])
            try:
                return settle(*arguments)  # type: ignore[arg-type]
            finally:
                self.now -= 1

        monkeypatch.setattr(stages, "settle", watched)


class Writing(MemorySystem):
    """Remembers whether a batch was being settled when something was written."""

    in_flight: InFlight
    met: int = 0

    def write(self, request: WriteRequest) -> pl.DataFrame:
        self.met += self.in_flight.now
        return super().write(request)


def test_nothing_is_sent_before_the_batch_before_it_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    with MemoryPair(settings=SETTINGS) as pair:
        accounts = Writing([ACCOUNTS], name="integration")
        accounts.in_flight = InFlight(monkeypatch)
        pair.integration = accounts
        pair.wrap(Side.INTEGRATION, accounts)
        _filled(pair)
        run = pair.synchronize()
        assert (run.counters.inserted, run.counters.coupled) == (COUNT, COUNT)
        assert accounts.in_flight.threads == {"settling", ""}, "all but the last batch are settled by the thread"
        assert accounts.met == 0


class Twice(MemorySystem):
    """Hands over the last records of each page once more with the next one, as they are by then."""

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        again: list[str] = []
        for page in super().changes(request):
            rows = self.fetch(request.table, request.fields, again)
            again = page.frame.get_column(ID).tail(2).to_list()
            yield replace(page, frame=pl.concat([rows, page.frame], how="diagonal_relaxed"))


def test_records_that_come_again_at_once_are_made_once() -> None:
    with MemoryPair(settings=SETTINGS) as pair:
        pair.local = Twice([CUSTOMERS], name="local")
        pair.wrap(Side.LOCAL, pair.local)
        customers = _filled(pair)
        run = pair.synchronize(direction="to")
        assert run.counters.inserted == COUNT
        assert not run.counters.failed
        assert set(pair.counterparts()) == set(customers)


class BreaksOff(MemorySystem):
    """Does not answer when a page is asked for."""

    at: int | None = None

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        for number, page in enumerate(super().changes(request)):
            if number == self.at:
                raise SystemUnavailable("The system does not answer")
            yield page


def test_a_feed_that_breaks_off_leaves_every_batch_before_it_settled() -> None:
    with MemoryPair(settings=SETTINGS) as pair:
        pair.local = customers = BreaksOff([CUSTOMERS], name="local")
        pair.wrap(Side.LOCAL, customers)
        _filled(pair)
        customers.at = 3
        with pytest.raises(SystemUnavailable):
            pair.synchronize()
        assert len(pair.counterparts()) == 15
        customers.at = None
        run = pair.synchronize()
        assert len(pair.counterparts()) == COUNT
        assert run.counters.inserted == COUNT - 15
