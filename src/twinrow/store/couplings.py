"""Couplings: which local and which integration record belong together, and how far they have been reconciled.

A coupling belongs to its table mapping; each record of a side is in at most one coupling of a mapping. `state` is 0 when all
is well; its bits are in `State`. Frames of couplings have the columns of `COUPLING_SCHEMA`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntFlag

import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, select, update

from twinrow.batch.columns import ID, VERSION
from twinrow.batch.inserts import ORDERED
from twinrow.model.sides import Side
from twinrow.store.bulk import (
    allocate,
    delete_in,
    has_rows,
    insert_frame,
    rows_to_frame,
    select_between,
    select_in,
    update_frame,
    worth_asking,
)
from twinrow.store.keys import decode_keys, encode_all, encode_key, encode_keys
from twinrow.store.mappings import StoredMapping
from twinrow.store.tables import (
    bases,
    conflicts,
    couplings,
    generations,
    intents,
    pending,
    seen,
    staged_ids,
    undone,
    unresolved,
    watermarks,
)


class State(IntFlag):
    """What is not well about a coupling."""

    SKIPPED = 1
    """Set aside in both directions until someone retries it."""
    LOCAL_GONE = 2
    """The local record was reported deleted."""
    INTEGRATION_GONE = 4
    """The integration record was reported deleted."""
    PREFER_LOCAL = 8
    """Chosen at coupling: where there is no base yet, the local value wins."""
    PREFER_INTEGRATION = 16
    """Chosen at coupling: where there is no base yet, the integration value wins."""
    DEACTIVATED = 32
    """The record that is left was marked as given up, because the other one was deleted."""
    TO_UNCOUPLE = 64
    """A changed record's counterpart was found gone: the coupling is removed at the end of a pass, if not too many are."""


WELL = State(0)
GONE = {Side.LOCAL: State.LOCAL_GONE, Side.INTEGRATION: State.INTEGRATION_GONE}
PREFER = {Side.LOCAL: State.PREFER_LOCAL, Side.INTEGRATION: State.PREFER_INTEGRATION}

COUPLING_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "local_id": pl.String(),
    "integration_id": pl.String(),
    "local_version": pl.String(),
    "integration_version": pl.String(),
    "local_modified_at": pl.Int64(),
    "integration_modified_at": pl.Int64(),
    "state": pl.Int64(),
}
"""Modification times are microseconds since 1970, each of its own side's clock."""

_STORED: dict[str, pl.DataType] = {
    "id": pl.Int64(),
    "local_key": pl.Binary(),
    "integration_key": pl.Binary(),
    "local_version": pl.String(),
    "integration_version": pl.String(),
    "local_modified_at": pl.Int64(),
    "integration_modified_at": pl.Int64(),
    "state": pl.Int64(),
}
_SAMPLE = 200
"""So many couplings are asked for first, to see whether they lie together."""
_MARGIN = 10
"""So many steps from one to the next of them a range reaches further: at its ends may be some that are not well."""
_SPARSE = 4
"""A range of couplings is read as it lies where it holds no more than so many times those that are wanted."""
_COLUMNS = [couplings.c[name] for name in _STORED]


def _frame(stored: pl.DataFrame, mapping: StoredMapping) -> pl.DataFrame:
    return stored.select(
        pl.col("id").alias("coupling_id"),
        decode_keys(pl.col("local_key"), mapping.guid(Side.LOCAL)).alias("local_id"),
        decode_keys(pl.col("integration_key"), mapping.guid(Side.INTEGRATION)).alias("integration_id"),
        *list(_STORED)[3:],
    )


def by_record(connection: Connection, mapping: StoredMapping, side: Side, ids: Sequence[str]) -> pl.DataFrame:
    """Return the couplings of the records with these ids on a side; ids that are not coupled are absent."""
    if not worth_asking(connection, couplings, len(ids), mapping_id=mapping.id):
        return pl.DataFrame(schema=COUPLING_SCHEMA)
    keys = encode_all(ids, mapping.guid(side))
    found = select_in(connection, couplings, _STORED, f"{side.value}_key", keys, mapping_id=mapping.id)
    return _frame(found, mapping)


def is_known(connection: Connection, mapping: StoredMapping, side: Side, frame: pl.DataFrame) -> pl.Series:
    """Return for each row of a batch whether it is coupled, all is well, and its version the one that is remembered."""
    if not worth_asking(connection, couplings, frame.height, mapping_id=mapping.id):
        return pl.repeat(False, frame.height, eager=True)
    key, version = f"{side.value}_key", f"{side.value}_version"
    rows = frame.select(encode_keys(pl.col(ID), mapping.guid(side)).alias(key), VERSION)
    columns = {key: pl.Binary(), version: pl.String()}
    found = select_in(
        connection, couplings, columns, key, rows.get_column(key).to_list(), mapping_id=mapping.id, state=int(WELL)
    )
    joined = rows.join(found, on=key, how="left", maintain_order="left")
    return joined.select((pl.col(version) == pl.col(VERSION)).fill_null(False)).to_series()


def known_versions(connection: Connection, mapping: StoredMapping, side: Side, ids: pl.Series) -> pl.Series:
    """Return for each id of a side the version that its coupling remembers, if all is well with that; else null.

    Ids that follow one another mostly belong to couplings that do so too, because a feed hands over records in the order in
    which they were made: then a range of couplings is read as it lies. Null may also be answered for what lies outside of it,
    and for all where few are known: such records are looked at.
    """
    key, version = f"{side.value}_key", f"{side.value}_version"
    wanted = {"mapping_id": mapping.id, "state": int(WELL)}
    unknown = pl.repeat(None, ids.len(), dtype=pl.String, eager=True)
    if not worth_asking(connection, couplings, ids.len(), mapping_id=mapping.id):
        return unknown
    keys = pl.DataFrame({ID: ids}).select(encode_keys(pl.col(ID), mapping.guid(side)).alias(key))
    columns = {key: pl.Binary(), version: pl.String()}
    step = max(1, keys.height // _SAMPLE)
    sample = keys.gather_every(step).to_series().to_list() if step > 1 else []
    numbers = select_in(connection, couplings, {"id": pl.Int64()}, key, sample, **wanted).to_series()
    if numbers.len() * 2 < len(sample):
        return unknown
    beyond = _MARGIN * step
    first, last = (int(numbers.min()) - beyond, int(numbers.max()) + beyond) if sample else (0, -1)  # type: ignore[arg-type]
    if sample and last - first < _SPARSE * keys.height:
        found = select_between(connection, couplings, columns, "id", first, last, **wanted)
    else:
        found = select_in(connection, couplings, columns, key, keys.to_series().to_list(), **wanted)
    return keys.join(found, on=key, how="left", maintain_order="left").get_column(version)


def by_number(connection: Connection, mapping: StoredMapping, numbers: Sequence[int]) -> pl.DataFrame:
    """Return couplings by their numbers."""
    return _frame(select_in(connection, couplings, _STORED, "id", list(numbers), mapping_id=mapping.id), mapping)


def all_couplings(
    connection: Connection, mapping: StoredMapping, rows: int = 5_000, not_well: bool = False
) -> Iterator[pl.DataFrame]:
    """Yield the couplings of a mapping in the order in which they were made; `not_well`: only those with a state."""
    after = 0
    while True:
        statement: Select[tuple[object, ...]] = select(*_COLUMNS).where(
            couplings.c.mapping_id == mapping.id, couplings.c.id > after
        )
        if not_well:
            statement = statement.where(couplings.c.state != 0)
        found = connection.execute(statement.order_by(couplings.c.id).limit(rows)).fetchall()
        if not found:
            return
        after = found[-1]._mapping["id"]
        yield _frame(rows_to_frame(found, _STORED), mapping)


def in_state(
    connection: Connection, mapping: StoredMapping, on: State, off: State, rows: int = 5_000
) -> Iterator[pl.DataFrame]:
    """Yield the couplings whose state has all bits of `on` and none of `off`; they may be removed meanwhile."""
    after = 0
    while True:
        statement = select(*_COLUMNS).where(_has(mapping, on, off), couplings.c.id > after)
        found = connection.execute(statement.order_by(couplings.c.id).limit(rows)).fetchall()
        if not found:
            return
        after = found[-1]._mapping["id"]
        yield _frame(rows_to_frame(found, _STORED), mapping)


def count_in_state(connection: Connection, mapping: StoredMapping, on: State, off: State) -> int:
    """Return how many couplings have all bits of `on` in their state and none of `off`."""
    return int(connection.execute(select(func.count()).where(_has(mapping, on, off))).scalar_one())


def _has(mapping: StoredMapping, on: State, off: State) -> ColumnElement[bool]:
    bits = couplings.c.state.op("&")
    return and_(
        couplings.c.mapping_id == mapping.id, couplings.c.state != 0, bits(int(on)) == int(on), bits(int(off)) == 0
    )


def count_couplings(connection: Connection, mapping: StoredMapping) -> int:
    """Return how many couplings a mapping has."""
    statement = select(func.count()).where(couplings.c.mapping_id == mapping.id)
    return int(connection.execute(statement).scalar_one())


def has_couplings(connection: Connection, mapping: StoredMapping) -> bool:
    """Whether a mapping has any coupling."""
    return has_rows(connection, couplings, mapping_id=mapping.id)


def coupling_range(connection: Connection, mapping: StoredMapping) -> tuple[int, int]:
    """Return the lowest and the highest number of a mapping's couplings; an empty range where there is none."""
    chosen = couplings.c.mapping_id == mapping.id
    first, last = connection.execute(select(func.min(couplings.c.id), func.max(couplings.c.id)).where(chosen)).one()
    return (0, -1) if first is None else (int(first), int(last))


def coupling_numbers(connection: Connection, mapping: StoredMapping, after: int, limit: int) -> pl.Series:
    """Return the numbers of a mapping's couplings behind one of them, in order."""
    chosen = (couplings.c.mapping_id == mapping.id) & (couplings.c.id > after)
    found = connection.execute(select(couplings.c.id).where(chosen).order_by(couplings.c.id).limit(limit))
    return pl.Series([number for (number,) in found], dtype=pl.Int64)


def newest_coupling(connection: Connection, mapping_ids: Sequence[int]) -> int:
    """Return the number of the newest coupling of these mappings, 0 when there is none."""
    statement = select(func.coalesce(func.max(couplings.c.id), 0)).where(couplings.c.mapping_id.in_(mapping_ids))
    return int(connection.execute(statement).scalar_one())


def insert_couplings(connection: Connection, mapping: StoredMapping, frame: pl.DataFrame) -> pl.DataFrame:
    """Store new couplings (`COUPLING_SCHEMA` without `coupling_id`); return the frame with their numbers.

    A record that is coupled already makes the database refuse them all (`IntegrityError`).
    """
    if frame.height >= ORDERED:
        frame = frame.sort("local_id")
    numbers = allocate(connection, couplings, frame.height)
    numbered = frame.with_columns(pl.Series("coupling_id", numbers, dtype=pl.Int64))
    stored = numbered.select(
        pl.col("coupling_id").alias("id"),
        pl.lit(mapping.id).alias("mapping_id"),
        encode_keys(pl.col("local_id"), mapping.guid(Side.LOCAL)).alias("local_key"),
        encode_keys(pl.col("integration_id"), mapping.guid(Side.INTEGRATION)).alias("integration_key"),
        *list(_STORED)[3:],
    )
    insert_frame(connection, couplings, stored)
    return numbered


def update_couplings(connection: Connection, frame: pl.DataFrame) -> None:
    """Set the given columns (versions, modification times, state) of the couplings that `coupling_id` names."""
    update_frame(connection, couplings, "id", frame.rename({"coupling_id": "id"}))


def remove_couplings(connection: Connection, mapping: StoredMapping, frame: pl.DataFrame) -> None:
    """Forget couplings (a frame with `coupling_id`, `local_id`, `integration_id`) and what belongs to them.

    The generation of both records is raised, so that a record made for either later never meets the present one.
    """
    numbers = frame.get_column("coupling_id").to_list()
    delete_in(connection, couplings, "id", numbers)
    delete_in(connection, bases, "coupling_id", numbers)
    for table in (unresolved, conflicts, pending, undone):
        delete_in(connection, table, "coupling_id", numbers)
    for side in Side:
        raise_generation(connection, mapping, side, frame.get_column(f"{side.value}_id").to_list())


def remove_all_couplings(connection: Connection, mapping: StoredMapping) -> None:
    """Forget all couplings of a mapping, its open work, and how far both sides were read; the journal stays."""
    for frame in list(all_couplings(connection, mapping)):
        remove_couplings(connection, mapping, frame)
    for table in (pending, intents, watermarks, seen, staged_ids):
        connection.execute(delete(table).where(table.c.mapping_id == mapping.id))


def set_state(connection: Connection, numbers: Sequence[int], on: State = WELL, off: State = WELL) -> None:
    """Switch bits of the state of couplings on and off."""
    changed = couplings.c.state.op("|")(int(on)).op("&")(~int(off) & 0x7FFF)
    for start in range(0, len(numbers), 10_000):
        chunk = numbers[start : start + 10_000]
        connection.execute(update(couplings).where(couplings.c.id.in_(chunk)).values(state=changed))


def read_generations(connection: Connection, mapping: StoredMapping, side: Side, ids: Sequence[str]) -> dict[str, int]:
    """Return the generation of those records of a side whose generation is not 0."""
    if not worth_asking(connection, generations, len(ids), mapping_id=mapping.id, side=side.value):
        return {}
    by_key = dict(zip(encode_all(ids, mapping.guid(side)), ids, strict=True))
    columns = {"key": pl.Binary(), "generation": pl.Int64()}
    found = select_in(connection, generations, columns, "key", list(by_key), mapping_id=mapping.id, side=side.value)
    return {by_key[bytes(key)]: generation for key, generation in found.iter_rows()}


def raise_generation(connection: Connection, mapping: StoredMapping, side: Side, ids: Sequence[str]) -> None:
    """Count the generation of records of a side up by one."""
    present = read_generations(connection, mapping, side, ids)
    keys = [encode_key(id, mapping.guid(side)) for id in ids]
    delete_in(connection, generations, "key", keys, mapping_id=mapping.id, side=side.value)
    rows = [
        {"mapping_id": mapping.id, "side": side.value, "key": key, "generation": present.get(id, 0) + 1}
        for id, key in dict(zip(ids, keys, strict=True)).items()
    ]
    if rows:
        connection.execute(insert(generations), rows)
