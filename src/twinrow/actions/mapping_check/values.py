"""Values that stand in a mapping (constants, values of templates, pairs of values) against the fields that hold them."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from twinrow.batch.columns import column_type
from twinrow.batch.convert import convert
from twinrow.model.tables import Field, FieldType

_TYPES: dict[type, FieldType] = {bool: FieldType.BOOLEAN, int: FieldType.INTEGER, Decimal: FieldType.DECIMAL}


def value_problem(value: bool | int | Decimal | str | None, field: Field) -> str | None:
    """Say what is wrong when a field is to hold the value, or nothing. The engine's own conversion decides."""
    if value is None:
        return None if field.nullable else "the field cannot be blank"
    source = Field("value", _TYPES.get(type(value), FieldType.TEXT))
    try:
        column = pl.DataFrame({"value": pl.Series([value], dtype=column_type(source))})
    except (pl.exceptions.PolarsError, OverflowError, TypeError):
        return f"the value {value} is too large"
    converted = convert(pl.col("value"), source, field)
    error, lost = column.select(converted.error.alias("error"), converted.lost.alias("lost")).row(0)
    if error is not None:
        return str(error)
    if lost and field.is_text:
        return f"the value has {len(str(value))} characters, the field holds {field.max_length}"
    return f"the field keeps {field.scale} decimals" if lost else None


def value_remedy(field: Field) -> str:
    """Name the values that a field takes, where they can be listed."""
    if not field.options:
        return ""
    shown = ", ".join(f"{option.value} ({option.caption})" for option in field.options[:12])
    return f"Its values are {shown}{', …' if len(field.options) > 12 else ''}."
