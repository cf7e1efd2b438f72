"""Comparing both sides at a terminal: over HTTP, and between databases."""

from __future__ import annotations

import pytest
from bench.synchronizing import MAPPING, set_up
from bench.workload import make_customers, open_places

from tests.acceptance.terminal import Terminal, edit, rows
from twinrow.cli.sandbox import SandboxPair

CUSTOMER = "C000001"


def test_all_standard_mappings_are_as_they_should_be_after_a_synchronization(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    status = {one["mapping"]: one for one in terminal.read("status")["mappings"]}
    assert len(status) > 4
    for name, one in status.items():
        found = terminal.read("verify", name)
        assert (found["clean"], found["records"], found["compared"]) == (True, {}, one["coupled"]), found
    assert terminal.run("verify", "CUSTOMER").out.endswith("All is well.\n")


def test_what_differs_is_shown_with_names_and_what_to_do(synchronized: SandboxPair, terminal: Terminal) -> None:
    edit(synchronized, "Customer", **{"No.": CUSTOMER, "Phone No.": "+45 70 12 34 56"})
    told = terminal.run("verify", "CUSTOMER").out
    assert "Awaiting" in told
    assert f"{CUSTOMER} Kjær Skibsudstyr ApS (" in told
    assert "“+45 70 12 34 56”" in told
    assert "Next: twinrow sync CUSTOMER" in told
    terminal.run("sync", "CUSTOMER")
    (account,) = [row for row in rows(synchronized, "account") if row["telephone1"] == "+45 70 12 34 56"]
    # The credit limit only goes to Dataverse: nobody carries this back.
    edit(synchronized, "account", accountid=account["accountid"], creditlimit=999)
    terminal.run("sync", "CUSTOMER")
    told = terminal.run("verify", "CUSTOMER", code=1).out
    assert "Drift" in told
    assert "Credit Limit (LCY)" in told
    (id,) = terminal.run("verify", "CUSTOMER", "--ids", code=1).out.split()
    assert f"({id})" in told
    terminal.run("verify", "CUSTOMER", "--plan", "to", "--ids", code=2)
    told = terminal.run("verify", "CUSTOMER", "--plan", "to", code=1).out
    assert "A plan that repairs 1 record: twinrow plan show" in told
    plan = terminal.read("verify", "CUSTOMER", "--plan", "to", code=1)["plan"]
    (planned,) = terminal.read("plan", "show", str(plan))["records"]
    assert (planned["kind"], planned["fields"][0]["old"]) == ("update", "999.00")
    terminal.run("plan", "apply", str(plan))
    assert terminal.read("verify", "CUSTOMER")["records"] == {}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_databases_are_compared_however_they_sort_their_ids(kind: str, terminal: Terminal) -> None:
    with open_places(kind, 1) as (place,):
        place.fill(make_customers(300))
        set_up(place)
        terminal.variables["TWINROW_STORE"] = place.store_url
        terminal.run("sync")
        found = terminal.read("verify", MAPPING)
        # Codes go over in capitals, addresses of mail in small letters, and come back as they are.
        assert (found["compared"], found["records"], found["clean"]) == (300, {"by rule": 300}, True)
        place.execute(place.customers_url, "DELETE FROM customers WHERE " + place.numbered("no", 100, 8))
        place.execute(place.accounts_url, "DELETE FROM accounts WHERE " + place.numbered("accountnumber", 100, 9))
        # The number only goes to the accounts; the name goes both ways.
        for change, remainder in ((f"name = 'X', modifiedon = {place.now}", 6), ("accountnumber = 'X'", 7)):
            place.execute(
                place.accounts_url,
                f"UPDATE accounts SET {change} WHERE " + place.numbered("accountnumber", 100, remainder),
            )
        found = terminal.read("verify", MAPPING, "--limit", "1", code=1)
        del found["records"]["by rule"]
        assert found["records"] == {"drift": 3, "local gone": 3, "integration gone": 3, "awaiting": 3}
        assert [one["kind"] for one in found["samples"]][:3] == ["drift", "local gone", "integration gone"]
        assert found["samples"][0]["integration"] == "X"
        assert found["samples"][0]["reason"] == "it was changed on the side to which it is only carried"
