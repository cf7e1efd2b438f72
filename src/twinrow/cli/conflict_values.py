"""Conflicts as people read them: which records they concern, and their values in the types that the fields have.

The store keeps values as canonical texts; the systems say which type a field has. Where a system does not answer now, its
values are given as they are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.coupling import couplings
from twinrow.batch.canonical import NULL, restore
from twinrow.model.errors import TwinrowError
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field
from twinrow.store.conflicts import Conflict


@dataclass(frozen=True, slots=True)
class ConflictingSide:
    """One side of a conflict: the record, the field, its value now, the one last reconciled, and who changed it when.

    `caption` is the caption of a choice's value. `before_known` tells a blank from a value that never was reconciled.
    """

    record: str | None
    field: str | None
    value: Any
    caption: str
    before: Any
    before_known: bool
    modified_at: datetime | None
    modified_by: str | None


@dataclass(frozen=True, slots=True)
class ReadableConflict:
    """A conflict with the mapping it belongs to, and what each side says."""

    id: int
    mapping: TableMapping
    key: str
    sides: Mapping[Side, ConflictingSide]
    job: int | None
    since: datetime
    at: datetime


def readable_conflicts(context: ActionContext, conflicts: Sequence[Conflict]) -> list[ReadableConflict]:
    """Return conflicts in the same order, readable."""
    mappings = {stored.id: stored.mapping for stored in context.mappings()}
    records = {number: _records(context, mappings[number].name) for number in {one.mapping_id for one in conflicts}}
    fields = {
        (conflict.mapping_id, conflict.field, side): _field(
            context, mappings[conflict.mapping_id], conflict.field, side
        )
        for conflict in conflicts
        for side in Side
    }
    return [
        ReadableConflict(
            id=conflict.id,
            mapping=mappings[conflict.mapping_id],
            key=conflict.field,
            sides={
                side: _side(
                    conflict,
                    side,
                    records[conflict.mapping_id].get(conflict.coupling_id, {}).get(side),
                    fields[conflict.mapping_id, conflict.field, side],
                )
                for side in Side
            },
            job=conflict.job_id,
            since=conflict.since,
            at=conflict.at,
        )
        for conflict in conflicts
    ]


def _records(context: ActionContext, mapping: str) -> dict[int, dict[Side, str]]:
    frame = couplings(context, mapping)
    return {
        number: {Side.LOCAL: local, Side.INTEGRATION: integration}
        for number, local, integration in frame.select("coupling_id", "local_id", "integration_id").iter_rows()
    }


def _field(context: ActionContext, mapping: TableMapping, key: str, side: Side) -> Field | None:
    row: FieldMapping | None = next((row for row in mapping.fields if row.key == key), None)
    name = row.field(side) if row is not None else None
    if name is None:
        return None
    try:
        return context.connector(context.pair().system(side)).describe(mapping.table(side)).field(name)
    except TwinrowError:
        return None


def _side(conflict: Conflict, side: Side, record: str | None, field: Field | None) -> ConflictingSide:
    text: str | None = getattr(conflict, f"{side.value}_value")
    before: str | None = getattr(conflict, f"base_{side.value}")
    value = _restored(text, field)
    captions = {option.value: option.caption for option in field.options} if field is not None else {}
    return ConflictingSide(
        record=record,
        field=field.name if field is not None else None,
        value=value,
        caption=captions.get(value, ""),
        before=_restored(before, field),
        before_known=before is not None,
        modified_at=getattr(conflict, f"{side.value}_modified_at"),
        modified_by=getattr(conflict, f"{side.value}_modified_by"),
    )


def _restored(text: str | None, field: Field | None) -> Any:
    if text is None or text == NULL:
        return None
    if field is None:
        return text
    return pl.DataFrame({"text": [text]}).select(restore(pl.col("text"), field)).item()
