"""Values of one field in the terms of another: types, lengths, numbers of decimals, blanks.

`convert` yields a value and an error for each record; `comparable` brings two values of a pair of fields into the form in
which they are compared (semantics 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from twinrow.batch.columns import DECIMAL_PRECISION, INSTANT, column_type
from twinrow.model.tables import Field, FieldType

NUMERIC = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT, FieldType.OPTION})


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted column: the values, a text where a value cannot be converted, and where information was lost."""

    value: pl.Expr
    error: pl.Expr
    lost: pl.Expr


def convert(value: pl.Expr, source: Field, destination: Field) -> Converted:
    """Convert a column of values of `source` (type `column_type(source)`) into values of `destination`.

    `error` is null where all is well. Text that is longer than the destination is cut, decimals are rounded to its scale,
    a Code is trimmed and put into upper case; `lost` is true where cutting or rounding dropped something.
    Text null becomes `''`, and `''` null, where the destination knows only the other.
    """
    typed, error = _typed(value, source, destination)
    lost = pl.lit(False)
    if destination.is_text:
        text = typed
        if destination.type is FieldType.CODE:
            text = text.str.strip_chars(" ").str.to_uppercase()
        elif destination.type in (FieldType.GUID, FieldType.REFERENCE):
            text = text.str.to_lowercase() if destination.type is FieldType.GUID else text
        if destination.max_length is not None and (
            source.max_length is None or source.max_length > destination.max_length
        ):
            lost = (text.str.len_chars() > destination.max_length).fill_null(False)
            text = text.str.slice(0, destination.max_length)
        if not destination.nullable and destination.empty_text:
            text = text.fill_null("")
        elif not destination.empty_text:
            text = pl.when(text != "").then(text)
        typed = text
    elif destination.type is FieldType.DECIMAL and source.type in (FieldType.DECIMAL, FieldType.FLOAT):
        lost = _rounded_away(value, typed, source)
    error = pl.coalesce(error, _refused(typed, destination))
    return Converted(typed, error, lost)


def _typed(value: pl.Expr, source: Field, destination: Field) -> tuple[pl.Expr, pl.Expr]:
    kind = column_type(destination)
    none = pl.lit(None, dtype=pl.String)
    if source.is_text and destination.is_text:
        return value, none
    if source.type is destination.type and source.type is not FieldType.DECIMAL:
        return value, none
    if destination.type is FieldType.DECIMAL and source.type in (FieldType.DECIMAL, FieldType.FLOAT):
        finite = value if source.type is FieldType.DECIMAL else pl.when(value.is_finite()).then(value)
        rounded = _half_away(
            finite.cast(pl.Decimal(DECIMAL_PRECISION, source.scale or 10), strict=False), destination.scale
        )
        converted = rounded.cast(kind, strict=False)
    elif destination.is_text:
        converted = _as_text(value, source)
    elif source.is_text:
        converted = _from_text(value.str.strip_chars(), destination)
    elif destination.type is FieldType.DATE and source.type is FieldType.DATETIME:
        converted = value.dt.date()
    elif destination.type is FieldType.DATETIME and source.type is FieldType.DATE:
        converted = value.cast(INSTANT)
    elif {source.type, destination.type} & {FieldType.DATE, FieldType.DATETIME}:
        converted = pl.lit(None, dtype=kind)
    elif destination.type is FieldType.BOOLEAN:
        converted = pl.when(value.is_in([0, 1])).then(value == 1)
    else:
        whole = destination.type in (FieldType.INTEGER, FieldType.OPTION) and source.type in NUMERIC
        cast = value.cast(kind, strict=False)
        converted = pl.when(cast == value).then(cast) if whole else cast
    shown = _as_text(value, source) if not source.is_text else value
    blank = value.is_null() if not source.is_text else (value.is_null() | (value.str.strip_chars() == ""))
    error = pl.when(converted.is_null() & ~blank).then(
        pl.concat_str(
            [
                pl.lit("the value "),
                shown.str.slice(0, 60),
                pl.lit(f" cannot be carried into a field of type {destination.type}"),
            ],
            ignore_nulls=True,
        )
    )
    return converted, error


def _half_away(value: pl.Expr, scale: int | None) -> pl.Expr:
    # Business Central and Dataverse both round halves away from zero.
    return value if scale is None else value.round(scale, mode="half_away_from_zero")


def _rounded_away(value: pl.Expr, typed: pl.Expr, source: Field) -> pl.Expr:
    if source.type is FieldType.FLOAT:
        return pl.lit(False)
    wide = pl.Decimal(DECIMAL_PRECISION, max(source.scale or 0, 10))
    return (value.cast(wide, strict=False) != typed.cast(wide, strict=False)).fill_null(False)


def _as_text(value: pl.Expr, source: Field) -> pl.Expr:
    if source.type is FieldType.DATETIME:
        return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    if source.type is FieldType.DECIMAL and source.scale != 0:
        text = value.cast(pl.String)
        return text.str.strip_chars_end("0").str.strip_chars_end(".")
    return value.cast(pl.String)


def _from_text(text: pl.Expr, destination: Field) -> pl.Expr:
    filled = pl.when(text != "").then(text)
    match destination.type:
        case FieldType.BOOLEAN:
            lowered = filled.str.to_lowercase()
            return (
                pl.when(lowered.is_in(["true", "yes", "1"]))
                .then(True)
                .when(lowered.is_in(["false", "no", "0"]))
                .then(False)
            )
        case FieldType.DATE:
            return filled.str.to_date("%Y-%m-%d", strict=False)
        case FieldType.DATETIME:
            return filled.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        case FieldType.DECIMAL:
            return filled.str.to_decimal(scale=column_type(destination).scale)  # type: ignore[attr-defined]
        case _:
            return filled.cast(column_type(destination), strict=False)


def _refused(value: pl.Expr, destination: Field) -> pl.Expr:
    """Say why a system would refuse the value: outside the range, no option of the choice, a blank where one is required."""
    problems: list[pl.Expr] = []
    if destination.type in NUMERIC:
        if destination.minimum is not None:
            below = pl.lit(f"the value is below the minimum of {destination.minimum}")
            problems.append(pl.when(value < destination.minimum).then(below))
        if destination.maximum is not None:
            above = pl.lit(f"the value is above the maximum of {destination.maximum}")
            problems.append(pl.when(value > destination.maximum).then(above))
    if destination.options and destination.type in (FieldType.OPTION, FieldType.ENUM):
        known = [option.value for option in destination.options]
        text = value.cast(pl.String)
        problems.append(
            pl.when(~value.is_in(known)).then(
                pl.concat_str([pl.lit("the choice has no option "), text], ignore_nulls=True)
            )
        )
    return pl.coalesce(problems) if problems else pl.lit(None, dtype=pl.String)


def comparable(text: pl.Expr, field: Field, counterpart: Field) -> pl.Expr:
    """Return the form in which a value of `field` is compared with one that came from `counterpart` (semantics 5.1).

    `text` is a column of canonical texts of values of `field`. A Code is compared trimmed and in upper case; texts are
    compared up to the shorter of both fields' lengths; blanks at the end and the difference of null and `''` do not count
    where one of the two sides cannot tell them apart.
    """
    if not field.is_text:
        return text
    lengths = [length for length in (field.max_length, counterpart.max_length) if length is not None]
    if lengths and counterpart.max_length is not None and (field.max_length or 1 << 30) > counterpart.max_length:
        text = text.str.slice(0, min(lengths))
    if FieldType.CODE in (field.type, counterpart.type):
        text = text.str.strip_chars(" ").str.to_uppercase()
    if not (field.nullable and field.empty_text and counterpart.nullable and counterpart.empty_text):
        text = text.replace({"\x01": ""})
    return text
