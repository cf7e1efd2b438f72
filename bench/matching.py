"""Matching a million customers with as many accounts, beside a join of the same columns and the couplings put into a table.

Accounts have the number of their customer with the prefix, ids of their own, and come in another order. The join has both columns
as whole frames in memory; whether reading them counts is told by two lines, and the first is the one that must be reached.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from bench import plain_loop
from bench.measuring import Measurement, median, run_apart
from bench.report import Figure, Line, megabytes
from bench.synchronizing import MAPPING, WrongResultError, opened, set_up
from bench.workload import ACCOUNT_COLUMNS, NUMBER_PREFIX, SEED, SqlitePlace, make_customers, open_places, utc_now
from twinrow.workspace import Workspace

CRITERION = (("no",),)
MUST, AIM = 3.0, 1.5
"""How many times as long as the join with its bulk insert matching may take, and should, at a million rows."""
MOST_MEGABYTES = 2_000.0
REPEATED_ROWS = 200_000
"""Up to so many rows, matching is repeated."""


def measure(count: int, repetitions: int) -> Iterator[Line]:
    """Match that many customers and accounts, and yield the lines."""
    if count > REPEATED_ROWS:
        repetitions = 1
    ours: list[Measurement] = []
    joined: list[Measurement] = []
    read: list[Measurement] = []
    with open_places("sqlite", 1) as (place,):
        assert isinstance(place, SqlitePlace)
        for number in range(repetitions):
            fill(place, count)
            set_up(place)
            jobs = [
                lambda: joined.append(run_apart(join_columns, place, prepare=columns)),
                lambda: read.append(run_apart(read_and_join, place)),
                lambda: ours.append(run_apart(match, place, prepare=opened)),
            ]
            for job in jobs if number % 2 == 0 else reversed(jobs):
                job()
            for one in (ours, joined, read):
                if one[-1].rows != count:
                    raise WrongResultError(f"{count} pairs are to be coupled, {one[-1].rows} were.")
    took = median(ours)
    for beside, what in ((median(joined), "join, insert"), (median(read), "read, join, insert")):
        figure = Figure(took.seconds / beside.seconds, "{:.2f} ×", MUST, AIM, least=False)
        note = f"by CPU {took.cpu_seconds / beside.cpu_seconds:.2f} ×"
        yield Line(f"matching by one field, beside: {what}", count, figure, took, beside, repetitions, note)
    memory = Figure(took.peak_megabytes or 0.0, "{:.0f} MB", MOST_MEGABYTES, least=False)
    yield Line("memory of matching", count, memory, note=f"beside it: {megabytes(median(joined))}")


def fill(place: SqlitePlace, count: int) -> None:
    """Make customers, and for each an account with an id of its own, in another order."""
    customers = make_customers(count)
    place.fill(customers)
    shuffled = customers.sample(fraction=1.0, shuffle=True, seed=SEED)
    ids = shuffled.get_column("id").str.reverse().str.replace_all("-", "")
    parts = [ids.str.slice(start, size) for start, size in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    own = pl.DataFrame({str(number): part for number, part in enumerate(parts)})
    shuffled = shuffled.with_columns(
        own.select(pl.concat_str(pl.all(), separator="-")).to_series().alias("id"),
        pl.col("credit_limit").cast(pl.Float64),
    )
    now = utc_now().isoformat(" ")
    with closing(place.connect(place.accounts_url)) as connection:
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN")
        insert = f"INSERT INTO accounts VALUES ({', '.join('?' * len(ACCOUNT_COLUMNS))})"
        for part in shuffled.iter_slices(50_000):
            connection.executemany(insert, [plain_loop.account_of(row, now) for row in part.rows()])
        connection.execute("COMMIT")


def match(workspace: Workspace) -> int:
    """Match all customers by their numbers; return how many were coupled."""
    with workspace:
        return workspace.match(MAPPING, on=CRITERION, create_unmatched=False, sync_after=False).coupled


@dataclass(frozen=True)
class Columns:
    """The columns of both sides that are compared, with their ids, and where the couplings are to go."""

    local: pl.DataFrame
    integration: pl.DataFrame
    path: Path


def columns(place: SqlitePlace) -> Columns:
    """Read what is to be joined."""
    frames = []
    for url, query in (
        (place.customers_url, "SELECT id, no FROM customers"),
        (place.accounts_url, "SELECT accountid, accountnumber FROM accounts"),
    ):
        with closing(place.connect(url)) as connection:
            rows: list[Any] = connection.execute(query).fetchall()
        frames.append(pl.DataFrame(rows, schema={"id": pl.String, "number": pl.String}, orient="row"))
    return Columns(frames[0], frames[1], place.folder / "plain.db")


def read_and_join(place: SqlitePlace) -> int:
    """Read both columns, join them and put the pairs into a table; return how many."""
    return join_columns(columns(place))


def join_columns(work: Columns) -> int:
    """Join both columns and put the pairs into a table like the store's, in one transaction; return how many."""
    local = work.local.with_columns((NUMBER_PREFIX + pl.col("number")).str.to_lowercase().alias("number"))
    integration = work.integration.with_columns(pl.col("number").str.to_lowercase())
    pairs = local.join(integration, on="number", suffix="_integration")
    rows = pairs.select(
        pl.lit(1).alias("mapping_id"),
        *(pl.col(name).str.replace_all("-", "").str.decode("hex") for name in ("id", "id_integration")),
        pl.lit(0).alias("state"),
    )
    work.path.unlink(missing_ok=True)
    with closing(sqlite3.connect(work.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -48000")
        connection.execute(
            "CREATE TABLE couplings (id INTEGER PRIMARY KEY AUTOINCREMENT, mapping_id BIGINT NOT NULL, "
            "local_key BLOB NOT NULL, integration_key BLOB NOT NULL, local_version TEXT, integration_version TEXT, "
            "local_modified_at BIGINT, integration_modified_at BIGINT, state SMALLINT NOT NULL, "
            "UNIQUE (mapping_id, local_key), UNIQUE (mapping_id, integration_key))"
        )
        connection.execute("BEGIN")
        insert = "INSERT INTO couplings (mapping_id, local_key, integration_key, state) VALUES (?, ?, ?, ?)"
        connection.executemany(insert, rows.iter_rows())
        connection.execute("COMMIT")
    return pairs.height
