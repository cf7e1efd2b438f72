"""Labels: what people call a record, its number and its name, instead of its id.

A label is looked up in the system when records are listed, in one request for each side; a system that does not answer, or a
record that is gone, leaves the id.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.batch.columns import ID
from twinrow.model.errors import TwinrowError
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Table
from twinrow.store.mappings import StoredMapping

_NUMBERS = ("number", "no", "no_", "code", "accountnumber", "isocurrencycode")
_NAMES = ("displayname", "fullname", "name", "description", "currencyname", "title", "subject")


def label_fields(table: Table, mapping: TableMapping, side: Side) -> tuple[str, ...]:
    """Return the fields whose values name a record: number and name by their usual names, else the first mapped text."""
    by_name = {name.lower(): name for name in table.fields}
    chosen = [next((by_name[name] for name in names if name in by_name), None) for names in (_NUMBERS, _NAMES)]
    found = [name for name in chosen if name is not None and table.fields[name].is_text]
    if found:
        return tuple(found)
    mapped = [name for row in mapping.fields if (name := row.field(side)) in table.fields]
    return tuple(name for name in mapped if name is not None and table.fields[name].is_text)[:1]


def record_labels(context: ActionContext, stored: StoredMapping, side: Side, ids: Sequence[str]) -> dict[str, str]:
    """Return the labels of records of one side of a mapping, as far as they can be known now."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    name = stored.mapping.table(side)
    try:
        connector = context.connector(context.pair().system(side))
        fields = label_fields(connector.describe(name), stored.mapping, side)
        rows = connector.fetch(name, fields, wanted) if fields else None
    except TwinrowError:
        return {}
    if rows is None or rows.is_empty():
        return {}
    parts = [pl.when(pl.col(field).str.strip_chars() != "").then(pl.col(field).str.strip_chars()) for field in fields]
    texts = rows.select(ID, pl.concat_str(parts, separator=" ", ignore_nulls=True).alias("label"))
    return {id: label for id, label in texts.iter_rows() if label}
