"""Made-up people in two lists, with FEBRL's fields and FEBRL's slips: as many as one likes, and it is known who is who.

Names, streets and places are put together from syllables, and some are much more common than others, as in life.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate

import polars as pl

from bench.febrl import FIELDS
from bench.slips import Slips

_BEGINNINGS = [
    "bar",
    "ben",
    "cal",
    "dal",
    "eller",
    "fen",
    "gar",
    "hol",
    "jen",
    "kel",
    "lan",
    "mar",
    "nor",
    "or",
    "pem",
    "quin",
    "ros",
    "sal",
    "tan",
    "un",
    "ver",
    "wel",
    "yar",
    "zan",
]
_MIDDLES = ["a", "e", "i", "o", "u", "an", "en", "in", "on", "ar", "er", "or", "el", "il"]
_ENDINGS = [
    "berg",
    "by",
    "dale",
    "den",
    "ford",
    "ham",
    "land",
    "ley",
    "man",
    "mont",
    "more",
    "ney",
    "ridge",
    "son",
    "stad",
    "ster",
    "ton",
    "ville",
    "well",
    "wood",
]
_STREETS = ["street", "road", "avenue", "place", "court", "crescent", "drive", "lane", "circuit", "close"]
_STATES = {"nsw": 35, "vic": 27, "qld": 18, "wa": 9, "sa": 7, "tas": 2, "act": 1, "nt": 1}
_FIRST_DAY, _DAYS = date(1920, 1, 1), 30_000


class _Vocabulary:
    """So many words, of which the n-th is n times as rare as the first."""

    def __init__(self, chance: random.Random, count: int, *, flat: float = 10.0) -> None:
        words: dict[str, None] = {}
        while len(words) < count:
            middle = chance.choice(_MIDDLES) if len(words) % 3 else chance.choice(_MIDDLES) + chance.choice(_BEGINNINGS)
            words[chance.choice(_BEGINNINGS) + middle + chance.choice(_ENDINGS)] = None
        self._words = list(words)
        self._weights = list(accumulate(1 / (place + flat) for place in range(count)))

    def draw(self, chance: random.Random) -> str:
        (word,) = chance.choices(self._words, cum_weights=self._weights)
        return word


class World:
    """Makes people and what was written down of them; the same ones for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._slips = Slips(seed)
        self._given = _Vocabulary(self._chance, 800)
        self._surnames = _Vocabulary(self._chance, 6_000)
        self._streets = _Vocabulary(self._chance, 3_000)
        self._houses = _Vocabulary(self._chance, 4_000)
        suburbs = _Vocabulary(self._chance, 1_500, flat=100.0)
        states = self._chance.choices(list(_STATES), list(_STATES.values()), k=1_500)
        self._suburbs = [
            (suburbs.draw(self._chance), f"{self._chance.randrange(800, 9000):04}", state) for state in states
        ]

    def person(self) -> dict[str, str]:
        """Return somebody new."""
        chance = self._chance
        suburb, postcode, state = chance.choice(self._suburbs)
        return {
            "given_name": self._given.draw(chance),
            "surname": self._surnames.draw(chance),
            "street_number": str(int(chance.triangular(1, 300, 1))),
            "address_1": f"{self._streets.draw(chance)} {chance.choice(_STREETS)}",
            "address_2": self._houses.draw(chance) if chance.random() < 0.6 else "",
            "suburb": suburb,
            "postcode": postcode,
            "state": state,
            "date_of_birth": (_FIRST_DAY + timedelta(chance.randrange(_DAYS))).strftime("%Y%m%d"),
        }

    def again(self, person: dict[str, str]) -> dict[str, str | None]:
        """Return how a person is written down a second time."""
        return self._slips.write(person, self.person())

    def lists(self, count: int, both: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return two lists of so many people each, of whom `both` are in both: `truth` and FEBRL's fields."""
        local = [(str(number), self.person()) for number in range(count)]
        shared = self._chance.sample(local, both)
        integration = [(truth, self.again(person)) for truth, person in shared]
        integration += [(str(count + number), self.again(self.person())) for number in range(count - both)]
        self._chance.shuffle(integration)
        return _frame(local), _frame(integration)


def _frame(people: list[tuple[str, dict[str, str]]] | list[tuple[str, dict[str, str | None]]]) -> pl.DataFrame:
    def rows() -> Iterator[list[str | None]]:
        for truth, person in people:
            yield [truth, *((person[field] or None) for field in FIELDS)]

    return pl.DataFrame(list(rows()), schema=dict.fromkeys(("truth", *FIELDS), pl.String), orient="row")
