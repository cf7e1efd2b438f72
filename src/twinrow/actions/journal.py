"""The journal as people read it: what was written, where, when, by which run, and what was there before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.wording import NamedField, Wording, told_of
from twinrow.model.errors import ConfigurationError
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.store import journal as stored_journal
from twinrow.store.journal import NEW, OLD, Entry, read_journal
from twinrow.store.mappings import StoredMapping
from twinrow.store.retention import Retention, read_retention, save_retention
from twinrow.store.runs import options_of_runs


@dataclass(frozen=True, slots=True)
class WrittenField:
    """A field of a write. `*_known` tells a blank from a value that is not known; captions are those of a choice's value."""

    key: str
    name: str
    caption: str
    rule: str | None
    old: Any
    old_known: bool
    old_caption: str
    new: Any
    new_known: bool
    new_caption: str


@dataclass(frozen=True, slots=True)
class Write:
    """One record that was written. `number` is its place in the journal, `side` the side that was written.

    `asked` is what a person asked for, where the run was not a synchronization (an undo, say), and `who` that was.
    """

    number: str
    mapping: str
    run: int
    kind: str
    side: Side
    at: datetime
    decision: Decision | None
    asked: str | None
    who: str | None
    records: Mapping[Side, str | None]
    erased: bool
    fields: tuple[WrittenField, ...]


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Some writes, newest first; `next` is where to go on, None where there is nothing more."""

    writes: tuple[Write, ...]
    next: str | None


def show_journal(
    context: ActionContext,
    mapping: str | None = None,
    *,
    record: str | None = None,
    field: str | None = None,
    run: int | None = None,
    limit: int = 100,
    after: str | None = None,
) -> JournalPage:
    """Return what was written, newest first: of a mapping, a record (its id on either side), a field, a run.

    `after` goes on behind a write, by its number. Raises `UnknownName` for a mapping that is not there, `ConfigurationError`
    for an `after` that is no number of a write.
    """
    wording = Wording(context)
    chosen = [context.mapping(mapping)] if mapping is not None else list(wording.mappings.values())
    entry, row = _place(after)
    writes: list[Write] = []
    for found, frame in _rows(context, wording, chosen, record, run, entry):
        if found.id == entry:
            frame = frame.filter(pl.col("@row") > row)
        fields = _fields(wording, found, frame.columns, field)
        if field is not None:
            told = [pl.col(name + identity).is_not_null() for identity in fields for name in (OLD, NEW)]
            frame = frame.filter(pl.any_horizontal(told)) if told else frame.head(0)
        left = limit - len(writes)
        writes += [_write(wording, found, values, fields) for values in frame.head(left).iter_rows(named=True)]
        if frame.height > left:
            break
    else:
        return JournalPage(_asked(context, writes), None)
    return JournalPage(_asked(context, writes), writes[-1].number)


def _place(after: str | None) -> tuple[int | None, int]:
    if after is None:
        return None, -1
    entry, _, row = after.partition(".")
    if not entry.isdecimal() or not row.isdecimal():
        raise ConfigurationError(f"{after!r} is no number of a write", remedy="Give a number as the journal shows it.")
    return int(entry), int(row)


def _rows(
    context: ActionContext,
    wording: Wording,
    chosen: Sequence[StoredMapping],
    record: str | None,
    run: int | None,
    newest: int | None,
) -> Iterator[tuple[Entry, pl.DataFrame]]:
    """Yield the batches that may be meant, with the rows that are (`@row`: their place in the batch)."""
    coupled = [number for one in chosen for number in wording.couplings_of(one, record)] if record is not None else []
    with context.database.reading() as connection:
        # Records that are not coupled any more have to be looked for in every batch.
        ids = [stored.id for stored in chosen]
        for entry in read_journal(connection, ids, run_id=run, coupling_ids=coupled or None, newest=newest):
            frame = entry.frame.with_row_index("@row")
            if record is not None:
                frame = frame.filter(told_of(record, coupled))
            if frame.height:
                yield entry, frame


def _fields(wording: Wording, entry: Entry, columns: Sequence[str], wanted: str | None) -> dict[str, NamedField]:
    side = entry.pass_.destination
    named = {identity: wording.field(entry.mapping_id, identity, side) for identity in entry.fields}
    return {
        identity: field
        for identity, field in named.items()
        if NEW + identity in columns and (wanted is None or field.is_called(wanted))
    }


def _write(wording: Wording, entry: Entry, values: Mapping[str, Any], fields: Mapping[str, NamedField]) -> Write:
    pass_ = entry.pass_
    told = []
    for identity, field in fields.items():
        old, new = values[OLD + identity], values[NEW + identity]
        if old is None and new is None:
            continue
        before, after = field.value(old), field.value(new)
        captions = field.captions
        told.append(
            WrittenField(
                key=field.key,
                name=field.name,
                caption=field.caption,
                rule=field.rule,
                old=before,
                old_known=old is not None,
                old_caption=captions.get(before, ""),
                new=after,
                new_known=new is not None,
                new_caption=captions.get(after, ""),
            )
        )
    return Write(
        number=f"{entry.id}.{values['@row']}",
        mapping=wording.mappings[entry.mapping_id].name,
        run=entry.run_id,
        kind=entry.kind,
        side=pass_.destination,
        at=entry.written_at,
        decision=Decision(values["decision"]) if values["decision"] is not None else None,
        asked=None,
        who=None,
        records={pass_.source: values["source_id"], pass_.destination: values["destination_id"]},
        erased=bool(values["erased"]),
        fields=tuple(told),
    )


def _asked(context: ActionContext, writes: Sequence[Write]) -> tuple[Write, ...]:
    """Add what a person had asked of the runs that were no synchronizations."""
    with context.database.reading() as connection:
        options = options_of_runs(connection, {write.run for write in writes})
    return tuple(
        replace(write, asked=options[write.run].get("asked"), who=options[write.run].get("who"))
        if write.run in options
        else write
        for write in writes
    )


def prune_journal(context: ActionContext, days: int | None = None) -> int:
    """Forget what was written longer ago than the store keeps it, or than `days`; return how many writes that were.

    What is forgotten can be neither told nor undone. Raises `ConfigurationError` where neither says how long.
    """
    with context.database.transaction() as connection:
        kept = timedelta(days=days) if days is not None else read_retention(connection).journal
        if kept is None:
            raise ConfigurationError(
                "The store keeps its journal for ever",
                remedy="Say how many days: `twinrow journal prune --days`, or `twinrow journal keep` for good.",
            )
        return stored_journal.prune_journal(connection, _all(context), context.clock.now() - kept)


def keep_journal(context: ActionContext, days: int | None, *, jobs: int | None = None) -> Retention:
    """Say for how many days the store keeps its journal, and its jobs with their errors; None: for ever. Both are set.

    What is older goes at the end of runs. Raises `ConfigurationError` for less than a day.
    """
    if any(value is not None and value < 1 for value in (days, jobs)):
        raise ConfigurationError("Something must be kept for a day at least", remedy="Give a number of days.")
    kept = Retention(*(timedelta(days=value) if value is not None else None for value in (days, jobs)))
    with context.database.transaction() as connection:
        save_retention(connection, kept)
    return kept


def show_retention(context: ActionContext) -> Retention:
    """Return how long the store keeps its journal, and its jobs with their errors."""
    with context.database.reading() as connection:
        return read_retention(connection)


def _all(context: ActionContext) -> list[int]:
    return [stored.id for stored in context.mappings()]
