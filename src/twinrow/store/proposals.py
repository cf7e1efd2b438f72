"""Proposals: pairs of records that are probably the same, and what a person has said of them.

A proposal is open until it is accepted, which couples the two, or rejected. Decided ones stay: a rejected pair is not proposed
again, and an accepted one tells why two records were coupled. Beside them stands what scored matching has learned (`Learned`),
and which records it has looked at already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, or_, select, update

from twinrow.model.errors import UnknownName
from twinrow.model.sides import Side
from twinrow.store.bulk import delete_in, insert_frame, rows_to_frame, select_in, update_frame
from twinrow.store.keys import decode_key, decode_keys, encode_all, encode_keys
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import couplings, match_scored, match_weights, proposals

OPEN, ACCEPTED, REJECTED = "open", "accepted", "rejected"
STATES = (OPEN, ACCEPTED, REJECTED)

BY_ITSELF = "twinrow"
"""Who has accepted a pair that was coupled without a person."""

PROPOSAL_SCHEMA: dict[str, pl.DataType] = {
    "local_id": pl.String(),
    "integration_id": pl.String(),
    "score": pl.Float64(),
    "probability": pl.Float64(),
    "explanation": pl.String(),
}
"""`score` is in bits. `explanation` is JSON: its `fields` tell for each field that was compared the values of both sides, what
kind they are of, what comparing them came to, and the bits of that."""

_PAIR = {"local_key": pl.Binary(), "integration_key": pl.Binary()}
_KNOWN = {"id": pl.Int64(), **_PAIR, "state": pl.String(), "score": pl.Float64()}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal; times are the store's. `explanation` has under `fields` an entry for each field."""

    id: int
    mapping_id: int
    local_id: str
    integration_id: str
    state: str
    score: float
    probability: float
    explanation: Mapping[str, Any]
    made_at: datetime
    who: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned from so many `records` of a mapping; `shape` says which fields were compared, and how."""

    shape: str
    weights: Any
    records: int


def save_proposals(
    connection: Connection, mapping: StoredMapping, frame: pl.DataFrame, at: datetime, *, state: str = OPEN
) -> None:
    """Store pairs (`PROPOSAL_SCHEMA`); what was said of the same pairs before is replaced."""
    keyed = frame.with_columns(
        encode_keys(pl.col(f"{side.value}_id"), mapping.guid(side)).alias(f"{side.value}_key") for side in Side
    )
    known = _known(connection, mapping, keyed.get_column("local_key").to_list())
    replaced = known.join(keyed.select(_PAIR.keys()), on=list(_PAIR), how="semi")
    delete_in(connection, proposals, "id", replaced.get_column("id").to_list())
    now = pl.lit(at).dt.epoch("us")
    by_itself = state == ACCEPTED
    stored = keyed.select(
        pl.lit(mapping.id).alias("mapping_id"),
        *_PAIR,
        pl.lit(state).alias("state"),
        "score",
        "probability",
        "explanation",
        now.alias("made_at"),
        pl.lit(BY_ITSELF if by_itself else None, dtype=pl.String).alias("who"),
        (now if by_itself else pl.lit(None, dtype=pl.Int64)).alias("decided_at"),
    )
    insert_frame(connection, proposals, stored)


def known_pairs(connection: Connection, mapping: StoredMapping, local_ids: Sequence[str]) -> pl.DataFrame:
    """Return the proposals of local records: `id`, `local_id`, `integration_id`, `state`, `score`."""
    return _pairs(_known(connection, mapping, encode_all(local_ids, mapping.guid(Side.LOCAL))), mapping)


def open_pairs(connection: Connection, mapping: StoredMapping) -> pl.DataFrame:
    """Return all open proposals of a mapping, also those of records that are gone: as `known_pairs`."""
    statement = select(*(proposals.c[name] for name in _KNOWN)).where(
        proposals.c.mapping_id == mapping.id, proposals.c.state == OPEN
    )
    return _pairs(rows_to_frame(connection.execute(statement).fetchall(), _KNOWN), mapping)


def _pairs(known: pl.DataFrame, mapping: StoredMapping) -> pl.DataFrame:
    return known.select(
        "id",
        *(decode_keys(pl.col(f"{side.value}_key"), mapping.guid(side)).alias(f"{side.value}_id") for side in Side),
        "state",
        "score",
    )


def _known(connection: Connection, mapping: StoredMapping, keys: Sequence[bytes]) -> pl.DataFrame:
    return select_in(connection, proposals, _KNOWN, "local_key", list(keys), mapping_id=mapping.id)


def list_proposals(
    connection: Connection,
    mappings: Sequence[StoredMapping],
    state: str = OPEN,
    limit: int = 1_000,
    above: float = 0.0,
) -> list[Proposal]:
    """Return proposals of mappings in a state, the most probable first, down to a probability."""
    statement = (
        select(proposals)
        .where(_chosen(mappings, state), proposals.c.probability >= above)
        .order_by(proposals.c.probability.desc(), proposals.c.score.desc(), proposals.c.id)
        .limit(limit)
    )
    by_id = {mapping.id: mapping for mapping in mappings}
    return [_proposal(row, by_id[row.mapping_id]) for row in connection.execute(statement)]


def count_proposals(connection: Connection, mappings: Sequence[StoredMapping], state: str = OPEN) -> int:
    """Return how many proposals of mappings are in a state."""
    return int(connection.execute(select(func.count()).where(_chosen(mappings, state))).scalar_one())


def _chosen(mappings: Sequence[StoredMapping], state: str) -> ColumnElement[bool]:
    """Proposals in a state; an open one of a record that was coupled in another way is none any more."""
    chosen = proposals.c.mapping_id.in_([mapping.id for mapping in mappings]) & (proposals.c.state == state)
    if state != OPEN:
        return chosen
    taken = [
        exists().where(couplings.c.mapping_id == proposals.c.mapping_id, couplings.c[key] == proposals.c[key])
        for key in _PAIR
    ]
    return chosen & ~or_(*taken)


def get_proposals(connection: Connection, mappings: Sequence[StoredMapping], numbers: Sequence[int]) -> list[Proposal]:
    """Return proposals by their numbers, in the order of the numbers. Raises `UnknownName` for one that is not there."""
    by_id = {mapping.id: mapping for mapping in mappings}
    wanted = proposals.c.mapping_id.in_(list(by_id)) & proposals.c.id.in_(numbers)
    found = {
        row.id: _proposal(row, by_id[row.mapping_id]) for row in connection.execute(select(proposals).where(wanted))
    }
    for number in numbers:
        if number not in found:
            known = [str(one.id) for one in list_proposals(connection, mappings, limit=20)]
            raise UnknownName("proposal", str(number), known)
    return [found[number] for number in dict.fromkeys(numbers)]


def states_of(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """Return what has been said of proposals by now; those that are forgotten are absent."""
    rows = connection.execute(select(proposals.c.id, proposals.c.state).where(proposals.c.id.in_(numbers)))
    return {row.id: row.state for row in rows}


def decide(connection: Connection, numbers: Sequence[int], state: str, who: str, at: datetime) -> None:
    """Store what was said of proposals."""
    for start in range(0, len(numbers), 10_000):
        chunk = list(numbers[start : start + 10_000])
        connection.execute(
            update(proposals).where(proposals.c.id.in_(chunk)).values(state=state, who=who, decided_at=at)
        )


def renew_proposals(connection: Connection, frame: pl.DataFrame) -> None:
    """Store how probable proposals are now (`id`, `probability`), seen beside pairs that were found since."""
    update_frame(connection, proposals, "id", frame)


def forget_proposals(connection: Connection, numbers: Sequence[int]) -> None:
    """Forget proposals that stand for nothing any more."""
    delete_in(connection, proposals, "id", numbers)


def forget_open(connection: Connection, mapping: StoredMapping, side: Side, ids: Sequence[str]) -> None:
    """Forget the open proposals of records of a side: they are coupled, gone, or looked at anew."""
    keys = encode_all(ids, mapping.guid(side))
    delete_in(connection, proposals, f"{side.value}_key", keys, mapping_id=mapping.id, state=OPEN)


def read_learned(connection: Connection, mapping: StoredMapping) -> Learned | None:
    """Return what was learned from the records of a mapping."""
    row = connection.execute(select(match_weights).where(match_weights.c.mapping_id == mapping.id)).one_or_none()
    return None if row is None else Learned(row.shape, row.weights, row.records)


def save_learned(connection: Connection, mapping: StoredMapping, learned: Learned, at: datetime) -> None:
    """Store what was learned anew; every record is then to be looked at again, and open proposals are forgotten."""
    for table in (match_weights, match_scored):
        connection.execute(delete(table).where(table.c.mapping_id == mapping.id))
    connection.execute(delete(proposals).where(proposals.c.mapping_id == mapping.id, proposals.c.state == OPEN))
    values = {"shape": learned.shape, "weights": learned.weights, "records": learned.records}
    connection.execute(insert(match_weights).values(mapping_id=mapping.id, at=at, **values))


def read_scored(connection: Connection, mapping: StoredMapping, side: Side, ids: Sequence[str]) -> pl.DataFrame:
    """Return `id` and `digest` of the records of a side that were looked at."""
    keys = encode_all(ids, mapping.guid(side))
    columns = {"key": pl.Binary(), "digest": pl.Int64()}
    found = select_in(connection, match_scored, columns, "key", keys, mapping_id=mapping.id, side=side.value)
    return found.select(decode_keys(pl.col("key"), mapping.guid(side)).alias("id"), "digest")


def mark_scored(connection: Connection, mapping: StoredMapping, side: Side, frame: pl.DataFrame) -> None:
    """Store that records of a side (`id`, `digest`) were looked at."""
    keyed = frame.select(encode_keys(pl.col("id"), mapping.guid(side)).alias("key"), "digest")
    same = {"mapping_id": mapping.id, "side": side.value}
    delete_in(connection, match_scored, "key", keyed.get_column("key").to_list(), **same)
    columns = [pl.lit(value).alias(name) for name, value in same.items()]
    insert_frame(connection, match_scored, keyed.select(*columns, "key", "digest"))


def _proposal(row: Row[Any], mapping: StoredMapping) -> Proposal:
    values: dict[str, Any] = dict(row._mapping)
    ids: dict[str, Any] = {
        f"{side.value}_id": decode_key(values.pop(f"{side.value}_key"), mapping.guid(side)) for side in Side
    }
    return Proposal(**ids, **values)
