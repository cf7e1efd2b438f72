"""Mapped fields of any name, and references to records of mappings that run later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from twinrow.engine import columns
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import MemoryPair, customer_mapping, field, table

RESERVED = sorted(
    {value.removeprefix("@") for name, value in vars(columns).items() if name.isupper()}
    | {"status", "settled", "made", "skips", "recovery", "error", "chosen", "taken", "value", "known", "target"}
)


@pytest.mark.parametrize("name", RESERVED)
def test_a_mapped_field_may_be_called_as_anything_that_the_engine_keeps(name: str) -> None:
    here = table("customers", "id", Field("displayName", FieldType.TEXT), Field(name, FieldType.TEXT))
    there = table("account", "accountid", Field("title", FieldType.TEXT), Field(name, FieldType.TEXT))
    mapping = customer_mapping(fields=(field("displayName", "title"), field(name, name)))
    with MemoryPair(mapping, local_tables=[here], integration_tables=[there]) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", name: "a"})
        pair.synchronize()
        account = pair.counterpart(customer)
        assert account is not None
        assert pair.integration.records("account")[account][name] == "a"
        pair.integration.edit("account", account, **{name: "b"})
        assert pair.synchronize().counters.modified == 1
        assert pair.local.records("customers")[customer][name] == "b"
        assert pair.synchronize().counters.written == 0


CUSTOMERS = table(
    "customers", "id", Field("displayName", FieldType.TEXT), Field("contactNumber", FieldType.CODE, max_length=20)
)
ACCOUNTS = table("account", "accountid", Field("name", FieldType.TEXT), Field("primarycontactid", FieldType.REFERENCE))
CONTACTS = table("contacts", "id", Field("number", FieldType.CODE, max_length=20), Field("displayName", FieldType.TEXT))
PEOPLE = table("contact", "contactid", Field("fullname", FieldType.TEXT))


def _mappings() -> list[TableMapping]:
    reference = field(
        "contactNumber",
        "primarycontactid",
        related_mapping=("CONTACT",),
        related_key="number",
        clear_value_on_failed_sync=True,
    )
    return [
        customer_mapping(fields=(field("displayName", "name"), reference)),
        customer_mapping(
            name="CONTACT",
            local_table="contacts",
            integration_table="contact",
            fields=(field("displayName", "fullname"),),
        ),
    ]


@pytest.fixture
def referring() -> Iterator[MemoryPair]:
    """Customers that name their contact by its number, and contacts, which are synchronized after them."""
    with MemoryPair(_mappings(), local_tables=[CUSTOMERS, CONTACTS], integration_tables=[ACCOUNTS, PEOPLE]) as pair:
        yield pair


def test_a_reference_left_blank_is_carried_in_the_same_round_once_its_record_is_coupled(referring: MemoryPair) -> None:
    contact = referring.local.add("contacts", {"number": "C1", "displayName": "Ann"})
    customer = referring.local.add("customers", {"displayName": "Adatum", "contactNumber": "C1"})
    referring.workspace.synchronize_all(["CUSTOMER", "CONTACT"])
    account = referring.integration.records("account")[str(referring.counterpart(customer))]
    assert account["primarycontactid"] == referring.counterpart(contact, mapping="CONTACT")
    after = referring.workspace.synchronize_all()
    assert sum(run.counters.written for run in after.runs) == 0
    assert len(after.runs) == 2, "nothing is left to be tried again"


def test_a_reference_goes_back_as_the_key_of_the_local_record(referring: MemoryPair) -> None:
    contact = referring.local.add("contacts", {"number": "C1", "displayName": "Ann"})
    customer = referring.local.add("customers", {"displayName": "Adatum", "contactNumber": ""})
    referring.workspace.synchronize_all()
    person = referring.counterpart(contact, mapping="CONTACT")
    account = referring.counterpart(customer)
    assert account is not None
    referring.integration.edit("account", account, primarycontactid=person)
    referring.workspace.synchronize_all()
    assert referring.local.records("customers")[customer]["contactNumber"] == "C1"
    assert referring.counterparts(Side.INTEGRATION)[account] == customer


@pytest.mark.parametrize("use", [None, "local", "integration"])
def test_references_whose_records_are_not_coupled_yet_are_left_alone_in_a_fresh_pair(use: str | None) -> None:
    with MemoryPair(_mappings(), local_tables=[CUSTOMERS, CONTACTS], integration_tables=[ACCOUNTS, PEOPLE]) as pair:
        person = pair.local.add("contacts", {"number": "CT1", "displayName": "Ann"})
        contact = pair.integration.add("contact", {"fullname": "Ann"})
        customer = pair.local.add("customers", {"displayName": "Adatum", "contactNumber": "CT1"})
        account = pair.integration.add("account", {"name": "Adatum", "primarycontactid": contact})
        pair.couple(customer, account, use=use)

        run = pair.synchronize("CUSTOMER")

        assert (run.counters.failed, run.counters.written) == (0, 0)
        assert pair.workspace.list_conflicts() == []
        assert pair.integration.record("account", account)["primarycontactid"] == contact
        assert pair.local.record("customers", customer)["contactNumber"] == "CT1"
        # As soon as the two contacts are coupled, both sides are known to mean the same one.
        pair.couple(person, contact, "CONTACT")
        for _ in range(2):
            round_ = pair.workspace.synchronize()
            assert (round_.counters.failed, round_.counters.written) == (0, 0)
        other = pair.integration.add("contact", {"fullname": "Bob"})
        bob = pair.local.add("contacts", {"number": "CT2", "displayName": "Bob"})
        pair.couple(bob, other, "CONTACT")
        pair.local.edit("customers", customer, contactNumber="CT2")
        pair.workspace.synchronize()
        assert pair.integration.record("account", account)["primarycontactid"] == other
