"""The tutorial does what it says: each of its commands is run as it stands, and what it shows is what is told.

What differs from time to time is left out of the comparison: clock times, spans, numbers of jobs. A line `…` stands for
lines that the page leaves out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal
from tests.acceptance.test_sandbox import sandbox, two_free_ports

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-synchronization.md"
_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the page: commands (`sh`, run; `bash`, for the reader only), what they tell (`text`), or a file."""

    language: str
    title: str
    text: str


def blocks() -> list[Block]:
    return [Block(*found.groups(default="")) for found in _FENCE.finditer(PAGE.read_text(encoding="utf-8"))]


def plain(text: str) -> list[str]:
    """Return the lines of a text with everything that differs from time to time made the same."""
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r" +\d+(\.\d)? s$", " SPAN", text, flags=re.MULTILINE)
    text = re.sub(r"\bjob \d+", "job N", text)
    text = re.sub(r"─+", "─", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def missing(shown: str, told: str) -> list[str]:
    """Return the lines that the page shows and that are not told, in this order."""
    lines = iter(plain(told))
    return [line for line in plain(shown) if line and line != "…" and not any(line == other for other in lines)]


class Reader:
    """Somebody who follows the page in a terminal of 80 columns, with the virtual environment activated."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._variables = {**os.environ, "COLUMNS": "80", "PATH": path}
        self._variables.pop("TWINROW_STORE", None)
        self._place = folder / ".place"

    def run(self, commands: str) -> str:
        """Run commands where the last ones have led; return what they told."""
        done = subprocess.run(
            ["bash", "-c", f'{commands}\npwd > "{self._place}"'],
            cwd=self.folder,
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=True,
        )
        self.folder = Path(self._place.read_text().strip())
        assert not re.search(r"^(Traceback|Usage:|Error:|bash:|curl:)", done.stdout, re.MULTILINE), done.stdout
        return done.stdout


@pytest.mark.timeout(900)
def test_every_command_tells_what_the_page_shows(terminal: Terminal) -> None:
    port = two_free_ports()
    reader, told, compared = Reader(terminal.folder), "", 0
    with sandbox(terminal, port, "--customers", "200"):
        for block in blocks():
            text = block.text.replace("17001", str(port)).replace("17002", str(port + 1))
            if block.title:
                (reader.folder / block.title).write_text(text, encoding="utf-8")
            elif block.language == "sh":
                told = reader.run(text)
            elif block.language == "text":
                assert missing(text, told) == [], told
                compared += 1
    assert compared > 10


def test_what_is_left_to_the_reader_is_what_the_page_says() -> None:
    assert [block.text for block in blocks() if block.language == "bash"] == [
        "source .venv/bin/activate\n",
        "twinrow sandbox\n",
    ]


def test_a_line_that_is_not_told_is_noticed() -> None:
    assert missing("one\n…\nthree  3\n", "one\ntwo\nthree 3\n") == []
    assert missing("three\none\n", "one\nthree\n") == ["one"]
