"""Intents: what is about to be sent to a system, stored before it is sent.

An intent is one batch of one kind of write. It is removed when the batch is settled, or cut down to the records whose answer
is missing. Whatever an earlier fence left behind is indeterminate: it may have been carried out or not, and each of its
records must be read back before anything else is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row, delete, insert, select, update

from twinrow.model.sides import Pass
from twinrow.store.frames import pack_frame, unpack_frame
from twinrow.store.leases import Lease
from twinrow.store.tables import intents

AMENDING = "amend "
"""How the kinds of those intents begin that stand for what a person asked for (`engine.amend`)."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A stored intent. `kind` is the kind of write; `deadline` is in the destination's own clock (UTC)."""

    id: int
    mapping_id: int
    run_id: int
    pass_: Pass
    kind: str
    fence: int
    deadline: datetime
    frame: pl.DataFrame

    @property
    def amends(self) -> bool:
        """Whether it stands for what a person asked for, and not for what a pass carries."""
        return self.kind.startswith(AMENDING)


def save_intent(
    connection: Connection, lease: Lease, run_id: int, pass_: Pass, kind: str, deadline: datetime, frame: pl.DataFrame
) -> int:
    """Store what is about to be sent; return the intent's number. The caller has checked the fence in this transaction."""
    made = connection.execute(
        insert(intents).values(
            {
                "mapping_id": lease.mapping_id,
                "run_id": run_id,
                "pass": pass_.value,
                "kind": kind,
                "fence": lease.fence,
                "deadline": deadline,
                "records": frame.height,
                "payload": pack_frame(frame, lasting=False),
            }
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101
    return int(made.inserted_primary_key[0])


def open_intents(connection: Connection, mapping_id: int) -> list[Intent]:
    """Return the intents of a mapping that are not settled, oldest first."""
    found = connection.execute(select(intents).where(intents.c.mapping_id == mapping_id).order_by(intents.c.id))
    return [_intent(row) for row in found]


def remove_intents(connection: Connection, numbers: list[int]) -> None:
    """Forget intents: they are settled."""
    if numbers:
        connection.execute(delete(intents).where(intents.c.id.in_(numbers)))


def keep_in_intent(connection: Connection, number: int, frame: pl.DataFrame) -> None:
    """Cut an intent down to the records of the frame, or forget it when there are none."""
    if frame.is_empty():
        remove_intents(connection, [number])
        return
    connection.execute(
        update(intents)
        .where(intents.c.id == number)
        .values(records=frame.height, payload=pack_frame(frame, lasting=False))
    )


def _intent(row: Row[Any]) -> Intent:
    values = row._mapping
    return Intent(
        values["id"],
        values["mapping_id"],
        values["run_id"],
        Pass(values["pass"]),
        values["kind"],
        values["fence"],
        values["deadline"],
        unpack_frame(values["payload"]),
    )
