"""Plans: what a synchronization would do, looked at before it is done, and carried out as it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.results import Round
from twinrow.actions.synchronization import Progress, asked_options, names_in_order, reporting, round_result
from twinrow.actions.wording import Wording
from twinrow.engine.context import PassContext, RunOptions
from twinrow.engine.rounds import run_round
from twinrow.model.errors import ConfigurationError
from twinrow.model.outcomes import Counters, Decision
from twinrow.model.sides import Pass, Side
from twinrow.store.journal import NEW, OLD
from twinrow.store.mappings import StoredMapping
from twinrow.store.plans import (
    APPLIED,
    DESTINATION,
    DISCARDED,
    OPEN,
    SOURCE,
    PlanPass,
    PlanRow,
    add_plan_batch,
    add_plan_pass,
    drop_unfinished,
    finish_plan,
    get_plan,
    passes_of_plan,
    plan_batch_sizes,
    read_plan_batch,
    set_plan_state,
    start_plan,
)
from twinrow.store.plans import list_plans as stored_plans

KINDS = ("create", "update", "delete", "uncouple", "couple", "conflict", "fail")
"""What a plan does with a record; a conflict may come with an update of the other fields."""


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """What a plan does in one direction of a mapping. `fields` counts the writes of each field, by its name."""

    mapping: str
    direction: str
    counters: Counters
    ignored_reasons: Mapping[str, int]
    fields: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: its state (open, applied, discarded), what was asked for, and what each pass comes to."""

    id: int
    state: str
    options: Mapping[str, Any]
    who: str
    made_at: datetime
    applied_at: datetime | None
    passes: tuple[PlannedPass, ...]

    @property
    def counters(self) -> Counters:
        """The counters of all passes."""
        return sum((one.counters for one in self.passes), start=Counters())


@dataclass(frozen=True, slots=True)
class PlannedField:
    """A field of a record of a plan. Of a conflict, `old` is the destination's value and `new` the source's."""

    key: str
    name: str
    caption: str
    old: Any
    new: Any
    conflict: bool


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """What a plan does with a record. `label` is what people call it; `message` says why it would fail."""

    mapping: str
    direction: str
    kind: str
    decision: Decision
    records: Mapping[Side, str | None]
    label: str
    field: str | None
    message: str | None
    fields: tuple[PlannedField, ...]


def make_plan(
    context: ActionContext,
    mappings: Sequence[str] = (),
    *,
    full: bool = False,
    create: bool = False,
    unconditional: bool = False,
    direction: str | None = None,
    records: Sequence[str] = (),
    progress: Progress | None = None,
    started: Callable[[str], None] | None = None,
) -> Plan:
    """Decide what synchronizing mappings would do, and keep it as a plan; neither system is written to.

    Options are those of `synchronize`. Each mapping is looked at as both systems are now: what an earlier one would make is not
    there yet. Raises as `synchronize` does, and nothing is kept then.
    """
    names = names_in_order(context, mappings)
    if records and len(names) != 1:
        raise ConfigurationError("Records are named of one mapping only", remedy="Name the mapping they belong to.")
    options = asked_options(full, create, unconditional, direction, records)
    pair, now = context.pair(), context.clock.now()
    with context.database.transaction() as connection:
        drop_unfinished(connection, pair.id)
        number = start_plan(connection, pair.id, msgspec.to_builtins(options), context.who, now)
    engine, report = context.engine(), reporting(progress)
    known = {stored.name: stored for stored in context.mappings()}
    for name in names:
        if started is not None:
            started(name)
        collected = _Collected(context, number, report)
        engine.plan(name, options, collected)
        collected.finish()
    with context.database.transaction() as connection:
        finish_plan(connection, number, [known[name].id for name in names])
    return show_plan(context, number)


class _Collected:
    """Stores what the passes of a mapping come to, as it is decided."""

    def __init__(
        self, context: ActionContext, number: int, report: Callable[[PassContext, Counters], None] | None
    ) -> None:
        self._context = context
        self._number = number
        self._report = report
        self._passes: dict[Pass, PlanPass] = {}

    def __call__(
        self, context: PassContext, rows: pl.DataFrame | None, counters: Counters, reasons: Mapping[str, int]
    ) -> None:
        if rows is not None:
            with self._context.database.transaction() as connection:
                add_plan_batch(connection, self._number, context.mapping.id, context.pass_, rows)
        before = self._passes.get(context.pass_)
        self._passes[context.pass_] = PlanPass(
            context.mapping.id,
            context.pass_,
            context.feed_shape,
            counters + (before.counters if before else Counters()),
            _added(reasons, before.ignored_reasons if before else {}),
            _added(_written_fields(rows), before.fields if before else {}),
        )
        if self._report is not None:
            self._report(context, counters)

    def finish(self) -> None:
        """Store the counters."""
        with self._context.database.transaction() as connection:
            for one in self._passes.values():
                add_plan_pass(connection, self._number, one)


def _added(some: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    return {name: some.get(name, 0) + others.get(name, 0) for name in (*others, *some)}


def _written_fields(rows: pl.DataFrame | None) -> dict[str, int]:
    if rows is None:
        return {}
    updates = rows.filter(pl.col("write") == "update")
    counts = updates.select(pl.col(f"^{NEW}.*$").count()).rows(named=True)
    return {name.removeprefix(NEW): count for name, count in counts[0].items() if count} if counts else {}


def list_plans(context: ActionContext) -> list[Plan]:
    """Return the plans of the connection, newest first."""
    with context.database.reading() as connection:
        found = stored_plans(connection, context.pair().id)
    return [_plan(context, row) for row in found]


def show_plan(context: ActionContext, number: int) -> Plan:
    """Return a plan. Raises `UnknownName`."""
    with context.database.reading() as connection:
        row = get_plan(connection, context.pair().id, number)
    return _plan(context, row)


def _plan(context: ActionContext, row: PlanRow) -> Plan:
    wording = Wording(context)
    with context.database.reading() as connection:
        passes = passes_of_plan(connection, row.id)
    order = {id: place for place, id in enumerate(row.mappings)}
    passes = [one for one in passes if one.mapping_id in wording.mappings]
    passes.sort(key=lambda one: (order.get(one.mapping_id, len(order)), list(Pass).index(one.pass_)))
    told = tuple(
        PlannedPass(
            wording.mappings[one.mapping_id].name,
            one.pass_.value,
            one.counters,
            one.ignored_reasons,
            {
                wording.field(one.mapping_id, identity, one.pass_.destination).name: count
                for identity, count in one.fields.items()
            },
        )
        for one in passes
    )
    return Plan(row.id, row.state, row.options, row.who, row.made_at, row.applied_at, told)


def planned_records(
    context: ActionContext,
    number: int,
    *,
    mapping: str | None = None,
    kind: str | None = None,
    start: int = 0,
    limit: int | None = None,
) -> Iterator[PlannedRecord]:
    """Yield the records of a plan, in the order in which they are written: those behind the first `start`, `limit` at the most.

    `mapping` and `kind` (one of `KINDS`) choose. Raises `UnknownName` and `ConfigurationError`.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigurationError(f"There is no kind {kind!r} of planned records", remedy=f"Known: {', '.join(KINDS)}.")
    show_plan(context, number)
    wanted = context.mapping(mapping).id if mapping is not None else None
    wording = Wording(context)
    with context.database.reading() as connection:
        sizes = plan_batch_sizes(connection, number)
    left = limit
    for batch, mapping_id, pass_, size in sizes:
        if mapping_id not in wording.mappings or wanted not in (None, mapping_id):
            continue
        if kind is None and start >= size:
            start -= size
            continue
        with context.database.reading() as connection:
            frame = read_plan_batch(connection, batch).frame
        frame = frame.with_columns(_kind().alias("@kind"))
        if kind is not None:
            frame = frame.filter(pl.col("@kind") == kind)
        chosen = frame.slice(start, left)
        start = max(0, start - frame.height)
        yield from _records(wording, wording.mappings[mapping_id], pass_, chosen)
        if left is not None:
            left -= chosen.height
            if left == 0:
                return


def _kind() -> pl.Expr:
    outcome, write = pl.col("outcome"), pl.col("write")
    return (
        pl.when(pl.col("decision") == int(Decision.CONFLICT))
        .then(pl.lit("conflict"))
        .when(outcome == "failed")
        .then(pl.lit("fail"))
        .when(outcome == "deleted")
        .then(pl.lit("delete"))
        .when(outcome == "uncoupled")
        .then(pl.lit("uncouple"))
        .when(write.is_in(["create", "restore"]))
        .then(pl.lit("create"))
        .when(write.is_not_null())
        .then(pl.lit("update"))
        .otherwise(pl.lit("couple"))
    )


def _records(wording: Wording, mapping: StoredMapping, pass_: Pass, frame: pl.DataFrame) -> Iterator[PlannedRecord]:
    identities = dict.fromkeys(
        name.removeprefix(prefix)
        for name in frame.columns
        for prefix in (OLD, NEW, SOURCE, DESTINATION)
        if name.startswith(prefix)
    )
    fields = {identity: wording.field(mapping.id, identity, pass_.destination) for identity in identities}
    here = {identity: wording.field(mapping.id, identity, pass_.source) for identity in identities}
    labels = wording.labels(mapping.id, pass_.source, frame.get_column("source_id").drop_nulls().to_list())
    gone = [id for id in frame.get_column("destination_id").to_list() if id is not None]
    others = wording.labels(mapping.id, pass_.destination, gone)
    for row in frame.iter_rows(named=True):
        told = []
        for identity, field in fields.items():
            old, new = row.get(OLD + identity), row.get(NEW + identity)
            source, destination = row.get(SOURCE + identity), row.get(DESTINATION + identity)
            clash = source is not None
            if old is None and new is None and not clash:
                continue
            before = field.value(destination if clash else old)
            after = here[identity].value(source) if clash else field.value(new)
            told.append(PlannedField(field.key, field.name, field.caption, before, after, clash))
        yield PlannedRecord(
            mapping.name,
            pass_.value,
            row["@kind"],
            Decision(row["decision"]),
            {pass_.source: row["source_id"], pass_.destination: row["destination_id"]},
            labels.get(row["source_id"]) or others.get(row["destination_id"] or "", ""),
            row["field"],
            row["message"],
            tuple(told),
        )


def apply_plan(
    context: ActionContext,
    number: int,
    *,
    progress: Progress | None = None,
    started: Callable[[str], None] | None = None,
) -> Round:
    """Carry a plan out: exactly what it shows, and nothing with records that have moved since; these are told as failed.

    Deletions and uncouplings of the plan are thereby allowed, however many they are. A plan whose applying was broken off may be
    applied again: it goes on where it stood. Raises `UnknownName`, and `ConfigurationError` for a plan that is not open, or
    whose mappings have changed.
    """
    with context.database.reading() as connection:
        row = get_plan(connection, context.pair().id, number)
        shapes = {(one.mapping_id, one.pass_): one.shape for one in passes_of_plan(connection, number)}
    if row.state != OPEN:
        raise ConfigurationError(f"Plan {number} is {row.state}", remedy="Make a new one: `twinrow sync --plan`.")
    by_id = {stored.id: stored for stored in context.mappings()}
    engine = context.engine()
    for id in row.mappings:
        if id not in by_id or any(
            shapes.get((id, pass_), shape) != shape for pass_, shape in engine.feed_shapes(by_id[id].name).items()
        ):
            name = by_id[id].name if id in by_id else f"number {id}"
            raise ConfigurationError(
                f"The mapping {name} has changed since plan {number} was made",
                remedy=f"Discard it (`twinrow plan discard {number}`) and make a new one.",
            )
    asked = msgspec.convert(dict(row.options), RunOptions)
    options = msgspec.structs.replace(asked, plan=number)
    names = [by_id[id].name for id in row.mappings]
    outcome = run_round(engine, names, options, reporting(progress), started)
    done = round_result(context, outcome)
    if all(run.state == "finished" for run in done.runs):
        with context.database.transaction() as connection:
            set_plan_state(connection, number, APPLIED, context.clock.now())
    return done


def discard_plan(context: ActionContext, number: int) -> None:
    """Forget the records of a plan that is not wanted. Raises `UnknownName`."""
    with context.database.transaction() as connection:
        get_plan(connection, context.pair().id, number)
        set_plan_state(connection, number, DISCARDED)
