"""Values as SQLite holds them: any type in any column, times as text in the form that the table's own program writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from twinrow.batch.columns import column_type
from twinrow.connectors.sql.shape import Column, Storage
from twinrow.model.errors import DataError
from twinrow.model.tables import FieldType

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

    def format(self, times: pl.Expr) -> pl.Expr:
        """Return texts of a column of points in time, to the microsecond."""
        return times.dt.strftime(f"%Y-%m-%d{self.separator}%H:%M:%S%.6f{self.suffix}")


def decode(name: str, column: Column | None, values: Sequence[Any]) -> pl.Series:
    """Return values that the driver handed over as a column of the type of its field.

    Raises `DataError` for a value that is not of the column's declared type.
    """
    if column is None:
        return pl.Series(name, values, strict=True) if values else pl.Series(name, [], dtype=pl.String)
    try:
        series = _DECODERS[column.storage](values, column)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        raise _misfit(column, values) from None
    return series.rename(name)


def _exactly(kind: pl.DataType) -> Callable[[Sequence[Any], Column], pl.Series]:
    return lambda values, _: pl.Series(values, dtype=kind, strict=True)


def _uuid(values: Sequence[Any], _: Column) -> pl.Series:
    return pl.Series(values, dtype=pl.String, strict=True)


def _numbers(values: Sequence[Any], _: Column) -> pl.Series:
    # Whole and other numbers may stand in one column; texts may not.
    series = pl.Series(values, dtype=pl.Float64, strict=False)
    if series.null_count() != values.count(None):
        raise ValueError
    return series


def _decimals(values: Sequence[Any], column: Column) -> pl.Series:
    kind = column_type(column.field) if column.field.type is FieldType.DECIMAL else pl.Decimal(38, 0)
    if column.found.scale == 0:
        return pl.Series(values, dtype=pl.Int64, strict=True).cast(kind)
    # By way of the shortest text, which is what was written as long as that had no more than fifteen digits.
    return _numbers(values, column).cast(pl.String).cast(kind)


def _booleans(values: Sequence[Any], _: Column) -> pl.Series:
    numbers = pl.Series(values, dtype=pl.Int64, strict=True)
    if not numbers.is_in([0, 1]).all():
        raise ValueError
    return numbers.cast(pl.Boolean)


def _days(values: Sequence[Any], _: Column) -> pl.Series:
    return pl.Series(values, dtype=pl.String, strict=True).str.to_date("%Y-%m-%d", strict=True)


def _instants(values: Sequence[Any], _: Column) -> pl.Series:
    texts = pl.Series(values, dtype=pl.String, strict=True)
    plain = texts.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    if plain.null_count() != texts.null_count():
        rest = texts.str.replace("T", " ", literal=True).str.replace(r"(Z|\+00:00)$", "")
        rest = pl.select(pl.when(rest.str.len_chars() == 16).then(rest + ":00").otherwise(rest)).to_series()
        plain = rest.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=True)
    return plain.dt.replace_time_zone("UTC")


_DECODERS: dict[Storage, Callable[[Sequence[Any], Column], pl.Series]] = {
    Storage.TEXT: _exactly(pl.String()),
    Storage.UUID: _uuid,
    Storage.INTEGER: _exactly(pl.Int64()),
    Storage.DECIMAL: _decimals,
    Storage.FLOAT: _numbers,
    Storage.BOOLEAN: _booleans,
    Storage.DATE: _days,
    Storage.INSTANT: _instants,
}


def _misfit(column: Column, values: Sequence[Any]) -> DataError:
    found = next((value for value in values if not _fits(column, value)), None)
    return DataError(
        f"The column {column.name} is declared {column.found.declared}, but holds {str(found)[:60]!r}",
        field=column.name,
        remedy="Mend the value; SQLite lets any value into any column. Times are written as 2026-01-31 13:45:00, in UTC.",
    )


def _fits(column: Column, value: Any) -> bool:
    try:
        _DECODERS[column.storage]([value], column)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return False
    return True


def encode(frame: pl.DataFrame, columns: Sequence[Column], times: dict[str, TimeText]) -> list[tuple[Any, ...]]:
    """Return the rows of a batch, in the order of the columns, as SQLite is to hold them."""
    return frame.select(_encoded(column, times) for column in columns).rows()


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
