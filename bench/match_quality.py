"""Scored matching: how many of the right pairs it finds and how many wrong ones, beside splink on the same data; and how long it
takes.

Twinrow goes its own way: two databases, a mapping, `match_scored`; the pairs are read from the store. Data set 4 of FEBRL has
5,000 people twice. Its field `soc_sec_id` is left out for both. Thresholds were chosen on data set 3, never on this one.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import polars as pl

from bench.febrl import FIELDS, final_pair, tuning_pair
from bench.measuring import Measurement, run_apart
from bench.people import World
from bench.report import Figure, Line
from twinrow.actions.proposals import ScoredResult
from twinrow.engine.match.scored import CERTAIN
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Side
from twinrow.store.mappings import save_mapping
from twinrow.workspace import open_workspace

MAPPING = "PERSON"
PRECISION, RECALL = 0.999, 0.95
"""What couplings that nobody was asked about must reach on FEBRL 4."""
MOST_MEGABYTES, MOST_SECONDS = 2_000.0, 600.0
SPLINK = "splink==5.0.0"
_SPLINK_FOLDER = Path(__file__).parents[1] / "build" / "bench" / "splink"


@dataclass(frozen=True)
class Quality:
    """What pairs come to, held against the known truth."""

    pairs: int
    right: int
    possible: int

    @property
    def precision(self) -> float:
        return self.right / max(self.pairs, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.possible, 1)

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True)
class Task:
    """Two lists in two databases below a folder, and a store that connects them; record ids are numbers as GUIDs."""

    folder: Path

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'store.db'}"

    def truth(self, side: Side) -> dict[str, str]:
        """Return who each record is."""
        with closing(sqlite3.connect(self.folder / f"{side.value}.db")) as connection:
            return dict(connection.execute("SELECT id, truth FROM people"))


def prepare(folder: Path, local: pl.DataFrame, integration: pl.DataFrame) -> Task:
    """Put two lists into two databases, and connect these with a mapping."""
    folder.mkdir(parents=True)
    for side, frame in ((Side.LOCAL, local), (Side.INTEGRATION, integration)):
        ids = pl.Series("id", [str(UUID(int=number + 1)) for number in range(frame.height)])
        told = frame.select("truth", *FIELDS).insert_column(0, ids)
        with closing(sqlite3.connect(folder / f"{side.value}.db")) as connection:
            columns = ", ".join(f"{name} TEXT" for name in (*FIELDS, "truth"))
            connection.execute(f"CREATE TABLE people (id TEXT PRIMARY KEY, modified TEXT, {columns})")
            insert = f"INSERT INTO people (id, truth, {', '.join(FIELDS)}) VALUES ({', '.join('?' * told.width)})"
            connection.executemany(insert, told.rows())
            connection.commit()
    rows = tuple(FieldMapping(local=name, integration=name, on_loss="overwrite") for name in FIELDS)
    mapping = TableMapping(name=MAPPING, local_table="people", integration_table="people", fields=rows)
    task = Task(folder)
    with open_workspace(task.store) as workspace:
        for side in Side:
            url = f"sqlite:///{folder / f'{side.value}.db'}"
            workspace.add_system(side.value, "sql", url=url, tables={"people": {"guid": True}})
        workspace.add_connection("bench", Side.LOCAL.value, Side.INTEGRATION.value)
        with workspace.context.database.transaction() as connection:
            save_mapping(connection, workspace.show_connection().id, 0, mapping)
    return task


def match(task: Task) -> ScoredResult:
    """Match by scores."""
    with open_workspace(task.store) as workspace:
        return workspace.match_scored(MAPPING)


def match_all(task: Task) -> int:
    """Match by scores; return how many records took part."""
    return sum(match(task).records.values())


def coupled(task: Task) -> Quality:
    """Return what was coupled without asking."""
    with open_workspace(task.store) as workspace:
        frame = workspace.couplings(MAPPING)
    return _held_against(task, list(frame.select("local_id", "integration_id").iter_rows()))


def found(task: Task) -> Quality:
    """Return what was coupled or proposed."""
    with open_workspace(task.store) as workspace:
        frame = workspace.couplings(MAPPING)
        proposals = workspace.list_proposals(MAPPING, limit=1_000_000)
    pairs = list(frame.select("local_id", "integration_id").iter_rows())
    return _held_against(task, [*pairs, *((one.ids[Side.LOCAL], one.ids[Side.INTEGRATION]) for one in proposals)])


def _held_against(task: Task, pairs: list[tuple[str, str]]) -> Quality:
    local, integration = task.truth(Side.LOCAL), task.truth(Side.INTEGRATION)
    right = sum(local[one] == integration[other] for one, other in pairs)
    return Quality(len(pairs), right, len(set(local.values()) & set(integration.values())))


def measure(rows: int) -> Iterator[Line]:
    """Match FEBRL's data sets, and `rows` made-up people with as many; yield the lines."""
    with tempfile.TemporaryDirectory(prefix="twinrow-bench-") as place:
        tuning = prepare(Path(place) / "febrl3", *tuning_pair())
        match(tuning)
        yield from _lines("FEBRL 3, on which thresholds were chosen", coupled(tuning), None)
        final = prepare(Path(place) / "febrl4", *final_pair())
        took = run_apart(match_all, final)
        yield from _lines("FEBRL 4", coupled(final), took, (PRECISION, RECALL))
        both = found(final)
        yield _line("FEBRL 4, coupled or proposed: recall", both.possible, both.recall, None, None)
        yield from _splink(Path(place))
        large = prepare(Path(place) / "large", *World().lists(rows, rows * 3 // 4))
        took = run_apart(match_all, large)
        yield from _lines("made-up people", coupled(large), took, (PRECISION, None))
        both = found(large)
        yield _line("made-up people, coupled or proposed: recall", both.possible, both.recall, None, None)
        yield Line("made-up people: time", 2 * rows, Figure(took.seconds, "{:.0f} s", MOST_SECONDS, least=False), took)
        memory = Figure(took.peak_megabytes or 0.0, "{:.0f} MB", MOST_MEGABYTES, least=False)
        yield Line("made-up people: memory", 2 * rows, memory)


def _lines(
    work: str, quality: Quality, took: Measurement | None, must: tuple[float | None, float | None] = (None, None)
) -> Iterator[Line]:
    wrong = f"{quality.pairs - quality.right} wrong"
    yield _line(f"{work}: precision", quality.possible, quality.precision, took, must[0], wrong)
    yield _line(f"{work}: recall", quality.possible, quality.recall, None, must[1])
    yield _line(f"{work}: F1", quality.possible, quality.f1, None, None)


def _line(work: str, rows: int, value: float, took: Measurement | None, must: float | None, note: str = "") -> Line:
    return Line(f"scored matching, {work}", rows, Figure(value, "{:.4f}", must), took, note=note)


def _splink(place: Path) -> Iterator[Line]:
    """Have splink match FEBRL 4 in an environment of its own."""
    python = _SPLINK_FOLDER / ("Scripts" if os.name == "nt" else "bin") / "python"
    try:
        if not python.exists():
            venv.create(_SPLINK_FOLDER, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", SPLINK], check=True)
        files = [place / name for name in ("left.csv", "right.csv", "pairs.csv")]
        lists = final_pair()
        for frame, path in zip(lists, files, strict=False):
            frame.select("truth", *FIELDS).write_csv(path)
        began = time.perf_counter()
        reference = Path(__file__).with_name("splink_reference.py")
        subprocess.run([python, reference, *files], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Splink is left out: {error}", file=sys.stderr)
        return
    pairs = pl.read_csv(files[2], schema_overrides={"local": pl.String, "integration": pl.String})
    for threshold in (0.5, CERTAIN):
        chosen = pairs.filter(pl.col("probability") >= threshold)
        right = chosen.filter(pl.col("local") == pl.col("integration")).height
        quality = Quality(chosen.height, right, lists[0].height)
        yield from _lines(f"FEBRL 4 by splink from {threshold} on (all of it {seconds:.0f} s)", quality, None)
