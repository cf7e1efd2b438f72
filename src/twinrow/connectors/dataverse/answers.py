"""What the answer to a write means: how it ended, which field is to blame, what to do.

Source: protocol page, sections 6, 7, 14, 15 and 22. The status decides first, then the code (which older services leave
empty), then the words. Words name columns by their logical names in quotes, and rows by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from twinrow.connectors.base import Status, WriteKind
from twinrow.connectors.dataverse.tables import DataverseTable
from twinrow.connectors.odata.errors import ServiceError
from twinrow.connectors.odata.multipart import Part
from twinrow.connectors.odata.verdict import MISSING, STALE, Verdict, indeterminate, said
from twinrow.model.outcomes import Recovery

DUPLICATE = "0x80040237"
DUPLICATE_KEY = "0x80060892"
DUPLICATES_FOUND = "0x80040333"
ROW_MISSING = "0x80040217"
TOO_LONG = "0x80044331"
OUT_OF_RANGE = frozenset({"0x8004432f", "0x80044330", "0x80044332"})
UNKNOWN_OPTION = "0x8004431a"
REFERENCED = "0x80040227"
BAD_PAYLOAD = "0x80048d19"
VERSIONS_OFF = "0x8006088d"

PASSING = frozenset({401, 429, 503})
"""Statuses of a part that say: not now, and nothing was done."""

PRIVILEGE_REMEDY = (
    "Give our application user, in the Power Platform admin center, a security role that lets it do this."
)
RELATED_REMEDY = "Synchronize or create the record that is referred to first, or clear the reference."

_MISSING_ROW = re.compile(r"With Ids? *= *\{?([0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})")
_QUOTED = re.compile(r"""["'‘“]_?([A-Za-z]\w*?)(?:_value|@odata\.bind)?["'’”]""")
_ALTERNATE_KEY = re.compile(r"Entity Key (.+?) (?:requires|violated)")


def not_now(error: ServiceError) -> Verdict:
    """Return the verdict on a write that the service puts off."""
    remedy = "Wait and try again; fewer parallel requests are put off less often (parallel_requests)."
    return Verdict(Status.UNSENT, said(error), error.code or None, remedy=remedy, recovery=Recovery.RETRY)


def bad_id(id: str | None) -> Verdict:
    """Return the verdict on a create with an id that is none here."""
    why = f"{id} is no id of Dataverse."
    return Verdict(Status.REFUSED, why, remedy="Choose a GUID, or none.", recovery=Recovery.CONFIGURATION)


def lost_reference(companion: str, table: str) -> Verdict:
    """Return the verdict on a reference to a table that the lookup does not lead to."""
    why = f"{companion} names the table {table}, to which the column cannot refer."
    remedy = "Name one of the tables that the column refers to."
    return Verdict(Status.REFUSED, why, field=companion, remedy=remedy, recovery=Recovery.DATA)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent for one record: its id, its values, and the fields among them that were written."""

    id: str | None
    values: Mapping[str, Any]
    fields: tuple[str, ...]


def judge(part: Part, kind: WriteKind, table: DataverseTable, sent: Sent) -> Verdict:
    """Return how the write of a record ended that was not carried out, as far as the answer tells."""
    error = part.error
    code = error.code.lower()
    if error.status in PASSING:
        return not_now(error)
    if error.status == 412 and code not in (DUPLICATE, DUPLICATE_KEY) and kind is not WriteKind.CREATE:
        return STALE
    if error.status == 404 and kind is not WriteKind.CREATE and _missing_row(error) == sent.id:
        return MISSING
    if error.status == 408 or (error.status >= 500 and code != DUPLICATES_FOUND):
        return indeterminate(said(error), error.code or None)
    return _refusal(error, code, table, sent)


def may_exist(part: Part, kind: WriteKind) -> bool:
    """Whether a create was refused because there may be a record with its id."""
    return kind is WriteKind.CREATE and part.status == 412 and part.error.code.lower() != DUPLICATE_KEY


def may_be_missing(part: Part, kind: WriteKind) -> bool:
    """Whether a refusal does not say if it is the record that is missing, or one that it refers to."""
    return kind is not WriteKind.CREATE and part.status == 404 and _missing_row(part.error) is None


def _missing_row(error: ServiceError) -> str | None:
    found = _MISSING_ROW.search(error.message)
    return found[1].lower() if found is not None else None


def _refusal(error: ServiceError, code: str, table: DataverseTable, sent: Sent) -> Verdict:
    words = said(error)
    field = field_meant(error, table, sent)
    recovery, remedy = Recovery.DATA, "Correct the record: the rules of Dataverse refuse it."
    if error.status == 403:
        recovery, remedy = Recovery.CONFIGURATION, PRIVILEGE_REMEDY
    elif code == TOO_LONG:
        remedy = "Shorten the value, or let the field mapping cut it (on_loss)."
        if field is not None:
            length = len(str(sent.values.get(field) or ""))
            words = f"{field} takes {table.table.field(field).max_length} characters, the value has {length}."
    elif _missing_row(error) is not None or code == ROW_MISSING:
        remedy = RELATED_REMEDY
        if field is not None:
            words = f"{field} refers to a record that does not exist: {words}"
    elif error.status == 412 or code == DUPLICATES_FOUND:
        remedy = "Couple the record that has these values already, or give this one others."
    elif code in OUT_OF_RANGE:
        remedy = "Give a value within the range of the column."
    elif code == UNKNOWN_OPTION:
        remedy = "Map the value to an option of the choice, or synchronize the option first."
    elif code == REFERENCED:
        remedy = "Remove what refers to the record first, or deactivate it instead of deleting it."
    elif code in (BAD_PAYLOAD, VERSIONS_OFF):
        recovery = Recovery.CONFIGURATION
        remedy = "The table has changed since it was read: check the mapping (`twinrow mapping check`)."
    elif error.status in (404, 405):
        recovery = Recovery.CONFIGURATION
        remedy = "Check that the table can still be reached (`twinrow system test`)."
    return Verdict(Status.REFUSED, words, error.code or str(error.status), field, remedy, recovery)


def field_meant(error: ServiceError, table: DataverseTable, sent: Sent) -> str | None:
    """Return the field that a refusal is about, if its words tell."""
    missing = _missing_row(error)
    if missing is not None:
        return next((name for name in sent.fields if str(sent.values.get(name)).lower() == missing), None)
    if (named := _ALTERNATE_KEY.search(error.message)) is not None:
        return _key_field(named[1], table, sent.fields)
    quoted: list[str] = _QUOTED.findall(error.message)
    navigations = {
        target.navigation: name
        for name, wire in table.wire.items()
        if wire.lookup is not None
        for target in wire.lookup.targets
    }
    names = [found for name in quoted if (found := name if table.has(name) else navigations.get(name)) is not None]
    # What was sent is meant rather than what was not.
    return next((name for name in names if name in sent.fields), next(iter(names), None))


def _key_field(label: str, table: DataverseTable, fields: Iterable[str]) -> str | None:
    sent = set(fields)
    for key in table.keys:
        shown = key.display_name.text if key.display_name is not None else None
        if label in (shown, key.logical_name):
            return next((name for name in key.key_attributes if name in sent), next(iter(key.key_attributes), None))
    return None
