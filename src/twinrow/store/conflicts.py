"""Conflicts: fields that both sides changed to different values, and nobody has said who wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, select

from twinrow.batch.columns import INSTANT
from twinrow.store.bulk import delete_in, has_rows, insert_frame, select_in
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import conflicts

CONFLICT_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "field": pl.String(),
    "base_local": pl.String(),
    "base_integration": pl.String(),
    "local_value": pl.String(),
    "integration_value": pl.String(),
    "local_modified_at": INSTANT,
    "integration_modified_at": INSTANT,
    "local_modified_by": pl.String(),
    "integration_modified_by": pl.String(),
}
"""`field` is the key of the field mapping; values are canonical texts; times are each side's own."""

_INSTANTS = ("local_modified_at", "integration_modified_at")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict, for people; values are canonical texts (None: not known)."""

    id: int
    mapping_id: int
    coupling_id: int
    field: str
    base_local: str | None
    base_integration: str | None
    local_value: str | None
    integration_value: str | None
    local_modified_at: datetime | None
    integration_modified_at: datetime | None
    local_modified_by: str | None
    integration_modified_by: str | None
    job_id: int | None
    since: datetime
    at: datetime


def replace_conflicts(
    connection: Connection,
    mapping: StoredMapping,
    looked_at: Sequence[int],
    frame: pl.DataFrame,
    job_id: int,
    at: datetime,
) -> None:
    """Make the conflicts of the couplings `looked_at` those of the frame (`CONFLICT_SCHEMA`); known ones keep their age."""
    if looked_at and has_rows(connection, conflicts, mapping_id=mapping.id):
        known = select_in(
            connection,
            conflicts,
            {"coupling_id": pl.Int64(), "field": pl.String(), "since": pl.Int64()},
            "coupling_id",
            list(looked_at),
        )
        delete_in(connection, conflicts, "coupling_id", looked_at)
    else:
        known = pl.DataFrame(schema={"coupling_id": pl.Int64(), "field": pl.String(), "since": pl.Int64()})
    if frame.is_empty():
        return
    now = pl.lit(at).dt.epoch("us")
    stored = frame.join(known, on=["coupling_id", "field"], how="left").select(
        pl.lit(mapping.id).alias("mapping_id"),
        *((pl.col(name).dt.epoch("us") if name in _INSTANTS else pl.col(name)) for name in CONFLICT_SCHEMA),
        pl.lit(job_id).alias("job_id"),
        pl.coalesce("since", now).alias("since"),
        now.alias("at"),
    )
    insert_frame(connection, conflicts, stored)


def list_conflicts(connection: Connection, mappings: Sequence[StoredMapping], limit: int = 1_000) -> list[Conflict]:
    """Return the open conflicts of mappings, oldest first."""
    statement = (
        select(conflicts)
        .where(conflicts.c.mapping_id.in_([mapping.id for mapping in mappings]))
        .order_by(conflicts.c.id)
        .limit(limit)
    )
    return [Conflict(**row._mapping) for row in connection.execute(statement)]


def conflicting_fields(connection: Connection, numbers: Sequence[int]) -> pl.DataFrame:
    """Return which fields of couplings are in conflict: `coupling_id` and `field`, the key of the field mapping."""
    columns = {"coupling_id": pl.Int64(), "field": pl.String()}
    return select_in(connection, conflicts, columns, "coupling_id", list(numbers))


def get_conflicts(connection: Connection, mappings: Sequence[StoredMapping], numbers: Sequence[int]) -> list[Conflict]:
    """Return open conflicts of mappings by their numbers, oldest first; those that are not open any more are absent."""
    statement = (
        select(conflicts)
        .where(conflicts.c.mapping_id.in_([mapping.id for mapping in mappings]), conflicts.c.id.in_(numbers))
        .order_by(conflicts.c.id)
    )
    return [Conflict(**row._mapping) for row in connection.execute(statement)]


def forget_conflicts(connection: Connection, numbers: Sequence[int]) -> None:
    """Forget conflicts: somebody has said who wins."""
    delete_in(connection, conflicts, "id", numbers)
