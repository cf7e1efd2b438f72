"""What the parts that both services share need to know of a table."""

from __future__ import annotations

from typing import Protocol, TypeVar

from twinrow.connectors.base import Capabilities
from twinrow.model.tables import Table


class ODataTable(Protocol):
    """A table of a service."""

    @property
    def table(self) -> Table:
        """The description of the table."""

    @property
    def capabilities(self) -> Capabilities:
        """What the table can do."""

    @property
    def name(self) -> str:
        """The name by which callers know the table."""


AnyTable = TypeVar("AnyTable", bound=ODataTable)
"""The tables of one service."""
