"""Opening the workspace that a command works in."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twinrow.workspace import Workspace

_SQLITE = "sqlite:///"


@contextmanager
def workspace(store: str, connection: str | None = None, *, create: bool = False) -> Iterator[Workspace]:
    """Give the workspace of a store, with the connection that is meant; close it in the end.

    A store that is not there is made only where `create` says so: a command that was started in the wrong folder shall not
    leave an empty one behind. Raises `ConfigurationError` or `StoreMismatch`.
    """
    from twinrow.model.errors import ConfigurationError
    from twinrow.workspace import open_workspace

    # What Microsoft's library would write about a failed sign-in is told by the error.
    logging.getLogger("azure").addHandler(logging.NullHandler())

    file = Path(store.removeprefix(_SQLITE)) if store.startswith(_SQLITE) else None
    if file is not None and not create and not file.exists():
        raise ConfigurationError(
            f"There is no store {file.name} in {file.absolute().parent}",
            remedy="Name the store with --store or TWINROW_STORE, or begin a new one with `twinrow system add`.",
        )
    with open_workspace(store) as opened:
        if connection is not None:
            opened.use(connection)
        yield opened
