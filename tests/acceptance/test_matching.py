"""Matching at a terminal: a first load between databases that both have records, and between the services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench.matching import fill
from bench.synchronizing import MAPPING, set_up
from bench.workload import SqlitePlace, open_places

from tests.acceptance.terminal import Terminal
from twinrow.cli.sandbox import SandboxPair

COUNT = 60


@pytest.fixture
def place(terminal: Terminal) -> Iterator[SqlitePlace]:
    """Customers, each with an account of the same number; two accounts have a number of others, one customer has none."""
    with open_places("sqlite", 1) as (made,):
        assert isinstance(made, SqlitePlace)
        fill(made, COUNT)
        set_up(made)
        made.execute(
            made.accounts_url, f"UPDATE accounts SET name = 'X', {_now(made)} WHERE accountnumber = 'C-D0000007'"
        )
        made.execute(
            made.accounts_url, "UPDATE accounts SET accountnumber = 'C-D0000001' WHERE accountnumber = 'C-D0000002'"
        )
        made.execute(made.customers_url, "UPDATE customers SET no = '' WHERE no = 'D0000003'")
        terminal.variables["TWINROW_STORE"] = made.store_url
        yield made


def _now(place: SqlitePlace) -> str:
    return f"modifiedon = {place.now}"


def test_a_first_load_where_both_databases_have_records(place: SqlitePlace, terminal: Terminal) -> None:
    told = terminal.run("match", MAPPING, "--on", "no", "--plan").out
    assert "Would be coupled by no" in told
    assert "Next: the same without --plan" in told
    assert terminal.read("status")["mappings"][0]["coupled"] == 0

    found = terminal.read("match", MAPPING, "--on", "no", code=1)
    assert (found["looked_at"], found["coupled"], found["succeeded"]) == (COUNT, COUNT - 3, False)
    assert found["by_criteria"] == [{"fields": "no", "coupled": COUNT - 3}]
    assert found["unmatched"] == {"no value to match by": 1, "no match": 1, "several matches": 1}
    job = str(found["job"])
    errors = terminal.read("errors", "list", "--job", job)["errors"]
    assert sorted(error["message"] for error in errors) == [
        "not coupled: no match",
        "not coupled: no value to match by",
        "not coupled: several matches",
    ]
    assert "coupling" in terminal.run("jobs", "list").out
    shown = terminal.run("jobs", "show", str(found["run"])).out
    assert f"coupling, job {job}" in shown
    assert "57 of 60 records were coupled" in shown

    told = terminal.run("match", MAPPING, "--on", "name", "--on", "email,city").out
    assert f"{COUNT - 3} records are coupled already and were left out." in told
    assert "Coupled by email, city" in told
    assert f"Next: twinrow sync {MAPPING}" in told

    # Three accounts had another number than their customer's prefixed one, and one had another name.
    run = terminal.read("sync", MAPPING, code=1)["runs"][0]
    assert sum(job["inserted"] for job in run["jobs"]) == 0
    assert len(run["conflicts"]) == 1
    terminal.run("conflicts", "resolve", "--all", "--mapping", MAPPING, "--take", "local")
    assert terminal.read("verify", MAPPING)["clean"]


def test_whoever_forgets_to_match_is_warned(place: SqlitePlace, terminal: Terminal) -> None:
    told = terminal.run("sync", MAPPING).out
    assert "Warning: 60 uncoupled local records seem to have a counterpart that is not coupled either" in told
    assert f"twinrow match {MAPPING} --on no --on name --plan" in told
    assert "All is well." not in told


def test_wrong_criteria_are_told_with_what_to_do(place: SqlitePlace, terminal: Terminal) -> None:
    told = terminal.run("match", MAPPING, "--on", "nme", code=2).err
    assert "Did you mean name" in told
    told = terminal.run("match", MAPPING, code=2).err
    assert "Next:  Name fields: twinrow match" in told


def test_matching_over_http(synchronized: SandboxPair, terminal: Terminal) -> None:
    """What was uncoupled is found again: customers by name and city, terms of payment and currencies by their code."""
    for mapping, criteria in (("CUSTOMER", ("--on", "Name,City")), ("PAYMENT TERMS", ()), ("CURRENCY", ())):
        before = terminal.read("couplings", "list", mapping, "--limit", "1000")["couplings"]
        assert before
        terminal.run("uncouple", mapping, "--all", "--yes")
        (first, *_) = before
        # One chosen record is asked for by its value, the others are read.
        chosen = terminal.read("match", mapping, *criteria, "--record", first["local_id"], "--no-sync-after")
        assert (chosen["looked_at"], chosen["coupled"]) == (1, 1), mapping
        found = terminal.read("match", mapping, *criteria, "--no-create-unmatched", "--no-sync-after")
        assert (found["coupled"], found["left_out"]["coupled already"]) == (len(before) - 1, 1), found
        after = terminal.read("couplings", "list", mapping, "--limit", "1000")["couplings"]
        assert {tuple(one.values()) for one in after} == {tuple(one.values()) for one in before}
