"""Patterns: what comparing two records comes to, field by field.

A frame of patterns has the pair's columns and for each field its level (`level.i`, `measures.UNKNOWN` where a side is blank).
Pairs are compared by columns.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from twinrow.engine.match.measures import EQUAL, UNKNOWN, WANDERING, levels_of
from twinrow.engine.match.stock import Stock, form
from twinrow.engine.match.weights import Population
from twinrow.model.mapping import Compare
from twinrow.model.sides import Side

_ELSEWHERE = 1
"""The level of a value that stands in another field, in the kinds that have one."""


def level(index: int) -> str:
    """Return the column with the level of a field."""
    return f"level.{index}"


def compare(stock: Stock, pairs: pl.DataFrame) -> pl.DataFrame:
    """Add the level of each field to pairs of records (`local`, `integration`)."""
    codes = {side: stock.codes[side][pairs.get_column(side.value)] for side in Side}
    return pairs.with_columns(_levels(stock, codes, index).alias(level(index)) for index in range(len(stock.fields)))


def _levels(stock: Stock, codes: dict[Side, pl.DataFrame], index: int) -> pl.Series:
    kind = stock.fields[index].kind
    local, integration = (codes[side].get_column(form(index)) for side in Side)
    known = local.is_not_null() & integration.is_not_null()
    differ = known & (local != integration).fill_null(False)
    levels = np.where(known.to_numpy(), EQUAL, UNKNOWN).astype(np.int8)
    levels[differ.to_numpy()] = _measured(stock, kind, local.filter(differ), integration.filter(differ))
    others = [
        other for other, field in enumerate(stock.fields) if field.kind is kind and other != index and kind in WANDERING
    ]
    if not others:
        return pl.Series(levels)
    moved = np.zeros(len(levels), dtype=np.bool_)
    for other in others:
        for side in Side:
            same = codes[side].get_column(form(index)) == codes[side.other].get_column(form(other))
            moved |= same.fill_null(False).to_numpy()
    return pl.Series(np.where(moved & (levels > EQUAL), _ELSEWHERE, levels).astype(np.int8))


def _measured(stock: Stock, kind: Compare, local: pl.Series, integration: pl.Series) -> NDArray[np.int8]:
    """Return the levels of values that differ, given as codes; where there are few values, each two are compared once."""
    forms = stock.forms[kind]
    if forms.len() ** 2 > local.len():
        return levels_of(kind, forms.gather(local).to_list(), forms.gather(integration).to_list())
    pairs = local.cast(pl.UInt64) * forms.len() + integration
    each = pairs.unique().sort()
    measured = levels_of(kind, forms.gather(each // forms.len()).to_list(), forms.gather(each % forms.len()).to_list())
    result: NDArray[np.int8] = measured[each.search_sorted(pairs).to_numpy()]
    return result


def population(
    patterns: pl.DataFrame, fields: int, left_out: tuple[int, ...] = (), share: float | None = None
) -> Population:
    """Return pairs as a population for the estimation of weights: each pattern once, with the number of its pairs."""
    names = [level(index) for index in range(fields)]
    counted = patterns.group_by(names).len("@pairs").sort(names)
    return Population(
        counted.select(names).to_numpy().astype(np.int8),
        counted.get_column("@pairs").to_numpy().astype(np.float64),
        frozenset(left_out),
        share,
    )
