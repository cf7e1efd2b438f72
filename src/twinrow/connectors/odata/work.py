"""A request to write while it is under way, and whether it may be carried out at all."""

from __future__ import annotations

from collections.abc import Sequence

from twinrow.connectors.base import WriteKind, WriteRequest
from twinrow.connectors.odata.client import NoAnswer
from twinrow.connectors.odata.tables import ODataTable
from twinrow.connectors.odata.verdict import Verdict, indeterminate, unsent
from twinrow.model.errors import ConfigurationError, TwinrowError


class Work:
    """What has become of each record so far, by its place in the request; in the end those without a verdict were written."""

    def __init__(self) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self._reached = False
        self._error: TwinrowError | None = None

    def reached(self) -> None:
        """Take note that the service has, or may have, carried something out."""
        self._reached = True

    def lost(self, rows: Sequence[int], why: str) -> None:
        """Take note that the answer to these records is missing."""
        self.reached()
        for row in rows:
            self.verdicts[row] = indeterminate(why)

    def not_done(self, rows: Sequence[int], error: TwinrowError) -> None:
        """Take note that these records certainly were not written."""
        self._error = self._error or error
        for row in rows:
            self.verdicts[row] = unsent(error)

    def unanswered(self, rows: Sequence[int], outcome: NoAnswer) -> None:
        """Take note that the request with these records has no answer."""
        if outcome.sent:
            self.lost(rows, str(outcome.error.cause or outcome.error.message))
        else:
            self.not_done(rows, outcome.error)

    @property
    def nothing_done(self) -> TwinrowError | None:
        """Why nothing at all was carried out, where that is so."""
        return None if self._reached else self._error


def check_writable(system: str, table: ODataTable, request: WriteRequest) -> None:
    """Raise `UnknownField` or `ConfigurationError` for what a table cannot be asked to write."""
    for name in (*request.fields, *request.answered):
        table.table.field(name)
    can = table.capabilities
    allowed = {
        WriteKind.CREATE: can.can_create,
        WriteKind.UPDATE: can.can_update,
        WriteKind.DELETE: can.can_delete,
    }
    if not allowed[request.kind]:
        raise ConfigurationError(
            f"The table {table.name} of {system} can only be read", remedy="Let the mapping go from this system only."
        )
