"""A ledger of everything that is written to two systems, by people and by runs, and of every write that no rule allows.

A record carries a tag that its counterpart has, too. A value that a person wrote is *fresh* until both sides agree on it; whoever
replaces a fresh value must have a rule of the rulebook for it. What one side has had since both last agreed is *touched*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.property.rulebook import COLUMNS, MAPPED, PASS_TO, TAG, UNMAPPED, Rulebook
from twinrow.connectors.memory import MemorySystem
from twinrow.model.mapping import DeletionConflict
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Table

Named = dict[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """One write of a run: what the record held before (None: it was made) and after (None: it was deleted)."""

    side: Side
    id: str
    tag: str
    before: Named | None
    after: Named | None
    alone: bool
    """Whether the other side had no record of that tag."""

    @property
    def kind(self) -> str:
        return "create" if self.before is None else "delete" if self.after is None else "update"

    def changes(self) -> dict[str, tuple[str, str]]:
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        pairs = {name: (before.get(name, ""), after.get(name, "")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class Work:
    """What a run in progress may do beyond the mapping's rules.

    `forced` are the passes whose source wins every field; `careless` says that answers get lost, so that a value may be one
    that the other side had a moment ago; `backwards` are writes that bring back what there was before.
    """

    forced: frozenset[Pass] = frozenset()
    create: bool = False
    careless: bool = False
    retried: frozenset[str] = frozenset()
    """Source records whose making had failed before: they are made when they are tried again."""
    backwards: bool = False
    settling: Mapping[tuple[str, str], Side] = field(default_factory=dict)
    """The side that a person has chosen, by tag and field; `value` is what he gave the local side instead."""
    value: str | None = None


@dataclass
class Ledger:
    """What both systems hold, what was written, and what was wrong."""

    rules: Rulebook = field(default_factory=Rulebook)
    work: Work | None = None
    records: dict[Side, dict[str, Named]] = field(default_factory=lambda: {side: {} for side in Side})
    ids: dict[Side, dict[str, str]] = field(default_factory=lambda: {side: {} for side in Side})
    """The one record of each tag, by side."""
    log: list[Written] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    edits: dict[tuple[Side, str], int] = field(default_factory=lambda: defaultdict(int))
    """How often people have written a record."""
    fresh: set[tuple[Side, str, str]] = field(default_factory=set)
    touched: set[tuple[Side, str, str]] = field(default_factory=set)
    agreed: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    had: dict[Side, dict[tuple[str, str], set[str]]] = field(
        default_factory=lambda: {side: defaultdict(set) for side in Side}
    )
    """Every value that a side has ever had."""
    without_base: set[tuple[str, str]] = field(default_factory=set)
    """Fields of pairs whose mapping has changed, or that were coupled by hand, since both sides agreed."""
    preferred: dict[str, Side] = field(default_factory=dict)
    lost: set[tuple[Side, str]] = field(default_factory=set)
    """Records that people have deleted: their counterparts may make them anew, where the mapping says so."""

    def record(self, side: Side, tag: str) -> Named | None:
        id = self.ids[side].get(tag)
        return None if id is None else self.records[side][id]

    @contextmanager
    def working(self, work: Work) -> Iterator[list[Written]]:
        """Let a run write, and hand over what it has written."""
        start = len(self.log)
        done: list[Written] = []
        self.work = work
        try:
            yield done
        finally:
            self.work = None
            done += self.log[start:]

    def complain(self, text: str) -> None:
        self.wrong.append(text)

    # Both systems tell of every write.

    def stored(self, side: Side, id: str, values: Mapping[str, Any], by_person: bool) -> None:
        named = {name: str(values[column] or "") for name, column in COLUMNS[side].items()}
        named[UNMAPPED[side]] = str(values[UNMAPPED[side]] or "")
        tag = named[TAG]
        before = self.records[side].get(id)
        if before is not None and before[TAG] != tag:
            self.complain(f"{side} {id}: became another record")
        if before is None and self.ids[side].setdefault(tag, id) != id:
            self.complain(f"{side} {tag}: a second record was made")
        self.records[side][id] = named
        if by_person:
            self._by_person(side, tag, id, before, named)
        else:
            self.log.append(Written(side, id, tag, before, named, self.record(side.other, tag) is None))
            (self._made if before is None else self._updated)(side, tag, before or {}, named)
        for name in MAPPED:
            self.had[side][tag, name].add(named[name])
        self._agree(tag, by_person)

    def removed(self, side: Side, id: str) -> None:
        before = self.records[side].pop(id)
        tag = before[TAG]
        if self.ids[side].get(tag) == id:
            del self.ids[side][tag]
        if self.work is None:
            self.edits[side, id] += 1
            self.lost.add((side, tag))
        else:
            self.log.append(Written(side, id, tag, before, None, self.record(side.other, tag) is None))
            self._deleted(side, tag)
        for name in MAPPED:
            self.fresh.discard((side, tag, name))
            self.touched.discard((side, tag, name))

    def _by_person(self, side: Side, tag: str, id: str, before: Named | None, after: Named) -> None:
        self.edits[side, id] += 1
        self.lost.discard((side, tag))
        for name in MAPPED:
            if before is None or before[name] != after[name]:
                # Somebody who goes back to what both sides agreed on has taken his change back.
                back = after[name] in self.agreed[tag, name]
                (self.fresh.discard if back else self.fresh.add)((side, tag, name))
                self.touched.add((side, tag, name))

    # What a run may write.

    def _made(self, side: Side, tag: str, _before: Named, after: Named) -> None:
        pass_, work, rules = PASS_TO[side], self._work, self.rules
        source = self.record(side.other, tag)
        if work.backwards:
            return
        if source is None:
            if not work.careless:
                self.complain(f"{side} {tag}: made from nothing")
            return
        restored = rules.deletion is DeletionConflict.RESTORE and (side, tag) in self.lost
        allowed = not rules.only_coupled or work.create or restored or self.ids[side.other][tag] in work.retried
        if not rules.goes(pass_) or not (allowed or work.careless):
            self.complain(f"{side} {tag}: made although the mapping does not make records")
        if not rules.admits(side.other, source) and not work.careless:
            self.complain(f"{side} {tag}: made although its source is outside the filter")
        template = rules.template(side, source)
        for name in (*MAPPED, UNMAPPED[side]):
            carried = name in MAPPED and rules.carries(name, pass_)
            expected = template.get(name, rules.carried(name, pass_, source[name]) if carried else "")
            if after[name] != expected and not work.careless:
                self.complain(f"{side} {tag} {name}: made with {after[name]!r} instead of {expected!r}")
            if carried:
                # It has been carried, whatever a template has made of it.
                for cell in ((side, tag, name), (side.other, tag, name)):
                    self.fresh.discard(cell)
                    self.touched.discard(cell)
                self.agreed[tag, name] = {after[name], source[name]}
            self.without_base.discard((tag, name))
        self.lost.discard((side, tag))

    def _updated(self, side: Side, tag: str, before: Named, after: Named) -> None:
        work, rules = self._work, self.rules
        source = self.record(side.other, tag)
        if work.backwards:
            self._taken_back(tag, [name for name in MAPPED if before[name] != after[name]])
            return
        marks = rules.marks(side)
        if source is None and marks and all(after[name] == value for name, value in marks.items()):
            self._deleted(side, tag, only=[name for name in marks if before[name] != after[name]])
            return
        if before[UNMAPPED[side]] != after[UNMAPPED[side]]:
            self.complain(f"{side} {tag} {UNMAPPED[side]}: written though it is not mapped")
        if source is None:
            if not work.careless:
                self.complain(f"{side} {tag}: written although its source is gone")
            return
        if not rules.admits(side.other, source) and not work.careless:
            self.complain(f"{side} {tag}: written although its source is outside the filter")
        for name in MAPPED:
            if before[name] != after[name]:
                self._replaced(side, tag, name, before, after[name], source)

    def _taken_back(self, tag: str, names: list[str]) -> None:
        """What was undone stays so: both sides' values are what was last reconciled."""
        held = [record for record in (self.record(one, tag) for one in Side) if record is not None]
        for name in names:
            for one in Side:
                self.fresh.discard((one, tag, name))
                self.touched.discard((one, tag, name))
            self.agreed[tag, name] = {record[name] for record in held}
            self.without_base.discard((tag, name))

    def _replaced(self, side: Side, tag: str, name: str, before: Named, value: str, source: Named) -> None:
        pass_, work, rules, old = PASS_TO[side], self._work, self.rules, before[name]
        where = f"{side} {tag} {name}"
        if (tag, name) in work.settling and value == work.value and side is Side.LOCAL:
            self.fresh.discard((side, tag, name))
            self.touched.add((side, tag, name))
            return
        if not rules.carries(name, pass_):
            self.complain(f"{where}: written against the rules")
            return
        possible = self.had[side.other][tag, name] if work.careless else {source[name]}
        if value not in {rules.carried(name, pass_, one) for one in possible}:
            self.complain(f"{where}: {value!r} is not what the other side says")
        if (side, tag, name) in self.fresh and not self._may_replace(side, tag, name, before, source):
            self.complain(f"{where}: {old!r}, which somebody wrote, was replaced by {value!r}")
        self.fresh.discard((side, tag, name))

    def _may_replace(self, side: Side, tag: str, name: str, before: Named, source: Named) -> bool:
        pass_, work, rules = PASS_TO[side], self._work, self.rules
        if pass_ in work.forced or not rules.both_ways(name) or work.settling.get((tag, name)) is side.other:
            return True
        members = rules.group(name)
        # One member that nobody has reconciled, and that differs, leaves the whole group open.
        held = {side: before, side.other: source}
        open_question = any(
            (tag, member) in self.without_base and not rules.agree(member, *(held[one][member] for one in Side))
            for member in members
        )
        if open_question and self.preferred.get(tag) is side.other:
            return True
        contested = open_question or any((side.other, tag, member) in self.touched for member in members)
        return contested and rules.update.winner is side.other

    def _deleted(self, side: Side, tag: str, only: list[str] | None = None) -> None:
        work, rules = self._work, self.rules
        if work.backwards:
            return
        if not rules.deletes(side) or (only is None and rules.marks(side)):
            self.complain(f"{side} {tag}: deleted against the rules")
        if self.record(side.other, tag) is not None:
            self.complain(f"{side} {tag}: deleted although its source is there")
        names = MAPPED if only is None else [name for name in only if name in MAPPED]
        if rules.update.winner is side.other:
            return
        for name in names:
            edited = (side, tag, name) in self.fresh and rules.fields[name].enabled
            if edited and (
                rules.both_ways(name) or rules.fields[name].direction is Direction(PASS_TO[side.other].value)
            ):
                self.complain(f"{side} {tag} {name}: deleted with a value that somebody wrote")

    @property
    def _work(self) -> Work:
        assert self.work is not None
        return self.work

    def _agree(self, tag: str, by_person: bool) -> None:
        here, there = (self.record(side, tag) for side in Side)
        if here is None or there is None:
            return
        for name in MAPPED:
            if self.rules.agree(name, here[name], there[name]):
                self.agreed[tag, name] |= {here[name], there[name]}
                cells = {(side, tag, name) for side in Side}
                self.fresh -= cells
                if not by_person and not self._work.careless:
                    # Whose answer was lost does not know yet that both agree.
                    self.touched -= cells

    def learned(self, tags: set[str]) -> None:
        """Say that a run has looked at these pairs from both sides: what they agree on is their base now."""
        for tag in tags:
            here, there = (self.record(side, tag) for side in Side)
            if here is None or there is None:
                continue
            for name in MAPPED:
                if self.rules.both_ways(name) and self.rules.agree(name, here[name], there[name]):
                    self.agreed[tag, name] = {here[name], there[name]}
                    self.without_base.discard((tag, name))
                    self.touched -= {(side, tag, name) for side in Side}

    def coupled_by_hand(self, tag: str, preferred: Side | None) -> None:
        """Say that a person has coupled both records, and whose values win."""
        self.preferred.pop(tag, None)
        if preferred is not None:
            self.preferred[tag] = preferred
        self.without_base |= {(tag, name) for name in MAPPED}

    def given_away(self, side: Side, cells: Iterable[tuple[str, str]]) -> None:
        """Say that a person has decided, of these fields, that the other side's values replace those of a side."""
        self.fresh -= {(side, tag, name) for tag, name in cells}

    def forget_base(self, name: str) -> None:
        """Say that the mapping of a field has changed."""
        tags = {tag for side in Side for tag in self.ids[side]}
        self.without_base |= {(tag, name) for tag in tags}


class LedgerSystem(MemorySystem):
    """A system in memory that tells a ledger of every write."""

    def __init__(self, ledger: Ledger, side: Side, table: Table, **settings: Any) -> None:
        super().__init__([table], name=side.value, **settings)
        self._ledger = ledger
        self._side = side

    def _store(self, table: str, id: str, values: dict[str, Any], before: Any, by: str) -> Any:
        record = super()._store(table, id, values, before, by)
        self._ledger.stored(self._side, id, record.values, by == "person")
        return record

    def remove(self, table: str, id: str) -> None:
        super().remove(table, id)
        self._ledger.removed(self._side, id)
