"""What a person sees before two records are coupled: both records' values, and what is suggested (semantics 11.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.wording import Wording
from twinrow.batch.columns import ID
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction, Pass, Side
from twinrow.store.couplings import by_record
from twinrow.store.mappings import StoredMapping


@dataclass(frozen=True, slots=True)
class OfferedField:
    """A field mapping that is enabled, with the value that each side has now; None where there is no record yet."""

    caption: str
    local: str | None
    integration: str | None
    direction: Direction
    local_value: Any
    integration_value: Any
    validate_local: bool
    validate_integration: bool


@dataclass(frozen=True, slots=True)
class CouplingOffer:
    """What coupling a local record would start from.

    `integration_id` is the record that was picked, else the one that the local record is coupled to. `suggested` says whose
    values are to win at first: that of the side from which the mapping goes; None where the record is coupled already.
    `can_create`: a new integration record may be made instead.
    """

    mapping: str
    local_id: str
    local_label: str
    coupled_to: str | None
    integration_id: str | None
    integration_label: str
    suggested: Side | None
    can_create: bool
    fields: tuple[OfferedField, ...]


def suggested_side(mapping: TableMapping) -> Side:
    """Return the side whose values win at first where nobody says otherwise."""
    return Side.LOCAL if Pass.TO in mapping.direction.passes else Side.INTEGRATION


def offer_coupling(
    context: ActionContext, mapping: str, local_id: str, integration_id: str | None = None
) -> CouplingOffer:
    """Return what there is to see before a local record is coupled (to the integration record that was picked)."""
    stored = context.mapping(mapping)
    coupled = _coupled_to(context, stored, local_id)
    ids = {Side.LOCAL: local_id, Side.INTEGRATION: integration_id or coupled}
    rows = [row for row in stored.mapping.fields if row.enabled and not row.is_constant]
    wording = Wording(context)
    values = {side: _values(context, stored, side, id, rows) for side, id in ids.items()}
    labels = {side: wording.labels(stored.id, side, [id] if id else []).get(id or "", "") for side, id in ids.items()}
    return CouplingOffer(
        mapping=mapping,
        local_id=local_id,
        local_label=labels[Side.LOCAL],
        coupled_to=coupled,
        integration_id=ids[Side.INTEGRATION],
        integration_label=labels[Side.INTEGRATION],
        suggested=None if coupled else suggested_side(stored.mapping),
        can_create=coupled is None and Pass.TO in stored.mapping.direction.passes,
        fields=tuple(
            OfferedField(
                row.caption or row.key,
                row.local,
                row.integration,
                row.direction,
                values[Side.LOCAL].get(row.local or ""),
                values[Side.INTEGRATION].get(row.integration or ""),
                row.validate_local,
                row.validate_integration,
            )
            for row in rows
        ),
    )


def _coupled_to(context: ActionContext, stored: StoredMapping, local_id: str) -> str | None:
    if stored.local_guid is None:
        return None
    with context.database.reading() as connection:
        present = by_record(connection, stored, Side.LOCAL, [local_id])
    return None if present.is_empty() else str(present.get_column("integration_id").item())


def _values(
    context: ActionContext, stored: StoredMapping, side: Side, id: str | None, rows: list[FieldMapping]
) -> dict[str, Any]:
    if id is None:
        return {}
    connector = context.connector(context.pair().system(side))
    table = connector.describe(stored.mapping.table(side))
    names = tuple(dict.fromkeys(name for row in rows if (name := row.field(side)) in table.fields))
    found = connector.fetch(table.name, [name for name in names if name is not None], [id])
    return next(iter(found.filter(pl.col(ID) == id).iter_rows(named=True)), {})
