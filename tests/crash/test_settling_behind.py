"""A process is killed at commits and writes while one batch is settled and the next one is prepared.

Between two databases, where no rule makes the records of a mapping depend on one another, a thread settles (`engine.behind`).
Whoever goes on comes to the same as if nobody had been killed: nothing is doubled, lost or left open, and then nothing is left to
do (promises 1, 2, 3 and 6).
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import twinrow
from tests.conftest import KILLS
from tests.crash.child import SETTINGS
from tests.crash.world import Ended, run_apart
from twinrow.store.intents import open_intents
from twinrow.workspace import Workspace

COUNTS = {"customers": 2 * SETTINGS.page_rows + 2, "accounts": 2 * SETTINGS.page_rows + 1}
"""How many there are only on this side in the beginning."""

SAMPLE = {True: 2, False: 2}
"""How many points of a synchronization are tried in a quick run, while a batch is being settled behind and otherwise."""

_COLUMNS = "id varchar(36) PRIMARY KEY, name varchar(80), phone varchar(30), modified_at timestamp NOT NULL"
_MAPPING = """
version: 1
mappings:
  - name: CUSTOMER
    local_table: customers
    integration_table: accounts
    direction: bidirectional
    only_coupled: false
    update_conflict_resolution: {resolution}
    fields:
      - {{local: name, integration: name}}
      - {{local: phone, integration: phone}}
"""


@dataclass(frozen=True)
class Outcome:
    """All that a synchronization leaves behind, without the ids that are given anew each time."""

    rows: dict[str, list[tuple[str, str]]]
    bases: list[tuple[str, str]]
    conflicts: list[tuple[str | None, ...]]


class TwoDatabases:
    """Customers in one file, accounts in another one, a store in a third; all can be kept and brought back."""

    def __init__(self, folder: Path, resolution: str) -> None:
        self._folder, self._now = folder, folder / "now"
        self._now.mkdir()
        for table, count in COUNTS.items():
            with closing(sqlite3.connect(self._now / f"{table}.db")) as connection:
                connection.execute(f"CREATE TABLE {table} ({_COLUMNS})")
                rows = [(_id(table, n), f"{table} {n}", "1", f"2026-01-31 13:45:{n:02d}") for n in range(count)]
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", rows)
                connection.commit()
        (folder / "mapping.yaml").write_text(_MAPPING.format(resolution=resolution))
        with self.open() as workspace:
            for name, table in (("erp", "customers"), ("crm", "accounts")):
                url = f"sqlite:///{self._now / f'{table}.db'}"
                workspace.add_system(name, "sql", url=url, tables={table: {"guid": True}})
            workspace.add_connection("main", "erp", "crm")
            workspace.apply_mappings(folder / "mapping.yaml")

    @property
    def _store(self) -> str:
        return f"sqlite:///{self._now / 'store.db'}"

    def open(self) -> Workspace:
        return twinrow.open(self._store, settings=SETTINGS)

    def keep(self) -> None:
        """Remember everything as it is now."""
        shutil.copytree(self._now, self._folder / "kept")

    def bring_back(self) -> None:
        """Go back to what was kept."""
        shutil.rmtree(self._now)
        shutil.copytree(self._folder / "kept", self._now)

    def run(self, fatal: int | None = None) -> Ended:
        """Synchronize in a new process, killed at the step `fatal`."""
        return run_apart(self._store, ["CUSTOMER"], fatal)

    def run_here(self) -> int:
        """Synchronize in this process; return how many records were written."""
        with self.open() as workspace:
            run = workspace.synchronize("CUSTOMER", create=True)
        assert run.state == "finished", run.message
        return run.counters.written

    def edit(self, table: str, field: str, value: str, names: Sequence[str]) -> None:
        """Write a field of the records with these names as somebody else; they are on both sides."""
        with closing(sqlite3.connect(self._now / f"{table}.db")) as connection:
            for name in names:
                edited = connection.execute(
                    f"UPDATE {table} SET {field} = ?, modified_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE name = ?",
                    (value.format(name=name), name),
                )
                assert edited.rowcount == 1, name
            connection.commit()

    def add(self, table: str, name: str) -> None:
        """Make a record as somebody else."""
        with closing(sqlite3.connect(self._now / f"{table}.db")) as connection:
            connection.execute(
                f"INSERT INTO {table} VALUES (?, ?, '1', strftime('%Y-%m-%d %H:%M:%f', 'now'))", (_id(table, 99), name)
            )
            connection.commit()

    def outcome(self) -> Outcome:
        """Return what there is in the end; each record belongs to one of the other side, and nothing is left open."""
        ids = {table: {row[0] for row in self._read(table, f"SELECT id FROM {table}")} for table in COUNTS}
        with self.open() as workspace:
            coupled = workspace.couplings("CUSTOMER")
            jobs = workspace.list_jobs(limit=1_000)
            conflicts = [
                (one.field, one.base_local, one.base_integration, one.local_value, one.integration_value)
                for one in workspace.list_conflicts()
            ]
            with workspace.context.database.reading() as connection:
                assert not any(open_intents(connection, one.id) for one in workspace.context.mappings())
        assert all(job.counters.balanced and job.state == "finished" for job in jobs)
        for table, column in (("customers", "local_id"), ("accounts", "integration_id")):
            assert coupled.height == len(ids[table])
            assert set(coupled.get_column(column)) == ids[table]
        bases = "SELECT local_values, integration_values FROM couplings LEFT JOIN bases ON coupling_id = couplings.id"
        rows = {table: self._read(table, f"SELECT name, phone FROM {table}") for table in COUNTS}
        return Outcome(rows, self._read("store", bases), sorted(conflicts, key=repr))

    def _read(self, file: str, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self._now / f"{file}.db")) as connection:
            return sorted(connection.execute(statement).fetchall(), key=repr)


def _id(table: str, number: int) -> str:
    return f"00000000-0000-4000-8000-{list(COUNTS).index(table):04d}{number:08d}"


def _names(table: str, every: int) -> list[str]:
    return [f"{table} {number}" for number in range(0, COUNTS[table], every)]


CONTESTED = ("customers 3", "customers 9", "accounts 5")


def let_people_work(databases: TwoDatabases) -> None:
    """Everything is edited on one side, some on both in different fields, three in the same one; one is made on each side."""
    databases.edit("accounts", "phone", "+49 30 7", [*CONTESTED, *_names("customers", 2)])
    databases.edit("customers", "phone", "+49 30 8", [*CONTESTED, *_names("accounts", 2)])
    databases.edit("customers", "name", "{name} AG", _names("customers", 1))
    databases.edit("accounts", "name", "{name} Ltd.", _names("accounts", 1))
    databases.add("customers", "new customer")
    databases.add("accounts", "new account")


def interfere(databases: TwoDatabases, phase: str) -> None:
    """While no process is at work, somebody changes records that it may have been working on."""
    customers, accounts = (" AG", " Ltd.") if phase == "edits" else ("", "")
    databases.edit("customers", "phone", "+49 40 1", [f"customers 1{customers}", f"customers 11{customers}"])
    databases.edit("accounts", "phone", "+49 40 2", [f"accounts 1{accounts}", f"accounts 7{accounts}"])


def spread(undisturbed: Ended, settling: bool, count: int) -> list[int]:
    """Return steps from the first intent on, evenly spread over those at which a batch is being settled behind, or none is."""
    first = undisturbed.steps.index("request write") - 1
    steps = [place for place, there in enumerate(undisturbed.settling) if there is settling and place >= first]
    return [steps[part * len(steps) // count] for part in range(min(count, len(steps)))]


CASES = [("first", "none"), ("edits", "none"), ("edits", "send_update_to_integration")]


def survive(folder: Path, phase: str, resolution: str, sample: Mapping[bool, int] | None, kills: Counter[str]) -> None:
    databases = TwoDatabases(folder, resolution)
    if phase == "edits":
        databases.run_here()
        assert databases.run_here() == 0
        let_people_work(databases)
    databases.keep()
    undisturbed = databases.run()
    assert not undisturbed.failed
    behind = {kind for kind, settling in zip(undisturbed.steps, undisturbed.settling, strict=True) if settling}
    assert behind == {"commit"}, "something is sent before the batch before it is settled, or none is settled behind"
    interfere(databases, phase)
    databases.run_here()
    assert databases.run_here() == 0
    expected = databases.outcome()
    contested = len(CONTESTED) if (phase, resolution) == ("edits", "none") else 0
    assert len(expected.conflicts) == contested
    assert len(set(expected.rows["customers"]) ^ set(expected.rows["accounts"])) == 2 * contested
    points = list(range(len(undisturbed.steps)))
    if sample is not None:
        points = [point for settling, count in sample.items() for point in spread(undisturbed, settling, count)]
    struck = {True: 0, False: 0}
    for point in points:
        databases.bring_back()
        killed = databases.run(fatal=point)
        where = (point, undisturbed.steps[point])
        assert killed.killed, where
        assert killed.settling == [undisturbed.settling[point]], (
            where,
            "something has overtaken what was being settled",
        )
        struck[killed.settling[0]] += 1
        kills[undisturbed.steps[point].split()[0] + (" of a batch settled behind" if killed.settling[0] else "")] += 1
        interfere(databases, phase)
        assert not databases.run().failed, where
        # What is edited behind the place where the run goes on comes in the next one.
        if databases.run_here():
            assert databases.run_here() == 0, (where, "something is written although nothing has changed")
        assert databases.outcome() == expected, where
    assert struck[True], "no process was killed while a batch was being settled behind"
    assert struck[False]


@pytest.mark.parametrize(("phase", "resolution"), CASES)
def test_a_process_that_is_killed_while_it_settles_one_batch_and_prepares_the_next_costs_nothing(
    tmp_path: Path, phase: str, resolution: str, pytestconfig: pytest.Config
) -> None:
    survive(tmp_path, phase, resolution, SAMPLE, pytestconfig.stash[KILLS])


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("phase", "resolution"), CASES)
def test_it_costs_nothing_wherever_it_is_killed(
    tmp_path: Path, phase: str, resolution: str, pytestconfig: pytest.Config
) -> None:
    survive(tmp_path, phase, resolution, None, pytestconfig.stash[KILLS])
