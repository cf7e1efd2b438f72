"""What a pass decides and how it comes out: the closed list of decisions, outcomes, reasons and counters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum


class Decision(IntEnum):
    """What a pass does with a record. The numbers are those of the list in `docs/explanation/decisions.md`."""

    LEFT_OUT = 1
    """A hook or the filter says no, or the record is uncoupled and the mapping only synchronizes coupled ones."""
    SET_ASIDE = 2
    """The coupling or pending record is skipped."""
    COUPLE_NATURAL = 3
    """Uncoupled, and a natural counterpart exists: couple, go on as a pair without base."""
    CREATE = 4
    """Uncoupled, and creation is allowed."""
    COUNTERPART_GONE = 5
    """The counterpart is gone and the mapping does not say what to do about it."""
    RESTORE = 6
    """The counterpart is gone: make it anew, under a new generation."""
    REMOVE_COUPLING = 7
    """The counterpart is gone: forget the coupling."""
    PROPAGATE_DELETE = 8
    """The source is gone and deletes are carried over in this direction."""
    SOURCE_GONE = 9
    """The source is gone: listed under coupled data errors."""
    UNCHANGED = 10
    """The version is the stored one, or no mapped field differs from its own base."""
    SOURCE_CHANGED = 11
    """Changed on the source only: the changed fields are written."""
    DESTINATION_CHANGED = 12
    """Changed on the destination only: left to the opposite pass."""
    BOTH_EQUAL = 13
    """Changed on both sides to equal values: the base is refreshed."""
    SOURCE_WINS = 14
    """Changed on both sides, and the mapping lets the source win."""
    DESTINATION_WINS = 15
    """Changed on both sides, and the mapping lets the destination win: this pass stands aside."""
    CONFLICT = 16
    """Changed on both sides to different values, and nobody has said who wins."""
    FORCED = 17
    """A person chose the direction, or asked to write also what is equal."""
    REFUSED = 18
    """A value cannot be carried, or the destination refuses the record."""
    WAITING = 19
    """A related record is not coupled yet."""
    STALE = 20
    """The version token no longer held, and went on not holding after reading and deciding again."""
    INDETERMINATE = 21
    """The answer to a write is missing."""
    OSCILLATING = 22
    """A field keeps being reversed by the two systems' own logic."""


class Outcome(StrEnum):
    """How a record of a pass came out. Each record read has exactly one."""

    INSERTED = "inserted"
    MODIFIED = "modified"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"
    DELETED = "deleted"
    UNCOUPLED = "uncoupled"
    IGNORED = "ignored"


class Ignored(StrEnum):
    """Why a record was ignored."""

    OUTSIDE_FILTER = "outside filter"
    NOT_COUPLED = "not coupled"
    RULE = "left out by a rule"
    SOURCE_DELETED = "source deleted"
    STANDS_ASIDE = "stands aside"
    NOT_FOUND = "not found"
    OUTSIDE_PILOT = "outside the pilot"
    TO_BE_MADE = "no match: its counterpart is made next"


class Unmatched(StrEnum):
    """Why matching found no counterpart for a local record."""

    NO_VALUE = "no value to match by"
    NO_MATCH = "no match"
    SEVERAL = "several matches"
    COUPLED = "its match is coupled already"
    RIVALS = "other records have the same match"
    UNSETTLED = "not known yet what became of what was sent"
    REJECTED = "a person has rejected its match"


class LeftOut(StrEnum):
    """Why a local record took no part in matching."""

    COUPLED = "coupled already"
    OUTSIDE_FILTER = "outside the filter"
    RULE = "left out by a rule"
    OUTSIDE_PILOT = "outside the pilot"
    NOT_FOUND = "not found"


class Recovery(StrEnum):
    """What gets a failed record going again; the classes of `model.errors`, as stored with an error row."""

    RETRY = "retry"
    DATA = "data"
    CONFIGURATION = "configuration"
    STOP = "stop"


class DifferenceKind(StrEnum):
    """Why a coupled pair differs: what a comparison of both sides finds."""

    DRIFT = "drift"
    """Nothing accounts for it: no run will carry it over by itself."""
    LOCAL_GONE = "local gone"
    """The local record is no longer there."""
    INTEGRATION_GONE = "integration gone"
    """The integration record is no longer there."""
    BOTH_GONE = "both gone"
    """Neither record is there any more."""
    CONFLICT = "conflict"
    """An open conflict: a person decides."""
    SKIPPED = "skipped"
    """The coupling was set aside."""
    PENDING = "pending"
    """A pass could not finish the record; it comes again."""
    AWAITING = "awaiting"
    """A side has changed since; the next run carries it over."""
    UNDONE = "undone"
    """A write was undone; it stays so until either side changes."""
    OUTSIDE_FILTER = "outside filter"
    """The record that would be carried over does not take part any more."""
    RULE = "by rule"
    """The mapping's rules account for it: a template, a loss that is accepted, the system's own form of what was sent."""

    @property
    def calls_for_action(self) -> bool:
        """Whether neither the next run nor an open list takes care of it."""
        return self in (
            DifferenceKind.DRIFT,
            DifferenceKind.LOCAL_GONE,
            DifferenceKind.INTEGRATION_GONE,
            DifferenceKind.BOTH_GONE,
        )


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of a job row. `read` is the sum of the outcomes; `coupled` is counted beside them."""

    read: int = 0
    inserted: int = 0
    modified: int = 0
    unchanged: int = 0
    failed: int = 0
    skipped: int = 0
    deleted: int = 0
    uncoupled: int = 0
    ignored: int = 0
    coupled: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    @property
    def balanced(self) -> bool:
        """Whether every record read has exactly one outcome (promise 6)."""
        values = self.as_dict()
        return self.read == sum(values[outcome.value] for outcome in Outcome)

    @property
    def written(self) -> int:
        """How many records a pass wrote at its destination."""
        return self.inserted + self.modified + self.deleted

    def as_dict(self) -> dict[str, int]:
        """Return the counters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
