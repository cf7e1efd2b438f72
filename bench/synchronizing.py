"""What twinrow does with the workload: the same jobs as the plain loops, with couplings, in both directions.

A place has a store beside its two databases. Opening that store is no part of a job; everything else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.workload import Place
from twinrow.workspace import Workspace, open_workspace

MAPPING = "CUSTOMER"
MAPPING_FILE = Path(__file__).parents[1] / "examples" / "customers-accounts.yaml"


class WrongResultError(Exception):
    """A job did something else than it was measured for."""


def set_up(place: Place) -> None:
    """Make a store for a place, and take over the mapping of the workload."""
    with open_workspace(place.store_url) as workspace:
        workspace.add_system("erp", "sql", url=place.customers_url, tables={"customers": {"guid": True}})
        workspace.add_system("crm", "sql", url=place.accounts_url, tables={"accounts": {"guid": True}})
        workspace.add_connection("bench", "erp", "crm")
        workspace.apply_mappings(MAPPING_FILE)


def opened(place: Place) -> Workspace:
    """Return the workspace of a place, as a new process has it."""
    return open_workspace(place.store_url)


def quiet(place: Place) -> Workspace:
    """Return the workspace of a place in a process that has worked before, when nothing is left to do."""
    workspace = opened(place)
    for _ in range(2):
        synchronize(workspace)
    return workspace


@dataclass(frozen=True)
class Work:
    """A workspace, and how many records of each kind a run over it must count."""

    workspace: Workspace
    modified: int


def edited(place: Place, remainder: int) -> Work:
    """Return the workspace of a process that has worked before, when one in a hundred customers has been edited."""
    workspace = quiet(place)
    return Work(workspace, place.edit_customers(remainder))


def synchronize(workspace: Workspace) -> int:
    """Run the mapping once, in both directions. Return how many records were written."""
    run = workspace.synchronize(MAPPING)
    if not run.succeeded or run.counters.failed or run.conflicts or run.pending:
        raise WrongResultError(f"The run is {run.state}: {run.message} {run.counters}")
    written: int = run.counters.written
    return written


def changed_rows(work: Work) -> int:
    """Job C: carry over what was edited."""
    written = synchronize(work.workspace)
    if written != work.modified:
        raise WrongResultError(f"{work.modified} records were edited, {written} written.")
    return written
