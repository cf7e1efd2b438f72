"""Given pairs: couplings that another program kept, checked against both sides before anything is stored.

A pair names its records by their ids, or by the values of a key field of either side. Each pair is coupled, is coupled already,
or has a problem; none is stored before all have been looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import ID
from twinrow.batch.convert import convert
from twinrow.batch.filters import filter_expression
from twinrow.engine.changes import is_guid
from twinrow.engine.context import MappingContext
from twinrow.model.filters import Comparison, filter_fields, parse_filter, settings_as_variables
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType
from twinrow.store.couplings import by_record
from twinrow.store.intents import open_intents

GIVEN = {Side.LOCAL: "local", Side.INTEGRATION: "integration"}
"""The columns of given pairs."""
PROBLEM = "problem"
ALREADY = "already"

_AT_ONCE = 2_000
_TEXT = Field("text", FieldType.TEXT)

NAMED_TWICE = "it is given twice"
UNSETTLED = "it is not known yet what became of what was sent for it"


def check_given(context: MappingContext, pairs: pl.DataFrame, keys: Mapping[Side, str]) -> pl.DataFrame:
    """Look at pairs (`local`, `integration`, texts) and return them with what was found, in their order.

    `keys` names the field of a side by whose value its records are given; a side that is not there gives ids. Adds `local_id`
    and `integration_id` (null: not found), `already` (the two are coupled to each other) and `problem` (null: there is none).
    """
    frame = pairs.select(*(_plain(context, side, pl.col(name), keys.get(side)) for side, name in GIVEN.items()))
    parts = [_looked_up(context, part, keys) for part in frame.iter_slices(_AT_ONCE)] or [
        _looked_up(context, frame, keys)
    ]
    found = pl.concat(parts)
    # The same pair may stand there again; a record with two partners tells of a mistake, whichever of them is meant.
    twice = [
        pl.when(pl.col(f"{side.other.value}_id").drop_nulls().n_unique().over(f"{side.value}_id") > 1).then(
            pl.lit(f"the {side.value} record: {NAMED_TWICE}, with different ones")
        )
        for side in Side
    ]
    same = pl.struct("local_id", "integration_id").is_first_distinct()
    return found.with_columns(pl.coalesce(PROBLEM, *twice, pl.when(~same).then(pl.lit(NAMED_TWICE))).alias(PROBLEM))


def _plain(context: MappingContext, side: Side, given: pl.Expr, key: str | None) -> pl.Expr:
    """Return what is given without blanks around it; ids as both services write them: Business Central exports `{A-B}`."""
    text = given.str.strip_chars()
    by_id = key is None and context.ends[side].table.key_is_guid
    return text.str.strip_chars("{}").str.to_lowercase() if by_id else text


def _looked_up(context: MappingContext, frame: pl.DataFrame, keys: Mapping[Side, str]) -> pl.DataFrame:
    problems = []
    for side, name in GIVEN.items():
        frame = frame.join(
            _records(context, side, frame.get_column(name), keys.get(side)), on=name, how="left", maintain_order="left"
        )
        problems.append(_problem(side, name))
    frame = _coupled(context, frame)
    return frame.with_columns(pl.coalesce(*problems, "@coupled").alias(PROBLEM)).select(
        *GIVEN.values(), "local_id", "integration_id", ALREADY, PROBLEM
    )


def _problem(side: Side, name: str) -> pl.Expr:
    told = pl.concat_str([pl.lit(f"the {side.value} record "), pl.col(name)])
    return (
        pl.when(pl.col(name).fill_null("") == "")
        .then(pl.lit(f"no {side.value} record is given"))
        .when(pl.col(f"{side.value}_id").is_null() & (pl.col(f"@count.{side.value}").fill_null(0) > 1))
        .then(pl.concat_str([pl.lit(f"several {side.value} records are called "), pl.col(name)]))
        .when(pl.col(f"{side.value}_id").is_null())
        .then(pl.concat_str([told, pl.lit(" does not exist")]))
        .when(~pl.col(f"@within.{side.value}"))
        .then(pl.concat_str([told, pl.lit(" does not satisfy the filter of the mapping")]))
    )


def _records(context: MappingContext, side: Side, given: pl.Series, key: str | None) -> pl.DataFrame:
    """Return the records that are given: the text, the id, whether the filter holds, and how many there are of the text."""
    end = context.ends[side]
    condition = parse_filter(context.mapping.mapping.filter(side), settings_as_variables(context.settings))
    names = sorted(filter_fields(condition))
    texts = given.drop_nulls().unique(maintain_order=True)
    texts = texts.filter(texts != "")
    known = texts.to_frame(GIVEN[side])
    if key is None:
        ids = [text for text in texts if not end.table.key_is_guid or is_guid(text)]
        rows = end.connector.fetch(end.table.name, names, ids)
        named, told = pl.col(ID), pl.col(GIVEN[side])
    else:
        field = end.table.field(key)
        typed = convert(pl.col(GIVEN[side]), _TEXT, field).value
        known = known.with_columns(typed.alias("@typed"))
        wanted = tuple(known.get_column("@typed").drop_nulls().unique(maintain_order=True))
        fields = list(dict.fromkeys([key, *names]))
        condition_of_keys = Comparison(key, "in", wanted)
        rows = (
            end.connector.select(end.table.name, fields, condition_of_keys)
            if wanted
            else end.connector.fetch(end.table.name, fields, [])
        )
        named, told = canonical(pl.col(key), field), canonical(pl.col("@typed"), field)
    within = filter_expression(condition, end.table) if condition is not None else pl.lit(True)
    found = rows.select(named.str.to_lowercase().alias("@key"), pl.col(ID).alias("@id"), within.alias("@within"))
    counted = found.group_by("@key").agg(
        pl.col("@id").first().alias(f"{side.value}_id"),
        pl.col("@within").first().fill_null(False).alias(f"@within.{side.value}"),
        pl.len().alias(f"@count.{side.value}"),
    )
    one = pl.when(pl.col(f"@count.{side.value}") == 1).then(pl.col(f"{side.value}_id")).alias(f"{side.value}_id")
    known = known.select(GIVEN[side], told.str.to_lowercase().alias("@key"))
    return known.join(counted.with_columns(one), on="@key", how="left").drop("@key")


def _coupled(context: MappingContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `already`, and in `@coupled` why a record cannot be coupled as it stands."""
    reasons: list[pl.Expr] = []
    for side in Side:
        name, other = f"{side.value}_id", f"{side.other.value}_id"
        ids = frame.get_column(name).drop_nulls().to_list()
        with context.database.reading() as connection:
            rows = by_record(connection, context.mapping, side, ids)
            intents = open_intents(connection, context.mapping.id)
        known = rows.select(name, pl.col(other).alias(f"@to.{side.value}"))
        frame = frame.join(known, on=name, how="left", maintain_order="left")
        waiting: set[str] = set()
        for intent in intents:
            column = "source_id" if intent.pass_.source is side else "destination_id"
            waiting |= set(intent.frame.get_column(column).drop_nulls().to_list())
        to = pl.col(f"@to.{side.value}")
        reasons += [
            pl.when(to.is_not_null() & (to != pl.col(other)).fill_null(True)).then(
                pl.concat_str([pl.lit(f"the {side.value} record is coupled to another one, "), to])
            ),
            pl.when(pl.col(name).is_in(sorted(waiting))).then(pl.lit(f"the {side.value} record: {UNSETTLED}")),
        ]
    already = (pl.col("@to.local") == pl.col("integration_id")).fill_null(False)
    return frame.with_columns(already.alias(ALREADY), pl.coalesce(*reasons).alias("@coupled"))
