"""Catalogue, lists and marks go together, and the table says what became of each entry."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.scenarios.catalogued import Catalogue, inconsistencies, read_catalogue
from tests.scenarios.table import show, states

ROOT = Path(__file__).parents[2]
ENTRY = {"title": "An entry."}
SMALL = Catalogue(
    files={"running": {f"A00{number}": ENTRY for number in range(8)}},
    not_applicable={"A001": "no such thing"},
    later={"A002": "web pages"},
    repeated=(),
)


@pytest.fixture(scope="module")
def marked() -> frozenset[str]:
    """The ids of all tests of this folder, as pytest finds them, whatever part of it is run now."""
    script = (
        "import sys, pytest\n"
        "class Marks:\n"
        "    def pytest_collection_modifyitems(self, items):\n"
        "        ids = {id for item in items for mark in item.iter_markers('scenario') for id in mark.args}\n"
        "        print('marked', *sorted(ids))\n"
        "sys.exit(pytest.main(['--collect-only', '-qq', 'tests/scenarios'], plugins=[Marks()]))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("marked ")]
    return frozenset(line.split()[1:])


def test_catalogue_lists_and_marks_go_together(marked: frozenset[str]) -> None:
    assert marked
    assert inconsistencies(read_catalogue(), marked) == []


def test_every_entry_is_told() -> None:
    for name, entries in read_catalogue().files.items():
        for entry in entries.values():
            told = ("title", "given", "when", "then") if name == "running" else ("title",)
            assert all(entry.get(part, "").strip() for part in told), entry


def test_every_reason_is_told() -> None:
    catalogue = read_catalogue()
    assert all(reason.strip() for reason in [*catalogue.not_applicable.values(), *catalogue.later.values()])


@pytest.mark.parametrize(
    ("catalogue", "marked", "problem"),
    [
        (SMALL, {"A009"}, "the marks of the tests: there is no scenario A009"),
        (SMALL, {"A001"}, "A001 stands in not_applicable.yaml and in the marks of the tests"),
        (SMALL, {"A002"}, "A002 stands in later.yaml and in the marks of the tests"),
        (
            Catalogue(SMALL.files, SMALL.not_applicable, {"A001": "x"}, ()),
            set(),
            "A001 stands in not_applicable.yaml and in later.yaml",
        ),
        (Catalogue(SMALL.files, {}, {"X1": "x"}, ()), set(), "later.yaml: there is no scenario X1"),
        (Catalogue(SMALL.files, {}, {}, ("A003",)), set(), "A003 stands twice in the catalogue"),
        (
            Catalogue(SMALL.files, {"A001": "x", "A002": "x"}, {}, ()),
            set(),
            "running: 2 of 8 scenarios are not applicable, more than 15 %",
        ),
    ],
)
def test_what_does_not_go_together_is_told(catalogue: Catalogue, marked: set[str], problem: str) -> None:
    assert inconsistencies(catalogue, frozenset(marked)) == [problem]


def test_the_table_counts_each_entry_once_and_ends_with_the_totals() -> None:
    text = StringIO()
    found = states(SMALL, {"A003": True, "A004": True, "A005": False})
    show(found, Console(file=text, width=100), ids=True)
    lines = text.getvalue().splitlines()
    assert lines[1].split() == ["running", "8", "2", "1", "1", "1", "3"]
    assert "failed in running: A005" in lines
    assert "open in running: A000, A006, A007" in lines
    assert lines[-1] == "8 scenarios: 2 passed, 1 failed, 1 not applicable, 1 later, 3 open"
