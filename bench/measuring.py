"""One measurement, in a process of its own: time, processor time and the most memory that it took."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """What a job took, and how many rows it was about.

    `peak_megabytes` is the most memory of its process, where that is known.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    peak_megabytes: float | None = None


def run_apart(job: Callable[..., int], *arguments: Any, prepare: Callable[..., Any] | None = None) -> Measurement:
    """Run a job (which returns how many rows it worked on) in a new process and return what it took there.

    `prepare` makes of the arguments what the job is given; neither it nor the start of the process counts. Time of a
    database server is in `seconds`, not in `cpu_seconds`.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sending, job, arguments, prepare))
    process.start()
    sending.close()
    try:
        rows, seconds, cpu, peak = receiving.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{job.__name__} ended with exit code {process.exitcode}") from None
    process.join()
    return Measurement(rows, seconds, cpu, peak)


def median(
    measurements: Sequence[Measurement], by: Callable[[Measurement], float] = lambda one: one.seconds
) -> Measurement:
    """Return the measurement that took neither the least nor the most (time, if nothing else is said)."""
    return sorted(measurements, key=by)[(len(measurements) - 1) // 2]


def _measure(
    sending: Any, job: Callable[..., int], arguments: tuple[Any, ...], prepare: Callable[..., Any] | None
) -> None:
    if prepare is not None:
        arguments = (prepare(*arguments),)
    began, cpu_began = time.perf_counter(), time.process_time()
    rows = job(*arguments)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    sending.send((rows, seconds, cpu, _peak_megabytes()))


def _peak_megabytes() -> float:
    """Return the most memory that this process has had."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # The other number would begin with what the parent had when it made this process.
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
