"""Inserts: statements that hand many rows to SQLite at once.

One statement for each row costs as much in the driver as in the database, and the driver holds Python's lock between any two of
them; one for some hundred rows leaves other threads to their work meanwhile. `OR FAIL` spares SQLite the copies by which it could
take back a part of a statement: whoever uses it rolls back the whole transaction when a row is refused. It also overrules what
triggers and constraints of the table say of conflicts, so that it is for tables that have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import polars as pl

_SIZES = (500, 25, 1)
"""Rows of one statement: few different ones, because the driver keeps each statement prepared."""

_PARAMETERS = 30_000
"""SQLite's own limit on the parameters of one statement is 32,766."""

ORDERED = 1_000
"""From so many rows on it pays to insert them in the order of their keys, which indexes like."""


def inserts(table: str, names: Sequence[str], frame: pl.DataFrame) -> Iterator[tuple[str, list[Any]]]:
    """Yield statements that insert the rows of a frame into the columns `names`, and their parameters.

    `table` and `names` are written as they are given.
    """
    into = f"INSERT OR FAIL INTO {table} ({', '.join(names)}) VALUES "  # noqa: S608
    start = 0
    for size in _SIZES:
        rows = max(1, min(size, _PARAMETERS // frame.width))
        while frame.height - start >= rows:
            yield _statement(into, frame.width, rows), list(chain.from_iterable(frame.slice(start, rows).rows()))
            start += rows


@cache
def _statement(into: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return into + ", ".join([row] * rows)
