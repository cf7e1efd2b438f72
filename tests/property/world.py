"""A world to live in: two systems whose every write goes into a ledger, the workspace between them, and what is known beside it.

The seed chooses what the systems are like; whether they are `stormy` says that answers get lost in them, now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.property.ledger import Ledger, LedgerSystem, Named, Work, Written
from tests.property.rulebook import COLUMNS, MAPPED, TABLES, TAG, Rulebook
from tests.property.steps import Numbers
from tests.property.tally import FIRED
from twinrow.actions.plans import PlannedRecord
from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.engine.context import EngineSettings
from twinrow.model.sides import Side
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair

VALUES = ("A", "B", "C", "D", "", "a", "A", "B", "C", "D", "", "b", "bad")


@dataclass(frozen=True, slots=True)
class Shown:
    """A plan as it was shown, with what was known when it was made."""

    number: int
    records: tuple[PlannedRecord, ...]
    rules: Rulebook
    edits: dict[tuple[Side, str], int]
    moves: int


def refuse(_table: str, values: dict[str, Any]) -> str | None:
    bad = [name for name, value in values.items() if is_bad(str(value))]
    return f"{bad[0]} takes no bad values" if bad else None


def is_bad(value: str) -> bool:
    """Whether systems refuse a value; people may write it."""
    return value.casefold().startswith("bad")


class World:
    """Two systems, the rules between them, and what has happened in them."""

    def __init__(self, seed: int, page_rows: int | None = None) -> None:
        random = Random(-seed - 1)
        pick = random.choice
        self.ledger = Ledger()
        feed = pick([FeedKind.ROW_VERSION, FeedKind.DELTA, FeedKind.MODIFIED_AT])
        keys = pick([CreateKeys.CHOSEN, CreateKeys.CHOSEN, CreateKeys.MARK])
        deletes_in_feed = pick([True, False])
        self.stormy = pick([True, False])
        self.page_rows = page_rows or pick([1, 2, 3, 5, 8, 8])
        self.pair = MemoryPair(self.rules.mapping(), settings=EngineSettings(page_rows=self.page_rows))
        self.systems: dict[Side, LedgerSystem] = {}
        self.hostile: dict[Side, Hostile] = {}
        self._meddling = Random(seed)
        for side, table in ((Side.LOCAL, CUSTOMERS), (Side.INTEGRATION, ACCOUNTS)):
            ids = Random(f"{seed} {side}")
            self.systems[side] = LedgerSystem(
                self.ledger,
                side,
                table,
                feed=feed,
                create_keys=keys,
                deletes_in_feed=deletes_in_feed,
                overlap=timedelta(seconds=2) if feed is FeedKind.MODIFIED_AT else timedelta(),
                clock=self.pair.clocks[side].tick,
                new_id=lambda ids=ids: str(UUID(int=ids.getrandbits(128), version=4)),
                refuse=refuse,
            )
            self.hostile[side] = Hostile(
                self.systems[side], Faults(), seed=seed + len(self.hostile), editor=self._meddler(side)
            )
            self.pair.wrap(side, self.hostile[side])
        self.tags = 0
        self.moves = 0
        """How often something other than people's edits has happened."""
        self.unclear = False
        """Whether answers were lost that no run has cleared up yet."""
        self.apart: list[str] = []
        """Records that are there on both sides and not coupled."""
        self.shown: Shown | None = None
        self.done: dict[int, tuple[list[Written], Rulebook]] = {}
        """What runs have written, by their numbers, as far as every answer came, and by which rules."""
        self.undone: dict[tuple[str, str], tuple[str, str]] = {}
        """The values of both sides where a write was taken back: they may differ until one of them is another."""
        self.given_up: set[str] = set()
        """Records whose making or deletion was taken back: they may be without a counterpart."""

    @property
    def rules(self) -> Rulebook:
        """The rules as they are now."""
        return self.ledger.rules

    def values(self) -> dict[str, dict[str, Named | None]]:
        """Return what both sides hold of each tag."""
        return {
            f"tag{number}": {side.value: self.ledger.record(side, f"tag{number}") for side in Side}
            for number in range(1, self.tags + 1)
        }

    # What people and administrators do with it.

    def add(self, side: Side, values: Named, tag: str | None = None) -> str:
        """Make a record, of a tag that the other side already has or of a new one."""
        if tag is None:
            self.tags += 1
            tag = f"tag{self.tags}"
        return self.systems[side].add(TABLES[side], _stored(side, values | {TAG: tag}))

    def edit(self, side: Side, id: str, values: Named) -> None:
        """Change fields of a record, as a person."""
        self.systems[side].edit(TABLES[side], id, **_stored(side, values))

    def chosen(self, n: Numbers, side: Side) -> tuple[str, Named] | None:
        """Return the id and the values of a record, if the one that the numbers choose is there."""
        tag = f"tag{n.pick(range(self.tags)) + 1}"
        record = self.ledger.record(side, tag)
        return None if record is None else (self.ledger.ids[side][tag], record)

    def administer(self, rules: Rulebook) -> None:
        """Put other rules into force."""
        self.ledger.rules = rules
        self.pair.set_mapping(rules.mapping())
        self.moves += 1

    def wait(self, span: timedelta) -> None:
        """Let time pass."""
        for clock in (self.pair.clock, *self.pair.clocks.values()):
            clock.advance(span)

    def _meddler(self, side: Side) -> Any:
        def meddle(_table: str, id: str) -> None:
            """Change a field of a record at the very moment at which a run is about to write it."""
            name, value = self._meddling.choice(MAPPED), self._meddling.choice(VALUES)
            self.edit(side, id, {name: value.upper() if name == "number" else value})
            FIRED["meddled"] += 1

        return meddle

    # Weather.

    def rage(self, faults: Faults) -> None:
        """Let both systems commit faults from now on."""
        for hostile in self.hostile.values():
            hostile.faults = faults

    def calm(self) -> None:
        """Let every late request arrive, and commit no more faults."""
        for hostile in self.hostile.values():
            hostile.calm()
            with self.ledger.working(Work(careless=True)):
                hostile.deliver()
            FIRED.update({f"fault: {name}": count for name, count in hostile.counts.items()})
            hostile.counts.clear()

    def is_there(self, side: Side, id: str) -> bool:
        """Whether a system has a record."""
        return id in self.ledger.records[side]

    def takes_part(self, local_id: str, integration_id: str) -> bool:
        """Whether both records are there and within the filters of their sides."""
        held = [
            (side, self.ledger.records[side].get(id)) for side, id in zip(Side, (local_id, integration_id), strict=True)
        ]
        return all(record is not None and self.rules.admits(side, record) for side, record in held)

    def pending_sources(self) -> frozenset[str]:
        """Return the source records that wait to be tried again."""
        return frozenset(row.source_id for row in self.pair.workspace.list_pending())


def _stored(side: Side, values: Named) -> dict[str, Any]:
    """Return values as people write them into a side's columns."""
    told = {COLUMNS[side].get(name, name): value for name, value in values.items()}
    if side is Side.LOCAL:
        return dict(told)
    return {column: (int(value or 0) if column == "statecode" else value or None) for column, value in told.items()}
