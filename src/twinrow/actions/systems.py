"""Systems and connections: adding, testing and looking at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinrow.actions.context import ActionContext
from twinrow.connectors.base import Capabilities, Check
from twinrow.connectors.opening import KINDS, open_connector
from twinrow.model.errors import TwinrowError, UnknownName
from twinrow.model.tables import Table
from twinrow.store import systems as stored
from twinrow.store.systems import Pair, System


def add_system(context: ActionContext, name: str, kind: str, options: Mapping[str, Any]) -> System:
    """Add a system, or change the settings of the one with that name. Secrets are given as references (`env:`, `file:`).

    Raises `UnknownName` for a kind that does not exist, `ConfigurationError` for settings that are wrong; nothing is stored then.
    """
    if name not in context.attached and kind not in KINDS:
        raise UnknownName("kind of system", kind, tuple(KINDS))
    if kind in KINDS:
        open_connector(kind, name, options, context.secrets, context.clock).close()
        context.forget(name)
    with context.database.transaction() as connection:
        return stored.add_system(connection, name, kind, dict(options))


def list_systems(context: ActionContext) -> list[System]:
    """Return all systems by name."""
    with context.database.reading() as connection:
        return stored.list_systems(connection)


def test_system(context: ActionContext, name: str) -> list[Check]:
    """Look at everything that must be right before a system can be synchronized. Raises `UnknownName`."""
    with context.database.reading() as connection:
        system = stored.get_system(connection, name)
    try:
        return context.connector(system).test()
    except TwinrowError as error:
        return [Check("Settings", False, error.message, error.remedy or "")]


def list_tables(context: ActionContext, name: str) -> list[str]:
    """Return the names of the tables of a system that can be mapped."""
    with context.database.reading() as connection:
        system = stored.get_system(connection, name)
    return list(context.connector(system).tables())


def describe_table(context: ActionContext, name: str, table: str) -> tuple[Table, Capabilities]:
    """Return the fields of a system's table, and what the table can do."""
    with context.database.reading() as connection:
        system = stored.get_system(connection, name)
    connector = context.connector(system)
    return connector.describe(table), connector.capabilities(table)


def add_connection(
    context: ActionContext, name: str, local: str, integration: str, settings: Mapping[str, Any] | None = None
) -> Pair:
    """Connect two systems under a name, or change the settings of that connection."""
    with context.database.transaction() as connection:
        return stored.add_connection(connection, name, local, integration, dict(settings or {}))


def list_connections(context: ActionContext) -> list[Pair]:
    """Return all connections by name."""
    with context.database.reading() as connection:
        return stored.list_connections(connection)


def show_connection(context: ActionContext) -> Pair:
    """Return the connection that is meant."""
    return context.pair()
