"""Systems, connections and settings: what is connected with what, as an administrator has set it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.sides import Side
from twinrow.store.tables import connections, settings, systems


@dataclass(frozen=True, slots=True)
class System:
    """A place with tables: its kind says which connector reaches it, its options how. Secrets are references only."""

    id: int
    name: str
    kind: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """A connection: the local and the integration system, and the circumstances in which they are connected."""

    id: int
    name: str
    local: System
    integration: System
    settings: dict[str, Any]

    def system(self, side: Side) -> System:
        """Return the system of a side."""
        return self.local if side is Side.LOCAL else self.integration


def _system(row: Row[Any]) -> System:
    return System(row.id, row.name, row.kind, row.options)


def add_system(connection: Connection, name: str, kind: str, options: dict[str, Any]) -> System:
    """Add a system, or change the options of the one with that name. Raises `ConfigurationError` when its kind differs."""
    row = connection.execute(select(systems).where(systems.c.name == name)).one_or_none()
    if row is None:
        connection.execute(insert(systems).values(name=name, kind=kind, options=options))
    elif row.kind != kind:
        raise ConfigurationError(
            f"The system {name} is a {row.kind} already", remedy="Add the new one under another name."
        )
    else:
        connection.execute(update(systems).where(systems.c.name == name).values(options=options))
    return get_system(connection, name)


def get_system(connection: Connection, name: str) -> System:
    """Return a system by name. Raises `UnknownName`."""
    row = connection.execute(select(systems).where(systems.c.name == name)).one_or_none()
    if row is None:
        raise UnknownName("system", name, [system.name for system in list_systems(connection)])
    return _system(row)


def list_systems(connection: Connection) -> list[System]:
    """Return all systems by name."""
    return [_system(row) for row in connection.execute(select(systems).order_by(systems.c.name))]


def add_connection(
    connection: Connection, name: str, local: str, integration: str, circumstances: dict[str, Any]
) -> Pair:
    """Connect two systems under a name, or change the circumstances of that connection.

    Raises `UnknownName` for a system that is not there, `ConfigurationError` when the name connects two others already.
    """
    sides = [get_system(connection, local), get_system(connection, integration)]
    if sides[0].id == sides[1].id:
        raise ConfigurationError("A connection needs two different systems", remedy="Name the other system.")
    row = connection.execute(select(connections).where(connections.c.name == name)).one_or_none()
    if row is None:
        connection.execute(
            insert(connections).values(
                name=name, local_system_id=sides[0].id, integration_system_id=sides[1].id, settings=circumstances
            )
        )
    elif (row.local_system_id, row.integration_system_id) != (sides[0].id, sides[1].id):
        raise ConfigurationError(
            f"The connection {name} connects two other systems", remedy="Use another name for the new connection."
        )
    else:
        connection.execute(update(connections).where(connections.c.id == row.id).values(settings=circumstances))
    return get_connection(connection, name)


def get_connection(connection: Connection, name: str | None = None) -> Pair:
    """Return a connection by name, or the only one there is. Raises `UnknownName` or `ConfigurationError`."""
    known = list_connections(connection)
    if name is None:
        if len(known) == 1:
            return known[0]
        if not known:
            raise ConfigurationError(
                "There is no connection yet", remedy="Add two systems and connect them: `twinrow connection add`."
            )
        raise ConfigurationError(
            "There is more than one connection", remedy=f"Name one of {', '.join(pair.name for pair in known)}."
        )
    for pair in known:
        if pair.name == name:
            return pair
    raise UnknownName("connection", name, [pair.name for pair in known])


def list_connections(connection: Connection) -> list[Pair]:
    """Return all connections by name."""
    by_id = {row.id: _system(row) for row in connection.execute(select(systems))}
    return [
        Pair(row.id, row.name, by_id[row.local_system_id], by_id[row.integration_system_id], row.settings)
        for row in connection.execute(select(connections).order_by(connections.c.name))
    ]


def get_setting(connection: Connection, name: str, default: Any = None) -> Any:
    """Return a setting of the store."""
    row = connection.execute(select(settings.c.value).where(settings.c.name == name)).one_or_none()
    return default if row is None else row.value


def set_setting(connection: Connection, name: str, value: Any) -> None:
    """Set a setting of the store."""
    connection.execute(delete(settings).where(settings.c.name == name))
    connection.execute(insert(settings).values(name=name, value=value))


def clear_setting(connection: Connection, name: str) -> None:
    """Forget a setting of the store."""
    connection.execute(delete(settings).where(settings.c.name == name))
