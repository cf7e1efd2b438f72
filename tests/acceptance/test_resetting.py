"""Comparing, resetting, disabling and removing mappings at a terminal."""

from __future__ import annotations

from tests.acceptance.terminal import Terminal
from twinrow.cli.sandbox import SandboxPair


def test_a_changed_mapping_is_compared_applied_and_reset(synchronized: SandboxPair, terminal: Terminal) -> None:
    text = terminal.run("mapping", "export", "CUSTOMER").out
    changed = terminal.folder / "customer.yaml"
    changed.write_text(text.replace("name: CUSTOMER", "name: CUSTOMER\n    only_coupled: false"), encoding="utf-8")
    told = terminal.run("mapping", "diff", changed).out
    assert told == f"CUSTOMER: only_coupled: true → false\nNext: twinrow mapping apply {changed}\n"
    terminal.run("mapping", "apply", changed)
    assert terminal.run("mapping", "diff", changed).out.startswith("Nothing would change")

    told = terminal.run("mapping", "reset", "CUSTOMER", code=2)
    assert told.out == "CUSTOMER: only_coupled: false → true\n"
    assert "Repeat the command with --yes." in told.err
    before = {one["mapping"]: one["coupled"] for one in terminal.read("status")["mappings"]}
    told = terminal.run("mapping", "reset", "--all", "--yes")
    assert "The default set-up is complete." in told.out
    assert {one["mapping"]: one["coupled"] for one in terminal.read("status")["mappings"]} == before
    assert terminal.run("mapping", "reset", "--all").out.startswith("Nothing has changed")
    assert terminal.run("mapping", "diff", changed).out.startswith("CUSTOMER: only_coupled: true → false")
    terminal.run("mapping", "reset", code=2)


def test_a_disabled_mapping_does_not_run_and_one_that_others_need_is_not_removed(
    synchronized: SandboxPair, terminal: Terminal
) -> None:
    assert "To let it run again" in terminal.run("mapping", "disable", "VENDOR").out
    told = terminal.run("sync", "VENDOR", code=2)
    assert "VENDOR is disabled" in told.out + told.err
    assert "VENDOR" not in {run["mapping"] for run in terminal.read("sync", code=1)["runs"]}
    terminal.run("mapping", "enable", "VENDOR")
    terminal.run("sync", "VENDOR")
    told = terminal.run("mapping", "remove", "SHIPPING AGENT", code=2)
    assert "Fields of VENDOR and CUSTOMER refer to records of SHIPPING AGENT" in told.err
