"""Keeping runs from writing: everything stopped, a connection read only, a store that belongs to other systems."""

from __future__ import annotations

from collections.abc import Iterable

from twinrow.actions.context import ActionContext
from twinrow.engine.circumstances import environment_setting
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.sides import Side
from twinrow.store.couplings import count_couplings, remove_all_couplings
from twinrow.store.leases import release_lease, take_lease, this_process
from twinrow.store.mappings import forget_positions, list_mappings
from twinrow.store.restraints import (
    Stop,
    announce_stop,
    check_stop,
    lift_stop,
    read_only_sides,
    read_stop,
    set_read_only,
    stop_runs,
)
from twinrow.store.systems import get_setting, get_system, list_connections, set_setting

READ_ONLY = {"none": (), "local": (Side.LOCAL,), "integration": (Side.INTEGRATION,), "both": tuple(Side)}


def stop_everything(context: ActionContext, reason: str = "") -> Stop:
    """Let no run of the store write any more, in all connections, until `resume_everything`.

    Runs under way end with their present batch, what they settled stays, and they are gone on with afterwards.
    """
    stop = Stop(context.who, context.clock.now(), reason)
    with context.database.transaction() as connection:
        announce_stop(connection, stop)
    with context.database.transaction() as connection:
        stop_runs(connection)
    return stop


def resume_everything(context: ActionContext) -> Stop | None:
    """Let runs begin again; return the stop that was lifted, None when nothing was stopped."""
    with context.database.transaction() as connection:
        stop = read_stop(connection)
        lift_stop(connection)
    return stop


def show_stop(context: ActionContext) -> Stop | None:
    """Return the stop, if everything is stopped."""
    with context.database.reading() as connection:
        return read_stop(connection)


def make_read_only(context: ActionContext, sides: str) -> frozenset[Side]:
    """Say to which sides of the connection nothing may be written: `none`, `local`, `integration` or `both`.

    A run leaves the direction out that would write there; where that leaves none, it is refused. It holds for runs that begin
    from now on. Raises `UnknownName`.
    """
    if sides not in READ_ONLY:
        raise UnknownName("side", sides, tuple(READ_ONLY))
    pair = context.pair()
    with context.database.transaction() as connection:
        set_read_only(connection, pair.id, READ_ONLY[sides])
    return frozenset(READ_ONLY[sides])


def show_read_only(context: ActionContext) -> frozenset[Side]:
    """Return the sides of the connection to which nothing may be written."""
    pair = context.pair()
    with context.database.reading() as connection:
        return read_only_sides(connection, pair.id)


def check_writable(context: ActionContext, sides: Iterable[Side]) -> None:
    """Raise `Stopped` or `ConfigurationError` where nothing may be written to one of the sides of the connection."""
    held = show_read_only(context) & set(sides)
    with context.database.reading() as connection:
        check_stop(connection)
    if held:
        names = " and ".join(context.pair().system(side).name for side in Side if side in held)
        raise ConfigurationError(
            f"Nothing may be written to {names}: the connection is read only",
            remedy="To let it be written: twinrow connection read-only none.",
        )


def accept_system(context: ActionContext, name: str, *, keep_couplings: bool) -> dict[str, int]:
    """Say that a system whose settings lead to another environment than before is the one to go on with.

    With `keep_couplings` its records are those of before under the same ids, as in an environment that was moved or restored:
    couplings and values last reconciled stay, but all its records are read again and compared. Otherwise the couplings of all
    mappings with this system are forgotten, and the records of both sides stay as they are.

    Returns the mappings concerned with their numbers of couplings; empty when the environment is the one that was known.
    Raises `UnknownName`, `LeaseHeld` while one of the mappings runs, and what keeps the system from being reached.
    """
    with context.database.reading() as connection:
        system = get_system(connection, name)
        pairs = [pair for pair in list_connections(connection) if system.id in (pair.local.id, pair.integration.id)]
    environment = context.connector(system).identify().environment
    concerned: dict[str, int] = {}
    for pair in pairs:
        side = Side.LOCAL if pair.local.id == system.id else Side.INTEGRATION
        with context.database.transaction() as connection:
            for stored in list_mappings(connection, pair.id):
                setting = environment_setting(stored.id, side)
                if get_setting(connection, setting) in (None, environment):
                    continue
                lease = take_lease(connection, stored.id, None, this_process())
                concerned[stored.name] = count_couplings(connection, stored)
                if keep_couplings:
                    forget_positions(connection, stored.id, side)
                else:
                    remove_all_couplings(connection, stored)
                set_setting(connection, setting, environment)
                release_lease(connection, lease)
    return concerned
