"""Runs the workload, and prints what it took beside what it is held against."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated

import polars as pl
import typer

from bench import canned, command_start, databases, match_quality, matching, over_http
from bench.report import Line, table


class Kind(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Part(StrEnum):
    DATABASES = "databases"
    SANDBOXES = "sandboxes"
    CANNED = "canned"
    MATCHING = "matching"
    SCORED = "scored"
    START = "start"


JOBS = "ABC"
SIZES = (30_000,)
AT_A_MILLION = "What must be reached between databases is meant for a million rows; smaller ones tell less."

application = typer.Typer(add_completion=False)


@application.command()
def main(
    rows: Annotated[
        list[int] | None,
        typer.Option(help="How many customers between databases, and to be matched; may be given several times."),
    ] = None,
    job: Annotated[
        str, typer.Option(help="A: initial load, B: nothing changed, C: 1 % changed. B and C need A.")
    ] = JOBS,
    on: Annotated[list[Kind] | None, typer.Option(help="Which databases; may be given several times.")] = None,
    part: Annotated[
        list[Part] | None,
        typer.Option(
            help="What to measure; may be given several times. Without, all but scored, which fetches data sets."
        ),
    ] = None,
    customers: Annotated[int, typer.Option(min=1, help="How many customers between the sandboxes.")] = 3_000,
    records: Annotated[int, typer.Option(min=1, help="How many records for the canned answers.")] = 20_000,
    people: Annotated[int, typer.Option(min=1, help="How many people are matched by scores with as many.")] = 100_000,
    repeat: Annotated[int, typer.Option(min=1, help="How often short jobs are repeated; the median counts.")] = 3,
) -> None:
    """Measure speed as ratios to plain loops and bare requests in the same run, and print a table."""
    if not job.startswith("A") or not set(job) <= set(JOBS):
        raise typer.BadParameter(f"{job} is none of A, AB, AC, ABC", param_hint="--job")
    began = time.monotonic()
    print(_surroundings(), end="\n\n", flush=True)
    parts = part or [one for one in Part if one is not Part.SCORED]
    measures: dict[Part, Callable[[], Iterator[Line]]] = {
        Part.DATABASES: lambda: _databases(on or list(Kind), rows or SIZES, job, repeat),
        Part.SANDBOXES: lambda: over_http.measure(customers, repeat),
        Part.CANNED: lambda: canned.measure(records, repeat),
        Part.MATCHING: lambda: _matching(rows or SIZES, repeat),
        Part.SCORED: lambda: match_quality.measure(people),
        Part.START: lambda: command_start.measure(2 * repeat + 1),
    }
    lines = [line for name, measure in measures.items() if name in parts for line in measure()]
    print(table(lines))
    if {Part.DATABASES, Part.MATCHING} & set(parts):
        print(f"\n{AT_A_MILLION}")
    print(f"\n{time.monotonic() - began:.0f} s in all; load of the machine after: {_load()}")


def _databases(kinds: Sequence[str], counts: Sequence[int], jobs: str, repetitions: int) -> Iterator[Line]:
    for kind in kinds:
        for count in counts:
            yield from databases.measure(kind, count, jobs, repetitions)


def _matching(counts: Sequence[int], repetitions: int) -> Iterator[Line]:
    for count in counts:
        yield from matching.measure(count, repetitions)


def _surroundings() -> str:
    parts = ("twinrow", "polars", "sqlalchemy", "msgspec", "httpx2")
    return "\n".join(
        [
            f"{_processor()}, {os.cpu_count()} processors, {_memory():.0f} GB; {platform.system()} {platform.release()}",
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            + ", ".join(f"{part} {version(part)}" for part in parts)
            + f" ({pl.thread_pool_size()} threads)",
            f"load of the machine before: {_load()}",
        ]
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _load() -> str:
    return ", ".join(f"{load:.1f}" for load in os.getloadavg())


if __name__ == "__main__":
    application()
