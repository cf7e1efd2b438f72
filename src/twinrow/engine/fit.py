"""Whether a mapping still fits the tables of its systems: looked at before a run reads or writes anything.

What does not fit is refused with the mapping, the place in it, and what to do; `twinrow mapping check` tells all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from twinrow.engine.fields import FieldPlans
from twinrow.model.errors import ConfigurationError, FilterError, UnknownField
from twinrow.model.filters import check_filter, field_position, filter_leaves, parse_filter
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Table

_CHECK = "`twinrow mapping check` tells everything that is wrong"


def check_fit(
    mapping: TableMapping, tables: Mapping[Side, Table], plans: FieldPlans, variables: Mapping[str, str]
) -> None:
    """Raise `ConfigurationError` where no field is left, or where a filter or a template does not fit its table."""
    if not plans.plans:
        reason = plans.unavailable[0].reason if plans.unavailable else "none is enabled"
        raise ConfigurationError(
            f"The mapping {mapping.name} has no field to carry", cause=reason, remedy="Enable or add field mappings."
        )
    for place, text, table in _filters(mapping, tables):
        _check(mapping, place, text, table, variables)
    for template in mapping.templates:
        for name in template.values:
            try:
                tables[template.side].field(name)
            except UnknownField as error:
                raise ConfigurationError(
                    f"The template {template.code} of {mapping.name} gives a value to a field that is not there",
                    cause=error.message,
                    remedy=error.remedy,
                    field=name,
                ) from None


def _filters(mapping: TableMapping, tables: Mapping[Side, Table]) -> Iterator[tuple[str, str, Table]]:
    for pass_ in mapping.direction.passes:
        side = pass_.source
        yield f"{side.value}_filter", mapping.filter(side), tables[side]
    for template in mapping.templates:
        yield f"filter of the template {template.code}", template.filter, tables[template.side.other]


def _check(mapping: TableMapping, place: str, text: str, table: Table, variables: Mapping[str, str]) -> None:
    try:
        condition = parse_filter(text, variables)
    except FilterError as error:
        raise FilterError(
            f"The {place} of {mapping.name} cannot be used" + _character(error.position),
            cause=error.message,
            position=error.position,
            remedy=error.remedy,
        ) from None
    for leaf in filter_leaves(condition) if condition is not None else ():
        try:
            check_filter(leaf, table)
        except (UnknownField, FilterError) as error:
            position = field_position(text, leaf.field)
            raise FilterError(
                f"The {place} of {mapping.name} does not fit the table {table.name}" + _character(position),
                cause=error.message,
                position=position,
                remedy=error.remedy or f"{_CHECK}.",
            ) from None


def _character(position: int | None) -> str:
    return "" if position is None else f" (character {position + 1})"
