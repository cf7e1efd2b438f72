"""Slips: the errors that people make when they write somebody down a second time, as they stand in FEBRL's data set 3.

`python -m bench.slips` measures them anew and writes `slips.json`. A *profile* says for each field how its second form came
about: equal, left out, one character changed in some way, several, exchanged with another field, or something else altogether.
Profiles are kept whole, with how often each occurs, because errors come together: who has moved has another street and another
city.
"""

from __future__ import annotations

import json
import random
import string
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from rapidfuzz.distance import OSA

from bench.febrl import FIELDS, read_febrl

FILE = Path(__file__).with_name("slips.json")
EQUAL, BLANK, EXCHANGED, OTHER, SEVERAL = "equal", "blank", "exchanged", "other", "several"
ONE = ("insert", "delete", "replace", "transpose", "space")
KINDS = (EQUAL, BLANK, EXCHANGED, OTHER, SEVERAL, *ONE)
"""A profile is written with a digit for each field: its place here. Where FEBRL had nothing to begin with, nothing changes."""
_PARTNERS = {"given_name": "surname", "surname": "given_name", "address_1": "address_2", "address_2": "address_1"}


class Slips:
    """Makes slips as they were measured; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        told: dict[str, int] = json.loads(FILE.read_text(encoding="utf-8"))["profiles"]
        self._profiles, self._counts = list(told), list(told.values())

    def write(self, values: Mapping[str, str], stranger: Mapping[str, str]) -> dict[str, str | None]:
        """Return how somebody is written down again, by FEBRL's fields; `stranger` is somebody else, where a value is another."""
        (profile,) = self._chance.choices(self._profiles, self._counts)
        kinds = {field: KINDS[int(digit)] for field, digit in zip(FIELDS, profile, strict=True)}
        return {field: self._written(field, kinds[field], values, stranger) for field in values}

    def _written(self, field: str, kind: str, values: Mapping[str, str], stranger: Mapping[str, str]) -> str | None:
        value = values[field]
        if kind == BLANK:
            return None
        if kind == EXCHANGED and (partner := values.get(_PARTNERS.get(field, ""))):
            return partner
        if kind in (OTHER, EXCHANGED):
            return stranger[field]
        if kind == EQUAL or not value:
            return value
        if kind == SEVERAL:
            return self._slip(self._slip(value, self._chance.choice(ONE)), self._chance.choice(ONE))
        return self._slip(value, kind)

    def _slip(self, value: str, kind: str) -> str:
        letters = string.ascii_lowercase if any(map(str.isalpha, value)) else string.digits
        at = self._chance.randrange(len(value)) if value else 0
        match kind:
            case "insert":
                return value[:at] + self._chance.choice(letters) + value[at:]
            case "delete" if len(value) > 1:
                return value[:at] + value[at + 1 :]
            case "transpose" if len(value) > 1:
                at = min(at, len(value) - 2)
                return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
            case "space":
                return value.replace(" ", "", 1) if " " in value else f"{value[:at]} {value[at:]}".strip()
            case _:
                return value[:at] + self._chance.choice(letters) + value[at + 1 :]


def measure() -> dict[str, int]:
    """Return the profiles of the duplicates in FEBRL's data set 3, and how often each occurs."""
    whole = read_febrl("dataset3")
    people = whole.filter(pl.col("rec_id").str.contains("-org"))
    again = whole.filter(pl.col("rec_id").str.contains("-dup-"))
    counts: Counter[str] = Counter()
    for row in people.join(again, on="truth", suffix=".again").iter_rows(named=True):
        kinds = []
        for field in FIELDS:
            others = {row[other] for other in FIELDS if other != field}
            kinds.append(_kind(row[field], row[f"{field}.again"], others) if row[field] is not None else EQUAL)
        counts["".join(str(KINDS.index(kind)) for kind in kinds)] += 1
    return dict(sorted(counts.items()))


def _kind(value: str, again: str | None, others: set[str | None]) -> str:
    if again is None:
        return BLANK
    if again == value:
        return EQUAL
    if again in others:
        return EXCHANGED
    if again.replace(" ", "") == value.replace(" ", ""):
        return "space"
    if OSA.distance(value, again) == 1:
        if len(again) != len(value):
            return "insert" if len(again) > len(value) else "delete"
        return "transpose" if sorted(again) == sorted(value) else "replace"
    return SEVERAL if OSA.normalized_similarity(value, again) >= 0.5 else OTHER


if __name__ == "__main__":
    content = {"from": "FEBRL data set 3, 3,000 duplicates of 2,000 people", "profiles": measure()}
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
