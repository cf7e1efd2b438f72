"""JSON values of a request body to values as stored, with the checks that the field's type makes.

Code fields are trimmed and upper-cased, texts and codes measured, enum members taken in every spelling that clients
are known to send. Checks against other rows stand in `writing` and in the tables' own logic.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.schema import Field
from twinrow.sandbox.business_central.wire import BLANK_DATE, ZERO_GUID, upper, wire_name

_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_DATE_FORMULA = re.compile(r"<?(?:[+-]?(?:C[DWMQY]|\d+[DWMQY]|[DWMQY]\d+|WD\d+))+>?")

# What .NET's decimal can hold.
LARGEST_DECIMAL = 2**96 - 1

_decoder = msgspec.json.Decoder(float_hook=Decimal)


def decode_body(body: bytes) -> Any:
    """A JSON body; numbers with a fraction come as Decimal, with all their digits."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise errors.bad_request(f"Invalid Request Body. {error}") from None


def decimal_text(value: int | Decimal) -> str:
    """A decimal as stored and as written to JSON: no exponent, no zeros at the end."""
    if isinstance(value, int):
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def stored_value(field: Field, name: str, value: Any) -> Any:
    """`value` of the property `name` as the field stores it. Refuses what the field cannot hold."""
    if value is None:
        if field.type in ("Code", "Text", "DateFormula"):
            return ""
        raise errors.required(name)
    return _CONVERSIONS[field.type](field, value)


@lru_cache(maxsize=64)
def enum_spellings(members: tuple[str, ...]) -> dict[str, str]:
    """Every spelling of the members that is understood, with the member as it travels."""
    spellings = {wire_name(member): wire_name(member) for member in members}
    spellings.update((member, wire_name(member)) for member in members)
    if " " in members:
        spellings[""] = wire_name(" ")
    return spellings


def _code(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _unconvertible(value, "Edm.String")
    text = upper(value.strip())
    if len(text) > field.length:
        raise errors.too_long(len(text), field.length, value)
    return text


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _unconvertible(value, "Edm.String")
    if field.length and len(value) > field.length:
        raise errors.too_long(len(value), field.length, value)
    return value


def _date_formula(field: Field, value: Any) -> str:
    text = upper(_text(field, value))
    if text and not _DATE_FORMULA.fullmatch(text):
        raise errors.Refusal(
            400, "Application_EvaluateException", f'The value "{value}" can\'t be evaluated into type DateFormula.'
        )
    return text


def guid(value: Any) -> str:
    """A GUID in any common spelling, as stored."""
    if not isinstance(value, str):
        raise _unconvertible(value, "Edm.Guid")
    text = value.strip("{}").lower()
    if not _GUID.fullmatch(text):
        if text == "":
            return ZERO_GUID
        raise errors.invalid_guid()
    return text


def _decimal(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _unconvertible(value, "Edm.Decimal")
    if not -LARGEST_DECIMAL <= value <= LARGEST_DECIMAL:
        raise _unconvertible(value, "Edm.Decimal")
    return decimal_text(value)


def _boolean(value: Any) -> int:
    if not isinstance(value, bool):
        raise _unconvertible(value, "Edm.Boolean")
    return int(value)


def _integer(field: Field, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unconvertible(value, field.edm_type)
    return value


def _date(value: Any) -> str:
    if not isinstance(value, str):
        raise _unconvertible(value, "Edm.Date")
    if value == "":
        return BLANK_DATE
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise errors.bad_request("Unable to convert value to Date") from None


def _enum(field: Field, value: Any) -> str:
    found = enum_spellings(field.members).get(value) if isinstance(value, str) else None
    if found is None:
        raise errors.no_option(str(value), field.members)
    return found


def _unconvertible(value: Any, expected: str) -> errors.Refusal:
    shown = msgspec.json.encode(value, enc_hook=str).decode()
    return errors.bad_request(f"Cannot convert the literal '{shown}' to the expected type '{expected}'.")


_CONVERSIONS: dict[str, Callable[[Field, Any], Any]] = {
    "Code": _code,
    "Text": _text,
    "DateFormula": _date_formula,
    "Guid": lambda _, value: guid(value),
    "Decimal": lambda _, value: _decimal(value),
    "Boolean": lambda _, value: _boolean(value),
    "Integer": _integer,
    "Date": lambda _, value: _date(value),
    "Enum": _enum,
}
