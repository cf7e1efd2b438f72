"""Values as PostgreSQL sends and takes them in bulk: CSV from and to COPY, JSON where records travel as one value."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import polars as pl

from twinrow.batch.columns import DECIMAL_PRECISION, DEFAULT_SCALE
from twinrow.connectors.sql.shape import Column, Storage

_INSTANT_FORMAT = "%Y-%m-%d %H:%M:%S%.6f"


def read_texts(content: bytes, names: Sequence[str]) -> pl.DataFrame:
    """Return CSV as COPY writes it in columns of texts. A null is an empty place, an empty text a pair of quotes."""
    labels = [str(number) for number in range(len(names))]
    schema = dict.fromkeys(labels, pl.String())
    texts = pl.read_csv(BytesIO(content), has_header=False, schema=schema) if content else pl.DataFrame(schema=schema)
    texts.columns = list(names)
    return texts


def typed(column: Column) -> pl.Expr:
    """Return the expression that turns a column of texts into values of its field's type.

    It fails on what no other system can hold: `infinity`, `NaN` in a decimal, more than 38 digits.
    """
    text = pl.col(column.name)
    match column.storage:
        case Storage.INTEGER:
            return text.cast(pl.Int64)
        case Storage.FLOAT:
            return text.replace({"Infinity": "inf", "-Infinity": "-inf"}).cast(pl.Float64)
        case Storage.DECIMAL:
            scale = DEFAULT_SCALE if column.found.scale is None else column.found.scale
            return text.cast(pl.Decimal(DECIMAL_PRECISION, scale))
        case Storage.BOOLEAN:
            return text == "t"
        case Storage.DATE:
            return text.str.to_date("%Y-%m-%d", strict=True)
        case Storage.INSTANT:
            times = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=True)
            return times.dt.replace_time_zone("UTC")
        case _:
            return text


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
