"""What the crash tests of matching run in processes of their own: they match in small portions, and may be killed at a commit."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any

import sqlalchemy
from sqlalchemy import event

import twinrow
from twinrow.engine.match import exact
from twinrow.model.errors import LeaseHeld

PORTION = 7
"""So many pairs are stored at once."""


def match(store: str, fatal: int | None, answer: Pipe) -> None:
    """Match the customers of a store by number and tell how many commits that took; killed just before the one `fatal`."""
    exact.AT_ONCE = PORTION
    with twinrow.open(store) as workspace:
        commits = 0

        def count(_: Any) -> None:
            nonlocal commits
            if commits == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            commits += 1

        event.listen(sqlalchemy.Engine, "commit", count)
        result = workspace.match("CUSTOMER", on=[["no"]])
    answer.send((commits, result.coupled))


def contend(store: str, couplings: list[tuple[str, str]], answer: Pipe) -> None:
    """Couple pairs one by one, and match in between, until all is coupled; tell how often someone else was at it."""
    exact.AT_ONCE = PORTION
    waited = 0
    with twinrow.open(store) as workspace:
        answer.send("ready")
        answer.recv()
        left = list(couplings)
        for _ in range(2_000):
            try:
                if left:
                    _couple(workspace, *left[0])
                    left.pop(0)
                elif not workspace.match("CUSTOMER", on=[["no"]]).looked_at:
                    break
            except LeaseHeld:
                waited += 1
                time.sleep(0.01)
    answer.send(waited)


def _couple(workspace: Any, local: str, integration: str) -> None:
    """Couple a pair; that the other process has matched it meanwhile is as well."""
    from twinrow.model.errors import CouplingRefused

    try:
        workspace.couple("CUSTOMER", local, integration)
    except CouplingRefused as error:
        if "coupled already" not in error.message:
            raise
