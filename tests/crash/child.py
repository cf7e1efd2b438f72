"""What the crash tests run in a process of its own: a workspace in which every step is counted, and the one that is fatal.

Steps are told from outside, without any help of the program: each commit of the store (just before it), each request (just
before it is sent) and each answer (just before it is read).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Any, Literal

import httpx2
import sqlalchemy
import sqlalchemy.dialects.sqlite
from sqlalchemy import event

import twinrow
from twinrow.actions.results import Run
from twinrow.engine.context import EngineSettings

SETTINGS = EngineSettings(page_rows=5, delete_check_interval=timedelta(0))
"""Several batches for few records, and deletions that no feed tells of are looked for in each run."""


Work = tuple[Literal["plan", "undo"], int]
"""The plan that is applied, or the run that is undone."""


class Steps:
    """Counts the steps of this process and ends it, as a power cut would, at the one with the number `fatal`."""

    def __init__(self, fatal: int | None) -> None:
        self.kinds: list[str] = []
        self._fatal = fatal
        self._lock = threading.Lock()

    def step(self, kind: str) -> None:
        """Count one."""
        with self._lock:
            if len(self.kinds) == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            self.kinds.append(kind)

    def watch(self) -> None:
        """Count from now on."""
        event.listen(sqlalchemy.Engine, "commit", lambda _: self.step("commit"))
        send = httpx2.Client.send

        def counted(client: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
            self.step(f"request {request.method}")
            response = send(client, request, **options)
            self.step(f"answer {request.method}")
            return response

        httpx2.Client.send = counted  # type: ignore[method-assign]


def work(store: str, mappings: Sequence[str], other: Work | None, fatal: int | None, answer: Pipe) -> None:
    """Run the mappings of a store, or do `other` work, and tell which steps there were; killed at the step `fatal`."""
    steps = Steps(fatal)
    with twinrow.open(store, settings=SETTINGS) as workspace:
        steps.watch()
        if other is not None and other[0] == "undo":
            workspace.undo(other[1])
            runs: Sequence[Run] = ()
        elif other is not None:
            runs = workspace.apply_plan(other[1]).runs
        else:
            runs = workspace.synchronize_all(mappings, create=True).runs
    answer.send(
        {
            "steps": steps.kinds,
            "failed": [f"{run.mapping}: {run.message}" for run in runs if run.state != "finished"],
            "written": sum(run.counters.written for run in runs),
        }
    )
