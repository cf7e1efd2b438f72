"""The columns of a record batch.

A batch is a Polars frame. A record's fields stand under their own names; what the system says about the record stands
under the names below, which begin with `@` and so never meet a field's name:

| Column | Type | Meaning |
| --- | --- | --- |
| `@id` | String | the record's id, unique in its table |
| `@version` | String, null | the version token; two equal tokens mean an unchanged record, nothing else may be read from it |
| `@modified_at` | Datetime(µs, UTC), null | when the system says that the record was last changed |
| `@modified_by` | String, null | who changed it, as the system names them |
| `@deleted` | Boolean | only in change feeds: the record is gone, its fields are null |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from twinrow.model.tables import Field, FieldType, Table

ID = "@id"
VERSION = "@version"
MODIFIED_AT = "@modified_at"
MODIFIED_BY = "@modified_by"
DELETED = "@deleted"

INSTANT = pl.Datetime("us", "UTC")
RECORD_SCHEMA: dict[str, pl.DataType] = {
    ID: pl.String(),
    VERSION: pl.String(),
    MODIFIED_AT: INSTANT,
    MODIFIED_BY: pl.String(),
    DELETED: pl.Boolean(),
}

DECIMAL_PRECISION = 38
DEFAULT_SCALE = 10
"""Decimals kept of a decimal field whose scale is not known."""

_TYPES: dict[FieldType, pl.DataType] = {
    FieldType.TEXT: pl.String(),
    FieldType.CODE: pl.String(),
    FieldType.GUID: pl.String(),
    FieldType.REFERENCE: pl.String(),
    FieldType.ENUM: pl.String(),
    FieldType.INTEGER: pl.Int64(),
    FieldType.OPTION: pl.Int64(),
    FieldType.FLOAT: pl.Float64(),
    FieldType.BOOLEAN: pl.Boolean(),
    FieldType.DATE: pl.Date(),
    FieldType.DATETIME: INSTANT,
}


def column_type(field: Field) -> pl.DataType:
    """Return the column type that holds a field's values exactly (decimals with the field's scale)."""
    if field.type is FieldType.DECIMAL:
        return pl.Decimal(DECIMAL_PRECISION, DEFAULT_SCALE if field.scale is None else field.scale)
    return _TYPES[field.type]


def frame_schema(table: Table, fields: Iterable[str]) -> dict[str, pl.DataType]:
    """Return the column types of a batch of the table with these fields. Raises `UnknownField`."""
    return RECORD_SCHEMA | {name: column_type(table.field(name)) for name in fields}


def empty_batch(table: Table, fields: Iterable[str]) -> pl.DataFrame:
    """Return a batch without records."""
    return pl.DataFrame(schema=frame_schema(table, fields))


def conform(frame: pl.DataFrame, table: Table, fields: Sequence[str]) -> pl.DataFrame:
    """Return the frame with exactly the columns of a batch, in order; columns that are absent become null (`@deleted` false).

    Raises a Polars error when a value does not fit its column type: a connector hands over what it has described.
    """
    schema = frame_schema(table, fields)
    columns = []
    for name, kind in schema.items():
        if name not in frame.columns:
            columns.append(pl.lit(False if name == DELETED else None, dtype=kind).alias(name))
        elif frame.schema[name] != kind:
            columns.append(pl.col(name).cast(kind))
        else:
            columns.append(pl.col(name))
    return frame.select(columns)
