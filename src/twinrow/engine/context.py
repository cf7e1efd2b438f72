"""What a pass works with: the two ends, the mapping, its fields and rules, the store, and what a person asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import polars as pl
from sqlalchemy import Connection

from twinrow.batch.hooks import HookContext, Rule
from twinrow.connectors.base import Capabilities, Connector
from twinrow.engine.fields import FieldPlan, FieldPlans, Unavailable
from twinrow.model.filters import Filter, filled_filter, filter_fields, parse_filter, settings_as_variables
from twinrow.model.mapping import SchemaDrift
from twinrow.model.protocols import Clock
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Table
from twinrow.store.couplings import by_record
from twinrow.store.database import Database
from twinrow.store.leases import Lease
from twinrow.store.mappings import StoredMapping
from twinrow.store.pilots import Pilot
from twinrow.store.runs import JobRow, RunRow
from twinrow.store.undone import has_undone
from twinrow.store.watermarks import Watermark

_USUAL_ROWS = 5_000
"""Records that any destination is sent at once; a connector divides them as its system wants."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked of a run; stored with it, so that whoever takes it over does the same.

    `full` reads everything again; `create` also creates what is not coupled; `unconditional` writes also what is equal.
    `passes` limits the directions; `forced`: a person chose the direction, its source wins every field. `records` are the
    ids (of either side) that a person named: only these are synchronized, and watermarks stay as they are; `coupled` does so
    with the couplings from one number to another. `retry_only` tries what is pending or unresolved again, and reads no
    changes. `appending`: the records are options that other records name and that nothing is coupled to; they become codes,
    whichever way the mapping goes. `plan`: what the plan of that number says is carried out, and nothing else; the other
    options are those it was made with. `planning`: it is only decided what to do. `allow_duplicates`: records are made without
    a look at whether they are there already.
    `missing`: what a person wants done with the named records of which one side is gone, whatever the mapping says: `restore`
    makes it again from the other side, `delete` (in the one pass that is asked for) deletes the other side, too.
    """

    full: bool = False
    create: bool = False
    unconditional: bool = False
    forced: bool = False
    passes: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    coupled: tuple[int, int] | None = None
    retry_only: bool = False
    appending: bool = False
    plan: int | None = None
    planning: bool = False
    allow_duplicates: bool = False
    missing: Literal["", "restore", "delete"] = ""

    @property
    def careful(self) -> bool:
        """Whether every record with which something is done is read on both sides before: for a plan, and by it."""
        return self.planning or self.plan is not None

    @property
    def named(self) -> bool:
        """Whether a person named the records."""
        return bool(self.records)


@dataclass(frozen=True, slots=True)
class End:
    """One side of a mapping as it is now: the connector, the table, what the table can do."""

    connector: Connector
    table: Table
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine behaves; times are spans of the machine's own monotonic clock.

    `page_rows` is the most that is settled at once, `attempts` how often a record is decided again in a pass because its
    token no longer held or its answer was missing.
    """

    page_rows: int = 10_000
    attempts: int = 5
    heartbeat: timedelta = timedelta(seconds=10)
    delete_check_interval: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class MappingContext:
    """A mapping with the two systems as they are now: what looking at its records needs, whether a run is made or not."""

    database: Database
    clock: Clock
    mapping: StoredMapping
    ends: Mapping[Side, End]
    plans: FieldPlans
    rules: tuple[Rule, ...]
    settings: Mapping[str, Any]
    mappings: Mapping[str, StoredMapping]
    """All mappings of the connection by name, for references and lookups."""
    options: RunOptions
    engine: EngineSettings
    environments: Mapping[Side, str]
    """Which systems these are (`Identity.environment`)."""
    pilot: Pilot | None = field(default=None, kw_only=True)
    """Which records take part, where that is not all of them."""


@dataclass(frozen=True)
class RunContext(MappingContext):
    """What both passes of a run share."""

    run: RunRow
    lease: Lease
    own_versions: dict[Side, dict[str, str | None]] = field(default_factory=lambda: {side: {} for side in Side})
    """The versions of the records that carrying out a plan has written so far."""


@dataclass(frozen=True)
class ReadContext:
    """What looking at records in the direction of one pass needs."""

    shared: MappingContext
    pass_: Pass

    @property
    def mapping(self) -> StoredMapping:
        """The mapping."""
        return self.shared.mapping

    @property
    def options(self) -> RunOptions:
        """What was asked of the run."""
        return self.shared.options

    @property
    def database(self) -> Database:
        """The store's database."""
        return self.shared.database

    @property
    def plans(self) -> FieldPlans:
        """The mapping's fields."""
        return self.shared.plans

    @property
    def source(self) -> End:
        """The end that is read."""
        return self.shared.ends[self.pass_.source]

    @property
    def destination(self) -> End:
        """The end that is written."""
        return self.shared.ends[self.pass_.destination]

    @cached_property
    def quarantine(self) -> Unavailable | None:
        """The field because of whose drift nothing is written now, if there is one."""
        if self.mapping.mapping.schema_drift is not SchemaDrift.QUARANTINE:
            return None
        return next((one for one in self.plans.unavailable if one.drifted), None)

    @property
    def batch_rows(self) -> int:
        """The most records that are worked on at once: no more than the destination can well be sent, above the usual."""
        return min(self.shared.engine.page_rows, max(_USUAL_ROWS, self.destination.capabilities.batch_rows))

    @cached_property
    def hooks(self) -> HookContext:
        """What rules may know, without lookups."""
        return HookContext(self.pass_, self.source.table, self.destination.table, self.shared.settings)

    @cached_property
    def carried(self) -> tuple[FieldPlan, ...]:
        """The fields that the pass carries."""
        return self.plans.carried(self.pass_)

    @cached_property
    def condition(self) -> Filter | None:
        """The filter of the source side."""
        return parse_filter(self.mapping.mapping.filter(self.pass_.source), settings_as_variables(self.shared.settings))

    @cached_property
    def filter_text(self) -> str:
        """The filter of the source side as it is now: another value of a variable makes another filter."""
        return filled_filter(
            self.mapping.mapping.filter(self.pass_.source), settings_as_variables(self.shared.settings)
        )

    @cached_property
    def source_fields(self) -> tuple[str, ...]:
        """The fields that the pass reads from its source: mapped, filtered by, needed by rules and templates, mark and merger."""
        table = self.source.table
        wanted = list(self.plans.names(self.pass_.source))
        wanted += sorted(filter_fields(self.condition))
        mark = self.source.capabilities.mark_field
        merged = self.source.capabilities.merged_into
        wanted += [name for name in (mark, merged) if name is not None and name in table.fields]
        for rule in self.shared.rules:
            wanted += [name for name in rule.reads(self.pass_) if name in table.fields]
        for template in self.mapping.mapping.templates:
            if template.side is self.pass_.destination:
                wanted += sorted(
                    filter_fields(parse_filter(template.filter, settings_as_variables(self.shared.settings)))
                )
        return tuple(dict.fromkeys(wanted))

    @cached_property
    def destination_fields(self) -> tuple[str, ...]:
        """The fields that the pass reads from its destination: the mapped ones."""
        return self.plans.names(self.pass_.destination)

    @property
    def carries_deletes(self) -> bool:
        """Whether the pass carries over that source records were deleted."""
        return self.mapping.mapping.delete_propagation.includes(self.pass_)

    @property
    def deactivation(self) -> Mapping[str, Any]:
        """The destination's values that mark a record as given up; none: it is deleted."""
        return self.mapping.mapping.deactivation.values(self.pass_.destination) if self.carries_deletes else {}

    def coupling_numbers(self, connection: Connection, ids: Sequence[str]) -> list[int]:
        """Return the numbers of the couplings of source records."""
        found = by_record(connection, self.mapping, self.pass_.source, ids)
        return found.get_column("coupling_id").to_list()

    @property
    def can_create(self) -> bool:
        """Whether the pass may create records; one that carries no field makes none."""
        wanted = self.options.create or not self.mapping.mapping.only_coupled
        return wanted and self.destination.capabilities.can_create and bool(self.carried)

    @property
    def namespace(self) -> str:
        """What the ids of records that the pass makes are derived from, beside the source record and its generation."""
        source = self.shared.environments[self.pass_.source]
        return f"{source}|{self.mapping.name}|{self.pass_.destination.value}"

    @property
    def feed_shape(self) -> str:
        """A text that changes when the filter or the fields change, so that everything must be looked at again."""
        parts = [self.filter_text, *sorted(self.plans.identities)]
        if self.shared.pilot is not None:
            parts.append(self.shared.pilot.mark)
        return "\n".join(parts)

    def has_filter_of(self, watermark: Watermark) -> bool:
        """Whether the source's filter is the one with which it was read up to a watermark."""
        return watermark.shape.startswith(f"{self.filter_text}\n")

    @property
    def cursor_mark(self) -> str:
        """A short text that changes when a cursor of an earlier process no longer leads past what was looked at."""
        return blake2b(f"{self.feed_shape}|{self.can_create}".encode(), digest_size=6).hexdigest()

    @property
    def coupled_only_shape(self) -> str:
        """The shape of a watermark before which records were left alone because they were not coupled."""
        return f"{self.feed_shape}\nonly coupled"

    def still_valid(self, shape: str) -> bool:
        """Whether a watermark of this shape was set with the present filter and fields, so that changes suffice."""
        return shape == self.feed_shape or (shape == self.coupled_only_shape and not self.can_create)


@dataclass(frozen=True)
class PassContext(ReadContext):
    """What one pass of a run works with."""

    shared: RunContext
    job: JobRow
    shape: int
    """The number of the shape in which this run writes bases."""

    @cached_property
    def _expressions(self) -> dict[str, Sequence[pl.Expr]]:
        return {}

    def once(self, name: str, make: Callable[[], Sequence[pl.Expr]]) -> Sequence[pl.Expr]:
        """Return expressions that are the same for every batch of the pass: making them takes as long as a small batch."""
        if name not in self._expressions:
            self._expressions[name] = make()
        return self._expressions[name]

    @cached_property
    def keeps_undone(self) -> bool:
        """Whether any field of the mapping's records differs because a write was undone."""
        with self.database.reading() as connection:
            return has_undone(connection, self.mapping.id)
