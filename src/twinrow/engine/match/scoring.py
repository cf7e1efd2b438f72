"""Scores: how probably two records are the same, seen beside everything else that either of them could be.

A pair's weights add up to bits; together with how rare matches are among all pairs, that makes its odds. A record has at
most one counterpart, so the odds of a pair stand against those of all other pairs of its two records, and against there being no
counterpart at all: a pair that is likely by itself is not when another one is as likely. So no two pairs of a record are both
more likely than not, and those above one half are a one-to-one assignment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from twinrow.engine.match.blocks import INTEGRATION, LOCAL, Found, portions, random_pairs
from twinrow.engine.match.measures import EQUAL, LEVELS
from twinrow.engine.match.patterns import compare, level, population
from twinrow.engine.match.stock import Shared, Stock, form
from twinrow.engine.match.weights import Numbers, Weights, equal_bits, estimate, rarity
from twinrow.model.sides import Side

SCORE = "score"
"""The column of a pair's weights together, in bits."""
PROBABILITY = "probability"
OWN = "own"
"""The column of the weights together of those fields that records of different people do not share."""
PLACED = "placed"
"""The column of the weights together of those that tell a place."""
AGAINST = "against"
"""The column that counts how many of the unshared fields speak clearly against a match."""

_PAIRS_AT_ONCE = 250_000
"""So many pairs, or a little more, are compared at a time."""
_SAMPLED = 20_000
"""Weights are estimated from the candidates of so many local records."""
_RANDOM = 300_000
_TRAINING_KEYS = 8
_FURTHER = 0.25
"""What further fields count that tell a shared thing."""
_AGAINST = -2.0
"""Below so many bits a field speaks clearly against a match."""
_FAR_BELOW = 12.0
"""A pair whose odds are so many bits below even is not kept, even if every record had a match."""


def bits(index: int) -> str:
    """Return the column with the weight of a field in bits."""
    return f"bits.{index}"


def learn(stock: Stock, found: list[Found]) -> Weights:
    """Estimate the weights from the stock's own records."""
    fields = len(stock.fields)
    levels = [len(LEVELS[field.kind]) for field in stock.fields]
    possible = max(stock.count(Side.LOCAL) * stock.count(Side.INTEGRATION), 1)
    share = 0.5 * min(stock.count(Side.LOCAL), stock.count(Side.INTEGRATION)) / possible
    whole = compare(stock, random_pairs(stock, min(_RANDOM, possible)))
    populations = [population(whole, fields, share=share)]
    for one in _training(found):
        pairs = next(portions([one], stock.count(Side.LOCAL), _SAMPLED), None)
        if pairs is not None:
            populations.append(population(compare(stock, pairs), fields, one.fields))
    return estimate(populations, levels)


def _training(found: list[Found]) -> list[Found]:
    """Return the keys that divide finest, so that each field is free in some of them."""
    finest = sorted((one for one in found if one.pairs > 1), key=lambda one: (one.pairs, one.fields))
    chosen: list[Found] = []
    for one in finest:
        used = [field for other in chosen for field in other.fields]
        if all(used.count(field) < 2 for field in one.fields):
            chosen.append(one)
    return chosen[:_TRAINING_KEYS]


def score(stock: Stock, found: list[Found], weights: Weights) -> Iterator[pl.DataFrame]:
    """Yield the pairs that could be matches at all: the pair's columns, `level.i`, `bits.i` and `score`."""
    floor = np.log2(max(stock.count(Side.LOCAL), stock.count(Side.INTEGRATION), 1)) - _FAR_BELOW
    each = sum(one.pairs for one in found) / max(stock.count(Side.LOCAL), 1)
    for pairs in portions(found, stock.count(Side.LOCAL), max(int(_PAIRS_AT_ONCE / max(each, 1)), 1)):
        scored = weigh(stock, compare(stock, pairs), weights)
        yield scored.filter(pl.col(SCORE) > floor)


def weigh(stock: Stock, patterns: pl.DataFrame, weights: Weights) -> pl.DataFrame:
    """Add `bits.i` and their sum, `score`, to patterns, and what the fields say that belong to a record alone."""
    own = [index for index, field in enumerate(stock.fields) if field.shared is None]
    placed = [index for index, field in enumerate(stock.fields) if field.shared is Shared.PLACE]
    records = stock.count(Side.LOCAL) + stock.count(Side.INTEGRATION)
    columns = []
    for index in range(len(stock.fields)):
        told = np.append(weights.bits(index), 0.0)[patterns.get_column(level(index)).to_numpy()]
        equal = patterns.get_column(level(index)).to_numpy() == EQUAL
        if equal.any():
            codes = (
                stock.codes[Side.LOCAL]
                .get_column(form(index))
                .gather(patterns.get_column(LOCAL).filter(pl.Series(equal)))
            )
            told[equal] = equal_bits(weights, index, rarity(stock.counts[index][codes.to_numpy()], records))
        columns.append(pl.Series(bits(index), told))
    weighed = patterns.with_columns(_shared_counted(stock, columns))
    return weighed.with_columns(
        pl.sum_horizontal(bits(index) for index in range(len(stock.fields))).alias(SCORE),
        pl.sum_horizontal(pl.lit(0.0), *(bits(index) for index in own)).alias(OWN),
        pl.sum_horizontal(pl.lit(0.0), *(bits(index) for index in placed)).alias(PLACED),
        pl.sum_horizontal(pl.lit(0), *((pl.col(bits(index)) < _AGAINST).cast(pl.Int32) for index in own)).alias(
            AGAINST
        ),
    )


def _shared_counted(stock: Stock, columns: list[pl.Series]) -> list[pl.Series]:
    """Count, of the fields that tell one shared thing, only the one in full that speaks most for a match.

    Who has the street in common has the city, too. Against a match each of them may speak.
    """
    counted = list(columns)
    for shared in Shared:
        members = [index for index, field in enumerate(stock.fields) if field.shared is shared]
        if len(members) < 2:
            continue
        told = np.column_stack([columns[index].to_numpy() for index in members])
        strongest = told.argmax(axis=1)
        for place, index in enumerate(members):
            less = np.where(told[:, place] > 0, told[:, place] * _FURTHER, told[:, place])
            counted[index] = pl.Series(bits(index), np.where(strongest == place, told[:, place], less))
    return counted


def judge(scored: pl.DataFrame, records: Mapping[Side, int], learned_from: int) -> pl.DataFrame:
    """Add `probability` to all scored pairs; how many matches there are comes from the pairs themselves.

    `records` are so many on each side now; `learned_from` so many were on both together when the weights were learned. Few that
    are left over are not more likely to match than they were among the many.
    """
    if scored.is_empty():
        return scored.with_columns(pl.lit(None, dtype=pl.Float64).alias(PROBABILITY))
    possible = float(records[Side.LOCAL]) * records[Side.INTEGRATION]
    local, integration = (_numbered(scored.get_column(side)) for side in (LOCAL, INTEGRATION))
    strength = np.exp2(scored.get_column(SCORE).to_numpy())
    possible = max(possible, learned_from / 2 * min(records.values()))
    matches = float(min(records.values()))
    for _ in range(20):
        probability = _against_rivals(strength * (matches / possible), local, integration)
        before, matches = matches, max(float(probability.sum()), 1.0)
        if abs(matches - before) < 1e-3 * before:
            break
    return scored.with_columns(pl.Series(PROBABILITY, probability))


def _numbered(rows: pl.Series) -> NDArray[np.int64]:
    return rows.rank("dense").cast(pl.Int64).to_numpy() - 1


def _against_rivals(odds: Numbers, local: NDArray[np.int64], integration: NDArray[np.int64]) -> Numbers:
    by_local = np.bincount(local, weights=odds)[local]
    by_integration = np.bincount(integration, weights=odds)[integration]
    result: Numbers = odds / (1 + by_local + np.maximum(by_integration - odds, 0))
    return result
