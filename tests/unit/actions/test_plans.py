"""Plans: what a synchronization would do is shown, and carried out as it was shown."""

from __future__ import annotations

from typing import Any

import pytest

from twinrow.actions.plans import PlannedRecord
from twinrow.engine.context import EngineSettings
from twinrow.engine.plan import MOVED
from twinrow.model.errors import ConfigurationError, RemovalsHeld, UnknownName
from twinrow.model.sides import Side
from twinrow.testing.pair import MemoryPair, customer_mapping

EVERYTHING = {
    "delete_propagation": "both",
    "local_filter": "blocked eq ''",
}


def world(count: int = 12, **more: Any) -> tuple[MemoryPair, list[str]]:
    """Return a pair with coupled customers, and their ids in the order in which they were made."""
    pair = MemoryPair(
        customer_mapping(**(EVERYTHING | more)),
        local={"deletes_in_feed": True},
        integration={"deletes_in_feed": True},
        settings=EngineSettings(page_rows=5),
    )
    ids = [
        pair.local.add("customers", {"displayName": f"Customer {index}", "number": f"C{index}", "city": "Berlin"})
        for index in range(count)
    ]
    pair.synchronize()
    pair.synchronize()
    return pair, ids


def edit(pair: MemoryPair, side: Side, id: str, **values: Any) -> None:
    pair.system(side).edit("customers" if side is Side.LOCAL else "account", id, **values)


def state(pair: MemoryPair) -> tuple[Any, Any]:
    return pair.local.records("customers"), pair.integration.records("account")


def contents(pair: MemoryPair) -> list[list[str]]:
    """Return what both systems hold, apart from ids."""
    tables = pair.local.records("customers"), pair.integration.records("account")
    return [sorted(str(list(record.values())[1:]) for record in table.values()) for table in tables]


def mixed(pair: MemoryPair, ids: list[str]) -> dict[str, str]:
    """Make every kind of work: returns the record of each."""
    coupled = pair.counterparts()
    edit(pair, Side.LOCAL, ids[0], displayName="Sent")
    edit(pair, Side.INTEGRATION, coupled[ids[1]], name="Fetched")
    edit(pair, Side.LOCAL, ids[2], displayName="Here")
    edit(pair, Side.INTEGRATION, coupled[ids[2]], name="There", fax="carried all the same")
    edit(pair, Side.LOCAL, ids[3], displayName="Merged")
    edit(pair, Side.INTEGRATION, coupled[ids[3]], fax="merged, too")
    pair.local.remove("customers", ids[4])
    pair.integration.remove("account", coupled[ids[5]])
    new = pair.local.add("customers", {"displayName": "New", "number": "N1"})
    return {"new": new, "deleted": coupled[ids[4]]}


def by_kind(records: list[PlannedRecord]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for record in records:
        key = (record.direction, record.kind)
        counts[key] = counts.get(key, 0) + 1
    return counts


def test_a_plan_tells_all_and_writes_nothing() -> None:
    pair, ids = world()
    with pair:
        new = mixed(pair, ids)["new"]
        before = state(pair)
        plan = pair.workspace.make_plan("CUSTOMER")
        assert state(pair) == before
        assert plan.state == "open"
        records = list(pair.workspace.planned_records(plan.id))
        assert by_kind(records) == {
            ("to_integration", "create"): 1,
            ("to_integration", "update"): 2,
            ("to_integration", "conflict"): 1,
            ("to_integration", "delete"): 1,
            ("from_integration", "update"): 2,
            ("from_integration", "conflict"): 1,
            ("from_integration", "delete"): 1,
        }
        told = {(record.direction, record.records[Side.LOCAL]): record for record in records}
        sent = told["to_integration", ids[0]]
        assert [(one.name, one.old, one.new) for one in sent.fields] == [("name", "Customer 0", "Sent")]
        assert "C0" in sent.label
        clash = told["to_integration", ids[2]]
        assert [(one.old, one.new) for one in clash.fields if one.conflict] == [("There", "Here")]
        made = told["to_integration", new]
        assert {one.name: one.new for one in made.fields}["accountnumber"] == "N1"
        (to, back) = plan.passes
        assert (to.counters.written, back.counters.written) == (4, 3)
        assert back.fields == {"displayName": 1, "faxNo": 2}
        assert not pair.workspace.list_conflicts()
        assert not pair.workspace.list_pending()
        assert [one.id for one in pair.workspace.list_plans()] == [plan.id]


def test_an_applied_plan_does_what_an_ordinary_run_does() -> None:
    planned, ids = world()
    ordinary, _ = world()
    with planned, ordinary:
        mixed(planned, ids)
        mixed(ordinary, list(ordinary.counterparts()))
        plan = planned.workspace.make_plan()
        done = planned.workspace.apply_plan(plan.id)
        run = ordinary.synchronize()
        (applied,) = done.runs
        for job, other in zip(applied.jobs, run.jobs, strict=True):
            assert job.counters.written == other.counters.written
        assert contents(planned) == contents(ordinary)
        assert planned.workspace.show_plan(plan.id).state == "applied"
        after = planned.synchronize()
        assert after.counters.written == 0
        assert len(after.conflicts) == 1


def test_records_that_have_moved_are_refused_by_name_and_nothing_else() -> None:
    pair, ids = world(20)
    with pair:
        coupled = pair.counterparts()
        for id in ids[:8]:
            edit(pair, Side.LOCAL, id, displayName="Planned")
        pair.local.remove("customers", ids[9])
        plan = pair.workspace.make_plan()
        edit(pair, Side.LOCAL, ids[0], displayName="Moved here")
        edit(pair, Side.INTEGRATION, coupled[ids[1]], fax="moved there")
        edit(pair, Side.INTEGRATION, coupled[ids[9]], name="Kept")
        done = pair.workspace.apply_plan(plan.id)
        errors = [error for error in done.runs[0].errors if error.message == MOVED]
        assert {error.source_id for error in errors} == {ids[0], ids[1], ids[9]}
        accounts = pair.integration.records("account")
        assert accounts[coupled[ids[0]]]["name"] == "Customer 0"
        assert accounts[coupled[ids[1]]]["name"] == "Customer 1"
        assert accounts[coupled[ids[9]]]["name"] == "Kept"
        assert all(accounts[coupled[id]]["name"] == "Planned" for id in ids[2:8])
        assert not pair.workspace.list_pending()
        pair.synchronize()
        assert pair.integration.records("account")[coupled[ids[0]]]["name"] == "Moved here"


def test_what_moved_only_by_the_plan_itself_is_not_refused() -> None:
    pair, ids = world()
    with pair:
        coupled = pair.counterparts()
        for id in ids[:3]:
            edit(pair, Side.LOCAL, id, displayName="From here")
            edit(pair, Side.INTEGRATION, coupled[id], fax="from there")
        done = pair.workspace.apply_plan(pair.workspace.make_plan().id)
        assert done.runs[0].counters.failed == 0
        assert all(pair.local.records("customers")[id]["faxNo"] == "from there" for id in ids[:3])
        assert all(pair.integration.records("account")[coupled[id]]["name"] == "From here" for id in ids[:3])
        assert pair.synchronize().counters.written == 0


def test_a_plan_allows_the_deletions_that_it_shows() -> None:
    pair, ids = world(20)
    with pair:
        for id in ids[:15]:
            pair.local.remove("customers", id)
        with pytest.raises(RemovalsHeld):
            pair.synchronize()
        plan = pair.workspace.make_plan()
        assert plan.counters.deleted == 15
        assert len(pair.integration.records("account")) == 20
        pair.workspace.apply_plan(plan.id)
        assert len(pair.integration.records("account")) == 5
        run = pair.synchronize()
        assert (run.counters.written, run.counters.failed) == (0, 0)


def test_a_plan_of_a_first_load_creates_nothing_twice() -> None:
    with MemoryPair(settings=EngineSettings(page_rows=5)) as pair:
        for index in range(12):
            pair.local.add("customers", {"displayName": f"Customer {index}"})
        plan = pair.workspace.make_plan(create=True)
        assert plan.counters.inserted == 12
        assert not pair.integration.records("account")
        pair.workspace.apply_plan(plan.id)
        assert len(pair.integration.records("account")) == 12
        assert pair.synchronize().counters.inserted == 0


def test_what_came_after_the_plan_is_left_to_the_next_run() -> None:
    pair, ids = world()
    with pair:
        edit(pair, Side.LOCAL, ids[0], displayName="Planned")
        plan = pair.workspace.make_plan()
        new = pair.local.add("customers", {"displayName": "Later"})
        pair.workspace.apply_plan(plan.id)
        assert pair.counterpart(new) is None
        pair.synchronize()
        assert pair.counterpart(new) is not None


def test_a_plan_is_applied_once_and_only_to_the_mapping_it_was_made_for() -> None:
    pair, ids = world()
    with pair:
        edit(pair, Side.LOCAL, ids[0], displayName="Planned")
        first, second, third = (pair.workspace.make_plan().id for _ in range(3))
        pair.workspace.apply_plan(first)
        with pytest.raises(ConfigurationError, match="is applied"):
            pair.workspace.apply_plan(first)
        pair.workspace.discard_plan(second)
        with pytest.raises(ConfigurationError, match="is discarded"):
            pair.workspace.apply_plan(second)
        assert list(pair.workspace.planned_records(second)) == []
        pair.set_mapping(customer_mapping(**(EVERYTHING | {"local_filter": ""})))
        with pytest.raises(ConfigurationError, match="has changed since"):
            pair.workspace.apply_plan(third)
        with pytest.raises(UnknownName):
            pair.workspace.show_plan(99)


def test_records_of_a_plan_come_in_pages_and_by_kind() -> None:
    pair, ids = world()
    with pair:
        mixed(pair, ids)
        plan = pair.workspace.make_plan()
        everything = list(pair.workspace.planned_records(plan.id))
        pages = [
            record
            for start in range(0, len(everything) + 2, 2)
            for record in pair.workspace.planned_records(plan.id, start=start, limit=2)
        ]
        assert pages == everything
        deletions = list(pair.workspace.planned_records(plan.id, kind="delete", start=1))
        assert [record.kind for record in deletions] == ["delete"]
        assert list(pair.workspace.planned_records(plan.id, mapping="CUSTOMER", limit=1)) == everything[:1]
        with pytest.raises(ConfigurationError, match="no kind"):
            list(pair.workspace.planned_records(plan.id, kind="nonsense"))


def test_a_plan_of_named_records_concerns_only_them() -> None:
    pair, ids = world()
    with pair:
        edit(pair, Side.LOCAL, ids[0], displayName="Named")
        edit(pair, Side.LOCAL, ids[1], displayName="Not named")
        plan = pair.workspace.make_plan("CUSTOMER", records=[ids[0]], direction="to")
        pair.workspace.apply_plan(plan.id)
        coupled = pair.counterparts()
        names = {id: pair.integration.record("account", coupled[id])["name"] for id in ids[:2]}
        assert names == {ids[0]: "Named", ids[1]: "Customer 1"}
