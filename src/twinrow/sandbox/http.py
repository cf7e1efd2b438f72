"""What a sandbox service sees of HTTP: a request comes in, an answer goes out, nothing is asynchronous.

Words: a *service* is one of the two servers' insides (Dataverse, Business Central). It carries out one request at a
time, to the end, so it needs no locks. Everything around it (TLS, connections, faults, latency, control) is the
business of `serving`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import unquote_plus

import msgspec

from twinrow.sandbox.switches import Switches

_json_encoder = msgspec.json.Encoder(decimal_format="number")
_json_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(slots=True)
class Request:
    """One HTTP request, complete with its body.

    `path` is percent-decoded, `query` is raw, `headers` have lower-case names; a header that was sent several times
    has its values joined with commas. `in_flight` counts the requests that the server held when this one was
    carried out, itself included.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    in_flight: int = 1

    def header(self, name: str) -> str | None:
        """The value of the header `name` (any case), or None."""
        return self.headers.get(name.lower())

    def parameters(self) -> dict[str, str]:
        """The decoded query options; of an option given twice, the first counts."""
        return decode_query(self.query)

    @property
    def root(self) -> str:
        """Scheme and host as the caller wrote them, without a closing slash: the beginning of absolute links."""
        return f"https://{self.headers.get('host', 'localhost')}"


@dataclass(slots=True)
class Answer:
    """One HTTP answer. `parts` says how many operations a $batch request held; the request log shows it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: int = 0


class Service(Protocol):
    """The inside of a sandbox server. `name` is the kind under which it is started."""

    name: str
    connection: sqlite3.Connection
    switches: Switches

    def answer(self, request: Request) -> Answer:
        """Carry out one request."""
        ...

    def reset(self) -> None:
        """Empty the database: the state of a new environment."""
        ...

    def reload(self) -> None:
        """Read anew what is held in memory; called after the database was replaced by a snapshot."""
        ...

    def table_rows(self, table: str) -> list[dict[str, Any]]:
        """All rows as stored. Raises LookupError for an unknown table."""
        ...

    def write_row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Write one row directly, bypassing business rules, and give it back as stored. Raises LookupError."""
        ...

    def load_sample(self, customers: int, seed: int) -> dict[str, int]:
        """Fill the database with sample data and give the number of rows of each table."""
        ...


def decode_query(query: str) -> dict[str, str]:
    """Split and decode a raw query string; `+` stands for a blank."""
    options: dict[str, str] = {}
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            options.setdefault(unquote_plus(name), unquote_plus(value))
    return options


def encode_json(value: Any) -> bytes:
    """`value` as JSON; decimals become JSON numbers with all their digits."""
    return _json_encoder.encode(value)


def decode_json(content: bytes) -> Any:
    """A value from JSON; numbers with a fraction become decimals. Raises ValueError when it is none."""
    return _json_decoder.decode(content)


def json_answer(status: int, value: Any, headers: dict[str, str] | None = None) -> Answer:
    """An answer whose body is `value` as JSON (see `encode_json`)."""
    return Answer(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, encode_json(value))
