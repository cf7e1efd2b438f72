"""What is in the version that its coupling remembers is unchanged; what is not, or waits for something, is looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from twinrow.actions.results import Run
from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.sides import Pass, Side
from twinrow.testing.pair import CUSTOMERS, MemoryPair, customer_mapping
from twinrow.workspace import open_workspace

COUNT = 250


def _filled(pair: MemoryPair, count: int = COUNT) -> list[str]:
    return [pair.local.add("customers", {"displayName": f"Customer {number}"}) for number in range(count)]


def _counts(run: Run, pass_: Pass) -> dict[str, int]:
    job = next(job for job in run.jobs if job.direction == pass_.value)
    return {name: count for name, count in job.counters.as_dict().items() if count}


def test_what_one_pass_has_written_is_unchanged_for_the_other() -> None:
    with MemoryPair() as pair:
        _filled(pair)
        run = pair.synchronize()
        assert _counts(run, Pass.TO) == {"read": COUNT, "inserted": COUNT, "coupled": COUNT}
        assert _counts(run, Pass.FROM) == {"read": COUNT, "unchanged": COUNT}


def test_what_was_edited_among_echoes_is_carried() -> None:
    with MemoryPair() as pair:
        customers = _filled(pair)
        pair.synchronize()
        for customer in customers[::100]:
            pair.integration.edit("account", str(pair.counterpart(customer)), fax="1")
        pair.integration.add("account", {"name": "New"})
        pair.integration.remove("account", str(pair.counterpart(customers[-1])))
        run = pair.synchronize(full=True)
        expected = {"read": COUNT + 1, "modified": 3, "inserted": 1, "unchanged": COUNT - 4, "ignored": 1, "coupled": 1}
        assert _counts(run, Pass.FROM) == expected
        assert all(pair.local.record("customers", customer)["faxNo"] == "1" for customer in customers[::100])


class Unfiltered(MemorySystem):
    """Hands over records outside the filter too, as it may."""

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        return super().changes(replace(request, condition=None))


def test_records_outside_the_filter_are_ignored_though_their_version_is_known() -> None:
    with MemoryPair() as pair:
        pair.local = Unfiltered([CUSTOMERS], name="local")
        pair.wrap(Side.LOCAL, pair.local)
        customers = _filled(pair, 10)
        pair.synchronize()
        pair.set_mapping(customer_mapping(local_filter="displayName ne 'Customer 3'"))
        assert _counts(pair.synchronize(), Pass.TO) == {"read": 10, "unchanged": 9, "ignored": 1}
        assert len(pair.counterparts()) == len(customers)


def test_what_was_changed_without_saying_so_is_found_by_reading_everything(tmp_path: Path) -> None:
    """A repair by hand leaves the time of the last change alone: no feed by times tells of it."""
    here, there = sqlite3.connect(tmp_path / "here.db"), sqlite3.connect(tmp_path / "there.db")
    with here:
        here.execute("CREATE TABLE customers (id varchar(36) PRIMARY KEY, name varchar(50))")
        rows = [(str(UUID(int=number + 1)), f"Customer {number}") for number in range(300)]
        here.executemany("INSERT INTO customers VALUES (?, ?)", rows)
    with there:
        there.execute(
            "CREATE TABLE accounts (id varchar(36) PRIMARY KEY, name varchar(50), modifiedon timestamp NOT NULL)"
        )
    with open_workspace(f"sqlite:///{tmp_path}/twinrow.db") as workspace:
        workspace.add_system("erp", "sql", url=f"sqlite:///{tmp_path}/here.db", tables={"customers": {"guid": True}})
        accounts = {"accounts": {"guid": True, "modified_at": "modifiedon"}}
        workspace.add_system("crm", "sql", url=f"sqlite:///{tmp_path}/there.db", tables=accounts)
        workspace.add_connection("both", "erp", "crm")
        file = tmp_path / "mapping.yaml"
        file.write_text(
            "version: 1\nmappings:\n  - {name: CUSTOMER, local_table: customers, integration_table: accounts,"
            " only_coupled: false, fields: [{local: name, integration: name}]}\n"
        )
        workspace.apply_mappings(file)
        workspace.synchronize("CUSTOMER")
        with there:
            there.execute("UPDATE accounts SET name = 'by hand' WHERE name = 'Customer 7'")

        assert workspace.synchronize("CUSTOMER", full=True).counters.modified == 1

        assert here.execute("SELECT count(*) FROM customers WHERE name = 'by hand'").fetchone() == (1,)
    for connection in (here, there):
        connection.close()
