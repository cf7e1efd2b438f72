"""What can be seen to be refused before anything is sent: lengths, ranges, blanks, values that are no ids.

Most refusals are found here, with their field, for a whole batch at once; what only the database knows is left to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from twinrow.batch.columns import DECIMAL_PRECISION
from twinrow.connectors.base import ERROR, ERROR_CODE, ERROR_FIELD, RECOVERY, REMEDY, STATUS, Status, sent
from twinrow.connectors.sql.database import GUID_PATTERN
from twinrow.connectors.sql.shape import Column, Shape, Storage
from twinrow.model.outcomes import Recovery
from twinrow.model.tables import FieldType


@dataclass(frozen=True, slots=True)
class _Problem:
    """A reason to refuse, for the records where `there` is true."""

    there: pl.Expr
    message: pl.Expr
    field: str
    remedy: str


def problems(
    frame: pl.DataFrame,
    shape: Shape,
    names: Sequence[str],
    *,
    creating: bool,
    forbidden: str | None,
    keeps_nan: bool,
) -> pl.DataFrame | None:
    """Return for each record what is wrong with it (the error columns of a result, null where nothing is); None where nothing is.

    `forbidden` is a character that the database takes in no text; `keeps_nan` tells whether NaN stays what it is.
    """
    looked_at = list(_problems(frame, shape, names, creating, forbidden, keeps_nan))
    if not looked_at:
        return None
    there = frame.select(problem.there.fill_null(False).alias(str(number)) for number, problem in enumerate(looked_at))
    any_of = there.select(pl.all().any()).row(0) if there.height else ()
    found = [(number, problem) for number, problem in enumerate(looked_at) if any_of and any_of[number]]
    if not found:
        return None

    def first(values: list[pl.Expr]) -> pl.Expr:
        return pl.coalesce(
            pl.when(pl.col(f"@problem{number}")).then(value) for (number, _), value in zip(found, values, strict=True)
        )

    marked = frame.hstack([there.get_column(str(number)).alias(f"@problem{number}") for number, _ in found])
    any_there = pl.any_horizontal(f"@problem{number}" for number, _ in found)
    return marked.select(
        pl.when(any_there).then(pl.lit(Status.REFUSED.value)).alias(STATUS),
        first([problem.message for _, problem in found]).alias(ERROR),
        pl.when(any_there).then(pl.lit("value")).alias(ERROR_CODE),
        first([pl.lit(problem.field) for _, problem in found]).alias(ERROR_FIELD),
        first([pl.lit(problem.remedy) for _, problem in found]).alias(REMEDY),
        pl.when(any_there).then(pl.lit(Recovery.DATA.value)).alias(RECOVERY),
    )


def _problems(
    frame: pl.DataFrame, shape: Shape, names: Sequence[str], creating: bool, forbidden: str | None, keeps_nan: bool
) -> Iterator[_Problem]:
    for name in names:
        column = shape.columns[name]
        is_sent = pl.col(sent(name)) if sent(name) in frame.columns else pl.lit(True)
        if name == shape.key.name:
            continue
        for problem in _of_values(column, forbidden):
            yield _Problem(is_sent & problem.there, problem.message, problem.field, problem.remedy)
        if column.field.required and creating:
            yield _missing(column, ~is_sent)
        if column.field.type is FieldType.FLOAT and not keeps_nan:
            told = pl.lit(f"{name} cannot hold NaN, which would become no value")
            yield _Problem(is_sent & pl.col(name).is_nan(), told, name, "Put a number, or none, in its place.")
    if creating:
        for name, column in shape.columns.items():
            if column.field.required and name not in names:
                yield _missing(column, pl.lit(True))


def _missing(column: Column, there: pl.Expr) -> _Problem:
    return _Problem(
        there,
        pl.lit(f"{column.name} must have a value"),
        column.name,
        "Map a field to it, or a constant, or give the column a default.",
    )


def _of_values(column: Column, forbidden: str | None) -> Iterator[_Problem]:
    name, field, found, value = column.name, column.field, column.found, pl.col(column.name)
    if not field.nullable:
        yield _Problem(
            value.is_null(), pl.lit(f"{name} must have a value"), name, "Fill it, or map it with a default value."
        )
    if field.is_text and field.max_length is not None:
        length = value.str.len_chars()
        told = pl.concat_str(
            pl.lit(f"{name} takes {field.max_length} characters, the value has "), length.cast(pl.String)
        )
        yield _Problem(
            length > field.max_length, told, name, "Shorten the value, or let the field mapping cut it (on_loss)."
        )
    if field.is_text and forbidden is not None:
        yield _Problem(
            value.str.contains(forbidden, literal=True),
            pl.lit(f"{name} holds a character that the database takes in no text ({forbidden!r})"),
            name,
            "Take it out, for example by a transformation rule.",
        )
    if field.options:
        known = [str(option.value) for option in field.options]
        told = pl.concat_str(pl.lit(f"{name} has no value "), value)
        yield _Problem(~value.is_in(known), told, name, f"Its values are {', '.join(known[:12])}.")
    if column.storage is Storage.UUID:
        told = pl.concat_str(pl.lit(f"{name} takes GUIDs, not "), value.str.slice(0, 40))
        yield _Problem(
            ~value.str.to_lowercase().str.contains(GUID_PATTERN), told, name, "Map a field that holds GUIDs."
        )
    if field.type is FieldType.REFERENCE and column.storage is Storage.INTEGER:
        told = pl.concat_str(
            pl.lit(f"{name} refers to {field.targets[0]} by a number, not by "), value.str.slice(0, 40)
        )
        number = value.cast(pl.Int64, strict=False)
        yield _Problem(value.is_not_null() & number.is_null(), told, name, "Map it with the related mapping.")
    if field.type is FieldType.INTEGER and found.minimum is not None and found.maximum is not None:
        told = pl.concat_str(pl.lit(f"{name} takes numbers up to {found.maximum}, not "), value.cast(pl.String))
        yield _Problem((value < int(found.minimum)) | (value > int(found.maximum)), told, name, "Map a smaller number.")
    if field.type is FieldType.DECIMAL:
        yield from _of_decimals(column)


def _of_decimals(column: Column) -> Iterator[_Problem]:
    name, found, value = column.name, column.found, pl.col(column.name)
    if found.precision is not None and found.precision < DECIMAL_PRECISION:
        above = Decimal(10) ** (found.precision - (found.scale or 0))
        # The type is named: finding out which one a decimal needs takes milliseconds.
        limit = pl.lit(above, dtype=pl.Decimal(DECIMAL_PRECISION, 0))
        told = pl.concat_str(pl.lit(f"{name} takes numbers below {above:f}, not "), value.cast(pl.String))
        yield _Problem(value.abs() >= limit, told, name, "Map a smaller number.")
    if found.binary:
        kept = value.cast(pl.Float64).cast(pl.String).cast(pl.Decimal(38, found.scale or 10), strict=False)
        told = pl.concat_str(pl.lit(f"{name} is held with 15 digits, too few for "), value.cast(pl.String))
        remedy = "Round it by a transformation rule, or keep the table in a database with exact decimals."
        yield _Problem(kept != value, told, name, remedy)
