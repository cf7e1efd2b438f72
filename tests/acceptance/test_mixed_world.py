"""A world with every kind of work in it: planned, shown, applied after three records have moved, undone, and verified."""

from __future__ import annotations

from typing import Any

from twinrow.engine.context import EngineSettings
from twinrow.engine.plan import MOVED
from twinrow.model.sides import Side
from twinrow.testing.pair import MemoryPair, customer_mapping

TABLES = {Side.LOCAL: "customers", Side.INTEGRATION: "account"}


def refuse(table: str, values: dict[str, object]) -> str | None:
    bad = [name for name, value in values.items() if str(value).startswith("bad")]
    return "bad values are not taken" if bad else None


class World:
    """Twenty coupled customers, of which each kind of work takes some."""

    def __init__(self) -> None:
        how: dict[str, Any] = {"deletes_in_feed": True, "refuse": refuse}
        self.pair = MemoryPair(
            customer_mapping(delete_propagation="both"),
            local=dict(how),
            integration=dict(how),
            settings=EngineSettings(page_rows=6),
        )
        for index in range(20):
            self.pair.local.add("customers", {"displayName": f"Customer {index:02}", "number": f"C{index:02}"})
        self.pair.synchronize()
        self.pair.synchronize()
        self.accounts = self.pair.counterparts()
        records = self.pair.local.records("customers")
        self.ids = sorted(self.accounts, key=lambda id: str(records[id]["number"]))

    def here(self, index: int, **values: Any) -> None:
        self.pair.local.edit("customers", self.ids[index], **values)

    def there(self, index: int, **values: Any) -> None:
        self.pair.integration.edit("account", self.accounts[self.ids[index]], **values)

    def work(self) -> None:
        for index in range(4):
            self.here(index, displayName=f"Sent {index}")
        for index in range(4, 7):
            self.there(index, name=f"Fetched {index}")
        self.here(7, displayName="Merged", city="Ulm")
        self.there(7, fax="merged, too")
        self.here(8, displayName="Here")
        self.there(8, name="There", fax="beside a conflict")
        self.here(9, displayName="bad name")
        self.pair.local.remove("customers", self.ids[10])
        self.pair.local.remove("customers", self.ids[11])
        self.pair.integration.remove("account", self.accounts[self.ids[12]])
        self.pair.local.add("customers", {"displayName": "New here", "number": "N1"})
        self.pair.integration.add("account", {"name": "New there"})

    def values(self) -> dict[Side, dict[str, dict[str, Any]]]:
        return {side: self.pair.system(side).records(table) for side, table in TABLES.items()}


def nameless(records: dict[str, dict[str, Any]]) -> list[str]:
    """Return records without their ids, which a record that is made again does not keep."""
    return sorted(str(list(record.values())[1:]) for record in records.values())


def test_a_mixed_world() -> None:
    world = World()
    pair = world.pair
    with pair:
        world.work()
        before = world.values()
        plan = pair.workspace.make_plan("CUSTOMER")
        shown = list(pair.workspace.planned_records(plan.id))
        assert {record.kind for record in shown} == {"create", "update", "delete", "conflict"}
        assert world.values() == before, "planning wrote something"

        # Three records move: one here, one there, one that was to be deleted.
        world.here(0, displayName="Moved here")
        world.there(1, fax="moved there")
        world.there(10, name="Wanted again")
        moved = {world.ids[index] for index in (0, 1, 10)}
        start = world.values()

        (run,) = pair.workspace.apply_plan(plan.id).runs
        refused = {error.source_id for error in run.errors if error.message == MOVED}
        assert refused == moved
        after = world.values()
        made = {side: set(after[side]) - set(start[side]) for side in Side}
        assert [len(ids) for ids in made.values()] == [1, 1]
        for record in shown:
            destination = Side.INTEGRATION if record.direction == "to_integration" else Side.LOCAL
            if record.records[destination.other] in moved:
                continue
            id = record.records[destination]
            if record.kind == "delete":
                assert id not in after[destination]
            elif record.kind == "create":
                (id,) = made[destination]
            elif id == world.accounts[world.ids[9]]:
                continue  # the system refuses it, as it would have refused it in any run
            for field in record.fields:
                if record.kind != "delete":
                    expected = start[destination][id][field.name] if field.conflict else field.new
                    assert (after[destination][id][field.name] or "") == (expected or "")
        told = {record.records[side] for record in shown for side in Side} | made[Side.LOCAL] | made[Side.INTEGRATION]
        for side in Side:
            changed = {id for id in after[side] if after[side][id] != start[side].get(id)}
            assert changed <= told, "something was written that the plan did not show"

        undone = pair.workspace.undo(run.id)
        assert undone.refused == 0, undone.refusals
        assert undone.made_again == 2
        back = world.values()
        for side in Side:
            assert nameless(back[side]) == nameless(start[side])
        again = [change for change in undone.changes if change.kind == "made again"]
        assert all(change.new_id is not None for change in again)

        found = pair.workspace.verify("CUSTOMER")
        assert found.clean, found.samples

        # What was undone is not done again; what had moved is carried, as in any run.
        pair.synchronize()
        assert pair.integration.record("account", world.accounts[world.ids[2]])["name"] == "Customer 02"
        assert pair.integration.record("account", world.accounts[world.ids[0]])["name"] == "Moved here"
