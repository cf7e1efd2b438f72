"""Planning: the batches of a pass through the stages up to decide, and nothing written.

Each pass is decided on both systems as they are now: what the pass before it would write is not there yet. Neither system is
written to, and of the store only ids are staged while deletions are looked for.
"""

from __future__ import annotations

import polars as pl

from twinrow.batch.columns import DELETED, ID
from twinrow.engine.behind import Settling
from twinrow.engine.changes import (
    CHANGES,
    DELETES,
    NAMED,
    RETRY,
    changed_batches,
    delete_batches,
    fetched_batches,
    named_batches,
    retry_batches,
)
from twinrow.engine.context import PassContext
from twinrow.engine.gone import deleted_ids, to_uncouple
from twinrow.engine.lookups import References
from twinrow.engine.stages import Planner, Stages
from twinrow.store.intents import open_intents


def plan_pass(context: PassContext, planner: Planner) -> None:
    """Decide what a pass would do now, and hand it to the planner, batch by batch."""
    settling = Settling(lambda _: None)  # nothing is settled
    stages = Stages(context, _unanswered(context), settling, planner)
    if context.options.named:
        for batch in named_batches(context):
            stages.process(batch.frame, NAMED, None, removing=True)
        return
    tried: set[str] = set()
    gone: set[str] = set()
    for batch in retry_batches(context, References(context).related_ids()):
        stages.process(batch.frame, RETRY, None, removing=True)
        tried |= set(batch.frame.get_column(ID).to_list())
    # What an earlier run has found gone, and stopped before, because it was too much, comes at the end.
    held = [id for ids in to_uncouple(context) for id in ids]
    for batch in changed_batches(context, None, settling):
        frame = batch.frame.filter(~pl.col(ID).is_in([*sorted(tried), *held]))
        gone |= set(frame.filter(DELETED).get_column(ID).to_list())
        stages.process(frame, CHANGES, None, removing=True)
    for batch in delete_batches(context):
        gone |= set(batch.frame.get_column(ID).to_list())
        stages.process(batch.frame, DELETES, None, removing=True)
    for ids in deleted_ids(context):
        stages.remove([id for id in ids if id not in gone], DELETES, None)
    for batch in fetched_batches(context, [id for id in held if id not in tried], DELETES):
        stages.process(batch.frame, DELETES, None, removing=True)


def _unanswered(context: PassContext) -> set[str]:
    """Return the source records of which it is not known what became of what was sent for them."""
    with context.database.reading() as connection:
        intents = open_intents(connection, context.mapping.id)
    return {id for one in intents if one.pass_ is context.pass_ for id in one.frame.get_column("source_id").to_list()}
