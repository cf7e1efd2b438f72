"""Measures: how alike two values are, as a level of a few.

Level 0 is the best, the last one means that the values differ; `UNKNOWN` stands where either side says nothing. A level is what
Fellegi and Sunter call an agreement pattern's component: its weight is estimated from the data (`engine.match.weights`).
Names are held together by Jaro and Winkler's measure, several words by the words they have in common, numbers and dates by the
slips of whoever types them: a character wrong, missing, doubled, or exchanged with its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from twinrow.model.mapping import Compare

UNKNOWN = -1
EQUAL = 0
ELSEWHERE = "it stands in another field"

Levels = NDArray[np.int8]
Texts = Sequence[str]

_VERY_ALIKE, _ALIKE = 0.92, 0.82
_WORDS_VERY_ALIKE, _WORDS_ALIKE = 0.90, 0.75

_NAME = ("equal", ELSEWHERE, "very alike", "alike", "different")
_WORDS = ("equal", ELSEWHERE, "same words", "very alike", "alike", "different")
_TYPED = ("equal", "one slip", "two slips", "different")

LEVELS: dict[Compare, tuple[str, ...]] = {
    Compare.NAME: _NAME,
    Compare.COMPANY: _WORDS,
    Compare.ADDRESS: _WORDS,
    Compare.TEXT: _WORDS,
    Compare.PHONE: _TYPED,
    Compare.NUMBER: _TYPED,
    Compare.DATE: ("equal", "day and month exchanged", "one slip", "two slips", "different"),
    Compare.EMAIL: ("equal", "same name before the @", "very alike", "different"),
}
"""What the levels of each kind of field mean, for people."""

WANDERING = frozenset(kind for kind, levels in LEVELS.items() if ELSEWHERE in levels)
"""The kinds whose values people enter into the wrong field: first and last name, two lines of an address."""


def levels_of(kind: Compare, left: Texts, right: Texts) -> Levels:
    """Return the level of each pair of normal forms, none of which are equal or blank. Pairs stand side by side."""
    return _MEASURES[kind](left, right)


def _each(scorer: Callable[..., float], left: Texts, right: Texts, **more: Any) -> NDArray[Any]:
    return process.cpdist(left, right, scorer=scorer, workers=-1, **more)


def _name(left: Texts, right: Texts) -> Levels:
    alike = _each(JaroWinkler.similarity, left, right, dtype=np.float32)
    return np.select([alike >= _VERY_ALIKE, alike >= _ALIKE], [2, 3], 4).astype(np.int8)


def _words(left: Texts, right: Texts) -> Levels:
    in_order = _each(fuzz.token_sort_ratio, left, right, dtype=np.float32) / 100
    letters = _each(JaroWinkler.similarity, left, right, dtype=np.float32)
    # A name that holds all words of the other one says more or less, but nothing else.
    within = _each(fuzz.token_set_ratio, left, right, dtype=np.float32) == 100
    best = np.maximum(in_order, np.where(letters >= _VERY_ALIKE, letters, 0))
    levels = [in_order == 1, best >= _WORDS_VERY_ALIKE, (best >= _WORDS_ALIKE) | within]
    return np.select(levels, [2, 3, 4], 5).astype(np.int8)


def _typed(left: Texts, right: Texts) -> Levels:
    slips = _each(OSA.distance, left, right, dtype=np.int32)
    short = np.minimum(_lengths(left), _lengths(right))
    return np.select([(slips == 1) & (short >= 2), (slips == 2) & (short >= 5)], [1, 2], 3).astype(np.int8)


def _date(left: Texts, right: Texts) -> Levels:
    frame = pl.DataFrame({"left": left, "right": right}, schema={"left": pl.String, "right": pl.String})
    year, month, day = (pl.col("left").str.slice(*part) for part in ((0, 4), (4, 2), (6, 2)))
    turned = frame.select(pl.concat_str(year, day, month) == pl.col("right")).to_series().to_numpy()
    slips = _each(OSA.distance, left, right, dtype=np.int32)
    return np.select([turned, slips == 1, slips == 2], [1, 2, 3], 4).astype(np.int8)


def _email(left: Texts, right: Texts) -> Levels:
    names = pl.DataFrame({"left": left, "right": right}, schema={"left": pl.String, "right": pl.String})
    before = [pl.col(side).str.split("@").list.first() for side in ("left", "right")]
    same = names.select(before[0] == before[1]).to_series().to_numpy()
    alike = _each(JaroWinkler.similarity, left, right, dtype=np.float32)
    slips = _each(OSA.distance, left, right, dtype=np.int32)
    return np.select([same, (alike >= _VERY_ALIKE) & (slips <= 2)], [1, 2], 3).astype(np.int8)


def _lengths(texts: Texts) -> NDArray[np.int64]:
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


_MEASURES: dict[Compare, Callable[[Texts, Texts], Levels]] = {
    Compare.NAME: _name,
    Compare.COMPANY: _words,
    Compare.ADDRESS: _words,
    Compare.TEXT: _words,
    Compare.PHONE: _typed,
    Compare.NUMBER: _typed,
    Compare.DATE: _date,
    Compare.EMAIL: _email,
}
