"""What is shown while a synchronization runs: a line for each mapping and direction, on a terminal only."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from twinrow.cli.screen import number, screen, span

if TYPE_CHECKING:
    from twinrow.model.outcomes import Counters


class ProgressLines:
    """Lines on standard error that count what was read, written and failed, and how many records a second.

    Use it as a context manager; the lines go when it ends. Where standard error is no terminal, nothing is shown.
    """

    def __init__(self, name_of: Callable[[str], str]) -> None:
        from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
        from rich.text import Text

        class Elapsed(ProgressColumn):
            def render(self, task: Task) -> Text:
                seconds = task.finished_time if task.finished else task.elapsed
                return Text(span(timedelta(seconds=int(seconds or 0))), style="dim")

        console = screen(errors=True)
        self._name_of = name_of
        self._lines = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[counts]}"),
            Elapsed(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._present: tuple[str, str] | None = None
        self._line = self._lines.add_task("", total=None, visible=False, counts="")
        self._total: Counters | None = None
        self._since = 0.0

    def __enter__(self) -> Self:
        self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.stop()

    def started(self, mapping: str) -> None:
        """Show that a mapping has been begun."""
        self._begin(mapping, "")

    def settled(self, mapping: str, direction: str, counters: Counters) -> None:
        """Add what a batch came to."""
        if self._present != (mapping, direction):
            self._begin(mapping, direction)
        self._total = counters if self._total is None else self._total + counters
        total, seconds = self._total, time.monotonic() - self._since
        rate = f", {number(round(total.read / seconds))}/s" if seconds >= 1 else ""
        counts = f"{number(total.read)} read, {number(total.written)} written, {number(total.failed)} failed{rate}"
        self._lines.update(self._line, counts=counts)

    def _begin(self, mapping: str, direction: str) -> None:
        self._finish()
        self._present, self._total, self._since = (mapping, direction), None, time.monotonic()
        name = f"{mapping} {self._name_of(direction)}" if direction else mapping
        self._line = self._lines.add_task(name, total=None, counts="")

    def _finish(self) -> None:
        """Leave a line that counted something standing; take an empty one away."""
        if self._total is None:
            self._lines.remove_task(self._line)
        else:
            self._lines.update(self._line, total=1, completed=1)
