"""Error rows: what went wrong with which record in which job, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, select

from twinrow.model.outcomes import Decision
from twinrow.model.sides import Pass
from twinrow.store.bulk import insert_frame
from twinrow.store.keys import decode_key, encode_keys
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import errors, jobs

ERROR_SCHEMA: dict[str, pl.DataType] = {
    "source_id": pl.String(),
    "destination_id": pl.String(),
    "decision": pl.Int64(),
    "recovery": pl.String(),
    "field": pl.String(),
    "message": pl.String(),
    "cause": pl.String(),
    "remedy": pl.String(),
}


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error row, for people."""

    id: int
    job_id: int
    mapping_id: int
    pass_: Pass
    source_id: str | None
    destination_id: str | None
    decision: Decision
    recovery: str
    field: str | None
    message: str
    cause: str | None
    remedy: str | None
    at: datetime


def add_errors(
    connection: Connection, mapping: StoredMapping, pass_: Pass, job_id: int, at: datetime, frame: pl.DataFrame
) -> None:
    """Add error rows (`ERROR_SCHEMA`) to a job."""
    if frame.is_empty():
        return
    stored = frame.select(
        pl.lit(job_id).alias("job_id"),
        pl.lit(mapping.id).alias("mapping_id"),
        pl.lit(pass_.value).alias("pass"),
        encode_keys(pl.col("source_id"), mapping.guid(pass_.source)).alias("source_key"),
        encode_keys(pl.col("destination_id"), mapping.guid(pass_.destination)).alias("destination_key"),
        *list(ERROR_SCHEMA)[2:],
        pl.lit(at).dt.epoch("us").alias("at"),
    )
    insert_frame(connection, errors, stored)


def list_errors(
    connection: Connection,
    mappings: Sequence[StoredMapping],
    *,
    job_id: int | None = None,
    run_id: int | None = None,
    limit: int = 1_000,
) -> list[ErrorRow]:
    """Return error rows of mappings, newest first; of one job or one run if asked."""
    by_id = {mapping.id: mapping for mapping in mappings}
    statement = select(errors).where(errors.c.mapping_id.in_(by_id)).order_by(errors.c.id.desc()).limit(limit)
    if job_id is not None:
        statement = statement.where(errors.c.job_id == job_id)
    if run_id is not None:
        statement = statement.where(errors.c.job_id.in_(select(jobs.c.id).where(jobs.c.run_id == run_id)))
    found = []
    for row in connection.execute(statement):
        values = dict(row._mapping)
        mapping = by_id[values["mapping_id"]]
        pass_ = Pass(values.pop("pass"))
        source, destination = values.pop("source_key"), values.pop("destination_key")
        values["decision"] = Decision(values["decision"])
        found.append(
            ErrorRow(
                pass_=pass_,
                source_id=None if source is None else decode_key(source, mapping.guid(pass_.source)),
                destination_id=None
                if destination is None
                else decode_key(destination, mapping.guid(pass_.destination)),
                **values,
            )
        )
    return found
