"""The jobs of the workload between databases, twinrow's and the plain ones beside it, in turns."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from bench import plain_loop, synchronizing
from bench.measuring import Measurement, median, run_apart
from bench.report import Figure, Line, megabytes
from bench.workload import Place, make_customers, open_places

RATIOS = {"A": (0.45, 0.8), "C": (0.35, 0.6)}
"""What each job must reach of the plain one's speed, and what it should, at a million rows."""
EXTRA_MILLISECONDS = 50.0
"""How much longer than the bare queries job B may take, at a million rows."""
MOST_MEGABYTES = 400.0
"""How much memory job A may take, at a million rows."""
REPEATED_ROWS = 200_000
"""Up to so many rows, jobs are repeated."""

NAMES = {
    "A": "initial load, both directions",
    "B": "nothing changed",
    "C": "1 % changed on one side",
}


def measure(kind: str, count: int, jobs: str, repetitions: int) -> Iterator[Line]:
    """Run jobs (letters; B and C need A) on places of a kind with so many rows, and yield a line for each."""
    if count > REPEATED_ROWS:
        repetitions = 1
    customers = make_customers(count)
    ours: dict[str, list[Measurement]] = {}
    theirs: dict[str, list[Measurement]] = {}
    with open_places(kind, 2) as (place, plain_place):
        for number in range(repetitions):
            _load(customers, place, plain_place, ours, theirs, plain_first=number % 2 == 0)
            if "B" in jobs:
                _nothing(place, plain_place, ours, theirs)
            if "C" in jobs:
                _changes(place, plain_place, number, ours, theirs, plain_first=number % 2 == 0)
    for job in jobs:
        yield from _lines(kind, count, job, median(ours[job]), median(theirs[job]), repetitions)


Measurements = dict[str, list[Measurement]]


def _load(
    customers: pl.DataFrame,
    place: Place,
    plain_place: Place,
    ours: Measurements,
    theirs: Measurements,
    *,
    plain_first: bool,
) -> None:
    for one in (place, plain_place):
        one.fill(customers)
    synchronizing.set_up(place)
    for plain in (plain_first, not plain_first):
        if plain:
            theirs.setdefault("A", []).append(run_apart(plain_loop.initial_load, plain_place))
        else:
            ours.setdefault("A", []).append(run_apart(synchronizing.synchronize, place, prepare=synchronizing.opened))
    _expect_equal(place, plain_place)


def _nothing(place: Place, plain_place: Place, ours: Measurements, theirs: Measurements) -> None:
    took = run_apart(synchronizing.synchronize, place, prepare=synchronizing.quiet)
    if took.rows:
        raise synchronizing.WrongResultError(f"Nothing had changed, and {took.rows} records were written.")
    ours.setdefault("B", []).append(took)
    theirs.setdefault("B", []).append(run_apart(plain_loop.watermark_queries, plain_place, prepare=plain_loop.watched))


def _changes(
    place: Place, plain_place: Place, number: int, ours: Measurements, theirs: Measurements, *, plain_first: bool
) -> None:
    for plain in (plain_first, not plain_first):
        if plain:
            took = run_apart(plain_loop.changed_rows, plain_place, number, prepare=plain_loop.edited)
            theirs.setdefault("C", []).append(took)
        else:
            took = run_apart(synchronizing.changed_rows, place, number, prepare=synchronizing.edited)
            ours.setdefault("C", []).append(took)
    if ours["C"][-1].rows != theirs["C"][-1].rows:
        raise synchronizing.WrongResultError(
            f"{ours['C'][-1].rows} rows were written, {theirs['C'][-1].rows} beside it."
        )
    _expect_equal(place, plain_place)


def _expect_equal(place: Place, plain_place: Place) -> None:
    """Both ways lead to the same accounts."""
    if place.accounts_digest() != plain_place.accounts_digest():
        raise synchronizing.WrongResultError("The accounts differ from those of the plain loop.")


def _lines(kind: str, count: int, job: str, took: Measurement, beside: Measurement, repetitions: int) -> Iterator[Line]:
    work = f"{kind}: {NAMES[job]}"
    if job == "B":
        extra = (took.seconds - beside.seconds) * 1_000
        figure = Figure(extra, "{:+.0f} ms", EXTRA_MILLISECONDS, least=False)
        note = ""
    else:
        must, aim = RATIOS[job]
        figure = Figure(beside.seconds / took.seconds, "{:.2f} ×", must, aim)
        # What else runs on the machine shows less in this.
        note = f"by CPU {beside.cpu_seconds / took.cpu_seconds:.2f} ×"
    yield Line(work, count, figure, took, beside, repetitions, note)
    if job == "A":
        yield Line(
            f"{kind}: memory of the initial load",
            count,
            Figure(took.peak_megabytes or 0.0, "{:.0f} MB", MOST_MEGABYTES, least=False),
            took=None,
            beside=None,
            note=f"the plain loop: {megabytes(beside)}",
        )
