"""Two sandboxes with the sample company, fresh or already synchronized, for each test as if they were its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, add_systems
from twinrow.cli.sandbox import SandboxPair, open_sandboxes

CUSTOMERS = 60
FRESH, SYNCHRONIZED = "fresh", "synchronized"


@pytest.fixture(scope="session")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxPair]:
    with open_sandboxes(tmp_path_factory.mktemp("sandboxes"), CUSTOMERS) as pair:
        for server in (pair.business_central, pair.dataverse):
            server.control("POST", "/sandbox/snapshot", {"name": FRESH})
        yield pair


def _restored(sandboxes: SandboxPair, name: str) -> SandboxPair:
    for server in (sandboxes.business_central, sandboxes.dataverse):
        server.control("POST", "/sandbox/restore", {"name": name})
        server.control("DELETE", "/sandbox/faults")
        server.control("DELETE", "/sandbox/requests")
    return sandboxes


@pytest.fixture
def pair(sandboxes: SandboxPair) -> SandboxPair:
    """Both sandboxes as they were when they came up."""
    return _restored(sandboxes, FRESH)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal in an empty folder."""
    return Terminal(tmp_path)


@pytest.fixture(scope="session")
def synchronized_store(sandboxes: SandboxPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose connection is set up and synchronized; the sandboxes' state then is kept under its name."""
    _restored(sandboxes, FRESH)
    terminal = Terminal(tmp_path_factory.mktemp("synchronized"))
    add_systems(terminal, sandboxes)
    terminal.run("connection", "setup")
    # People of blocked customers wait for accounts that are not to be: exit code 1.
    terminal.run("sync", "--create", code=1)
    terminal.run("sync", code=1)
    for server in (sandboxes.business_central, sandboxes.dataverse):
        server.control("POST", "/sandbox/snapshot", {"name": SYNCHRONIZED})
    return terminal.folder / "twinrow.db"


@pytest.fixture
def synchronized(sandboxes: SandboxPair, synchronized_store: Path, terminal: Terminal) -> SandboxPair:
    """Both sandboxes, synchronized; the terminal's store knows it."""
    shutil.copy(synchronized_store, terminal.folder / "twinrow.db")
    return _restored(sandboxes, SYNCHRONIZED)
