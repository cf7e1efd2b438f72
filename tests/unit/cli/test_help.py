"""What help shows: every command and option is explained, and fits a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from twinrow.cli import application
from twinrow.cli.failures import ORDER

COMMAND = typer.main.get_command(application)


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


ALL = list(commands(COMMAND))


@pytest.mark.parametrize("words", [words for words, _ in ALL], ids=lambda words: " ".join(words) or "twinrow")
def test_help_fits_80_columns(words: tuple[str, ...]) -> None:
    told = CliRunner().invoke(application, [*words, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert told.exit_code == 0
    assert max(map(len, told.stdout.splitlines())) <= 80


def test_everything_is_explained() -> None:
    unexplained = [
        (" ".join(words), parameter.name)
        for words, command in ALL
        for parameter in command.params
        if not getattr(parameter, "help", None) and parameter.name != "help"
    ]
    assert unexplained == []
    assert [" ".join(words) for words, command in ALL if not command.help] == []


def test_commands_stand_in_the_order_in_which_they_are_needed() -> None:
    assert COMMAND.list_commands(None) == list(ORDER)  # type: ignore[attr-defined,arg-type]
    told = CliRunner().invoke(application, ["--help"], env={"COLUMNS": "80"}).stdout
    places = [told.index(f"│ {name} ") for name in ORDER]
    assert places == sorted(places)


def test_version() -> None:
    from twinrow import __version__

    assert CliRunner().invoke(application, ["version"]).stdout == f"{__version__}\n"
