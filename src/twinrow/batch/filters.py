"""Filters as column expressions: the same condition that a connector pushes down, evaluated on a batch.

Text comparison is case-insensitive and ignores trailing blanks: the wider of what the two services do, so that a record that
either service would hand over is not dropped by a difference of case.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from operator import and_, or_

import polars as pl

from twinrow.batch.columns import column_type
from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch, Value
from twinrow.model.tables import Field, FieldType, Table


def filter_expression(condition: Filter, table: Table, column: Callable[[str], str] = lambda name: name) -> pl.Expr:
    """Return a Boolean expression that is true where a record satisfies the filter, false (never null) elsewhere.

    `column` names the frame's column for a field. Raises `UnknownField`.
    """
    match condition:
        case And(parts):
            return reduce(and_, (filter_expression(part, table, column) for part in parts))
        case Or(parts):
            return reduce(or_, (filter_expression(part, table, column) for part in parts))
        case Not(part):
            return ~filter_expression(part, table, column)
        case TextMatch(function, name, value):
            text = pl.col(column(table.field(name).name)).str.to_lowercase()
            wanted = value.lower()
            found = {
                "contains": text.str.contains(wanted, literal=True),
                "startswith": text.str.starts_with(wanted),
                "endswith": text.str.ends_with(wanted),
            }[function]
            return found.fill_null(False)
        case Comparison(name, operator, value):
            return _comparison(pl.col(column(name)), table.field(name), operator, value)


def _comparison(column: pl.Expr, field: Field, operator: str, value: Value | tuple[Value, ...]) -> pl.Expr:
    if isinstance(value, tuple):
        return _one_of(column, field, value)
    if value is None:
        is_blank = column.is_null()
        return is_blank if operator == "eq" else ~is_blank if operator == "ne" else pl.lit(False)
    if field.is_text:
        left, right = _compared_text(column, field), pl.lit(_wanted_text(value))
    elif field.type is FieldType.DECIMAL:
        # Not in the field's number of decimals: nothing with two decimals equals 1.005.
        left, right = column, pl.lit(Decimal(value))  # type: ignore[arg-type]
    else:
        left, right = column, pl.lit(_instant(value, field)).cast(column_type(field))
    found = {
        "eq": left == right,
        "ne": left != right,
        "gt": left > right,
        "ge": left >= right,
        "lt": left < right,
        "le": left <= right,
    }[operator]
    # A null is different from every value, and neither greater nor less.
    return found.fill_null(operator == "ne")


def _one_of(column: pl.Expr, field: Field, values: tuple[Value, ...]) -> pl.Expr:
    """Compare with many values at once: keys come by the thousand, and an expression of so many parts takes minutes."""
    found = column.is_null() if None in values else pl.lit(False)
    known = [value for value in values if value is not None]
    if field.is_text:
        texts = pl.Series([_wanted_text(value) for value in known], dtype=pl.String)
        return found | _compared_text(column, field).is_in(texts.implode()).fill_null(False)
    return reduce(or_, (_comparison(column, field, "eq", value) for value in known), found)


def _compared_text(column: pl.Expr, field: Field) -> pl.Expr:
    text = column.str.to_lowercase().str.strip_chars_end(" ")
    return text if field.nullable and field.empty_text else text.fill_null("")


def _wanted_text(value: Value) -> str:
    return str(value).lower().rstrip(" ")


def _instant(value: Value, field: Field) -> Value:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo is not None else value
    if field.type is FieldType.DATETIME and isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return value
