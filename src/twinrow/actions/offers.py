"""Synchronizing records that a person has selected: what may be offered, and doing what was chosen (semantics 8.1, 8.2).

A **choice** is `to` or `from` (the values of that source win every field) or `merge` (both directions, as any run). One record
of a mapping that goes both ways may be merged; of several a person chooses whose values win, and records that this would do
harm to are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.results import Run
from twinrow.actions.synchronization import Progress, synchronize
from twinrow.engine.context import PassContext, RunOptions
from twinrow.engine.selection import IN_PILOT, SKIPPED, admitted, changed, look_at, there, within
from twinrow.model.errors import ConfigurationError, CouplingRefused, LeaseHeld, RecordNotFound, UnknownName
from twinrow.model.mapping import TableMapping
from twinrow.model.outcomes import Counters, Decision
from twinrow.model.sides import Pass, Side

TO, FROM, MERGE = "to", "from", "merge"
_PASS = {TO: Pass.TO, FROM: Pass.FROM}


class Reason(StrEnum):
    """Why a record cannot be synchronized, or is left out."""

    NOT_FOUND = "not found"
    NOT_COUPLED = "not coupled"
    SOURCE_GONE = "deleted on the side it is to be taken from"
    OUTSIDE_FILTER = "outside the filter of the mapping"
    RULE = "left out by a rule of the mapping"
    OUTSIDE_PILOT = "outside the pilot of the mapping"
    SET_ASIDE = "set aside after failing twice"
    DESTINATION_CHANGED = "changed on the other side since it was last synchronized"


@dataclass(frozen=True, slots=True)
class OfferedRecord:
    """A selected record. `changed` says on which sides it has changed since it was last synchronized.

    `hindered` tells for each choice why the record cannot be taken along; a choice that is not in it is open.
    """

    ids: Mapping[Side, str | None]
    coupled: bool
    set_aside: bool
    changed: Mapping[Side, bool]
    hindered: Mapping[str, Reason]

    @property
    def id(self) -> str:
        """The record's id: the local one, where there is one."""
        return str(self.ids[Side.LOCAL] or self.ids[Side.INTEGRATION])


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be done with selected records.

    `choices` may be empty: nothing can be synchronized, for the `reasons`. `preselected` is the choice that is suggested; None: a
    person must say. `warnings` are to be shown before anything is done; `doubtful`: a person is asked whether to do it at all,
    and no is the answer that is suggested.
    """

    mapping: str
    choices: tuple[str, ...]
    preselected: str | None
    warnings: tuple[str, ...]
    records: tuple[OfferedRecord, ...]
    unknown: tuple[str, ...] = ()
    doubtful: bool = False

    @property
    def reasons(self) -> Mapping[str, Reason]:
        """Why records are left out, whatever is chosen, by their ids."""
        found = dict.fromkeys(self.unknown, Reason.NOT_FOUND)
        for record in self.records:
            told = list(dict.fromkeys(record.hindered.values()))
            if told and not any(choice not in record.hindered for choice in self.choices):
                found[record.id] = told[0]
        return found

    def left_out(self, choice: str) -> Mapping[str, Reason]:
        """Return which records a choice leaves out, and why."""
        hindered = {one.id: one.hindered[choice] for one in self.records if choice in one.hindered}
        return dict.fromkeys(self.unknown, Reason.NOT_FOUND) | hindered

    def chosen(self, choice: str) -> list[str]:
        """Return the ids of the records that a choice synchronizes."""
        return [one.id for one in self.records if choice not in one.hindered]


@dataclass(frozen=True, slots=True)
class Selected:
    """What became of selected records: the run, if there was anything to run, and what was left out, by id."""

    run: Run | None
    left_out: Mapping[str, Reason]


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a record that the integration side's form asked for: its mapping, its local record, the run."""

    mapping: str
    local_id: str | None
    run: Run


def offer_synchronization(
    context: ActionContext, mapping: str, records: Sequence[str], *, create: bool = False
) -> Offer:
    """Say what may be done with records, named by the id of either side; nothing is written.

    `create`: records that are not coupled may be made on the other side. Raises `UnknownName`, and as `synchronize` where a
    system cannot be reached.
    """
    stored = context.mapping(mapping)
    engine = context.engine()
    base = engine.reading(mapping)
    frame = look_at(base, records)
    named = {id for side in Side for id in frame.get_column(f"{side.value}_id").to_list()}
    unknown = tuple(id for id in dict.fromkeys(records) if id not in named)
    one = frame.height + len(unknown) == 1
    passes = stored.mapping.direction.passes
    directions = tuple(choice for choice, pass_ in _PASS.items() if pass_ in passes)
    choices = (*directions, MERGE) if one and len(directions) > 1 else directions
    found = tuple(_offered(row, choices, create, several=not one) for row in frame.iter_rows(named=True))
    open_choices = tuple(choice for choice in choices if any(choice not in record.hindered for record in found))
    if not one or not open_choices:
        only = open_choices[0] if len(directions) == 1 and open_choices else None
        return Offer(mapping, open_choices, only, (), found, unknown)
    (record,) = found
    if len(directions) == 1:
        warnings = _one_way_warnings(stored.mapping, record, _PASS[directions[0]])
        preselected = None if warnings else open_choices[0]
        return Offer(mapping, open_choices, preselected, warnings, found, doubtful=bool(warnings))
    clash = _conflict(context, mapping, record) if all(record.changed.values()) else None
    if clash is not None:
        kept = tuple(choice for choice in open_choices if choice != MERGE)
        warning = f"{clash}: choose whose values are kept. The others are replaced; the journal keeps them."
        return Offer(mapping, kept, None, (warning,), found)
    return Offer(mapping, open_choices, _preselected(record, open_choices), (), found)


def _offered(row: Mapping[str, Any], choices: Sequence[str], create: bool, *, several: bool) -> OfferedRecord:
    hindered: dict[str, Reason] = {}
    for choice in choices:
        passes = [_PASS[choice]] if choice in _PASS else list(Pass)
        reasons = [_reason(row, pass_, create, several) for pass_ in passes]
        told = [reason for reason in reasons if reason is not None]
        # Merging needs one direction in which the record takes part.
        if len(told) == len(reasons):
            hindered[choice] = told[0]
    return OfferedRecord(
        {side: row[f"{side.value}_id"] for side in Side},
        row["coupling_id"] is not None,
        row[SKIPPED],
        {side: row[changed(side)] for side in Side},
        hindered,
    )


def _reason(row: Mapping[str, Any], pass_: Pass, create: bool, several: bool) -> Reason | None:
    source = pass_.source
    coupled = row["coupling_id"] is not None
    if not coupled and (row[f"{source.value}_id"] is None or not create):
        # Whether it would take part at all is the better thing to know.
        known = row[f"{source.value}_id"] is not None
        return (_outside(row, source) if known else None) or Reason.NOT_COUPLED
    if not row[there(source)]:
        return Reason.SOURCE_GONE
    outside = _outside(row, source)
    if outside is not None:
        return outside
    if several and row[SKIPPED]:
        return Reason.SET_ASIDE
    if several and row[changed(pass_.destination)]:
        return Reason.DESTINATION_CHANGED
    return None


def _outside(row: Mapping[str, Any], side: Side) -> Reason | None:
    if not row[within(side)]:
        return Reason.OUTSIDE_FILTER
    if not row[admitted(side)]:
        return Reason.RULE
    return None if row[IN_PILOT] else Reason.OUTSIDE_PILOT


def _preselected(record: OfferedRecord, choices: Sequence[str]) -> str:
    """Return the side that has changed; where both or none have, both are merged."""
    sides = [choice for choice, pass_ in _PASS.items() if record.changed[pass_.source]]
    wanted = sides[0] if len(sides) == 1 else MERGE
    return wanted if wanted in choices else choices[0]


def _one_way_warnings(mapping: TableMapping, record: OfferedRecord, pass_: Pass) -> tuple[str, ...]:
    if not record.changed[pass_.destination]:
        return ()
    where = f"The record of {mapping.table(pass_.destination)}"
    if record.changed[pass_.source]:
        return (f"{where} has changed as well since both were last synchronized: its values are replaced.",)
    return (f"{where} is the newer one: its values are replaced by older ones.",)


def _conflict(context: ActionContext, mapping: str, record: OfferedRecord) -> str | None:
    """Return what a merge would leave as a conflict, if anything. While a run is under way, that cannot be told."""
    messages: list[str] = []

    def planner(_: PassContext, rows: pl.DataFrame | None, _counters: Counters, _reasons: Mapping[str, int]) -> None:
        if rows is not None:
            clashing = rows.filter(pl.col("decision") == int(Decision.CONFLICT))
            messages.extend(str(message) for message in clashing.get_column("message"))

    try:
        context.engine().plan(mapping, RunOptions(records=(record.id,)), planner)
    except LeaseHeld:
        return None
    return messages[0] if messages else None


def synchronize_selected(
    context: ActionContext,
    mapping: str,
    records: Sequence[str],
    choice: str | None = None,
    *,
    create: bool = False,
    unconditional: bool = False,
    allow_duplicates: bool = False,
    progress: Progress | None = None,
) -> Selected:
    """Synchronize records as `offer_synchronization` offers it; without a choice, as is suggested there.

    The mapping's watermarks stay as they are, its conflict resolutions hold, and the run's jobs stand in its log. A record that
    had been set aside is taken off that list. Where no record is left, there is no run.

    Raises `ConfigurationError` for a choice that is not offered, or where a person must choose.
    """
    offer = offer_synchronization(context, mapping, records, create=create)
    wanted = choice or offer.preselected
    if wanted is None and not offer.choices:
        return Selected(None, offer.reasons)
    goes = [name for name, pass_ in _PASS.items() if pass_ in context.mapping(mapping).mapping.direction.passes]
    if wanted is None or wanted not in (*goes, *offer.choices):
        why = " ".join(offer.warnings) or None
        message = f"{choice} cannot be chosen for these records" if choice else "It must be chosen how to synchronize"
        raise ConfigurationError(message, cause=why, remedy=f"Choose {' or '.join(offer.choices or goes)}.")
    chosen = offer.chosen(wanted)
    if not chosen:
        return Selected(None, offer.left_out(wanted))
    direction = None if wanted == MERGE else wanted
    run = synchronize(
        context,
        mapping,
        create=create,
        unconditional=unconditional,
        direction=direction,
        records=chosen,
        allow_duplicates=allow_duplicates,
        progress=progress,
    )
    return Selected(run, offer.left_out(wanted))


def synchronize_from_integration(context: ActionContext, table: str, id: str) -> Called:
    """Synchronize a record that somebody asks for on the integration side's own form, and return its local record.

    A record that is not coupled is made on the local side and coupled, where its mapping makes records and goes that way.
    Raises `UnknownName` for a table that no mapping has, `RecordNotFound`, and `CouplingRefused` with the reasons where nothing
    can be done.
    """
    mappings = [stored for stored in context.mappings() if stored.mapping.integration_table == table]
    if not mappings:
        raise UnknownName("mapped table", table, sorted({one.mapping.integration_table for one in context.mappings()}))
    reasons: list[str] = []
    willing: list[str] = []
    for stored in mappings:
        offer = offer_synchronization(context, stored.name, [id], create=not stored.mapping.only_coupled)
        if offer.unknown:
            raise RecordNotFound(
                f"There is no record {id} in {table}", record=id, remedy="Give the id of a record there."
            )
        (record,) = offer.records
        if record.coupled:
            return _called(context, stored.name, id)
        reason = _unwilling(stored.mapping, offer)
        if reason is None:
            willing.append(stored.name)
        else:
            reasons.append(f"{stored.name}: {reason}")
    if not willing:
        raise CouplingRefused(
            f"The record {id} of {table} is not coupled, and no mapping makes its counterpart",
            record=id,
            cause="; ".join(reasons),
            remedy="Couple it by hand, or let the mapping make records (only_coupled: false).",
        )
    return _called(context, willing[0], id)


def _unwilling(mapping: TableMapping, offer: Offer) -> str | None:
    """Return why a mapping does not make the counterpart of an uncoupled integration record."""
    if Pass.FROM not in mapping.direction.passes:
        return "it does not go from the integration side"
    hindered = offer.left_out(FROM)
    outside = [reason for reason in hindered.values() if reason is not Reason.NOT_COUPLED]
    if outside:
        return f"the record is {outside[0].value}"
    return "it only keeps coupled records in step" if mapping.only_coupled else None


def _called(context: ActionContext, mapping: str, id: str) -> Called:
    run = synchronize(context, mapping, records=[id])
    frame = look_at(context.engine().reading(mapping), [id])
    local = frame.filter(pl.col("coupling_id").is_not_null()).get_column("local_id")
    return Called(mapping, local[0] if len(local) else None, run)
