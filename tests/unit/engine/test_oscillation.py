"""Fields that both systems' own logic keep reversing are stopped by name; nothing else is."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from twinrow.connectors.base import Status, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping


class Stubborn(MemorySystem):
    """A system whose own logic puts fields back, right after each write of ours."""

    def __init__(self, *tables: Any, **settings: Any) -> None:
        super().__init__(*tables, **settings)
        self.insists: dict[str, Any] = {}

    def write(self, request: WriteRequest) -> pl.DataFrame:
        answer = super().write(request)
        for id in answer.filter(pl.col("@status") == Status.WRITTEN.value).get_column("@id").to_list():
            self.put_back(request.table, id)
        return answer

    def put_back(self, table: str, id: str) -> None:
        record = self.record(table, id)
        if any(record[name] != value for name, value in self.insists.items()):
            self.edit(table, id, by="own logic", **self.insists)


def stubborn_pair(**mapping: Any) -> tuple[MemoryPair, Stubborn, Stubborn]:
    pair = MemoryPair(customer_mapping(**mapping))
    systems = {}
    for side, table in ((Side.LOCAL, CUSTOMERS), (Side.INTEGRATION, ACCOUNTS)):
        systems[side] = Stubborn([table], name=side.value, clock=pair.clocks[side].tick)
        pair.wrap(side, systems[side])
    pair.local, pair.integration = systems[Side.LOCAL], systems[Side.INTEGRATION]
    return pair, systems[Side.LOCAL], systems[Side.INTEGRATION]


def quarrel(pair: MemoryPair, local: Stubborn, integration: Stubborn) -> tuple[str, str]:
    """Let both systems insist on a fax number of their own."""
    customer = local.add("customers", {"displayName": "Adatum", "faxNo": "0"})
    pair.synchronize()
    account = str(pair.counterpart(customer))
    local.insists, integration.insists = {"faxNo": "1"}, {"fax": "2"}
    local.put_back("customers", customer)
    return customer, account


def test_a_field_that_both_systems_reverse_is_stopped_after_two_rounds() -> None:
    pair, local, integration = stubborn_pair()
    with pair:
        quarrel(pair, local, integration)
        runs = [pair.synchronize() for _ in range(6)]
        assert [run.counters.written for run in runs] == [2, 2, 0, 0, 0, 0]
        last = runs[-1]
        (error,) = last.errors
        assert (error.decision, error.field) == (Decision.OSCILLATING, "faxNo=fax")
        assert "keeps being reversed" in error.message
        assert "one way" in str(error.remedy)
        # It is no failure that leads to skipping: a new value must still be seen.
        assert [record.skipped for record in last.pending] == [False]


def test_other_fields_of_the_record_are_carried_and_other_records_as_well() -> None:
    pair, local, integration = stubborn_pair()
    with pair:
        customer, account = quarrel(pair, local, integration)
        for _ in range(4):
            pair.synchronize()
        other = local.add("customers", {"displayName": "Other"})
        local.edit("customers", customer, website="a")
        run = pair.synchronize()
        assert integration.record("account", account)["websiteurl"] == "a"
        assert run.counters.failed == 1
        assert pair.counterpart(other) is not None
        for _ in range(3):  # the new record is quarrelled about as well, and stopped
            pair.synchronize()
        assert pair.synchronize().counters.written == 0


def test_a_new_value_is_carried_and_so_is_a_direction_that_a_person_chose() -> None:
    pair, local, integration = stubborn_pair()
    with pair:
        customer, account = quarrel(pair, local, integration)
        for _ in range(4):
            pair.synchronize()
        integration.insists = {}
        pair.synchronize(direction="to", records=[customer])
        assert integration.record("account", account)["fax"] == "1"
        assert pair.synchronize().counters.failed == 0
        local.insists = {}
        local.edit("customers", customer, faxNo="3")
        run = pair.synchronize()
        assert (run.counters.modified, run.counters.failed) == (1, 0)
        assert integration.record("account", account)["fax"] == "3"
        assert pair.synchronize().counters.written == 0


def test_a_stopped_group_stays_whole() -> None:
    pair, local, integration = stubborn_pair()
    with pair:
        customer = local.add("customers", {"displayName": "Adatum", "city": "Bonn", "addressLine1": "A"})
        pair.synchronize()
        account = str(pair.counterpart(customer))
        local.insists, integration.insists = {"city": "Köln"}, {"address1_city": "Cologne"}
        local.put_back("customers", customer)
        for _ in range(5):
            run = pair.synchronize()
        assert run.counters.written == 0
        assert {error.decision for error in run.errors} == {Decision.OSCILLATING}
        there = integration.record("account", account)
        assert (there["address1_city"], there["address1_line1"]) == ("Cologne", "A")


@pytest.mark.parametrize("alternating", [True, False])
def test_people_who_go_back_and_forth_on_one_side_are_not_stopped(alternating: bool) -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "0"})
        pair.synchronize()
        account = str(pair.counterpart(customer))
        for number in range(12):
            value = f"{number % 2 if alternating else number}"
            pair.local.edit("customers", customer, faxNo=value)
            assert pair.synchronize().counters.failed == 0
            assert pair.integration.record("account", account)["fax"] == value


def test_new_values_from_both_sides_in_turn_are_not_stopped() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        account = str(pair.counterpart(customer))
        for number in range(0, 12, 2):
            pair.local.edit("customers", customer, faxNo=f"{number}")
            assert pair.synchronize().counters.failed == 0
            pair.integration.edit("account", account, fax=f"{number + 1}")
            assert pair.synchronize().counters.failed == 0
        assert pair.local.record("customers", customer)["faxNo"] == "11"
