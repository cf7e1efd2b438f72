"""Settling behind: a thread settles a batch while the next one is read, paired, carried and decided.

What is done to the systems and to the store keeps its order: before anything of a batch is sent, and before its intent is stored,
the batch before it is settled. So a process that is killed leaves behind what it would leave without the thread. What a batch
finds in the store must not depend on the one that is being settled: a record that comes twice waits (`Settling.wait_for`), and
mappings whose records depend on one another have no batch settled behind (`can_settle_behind`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl

from twinrow.batch.columns import ID
from twinrow.batch.hooks import CouplingLookup, Rule
from twinrow.engine.context import PassContext
from twinrow.engine.lookups import related_mappings
from twinrow.model.outcomes import Counters

Settled = Callable[[Counters], None]
"""Called after each batch that was settled, with the batch's counters."""


def can_settle_behind(context: PassContext) -> bool:
    """Whether what becomes of a record can say nothing about those of the next batch.

    It could where records of the mapping refer to one another, and where a rule asks what is coupled in it.
    """
    mapping = context.mapping
    if mapping.id in related_mappings(mapping.mapping, context.shared.mappings):
        return False
    try:
        return not any(_asks_for_couplings(rule, context) for rule in context.shared.rules)
    except Exception:  # rules are other people's code; what breaks is told of the records that it concerns
        logging.getLogger(__name__).debug("A rule of %s broke", mapping.name, exc_info=True)
        return False


def _asks_for_couplings(rule: Rule, context: PassContext) -> bool:
    wanted = [one for one in rule.lookups(context.hooks) if isinstance(one, CouplingLookup)]
    return rule.natural(context.hooks) is not None or any(one.mapping == context.mapping.name for one in wanted)


class Settling:
    """Settles the batches of a pass in their order, one at a time; at the end of its context all are settled."""

    def __init__(self, settled: Settled) -> None:
        self._settled = settled
        self._thread: ThreadPoolExecutor | None = None
        self._work: Future[Counters] | None = None
        self._ids: pl.Series | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            # What is being settled was carried out: it is settled whatever has gone wrong since.
            if self._thread is not None:
                self._thread.shutdown(wait=True)

    def now(self, settle: Callable[[], Counters]) -> None:
        """Settle a batch, when the one before it is settled."""
        self.wait()
        self._settled(settle())

    def behind(self, ids: Sequence[pl.Series], settle: Callable[[], Counters]) -> None:
        """Begin to settle a batch of these source records, when the one before it is settled."""
        self.wait()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="settling")
        self._ids = pl.concat(ids)
        self._work = self._thread.submit(settle)

    def wait(self) -> None:
        """Return when nothing is being settled. Raises what has gone wrong with it."""
        if self._work is not None:
            work, self._work, self._ids = self._work, None, None
            self._settled(work.result())

    def wait_for(self, frame: pl.DataFrame) -> None:
        """Return when none of these source records is being settled. Raises as `wait` does."""
        if self._ids is not None and frame.get_column(ID).is_in(self._ids.implode()).any():
            self.wait()
