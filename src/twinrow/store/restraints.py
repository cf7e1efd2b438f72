"""Restraints: what keeps runs from writing, as somebody has said: everything stopped, a connection read only.

A stop stands in the settings for runs that are about to begin, and in the leases for those under way: they look at their lease
with every batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update

from twinrow.model.errors import Stopped
from twinrow.model.sides import Side
from twinrow.store.systems import clear_setting, get_setting, set_setting
from twinrow.store.tables import leases

_STOP = "stopped"


@dataclass(frozen=True, slots=True)
class Stop:
    """That everything is stopped: by whom, since when (by the store's clock), and why."""

    who: str
    since: datetime
    reason: str


def read_stop(connection: Connection) -> Stop | None:
    """Return the stop, if everything is stopped."""
    told = get_setting(connection, _STOP)
    return None if told is None else Stop(told["who"], datetime.fromisoformat(told["since"]), told["reason"])


def announce_stop(connection: Connection, stop: Stop) -> None:
    """Keep runs from beginning. To be committed before `stop_runs`, so that none slips through between the two."""
    set_setting(connection, _STOP, {"who": stop.who, "since": stop.since.isoformat(), "reason": stop.reason})


def stop_runs(connection: Connection) -> None:
    """Make the runs under way end with their present batch."""
    connection.execute(update(leases).values(stopped=True))


def lift_stop(connection: Connection) -> None:
    """Let runs begin again."""
    connection.execute(update(leases).values(stopped=False))
    clear_setting(connection, _STOP)


def check_stop(connection: Connection) -> None:
    """Raise `Stopped` when everything is stopped."""
    stop = read_stop(connection)
    if stop is not None:
        raise Stopped(
            "Everything is stopped",
            cause=f"{stop.who} stopped it {stop.since:%Y-%m-%d %H:%M} UTC{f': {stop.reason}' if stop.reason else ''}.",
            remedy="When all is well again: twinrow resume.",
        )


def _read_only(connection_id: int) -> str:
    return f"read only: connection {connection_id}"


def read_only_sides(connection: Connection, connection_id: int) -> frozenset[Side]:
    """Return the sides of a connection to which nothing may be written."""
    return frozenset(Side(value) for value in get_setting(connection, _read_only(connection_id), []))


def set_read_only(connection: Connection, connection_id: int, sides: Iterable[Side]) -> None:
    """Say to which sides of a connection nothing may be written."""
    set_setting(connection, _read_only(connection_id), sorted(side.value for side in sides))
