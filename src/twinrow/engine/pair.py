"""Pair: each source record with its coupling, its base, and where needed its counterpart.

The counterpart is fetched only when it must be: when the base does not stand for it (no stored version, no base of a field that
the pass carries), when its table checks no versions, or when a person named the record. Otherwise the base and the stored
version stand for it, and the version token on the write proves them right.
"""

from __future__ import annotations

import polars as pl

from twinrow.batch.canonical import NULL
from twinrow.batch.columns import DELETED, ID, MODIFIED_AT, MODIFIED_BY, VERSION
from twinrow.batch.convert import convert
from twinrow.batch.filters import filter_expression
from twinrow.batch.hooks import HookContext
from twinrow.engine import columns as c
from twinrow.engine.carry import destination_texts
from twinrow.engine.context import PassContext, ReadContext
from twinrow.engine.decide import any_of
from twinrow.engine.fields import FieldPlan
from twinrow.model.filters import Comparison
from twinrow.store.bases import base_column, bases_of_shape, read_bases
from twinrow.store.couplings import GONE, State, by_record
from twinrow.store.mappings import read_shapes
from twinrow.store.pending import PENDING_SCHEMA, read_pending, read_unresolved

ADMITTED = "@admitted"
IN_FILTER = "@in_filter"
KNOWN_VERSION = "@known_version"
NATURAL = "@natural"
COUPLED_ELSEWHERE = "@coupled_elsewhere"
PENDING = "@pending."
"""Prefix of the columns of the record's pending row (`store.pending`)."""


def pair(context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Join couplings and pending rows to a source batch; say which records are admitted and which cannot have changed.

    Adds `@coupling_id`, `@destination_id`, the stored versions and times, `@state`, the pending row's columns (`@pending.*`),
    `@in_filter` and `@known_version`.
    """
    ids = frame.get_column(ID).to_list()
    with context.database.reading() as connection:
        couplings = by_record(connection, context.mapping, context.pass_.source, ids)
        pending = read_pending(connection, context.mapping, context.pass_, ids)
        numbers = couplings.get_column("coupling_id").to_list()
        blank = read_unresolved(connection, context.pass_, numbers).get_column("coupling_id")
        shapes = read_shapes(connection, context.mapping.id)
    frame = frame.join(_from_source(context, couplings), on=ID, how="left", maintain_order="left")
    frame = frame.join(_prefixed(pending), on=ID, how="left", maintain_order="left")
    same_version = (pl.col(VERSION) == pl.col(c.SOURCE_VERSION)).fill_null(False)
    # A reference that was left blank may have its counterpart by now: an equal version says nothing of that.
    complete = ~pl.col(c.COUPLING).is_in(blank.implode()).fill_null(False)
    # A record that was marked as given up stays coupled to one that is gone: as long as it is not edited, it is left alone.
    well = (pl.col(c.STATE) == 0) | (pl.col(c.STATE) & int(State.DEACTIVATED) != 0)
    frame = frame.with_columns(
        in_filter(context).alias(IN_FILTER),
        (same_version & complete & well & ~pl.col(DELETED)).alias(KNOWN_VERSION),
        pl.lit(False).alias(c.FETCHED),
        pl.lit(False).alias(c.MISSING),
        pl.lit(False).alias(c.ATTEMPTED),
        pl.lit(False).alias(NATURAL),
        pl.lit(False).alias(COUPLED_ELSEWHERE),
        pl.col(c.DESTINATION_VERSION).alias(c.TOKEN),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias(c.FOUND_MODIFIED_AT),
        pl.lit(None, dtype=pl.String).alias(c.FOUND_MODIFIED_BY),
    )
    if set(shapes) - {context.shape}:
        # Some bases may lack a field that is mapped now: for those an equal version does not mean an equal record.
        frame = _look_again_at_old_shapes(context, frame)
    return frame


def _from_source(context: ReadContext, couplings: pl.DataFrame) -> pl.DataFrame:
    """Name the columns of couplings from the pass's point of view."""
    source, destination = context.pass_.source.value, context.pass_.destination.value
    return couplings.select(
        pl.col(f"{source}_id").alias(ID),
        pl.col("coupling_id").alias(c.COUPLING),
        pl.col(f"{destination}_id").alias(c.DESTINATION_ID),
        pl.col(f"{source}_version").alias(c.SOURCE_VERSION),
        pl.col(f"{destination}_version").alias(c.DESTINATION_VERSION),
        pl.col(f"{source}_modified_at").alias(c.SOURCE_MODIFIED_AT),
        pl.col(f"{destination}_modified_at").alias(c.DESTINATION_MODIFIED_AT),
        pl.col("state").alias(c.STATE),
    )


def _prefixed(pending: pl.DataFrame) -> pl.DataFrame:
    return pending.rename({name: PENDING + name for name in PENDING_SCHEMA if name != ID})


def in_filter(context: ReadContext) -> pl.Expr:
    """Return where a source record satisfies the filter of its side; of a deleted one nothing is known."""
    if context.condition is None:
        return pl.lit(True)
    return filter_expression(context.condition, context.source.table) | pl.col(DELETED)


def _look_again_at_old_shapes(context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    numbers = frame.filter(KNOWN_VERSION).get_column(c.COUPLING).to_list()
    with context.database.reading() as connection:
        current = bases_of_shape(connection, context.shape, numbers)
    return frame.with_columns(pl.col(KNOWN_VERSION) & pl.col(c.COUPLING).is_in(current.implode()).fill_null(False))


def admit(context: ReadContext, hooks: HookContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `@admitted`: whether the rules of the mapping let the record take part."""
    admitted = pl.lit(True)
    for rule in context.shared.rules:
        condition = rule.admit(hooks)
        if condition is not None:
            admitted = admitted & condition.fill_null(False)
    return frame.with_columns((admitted | pl.col(DELETED)).alias(ADMITTED))


def join_bases(context: ReadContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `base_source.i` and `base_destination.i`, and `retried.i` for references that were left unresolved."""
    pass_ = context.pass_
    numbers = frame.get_column(c.COUPLING).drop_nulls().to_list()
    identities = context.plans.identities
    with context.database.reading() as connection:
        bases = read_bases(connection, context.mapping.id, identities, numbers)
        unresolved = read_unresolved(connection, pass_, numbers)
        # Only a run that asserts equal or older values could carry a blank back that nobody has written.
        asserting = context.options.forced or context.options.unconditional
        blanked = read_unresolved(connection, pass_.opposite, numbers if asserting else [])
    renamed = bases.rename(
        {base_column(pass_.source, plan.index): c.base_source(plan.index) for plan in context.plans.plans}
        | {base_column(pass_.destination, plan.index): c.base_destination(plan.index) for plan in context.plans.plans}
    ).rename({"coupling_id": c.COUPLING})
    frame = frame.join(renamed, on=c.COUPLING, how="left", maintain_order="left")
    frame = frame.with_columns(_among(unresolved, plan).alias(c.retried(plan.index)) for plan in context.carried)
    if asserting:
        frame = frame.with_columns(
            (_among(blanked, plan) & pl.col(c.base_source(plan.index)).is_in(["", NULL])).alias(
                c.left_blank(plan.index)
            )
            for plan in context.carried
        )
    return frame


def _among(unresolved: pl.DataFrame, plan: FieldPlan) -> pl.Expr:
    """Return where the coupling has an unresolved reference in this field."""
    if unresolved.is_empty():
        return pl.lit(False)
    numbers = unresolved.filter(pl.col("field") == plan.identity).get_column("coupling_id")
    return pl.col(c.COUPLING).is_in(numbers.implode()).fill_null(False)


def find_natural(context: ReadContext, hooks: HookContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Give uncoupled records the counterpart that a rule recognizes; a counterpart that is coupled already is not taken.

    Sets `@destination_id` and `@natural`; where the only counterpart belongs to another record, `@coupled_elsewhere`.
    """
    pairs = [fields for rule in context.shared.rules if (fields := rule.natural(hooks)) is not None]
    open_rows = pl.col(c.COUPLING).is_null() & pl.col(c.DESTINATION_ID).is_null() & ~pl.col(DELETED)
    if not pairs or frame.filter(open_rows).is_empty():
        return frame
    source_field, destination_field = pairs[0]
    end = context.destination
    told = convert(
        pl.col(source_field), context.source.table.field(source_field), end.table.field(destination_field)
    ).value.alias("@told")
    values = frame.filter(open_rows).select(told).to_series().drop_nulls().unique().to_list()
    values = [value for value in values if str(value).strip()]
    if not values:
        return frame
    found = end.connector.select(
        end.table.name, [destination_field], Comparison(destination_field, "in", tuple(values))
    )
    with context.database.reading() as connection:
        taken = by_record(connection, context.mapping, context.pass_.destination, found.get_column(ID).to_list())
    coupled = taken.get_column(f"{context.pass_.destination.value}_id")
    keyed = found.select(
        pl.col(destination_field).str.strip_chars().str.to_lowercase().alias("@natural_key"),
        pl.col(ID).alias("@natural_id"),
        pl.col(ID).is_in(coupled.implode()).alias("@taken"),
    ).unique("@natural_key", keep="first", maintain_order=True)
    joined = frame.with_columns(told.str.strip_chars().str.to_lowercase().alias("@natural_key")).join(
        keyed, on="@natural_key", how="left", maintain_order="left"
    )
    first = pl.col("@natural_id").is_first_distinct()
    matched = open_rows & pl.col("@natural_id").is_not_null() & ~pl.col("@taken") & first
    return joined.with_columns(
        pl.when(matched).then(pl.col("@natural_id")).otherwise(pl.col(c.DESTINATION_ID)).alias(c.DESTINATION_ID),
        matched.alias(NATURAL),
        (open_rows & pl.col("@natural_id").is_not_null() & ~matched).alias(COUPLED_ELSEWHERE),
    ).drop("@natural_key", "@natural_id", "@taken")


def needs_counterpart(context: ReadContext) -> pl.Expr:
    """Return where the counterpart must be read before anything can be decided."""
    always = (
        context.options.careful
        or context.options.named
        or context.options.forced
        or context.options.unconditional
        or not context.destination.capabilities.version_checks
    )
    # What a field that goes one way was at the source before does not matter: it is asserted wherever it is not there yet.
    unknown = any_of(
        pl.col(base(plan.index)).is_null()
        for plan in context.carried
        if not plan.is_constant and (plan.derived is None or not plan.derived.on_create_only)
        for base in ((c.base_source, c.base_destination) if plan.bidirectional else (c.base_destination,))
    )
    must = pl.lit(True) if always else pl.col(c.DESTINATION_VERSION).is_null() | unknown
    gone = pl.col(c.STATE).fill_null(0) & pl.lit(int(GONE[context.pass_.destination])) != 0
    return pl.col(c.DESTINATION_ID).is_not_null() & ~pl.col(c.FETCHED) & (must | pl.col(NATURAL) | gone)


def fetch_counterparts(context: ReadContext, frame: pl.DataFrame, which: pl.Expr) -> pl.DataFrame:
    """Read the counterparts of the chosen rows; set `@fetched`, `@missing`, `@token` and `found.i` there."""
    chosen = frame.select(which).to_series()
    names = [c.found(plan.index) for plan in context.plans.plans]
    if not set(names) <= set(frame.columns):
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in names)
    if not chosen.any():
        return frame
    end = context.destination
    ids = frame.filter(chosen).get_column(c.DESTINATION_ID).to_list()
    batch = end.connector.fetch(end.table.name, context.destination_fields, ids)
    rows = batch.select(
        pl.col(ID).alias(c.DESTINATION_ID),
        pl.col(VERSION).alias("read.version"),
        pl.col(MODIFIED_AT).alias("read.modified_at"),
        pl.col(MODIFIED_BY).alias("read.modified_by"),
        pl.lit(True).alias("read.there"),
        *(
            text.alias(f"read.{name}")
            for text, name in zip(destination_texts(end.table, context.plans, context.hooks), names, strict=True)
        ),
    )
    joined = frame.with_columns(chosen.alias("@chosen")).join(
        rows, on=c.DESTINATION_ID, how="left", maintain_order="left"
    )
    there = pl.col("@chosen") & pl.col("read.there").fill_null(False)
    checked = end.capabilities.version_checks

    def replace(column: str, by: str) -> pl.Expr:
        return pl.when(there).then(pl.col(by)).otherwise(pl.col(column)).alias(column)

    return joined.with_columns(
        (pl.col(c.FETCHED) | there).alias(c.FETCHED),
        pl.when("@chosen").then(~there).otherwise(pl.col(c.MISSING)).alias(c.MISSING),
        replace(c.TOKEN, "read.version") if checked else pl.lit(None, dtype=pl.String).alias(c.TOKEN),
        replace(c.FOUND_MODIFIED_AT, "read.modified_at"),
        replace(c.FOUND_MODIFIED_BY, "read.modified_by"),
        *(replace(name, f"read.{name}") for name in names),
    ).select(frame.columns)


def is_skipped() -> pl.Expr:
    """Return where the coupling or the pending record is set aside."""
    return (pl.col(c.STATE).fill_null(0) & pl.lit(int(State.SKIPPED)) != 0) | pl.col(f"{PENDING}skipped").fill_null(
        False
    )
