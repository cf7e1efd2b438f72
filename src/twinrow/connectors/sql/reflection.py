"""From what a database says of a table, and what a person has set, to the shape that the connector works with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from twinrow.connectors.sql.settings import SqlTable
from twinrow.connectors.sql.shape import Column, FoundColumn, FoundTable, Relation, Shape, Storage
from twinrow.model.errors import ConfigurationError, UnknownField
from twinrow.model.tables import Field, FieldType, Table

MODIFIED_AT_NAMES = ("modified_at", "modifiedon", "modified_on", "updated_at")
CREATED_AT_NAMES = ("created_at", "createdon", "created_on")

_TYPES = {
    Storage.TEXT: FieldType.TEXT,
    Storage.UUID: FieldType.GUID,
    Storage.INTEGER: FieldType.INTEGER,
    Storage.DECIMAL: FieldType.DECIMAL,
    Storage.FLOAT: FieldType.FLOAT,
    Storage.BOOLEAN: FieldType.BOOLEAN,
    Storage.DATE: FieldType.DATE,
    Storage.INSTANT: FieldType.DATETIME,
    Storage.ENUM: FieldType.ENUM,
}

KeyOf = Callable[[str], str | None]
"""Tells which column's values are the ids of a table's records; None where there is no such table or no such column."""


def make_shape(name: str, found: FoundTable, settings: SqlTable, overlap: timedelta, key_of: KeyOf) -> Shape:
    """Return the shape of the table `name`; `overlap` is what the database's kind wants where nothing is set.

    Raises `UnknownField` where a setting names a column that does not exist, `ConfigurationError` where there is no key or a
    column is not of the type that its part needs.
    """
    # Names that begin like those of a batch's own columns could not be told from them.
    columns = {column.name: column for column in found.columns if not column.name.startswith(("@", "?"))}
    key = _key(name, found, settings, columns)
    modified_at = _modified_at(name, settings, columns)
    row_version = _named(name, settings.row_version, columns, (Storage.INTEGER,), "row_version")
    sets_modified_at = settings.sets_modified_at
    if sets_modified_at is None:
        sets_modified_at = not found.triggers
    sets_modified_at = sets_modified_at and modified_at is not None and found.relation is Relation.TABLE
    managed = {column.name for column in (modified_at, row_version) if column is not None}
    if not sets_modified_at and not found.triggers and modified_at is not None:
        managed.discard(modified_at.name)
    shaped = {}
    for column in columns.values():
        is_key = column.name == key.name
        field = _field(column, found, is_key, column.name in managed, settings, key_of)
        shaped[column.name] = Column(column, field, is_key)
    return Shape(
        found=found,
        table=Table(name, key.name, {column.name: column.field for column in shaped.values()}),
        columns=shaped,
        key=shaped[key.name],
        modified_at=shaped[modified_at.name] if modified_at is not None else None,
        row_version=shaped[row_version.name] if row_version is not None else None,
        created_at=_created_at(found, columns, modified_at, sets_modified_at),
        sets_modified_at=sets_modified_at,
        overlap=overlap if settings.overlap is None else settings.overlap,
    )


def _key(name: str, found: FoundTable, settings: SqlTable, columns: dict[str, FoundColumn]) -> FoundColumn:
    if settings.key is None and len(found.primary_key) != 1:
        what = "a primary key of several columns" if found.primary_key else "no primary key"
        raise ConfigurationError(
            f"The {found.relation.value} {name} has {what}, so its records have no id",
            remedy=f"Name a column with unique values: tables: {{{name}: {{key: COLUMN}}}}.",
        )
    key = _named(
        name, settings.key or found.primary_key[0], columns, (Storage.TEXT, Storage.UUID, Storage.INTEGER), "key"
    )
    assert key is not None  # noqa: S101
    return key


def _modified_at(name: str, settings: SqlTable, columns: dict[str, FoundColumn]) -> FoundColumn | None:
    if settings.modified_at is not None:
        return _named(name, settings.modified_at, columns, (Storage.INSTANT,), "modified_at")
    by_name = {column.lower(): found for column, found in columns.items() if found.storage is Storage.INSTANT}
    return next((by_name[wanted] for wanted in MODIFIED_AT_NAMES if wanted in by_name), None)


def _created_at(
    found: FoundTable, columns: dict[str, FoundColumn], modified_at: FoundColumn | None, sets_modified_at: bool
) -> str | None:
    """Return the column that tells when a record was made, or a time that is never before that; only if it is always filled."""
    for column in columns.values():
        is_named = column.name.lower() in CREATED_AT_NAMES and column.storage is Storage.INSTANT
        if is_named and (column.default is not None or found.triggers):
            return column.name
    filled = modified_at is not None and (sets_modified_at or modified_at.default is not None or found.triggers)
    return modified_at.name if modified_at is not None and filled else None


def _named(
    table: str, name: str | None, columns: dict[str, FoundColumn], storages: tuple[Storage, ...], part: str
) -> FoundColumn | None:
    """Return the column that a setting names; None where it names none."""
    if not name:
        return None
    column = columns.get(name)
    if column is None:
        raise UnknownField(table, name, tuple(columns))
    if column.storage not in storages:
        wanted = " or ".join(storage.name.lower() for storage in storages)
        raise ConfigurationError(
            f"{table}.{name} is {column.declared or 'of no type'}; as {part} a column of type {wanted} is needed",
            field=name,
            remedy="Name another column.",
        )
    return column


def _field(
    column: FoundColumn, found: FoundTable, is_key: bool, managed: bool, settings: SqlTable, key_of: KeyOf
) -> Field:
    type_ = _TYPES[column.storage]
    targets: tuple[str, ...] = ()
    if is_key:
        if settings.guid and column.storage is Storage.TEXT:
            type_ = FieldType.GUID
    elif column.name in found.references:
        target, referred = found.references[column.name]
        if key_of(target) == referred:
            type_, targets = FieldType.REFERENCE, (target,)
    writable = not column.fixed and not managed
    bounded = type_ in (FieldType.INTEGER, FieldType.DECIMAL)
    return Field(
        name=column.name,
        type=type_,
        max_length=column.max_length,
        scale=column.scale if type_ is FieldType.DECIMAL else None,
        minimum=column.minimum if bounded else None,
        maximum=column.maximum if bounded else None,
        nullable=column.nullable,
        required=writable and not column.nullable and column.default is None and not is_key,
        creatable=writable,
        updatable=writable and not is_key,
        options=column.options,
        targets=targets,
    )
