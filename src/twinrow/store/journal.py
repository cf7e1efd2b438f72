"""The journal: every write that a run made, with old and new values, one compressed frame for each batch.

A journal frame has `coupling_id`, `source_id`, `destination_id`, `decision` (`model.outcomes.Decision`), `version` (the token
that the write left, null where it is not known), and for each field written `old:<field>` and `new:<field>`: canonical texts
of the destination's values before and after, null where the field was neither sent nor changed by the server. A field is
named by the identity of its field mapping, one that is not mapped (a template's) by `UNMAPPED` and its name. What was erased
has `erased`, and neither ids nor values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from twinrow.model.sides import Pass
from twinrow.store.bulk import insert_frame, select_in
from twinrow.store.frames import pack_frame, unpack_frame
from twinrow.store.tables import journal, journal_records

OLD = "old:"
NEW = "new:"
UNMAPPED = "unmapped:"

CREATE, UPDATE, DELETE = "create", "update", "delete"
"""The kinds of entries; a delete tells old values only."""

ABOUT: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "source_id": pl.String(),
    "destination_id": pl.String(),
    "decision": pl.Int64(),
    "version": pl.String(),
    "erased": pl.Boolean(),
}
"""The columns of a journal frame beside the fields."""

_PARAMETERS = 30_000
"""SQLite's own limit on the parameters of one statement is 32,766."""

_AT_ONCE = 16
"""So many batches are read at once: one may hold some thousand records."""


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

    @property
    def fields(self) -> list[str]:
        """The fields (identities) that the batch tells of."""
        return [name.removeprefix(NEW) for name in self.frame.columns if name.startswith(NEW)]


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
    references = frame.select("coupling_id").unique().drop_nulls().sort("coupling_id")
    numbered = references.with_columns(pl.lit(int(made.inserted_primary_key[0])).alias("journal_id"))
    insert_frame(connection, journal_records, numbered)


def read_journal(
    connection: Connection,
    mapping_ids: Collection[int],
    *,
    run_id: int | None = None,
    coupling_ids: Sequence[int] | None = None,
    newest: int | None = None,
    oldest: int | None = None,
) -> Iterator[Entry]:
    """Yield the journal's batches of mappings, newest first: all, those of a run, or those that tell of couplings.

    `newest` is the number of the batch to begin with, `oldest` that of the last one. Frames are whole:
    the caller picks the records.
    """
    below = None if newest is None else newest + 1
    while True:
        statement = _matching(mapping_ids, run_id, coupling_ids)
        if below is not None:
            statement = statement.where(journal.c.id < below)
        if oldest is not None:
            statement = statement.where(journal.c.id >= oldest)
        rows = connection.execute(statement.order_by(journal.c.id.desc()).limit(_AT_ONCE)).fetchall()
        for row in rows:
            yield _entry(row)
        if len(rows) < _AT_ONCE:
            return
        below = rows[-1]._mapping["id"]


def _matching(
    mapping_ids: Collection[int], run_id: int | None, coupling_ids: Sequence[int] | None
) -> Select[tuple[object, ...]]:
    statement: Select[tuple[object, ...]] = select(journal).where(journal.c.mapping_id.in_(mapping_ids))
    if run_id is not None:
        statement = statement.where(journal.c.run_id == run_id)
    if coupling_ids is not None:
        about = select(journal_records.c.journal_id).where(journal_records.c.coupling_id.in_(coupling_ids))
        statement = statement.where(journal.c.id.in_(about))
    return statement


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    values = row._mapping
    frame = unpack_frame(values["payload"])
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in ABOUT.items() if name not in frame.columns]
    return Entry(
        values["id"],
        values["mapping_id"],
        values["run_id"],
        Pass(values["pass"]),
        values["kind"],
        values["written_at"],
        frame.with_columns(absent),
    )


def entry_numbers(connection: Connection, run_id: int) -> list[int]:
    """Return the numbers of the batches that a run wrote, newest first."""
    statement = select(journal.c.id).where(journal.c.run_id == run_id).order_by(journal.c.id.desc())
    return [number for (number,) in connection.execute(statement)]


def get_entry(connection: Connection, number: int) -> Entry:
    """Return one batch."""
    return _entry(connection.execute(select(journal).where(journal.c.id == number)).one())


def first_entry_since(connection: Connection, mapping_id: int, since: datetime, fewest: int) -> int | None:
    """Return the oldest batch of updates of a mapping that was written since then; None where there are less than `fewest`."""
    wanted = (journal.c.mapping_id == mapping_id) & (journal.c.kind == UPDATE)
    lately = select(journal.c.id, journal.c.written_at).where(wanted).order_by(journal.c.id.desc())
    newest = connection.execute(lately.limit(fewest)).fetchall()
    if len(newest) < fewest or newest[-1].written_at < since:
        return None
    first = select(func.min(journal.c.id)).where(wanted, journal.c.written_at >= since)
    return int(connection.execute(first).scalar_one())


def written_lately(connection: Connection, numbers: Sequence[int], first: int, fewest: int) -> list[int]:
    """Return those of the couplings of which at least so many batches tell, from the batch `first` on."""
    found: list[int] = []
    told = journal_records.c.coupling_id
    for start in range(0, len(numbers), _PARAMETERS):
        statement = (
            select(told)
            .where(told.in_(numbers[start : start + _PARAMETERS]), journal_records.c.journal_id >= first)
            .group_by(told)
            .having(func.count() >= fewest)
        )
        found += [coupling for (coupling,) in connection.execute(statement)]
    return found


def written_often(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Return the couplings of which more than one of these batches tells."""
    told = journal_records.c.coupling_id
    statement = select(told).where(journal_records.c.journal_id.in_(numbers)).group_by(told).having(func.count() > 1)
    return [coupling for (coupling,) in connection.execute(statement)]


def newest_versions(connection: Connection, mapping_id: int, pass_: Pass, numbers: Sequence[int]) -> pl.DataFrame:
    """Return, for couplings, the version that the newest write of a pass left: `coupling_id`, `newest` (null: not known)."""
    found = pl.DataFrame(schema={"coupling_id": pl.Int64(), "newest": pl.String()})
    if not numbers:
        return found
    for entry in read_journal(connection, [mapping_id], coupling_ids=numbers):
        if entry.pass_ is pass_:
            told = entry.frame.select("coupling_id", pl.col("version").alias("newest")).drop_nulls("coupling_id")
            wanted = told.filter(pl.col("coupling_id").is_in(numbers)).unique("coupling_id", keep="last")
            found = pl.concat([found, wanted.join(found, on="coupling_id", how="anti")])
        if found.height == len(set(numbers)):
            break
    return found


def prune_journal(connection: Connection, mapping_ids: Collection[int], before: datetime) -> int:
    """Forget what was written before that time; return how many records' writes that were."""
    wanted = journal.c.mapping_id.in_(mapping_ids) & (journal.c.written_at < before)
    pruned = connection.execute(select(func.coalesce(func.sum(journal.c.records), 0)).where(wanted)).scalar_one()
    if pruned:
        # One look through the references: they have no index by batch, which every write would have to keep.
        connection.execute(
            delete(journal_records).where(journal_records.c.journal_id.in_(select(journal.c.id).where(wanted)))
        )
        connection.execute(delete(journal).where(wanted))
    return int(pruned)


def last_answers(connection: Connection, numbers: Sequence[int], fields: Sequence[str]) -> pl.DataFrame:
    """Return what the systems answered when fields of couplings were last written.

    Columns: `coupling_id`, `identity` (of the field), `side` (that was written) and `text` (canonical).
    """
    schema = {"coupling_id": pl.Int64(), "identity": pl.String(), "side": pl.String(), "text": pl.String()}
    references = select_in(
        connection,
        journal_records,
        {"coupling_id": pl.Int64(), "journal_id": pl.Int64()},
        "coupling_id",
        list(numbers),
    )
    found = pl.DataFrame(schema=schema)
    for number in references.get_column("journal_id").unique().sort():
        row = connection.execute(select(journal).where(journal.c.id == number)).one_or_none()
        if row is None:
            continue
        frame = unpack_frame(row.payload).filter(pl.col("coupling_id").is_in(list(numbers)))
        told = [name for name in (NEW + field for field in fields) if name in frame.columns]
        answered = (
            frame.select("coupling_id", *told)
            .unpivot(told, index="coupling_id", variable_name="identity", value_name="text")
            .drop_nulls("text")
            .select(
                "coupling_id",
                pl.col("identity").str.strip_prefix(NEW),
                pl.lit(Pass(row._mapping["pass"]).destination.value).alias("side"),
                "text",
            )
        )
        found = pl.concat([found, answered]).unique(
            ["coupling_id", "identity", "side"], keep="last", maintain_order=True
        )
    return found
