"""Couplings: who is coupled to whom, and what cannot be."""

from __future__ import annotations

import pytest

from tests.scenarios.standard import Standard
from tests.scenarios.world import INTEGRATION, LOCAL, add_pair, mapping, remove
from twinrow.model.errors import CouplingRefused
from twinrow.testing.pair import MemoryPair


def add(pair: MemoryPair, name: str = "Adatum") -> tuple[str, str]:
    """Add a customer and an account that are not coupled."""
    return pair.local.add("customers", {"displayName": name}), pair.integration.add("account", {"name": name})


@pytest.mark.scenario("A045")
@pytest.mark.parametrize("others", [False, True], ids=["nothing is coupled", "others are coupled"])
def test_a_record_that_is_not_coupled_has_no_counterpart(others: bool) -> None:
    with MemoryPair(mapping(only_coupled=True)) as pair:
        if others:
            add_pair(pair)
        customer, account = add(pair)
        pair.synchronize()
        assert pair.counterpart(account, INTEGRATION) is None
        assert pair.counterpart(customer, LOCAL) is None


@pytest.mark.scenario("B079")
def test_coupled_records_find_each_other_from_either_side() -> None:
    with MemoryPair(mapping()) as pair:
        customer, account = add(pair)
        assert pair.workspace.couplings("CUSTOMER").height == 0
        assert pair.counterpart(customer) is None
        assert pair.counterpart(account, INTEGRATION) is None

        pair.couple(customer, account)

        assert pair.workspace.couplings("CUSTOMER").height == 1
        assert pair.counterpart(customer) == account
        assert pair.counterpart(account, INTEGRATION) == customer


@pytest.mark.scenario("B082")
@pytest.mark.parametrize("coupled", [False, True], ids=["uncoupled", "coupled to another"])
def test_a_record_of_another_coupling_is_not_taken(coupled: bool) -> None:
    with MemoryPair(mapping()) as pair:
        first, taken = add_pair(pair)
        second, other = add_pair(pair) if coupled else add(pair)
        before = pair.counterparts()

        with pytest.raises(CouplingRefused):
            pair.couple(second, taken)

        assert pair.counterparts() == before
        assert pair.counterpart(first) == taken
        assert pair.counterpart(second) == (other if coupled else None)


@pytest.mark.scenario("B082")
def test_a_record_of_another_coupling_is_not_taken_from_the_integration_side_either() -> None:
    with MemoryPair(mapping()) as pair:
        first, account = add_pair(pair)
        taken, other = add_pair(pair)

        # The account that is coupled to the second customer is given to the first one, which has one itself.
        with pytest.raises(CouplingRefused):
            pair.couple(first, other)

        assert pair.counterparts() == {first: account, taken: other}


@pytest.mark.scenario("B083")
@pytest.mark.parametrize("coupled", [False, True], ids=["uncoupled", "coupled to another"])
def test_a_coupling_to_a_vanished_record_gives_way(coupled: bool) -> None:
    with MemoryPair(mapping()) as pair:
        gone, account = add_pair(pair)
        remove(pair, LOCAL, gone)
        customer, other = add_pair(pair) if coupled else add(pair)
        assert pair.workspace.couplings("CUSTOMER").height == (2 if coupled else 1)

        pair.couple(customer, account)

        assert pair.counterparts() == {customer: account}
        assert pair.workspace.couplings("CUSTOMER").height == 1
        assert pair.counterpart(gone) is None
        assert pair.counterpart(other, INTEGRATION) is None


@pytest.mark.scenario("B099")
def test_coupling_alone_changes_no_value_and_runs_nothing() -> None:
    with Standard() as all_:
        customer, account = all_.company()
        person, contact = all_.person(customer, surname="Jensen"), all_.contact(account, lastname="Olsen")
        assert all_.pair.counterpart(person, mapping="CONTACT") is None

        all_.pair.couple(person, contact, "CONTACT")

        assert all_.pair.counterpart(person, mapping="CONTACT") == contact
        assert all_.pair.local.record("contacts", person)["surname"] == "Jensen"
        assert all_.pair.integration.record("contact", contact)["lastname"] == "Olsen"
        assert all_.pair.workspace.list_jobs() == []
