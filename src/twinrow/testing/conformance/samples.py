"""Values for the cases, made from the description of a field: plain ones, told apart by a number, and the extreme ones.

What a field says of itself (length, decimals, range, choices, blanks) is taken at its word: every value made here must
come back from the system exactly as it is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from twinrow.batch.columns import DEFAULT_SCALE
from twinrow.model.tables import Field, FieldType

DIGITS = 20
"""How many digits a decimal field without a stated range must keep."""

LONG_TEXT = 5_000
"""The length tried on a text field without a stated one."""

_TEXTS = (
    "a",
    "Größe – naïve façade, Łódź, İstanbul",
    "שלום עולם",
    "مرحبا بالعالم 123",
    "日本語のテキスト",
    "Ελληνικά и кириллица",
    "😀 beyond the basic plane",
    "e\u0301 is not é",
    'O\'Neil said "x"; -- \\ / % _ [a] {b} <c> & ${d}',
    "NULL",
    "\\N",
    "0123",
    "1e5",
    "true",
    "2026-01-01",
    "inner  blanks",
)
_LINES = ("two\nlines", "tab\tand\r\nreturn")
_DAYS = (date(1900, 2, 28), date(1969, 12, 31), date(2000, 2, 29), date(2026, 12, 31), date(2199, 1, 1))
_INSTANTS = (
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 2, 29, 12, 0, 0, tzinfo=UTC),
    datetime(2024, 10, 27, 1, 30, 0, 123_456, tzinfo=UTC),
    datetime(2026, 6, 30, 23, 59, 59, 1, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
)


def plain(field: Field, number: int) -> Any:
    """Return a value that the field takes; different numbers give different values where there is room for them."""
    match field.type:
        case FieldType.TEXT | FieldType.CODE:
            text = f"N{number}" if field.type is FieldType.CODE else f"{field.name} {number}"
            return text if field.max_length is None else text[-field.max_length :]
        case FieldType.GUID | FieldType.REFERENCE:
            return str(UUID(int=0xC0FFEE00000040008000000000000000 + number))
        case FieldType.INTEGER:
            return _within(field, number)
        case FieldType.DECIMAL:
            return _quantized(field, Decimal(_within(field, number)) + _smallest(field))
        case FieldType.FLOAT:
            return number + 0.5
        case FieldType.BOOLEAN:
            return number % 2 == 1
        case FieldType.DATE:
            return date(2020, 1, 1) + timedelta(days=number % 3_000)
        case FieldType.DATETIME:
            return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        case FieldType.OPTION | FieldType.ENUM:
            return field.options[number % len(field.options)].value if field.options else number % 3


def extremes(field: Field, *, precision: timedelta, multiline: bool) -> list[Any]:
    """Return the values at the edges of what the field says it holds, null and `''` among them where it says so."""
    match field.type:
        case FieldType.TEXT:
            values: list[Any] = _texts(field, multiline)
        case FieldType.CODE:
            values = ["A", "ÄÖÜ-1", "X" * min(field.max_length or 20, 20)]
        case FieldType.GUID:
            values = ["00000000-0000-4000-8000-00000000000a", "ffffffff-ffff-4fff-bfff-ffffffffffff"]
        case FieldType.INTEGER:
            low, high = _range(field, 2**31 - 1)
            values = [0, 1, -1 if low < 0 else 2, int(low), int(high)]
        case FieldType.DECIMAL:
            values = _decimals(field)
        case FieldType.FLOAT:
            values = [0.0, 0.1, -1024.25, 1e10]
        case FieldType.BOOLEAN:
            values = [True, False]
        case FieldType.DATE:
            values = list(_DAYS)
        case FieldType.DATETIME:
            values = [_truncated(moment, precision) for moment in _INSTANTS]
        case FieldType.OPTION | FieldType.ENUM:
            values = [option.value for option in field.options]
        case FieldType.REFERENCE:
            values = []
    return [*values, None] if field.nullable and not field.required else values


def _texts(field: Field, multiline: bool) -> list[Any]:
    room = LONG_TEXT if field.max_length is None else field.max_length
    texts = [text for text in (*_TEXTS, *(_LINES if multiline else ())) if len(text) <= room]
    texts += ["x" * room, "é" * room, "語" * room]
    return [*texts, ""] if field.empty_text and not field.required else texts


def _decimals(field: Field) -> list[Any]:
    smallest = _smallest(field)
    scale = DEFAULT_SCALE if field.scale is None else field.scale
    digits = DIGITS - scale
    if field.maximum is not None:
        digits = max(d for d in range(DIGITS) if Decimal(10) ** d - smallest <= Decimal(repr(field.maximum)))
    largest = Decimal(10) ** digits - smallest
    signed = field.minimum is None or field.minimum < 0
    values = [Decimal(0), smallest, Decimal(1), largest, *([-smallest, -largest] if signed else [])]
    if scale:
        values.append(Decimal("0.1"))
    return [_quantized(field, value) for value in values]


def _smallest(field: Field) -> Decimal:
    return Decimal(1).scaleb(-(DEFAULT_SCALE if field.scale is None else field.scale))


def _quantized(field: Field, value: Decimal) -> Decimal:
    return value.quantize(_smallest(field))


def _range(field: Field, bound: int) -> tuple[int | float, int | float]:
    return (
        -bound if field.minimum is None else field.minimum,
        bound if field.maximum is None else field.maximum,
    )


def _within(field: Field, number: int) -> int:
    low, high = _range(field, 2**31 - 1)
    first = max(int(low), 0)
    return first + number % max(1, int(high) - first)


def _truncated(moment: datetime, precision: timedelta) -> datetime:
    epoch = datetime(1900, 1, 1, tzinfo=UTC)
    return epoch + (moment - epoch) // precision * precision
