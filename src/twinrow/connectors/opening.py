"""Opening a connector by its kind, as a system's settings say. Each kind is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from twinrow.connectors.base import Connector
from twinrow.model.errors import UnknownName
from twinrow.model.protocols import Clock, Secrets

KINDS: Mapping[str, str] = {
    "business-central": "twinrow.connectors.business_central",
    "dataverse": "twinrow.connectors.dataverse",
    "sql": "twinrow.connectors.sql",
}
"""The kinds of systems, and the packages that reach them. Each has `open_system(name, options, secrets, clock)`."""


def open_connector(kind: str, name: str, options: Mapping[str, Any], secrets: Secrets, clock: Clock) -> Connector:
    """Return a connector for a system; nothing is sent yet.

    Raises `ConfigurationError` for options that are missing, unknown or wrong, `UnknownName` for a kind that does not exist.
    """
    package = KINDS.get(kind)
    if package is None:
        raise UnknownName("kind of system", kind, tuple(KINDS))
    opener: Callable[[str, Mapping[str, Any], Secrets, Clock], Connector] = import_module(package).open_system
    return opener(name, options, secrets, clock)
