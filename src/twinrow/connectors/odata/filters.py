"""What the filters of OData services have in common: how values are written, and what a negated comparison is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

OPPOSITES = {"eq": "ne", "ne": "eq", "gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}
"""The comparison that holds where another does not (for values that are not null)."""

GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def is_guid(text: str) -> bool:
    """Whether a text is a GUID in its usual form."""
    return GUID.fullmatch(text) is not None


def text_literal(text: str) -> str:
    """Return a text as it stands in a filter."""
    return "'" + text.replace("'", "''") + "'"


def number_literal(value: int | Decimal) -> str:
    """Return a number as it stands in a filter: all digits, no exponent."""
    return str(value) if isinstance(value, int) else format(value, "f")


def instant_literal(value: date | datetime, timespec: str = "milliseconds") -> str:
    """Return a point in time as it stands in a filter: UTC; a day is its midnight."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"
