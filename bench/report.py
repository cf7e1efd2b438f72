"""The table of figures: what was measured, what it is held against, and whether it is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.measuring import Measurement


@dataclass(frozen=True)
class Figure:
    """A figure that counts, with its unit, what it must reach and what it should; `least`: more is better."""

    value: float
    form: str
    must: float | None = None
    aim: float | None = None
    least: bool = True

    @property
    def reached(self) -> str:
        """In a word, how far the figure has come."""
        if self.must is None:
            return ""
        if not self._as_good_as(self.must):
            return "no"
        return "yes, and the aim" if self.aim is not None and self._as_good_as(self.aim) else "yes"

    def _as_good_as(self, bound: float) -> bool:
        return self.value >= bound if self.least else self.value <= bound

    def shown(self, value: float | None) -> str:
        """Return a value as it stands in the table."""
        return "" if value is None else self.form.format(value)

    def bound(self, value: float | None) -> str:
        """Return a bound as it stands in the table."""
        return "" if value is None else f"{'≥' if self.least else '≤'} {self.form.format(value).lstrip('+')}"


@dataclass(frozen=True)
class Line:
    """One line of the table: the work, how many rows it was about, the figure, and the measurements it comes from."""

    work: str
    rows: int
    figure: Figure
    took: Measurement | None = None
    beside: Measurement | None = None
    repetitions: int = 1
    note: str = ""


COLUMNS = (
    "Work",
    "Rows",
    "Figure",
    "Must",
    "Aim",
    "Reached",
    "Took",
    "CPU",
    "Peak",
    "Beside it",
    "CPU",
    "Peak",
    "Median of",
    "Note",
)


def table(lines: Iterable[Line]) -> str:
    """Return the lines as a Markdown table that is aligned for people, too."""
    rows = [COLUMNS, *(tuple(_cells(line)) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    shown = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    shown.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {row} |" for row in shown)


def _cells(line: Line) -> Iterator[str]:
    figure = line.figure
    yield line.work
    yield f"{line.rows:,}".replace(",", " ") if line.rows else ""
    yield figure.shown(figure.value)
    yield figure.bound(figure.must)
    yield figure.bound(figure.aim)
    yield figure.reached
    for measurement in (line.took, line.beside):
        yield seconds(measurement.seconds) if measurement is not None else ""
        yield seconds(measurement.cpu_seconds) if measurement is not None else ""
        yield megabytes(measurement)
    yield f"{line.repetitions}" if line.repetitions > 1 else ""
    yield line.note


def seconds(value: float) -> str:
    """Return a time as people read it."""
    return f"{value * 1_000:.0f} ms" if value < 1 else f"{value:.1f} s"


def megabytes(measurement: Measurement | None) -> str:
    """Return the most memory that a measured process took."""
    return "" if measurement is None or measurement.peak_megabytes is None else f"{measurement.peak_megabytes:.0f} MB"
