"""Narrowing: for a few chosen local records, a system is only asked for the records that could agree with them.

A few conditions, each with many values, take the place of a request for every record. What comes is compared like any other page,
so a condition may let more through, and none that agrees may be left out: filters compare texts regardless of case and of blanks
at the end, as the comparable forms are.
"""

from __future__ import annotations

import polars as pl

from twinrow.batch.canonical import restore
from twinrow.engine.match.criteria import Criteria, Criterion
from twinrow.engine.match.values import chosen, mask, usable, value
from twinrow.model.filters import Comparison, Filter
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import FieldType

FEW = 200
"""For so many local records conditions are asked; for more, the whole side is read."""

_AT_ONCE = 50
_TIMES = (FieldType.DATE, FieldType.DATETIME)
_NUMBERS = (FieldType.INTEGER, FieldType.OPTION)


def conditions(criteria: Criteria, frame: pl.DataFrame) -> list[Filter] | None:
    """Return conditions of which every integration record that agrees with one of the local records satisfies one.

    `frame` holds the values of the local records (`engine.match.values`). None: there is no such condition.
    """
    asked: dict[int, list[str]] = {}
    for group in criteria.groups:
        rows = frame.filter(usable(group)).with_columns(mask(group).alias("mask"))
        for (bits,), part in rows.partition_by("mask", as_dict=True).items():
            possible = [one for one in chosen(group, int(str(bits))) if _can_be_asked(one, part)]
            if not possible:
                return None
            first = possible[0].plan.index
            asked.setdefault(first, []).extend(part.get_column(value(first)).to_list())
    found: list[Filter] = []
    for index, texts in asked.items():
        field = criteria.all[index].plan.field(Side.INTEGRATION)
        wanted = pl.DataFrame({"text": pl.Series(texts).unique(maintain_order=True)})
        values = wanted.select(restore(pl.col("text"), field)).to_series().to_list()
        portions = (tuple(values[start : start + _AT_ONCE]) for start in range(0, len(values), _AT_ONCE))
        found += [Comparison(field.name, "in", portion) for portion in portions]
    return found


def _can_be_asked(criterion: Criterion, frame: pl.DataFrame) -> bool:
    """Whether all that could equal the values satisfies a condition with them."""
    plan = criterion.plan
    local, integration = plan.field(Side.LOCAL), plan.field(Side.INTEGRATION)
    if criterion.pass_ is not Pass.TO:
        return False
    if not integration.is_text:
        return integration.type in _NUMBERS or (integration.type in _TIMES and local.type is integration.type)
    lengths = [field.max_length for field in (local, integration) if field.max_length is not None]
    if not lengths or integration.max_length == min(lengths):
        return True
    # What is longer over there is compared up to the length of the local field.
    longest = frame.get_column(value(plan.index)).str.len_chars().max()
    return isinstance(longest, int) and longest < min(lengths)
