"""Twinrow keeps the records of two business systems the same, in both directions.

import twinrow

workspace = twinrow.open("sqlite:///twinrow.db")
run = workspace.synchronize("CUSTOMER", create=True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinrow.workspace import Workspace

__version__ = "0.1.0"


def open(url: str, **settings: Any) -> Workspace:
    """Open a store and return its workspace; see `twinrow.workspace.open_workspace`."""
    from twinrow.workspace import open_workspace

    return open_workspace(url, **settings)


__all__ = ["__version__", "open"]
