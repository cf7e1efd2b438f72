"""What people see: tables that fit 80 columns, numbers, spans and points in time in the form that they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table

ARROWS = {"bidirectional": "↔", "to_integration": "→", "from_integration": "←"}


def screen(*, errors: bool = False) -> Console:
    """Return the console that writes on standard output, or on standard error."""
    from rich.console import Console

    return Console(stderr=errors, highlight=False, emoji=False, markup=False)


def show(*parts: RenderableType) -> None:
    """Print tables and blocks, an empty line after each."""
    console = screen()
    for part in parts:
        console.print(part)
        console.print()


def show_lines(lines: Iterable[str]) -> None:
    """Print lines as they are, however long: they are meant to be copied or clicked."""
    console = screen()
    for line in lines:
        console.print(line, soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """Return a table. A heading that begins with `>` has numbers below it, one with `=` names that are not to be folded.

    Nothing is cut; other texts are folded where they are too long.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        made.add_column(
            name.lstrip(">="),
            justify="right" if name.startswith(">") else "left",
            overflow="fold",
            no_wrap=name.startswith((">", "=")),
        )
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def card(title: str, lines: Iterable[tuple[str, str | None]]) -> Group:
    """Return a block: a title, and below it names with their values; those without a value are left out."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines:
        if value:
            grid.add_row(f"  {name}", Text(value))
    return Group(Text(title, style="bold"), grid)


def number(count: int) -> str:
    """Return a number with its thousands set apart."""
    return f"{count:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 record`, `2 records`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def told_value(value: object, caption: str = "") -> str:
    """Return a field's value, with its caption where it is one of a choice."""
    if value is None:
        return "(blank)"
    text = f"“{value}”" if isinstance(value, str) else str(value)
    return f"{text} {caption}" if caption else text


def point(at: datetime | None) -> str:
    """Return a point in time by the clock of this machine: of today the time only, else day and minute."""
    if at is None:
        return ""
    here = at.astimezone()
    today = here.date() == datetime.now().astimezone().date()
    return here.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")


def span(duration: timedelta | None) -> str:
    """Return a span of time."""
    if duration is None:
        return ""
    seconds = duration.total_seconds()
    if seconds < 10 and duration.microseconds:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
