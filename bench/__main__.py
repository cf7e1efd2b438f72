"""Runs jobs of the workload and prints what they took."""

from __future__ import annotations

import os
import platform
from typing import Annotated

import typer

from bench.measuring import Measurement, run_apart
from bench.plain_loop import changed_rows, initial_load
from bench.workload import Place, make_customers, open_place, watermark

JOBS = {
    "A": "initial load: accounts are empty",
    "C": "one in a hundred customers edited since",
}

application = typer.Typer(add_completion=False)


def run_job(job: str, place: Place) -> Measurement:
    """Run a plain loop. Job C works on what job A has left."""
    if job == "A":
        return run_apart(initial_load, place)
    since = watermark()
    place.edit_customers()
    return run_apart(changed_rows, place, since)


@application.command(help="Jobs: " + "; ".join(f"{name} = {what}" for name, what in JOBS.items()) + ".")
def main(
    rows: Annotated[list[int], typer.Option(help="How many customers; may be given several times.")] = [10_000],  # noqa: B006
    job: Annotated[list[str], typer.Option(help="Which jobs, in this order.")] = ["A", "C"],  # noqa: B006
    on: Annotated[list[str], typer.Option(help="sqlite, postgresql or both.")] = ["sqlite", "postgresql"],  # noqa: B006
) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print(f"load of the machine before: {', '.join(f'{load:.1f}' for load in os.getloadavg())}\n")
    print(f"{'place':<12}{'rows':>10} job {'what':<12}{'rows/s':>10}{'s':>9}{'CPU s':>9}{'peak MB':>9}{'start s':>9}")
    for kind in on:
        for count in rows:
            with open_place(kind) as place:
                place.fill(make_customers(count))
                for name in job:
                    took = run_job(name, place)
                    print(
                        f"{kind:<12}{took.rows:>10} {name:<3} {'plain loop':<12}{took.rows_per_second:>10,.0f}"
                        f"{took.seconds:>9.2f}{took.cpu_seconds:>9.2f}{took.peak_megabytes:>9.0f}{took.start:>9.2f}"
                    )


if __name__ == "__main__":
    application()
