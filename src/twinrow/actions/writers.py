"""Other writers: fields that somebody changes again soon after runs have written them, time and again.

People do so now and then; a second integration, or a system's own logic, does so with every record. The journal tells it: a field
was written on one side, and within the hour its new value there came back to the other side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.wording import NamedField, Wording
from twinrow.batch.columns import ID, MODIFIED_BY
from twinrow.model.errors import TwinrowError
from twinrow.model.sides import Side
from twinrow.store.couplings import by_number
from twinrow.store.journal import NEW, read_journal
from twinrow.store.mappings import StoredMapping

SOON = timedelta(hours=1)
FEWEST = 5
"""So many records must have been changed again before anybody is told."""

_KINDS = ("create", "update")
_MOST_VALUES = 500_000
"""How much of the journal is looked at, newest first."""

_ASKED = 50
"""Of so many records it is asked who changed them last."""

_SCHEMA: dict[str, pl.DataType] = {
    "coupling_id": pl.Int64(),
    "field": pl.String(),
    "side": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "number": pl.Int64(),
    "value": pl.String(),
}


@dataclass(frozen=True, slots=True)
class OtherWriter:
    """A field that was changed again on a side, within the hour of being written there, in so many records.

    `who` changed these records last, where that is one and the same and not twinrow itself; blank: nobody stands out.
    """

    mapping: str
    side: Side
    field: NamedField
    records: int
    last: datetime
    who: str


def find_other_writers(context: ActionContext, mapping: str | None = None) -> list[OtherWriter]:
    """Return the fields of a mapping (or of all) that others seem to write, too, those with the most records first.

    What the journal still tells is looked at, newest first. Raises `UnknownName`.
    """
    chosen = [context.mapping(mapping)] if mapping is not None else context.mappings()
    wording = Wording(context)
    found = [one for stored in chosen for one in _writers(context, stored, wording)]
    return sorted(found, key=lambda one: -one.records)


def _writers(context: ActionContext, stored: StoredMapping, wording: Wording) -> Iterator[OtherWriter]:
    again = _changed_again(_written(context, stored))
    for (field, side_name), rows in again.group_by("field", "side", maintain_order=True):
        numbers = rows.get_column("coupling_id").unique(maintain_order=True)
        last = rows.get_column("at").max()
        if numbers.len() < FEWEST or not isinstance(last, datetime):
            continue
        side = Side(side_name)
        named = wording.field(stored.id, str(field), side)
        who = _who(context, stored, side, numbers.tail(_ASKED).to_list())
        yield OtherWriter(stored.name, side, named, numbers.len(), last, who)


def _written(context: ActionContext, stored: StoredMapping) -> pl.DataFrame:
    """Return which fields of which couplings were written on which side, and when, as far back as is looked."""
    parts = [pl.DataFrame(schema=_SCHEMA)]
    values = 0
    with context.database.reading() as connection:
        for entry in read_journal(connection, [stored.id]):
            if entry.kind not in _KINDS:
                continue
            columns = [name for name in entry.frame.columns if name.startswith(NEW)]
            told = (
                entry.frame.drop_nulls("coupling_id")
                .unpivot(columns, index="coupling_id", variable_name="field", value_name="value")
                .drop_nulls("value")
                .select(
                    "coupling_id",
                    pl.col("field").str.strip_prefix(NEW),
                    pl.lit(entry.pass_.destination.value).alias("side"),
                    pl.lit(entry.written_at).cast(_SCHEMA["at"]).alias("at"),
                    pl.lit(entry.id).cast(pl.Int64).alias("number"),
                    "value",
                )
            )
            parts.append(told)
            values += told.height
            if values > _MOST_VALUES:
                break
    return pl.concat(parts)


def _changed_again(written: pl.DataFrame) -> pl.DataFrame:
    """Return the writes on a side after which another value came back to the other side soon: changed again, by others.

    A value that comes back as the write had left it is the system's own answer, not a change since.
    """
    before = written.sort("number").with_columns(
        pl.col(name).shift(1).over("coupling_id", "field").alias(f"{name}_before") for name in ("side", "at", "value")
    )
    soon = (pl.col("at") - pl.col("at_before")) <= SOON
    another = (pl.col("side") != pl.col("side_before")) & (pl.col("value") != pl.col("value_before"))
    came_back = before.filter(another & soon)
    return came_back.select("coupling_id", "field", pl.col("side_before").alias("side"), "at").sort("at")


def _who(context: ActionContext, stored: StoredMapping, side: Side, numbers: list[int]) -> str:
    """Return who changed these records last, where it is one and the same and not we."""
    try:
        connector = context.connector(context.pair().system(side))
        with context.database.reading() as connection:
            ids = by_number(connection, stored, numbers).get_column(f"{side.value}_id").to_list()
        rows = connector.fetch(stored.mapping.table(side), (), ids).select(ID, MODIFIED_BY)
        ours = connector.identify().caller
    except TwinrowError:
        return ""
    names = rows.get_column(MODIFIED_BY).drop_nulls().unique()
    return str(names[0]) if names.len() == 1 and names[0] != ours else ""
