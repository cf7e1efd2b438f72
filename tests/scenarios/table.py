"""`python -m tests.scenarios.table`: runs the tests of the scenarios and shows, for each file, how the entries stand.

An entry has passed when every test marked with it has, and failed when one has not. The others are not applicable, wait for a
later piece of twinrow, or are open: nobody has written their test yet. Arguments are handed on to pytest; `--ids` also names
the open ones. The exit code is 1 when a marked test failed, or when ids, lists and marks do not go together.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.scenarios.catalogued import SCENARIO, Catalogue, inconsistencies, read_catalogue

STATES = ("passed", "failed", "not applicable", "later", "open")


class Results:
    """A pytest plugin that collects, for each scenario, whether its tests have passed."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = {}
        self.others_failed: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take note of a module that cannot be read."""
        if report.failed:
            self.others_failed.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test's end; one that was skipped has not passed."""
        for name, id in report.user_properties:
            if name == SCENARIO:
                self.passed[str(id)] = self.passed.get(str(id), True) and report.passed


def states(catalogue: Catalogue, passed: Mapping[str, bool]) -> dict[str, dict[str, list[str]]]:
    """Return the ids of each file by state."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, entries in catalogue.files.items():
        found[name] = {state: [] for state in STATES}
        for id in entries:
            if id in passed:
                state = "passed" if passed[id] else "failed"
            elif id in catalogue.not_applicable:
                state = "not applicable"
            else:
                state = "later" if id in catalogue.later else "open"
            found[name][state].append(id)
    return found


def show(found: Mapping[str, Mapping[str, Sequence[str]]], console: Console, *, ids: bool) -> None:
    """Print the table, the ids that are asked for, and the totals on one line at the end."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenarios")
    for heading in ("entries", *STATES):
        table.add_column(heading, justify="right")
    for name, by_state in found.items():
        counts = [len(by_state[state]) for state in STATES]
        table.add_row(name, str(sum(counts)), *(str(count) for count in counts))
    console.print(table)
    for state in ("failed", "open") if ids else ("failed",):
        for name, by_state in found.items():
            if by_state[state]:
                console.print(f"{state} in {name}: {', '.join(by_state[state])}")
    totals = {state: sum(len(by_state[state]) for by_state in found.values()) for state in STATES}
    console.print(f"{sum(totals.values())} scenarios: " + ", ".join(f"{totals[state]} {state}" for state in STATES))


def main(arguments: Sequence[str]) -> int:
    """Run the tests and print the table; return the exit code."""
    results = Results()
    rest = [argument for argument in arguments if argument != "--ids"]
    asked = ["-m", "scenario", "-q", "-n", "2", "--dist", "worksteal", str(Path(__file__).parent), *rest]
    code = pytest.main(asked, plugins=[results])
    catalogue = read_catalogue()
    console = Console(highlight=False, soft_wrap=True)
    problems = inconsistencies(catalogue, frozenset(results.passed))
    for problem in problems:
        console.print(f"wrong: {problem}")
    for place in results.others_failed:
        console.print(f"wrong: {place} could not be read")
    show(states(catalogue, results.passed), console, ids="--ids" in arguments)
    return 0 if code == pytest.ExitCode.OK and not problems else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
