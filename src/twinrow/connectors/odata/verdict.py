"""How the write of one record ended, and how that stands in a result.

Which answer means what is each connector's own matter (`answers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinrow.connectors.base import ERROR, ERROR_CODE, ERROR_FIELD, RECOVERY, REMEDY, STATUS, Status
from twinrow.connectors.odata.errors import ServiceError
from twinrow.model.errors import ConfigurationError, TwinrowError
from twinrow.model.outcomes import Recovery


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the write of one record ended. `id` is known where the record is there already."""

    status: Status
    error: str | None = None
    code: str | None = None
    field: str | None = None
    remedy: str | None = None
    recovery: Recovery | None = None
    id: str | None = None


WRITTEN = Verdict(Status.WRITTEN)
STALE = Verdict(Status.STALE)
MISSING = Verdict(Status.MISSING)


def indeterminate(why: str, code: str | None = None) -> Verdict:
    """Return the verdict on a write whose answer is missing or says nothing."""
    return Verdict(Status.INDETERMINATE, why, code, recovery=Recovery.RETRY)


def unsent(error: TwinrowError) -> Verdict:
    """Return the verdict on a write that certainly was not carried out, for a reason that concerns no single record."""
    recovery = Recovery.CONFIGURATION if isinstance(error, ConfigurationError) else Recovery.RETRY
    why = f"{error.message}: {error.cause}" if error.cause else error.message
    return Verdict(Status.UNSENT, why, remedy=error.remedy, recovery=recovery)


def said(error: ServiceError) -> str:
    """Return what the service says, in words where it has any."""
    return error.message or error.code or f"HTTP {error.status}"


def verdict_columns(verdicts: Sequence[Verdict]) -> dict[str, list[Any]]:
    """Return the columns of a result that say how each write ended."""
    return {
        STATUS: [verdict.status.value for verdict in verdicts],
        ERROR: [verdict.error for verdict in verdicts],
        ERROR_CODE: [verdict.code for verdict in verdicts],
        ERROR_FIELD: [verdict.field for verdict in verdicts],
        REMEDY: [verdict.remedy for verdict in verdicts],
        RECOVERY: [verdict.recovery for verdict in verdicts],
    }
