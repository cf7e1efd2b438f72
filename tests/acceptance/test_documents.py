"""What programs read: `--json` prints one document with the keys that `docs/reference/commands.md` lists."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.acceptance.terminal import Terminal, edit, rows
from twinrow.cli.sandbox import SandboxPair
from twinrow.model.outcomes import Counters

COUNTERS = {
    "read",
    "inserted",
    "modified",
    "unchanged",
    "failed",
    "skipped",
    "deleted",
    "uncoupled",
    "ignored",
    "coupled",
}
JOB = COUNTERS | {
    "id",
    "mapping",
    "direction",
    "type",
    "state",
    "message",
    "started_at",
    "finished_at",
    "seconds",
    "ignored_reasons",
}
RUN = {"id", "mapping", "state", "message", "jobs", "errors", "conflicts", "pending", "unavailable_fields"}
ERROR = {
    "id",
    "job",
    "mapping",
    "direction",
    "local_id",
    "integration_id",
    "label",
    "field",
    "decision",
    "recovery",
    "message",
    "cause",
    "remedy",
    "at",
}
PENDING = {
    "id",
    "mapping",
    "direction",
    "side",
    "record",
    "label",
    "field",
    "decision",
    "recovery",
    "message",
    "cause",
    "remedy",
    "failures",
    "skipped",
    "not_before",
    "since",
    "at",
}
CONFLICT = {"id", "job", "mapping", "field", "label", "local", "integration", "since", "at"}
CONFLICT_SIDE = {"record", "label", "field", "value", "caption", "before", "before_known", "modified_at", "modified_by"}
WRITE = {
    "number",
    "mapping",
    "run",
    "kind",
    "side",
    "at",
    "decision",
    "asked",
    "who",
    "local",
    "integration",
    "erased",
    "fields",
}
WRITTEN_FIELD = {
    "key",
    "name",
    "caption",
    "rule",
    "old",
    "old_known",
    "old_caption",
    "new",
    "new_known",
    "new_caption",
}
PLAN = {"id", "state", "options", "who", "made_at", "applied_at", "passes"}
PLANNED_PASS = {"mapping", "direction", "ignored_reasons", "fields"} | set(Counters().as_dict())
PLANNED_RECORD = {
    "mapping",
    "direction",
    "kind",
    "decision",
    "label",
    "local",
    "integration",
    "field",
    "message",
    "fields",
}
PLANNED_FIELD = {"key", "name", "caption", "old", "new", "conflict"}
UNDO = {
    "mapping",
    "run",
    "undo_run",
    "restored",
    "removed",
    "made_again",
    "unchanged",
    "refused",
    "changes",
    "refusals",
}
UNDO_CHANGE = {"kind", "side", "records", "label", "field", "caption", "now", "then", "new_id"}
UNDO_REFUSAL = {"side", "records", "label", "field", "caption", "reason"}
STATUS = {
    "mapping",
    "direction",
    "coupled",
    "running",
    "last_run",
    "last_state",
    "read_up_to",
    "conflicts",
    "waiting",
    "skipped",
    "unresolved",
}


def keys(document: dict[str, Any]) -> set[str]:
    return set(document)


def test_a_synchronization_is_one_document(synchronized: SandboxPair, terminal: Terminal) -> None:
    document = terminal.read("sync", code=1)
    assert keys(document) == {"round", "succeeded", "runs"}
    assert document["succeeded"] is False
    assert {frozenset(run) for run in document["runs"]} == {frozenset(RUN)}
    jobs = [job for run in document["runs"] for job in run["jobs"]]
    assert {frozenset(job) for job in jobs} == {frozenset(JOB)}
    outcomes = COUNTERS - {"read", "coupled"}
    assert all(job["read"] == sum(job[name] for name in outcomes) for job in jobs)
    assert all(datetime.fromisoformat(job["started_at"]).utcoffset() is not None for job in jobs)
    (contacts,) = [run for run in document["runs"] if run["mapping"] == "CONTACT"]
    assert {frozenset(record) for record in contacts["pending"]} == {frozenset(PENDING)}


def test_progress_and_errors_do_not_stand_in_the_document(synchronized: SandboxPair, terminal: Terminal) -> None:
    told = terminal.finish("sync", "CUSTOMER", "--json")
    assert (told.code, told.err) == (0, "")
    assert json.loads(told.out)["succeeded"] is True


def test_lists_are_documents(synchronized: SandboxPair, terminal: Terminal) -> None:
    accounts = [row for row in rows(synchronized, "account") if row["customertypecode"] == 3]
    edit(synchronized, "account", accountid=accounts[0]["accountid"], telephone1="ask Anna")
    customer = next(row for row in rows(synchronized, "Customer") if row["Name"] == accounts[1]["name"])
    edit(synchronized, "account", accountid=accounts[1]["accountid"], name="Here")
    edit(synchronized, "Customer", **{"No.": customer["No."], "Name": "There"})
    terminal.run("sync", "CUSTOMER", code=1)

    errors = terminal.read("errors", "list", "CUSTOMER")["errors"]
    assert {frozenset(error) for error in errors} == {frozenset(ERROR)}
    (refused,) = [error for error in errors if error["integration_id"] == accounts[0]["accountid"]]
    assert (refused["direction"], refused["field"]) == ("from_integration", "phoneNumber=telephone1")
    assert refused["label"].endswith(accounts[0]["name"])

    (conflict,) = terminal.read("conflicts", "list")["conflicts"]
    assert keys(conflict) == CONFLICT
    assert keys(conflict["local"]) == keys(conflict["integration"]) == CONFLICT_SIDE
    assert (conflict["local"]["value"], conflict["integration"]["value"]) == ("There", "Here")
    assert conflict["local"]["before"] == conflict["integration"]["before"] == accounts[1]["name"]
    assert conflict["label"] == f"{customer['No.']} There"
    assert f"{conflict['id']}  CUSTOMER" in terminal.run("conflicts", "list").out
    terminal.run("conflicts", "resolve", "--all", "--take", "local", code=2)
    terminal.run("conflicts", "resolve", str(conflict["id"]), code=2)
    resolved = terminal.read("conflicts", "resolve", str(conflict["id"]), "--take", "local")
    assert (resolved["settled"], resolved["refused"], resolved["failed"]) == ([conflict["id"]], [], 0)
    assert terminal.read("conflicts", "list") == {"conflicts": []}
    assert "There" in {row["name"] for row in rows(synchronized, "account")}

    pending = terminal.read("pending", "list")["pending"]
    assert {frozenset(record) for record in pending} == {frozenset(PENDING)}
    mappings = terminal.read("status")["mappings"]
    assert {frozenset(one) for one in mappings} == {frozenset(STATUS)}
    jobs = terminal.read("jobs", "list")["jobs"]
    assert {frozenset(job) for job in jobs} == {frozenset(JOB | {"run"})}
    assert keys(terminal.read("jobs", "show", str(jobs[0]["run"]))) == RUN
    couplings = terminal.read("couplings", "list", "CURRENCY")
    assert keys(couplings) == {"mapping", "total", "couplings"}
    assert keys(couplings["couplings"][0]) == {"local_id", "integration_id"}


def test_a_plan_is_looked_at_and_applied(synchronized: SandboxPair, terminal: Terminal) -> None:
    account = next(row for row in rows(synchronized, "account") if row["customertypecode"] == 3)
    edit(synchronized, "account", accountid=account["accountid"], websiteurl="https://planned.example")
    made = terminal.read("sync", "CUSTOMER", "--plan")
    assert keys(made) == PLAN
    assert {frozenset(one) for one in made["passes"]} == {frozenset(PLANNED_PASS)}
    number = str(made["id"])
    (record,) = terminal.read("plan", "show", number)["records"]
    assert keys(record) == PLANNED_RECORD
    (field,) = record["fields"]
    assert keys(field) == PLANNED_FIELD
    assert field["new"] == "https://planned.example"
    shown = terminal.run("plan", "show", number).out
    assert "“https://planned.example”" in shown
    assert f"twinrow plan apply {number}" in shown
    table = terminal.run("plan", "show", number, "--csv").out.splitlines()
    assert len(table) == 2
    assert "https://planned.example" in table[1]
    assert terminal.read("plan", "list")["plans"][0]["state"] == "open"
    done = terminal.read("plan", "apply", number)
    assert sum(job["modified"] for run in done["runs"] for job in run["jobs"]) == 1
    terminal.run("plan", "apply", number, code=2)
    again = terminal.run("sync", "CUSTOMER", "--plan").out
    assert "There is nothing to do." in again
    latest = terminal.read("plan", "list")["plans"][0]["id"]
    assert terminal.read("plan", "discard", str(latest)) == {"plan": latest, "state": "discarded"}
    assert "discarded" in terminal.run("plan", "list").out


def test_what_is_set_up_is_documents(synchronized: SandboxPair, terminal: Terminal) -> None:
    (crm, erp) = terminal.read("system", "list")["systems"]
    assert (crm["name"], erp["name"]) == ("crm", "erp")
    assert crm["settings"]["secret"].startswith("file:")
    tests = terminal.read("system", "test")
    assert tests["passed"]
    assert keys(tests["systems"][0]["checks"][0]) == {"name", "passed", "found", "remedy"}
    assert "account" in terminal.read("system", "schema", "crm")["tables"]
    table = terminal.read("system", "schema", "crm", "account")
    assert table["key"] == "accountid"
    assert "name" in {field["name"] for field in table["fields"]}
    (connection,) = terminal.read("connection", "list")["connections"]
    shown = terminal.read("connection", "show")
    assert shown.pop("read_only") == []
    assert connection == shown
    assert keys(connection) == {"name", "local", "integration", "settings"}
    assert len(terminal.read("mapping", "list")["mappings"]) == 7
    assert terminal.read("mapping", "show", "CUSTOMER")["integration_table"] == "account"
    problems = terminal.read("mapping", "check")["problems"]
    assert {problem["severity"] for problem in problems} == {"warning"}
    assert keys(problems[0]) == {"severity", "message", "remedy", "mapping", "field", "file", "line"}
    again = terminal.read("connection", "setup")
    assert keys(again) == {"connection", "found", "made", "mappings", "warnings"}
    assert again["made"] == []


def test_the_journal_is_a_document_and_a_text(synchronized: SandboxPair, terminal: Terminal) -> None:
    account = next(row for row in rows(synchronized, "account") if row["customertypecode"] == 3)
    edit(synchronized, "account", accountid=account["accountid"], websiteurl="https://new.example")
    terminal.run("sync", "CUSTOMER")
    document = terminal.read("journal", "show", "CUSTOMER", "--record", account["accountid"], "--limit", "1")
    (write,) = document["writes"]
    assert document["next"] == write["number"]
    assert keys(write) == WRITE
    (field,) = write["fields"]
    assert keys(field) == WRITTEN_FIELD
    assert (write["side"], write["decision"], field["new"]) == ("local", "source_changed", "https://new.example")
    shown = terminal.run("journal", "show", "CUSTOMER", "--record", account["accountid"], "--field", "website")
    assert "“https://new.example”" in shown.out
    assert "changed in" in shown.out
    older = terminal.read("journal", "show", "--record", account["accountid"], "--after", document["next"])
    assert older["writes"][-1]["kind"] == "create"
    assert terminal.read("journal", "keep", "365", "--jobs", "30") == {"journal_days": 365, "jobs_days": 30}
    assert terminal.read("journal", "keep", "forever") == {"journal_days": None, "jobs_days": 30}
    assert terminal.read("journal", "prune", "--days", "1") == {"forgotten": 0}
    terminal.run("journal", "keep", "soon", code=2)


def test_an_undo_is_a_document_and_a_text(synchronized: SandboxPair, terminal: Terminal) -> None:
    first, second = [row for row in rows(synchronized, "account") if row["customertypecode"] == 3][:2]
    for account in (first, second):
        edit(synchronized, "account", accountid=account["accountid"], websiteurl="https://new.example")
    run = terminal.read("sync", "CUSTOMER")["runs"][0]["id"]
    customer = next(row for row in rows(synchronized, "Customer") if row["Name"] == first["name"])
    edit(synchronized, "Customer", **{"No.": customer["No."], "Home Page": "https://newer.example"})

    plan = terminal.read("undo", str(run), "--plan", code=1)
    assert keys(plan) == UNDO
    assert (plan["undo_run"], plan["restored"], plan["refused"]) == (None, 1, 1)
    told = terminal.run("undo", str(run), code=1)
    assert "it has been changed since" in told.out
    assert second["name"] in told.out
    (change,), (refusal,) = plan["changes"], plan["refusals"]
    assert (keys(change), keys(refusal)) == (UNDO_CHANGE, UNDO_REFUSAL)
    assert (change["field"], change["now"], change["then"]) == ("website", "https://new.example", "")
    assert refusal["records"]["integration"] == first["accountid"]
    # What was undone stays so; the other one is carried.
    terminal.run("sync", "CUSTOMER")
    there = {row["accountid"]: row["websiteurl"] for row in rows(synchronized, "account")}
    assert there[first["accountid"]] == "https://newer.example"
    assert there[second["accountid"]] == "https://new.example"
    again = terminal.read("undo", "--record", second["accountid"], "--mapping", "CUSTOMER", "--field", "website")
    assert (again["restored"], again["refused"]) == (1, 0)
    terminal.run("undo", code=2)


def test_a_record_is_erased_when_it_is_said_twice(synchronized: SandboxPair, terminal: Terminal) -> None:
    account = next(row for row in rows(synchronized, "account") if row["customertypecode"] == 3)
    words = ("erase", "--mapping", "CUSTOMER", "--record", account["accountid"])
    terminal.run(*words, code=2)
    written = len(terminal.read("journal", "show", "CUSTOMER", "--record", account["accountid"])["writes"])
    document = terminal.read(*words, "--yes")
    assert document == {"writes": written, "uncoupled": False, "there": ["local", "integration"]}
    assert "erased on request" in terminal.run("journal", "show", "--record", account["accountid"]).out
    terminal.run("sync", "CUSTOMER")
    assert account["accountid"] in {row["accountid"] for row in rows(synchronized, "account")}
