"""Values as SQLite holds them: any type in any column, times as text in the form that the table's own program writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from twinrow.batch.columns import DECIMAL_PRECISION, DEFAULT_SCALE
from twinrow.connectors.sql.database import misfit
from twinrow.connectors.sql.shape import Column, Storage

EXACT_DIGITS = 15
"""The digits that a number keeps in SQLite when it is no whole number."""


@dataclass(frozen=True, slots=True)
class TimeText:
    """How a program writes points in time into a column: what parts day and time, and what ends the text."""

    separator: str = " "
    suffix: str = ""

    @classmethod
    def like(cls, sample: Any) -> TimeText:
        """Return the form of a text that is in the column already; the usual one where there is none."""
        if not isinstance(sample, str) or len(sample) < 19:
            return cls()
        suffix = next((suffix for suffix in ("Z", "+00:00") if sample.endswith(suffix)), "")
        return cls("T" if sample[10] == "T" else " ", suffix)

    def second(self, moment: datetime) -> str:
        """Return the smallest text of the moment's second, which sorts before all others of that second."""
        return moment.astimezone(UTC).strftime(f"%Y-%m-%d{self.separator}%H:%M:%S")

    def parse(self, texts: pl.Expr) -> pl.Expr:
        """Return points in time of a column of texts in this form; it fails on others."""
        form = f"%Y-%m-%d{self.separator}%H:%M:%S%.f{self.suffix}"
        return texts.str.to_datetime(form, time_unit="us", strict=True).dt.replace_time_zone("UTC")

    def format(self, times: pl.Expr) -> pl.Expr:
        """Return texts of a column of points in time, to the microsecond."""
        return times.dt.strftime(f"%Y-%m-%d{self.separator}%H:%M:%S%.6f{self.suffix}")


def held(name: str, column: Column | None, values: Sequence[Any], table: str) -> pl.Series:
    """Return values that the driver handed over as a column of numbers or texts.

    Raises `DataError` where they are not what the column's declared type says.
    """
    if column is None:
        return pl.Series(name, values, dtype=None if values else pl.String, strict=True)
    kind = _HELD[column.storage]
    if column.storage is Storage.DECIMAL and column.found.scale == 0:
        kind = pl.Int64()
    try:
        # Whole and other numbers may stand in one column; texts may not stand among numbers.
        series = pl.Series(name, values, dtype=kind, strict=kind != pl.Float64)
        if kind != pl.Float64 or series.null_count() == values.count(None):
            return series
    except (TypeError, OverflowError):
        pass
    wrong = next(value for value in values if value is not None and not isinstance(value, _PYTHON[kind]))
    raise misfit(table, column, wrong)


_HELD: dict[Storage, pl.DataType] = {
    Storage.TEXT: pl.String(),
    Storage.UUID: pl.String(),
    Storage.DATE: pl.String(),
    Storage.INSTANT: pl.String(),
    Storage.INTEGER: pl.Int64(),
    Storage.BOOLEAN: pl.Int64(),
    Storage.DECIMAL: pl.Float64(),
    Storage.FLOAT: pl.Float64(),
}
_PYTHON: dict[pl.DataType, type | tuple[type, ...]] = {pl.String(): str, pl.Int64(): int, pl.Float64(): (int, float)}


def typed(column: Column, form: TimeText) -> pl.Expr:
    """Return the expression that turns a column of numbers or texts into values of its field's type."""
    value = pl.col(column.name)
    match column.storage:
        case Storage.DECIMAL if column.found.scale == 0:
            return value.cast(pl.Decimal(DECIMAL_PRECISION, 0))
        case Storage.DECIMAL:
            # By way of the shortest text, which is what was written as long as that had no more than fifteen digits.
            return value.cast(pl.String).cast(pl.Decimal(DECIMAL_PRECISION, column.found.scale or DEFAULT_SCALE))
        case Storage.BOOLEAN:
            return value.replace_strict([0, 1], [False, True], return_dtype=pl.Boolean)
        case Storage.DATE:
            return value.str.to_date("%Y-%m-%d", strict=True)
        case Storage.INSTANT:
            return form.parse(value)
        case Storage.UUID if not column.is_key:
            return value.str.to_lowercase()
        case _:
            return value


def typed_patiently(column: Column, form: TimeText) -> pl.Expr:
    """Return the same for a column whose points in time are not all written in one form."""
    if column.storage is not Storage.INSTANT:
        return typed(column, form)
    text = pl.col(column.name).str.replace("T", " ", literal=True).str.replace(r"(Z|\+00(:?00)?)$", "")
    whole = pl.when(text.str.len_chars() == len("2026-01-31 13:45")).then(text + ":00").otherwise(text)
    return TimeText().parse(whole)


def encoded(frame: pl.DataFrame, columns: Sequence[Column], times: dict[str, TimeText]) -> pl.DataFrame:
    """Return the rows of a batch, in the order of the columns, as SQLite is to hold them."""
    return frame.select(_encoded(column, times) for column in columns)


def _encoded(column: Column, times: dict[str, TimeText]) -> pl.Expr:
    value = pl.col(column.name)
    match column.storage:
        case Storage.INSTANT:
            return times.get(column.name, TimeText()).format(value)
        case Storage.DATE:
            return value.cast(pl.String)
        case Storage.BOOLEAN | Storage.INTEGER:
            return value.cast(pl.Int64)
        case Storage.DECIMAL:
            return value.cast(pl.Int64 if column.found.scale == 0 else pl.Float64)
        case _:
            return value
