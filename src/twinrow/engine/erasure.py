"""Erasure: a record's values vanish from the store. Its coupling stays as long as one of its two records is there.

Without the coupling the next run would make the record a second time. With it, and without a base, the next run that looks at
the record reads it anew, and so the store has its values again: whoever erases a person erases in both systems first.
"""

from __future__ import annotations

from dataclasses import dataclass

from twinrow.engine.amend import Amendments, unsettled_ids
from twinrow.engine.changes import possible_ids
from twinrow.model.errors import RecordNotFound, RetryError
from twinrow.model.sides import Side
from twinrow.store.couplings import by_record
from twinrow.store.erasure import Subject, erase_record
from twinrow.store.leases import check_fence


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: so many writes of the journal; whether the coupling went too, and which records still are there."""

    writes: int
    uncoupled: bool
    there: tuple[Side, ...]


def erase(amendments: Amendments, record: str) -> Erased:
    """Erase the values of a record, by its id on either side.

    Raises `RecordNotFound` where nothing is known of it, `RetryError` while it is not known what became of what was sent for it.
    """
    shared = amendments.shared
    ids: dict[Side, list[str]] = {side: possible_ids(shared.mapping, side, [record]) for side in Side}
    numbers: list[int] = []
    with shared.database.reading() as connection:
        for side in Side:
            found = by_record(connection, shared.mapping, side, possible_ids(shared.mapping, side, [record]))
            numbers += found.get_column("coupling_id").to_list()
            for one in Side:
                ids[one] += found.get_column(f"{one.value}_id").to_list()
    ids = {side: list(dict.fromkeys(known)) for side, known in ids.items()}
    held = unsettled_ids(shared)
    if any(set(ids[side]) & held[side] for side in Side):
        raise RetryError(
            f"It is not known yet what became of what was sent for {record}",
            record=record,
            remedy=f"Run twinrow sync {shared.mapping.name} until it is, and repeat the command.",
        )
    there = tuple(
        side
        for side, end in shared.ends.items()
        if ids[side] and not end.connector.fetch(end.table.name, (), ids[side]).is_empty()
    )
    uncouple = bool(numbers) and not there
    with shared.database.erasing() as connection:
        check_fence(connection, shared.lease)
        subject = Subject(shared.mapping, ids, sorted(set(numbers)))
        writes = erase_record(connection, subject, uncouple=uncouple)
    if not writes and not numbers and not there:
        raise RecordNotFound(
            f"Nothing is known of a record {record}", record=record, remedy="Give its id on either side."
        )
    return Erased(writes, uncouple, there)
