"""Numbers, spans and tables as people read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from twinrow.cli.screen import card, number, plural, point, span, table


def shown(part: object, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(part)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (2.35, "2.4 s"), (7, "7 s"), (12.4, "12 s"), (101, "1 min 41 s"), (7260, "2 h 1 min")],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_what_is_not_known_is_blank() -> None:
    assert span(None) == point(None) == ""


def test_numbers_and_nouns() -> None:
    assert number(1234567) == "1,234,567"
    assert [plural(count, "record") for count in (0, 1, 2000)] == ["0 records", "1 record", "2,000 records"]
    assert plural(2, "record waits", "records wait") == "2 records wait"


def test_points_of_other_days_have_their_day() -> None:
    assert point(datetime(2020, 1, 31, 12, 0, tzinfo=UTC)).startswith("2020-01-31 ") or point(
        datetime(2020, 1, 31, 12, 0, tzinfo=UTC)
    ).startswith("2020-02-01 ")
    assert len(point(datetime.now(UTC))) == len("12:34:56")


def test_a_table_folds_texts_and_keeps_numbers_and_names_whole() -> None:
    made = table(("Text", "=Name", ">Count"), [("several words that are folded", "a_long_name_of_a_field", "12,345")])
    lines = shown(made, 50)
    assert max(map(len, lines)) <= 50
    assert any("a_long_name_of_a_field" in line and line.endswith("12,345") for line in lines)
    assert len(lines) > 3


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    assert "[red]Wieland[/red]" in "".join(shown(table(("Name",), [("[red]Wieland[/red]",)]), 80))


def test_a_card_leaves_out_what_has_no_value() -> None:
    lines = shown(card("CUSTOMER", [("Field", "Name"), ("Cause", None), ("Remedy", "")]), 80)
    assert lines == ["CUSTOMER", "  Field  Name"]
