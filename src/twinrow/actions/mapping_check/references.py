"""References: whether the couplings of the related mapping can translate the value of one side into that of the other."""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.actions.mapping_check.surroundings import Row, Surroundings, nearest
from twinrow.model.errors import MappingProblem, UnknownField
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType

_IDS = frozenset({FieldType.GUID, FieldType.REFERENCE})


def check_reference(mapping: TableMapping, row: Row, surroundings: Surroundings) -> Iterator[MappingProblem]:
    """Yield what is wrong with a row that is translated through couplings."""

    def problem(message: str, remedy: str = "") -> MappingProblem:
        return MappingProblem(message, remedy, mapping.name, row.key)

    if row.mapping.values:
        yield problem("A value is translated by values or by related_mapping, not by both.", "Take one of them out.")
    if row.mapping.transformation:
        yield problem("A value that is translated by related_mapping has no transformation.", "Take one of them out.")
    for name in row.mapping.related_mapping:
        related = surroundings.mappings.get(name)
        if related is None:
            yield problem(f"There is no mapping {name}.", nearest(name, surroundings.mappings))
            continue
        fault = _integration_fault(row[Side.INTEGRATION], related, surroundings)
        if fault:
            yield problem(f"{row[Side.INTEGRATION].name} cannot refer to records of {name}: {fault}.")
        yield from (problem(*found) for found in _local_faults(row, related, surroundings))


def _integration_fault(field: Field, related: TableMapping, surroundings: Surroundings) -> str | None:
    table = related.integration_table
    if related.is_option_mapping:
        return None if field.type is FieldType.OPTION else f"{name_options(table)} and the field is {field.type.value}"
    return _id_fault(field, Side.INTEGRATION, table, surroundings)


def name_options(table: str) -> str:
    """Say what an option mapping's integration side is."""
    return f"they are the options of {table}"


def _id_fault(field: Field, side: Side, table: str, surroundings: Surroundings) -> str | None:
    """Say why a field cannot hold ids of a table."""
    if field.targets:
        return None if table in field.targets else f"it points to {' or '.join(field.targets)}, they are in {table}"
    described = surroundings.table(side, table)
    if field.type in _IDS or described is None:
        return None
    key = described.fields.get(described.key)
    if key is None or key.type is field.type or (key.is_text and field.is_text):
        return None
    return f"it is {field.type.value}, the ids of {table} are {key.type.value}"


def _local_faults(row: Row, related: TableMapping, surroundings: Surroundings) -> Iterator[tuple[str, str]]:
    field, table = row[Side.LOCAL], related.local_table
    key = row.mapping.related_key
    if key is None:
        fault = _id_fault(field, Side.LOCAL, table, surroundings)
        if fault or not (field.type in _IDS or _holds_ids(field, table, surroundings)):
            remedy = "Where it names records by another field than the id, say which: related_key."
            yield (
                f"{field.name} cannot refer to records of {related.name}: {fault or f'it is {field.type.value}'}.",
                remedy,
            )
        return
    described = surroundings.table(Side.LOCAL, table)
    if described is None or surroundings.field_absence(Side.LOCAL, described, key) is not None:
        return
    try:
        named = described.field(key)
    except UnknownField as error:
        yield f"{error.message}, by which {field.name} is to name its record.", error.remedy or ""
        return
    if named.is_text != field.is_text:
        yield f"{field.name} is {field.type.value}, but {key} of {table} is {named.type.value}.", ""


def _holds_ids(field: Field, table: str, surroundings: Surroundings) -> bool:
    """Whether a field that is not of an id's type may hold the ids of a table all the same: a number that is its key."""
    described = surroundings.table(Side.LOCAL, table)
    key = None if described is None else described.fields.get(described.key)
    return key is None or (key.type is field.type and key.type is not FieldType.GUID)
