"""The journal: every write that a run made, with old and new values, one compressed frame for each batch.

A journal frame has `coupling_id`, `source_id`, `destination_id`, `decision` (`model.outcomes.Decision`), and for each field
written `old:<field>` and `new:<field>`: canonical texts of the destination's values before and after, null where the field
was neither sent nor changed by the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, insert, select

from twinrow.model.sides import Pass
from twinrow.store.bulk import insert_frame
from twinrow.store.frames import pack_frame, unpack_frame
from twinrow.store.tables import journal, journal_records

OLD = "old:"
NEW = "new:"


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch of the journal."""

    id: int
    mapping_id: int
    run_id: int
    pass_: Pass
    kind: str
    written_at: datetime
    frame: pl.DataFrame


def add_entry(
    connection: Connection, mapping_id: int, run_id: int, pass_: Pass, kind: str, at: datetime, frame: pl.DataFrame
) -> None:
    """Add a batch of writes to the journal."""
    if frame.is_empty():
        return
    made = connection.execute(
        insert(journal).values(
            {
                "mapping_id": mapping_id,
                "run_id": run_id,
                "pass": pass_.value,
                "kind": kind,
                "written_at": at,
                "records": frame.height,
                "payload": pack_frame(frame),
            }
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101
    references = frame.select("coupling_id").unique(maintain_order=True).drop_nulls()
    numbered = references.with_columns(pl.lit(int(made.inserted_primary_key[0])).alias("journal_id"))
    insert_frame(connection, journal_records, numbered)


def read_journal(
    connection: Connection, *, run_id: int | None = None, mapping_id: int | None = None, coupling_id: int | None = None
) -> Iterator[Entry]:
    """Yield the journal's batches, oldest first: of a run, a mapping, or those that tell of one coupling."""
    statement = select(journal).order_by(journal.c.id)
    if run_id is not None:
        statement = statement.where(journal.c.run_id == run_id)
    if mapping_id is not None:
        statement = statement.where(journal.c.mapping_id == mapping_id)
    if coupling_id is not None:
        about = select(journal_records.c.journal_id).where(journal_records.c.coupling_id == coupling_id)
        statement = statement.where(journal.c.id.in_(about))
    for row in connection.execute(statement):
        values = row._mapping
        frame = unpack_frame(values["payload"])
        if coupling_id is not None:
            frame = frame.filter(pl.col("coupling_id") == coupling_id)
        yield Entry(
            values["id"],
            values["mapping_id"],
            values["run_id"],
            Pass(values["pass"]),
            values["kind"],
            values["written_at"],
            frame,
        )
