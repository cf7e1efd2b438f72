"""Bases: for each field and each side of a coupling, the value last reconciled, as that side returned it.

A base is kept as two packed texts (`batch.canonical`), whose order of fields is the shape's. The engine names its fields by
identities: a field mapping whose rules have changed has a new identity, and so no base yet. The name of a field that goes one way
ends in `ONE_WAY`: its base tells what each side held, not that both were reconciled. It takes over the base of a field that went
both ways, but not the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.canonical import pack, unpack
from twinrow.model.sides import Side
from twinrow.store.bulk import insert_frame, select_in, update_frame
from twinrow.store.mappings import read_shapes
from twinrow.store.tables import bases

ONE_WAY = " one way"
"""The end of the name of a field that goes one way."""

_STORED = {
    "coupling_id": pl.Int64(),
    "shape_id": pl.Int64(),
    "local_values": pl.String(),
    "integration_values": pl.String(),
}


def base_column(side: Side, index: int) -> str:
    """Return the name of the column with the base of a side's field, by the position of the field mapping."""
    return f"base.{side.value}.{index}"


def read_bases(
    connection: Connection, mapping_id: int, identities: Sequence[str], numbers: Sequence[int]
) -> pl.DataFrame:
    """Return the bases of couplings: `coupling_id` and a column of canonical texts for each side and field.

    Fields that a base does not hold are unknown (null); couplings without a base are absent.
    """
    stored = select_in(connection, bases, _STORED, "coupling_id", list(numbers))
    names = {side: [base_column(side, index) for index in range(len(identities))] for side in Side}
    schema = {"coupling_id": pl.Int64()} | {name: pl.String() for side in Side for name in names[side]}
    if stored.is_empty():
        return pl.DataFrame(schema=schema)
    shapes = read_shapes(connection, mapping_id)
    parts = []
    for (shape,), part in stored.group_by("shape_id"):
        fields = shapes[shape]
        local = [f"local:{field}" for field in fields]
        integration = [f"integration:{field}" for field in fields]
        unpacked = unpack(unpack(part, "local_values", local), "integration_values", integration, local)
        held = {
            side: dict(zip(fields, columns, strict=True))
            for side, columns in zip(Side, (local, integration), strict=True)
        }
        parts.append(
            unpacked.select(
                "coupling_id",
                *(
                    _held(held[side], identity).alias(name)
                    for side in Side
                    for identity, name in zip(identities, names[side], strict=True)
                ),
            )
        )
    return pl.concat(parts).cast(pl.Schema(schema))


def _held(columns: Mapping[str, str], identity: str) -> pl.Expr:
    """Return the column of a field, by its name or, of one that goes one way, by that which it had before."""
    column = columns.get(identity) or columns.get(identity.removesuffix(ONE_WAY))
    return pl.col(column) if column is not None else pl.lit(None, pl.String)


def bases_of_shape(connection: Connection, shape: int, numbers: Sequence[int]) -> pl.Series:
    """Return those of the couplings whose base has the shape."""
    columns = {"coupling_id": pl.Int64()}
    return select_in(connection, bases, columns, "coupling_id", list(numbers), shape_id=shape).to_series()


def _packed(frame: pl.DataFrame, fields: int) -> pl.DataFrame:
    local = [base_column(Side.LOCAL, index) for index in range(fields)]
    integration = [base_column(Side.INTEGRATION, index) for index in range(fields)]
    return frame.select(
        "coupling_id",
        pack(local).alias("local_values"),
        pack(integration, local).alias("integration_values"),
    )


def insert_bases(connection: Connection, shape: int, fields: int, frame: pl.DataFrame) -> None:
    """Store the bases of new couplings: `coupling_id` and the columns of `read_bases`."""
    if frame.is_empty():
        return
    packed = _packed(frame, fields).insert_column(1, pl.lit(shape).alias("shape_id"))
    insert_frame(connection, bases, packed.sort("coupling_id"))


def update_bases(connection: Connection, shape: int, fields: int, frame: pl.DataFrame) -> None:
    """Replace the bases of couplings; those that had none get one."""
    if frame.is_empty():
        return
    packed = _packed(frame, fields).with_columns(pl.lit(shape).alias("shape_id"))
    known = select_in(
        connection, bases, {"coupling_id": pl.Int64()}, "coupling_id", packed.get_column("coupling_id").to_list()
    )
    update_frame(connection, bases, "coupling_id", packed.join(known, on="coupling_id", how="semi"))
    insert_frame(connection, bases, packed.join(known, on="coupling_id", how="anti"))
