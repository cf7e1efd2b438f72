"""Finding records by what people call them: a number or a name (semantics 11.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.wording import telling_fields
from twinrow.batch.columns import ID
from twinrow.connectors.base import Connector
from twinrow.engine.changes import is_guid
from twinrow.model.errors import ConfigurationError, RecordNotFound, UnknownName
from twinrow.model.filters import Comparison, Filter, TextMatch, all_of, parse_filter, settings_as_variables
from twinrow.model.sides import Side
from twinrow.model.tables import Table
from twinrow.store.couplings import by_record
from twinrow.store.mappings import StoredMapping

_TOLD = 5
_LOOKED_AT = 1_000
"""Where more records begin so, any so many of them are put in order."""


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record of a side: its id, what people call it, and the record that it is coupled to in the mapping, if it is."""

    id: str
    label: str
    coupled_to: str | None


def find_records(
    context: ActionContext, mapping: str, side: str, text: str, limit: int | None = 20
) -> list[FoundRecord]:
    """Return the records of a side (`local` or `integration`) within its filter whose number or name is `text`.

    Where there is none, those whose number or name begins with it; ordered by what they are called. Raises as `synchronize`
    where the system cannot be reached.
    """
    stored, searched = context.mapping(mapping), _side(side)
    pair = context.pair()
    connector = context.connector(pair.system(searched))
    table = connector.describe(stored.mapping.table(searched))
    names = [name for name in telling_fields(table, stored.mapping, searched) if table.field(name).is_text]
    condition = parse_filter(stored.mapping.filter(searched), settings_as_variables(pair.settings))
    exact = [all_of(condition, Comparison(name, "eq", text)) for name in names]
    found = _select(connector, table, names, exact)
    if found.is_empty():
        begins = [all_of(condition, TextMatch("startswith", name, text)) for name in names]
        found = _select(connector, table, names, begins)
    found = found.sort("label", ID) if limit is None else found.sort("label", ID).head(limit)
    coupled = _coupled(context, stored, searched, found.get_column(ID).to_list())
    return [FoundRecord(id, label, coupled.get(id)) for id, label in found.iter_rows()]


def record_id(context: ActionContext, mapping: str, side: str, text: str) -> str:
    """Return the id of the record of a side that `text` names: by its id, its number or its name, or the beginning of one.

    Raises `RecordNotFound`, and `ConfigurationError` where several records are called so.
    """
    stored, searched = context.mapping(mapping), _side(side)
    connector = context.connector(context.pair().system(searched))
    table = connector.describe(stored.mapping.table(searched))
    if is_guid(text) or not table.key_is_guid:
        if not connector.fetch(table.name, (), [text]).is_empty():
            return text
        if is_guid(text):
            raise RecordNotFound(
                f"There is no {searched.value} record {text} in {table.name}",
                record=text,
                remedy="Give the id of a record that exists.",
            )
    found = find_records(context, mapping, side, text, limit=_TOLD + 1)
    if len(found) == 1:
        return found[0].id
    if not found:
        raise RecordNotFound(
            f"No {searched.value} record of {mapping} is called {text!r}, or begins so",
            record=text,
            remedy="Give its id, its number or its name; only records within the filter of the mapping are looked at.",
        )
    several = "; ".join(f"{one.label} ({one.id})" for one in found[:_TOLD])
    more = " and others" if len(found) > _TOLD else ""
    raise ConfigurationError(
        f"Several {searched.value} records of {mapping} are called {text!r}, or begin so",
        cause=f"{several}{more}",
        remedy="Give the id of the one that is meant.",
    )


def _side(name: str) -> Side:
    sides = {side.value: side for side in Side}
    if name not in sides:
        raise UnknownName("side", name, tuple(sides))
    return sides[name]


def _select(
    connector: Connector, table: Table, names: Sequence[str], conditions: Sequence[Filter | None]
) -> pl.DataFrame:
    """Return the ids of records that satisfy one of the conditions, with what they are called."""
    parts = [
        connector.select(table.name, names, condition, limit=_LOOKED_AT).select(ID, *names) for condition in conditions
    ]
    if not parts:
        return pl.DataFrame(schema={ID: pl.String(), "label": pl.String()})
    texts = [pl.col(name).cast(pl.String).replace("", None) for name in names]
    label = pl.concat_str(texts, separator=" ", ignore_nulls=True).alias("label")
    return pl.concat(parts).unique(ID).select(ID, label)


def _coupled(context: ActionContext, stored: StoredMapping, side: Side, ids: Sequence[str]) -> dict[str, str]:
    if stored.local_guid is None:
        return {}
    with context.database.reading() as connection:
        rows = by_record(connection, stored, side, ids)
    return dict(rows.select(f"{side.value}_id", f"{side.other.value}_id").iter_rows())
