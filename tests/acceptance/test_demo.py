"""`twinrow demo`: it comes out right, and it notices when something does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, edit, rows
from twinrow.cli.demo.comparison import compare
from twinrow.cli.sandbox import SandboxPair
from twinrow.workspace import open_workspace


@pytest.mark.parametrize(("ownership", "salespeople"), [("person", True), ("team", False)])
def test_the_demo_comes_out_right(terminal: Terminal, ownership: str, salespeople: bool) -> None:
    told = terminal.finish("demo", "--no-serve", "--customers", "60", "--ownership", ownership, "--directory", "demo")
    assert told.code == 0, told.out + told.err
    assert "Everything is where it should be." in told.out
    assert ("Couple salespeople with users by their e-mail address" in told.out) is salespeople
    assert "5 others change on both sides at once" in told.out
    assert "4 contacts wait: their customer or vendor is blocked" in told.out
    # What the demo made is there to be looked at, without the sandboxes.
    store = f"sqlite:///{terminal.folder / 'demo' / 'twinrow.db'}"
    assert f"export TWINROW_STORE={store}" in told.out
    coupled = {one["mapping"]: one["coupled"] for one in terminal.read("status", "--store", store)["mappings"]}
    assert coupled["CUSTOMER"] == 64
    assert ("SALESPEOPLE" in coupled) is salespeople
    told = terminal.run("demo", "--directory", "demo", code=2)
    assert "The folder demo is not empty." in told.err


def problems(pair: SandboxPair, store: Path) -> list[str]:
    with open_workspace(f"sqlite:///{store}") as opened:
        return [problem for one in compare(pair, opened) for problem in one.problems]


def test_a_value_that_differs_is_noticed(synchronized: SandboxPair, terminal: Terminal) -> None:
    store = terminal.folder / "twinrow.db"
    assert problems(synchronized, store) == []
    (account,) = [row for row in rows(synchronized, "account") if row["name"] == "Kjær Skibsudstyr ApS"]
    edit(synchronized, "account", accountid=account["accountid"], telephone1="+45 99")
    (problem,) = problems(synchronized, store)
    assert "CUSTOMER: Phone No. of" in problem
    assert "'+45 99'" in problem


def test_a_record_that_was_not_brought_over_is_noticed(synchronized: SandboxPair, terminal: Terminal) -> None:
    new = {"accountid": "0a5f3a0e-0000-4000-8000-000000000009", "name": "Left Out Ltd.", "customertypecode": 3}
    edit(synchronized, "account", **new)
    (problem,) = problems(synchronized, terminal.folder / "twinrow.db")
    assert problem == f"CUSTOMER: 1 of the CRM should be coupled and is not, such as {new['accountid']}."


def test_a_record_that_should_not_be_coupled_is_noticed(synchronized: SandboxPair, terminal: Terminal) -> None:
    edit(synchronized, "Vendor", **{"No.": "V000001", "Blocked": "All"})
    found = problems(synchronized, terminal.folder / "twinrow.db")
    assert any(problem.startswith("VENDOR: 1 of the ERP is coupled, should not") for problem in found)
