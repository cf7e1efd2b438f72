"""Filters against their tables: variables, fields, types, values, each with the place in the text."""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.actions.mapping_check.surroundings import Surroundings
from twinrow.model.errors import FilterError, MappingProblem, UnknownField
from twinrow.model.filters import check_filter, field_position, filter_leaves, parse_filter
from twinrow.model.sides import Side
from twinrow.model.tables import Table


def check_filter_text(
    text: str, mapping: str, field: str, side: Side, table: Table, surroundings: Surroundings
) -> Iterator[MappingProblem]:
    """Yield what is wrong with a filter on a table; `field` names it within the mapping."""

    def problem(message: str, remedy: str | None, position: int | None) -> MappingProblem:
        place = "" if position is None else f" (character {position + 1})"
        return MappingProblem(f"{message}{place}.", remedy or "", mapping, field)

    try:
        condition = parse_filter(text, surroundings.variables)
    except FilterError as error:
        yield problem(error.message, error.remedy, error.position)
        return
    for leaf in () if condition is None else dict.fromkeys(filter_leaves(condition)):
        position = field_position(text, leaf.field)
        absence = surroundings.field_absence(side, table, leaf.field)
        if absence is not None:
            message = f"The filter needs {leaf.field} of {table.name}, which is not available: {absence.reason}"
            yield problem(message, absence.remedy, position)
            continue
        try:
            check_filter(leaf, table)
        except (UnknownField, FilterError) as error:
            yield problem(error.message, error.remedy, position)
