"""How values travel: between the JSON of the service and the columns of a batch.

Source: protocol page, section 3. The service writes blanks in forms of its own: a zero GUID, the first day of the year 1,
an encoded blank as the first member of a choice. Columns hold null for the first two, and the member's caption (`' '`)
for the last; texts are never null. Both spellings of a choice are understood, since Microsoft's own pages print both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from twinrow.batch.columns import INSTANT, column_type
from twinrow.connectors.odata.bodies import literal_member, text_member
from twinrow.connectors.odata.records import WireProperty
from twinrow.model.tables import Field, FieldType

ZERO_GUID = "00000000-0000-0000-0000-000000000000"
BLANK_DATE = "0001-01-01"
BLANK_INSTANT = "0001-01-01T00:00:00Z"

_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NOT_PLAIN = re.compile(r"[^0-9A-Za-z_\u0080-\uffff]")

_KINDS: dict[FieldType, type] = {
    FieldType.INTEGER: int,
    FieldType.OPTION: int,
    FieldType.DECIMAL: Decimal,
    FieldType.FLOAT: float,
    FieldType.BOOLEAN: bool,
}


def decoded_name(wire: str) -> str:
    """Return the member of a choice as people read it: `Bank_x0020_Account` is `Bank Account`."""
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), wire)


def encoded_name(member: str) -> str:
    """Return the member of a choice as it travels."""
    return _NOT_PLAIN.sub(lambda found: f"_x{ord(found[0]):04X}_", member)


@dataclass(frozen=True, slots=True)
class WireField:
    """A field with how it travels: for choices, what each member (by caption) is called on the wire."""

    field: Field
    members: Mapping[str, str]

    @property
    def property(self) -> WireProperty:
        """The property that carries the field."""
        return WireProperty(self.field.name, _KINDS.get(self.field.type, str), self.field.scale)

    def read(self) -> pl.Expr:
        """Return the field's values from the property's as they travelled (column of the same name)."""
        return values_read(pl.col(self.field.name), self).alias(self.field.name)

    def member(self, value: pl.Expr) -> pl.Expr:
        """Return the JSON members that carry values of the field."""
        return _member(self.field.name, value, self)


def values_read(raw: pl.Expr, wire: WireField) -> pl.Expr:
    """Return the values of a field from a column that holds them as they travelled."""
    match wire.field.type:
        case FieldType.GUID | FieldType.REFERENCE:
            guid = raw.str.to_lowercase()
            return pl.when(guid != ZERO_GUID).then(guid)
        case FieldType.TEXT | FieldType.CODE:
            return raw.fill_null("")
        case FieldType.ENUM:
            return _captions(raw, wire.members)
        case FieldType.DATE:
            return pl.when(raw != BLANK_DATE).then(raw).str.to_date("%Y-%m-%d", strict=False)
        case FieldType.DATETIME:
            return instants(raw)
        case _:
            return raw.cast(column_type(wire.field))


def instants(raw: pl.Expr) -> pl.Expr:
    """Return points in time as columns hold them; the blank one, and what is none, become null."""
    found = pl.coalesce(
        raw.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False),
        raw.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False),
        raw.str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC", strict=False),
    )
    return pl.when(found.dt.year() > 1).then(found).cast(INSTANT)


def _captions(raw: pl.Expr, members: Mapping[str, str]) -> pl.Expr:
    known = {wire: caption for caption, wire in members.items()} | {caption: caption for caption in members}
    if " " in members:
        known[""] = " "
    if not known:
        return raw.fill_null("")
    return raw.replace_strict(list(known), list(known.values()), default=raw, return_dtype=pl.String)


def _member(name: str, value: pl.Expr, wire: WireField) -> pl.Expr:
    match wire.field.type:
        case FieldType.TEXT | FieldType.CODE:
            return text_member(name, value.fill_null(""))
        case FieldType.GUID | FieldType.REFERENCE:
            return text_member(name, value.fill_null(ZERO_GUID))
        case FieldType.ENUM:
            first = next(iter(wire.members), "")
            names = value.fill_null(first)
            if wire.members:
                names = names.replace_strict(
                    list(wire.members), list(wire.members.values()), default=names, return_dtype=pl.String
                )
            return text_member(name, names)
        case FieldType.DATE:
            return text_member(name, value.dt.to_string("%Y-%m-%d").fill_null(BLANK_DATE))
        case FieldType.DATETIME:
            return text_member(name, value.dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ").fill_null(BLANK_INSTANT))
        case FieldType.BOOLEAN:
            return literal_member(name, value.fill_null(False))
        case _:
            return literal_member(name, value.fill_null(0))
