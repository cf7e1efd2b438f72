"""Two systems that know the same companies are brought together over HTTP; the review list at a terminal."""

from __future__ import annotations

from contextlib import closing

import pytest
from bench.demo_matching import MAPPING, Demo

from tests.acceptance.terminal import Terminal
from twinrow.cli.sandbox import SandboxPair
from twinrow.workspace import open_workspace


def test_what_both_know_is_coupled_and_only_what_is_new_is_made(synchronized: SandboxPair, terminal: Terminal) -> None:
    with (
        open_workspace(terminal.variables["TWINROW_STORE"]) as opened,
        closing(Demo(synchronized, opened, lambda _line: None)) as demo,
    ):
        demo.begin()
        assert demo.run(100, 90, 70, seed=3) == []


@pytest.fixture
def proposing(synchronized: SandboxPair, terminal: Terminal) -> Terminal:
    """A terminal whose store has proposals."""
    with (
        open_workspace(terminal.variables["TWINROW_STORE"]) as opened,
        closing(Demo(synchronized, opened, lambda _line: None)) as demo,
    ):
        demo.begin()
        demo.fill(60, 55, 50, seed=5)
    return terminal


def test_the_review_list_is_listed_explained_accepted_and_rejected(proposing: Terminal) -> None:
    told = proposing.run("match", MAPPING, "--scored", "--propose").out
    assert "Name (company)" in told
    assert f"Next: twinrow proposals list {MAPPING}" in told
    listed = proposing.read("proposals", "list", MAPPING, "--limit", "1000")
    assert listed["total"] == len(listed["proposals"]) > 40
    first, second, third = (one["id"] for one in listed["proposals"][:3])
    assert "Next: look at one" in proposing.run("proposals", "list").out
    shown = proposing.run("proposals", "show", str(first)).out
    assert "together" in shown
    assert f"twinrow proposals accept {first}" in shown
    assert proposing.read("proposals", "show", str(first))["reasons"][0]["caption"] == "Name"
    assert proposing.read("proposals", "accept", str(first))["accepted"] == [first]
    again = proposing.run("proposals", "accept", str(first), code=1).out
    assert "0 proposals accepted, 1 refused" in again
    assert "coupled already" in again
    assert "1 proposal rejected" in proposing.run("proposals", "reject", str(second)).out
    rejected = proposing.read("proposals", "list", MAPPING, "--state", "rejected")["proposals"]
    assert [one["id"] for one in rejected] == [second]
    accepted = proposing.read("proposals", "accept", "--mapping", MAPPING, "--above", "0.99")["accepted"]
    assert third in accepted
    told = proposing.read("match", MAPPING, "--scored")
    assert (told["learned"], told["new_or_changed"]) == (False, {"local": 0, "integration": 0})
    assert any(job["type"] == "coupling" for job in proposing.read("jobs", "list", MAPPING)["jobs"])


def test_what_does_not_go_together_says_so(terminal: Terminal) -> None:
    for words in (
        ("match", MAPPING, "--scored", "--on", "name"),
        ("match", MAPPING, "--propose"),
        ("proposals", "accept"),
        ("proposals", "accept", "--above", "0.9"),
        ("proposals", "accept", "3", "--mapping", MAPPING),
    ):
        assert "twinrow" in terminal.run(*words, code=2).err
