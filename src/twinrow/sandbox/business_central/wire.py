"""How Business Central writes single values: blank forms, names of enum members, times, ETags.

Sources: protocol page, sections 3 (blank forms, enums, `lastModifiedDateTime`) and 5 (ETag).
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
BLANK_DATE = "0001-01-01"
BLANK_TIME = "0001-01-01T00:00:00.000Z"

_ENCODED = {" ": "_x0020_", ".": "_x002E_", "-": "_x002D_", "+": "_x002B_", "/": "_x002F_", "&": "_x0026_"}
# A factor without a common divisor makes a one-to-one scramble of 19-digit numbers: tokens are unique, and their
# order tells a client nothing.
_SCRAMBLE = 6741962814377951339
_LOWEST, _SPAN = 10**18, 9 * 10**18


def upper(text: str) -> str:
    """`text` in upper case, letter by letter as the original does it: a letter without a capital stays as it is."""
    raised = text.upper()
    if len(raised) == len(text):
        return raised
    return "".join(capital if len(capital := letter.upper()) == 1 else letter for letter in text)


def wire_name(member: str) -> str:
    """An enum member as it travels: characters that XML names may not hold are encoded, so blank is `_x0020_`."""
    return "".join(_ENCODED.get(character, character) for character in member)


def stored_time(instant: datetime) -> str:
    """`instant` as stored: UTC, fixed width, milliseconds in the steps of SQL Server's datetime (.000, .003, .007)."""
    steps = (instant.microsecond * 3 + 5000) // 10000
    return time_text(instant + timedelta(microseconds=(steps * 10 + 1) // 3 * 1000 - instant.microsecond))


def time_text(instant: datetime) -> str:
    """`instant` in the fixed width of stored times; what lies beyond milliseconds is cut off."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def wire_time(stored: str) -> str:
    """A stored time as it travels: zeros at the end of the milliseconds are cut off."""
    return stored if stored[-2] != "0" else stored[:-1].rstrip("0").rstrip(".") + "Z"


def etag(row_version: int) -> str:
    """The entity tag of a row: weak, base64 of a text with lengths and numbers that means nothing to a client."""
    text = f"'19;{_LOWEST + row_version * _SCRAMBLE % _SPAN}1;00;'"
    return f'W/"{base64.b64encode(text.encode()).decode()}"'


def is_etag(token: str) -> bool:
    """Whether `token` could be an entity tag of this service."""
    if not (token.startswith('W/"') and token.endswith('"')):
        return False
    try:
        text = base64.b64decode(token[3:-1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return text.startswith("'") and text.endswith(";'")
