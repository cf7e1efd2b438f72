"""Selection: records that a person names, looked at before anything is done with them; nothing is written.

For each named record its coupling, whether its sides are there, take part in their passes, and have changed since the
coupling was last settled.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import MappingContext, ReadContext
from twinrow.engine.lookups import rule_lookups
from twinrow.engine.pair import ADMITTED, IN_FILTER, admit, in_filter
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import State, by_record
from twinrow.store.pending import read_pending

SKIPPED = "skipped"
IN_PILOT = "in_pilot"
_SOURCE = {Side.LOCAL: Pass.TO, Side.INTEGRATION: Pass.FROM}


def there(side: Side) -> str:
    """Return the column that says whether the record of a side exists."""
    return f"there.{side.value}"


def within(side: Side) -> str:
    """Return the column that says whether the record satisfies its side's filter."""
    return f"within.{side.value}"


def admitted(side: Side) -> str:
    """Return the column that says whether the rules of the mapping let the record take part."""
    return f"admitted.{side.value}"


def changed(side: Side) -> str:
    """Return the column that says whether the record has changed since the coupling was settled (true: it never was)."""
    return f"changed.{side.value}"


def look_at(context: MappingContext, ids: Sequence[str]) -> pl.DataFrame:
    """Return a row for each pair or uncoupled record that is named by the id of either side.

    Columns: `coupling_id`, `local_id`, `integration_id` (null where there is none), `skipped`, `in_pilot` (true where there is
    no pilot), and those of `there`, `within`, `admitted` and `changed` for each side. Ids of which neither side has a record are
    absent.
    """
    mapping = context.mapping
    named = list(dict.fromkeys(ids))
    with context.database.reading() as connection:
        coupled = [by_record(connection, mapping, side, possible_ids(mapping, side, named)) for side in Side]
    frame = pl.concat(coupled).unique("coupling_id", maintain_order=True)
    known = {id for side in Side for id in frame.get_column(f"{side.value}_id").to_list()}
    loose = [id for id in named if id not in known]
    for side in Side:
        end = context.ends[side]
        found = end.connector.fetch(end.table.name, (), possible_ids(mapping, side, loose)).get_column(ID)
        frame = pl.concat([frame, pl.DataFrame({f"{side.value}_id": found})], how="diagonal")
        loose = [id for id in loose if id not in set(found.to_list())]
    for side in Side:
        frame = _with_side(context, frame, side)
    state = pl.col("state").fill_null(0) & pl.lit(int(State.SKIPPED)) != 0
    pilot = context.pilot
    here, there_ = pl.col("local_id"), pl.col("integration_id")
    inside = pl.lit(True) if pilot is None else pilot.has(Side.LOCAL, here, there_)
    return frame.with_columns((state | _set_aside(context, frame)).alias(SKIPPED), inside.alias(IN_PILOT))


def _with_side(context: MappingContext, frame: pl.DataFrame, side: Side) -> pl.DataFrame:
    reading = ReadContext(context, _SOURCE[side])
    key = f"{side.value}_id"
    takes_part = reading.pass_ in context.mapping.mapping.direction.passes
    end = reading.source
    rows = end.connector.fetch(
        end.table.name, reading.source_fields if takes_part else (), frame.get_column(key).drop_nulls().to_list()
    )
    if takes_part:
        looked_up, hooks = rule_lookups(reading, rows)
        rows = admit(reading, hooks, looked_up).with_columns(in_filter(reading).alias(IN_FILTER))
    else:
        rows = rows.with_columns(pl.lit(True).alias(IN_FILTER), pl.lit(True).alias(ADMITTED))
    now = rows.select(
        pl.col(ID).alias(key),
        pl.col(VERSION).alias("@now"),
        pl.col(MODIFIED_AT).dt.epoch("us").alias("@modified"),
        pl.lit(True).alias(there(side)),
        pl.col(IN_FILTER).alias(within(side)),
        pl.col(ADMITTED).alias(admitted(side)),
    )
    joined = frame.join(now, on=key, how="left", maintain_order="left")
    version, modified = pl.col(f"{side.value}_version"), pl.col(f"{side.value}_modified_at")
    # Without a version that was settled, times of the same side are compared.
    newer = (pl.col("@modified") > modified.fill_null(-1)).fill_null(False)
    moved = pl.when(version.is_not_null()).then(pl.col("@now") != version).otherwise(newer)
    return joined.with_columns(
        pl.col(there(side)).fill_null(False),
        pl.col(within(side)).fill_null(False),
        pl.col(admitted(side)).fill_null(False),
        (moved.fill_null(False) & pl.col("coupling_id").is_not_null()).alias(changed(side)),
    ).drop("@now", "@modified")


def _set_aside(context: MappingContext, frame: pl.DataFrame) -> pl.Expr:
    """Return where an uncoupled record is set aside."""
    aside = pl.lit(False)
    for side, pass_ in _SOURCE.items():
        loose = frame.filter(pl.col("coupling_id").is_null()).get_column(f"{side.value}_id").drop_nulls().to_list()
        with context.database.reading() as connection:
            rows = read_pending(connection, context.mapping, pass_, loose)
        ids = rows.filter("skipped").get_column(ID)
        aside = aside | pl.col(f"{side.value}_id").is_in(ids.implode()).fill_null(False)
    return aside
