"""How long the command takes to begin: `twinrow --help`, in a new process."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.measuring import Measurement, median
from bench.report import Figure, Line

MOST_SECONDS = 0.3


def measure(repetitions: int) -> Iterator[Line]:
    """Yield the line of the command's start."""
    took = median([_help() for _ in range(repetitions)])
    figure = Figure(took.seconds * 1_000, "{:.0f} ms", MOST_SECONDS * 1_000, least=False)
    yield Line("command start: twinrow --help", 0, figure, took, repetitions=repetitions)


def _help() -> Measurement:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "twinrow", "--help"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The most memory is told of the largest of all processes only.
    return Measurement(0, seconds, cpu)
