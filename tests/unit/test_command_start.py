"""The command line starts fast because it imports nothing heavy, whatever is asked for help."""

import subprocess
import sys
from collections.abc import Iterator

import typer

from twinrow.cli import application

MATCHING = {"numpy", "rapidfuzz", "anyascii"}
HEAVY = {"polars", "sqlalchemy", "httpx2", "azure", "alembic", "msgspec", "psycopg", "twinrow.engine", *MATCHING}


def commands(group: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the words of every command and group of commands."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


def run(asked: list[list[str]], heavy: set[str]) -> None:
    """Ask for help in one process; nothing heavy may have been imported then."""
    program = (
        "import sys\n"
        "from twinrow.cli import application\n"
        f"for words in {asked!r}:\n"
        "    try:\n        application(words)\n"
        "    except SystemExit as end:\n        assert end.code in (0, None), (words, end.code)\n"
        f"heavy = {heavy!r} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == len(asked)


def test_help_imports_nothing_heavy() -> None:
    run([["--help"]], HEAVY | {"pydantic"})


def test_the_help_of_each_command_imports_nothing_heavy() -> None:
    # pydantic is there: typer reads options with it.
    asked = [[*words, "--help"] for words in commands(typer.main.get_command(application)) if words]
    assert len(asked) > 25
    run(asked, HEAVY)


def test_what_scored_matching_computes_with_is_imported_by_it_alone() -> None:
    program = f"import sys, twinrow.workspace\nassert not {MATCHING!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
