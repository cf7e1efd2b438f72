"""Table mappings and transformation rules as the store keeps them, and the shapes of their bases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, insert, select, update

from twinrow.model.errors import StoreMismatch, UnknownName
from twinrow.model.mapping import TableMapping
from twinrow.model.rules import TransformationRule
from twinrow.model.sides import Side
from twinrow.store.tables import (
    bases,
    couplings,
    journal_records,
    mappings,
    metadata,
    seen,
    shapes,
    staged_ids,
    transformation_rules,
    verifications,
    verified,
    watermarks,
)

_RULE: TypeAdapter[TransformationRule] = TypeAdapter(TransformationRule)


@dataclass(frozen=True, slots=True)
class StoredMapping:
    """A table mapping with its number, its connection, and how record keys of its sides are kept.

    `local_guid` and `integration_guid` are None until the first run has looked at the tables.
    """

    id: int
    connection_id: int
    position: int
    mapping: TableMapping
    local_guid: bool | None = None
    integration_guid: bool | None = None

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.mapping.name

    def guid(self, side: Side) -> bool:
        """Whether the record ids of a side are kept as GUIDs."""
        return bool(self.local_guid if side is Side.LOCAL else self.integration_guid)


def _stored(row: Row[Any]) -> StoredMapping:
    definition = TableMapping.model_validate(row.definition)
    return StoredMapping(row.id, row.connection_id, row.position, definition, row.local_guid, row.integration_guid)


def save_mapping(connection: Connection, connection_id: int, position: int, mapping: TableMapping) -> StoredMapping:
    """Add a mapping to a connection, or change the one with that name; what is remembered of its records stays."""
    definition = mapping.model_dump(mode="json", exclude_defaults=True)
    wanted = (mappings.c.connection_id == connection_id) & (mappings.c.name == mapping.name)
    row = connection.execute(select(mappings.c.id).where(wanted)).one_or_none()
    if row is None:
        connection.execute(
            insert(mappings).values(
                connection_id=connection_id, name=mapping.name, position=position, definition=definition
            )
        )
    else:
        connection.execute(update(mappings).where(wanted).values(position=position, definition=definition))
    return _stored(connection.execute(select(mappings).where(wanted)).one())


def forget_mapping(connection: Connection, mapping_id: int) -> None:
    """Delete a mapping with everything that the store keeps for it: couplings and their bases, open work, runs, journal."""
    numbers = select(couplings.c.id).where(couplings.c.mapping_id == mapping_id)
    for table, key in ((bases, bases.c.coupling_id), (journal_records, journal_records.c.coupling_id)):
        connection.execute(delete(table).where(key.in_(numbers)))
    found = select(verifications.c.id).where(verifications.c.mapping_id == mapping_id)
    connection.execute(delete(verified).where(verified.c.verification_id.in_(found)))
    for table in reversed(metadata.sorted_tables):
        if "mapping_id" in table.c:
            connection.execute(delete(table).where(table.c.mapping_id == mapping_id))
    connection.execute(delete(mappings).where(mappings.c.id == mapping_id))


def forget_positions(connection: Connection, mapping_id: int, side: Side) -> None:
    """Forget how far a side was read, and the versions of its records: the next run reads them all and compares."""
    for table in (watermarks, seen, staged_ids):
        connection.execute(delete(table).where(table.c.mapping_id == mapping_id, table.c.side == side.value))
    unknown = {f"{side.value}_version": None}
    connection.execute(update(couplings).where(couplings.c.mapping_id == mapping_id).values(unknown))


def list_mappings(connection: Connection, connection_id: int | None = None) -> list[StoredMapping]:
    """Return the mappings of a connection, or all, in the order in which they run."""
    statement = select(mappings).order_by(mappings.c.connection_id, mappings.c.position, mappings.c.name)
    if connection_id is not None:
        statement = statement.where(mappings.c.connection_id == connection_id)
    return [_stored(row) for row in connection.execute(statement)]


def get_mapping(connection: Connection, connection_id: int, name: str) -> StoredMapping:
    """Return a mapping of a connection by name. Raises `UnknownName`."""
    known = list_mappings(connection, connection_id)
    for stored in known:
        if stored.name == name:
            return stored
    raise UnknownName("mapping", name, [stored.name for stored in known])


def mapping_by_id(connection: Connection, mapping_id: int) -> StoredMapping:
    """Return a mapping by its number."""
    return _stored(connection.execute(select(mappings).where(mappings.c.id == mapping_id)).one())


def fix_keys(connection: Connection, mapping_id: int, local_guid: bool, integration_guid: bool) -> StoredMapping:
    """Settle how the record ids of a mapping's sides are kept, the first time; afterwards check that it still is so.

    Raises `StoreMismatch` when a table's ids have become of another kind, so that what is stored cannot be read any more.
    """
    stored = mapping_by_id(connection, mapping_id)
    if stored.local_guid is None:
        connection.execute(
            update(mappings)
            .where(mappings.c.id == mapping_id)
            .values(local_guid=local_guid, integration_guid=integration_guid)
        )
        return mapping_by_id(connection, mapping_id)
    if (stored.local_guid, stored.integration_guid) != (local_guid, integration_guid):
        raise StoreMismatch(
            f"The ids of a table of {stored.name} are of another kind than when its couplings were made",
            remedy="Set the table's key as it was, or uncouple the mapping and couple it anew.",
        )
    return stored


def shape_id(connection: Connection, mapping_id: int, fields: Sequence[str]) -> int:
    """Return the number of the shape with these fields, in this order, making it where it is new."""
    for row in connection.execute(select(shapes).where(shapes.c.mapping_id == mapping_id)):
        if row.fields == list(fields):
            return int(row.id)
    made = connection.execute(insert(shapes).values(mapping_id=mapping_id, fields=list(fields)))
    assert made.inserted_primary_key is not None  # noqa: S101
    return int(made.inserted_primary_key[0])


def read_shapes(connection: Connection, mapping_id: int) -> dict[int, tuple[str, ...]]:
    """Return the fields of each shape of a mapping."""
    found = connection.execute(select(shapes).where(shapes.c.mapping_id == mapping_id))
    return {row.id: tuple(row.fields) for row in found}


def save_rules(connection: Connection, rules: Sequence[TransformationRule]) -> None:
    """Add transformation rules, or change those with the same codes."""
    for rule in rules:
        connection.execute(delete(transformation_rules).where(transformation_rules.c.code == rule.code))
        connection.execute(insert(transformation_rules).values(code=rule.code, definition=rule.model_dump(mode="json")))


def delete_rule(connection: Connection, code: str) -> None:
    """Forget a transformation rule."""
    connection.execute(delete(transformation_rules).where(transformation_rules.c.code == code))


def read_rules(connection: Connection) -> Mapping[str, TransformationRule]:
    """Return the transformation rules of the workspace by code, without the predefined ones."""
    return {row.code: _RULE.validate_python(row.definition) for row in connection.execute(select(transformation_rules))}
