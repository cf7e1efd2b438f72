"""Undone fields: those that differ between both sides because a write was undone, as long as neither side has changed since."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from sqlalchemy import Connection, select

from twinrow.store.bulk import delete_in, insert_frame, select_in
from twinrow.store.tables import undone

UNDONE_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "field": pl.String(),
    "run_id": pl.Int64(),
    "local_value": pl.String(),
    "integration_value": pl.String(),
}
"""`field` is the identity of the field mapping; values are canonical texts; `run_id` is the run that undid."""


def has_undone(connection: Connection, mapping_id: int) -> bool:
    """Whether any field of a mapping's records differs because of an undo."""
    return (
        connection.execute(select(undone.c.field).where(undone.c.mapping_id == mapping_id).limit(1)).first() is not None
    )


def read_undone(connection: Connection, numbers: Sequence[int]) -> pl.DataFrame:
    """Return the undone fields of couplings (`UNDONE_SCHEMA`)."""
    return select_in(connection, undone, UNDONE_SCHEMA, "coupling_id", list(numbers))


def save_undone(connection: Connection, mapping_id: int, at: int, frame: pl.DataFrame) -> None:
    """Store undone fields (`UNDONE_SCHEMA`), replacing those of the same couplings and fields; `at` is in microseconds."""
    forget_undone(connection, frame)
    stored = frame.select(*UNDONE_SCHEMA, pl.lit(mapping_id).alias("mapping_id"), pl.lit(at).alias("at"))
    insert_frame(connection, undone, stored)


def forget_undone(connection: Connection, frame: pl.DataFrame) -> None:
    """Forget undone fields (`coupling_id`, `field`): their values have changed since, or are settled otherwise."""
    for (field,), part in frame.group_by("field"):
        delete_in(connection, undone, "coupling_id", part.get_column("coupling_id").to_list(), field=field)
