"""Mappings whose rules change between runs, and pairs coupled by hand: what then differs is seen, and settled or asked about."""

from __future__ import annotations

from typing import Any

import pytest

from twinrow.model.sides import Direction, Side
from twinrow.testing.pair import CUSTOMER_FIELDS, MemoryPair, customer_mapping

NAMES = {Side.LOCAL: ("customers", "displayName"), Side.INTEGRATION: ("account", "name")}


def going(direction: Direction, field: str = "displayName") -> dict[str, Any]:
    """Return the fields of the mapping, one of them going another way."""
    rows = [row.model_copy(update={"direction": direction}) if row.local == field else row for row in CUSTOMER_FIELDS]
    return {"fields": tuple(rows)}


def name(pair: MemoryPair, side: Side, id: str) -> Any:
    """Return the name that a record has on a side."""
    table, column = NAMES[side]
    return pair.system(side).record(table, id)[column]


def edited_against_its_direction() -> tuple[MemoryPair, str, str]:
    """Return a pair whose name goes to the integration side, and was changed there."""
    pair = MemoryPair(customer_mapping(**going(Direction.TO_INTEGRATION)))
    customer = pair.local.add("customers", {"displayName": "Adatum"})
    pair.synchronize()
    account = pair.counterpart(customer)
    assert account is not None
    pair.integration.edit("account", account, name="There")
    pair.synchronize()
    return pair, customer, account


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("send_update_to_integration", "Adatum"), ("get_update_from_integration", "There")],
)
def test_a_field_that_goes_both_ways_from_now_on_is_settled_where_it_differs(policy: str, expected: str) -> None:
    pair, customer, account = edited_against_its_direction()
    with pair:
        pair.set_mapping(customer_mapping(update_conflict_resolution=policy))
        for _ in range(2):
            pair.synchronize()
        assert name(pair, Side.LOCAL, customer) == name(pair, Side.INTEGRATION, account) == expected
        assert pair.synchronize().counters.written == 0


def test_a_field_that_goes_both_ways_from_now_on_is_a_conflict_where_it_differs_and_nobody_says_who_wins() -> None:
    pair, customer, account = edited_against_its_direction()
    with pair:
        pair.set_mapping(customer_mapping())
        run = pair.synchronize()
        assert [conflict.field for conflict in run.conflicts] == ["displayName=name"]
        assert (name(pair, Side.LOCAL, customer), name(pair, Side.INTEGRATION, account)) == ("Adatum", "There")


def test_a_mapping_that_goes_both_ways_from_now_on_asks_about_what_differs() -> None:
    with MemoryPair(customer_mapping(direction=Direction.TO_INTEGRATION, fields=CUSTOMER_FIELDS[:2])) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        pair.integration.edit("account", pair.counterpart(customer) or "", name="There")
        pair.synchronize()
        pair.set_mapping(customer_mapping(fields=CUSTOMER_FIELDS[:2]))
        assert [conflict.field for conflict in pair.synchronize().conflicts] == ["displayName=name"]


def test_a_field_that_goes_one_way_from_now_on_writes_nothing_until_its_source_changes() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        account = pair.counterpart(customer)
        assert account is not None
        pair.integration.edit("account", account, name="There")
        pair.set_mapping(customer_mapping(**going(Direction.TO_INTEGRATION)))
        assert pair.synchronize().counters.written == 0
        assert name(pair, Side.INTEGRATION, account) == "There"
        pair.local.edit("customers", customer, displayName="Here")
        pair.synchronize()
        assert name(pair, Side.INTEGRATION, account) == "Here"


@pytest.mark.parametrize("winner", list(Side))
def test_the_side_that_wins_is_carried_though_only_the_other_one_has_changed_since_the_mapping_went_one_way(
    winner: Side,
) -> None:
    """The pass that reads the change stands aside; the other one finds nothing changed in its feed."""
    policy = {Side.LOCAL: "send_update_to_integration", Side.INTEGRATION: "get_update_from_integration"}[winner]
    only = {Side.LOCAL: Direction.FROM_INTEGRATION, Side.INTEGRATION: Direction.TO_INTEGRATION}[winner]
    both_ways = {"fields": CUSTOMER_FIELDS[:2], "update_conflict_resolution": policy}
    with MemoryPair(customer_mapping(**both_ways)) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        account = pair.counterpart(customer)
        assert account is not None
        pair.set_mapping(customer_mapping(direction=only, **both_ways))
        pair.synchronize()
        pair.set_mapping(customer_mapping(**both_ways))
        table, column = NAMES[winner.other]
        loser = customer if winner is Side.INTEGRATION else account
        pair.system(winner.other).edit(table, loser, **{column: "Changed"})
        for _ in range(2):
            pair.synchronize()
        assert name(pair, Side.LOCAL, customer) == name(pair, Side.INTEGRATION, account) == "Adatum"
        assert not pair.workspace.list_pending()
        assert pair.synchronize().counters.read == 0


@pytest.mark.parametrize("policy", ["none", "send_update_to_integration", "get_update_from_integration"])
@pytest.mark.parametrize("use", list(Side))
def test_the_side_chosen_at_coupling_wins_whatever_the_mapping_says(use: Side, policy: str) -> None:
    with MemoryPair(customer_mapping(update_conflict_resolution=policy)) as pair:
        customer = pair.local.add("customers", {"displayName": "Here"})
        account = pair.integration.add("account", {"name": "There"})
        pair.couple(customer, account, use=use.value)
        run = pair.synchronize()
        assert run.succeeded
        wanted = "Here" if use is Side.LOCAL else "There"
        assert name(pair, Side.LOCAL, customer) == name(pair, Side.INTEGRATION, account) == wanted
        assert pair.synchronize().counters.written == 0


def test_records_that_have_not_changed_since_they_were_read_are_compared_after_they_were_coupled() -> None:
    with MemoryPair(customer_mapping(only_coupled=True)) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        account = pair.integration.add("account", {"name": "Adatum"})
        pair.synchronize()
        pair.couple(customer, account, use="local")
        assert {row.message for row in pair.workspace.list_pending()} == {"coupled by hand, and not synchronized yet"}
        assert pair.synchronize().succeeded
        assert pair.integration.record("account", account)["fax"] == "1"
        assert not pair.workspace.list_pending()
        assert pair.synchronize().counters.read == 0


@pytest.mark.parametrize("restore", [False, True])
def test_a_pass_that_carries_no_field_finds_records_unchanged_and_makes_none(restore: bool) -> None:
    resolution = "restore_records" if restore else "none"
    with MemoryPair(
        customer_mapping(deletion_conflict_resolution=resolution, **going(Direction.TO_INTEGRATION))
    ) as pair:
        pair.set_mapping(
            customer_mapping(
                deletion_conflict_resolution=resolution,
                fields=(CUSTOMER_FIELDS[0].model_copy(update={"direction": Direction.TO_INTEGRATION}),),
            )
        )
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.integration.add("account", {"name": "Alone"})
        pair.synchronize()
        account = pair.counterpart(customer)
        assert account is not None
        pair.integration.edit("account", account, fax="1")
        run = pair.synchronize(full=True)
        assert run.counters.failed == run.counters.written == 0
        assert len(pair.local.records("customers")) == 1
        pair.local.remove("customers", customer)
        pair.integration.edit("account", account, fax="2")
        pair.synchronize(full=True)
        assert not pair.local.records("customers")


@pytest.mark.parametrize(
    ("policy", "expected"), [("send_update_to_integration", "Here"), ("get_update_from_integration", "There")]
)
def test_open_conflicts_are_settled_by_the_next_run_once_the_mapping_says_who_wins(policy: str, expected: str) -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        account = pair.counterpart(customer)
        assert account is not None
        pair.local.edit("customers", customer, displayName="Here")
        pair.integration.edit("account", account, name="There")
        assert pair.synchronize().conflicts
        pair.set_mapping(customer_mapping(update_conflict_resolution=policy))
        run = pair.synchronize()
        assert run.succeeded
        assert not run.conflicts
        assert name(pair, Side.LOCAL, customer) == name(pair, Side.INTEGRATION, account) == expected


def test_a_change_takes_no_other_field_of_its_group_along_about_which_nobody_has_decided() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"addressLine1": "Street", "city": "Here"})
        account = pair.integration.add("account", {"address1_line1": "Street", "address1_city": "There"})
        pair.couple(customer, account)
        assert [conflict.field for conflict in pair.synchronize().conflicts] == ["city=address1_city"]
        pair.integration.edit("account", account, address1_line1="Other street")
        assert {c.field for c in pair.synchronize().conflicts} == {"addressLine1=address1_line1", "city=address1_city"}
        record = pair.local.record("customers", customer)
        assert (record["addressLine1"], record["city"]) == ("Street", "Here")
