"""One pass: its batches through the stages, then its watermark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl
from sqlalchemy import Connection

from twinrow.batch.columns import DELETED, ID, VERSION
from twinrow.engine.behind import Settling, can_settle_behind
from twinrow.engine.changes import (
    CHANGES,
    DELETES,
    NAMED,
    PLANNED,
    RECOVER,
    RETRY,
    changed_batches,
    coupled_batches,
    delete_batches,
    fetched_batches,
    named_batches,
    retry_batches,
)
from twinrow.engine.context import PassContext
from twinrow.engine.gone import check_removals, deleted_ids, to_uncouple
from twinrow.engine.lookups import References
from twinrow.engine.plan import has_effect
from twinrow.engine.recover import Recovery
from twinrow.engine.stages import Stages
from twinrow.model.outcomes import Counters, Ignored
from twinrow.store.leases import check_fence
from twinrow.store.plans import plan_batch_sizes, read_plan_batch
from twinrow.store.runs import finish_job, jobs_of_run
from twinrow.store.watermarks import Watermark, prune_seen, read_watermark, set_watermark

Progress = Callable[[PassContext, Counters], None]
"""Called after each batch that was settled, with the batch's counters."""


class PassRun:
    """The work of one pass: first `recover`, for both passes of a run, then `run`."""

    def __init__(self, context: PassContext, progress: Progress | None = None, waiting: set[str] | None = None) -> None:
        self.context = context
        self._progress = progress
        self._waiting: set[str] = waiting or set()
        """Source records that must not be touched in this run: what became of them is not known."""

    def _done(self, counters: Counters) -> None:
        if self._progress is not None:
            self._progress(self.context, counters)

    def recover(self) -> None:
        """Find out what became of what earlier processes or runs have sent without an answer.

        Both passes do so before either reads its source, where a record that is there without a coupling would look new.
        """
        context = self.context
        stages = Stages(context, self._waiting, Settling(self._done))
        recovery = Recovery(context)
        for recovered in recovery.batches():
            number, unclear = recovered.number, recovered.unclear
            stage, cursor = context.job.stage or RECOVER, context.job.cursor
            if recovered.removed.height:
                left = pl.concat([recovered.intents.select(unclear.columns), unclear])
                gone = recovered.removed.get_column("source_id").to_list()
                stages.remove(gone, stage, cursor, intents=recovered.removed, old_intent=(number, left))
            if recovered.rows.height:
                old = (number, unclear)
                stages.process(recovered.rows, stage, cursor, intents=recovered.intents, old_intent=old)
        self._waiting |= recovery.waiting

    def run(self) -> None:
        """Make the pass, from where its job stands, and finish its job row."""
        with Settling(self._done) as settling:
            self._run(settling)

    def _run(self, settling: Settling) -> None:
        context = self.context
        stages = Stages(context, self._waiting, settling)
        if context.options.plan is not None:
            self._apply(stages, context.options.plan)
            _finish(context, None, None)
            return
        if context.options.named or context.options.coupled is not None:
            chosen = context.options.coupled
            for batch in named_batches(context) if chosen is None else coupled_batches(context, chosen):
                # Whoever has what is left deleted means records that are gone: one that is there again is left alone.
                gone = pl.col(DELETED) if context.options.missing == "delete" else pl.lit(True)
                stages.process(batch.frame.filter(gone), NAMED, None, removing=True)
            _finish(context, None, None)
            return
        tried: dict[str, str | None] = {}
        if context.job.stage not in (CHANGES, DELETES):
            for batch in retry_batches(context, References(context).related_ids()):
                stages.process(batch.frame, RETRY, None)
                tried |= dict(batch.frame.select(ID, VERSION).iter_rows())
        if context.options.retry_only:
            _finish(context, None, None)
            return
        watermark, recheck = None, None
        stored = context.job.cursor if context.job.stage in (CHANGES, DELETES) else None
        mark, _, position = (stored or "").partition(" ")
        anew = stored is not None and mark != context.cursor_mark
        cursor = position if stored is not None and not anew else None
        stored = None if anew else stored
        behind = can_settle_behind(context)
        for batch in changed_batches(context, cursor, settling, anew=anew):
            stored = f"{context.cursor_mark} {batch.cursor}" if batch.cursor is not None else stored
            frame = _not_tried(batch.frame, tried)
            echoes = None if batch.echoes is None else _not_tried(batch.echoes, tried)
            stages.process(
                frame,
                CHANGES,
                stored,
                recheck_from=batch.recheck_from,
                echoes=echoes,
                behind=behind and batch.watermark is None,
            )
            if batch.watermark is not None:
                watermark, recheck = batch.watermark, batch.recheck_from
        settling.wait()
        for batch in delete_batches(context):
            stages.process(batch.frame, DELETES, stored)
        check_removals(context)
        for ids in deleted_ids(context):
            stages.remove(ids, DELETES, stored)
        for ids in to_uncouple(context):
            for batch in fetched_batches(context, ids, DELETES):
                stages.process(batch.frame, DELETES, stored, removing=True)
        _finish(context, watermark, recheck)

    def _apply(self, stages: Stages, plan: int) -> None:
        """Carry out what a plan says of the pass, from where its job stands."""
        context = self.context
        after = int(context.job.cursor or 0) if context.job.stage == PLANNED else 0
        with context.database.reading() as connection:
            batches = list(plan_batch_sizes(connection, plan))
        for number, mapping_id, pass_, _ in batches:
            if mapping_id != context.mapping.id or pass_ is not context.pass_ or number <= after:
                continue
            with context.database.reading() as connection:
                planned = read_plan_batch(connection, number).frame.filter(has_effect())
            for batch in fetched_batches(context, planned.get_column("source_id").to_list(), PLANNED):
                stages.apply(batch.frame, planned, PLANNED, str(number))


def _not_tried(frame: pl.DataFrame, tried: Mapping[str, str | None]) -> pl.DataFrame:
    """Leave out the rows that were tried again just now, in the same version."""
    if not tried:
        return frame
    before = pl.DataFrame(
        {ID: list(tried), "@tried": list(tried.values())}, schema={ID: pl.String, "@tried": pl.String}
    )
    joined = frame.join(before, on=ID, how="left", maintain_order="left")
    return joined.filter((pl.col("@tried") != pl.col(VERSION)).fill_null(True)).drop("@tried")


def _finish(context: PassContext, watermark: Watermark | None, recheck_from: datetime | None) -> None:
    """Advance the watermark and close the job row, in one transaction."""
    now = context.shared.clock.now()
    side = context.pass_.source
    with context.database.transaction() as connection:
        check_fence(connection, context.shared.lease)
        if watermark is not None:
            if _left_some_alone(connection, context):
                watermark = replace(watermark, shape=context.coupled_only_shape)
            set_watermark(connection, context.mapping.id, side, watermark)
            prune_seen(connection, context.mapping.id, side, recheck_from)
        finish_job(connection, context.job.id, None, now)


def _left_some_alone(connection: Connection, context: PassContext) -> bool:
    """Whether there are uncoupled records behind the watermark that a run which may create must look at."""
    if context.can_create:
        return False
    jobs = jobs_of_run(connection, context.shared.run.id)
    ignored = next(job.ignored_reasons for job in jobs if job.id == context.job.id)
    before = read_watermark(connection, context.mapping.id, context.pass_.source)
    since_before = before is not None and before.shape == context.coupled_only_shape and not context.options.full
    return since_before or ignored.get(Ignored.NOT_COUPLED, 0) > 0
