"""Lookups: references translated through couplings, and what rules ask for. The only I/O between pairing and carrying.

Related mappings have other runs; what was found once stays found for the length of a pass, what was not is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from twinrow.batch.columns import ID, empty_batch
from twinrow.batch.hooks import CouplingLookup, HookContext, TableLookup, lookup
from twinrow.engine.context import ReadContext
from twinrow.engine.fields import FieldPlan
from twinrow.model.filters import Comparison
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import by_record, newest_coupling
from twinrow.store.mappings import StoredMapping

_PAIRS = {"value": pl.String(), "target": pl.String(), "known": pl.Boolean()}


def related_mappings(mapping: TableMapping, known: Mapping[str, StoredMapping]) -> list[int]:
    """Return the numbers of the mappings whose records those of a mapping refer to, by its fields or by its rules."""
    names = {name for row in mapping.fields for name in row.related_mapping} | set(mapping.dependencies)
    return sorted(known[name].id for name in names if name in known)


class References:
    """Translates the references of a pass, remembering what it has found."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._found: dict[int, pl.DataFrame] = {}

    def for_batch(self, frame: pl.DataFrame) -> Mapping[int, pl.DataFrame]:
        """Return, for each reference field by index, the pairs that cover the batch's values as far as they are coupled."""
        pairs: dict[int, pl.DataFrame] = {}
        for plan in self._context.carried:
            if not plan.mapping.related_mapping:
                continue
            column = plan.field(self._context.pass_.source).name
            known = self._found.get(plan.index, pl.DataFrame(schema=_PAIRS))
            wanted = (
                frame.select(pl.col(column).cast(pl.String).alias("value"))
                .drop_nulls()
                .filter(pl.col("value") != "")
                .unique(maintain_order=True)
                .join(known, on="value", how="anti")
                .to_series()
            )
            if wanted.len():
                known = pl.concat([known, self._translate(plan, wanted)])
                self._found[plan.index] = known
            pairs[plan.index] = known
        return pairs

    def newest(self) -> int:
        """Return the newest coupling of all related mappings: references left blank now need not be tried before a newer."""
        related = self.related_ids()
        if not related:
            return 0
        with self._context.database.reading() as connection:
            return newest_coupling(connection, related)

    def related_ids(self) -> list[int]:
        """Return the numbers of all related mappings."""
        return related_mappings(self._context.mapping.mapping, self._context.shared.mappings)

    def _related(self, plan: FieldPlan) -> list[StoredMapping]:
        known = self._context.shared.mappings
        return [known[name] for name in plan.mapping.related_mapping if name in known]

    def _translate(self, plan: FieldPlan, values: pl.Series) -> pl.DataFrame:
        """Return the pairs of the values that are coupled; the first related mapping that knows a value wins."""
        pass_ = self._context.pass_
        found = pl.DataFrame(schema=_PAIRS)
        for mapping in self._related(plan):
            left = pl.DataFrame({"value": values}).join(found, on="value", how="anti").get_column("value")
            if left.is_empty():
                break
            if mapping.local_guid is None:
                continue  # never run: nothing is coupled
            ids = self._to_ids(plan, mapping, left) if pass_ is Pass.TO else _same(left)
            coupled = self._counterparts(mapping, pass_, ids)
            if pass_ is Pass.FROM:
                coupled = self._from_ids(plan, mapping, coupled)
            found = pl.concat([found, coupled.with_columns(pl.lit(True).alias("known")).select(*_PAIRS)])
        return found

    def _to_ids(self, plan: FieldPlan, mapping: StoredMapping, values: pl.Series) -> pl.DataFrame:
        """Return `value` and the id of the related local record that it names."""
        key = plan.mapping.related_key
        if key is None:
            return _same(values)
        connector = self._context.shared.ends[Side.LOCAL].connector
        rows = connector.select(mapping.mapping.local_table, [key], Comparison(key, "in", tuple(values)))
        return rows.select(pl.col(key).cast(pl.String).alias("value"), pl.col(ID).alias("id")).unique("value")

    def _from_ids(self, plan: FieldPlan, mapping: StoredMapping, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return `value` and, as `target`, the key by which the local field names the related local record."""
        key = plan.mapping.related_key
        if key is None or pairs.is_empty():
            return pairs
        connector = self._context.shared.ends[Side.LOCAL].connector
        rows = connector.fetch(mapping.mapping.local_table, [key], pairs.get_column("target").to_list())
        named = rows.select(pl.col(ID).alias("target"), pl.col(key).cast(pl.String).alias("named"))
        return pairs.join(named, on="target").select("value", pl.col("named").alias("target"))

    def _counterparts(self, mapping: StoredMapping, pass_: Pass, ids: pl.DataFrame) -> pl.DataFrame:
        """Return `value` and, as `target`, the id of the counterpart of the related record."""
        source, destination = pass_.source.value, pass_.destination.value
        if mapping.guid(pass_.source):
            ids = ids.filter(pl.col("id").str.contains(r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"))
        with self._context.database.reading() as connection:
            couplings = by_record(connection, mapping, pass_.source, ids.get_column("id").to_list())
        there = couplings.select(pl.col(f"{source}_id").alias("id"), pl.col(f"{destination}_id").alias("target"))
        return ids.join(there, on="id").select("value", "target")


def _same(values: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"value": values, "id": values})


def rule_lookups(context: ReadContext, frame: pl.DataFrame) -> tuple[pl.DataFrame, HookContext]:
    """Make the lookups that the mapping's rules ask for; return the frame with their columns, and what rules may know."""
    found: dict[str, pl.DataFrame] = {}
    for rule in context.shared.rules:
        for wanted in rule.lookups(context.hooks):
            if isinstance(wanted, CouplingLookup):
                frame = _join_counterparts(context, frame, wanted)
            else:
                rows = _rows(context, frame, wanted)
                found[wanted.name] = rows
                if wanted.column is not None:
                    frame = _join_rows(frame, wanted, rows)
    hooks = context.hooks
    return frame, HookContext(hooks.pass_, hooks.source, hooks.destination, hooks.settings, found)


def _join_counterparts(context: ReadContext, frame: pl.DataFrame, wanted: CouplingLookup) -> pl.DataFrame:
    column = lookup(wanted.name)
    mapping = context.shared.mappings.get(wanted.mapping)
    if mapping is None or mapping.local_guid is None or wanted.column not in frame.columns:
        return frame.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    ids = frame.get_column(wanted.column).drop_nulls().unique().to_list()
    with context.database.reading() as connection:
        couplings = by_record(connection, mapping, context.pass_.source, ids)
    pairs = couplings.select(
        pl.col(f"{context.pass_.source.value}_id").alias(wanted.column),
        pl.col(f"{context.pass_.destination.value}_id").alias(column),
    )
    return frame.join(pairs, on=wanted.column, how="left", maintain_order="left")


def _rows(context: ReadContext, frame: pl.DataFrame, wanted: TableLookup) -> pl.DataFrame:
    connector = context.shared.ends[wanted.side].connector
    if wanted.column is None or wanted.key is None:
        return connector.select(wanted.table, wanted.fields, wanted.condition)
    values = [value for value in frame.get_column(wanted.column).drop_nulls().unique().to_list() if value != ""]
    condition = Comparison(wanted.key, "in", tuple(values))
    fields: Sequence[str] = tuple(dict.fromkeys((wanted.key, *wanted.fields)))
    return (
        connector.select(wanted.table, fields, condition)
        if values
        else empty_batch(connector.describe(wanted.table), fields)
    )


def _join_rows(frame: pl.DataFrame, wanted: TableLookup, rows: pl.DataFrame) -> pl.DataFrame:
    if wanted.latest is not None:
        rows = rows.sort(wanted.latest, descending=True)
    first = rows.unique(wanted.key, keep="first", maintain_order=True)
    named = first.select(
        pl.col(str(wanted.key)).alias(str(wanted.column)),
        *(pl.col(name).alias(lookup(wanted.name, name)) for name in wanted.fields),
    )
    return frame.join(named, on=str(wanted.column), how="left", maintain_order="left")
