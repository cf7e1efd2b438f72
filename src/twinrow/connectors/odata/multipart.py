"""Many requests in one: the multipart form of `$batch`.

Source: Dataverse protocol page, sections 13 and 22. Parts stand outside change sets, so each succeeds or fails by itself,
and answers come in the order of the parts. Headers of the outer request do not reach the parts. An answer is cut at its
boundary in one scan; heads and bodies stay bytes until someone wants them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twinrow.connectors.odata.client import Answer, Call
from twinrow.connectors.odata.errors import ServiceError, read_error

# Line breaks within JSON are escaped, so no line of a part can begin like this.
_BOUNDARY = "batch_of_twinrow"
_PART_HEAD = f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_HEADERS = {
    "Content-Type": f'multipart/mixed; boundary="{_BOUNDARY}"',
    # Without it the service stops at the first part that fails.
    "Prefer": "odata.continue-on-error",
}
_TOLD_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?', re.IGNORECASE)
_STATUS_LINE = b"HTTP/1.1 "


def batch_call(root: str, parts: Iterable[str], *, repeatable: bool) -> Call:
    """Return the call that sends parts (request line, headers, blank line, body) to the API below `root`."""
    text = "".join([f"{_PART_HEAD}{part}\r\n" for part in parts])
    content = f"{text}--{_BOUNDARY}--\r\n".encode()
    return Call("POST", f"{root}/$batch", _HEADERS, content, repeatable)


def get_part(target: str, headers: Mapping[str, str]) -> str:
    """Return the part that reads a target (path and query, encoded)."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"GET {target} HTTP/1.1\r\nAccept: application/json\r\n{lines}\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one part: its status, its head as it came, and its body."""

    status: int
    head: bytes
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Whether the part was carried out."""
        return 200 <= self.status < 300

    @property
    def error(self) -> ServiceError:
        """What the service says, where the part was refused."""
        return read_error(self.status, self.body)

    def header(self, name: str) -> str | None:
        """Return the value of a header; None where the head has none of that name."""
        found = re.search(rb"^" + name.encode() + rb":[ \t]*(.*?)[ \t]*$", self.head, re.MULTILINE | re.IGNORECASE)
        return found[1].decode("latin-1").rstrip("\r") if found is not None else None


def is_multipart(answer: Answer) -> bool:
    """Whether an answer consists of answers to parts."""
    return answer.headers.get("content-type", "").lower().startswith("multipart/mixed")


def read_parts(answer: Answer) -> list[Part]:
    """Cut an answer into the answers to its parts, in their order; there may be fewer than were asked.

    Raises ValueError when the answer is none, or is broken off in the middle.
    """
    told = _TOLD_BOUNDARY.search(answer.headers.get("content-type", ""))
    if told is None or not is_multipart(answer):
        raise ValueError("the answer to a batch is not in parts")
    pieces = answer.content.split(b"--" + told[1].encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("the answer to a batch is broken off")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    start = piece.find(_STATUS_LINE)
    end = piece.find(b"\r\n\r\n", start)
    status = piece[start + len(_STATUS_LINE) : start + len(_STATUS_LINE) + 3]
    if start < 0 or end < 0 or not status.isdigit():
        raise ValueError("a part of the answer to a batch has no status")
    return Part(int(status), piece[start:end], piece[end + 4 :].removesuffix(b"\r\n"))
