"""Uncoupling: one record, several, a whole mapping. No data is deleted (semantics 11.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.batch.columns import ID
from twinrow.batch.hooks import Followed
from twinrow.engine.amend import Asked
from twinrow.engine.changes import possible_ids
from twinrow.engine.run import Engine
from twinrow.engine.uncouple import UNCOUPLING, Uncoupled, Uncoupling, chosen_couplings, followers, forget
from twinrow.model.errors import ConfigurationError
from twinrow.model.sides import Pass, Side
from twinrow.standard.rules import RULES
from twinrow.store.leases import release_lease, take_lease, this_process
from twinrow.store.mappings import StoredMapping


@dataclass(frozen=True, slots=True)
class UncouplingResult:
    """What uncoupling came to.

    `cleared` counts the integration records that no longer carry our mark (their company), `failed` the records that are
    still coupled, whose reasons stand in the errors of the run. `run` is None where it was done at once, without a job.
    `not_found` are ids that no record has. `followers`
    tells of records of other mappings that were uncoupled with them: a customer's contacts.
    """

    mapping: str
    run: int | None
    uncoupled: int
    cleared: int
    failed: int
    followers: tuple[UncouplingResult, ...] = ()
    not_found: tuple[str, ...] = ()


def uncouple(
    context: ActionContext, mapping: str, records: Sequence[str] = (), *, everything: bool = False
) -> UncouplingResult:
    """Uncouple records, named by the id of either side, or with `everything` all records of a mapping.

    Records that are not coupled are left out without a word. Where the mapping resets the company of its integration records
    (`uncouple_resets_company_id`), a job does it, and its errors say what stays coupled and why; elsewhere it is done at
    once, and records of which it is not known what became of a write are counted as failed.

    Uncoupled records are not made again on the other side unless they change, or the mapping is read in full. Raises
    `ConfigurationError` where neither or both are given, `LeaseHeld`, and as `synchronize` where a job is needed.
    """
    if bool(records) == everything:
        raise ConfigurationError(
            "Records are named, and all records too" if everything else "It is not said what is to be uncoupled",
            remedy="Name records by their ids, or ask for all records of the mapping.",
        )
    stored = context.mapping(mapping)
    engine = context.engine()
    if everything:
        return _uncouple(context, engine, stored, None)
    unknown = _not_found(context, engine, stored, records)
    return replace(_uncouple(context, engine, stored, list(records)), not_found=unknown)


def _not_found(
    context: ActionContext, engine: Engine, stored: StoredMapping, records: Sequence[str]
) -> tuple[str, ...]:
    """Return those ids that neither name a coupled record nor one that is there."""
    known: set[str] = set()
    for couplings in chosen_couplings(context.database, stored, records):
        known |= {id for side in Side for id in couplings.get_column(f"{side.value}_id").to_list()}
    left = [id for id in dict.fromkeys(records) if id not in known]
    if not left:
        return ()
    reading = engine.reading(stored.name)
    for side, end in reading.ends.items():
        possible = possible_ids(reading.mapping, side, left)
        known |= set(end.connector.fetch(end.table.name, (), possible).get_column(ID).to_list())
    return tuple(id for id in left if id not in known)


def _uncouple(
    context: ActionContext, engine: Engine, stored: StoredMapping, records: list[str] | None
) -> UncouplingResult:
    together = tuple(
        _uncouple(context, engine, other, ids)
        for other, followed in _following(context, stored)
        if (ids := _followers(context, engine, stored, other, followed, records))
    )
    if not stored.mapping.uncouple_resets_company_id:
        done = _at_once(context, stored, records)
        return UncouplingResult(stored.name, None, done.uncoupled, done.cleared, done.failed, together)
    first = next(chosen_couplings(context.database, stored, records), None)
    if first is None and records is not None:
        return UncouplingResult(stored.name, None, 0, 0, 0, together)
    done = Uncoupled()
    what = "all records" if records is None else f"{len(records)} records" if len(records) > 1 else records[0]
    asked = Asked(amendment=UNCOUPLING, asked=f"uncoupling of {what}", who=context.who)
    with engine.amending(stored.name, asked) as amendments:
        work = Uncoupling(amendments.writing(Pass.TO), done)
        for couplings in chosen_couplings(context.database, stored, records):
            work.uncouple(couplings)
        if records is None:
            work.clear_left_behind()
    return UncouplingResult(stored.name, amendments.run_id, done.uncoupled, done.cleared, done.failed, together)


def _at_once(context: ActionContext, stored: StoredMapping, records: list[str] | None) -> Uncoupled:
    done = Uncoupled()
    with context.database.transaction() as connection:
        lease = take_lease(connection, stored.id, None, this_process())
    try:
        for couplings in chosen_couplings(context.database, stored, records):
            part = forget(context.database, stored, lease, couplings)
            done.uncoupled += part.uncoupled
            done.failed += part.failed
    finally:
        with context.database.transaction() as connection:
            release_lease(connection, lease)
    return done


def _following(context: ActionContext, stored: StoredMapping) -> list[tuple[StoredMapping, Followed]]:
    """Return the mappings whose records are uncoupled with those of a mapping."""
    return [
        (other, followed)
        for other in context.mappings()
        if other.local_guid is not None
        for rule in other.mapping.rules
        if rule in RULES
        for followed in RULES[rule].follows()
        if followed.mapping == stored.name
    ]


def _followers(
    context: ActionContext,
    engine: Engine,
    stored: StoredMapping,
    other: StoredMapping,
    followed: Followed,
    records: list[str] | None,
) -> list[str]:
    found: list[pl.Series] = []
    reading = None
    for couplings in chosen_couplings(context.database, stored, records):
        reading = reading or engine.reading(other.name)
        found.append(pl.Series(followers(reading, followed, couplings), dtype=pl.String))
    return pl.concat(found).to_list() if found else []
