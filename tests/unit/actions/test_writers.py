"""Fields that somebody changes again soon after they were written are told, and ordinary work is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.scenarios.world import FAX, INTEGRATION, LOCAL, NAME, add_pair, edit, mapping, settle

from twinrow.actions.writers import FEWEST
from twinrow.model.sides import Side
from twinrow.testing.pair import MemoryPair


def rewrite(pair: MemoryPair, count: int, side: Side, *, by: str = "other integration", later: timedelta) -> None:
    """Let records be written on a side, and somebody change the fax there again some time later."""
    ids = [dict(zip((LOCAL, INTEGRATION), add_pair(pair, f"Customer {n}", "1"), strict=True)) for n in range(count)]
    settle(pair)
    for one in ids:
        edit(pair, side.other, one[side.other], FAX, "2")
    pair.synchronize()
    for clock in (pair.clock, *pair.clocks.values()):
        clock.advance(later)
    for one in ids:
        table = "customers" if side is LOCAL else "account"
        pair.system(side).edit(table, one[side], by=by, **{FAX[side]: "+1"})
    settle(pair)


@pytest.mark.parametrize("side", list(Side))
def test_a_field_that_is_changed_again_and_again_is_told(side: Side) -> None:
    with MemoryPair(mapping()) as pair:
        rewrite(pair, FEWEST, side, later=timedelta(minutes=5))
        (found,) = pair.workspace.find_other_writers()
        told = (found.mapping, found.side, found.field.key, found.records, found.who)
        assert told == ("CUSTOMER", side, "faxNo=fax", FEWEST, "other integration")
        assert pair.workspace.find_other_writers("CUSTOMER") == [found]


def test_a_few_records_or_a_later_time_are_ordinary_work() -> None:
    with MemoryPair(mapping()) as pair:
        rewrite(pair, FEWEST - 1, INTEGRATION, later=timedelta(minutes=5))
        assert pair.workspace.find_other_writers() == []
    with MemoryPair(mapping()) as pair:
        rewrite(pair, FEWEST, INTEGRATION, later=timedelta(hours=2))
        assert pair.workspace.find_other_writers() == []


def test_different_fields_changed_on_different_sides_are_ordinary_work() -> None:
    with MemoryPair(mapping()) as pair:
        ids = [add_pair(pair, f"Customer {n}", "1") for n in range(FEWEST)]
        settle(pair)
        for customer, _ in ids:
            edit(pair, LOCAL, customer, FAX, "2")
        pair.synchronize()
        for _, account in ids:
            edit(pair, INTEGRATION, account, NAME, "New name")
        settle(pair)
        assert pair.workspace.find_other_writers() == []


def test_several_people_are_not_named() -> None:
    with MemoryPair(mapping()) as pair:
        rewrite(pair, FEWEST, INTEGRATION, later=timedelta(minutes=5))
        account = next(iter(pair.counterparts().values()))
        pair.integration.edit("account", account, by="Anna", name="New name")
        (found,) = pair.workspace.find_other_writers()
        assert found.who == ""


def test_what_a_system_itself_fills_in_is_no_change_by_others() -> None:
    def follows(_table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        renamed = before is not None and before["name"] != values["name"]
        return values | ({"fax": f"of {values['name']}"} if renamed else {})

    with MemoryPair(mapping(), integration={"logic": follows}) as pair:
        ids = [add_pair(pair, f"Customer {n}", "1") for n in range(FEWEST)]
        settle(pair)
        for customer, _ in ids:
            edit(pair, LOCAL, customer, NAME, "New name")
        settle(pair)
        assert {record["faxNo"] for record in pair.local.records("customers").values()} == {"of New name"}
        assert pair.workspace.find_other_writers() == []
