"""Coupling two records that are there already."""

from __future__ import annotations

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.model.errors import CouplingRefused, RecordNotFound, UnknownName
from twinrow.model.sides import Pass, Side
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

USE = {"local": Side.LOCAL, "integration": Side.INTEGRATION}


def couple(context: ActionContext, mapping: str, local_id: str, integration_id: str, *, use: str | None = None) -> None:
    """Couple a local with an integration record.

    `use` (`local` or `integration`) says whose values win where the two differ, as long as nothing has been reconciled yet;
    without it differing values are conflicts, unless the mapping says who wins. The next run compares the two, whether they have
    changed or not.

    A record that is coupled to another one is refused, unless that other one is gone: then its coupling gives way
    (semantics 3.1). Raises `RecordNotFound`, `CouplingRefused`, `LeaseHeld`.
    """
    if use is not None and use not in USE:
        raise UnknownName("side", use, tuple(USE))
    stored = context.mapping(mapping)
    ids = {Side.LOCAL: local_id, Side.INTEGRATION: integration_id}
    pair = context.pair()
    connectors = {side: context.connector(pair.system(side)) for side in Side}
    tables = {side: connectors[side].describe(stored.mapping.table(side)) for side in Side}
    for side, id in ids.items():
        if connectors[side].fetch(tables[side].name, (), [id]).is_empty():
            raise RecordNotFound(
                f"There is no {side.value} record {id} in {tables[side].name}",
                record=id,
                remedy="Give the id of a record that exists.",
            )
    owner = this_process()
    with context.database.transaction() as connection:
        stored = fix_keys(connection, stored.id, tables[Side.LOCAL].key_is_guid, tables[Side.INTEGRATION].key_is_guid)
        lease = take_lease(connection, stored.id, None, owner)
    try:
        replaced = _giving_way(context, stored, ids)
        _store(context, lease, stored, ids, USE.get(use or ""), replaced)
    finally:
        with context.database.transaction() as connection:
            release_lease(connection, lease)


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
