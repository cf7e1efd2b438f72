"""Circumstances: whether a run may begin at all, and in which directions.

Nobody has stopped everything; the systems are those with which the couplings were made; the side that a pass writes is not read
only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from twinrow.model.errors import ConfigurationError
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import count_couplings
from twinrow.store.mappings import StoredMapping
from twinrow.store.restraints import read_only_sides
from twinrow.store.systems import get_setting, set_setting

READ_ONLY = "Nothing is written to the {side} system: the connection is read only."
"""The message of the job of a pass that is left out."""


def environment_setting(mapping_id: int, side: Side) -> str:
    """Return the name of the setting that says which environment a mapping's couplings belong to."""
    return f"system of mapping {mapping_id}: {side.value}"


def check_systems(connection: Connection, mapping: StoredMapping, environments: Mapping[Side, str]) -> None:
    """Refuse to go on with couplings whose ids belong to another system than the one that now has its name."""
    for side, environment in environments.items():
        name = environment_setting(mapping.id, side)
        known = get_setting(connection, name)
        if known not in (None, environment) and count_couplings(connection, mapping):
            raise ConfigurationError(
                f"The {side.value} system is another one than the couplings of {mapping.name} were made with",
                cause=f"They belong to {known}; its settings now lead to {environment}.",
                remedy="Correct the settings; or, if this is where to go on: twinrow system accept SYSTEM. For a second "
                "environment beside the first, add it as a system with a connection of its own.",
            )
        if known != environment:
            set_setting(connection, name, environment)


def read_only(connection: Connection, mapping: StoredMapping, asked: Iterable[Pass]) -> frozenset[Side]:
    """Return the sides that must not be written; raise `ConfigurationError` where that leaves no pass of those asked for."""
    held = read_only_sides(connection, mapping.connection_id)
    passes = list(asked)
    if passes and all(pass_.destination in held for pass_ in passes):
        raise ConfigurationError(
            f"Nothing of {mapping.name} can be done: nothing may be written to the "
            f"{' and the '.join(sorted({pass_.destination.value for pass_ in passes}))} system",
            cause="The connection is read only.",
            remedy="To see what a run would do: twinrow sync --plan. To let it be written: twinrow connection read-only none.",
        )
    return held
