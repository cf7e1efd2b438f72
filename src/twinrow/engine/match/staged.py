"""Staged rows: kept in partitions until they are read once more, on disk where there are many.

Rows of two stages with equal keys lie in partitions of the same number, so that they are joined partition by partition, and
the memory that this takes does not grow with a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

KEY = "key"
"""The column (UInt64, evenly spread) by which rows are parted."""

PARTITIONS = 64
_PART = "@part"


class Staged:
    """Rows of one kind. `most` rows are held in memory; more go to files in the folder."""

    def __init__(self, folder: Path, name: str, schema: dict[str, pl.DataType], most: int) -> None:
        self._folder = folder / name
        self._schema = schema
        self._most = most
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._files = 0

    @property
    def spilled(self) -> bool:
        """Whether anything is on disk."""
        return self._files > 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        if frame.is_empty():
            return
        self._waiting.append(frame.select(*self._schema))
        self._rows += frame.height
        if self._rows >= self._most:
            self.spill()

    def spill(self) -> None:
        """Bring what is in memory to disk."""
        if not self._rows:
            return
        self._folder.mkdir(exist_ok=True)
        frame = pl.concat(self._waiting)
        parted = frame.with_columns((pl.col(KEY) % PARTITIONS).cast(pl.UInt8).alias(_PART)) if KEY in frame else frame
        parts = parted.partition_by(_PART, include_key=False, as_dict=True) if KEY in frame else {(0,): parted}
        for (number,), part in parts.items():
            part.write_ipc(self._file(int(str(number)), self._files))
        self._files += 1
        self._waiting, self._rows = [], 0

    def _file(self, part: int, number: int) -> Path:
        return self._folder / f"{part}-{number}.arrow"

    def part(self, number: int) -> pl.DataFrame:
        """Return the rows of a partition of what is on disk."""
        found = [self._file(number, each) for each in range(self._files)]
        frames = [pl.read_ipc(path) for path in found if path.exists()]
        return pl.concat(frames) if frames else pl.DataFrame(schema=self._schema)

    def whole(self) -> pl.DataFrame:
        """Return all rows, where none are on disk."""
        return pl.concat(self._waiting) if self._waiting else pl.DataFrame(schema=self._schema)

    def in_order(self) -> Iterator[pl.DataFrame]:
        """Yield rows without a key in the order in which they were added."""
        for number in range(self._files):
            yield pl.read_ipc(self._file(0, number))
        yield from self._waiting


def in_parts(first: Staged, second: Staged) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the rows of two stages, those with equal keys together."""
    if not first.spilled and not second.spilled:
        yield first.whole(), second.whole()
        return
    first.spill()
    second.spill()
    for number in range(PARTITIONS):
        yield first.part(number), second.part(number)
