"""Somebody at a terminal: runs commands in a folder of their own, and reads what is told.

Commands run in this process by typer's runner, which is quicker; `start` runs one as a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from twinrow.cli import application
from twinrow.cli.sandbox import SandboxPair

WIDE = "400"
"""Columns of a terminal on which no sentence is broken."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a command told: its exit code, standard output, standard error."""

    code: int
    out: str
    err: str


class Terminal:
    """A terminal in a folder, with the store that its commands mean."""

    def __init__(self, folder: Path, store: str = "twinrow.db", **variables: str) -> None:
        self.folder = folder
        self.variables = {"COLUMNS": WIDE, "TWINROW_STORE": f"sqlite:///{folder / store}", **variables}

    def run(self, *words: str | Path, code: int = 0) -> Told:
        """Run `twinrow` with these words; it must end with this code."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            result = CliRunner().invoke(application, [str(word) for word in words], env=dict(self.variables))
        finally:
            os.chdir(before)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        told = Told(result.exit_code, result.stdout, result.stderr)
        assert told.code == code, f"twinrow {' '.join(map(str, words))} ended with {told.code}:\n{told.out}{told.err}"
        return told

    def read(self, *words: str | Path, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json`, and return its one document."""
        told = self.run(*words, "--json", code=code)
        document = json.loads(told.out)
        assert isinstance(document, dict)
        return document

    def start(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start `twinrow` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "twinrow", *map(str, words)],
            cwd=self.folder,
            env=os.environ | self.variables | {"PYTHONUNBUFFERED": "1"} | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *words: str | Path, **variables: str) -> Told:
        """Run `twinrow` as a process of its own to its end."""
        process = self.start(*words, **variables)
        out, err = process.communicate(timeout=240)
        return Told(process.returncode, out, err)


def add_systems(terminal: Terminal, pair: SandboxPair, *more: str) -> None:
    """Add both sandboxes as `erp` and `crm`, and connect them as `wieland`; `more` are further words of both."""
    common = ("--tenant", "sandbox-tenant", "--client-id", "twinrow", "--ca-file", pair.ca_file)
    for name, kind, server in (
        ("erp", "business-central", pair.business_central),
        ("crm", "dataverse", pair.dataverse),
    ):
        place = ("--environment", "sandbox", "--company", "Wieland Werke GmbH") if name == "erp" else ()
        secret = f"file:{pair.secret_file('twinrow')}"
        address = ("--url", server.url, "--authority", server.url)
        terminal.run("system", "add", name, kind, *address, *common, *place, "--secret", secret, *more)
    terminal.run("connection", "add", "wieland", "erp", "crm")


def rows(pair: SandboxPair, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as a sandbox has stored them; AL names begin with a capital."""
    server = pair.business_central if table[0].isupper() else pair.dataverse
    found: list[dict[str, Any]] = server.control("GET", f"/sandbox/tables/{table.replace(' ', '%20')}")
    return found


def edit(pair: SandboxPair, table: str, **values: Any) -> None:
    """Change a row of a sandbox past its API, as somebody else would."""
    server = pair.business_central if table[0].isupper() else pair.dataverse
    server.control("POST", f"/sandbox/tables/{table.replace(' ', '%20')}", values)
