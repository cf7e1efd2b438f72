"""Remaking: whole records are taken away again, or made again, because a person undoes what made or deleted them.

A record is only taken away where nobody has changed it since: its version is the one that our last write left, and every value
that is known of it is still there. What is made again has a new id. Neither is carried on by the next run: the record that is
left on the other side, or the new one, is set aside (`store.pending`) until a person has it retried.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.canonical import NULL, restore
from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import MARK, CreateKeys, Status, WriteKind, WriteRequest, sent
from twinrow.engine import columns as c
from twinrow.engine.amend import (
    BEFORE,
    RECORD,
    REMAKE,
    REMOVE,
    SOURCE_THERE,
    THERE,
    Amendment,
    answers,
    look,
    send,
    was,
)
from twinrow.engine.context import ReadContext
from twinrow.engine.decide import CREATE
from twinrow.engine.fields import FieldPlan
from twinrow.engine.identity import derive_ids
from twinrow.engine.recover import Recovery
from twinrow.engine.rewriting import CAME, DONE, FAILED, GONE, UNANSWERED, expected, value
from twinrow.engine.write import INTENT_SENT, INTENT_SOURCE
from twinrow.model.outcomes import Decision
from twinrow.model.outcomes import Recovery as WhoActs
from twinrow.model.sides import Pass
from twinrow.store.bases import base_column, insert_bases
from twinrow.store.couplings import by_number, by_record, insert_couplings, remove_couplings
from twinrow.store.intents import Intent, keep_in_intent
from twinrow.store.journal import CREATE as MADE
from twinrow.store.journal import DELETE, NEW, OLD, UNMAPPED, add_entry, newest_versions
from twinrow.store.leases import check_fence
from twinrow.store.pending import PENDING_SCHEMA, clear_pending, save_pending
from twinrow.store.tables import microseconds
from twinrow.store.undone import save_undone

TAKEN_BACK = "its counterpart was taken away again by an undo"
MADE_AGAIN = "it was made again by an undo"
MADE_BEFORE = "an earlier undo has made it again already"
LEFT = "version"
"""The version that the write which is undone has left."""

REASON = "@reason"
"""Why a record is left as it is; null: it is not."""


def unmapped_value(name: str) -> str:
    """Canonical text of a field that is not mapped."""
    return f"value:{name}"


def unmapped_expected(name: str) -> str:
    """Canonical text of what a field that is not mapped must have."""
    return f"expected:{name}"


# Taking away.


def judge_removal(context: ReadContext, wanted: pl.DataFrame, assumed: pl.DataFrame | None = None) -> pl.DataFrame:
    """Read the records and add `@reason`: why a record is not taken away. The frame has `expected.i`, and `version`."""
    names = [name.removeprefix("expected:") for name in wanted.columns if name.startswith("expected:")]
    frame = look(context, wanted, names, assumed)
    side = context.pass_.destination
    plans = [plan for plan in context.plans.plans if plan.has_field(side) and expected(plan.index) in frame.columns]
    moved = [(plan.field(side).name, pl.col(c.found(plan.index)) != pl.col(expected(plan.index))) for plan in plans]
    moved += [(name, pl.col(f"found:{name}") != pl.col(unmapped_expected(name))) for name in names]
    first = pl.coalesce(
        [
            pl.when(there.fill_null(False)).then(pl.lit(f"{name} has been changed since it was made"))
            for name, there in moved
        ]
        + [pl.lit(None, dtype=pl.String)]
    )
    frame = frame.with_columns(first.alias("@moved"))
    other = (pl.col(THERE) & pl.col("@moved").is_null() & (pl.col(c.TOKEN) != pl.col(LEFT))).fill_null(False)
    touched = _touched(context, frame.filter(other))
    elsewhere = _coupled_elsewhere(context, frame)
    cannot = pl.lit(None if context.destination.capabilities.can_delete else "records of the table cannot be deleted")
    return frame.with_columns(
        pl.when(~pl.col(THERE))
        .then(pl.lit("it is gone already"))
        .when(pl.col("@moved").is_not_null())
        .then(pl.col("@moved"))
        .when(pl.col("destination_id").is_in(touched))
        .then(pl.lit("it has been changed since it was made"))
        .when(pl.col("destination_id").is_in(elsewhere))
        .then(pl.lit("it is coupled by another mapping"))
        .otherwise(cannot.cast(pl.String))
        .alias(REASON)
    ).drop("@moved")


def _touched(context: ReadContext, frame: pl.DataFrame) -> list[str]:
    """Return those records with another version than they were made with whose version is not that of our last write."""
    if frame.is_empty():
        return []
    numbers = frame.get_column("coupling_id").drop_nulls().to_list()
    with context.shared.database.reading() as connection:
        known = newest_versions(connection, context.mapping.id, context.pass_, numbers)
    ours = frame.join(known, on="coupling_id", how="left", maintain_order="left")
    # Where our last write left no version that is known, the values alone must do.
    return ours.filter((pl.col("newest") != pl.col(c.TOKEN)).fill_null(False)).get_column("destination_id").to_list()


def _coupled_elsewhere(context: ReadContext, frame: pl.DataFrame) -> list[str]:
    side, found = context.pass_.destination, []
    ids = frame.get_column("destination_id").to_list()
    for other in context.shared.mappings.values():
        same_table = other.mapping.table(side) == context.mapping.mapping.table(side)
        if other.id != context.mapping.id and other.local_guid is not None and same_table:
            with context.shared.database.reading() as connection:
                coupled = by_record(connection, other, side, ids)
            found += coupled.get_column(f"{side.value}_id").to_list()
    return found


def remove(amendment: Amendment, wanted: pl.DataFrame) -> pl.DataFrame:
    """Take records away; return the rows with `@came`, `@reason` and `@error`."""
    context = amendment.context
    frame = judge_removal(context, wanted)
    kept = frame.filter(pl.col(REASON).is_not_null()).with_columns(
        pl.when(THERE).then(pl.lit(FAILED)).otherwise(pl.lit(GONE)).alias(CAME)
    )
    frame = frame.filter(pl.col(REASON).is_null())
    if frame.is_empty():
        return kept
    outgoing = frame.select(
        pl.col("destination_id").alias(ID), pl.col(c.TOKEN).alias(VERSION), pl.lit(None, dtype=pl.String).alias(MARK)
    )
    request = WriteRequest(context.destination.table.name, WriteKind.DELETE, outgoing, returning=())
    rows = frame.select(
        *RECORD,
        pl.lit(None, dtype=pl.String).alias("mark"),
        pl.col(c.TOKEN).alias("token"),
        pl.lit("amend").alias("write"),
        SOURCE_THERE,
        *_before(amendment.plans, frame),
    )
    number, results = send(amendment, REMOVE, request, rows)
    frame = frame.with_columns(answers(results))
    gone = was(Status.WRITTEN) | was(Status.MISSING)
    with amendment.shared.database.transaction() as connection:
        check_fence(connection, amendment.shared.lease)
        settle_removed(connection, amendment, rows.filter(frame.select(gone).to_series()))
        lost = frame.select(was(Status.INDETERMINATE)).to_series()
        keep_in_intent(connection, number, rows.filter(lost))
    came = (
        pl.when(gone)
        .then(pl.lit(DONE))
        .when(was(Status.INDETERMINATE))
        .then(pl.lit(UNANSWERED))
        .otherwise(pl.lit(FAILED))
    )
    stale = pl.when(was(Status.STALE)).then(pl.lit("it has been changed since it was made"))
    frame = frame.with_columns(came.alias(CAME), stale.alias(REASON))
    return pl.concat([kept, frame], how="diagonal")


def _before(plans: Sequence[FieldPlan], frame: pl.DataFrame) -> list[pl.Expr]:
    unmapped = [name for name in frame.columns if name.startswith("found:")]
    return [
        *(pl.col(c.found(plan.index)).alias(BEFORE + plan.identity) for plan in plans),
        *(pl.col(name).alias(BEFORE + UNMAPPED + name.removeprefix("found:")) for name in unmapped),
    ]


def settle_removed(connection: Connection, amendment: Amendment, rows: pl.DataFrame) -> None:
    """Store that records were taken away (rows of the intent): the journal, no coupling, and their source set aside."""
    if rows.is_empty():
        return
    context, now = amendment.context, amendment.shared.clock.now()
    identities = [name.removeprefix(BEFORE) for name in rows.columns if name.startswith(BEFORE)]
    entry = rows.select(
        *RECORD,
        pl.lit(int(Decision.FORCED), dtype=pl.Int64).alias("decision"),
        pl.lit(None, dtype=pl.String).alias("version"),
        *(pl.col(BEFORE + identity).alias(OLD + identity) for identity in identities),
        *(pl.lit(None, dtype=pl.String).alias(NEW + identity) for identity in identities),
    )
    add_entry(connection, context.mapping.id, amendment.run_id, context.pass_, DELETE, now, entry)
    numbers = rows.get_column("coupling_id").drop_nulls().to_list()
    remove_couplings(connection, context.mapping, by_number(connection, context.mapping, numbers))
    clear_pending(connection, context.mapping, context.pass_.opposite, rows.get_column("destination_id").to_list())
    left = rows.filter(SOURCE_THERE).get_column("source_id").to_list()
    _set_aside(connection, amendment, context.pass_, left, TAKEN_BACK, now)


def _set_aside(
    connection: Connection, amendment: Amendment, pass_: Pass, ids: Sequence[str], message: str, now: datetime
) -> None:
    """Keep the next runs from carrying records over, until a person has them retried."""
    mapping = amendment.context.mapping
    if not ids or pass_ not in mapping.mapping.direction.passes:
        return
    values = {
        "decision": int(Decision.SET_ASIDE),
        "recovery": WhoActs.DATA.value,
        "message": message,
        "remedy": "To have it carried over after all: twinrow pending retry, then twinrow sync.",
        "failures": 0,
        "skipped": True,
        "since": now,
        "at": now,
    }
    rows = [dict.fromkeys(PENDING_SCHEMA) | values | {ID: id} for id in dict.fromkeys(ids)]
    save_pending(connection, mapping, pass_, pl.DataFrame(rows, schema=PENDING_SCHEMA))


def clear_up_removal(amendment: Amendment, intent: Intent) -> set[str]:
    """Find out what became of deletions without an answer; return the records that must be left alone still."""
    context = amendment.context
    there = look(context, intent.frame.select(*RECORD, "token"))
    moved_on = (pl.col("token").is_not_null() & (pl.col(c.TOKEN) != pl.col("token"))).fill_null(False)
    may_arrive = pl.col(THERE) & ~moved_on & (context.destination.connector.now() < intent.deadline)
    waiting = there.filter(may_arrive).get_column("destination_id").to_list()
    gone = there.filter(~pl.col(THERE)).get_column("destination_id")
    with amendment.shared.database.transaction() as connection:
        check_fence(connection, amendment.shared.lease)
        settle_removed(connection, amendment, intent.frame.filter(pl.col("destination_id").is_in(gone.implode())))
        keep_in_intent(connection, intent.id, intent.frame.filter(pl.col("destination_id").is_in(waiting)))
    return set(waiting)


# Making again.


def judge_remake(context: ReadContext, wanted: pl.DataFrame) -> pl.DataFrame:
    """Read the records and add `@reason`: why a record is not made again."""
    frame = look(context, wanted)
    cannot = pl.lit(None if context.destination.capabilities.can_create else "the table takes no new records")
    there = pl.when(THERE).then(pl.lit("it is there again"))
    return frame.with_columns(pl.coalesce(there, cannot.cast(pl.String)).alias(REASON))


def remake(amendment: Amendment, wanted: pl.DataFrame) -> pl.DataFrame:
    """Make records again under new ids; return the rows with `@came`, `@reason`, `@error` and `@written_id`."""
    context = amendment.context
    frame = judge_remake(context, wanted)
    kept = frame.filter(pl.col(REASON).is_not_null()).with_columns(pl.lit(FAILED).alias(CAME))
    frame = frame.filter(pl.col(REASON).is_null())
    if frame.is_empty():
        return kept
    frame = _with_new_ids(amendment, frame)
    again = pl.col("@new_id").is_in(_there(context, frame).implode()).fill_null(False)
    kept = pl.concat(
        [kept, frame.filter(again).with_columns(pl.lit(FAILED).alias(CAME), pl.lit(MADE_BEFORE).alias(REASON))],
        how="diagonal",
    )
    frame = frame.filter(~again)
    if frame.is_empty():
        return kept
    columns, plans = _outgoing(amendment, frame)
    names = [name for name in columns if name not in (ID, VERSION, MARK) and not name.startswith("?")]
    request = WriteRequest(
        context.destination.table.name,
        WriteKind.CREATE,
        frame.select(expression.alias(name) for name, expression in columns.items()),
        tuple(names),
        returning=context.destination_fields,
    )
    rows = frame.select(
        "coupling_id",
        "source_id",
        pl.col("@new_id").alias("destination_id"),
        pl.col("@mark").alias("mark"),
        pl.lit(None, dtype=pl.String).alias("token"),
        pl.lit(CREATE).alias("write"),
        *(pl.col(c.source(plan.index)).alias(INTENT_SOURCE + plan.identity) for plan in plans),
        *(pl.col(value(plan.index)).alias(INTENT_SENT + plan.identity) for plan in plans),
    )
    number, results = send(amendment, REMAKE, request, rows)
    frame = frame.with_columns(answers(results))
    made = was(Status.WRITTEN) | was(Status.EXISTS)
    came = (
        pl.when(made)
        .then(pl.lit(DONE))
        .when(was(Status.INDETERMINATE))
        .then(pl.lit(UNANSWERED))
        .otherwise(pl.lit(FAILED))
    )
    frame = frame.with_columns(came.alias(CAME))
    done = frame.filter(pl.col(CAME) == DONE).select(
        "coupling_id", "source_id", pl.coalesce("@written_id", "@new_id").alias("destination_id")
    )
    lost = frame.select(pl.col(CAME) == UNANSWERED).to_series()
    seen = look(context, done)
    with amendment.shared.database.transaction() as connection:
        check_fence(connection, amendment.shared.lease)
        settle_remade(connection, amendment, seen)
        keep_in_intent(connection, number, rows.filter(lost))
    return pl.concat([kept, frame], how="diagonal")


def _there(context: ReadContext, frame: pl.DataFrame) -> pl.Series:
    """Return those of the new ids that there are records of: an earlier undo has made them."""
    ids = frame.get_column("@new_id").drop_nulls().to_list()
    end = context.destination
    return end.connector.fetch(end.table.name, (), ids).get_column(ID)


def _with_new_ids(amendment: Amendment, frame: pl.DataFrame) -> pl.DataFrame:
    """Set the id or the mark under which records are made again: another one than they had, and always the same one."""
    context = amendment.context
    keys = context.destination.capabilities.create_keys
    none = pl.lit(None, dtype=pl.String)
    if keys is CreateKeys.NONE:
        return frame.with_columns(none.alias("@new_id"), none.alias("@mark"))
    if keys is CreateKeys.PROPOSED:
        ids = context.destination.connector.propose_keys(context.destination.table.name, frame.height)
        return frame.with_columns(pl.Series("@new_id", ids, dtype=pl.String), none.alias("@mark"))
    namespace = f"{context.namespace}|made again"
    old = frame.get_column("destination_id").to_list()
    derived = derive_ids(namespace, old, [0] * len(old), context.mapping.guid(context.pass_.destination))
    chosen = keys is CreateKeys.CHOSEN
    return frame.with_columns(
        pl.Series("@new_id", derived if chosen else [None] * len(old), dtype=pl.String),
        pl.Series("@mark", [None] * len(old) if chosen else derived, dtype=pl.String),
    )


def _outgoing(amendment: Amendment, frame: pl.DataFrame) -> tuple[dict[str, pl.Expr], list[FieldPlan]]:
    table, side = amendment.context.destination.table, amendment.side
    columns: dict[str, pl.Expr] = {
        ID: pl.col("@new_id"),
        VERSION: pl.lit(None, dtype=pl.String),
        MARK: pl.col("@mark"),
    }
    plans = []
    for plan in amendment.plans:
        field = plan.field(side)
        if value(plan.index) in frame.columns and field.creatable:
            plans.append(plan)
            columns[field.name] = restore(pl.col(value(plan.index)), field)
            columns[sent(field.name)] = (pl.col(value(plan.index)) != NULL).fill_null(False)
    for column in [name for name in frame.columns if name.startswith("value:")]:
        name = column.removeprefix("value:")
        if name in table.fields and table.field(name).creatable and name not in columns:
            columns[name] = restore(pl.col(column), table.field(name))
            columns[sent(name)] = (pl.col(column) != NULL).fill_null(False)
    return columns, plans


def settle_remade(connection: Connection, amendment: Amendment, frame: pl.DataFrame) -> None:
    """Store that records were made again: a frame of `look`, with their new ids.

    Where the source is there, and not coupled, both are coupled again; what differs between them stays so. Else the new record
    has no counterpart, and is set aside.
    """
    if frame.is_empty():
        return
    context, now = amendment.context, amendment.shared.clock.now()
    mapping, pass_ = context.mapping, context.pass_
    source, destination = pass_.source.value, pass_.destination.value
    taken = by_record(connection, mapping, pass_.source, frame.get_column("source_id").drop_nulls().to_list())
    pairs = frame.filter(SOURCE_THERE & ~pl.col("source_id").is_in(taken.get_column(f"{source}_id").implode()))
    nothing = pl.lit(None, dtype=pl.String)
    numbered = insert_couplings(
        connection,
        mapping,
        pairs.select(
            pl.col("source_id").alias(f"{source}_id"),
            pl.col("destination_id").alias(f"{destination}_id"),
            nothing.alias("local_version"),
            nothing.alias("integration_version"),
            pl.lit(None, dtype=pl.Int64).alias("local_modified_at"),
            pl.lit(None, dtype=pl.Int64).alias("integration_modified_at"),
            pl.lit(0, dtype=pl.Int64).alias("state"),
        ).select("local_id", "integration_id", pl.exclude("local_id", "integration_id")),
    )
    numbers = numbered.select(pl.col(f"{destination}_id").alias("destination_id"), "coupling_id")
    frame = frame.drop("coupling_id").join(numbers, on="destination_id", how="left", maintain_order="left")
    _settle_pairs(connection, amendment, frame.filter(pl.col("coupling_id").is_not_null()))
    alone = frame.filter(pl.col("coupling_id").is_null()).get_column("destination_id").to_list()
    _set_aside(connection, amendment, pass_.opposite, alone, MADE_AGAIN, now)
    entry = frame.select(
        *RECORD,
        pl.lit(int(Decision.FORCED), dtype=pl.Int64).alias("decision"),
        pl.col(c.TOKEN).alias("version"),
        *(nothing.alias(OLD + plan.identity) for plan in amendment.plans),
        *(pl.col(c.found(plan.index)).alias(NEW + plan.identity) for plan in amendment.plans),
    )
    add_entry(connection, mapping.id, amendment.run_id, pass_, MADE, now, entry)


def _settle_pairs(connection: Connection, amendment: Amendment, pairs: pl.DataFrame) -> None:
    if pairs.is_empty():
        return
    context, now = amendment.context, amendment.shared.clock.now()
    pass_, plans = context.pass_, context.plans.plans
    clear_pending(connection, context.mapping, pass_, pairs.get_column("source_id").to_list())
    bases = pairs.select(
        "coupling_id",
        *(pl.col(c.source(plan.index)).alias(base_column(pass_.source, plan.index)) for plan in plans),
        *(pl.col(c.found(plan.index)).alias(base_column(pass_.destination, plan.index)) for plan in plans),
    )
    insert_bases(connection, context.shape, len(plans), bases)
    parts = [
        pairs.select(
            "coupling_id",
            pl.lit(plan.identity).alias("field"),
            pl.lit(amendment.run_id, dtype=pl.Int64).alias("run_id"),
            pl.col(c.source(plan.index)).alias(f"{pass_.source.value}_value"),
            pl.col(c.found(plan.index)).alias(f"{pass_.destination.value}_value"),
        )
        for plan in amendment.plans
    ]
    save_undone(connection, context.mapping.id, microseconds(now), pl.concat(parts))


def clear_up_remake(amendment: Amendment, intent: Intent) -> set[str]:
    """Find out what became of records that were being made again; return their sources, where that is not clear yet."""
    recovery = Recovery(amendment.context)
    located = recovery.locate(intent)
    if located is None:
        return recovery.waiting
    context = amendment.context
    found = located.filter(pl.col("found_id").is_not_null())
    unclear = pl.col("source_id").is_in(sorted(recovery.waiting))
    chosen = context.destination.capabilities.create_keys in (CreateKeys.CHOSEN, CreateKeys.MARK, CreateKeys.PROPOSED)
    if chosen and context.destination.connector.now() < intent.deadline:
        # It is not there, but the request may still arrive.
        unclear = unclear | pl.col("source_id").is_in(
            located.filter(pl.col("found_id").is_null()).get_column("source_id").implode()
        )
    made = look(context, found.select("coupling_id", "source_id", pl.col("found_id").alias("destination_id")))
    kept = intent.frame.filter(unclear)
    with amendment.shared.database.transaction() as connection:
        check_fence(connection, amendment.shared.lease)
        settle_remade(connection, amendment, made)
        keep_in_intent(connection, intent.id, kept)
    return set(kept.get_column("source_id").to_list())
