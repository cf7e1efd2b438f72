"""Weights: expectation maximization finds the probabilities by which patterns were made, without being told the matches."""

from __future__ import annotations

import numpy as np
import pytest

from twinrow.engine.match.measures import UNKNOWN
from twinrow.engine.match.weights import Population, Weights, equal_bits, estimate, rarity

M = (np.array([0.90, 0.07, 0.03]), np.array([0.75, 0.20, 0.05]), np.array([0.85, 0.15]), np.array([0.95, 0.05]))
U = (np.array([0.01, 0.04, 0.95]), np.array([0.02, 0.08, 0.90]), np.array([0.10, 0.90]), np.array([0.05, 0.95]))


def drawn(
    pairs: int, share: float, seed: int, left_out: tuple[int, ...] = (), known: float | None = None
) -> Population:
    """Return pairs whose levels were drawn by the probabilities above; a tenth of the values are blank."""
    chance = np.random.default_rng(seed)
    matched = chance.random(pairs) < share
    columns = []
    for m, u in zip(M, U, strict=True):
        levels = np.where(matched, chance.choice(len(m), pairs, p=m), chance.choice(len(u), pairs, p=u))
        columns.append(np.where(chance.random(pairs) < 0.1, UNKNOWN, levels))
    for field in left_out:
        columns[field] = np.zeros(pairs, dtype=np.int64)
    patterns, counts = np.unique(np.column_stack(columns).astype(np.int8), axis=0, return_counts=True)
    return Population(patterns, counts.astype(np.float64), frozenset(left_out), known)


@pytest.fixture(scope="module")
def learned() -> Weights:
    populations = [
        drawn(400_000, 0.0002, 1, known=0.0002),
        drawn(20_000, 0.35, 2, (0,)),
        drawn(20_000, 0.10, 3, (1,)),
        drawn(20_000, 0.60, 4, (2, 3)),
    ]
    return estimate(populations, [len(m) for m in M])


def test_the_probabilities_are_found_again(learned: Weights) -> None:
    for field in range(len(M)):
        assert learned.m[field] == pytest.approx(M[field], abs=0.02)
        assert learned.u[field] == pytest.approx(U[field], abs=0.005)


def test_agreement_speaks_for_a_match_and_difference_against(learned: Weights) -> None:
    for field in range(len(M)):
        assert learned.bits(field)[0] > 0 > learned.bits(field)[-1]
        assert learned.bits(field) == pytest.approx(np.log2(M[field] / U[field]), abs=0.6)


def test_a_field_of_which_nothing_is_known_says_nothing_wild() -> None:
    blank = Population(np.full((1, 2), UNKNOWN, dtype=np.int8), np.array([50.0]))
    weights = estimate([blank], [3, 3])
    assert all(abs(bits) < 3 for field in range(2) for bits in weights.bits(field))


def test_a_rare_value_says_more_than_a_common_one(learned: Weights) -> None:
    told = equal_bits(learned, 0, rarity(np.array([2, 3, 500]), 10_000))
    assert told[0] > told[1] > told[2] > 0
    # Equal values of the only two records that have them say no more than the number of records can bear out.
    assert told[0] == pytest.approx(np.log2(0.9 * 10_000), abs=0.1)
