"""Records from the JSON of answers to frames, a page at a time and without a loop over its records.

For the properties that are wanted a msgspec struct is made, the bytes are decoded straight into such structs (decimals
exactly), and each property becomes one column; everything further is done by column expressions. Properties that are not
wanted are skipped while decoding.

An answer to a batch is taken apart in the same pass: each part's body is a record, a page or a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from twinrow.batch.columns import DECIMAL_PRECISION, DEFAULT_SCALE
from twinrow.connectors.odata.errors import Fault, ServiceError, read_error, service_error

NEXT_LINK = "@odata.nextLink"


@dataclass(frozen=True, slots=True)
class WireProperty:
    """A property as it travels: its name, the Python type that its JSON values become, and the decimals to be kept."""

    name: str
    kind: type
    scale: int | None = None

    @property
    def column_type(self) -> pl.DataType:
        """The column type that holds the values as they travel."""
        if self.kind is Decimal:
            return pl.Decimal(DECIMAL_PRECISION, max(self.scale or 0, DEFAULT_SCALE))
        return _COLUMN_TYPES[self.kind]


_COLUMN_TYPES: dict[type, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    bool: pl.Boolean(),
    float: pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one answer, and the address of the next page."""

    frame: pl.DataFrame
    next_link: str | None


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """The answer to one part of a batch: a body (opaque; see `RecordReader`), a refusal, or neither.

    `unreadable`: the part was answered with something that cannot be read.
    """

    status: int
    body: Any = None
    error: ServiceError | None = None
    unreadable: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the part was carried out."""
        return 200 <= self.status < 300


class _LoosePart(msgspec.Struct):
    status: int
    id: Any = None
    body: msgspec.Raw = msgspec.Raw(b"null")


class _LooseAnswer(msgspec.Struct):
    responses: list[_LoosePart]


class RecordReader:
    """Reads records with certain properties, and hands them over as columns.

    `columns` are expressions over columns named after the properties, which hold the values as they travelled.
    """

    def __init__(self, properties: Sequence[WireProperty], columns: Sequence[pl.Expr]) -> None:
        self._properties = tuple(properties)
        self._columns = list(columns)
        self._attributes = [f"p{number}" for number in range(len(self._properties))]
        members = [
            (attribute, item.kind | None, msgspec.field(name=item.name, default=None))
            for attribute, item in zip(self._attributes, self._properties, strict=True)
        ]
        record = msgspec.defstruct("Record", members, gc=False)
        link = ("next_link", str | None, msgspec.field(name=NEXT_LINK, default=None))
        error = ("error", Fault | None, msgspec.field(default=None))
        page = msgspec.defstruct("Page", [("value", list[record]), link])  # type: ignore[valid-type]
        # A body is one of three things; a struct that has room for all is faster than looking first.
        rows = ("value", list[record] | None, msgspec.field(default=None))  # type: ignore[valid-type]
        body = msgspec.defstruct("Body", [*members, rows, link, error])
        part = msgspec.defstruct(
            "Part",
            [
                ("status", int),
                ("id", Any, msgspec.field(default=None)),
                ("body", body | None, msgspec.field(default=None)),
            ],
        )
        answer = msgspec.defstruct("BatchAnswer", [("responses", list[part])])  # type: ignore[valid-type]
        self._page_decoder = msgspec.json.Decoder(page)
        self._body_decoder = msgspec.json.Decoder(body)
        self._answer_decoder = msgspec.json.Decoder(answer)

    def page(self, content: bytes) -> Page:
        """Read a page of records. Raises ValueError when the answer is none."""
        try:
            read: Any = self._page_decoder.decode(content)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None
        return Page(self.frame(read.value), read.next_link)

    def pages_of(self, bodies: Sequence[Any]) -> tuple[pl.DataFrame, list[str]]:
        """Return the records of all pages that bodies of batch parts are, and the addresses of the pages after them.

        Raises ValueError when one of them is no page.
        """
        if any(body is None or body.value is None for body in bodies):
            raise ValueError("a page of records has no value")
        records = [record for body in bodies for record in body.value]
        return self.frame(records), [body.next_link for body in bodies if body.next_link is not None]

    def frame(self, records: Sequence[Any]) -> pl.DataFrame:
        """Return records (or bodies of batch parts that are records) as a frame."""
        raw = pl.DataFrame(
            [
                pl.Series(item.name, list(map(attrgetter(attribute), records)), dtype=item.column_type)
                for attribute, item in zip(self._attributes, self._properties, strict=True)
            ]
        )
        return raw.select(self._columns)

    def parts(self, content: bytes, count: int) -> list[PartAnswer | None]:
        """Take the answer to a batch of that many parts apart; None where a part has no answer.

        Raises ValueError when nothing of the answer can be read.
        """
        try:
            read: Any = self._answer_decoder.decode(content)
            answers = [(item.id, self._part(item)) for item in read.responses]
        except msgspec.DecodeError:
            answers = self._loose_parts(content)
        return _in_order(answers, count)

    @staticmethod
    def _part(item: Any) -> PartAnswer:
        if 200 <= item.status < 300:
            return PartAnswer(item.status, item.body)
        fault = item.body.error if item.body is not None else None
        return PartAnswer(item.status, error=service_error(item.status, fault))

    def _loose_parts(self, content: bytes) -> list[tuple[Any, PartAnswer]]:
        """Read an answer part by part, because some part is not what it should be."""
        try:
            loose = msgspec.json.decode(content, type=_LooseAnswer).responses
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None
        return [(item.id, self._loose_part(item)) for item in loose]

    def _loose_part(self, item: _LoosePart) -> PartAnswer:
        content = bytes(item.body)
        if not 200 <= item.status < 300:
            return PartAnswer(item.status, error=read_error(item.status, content))
        try:
            return PartAnswer(item.status, None if content == b"null" else self._body_decoder.decode(content))
        except msgspec.DecodeError:
            return PartAnswer(item.status, unreadable=True)


def _in_order(answers: Sequence[tuple[Any, PartAnswer]], count: int) -> list[PartAnswer | None]:
    """Put answers into the order of the parts, by the ids 0, 1, … that the parts were sent with, or as they came."""
    if all(id is None for id, _ in answers):
        found: dict[int, PartAnswer] = dict(enumerate(answer for _, answer in answers))
    else:
        found = {int(id): answer for id, answer in answers if str(id).isdecimal()}
    return [found.get(number) for number in range(count)]
