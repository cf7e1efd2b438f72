"""Write: intents first, then the records, in one call for each kind of write; every record gets its result.

Before anything is sent, its intent is stored under the run's fence: ids, versions, the source's values and the fields sent,
and the time, in the destination's own clock, after which the request can no longer take effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import (
    ERROR,
    ERROR_CODE,
    ERROR_FIELD,
    MARK,
    RECOVERY,
    REMEDY,
    STATUS,
    CreateKeys,
    Status,
    WriteKind,
    WriteRequest,
    result_schema,
    sent,
)
from twinrow.engine import columns as c
from twinrow.engine.complete import extra, extra_fields
from twinrow.engine.context import PassContext
from twinrow.engine.decide import CREATE, DEACTIVATE, DELETE, RESTORE, UPDATE
from twinrow.engine.identity import derive_ids
from twinrow.model.errors import ConfigurationError, RetryError, TwinrowError
from twinrow.model.sides import Side
from twinrow.store.couplings import read_generations
from twinrow.store.intents import remove_intents, save_intent
from twinrow.store.leases import check_fence
from twinrow.store.restraints import check_stop

RESULT_COLUMNS = {
    "@status": STATUS,
    "@written_id": ID,
    "@written_version": VERSION,
    "@written_modified_at": MODIFIED_AT,
    "@error": ERROR,
    "@error_code": ERROR_CODE,
    "@error_field": ERROR_FIELD,
    "@remedy": REMEDY,
    "@recovery": RECOVERY,
}
"""Names in the engine's frame of what a connector answers."""

_NO_INTENT = 0
"""The number of no intent: what was not sent leaves none behind."""

INTENT_SOURCE = "source:"
INTENT_SENT = "sent:"


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: the rows with their results, and the intent that stands for them."""

    frame: pl.DataFrame
    intent: int
    rows: pl.DataFrame
    """The rows of the intent, as they were stored."""

    @property
    def unanswered(self) -> list[str]:
        """The source records whose answer is missing."""
        lost = self.frame.filter(pl.col("@status") == Status.INDETERMINATE.value)
        return lost.get_column(ID).to_list()


def write(context: PassContext, frame: pl.DataFrame) -> list[Sent]:
    """Send the records whose `write` is set; return them with the columns of `RESULT_COLUMNS` and `returned.i`.

    Raises `LeaseLost` before anything is sent when another process has taken the run over, and what a connector raises when
    it could do nothing at all.
    """
    done = []
    creates = frame.filter(pl.col(c.WRITE).is_in([CREATE, RESTORE]))
    if creates.height:
        done.append(_send(context, Purpose.CREATE, _with_keys(context, creates)))
    for purpose in (Purpose.UPDATE, Purpose.DEACTIVATE, Purpose.DELETE):
        rows = frame.filter(pl.col(c.WRITE) == purpose.value)
        if rows.is_empty():
            continue
        rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(MARK))
        try:
            done.append(_send(context, purpose, rows))
        except (RetryError, ConfigurationError) as error:
            if not done:
                raise
            # The others have their answers, which must be settled; the next batch will meet the same trouble.
            done.append(_unsent(context, rows, error))
    return done


class Purpose(StrEnum):
    """Why records are written; all but CREATE are values of the column `write`."""

    CREATE = CREATE
    UPDATE = UPDATE
    DEACTIVATE = DEACTIVATE
    DELETE = DELETE

    @property
    def kind(self) -> WriteKind:
        """The kind of write that it takes."""
        return WriteKind.UPDATE if self is Purpose.DEACTIVATE else WriteKind(self.value)


def _unsent(context: PassContext, frame: pl.DataFrame, error: TwinrowError) -> Sent:
    schema = result_schema(context.destination.table, context.destination_fields)
    results = (
        pl.DataFrame(schema=schema)
        .clear(frame.height)
        .with_columns(pl.lit(Status.UNSENT.value).alias(STATUS), pl.lit(str(error)).alias(ERROR))
    )
    return Sent(_with_results(context, frame, results), _NO_INTENT, _intent_rows(context, frame, Purpose.UPDATE))


def _with_keys(context: PassContext, frame: pl.DataFrame) -> pl.DataFrame:
    """Set the id and the mark of records about to be made, as the destination's table knows them."""
    keys = context.destination.capabilities.create_keys
    none = pl.lit(None, dtype=pl.String)
    if keys is CreateKeys.NONE:
        return frame.with_columns(none.alias(c.DESTINATION_ID), none.alias(MARK))
    if keys is CreateKeys.PROPOSED:
        # A create whose answer is missing may still arrive: it is repeated under the same key, so that only one is made.
        known = frame.get_column(c.PROPOSED)
        free = iter(context.destination.connector.propose_keys(context.destination.table.name, known.null_count()))
        proposed = [key or next(free) for key in known.to_list()]
        return frame.with_columns(pl.Series(c.DESTINATION_ID, proposed, dtype=pl.String), none.alias(MARK))
    derived = pl.Series("derived", derived_ids(context, frame), dtype=pl.String)
    if keys is CreateKeys.CHOSEN:
        return frame.with_columns(derived.alias(c.DESTINATION_ID), none.alias(MARK))
    return frame.with_columns(none.alias(c.DESTINATION_ID), derived.alias(MARK))


def derived_ids(context: PassContext, frame: pl.DataFrame) -> list[str]:
    """Return the ids or marks that the records of a frame get when they are made now."""
    side = context.pass_.source
    ids = frame.get_column(ID).to_list()
    with context.database.reading() as connection:
        known = read_generations(connection, context.mapping, side, ids)
    # A record that is made anew belongs to the next generation; settling raises the stored one.
    again = frame.get_column(c.WRITE) == RESTORE
    if known or again.any():
        generations = [known.get(id, 0) + restored for id, restored in zip(ids, again, strict=True)]
    else:
        generations = [0] * len(ids)
    return derive_ids(context.namespace, ids, generations, context.mapping.guid(side))


def _send(context: PassContext, purpose: Purpose, frame: pl.DataFrame) -> Sent:
    destination = context.destination
    request = WriteRequest(
        destination.table.name,
        purpose.kind,
        _outgoing(context, frame, purpose),
        _field_names(context, frame, purpose),
        returning=() if purpose is Purpose.DELETE else context.destination_fields,
    )
    rows = _intent_rows(context, frame, purpose)
    deadline = destination.connector.now() + destination.connector.request_lifetime
    with context.database.transaction() as connection:
        if check_fence(connection, context.shared.lease):
            check_stop(connection)
        intent = save_intent(
            connection, context.shared.lease, context.shared.run.id, context.pass_, purpose.kind.value, deadline, rows
        )
    try:
        results = destination.connector.write(request)
    except (RetryError, ConfigurationError):
        # The connector says that nothing was changed.
        with context.database.transaction() as connection:
            check_fence(connection, context.shared.lease)
            remove_intents(connection, [intent])
        raise
    return Sent(_with_results(context, frame, results), intent, rows)


def _field_names(context: PassContext, frame: pl.DataFrame, purpose: Purpose) -> tuple[str, ...]:
    side = context.pass_.destination
    names = [plan.field(side).name for plan in context.carried if _may_send(context, plan.index, purpose)]
    extras = extra_fields(frame) if purpose in (Purpose.CREATE, Purpose.DEACTIVATE) else []
    return tuple(dict.fromkeys([*names, *extras]))


def _may_send(context: PassContext, index: int, purpose: Purpose) -> bool:
    if purpose in (Purpose.DEACTIVATE, Purpose.DELETE):
        return False
    plan = context.plans.plans[index]
    field = plan.field(context.pass_.destination)
    if plan.derived is not None and plan.derived.on_create_only and purpose is not Purpose.CREATE:
        return False
    return field.creatable if purpose is Purpose.CREATE else field.updatable


def _outgoing(context: PassContext, frame: pl.DataFrame, purpose: Purpose) -> pl.DataFrame:
    side = context.pass_.destination
    columns: dict[str, pl.Expr] = {
        ID: pl.col(c.DESTINATION_ID),
        VERSION: pl.lit(None, dtype=pl.String) if purpose is Purpose.CREATE else pl.col(c.TOKEN),
        MARK: pl.col(MARK),
    }
    for plan in context.carried:
        if not _may_send(context, plan.index, purpose):
            continue
        field = plan.field(side)
        columns[field.name] = pl.col(c.carried(plan.index))
        columns[sent(field.name)] = sent_when(context, plan.index, purpose)
    if purpose in (Purpose.CREATE, Purpose.DEACTIVATE):
        for name in extra_fields(frame):
            columns[name] = pl.col(extra(name))
            columns[sent(name)] = pl.col(extra(name)).is_not_null()
    return frame.select(expression.alias(name) for name, expression in columns.items())


def sent_when(context: PassContext, index: int, purpose: Purpose) -> pl.Expr:
    """Return for which records a field is sent."""
    if not _may_send(context, index, purpose):
        return pl.lit(False)
    if purpose is not Purpose.CREATE:
        return pl.col(c.send(index))
    plan = context.plans.plans[index]
    field = plan.field(context.pass_.destination)
    blank_allowed = field.is_text or (field.nullable and not plan.mapping.not_null)
    if plan.derived is not None:
        blank_allowed = False
    return pl.lit(True) if blank_allowed else pl.col(c.carried(index)).is_not_null()


def _intent_rows(context: PassContext, frame: pl.DataFrame, purpose: Purpose) -> pl.DataFrame:
    return frame.select(
        pl.col(ID).alias("source_id"),
        pl.col(c.DESTINATION_ID).alias("destination_id"),
        pl.col(MARK).alias("mark"),
        pl.col(c.COUPLING).alias("coupling_id"),
        pl.col(c.TOKEN).alias("token"),
        pl.col(VERSION).alias("source_version"),
        pl.col(MODIFIED_AT).alias("source_modified_at"),
        pl.col(c.WRITE).alias("write"),
        *(pl.col(c.source(plan.index)).alias(INTENT_SOURCE + plan.identity) for plan in context.plans.plans),
        *(
            pl.when(sent_when(context, plan.index, purpose))
            .then(pl.col(c.carried_text(plan.index)))
            .alias(INTENT_SENT + plan.identity)
            for plan in context.carried
        ),
    )


def _with_results(context: PassContext, frame: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """Put the connector's results beside the rows."""
    side: Side = context.pass_.destination
    table = context.destination.table
    columns = [results.get_column(answer).alias(name) for name, answer in RESULT_COLUMNS.items()]
    written = results.get_column(STATUS) == Status.WRITTEN.value
    texts = results.with_columns(
        (
            pl.when(pl.lit(written)).then(canonical(pl.col(plan.field(side).name), table.field(plan.field(side).name)))
            if plan.has_field(side) and plan.field(side).name in results.columns
            else pl.lit(None, dtype=pl.String)
        ).alias(c.returned(plan.index))
        for plan in context.plans.plans
    ).select(c.returned(plan.index) for plan in context.plans.plans)
    return frame.with_columns(*columns, *texts.get_columns())
