"""Schema drift: what has become of mapped fields since a mapping last ran, and accepting it."""

from __future__ import annotations

from twinrow.actions.context import ActionContext
from twinrow.engine.drift import Drift, accept_drift, find_drift, read_seen
from twinrow.model.sides import Side
from twinrow.store.mappings import StoredMapping


def list_drift(context: ActionContext, mapping: str) -> list[Drift]:
    """Return the mapped fields that are gone, or of another type than when the mapping last ran. Raises `UnknownName`."""
    return _drift(context, context.mapping(mapping))


def accept_schema(context: ActionContext, mapping: str) -> list[Drift]:
    """Take the tables of a mapping as they are now; return what was otherwise when it last ran.

    Fields of another type begin anew: equal values of both sides make their base. A field that is gone must still be taken
    out of the mapping, or disabled. Raises `UnknownName`.
    """
    stored = context.mapping(mapping)
    drift = _drift(context, stored)
    with context.database.transaction() as connection:
        accept_drift(connection, stored, drift)
    return drift


def _drift(context: ActionContext, stored: StoredMapping) -> list[Drift]:
    pair = context.pair()
    tables = {side: context.connector(pair.system(side)).describe(stored.mapping.table(side)) for side in Side}
    with context.database.reading() as connection:
        return list(find_drift(stored.mapping, tables, read_seen(connection, stored.id)))
