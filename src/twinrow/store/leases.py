"""Leases: one run at a time on a mapping, with a fencing number.

Whoever takes a lease counts its fence up. Every transaction that stores intents or settles a batch locks the lease's row and
checks the fence, so that a run that was taken over cannot store anything any more. The heartbeat is a counter: whether a
holder is silent is for the observer to find out with its own monotonic clock. A holder whose process is gone from this
machine is known to be dead at once.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Connection, select, update

from twinrow.model.errors import LeaseHeld, LeaseLost
from twinrow.store.tables import leases


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it stands: `owner` is None when it is free."""

    mapping_id: int
    fence: int
    run_id: int | None
    owner: str | None
    beat: int


def this_process() -> str:
    """Return the name of this process as an owner of leases: host, number and start, so that numbers may be used again."""
    return f"{socket.gethostname()}|{os.getpid()}|{_started(psutil.Process())}"


def is_dead(owner: str) -> bool:
    """Whether the process of that name has certainly ended. Of another machine's processes nothing is known."""
    host, number, started = owner.split("|")
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(number))
        return _started(process) != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _started(process: psutil.Process) -> str:
    """Return when a process began: on Linux by the ticks since the machine's start, since clocks may be set meanwhile."""
    try:
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}.{ticks}"
    except (OSError, IndexError):
        return f"{process.create_time():.2f}"


def read_lease(connection: Connection, mapping_id: int) -> Lease | None:
    """Return the lease of a mapping, if there ever was one."""
    row = connection.execute(select(leases).where(leases.c.mapping_id == mapping_id)).one_or_none()
    return None if row is None else Lease(row.mapping_id, row.fence, row.run_id, row.owner, row.beat)


def take_lease(connection: Connection, mapping_id: int, run_id: int | None, owner: str) -> Lease:
    """Take the lease of a mapping for a run, and return it with its new fence.

    Raises `LeaseHeld` when somebody else holds it, unless that process is dead.
    """
    row = connection.execute(select(leases).where(leases.c.mapping_id == mapping_id).with_for_update()).one_or_none()
    if row is None:
        connection.execute(leases.insert().values(mapping_id=mapping_id, fence=1, run_id=run_id, owner=owner, beat=0))
        return Lease(mapping_id, 1, run_id, owner, 0)
    held = Lease(row.mapping_id, row.fence, row.run_id, row.owner, row.beat)
    if held.owner is not None and not is_dead(held.owner):
        raise LeaseHeld(
            "Another run of this mapping is under way",
            cause=f"held by process {held.owner.split('|')[1]} on {held.owner.split('|')[0]}",
            remedy="Wait until it has ended; `twinrow status` shows it.",
        )
    taken = Lease(mapping_id, held.fence + 1, run_id, owner, held.beat + 1)
    connection.execute(
        update(leases)
        .where(leases.c.mapping_id == mapping_id)
        .values(fence=taken.fence, run_id=run_id, owner=owner, beat=taken.beat)
    )
    return taken


def check_fence(connection: Connection, lease: Lease) -> bool:
    """Lock the lease's row and raise `LeaseLost` unless the fence still is ours. Counts the heartbeat up.

    Returns whether the run is to end, because everything was stopped (`store.restraints`).
    """
    row = connection.execute(
        select(leases.c.fence, leases.c.stopped).where(leases.c.mapping_id == lease.mapping_id).with_for_update()
    ).one_or_none()
    if row is None or row.fence != lease.fence:
        raise LeaseLost("Another process has taken this run over", remedy="Nothing to do: it finishes the work.")
    beat(connection, lease)
    return bool(row.stopped)


def beat(connection: Connection, lease: Lease) -> None:
    """Count the heartbeat up, if the lease still is ours."""
    connection.execute(
        update(leases)
        .where(leases.c.mapping_id == lease.mapping_id, leases.c.fence == lease.fence)
        .values(beat=leases.c.beat + 1)
    )


def release_lease(connection: Connection, lease: Lease) -> None:
    """Give the lease back, if it still is ours."""
    connection.execute(
        update(leases)
        .where(leases.c.mapping_id == lease.mapping_id, leases.c.fence == lease.fence)
        .values(owner=None, run_id=None, beat=leases.c.beat + 1)
    )
