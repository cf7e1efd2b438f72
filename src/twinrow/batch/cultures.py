"""How texts, numbers and dates are written in a culture: a language, mostly with its country, for example da-DK.

What cultures do comes from the Unicode Common Locale Data Repository, through `babel`. Everything here works on single values:
the rules that need it run once for each distinct value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from twinrow.model.errors import UnknownName

_WORD = re.compile(r"[^\W_][\w'’]*")
_BLANKS = (" ", "\u00a0", "\u202f")
_APOSTROPHES = ("'", "’")
_MINUS = "-−\u2010\u2011"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of a culture, in lower case, without points: months by name, days of the week, halves of the day."""

    months: dict[str, int]
    days: frozenset[str]
    mornings: frozenset[str]
    afternoons: frozenset[str]


def culture_problem(name: str) -> str | None:
    """Say why there is no such culture, or nothing."""
    try:
        _locale(name)
    except UnknownName as error:
        return f"{error.message}. {error.remedy}"
    return None


@cache
def _locale(name: str) -> Any:
    from babel import Locale, UnknownLocaleError
    from babel.localedata import locale_identifiers

    try:
        return Locale.parse(name, sep="-")
    except (UnknownLocaleError, ValueError):
        known = [identifier.replace("_", "-") for identifier in locale_identifiers()]
        raise UnknownName("culture", name, known) from None


def title_case(text: str, culture: str) -> str:
    """Return the text with a capital letter at the beginning of each word; words wholly in capitals stay as they are."""
    language = _locale(culture).language

    def capital(found: re.Match[str]) -> str:
        word = found.group()
        if len(word) > 1 and word.isupper():
            return word
        lowered = word.replace("İ", "i").replace("I", "ı").lower() if language in ("tr", "az") else word.lower()
        if language == "nl" and lowered.startswith("ij"):
            return "IJ" + lowered[2:]
        first = "İ" if language in ("tr", "az") and lowered[0] == "i" else lowered[0].title()
        return first + lowered[1:]

    return _WORD.sub(capital, text)


def parse_decimal(text: str, culture: str) -> Decimal | None:
    """Return the number that a text is as the culture writes it; None where it is none.

    Digits are grouped as the culture does, or not at all: 1.5 is no number in a culture whose groups are parted by points.
    """
    pattern = _number(culture)
    found = pattern.fullmatch(text.strip())
    if found is None:
        return None
    whole = re.sub(r"[^\d]", "", found["whole"])
    sign = "-" if found["before"] or found["after"] or found["open"] else ""
    if bool(found["open"]) != bool(found["close"]) or (found["before"] and found["after"]):
        return None
    try:
        return Decimal(f"{sign}{whole}.{found['fraction'] or '0'}{found['exponent'] or ''}")
    except InvalidOperation:
        return None


@cache
def _number(culture: str) -> re.Pattern[str]:
    from babel.numbers import get_decimal_symbol, get_group_symbol

    locale = _locale(culture)
    group, point = get_group_symbol(locale), get_decimal_symbol(locale)
    alike = next((some for some in (_BLANKS, _APOSTROPHES) if group in some), (group,))
    groups = "[" + "".join(re.escape(one) for one in alike) + "]"
    return re.compile(
        rf"(?P<open>\()?\s*(?P<before>[{_MINUS}])?\+?\s*"
        rf"(?P<whole>\d+|\d{{1,3}}(?:{groups}\d{{2,3}})*{groups}\d{{3}})"
        rf"(?:{re.escape(point)}(?P<fraction>\d*))?(?P<exponent>[eE][+-]?\d{{1,3}})?"
        rf"\s*(?P<after>[{_MINUS}])?(?P<close>\))?"
    )


@cache
def names(culture: str) -> Names:
    """Return the names of months, days and halves of the day."""
    from babel.dates import get_day_names, get_month_names, get_period_names

    locale = _locale(culture)
    months: dict[str, int] = {}
    days: set[str] = set()
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            months |= {bare(name): number for number, name in get_month_names(width, context, locale).items()}
            days |= {bare(name) for name in get_day_names(width, context, locale).values()}
    periods = get_period_names("wide", "format", locale), get_period_names("abbreviated", "format", locale)
    mornings = {bare(one["am"]) for one in periods if "am" in one} | {"am"}
    afternoons = {bare(one["pm"]) for one in periods if "pm" in one} | {"pm"}
    return Names(months, frozenset(days), frozenset(mornings), frozenset(afternoons))


def bare(name: str) -> str:
    """Return a name as it is compared: in lower case, without points and blanks."""
    return re.sub(r"[.\s\u00a0\u202f]", "", name).lower()


@cache
def date_order(culture: str) -> str:
    """Return the order of day, month and year in the culture's short dates, for example `mdy`."""
    pattern = str(_locale(culture).date_formats["short"].pattern)
    return "".join(dict.fromkeys(letter for letter in pattern.lower() if letter in "dmy"))
