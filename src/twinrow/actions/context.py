"""The context that every action gets as its first argument: who acts, in which workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twinrow.connectors.base import Connector
from twinrow.connectors.opening import open_connector
from twinrow.engine.context import EngineSettings
from twinrow.engine.run import Engine
from twinrow.model.protocols import Clock, Secrets
from twinrow.model.sides import Side
from twinrow.standard.rules import RULES
from twinrow.store.database import Database
from twinrow.store.mappings import StoredMapping, get_mapping, list_mappings, read_rules
from twinrow.store.systems import Pair, System, get_connection

Opener = Callable[[str, str, Mapping[str, Any], Secrets, Clock], Connector]


@dataclass
class ActionContext:
    """Who acts, and on what: the store, the clock, the secrets, the systems.

    `connection` names the connection that is meant, None the only one there is. Connectors are opened once, when first
    needed, and stay open until `close`.
    """

    database: Database
    clock: Clock
    secrets: Secrets
    who: str = "local user"
    connection: str | None = None
    settings: EngineSettings = field(default_factory=EngineSettings)
    attached: dict[str, Connector] = field(default_factory=dict)
    """Connectors by the name of their system: those that were handed in, and those that have been opened."""

    def connector(self, system: System) -> Connector:
        """Return the connector of a system. Raises `ConfigurationError` where its settings are wrong."""
        if system.name not in self.attached:
            self.attached[system.name] = open_connector(
                system.kind, system.name, system.options, self.secrets, self.clock
            )
        return self.attached[system.name]

    def forget(self, system: str) -> None:
        """Close the connector of a system whose settings have changed."""
        open_one = self.attached.pop(system, None)
        if open_one is not None:
            open_one.close()

    def pair(self) -> Pair:
        """Return the connection that is meant. Raises `ConfigurationError` or `UnknownName`."""
        with self.database.reading() as connection:
            return get_connection(connection, self.connection)

    def mapping(self, name: str) -> StoredMapping:
        """Return a mapping of the connection by name. Raises `UnknownName`."""
        pair = self.pair()
        with self.database.reading() as connection:
            return get_mapping(connection, pair.id, name)

    def mappings(self) -> list[StoredMapping]:
        """Return the mappings of the connection in the order in which they run."""
        pair = self.pair()
        with self.database.reading() as connection:
            return list_mappings(connection, pair.id)

    def engine(self) -> Engine:
        """Return the engine for the connection as it is set up now."""
        pair = self.pair()
        with self.database.reading() as connection:
            mappings = {stored.name: stored for stored in list_mappings(connection, pair.id)}
            transformations = read_rules(connection)
        return Engine(
            self.database,
            self.clock,
            {side: self.connector(pair.system(side)) for side in Side},
            RULES,
            transformations,
            pair.settings,
            mappings,
            self.settings,
        )

    def close(self) -> None:
        """Close all connectors and the store."""
        for connector in self.attached.values():
            connector.close()
        self.attached.clear()
        self.database.close()
