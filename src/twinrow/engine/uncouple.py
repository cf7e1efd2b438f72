"""Uncoupling: couplings are forgotten; the records of both sides stay where they are (semantics 11.3).

What rules have stamped integration records with as ours (`Rule.resets`) is cleared first, where it still is the own value, and
nothing else of the connection is coupled to the record. So a process that is broken off leaves couplings that can be uncoupled
again, and never a record that is marked as ours and coupled to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.canonical import NULL, canonical
from twinrow.batch.columns import ID, column_type
from twinrow.batch.hooks import Followed
from twinrow.engine.amend import RECORD, Amendment, with_unmapped
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import MappingContext, PassContext
from twinrow.engine.fields import FieldPlan
from twinrow.engine.rewriting import CAME, DONE, FAILED, UNANSWERED, expected, rewrite, value
from twinrow.model.filters import Comparison, all_of, parse_filter, settings_as_variables
from twinrow.model.outcomes import Counters, Decision, Recovery
from twinrow.model.sides import Side
from twinrow.store.couplings import COUPLING_SCHEMA, by_number, by_record, coupling_numbers, remove_couplings
from twinrow.store.database import Database
from twinrow.store.errors import ERROR_SCHEMA, add_errors
from twinrow.store.intents import open_intents
from twinrow.store.leases import Lease, check_fence
from twinrow.store.mappings import StoredMapping
from twinrow.store.restraints import check_stop
from twinrow.store.runs import advance_job

UNCOUPLING = "uncoupling"
"""The type of the jobs that uncouple."""

_BATCH = 2_000

UNSETTLED = "it is not known yet what became of what was sent for the record"
UNSETTLED_REMEDY = "Synchronize the mapping, which finds that out; then uncouple the record."


@dataclass(slots=True)
class Uncoupled:
    """What uncoupling has come to: `cleared` counts the integration records whose mark was taken away."""

    uncoupled: int = 0
    cleared: int = 0
    failed: int = 0


def chosen_couplings(
    database: Database, mapping: StoredMapping, records: Sequence[str] | None
) -> Iterator[pl.DataFrame]:
    """Yield the couplings (`COUPLING_SCHEMA`) of the records with these ids of either side; None: all of the mapping.

    They may be removed meanwhile. Records that are not coupled are absent.
    """
    if mapping.local_guid is None:
        return
    if records is None:
        after = 0
        while True:
            with database.reading() as connection:
                numbers = coupling_numbers(connection, mapping, after, _BATCH).to_list()
                frame = by_number(connection, mapping, numbers)
            if not numbers:
                return
            after = numbers[-1]
            yield frame
    named = list(dict.fromkeys(records))
    for start in range(0, len(named), _BATCH):
        chunk = named[start : start + _BATCH]
        with database.reading() as connection:
            found = [by_record(connection, mapping, side, possible_ids(mapping, side, chunk)) for side in Side]
        frame = pl.concat(found).unique("coupling_id", maintain_order=True)
        if frame.height:
            yield frame


def followers(context: MappingContext, followed: Followed, couplings: pl.DataFrame) -> list[str]:
    """Return the local ids of the mapping's coupled records that name the records of these couplings, on both sides."""
    side, field = Side.INTEGRATION, followed.fields[Side.INTEGRATION]
    table = context.ends[side].table
    if couplings.is_empty() or field not in table.fields:
        return []
    owners = tuple(couplings.get_column("integration_id"))
    rows = context.ends[side].connector.select(table.name, (field,), Comparison(field, "in", owners))
    named = rows.select(
        pl.col(ID).alias("integration_id"), pl.col(field).cast(pl.String).alias("@owner_integration")
    ).join(
        couplings.select(
            pl.col("integration_id").alias("@owner_integration"), pl.col("local_id").alias("@owner_local")
        ),
        on="@owner_integration",
    )
    with context.database.reading() as connection:
        coupled = by_record(connection, context.mapping, side, named.get_column("integration_id").to_list())
    found = coupled.select("local_id", "integration_id").join(named, on="integration_id")
    field, end = followed.fields[Side.LOCAL], context.ends[Side.LOCAL]
    if field in end.table.fields and found.height:
        here = end.connector.fetch(end.table.name, (field,), found.get_column("local_id").to_list())
        owner = here.select(pl.col(ID).alias("local_id"), pl.col(field).cast(pl.String).alias("@named"))
        found = found.join(owner, on="local_id").filter(pl.col("@named") == pl.col("@owner_local"))
    return found.get_column("local_id").to_list()


def forget(database: Database, mapping: StoredMapping, lease: Lease, couplings: pl.DataFrame) -> Uncoupled:
    """Remove couplings under a lease, at once; those whose last write has had no answer yet stay."""
    with database.transaction() as connection:
        check_fence(connection, lease)
        free, held = _part(connection, mapping, couplings)
        remove_couplings(connection, mapping, free)
    return Uncoupled(free.height, failed=held.height)


class Uncoupling:
    """Uncouples the records of a mapping as a job of its own, clearing the marks of the integration records."""

    def __init__(self, amendment: Amendment, result: Uncoupled) -> None:
        marks: dict[str, object] = {}
        for rule in amendment.shared.rules:
            marks |= rule.resets(amendment.context.hooks)
        context = with_unmapped(amendment.context, _not_planned(amendment.context, marks))
        self._amendment = replace(amendment, context=context)
        self._result = result
        self._marks = {plan.index: _text(context, name, marks[name]) for name, plan in _planned(context, marks).items()}
        self._names = marks
        self._others = [
            other
            for other in amendment.shared.mappings.values()
            if other.id != amendment.shared.mapping.id
            and other.mapping.integration_table == amendment.shared.mapping.mapping.integration_table
            and other.local_guid is not None
        ]

    def uncouple(self, couplings: pl.DataFrame) -> None:
        """Clear the marks of the integration records of these couplings, then forget them."""
        shared = self._amendment.shared
        with shared.database.reading() as connection:
            check_stop(connection)
            free, held = _part(connection, shared.mapping, couplings)
        records = free.select(
            "coupling_id", pl.col("local_id").alias("source_id"), pl.col("integration_id").alias("destination_id")
        )
        cleared, failed = self._clear(records)
        kept = failed.get_column("coupling_id")
        gone = free.filter(~pl.col("coupling_id").is_in(kept.implode()))
        refused = pl.concat(
            [
                failed,
                held.select(
                    "coupling_id",
                    pl.col("local_id").alias("source_id"),
                    pl.col("integration_id").alias("destination_id"),
                    pl.lit(UNSETTLED).alias("@error"),
                ),
            ]
        )
        with shared.database.transaction() as connection:
            check_fence(connection, shared.lease)
            remove_couplings(connection, shared.mapping, gone)
            self._settle(connection, Counters(modified=cleared, uncoupled=gone.height, failed=refused.height), refused)

    def clear_left_behind(self) -> None:
        """Clear the mark of records in the integration filter that carry it and are coupled to nothing."""
        shared, context = self._amendment.shared, self._amendment.context
        end = context.destination
        condition = parse_filter(
            shared.mapping.mapping.filter(Side.INTEGRATION), settings_as_variables(shared.settings)
        )
        for name, own in self._names.items():
            marked = all_of(condition, Comparison(name, "eq", str(own)))
            ids = end.connector.select(end.table.name, (), marked).get_column(ID)
            for part in ids.to_frame("destination_id").iter_slices(_BATCH):
                nothing = [
                    pl.lit(None, dtype=kind).alias(key) for key, kind in RECORD.items() if key != "destination_id"
                ]
                rows = part.with_columns(nothing).select(*RECORD)
                with shared.database.reading() as connection:
                    coupled = self._coupled(connection, rows, [*self._others, shared.mapping])
                cleared, failed = self._clear(rows.filter(~pl.col("destination_id").is_in(coupled)))
                with shared.database.transaction() as connection:
                    check_fence(connection, shared.lease)
                    self._settle(connection, Counters(modified=cleared, failed=failed.height), failed)

    def _clear(self, records: pl.DataFrame) -> tuple[int, pl.DataFrame]:
        """Clear the marks; return how many records had one, and those where that failed (`RECORD`, `@error`)."""
        failures = {**RECORD, "@error": pl.String()}
        if not self._marks or records.is_empty():
            return 0, pl.DataFrame(schema=failures)
        with self._amendment.shared.database.reading() as connection:
            elsewhere = self._coupled(connection, records, self._others)
        wanted = records.filter(~pl.col("destination_id").is_in(elsewhere)).with_columns(
            column
            for index, own in self._marks.items()
            for column in (pl.lit(NULL).alias(value(index)), pl.lit(own).alias(expected(index)))
        )
        came = rewrite(self._amendment, wanted)
        unanswered = pl.lit("no answer came when its mark was taken away")
        failed = came.filter(pl.col(CAME).is_in([FAILED, UNANSWERED])).select(
            *RECORD, pl.coalesce("@error", unanswered).alias("@error")
        )
        return came.filter(pl.col(CAME) == DONE).height, failed

    def _coupled(self, connection: Connection, records: pl.DataFrame, mappings: Sequence[StoredMapping]) -> list[str]:
        """Return which integration records one of the mappings couples."""
        ids = records.get_column("destination_id").drop_nulls().to_list()
        found = [by_record(connection, mapping, Side.INTEGRATION, ids) for mapping in mappings]
        return pl.concat([one.get_column("integration_id") for one in found]).to_list() if found else []

    def _settle(self, connection: Connection, counters: Counters, refused: pl.DataFrame) -> None:
        context = self._amendment.context
        told = replace(counters, read=counters.uncoupled + counters.failed)
        rows = refused.select(
            "source_id",
            "destination_id",
            pl.lit(int(Decision.REFUSED), dtype=pl.Int64).alias("decision"),
            pl.lit(Recovery.RETRY.value).alias("recovery"),
            pl.lit(None, dtype=pl.String).alias("field"),
            pl.concat_str([pl.lit("not uncoupled: "), pl.col("@error")]).alias("message"),
            pl.lit(None, dtype=pl.String).alias("cause"),
            pl.when(pl.col("@error") == UNSETTLED).then(pl.lit(UNSETTLED_REMEDY)).alias("remedy"),
        )
        now = context.shared.clock.now()
        add_errors(connection, context.mapping, context.pass_, context.job.id, now, rows.select(*ERROR_SCHEMA))
        advance_job(connection, context.job.id, told, {}, None, None)
        self._result.uncoupled += counters.uncoupled
        self._result.cleared += counters.modified
        self._result.failed += counters.failed


def _part(connection: Connection, mapping: StoredMapping, couplings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part couplings from those of which it is not known what became of what was sent."""
    waits = pl.lit(False)
    for intent in open_intents(connection, mapping.id):
        for name, side in (("source_id", intent.pass_.source), ("destination_id", intent.pass_.destination)):
            ids = intent.frame.get_column(name).drop_nulls()
            waits = waits | pl.col(f"{side.value}_id").is_in(ids.implode())
    return couplings.filter(~waits).select(*COUPLING_SCHEMA), couplings.filter(waits).select(*COUPLING_SCHEMA)


def _planned(context: PassContext, names: Mapping[str, object]) -> dict[str, FieldPlan]:
    """Return the fields of the destination among the plans, by name; the first one of each."""
    side = context.pass_.destination
    found: dict[str, FieldPlan] = {}
    for plan in context.plans.plans:
        if plan.has_field(side) and plan.field(side).name in names:
            found.setdefault(plan.field(side).name, plan)
    return found


def _not_planned(context: PassContext, names: Mapping[str, object]) -> list[str]:
    planned = _planned(context, names)
    return [name for name in names if name not in planned]


def _text(context: PassContext, name: str, own: object) -> str:
    """Return the canonical text of an own value."""
    field = context.destination.table.field(name)
    return str(pl.select(canonical(pl.lit(own).cast(column_type(field)), field)).item())
