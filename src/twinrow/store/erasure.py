"""Erasure: the values of one record vanish from everything that the store keeps of it.

What stays are ids where they are needed (a coupling keeps a record from being made twice), and the fact that something was
there and was erased. Batches of the journal and of plans are read one after the other and written anew without the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection, Table, delete, or_, select, update

from twinrow.model.sides import Pass, Side
from twinrow.store.bulk import delete_in
from twinrow.store.couplings import by_number, remove_couplings
from twinrow.store.frames import pack_frame, unpack_frame
from twinrow.store.journal import ABOUT
from twinrow.store.keys import encode_all
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import (
    bases,
    conflicts,
    couplings,
    errors,
    journal,
    match_scored,
    pending,
    plan_batches,
    proposals,
    undone,
    unresolved,
    verified,
)

ERASED = "erased on request"
"""What stands in place of a message that was erased."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose values are erased: the ids of the record on both sides, and its couplings."""

    mapping: StoredMapping
    ids: Mapping[Side, Sequence[str]]
    couplings: Sequence[int]

    def rows(self, pass_: Pass) -> pl.Expr:
        """Return which rows of a batch tell of the record."""
        return (
            pl.col("coupling_id").is_in(list(self.couplings))
            | pl.col("source_id").is_in(list(self.ids[pass_.source]))
            | pl.col("destination_id").is_in(list(self.ids[pass_.destination]))
        ).fill_null(False)

    def keys(self, side: Side) -> list[bytes]:
        """Return the keys of the record on a side."""
        return encode_all(self.ids[side], self.mapping.guid(side))


def erase_record(connection: Connection, subject: Subject, *, uncouple: bool) -> int:
    """Erase the values of a record; return of how many writes the journal has told. `uncouple` removes its couplings, too."""
    numbers = list(subject.couplings)
    written = _erase_journal(connection, subject)
    _erase_plans(connection, subject)
    for table in (bases, conflicts, unresolved, undone, verified):
        delete_in(connection, table, "coupling_id", numbers)
    # Without a base nothing stands for the record: it is read whole when it is looked at next.
    connection.execute(
        update(couplings).where(couplings.c.id.in_(numbers)).values(local_version=None, integration_version=None)
    )
    _erase_messages(connection, subject)
    _erase_proposals(connection, subject)
    if uncouple:
        remove_couplings(connection, subject.mapping, by_number(connection, subject.mapping, numbers))
    return written


def _erase_journal(connection: Connection, subject: Subject) -> int:
    written = 0
    for number, pass_, frame in _batches(connection, journal, subject):
        here = subject.rows(pass_) & pl.col("erased").is_null() if "erased" in frame.columns else subject.rows(pass_)
        mine = frame.filter(here).height
        if not mine:
            continue
        written += mine
        kept = {"coupling_id", "decision", "erased"}
        blank = [pl.when(~here).then(pl.col(name)).alias(name) for name in frame.columns if name not in kept]
        before = pl.col("erased") if "erased" in frame.columns else pl.lit(None, dtype=ABOUT["erased"])
        erased = frame.with_columns(*blank, pl.when(here).then(True).otherwise(before).alias("erased"))
        connection.execute(update(journal).where(journal.c.id == number).values(payload=pack_frame(_afresh(erased))))
    return written


def _erase_plans(connection: Connection, subject: Subject) -> None:
    for number, pass_, frame in _batches(connection, plan_batches, subject):
        rest = frame.filter(~subject.rows(pass_))
        if rest.is_empty():
            connection.execute(delete(plan_batches).where(plan_batches.c.id == number))
        elif rest.height < frame.height:
            changed = {"payload": pack_frame(_afresh(rest)), "records": rest.height}
            connection.execute(update(plan_batches).where(plan_batches.c.id == number).values(**changed))


def _afresh(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame made anew: a column keeps in its memory the texts of rows that were filtered out or blanked."""
    return pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema)


def _batches(connection: Connection, table: Table, subject: Subject) -> list[tuple[int, Pass, pl.DataFrame]]:
    """Return the batches of the mapping that tell of the record."""
    numbers = [
        number
        for (number,) in connection.execute(
            select(table.c.id).where(table.c.mapping_id == subject.mapping.id)
        ).fetchall()
    ]
    found = []
    for number in numbers:
        row = connection.execute(select(table.c["pass"], table.c.payload).where(table.c.id == number)).one()
        pass_, frame = Pass(row._mapping["pass"]), unpack_frame(row.payload)
        if frame.select(subject.rows(pass_).any()).item():
            found.append((number, pass_, frame))
    return found


def _erase_proposals(connection: Connection, subject: Subject) -> None:
    """Forget open proposals of the record, and the values in others; that a pair was rejected stays known."""
    for side in Side:
        keys = subject.keys(side)
        mine = (proposals.c.mapping_id == subject.mapping.id) & proposals.c[f"{side.value}_key"].in_(keys)
        connection.execute(delete(proposals).where(mine, proposals.c.decided_at.is_(None)))
        connection.execute(update(proposals).where(mine).values(explanation={"fields": []}))
        delete_in(connection, match_scored, "key", keys, mapping_id=subject.mapping.id, side=side.value)


def _erase_messages(connection: Connection, subject: Subject) -> None:
    """Take the texts of errors and of open work away, which may quote values; what is open stays open."""
    blank = {"message": ERASED, "cause": None}
    for pass_ in Pass:
        source, destination = subject.keys(pass_.source), subject.keys(pass_.destination)
        told = or_(errors.c.source_key.in_(source), errors.c.destination_key.in_(destination))
        mine = (errors.c.mapping_id == subject.mapping.id) & (errors.c["pass"] == pass_.value)
        connection.execute(update(errors).where(mine, told).values(**blank))
        waiting = (pending.c.mapping_id == subject.mapping.id) & (pending.c["pass"] == pass_.value)
        connection.execute(update(pending).where(waiting, pending.c.source_key.in_(source)).values(**blank))
