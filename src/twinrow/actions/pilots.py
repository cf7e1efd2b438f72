"""Pilots: letting only some records of a mapping take part at first."""

from __future__ import annotations

from twinrow.actions.context import ActionContext
from twinrow.batch.columns import ID
from twinrow.model.errors import ConfigurationError
from twinrow.model.filters import all_of, filter_fields, parse_filter, settings_as_variables
from twinrow.model.sides import Side
from twinrow.store import pilots as stored
from twinrow.store.leases import release_lease, take_lease, this_process
from twinrow.store.mappings import fix_keys
from twinrow.store.pilots import MOST_RECORDS, Pilot


def start_pilot(
    context: ActionContext, mapping: str, *, first: int | None = None, where: str = "", side: Side = Side.LOCAL
) -> Pilot:
    """Let only some records take part in a mapping until it ends: the `first` so many, or those in a filter (`where`).

    They are records of one `side`, within the mapping's own filter, listed now: what satisfies the filter later is not added.
    Records of the other side take part when they are coupled to one of them. Deletions are not carried over meanwhile. A pilot
    that there is gives way.

    Raises `UnknownName`, `FilterError`, `UnknownField`, `LeaseHeld` while the mapping runs, `ConfigurationError` where no record
    is chosen, or more than 10,000.
    """
    if (first is None) == (not where):
        raise ConfigurationError(
            "A pilot is the first so many records, or those in a filter", remedy="Give one of them."
        )
    known, pair = context.mapping(mapping), context.pair()
    connectors = {one: context.connector(pair.system(one)) for one in Side}
    tables = {one: connectors[one].describe(known.mapping.table(one)) for one in Side}
    variables = settings_as_variables(pair.settings)
    conditions = [parse_filter(text, variables) for text in (known.mapping.filter(side), where) if text]
    for name in filter_fields(conditions[-1]) if where else ():
        tables[side].field(name)
    wanted = all_of(*(condition for condition in conditions if condition is not None)) if conditions else None
    limit = MOST_RECORDS + 1 if first is None else first
    ids = connectors[side].select(tables[side].name, (), wanted, limit).get_column(ID).sort()
    if ids.is_empty():
        raise ConfigurationError(
            "No record is in the pilot", remedy="Look at the filter of the pilot and of the mapping."
        )
    if ids.len() > MOST_RECORDS:
        raise ConfigurationError(
            f"A pilot has at most {MOST_RECORDS:,} records", remedy="Narrow the filter, or give a smaller number."
        )
    told = f"where {where}" if where else f"the first {first}"
    pilot = Pilot(side, told, context.clock.now(), ids)
    with context.database.transaction() as connection:
        lease = take_lease(connection, known.id, None, this_process())
        fixed = fix_keys(connection, known.id, tables[Side.LOCAL].key_is_guid, tables[Side.INTEGRATION].key_is_guid)
        stored.start_pilot(connection, fixed, pilot)
        release_lease(connection, lease)
    return pilot


def end_pilot(context: ActionContext, mapping: str) -> Pilot | None:
    """Let all records of a mapping take part again; the next run looks at them all. Returns the pilot that has ended.

    Raises `UnknownName`, `LeaseHeld` while the mapping runs.
    """
    known = context.mapping(mapping)
    with context.database.transaction() as connection:
        lease = take_lease(connection, known.id, None, this_process())
        pilot = stored.read_pilot(connection, known)
        stored.end_pilot(connection, known.id)
        release_lease(connection, lease)
    return pilot


def list_pilots(context: ActionContext) -> dict[str, Pilot]:
    """Return the pilots of the connection's mappings, by mapping."""
    with context.database.reading() as connection:
        found = {one.name: stored.read_pilot(connection, one) for one in context.mappings()}
    return {name: pilot for name, pilot in found.items() if pilot is not None}
