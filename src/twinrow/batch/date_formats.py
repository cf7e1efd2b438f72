"""Dates and times that are written in other ways than ISO 8601: by a format as in .NET, or as a culture writes them.

A format such as `dd-MM-yyyy HH:mm` says exactly what stands where. Without one, a value is read as people of the culture write
it: its order of day, month and year, its names, with or without a time. Times without a zone are in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from twinrow.batch.cultures import bare, date_order, names

Reader = Callable[[str], datetime | None]
"""Returns the point in time that a text is (in UTC), None where it is none."""

NEWEST_SHORT_YEAR = 49
"""Years of two digits up to this one are of this century, later ones of the last."""

_STANDARD = {
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
    "o": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'FFFFFFFK",
}
_BY_CULTURE = frozenset("dDfFgGtT")
_DIGITS = {
    "d": ("day", r"\d{1,2}"),
    "dd": ("day", r"\d{2}"),
    "M": ("month", r"\d{1,2}"),
    "MM": ("month", r"\d{2}"),
    "y": ("short_year", r"\d{1,2}"),
    "yy": ("short_year", r"\d{2}"),
    "yyy": ("year", r"\d{3,4}"),
    "yyyy": ("year", r"\d{4}"),
    "H": ("hour", r"\d{1,2}"),
    "HH": ("hour", r"\d{2}"),
    "h": ("half_hour", r"\d{1,2}"),
    "hh": ("half_hour", r"\d{2}"),
    "m": ("minute", r"\d{1,2}"),
    "mm": ("minute", r"\d{2}"),
    "s": ("second", r"\d{1,2}"),
    "ss": ("second", r"\d{2}"),
}
_TOKEN = re.compile(r"'([^']*)'|\"([^\"]*)\"|\\(.)|(d+|M+|y+|H+|h+|m+|s+|f+|F+|t+|z+|K)|(\s+)|(.)", re.DOTALL)
_NAME = r"[^\W\d_]+\.?"
_ZONE = r"Z|[+-]\d{1,2}(?::?\d{2})?"


def format_problem(source_format: str) -> str | None:
    """Say what cannot be read in a format, or nothing."""
    if len(source_format) == 1 and source_format not in _BY_CULTURE | _STANDARD.keys():
        return f"{source_format} alone is no format of dates"
    if len(source_format) <= 1:
        return None
    seen: set[str] = set()
    for found in _TOKEN.finditer(source_format):
        letters = found.group(4)
        if letters is None:
            if found.group(6) and found.group(6).isalpha() and found.group(6) not in "TZ":
                return f"the letter {found.group(6)} means nothing in a format; a text stands in quotes: '{found.group(6)}'"
            continue
        part = _part(letters)
        if part is None:
            return f"{letters} means nothing in a format"
        if part[0] in seen:
            return f"{letters} says again what stands there already"
        seen.add(part[0])
    return None


@cache
def reader(source_format: str, culture: str) -> Reader:
    """Return the reader of a format; a blank format is whatever the culture writes."""
    if len(source_format) == 1:
        source_format = _STANDARD.get(source_format, "")
    return _by_culture(culture) if not source_format else _by_format(source_format, culture)


def _part(letters: str) -> tuple[str, str] | None:
    """Return the name of a part of a format, and the pattern of its values."""
    if letters in _DIGITS:
        return _DIGITS[letters]
    kind, count = letters[0], len(letters)
    match kind:
        case "d" if count <= 4:
            return "weekday", _NAME
        case "M" if count <= 4:
            return "month_name", r"[^\d]+?"
        case "f" if count <= 7:
            return "fraction", rf"\d{{{count}}}"
        case "F" if count <= 7:
            return "fraction", rf"\d{{0,{count}}}"
        case "t" if count <= 2:
            return "half", r"\w\.?\s?\w?\.?"
        case "z" if count <= 3:
            return "zone", _ZONE
        case "K":
            return "zone", rf"(?:{_ZONE})?"
        case _:
            return None


def _by_format(source_format: str, culture: str) -> Reader:
    pattern = ""
    for found in _TOKEN.finditer(source_format):
        quoted, double, escaped, letters, blanks, other = found.groups()
        if letters is not None:
            part = _part(letters)
            pattern += re.escape(letters) if part is None else f"(?P<{part[0]}>{part[1]})"
        elif blanks is not None:
            pattern += r"\s+"
        elif other == "/":
            # In .NET it stands for what the culture writes between day, month and year.
            pattern += "[-/.]"
        else:
            literal = next(text for text in (quoted, double, escaped, other) if text is not None)
            pattern += re.escape(literal)
    compiled = re.compile(pattern)

    def read(text: str) -> datetime | None:
        found = compiled.fullmatch(text.strip())
        return (
            None if found is None else _made({key: value for key, value in found.groupdict().items() if value}, culture)
        )

    return read


def _made(parts: dict[str, str], culture: str) -> datetime | None:
    """Return the point in time of which these are parts; what is not told is the beginning: year 1, January, 1, midnight."""
    known = names(culture)
    month = int(parts.get("month", 1))
    if "month_name" in parts:
        month = known.months.get(bare(parts["month_name"]), 0)
    if "weekday" in parts and bare(parts["weekday"]) not in known.days:
        return None
    year = int(parts.get("year", 1))
    if "short_year" in parts:
        short = int(parts["short_year"])
        year = short + (2000 if short <= NEWEST_SHORT_YEAR else 1900)
    hour = int(parts.get("hour", 0))
    if "half_hour" in parts:
        hour = int(parts["half_hour"])
        if not 1 <= hour <= 12:
            return None
        hour %= 12
    if "half" in parts:
        half = bare(parts["half"])
        afternoon = any(name.startswith(half) for name in known.afternoons)
        if not afternoon and not any(name.startswith(half) for name in known.mornings):
            return None
        hour = hour % 12 + 12 * afternoon
    try:
        made = datetime(
            year,
            month,
            int(parts.get("day", 1)),
            hour,
            int(parts.get("minute", 0)),
            int(parts.get("second", 0)),
            int(parts.get("fraction", "0").ljust(6, "0")[:6]),
            tzinfo=_zone(parts.get("zone")),
        )
        return made.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    digits = re.sub(r"\D", "", text or "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if (text or "")[0] == "-" else span)


_TIME = re.compile(
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    rf"(?:\s*(?P<half>[^\W\d_][^\d+-]{{0,6}}?))?\s*(?P<zone>{_ZONE})?",
)
_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,4})[-/. 年년]\s*(\d{1,2})[-/. 月월]\s*(\d{1,4})[.日일]?")
_ORDINALS = frozenset({"st", "nd", "rd", "th", "de", "del", "of", "den"})


def _by_culture(culture: str) -> Reader:
    order = date_order(culture)

    def read(text: str) -> datetime | None:
        text = text.strip()
        for day, time in _divisions(text):
            parts = _day(day, order, culture)
            if parts is None:
                continue
            if time:
                found = _TIME.fullmatch(time)
                if found is None:
                    continue
                told = {key: value for key, value in found.groupdict().items() if value}
                if "half" in told:
                    told["half_hour"] = told.pop("hour")
                parts |= told
            return _made(parts, culture)
        return None

    return read


def _divisions(text: str) -> list[tuple[str, str]]:
    """Return the ways in which a text may consist of a day and a time; the whole as a day comes first."""
    places = [found for found in re.finditer(r"[T,\s]+", text) if re.match(r"\d{1,2}[:.]\d{2}", text[found.end() :])]
    return [(text, ""), *((text[: found.start()], text[found.end() :]) for found in places)]


def _day(text: str, order: str, culture: str) -> dict[str, str] | None:
    found = _ISO.fullmatch(text)
    if found is not None:
        return found.groupdict()
    found = _NUMBERS.fullmatch(text)
    if found is not None:
        numbers = list(found.groups())
        # Whatever the order: what has more than two digits is the year.
        actual = "ymd" if len(numbers[0]) > 2 else order
        parts = dict(zip(actual, numbers, strict=True))
        return _with_year(parts["y"], {"month": parts["m"], "day": parts["d"]})
    return _named(text, culture)


def _with_year(year: str, parts: dict[str, str]) -> dict[str, str] | None:
    if len(year) == 3:
        return None
    return parts | ({"year": year} if len(year) == 4 else {"short_year": year})


def _named(text: str, culture: str) -> dict[str, str] | None:
    """Read a day with the name of its month: 31 January 2024, Jan. 31, 2024, den 31. januar 2024."""
    known = names(culture)
    numbers = re.findall(r"\d+", text)
    words = [bare(word) for word in re.findall(r"[^\W\d_]+", text)]
    months = [word for word in words if word in known.months]
    others = [word for word in words if word not in known.months and word not in known.days | _ORDINALS]
    if len(numbers) != 2 or len(months) != 1 or others:
        return None
    day, year = numbers if len(numbers[0]) <= 2 else (numbers[1], numbers[0])
    return _with_year(year, {"month_name": months[0], "day": day})
