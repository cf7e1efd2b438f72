"""What the crash tests run in a process of its own: a workspace in which every step is counted, and the one that is fatal.

Steps are told from outside, without any help of the program: each commit of the store (just before it), each request (just
before it is sent) and each answer (just before it is read); with a database each write (just before it and just after it).
Of each step is known whether a batch was being settled behind (`engine.behind`) by then; that begins as late as it may, when
the next batch is prepared and waits for it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Any, Literal

import httpx2
import polars as pl
import sqlalchemy
import sqlalchemy.dialects.sqlite
from sqlalchemy import event

import twinrow
from twinrow.actions.results import Run
from twinrow.connectors.base import WriteRequest
from twinrow.connectors.sql.system import SqlSystem
from twinrow.engine import stages
from twinrow.engine.behind import Settling
from twinrow.engine.context import EngineSettings
from twinrow.model.outcomes import Counters

SETTINGS = EngineSettings(page_rows=5, delete_check_interval=timedelta(0))
"""Several batches for few records, and deletions that no feed tells of are looked for in each run."""

_PATIENCE = 10.0
"""Seconds after which a batch is settled although nobody waits for that: preparing the next one has failed."""

Work = tuple[Literal["plan", "undo"], int]
"""The plan that is applied, or the run that is undone."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """What a process tells before it is killed: whether it was settling a batch behind."""

    settling: bool


class Steps:
    """Counts the steps of this process and ends it, as a power cut would, at the one with the number `fatal`."""

    def __init__(self, fatal: int | None, last_words: Callable[[LastWords], None]) -> None:
        self.kinds: list[str] = []
        self.settling: list[bool] = []
        self._fatal = fatal
        self._last_words = last_words
        self._under_way = False
        self._prepared = threading.Event()
        self._lock = threading.Lock()

    def step(self, kind: str) -> None:
        """Count one."""
        with self._lock:
            if len(self.kinds) == self._fatal:
                self._last_words(LastWords(self._under_way))
                os.kill(os.getpid(), signal.SIGKILL)
            self.kinds.append(kind)
            self.settling.append(self._under_way)

    def watch(self) -> None:
        """Count from now on."""
        event.listen(sqlalchemy.Engine, "commit", lambda _: self.step("commit"))
        send, write, settle, wait = httpx2.Client.send, SqlSystem.write, stages.settle, Settling.wait

        def counted(client: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
            self.step(f"request {request.method}")
            response = send(client, request, **options)
            self.step(f"answer {request.method}")
            return response

        def counted_write(system: SqlSystem, request: WriteRequest) -> pl.DataFrame:
            self.step("request write")
            result = write(system, request)
            self.step("answer write")
            return result

        def observed(*arguments: Any) -> Counters:
            self._under_way = threading.current_thread().name.startswith("settling")
            try:
                if self._under_way:
                    self._prepared.wait(_PATIENCE)
                return settle(*arguments)
            finally:
                self._under_way = False

        def observed_wait(settling: Settling) -> None:
            self._prepared.set()
            try:
                wait(settling)
            finally:
                self._prepared.clear()

        httpx2.Client.send = counted  # type: ignore[method-assign]
        SqlSystem.write = counted_write  # type: ignore[method-assign]
        stages.settle = observed
        Settling.wait = observed_wait  # type: ignore[method-assign]


def work(store: str, mappings: Sequence[str], other: Work | None, fatal: int | None, answer: Pipe) -> None:
    """Run the mappings of a store, or do `other` work, and tell which steps there were; killed at the step `fatal`."""
    steps = Steps(fatal, answer.send)
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
            "settling": steps.settling,
            "failed": [f"{run.mapping}: {run.message}" for run in runs if run.state != "finished"],
            "written": sum(run.counters.written for run in runs),
        }
    )
