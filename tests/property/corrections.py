"""Corrections: runs are taken back, and open conflicts settled by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.property.audit import Audit
from tests.property.ledger import Named, Work, Written
from tests.property.rulebook import GROUP, MAPPED, Rulebook
from tests.property.steps import Numbers
from tests.property.tally import FIRED, count
from tests.property.world import World, is_bad
from twinrow.actions.undo import UndoResult
from twinrow.model.mapping import ConflictScope
from twinrow.model.sides import Side

Held = Mapping[Side, Mapping[str, Named]]


class Corrections:
    """What people correct. Each method is a kind of step."""

    def __init__(self, world: World, audit: Audit) -> None:
        self._world = world
        self._audit = audit

    # Taking back.

    def undo(self, n: Numbers) -> None:
        """Take a run back, or one of its records: where nobody has been since, there is what was there before."""
        world, undo = self._world, self._world.pair.workspace.undo
        known = [number for number, (written, _) in world.done.items() if written][-4:]
        if not known or world.unclear:
            return
        number = n.pick(known)
        written, rules = world.done[number]
        chosen = n.pick([None, n.pick(written)])
        options: dict[str, Any] = {"mapping": "CUSTOMER"}
        if chosen is not None:
            options["record"] = chosen.id
            written = [one for one in written if one.tag == chosen.tag]
        with world.ledger.working(Work()) as nothing:
            planned = undo(number, plan=True, **options)
        assert not nothing, "a plan of an undo has written something"
        held = {side: {id: dict(record) for id, record in world.ledger.records[side].items()} for side in Side}
        world.moves += 1
        with world.ledger.working(Work(backwards=True)) as back:
            done = undo(number, **options)
        self._check_planned(planned, done)
        self._check_only_taken_back(written, back)
        self._check_taken_back(written, held, rules)
        FIRED.update({"undone: fields": done.restored, "undone: made": done.removed})
        FIRED.update({"undone: deleted": done.made_again, "undone: refused": done.refused})
        self._remember(back)

    @staticmethod
    def _check_planned(planned: UndoResult, done: UndoResult) -> None:
        """It did what its plan said, but for what a system refused."""
        said, did = (
            Counter((one.kind, one.side, tuple(one.records.items()), one.field, one.then) for one in result.changes)
            for result in (planned, done)
        )
        assert not did - said, "an undo did more than its plan said"
        assert done.refused > planned.refused or not said - did, "an undo did less than its plan said"

    def _check_only_taken_back(self, written: Sequence[Written], back: Sequence[Written]) -> None:
        """Nothing was written but what had been there before the run wrote."""
        by_record = _by_record(written)
        for one in back:
            if one.kind == "create":
                made = [earlier for earlier in written if earlier.kind == "delete" and earlier.tag == one.tag]
                assert made, f"{one}: the run has not deleted that record"
                continue
            steps = by_record.get((one.side, one.id))
            assert steps, f"{one}: the run has not written that record"
            if one.kind == "delete":
                assert steps[0].kind == "create", f"{one}: the run has not made that record"
                continue
            for name, (old, new) in one.changes().items():
                pairs = [pair for step in steps if (pair := step.changes().get(name)) is not None]
                assert pairs, f"{one}: the run has not written {name}"
                # Written several times it is taken back in one step, or step by step.
                allowed = {(after, before) for before, after in pairs} | {(pairs[-1][1], pairs[0][0])}
                assert (old, new) in allowed, f"{one} {name}: {pairs}"

    def _check_taken_back(self, written: Sequence[Written], held: Held, rules: Rulebook) -> None:
        """Where nobody has been since, there is what was there before."""
        world = self._world
        for (side, id), steps in _by_record(written).items():
            before, now = held[side].get(id), world.ledger.records[side].get(id)
            update = steps[0]
            if before is None or now is None or len(steps) > 1 or update.before is None or update.after is None:
                continue
            changes = update.changes()
            if any(is_bad(update.before[name]) for name in changes):
                continue  # its system takes it no more
            for name, (old, new) in changes.items():
                members = GROUP if name in GROUP else (name,)
                if any(before[member] != update.after[member] for member in members):
                    continue
                if name in MAPPED and not (
                    self._audit.is_mapped(name) and rules.fields[name] == world.rules.fields[name]
                ):
                    continue
                assert now[name] == old, f"{side} {id} {name}: {new!r} should be {old!r} again, it is {now[name]!r}"

    def _remember(self, back: Sequence[Written]) -> None:
        """Remember what may differ, and who may be alone, because of what was taken back."""
        world = self._world
        for one in back:
            if one.kind != "update":
                world.given_up.add(one.tag)
            local, integration = (world.ledger.record(side, one.tag) for side in Side)
            if local is not None and integration is not None:
                for name in set(one.changes()) & set(MAPPED):
                    world.undone[one.tag, name] = (local[name], integration[name])

    # Settling.

    def resolve(self, n: Numbers) -> None:
        """Settle conflicts: with one side's value, or with another one for both."""
        world, workspace = self._world, self._world.pair.workspace
        # A value that wins, is refused, and is then changed back to its base counts as unchanged: that is known, and left out.
        conflicts = [
            one
            for one in workspace.list_conflicts("CUSTOMER")
            if not any(is_bad(str(value)) for value in (one.local_value, one.integration_value))
        ]
        if not conflicts or world.unclear:
            return
        chosen = conflicts if n.pick([True, False]) else [n.pick(conflicts)]
        take = n.pick([*Side, None])
        value = None if take else n.pick(["E", "F"])
        couplings = dict(workspace.couplings("CUSTOMER").select("coupling_id", "local_id").iter_rows())
        tags = {id: tag for tag, id in world.ledger.ids[Side.LOCAL].items()}
        concerned: dict[int, list[tuple[str, str]]] = {}
        for conflict in chosen:
            tag = tags.get(couplings[conflict.coupling_id], "")
            whole = world.rules.scope is ConflictScope.RECORD
            names = MAPPED if whole else world.rules.group(conflict.field.partition("=")[0])
            concerned[conflict.id] = [(tag, name) for name in names]
        winner = take or Side.LOCAL
        settling = dict.fromkeys((cell for cells in concerned.values() for cell in cells), winner)
        work = Work(settling=settling, value=value, retried=world.pending_sources())
        world.moves += 1
        with world.ledger.working(work) as written:
            done = workspace.resolve_conflicts(list(concerned), take=take.value if take else None, value=value)
        for number in done.settled:
            # Outside the filter it is not carried at once.
            world.ledger.given_away(winner.other, concerned[number])
        FIRED.update({"settled": len(done.settled), "not settled": len(done.refused)})
        for run in done.runs:
            assert run.state == "finished"
            count(run)
            assert all(job.counters.balanced for job in run.jobs)
        for one in written:
            assert one.kind == "update", f"{one}: settling a conflict"


def _by_record(written: Sequence[Written]) -> dict[tuple[Side, str], list[Written]]:
    found: dict[tuple[Side, str], list[Written]] = {}
    for one in written:
        found.setdefault((one.side, one.id), []).append(one)
    return found
