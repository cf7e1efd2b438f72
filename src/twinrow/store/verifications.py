"""Verifications: what the local side says of each coupling while it is compared with the other, and what came of it.

A mapping has one verification at a time: a new one takes the place of one that was broken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, delete, insert, select, update

from twinrow.model.errors import ConfigurationError
from twinrow.store.bulk import delete_in, insert_frame, select_in
from twinrow.store.tables import verifications, verified

STAGED_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "one_way": pl.Int64(),
    "to_integration": pl.Int64(),
    "from_integration": pl.Int64(),
    "loose_values": pl.String(),
}
"""Digests of the local side (`engine.differences.digests`; null: not everything can be carried), and packed canonical texts
of the fields that digests cannot compare."""


@dataclass(frozen=True, slots=True)
class VerificationRow:
    """A verification of a mapping: how many couplings were compared, and how many differ in which kind; times are the store's."""

    id: int
    mapping_id: int
    started_at: datetime
    finished_at: datetime | None
    compared: int
    records: Mapping[str, int]


def start_verification(connection: Connection, mapping_id: int, at: datetime) -> int:
    """Begin a verification of a mapping and return its number; one that was broken off is forgotten."""
    unfinished = (verifications.c.mapping_id == mapping_id) & verifications.c.finished_at.is_(None)
    broken_off = select(verifications.c.id).where(unfinished)
    connection.execute(delete(verified).where(verified.c.verification_id.in_(broken_off)))
    connection.execute(delete(verifications).where(unfinished))
    made = connection.execute(insert(verifications).values(mapping_id=mapping_id, started_at=at, records={}))
    assert made.inserted_primary_key is not None  # noqa: S101
    return int(made.inserted_primary_key[0])


def check_verification(connection: Connection, number: int) -> None:
    """Raise `ConfigurationError` when another verification of the mapping has taken the place of this one."""
    if connection.execute(select(verifications.c.id).where(verifications.c.id == number)).first() is None:
        raise ConfigurationError(
            "Another verification of this mapping has begun meanwhile",
            remedy="Wait for it, or repeat this one after it.",
        )


def finish_verification(
    connection: Connection, number: int, compared: int, records: Mapping[str, int], at: datetime
) -> None:
    """Store what a verification has found."""
    check_verification(connection, number)
    connection.execute(
        update(verifications)
        .where(verifications.c.id == number)
        .values(finished_at=at, compared=compared, records=dict(records))
    )


def forget_staged(connection: Connection, number: int) -> None:
    """Forget what a verification has staged."""
    connection.execute(delete(verified).where(verified.c.verification_id == number))


def last_verification(connection: Connection, mapping_id: int) -> VerificationRow | None:
    """Return the newest verification of a mapping that was finished, if there is one."""
    statement = (
        select(verifications)
        .where(verifications.c.mapping_id == mapping_id, verifications.c.finished_at.is_not(None))
        .order_by(verifications.c.id.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else VerificationRow(**row._mapping)


def stage(connection: Connection, number: int, frame: pl.DataFrame) -> None:
    """Stage what the local side says of couplings (`STAGED_SCHEMA`). What was read twice counts as it was read last."""
    check_verification(connection, number)
    known = frame.get_column("coupling_id").to_list()
    delete_in(connection, verified, "coupling_id", known, verification_id=number)
    stored = frame.select(pl.lit(number).alias("verification_id"), *STAGED_SCHEMA)
    insert_frame(connection, verified, stored)


def read_staged(connection: Connection, number: int, numbers: Sequence[int]) -> pl.DataFrame:
    """Return what was staged of couplings (`STAGED_SCHEMA`); those that were not read are absent."""
    check_verification(connection, number)
    return select_in(connection, verified, STAGED_SCHEMA, "coupling_id", list(numbers), verification_id=number)
