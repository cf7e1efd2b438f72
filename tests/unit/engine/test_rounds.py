"""Rounds: several mappings, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.errors import SystemUnavailable
from twinrow.model.sides import Side
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping, table


class Away(MemorySystem):
    """Does not answer, and counts how often it was asked."""

    away = True
    asked = 0

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        self.asked += self.away
        if self.away:
            raise SystemUnavailable("local cannot be reached")
        return super().changes(request)


def test_a_system_that_does_not_answer_is_not_waited_for_by_each_mapping() -> None:
    other = customer_mapping(name="OTHER", local_table="others", integration_table="othersThere")
    tables = [CUSTOMERS, table("others", "id", *list(CUSTOMERS.fields.values())[1:])]
    there = [ACCOUNTS, table("othersThere", "accountid", *list(ACCOUNTS.fields.values())[1:])]
    with MemoryPair([customer_mapping(), other], local_tables=tables, integration_tables=there) as pair:
        system = Away(tables, name="local")
        pair.wrap(Side.LOCAL, system)
        system.add("customers", {"displayName": "Adatum"})
        system.add("others", {"displayName": "Fabrikam"})
        runs = pair.workspace.synchronize_all().runs
        assert [(run.mapping, run.state) for run in runs] == [("CUSTOMER", "failed"), ("OTHER", "failed")]
        assert system.asked == 1
        system.away = False
        runs = pair.workspace.synchronize_all().runs
        assert [run.counters.inserted for run in runs] == [1, 1]
