"""Values as PostgreSQL sends and takes them in bulk: CSV from and to COPY, JSON where records travel as one value."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import polars as pl

from twinrow.batch.columns import DECIMAL_PRECISION, DEFAULT_SCALE
from twinrow.connectors.sql.shape import Column, Storage
from twinrow.model.errors import DataError

_INSTANT_FORMAT = "%Y-%m-%d %H:%M:%S%.6f"


def decode_csv(content: bytes, columns: Sequence[tuple[str, Column | None]]) -> pl.DataFrame:
    """Return CSV as COPY writes it as columns of the types of their fields.

    Raises `DataError` for values that no field holds: `infinity`, `NaN` in a decimal, more than 38 digits.
    """
    labels = [str(number) for number in range(len(columns))]
    if not content:
        texts = pl.DataFrame(schema=dict.fromkeys(labels, pl.String))
    else:
        # A null is an empty place, an empty text a pair of quotes; Polars reads them as PostgreSQL writes them.
        texts = pl.read_csv(BytesIO(content), has_header=False, schema=dict.fromkeys(labels, pl.String))
    return pl.DataFrame(
        [
            _decoded(texts.get_column(label).rename(name), column)
            for label, (name, column) in zip(labels, columns, strict=True)
        ]
    )


def _decoded(texts: pl.Series, column: Column | None) -> pl.Series:
    if column is None:
        return texts
    try:
        return _typed(texts, column)
    except pl.exceptions.PolarsError:
        found = next(text for text in texts.drop_nulls() if not _fits(text, column))
        raise DataError(
            f"The column {column.name} holds {found[:60]!r}, which no other system can hold",
            field=column.name,
            remedy="Put a plain value, or none, in its place.",
        ) from None


def _typed(texts: pl.Series, column: Column) -> pl.Series:
    match column.storage:
        case Storage.INTEGER:
            return texts.cast(pl.Int64)
        case Storage.FLOAT:
            return texts.replace({"Infinity": "inf", "-Infinity": "-inf"}).cast(pl.Float64)
        case Storage.DECIMAL:
            scale = DEFAULT_SCALE if column.found.scale is None else column.found.scale
            return texts.cast(pl.Decimal(DECIMAL_PRECISION, scale))
        case Storage.BOOLEAN:
            return texts == "t"
        case Storage.DATE:
            return texts.str.to_date("%Y-%m-%d", strict=True)
        case Storage.INSTANT:
            times = texts.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=True)
            return times.dt.replace_time_zone("UTC")
        case _:
            return texts


def _fits(text: str, column: Column) -> bool:
    try:
        _typed(pl.Series([text]), column)
    except pl.exceptions.PolarsError:
        return False
    return True


def encode_csv(frame: pl.DataFrame, columns: Sequence[Column]) -> bytes:
    """Return a batch as CSV for COPY, with these columns in this order."""
    texts = frame.select(_as_text(column) for column in columns)
    return texts.write_csv(include_header=False, quote_style="non_numeric").encode()


def encode_json(frame: pl.DataFrame, columns: Sequence[Column]) -> str:
    """Return a batch as a JSON list of objects whose values are texts: numbers keep all their digits."""
    return frame.select(_as_text(column).cast(pl.String) for column in columns).write_json()


def _as_text(column: Column) -> pl.Expr:
    value = pl.col(column.name)
    match column.storage:
        case Storage.INSTANT:
            return value.dt.strftime(_INSTANT_FORMAT)
        case Storage.DATE:
            return value.cast(pl.String)
        case Storage.FLOAT:
            return value.cast(pl.String)
        case _:
            return value


def array_literal(values: Sequence[Any]) -> str:
    """Return values as the text of a PostgreSQL array, whose type it takes from what it is compared with."""
    quoted = (
        '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else str(value)
        for value in values
    )
    return "{" + ",".join(quoted) + "}"
