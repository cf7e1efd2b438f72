"""Coupling two records that are there already, or a record with one that is made for it (semantics 11.1, 11.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.coupling_offer import suggested_side
from twinrow.actions.results import Run
from twinrow.actions.synchronization import Progress, run_named
from twinrow.batch.columns import ID
from twinrow.batch.filters import filter_expression
from twinrow.connectors.base import Connector, WriteKind
from twinrow.engine.amend import REMAKE
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import RunOptions
from twinrow.engine.selection import look_at, there
from twinrow.model.errors import CouplingRefused, RecordNotFound, UnknownName
from twinrow.model.filters import Comparison, filled_filter, filter_fields, parse_filter, settings_as_variables
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Table
from twinrow.store.couplings import (
    COUPLING_SCHEMA,
    PREFER,
    all_couplings,
    by_record,
    insert_couplings,
    remove_couplings,
)
from twinrow.store.intents import keep_in_intent, open_intents
from twinrow.store.leases import Lease, check_fence, release_lease, take_lease, this_process
from twinrow.store.mappings import StoredMapping, fix_keys
from twinrow.store.pending import COUPLED, clear_pending, look_again

_CREATING = (WriteKind.CREATE.value, REMAKE)

USE = {"local": Side.LOCAL, "integration": Side.INTEGRATION}


@dataclass(frozen=True, slots=True)
class Coupled:
    """Two records that were coupled; `run` is the synchronization that followed, if one was asked for."""

    mapping: str
    local_id: str
    integration_id: str
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """What became of records whose counterparts were to be made.

    `couplings` are the ids of both records, by local id. `coupled` are those that had a counterpart already, `not_found` those
    that neither side has. `run` made the others; its errors and ignored records say what was not made, and why.
    """

    mapping: str
    couplings: Mapping[str, str]
    coupled: tuple[str, ...]
    not_found: tuple[str, ...]
    run: Run | None


def couple(
    context: ActionContext,
    mapping: str,
    local_id: str,
    integration_id: str,
    *,
    use: str | None = None,
    synchronize: bool = False,
) -> Coupled:
    """Couple a local with an integration record.

    `use` (`local` or `integration`) says whose values win where the two differ, as long as nothing has been reconciled yet;
    without it differing values are conflicts, unless the mapping says who wins. The next run compares the two, whether they have
    changed or not. `synchronize`: this is done at once; without `use`, the side from which the mapping goes wins then.

    A record that is coupled to another one is refused, unless that other one is gone: then its coupling gives way
    (semantics 3.1). Raises `RecordNotFound`, `CouplingRefused`, `LeaseHeld`.
    """
    if use is not None and use not in USE:
        raise UnknownName("side", use, tuple(USE))
    stored = context.mapping(mapping)
    winner = USE[use] if use is not None else suggested_side(stored.mapping) if synchronize else None
    ids = {Side.LOCAL: local_id, Side.INTEGRATION: integration_id}
    pair = context.pair()
    connectors = {side: context.connector(pair.system(side)) for side in Side}
    tables = {side: connectors[side].describe(stored.mapping.table(side)) for side in Side}
    for side, id in ids.items():
        _check(
            connectors[side], tables[side], stored.mapping.filter(side), settings_as_variables(pair.settings), side, id
        )
    owner = this_process()
    with context.database.transaction() as connection:
        stored = fix_keys(connection, stored.id, tables[Side.LOCAL].key_is_guid, tables[Side.INTEGRATION].key_is_guid)
        lease = take_lease(connection, stored.id, None, owner)
    try:
        _hold_unanswered(context, stored, ids)
        replaced = _giving_way(context, stored, ids)
        _store(context, lease, stored, ids, winner, replaced)
    finally:
        with context.database.transaction() as connection:
            release_lease(connection, lease)
    run = run_named(context, stored, RunOptions(records=(local_id,))) if synchronize else None
    return Coupled(mapping, local_id, integration_id, run)


def _check(connector: Connector, table: Table, text: str, variables: Mapping[str, str], side: Side, id: str) -> None:
    """Raise where a record is not there, or does not satisfy the filter of its side."""
    condition = parse_filter(text, variables)
    rows = connector.fetch(table.name, tuple(sorted(filter_fields(condition))), [id])
    if rows.is_empty():
        raise RecordNotFound(
            f"There is no {side.value} record {id} in {table.name}",
            record=id,
            remedy="Give the id of a record that exists.",
        )
    if condition is not None and rows.filter(filter_expression(condition, table)).is_empty():
        raise CouplingRefused(
            f"The {side.value} record {id} does not satisfy the filter of the mapping",
            record=id,
            cause=f"The filter is: {filled_filter(text, variables)}",
            remedy="Change the record, or the filter of the mapping.",
        )


def create_counterparts(
    context: ActionContext,
    mapping: str,
    records: Sequence[str],
    *,
    allow_duplicates: bool = False,
    progress: Progress | None = None,
) -> Created:
    """Make the counterparts of records that are not coupled, named by their ids on either side, and couple them.

    The mapping keeps its setting whether it makes records. A record whose counterpart is gone gets a new one. Records outside
    the mapping's filter or rules are left out. `allow_duplicates`: also where records on the other side look like them, and the
    mapping stops for that. Raises as `synchronize`.
    """
    stored = context.mapping(mapping)
    frame = look_at(context.engine().reading(mapping), records)
    named = {id for side in Side for id in frame.get_column(f"{side.value}_id").to_list()}
    both = pl.col(there(Side.LOCAL)) & pl.col(there(Side.INTEGRATION))
    paired = frame.filter(pl.col("coupling_id").is_not_null() & both)
    wanted = frame.filter(pl.col("coupling_id").is_null() | ~both)
    survivors = [row[f"{side.value}_id"] for row in wanted.iter_rows(named=True) for side in Side if row[there(side)]]
    asked = RunOptions(create=True, records=tuple(survivors), missing="restore", allow_duplicates=allow_duplicates)
    run = run_named(context, stored, asked, progress) if survivors else None
    made: dict[str, str] = {}
    if run is not None:
        stored = context.mapping(mapping)
        with context.database.reading() as connection:
            for side in Side:
                present = by_record(connection, stored, side, possible_ids(stored, side, survivors))
                made |= dict(present.select("local_id", "integration_id").iter_rows())
    return Created(
        mapping,
        made,
        tuple(id for id in records if id in {*paired.get_column("local_id"), *paired.get_column("integration_id")}),
        tuple(id for id in dict.fromkeys(records) if id not in named),
        run,
    )


def _hold_unanswered(context: ActionContext, stored: StoredMapping, ids: dict[Side, str]) -> None:
    """Refuse while a create without an answer may have brought about another record than the one that is chosen.

    That record would be left over, and become a second one on the other side. Where a create can be told by neither id nor mark,
    the person who couples says which record it has made.
    """
    pair = context.pair()
    with context.database.reading() as connection:
        unanswered = [intent for intent in open_intents(connection, stored.id) if intent.kind in _CREATING]
    for intent in unanswered:
        source, destination = intent.pass_.source, intent.pass_.destination
        chosen = (pl.col("source_id") == ids[source]) | (pl.col("destination_id") == ids[destination])
        for row in intent.frame.filter(chosen.fill_null(False)).iter_rows(named=True):
            connector = context.connector(pair.system(destination))
            made = _made(connector, stored.mapping.table(destination), row)
            if (row["source_id"], made) == (ids[source], ids[destination]):
                continue
            if made is None and (row["destination_id"] is None or connector.now() >= intent.deadline):
                continue
            told = f"it is {made}" if made is not None else "it may still come"
            raise CouplingRefused(
                f"A {destination.value} record is being made for the {source.value} record {row['source_id']}: {told}",
                record=ids[source],
                remedy="Synchronize the mapping, which finds out what became of it; then couple.",
            )


def _made(connector: Connector, name: str, row: Mapping[str, Any]) -> str | None:
    """Return the record that a create has brought about, where it can be told by its id or mark and is there."""
    if row["destination_id"] is not None:
        found = connector.fetch(name, (), [row["destination_id"]])
    elif row["mark"] is not None and (field := connector.capabilities(name).mark_field) is not None:
        found = connector.select(name, (), Comparison(field, "eq", row["mark"]))
    else:
        return None
    return None if found.is_empty() else str(found.get_column(ID)[0])


def _giving_way(context: ActionContext, stored: StoredMapping, ids: dict[Side, str]) -> list[pl.DataFrame]:
    """Return the couplings that give way; refuse where only ones to existing records are in the way.

    A record that takes over the counterpart of a vanished one gives its own up (B083).
    """
    pair = context.pair()
    vanished: list[pl.DataFrame] = []
    standing: list[tuple[pl.DataFrame, CouplingRefused]] = []
    for side, id in ids.items():
        with context.database.reading() as connection:
            present = by_record(connection, stored, side, [id])
        if present.is_empty():
            continue
        other = str(present.get_column(f"{side.other.value}_id").item())
        if other == ids[side.other]:
            raise CouplingRefused("The two records are coupled already", record=id, remedy="Nothing to do.")
        connector = context.connector(pair.system(side.other))
        if connector.fetch(stored.mapping.table(side.other), (), [other]).is_empty():
            vanished.append(present)
            continue
        message = f"The {side.value} record {id} is coupled to another {side.other.value} record, {other}"
        standing.append((present, CouplingRefused(message, record=id, remedy="Uncouple it first.")))
    if standing and not vanished:
        raise standing[0][1]
    return [*vanished, *(present for present, _ in standing)]


def _store(
    context: ActionContext,
    lease: Lease,
    stored: StoredMapping,
    ids: dict[Side, str],
    use: Side | None,
    replaced: list[pl.DataFrame],
) -> None:
    nothing = {name: None for name in COUPLING_SCHEMA if name.endswith(("_version", "_modified_at"))}
    row = {
        "local_id": ids[Side.LOCAL],
        "integration_id": ids[Side.INTEGRATION],
        **nothing,
        "state": int(PREFER[use]) if use else 0,
    }
    schema = {name: kind for name, kind in COUPLING_SCHEMA.items() if name != "coupling_id"}
    with context.database.transaction() as connection:
        check_fence(connection, lease)
        for present in replaced:
            remove_couplings(connection, stored, present)
        numbered = insert_couplings(connection, stored, pl.DataFrame([row], schema=schema))
        for pass_ in Pass:
            clear_pending(connection, stored, pass_, [ids[pass_.source]])
        for intent in open_intents(connection, stored.id):
            # A person has said which record it is: what was sent for it without an answer no longer matters.
            kept = intent.frame.filter(pl.col("source_id") != ids[intent.pass_.source])
            if kept.height < intent.frame.height:
                keep_in_intent(connection, intent.id, kept)
        numbers = numbered.get_column("coupling_id").to_list()
        look_again(connection, stored, numbers, COUPLED, context.clock.now())


def couplings(context: ActionContext, mapping: str) -> pl.DataFrame:
    """Return the couplings of a mapping as a frame (`store.couplings.COUPLING_SCHEMA`)."""
    stored = context.mapping(mapping)
    if stored.local_guid is None:
        return pl.DataFrame(schema=COUPLING_SCHEMA)
    with context.database.reading() as connection:
        parts = list(all_couplings(connection, stored))
    return pl.concat(parts) if parts else pl.DataFrame(schema=COUPLING_SCHEMA)
