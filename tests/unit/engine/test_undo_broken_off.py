"""An undo is killed at one step after the other: each commit of the store, each request, each answer. Nothing is half done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy
from sqlalchemy import event

from twinrow.connectors.base import CreateKeys, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.sides import Side
from twinrow.store.database import open_database
from twinrow.testing.pair import ACCOUNTS, MemoryPair, customer_mapping


class Killed(BaseException):
    """The process has ended."""


class Steps:
    """Counts the steps of a process, and ends it at the one with the number `fatal`: from there on nothing happens any more."""

    def __init__(self, fatal: int) -> None:
        self.count = 0
        self.dead = False
        self._fatal = fatal

    def step(self, *_: object) -> None:
        self.dead = self.dead or self.count == self._fatal
        if self.dead:
            raise Killed
        self.count += 1


class Watched(MemorySystem):
    """A system whose requests and answers are steps."""

    steps: Steps | None = None

    def write(self, request: WriteRequest) -> pl.DataFrame:
        if self.steps is not None:
            self.steps.step()
        answer = super().write(request)
        if self.steps is not None:
            self.steps.step()
        return answer


@contextmanager
def process(system: Watched, fatal: int) -> Iterator[Steps]:
    steps = system.steps = Steps(fatal)
    event.listen(sqlalchemy.Engine, "commit", steps.step)
    try:
        yield steps
    except Killed:
        pass
    finally:
        event.remove(sqlalchemy.Engine, "commit", steps.step)
        system.steps = None


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, to be copied: making one takes longer than what is tried with it."""
    file = tmp_path_factory.mktemp("empty") / "store.db"
    open_database(f"sqlite:///{file}").close()
    return file


def world(empty: Path, folder: Path, keys: CreateKeys) -> tuple[MemoryPair, Watched]:
    store = f"sqlite:///{shutil.copy(empty, folder)}"
    mapping = customer_mapping(delete_propagation="to_integration")
    pair = MemoryPair(mapping, store=store, local={"deletes_in_feed": True})
    clock = pair.clocks[Side.INTEGRATION]
    pair.integration = Watched([ACCOUNTS], name="integration", clock=clock.tick, create_keys=keys)
    pair.wrap(Side.INTEGRATION, pair.integration)
    return pair, pair.integration


def faxes(pair: MemoryPair) -> dict[str, Any]:
    return {str(values["name"]): values["fax"] for values in pair.integration.records("account").values()}


# What each kind of run does, and what is there before and after it.


def change(pair: MemoryPair, customer: str) -> None:
    pair.local.edit("customers", customer, faxNo="2")


def remove(pair: MemoryPair, customer: str) -> None:
    pair.local.remove("customers", customer)


def add(pair: MemoryPair, customer: str) -> None:
    del customer
    pair.local.add("customers", {"displayName": "Contoso", "faxNo": "2"})


KEPT = {"Other": "0"}
CASES = {
    "update": (change, {"Adatum": "2"} | KEPT, {"Adatum": "1"} | KEPT),
    "create": (add, {"Adatum": "1", "Contoso": "2"} | KEPT, {"Adatum": "1"} | KEPT),
    "delete": (remove, KEPT, {"Adatum": "1"} | KEPT),
}


@pytest.mark.parametrize(
    ("case", "keys"),
    [
        ("update", CreateKeys.CHOSEN),
        ("create", CreateKeys.CHOSEN),
        ("delete", CreateKeys.CHOSEN),
        ("delete", CreateKeys.MARK),
        ("delete", CreateKeys.NONE),
    ],
)
def test_a_killed_undo_is_done_or_not_and_can_be_asked_for_again(
    case: str, keys: CreateKeys, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinrow.store.leases.is_dead", lambda _: True)
    do, before, after = CASES[case]
    done: set[bool] = set()
    for fatal in range(100):
        folder = tmp_path / str(fatal)
        folder.mkdir()
        pair, system = world(empty, folder, keys)
        with pair:
            pair.local.add("customers", {"displayName": "Other", "faxNo": "0"})
            customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
            pair.synchronize()
            do(pair, customer)
            run = pair.synchronize()
            assert faxes(pair) == before
            with process(system, fatal) as steps:
                pair.workspace.undo(run.id)
            pair.reopen()
            here = pair.local.records("customers")
            pair.synchronize()
            if keys is CreateKeys.NONE:
                pair.clocks[Side.INTEGRATION].advance(pair.integration.request_lifetime)
                pair.synchronize()
            undone = faxes(pair) == after
            assert undone or faxes(pair) == before, fatal
            done.add(undone)
            result = pair.workspace.undo(run.id)
            if undone:
                # Nothing is written twice, and a deletion is not undone by a second record.
                assert result.restored == result.removed == 0, fatal
                if case != "delete":
                    assert faxes(pair) == after
            else:
                pair.clocks[Side.INTEGRATION].advance(pair.integration.request_lifetime)
                pair.synchronize()
                result = result if not result.refused else pair.workspace.undo(run.id)
                assert faxes(pair) == after, fatal
            assert pair.synchronize().counters.written == 0
            assert pair.synchronize(full=True).counters.written == 0, fatal
            assert pair.local.records("customers") == here, "an undo went back to the other side"
            jobs = pair.workspace.list_jobs(limit=1_000)
            assert all(job.state != "running" for job in jobs)
            assert all(job.counters.balanced for job in jobs)
        if not steps.dead:
            break
    assert done == {True, False}
    assert fatal > 5
