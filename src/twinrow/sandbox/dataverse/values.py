"""Values on their way from JSON to the database and back, with the checks that Dataverse makes.

How the kinds are stored: text, GUIDs and times as text (GUIDs in lower case, instants as `YYYY-MM-DDThh:mm:ssZ`),
numbers and choices as integers, Booleans as 0 and 1, money as ten-thousandths in an integer, decimals as text with
all the column's decimal places, so that nothing is lost to binary fractions.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.schema import Column, Option, TableData

Store = Callable[[Any], Any]
Wire = Callable[[Any], Any]

MONEY_PLACES = 4
EARLIEST = "1753-01-01"
_GUID = re.compile(r"\{?([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})\}?")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MONEY_LIMIT = Decimal("922337203685477")
_DECIMAL_LIMIT = Decimal(100_000_000_000)
_INTEGER_LIMITS = {"Integer": (-(2**31), 2**31 - 1), "BigInt": (-(2**63), 2**63 - 1)}


def guid(value: object) -> str | None:
    """The value as a lower-case GUID text, None when it is none."""
    match = _GUID.fullmatch(value) if isinstance(value, str) else None
    return match[1].lower() if match else None


def instant_text(instant: datetime) -> str:
    """An instant as it is stored and sent: whole seconds, UTC."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money_stored(amount: Decimal) -> int:
    """An amount as it is stored."""
    return int(amount.scaleb(MONEY_PLACES).to_integral_value(ROUND_HALF_UP))


def money_wire(stored: int) -> Decimal:
    """A stored amount as it is sent."""
    return Decimal(stored).scaleb(-MONEY_PLACES)


def rounded(amount: Decimal, places: int) -> Decimal:
    """An amount with so many decimal places, halves away from zero."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def wire(column: Column) -> Wire | None:
    """How a stored value is made one of JSON; None when it already is."""
    match column.type:
        case "Boolean":
            return bool
        case "Money":
            return money_wire
        case "Decimal":
            return Decimal
    return None


def storer(table: TableData, column: Column, options: list[Option], *, empty_text_is_null: bool) -> Store:
    """The function that checks a JSON value (not null) for the column and gives what is stored."""
    match column.type:
        case "String" | "Memo":
            return _text(table, column, empty_text_is_null)
        case "Integer" | "BigInt":
            return _integer(table, column)
        case "Boolean":
            return _boolean(table, column)
        case "Picklist" | "State" | "Status":
            return _choice(table, column, options)
        case "MultiSelectPicklist":
            return _choices(table, column, options)
        case "Money" | "Decimal":
            return _decimal(table, column)
        case "Double":
            return _double(table, column)
        case "DateTime":
            return _date(table, column) if column.date_only else _instant(table, column)
        case "Image":
            return _binary(table, column)
    return _guid_storer(table, column)


def _text(table: TableData, column: Column, empty_text_is_null: bool) -> Store:
    limit = column.length

    def store(value: Any) -> str | None:
        if type(value) is not str:
            raise errors.wrong_type(table.set, value, "Edm.String")
        if len(value) > limit:
            raise errors.text_too_long(table.name, column.name, limit)
        return value or (None if empty_text_is_null else value)

    return store


def _integer(table: TableData, column: Column) -> Store:
    smallest, largest = _INTEGER_LIMITS[column.type]
    low = smallest if column.min is None else column.min
    high = largest if column.max is None else column.max

    def store(value: Any) -> int:
        if type(value) is not int or not smallest <= value <= largest:
            raise errors.wrong_type(table.set, value, column.edm)
        if not low <= value <= high:
            raise errors.number_out_of_range(table.name, column.name, "0x8004432f")
        return value

    return store


def _boolean(table: TableData, _column: Column) -> Store:
    def store(value: Any) -> int:
        if type(value) is not bool:
            raise errors.wrong_type(table.set, value, "Edm.Boolean")
        return int(value)

    return store


def _choice(table: TableData, column: Column, options: list[Option]) -> Store:
    accepted = {option.value for option in options}

    def store(value: Any) -> int:
        if type(value) is not int:
            raise errors.wrong_type(table.set, value, "Edm.Int32")
        if value not in accepted:
            raise errors.unknown_option(table.name, column.name, value, [option.value for option in options])
        return value

    return store


def _choices(table: TableData, column: Column, options: list[Option]) -> Store:
    order = {option.value: place for place, option in enumerate(options)}

    def store(value: Any) -> str | None:
        if type(value) is not str:
            raise errors.wrong_type(table.set, value, "Edm.String")
        numbers: list[int] = []
        for piece in value.split(",") if value else []:
            number = int(piece) if piece.strip().lstrip("-").isdigit() else None
            if number not in order:
                raise errors.unknown_option(table.name, column.name, piece, list(order))
            numbers.append(number)
        return ",".join(str(number) for number in sorted(set(numbers), key=order.__getitem__)) or None

    return store


def _decimal(table: TableData, column: Column) -> Store:
    money = column.type == "Money"
    limit = _MONEY_LIMIT if money else _DECIMAL_LIMIT
    low = -limit if column.min is None else max(-limit, column.min)
    high = limit if column.max is None else min(limit, column.max)
    places = MONEY_PLACES if money else column.precision

    def store(value: Any) -> int | str:
        if type(value) is int:
            value = Decimal(value)
        elif type(value) is not Decimal:
            raise errors.wrong_type(table.set, value, "Edm.Decimal")
        if not low <= value <= high:
            raise errors.number_out_of_range(table.name, column.name, "0x80044330")
        return money_stored(value) if money else f"{rounded(value, places):f}"

    return store


def _double(table: TableData, column: Column) -> Store:
    def store(value: Any) -> float:
        if type(value) not in (int, float, Decimal):
            raise errors.wrong_type(table.set, value, "Edm.Double")
        if (column.min is not None and value < column.min) or (column.max is not None and value > column.max):
            raise errors.number_out_of_range(table.name, column.name, "0x80044330")
        return round(float(value), column.precision)

    return store


def _instant(table: TableData, column: Column) -> Store:
    def store(value: Any) -> str:
        match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise errors.wrong_type(table.set, value, "Edm.DateTimeOffset")
        try:
            text = instant_text(datetime.fromisoformat(match[1] + (match[2] or "Z").replace("Z", "+00:00")))
        except (ValueError, OverflowError):
            raise errors.wrong_type(table.set, value, "Edm.DateTimeOffset") from None
        _not_too_early(table, column, text)
        return text

    return store


def _date(table: TableData, column: Column) -> Store:
    def store(value: Any) -> str:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise errors.wrong_type(table.set, value, "Edm.Date")
        try:
            date.fromisoformat(value)
        except ValueError:
            raise errors.wrong_type(table.set, value, "Edm.Date") from None
        _not_too_early(table, column, value)
        return value

    return store


def _not_too_early(table: TableData, column: Column, text: str) -> None:
    if text < EARLIEST:
        raise errors.bad_argument(
            f"DateTime is less than minumum value supported by CrmDateTime. Actual value: {text}, Minimum value "
            f"supported: {EARLIEST}; attribute '{column.name}' of '{table.name}'.",
            "0x80040239",
        )


def _binary(table: TableData, _column: Column) -> Store:
    def store(value: Any) -> str:
        try:
            return base64.b64encode(base64.b64decode(value, validate=True)).decode()
        except (TypeError, binascii.Error, ValueError):
            raise errors.wrong_type(table.set, value, "Edm.Binary") from None

    return store


def _guid_storer(table: TableData, _column: Column) -> Store:
    def store(value: Any) -> str:
        found = guid(value)
        if found is None:
            raise errors.wrong_type(table.set, value, "Edm.Guid")
        return found

    return store
