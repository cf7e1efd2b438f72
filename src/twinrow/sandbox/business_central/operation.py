"""One operation on the API: a request of its own, or a part of a batch.

Words: the *API root* is the address before the entity sets, such as `https://host/v2.0/sandbox/api/v2.0`. A *segment*
is one piece of the address after it; it may carry a key between parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.http import decode_query, encode_json
from twinrow.sandbox.odata.errors import ODataError
from twinrow.sandbox.odata.query_options import parse_key
from twinrow.sandbox.sign_in import Caller

_SEGMENT = re.compile(r"([^()]*)(?:\((.*)\))?")
_CONTENT_TYPE = "application/json; odata.metadata=minimal"


@dataclass(frozen=True)
class Segment:
    """A piece of an address: a name, and what stands between the parentheses after it."""

    name: str
    key: str | None = None

    @property
    def row_id(self) -> str:
        """The key as the SystemId of a row; refuses a key that is none."""
        try:
            key = parse_key(self.key or "")
        except ODataError:
            raise errors.query_syntax() from None
        if isinstance(key, dict) and len(key) == 1:
            key = next(iter(key.values()))
        if not isinstance(key, str) or len(key) != 36:
            raise errors.query_syntax()
        return key


@dataclass(frozen=True)
class Outcome:
    """What an operation is answered with; `body` is JSON, or empty."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Operation:
    """An operation, taken apart. `path` is the decoded address below the API root, `body` JSON text."""

    method: str
    root: str
    segments: list[Segment]
    options: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    path: str

    @property
    def schema_version(self) -> str:
        """The OData schema version that the caller asks for; refuses one that does not exist."""
        version = self.options.get("$schemaversion", "2.0")
        if version not in ("1.0", "2.0", "2.1"):
            raise errors.bad_request(f"The schema version '{version}' is not supported.")
        return version

    @property
    def page_limit(self) -> int | None:
        """How many rows at most the caller wants in one answer."""
        match = re.search(r"(?:odata\.)?maxpagesize\s*=\s*(\d+)", self.headers.get("prefer", ""))
        return int(match[1]) if match and int(match[1]) > 0 else None


def operation_of(
    method: str, root: str, target: str, headers: Mapping[str, str], body: bytes, caller: Caller
) -> Operation:
    """The operation that `method` and `target` (an address below the API root, with its query) ask for."""
    path, _, query = target.partition("?")
    path = unquote(path).strip("/")
    segments = []
    for piece in path.split("/") if path else ():
        match = _SEGMENT.fullmatch(piece)
        if match is None:
            raise errors.query_syntax()
        segments.append(Segment(match[1], match[2]))
    return Operation(method, root, segments, decode_query(query), headers, body, caller, path)


def json_outcome(status: int, value: Any, headers: dict[str, str] | None = None) -> Outcome:
    """An outcome with a JSON body."""
    return Outcome(
        status, {"Content-Type": _CONTENT_TYPE, "OData-Version": "4.0", **(headers or {})}, encode_json(value)
    )


def refused(refusal: errors.Refusal) -> Outcome:
    """The outcome of an operation that was refused."""
    return json_outcome(refusal.status, refusal.body(), refusal.headers)
