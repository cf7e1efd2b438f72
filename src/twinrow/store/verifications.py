"""Verifications: what one side says of each coupling while it is compared with the other, and what came of it.

What both sides agree on is taken out of the staged rows again, so that what is left must be looked at closely. A mapping has
one verification at a time: a new one takes the place of one that was broken off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, bindparam, delete, insert, literal, null, select, update

from twinrow.batch.canonical import pack, unpack
from twinrow.model.errors import ConfigurationError
from twinrow.model.sides import Side
from twinrow.store.bulk import delete_in, insert_frame, rows_to_frame, select_in
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import couplings, verifications, verified

REPORTED = {Side.LOCAL: 1, Side.INTEGRATION: 2}
"""The bits that say which sides' feeds will hand a record over to the next run."""

STAGED_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "local_version": pl.String(),
    "integration_version": pl.String(),
    "reported": pl.Int64(),
}

_VALUES = {"coupling_id": pl.Int64(), "local_values": pl.String(), "carried_values": pl.String()}


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
    if (
        connection.execute(select(verifications.c.id).where(verifications.c.id == number).with_for_update()).first()
        is None
    ):
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


def stage(
    connection: Connection, number: int, frame: pl.DataFrame, values: Sequence[str], carried: Sequence[str]
) -> None:
    """Stage the local side of couplings: `coupling_id`, `local_version`, and canonical texts.

    `values` names the columns of the local values, `carried` those of what they are in the integration side's terms.
    """
    check_verification(connection, number)
    stored = frame.select(
        pl.lit(number).alias("verification_id"),
        "coupling_id",
        "local_version",
        pack(values).alias("local_values"),
        (pack(carried) if carried else pl.lit("")).alias("carried_values"),
        pl.lit(0).alias("reported"),
    )
    known = frame.get_column("coupling_id").to_list()
    delete_in(connection, verified, "coupling_id", known, verification_id=number)
    insert_frame(connection, verified, stored)


def stage_unread(connection: Connection, number: int, mapping: StoredMapping) -> None:
    """Stage the couplings whose local record was not read, without values."""
    read = select(verified.c.coupling_id).where(
        verified.c.verification_id == number, verified.c.coupling_id == couplings.c.id
    )
    unread = select(literal(number), couplings.c.id, null(), null(), literal(0)).where(
        couplings.c.mapping_id == mapping.id, ~read.exists()
    )
    names = ["verification_id", "coupling_id", "local_values", "carried_values", "reported"]
    connection.execute(insert(verified).from_select(names, unread))


def read_staged(
    connection: Connection, number: int, numbers: Sequence[int], values: Sequence[str], carried: Sequence[str]
) -> pl.DataFrame:
    """Return what was staged of couplings: `coupling_id` and the texts in columns of these names; unread ones are absent."""
    found = select_in(connection, verified, _VALUES, "coupling_id", list(numbers), verification_id=number)
    found = found.filter(pl.col("local_values").is_not_null())
    unpacked = unpack(found, "local_values", values)
    return unpack(unpacked, "carried_values", carried) if carried else unpacked.drop("carried_values")


def agree(connection: Connection, number: int, numbers: Sequence[int]) -> None:
    """Take couplings out on which both sides agree."""
    delete_in(connection, verified, "coupling_id", numbers, verification_id=number)


def remember_versions(connection: Connection, number: int, frame: pl.DataFrame) -> None:
    """Remember the versions (`coupling_id`, `integration_version`) in which records were read that differ."""
    if frame.is_empty():
        return
    statement = (
        update(verified)
        .where(verified.c.verification_id == number, verified.c.coupling_id == bindparam("coupling"))
        .values(integration_version=bindparam("version"))
    )
    rows = frame.select(coupling="coupling_id", version="integration_version").to_dicts()
    connection.execute(statement, rows)


def has_staged(connection: Connection, number: int) -> bool:
    """Whether anything is left to be looked at."""
    left = select(verified.c.coupling_id).where(verified.c.verification_id == number).limit(1)
    return connection.execute(left).first() is not None


def mark_reported(connection: Connection, number: int, side: Side, numbers: Sequence[int]) -> None:
    """Remember that a side's feed will hand these couplings' records over to the next run."""
    for start in range(0, len(numbers), 10_000):
        chosen = verified.c.coupling_id.in_(numbers[start : start + 10_000])
        connection.execute(
            update(verified)
            .where(verified.c.verification_id == number, chosen)
            .values(reported=verified.c.reported.op("|")(REPORTED[side]))
        )


def staged_portions(connection: Connection, number: int, rows: int) -> Iterator[pl.DataFrame]:
    """Yield what is left to be looked at (`STAGED_SCHEMA`), in portions."""
    after = 0
    columns = [verified.c[name] for name in STAGED_SCHEMA]
    while True:
        statement = (
            select(*columns)
            .where(verified.c.verification_id == number, verified.c.coupling_id > after)
            .order_by(verified.c.coupling_id)
            .limit(rows)
        )
        found = connection.execute(statement).fetchall()
        if not found:
            return
        after = found[-1][0]
        yield rows_to_frame(found, STAGED_SCHEMA)
