"""What PostgreSQL says when it will not take a record, in terms of fields and remedies; and when it cannot be talked to."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from twinrow.connectors.sql.database import Refusal
from twinrow.model.errors import ConfigurationError, SignInFailed, SystemUnavailable, TwinrowError, Unreachable
from twinrow.model.outcomes import Recovery

# The driver hands over no code for what fails before there is a connection.
_NO_SIGN_IN = re.compile(
    r"authentication failed|no password supplied|no pg_hba.conf entry|role \".*\" does not exist"
    r"|permission denied for database"
)
_NO_PLACE = re.compile(r"database \".*\" does not exist|could not translate host name|failed to resolve host")
_UNKNOWN = ("22", "3F", "42")
"""Classes of errors for a question that the database does not understand."""
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


def failure(error: BaseException | None, address: str) -> TwinrowError:
    """Return what an error of the driver says about the connection; `address` is shown, so it holds no password."""
    code = getattr(error, "sqlstate", None) or ""
    said = str(error).strip()
    if code.startswith("28") or _NO_SIGN_IN.search(said):
        return SignInFailed(f"{address} refuses the sign-in", cause=said, remedy="Look at user name and password.")
    if code.startswith("3D") or _NO_PLACE.search(said):
        return Unreachable(f"There is no database at {address}", cause=said, remedy="Look at the address.")
    if code[:2] in _UNKNOWN:
        return ConfigurationError(
            f"{address} does not know what is asked for",
            cause=said,
            remedy="Look at the user's rights and whether the tables have changed, and open the system again.",
        )
    return SystemUnavailable(f"{address} cannot be used now", cause=said, remedy="Try again later.")
