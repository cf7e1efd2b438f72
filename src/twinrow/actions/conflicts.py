"""Conflicts: fields that both sides changed to different values, as people read them, and settling them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twinrow.actions.context import ActionContext
from twinrow.actions.results import Run
from twinrow.actions.synchronization import run_result
from twinrow.actions.wording import Wording
from twinrow.engine.amend import Asked
from twinrow.engine.choice import Chosen, choose
from twinrow.engine.context import RunOptions
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.store.conflicts import Conflict, get_conflicts
from twinrow.store.conflicts import list_conflicts as stored_conflicts
from twinrow.store.couplings import by_number

TAKE = {"local": Side.LOCAL, "integration": Side.INTEGRATION}
_ALL = 1_000_000
_AT_ONCE = 5_000
"""So many records are carried over by one run."""


@dataclass(frozen=True, slots=True)
class ConflictingSide:
    """One side of a conflict: the record, the field, its value now, the one last reconciled, and who changed it when.

    `label` is what people call the record, `caption` the caption of a choice's value. `before_known` tells a blank from a value
    that never was reconciled.
    """

    record: str | None
    label: str
    field: str | None
    value: Any
    caption: str
    before: Any
    before_known: bool
    modified_at: datetime | None
    modified_by: str | None


@dataclass(frozen=True, slots=True)
class ReadableConflict:
    """A conflict with the mapping it belongs to, and what each side says."""

    id: int
    mapping: TableMapping
    key: str
    sides: Mapping[Side, ConflictingSide]
    job: int | None
    since: datetime
    at: datetime

    @property
    def label(self) -> str:
        """What people call the record, on the side that tells."""
        return next((said.label for said in self.sides.values() if said.label), "")


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of conflicts: the numbers of those that are settled, why others are not, and the runs that carried them."""

    settled: tuple[int, ...]
    refused: Mapping[int, str]
    runs: tuple[Run, ...]


def describe_conflicts(context: ActionContext, conflicts: Sequence[Conflict]) -> list[ReadableConflict]:
    """Return conflicts in the same order, as people read them."""
    wording = Wording(context)
    records: dict[int, dict[Side, str]] = {}
    labels: dict[tuple[int, Side], dict[str, str]] = {}
    for number in {one.mapping_id for one in conflicts}:
        stored = wording.mappings[number]
        with context.database.reading() as connection:
            frame = by_number(connection, stored, [one.coupling_id for one in conflicts if one.mapping_id == number])
        for coupling, local, integration in frame.select("coupling_id", "local_id", "integration_id").iter_rows():
            records[coupling] = {Side.LOCAL: local, Side.INTEGRATION: integration}
        for side in Side:
            labels[number, side] = wording.labels(number, side, frame.get_column(f"{side.value}_id").to_list())
    return [
        ReadableConflict(
            id=conflict.id,
            mapping=wording.mappings[conflict.mapping_id].mapping,
            key=conflict.field,
            sides={
                side: _side(
                    wording,
                    conflict,
                    side,
                    records.get(conflict.coupling_id, {}).get(side),
                    labels[conflict.mapping_id, side],
                )
                for side in Side
            },
            job=conflict.job_id,
            since=conflict.since,
            at=conflict.at,
        )
        for conflict in conflicts
    ]


def _side(
    wording: Wording, conflict: Conflict, side: Side, record: str | None, labels: Mapping[str, str]
) -> ConflictingSide:
    text: str | None = getattr(conflict, f"{side.value}_value")
    before: str | None = getattr(conflict, f"base_{side.value}")
    named = wording.field(conflict.mapping_id, conflict.field, side)
    value = named.value(text)
    return ConflictingSide(
        record=record,
        label=labels.get(record or "", ""),
        field=named.name,
        value=value,
        caption=named.captions.get(value, ""),
        before=named.value(before),
        before_known=before is not None,
        modified_at=getattr(conflict, f"{side.value}_modified_at"),
        modified_by=getattr(conflict, f"{side.value}_modified_by"),
    )


def resolve_conflicts(
    context: ActionContext,
    numbers: Sequence[int] = (),
    *,
    mapping: str | None = None,
    take: str | None = None,
    value: str | None = None,
) -> Resolution:
    """Settle conflicts, by their numbers or all of a mapping: `take` one side's value, or give both sides a `value`.

    The winner's value is carried over at once, by a run of these records; other fields of a merge group come from the same side.
    A value is given as text, in the local side's terms. Conflicts whose values have changed since they were listed are refused.

    Raises `ConfigurationError` where it is not said which or how, `UnknownName` for a conflict that is not open, `DataError` for
    a value that the field cannot hold, `LeaseHeld` while a run of the mapping is under way.
    """
    if (take is None) == (value is None):
        raise ConfigurationError(
            "It is not said how the conflict is to be settled",
            remedy="Take one side's value (local or integration), or give a value for both.",
        )
    if take is not None and take not in TAKE:
        raise UnknownName("side", take, tuple(TAKE))
    result = Chosen()
    runs: list[Run] = []
    by_mapping: dict[str, list[Conflict]] = {}
    for conflict, name in _meant(context, numbers, mapping):
        by_mapping.setdefault(name, []).append(conflict)
    for name, conflicts in by_mapping.items():
        asked = f"a conflict settled: {take} wins" if take is not None else "a conflict settled by a value"
        with context.engine().amending(name, Asked(amendment="conflict", asked=asked, who=context.who)) as amendments:
            found = choose(amendments, conflicts, TAKE[take or "local"], value)
        result.settled += found.settled
        result.refused |= found.refused
        for start in range(0, len(found.records), _AT_ONCE):
            options = RunOptions(records=tuple(found.records[start : start + _AT_ONCE]))
            runs.append(run_result(context, context.engine().run(name, options)))
    return Resolution(tuple(result.settled), result.refused, tuple(runs))


def _meant(context: ActionContext, numbers: Sequence[int], mapping: str | None) -> list[tuple[Conflict, str]]:
    chosen = [context.mapping(mapping)] if mapping is not None else context.mappings()
    names = {stored.id: stored.name for stored in chosen}
    with context.database.reading() as connection:
        if numbers:
            found = get_conflicts(connection, chosen, numbers)
        elif mapping is not None:
            found = stored_conflicts(connection, chosen, limit=_ALL)
        else:
            raise ConfigurationError(
                "It is not said which conflicts are to be settled",
                remedy="Give their numbers (`twinrow conflicts list`), or --all and a mapping.",
            )
        unknown = sorted(set(numbers) - {one.id for one in found})
        if unknown:
            known = [str(one.id) for one in stored_conflicts(connection, chosen)]
            raise UnknownName("open conflict", str(unknown[0]), known)
    return [(one, names[one.mapping_id]) for one in found]
