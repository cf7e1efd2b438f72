"""Weights: how much each level of agreement speaks for two records being the same, estimated from the records themselves.

The model is that of Fellegi and Sunter. For each field, `m` is how often pairs of one and the same thing come to a level, `u` how
often pairs of different things do; the weight of a level is log2(m/u), in bits, and weights of fields add up. Neither is known
beforehand. Expectation maximization finds both: it begins with a guess, says of each pattern of levels how probably it
belongs to a match, counts the levels anew with these probabilities, and repeats that until nothing moves.

Patterns come from several *populations* of pairs: a random one, in which hardly any pair is a match, and one for each way of
finding pairs. Within a population found by equal dates of birth these dates say nothing, so they are left out of it there.
Every population has a share of matches and a `u` of its own, because those that were found by one field agree more often in
others, too; `m` is common to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinrow.engine.match.measures import EQUAL, UNKNOWN

Numbers = NDArray[np.float64]

_ROUNDS = 200
_STILL = 1e-5
_GUESS_EQUAL = 0.8
_ASSUMED = 10.0
"""So many matches are taken for seen beforehand, spread like the guess: a few records do not teach what many would."""
_RARE = 0.5
"""So many pairs of different things are taken for seen at each level: what no sample has is rare, not impossible."""
_MOST_BITS = 24.0
"""No weight says more than that, for or against."""


@dataclass(frozen=True, slots=True)
class Population:
    """Pairs of one origin, by pattern: a row of levels for each pattern (a column for each field), and how many pairs have it.

    `left_out` are the fields by which they were found. `share` is the share of matches where it is known.
    """

    patterns: NDArray[np.int8]
    counts: Numbers
    left_out: frozenset[int] = frozenset()
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """For each field the probability of each level, among matches (`m`) and among others (`u`)."""

    m: tuple[Numbers, ...]
    u: tuple[Numbers, ...]

    def bits(self, field: int) -> Numbers:
        """Return the weight of each level of a field, in bits."""
        return _within(np.log2(self.m[field] / self.u[field]))


def estimate(populations: Sequence[Population], levels: Sequence[int]) -> Weights:
    """Return the weights that fit the populations best; the first one is the random one, which alone tells `u`.

    `levels` is how many levels each field has. A field that no population tells anything of has weights near 0.
    """
    m = [_guess(count) for count in levels]
    assumed = [_ASSUMED * guess for guess in m]
    own = [[_shares(_count(one, one.counts, f, count), _RARE) for f, count in enumerate(levels)] for one in populations]
    shares = [one.share if one.share is not None else 0.2 for one in populations]
    for _ in range(_ROUNDS):
        before = m
        matched = [
            _posterior(one, m, u, share) * one.counts for one, u, share in zip(populations, own, shares, strict=True)
        ]
        m = [
            _shares(
                sum(
                    (
                        _count(one, w, f, count)
                        for one, w in zip(populations, matched, strict=True)
                        if f not in one.left_out
                    ),
                    np.zeros(count),
                ),
                assumed[f],
            )
            for f, count in enumerate(levels)
        ]
        own = [
            [_shares(_count(one, one.counts - w, f, count), _RARE) for f, count in enumerate(levels)]
            for one, w in zip(populations, matched, strict=True)
        ]
        shares = [
            one.share if one.share is not None else float(w.sum() / max(one.counts.sum(), 1.0))
            for one, w in zip(populations, matched, strict=True)
        ]
        if max(float(np.abs(new - old).max()) for new, old in zip(m, before, strict=True)) < _STILL:
            break
    return Weights(tuple(m), tuple(own[0]))


def _guess(levels: int) -> Numbers:
    """Begin with matches that mostly agree, and less often the less they do."""
    rest = np.arange(levels - 1, 0, -1, dtype=np.float64)
    return np.concatenate([[_GUESS_EQUAL], (1 - _GUESS_EQUAL) * rest / rest.sum()])


def _count(one: Population, weights: Numbers, field: int, levels: int) -> Numbers:
    column = one.patterns[:, field]
    known = column != UNKNOWN
    return np.bincount(column[known], weights=weights[known], minlength=levels).astype(np.float64)


def _shares(counts: Numbers, assumed: Numbers | float) -> Numbers:
    smooth = counts + assumed
    result: Numbers = smooth / smooth.sum()
    return result


def _posterior(one: Population, m: Sequence[Numbers], u: Sequence[Numbers], share: float) -> Numbers:
    """Return for each pattern how probably a pair with it is a match."""
    share = min(max(share, 1e-9), 1 - 1e-9)
    total = np.full(one.counts.shape, np.log(share / (1 - share)))
    for field in range(one.patterns.shape[1]):
        if field in one.left_out:
            continue
        column = one.patterns[:, field]
        # The last entry is for what is unknown (-1), which speaks neither for nor against.
        table = np.append(np.log(m[field] / u[field]), 0.0)
        total += table[column]
    result: Numbers = 1 / (1 + np.exp(-np.clip(total, -700, 700)))
    return result


def rarity(counts: NDArray[np.int64], records: int) -> Numbers:
    """Return how probably a record that is another thing has the same value, by how often values occur on both sides together.

    The two records of a match have it themselves, and one more occurrence is assumed: a value is not impossible elsewhere
    because it was not seen there.
    """
    others: Numbers = np.maximum(counts - 2, 0) + 1.0
    return others / max(records, 1)


def equal_bits(weights: Weights, field: int, frequency: Numbers) -> Numbers:
    """Return the weight of equal values by their frequency (`rarity`): a rare name says more than a common one."""
    return _within(np.log2(weights.m[field][EQUAL] / frequency))


def _within(bits: Numbers) -> Numbers:
    result: Numbers = np.clip(bits, -_MOST_BITS, _MOST_BITS)
    return result
