"""Plans: made, overtaken by what happens, carried out or thrown away. What was shown is what is done (promise 7)."""

from __future__ import annotations

from typing import Any

from tests.property.audit import Audit, Couplings
from tests.property.ledger import Work, Written
from tests.property.rulebook import COLUMNS, PASS_TO
from tests.property.steps import Numbers
from tests.property.tally import FIRED, count
from tests.property.world import Shown, World, is_bad
from twinrow.actions.plans import PlannedRecord
from twinrow.model.errors import ConfigurationError
from twinrow.model.sides import Pass, Side

Keys = set[tuple[Side, str]]


class Plans:
    """What is planned. `plan`, `apply` and `discard` are kinds of steps."""

    def __init__(self, world: World, audit: Audit) -> None:
        self._world = world
        self._audit = audit

    def plan(self, n: Numbers) -> None:
        self.make(**n.pick([{}, {}, {}, {"full": True}, {"direction": "to"}, {"direction": "from"}]))

    def discard(self, _n: Numbers) -> None:
        shown, self._world.shown = self._world.shown, None
        if shown is not None:
            self._world.pair.workspace.discard_plan(shown.number)

    def apply(self, _n: Numbers) -> None:
        shown, self._world.shown = self._world.shown or self.make(), None
        self.carry_out(shown)

    def make(self, **options: Any) -> Shown:
        """Make a plan: nothing is written."""
        world, workspace = self._world, self._world.pair.workspace
        with world.ledger.working(Work()) as written:
            plan = workspace.make_plan("CUSTOMER", **options)
        assert not written, "a plan has written something"
        assert all(one.counters.balanced for one in plan.passes)
        records = tuple(workspace.planned_records(plan.id))
        FIRED.update(f"planned: {record.kind}" for record in records)
        world.shown = Shown(plan.id, records, world.rules, dict(world.ledger.edits), world.moves)
        return world.shown

    def carry_out(self, shown: Shown) -> None:
        """Apply a plan: what it showed is done for records that did not move, and nothing besides."""
        world = self._world
        before = world.pair.counterparts()
        quiet = world.moves == shown.moves
        FIRED["plan made before a change"] += not quiet
        world.moves += 1
        same_fields = shown.rules.shape() == world.rules.shape()
        work = Work(forced=frozenset(Pass), create=True, careless=world.unclear)
        with world.ledger.working(work) as written:
            try:
                done = world.pair.workspace.apply_plan(shown.number)
            except ConfigurationError:
                assert not same_fields, "a plan was refused though the mapping's fields and filters are the same"
                FIRED["plan outdated"] += 1
                assert not written
                return
        other_way = shown.rules.direction is not world.rules.direction
        assert same_fields or other_way or not shown.records, "a plan of other fields was applied"
        for run in done.runs:
            assert run.state == "finished", run.message
            assert all(job.counters.balanced for job in run.jobs)
            count(run)
        if world.unclear:
            return
        self._audit.check_journal(done.runs[0], written)
        moved = {key for key, edits in world.ledger.edits.items() if edits != shown.edits.get(key, 0)}
        effects = [record for record in shown.records if record.kind != "fail"]
        carried_out = self._check_only_planned(written, effects, moved)
        self._check_uncoupled(before, effects)
        if quiet:
            self._check_all_done(effects, carried_out, moved)

    def _check_only_planned(
        self, written: list[Written], effects: list[PlannedRecord], moved: Keys
    ) -> list[PlannedRecord]:
        """Return what was carried out of a plan: every write was in it, and its record had not moved."""
        carried_out: list[PlannedRecord] = []
        for one in written:
            matching = [record for record in effects if self._says(record, one)]
            assert matching, f"{one} was not planned"
            assert not (moved & _keys(matching[0])), f"{one}: the record has moved since the plan was made"
            carried_out.append(matching[0])
        return carried_out

    def _check_uncoupled(self, before: Couplings, effects: list[PlannedRecord]) -> None:
        after = self._world.pair.counterparts()
        for local, integration in before.items():
            if after.get(local) == integration:
                continue
            ids = {(Side.LOCAL, local), (Side.INTEGRATION, integration)}
            planned = [one.kind for one in effects if ids & _keys(one)]
            assert {"delete", "uncouple", "create"} & set(planned), f"{local}, {integration}: uncoupled unplanned"

    def _check_all_done(self, effects: list[PlannedRecord], carried_out: list[PlannedRecord], moved: Keys) -> None:
        """Where nothing but people's edits came between, all that was shown is done for records that did not move."""
        for record in effects:
            # What the plan itself deletes or makes moves, too.
            others = [one for one in effects if one is not record and one.kind not in ("update", "conflict")]
            taken = any(_keys(one) & _keys(record) for one in others) or self._only_asserted(record, effects)
            if record.kind in ("create", "update", "delete") and not taken and not (moved & _keys(record)):
                assert record in carried_out or _cannot_be_seen(record), f"{record} was not carried out"

    def _only_asserted(self, record: PlannedRecord, effects: list[PlannedRecord]) -> bool:
        """Whether a record is only written to assert its one-way fields, because of a change that the plan itself overwrites."""
        names = [one.key.partition("=")[0] for one in record.fields]
        overwritten = any(one.direction != record.direction and _keys(one) == _keys(record) for one in effects)
        return overwritten and not any(self._world.rules.both_ways(name) for name in names)

    def _says(self, record: PlannedRecord, one: Written) -> bool:
        """Whether a write is what a record of the plan says."""
        if record.direction != PASS_TO[one.side].value:
            return False
        if one.kind == "create":
            if record.kind != "create" or record.records[one.side.other] != self._world.ledger.ids[one.side.other].get(
                one.tag
            ):
                return False
        elif record.records[one.side] != one.id or record.kind == "create":
            return False
        if one.kind == "delete":
            return record.kind == "delete"
        fields = [field for field in record.fields if not field.conflict]
        told = {field.name: (str(field.old or ""), str(field.new or "")) for field in fields}
        changes = {COLUMNS[one.side].get(name, name): pair for name, pair in one.changes().items()}
        news = {name: new for name, (_, new) in changes.items()}
        if one.kind == "create":
            return {name: new for name, (_, new) in told.items() if new} == news
        if record.kind == "delete":
            # Of a record that is marked as given up, the values that it had are not shown.
            return news.items() <= {name: new for name, (_, new) in told.items()}.items()
        return changes == {name: pair for name, pair in told.items() if pair[0] != pair[1]}


def _keys(record: PlannedRecord) -> Keys:
    return {(side, id) for side, id in record.records.items() if id is not None}


def _cannot_be_seen(record: PlannedRecord) -> bool:
    """Whether a write could not be seen, as the record had the values, or was refused by its system."""
    refused = any(is_bad(str(one.new)) for one in record.fields)
    return refused or (record.kind == "update" and all(one.old == one.new for one in record.fields))
