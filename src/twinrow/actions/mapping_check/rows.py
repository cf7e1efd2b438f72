"""Field mappings against the fields of both tables: whether each can be written, and can hold what comes."""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.actions.mapping_check.losses import check_loss
from twinrow.actions.mapping_check.references import check_reference
from twinrow.actions.mapping_check.surroundings import Row, Surroundings, passes
from twinrow.actions.mapping_check.transformations import check_transformation
from twinrow.actions.mapping_check.values import value_problem, value_remedy
from twinrow.model.errors import MappingProblem, UnknownField
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Field, FieldType, Table

_TIMES = frozenset({FieldType.DATE, FieldType.DATETIME})
_IDS = frozenset({FieldType.GUID, FieldType.REFERENCE})
_CHOICES = frozenset({FieldType.OPTION, FieldType.ENUM})


def resolve_rows(
    mapping: TableMapping, tables: dict[Side, Table], surroundings: Surroundings
) -> tuple[list[Row], list[MappingProblem]]:
    """Return the enabled rows whose fields are there, and what is to be said about the others."""
    rows: list[Row] = []
    problems: list[MappingProblem] = []
    for row in mapping.fields:
        if not row.enabled:
            continue
        found = [_resolve(mapping, row, side, tables[side], surroundings) for side in Side if row.field(side)]
        problems += [item for item in found if isinstance(item, MappingProblem)]
        fields = [item for item in found if isinstance(item, Field)]
        if len(fields) == len(found):
            sides = [side for side in Side if row.field(side)]
            rows.append(Row(row, dict(zip(sides, fields, strict=True))))
    return rows, problems


def _resolve(
    mapping: TableMapping, row: FieldMapping, side: Side, table: Table, surroundings: Surroundings
) -> Field | MappingProblem:
    name = row.field(side)
    assert name is not None  # noqa: S101
    absence = surroundings.field_absence(side, table, name)
    if absence is not None:
        called = f" ({row.caption})" if row.caption and row.caption != name else ""
        message = f"{name} of {table.name}{called} is not available: {absence.reason}. The mapping goes on without it."
        return MappingProblem(message, absence.remedy, mapping.name, row.key, severity="warning")
    try:
        return table.field(name)
    except UnknownField as error:
        return MappingProblem(f"{error.message}.", error.remedy or "", mapping.name, row.key)


def check_row(mapping: TableMapping, row: Row, surroundings: Surroundings) -> Iterator[MappingProblem]:
    """Yield what is wrong with a row, and what it cannot do."""

    def problem(message: str, remedy: str = "", severity: str = "error") -> MappingProblem:
        return MappingProblem(message, remedy, mapping.name, row.key, severity=severity)

    for pass_ in passes(mapping, row.mapping):
        yield from _check_writing(mapping, row, pass_)
    if row.mapping.is_constant:
        (field,) = row.fields.values()
        fault = value_problem(row.mapping.constant, field)
        if fault:
            yield problem(
                f"The constant {row.mapping.constant} does not fit {field.name}: {fault}.", value_remedy(field)
            )
        return
    local, integration = row[Side.LOCAL], row[Side.INTEGRATION]
    if row.mapping.not_null and integration.type not in _IDS:
        yield problem(
            f"not_null is for ids of records; {integration.name} is {integration.type.value}.", "Take not_null out."
        )
    translated = bool(row.mapping.related_mapping)
    if row.mapping.match is not None and not translated and (local.type in _IDS) != (integration.type in _IDS):
        yield problem(f"{local.name} and {integration.name} can never be equal, one is an id.", "Take match out.")
    if translated:
        yield from check_reference(mapping, row, surroundings)
        return
    for pass_ in passes(mapping, row.mapping):
        yield from check_transformation(mapping, row, pass_, surroundings)
        if row.mapping.values:
            yield from _check_values(mapping, row, pass_)
        elif not (row.mapping.transformation and row.mapping.rules_apply(pass_)):
            yield from _check_types(mapping, row, pass_)
    yield from check_loss(mapping, row, surroundings)


def _check_writing(mapping: TableMapping, row: Row, pass_: Pass) -> Iterator[MappingProblem]:
    field, table = row[pass_.destination], mapping.table(pass_.destination)
    if not field.writable:
        other = Direction(pass_.opposite.value).value
        remedy = "Take the row out." if row.mapping.is_constant else f"Set its direction to {other}, or disable it."
        yield MappingProblem(f"{field.name} of {table} can only be read.", remedy, mapping.name, row.key)
    elif not field.updatable:
        message = f"{field.name} of {table} can only be set when a record is made: later changes are not carried."
        yield MappingProblem(message, "", mapping.name, row.key, severity="warning")
    elif not field.creatable:
        message = f"{field.name} of {table} cannot be set when a record is made: it is carried with the next change."
        yield MappingProblem(message, "", mapping.name, row.key, severity="warning")


def _check_values(mapping: TableMapping, row: Row, pass_: Pass) -> Iterator[MappingProblem]:
    """Look at the values that the pass writes, and at the options of its source for which there is none."""
    field, source = row[pass_.destination], row[pass_.source]
    to_integration = pass_.destination is Side.INTEGRATION
    for value in row.mapping.values.values() if to_integration else row.mapping.values:
        fault = value_problem(value, field)
        if fault:
            yield MappingProblem(
                f"The value {value} does not fit {field.name}: {fault}.", value_remedy(field), mapping.name, row.key
            )
    given = {str(value).lower() for value in (row.mapping.values if to_integration else row.mapping.values.values())}
    missing = [
        f"{option.value} ({option.caption})" for option in source.options if str(option.value).lower() not in given
    ]
    if missing:
        yield MappingProblem(
            f"Nothing corresponds to these values of {source.name}: {', '.join(missing)}. Records with them fail.",
            "Add them to values.",
            mapping.name,
            row.key,
            severity="warning",
        )


def _check_types(mapping: TableMapping, row: Row, pass_: Pass) -> Iterator[MappingProblem]:
    source, destination = row[pass_.source], row[pass_.destination]
    described = f"{source.name} is {source.type.value}, {destination.name} is {destination.type.value}"
    if _never_fits(source, destination):
        message = f"Nothing can be carried from {source.name} to {destination.name}: {described}."
        yield MappingProblem(message, "Map fields of like types.", mapping.name, row.key)
    elif destination.type is FieldType.REFERENCE and destination.targets:
        message = f"{destination.name} names records of {' or '.join(destination.targets)} by id; ids are carried as they are."
        remedy = "Name the mapping that couples these records: related_mapping."
        yield MappingProblem(message, remedy, mapping.name, row.key, severity="warning")
    elif destination.type in _CHOICES and destination.options:
        yield from _check_options(mapping, row, source, destination)


def _check_options(mapping: TableMapping, row: Row, source: Field, destination: Field) -> Iterator[MappingProblem]:
    remedy = "Say which values correspond: values, or related_mapping for an option mapping."
    known = {str(option.value) for option in destination.options}
    if not source.options:
        if source.is_text:
            message = f"{destination.name} takes its options only; {source.name} may hold any text. Others fail."
            yield MappingProblem(message, remedy, mapping.name, row.key, severity="warning")
        return
    missing = [f"{option.value} ({option.caption})" for option in source.options if str(option.value) not in known]
    if len(missing) == len(source.options):
        message = f"{source.name} and {destination.name} have no value in common."
        yield MappingProblem(message, remedy, mapping.name, row.key)
    elif missing:
        message = f"{destination.name} has no option for these of {source.name}: {', '.join(missing)}. Records with them fail."
        yield MappingProblem(message, remedy, mapping.name, row.key, severity="warning")


def _never_fits(source: Field, destination: Field) -> bool:
    if source.is_text or source.type is destination.type:
        return False
    if destination.type is FieldType.GUID:
        return True
    one_is_a_time = bool({source.type, destination.type} & _TIMES)
    return one_is_a_time and not destination.is_text and not {source.type, destination.type} <= _TIMES
