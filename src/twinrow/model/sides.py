"""The two sides of a connection and the ways that data goes between them.

The **local** side is the ERP, the **integration** side the CRM. A run of a table mapping makes a TO pass (local to
integration), then a FROM pass. Code is written once, for a `side` and its `side.other`.
"""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """One of the two systems of a connection."""

    LOCAL = "local"
    INTEGRATION = "integration"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.INTEGRATION if self is Side.LOCAL else Side.LOCAL


class Pass(StrEnum):
    """One direction of a run. It reads its source, and writes only its destination."""

    TO = "to_integration"
    FROM = "from_integration"

    @property
    def source(self) -> Side:
        """The side whose changes the pass carries."""
        return Side.LOCAL if self is Pass.TO else Side.INTEGRATION

    @property
    def destination(self) -> Side:
        """The side that the pass writes."""
        return self.source.other

    @property
    def opposite(self) -> Pass:
        """The pass the other way round."""
        return Pass.FROM if self is Pass.TO else Pass.TO


class Direction(StrEnum):
    """The direction of a table mapping or a field mapping (semantics 1.1, 2)."""

    BIDIRECTIONAL = "bidirectional"
    TO_INTEGRATION = "to_integration"
    FROM_INTEGRATION = "from_integration"

    def includes(self, pass_: Pass) -> bool:
        """Whether something with this direction takes part in the pass."""
        return self is Direction.BIDIRECTIONAL or self.value == pass_.value

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes that a run of this direction makes, in their order (TO precedes FROM)."""
        return tuple(pass_ for pass_ in Pass if self.includes(pass_))
