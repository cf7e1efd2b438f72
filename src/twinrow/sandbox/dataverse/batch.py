"""`$batch`: many operations in one multipart request, alone or in change sets that succeed or fail as one.

This module takes the multipart apart and puts the answer together; carrying out the operations is handed in.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.http import Answer, Request

MOST_OPERATIONS = 1000
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_CRLF = b"\r\n"
_PART_HEAD = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"


@dataclass
class Operation:
    """One operation of a batch, with the Content-ID by which later ones may refer to what it makes."""

    request: Request
    content_id: str | None = None


@dataclass
class ChangeSet:
    """Operations that succeed or fail as one."""

    operations: list[Operation] = field(default_factory=list)


def parse(request: Request) -> list[Operation | ChangeSet]:
    """The parts of a batch request. Raises DataverseError when it cannot be read as a whole."""
    parts = [_read_part(part, request) for part in _split(request.headers.get("content-type", ""), request.body)]
    count = sum(len(part.operations) if isinstance(part, ChangeSet) else 1 for part in parts)
    if count > MOST_OPERATIONS:
        raise errors.bad_argument(
            f"The number of operations in a batch exceeds the limit of {MOST_OPERATIONS}.", "0x80060888"
        )
    return parts


def _split(content_type: str, body: bytes) -> list[bytes]:
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or match is None:
        raise errors.bad_argument("The Content-Type of a batch must be multipart/mixed with a boundary.", "0x80060888")
    pieces = (_CRLF + body).split(b"\r\n--" + match[1].strip().encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--\r\n"):
        # The real service reads its batches line by line and stumbles over other line ends, also over a missing last.
        raise errors.bad_payload("", "System.ArgumentException: Stream was not readable.")
    return [piece.removeprefix(_CRLF) for piece in pieces[1:-1]]


def _read_part(part: bytes, outer: Request) -> Operation | ChangeSet:
    head, _, content = part.partition(b"\r\n\r\n")
    headers = _headers(head.split(_CRLF))
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith("multipart/mixed"):
        change_set = ChangeSet()
        for inner in _split(content_type, content if content.endswith(_CRLF) else content + _CRLF):
            operation = _read_part(inner, outer)
            if isinstance(operation, ChangeSet):
                raise errors.bad_argument("A change set cannot hold another one.", "0x80060888")
            change_set.operations.append(operation)
        return change_set
    if not content_type.lower().startswith("application/http"):
        raise errors.bad_argument("Every part of a batch must be of the type application/http.", "0x80060888")
    return _read_operation(headers, content, outer)


def _read_operation(part_headers: dict[str, str], content: bytes, outer: Request) -> Operation:
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.split(_CRLF)
    try:
        method, target, _ = lines[0].decode("utf-8").split(" ", 2)
    except ValueError:
        raise errors.bad_payload("", "System.ArgumentException: Stream was not readable.") from None
    headers = _headers(lines[1:])
    content_id = part_headers.get("content-id") or headers.get("content-id")
    if target.startswith(("http://", "https://")):
        address = urlsplit(target)
        headers["host"] = address.netloc
        path, query = address.path, address.query
    else:
        headers["host"] = outer.headers.get("host", "localhost")
        path, _, query = target.partition("?")
        if not path.startswith(("/", "$")):
            path = outer.path.removesuffix("$batch") + path
    path = unquote(path) if "%" in path else path
    return Operation(Request(method, path, query, headers, body, outer.in_flight), content_id)


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon:
            key, value = name.strip().lower(), value.strip()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


class BatchAnswer:
    """The answer of a batch, put together part by part."""

    def __init__(self) -> None:
        self.boundary = f"batchresponse_{uuid.uuid4()}"
        self._pieces: list[bytes] = []

    def add(self, answer: Answer) -> None:
        """The answer of an operation, or the single error of a change set."""
        self._pieces.append(b"--" + self.boundary.encode() + _CRLF + _PART_HEAD + _CRLF + _http(answer) + _CRLF)

    def add_change_set(self, answers: list[tuple[str | None, Answer]]) -> None:
        """The answers of a change set, with their Content-IDs."""
        inner = f"changesetresponse_{uuid.uuid4()}"
        pieces = [
            b"--" + self.boundary.encode() + _CRLF,
            f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode(),
        ]
        for content_id, answer in answers:
            pieces.append(b"--" + inner.encode() + _CRLF + _PART_HEAD)
            if content_id is not None:
                pieces.append(f"Content-ID: {content_id}\r\n".encode())
            pieces.append(_CRLF + _http(answer) + _CRLF)
        pieces.append(b"--" + inner.encode() + b"--\r\n")
        self._pieces += pieces

    def finished(self, status: int, parts: int) -> Answer:
        """The whole answer."""
        body = b"".join(self._pieces) + b"--" + self.boundary.encode() + b"--\r\n"
        headers = {"Content-Type": f"multipart/mixed; boundary={self.boundary}", "OData-Version": "4.0"}
        return Answer(status, headers, body, parts)


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def _http(answer: Answer) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return _STATUS_LINES[answer.status] + headers.encode("latin-1", "replace") + _CRLF + answer.body


def run(
    parts: list[Operation | ChangeSet],
    carry_out: Callable[[Operation], Answer],
    carry_out_together: Callable[[ChangeSet], tuple[list[tuple[str | None, Answer]], Answer | None]],
    *,
    go_on: bool,
    bare_errors: bool,
) -> Answer:
    """Carry out the parts in order and give the whole answer.

    `carry_out` does one operation alone; `carry_out_together` a change set, giving its answers or the single error.
    After the first failure nothing more is done, unless `go_on`. `bare_errors` puts the error of a change set
    directly into the batch, not into a change set's answer.
    """
    answer, count, status = BatchAnswer(), 0, 200
    for part in parts:
        if isinstance(part, Operation):
            count += 1
            one = carry_out(part)
            answer.add(one)
            failed: Answer | None = one if one.status >= 400 else None
        else:
            count += len(part.operations)
            answers, failed = carry_out_together(part)
            if failed is None:
                answer.add_change_set(answers)
            elif bare_errors:
                answer.add(failed)
            else:
                answer.add_change_set([(None, failed)])
        if failed is not None and not go_on:
            status = failed.status
            break
    return answer.finished(status, count)
