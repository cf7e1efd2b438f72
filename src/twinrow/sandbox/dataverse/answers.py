"""Answers in the form that the Web API gives them."""

from __future__ import annotations

import uuid
from typing import Any

from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.preferences import Preferences
from twinrow.sandbox.http import Answer, encode_json

_JSON = "application/json; odata.metadata=minimal"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def json_body(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A JSON body."""
    return Answer(status, {"Content-Type": _JSON, "OData-Version": "4.0", **(headers or {})}, encode_json(value))


def no_content(headers: dict[str, str] | None = None) -> Answer:
    """Done, nothing to say."""
    return Answer(204, {"OData-Version": "4.0", **(headers or {})})


def not_modified() -> Answer:
    """The caller's version is the present one."""
    return Answer(304, {"Content-Type": _JSON, "OData-Version": "4.0"})


def number(count: int) -> Answer:
    """A plain number, with the byte order mark that the service puts before it."""
    return Answer(200, {"Content-Type": "text/plain", "OData-Version": "4.0"}, _BYTE_ORDER_MARK + str(count).encode())


def text(value: str) -> Answer:
    """A plain text."""
    return Answer(200, {"Content-Type": "text/plain; charset=utf-8", "OData-Version": "4.0"}, value.encode())


def refusal(error: DataverseError, preferences: Preferences, *, classic_codes: bool) -> Answer:
    """An error."""
    headers = {"REQ_ID": str(uuid.uuid4()), "Content-Type": _JSON, "OData-Version": "4.0"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    body = error.body(annotated=preferences.all_annotations, classic_codes=classic_codes)
    return Answer(error.status, headers, encode_json(body))
