"""Two writers of one field: within a mapping, and across mappings of one table whose records may be the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from twinrow.actions.mapping_check.surroundings import Row, Surroundings, passes
from twinrow.model.disjoint import disjoint
from twinrow.model.errors import FilterError, MappingProblem
from twinrow.model.filters import parse_filter
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side


def check_writers_within(mapping: TableMapping, rows: Sequence[Row]) -> Iterator[MappingProblem]:
    """Yield the fields that two rows of a mapping write."""
    for side in Side:
        first: dict[str, Row] = {}
        for row in _writing(mapping, rows, side):
            name = row[side].name
            other = first.setdefault(name, row)
            if other is not row:
                yield MappingProblem(
                    f"{name} of {mapping.table(side)} is written by {other.key} too.",
                    "Disable one of them, or let it go the other way.",
                    mapping.name,
                    row.key,
                )


def check_writers_across(
    mappings: Sequence[TableMapping], rows: Mapping[str, Sequence[Row]], surroundings: Surroundings
) -> Iterator[MappingProblem]:
    """Yield the fields that two mappings write, where nothing tells that a record cannot be in both."""
    for first, second in combinations(mappings, 2):
        for side in Side:
            if first.table(side) != second.table(side):
                continue
            shared = _shared_fields(first, second, rows, side)
            if not shared or _exclude_each_other(first, second, side, surroundings):
                continue
            yield MappingProblem(
                f"{second.name} and {first.name} may both write the same records of {first.table(side)}: "
                f"{', '.join(shared)}.",
                f"Give each of them its {side.value}_filter, so that no record is in both, or disable the fields in one of them.",
                second.name,
                f"{side.value}_filter",
            )


def _shared_fields(
    first: TableMapping, second: TableMapping, rows: Mapping[str, Sequence[Row]], side: Side
) -> list[str]:
    by_name = {row[side].name: row.mapping for row in _writing(first, rows.get(first.name, ()), side)}
    shared = []
    for row in _writing(second, rows.get(second.name, ()), side):
        name = row[side].name
        other = by_name.get(name)
        same_constant = other is not None and other.is_constant and other.constant == row.mapping.constant
        if other is not None and not same_constant:
            shared.append(name)
    return shared


def _exclude_each_other(first: TableMapping, second: TableMapping, side: Side, surroundings: Surroundings) -> bool:
    try:
        filters = [parse_filter(mapping.filter(side), surroundings.variables) for mapping in (first, second)]
    except FilterError:
        # The filter is told as a problem of its own: nothing can be said about its records.
        return True
    return disjoint(*filters)


def _writing(mapping: TableMapping, rows: Sequence[Row], side: Side) -> Iterator[Row]:
    for row in rows:
        if any(pass_.destination is side for pass_ in passes(mapping, row.mapping)):
            yield row
