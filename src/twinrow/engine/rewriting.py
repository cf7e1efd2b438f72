"""Rewriting: single fields of records get the values that a person asked for.

A field is only written where the record still has the value that is expected there. Each field gets a verdict:

| Verdict | Meaning |
| --- | --- |
| `write` | it is written |
| `same` | it has the wanted value already |
| `moved` | somebody has changed it since |
| `held` | it belongs to a group of fields of which one was changed since |
| `fixed` | the system does not let it be written |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.canonical import NULL, canonical, restore
from twinrow.batch.columns import ID, VERSION
from twinrow.batch.convert import comparable
from twinrow.connectors.base import MARK, Status, WriteKind, WriteRequest, sent
from twinrow.engine import columns as c
from twinrow.engine.amend import BEFORE, RECORD, REWRITE, THERE, Amendment, answers, look, send, was, with_unmapped
from twinrow.engine.context import ReadContext
from twinrow.engine.decide import any_of
from twinrow.engine.fields import FieldPlan
from twinrow.engine.write import INTENT_SENT, INTENT_SOURCE
from twinrow.model.outcomes import Decision
from twinrow.store.bases import base_column, read_bases, update_bases
from twinrow.store.bulk import delete_in
from twinrow.store.couplings import by_number, update_couplings
from twinrow.store.intents import Intent, keep_in_intent
from twinrow.store.journal import NEW, OLD, UNMAPPED, UPDATE, add_entry
from twinrow.store.leases import check_fence
from twinrow.store.tables import conflicts, microseconds
from twinrow.store.undone import save_undone

WRITE, SAME, MOVED, HELD, FIXED = "write", "same", "moved", "held", "fixed"

CAME = "@came"
DONE, NOTHING, GONE, FAILED, UNANSWERED = "done", "nothing", "gone", "failed", "unanswered"
"""What became of a record: written, nothing to write, not there any more, refused by its system, no answer came."""


def value(index: int) -> str:
    """Canonical text of what a field shall have; null: it is left as it is."""
    return f"value.{index}"


def expected(index: int) -> str:
    """Canonical text of what the field must have for that; null: whatever it has."""
    return f"expected.{index}"


def verdict(index: int) -> str:
    """What is done with the field, or why nothing is."""
    return f"verdict.{index}"


def judge(context: ReadContext, wanted: pl.DataFrame, assumed: pl.DataFrame | None = None) -> pl.DataFrame:
    """Read the records (`amend.look`) and add `verdict.i` for each field that the frame has a `value.i` for."""
    frame = look(context, wanted, assumed=assumed)
    plans = _told(context, frame)
    single = [_verdict(context, plan).alias(verdict(plan.index)) for plan in plans]
    frame = frame.with_columns(single)
    groups: dict[str, list[FieldPlan]] = {}
    for plan in plans:
        if plan.mapping.merge_group is not None:
            groups.setdefault(plan.mapping.merge_group, []).append(plan)
    together = []
    for members in groups.values():
        moved = any_of(_is(verdict(plan.index), MOVED) for plan in members)
        written = any_of(_is(verdict(plan.index), WRITE) for plan in members)
        for plan in members:
            own = pl.col(verdict(plan.index))
            # A group is written whole: the system's own logic may clear what is not sent.
            together.append(
                pl.when(moved & (own == WRITE))
                .then(pl.lit(HELD))
                .when(~moved & written & (own == SAME) & plan.field(context.pass_.destination).updatable)
                .then(pl.lit(WRITE))
                .otherwise(own)
                .alias(verdict(plan.index))
            )
    return frame.with_columns(together)


def _told(context: ReadContext, frame: pl.DataFrame) -> list[FieldPlan]:
    return [plan for plan in context.plans.plans if value(plan.index) in frame.columns]


def _verdict(context: ReadContext, plan: FieldPlan) -> pl.Expr:
    i = plan.index
    found, wanted, left = pl.col(c.found(i)), pl.col(value(i)), pl.col(expected(i))
    return (
        pl.when(wanted.is_null() | ~pl.col(THERE))
        .then(pl.lit(None, dtype=pl.String))
        .when(found == wanted)
        .then(pl.lit(SAME))
        .when((found != left).fill_null(False))
        .then(pl.lit(MOVED))
        .when(not plan.field(context.pass_.destination).updatable)
        .then(pl.lit(FIXED))
        .otherwise(pl.lit(WRITE))
    )


def writes(frame: pl.DataFrame) -> pl.Expr:
    """Return where a judged record has a field that is written."""
    return any_of(_is(name, WRITE) for name in frame.columns if name.startswith("verdict."))


def _is(name: str, wanted: str) -> pl.Expr:
    return (pl.col(name) == wanted).fill_null(False)


def rewrite(amendment: Amendment, wanted: pl.DataFrame) -> pl.DataFrame:
    """Write the fields; return the rows as judged at last, with `@came` and `@error`.

    Raises what a connector raises when it could do nothing at all.
    """
    context = amendment.context
    finished: list[pl.DataFrame] = []
    for _ in range(amendment.shared.engine.attempts):
        frame = judge(context, wanted)
        sending = frame.select(writes(frame)).to_series()
        finished.append(_ended(frame.filter(~sending), pl.when(THERE).then(pl.lit(NOTHING)).otherwise(pl.lit(GONE))))
        frame = frame.filter(sending)
        if frame.is_empty():
            break
        frame = _send(amendment, frame)
        finished.append(_ended(frame.filter(~was(Status.STALE)), _came()))
        wanted = frame.filter(was(Status.STALE)).select(wanted.columns)
        if wanted.is_empty():
            break
    else:
        stale = judge(context, wanted).with_columns(
            pl.lit("the record was changed again and again while it was being written").alias("@error")
        )
        finished.append(_ended(stale, pl.lit(FAILED)))
    return pl.concat(finished, how="diagonal")


def _came() -> pl.Expr:
    return (
        pl.when(was(Status.WRITTEN))
        .then(pl.lit(DONE))
        .when(was(Status.MISSING))
        .then(pl.lit(GONE))
        .when(was(Status.INDETERMINATE))
        .then(pl.lit(UNANSWERED))
        .otherwise(pl.lit(FAILED))
    )


def _ended(frame: pl.DataFrame, came: pl.Expr) -> pl.DataFrame:
    if "@error" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias("@error"))
    return frame.with_columns(came.alias(CAME))


def _send(amendment: Amendment, frame: pl.DataFrame) -> pl.DataFrame:
    """Send one request and settle what was written; return the frame with the results."""
    context, side = amendment.context, amendment.side
    plans = [plan for plan in _told(context, frame) if plan.field(side).updatable]
    names = {plan.field(side).name: plan for plan in plans}
    columns: dict[str, pl.Expr] = {
        ID: pl.col("destination_id"),
        VERSION: pl.col(c.TOKEN),
        MARK: pl.lit(None, dtype=pl.String),
    }
    for name, plan in names.items():
        columns[name] = restore(pl.col(value(plan.index)), plan.field(side))
        columns[sent(name)] = (pl.col(verdict(plan.index)) == WRITE).fill_null(False)
    request = WriteRequest(
        context.destination.table.name,
        WriteKind.UPDATE,
        frame.select(expression.alias(name) for name, expression in columns.items()),
        tuple(names),
        returning=context.destination_fields,
    )
    frame = frame.with_columns(
        pl.when(pl.col(verdict(plan.index)) == WRITE).then(pl.col(value(plan.index))).alias(_sent(plan))
        for plan in plans
    )
    rows = frame.select(
        *RECORD,
        pl.lit(None, dtype=pl.String).alias("mark"),
        pl.col(c.TOKEN).alias("token"),
        pl.lit("amend").alias("write"),
        *(pl.col(c.source(plan.index)).alias(INTENT_SOURCE + plan.identity) for plan in plans),
        *(pl.col(c.found(plan.index)).alias(BEFORE + plan.identity) for plan in plans),
        *(pl.col(_sent(plan)).alias(INTENT_SENT + plan.identity) for plan in plans),
    )
    number, results = send(amendment, REWRITE, request, rows)
    texts = results.select(
        canonical(pl.col(plan.field(side).name), plan.field(side)).alias(c.returned(plan.index))
        if plan.field(side).name in results.columns
        else pl.lit(None, dtype=pl.String).alias(c.returned(plan.index))
        for plan in amendment.plans
    )
    frame = frame.with_columns(*answers(results), *texts.get_columns())
    written, lost = frame.filter(was(Status.WRITTEN)), frame.filter(was(Status.INDETERMINATE))
    with amendment.shared.database.transaction() as connection:
        check_fence(connection, amendment.shared.lease)
        settle_rewritten(connection, amendment, written)
        ids = lost.get_column("destination_id")
        keep_in_intent(connection, number, rows.filter(pl.col("destination_id").is_in(ids.implode())))
    return frame


def _sent(plan: FieldPlan) -> str:
    return f"sent.{plan.index}"


def settle_rewritten(connection: Connection, amendment: Amendment, frame: pl.DataFrame) -> None:
    """Store what was written: bases, the journal, what differs on purpose from now on.

    The frame has `RECORD`, `@written_version`, and for the fields `found.i` (before), `sent.i` (null: not sent), `returned.i`
    (null: not known) and `source.i`. A field that the system changed itself meanwhile counts as sent.
    """
    if frame.is_empty():
        return
    at = amendment.shared.clock.now()
    plans = [
        plan for plan in amendment.plans if _sent(plan) in frame.columns or c.returned(plan.index) in frame.columns
    ]
    frame = frame.with_columns(
        pl.lit(None, dtype=pl.String).alias(_sent(plan)) for plan in plans if _sent(plan) not in frame.columns
    ).with_columns(
        pl.when(
            pl.col(_sent(plan)).is_not_null()
            | (pl.col(c.returned(plan.index)) != pl.col(c.found(plan.index))).fill_null(False)
        )
        .then(pl.coalesce(c.returned(plan.index), _sent(plan)))
        .alias(_now(plan))
        for plan in plans
    )
    _store_bases(connection, amendment, frame, plans)
    entry = frame.select(
        *RECORD,
        pl.lit(int(Decision.FORCED), dtype=pl.Int64).alias("decision"),
        pl.col("@written_version").alias("version"),
        *(
            pl.when(pl.col(_now(plan)).is_not_null()).then(pl.col(c.found(plan.index))).alias(OLD + plan.identity)
            for plan in plans
        ),
        *(pl.col(_now(plan)).alias(NEW + plan.identity) for plan in plans),
    )
    add_entry(connection, amendment.context.mapping.id, amendment.run_id, amendment.context.pass_, UPDATE, at, entry)


def _now(plan: FieldPlan) -> str:
    return f"now.{plan.index}"


def _store_bases(connection: Connection, amendment: Amendment, frame: pl.DataFrame, plans: Sequence[FieldPlan]) -> None:
    """Make the values of both sides the bases of what was written; or, where it shall be carried over, unlike its own base."""
    side, shared = amendment.side, amendment.shared
    numbers = by_number(connection, amendment.context.mapping, frame.get_column("coupling_id").drop_nulls().to_list())
    coupled = frame.join(numbers.select("coupling_id"), on="coupling_id", how="semi")
    if coupled.is_empty():
        return
    identities = [name for name in amendment.context.plans.identities if not name.startswith(UNMAPPED)]
    bases = read_bases(connection, shared.mapping.id, identities, coupled.get_column("coupling_id").to_list())
    joined = coupled.join(bases, on="coupling_id", how="left", maintain_order="left")
    columns: list[pl.Expr] = []
    for index, _ in enumerate(identities):
        plan = next((plan for plan in plans if plan.index == index), None)
        here, there = pl.col(base_column(side, index)), pl.col(base_column(side.other, index))
        if plan is None:
            columns += [here, there]
            continue
        now, other = pl.col(_now(plan)), pl.col(c.source(index))
        own = now if amendment.asked.keeps else unlike(now, here)
        columns.append(pl.when(now.is_not_null()).then(own).otherwise(here).alias(base_column(side, index)))
        columns.append(
            pl.when(now.is_not_null() & other.is_not_null())
            .then(other)
            .otherwise(there)
            .alias(base_column(side.other, index))
        )
    update_bases(connection, amendment.context.shape, len(identities), joined.select("coupling_id", *columns))
    unsettled = pl.lit(None, dtype=pl.String)
    update_couplings(connection, joined.select("coupling_id", unsettled.alias(f"{side.value}_version")))
    for plan in plans:
        written = joined.filter(pl.col(_now(plan)).is_not_null()).get_column("coupling_id").to_list()
        delete_in(connection, conflicts, "coupling_id", written, field=plan.key)
    if amendment.asked.keeps:
        _store_undone(connection, amendment, joined, plans)


def unlike(now: pl.Expr, base: pl.Expr) -> pl.Expr:
    """Return a base from which a value differs, so that it counts as changed: the present one, if it does."""
    other = pl.when(now != NULL).then(pl.lit(NULL)).otherwise(pl.lit("0"))
    return pl.when((now != base).fill_null(False)).then(base).otherwise(other)


def _store_undone(
    connection: Connection, amendment: Amendment, joined: pl.DataFrame, plans: Sequence[FieldPlan]
) -> None:
    side = amendment.side
    parts = [
        joined.filter(pl.col(_now(plan)).is_not_null()).select(
            "coupling_id",
            pl.lit(plan.identity).alias("field"),
            pl.lit(amendment.run_id, dtype=pl.Int64).alias("run_id"),
            pl.col(_now(plan)).alias(f"{side.value}_value"),
            pl.col(c.source(plan.index)).alias(f"{side.other.value}_value"),
        )
        for plan in plans
        if not plan.identity.startswith(UNMAPPED)
    ]
    if not parts:
        return
    found = pl.concat(part.select(sorted(part.columns)) for part in parts)
    save_undone(connection, amendment.context.mapping.id, microseconds(amendment.shared.clock.now()), found)


def clear_up_rewriting(amendment: Amendment, intent: Intent) -> set[str]:
    """Find out what became of fields that were sent without an answer; settle what was carried out.

    Returns the destination's records that must be left alone: they have not changed, but the request may still arrive.
    """
    told = {name.removeprefix(INTENT_SENT) for name in intent.frame.columns if name.startswith(INTENT_SENT)}
    unmapped = [name.removeprefix(UNMAPPED) for name in sorted(told) if name.startswith(UNMAPPED)]
    context = with_unmapped(amendment.context, unmapped)
    amendment = replace(amendment, context=context)
    plans = [plan for plan in amendment.plans if plan.identity in told]
    frame = look(context, intent.frame.select(*RECORD, "token")).join(
        intent.frame.select("destination_id", *_remembered(plans)),
        on="destination_id",
        how="left",
        maintain_order="left",
    )
    shown = {plan.index: _shows(context, plan) for plan in plans}
    carried_out = any_of(shown.values())
    moved_on = (pl.col("token").is_not_null() & (pl.col(c.TOKEN) != pl.col("token"))).fill_null(False)
    may_arrive = pl.col(THERE) & ~moved_on & (context.destination.connector.now() < intent.deadline)
    waiting = frame.filter(~carried_out & may_arrive).get_column("destination_id").to_list()
    # What somebody has changed since is a change of that side: the base keeps what was sent.
    done = frame.filter(carried_out).with_columns(
        *(
            pl.when(shown[plan.index])
            .then(pl.col(c.found(plan.index)))
            .otherwise(pl.col(_sent(plan)))
            .alias(c.returned(plan.index))
            for plan in plans
        ),
        *(pl.col(f"was.{plan.index}").alias(c.source(plan.index)) for plan in plans),
        pl.lit(None, dtype=pl.String).alias("@written_version"),
    )
    done = done.with_columns(pl.col(f"before.{plan.index}").alias(c.found(plan.index)) for plan in plans)
    done = done.select(
        *RECORD,
        "@written_version",
        *(name(plan.index) for plan in plans for name in (c.found, c.returned, c.source)),
        *(_sent(plan) for plan in plans),
    )
    with amendment.shared.database.transaction() as connection:
        check_fence(connection, amendment.shared.lease)
        settle_rewritten(connection, amendment, done)
        keep_in_intent(connection, intent.id, intent.frame.filter(pl.col("destination_id").is_in(waiting)))
    return set(waiting)


def _remembered(plans: Sequence[FieldPlan]) -> list[pl.Expr]:
    return [
        expression
        for plan in plans
        for expression in (
            pl.col(INTENT_SENT + plan.identity).alias(_sent(plan)),
            pl.col(INTENT_SOURCE + plan.identity).alias(f"was.{plan.index}"),
            pl.col(BEFORE + plan.identity).alias(f"before.{plan.index}"),
        )
    ]


def _shows(context: ReadContext, plan: FieldPlan) -> pl.Expr:
    """Return where the record has what was sent, in the form in which values are compared."""
    here, there = plan.field(context.pass_.destination), plan.field(context.pass_.source)
    forms = [comparable(pl.col(name), here, there) for name in (c.found(plan.index), _sent(plan))]
    changed = (pl.col(c.found(plan.index)) != pl.col(f"before.{plan.index}")).fill_null(True)
    return (forms[0] == forms[1]).fill_null(False) & changed & pl.col(THERE)
