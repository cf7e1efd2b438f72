"""Pending records and unresolved references: open work that comes again by itself.

A record that a pass could not finish has one pending row for that pass, coupled or not. It is read again in the next run,
until it succeeds (the row goes), or is skipped: the same failure twice in a row in the same pass (semantics 6.1).
An unresolved reference is a field that was left blank because its record is not coupled yet; the record itself is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row, func, insert, or_, select, update

from twinrow.batch.columns import ID, INSTANT
from twinrow.model.outcomes import Decision, Recovery
from twinrow.model.sides import Pass
from twinrow.store.bulk import delete_in, has_rows, insert_frame, select_in, worth_asking
from twinrow.store.couplings import State, newest_coupling, set_state
from twinrow.store.keys import decode_key, decode_keys, encode_all, encode_keys
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import couplings, pending, unresolved

PENDING_SCHEMA: dict[str, pl.DataType] = {
    ID: pl.String(),
    "coupling_id": pl.Int64(),
    "decision": pl.Int64(),
    "recovery": pl.String(),
    "field": pl.String(),
    "message": pl.String(),
    "cause": pl.String(),
    "remedy": pl.String(),
    "failures": pl.Int64(),
    "skipped": pl.Boolean(),
    "not_before": INSTANT,
    "newest_coupling": pl.Int64(),
    "job_id": pl.Int64(),
    "since": INSTANT,
    "at": INSTANT,
}
"""`@id` is the source record's; `not_before` is in the destination's own clock; `since` and `at` are in the store's."""

TRY_AGAIN = "taken off the skipped list, to be tried again"
"""The message of a pending row whose record somebody wants to be tried again."""

COUPLED = "coupled by hand, and not synchronized yet"
"""The message of a pending row whose record somebody has coupled: it may not have changed since it was last read."""

MATCHED = "coupled by matching, and not synchronized yet"
"""The message of a pending row whose record was coupled by matching."""

TO_BE_MADE = "no match was found: its counterpart is to be made"
"""The message of a pending row whose counterpart somebody wants to be made."""

_INSTANTS = ("not_before", "since", "at")


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """A pending row, for people."""

    id: int
    mapping_id: int
    pass_: Pass
    source_id: str
    coupling_id: int | None
    decision: Decision
    recovery: str
    field: str | None
    message: str
    cause: str | None
    remedy: str | None
    failures: int
    skipped: bool
    not_before: datetime | None
    since: datetime
    at: datetime


def _stored_schema() -> dict[str, pl.DataType]:
    renamed: dict[str, pl.DataType] = {"source_key": pl.Binary()}
    for name, kind in list(PENDING_SCHEMA.items())[1:]:
        renamed[name] = pl.Int64() if name in _INSTANTS else kind
    return renamed


def read_pending(connection: Connection, mapping: StoredMapping, pass_: Pass, ids: Sequence[str]) -> pl.DataFrame:
    """Return the pending rows of source records (`PENDING_SCHEMA`); records without one are absent."""
    guid, wanted = mapping.guid(pass_.source), {"mapping_id": mapping.id, "pass": pass_.value}
    if not worth_asking(connection, pending, len(ids), **wanted):
        return pl.DataFrame(schema=PENDING_SCHEMA)
    found = select_in(connection, pending, _stored_schema(), "source_key", encode_all(ids, guid), **wanted)
    return found.select(
        decode_keys(pl.col("source_key"), guid).alias(ID),
        *(pl.col(name).cast(kind) for name, kind in list(PENDING_SCHEMA.items())[1:]),
    )


def has_open_work(connection: Connection, mapping: StoredMapping, pass_: Pass) -> bool:
    """Whether any record of a pass is pending or has a reference that is not resolved."""
    wanted = {"mapping_id": mapping.id, "pass": pass_.value}
    return has_rows(connection, pending, **wanted) or has_rows(connection, unresolved, **wanted)


def due_ids(connection: Connection, mapping: StoredMapping, pass_: Pass, destination_now: datetime) -> list[str]:
    """Return the source records of a pass that are to be tried again now, oldest first."""
    statement = (
        select(pending.c.source_key)
        .where(
            pending.c.mapping_id == mapping.id,
            pending.c["pass"] == pass_.value,
            pending.c.skipped.is_(False),
            or_(pending.c.not_before.is_(None), pending.c.not_before <= destination_now),
        )
        .order_by(pending.c.id)
    )
    guid = mapping.guid(pass_.source)
    return [decode_key(key, guid) for (key,) in connection.execute(statement)]


def save_pending(connection: Connection, mapping: StoredMapping, pass_: Pass, frame: pl.DataFrame) -> None:
    """Store pending rows (`PENDING_SCHEMA`), replacing those of the same records."""
    if frame.is_empty():
        return
    guid = mapping.guid(pass_.source)
    clear_pending(connection, mapping, pass_, frame.get_column(ID).to_list())
    stored = frame.select(
        pl.lit(mapping.id).alias("mapping_id"),
        pl.lit(pass_.value).alias("pass"),
        encode_keys(pl.col(ID), guid).alias("source_key"),
        *(
            (pl.col(name).dt.epoch("us") if name in _INSTANTS else pl.col(name)).alias(name)
            for name in list(PENDING_SCHEMA)[1:]
        ),
    )
    insert_frame(connection, pending, stored)
    numbers = frame.filter(pl.col("skipped")).get_column("coupling_id").drop_nulls().to_list()
    if numbers:
        set_state(connection, numbers, on=State.SKIPPED)


def clear_pending(connection: Connection, mapping: StoredMapping, pass_: Pass, ids: Sequence[str]) -> None:
    """Remove the pending rows of source records: they are finished."""
    if not worth_asking(connection, pending, len(ids), **{"mapping_id": mapping.id, "pass": pass_.value}):
        return
    keys = encode_all(ids, mapping.guid(pass_.source))
    delete_in(connection, pending, "source_key", keys, **{"mapping_id": mapping.id, "pass": pass_.value})


def clear_conflicts(connection: Connection, mapping: StoredMapping, pass_: Pass, numbers: Sequence[int]) -> None:
    """Remove the pending rows of couplings whose conflict has been settled by the other pass."""
    conflict = {"mapping_id": mapping.id, "pass": pass_.value, "decision": int(Decision.CONFLICT)}
    wanted = [pending.c[name] == value for name, value in conflict.items()]
    if connection.execute(select(pending.c.id).where(*wanted).limit(1)).first() is not None:
        delete_in(connection, pending, "coupling_id", numbers, **conflict)


def list_pending(
    connection: Connection, mappings: Sequence[StoredMapping], *, skipped: bool | None = None, limit: int = 1_000
) -> list[PendingRecord]:
    """Return the pending rows of mappings, oldest first; `skipped` chooses those set aside or those still tried."""
    by_id = {mapping.id: mapping for mapping in mappings}
    statement = select(pending).where(pending.c.mapping_id.in_(by_id)).order_by(pending.c.id).limit(limit)
    if skipped is not None:
        statement = statement.where(pending.c.skipped.is_(skipped))
    return [_record(row, by_id[row.mapping_id]) for row in connection.execute(statement)]


def pending_of(connection: Connection, mapping: StoredMapping, numbers: Sequence[int]) -> list[PendingRecord]:
    """Return the pending rows of a mapping with these numbers."""
    statement = select(pending).where(pending.c.mapping_id == mapping.id, pending.c.id.in_(numbers))
    return [_record(row, mapping) for row in connection.execute(statement)]


def _record(row: Row[Any], mapping: StoredMapping) -> PendingRecord:
    values = dict(row._mapping)
    pass_ = Pass(values.pop("pass"))
    key = values.pop("source_key")
    for internal in ("job_id", "newest_coupling"):
        values.pop(internal)
    values["decision"] = Decision(values["decision"])
    return PendingRecord(pass_=pass_, source_id=decode_key(key, mapping.guid(pass_.source)), **values)


def pending_messages(connection: Connection, mapping: StoredMapping, numbers: Sequence[int]) -> pl.DataFrame:
    """Return what couplings wait for, or why they were set aside: `coupling_id` and `message`, one for each."""
    columns = {"coupling_id": pl.Int64(), "message": pl.String()}
    found = select_in(connection, pending, columns, "coupling_id", list(numbers), mapping_id=mapping.id)
    return found.unique("coupling_id", keep="first", maintain_order=True)


def retry(connection: Connection, mapping: StoredMapping, at: datetime, numbers: Sequence[int] | None = None) -> int:
    """Take pending rows (by number, or all of a mapping) off the skipped list; return how many. The next run tries them.

    A coupling that was skipped was left alone in both directions: it is looked at again in both.
    """
    wanted = (pending.c.mapping_id == mapping.id) & pending.c.skipped.is_(True)
    if numbers is not None:
        wanted &= pending.c.id.in_(numbers)
    chosen = connection.execute(select(pending).where(wanted)).fetchall()
    coupled = [row.coupling_id for row in chosen if row.coupling_id is not None]
    set_state(connection, coupled, off=State.SKIPPED)
    again = _again(TRY_AGAIN, at)
    concerned = or_(pending.c.id.in_([row.id for row in chosen]), pending.c.coupling_id.in_(coupled))
    connection.execute(update(pending).where(concerned).values(**again))
    look_again(connection, mapping, coupled, TRY_AGAIN, at)
    return len(chosen)


def make_counterparts(
    connection: Connection, mapping: StoredMapping, pass_: Pass, ids: pl.Series, job_id: int, at: datetime
) -> None:
    """Have the next run of a pass make the counterparts of uncoupled source records, also where the mapping makes none."""
    values = _again(TO_BE_MADE, at) | {
        "decision": int(Decision.SET_ASIDE),
        "recovery": Recovery.RETRY.value,
        "job_id": job_id,
        "since": at,
    }
    columns = [pl.lit(values.get(name), dtype=kind).alias(name) for name, kind in list(PENDING_SCHEMA.items())[1:]]
    save_pending(connection, mapping, pass_, pl.DataFrame({ID: ids}).with_columns(columns))


def set_aside(connection: Connection, mapping: StoredMapping, pass_: Pass, ids: Sequence[str]) -> list[int]:
    """Return the numbers of the skipped pending rows of source records."""
    rows = select_in(
        connection,
        pending,
        {"id": pl.Int64(), "skipped": pl.Boolean()},
        "source_key",
        encode_all(ids, mapping.guid(pass_.source)),
        **{"mapping_id": mapping.id, "pass": pass_.value},
    )
    return rows.filter("skipped").get_column("id").to_list()


def _again(message: str, at: datetime) -> dict[str, object]:
    return {"skipped": False, "failures": 0, "message": message, "at": at}


def look_again(
    connection: Connection, mapping: StoredMapping, numbers: Sequence[int], message: str, at: datetime
) -> None:
    """Have the next run look at couplings from both sides, whether their records have changed or not."""
    known = {
        (row.coupling_id, row._mapping["pass"])
        for row in connection.execute(
            select(pending.c.coupling_id, pending.c["pass"]).where(pending.c.coupling_id.in_(numbers))
        )
    }
    rows = [
        {
            "mapping_id": mapping.id,
            "pass": pass_.value,
            "source_key": row._mapping[f"{pass_.source.value}_key"],
            "coupling_id": row.id,
            "decision": int(Decision.SET_ASIDE),
            "recovery": Recovery.RETRY.value,
            "since": at,
            **_again(message, at),
        }
        for row in connection.execute(select(couplings).where(couplings.c.id.in_(numbers)))
        for pass_ in mapping.mapping.direction.passes
        if (row.id, pass_.value) not in known
    ]
    if rows:
        connection.execute(insert(pending), rows)


UNRESOLVED_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "field": pl.String(),
    "value": pl.String(),
}
"""`field` is the identity of the field mapping, `value` what the source says."""


def read_unresolved(connection: Connection, pass_: Pass, numbers: Sequence[int]) -> pl.DataFrame:
    """Return the unresolved references of couplings in a pass (`UNRESOLVED_SCHEMA`)."""
    return select_in(connection, unresolved, UNRESOLVED_SCHEMA, "coupling_id", list(numbers), **{"pass": pass_.value})


def save_unresolved(
    connection: Connection,
    mapping: StoredMapping,
    pass_: Pass,
    finished: Sequence[int],
    frame: pl.DataFrame,
    newest: int,
) -> None:
    """Replace the unresolved references of the couplings `finished` by those of the frame (`UNRESOLVED_SCHEMA`).

    `newest` is the newest coupling of the related mappings that was there when they were looked up.
    """
    delete_in(connection, unresolved, "coupling_id", finished, **{"pass": pass_.value})
    if frame.is_empty():
        return
    stored = frame.select(
        "coupling_id",
        pl.lit(pass_.value).alias("pass"),
        "field",
        pl.lit(mapping.id).alias("mapping_id"),
        "value",
        pl.lit(newest).alias("newest_coupling"),
    )
    insert_frame(connection, unresolved, stored)


def resolvable_ids(connection: Connection, mapping: StoredMapping, pass_: Pass, related: Sequence[int]) -> list[str]:
    """Return the source records with unresolved references for which the related mappings have new couplings since."""
    newest = newest_coupling(connection, related) if related else 0
    key = couplings.c[f"{pass_.source.value}_key"]
    statement = (
        select(key)
        .join(unresolved, unresolved.c.coupling_id == couplings.c.id)
        .where(
            unresolved.c.mapping_id == mapping.id,
            unresolved.c["pass"] == pass_.value,
            unresolved.c.newest_coupling < newest,
        )
        .distinct()
    )
    guid = mapping.guid(pass_.source)
    return sorted(decode_key(found, guid) for (found,) in connection.execute(statement))


def unresolved_values(connection: Connection, mapping: StoredMapping, pass_: Pass, fields: Sequence[str]) -> list[str]:
    """Return what the source says in unresolved references of these fields (identities), each value once."""
    statement = (
        select(unresolved.c.value)
        .where(
            unresolved.c.mapping_id == mapping.id,
            unresolved.c["pass"] == pass_.value,
            unresolved.c.field.in_(fields),
            unresolved.c.value.is_not(None),
        )
        .distinct()
    )
    return sorted(value for (value,) in connection.execute(statement))


def has_news(connection: Connection, mapping: StoredMapping, pass_: Pass, related: Sequence[int]) -> bool:
    """Whether records of a pass wait for records of the related mappings, of which some have been coupled since."""
    if resolvable_ids(connection, mapping, pass_, related):
        return True
    newest = newest_coupling(connection, related) if related else 0
    statement = (
        select(pending.c.id)
        .where(
            pending.c.mapping_id == mapping.id,
            pending.c["pass"] == pass_.value,
            pending.c.decision == int(Decision.WAITING),
            pending.c.skipped.is_(False),
            pending.c.newest_coupling < newest,
        )
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def count_unresolved(connection: Connection, mapping: StoredMapping) -> int:
    """Return how many references of a mapping's records wait for their record to be coupled."""
    statement = select(func.count()).where(unresolved.c.mapping_id == mapping.id)
    return int(connection.execute(statement).scalar_one())
