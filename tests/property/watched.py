"""A pair of systems that notices every update that is lost, every record that is doubled, every value from nowhere.

Each record carries a tag in its web address; a record and its counterpart have the same. A value that a person wrote is *fresh*
until both sides agree on it. Whoever replaces a fresh value that is not his own must have a rule of the mapping for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from twinrow.connectors.memory import MemorySystem
from twinrow.model.mapping import UpdateConflict
from twinrow.model.sides import Direction, Side
from twinrow.testing.pair import CUSTOMER_FIELDS

COLUMNS = {
    Side.LOCAL: {str(row.local): str(row.local) for row in CUSTOMER_FIELDS},
    Side.INTEGRATION: {str(row.local): str(row.integration) for row in CUSTOMER_FIELDS},
}
"""What each field (by its local name) is called on a side."""
DIRECTIONS = {str(row.local): row.direction for row in CUSTOMER_FIELDS}
GROUPS = {str(row.local): row.merge_group or str(row.local) for row in CUSTOMER_FIELDS}
TAG = "website"
EDITED = tuple(name for name in DIRECTIONS if name != TAG)


class Watch:
    """What is known of both systems, and what went wrong."""

    def __init__(self, policy: UpdateConflict) -> None:
        self.policy = policy
        self.values: dict[Side, dict[str, dict[str, str]]] = {side: {} for side in Side}
        self.written: dict[Side, dict[str, dict[str, set[str]]]] = {
            side: defaultdict(lambda: defaultdict(set)) for side in Side
        }
        self.fresh: set[tuple[Side, str, str]] = set()
        self.touched: set[tuple[Side, str, str]] = set()
        """What people have written since we last wrote and both sides agreed: an edit that went back to an old value counts."""
        self.agreed: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.ids: dict[Side, dict[str, set[str]]] = {side: defaultdict(set) for side in Side}
        self.wrong: list[str] = []
        self.writes: Counter[Side] = Counter()

    def stored(self, side: Side, id: str, values: dict[str, Any], by_person: bool) -> None:
        """Notice that a record has been stored."""
        named = {name: values[column] or "" for name, column in COLUMNS[side].items()}
        tag = named[TAG]
        self.ids[side][tag].add(id)
        if len(self.ids[side][tag]) > 1:
            self.wrong.append(f"{side}: two records for {tag}")
        before = self.values[side].get(tag)
        self.values[side][tag] = named
        if not by_person:
            self.writes[side] += 1
        for name in EDITED:
            if before is None or before[name] != named[name]:
                self._changed(side, tag, name, named[name], by_person, before is None)
            self.written[side][tag][name].add(named[name])
        self._agree(tag, by_person)

    def _changed(self, side: Side, tag: str, name: str, value: str, by_person: bool, is_new: bool) -> None:
        cell = (side, tag, name)
        if by_person:
            # Somebody who goes back to what both sides once agreed on has taken his change back.
            (self.fresh.discard if value in self.agreed[tag, name] else self.fresh.add)(cell)
            self.touched.add(cell)
            return
        other = side.other
        carried = DIRECTIONS[name] is Direction.BIDIRECTIONAL or DIRECTIONS[name].value.startswith(
            "to" if side is Side.INTEGRATION else "from"
        )
        if not carried and not is_new:
            self.wrong.append(f"{side} {tag} {name}: written against its direction")
        if carried and not is_new and value not in self.written[other][tag][name]:
            self.wrong.append(f"{side} {tag} {name}: {value!r} was never on the other side")
        if cell in self.fresh:
            members = [member for member in GROUPS if GROUPS[member] == GROUPS[name]]
            contested = any((other, tag, member) in self.touched for member in members)
            by_policy = contested and self.policy.winner is other
            one_way = DIRECTIONS[name] is not Direction.BIDIRECTIONAL
            if not (by_policy or one_way):
                self.wrong.append(f"{side} {tag} {name}: a value that somebody wrote was replaced by {value!r}")
            self.fresh.discard(cell)

    def _agree(self, tag: str, by_person: bool) -> None:
        here, there = (self.values[side].get(tag) for side in Side)
        if here is None or there is None:
            return
        for name in EDITED:
            if here[name] == there[name]:
                self.agreed[tag, name].add(here[name])
                cells = {(side, tag, name) for side in Side}
                self.fresh -= cells
                if not by_person:
                    self.touched -= cells


class WatchedSystem(MemorySystem):
    """A system in memory whose every write is watched."""

    def __init__(self, watch: Watch, side: Side, *tables: Any, **settings: Any) -> None:
        super().__init__(*tables, **settings)
        self._watch = watch
        self._side = side

    def _store(self, table: str, id: str, values: dict[str, Any], before: Any, by: str) -> Any:
        record = super()._store(table, id, values, before, by)
        self._watch.stored(self._side, id, record.values, by == "person")
        return record
