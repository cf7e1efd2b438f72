"""What PostgreSQL says when it will not take a record, in terms of fields and remedies."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from twinrow.connectors.sql.database import Refusal
from twinrow.model.outcomes import Recovery

_KEY = re.compile(r"^Key \(([^)]+)\)=\((.*?)\)")
_CONFIGURATION = "42"


def refusal(error: psycopg.Error) -> Refusal:
    """Return what an error of the server says about the record that was written."""
    code = error.sqlstate or "unknown"
    said = error.diag.message_primary or str(error)
    field = error.diag.column_name or _field_of_key(error)
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    match error:
        case errors.UniqueViolation():
            return Refusal(
                f"Another record has this value of {field or error.diag.constraint_name}{detail}",
                code,
                field,
                "Change it here or in the other record.",
            )
        case errors.NotNullViolation():
            remedy = "Fill it, or map it with a default value."
            return Refusal(f"{field} must have a value", code, field, remedy)
        case errors.ForeignKeyViolation():
            return Refusal(
                f"The record refers to one that does not exist, or others still refer to it{detail}",
                code,
                field,
                "Bring the related record first, or clear the reference.",
            )
        case errors.CheckViolation() | errors.ExclusionViolation():
            return Refusal(f"The constraint {error.diag.constraint_name} fails: {said}", code, field, "Mend the value.")
        case errors.RaiseException():
            return Refusal(
                f"The database refuses the record: {said}", code, field, error.diag.message_hint or "Mend the record."
            )
        case errors.InsufficientPrivilege():
            remedy = "Give the user the right to write to the table, or look at its row-level policies."
            return Refusal(f"This user may not write the record: {said}", code, field, remedy, Recovery.CONFIGURATION)
    if code.startswith(_CONFIGURATION):
        remedy = "Look whether the table has changed, and open the system again."
        return Refusal(
            f"The database does not accept the write: {said}", code, field, remedy, Recovery.CONFIGURATION, whole=True
        )
    return Refusal(
        f"The database refuses the record: {said}{detail}", code, field, error.diag.message_hint or "Mend the value."
    )


def _field_of_key(error: psycopg.Error) -> str | None:
    """Return the column of a key that is named in the details, where it is one column."""
    found = _KEY.match(error.diag.message_detail or "")
    if found is None or "," in found.group(1):
        return None
    return found.group(1).strip('"')
