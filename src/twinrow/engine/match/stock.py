"""The stock: the records of both sides that have no counterpart, ready to be held against each other.

Records are numbered on each side in the order in which they were read. Values stand on disk in a temporary folder, as they are
and in their normal form; in memory a record is one number for each field, which says where its normal form stands in the list
of all normal forms of its kind. So equal values are equal numbers, also those of two fields of a kind, and two values are
compared once however many records have them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from twinrow.batch.columns import ID
from twinrow.engine.match.normal_forms import normal_form
from twinrow.model.mapping import Compare
from twinrow.model.sides import Side

FRESH = "fresh"
"""The column that says whether a record has not been held against the others before."""
DIGEST = "@digest"
"""The column with a digest of the values that are compared."""


class Shared(StrEnum):
    """What records of different people or companies can have in common, in several fields at once."""

    PLACE = "place"
    """A family lives, and the branches of a company work, at one address: street, city and post code come together."""
    REACH = "reach"
    """They may have one telephone, one fax number and one website."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A field that is compared: its key in the mapping, what people call it, and what kind of value it holds.

    `shared` is what it tells, where that does not tell one record from another.
    """

    key: str
    caption: str
    kind: Compare
    shared: Shared | None = None


def said(index: int) -> str:
    """Return the column with a record's value of a compared field, as a text."""
    return f"said.{index}"


def form(index: int) -> str:
    """Return the column with the normal form of the value."""
    return f"form.{index}"


class Stock:
    """Use it as a context manager: first `add` pages of both sides, then `close_intake`, then everything else."""

    def __init__(self, fields: Sequence[Compared]) -> None:
        self.fields = tuple(fields)
        self.codes: dict[Side, pl.DataFrame] = {}
        """For each side a column for each field (null: blank), a row for each record."""
        self.records: dict[Side, pl.DataFrame] = {}
        """`@id`, `@digest` and `fresh` of each record."""
        self.forms: dict[Compare, pl.Series] = {}
        """All normal forms of a kind, each once; a code is a place in it."""
        self.counts: list[NDArray[np.int64]] = []
        """For each field how often each code occurs on both sides together."""
        self._folder = tempfile.TemporaryDirectory(prefix="twinrow-match-")
        self._pages: dict[Side, list[Path]] = {side: [] for side in Side}
        self._known: dict[Side, list[pl.DataFrame]] = {side: [] for side in Side}

    def __enter__(self) -> Stock:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """The temporary folder, for whatever else is too large for memory."""
        return Path(self._folder.name)

    def add(self, side: Side, page: pl.DataFrame) -> None:
        """Take in records of a side: `@id`, `@digest`, `fresh`, and `said.i` for each field."""
        forms = [
            normal_form(page.get_column(said(index)), field.kind).alias(form(index))
            for index, field in enumerate(self.fields)
        ]
        self._known[side].append(page.select(ID, DIGEST, FRESH))
        path = self.folder / f"{side.value}-{len(self._pages[side])}.ipc"
        page.select(ID, *map(said, range(len(self.fields)))).with_columns(forms).write_ipc(path, compression="lz4")
        self._pages[side].append(path)

    def close_intake(self) -> None:
        """Number all normal forms, field by field."""
        for side in Side:
            empty = pl.DataFrame(schema={ID: pl.String, DIGEST: pl.Int64, FRESH: pl.Boolean})
            self.records[side] = pl.concat([empty, *self._known[side]])
        self._known.clear()
        columns: dict[Side, list[pl.Series]] = {side: [] for side in Side}
        for kind in dict.fromkeys(field.kind for field in self.fields):
            self._number(kind)
        for index, field in enumerate(self.fields):
            numbers = self.forms[field.kind].to_frame("form").with_row_index("code")
            for side in Side:
                told = self._column(side, form(index)).to_frame("form")
                coded = told.join(numbers, on="form", how="left", maintain_order="left")
                columns[side].append(coded.get_column("code").alias(form(index)))
            both = np.concatenate([columns[side][index].drop_nulls().to_numpy() for side in Side])
            self.counts.append(np.bincount(both, minlength=self.forms[field.kind].len()))
        for side in Side:
            # A record that was changed while its side was read came twice: the later one counts.
            last = self.records[side].select(pl.col(ID).is_last_distinct()).to_series()
            codes = pl.DataFrame(columns[side])
            self.codes[side] = codes if last.all() else codes.select(pl.when(last).then(pl.all()))

    def all_fresh(self) -> None:
        """Take all records for fresh."""
        self.records = {side: frame.with_columns(pl.lit(True).alias(FRESH)) for side, frame in self.records.items()}

    def _number(self, kind: Compare) -> None:
        told = [
            self._column(side, form(index)).rename("form").unique()
            for index, field in enumerate(self.fields)
            if field.kind is kind
            for side in Side
        ]
        self.forms[kind] = pl.concat(told).drop_nulls().unique().sort()

    def count(self, side: Side) -> int:
        """Return how many records a side has."""
        return self.records[side].height

    def values(self, side: Side, rows: pl.Series) -> pl.DataFrame:
        """Return `row`, `@id` and `said.i` of records, as they were read."""
        wanted = rows.unique().sort().to_frame("row").with_columns(pl.col("row").cast(pl.UInt32))
        found: list[pl.DataFrame] = []
        start = 0
        for path in self._pages[side]:
            page = pl.read_ipc(path, columns=[ID, *map(said, range(len(self.fields)))])
            here = wanted.filter(pl.col("row").is_between(start, start + page.height - 1)).get_column("row")
            if here.len():
                found.append(page[(here - start).to_list()].insert_column(0, here))
            start += page.height
        schema: Mapping[str, pl.DataType] = {
            "row": pl.UInt32(),
            ID: pl.String(),
            **{said(index): pl.String() for index in range(len(self.fields))},
        }
        return pl.concat([pl.DataFrame(schema=schema), *found])

    def _column(self, side: Side, name: str) -> pl.Series:
        empty = pl.Series(name, [], dtype=pl.String)
        return pl.concat([empty, *(pl.read_ipc(path, columns=[name])[name] for path in self._pages[side])])
