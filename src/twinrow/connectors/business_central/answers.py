"""What the answer to a write means: how it ended, which field is to blame, what to do.

Source: protocol page, sections 5 and 11. The service gives codes of a few families and sentences for people; we ask for them
in English. Which field is meant stands in the sentence: as a property in quotes, as a caption, or only as the value that
is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from twinrow.connectors.base import Status, WriteKind
from twinrow.connectors.business_central.tables import ApiTable
from twinrow.connectors.odata.errors import ServiceError
from twinrow.connectors.odata.records import PartAnswer
from twinrow.connectors.odata.verdict import MISSING, STALE, WRITTEN, Verdict, indeterminate, said
from twinrow.model.outcomes import Recovery

SAME_KEY = "Internal_EntityWithSameKeyExists"
CHANGED = "Request_EntityChanged"
BAD_TOKEN = "BadRequest_InvalidToken"  # noqa: S105 - a code of the service
TOO_LONG = "Application_StringExceededLength"
GONE = frozenset({"Internal_RecordNotFound", "Internal_DataNotFoundFilter"})

_QUOTED = re.compile(r"""["'‘“]([A-Za-z]\w*)["'’”]""")
_LENGTHS = re.compile(r"length of the string is (\d+).*?less than or equal to (\d+)")
_VALUES = re.compile(r"""Value: (.+)$|"([^"]+)"|'([^']+)'|\(([^)]+)\)""")
_UNKNOWN_PROPERTY = re.compile(r"does not exist on type|Could not find a property")


def judge(
    answer: PartAnswer | None, kind: WriteKind, table: ApiTable, values: Mapping[str, Any], fields: Iterable[str]
) -> Verdict:
    """Return how the write of a record ended. `values` are the record's, `fields` those that were sent."""
    if answer is None:
        return indeterminate("Business Central did not answer for this record.")
    if answer.unreadable or (answer.succeeded and kind is not WriteKind.DELETE and answer.body is None):
        return indeterminate("Business Central gave an answer for this record that cannot be read.")
    if answer.succeeded:
        return WRITTEN
    error = answer.error or ServiceError(answer.status, "", "")
    if kind is not WriteKind.CREATE:
        if error.code == CHANGED or error.code == BAD_TOKEN or error.status == 412:
            return STALE
        if error.status == 404 and error.code in GONE:
            return MISSING
    if error.code != SAME_KEY and error.status in (401, 409, 429, 503):
        return Verdict(
            Status.UNSENT, said(error), error.code or None, remedy="Wait and try again.", recovery=Recovery.RETRY
        )
    if error.status == 408 or error.status >= 500:
        return indeterminate(said(error))
    return _refusal(error, table, values, list(fields))


def is_doubtful(answer: PartAnswer | None, kind: WriteKind) -> bool:
    """Whether a 404 may mean something else than that the record is gone, so that one must look."""
    error = answer.error if answer is not None else None
    return kind is not WriteKind.CREATE and error is not None and error.status == 404 and error.code not in GONE


def _refusal(error: ServiceError, table: ApiTable, values: Mapping[str, Any], fields: list[str]) -> Verdict:
    field = field_meant(error, table, values, fields)
    words = said(error)
    if error.code == TOO_LONG and field is not None:
        limit = table.table.field(field).max_length
        words = f"{field} takes {limit} characters, the value has {len(str(values[field]))}."
    recovery, remedy = _cure(error)
    return Verdict(Status.REFUSED, words, error.code or str(error.status), field, remedy, recovery)


def _cure(error: ServiceError) -> tuple[Recovery, str]:
    code = error.code
    if error.status == 403 or code.startswith(("Authorization_", "Authentication_")):
        return Recovery.CONFIGURATION, "Give our application a permission set that lets it write this table."
    if code == TOO_LONG:
        return Recovery.DATA, "Shorten the value, or let the field mapping cut it (on_loss)."
    if code == "Internal_InvalidTableRelation":
        return Recovery.DATA, "Create the record that is referred to, or correct the value."
    if code == SAME_KEY:
        return Recovery.DATA, "Couple the record that has this number or code, or give the new one another."
    if code == "BadRequest_RequiredParamNotProvided":
        return Recovery.DATA, "Fill the field."
    read_only = ("BadRequest_InvalidOperation", "BadRequest_MethodNotAllowed", "BadRequest_MethodNotImplemented")
    if code in read_only or _UNKNOWN_PROPERTY.search(error.message):
        return Recovery.CONFIGURATION, "Disable the field in the mapping, or give it the other direction."
    if error.status in (404, 405):
        return Recovery.CONFIGURATION, "Check that the table can still be reached (`twinrow system test`)."
    if code.startswith("Internal_"):
        return Recovery.RETRY, "Try again; look into Business Central's own log if it stays so."
    return Recovery.DATA, "Correct the record: the rules of Business Central refuse it."


def field_meant(error: ServiceError, table: ApiTable, values: Mapping[str, Any], fields: list[str]) -> str | None:
    """Return the field that a refusal is about, if its words tell."""
    message = error.message
    if error.code == TOO_LONG and (found := _too_long(message, table, values, fields)) is not None:
        return found
    for name in _QUOTED.findall(message):
        if table.has(name):
            return str(name)
    for groups in _VALUES.findall(message):
        refused = "".join(groups).rstrip("…").casefold()
        holders = [name for name in fields if str(values.get(name) or "").casefold().startswith(refused)]
        if len(holders) == 1:
            return holders[0]
    for names in (fields, list(table.wire)):
        captions = {name: table.table.field(name).caption for name in names if name != "id"}
        named = [name for name in names if (caption := captions.get(name)) and _names(message, caption)]
        if named:
            # The longest, because one caption may be a part of another: Address, Address 2.
            return max(named, key=lambda name: len(captions[name]))
    return None


def _too_long(message: str, table: ApiTable, values: Mapping[str, Any], fields: list[str]) -> str | None:
    found = _LENGTHS.search(message)
    for name in fields:
        limit = table.table.field(name).max_length
        length = len(str(values.get(name) or ""))
        if (
            limit is not None
            and length > limit
            and (found is None or (length, limit) == (int(found[1]), int(found[2])))
        ):
            return name
    return None


def _names(message: str, caption: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(caption)}(?!\w)", message) is not None
