"""Paths taken apart into segments: names with, where there is one, the key or the arguments behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.odata.errors import ODataError
from twinrow.sandbox.odata.query_options import split_outside

_ROOT = re.compile(r"/api/data/v9\.[0-9]+(?:/|$)")
_SEGMENT = re.compile(r"([$\w.]+)(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """One piece of a path; `key` is what stands in parentheses, None without any."""

    name: str
    key: str | None = None


def split_root(path: str) -> tuple[str, str]:
    """The root of the Web API in a path, without a closing slash, and the rest. Raises DataverseError."""
    match = _ROOT.match(path)
    if match is None:
        raise errors.unknown_segment(path.strip("/").split("/")[0])
    return match[0].rstrip("/"), path[match.end() :]


def segments_of(rest: str) -> list[Segment]:
    """The segments of a path below the root. Raises DataverseError."""
    try:
        pieces = split_outside(rest, "/")
    except ODataError as error:
        raise errors.bad_query(str(error)) from None
    segments = []
    for piece in pieces:
        match = _SEGMENT.fullmatch(piece)
        if match is None:
            raise errors.unknown_segment(piece)
        segments.append(Segment(match[1], match[2]))
    return segments
