"""How values travel: between the JSON of the service and the columns of a batch.

Source: protocol page, sections 5 and 10. A lookup is read as `_<name>_value` and written by binding its *navigation property*
to a row; a lookup to rows of several tables has one navigation property for each, and a *companion* field that names the
table of the row. Times have whole seconds; texts are never empty, they are absent instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from twinrow.batch.columns import INSTANT, column_type
from twinrow.connectors.odata.bodies import literal_member, text_member
from twinrow.connectors.odata.records import WireProperty
from twinrow.model.tables import Field, FieldType

TARGET_NOTE = "Microsoft.Dynamics.CRM.lookuplogicalname"
"""The annotation of a lookup's value that names the table of the row."""

_KINDS: dict[FieldType, type] = {
    FieldType.INTEGER: int,
    FieldType.OPTION: int,
    FieldType.DECIMAL: Decimal,
    FieldType.FLOAT: float,
    FieldType.BOOLEAN: bool,
}
_JSON_NULL = pl.lit("null")


@dataclass(frozen=True, slots=True)
class Target:
    """A table that a lookup may lead to: the navigation property that does, and the set by which its rows are addressed."""

    table: str
    navigation: str
    entity_set: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a lookup is written: its targets, the preferred one first, and the name of its companion where it has one."""

    targets: tuple[Target, ...]
    companion: str | None = None


@dataclass(frozen=True, slots=True)
class WireField:
    """A field with how it travels. `companion_of` names the lookup whose table a companion tells."""

    field: Field
    lookup: Lookup | None = None
    companion_of: str | None = None
    can_be_filtered: bool = True

    @property
    def selected(self) -> str:
        """The property that `$select`, `$filter` and `$orderby` name."""
        if self.companion_of is not None:
            return lookup_property(self.companion_of)
        return lookup_property(self.field.name) if self.lookup is not None else self.field.name

    @property
    def property(self) -> WireProperty:
        """The property of a record that carries the field."""
        name = f"{self.selected}@{TARGET_NOTE}" if self.companion_of is not None else self.selected
        return WireProperty(name, _KINDS.get(self.field.type, str), self.field.scale)

    def read(self) -> pl.Expr:
        """Return the field's values, from the column of what travelled (named as the property)."""
        raw = pl.col(self.property.name)
        return _values(raw, self.field).alias(self.field.name)

    def members(self, value: pl.Expr, companion: pl.Expr | None = None) -> list[pl.Expr]:
        """Return the JSON members that write values of the field; none where nothing can be written.

        `companion` holds the tables of a lookup's rows, where the request has them; where it is null, the first target is
        taken.
        """
        if self.companion_of is not None:
            return []
        if self.lookup is not None:
            return _bindings(value, self.lookup, companion)
        return [_member(self.field.name, value, self.field)]


def lookup_property(name: str) -> str:
    """Return the property by which a lookup is read."""
    return f"_{name}_value"


def instants(raw: pl.Expr) -> pl.Expr:
    """Return points in time as columns hold them."""
    return raw.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).cast(INSTANT)


def _values(raw: pl.Expr, field: Field) -> pl.Expr:
    match field.type:
        case FieldType.GUID | FieldType.REFERENCE:
            return raw.str.to_lowercase()
        case FieldType.DATE:
            return raw.str.to_date("%Y-%m-%d", strict=False)
        case FieldType.DATETIME:
            return instants(raw)
        case FieldType.DECIMAL:
            # Amounts are kept with more decimals than they are shown with.
            kind = column_type(field)
            assert isinstance(kind, pl.Decimal)  # noqa: S101 - so that its scale is known
            return raw.round(kind.scale, mode="half_away_from_zero").cast(kind)
        case _:
            return raw


def _member(name: str, value: pl.Expr, field: Field) -> pl.Expr:
    match field.type:
        case FieldType.INTEGER | FieldType.OPTION | FieldType.DECIMAL | FieldType.FLOAT | FieldType.BOOLEAN:
            return literal_member(name, _or_null(value.cast(pl.String)))
        case FieldType.DATE:
            return literal_member(name, _or_null(value.dt.to_string('"%Y-%m-%d"')))
        case FieldType.DATETIME:
            return literal_member(name, _or_null(value.dt.to_string('"%Y-%m-%dT%H:%M:%SZ"')))
        case _:
            return text_member(name, value)


def _or_null(json: pl.Expr) -> pl.Expr:
    return json.fill_null(_JSON_NULL)


def _bindings(value: pl.Expr, lookup: Lookup, companion: pl.Expr | None) -> list[pl.Expr]:
    """Return one member for each target: it binds, or clears with all others, or is absent."""
    members: list[pl.Expr] = []
    for number, target in enumerate(lookup.targets):
        binding = text_member(f"{target.navigation}@odata.bind", _row(value, target.entity_set))
        chosen = _is_chosen(target, number, companion)
        # One navigation property may lead to several tables: it is cleared once.
        clears = all(target.navigation != earlier.navigation for earlier in lookup.targets[:number])
        cleared = value.is_null() if clears else pl.lit(False)
        members.append(pl.when(chosen & value.is_not_null() | cleared).then(binding))
    return members


def _row(value: pl.Expr, entity_set: str) -> pl.Expr:
    return pl.concat_str([pl.lit(f"/{entity_set}("), value, pl.lit(")")])


def _is_chosen(target: Target, number: int, companion: pl.Expr | None) -> pl.Expr:
    named = companion.str.strip_chars().str.to_lowercase() == target.table if companion is not None else pl.lit(None)
    return named.fill_null(number == 0)
