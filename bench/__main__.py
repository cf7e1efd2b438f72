"""Runs the workload, and prints what it took beside what it is held against."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Annotated

import polars as pl
import typer

from bench import databases
from bench.report import Line, table

KINDS = ("sqlite", "postgresql")
JOBS = "ABC"

application = typer.Typer(add_completion=False)


@application.command()
def main(
    rows: Annotated[list[int] | None, typer.Option(help="How many customers; may be given several times.")] = None,
    job: Annotated[str, typer.Option(help="A: initial load, B: nothing changed, C: 1 % changed.")] = JOBS,
    on: Annotated[list[str] | None, typer.Option(help="sqlite, postgresql; may be given several times.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="How often short jobs are repeated.")] = 3,
) -> None:
    """Measure speed as ratios to plain loops and bare requests in the same run, and print a table."""
    began = time.monotonic()
    print(_surroundings(), end="\n\n")
    lines = list(_lines(tuple(on or KINDS), rows or [10_000, 100_000], job, repeat))
    print(table(lines))
    print(f"\n{time.monotonic() - began:.0f} s in all; load of the machine after: {_load()}")


def _lines(kinds: tuple[str, ...], counts: list[int], jobs: str, repetitions: int) -> Iterator[Line]:
    for kind in kinds:
        for count in counts:
            yield from databases.measure(kind, count, jobs, repetitions)


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
