"""The demo step by step: start, set up, synchronize, let people work, synchronize, and look whether anything is left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED, tell
from twinrow.cli.sandbox import COMPANY, SandboxPair, open_sandboxes, wait_until_stopped
from twinrow.cli.screen import number, plural, show, show_lines, table
from twinrow.cli.sync import run_mappings, show_runs

if TYPE_CHECKING:
    from twinrow.actions.results import Run
    from twinrow.cli.demo.comparison import Comparison
    from twinrow.cli.naming import Names
    from twinrow.workspace import Workspace

ERP, CRM = "erp", "crm"
STORE = "twinrow.db"


class Steps:
    """Prints a heading for each step, and remembers how long each took and how many requests the sandboxes got in it."""

    def __init__(self) -> None:
        self.pair: SandboxPair | None = None
        self._rows: list[tuple[str, float, list[int]]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time what is done within."""
        show_lines([f"{len(self._rows) + 1}. {title}"])
        begun, before = time.monotonic(), self._requests()
        yield
        requests = [after - earlier for after, earlier in zip(self._requests(), before, strict=True)]
        self._rows.append((title, time.monotonic() - begun, requests))
        show_lines([""])

    def _requests(self) -> list[int]:
        if self.pair is None:
            return [0, 0]
        servers = (self.pair.business_central, self.pair.dataverse)
        return [sum(server.control("GET", "/sandbox/requests")["counts"].values()) for server in servers]

    def show(self) -> None:
        """Print a table of all steps."""
        rows = [
            (str(place), title, f"{seconds:.1f} s", *(number(count) for count in requests))
            for place, (title, seconds, requests) in enumerate(self._rows, 1)
        ]
        total = [sum(requests[side] for _, _, requests in self._rows) for side in (0, 1)]
        rows.append(("", "together", f"{sum(row[1] for row in self._rows):.1f} s", *(number(count) for count in total)))
        show(table((">", "Step", ">Time", f">Requests to {ERP}", f">to {CRM}"), rows))


def demo(
    customers: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="How many customers the sample company has.")
    ] = 2_000,
    ownership: Annotated[
        Literal["person", "team"],
        typer.Option(metavar="person|team", help="Who owns records in Dataverse: users of salespeople, or a team."),
    ] = "person",
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", metavar="", help="Keep the sandboxes running in the end, to look around."),
    ] = True,
    directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for store and sandboxes, else a temporary one.")
    ] = None,
) -> None:
    """Synchronize a sample company between two sandbox servers in both directions, and check what came of it.

    Exit code 0: every record is where it should be. 1: something does not hold; it is named.
    """
    place = _folder(directory)
    steps = Steps()
    with step_into_sandboxes(steps, place, customers) as pair:
        store = f"sqlite:///{(place / STORE).absolute()}"
        problems = _synchronize(steps, pair, store, ownership)
        show_lines(["How long it took, and how many requests were sent:", ""])
        steps.show()
        if problems:
            for problem in problems:
                tell(f"Does not hold: {problem}")
            tell(f"Next:  Look at the store while it is there: twinrow status --store {store}")
            raise typer.Exit(RECORDS_FAILED)
        show_lines(["Everything is where it should be.", "", "Look around:", ""])
        show_lines(f"  {line}" for line in _looking_around(store, serve))
        if serve:
            show_lines(
                [
                    "",
                    f"The sandboxes keep running: Business Central at {pair.business_central.url}, Dataverse at",
                    f"{pair.dataverse.url}. Ctrl-C stops them.",
                ]
            )
            wait_until_stopped()


def _folder(directory: Path | None) -> Path:
    from twinrow.model.errors import ConfigurationError

    if directory is None:
        return Path(tempfile.mkdtemp(prefix="twinrow-demo-"))
    if directory.exists() and any(directory.iterdir()):
        raise ConfigurationError(
            f"The folder {directory} is not empty", remedy="Name another one, or none: then a temporary one is made."
        )
    return directory


@contextmanager
def step_into_sandboxes(steps: Steps, place: Path, customers: int) -> Iterator[SandboxPair]:
    """Start the sandboxes as a step of the story."""
    with steps.step(f"Start two sandboxes: {COMPANY}, {plural(customers, 'customer')}"):
        opening = open_sandboxes(place, customers)
        pair = opening.__enter__()
        show_lines(
            [
                f"   {ERP}: Business Central at {pair.business_central.url}",
                f"   {CRM}: Dataverse at {pair.dataverse.url}",
                f"   Everything is kept in {place}",
            ]
        )
    steps.pair = pair
    try:
        yield pair
    finally:
        opening.__exit__(None, None, None)


def _synchronize(steps: Steps, pair: SandboxPair, store: str, ownership: str) -> list[str]:
    """Go through the story, and return what does not hold in the end."""
    from twinrow.cli.demo.comparison import compare
    from twinrow.cli.demo.people import People
    from twinrow.cli.naming import Names
    from twinrow.workspace import open_workspace

    problems: list[str] = []
    with open_workspace(store) as opened:
        with steps.step("Add both systems, connect them, take over the standard mappings"):
            _set_up(opened, pair, ownership)
        names = Names(opened)
        people = People(pair, opened)
        if ownership == "person":
            with steps.step("Couple salespeople with users by their e-mail address"):
                show_lines([f"   {plural(people.couple_salespeople(), 'salesperson', 'salespeople')} coupled."])
        with steps.step("Synchronize all mappings, and create what is missing on the other side"):
            problems += _failures(_run(opened, names, create=True), may_wait=True)
            _tell_waiting(opened)
        with steps.step("People change records on both sides"):
            show_lines(f"   {line}" for line in people.work())
        with steps.step("Synchronize what has changed"):
            problems += _failures(_run(opened, names, create=True, idle=False))
        with steps.step("Synchronize what that brought about: new records get their company and their defaults"):
            problems += _failures(_run(opened, names, idle=False))
        with steps.step("Synchronize once more: nothing may be written"):
            runs = _run(opened, names, idle=False)
            problems += _failures(runs)
            problems += _written(runs)
        with steps.step("Compare both sides, record by record, as the sandboxes have stored them"):
            found = compare(pair, opened)
            _show_comparison(found)
            problems += [problem for one in found for problem in one.problems]
        problems += people.missed()
    return problems


def _set_up(opened: Workspace, pair: SandboxPair, ownership: str) -> None:
    opened.add_system(ERP, "business-central", **pair.options("business-central"))
    opened.add_system(CRM, "dataverse", **pair.options("dataverse"))
    opened.add_connection("demo", ERP, CRM)
    done = opened.setup_connection(ownership_model=ownership)
    show_lines(f"   Found in {CRM}: {one}." for one in done.found)
    show_lines(f"   Made in {CRM}: {one}." for one in done.made)
    show_lines([f"   {plural(len(done.mappings), 'mapping')}: {', '.join(done.mappings)}."])


def _run(opened: Workspace, names: Names, *, idle: bool = True, **options: Any) -> Sequence[Run]:
    runs, _ = run_mappings(opened, names, **options)
    show_lines([""])
    show_runs(runs, names, idle=idle)
    quiet = sum(not run.counters.read for run in runs)
    if quiet and not idle:
        show_lines([f"{plural(quiet, 'mapping')} had nothing to read."])
    return runs


def _failures(runs: Sequence[Run], *, may_wait: bool = False) -> list[str]:
    """Return what did not come to its end, or was not settled by a follow-up run either."""
    from twinrow.model.outcomes import Decision

    problems = []
    for run in {run.mapping: run for run in runs}.values():
        if run.state != "finished":
            problems.append(f"{run.mapping} did not run to its end: {run.message or run.state}")
        waiting = sum(record.decision is Decision.WAITING for record in run.pending) if may_wait else 0
        failed = run.counters.failed - waiting
        if failed or run.conflicts:
            problems.append(f"{run.mapping}: {failed} failed, {plural(len(run.conflicts), 'conflict')}.")
    return problems


def _tell_waiting(opened: Workspace) -> None:
    waiting = next(one.waiting for one in opened.status() if one.mapping == "CONTACT")
    if waiting:
        known = plural(waiting, "contact waits", "contacts wait")
        show_lines([f"{known}: their customer or vendor is blocked, so it has no account that they could belong to."])


def _written(runs: Sequence[Run]) -> list[str]:
    return [
        f"{run.mapping}: {plural(run.counters.written, 'record was', 'records were')} written though nothing had changed."
        for run in runs
        if run.counters.written
    ]


def _show_comparison(found: Sequence[Comparison]) -> None:
    rows = [
        (
            "✗" if one.problems else "✓",
            one.mapping,
            number(len(one.local)),
            number(len(one.integration)),
            number(len(one.coupled)),
            number(one.compared) if one.compared else "",
            number(one.different) if one.compared else "",
        )
        for one in found
    ]
    show_lines([""])
    columns = ("", "Mapping", f">In {ERP}", f">In {CRM}", ">Coupled", ">Values compared", ">Different")
    show(table(columns, rows))


def _looking_around(store: str, serve: bool) -> list[str]:
    lines = [f"export TWINROW_STORE={store}", "twinrow status", "twinrow jobs list"]
    if serve:
        lines += ["twinrow mapping show CUSTOMER", f"twinrow system schema {CRM} account", "twinrow sync"]
    return lines
