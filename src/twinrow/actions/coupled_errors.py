"""Coupled data errors: records that are set aside, with what is left of both sides, and what can be done (semantics 6.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from twinrow.actions.context import ActionContext
from twinrow.actions.results import Run
from twinrow.actions.synchronization import run_named, synchronize
from twinrow.actions.uncoupling import UncouplingResult, uncouple
from twinrow.actions.wording import Wording
from twinrow.batch.columns import ID
from twinrow.engine.amend import Asked
from twinrow.engine.broken import Broken, set_broken_aside
from twinrow.engine.context import RunOptions
from twinrow.model.errors import ConfigurationError, TwinrowError, UnknownName
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import by_number, count_couplings
from twinrow.store.mappings import StoredMapping
from twinrow.store.pending import PendingRecord, clear_pending, pending_of
from twinrow.store.pending import list_pending as stored_pending

_SOURCE = {Side.LOCAL: Pass.TO, Side.INTEGRATION: Pass.FROM}
_ALL = 100_000


class Remedy(StrEnum):
    """What can be done with a record that is set aside."""

    RETRY = "retry"
    SYNCHRONIZE = "synchronize"
    LOG = "log"
    COUPLE = "couple"
    UNCOUPLE = "uncouple"
    RESTORE = "restore"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class CoupledError:
    """A record that is set aside: what it is called on both sides, which of them is there, and why it failed last.

    `number` is that of its pending row. A record that was not coupled yet, because its counterpart could not be made, has no
    id on the other side. Where both directions failed, the one to the integration side is told.
    """

    number: int
    mapping: str
    local_table: str
    ids: Mapping[Side, str | None]
    labels: Mapping[Side, str]
    exists: Mapping[Side, bool]
    pass_: Pass
    field: str | None
    message: str
    cause: str | None
    remedy: str | None
    failed_at: datetime

    @property
    def coupled(self) -> bool:
        """Whether the record is coupled."""
        return all(self.ids.values())

    @property
    def survivor(self) -> Side | None:
        """The only side that is left of a coupling, if one is gone."""
        left = [side for side in Side if self.exists[side]]
        return left[0] if self.coupled and len(left) == 1 else None

    @property
    def remedies(self) -> frozenset[Remedy]:
        """What can be done with it as it is now."""
        if not self.coupled:
            return frozenset({Remedy.RETRY, Remedy.SYNCHRONIZE, Remedy.LOG, Remedy.COUPLE})
        if not any(self.exists.values()):
            return frozenset({Remedy.UNCOUPLE})
        if self.survivor is None:
            return frozenset(Remedy) - {Remedy.RESTORE, Remedy.DELETE}
        found = frozenset({Remedy.UNCOUPLE, Remedy.RESTORE, Remedy.DELETE})
        return found | {Remedy.LOG, Remedy.COUPLE} if self.survivor is Side.LOCAL else found


def list_coupled_errors(
    context: ActionContext, mapping: str | None = None, limit: int | None = 100
) -> list[CoupledError]:
    """Return the records that are set aside, the latest failure first.

    Both systems are asked which of the records are there. Couplings of which both sides are gone are removed, and not told.
    """
    chosen = [context.mapping(mapping)] if mapping is not None else context.mappings()
    found: list[CoupledError] = []
    for stored in chosen:
        if stored.local_guid is None:
            continue
        with context.database.reading() as connection:
            rows = _latest(stored_pending(connection, [stored], skipped=True, limit=_ALL))
        rows = rows if limit is None else rows[:limit]
        if rows:
            found += _listed(context, stored, rows)
    found.sort(key=lambda one: (one.failed_at, one.number), reverse=True)
    return found if limit is None else found[:limit]


def _latest(rows: Sequence[PendingRecord]) -> list[PendingRecord]:
    """Return one row for each coupling, or record that is not coupled, the latest failure first."""
    kept: dict[object, PendingRecord] = {}
    for row in sorted(rows, key=lambda row: row.pass_ is not Pass.TO):
        kept.setdefault(row.coupling_id or (row.pass_, row.source_id), row)
    return sorted(kept.values(), key=lambda row: (row.at, row.id), reverse=True)


def _listed(context: ActionContext, stored: StoredMapping, rows: Sequence[PendingRecord]) -> list[CoupledError]:
    numbers = [row.coupling_id for row in rows if row.coupling_id is not None]
    with context.database.reading() as connection:
        couplings = by_number(connection, stored, numbers)
    named = {row["coupling_id"]: row for row in couplings.iter_rows(named=True)}
    wording, pair = Wording(context), context.pair()
    ids: dict[int, dict[Side, str | None]] = {}
    for row in rows:
        known = named.get(row.coupling_id)
        ids[row.id] = {
            side: known[f"{side.value}_id"] if known else row.source_id if row.pass_.source is side else None
            for side in Side
        }
    there: dict[Side, set[str]] = {}
    labels: dict[Side, dict[str, str]] = {}
    for side in Side:
        asked = [id for one in ids.values() if (id := one[side])]
        connector = context.connector(pair.system(side))
        there[side] = set(connector.fetch(stored.mapping.table(side), (), asked).get_column(ID).to_list())
        labels[side] = wording.labels(stored.id, side, sorted(there[side]))
    found = [
        CoupledError(
            number=row.id,
            mapping=stored.name,
            local_table=stored.mapping.local_table,
            ids=ids[row.id],
            labels={side: labels[side].get(ids[row.id][side] or "", "") for side in Side},
            exists={side: ids[row.id][side] in there[side] for side in Side},
            pass_=row.pass_,
            field=row.field,
            message=row.message,
            cause=row.cause,
            remedy=row.remedy,
            failed_at=row.at,
        )
        for row in rows
    ]
    forgotten = _forget_dead(context, stored, [one for one in found if not any(one.exists.values())])
    return [one for one in found if one.number not in forgotten]


def _forget_dead(context: ActionContext, stored: StoredMapping, dead: Sequence[CoupledError]) -> set[int]:
    """Forget what nothing is left of, and return the numbers of that; looking at the list never fails for it.

    So many couplings that the mapping would not let a run remove them stay on the list: perhaps the systems only show nothing.
    """
    coupled = {one.number: one.ids[Side.LOCAL] or "" for one in dead if one.coupled}
    with context.database.transaction() as connection:
        for pass_ in Pass:
            loose = [one.ids[pass_.source] or "" for one in dead if not one.coupled and one.pass_ is pass_]
            clear_pending(connection, stored, pass_, loose)
        allowed = stored.mapping.delete_limit.allows(len(coupled), count_couplings(connection, stored))
    if coupled and allowed:
        with suppress(TwinrowError):
            uncouple(context, stored.name, list(coupled.values()))
    return {one.number for one in dead if one.number not in coupled or allowed}


def synchronize_coupled_errors(
    context: ActionContext, numbers: Sequence[int], direction: str | None = None
) -> list[Run]:
    """Take records off the list and synchronize them now: one run for each mapping; records of which a side is gone are left out.

    `direction` (`to` or `from`) is whose values win in mappings that go both ways; others go the only way that they have. Raises
    `UnknownName` for numbers that are not on the list.
    """
    runs = []
    for stored, errors in _by_mapping(context, numbers):
        passes = stored.mapping.direction.passes
        chosen = direction if len(passes) > 1 else None
        ids = [_an_id(one) for one in errors if Remedy.SYNCHRONIZE in one.remedies]
        if ids:
            runs.append(synchronize(context, stored.name, direction=chosen, records=ids))
    return runs


def restore_records(context: ActionContext, numbers: Sequence[int]) -> list[Run]:
    """Make the records that are gone again from those that are left, with new identities, and couple them.

    Raises `UnknownName` for numbers that are not on the list, `ConfigurationError` for records of which no side is gone, or whose
    mapping does not go from the side that is left.
    """
    runs = []
    chosen = [(stored, _broken(errors)) for stored, errors in _by_mapping(context, numbers)]
    for stored, errors in chosen:
        for side in {one.survivor for one in errors if one.survivor is not None}:
            if _SOURCE[side] not in stored.mapping.direction.passes:
                raise ConfigurationError(
                    f"{stored.name} does not go from the {side.value} side: nothing can be made from what is left there",
                    remedy="Delete the records that are left, or uncouple them.",
                )
    for stored, errors in chosen:
        for side in Side:
            left = [one for one in errors if one.survivor is side]
            if not left:
                continue
            asked = RunOptions(records=tuple(one.ids[side] or "" for one in left), missing="restore")
            runs.append(run_named(context, stored, asked))
    return runs


def delete_records(context: ActionContext, numbers: Sequence[int]) -> list[Run]:
    """Delete the records that are left of couplings of which the other side is gone, and the couplings.

    Where the mapping marks records as given up instead of deleting them (`deactivation`), that is done. The journal keeps what
    was deleted, and `undo` makes it again. Raises as `restore_records`.
    """
    runs = []
    for stored, errors in [(stored, _broken(errors)) for stored, errors in _by_mapping(context, numbers)]:
        for side in Side:
            left = [one for one in errors if one.survivor is side]
            if left:
                pass_ = _SOURCE[side.other]
                ids = tuple(one.ids[side.other] or "" for one in left)
                asked = RunOptions(records=ids, missing="delete", passes=(pass_.value,))
                runs.append(run_named(context, stored, asked))
    return runs


def uncouple_coupled_errors(context: ActionContext, numbers: Sequence[int]) -> list[UncouplingResult]:
    """Uncouple records that are set aside. Raises `UnknownName` for numbers that are not on the list."""
    return [
        uncouple(context, stored.name, [one.ids[Side.LOCAL] or "" for one in errors if one.coupled])
        for stored, errors in _by_mapping(context, numbers)
        if any(one.coupled for one in errors)
    ]


def find_deleted(context: ActionContext, mapping: str | None = None) -> dict[str, Broken]:
    """Look for couplings of which a record is gone, or does not satisfy the filter any more, and set them aside.

    Both sides are read in pages. Returns how many were found, by mapping. Raises `LeaseHeld` while a run is under way.
    """
    found = {}
    for stored in [context.mapping(mapping)] if mapping is not None else context.mappings():
        if stored.local_guid is None or not stored.mapping.enabled:
            continue
        asked = Asked(amendment="finding", asked="couplings whose records are gone", who=context.who)
        with context.engine().amending(stored.name, asked) as amendments:
            found[stored.name] = set_broken_aside(amendments.shared)
    return found


def _by_mapping(context: ActionContext, numbers: Sequence[int]) -> list[tuple[StoredMapping, list[CoupledError]]]:
    chosen: list[tuple[StoredMapping, list[CoupledError]]] = []
    known: set[int] = set()
    for stored in context.mappings():
        with context.database.reading() as connection:
            rows = [row for row in pending_of(connection, stored, numbers) if row.skipped]
        known |= {row.id for row in rows}
        if rows:
            chosen.append((stored, _listed(context, stored, _latest(rows))))
    for number in numbers:
        if number not in known:
            raise UnknownName("coupled data error", str(number), ())
    return chosen


def _broken(errors: Sequence[CoupledError]) -> Sequence[CoupledError]:
    for one in errors:
        if one.survivor is None:
            raise ConfigurationError(
                f"Of the coupling of {_an_id(one)} no side is gone",
                remedy="Mend what is named and retry it, synchronize it, or uncouple it.",
            )
    return errors


def _an_id(error: CoupledError) -> str:
    return str(error.ids[Side.LOCAL] or error.ids[Side.INTEGRATION])
