"""Scored matching, and the proposals that it makes: listing, explaining, accepting and rejecting them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.wording import Wording
from twinrow.batch.columns import ID
from twinrow.engine.amend import Asked
from twinrow.engine.context import RunContext
from twinrow.engine.match.job import COUPLING, CouplingJob
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.sides import Side
from twinrow.store.couplings import by_record
from twinrow.store.mappings import StoredMapping
from twinrow.store.proposals import (
    ACCEPTED,
    OPEN,
    REJECTED,
    STATES,
    Proposal,
    count_proposals,
    decide,
    forget_open,
    get_proposals,
    states_of,
)
from twinrow.store.proposals import list_proposals as stored_proposals

if TYPE_CHECKING:
    from twinrow.engine.match.scored import Progress

_ALL = 10_000_000
_AT_ONCE = 5_000
_MOVED = "somebody has decided about it meanwhile"


@dataclass(frozen=True, slots=True)
class ScoredResult:
    """What a scored matching came to. `kinds` tells for each compared field, by its caption, what kind of value it holds.

    `records` are the uncoupled records of each side that took part, `fresh` those that were new or had changed since the last
    time; `coupled` counts the pairs that were coupled by themselves, `proposed` the open proposals.
    """

    mapping: str
    run: int
    job: int
    kinds: Mapping[str, str]
    records: Mapping[Side, int]
    fresh: Mapping[Side, int]
    learned: bool
    coupled: int
    proposed: int


@dataclass(frozen=True, slots=True)
class Reason:
    """What one field says: both values in comparable form, what comparing them came to, and how much that counts.

    `bits` above 0 speak for a match, below 0 against it.
    """

    field: str
    caption: str
    kind: str
    local: str | None
    integration: str | None
    result: str
    bits: float


@dataclass(frozen=True, slots=True)
class ReadableProposal:
    """A proposal as people read it: `labels` is what they call the two records, `reasons` explain the score field by field."""

    id: int
    mapping: str
    ids: Mapping[Side, str]
    labels: Mapping[Side, str]
    state: str
    score: float
    probability: float
    reasons: tuple[Reason, ...]
    made_at: datetime
    who: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of proposals: the numbers of those that were accepted or rejected, and why others were not."""

    done: tuple[int, ...]
    refused: Mapping[int, str] = field(default_factory=dict)


def match_scored(
    context: ActionContext,
    mapping: str,
    *,
    again: bool = False,
    only_propose: bool = False,
    progress: Progress | None = None,
) -> ScoredResult:
    """Hold the uncoupled records of both sides against each other, and couple or propose pairs by how alike they are.

    A pair that is the same with a probability of 0.999 or more is coupled, one that is likely becomes a proposal. Later runs only
    look at records that are new or have changed; `again` learns from all records anew. `only_propose` couples nothing.

    Raises `ConfigurationError` where no field can be compared, `LeaseHeld` while a run of the mapping is under way, `Stopped`,
    and what keeps a system from being read.
    """
    # What it computes with takes its time to import; no other action needs it.
    from twinrow.engine.match.scored import CERTAIN, ScoredMatching

    context.mapping(mapping)
    asked = Asked(amendment=COUPLING, asked="scored matching", who=context.who)
    with context.engine().amending(mapping, asked) as amendments:
        job = CouplingJob(amendments.shared)
        found = ScoredMatching(amendments.shared, job, progress).run(again=again, only_propose=only_propose)
        told = f"{found.coupled:,} pairs were coupled with a probability of {CERTAIN} or more"
        job.finish(f"{told}, {found.proposed:,} are proposed.")
    return ScoredResult(
        mapping=mapping,
        run=amendments.run_id,
        job=job.number,
        kinds={one.caption: one.kind.value for one in found.fields},
        records=found.records,
        fresh=found.fresh,
        learned=found.learned,
        coupled=found.coupled,
        proposed=found.proposed,
    )


def list_proposals(
    context: ActionContext, mapping: str | None = None, *, state: str = OPEN, above: float = 0.0, limit: int = 100
) -> list[ReadableProposal]:
    """Return the proposals of a mapping, or of all, the most probable first, as people read them.

    `state` is open, accepted or rejected. Raises `UnknownName`.
    """
    if state not in STATES:
        raise UnknownName("state of proposals", state, STATES)
    with context.database.reading() as connection:
        found = stored_proposals(connection, _meant(context, mapping), state, limit, above)
    return _readable(context, found)


def number_of_proposals(context: ActionContext, mapping: str | None = None, *, state: str = OPEN) -> int:
    """Return how many proposals of a mapping, or of all, are in a state."""
    with context.database.reading() as connection:
        return count_proposals(connection, _meant(context, mapping), state)


def show_proposal(context: ActionContext, number: int) -> ReadableProposal:
    """Return one proposal with its explanation. Raises `UnknownName`."""
    with context.database.reading() as connection:
        found = get_proposals(connection, context.mappings(), [number])
    return _readable(context, found)[0]


def accept_proposals(
    context: ActionContext, numbers: Sequence[int] = (), *, mapping: str | None = None, above: float | None = None
) -> Decided:
    """Accept proposals by their numbers, or all open ones of a mapping down to a probability: the two records are coupled.

    Where one of the records is gone, or was coupled meanwhile, the proposal is refused with the reason, and the others go
    through; of two proposals for one record the more probable one is taken. A rejected one may be accepted after all. Raises
    `ConfigurationError` where it is not said which, `UnknownName`, `LeaseHeld`.
    """
    if bool(numbers) == (above is not None) or (above is not None and mapping is None):
        raise ConfigurationError(
            "It is not said which proposals are to be accepted",
            remedy="Give their numbers (`twinrow proposals list`), or --mapping with --above.",
        )
    chosen = _meant(context, mapping)
    with context.database.reading() as connection:
        if above is None:
            found = get_proposals(connection, chosen, numbers)
        else:
            found = stored_proposals(connection, chosen, OPEN, _ALL, above)
    done: list[int] = []
    refused: dict[int, str] = {}
    for stored, proposals in _by_mapping(chosen, found):
        asked = Asked(amendment=COUPLING, asked="accepted proposals", who=context.who)
        with context.engine().amending(stored.name, asked) as amendments:
            job = CouplingJob(amendments.shared)
            ordered = sorted(proposals, key=lambda one: (-one.probability, one.id))
            before = len(done)
            for start in range(0, len(ordered), _AT_ONCE):
                coupled, others = _couple(context, amendments.shared, job, ordered[start : start + _AT_ONCE])
                done += coupled
                refused |= others
            job.finish(f"{len(done) - before:,} proposed pairs were coupled.")
    return Decided(tuple(done), refused)


def reject_proposals(context: ActionContext, numbers: Sequence[int]) -> Decided:
    """Reject proposals: these pairs are not proposed again. One that was accepted is refused. Raises `UnknownName`."""
    with context.database.transaction() as connection:
        found = get_proposals(connection, context.mappings(), numbers)
        refused = {
            one.id: "it was accepted: the records are coupled. Uncouple them first."
            for one in found
            if one.state == ACCEPTED
        }
        rejected = [one.id for one in found if one.id not in refused]
        decide(connection, rejected, REJECTED, context.who, context.clock.now())
    return Decided(tuple(rejected), refused)


def _meant(context: ActionContext, mapping: str | None) -> list[StoredMapping]:
    return context.mappings() if mapping is None else [context.mapping(mapping)]


def _by_mapping(
    mappings: Sequence[StoredMapping], found: Iterable[Proposal]
) -> list[tuple[StoredMapping, list[Proposal]]]:
    grouped: dict[int, list[Proposal]] = {}
    for one in found:
        grouped.setdefault(one.mapping_id, []).append(one)
    return [(stored, grouped[stored.id]) for stored in mappings if stored.id in grouped]


def _couple(
    context: ActionContext, shared: RunContext, job: CouplingJob, proposals: Sequence[Proposal]
) -> tuple[list[int], dict[int, str]]:
    """Couple what can be coupled; return the numbers of that, and the reasons against the others."""
    mapping = shared.mapping
    read = {one.id: one.state for one in proposals}
    with context.database.reading() as connection:
        # Somebody may have said something else of them since they were read.
        now = states_of(connection, list(read))
    moved = {number: _MOVED for number, state in read.items() if now.get(number) != state}
    proposals = [one for one in proposals if one.id not in moved]
    ids = {Side.LOCAL: [one.local_id for one in proposals], Side.INTEGRATION: [one.integration_id for one in proposals]}
    partners: dict[Side, dict[str, str]] = {}
    there: dict[Side, set[str]] = {}
    for side, end in shared.ends.items():
        with context.database.reading() as connection:
            known = by_record(connection, mapping, side, ids[side])
        partners[side] = dict(known.select(f"{side.value}_id", f"{side.other.value}_id").iter_rows())
        there[side] = set(end.connector.fetch(end.table.name, (), list(dict.fromkeys(ids[side]))).get_column(ID))
    refused: dict[int, str] = moved
    accepted: list[Proposal] = []
    for one in proposals:
        pair = {Side.LOCAL: one.local_id, Side.INTEGRATION: one.integration_id}
        reason = next((why for side in Side if (why := _why_not(side, pair, partners, there))), None)
        if reason is not None:
            refused[one.id] = reason
            continue
        accepted.append(one)
        for side in Side:
            partners[side][pair[side]] = pair[side.other]
    if accepted:
        rows = [(one.local_id, one.integration_id) for one in accepted]
        names = {"local_id": pl.String(), "integration_id": pl.String()}
        job.couple(pl.DataFrame(rows, schema=names, orient="row"))
        with context.database.transaction() as connection:
            decide(connection, [one.id for one in accepted], ACCEPTED, context.who, context.clock.now())
            for side in Side:
                taken = [local if side is Side.LOCAL else integration for local, integration in rows]
                forget_open(connection, mapping, side, taken)
    return [one.id for one in accepted], refused


def _why_not(
    side: Side,
    pair: Mapping[Side, str],
    partners: Mapping[Side, Mapping[str, str]],
    there: Mapping[Side, set[str]],
) -> str | None:
    if pair[side] not in there[side]:
        return f"the {side.value} record {pair[side]} is gone"
    partner = partners[side].get(pair[side])
    if partner == pair[side.other]:
        return f"the records {pair[side]} and {partner} are coupled already"
    return f"the {side.value} record {pair[side]} is coupled to {partner} already" if partner is not None else None


def _readable(context: ActionContext, found: Sequence[Proposal]) -> list[ReadableProposal]:
    wording = Wording(context)
    labels: dict[tuple[int, Side], dict[str, str]] = {}
    for number in {one.mapping_id for one in found}:
        mine = [one for one in found if one.mapping_id == number]
        labels[number, Side.LOCAL] = wording.labels(number, Side.LOCAL, [one.local_id for one in mine])
        labels[number, Side.INTEGRATION] = wording.labels(
            number, Side.INTEGRATION, [one.integration_id for one in mine]
        )
    readable = []
    for one in found:
        ids = {Side.LOCAL: one.local_id, Side.INTEGRATION: one.integration_id}
        readable.append(
            ReadableProposal(
                id=one.id,
                mapping=wording.mappings[one.mapping_id].name,
                ids=ids,
                labels={side: labels[one.mapping_id, side].get(id, "") for side, id in ids.items()},
                state=one.state,
                score=one.score,
                probability=one.probability,
                reasons=tuple(Reason(**reason) for reason in one.explanation["fields"]),
                made_at=one.made_at,
                who=one.who,
                decided_at=one.decided_at,
            )
        )
    return readable
