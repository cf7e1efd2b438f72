"""Canonical texts: every value as one text, so that values can be compared, stored and brought back exactly.

The canonical text of a value says the same for the same value and nothing else: decimals without trailing zeros, points in
time as microseconds since 1970 in UTC. A null value is the text `NULL`, a value that is not known is null in the column.
Bases are canonical texts of all fields of a record, packed into one text (`pack`, `unpack`).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.batch.columns import INSTANT, column_type
from twinrow.model.tables import Field, FieldType

NULL = "\x01"
"""The canonical text of null."""

_ABSENT = "\x02"
_SEPARATOR = "\x1f"
_SAME = "\x03"
_ESCAPES = (
    ("\x1b", "\x1b0"),
    (_SEPARATOR, "\x1b1"),
    (NULL, "\x1b2"),
    (_ABSENT, "\x1b3"),
    (_SAME, "\x1b4"),
    ("\x00", "\x1b5"),  # PostgreSQL keeps no NUL in a text
)
_PLAIN = pl.lit([plain for plain, _ in _ESCAPES])
_CODES = pl.lit([code for _, code in _ESCAPES])
_SPECIAL = "[\x00\x01\x02\x03\x1b\x1f]"


def canonical(value: pl.Expr, field: Field) -> pl.Expr:
    """Return the canonical text of a column that holds values of the field (type `column_type(field)`)."""
    match field.type:
        case FieldType.DECIMAL:
            text = value.cast(pl.String)
            if column_type(field).scale:  # type: ignore[attr-defined]
                text = text.str.strip_chars_end("0").str.strip_chars_end(".")
        case FieldType.DATETIME:
            text = value.dt.epoch("us").cast(pl.String)
        case FieldType.FLOAT:
            # -0.0 equals 0.0, and systems keep the one for the other.
            text = pl.when(value == 0).then(0.0).otherwise(value).cast(pl.String)
        case _ if field.is_text:
            text = _escape(value)
        case _:
            text = value.cast(pl.String)
    return text.fill_null(NULL)


def _escape(text: pl.Expr) -> pl.Expr:
    # Control characters are rare: the expression with the replacements only counts where there is one.
    escaped = text.str.replace_many(_PLAIN, _CODES)
    return pl.when(text.str.contains(_SPECIAL)).then(escaped).otherwise(text)


def restore(text: pl.Expr, field: Field) -> pl.Expr:
    """Return the values (type `column_type(field)`) whose canonical texts a column holds; unknown and null become null."""
    known = pl.when(text != NULL).then(text)
    match field.type:
        case FieldType.DATETIME:
            return known.cast(pl.Int64).cast(INSTANT)
        case FieldType.BOOLEAN:
            return known == "true"
        case FieldType.DATE:
            return known.str.to_date("%Y-%m-%d", strict=False)
        case _ if field.is_text:
            plain: pl.Expr = known
            for original, code in reversed(_ESCAPES):
                plain = plain.str.replace_all(code, original, literal=True)
            return pl.when(known.str.contains("\x1b", literal=True)).then(plain).otherwise(known)
        case _:
            return known.cast(column_type(field))


def pack(texts: Sequence[str], same_as: Sequence[str] | None = None) -> pl.Expr:
    """Pack columns of canonical texts into one text; unknown values (null) are kept as unknown.

    `same_as` names columns with which they are compared, one for each: a value that is the same takes one character.
    """
    parts = [pl.col(name).fill_null(_ABSENT) for name in texts]
    if same_as is not None:
        parts = [
            pl.when(pl.col(name) == pl.col(other)).then(pl.lit(_SAME)).otherwise(part)
            for part, name, other in zip(parts, texts, same_as, strict=True)
        ]
    return pl.concat_str(parts, separator=_SEPARATOR)


def unpack(
    frame: pl.DataFrame, packed: str, names: Sequence[str], same_as: Sequence[str] | None = None
) -> pl.DataFrame:
    """Replace the packed column by columns of canonical texts with these names, in the order in which they were packed.

    Where the packed text is null, all are unknown (null). `same_as` names the columns with which they were compared.
    """
    fields = pl.col(packed).str.split_exact(_SEPARATOR, len(names) - 1).struct.rename_fields(list(names))
    columns = []
    for index, name in enumerate(names):
        value: pl.Expr = pl.when(pl.col(name) != _ABSENT).then(pl.col(name))
        if same_as is not None:
            value = pl.when(pl.col(name) == _SAME).then(pl.col(same_as[index])).otherwise(value)
        columns.append(value.alias(name))
    return frame.with_columns(fields.alias(packed)).unnest(packed).with_columns(columns)
