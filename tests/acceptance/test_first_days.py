"""Beginning carefully, at a terminal: stopping everything, a connection read only, another environment."""

from __future__ import annotations

from tests.acceptance.terminal import Terminal, edit
from twinrow.cli.sandbox import SandboxPair


def test_everything_is_stopped_and_resumed(synchronized: SandboxPair, terminal: Terminal) -> None:
    edit(synchronized, "Customer", **{"No.": "C000001", "Phone No.": "+45 70 12 34 56"})
    assert "Everything is stopped." in terminal.run("stop", "--reason", "clean-up").out
    assert "Everything is stopped" in terminal.run("sync", "CUSTOMER", code=2).out
    told = terminal.run("status").out
    assert "by local user: clean-up. Next: twinrow resume" in told
    assert terminal.read("status")["stopped"]["reason"] == "clean-up"
    assert "Runs may begin again" in terminal.run("resume").out
    assert terminal.run("resume").out == "Nothing was stopped.\n"
    assert terminal.read("sync", "CUSTOMER")["runs"][0]["jobs"][0]["modified"] == 1


def test_a_connection_is_read_only(synchronized: SandboxPair, terminal: Terminal) -> None:
    edit(synchronized, "Customer", **{"No.": "C000001", "Phone No.": "+45 70 12 34 56"})
    assert terminal.run("connection", "read-only", "integration").out.startswith("Nothing is written to crm.")
    assert terminal.read("connection", "show")["read_only"] == ["integration"]
    assert "Nothing is written to crm" in terminal.run("status").out
    run = terminal.read("sync", "CUSTOMER")["runs"][0]
    assert [(one["direction"], one["read"]) for one in run["jobs"]] == [("to_integration", 0), ("from_integration", 0)]
    assert "read only" in run["jobs"][0]["message"]
    assert "read only" in terminal.run("connection", "setup", code=2).err
    terminal.run("connection", "read-only", "both")
    assert "twinrow sync --plan" in terminal.run("sync", "CUSTOMER", code=2).out
    terminal.run("connection", "read-only", "none")
    assert terminal.read("sync", "CUSTOMER")["runs"][0]["jobs"][0]["modified"] == 1


def test_the_environment_that_is_known_needs_no_acceptance(synchronized: SandboxPair, terminal: Terminal) -> None:
    told = terminal.run("system", "accept", "crm", "--keep-couplings")
    assert told.out == "crm leads to the environment that is known already.\n"
    terminal.run("system", "accept", "crm", code=2)


def test_a_pilot_at_a_terminal(synchronized: SandboxPair, terminal: Terminal) -> None:
    for number in ("C000001", "C000002"):
        edit(synchronized, "Customer", **{"No.": number, "Phone No.": "+45 70 12 34 56"})
    told = terminal.run("pilot", "start", "CUSTOMER", "--where", "number eq 'C000001'").out
    assert told.startswith("Only 1 record of erp and what is coupled to it take part in CUSTOMER now.")
    (listed,) = terminal.read("pilot", "list")["pilots"]
    assert (listed["mapping"], len(listed["records"])) == ("CUSTOMER", 1)
    assert "In CUSTOMER only 1 record takes part" in terminal.run("status").out
    to, _ = terminal.read("sync", "CUSTOMER")["runs"][0]["jobs"]
    assert (to["modified"], to["ignored_reasons"]["outside the pilot"]) == (1, to["ignored"])
    terminal.run("pilot", "end", "CUSTOMER")
    to, _ = terminal.read("sync", "CUSTOMER")["runs"][0]["jobs"]
    assert to["modified"] == 1
    terminal.run("pilot", "start", "CUSTOMER", code=2)
    terminal.run("pilot", "start", "CUSTOMER", "--where", "nothing eq 1", code=2)
    assert "All records take part" in terminal.run("pilot", "list").out
