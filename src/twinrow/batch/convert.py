"""Values of one field in the terms of another: types, lengths, numbers of decimals, blanks.

`convert` yields a value and an error for each record; `comparable` brings two values of a pair of fields into the form in
which they are compared (semantics 5.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from twinrow.batch.canonical import NULL, canonical, restore
from twinrow.batch.columns import DECIMAL_PRECISION, DEFAULT_SCALE, INSTANT, column_type
from twinrow.model.tables import Field, FieldType

_GUID = r"^(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
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
    the time of day falls away in a date, a Code is trimmed and put into upper case; `lost` is true where cutting or rounding
    dropped something. Text null becomes `''`, and `''` null, where the destination knows only the other.
    No text is expected to be longer than `source.max_length`: where a rule has made it longer, that is None.
    """
    typed, error = _typed(value, source, destination)
    lost = pl.lit(False)
    if destination.is_text:
        text = typed
        if destination.type is FieldType.CODE:
            text = text.str.strip_chars(" ").str.to_uppercase()
        elif destination.type is FieldType.GUID:
            text = text.str.to_lowercase()
        if _may_be_cut(source, destination):
            lost = (text.str.len_chars() > destination.max_length).fill_null(False)
            text = text.str.slice(0, destination.max_length)
            if destination.type is FieldType.CODE:
                text = text.str.strip_chars_end(" ")
        if not destination.nullable and destination.empty_text:
            text = text.fill_null("")
        elif not destination.empty_text:
            text = pl.when(text != "").then(text)
        typed = text
    elif destination.type is FieldType.DECIMAL:
        lost = _rounded_away(value, typed, source)
    elif destination.type is FieldType.DATE and source.type is FieldType.DATETIME:
        lost = (value != value.dt.truncate("1d")).fill_null(False)
    error = pl.coalesce(error, _refused(typed, destination))
    return Converted(typed, error, lost)


def _may_be_cut(source: Field, destination: Field) -> bool:
    if destination.max_length is None:
        return False
    if source.max_length is None or source.max_length > destination.max_length:
        return True
    # In upper case a letter may become two (ß, SS).
    return destination.type is FieldType.CODE and source.type is not FieldType.CODE


def _typed(value: pl.Expr, source: Field, destination: Field) -> tuple[pl.Expr, pl.Expr]:
    kind = column_type(destination)
    none = pl.lit(None, dtype=pl.String)
    if (
        source.is_text
        and destination.is_text
        and (destination.type is not FieldType.GUID or source.type is FieldType.GUID)
    ):
        return value, none
    if source.type is destination.type and source.type is not FieldType.DECIMAL:
        return value, none
    if destination.type is FieldType.DECIMAL and source.type in (FieldType.DECIMAL, FieldType.FLOAT):
        if source.type is FieldType.FLOAT:
            finite = pl.when(value.is_finite()).then(value)
            converted = _rounded_to(lambda wide: finite.cast(wide, strict=False), destination)
        else:
            converted = _half_away(value, destination.scale).cast(kind, strict=False)
    elif destination.type is FieldType.GUID:
        text = value.str.strip_chars() if source.is_text else _as_text(value, source)
        converted = pl.when(text.str.contains(_GUID)).then(text)
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
        converted = pl.when((value == 0) | (value == 1)).then(value == 1)
    elif source.type is FieldType.BOOLEAN:
        converted = value.cast(pl.Int64).cast(kind)
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


def _rounded_to(read: Callable[[pl.Decimal], pl.Expr], field: Field) -> pl.Expr:
    """Read values with ten more decimals than the field keeps and round them; values too large for that are read as they are."""
    kind = pl.Decimal(DECIMAL_PRECISION, DEFAULT_SCALE if field.scale is None else field.scale)
    wide = pl.Decimal(DECIMAL_PRECISION, min(kind.scale + 10, DECIMAL_PRECISION))
    return pl.coalesce(_half_away(read(wide), field.scale).cast(kind, strict=False), read(kind))


def _rounded_away(value: pl.Expr, typed: pl.Expr, source: Field) -> pl.Expr:
    if source.is_text:
        return (value.str.strip_chars().str.to_decimal(scale=DECIMAL_PRECISION // 2) != typed).fill_null(False)
    # A float has no decimals of its own that could be lost.
    return (value != typed).fill_null(False) if source.type is FieldType.DECIMAL else pl.lit(False)


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
            return pl.coalesce(_day(filled), _moment(filled).dt.date())
        case FieldType.DATETIME:
            return pl.coalesce(_moment(filled), _day(filled).cast(INSTANT))
        case FieldType.DECIMAL:
            return _rounded_to(lambda wide: filled.str.to_decimal(scale=wide.scale), destination)
        case _:
            return filled.cast(column_type(destination), strict=False)


def _day(text: pl.Expr) -> pl.Expr:
    return text.str.to_date("%Y-%m-%d", strict=False)


def _moment(text: pl.Expr) -> pl.Expr:
    return text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


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
    compared up to the shorter of both fields' lengths, decimals in the smaller of both numbers of decimals; the difference of
    null and `''` does not count where one of the two sides cannot tell them apart.
    """
    if field.type is FieldType.DECIMAL and counterpart.type is FieldType.DECIMAL:
        return _fewer_decimals(text, field, counterpart)
    if not field.is_text:
        return text
    code = FieldType.CODE in (field.type, counterpart.type)
    if code:
        text = text.str.strip_chars(" ").str.to_uppercase()
    shorter = min((length for length in (field.max_length, counterpart.max_length) if length is not None), default=None)
    grows = code and field.type is not FieldType.CODE
    if shorter is not None and (grows or field.max_length is None or field.max_length > shorter):
        text = text.str.slice(0, shorter)
        if code:
            text = text.str.strip_chars_end(" ")
    if not (field.nullable and field.empty_text and counterpart.nullable and counterpart.empty_text):
        text = text.replace({NULL: ""})
    return text


def _fewer_decimals(text: pl.Expr, field: Field, counterpart: Field) -> pl.Expr:
    if counterpart.scale is None or (field.scale is not None and field.scale <= counterpart.scale):
        return text
    return canonical(_half_away(restore(text, field), counterpart.scale), field)
