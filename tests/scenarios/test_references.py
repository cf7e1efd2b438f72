"""References to records of other mappings: translated through couplings, blanked or left where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.world import (
    FAXED,
    FROM,
    NAMED,
    TO,
    customer_text,
    job,
    mapping,
    mapping_file,
    open_failures,
    outcomes,
    settle,
)
from twinrow.model.errors import MappingProblems
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction, Pass
from twinrow.model.tables import Field, FieldType, Option, Table
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, field, table

PERSON = table("contacts", "id", Field("number", FieldType.CODE, max_length=20, nullable=False),
               Field("surname", FieldType.TEXT, max_length=30, nullable=False))  # fmt: skip
PERSONS = table("contact", "contactid", Field("lastname", FieldType.TEXT, max_length=50, empty_text=False))
WITH_CONTACT = Table(
    "customers",
    "id",
    {**CUSTOMERS.fields, "contactNo": Field("contactNo", FieldType.CODE, max_length=20, nullable=False)},
)
WITH_PRIMARY = Table(
    "account", "accountid", {**ACCOUNTS.fields, "primarycontactid": Field("primarycontactid", FieldType.REFERENCE)}
)
CONTACT = TableMapping(
    name="CONTACT", local_table="contacts", integration_table="contact", fields=(field("surname", "lastname"),)
)


@pytest.fixture
def with_references() -> Iterator[MemoryPair]:
    """Systems whose customers and accounts refer to contacts."""
    with MemoryPair(
        [CONTACT, mapping()], local_tables=(WITH_CONTACT, PERSON), integration_tables=(WITH_PRIMARY, PERSONS)
    ) as pair:
        yield pair


PRIMARY_ROW = "local: contactNo, integration: primarycontactid, related_mapping: CONTACT, related_key: number"
EXCLUSIVE = ("not_null", "clear_value_on_failed_sync")


@pytest.mark.scenario("B060")
@pytest.mark.parametrize(("first", "second"), [EXCLUSIVE, EXCLUSIVE[::-1]], ids=["not null first", "blank first"])
def test_leaving_out_and_blanking_exclude_each_other(
    with_references: MemoryPair, first: str, second: str, tmp_path: Path
) -> None:
    pair = with_references
    one = customer_text(f"[{{{PRIMARY_ROW}, {first}: true}}]")
    pair.workspace.apply_mappings(mapping_file(tmp_path, one))
    both = customer_text(f"[{{{PRIMARY_ROW}, {first}: true, {second}: true}}]")

    with pytest.raises(MappingProblems, match="clear_value_on_failed_sync and not_null exclude each other"):
        pair.workspace.apply_mappings(mapping_file(tmp_path, both))

    (kept,) = pair.workspace.show_mapping("CUSTOMER").fields
    assert getattr(kept, first)
    assert not getattr(kept, second)


@pytest.mark.scenario("B061")
def test_leaving_a_null_out_is_for_references(with_references: MemoryPair, tmp_path: Path) -> None:
    pair = with_references
    reference = customer_text(f"[{{{PRIMARY_ROW}, not_null: true}}]")
    pair.workspace.apply_mappings(mapping_file(tmp_path, reference))
    assert pair.workspace.show_mapping("CUSTOMER").fields[0].not_null
    text = customer_text(f"[{'{local: displayName, integration: name, on_loss: overwrite, not_null: true}'}]")

    with pytest.raises(MappingProblems, match="not_null is for ids of records; name is text"):
        pair.workspace.apply_mappings(mapping_file(tmp_path, text))

    assert pair.workspace.show_mapping("CUSTOMER").fields[0].integration == "primarycontactid"


class Company:
    """A customer with a primary contact, both coupled and in step."""

    def __init__(self, **more: Any) -> None:
        primary = FieldMapping(
            local="contactNo",
            integration="primarycontactid",
            caption="Primary Contact No.",
            related_mapping="CONTACT",
            related_key="number",
            **more,
        )
        self.pair = MemoryPair(
            [CONTACT, mapping(NAMED, FAXED, primary)],
            local_tables=(WITH_CONTACT, PERSON),
            integration_tables=(WITH_PRIMARY, PERSONS),
        )
        self.person = self.pair.local.add("contacts", {"number": "CONT", "surname": "Jensen"})
        self.contact = self.pair.integration.add("contact", {"lastname": "Jensen"})
        self.pair.couple(self.person, self.contact, "CONTACT")
        self.customer = self.pair.local.add("customers", {"displayName": "Adatum", "contactNo": "CONT"})
        self.account = self.pair.integration.add("account", {"name": "Adatum", "primarycontactid": self.contact})
        self.pair.couple(self.customer, self.account)
        settle(self.pair, "CONTACT")
        settle(self.pair)

    def primary(self) -> tuple[str, str | None]:
        local = self.pair.local.record("customers", self.customer)["contactNo"]
        return local, self.pair.integration.record("account", self.account)["primarycontactid"]


@pytest.fixture
def stranger() -> str:
    """The id of a contact that is not coupled."""
    return "5c1ab2de-0000-4000-8000-000000000001"


@pytest.mark.scenario("B066")
def test_a_reference_that_is_not_coupled_is_blanked_where_the_field_says_so(stranger: str) -> None:
    company = Company(clear_value_on_failed_sync=True)
    with company.pair as pair:
        assert company.primary() == ("CONT", company.contact)
        pair.integration.add("contact", {"lastname": "Stranger"}, id=stranger)
        pair.integration.edit("account", company.account, primarycontactid=stranger)

        run = pair.synchronize()

        assert outcomes(job(run, FROM)) == {"modified": 1}
        assert run.errors == ()
        assert company.primary() == ("", stranger)


@pytest.mark.parametrize("options", [{}, {"unconditional": True}], ids=["forced", "unconditional"])
def test_the_blank_does_not_travel_back_even_where_a_person_chooses_the_direction(
    stranger: str, options: dict[str, bool]
) -> None:
    company = Company(clear_value_on_failed_sync=True)
    with company.pair as pair:
        pair.integration.add("contact", {"lastname": "Stranger"}, id=stranger)
        pair.integration.edit("account", company.account, primarycontactid=stranger)
        settle(pair)
        pair.local.edit("customers", company.customer, displayName="Edited")

        run = pair.synchronize(records=[company.customer], direction="to", **options)

        assert outcomes(run) == {"modified": 1}
        assert pair.integration.record("account", company.account)["name"] == "Edited"
        assert company.primary() == ("", stranger)
        # What somebody then writes there is theirs.
        pair.local.edit("customers", company.customer, contactNo="CONT")
        pair.synchronize(records=[company.customer], direction="to", **options)
        assert company.primary() == ("CONT", company.contact)


@pytest.mark.scenario("B067")
def test_a_reference_that_is_not_coupled_fails_its_direction_otherwise(stranger: str) -> None:
    company = Company()
    with company.pair as pair:
        assert pair.workspace.list_pending("CUSTOMER") == []
        pair.integration.add("contact", {"lastname": "Stranger"}, id=stranger)
        pair.integration.edit("account", company.account, primarycontactid=stranger)

        run = pair.synchronize()

        assert outcomes(job(run, FROM)) == {"failed": 1}
        (error,) = run.errors
        assert error.job_id == job(run, FROM).id
        assert "Primary Contact No." in error.message
        assert "not coupled" in error.message
        # Only this direction has failed.
        assert set(open_failures(pair)) == {(FROM, company.account)}
        assert company.primary() == ("CONT", stranger)


@pytest.mark.scenario("B136")
@pytest.mark.parametrize("pass_", [TO, FROM], ids=["to", "from"])
def test_a_primary_contact_reaches_the_other_side_as_its_counterpart(pass_: Pass) -> None:
    company = Company()
    with company.pair as pair:
        person = pair.local.add("contacts", {"number": "NEW", "surname": "Olsen"})
        contact = pair.integration.add("contact", {"lastname": "Olsen"})
        pair.couple(person, contact, "CONTACT")
        if pass_ is TO:
            pair.local.edit("customers", company.customer, contactNo="NEW")
        else:
            pair.integration.edit("account", company.account, primarycontactid=contact)

        run = pair.synchronize(records=[company.customer])

        assert outcomes(job(run, pass_)) == {"modified": 1}
        assert company.primary() == ("NEW", contact)


@pytest.mark.scenario("A142")
def test_an_empty_reference_blanks_the_other_side_where_a_person_chooses_the_direction() -> None:
    company = Company()
    with company.pair as pair:
        pair.integration.edit("account", company.account, primarycontactid=None)
        settle(pair)
        pair.local.edit("customers", company.customer, contactNo="CONT")

        run = pair.synchronize(records=[company.customer], direction="from")

        assert outcomes(run) == {"modified": 1}
        assert company.primary() == ("", None)


# Options of a choice.

AGENTS = table("shippingAgents", "id", Field("code", FieldType.CODE, max_length=10, nullable=False))
CHOICE = Table(
    "account.shipping",
    "value",
    {"value": Field("value", FieldType.INTEGER), "label": Field("label", FieldType.TEXT, max_length=100)},
)
SHIPPED_HERE = Table(
    "customers", "id", {**CUSTOMERS.fields, "agent": Field("agent", FieldType.CODE, max_length=10, nullable=False)}
)
SHIPPED_THERE = Table(
    "account",
    "accountid",
    {
        **ACCOUNTS.fields,
        "shipping": Field("shipping", FieldType.OPTION, options=(Option(7, "WillCall"), Option(1000, "TEST"))),
    },
)


@pytest.fixture
def shipped() -> Iterator[tuple[MemoryPair, str, str]]:
    """A coupled customer and account, and shipping agents coupled to options."""
    agents = TableMapping(
        name="SHIPPING AGENT",
        local_table="shippingAgents",
        integration_table="account.shipping",
        direction=Direction.TO_INTEGRATION,
        fields=(field("code", "label", direction=Direction.TO_INTEGRATION),),
    )
    agent = FieldMapping(local="agent", integration="shipping", related_mapping="SHIPPING AGENT", related_key="code")
    with MemoryPair(
        [agents, mapping(NAMED, agent)],
        local_tables=(SHIPPED_HERE, AGENTS),
        integration_tables=(SHIPPED_THERE, CHOICE),
    ) as pair:
        for code, value, label in (("WILLCALL", "7", "WillCall"), ("TEST", "1000", "TEST")):
            pair.integration.add("account.shipping", {"value": int(value), "label": label}, id=value)
            pair.couple(pair.local.add("shippingAgents", {"code": code}), value, "SHIPPING AGENT")
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        account = pair.integration.add("account", {"name": "Adatum"})
        pair.couple(customer, account)
        settle(pair)
        yield pair, customer, account


@pytest.mark.scenario("A128")
def test_a_code_becomes_the_option_that_it_is_coupled_to(shipped: tuple[MemoryPair, str, str]) -> None:
    pair, customer, account = shipped
    pair.local.edit("customers", customer, agent="WILLCALL")
    assert outcomes(pair.synchronize(records=[customer], direction="to")) == {"modified": 1}
    assert pair.integration.record("account", account)["shipping"] == 7


@pytest.mark.scenario("A128")
def test_an_option_becomes_the_code_that_it_is_coupled_to(shipped: tuple[MemoryPair, str, str]) -> None:
    pair, customer, account = shipped
    pair.integration.edit("account", account, shipping=1000)
    assert outcomes(pair.synchronize(records=[account], direction="from")) == {"modified": 1}
    assert pair.local.record("customers", customer)["agent"] == "TEST"
