"""`twinrow sync` between a Business Central and a Dataverse: what comes over, what is told, exit codes."""

from __future__ import annotations

from tests.acceptance.terminal import Terminal, add_systems, edit, rows
from twinrow.cli.sandbox import SandboxPair

CUSTOMER, ACCOUNT_NAME = "C000001", "Kjær Skibsudstyr ApS"


def test_the_first_synchronization_makes_what_is_missing_on_either_side(pair: SandboxPair, terminal: Terminal) -> None:
    add_systems(terminal, pair)
    told = terminal.run("connection", "setup")
    assert "Made in crm: company Wieland Werke GmbH." in told.out
    assert "Next: twinrow mapping check, then twinrow sync --create" in told.out
    before = len(rows(pair, "account"))
    told = terminal.run(
        "sync", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "CUSTOMER", "--create"
    )
    assert told.out.endswith("All is well.\n")
    made = [row for row in rows(pair, "account") if row["accountnumber"] is None]
    assert len(made) > before
    assert ACCOUNT_NAME in {row["name"] for row in made}


def test_what_waits_is_counted_and_named(synchronized: SandboxPair, terminal: Terminal) -> None:
    told = terminal.run("sync", "CONTACT", code=1)
    assert "4 records wait for a related one. Next: twinrow pending list" in told.out
    listed = terminal.run("pending", "list", "CONTACT").out
    assert "CONTACT to crm: waits since" in listed
    assert "the record that parentcustomerid refers to is not coupled" in listed


def test_a_change_goes_over_and_nothing_else(synchronized: SandboxPair, terminal: Terminal) -> None:
    edit(synchronized, "Customer", **{"No.": CUSTOMER, "Phone No.": "+45 70 12 34 56"})
    run = terminal.read("sync", "CUSTOMER")["runs"][0]
    assert [(job["direction"], job["modified"]) for job in run["jobs"]] == [
        ("to_integration", 1),
        ("from_integration", 0),
    ]
    (account,) = [row for row in rows(synchronized, "account") if row["name"] == ACCOUNT_NAME]
    assert account["telephone1"] == "+45 70 12 34 56"
    again = terminal.read("sync", "CUSTOMER")["runs"][0]
    assert sum(job["inserted"] + job["modified"] for job in again["jobs"]) == 0


def test_different_fields_of_one_record_merge(synchronized: SandboxPair, terminal: Terminal) -> None:
    (account,) = [row for row in rows(synchronized, "account") if row["name"] == ACCOUNT_NAME]
    edit(synchronized, "Customer", **{"No.": CUSTOMER, "Home Page": "https://kjaer.example"})
    edit(synchronized, "account", accountid=account["accountid"], telephone1="+45 11 11 11 11")
    terminal.run("sync", "CUSTOMER")
    (account,) = [row for row in rows(synchronized, "account") if row["name"] == ACCOUNT_NAME]
    (customer,) = [row for row in rows(synchronized, "Customer") if row["No."] == CUSTOMER]
    both = ("https://kjaer.example", "+45 11 11 11 11")
    assert (account["websiteurl"], account["telephone1"]) == both
    assert (customer["Home Page"], customer["Phone No."]) == both


def test_a_conflict_is_shown_with_both_values_and_settled_by_choosing_a_side(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    (account,) = [row for row in rows(synchronized, "account") if row["name"] == ACCOUNT_NAME]
    edit(synchronized, "Customer", **{"No.": CUSTOMER, "Name": "Kjær Skibe A/S"})
    edit(synchronized, "account", accountid=account["accountid"], name="Kjær Group")
    told = terminal.run("sync", "CUSTOMER", code=1)
    assert "1 conflict. Next: twinrow conflicts list" in told.out
    listed = terminal.run("conflicts", "list").out
    assert "CUSTOMER: Name (displayName ↔ name)" in listed
    assert "“Kjær Skibe A/S”" in listed
    assert "“Kjær Group”" in listed
    assert f"before: “{ACCOUNT_NAME}”" in listed
    terminal.run("sync", "CUSTOMER", "--record", account["accountid"], "--direction", "to")
    (account,) = [row for row in rows(synchronized, "account") if row["accountid"] == account["accountid"]]
    assert account["name"] == "Kjær Skibe A/S"
    assert terminal.run("conflicts", "list").out == "There is no open conflict.\n"


def test_a_record_that_is_refused_has_its_own_error_and_the_others_go_through(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    accounts = [row for row in rows(synchronized, "account") if row["customertypecode"] == 3][:3]
    for number, account in enumerate(accounts):
        phone = "ask Anna" if number == 1 else f"+49 30 {number}000"
        edit(synchronized, "account", accountid=account["accountid"], telephone1=phone)
    run = terminal.read("sync", "CUSTOMER", code=1)["runs"][0]
    assert run["state"] == "finished"
    assert [(job["modified"], job["failed"]) for job in run["jobs"]] == [(0, 0), (2, 1)]
    (error,) = run["errors"]
    assert error["integration_id"] == accounts[1]["accountid"]
    assert error["field"] == "phoneNumber=telephone1"
    assert error["message"]
    listed = terminal.run("errors", "list", "CUSTOMER").out
    assert f"{accounts[1]['name']} ({accounts[1]['accountid']})" in listed
    assert "Phone No. (phoneNumber ↔ telephone1)" in listed
    assert "Remedy" in listed


def test_a_record_that_failed_twice_is_set_aside_until_it_is_retried(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    account = next(row for row in rows(synchronized, "account") if row["customertypecode"] == 3)
    edit(synchronized, "account", accountid=account["accountid"], telephone1="ask Anna")
    terminal.run("sync", "CUSTOMER", code=1)
    terminal.run("sync", "CUSTOMER", code=1)
    told = terminal.run("sync", "CUSTOMER", code=1)
    assert "1 record is skipped. Next: twinrow pending list" in told.out
    edit(synchronized, "account", accountid=account["accountid"], telephone1="+49 30 1234")
    assert "1 record is tried again by the next run" in terminal.run("pending", "retry", "CUSTOMER").out
    terminal.run("sync", "CUSTOMER")
    (customer,) = [row for row in rows(synchronized, "Customer") if row["Phone No."] == "+49 30 1234"]
    assert customer["Name"] == account["name"]


def test_uncoupled_records_are_left_alone_and_it_is_said_how_to_make_them(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    new = {"accountid": "0a5f3a0e-0000-4000-8000-000000000001", "name": "Nyborg Net ApS", "customertypecode": 3}
    edit(synchronized, "account", **new)
    told = terminal.run("sync", "CUSTOMER")
    assert "To make them: twinrow sync --create" in told.out
    told = terminal.run("sync", "CUSTOMER", "--full", "--create")
    assert "Nyborg Net ApS" in {row["Name"] for row in rows(synchronized, "Customer")}


def test_two_records_are_coupled_by_hand(synchronized: SandboxPair, terminal: Terminal) -> None:
    account = {"accountid": "0a5f3a0e-0000-4000-8000-000000000002", "name": "Nyborg Net", "customertypecode": 3}
    edit(synchronized, "account", **account)
    edit(synchronized, "Customer", **{"No.": "N1", "Name": "Nyborg Net ApS", "Blocked": "_x0020_"})
    (customer,) = [row["SystemId"] for row in rows(synchronized, "Customer") if row["No."] == "N1"]
    told = terminal.run("couple", "CUSTOMER", customer, account["accountid"], "--use", "local")
    assert f"Next: twinrow sync CUSTOMER --record {customer}" in told.out
    terminal.run("sync", "CUSTOMER", "--record", customer)
    stored = {row["accountid"]: row["name"] for row in rows(synchronized, "account")}
    assert stored[account["accountid"]] == "Nyborg Net ApS"
    assert f"{account['accountid']}" in terminal.run("couplings", "list", "CUSTOMER", "--limit", "1000").out


def test_a_system_that_is_down_stops_the_mapping_and_nothing_is_lost(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    edit(synchronized, "Customer", **{"No.": CUSTOMER, "Phone No.": "+45 1"})
    settings = synchronized.options("dataverse") | {"patience_seconds": 1}
    terminal.run("system", "add", "crm", "dataverse", *(f"--set={key}={value}" for key, value in settings.items()))
    synchronized.dataverse.control(
        "POST", "/sandbox/faults", {"path": "/api/", "action": "refuse", "status": 503, "times": 10_000}
    )
    told = terminal.run("sync", "CUSTOMER", code=2)
    assert "crm" in told.out
    synchronized.dataverse.control("DELETE", "/sandbox/faults")
    terminal.run("sync", "CUSTOMER")
    (account,) = [row for row in rows(synchronized, "account") if row["name"] == ACCOUNT_NAME]
    assert account["telephone1"] == "+45 1"


def test_fields_that_are_not_served_are_named_once(pair: SandboxPair, terminal: Terminal) -> None:
    add_systems(terminal, pair)
    settings = {**pair.options("business-central"), "routes": '["v2.0"]', "chosen_ids": "true"}
    terminal.run(
        "system", "add", "erp", "business-central", *(f"--set={key}={value}" for key, value in settings.items())
    )
    terminal.run("connection", "setup")
    told = terminal.run("sync", "VENDOR")
    assert (
        "Mapped, but not served by the systems (twinrow mapping check says why):\n  VENDOR: contact, faxNo, "
        in told.out
    )
    (run,) = terminal.read("sync", "VENDOR")["runs"]
    assert [one["field"] for one in run["unavailable_fields"]][:2] == ["contact", "faxNo"]
    assert {one["side"] for one in run["unavailable_fields"]} == {"local"}
