"""Watermarks, the rows seen in the overlap, and the ids staged for finding deletes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, delete, insert, select

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.model.sides import Side
from twinrow.store.bulk import delete_in, insert_frame, rows_to_frame, select_in, worth_asking
from twinrow.store.couplings import GONE
from twinrow.store.keys import decode_keys, encode_all, encode_keys
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import couplings, microseconds, seen, staged_ids, watermarks

_READ_AGAIN = "\nread again"
"""What the shape of a watermark ends in from which no run goes on."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to where a side has been read (opaque), for which filter and fields, and when by the store's clock."""

    position: str
    shape: str
    read_at: datetime


def read_watermark(connection: Connection, mapping_id: int, side: Side) -> Watermark | None:
    """Return the watermark of a side, if it has been read to the end before."""
    wanted = (watermarks.c.mapping_id == mapping_id) & (watermarks.c.side == side.value)
    row = connection.execute(select(watermarks).where(wanted)).one_or_none()
    return None if row is None else Watermark(row.position, row.shape, row.read_at)


def set_watermark(connection: Connection, mapping_id: int, side: Side, watermark: Watermark) -> None:
    """Advance the watermark of a side."""
    clear_watermark(connection, mapping_id, side)
    connection.execute(
        insert(watermarks).values(
            mapping_id=mapping_id,
            side=side.value,
            position=watermark.position,
            shape=watermark.shape,
            read_at=watermark.read_at,
        )
    )


def clear_watermark(connection: Connection, mapping_id: int, side: Side) -> None:
    """Forget the watermark of a side: the next run reads everything and compares."""
    connection.execute(delete(watermarks).where(watermarks.c.mapping_id == mapping_id, watermarks.c.side == side.value))


def read_again(connection: Connection, mapping_id: int) -> None:
    """Have the next run of a mapping read everything again; where both sides stand, and their filters, stay known."""
    for side in Side:
        known = read_watermark(connection, mapping_id, side)
        if known is not None and not known.shape.endswith(_READ_AGAIN):
            set_watermark(connection, mapping_id, side, replace(known, shape=known.shape + _READ_AGAIN))


def was_seen(connection: Connection, mapping: StoredMapping, side: Side, frame: pl.DataFrame) -> pl.Series:
    """Return for each row of a batch whether it was read before with the same version, within the overlap."""
    if not worth_asking(connection, seen, frame.height, mapping_id=mapping.id, side=side.value):
        return pl.repeat(False, frame.height, eager=True)
    guid = mapping.guid(side)
    found = select_in(
        connection,
        seen,
        {"key": pl.Binary(), "version": pl.String()},
        "key",
        encode_all(frame.get_column(ID).to_list(), guid),
        mapping_id=mapping.id,
        side=side.value,
    ).select(decode_keys(pl.col("key"), guid).alias(ID), pl.col("version").alias("seen"))
    joined = frame.select(ID, VERSION).join(found, on=ID, how="left", maintain_order="left")
    return joined.select((pl.col("seen") == pl.col(VERSION)).fill_null(False)).to_series()


def remember_seen(connection: Connection, mapping: StoredMapping, side: Side, frame: pl.DataFrame) -> None:
    """Remember rows of a batch that the next feed will hand over again."""
    kept = frame.filter(pl.col(VERSION).is_not_null() & pl.col(MODIFIED_AT).is_not_null()).unique(ID, keep="last")
    if kept.is_empty():
        return
    stored = kept.select(
        pl.lit(mapping.id).alias("mapping_id"),
        pl.lit(side.value).alias("side"),
        encode_keys(pl.col(ID), mapping.guid(side)).alias("key"),
        pl.col(VERSION).alias("version"),
        pl.col(MODIFIED_AT).dt.epoch("us").alias("modified_at"),
    )
    delete_in(connection, seen, "key", stored.get_column("key"), mapping_id=mapping.id, side=side.value)
    insert_frame(connection, seen, stored)


def prune_seen(connection: Connection, mapping_id: int, side: Side, before: datetime | None) -> None:
    """Forget the rows that no feed will hand over again: those changed before that time, or all."""
    statement = delete(seen).where(seen.c.mapping_id == mapping_id, seen.c.side == side.value)
    if before is not None:
        statement = statement.where(seen.c.modified_at < microseconds(before))
    connection.execute(statement)


def clear_staged(connection: Connection, mapping_id: int, side: Side) -> None:
    """Forget the staged ids of a side."""
    connection.execute(delete(staged_ids).where(staged_ids.c.mapping_id == mapping_id, staged_ids.c.side == side.value))


def stage_ids(connection: Connection, mapping: StoredMapping, side: Side, ids: pl.Series) -> None:
    """Stage ids that a side has."""
    stored = (
        pl.DataFrame({ID: ids})
        .unique(ID)
        .select(
            pl.lit(mapping.id).alias("mapping_id"),
            pl.lit(side.value).alias("side"),
            encode_keys(pl.col(ID), mapping.guid(side)).alias("key"),
        )
    )
    insert_frame(connection, staged_ids, stored)


def coupled_but_not_staged(
    connection: Connection, mapping: StoredMapping, side: Side, rows: int = 5_000
) -> Iterator[list[str]]:
    """Yield the coupled ids of a side that were not staged, and are not known to be gone, in portions."""
    key = couplings.c[f"{side.value}_key"]
    after = 0
    there = (
        select(staged_ids.c.key)
        .where(staged_ids.c.mapping_id == mapping.id, staged_ids.c.side == side.value, staged_ids.c.key == key)
        .exists()
    )
    while True:
        statement = (
            select(couplings.c.id, key)
            .where(
                couplings.c.mapping_id == mapping.id,
                couplings.c.id > after,
                couplings.c.state.op("&")(int(GONE[side])) == 0,
                ~there,
            )
            .order_by(couplings.c.id)
            .limit(rows)
        )
        found = connection.execute(statement).fetchall()
        if not found:
            return
        after = found[-1][0]
        frame = rows_to_frame(found, {"id": pl.Int64(), "key": pl.Binary()})
        yield frame.select(decode_keys(pl.col("key"), mapping.guid(side))).to_series().to_list()
