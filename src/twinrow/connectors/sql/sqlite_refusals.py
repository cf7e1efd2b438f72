"""What SQLite says when it will not take a record, in terms of fields and remedies."""

from __future__ import annotations

import re
import sqlite3

from twinrow.connectors.sql.database import Refusal
from twinrow.model.outcomes import Recovery

_COLUMN = re.compile(r"constraint failed: (?:[^.,]+)\.([^.,]+)$")


def refusal(error: sqlite3.Error) -> Refusal:
    """Return what an error of the driver says about the record that was written."""
    code, text = error.sqlite_errorname, str(error)
    found = _COLUMN.search(text)
    field = found.group(1) if found else None
    match code:
        case "SQLITE_CONSTRAINT_UNIQUE" | "SQLITE_CONSTRAINT_PRIMARYKEY" | "SQLITE_CONSTRAINT_ROWID":
            columns = field or text.partition(": ")[2]
            return Refusal(
                f"Another record has this value of {columns}", code, field, "Change it here or in the other record."
            )
        case "SQLITE_CONSTRAINT_NOTNULL":
            return Refusal(f"{field} must have a value", code, field, "Fill it, or map it with a default value.")
        case "SQLITE_CONSTRAINT_FOREIGNKEY":
            return Refusal(
                "The record refers to one that does not exist, or others still refer to it",
                code,
                None,
                "Bring the related record first, or clear the reference.",
            )
        case "SQLITE_CONSTRAINT_CHECK":
            return Refusal(f"A check of the table fails: {text.partition(': ')[2]}", code, None, "Mend the value.")
        case "SQLITE_CONSTRAINT_TRIGGER":
            return Refusal(f"A trigger of the table refuses the record: {text}", code, None, "Mend the record.")
        case "SQLITE_TOOBIG":
            return Refusal("The record is larger than SQLite takes", code, None, "Shorten its texts.")
    if code.startswith("SQLITE_CONSTRAINT"):
        return Refusal(f"The database refuses the record: {text}", code, field, "Mend the record.")
    return Refusal(
        f"The database refuses to write: {text}",
        code,
        None,
        "Look whether this user may write to the file, and whether its tables have changed.",
        Recovery.CONFIGURATION,
        whole=True,
    )
