"""A model of what a synchronization must do, record by record and in the plainest words; it knows nothing of the engine.

It covers the mapping of `twinrow.testing.pair`: two sides, bidirectional fields (two of them one group), one field that only
goes to the integration side and one that only comes from it, policies for conflicts, records that a side refuses, and
deleted counterparts. A value that a side refuses is one that begins with "bad".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

GROUPS = {"displayName": "displayName", "addressLine1": "address", "city": "address", "faxNo": "faxNo"}
"""Bidirectional fields and the group in which each is decided."""
TO_ONLY, FROM_ONLY = "number", "phoneNumber"
FIELDS = (*GROUPS, TO_ONLY, FROM_ONLY)

Values = dict[str, str]


def one_way(pass_: str) -> str:
    return TO_ONLY if pass_ == "to" else FROM_ONLY


def carried(pass_: str) -> tuple[str, ...]:
    return (*GROUPS, one_way(pass_))


@dataclass
class Pair:
    """A source or coupled pair: the values of both sides (None: not there) and of both bases."""

    local: Values | None = None
    integration: Values | None = None
    coupled: bool = False
    base: dict[str, Values] = field(default_factory=lambda: {"local": {}, "integration": {}})
    failures: dict[str, str] = field(default_factory=dict)
    """The last failure in each pass."""
    skipped: bool = False
    version: dict[str, int] = field(default_factory=lambda: {"local": 0, "integration": 0})
    settled: dict[str, int | None] = field(default_factory=lambda: {"local": None, "integration": None})
    known: dict[str, bool] = field(default_factory=lambda: {"local": False, "integration": False})
    """Whether the base tells all of a side's values, so that its version stands for it and it need not be read."""
    conflicts: set[str] = field(default_factory=set)

    def values(self, side: str) -> Values | None:
        return self.local if side == "local" else self.integration

    def put(self, side: str, values: Values | None) -> None:
        self.version[side] += 1
        if side == "local":
            self.local = values
        else:
            self.integration = values


class Model:
    """Both systems and the memory of the synchronization."""

    def __init__(self, policy: str, create: bool, checks: bool) -> None:
        self.policy = policy
        self.create = create
        self.checks = checks
        """Whether the systems check versions, so that what is stored of a record can stand for it."""
        self.pairs: list[Pair] = []
        self.fired: Counter[str] = Counter()

    def synchronize(self) -> None:
        for pass_, source, destination in (("to", "local", "integration"), ("from", "integration", "local")):
            for pair in list(self.pairs):
                self._look(pair, pass_, source, destination)

    def _look(self, pair: Pair, pass_: str, source: str, destination: str) -> None:
        if pair.values(source) is None:
            pair.failures.pop(pass_, None)
            return
        seen = pair.settled[source] == pair.version[source]
        if seen and pass_ not in pair.failures:
            return
        if pair.skipped:
            return
        failure = (
            self._merge(pair, pass_, source, destination)
            if pair.coupled
            else self._create(pair, pass_, source, destination)
        )
        if failure is None:
            pair.failures.pop(pass_, None)
        elif failure == "conflict":
            pair.failures[pass_] = failure
        else:
            if pair.failures.get(pass_) == failure:
                pair.skipped = True
                self.fired["skipped"] += 1
            pair.failures[pass_] = failure
        pair.settled[source] = pair.version[source]

    def _create(self, pair: Pair, pass_: str, source: str, destination: str) -> str | None:
        if not self.create:
            self.fired["left alone"] += 1
            return None
        mine = pair.values(source)
        assert mine is not None
        made = {name: mine[name] if name in carried(pass_) else "" for name in FIELDS}
        if refused(made, carried(pass_)):
            self.fired["create refused"] += 1
            return "refused"
        pair.put(destination, made)
        pair.coupled = True
        pair.base = {source: dict(mine), destination: dict(made)}
        pair.settled[destination] = pair.version[destination]
        pair.known = {"local": True, "integration": True}
        self.fired[f"created {pass_}"] += 1
        return None

    def _merge(self, pair: Pair, pass_: str, source: str, destination: str) -> str | None:
        mine, theirs = pair.values(source), pair.values(destination)
        assert mine is not None
        base, their_base = pair.base[source], pair.base[destination]
        believed = pair.known[destination] and self.checks
        if not believed and theirs is None:
            self.fired["counterpart gone"] += 1
            return "gone"
        # As long as nothing is to be written, nobody looks at the counterpart: the base stands for it.
        assumed = dict(their_base) if believed else theirs
        assert assumed is not None
        send, agreed, clash = self._decide(mine, assumed, base, their_base, pass_, source)
        if believed and send:
            if theirs is None:
                self.fired["counterpart gone"] += 1
                return "gone"
            assumed = theirs
            send, agreed, clash = self._decide(mine, assumed, base, their_base, pass_, source)
        changed = any(mine[name] != base[name] for name in carried(pass_))
        looked = not believed or assumed is theirs
        if send:
            assert theirs is not None
            sent_groups = {GROUPS[name] for name in send if name in GROUPS}
            if refused(mine, send | {name for name in GROUPS if GROUPS[name] in sent_groups}):
                self.fired["update refused"] += 1
                return "refused"
            assumed = dict(theirs) | {name: mine[name] for name in send}
            pair.put(destination, assumed)
            self.fired[f"modified {pass_}"] += 1
        elif changed and agreed:
            self.fired["both equal"] += 1
        for name in send | agreed:
            base[name], their_base[name] = mine[name], assumed[name]
        base[one_way("from" if pass_ == "to" else "to")] = mine[one_way("from" if pass_ == "to" else "to")]
        their_base[one_way(pass_)] = assumed[one_way(pass_)]
        pair.conflicts = clash
        pair.known[source] = all(mine[name] == base[name] for name in FIELDS)
        if looked:
            pair.known[destination] = all(assumed[name] == their_base[name] for name in FIELDS)
            if pair.known[destination] and send:
                pair.settled[destination] = pair.version[destination]
        if clash:
            self.fired["conflict"] += 1
            return "conflict"
        return None

    def _decide(
        self, mine: Values, theirs: Values, base: Values, their_base: Values, pass_: str, source: str
    ) -> tuple[set[str], set[str], set[str]]:
        """Return the fields that are sent, that agree, and that are in conflict."""
        send: set[str] = set()
        agreed: set[str] = set()
        clash: set[str] = set()
        for name in GROUPS:
            group = [other for other in GROUPS if GROUPS[other] == GROUPS[name]]
            here = any(mine[other] != base[other] for other in group)
            there = any(theirs[other] != their_base[other] for other in group)
            if mine[name] == theirs[name]:
                agreed.add(name)
            elif here and not there:
                send.add(name)
            elif here and there:
                winner = {"none": None, "send": "local", "get": "integration"}[self.policy]
                if winner is None:
                    clash.add(name)
                elif winner == source:
                    send.add(name)
                    self.fired["source wins"] += 1
                else:
                    self.fired["stands aside"] += 1
        only = one_way(pass_)
        if mine[only] == theirs[only]:
            agreed.add(only)
        elif any(mine[name] != base[name] for name in carried(pass_)):
            send.add(only)
            self.fired["one-way asserted"] += 1
        return send, agreed, clash


def refused(values: Values, names: set[str] | tuple[str, ...]) -> bool:
    return any(values[name].startswith("bad") for name in names)
