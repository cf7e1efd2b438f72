"""Clearing up: what became of amendments that were broken off, or whose answer never came.

It is done at the beginning of every run and of every amendment of the mapping. What was carried out is settled as the
amendment would have done it; what was not is forgotten, once it can no longer arrive: whoever asked for it asks again. Until
then both passes leave the record alone.
"""

from __future__ import annotations

import msgspec

from twinrow.engine.amend import REMAKE, REMOVE, Amendment, Asked, broken_intents
from twinrow.engine.context import PassContext, RunContext
from twinrow.engine.remaking import clear_up_remake, clear_up_removal
from twinrow.engine.rewriting import clear_up_rewriting
from twinrow.model.sides import Pass
from twinrow.store.runs import get_run, jobs_of_run


def clear_up(shared: RunContext, shape: int) -> dict[Pass, set[str]]:
    """Clear up what amendments of the mapping have left; return the source records that each pass must leave alone."""
    waiting: dict[Pass, set[str]] = {pass_: set() for pass_ in Pass}
    for intent in broken_intents(shared):
        with shared.database.reading() as connection:
            run = get_run(connection, intent.run_id)
            job = next(job for job in jobs_of_run(connection, run.id) if job.pass_ is intent.pass_)
        amendment = Amendment(
            PassContext(shared, intent.pass_, job, shape), msgspec.convert(dict(run.options), Asked), run.id
        )
        if intent.kind == REMAKE:
            # The guard of the opposite pass knows the new record by the intent.
            waiting[intent.pass_] |= clear_up_remake(amendment, intent)
            continue
        clear = clear_up_removal if intent.kind == REMOVE else clear_up_rewriting
        held = clear(amendment, intent)
        rows = intent.frame.filter(intent.frame.get_column("destination_id").is_in(sorted(held)))
        waiting[intent.pass_] |= set(rows.get_column("source_id").drop_nulls().to_list())
        waiting[intent.pass_.opposite] |= held
    return waiting
