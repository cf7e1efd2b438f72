"""The guard against duplicates: before a run makes records, it looks whether they are there already, uncoupled.

It looks only where someone asked for records to be made, or in the first run of a mapping that makes them, and only where both
tables have records. Then both sides are matched by the mapping's criteria, or else by the fields that tell a record to people:
its number, and its name. Nothing is coupled by that; `duplicates_guard` of the mapping says what comes of it.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from twinrow.batch.columns import ID
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import ReadContext, RunContext
from twinrow.engine.match.criteria import Criteria, choose_criteria, incomparable
from twinrow.engine.match.exact import Matching
from twinrow.model.errors import DuplicatesHeld, RetryError, StopError
from twinrow.model.mapping import DuplicatesGuard
from twinrow.model.outcomes import Unmatched
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import NAMES, NUMBERS
from twinrow.store.leases import check_fence
from twinrow.store.restraints import check_stop
from twinrow.store.watermarks import read_watermark

_LIKELY = (Unmatched.SEVERAL, Unmatched.RIVALS)
"""Uncoupled records that agree with others, though it is not clear with which."""


@dataclass(frozen=True, slots=True)
class Likely:
    """How many uncoupled local records seem to have a counterpart that is not coupled, and by which fields they were found.

    `passes` are those that would make records; `command` couples them first.
    """

    mapping: str
    records: int
    fields: str
    passes: tuple[Pass, ...]
    command: str

    @property
    def told(self) -> str:
        """What it comes to, for people."""
        return (
            f"{self.records:,} uncoupled local records seem to have a counterpart that is not coupled either "
            f"(by {self.fields})"
        )

    @property
    def warning(self) -> str:
        """What stands in the jobs that made records all the same."""
        return f"Warning: {self.told}: what was made now may double them. Look at it: {self.command} --plan"


def find_duplicates(shared: RunContext, asked: Sequence[Pass]) -> Likely | None:
    """Look for likely counterparts of what a new run of these passes would make; None where there is nothing to tell.

    Raises `Stopped`, and what keeps a system from being read. Where it cannot be told, nothing is; a mapping that stops for
    duplicates stops then, too (`DuplicatesHeld`).
    """
    guard = shared.mapping.mapping.duplicates_guard
    if guard is DuplicatesGuard.OFF or shared.options.allow_duplicates:
        return None
    try:
        return _find(shared, asked)
    except (RetryError, StopError):
        raise
    except Exception as error:  # rules are other people's code; what is wrong, the run tells of each record
        if guard is DuplicatesGuard.STOP:
            raise DuplicatesHeld(
                "It could not be looked whether the records are there already: nothing was made",
                cause=str(error),
                remedy="Mend what is named; to make records without looking: --allow-duplicates.",
            ) from error
        logging.getLogger(__name__).debug("Looking for duplicates of %s failed", shared.mapping.name, exc_info=True)
        return None


def _find(shared: RunContext, asked: Sequence[Pass]) -> Likely | None:
    passes = tuple(pass_ for pass_ in asked if _makes_anew(shared, pass_) and _both_filled(shared, pass_))
    criteria = _criteria(shared) if passes else None
    found = _count(shared, criteria) if criteria is not None else 0
    if criteria is None or not found:
        return None
    return Likely(
        mapping=shared.mapping.name,
        records=found,
        fields=" or ".join(criteria.named(number) for number in range(len(criteria.groups))),
        passes=passes,
        command=_command(shared, criteria),
    )


def held(likely: Likely) -> DuplicatesHeld:
    """Return the error with which a run ends that would double records."""
    return DuplicatesHeld(
        f"{likely.told}: nothing was made",
        cause=f"The mapping {likely.mapping} stops then (duplicates_guard: stop).",
        remedy=f"Couple them first: {likely.command}; to make records all the same: --allow-duplicates.",
    )


def _makes_anew(shared: RunContext, pass_: Pass) -> bool:
    """Whether a pass makes records because someone asked for it, or makes them for the first time."""
    options = shared.options
    chosen_already = options.retry_only or options.appending or options.coupled is not None
    chosen_already = chosen_already or (options.missing != "" and not options.create)
    reading = ReadContext(shared, pass_)
    if chosen_already or options.careful or not reading.can_create:
        return False
    if any(rule.natural(reading.hooks) is not None for rule in shared.rules):
        return False  # it couples what is there already by itself
    if options.create:
        return True
    with shared.database.reading() as connection:
        known = read_watermark(connection, shared.mapping.id, pass_.source)
    # Where everything is looked at again, what was left alone so far may be made now.
    return known is None or not reading.still_valid(known.shape)


def _both_filled(shared: RunContext, pass_: Pass) -> bool:
    """Whether either side has any record in its filter; the side to be written is asked first."""
    for side in (pass_.destination, pass_.source):
        reading = ReadContext(shared, Pass.TO if side is Side.LOCAL else Pass.FROM)
        end = reading.source
        if end.connector.select(end.table.name, (), reading.condition, 1).is_empty():
            return False
    return True


def _criteria(shared: RunContext) -> Criteria | None:
    """Return the mapping's criteria, or else its number and its name, each alone; None where it has none of them."""
    mapping, plans = shared.mapping.mapping, shared.plans
    if any(plan.mapping.match is not None for plan in plans.plans):
        return choose_criteria(mapping, plans)
    telling = [
        plan.key
        for names in (NUMBERS, NAMES)
        for plan in plans.plans
        if plan.derived is None and not plan.is_constant and plan.field(Side.LOCAL).is_text
        if {str(name).casefold() for name in (plan.mapping.local, plan.mapping.integration)} & set(names)
        if incomparable(plan) is None
    ]
    return choose_criteria(mapping, plans, [[key] for key in dict.fromkeys(telling)]) if telling else None


def _count(shared: RunContext, criteria: Criteria) -> int:
    def pause() -> None:
        with shared.database.transaction() as connection:
            if check_fence(connection, shared.lease):
                check_stop(connection)

    here, there = _named(shared)
    if there and shared.mapping.mapping.duplicates_guard is not DuplicatesGuard.STOP and not here:
        return 0  # to find who is meant by a few records of that side, all local ones would have to be read
    with Matching(shared, criteria, () if there else here, pause=pause) as matching:
        matched = sum(
            pairs.filter(
                pl.col("local_id").is_in(here) | pl.col("integration_id").is_in(there) if there else pl.lit(True)
            ).height
            for _, pairs in matching.pairs()
        )
        unclear = sum(
            told.filter(
                pl.col("reason").is_in([reason.value for reason in _LIKELY])
                & (pl.col("local_id").is_in(here) if there else pl.lit(True))
            ).height
            for told in matching.unmatched()
        )
    return matched + unclear


def _named(shared: RunContext) -> tuple[list[str], list[str]]:
    """Return the records that a person named: those of the local side, and the others."""
    named = list(dict.fromkeys(shared.options.records))
    if not named:
        return [], []
    end = shared.ends[Side.LOCAL]
    found = set(end.connector.fetch(end.table.name, (), possible_ids(shared.mapping, Side.LOCAL, named)).get_column(ID))
    return [id for id in named if id in found], [id for id in named if id not in found]


def _command(shared: RunContext, criteria: Criteria) -> str:
    name = shared.mapping.name
    command = f'twinrow match "{name}"' if " " in name else f"twinrow match {name}"
    if any(plan.mapping.match is not None for plan in shared.plans.plans):
        return command
    return command + "".join(f" --on {shlex.quote(str(group[0].plan.mapping.local))}" for group in criteria.groups)
