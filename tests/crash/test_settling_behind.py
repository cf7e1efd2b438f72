"""A process is killed at every commit of its store while it settles one batch and prepares the next one.

Between two databases, where no rule makes the records of a mapping depend on one another, a thread settles. Whoever goes on comes
to the same as if nobody had been killed: nothing is doubled, nothing lost, and then nothing is left to do.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

import twinrow
from tests.conftest import KILLS
from tests.crash.child import SETTINGS
from tests.crash.world import Ended, run_apart

COUNT = 3 * SETTINGS.page_rows + 2

_COLUMNS = "id varchar(36) PRIMARY KEY, name varchar(80), phone varchar(30), modified_at timestamp NOT NULL"
_MAPPING = """
version: 1
mappings:
  - name: CUSTOMER
    local_table: customers
    integration_table: accounts
    direction: bidirectional
    only_coupled: false
    fields:
      - {local: name, integration: name}
      - {local: phone, integration: phone}
"""


class TwoDatabases:
    """Customers in one file, accounts in another one, a store in a third; all can be brought back to the beginning."""

    def __init__(self, folder: Path) -> None:
        self._now, self._before = folder / "now", folder / "before"
        self._before.mkdir()
        for name in ("customers", "accounts"):
            with closing(sqlite3.connect(self._before / f"{name}.db")) as connection:
                connection.execute(f"CREATE TABLE {name} ({_COLUMNS})")
                if name == "customers":
                    rows = [(_id(n), f"Customer {n}", "1", f"2026-01-31 13:45:{n:02d}") for n in range(COUNT)]
                    connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", rows)
                connection.commit()
        shutil.copytree(self._before, self._now)
        (folder / "mapping.yaml").write_text(_MAPPING)
        with twinrow.open(self.store) as workspace:
            for name, table in (("erp", "customers"), ("crm", "accounts")):
                url = f"sqlite:///{self._now / f'{table}.db'}"
                workspace.add_system(name, "sql", url=url, tables={table: {"guid": True}})
            workspace.add_connection("main", "erp", "crm")
            workspace.apply_mappings(folder / "mapping.yaml")
        shutil.rmtree(self._before)
        shutil.copytree(self._now, self._before)

    @property
    def store(self) -> str:
        return f"sqlite:///{self._now / 'store.db'}"

    def bring_back(self) -> None:
        shutil.rmtree(self._now)
        shutil.copytree(self._before, self._now)

    def run(self, fatal: int | None = None) -> Ended:
        return run_apart(self.store, ["CUSTOMER"], fatal)

    def edit(self, number: int) -> None:
        with closing(sqlite3.connect(self._now / "customers.db", isolation_level=None)) as connection:
            connection.execute(
                "UPDATE customers SET phone = 'edited', modified_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = ?",
                (_id(number),),
            )

    def rows(self, table: str) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self._now / f"{table}.db")) as connection:
            return sorted(connection.execute(f"SELECT name, phone FROM {table}").fetchall())

    def coupled(self) -> int:
        with twinrow.open(self.store) as workspace:
            return workspace.couplings("CUSTOMER").height


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def test_a_process_that_is_killed_while_it_settles_one_batch_and_prepares_the_next_costs_nothing(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    databases = TwoDatabases(tmp_path)
    undisturbed = databases.run()
    assert undisturbed.written == COUNT
    kills: Counter[str] = pytestconfig.stash[KILLS]
    killed = 0
    for point in range(len(undisturbed.steps)):
        databases.bring_back()
        if not databases.run(fatal=point).killed:
            continue
        killed += 1
        kills["commit"] += 1
        databases.edit(3)
        databases.edit(COUNT - 1)
        # What is edited behind the place where the run goes on comes in the next one.
        assert not databases.run().failed, point
        assert not databases.run().failed, point
        assert databases.rows("accounts") == databases.rows("customers"), point
        assert len(databases.rows("accounts")) == databases.coupled() == COUNT, point
        assert databases.run().written == 0, (point, "something is written although nothing has changed")
    assert killed > 2 * COUNT // SETTINGS.page_rows
