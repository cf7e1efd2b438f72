"""Undo: taking back what a run wrote, of all its records, one record or one field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twinrow.actions.context import ActionContext
from twinrow.actions.journal import show_journal
from twinrow.actions.wording import Wording, told_of
from twinrow.engine.amend import Asked
from twinrow.engine.undo import REMADE, Change, Chosen, Refusal, Undo, Undone
from twinrow.model.errors import ConfigurationError, RecordNotFound, StopError, UnknownName
from twinrow.model.sides import Side
from twinrow.store.mappings import StoredMapping
from twinrow.store.runs import RUNNING, list_runs


@dataclass(frozen=True, slots=True)
class UndoChange:
    """Something that an undo changes, or would: a field with its value now and then, or a whole record (`field` None).

    `kind` is `restored`, `removed` or `made again`; `new_id` is what a record that was made again is called now.
    """

    kind: str
    side: Side
    records: Mapping[Side, str | None]
    label: str
    field: str | None
    caption: str
    now: Any
    then: Any
    new_id: str | None


@dataclass(frozen=True, slots=True)
class UndoRefusal:
    """Something that an undo leaves as it is, and why."""

    side: Side
    records: Mapping[Side, str | None]
    label: str
    field: str | None
    caption: str
    reason: str


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What an undo did, counted in records; `undo_run` is the run that did it, None where it only was planned.

    `changes` and `refusals` hold the first thousand each; `refused` counts all refusals.
    """

    mapping: str
    run: int
    undo_run: int | None
    restored: int
    removed: int
    made_again: int
    unchanged: int
    refused: int
    changes: tuple[UndoChange, ...]
    refusals: tuple[UndoRefusal, ...]


def undo(
    context: ActionContext,
    run: int | None = None,
    *,
    mapping: str | None = None,
    record: str | None = None,
    field: str | None = None,
    plan: bool = False,
) -> UndoResult:
    """Take back what a run wrote, or of it only a record (its id on either side) or a field (its name or caption).

    Without a run, the newest one that wrote the record (and the field) is meant. A value only goes back where the record still
    has what the run left; what was made is deleted where nobody has touched it since; what was deleted is made again, with a
    new id. The rest is refused and told. `plan` says what would be done, and does nothing.

    Raises `UnknownName` for a run or mapping that is not there, `ConfigurationError` where it is not clear what is meant,
    `RecordNotFound` where the journal knows no write of the record, `LeaseHeld` while a run of the mapping is under way,
    `StopError` for a run that has not ended.
    """
    wording = Wording(context)
    if run is None:
        mapping, run = _newest(context, mapping, record, field)
    stored = _mapping_of(context, wording, run, mapping)
    chosen = Chosen(
        run,
        told_of(record, wording.couplings_of(stored, record)) if record is not None else None,
        _called(wording, stored, field) if field is not None else None,
    )
    result = Undone()
    work = Undo(chosen, result)
    if plan:
        work.plan(context.engine().reading(stored.name))
    else:
        words = [f"undo of run {run}", f"record {record}" if record else "", f"field {field}" if field else ""]
        asked = Asked(amendment="undo", asked=", ".join(word for word in words if word), who=context.who, keeps=True)
        with context.engine().amending(stored.name, asked) as amendments:
            work.carry_out(amendments)
    return _readable(wording, stored, run, result)


def _newest(
    context: ActionContext, mapping: str | None, record: str | None, field: str | None
) -> tuple[str | None, int]:
    """Return the newest run that wrote a record, and its mapping."""
    if record is None:
        raise ConfigurationError(
            "It is not said what is to be undone", remedy="Name a run (`twinrow jobs list`) or a record (--record)."
        )
    found = show_journal(context, mapping, record=record, field=field, limit=1).writes
    if not found:
        raise RecordNotFound(
            f"The journal knows no write of {record}",
            record=record,
            field=field,
            remedy="Look at `twinrow journal show`; what is older than it is kept cannot be undone.",
        )
    return found[0].mapping, found[0].run


def _mapping_of(context: ActionContext, wording: Wording, run: int, mapping: str | None) -> StoredMapping:
    with context.database.reading() as connection:
        known = {row.id: row for row in list_runs(connection, list(wording.mappings), limit=100_000)}
    if run not in known:
        raise UnknownName("run", str(run), [str(number) for number in known])
    stored = wording.mappings[known[run].mapping_id]
    if mapping not in (None, stored.name):
        raise ConfigurationError(
            f"Run {run} was one of {stored.name}, not of {mapping}", remedy="Leave the mapping out, or name that one."
        )
    if known[run].state == RUNNING:
        raise StopError(
            f"Run {run} has not ended",
            remedy=f"Let it come to its end (twinrow sync {stored.name} goes on with a run that was broken off).",
        )
    return stored


def _called(wording: Wording, stored: StoredMapping, field: str) -> Callable[[str], bool]:
    def is_called(identity: str) -> bool:
        return any(wording.field(stored.id, identity, side).is_called(field) for side in Side)

    return is_called


def _readable(wording: Wording, stored: StoredMapping, run: int, result: Undone) -> UndoResult:
    labels = _labels(wording, stored, [*result.changes, *result.refusals])
    return UndoResult(
        mapping=stored.name,
        run=run,
        undo_run=result.run,
        restored=result.restored,
        removed=result.removed,
        made_again=result.remade,
        unchanged=result.unchanged,
        refused=result.refused,
        changes=tuple(_change(wording, stored, one, labels) for one in result.changes),
        refusals=tuple(_refusal(wording, stored, one, labels) for one in result.refusals),
    )


def _labels(wording: Wording, stored: StoredMapping, told: Sequence[Change | Refusal]) -> dict[Side, dict[str, str]]:
    named: dict[Side, list[str]] = {side: [] for side in Side}
    for one in told:
        for side, id in _records(one).items():
            if id is not None:
                named[side].append(id)
    return {side: wording.labels(stored.id, side, ids) for side, ids in named.items()}


def _records(told: Change | Refusal) -> dict[Side, str | None]:
    return {told.side.other: told.source_id, told.side: told.destination_id}


def _label(told: Change | Refusal, labels: Mapping[Side, Mapping[str, str]]) -> str:
    found = [labels[side].get(id or "", "") for side, id in _records(told).items()]
    return next((label for label in found if label), "")


def _change(
    wording: Wording, stored: StoredMapping, change: Change, labels: Mapping[Side, Mapping[str, str]]
) -> UndoChange:
    named = wording.field(stored.id, change.field, change.side) if change.field is not None else None
    return UndoChange(
        kind=change.kind,
        side=change.side,
        records=_records(change),
        label=_label(change, labels),
        field=named.name if named else None,
        caption=named.caption if named else "",
        now=named.value(change.now) if named else None,
        then=named.value(change.then) if named else None,
        new_id=change.then if change.kind == REMADE else None,
    )


def _refusal(
    wording: Wording, stored: StoredMapping, refusal: Refusal, labels: Mapping[Side, Mapping[str, str]]
) -> UndoRefusal:
    named = wording.field(stored.id, refusal.field, refusal.side) if refusal.field is not None else None
    return UndoRefusal(
        side=refusal.side,
        records=_records(refusal),
        label=_label(refusal, labels),
        field=named.name if named else None,
        caption=named.caption if named else "",
        reason=refusal.reason,
    )
