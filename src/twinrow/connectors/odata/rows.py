"""Records from pages alone, whatever their properties are called.

The JSON form of a batch has the members `value` and `error` beside those of a record (`records`), so a record read with it
cannot have properties of these names. Tables whose columns anybody may name have such; they are read here, by services whose
batches are of another form (`multipart`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from twinrow.connectors.odata.records import NEXT_LINK, RecordReader, WireProperty


class RowReader(RecordReader):
    """A reader of records that takes no batches apart."""

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
        page = msgspec.defstruct("Page", [("value", list[record]), link])  # type: ignore[valid-type]
        self._page_decoder = msgspec.json.Decoder(page)
