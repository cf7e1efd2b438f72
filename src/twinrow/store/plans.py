"""Plans: what runs would do, decided and not yet carried out.

A plan has, for each mapping and pass, its counters and the records with which something would be done, batch by batch. A frame
of a batch has the columns of `PLAN_SCHEMA`, and for each field concerned, by its identity: `old:` and `new:` (what a write would
change), or `source:` and `destination:` (both values of a conflict); canonical texts, null where the field is not concerned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row, delete, insert, select, update

from twinrow.model.errors import UnknownName
from twinrow.model.outcomes import Counters
from twinrow.model.sides import Pass
from twinrow.store.frames import pack_frame, unpack_frame
from twinrow.store.tables import plan_batches, plan_passes, plans

OPEN, APPLIED, DISCARDED = "open", "applied", "discarded"

SOURCE = "source:"
DESTINATION = "destination:"

PLAN_SCHEMA: dict[str, pl.DataType] = {
    "source_id": pl.String(),
    "destination_id": pl.String(),
    "coupling_id": pl.Int64(),
    "source_version": pl.String(),
    "destination_version": pl.String(),
    "decision": pl.Int64(),
    "outcome": pl.String(),
    "write": pl.String(),
    "field": pl.String(),
    "message": pl.String(),
}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan. `mappings` are the numbers of its mappings in the order in which they are applied; times are the store's."""

    id: int
    connection_id: int
    state: str
    mappings: tuple[int, ...]
    options: Mapping[str, Any]
    who: str
    made_at: datetime
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlanPass:
    """What a pass of a plan comes to. `fields` counts the writes of each field by its identity; `shape` is the mapping's."""

    mapping_id: int
    pass_: Pass
    shape: str
    counters: Counters
    ignored_reasons: Mapping[str, int]
    fields: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PlanBatch:
    """Some records of a pass of a plan."""

    id: int
    mapping_id: int
    pass_: Pass
    records: int
    frame: pl.DataFrame


def start_plan(connection: Connection, connection_id: int, options: Mapping[str, Any], who: str, at: datetime) -> int:
    """Store the beginning of a plan; return its number. Nobody sees it before it is finished."""
    made = connection.execute(
        insert(plans).values(
            connection_id=connection_id, state="", mappings=[], options=dict(options), who=who, made_at=at
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101
    return int(made.inserted_primary_key[0])


def add_plan_batch(connection: Connection, plan_id: int, mapping_id: int, pass_: Pass, frame: pl.DataFrame) -> None:
    """Add records to a plan."""
    if frame.is_empty():
        return
    values = {"plan_id": plan_id, "mapping_id": mapping_id, "pass": pass_.value, "records": frame.height}
    connection.execute(insert(plan_batches).values({**values, "payload": pack_frame(frame)}))


def add_plan_pass(connection: Connection, plan_id: int, one: PlanPass) -> None:
    """Add what a pass comes to."""
    connection.execute(
        insert(plan_passes).values(
            {
                "plan_id": plan_id,
                "mapping_id": one.mapping_id,
                "pass": one.pass_.value,
                "shape": one.shape,
                "counters": one.counters.as_dict(),
                "ignored_reasons": dict(one.ignored_reasons),
                "fields": dict(one.fields),
            }
        )
    )


def finish_plan(connection: Connection, plan_id: int, mappings: Sequence[int]) -> None:
    """Store that a plan is complete."""
    connection.execute(update(plans).where(plans.c.id == plan_id).values(state=OPEN, mappings=list(mappings)))


def set_plan_state(connection: Connection, plan_id: int, state: str, at: datetime | None = None) -> None:
    """Store what has become of a plan; the records of one that is discarded are forgotten."""
    connection.execute(update(plans).where(plans.c.id == plan_id).values(state=state, applied_at=at))
    if state == DISCARDED:
        connection.execute(delete(plan_batches).where(plan_batches.c.plan_id == plan_id))


def drop_unfinished(connection: Connection, connection_id: int) -> None:
    """Forget plans whose making was broken off."""
    broken_off = select(plans.c.id).where(plans.c.connection_id == connection_id, plans.c.state == "")
    for table in (plan_batches, plan_passes):
        connection.execute(delete(table).where(table.c.plan_id.in_(broken_off)))
    connection.execute(delete(plans).where(plans.c.connection_id == connection_id, plans.c.state == ""))


def get_plan(connection: Connection, connection_id: int, plan_id: int) -> PlanRow:
    """Return a plan of a connection. Raises `UnknownName`."""
    known = {plan.id: plan for plan in list_plans(connection, connection_id)}
    if plan_id not in known:
        raise UnknownName("plan", str(plan_id), [str(number) for number in known])
    return known[plan_id]


def list_plans(connection: Connection, connection_id: int) -> list[PlanRow]:
    """Return the plans of a connection, newest first."""
    wanted = (plans.c.connection_id == connection_id) & (plans.c.state != "")
    return [_plan(row) for row in connection.execute(select(plans).where(wanted).order_by(plans.c.id.desc()))]


def passes_of_plan(connection: Connection, plan_id: int) -> list[PlanPass]:
    """Return what the passes of a plan come to."""
    found = connection.execute(select(plan_passes).where(plan_passes.c.plan_id == plan_id))
    return [
        PlanPass(
            row.mapping_id,
            Pass(row._mapping["pass"]),
            row.shape,
            Counters(**row.counters),
            row.ignored_reasons,
            row.fields,
        )
        for row in found
    ]


def plan_batch_sizes(connection: Connection, plan_id: int) -> list[tuple[int, int, Pass, int]]:
    """Return number, mapping, pass and size of the batches of a plan, in order."""
    columns = [plan_batches.c[name] for name in ("id", "mapping_id", "pass", "records")]
    found = connection.execute(select(*columns).where(plan_batches.c.plan_id == plan_id).order_by(plan_batches.c.id))
    return [(id, mapping_id, Pass(pass_), records) for id, mapping_id, pass_, records in found]


def read_plan_batch(connection: Connection, number: int) -> PlanBatch:
    """Return a batch of a plan."""
    row = connection.execute(select(plan_batches).where(plan_batches.c.id == number)).one()
    return PlanBatch(row.id, row.mapping_id, Pass(row._mapping["pass"]), row.records, unpack_frame(row.payload))


def _plan(row: Row[Any]) -> PlanRow:
    values = dict(row._mapping)
    return PlanRow(mappings=tuple(values.pop("mappings")), **values)
