"""Pilots: the records of a mapping that take part in the first days, while all others are left alone.

A pilot is a list of records of one side, made when it begins; a record of the other side takes part when it is coupled to one of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, delete, select

from twinrow.model.sides import Side
from twinrow.store.bulk import insert_frame
from twinrow.store.keys import decode_keys, encode_keys
from twinrow.store.mappings import StoredMapping
from twinrow.store.systems import clear_setting, get_setting, set_setting
from twinrow.store.tables import pilot_records

MOST_RECORDS = 10_000
"""A pilot is for looking closely; it is held in memory."""


@dataclass(frozen=True)
class Pilot:
    """A pilot: which side's records it lists, how they were chosen, since when (by the store's clock), and their ids."""

    side: Side
    told: str
    since: datetime
    ids: pl.Series

    @property
    def mark(self) -> str:
        """A text that differs between pilots."""
        return f"pilot {self.side.value} {self.since.isoformat()}"

    def has(self, side: Side, id: pl.Expr, counterpart: pl.Expr) -> pl.Expr:
        """Return which records of a side take part, by their ids and those of their counterparts (null: not coupled)."""
        chosen = id if side is self.side else counterpart
        return chosen.is_in(self.ids.implode()).fill_null(False)


def _setting(mapping_id: int) -> str:
    return f"pilot of mapping {mapping_id}"


def read_pilot(connection: Connection, mapping: StoredMapping) -> Pilot | None:
    """Return the pilot of a mapping, if there is one."""
    told = get_setting(connection, _setting(mapping.id))
    if told is None:
        return None
    side = Side(told["side"])
    found = connection.execute(select(pilot_records.c.key).where(pilot_records.c.mapping_id == mapping.id))
    keys = pl.DataFrame({"key": [key for (key,) in found]}, schema={"key": pl.Binary()})
    ids = keys.select(decode_keys(pl.col("key"), mapping.guid(side))).to_series()
    return Pilot(side, told["told"], datetime.fromisoformat(told["since"]), ids)


def start_pilot(connection: Connection, mapping: StoredMapping, pilot: Pilot) -> None:
    """Begin a pilot of a mapping, in the place of one that there is."""
    end_pilot(connection, mapping.id)
    told = {"side": pilot.side.value, "told": pilot.told, "since": pilot.since.isoformat()}
    set_setting(connection, _setting(mapping.id), told)
    rows = pl.DataFrame({"id": pilot.ids}).unique()
    key = encode_keys(pl.col("id"), mapping.guid(pilot.side)).alias("key")
    insert_frame(connection, pilot_records, rows.select(pl.lit(mapping.id).alias("mapping_id"), key))


def end_pilot(connection: Connection, mapping_id: int) -> None:
    """End the pilot of a mapping: all its records take part again."""
    clear_setting(connection, _setting(mapping_id))
    connection.execute(delete(pilot_records).where(pilot_records.c.mapping_id == mapping_id))
