"""Guard: records that the opposite pass may just have made are not made once more.

While the answer to a create is missing, the new record may be there already, uncoupled, and look to the opposite pass like one
of its own side. It is known by its id or its mark; made without either, it might be any record that is much like what was
sent. Such records wait until it is known what became of the create.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from twinrow.batch.columns import DELETED, ID
from twinrow.connectors.base import CreateKeys, WriteKind
from twinrow.engine import columns as c
from twinrow.engine.amend import REMAKE
from twinrow.engine.context import PassContext
from twinrow.engine.likeness import likenesses
from twinrow.store.intents import Intent, open_intents

HELD_BACK = "@held_back"
MAY_BE_MADE = "it may be a record that was just made from the other side, whose answer is missing"


class Guard:
    """Knows the creates of the opposite pass that are not settled, as they stand when it is made."""

    def __init__(self, context: PassContext) -> None:
        self._context = context
        opposite = context.pass_.opposite
        with context.database.reading() as connection:
            self._intents: Sequence[Intent] = [
                intent
                for intent in open_intents(connection, context.mapping.id)
                if intent.pass_ is opposite and intent.kind in (WriteKind.CREATE.value, REMAKE)
            ]

    def mark(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add `@held_back`: whether an uncoupled source record may be one that the opposite pass has made."""
        held: set[str] = set()
        new = frame.filter(pl.col(c.COUPLING).is_null() & ~pl.col(DELETED))
        if new.height:
            for intent in self._intents:
                held |= set(self._may_be(intent, new))
        return frame.with_columns(pl.col(ID).is_in(sorted(held)).alias(HELD_BACK))

    def _may_be(self, intent: Intent, frame: pl.DataFrame) -> list[str]:
        capabilities = self._context.source.capabilities
        if capabilities.create_keys in (CreateKeys.CHOSEN, CreateKeys.PROPOSED):
            made = intent.frame.get_column("destination_id").drop_nulls()
            return frame.filter(pl.col(ID).is_in(made.implode())).get_column(ID).to_list()
        if capabilities.create_keys is CreateKeys.MARK and capabilities.mark_field is not None:
            marks = intent.frame.get_column("mark").drop_nulls()
            return frame.filter(pl.col(capabilities.mark_field).is_in(marks.implode())).get_column(ID).to_list()
        pairs = likenesses(intent.frame, frame, self._context.plans.plans, self._context.pass_.source)
        return pairs.filter("alike").get_column("id").to_list()
