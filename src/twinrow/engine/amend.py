"""Amend: writes that a person asked for, besides what passes carry: undo, and settled conflicts.

An amendment works on one mapping under its lease, as a run of its own with a job for each side that it writes. It goes the
same careful way as a pass: an intent is stored before anything is sent, writes carry the version that was just read, the
journal tells them, and what was left of a broken-off amendment is cleared up before anything else is done with its records
(`clear_up`). `engine.rewriting` writes fields, `engine.remaking` takes away and makes again whole records.

Words: an amendment writes the *destination* of a pass, as the pass does; the *source* is the other side. Frames of records
have `coupling_id`, `source_id` and `destination_id`, as the journal has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import ERROR, ERROR_FIELD, STATUS, Status, WriteKind, WriteRequest
from twinrow.engine import columns as c
from twinrow.engine.carry import destination_texts
from twinrow.engine.context import PassContext, ReadContext, RunContext
from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.model.errors import ConfigurationError, RetryError
from twinrow.model.mapping import FieldMapping
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Field
from twinrow.store.intents import AMENDING, Intent, open_intents, remove_intents, save_intent
from twinrow.store.journal import UNMAPPED
from twinrow.store.leases import check_fence
from twinrow.store.restraints import check_stop

RECORD = {"coupling_id": pl.Int64(), "source_id": pl.String(), "destination_id": pl.String()}
"""The columns that name a record of an amendment."""

THERE = "@there"
SOURCE_THERE = "@source_there"
BEFORE = "before:"
"""Prefix, in intents, of the destination's values before the amendment, by identity."""

REWRITE, REMOVE, REMAKE = (AMENDING + kind.value for kind in (WriteKind.UPDATE, WriteKind.DELETE, WriteKind.CREATE))
"""The kinds of an amendment's intents."""


Context = TypeVar("Context", bound=ReadContext)


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person asked for; stored as the options of the amendment's run.

    `amendment` is the type of its jobs, `asked` a few words for people. `keeps`: what is written shall stay although the other
    side differs (an undo); otherwise the next run carries it over.
    """

    amendment: str
    asked: str
    who: str
    keeps: bool = False


@dataclass(frozen=True)
class Amendment:
    """What writing one side of a mapping's records on a person's behalf works with; `run_id`: the run that it belongs to."""

    context: PassContext
    asked: Asked
    run_id: int

    @property
    def shared(self) -> RunContext:
        """The mapping, its lease, the store."""
        return self.context.shared

    @property
    def plans(self) -> tuple[FieldPlan, ...]:
        """The mapping's fields that the written side has."""
        return tuple(plan for plan in self.context.plans.plans if plan.has_field(self.side))

    @property
    def side(self) -> Side:
        """The side that is written."""
        return self.context.pass_.destination


@dataclass(frozen=True)
class Amendments:
    """What a person asked for, under way: `writing` gives what writes the destination of a pass, with a job of its own."""

    shared: RunContext
    run_id: int
    writing: Callable[[Pass], Amendment]


def with_unmapped(context: Context, names: Sequence[str]) -> Context:
    """Return the context with further fields of the destination, as if they were mapped; their identities say so."""
    side, table = context.pass_.destination, context.destination.table
    plans = list(context.plans.plans)
    known = {plan.identity for plan in plans}
    for name in names:
        if name in table.fields and UNMAPPED + name not in known:
            plans.append(_unmapped(len(plans), name, table.field(name), side))
    if len(plans) == len(context.plans.plans):
        return context
    extended = FieldPlans(tuple(plans), context.plans.unavailable)
    return replace(context, shared=replace(context.shared, plans=extended))


def _unmapped(index: int, name: str, field: Field, side: Side) -> FieldPlan:
    local = side is Side.LOCAL
    return FieldPlan(
        index=index,
        identity=UNMAPPED + name,
        key=name,
        caption=name,
        direction=Direction(pass_to(side).value),
        local=field if local else None,
        integration=None if local else field,
        mapping=FieldMapping.model_construct(local=name if local else None, integration=None if local else name),
        source=field,
    )


def look(
    context: ReadContext, wanted: pl.DataFrame, unmapped: Sequence[str] = (), assumed: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Read both records of the rows (`RECORD`): `found.i`, `source.i`, `@token`, `@there`, `@source_there`.

    `unmapped` are further fields of the destination, as `found:<name>`. `assumed` (`destination_id`, `found.i`) holds values
    that a plan supposes to have been written by now.
    """
    end, side = context.destination, context.pass_.destination
    names = tuple(dict.fromkeys((*context.destination_fields, *unmapped)))
    rows = end.connector.fetch(end.table.name, names, wanted.get_column("destination_id").drop_nulls().to_list())
    token = pl.col(VERSION) if end.capabilities.version_checks else pl.lit(None, dtype=pl.String)
    found = rows.select(
        pl.col(ID).alias("destination_id"),
        token.alias(c.TOKEN),
        pl.lit(True).alias(THERE),
        *destination_texts(end.table, context.plans, context.hooks),
        *(canonical(pl.col(name), end.table.field(name)).alias(f"found:{name}") for name in unmapped),
    )
    source = context.source
    ids = wanted.get_column("source_id").drop_nulls().to_list()
    others = source.connector.fetch(source.table.name, context.plans.names(side.other), ids).select(
        pl.col(ID).alias("source_id"),
        pl.lit(True).alias(SOURCE_THERE),
        *(
            canonical(pl.col(plan.field(side.other).name), plan.field(side.other)).alias(c.source(plan.index))
            if plan.has_field(side.other)
            else pl.lit(None, dtype=pl.String).alias(c.source(plan.index))
            for plan in context.plans.plans
        ),
    )
    fresh = wanted.select(
        name for name in wanted.columns if name not in {*found.columns, *others.columns} - set(RECORD)
    )
    joined = fresh.join(found, on="destination_id", how="left", maintain_order="left")
    joined = joined.join(others, on="source_id", how="left", maintain_order="left")
    if assumed is not None:
        names_then = [name for name in assumed.columns if name != "destination_id"]
        then = assumed.rename({name: f"then.{name}" for name in names_then})
        joined = joined.join(then, on="destination_id", how="left", maintain_order="left").with_columns(
            pl.coalesce(f"then.{name}", name).alias(name) for name in names_then
        )
    return joined.with_columns(pl.col(THERE).fill_null(False), pl.col(SOURCE_THERE).fill_null(False))


def send(amendment: Amendment, kind: str, request: WriteRequest, rows: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """Store the intent (`rows`, with `RECORD`) and send the request; return the intent's number and the results.

    Raises what a connector raises when it could do nothing at all; no intent stays then.
    """
    shared, destination = amendment.shared, amendment.context.destination
    deadline = destination.connector.now() + destination.connector.request_lifetime
    with shared.database.transaction() as connection:
        if check_fence(connection, shared.lease):
            check_stop(connection)
        number = save_intent(connection, shared.lease, amendment.run_id, amendment.context.pass_, kind, deadline, rows)
    try:
        results = destination.connector.write(request)
    except (RetryError, ConfigurationError):
        with shared.database.transaction() as connection:
            check_fence(connection, shared.lease)
            remove_intents(connection, [number])
        raise
    return number, results


def answers(results: pl.DataFrame) -> list[pl.Series]:
    """Return the columns of a result that an amendment looks at: `@status`, `@written_version`, `@error`, `@error_field`."""
    named = {
        "@status": STATUS,
        "@written_id": ID,
        "@written_version": VERSION,
        "@error": ERROR,
        "@error_field": ERROR_FIELD,
    }
    return [results.get_column(column).alias(name) for name, column in named.items()]


def was(status: Status) -> pl.Expr:
    """Return where a write was answered so."""
    return (pl.col("@status") == status.value).fill_null(False)


def broken_intents(shared: RunContext) -> list[Intent]:
    """Return the intents of amendments that are not settled, oldest first."""
    with shared.database.reading() as connection:
        return [intent for intent in open_intents(connection, shared.mapping.id) if intent.amends]


def unsettled_ids(shared: RunContext) -> dict[Side, set[str]]:
    """Return the records of both sides of which it is not known what became of what was sent for them."""
    held: dict[Side, set[str]] = {side: set() for side in Side}
    with shared.database.reading() as connection:
        for intent in open_intents(connection, shared.mapping.id):
            for name, side in (("source_id", intent.pass_.source), ("destination_id", intent.pass_.destination)):
                held[side] |= set(intent.frame.get_column(name).drop_nulls().to_list())
    return held


def pass_to(side: Side) -> Pass:
    """Return the pass that writes a side."""
    return Pass.TO if side is Side.INTEGRATION else Pass.FROM
