"""Contacts, customers, salespeople and currencies under the standard mappings."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.scenarios.standard import COMPANY, LOCAL_CURRENCY, TEAM, Standard
from tests.scenarios.world import FROM, TO, clocks_apart, coupling_times, job, open_failures, outcomes, watermark
from twinrow.actions.offers import Reason
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Direction, Pass, Side
from twinrow.standard.files import standard_mappings
from twinrow.store.tables import microseconds


def creating(mapping: TableMapping) -> TableMapping:
    return mapping.model_copy(update={"only_coupled": False})


# Contacts.


@pytest.mark.scenario("A048")
@pytest.mark.parametrize("pass_", [FROM, TO], ids=["from", "to"])
def test_a_changed_surname_reaches_the_other_side(pass_: Pass) -> None:
    with Standard() as all_:
        user = all_.salesperson("PS")
        customer, account = all_.company(ownerid=user, owneridtype="systemuser")
        person = all_.person(customer, salespersonCode="PS")
        contact = all_.contact(account, ownerid=user, owneridtype="systemuser")
        all_.pair.couple(person, contact, "CONTACT")
        all_.settle("CONTACT")
        if pass_ is FROM:
            all_.pair.integration.edit("contact", contact, lastname="Olsen")
        else:
            all_.pair.local.edit("contacts", person, surname="Olsen")

        run = all_.pair.synchronize("CONTACT", records=[person], direction="from" if pass_ is FROM else "to")

        assert outcomes(run) == {"modified": 1}
        assert all_.pair.local.record("contacts", person)["surname"] == "Olsen"
        assert all_.pair.integration.record("contact", contact)["lastname"] == "Olsen"


@pytest.mark.scenario("A049")
def test_a_contact_whose_company_is_not_coupled_is_not_made() -> None:
    with Standard() as all_:
        account = all_.account()
        contact = all_.contact(account)

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from", create=True)

        assert outcomes(run) == {"failed": 1}
        (error,) = run.errors
        assert "customerId" in error.message
        assert "not coupled" in error.message
        assert all_.pair.counterpart(contact, Side.INTEGRATION, "CONTACT") is None
        assert all_.pair.local.records("contacts") == {}
        assert all_.pair.local.records("customers") == {}
        assert all_.pair.counterpart(account, Side.INTEGRATION) is None


@pytest.mark.scenario("A050")
def test_a_contact_whose_company_is_coupled_is_made_and_numbered() -> None:
    numbers = iter(("CT000042", "CT000043"))

    def numbered(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        new = table == "contacts" and before is None and not values.get("number")
        return values | {"number": next(numbers)} if new else values

    with Standard(logic=numbered) as all_:
        customer, account = all_.company()
        contact = all_.contact(account)

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from", create=True)

        assert outcomes(run) == {"inserted": 1}
        ((person, record),) = all_.pair.local.records("contacts").items()
        assert all_.pair.counterpart(contact, Side.INTEGRATION, "CONTACT") == person
        assert record["number"] == "CT000042"
        assert record["customerId"] == customer
        assert record["surname"] == "Jensen"


@pytest.mark.scenario("A053")
@pytest.mark.parametrize("coupled", [False, True], ids=["creation allowed", "coupled, with a coupled salesperson"])
def test_a_person_without_company_is_left_alone_whatever_is_chosen(coupled: bool) -> None:
    with Standard() as all_:
        all_.salesperson("PS")
        person = all_.person(None, salespersonCode="PS")
        if coupled:
            contact = all_.contact(all_.account())
            all_.pair.couple(person, contact, "CONTACT")
        all_.pair.local.edit("contacts", person, companyNumber="")
        before = all_.pair.integration.records("contact")

        offer = all_.pair.workspace.offer_synchronization("CONTACT", [person], create=not coupled)
        assert offer.left_out("to") == {person: Reason.OUTSIDE_FILTER}

        done = all_.pair.workspace.synchronize_selected(
            "CONTACT", [person], "to", create=not coupled, unconditional=True
        )

        assert (done.run, done.left_out) == (None, {person: Reason.OUTSIDE_FILTER})
        assert all_.pair.workspace.list_jobs("CONTACT") == []
        assert all_.pair.integration.records("contact") == before


@pytest.mark.scenario("A054")
def test_an_uncoupled_contact_is_skipped_where_only_coupled_records_take_part() -> None:
    with Standard() as all_:
        person = all_.person(all_.customer())

        run = all_.pair.synchronize("CONTACT", records=[person], direction="to")

        assert outcomes(run) == {"skipped": 1}
        assert run.errors == ()
        assert all_.pair.integration.records("contact") == {}


@pytest.mark.scenario("A055")
def test_a_coupled_contact_is_updated_though_its_company_is_not_coupled() -> None:
    with Standard() as all_:
        person = all_.person(all_.customer())
        contact = all_.contact(all_.account())
        all_.pair.couple(person, contact, "CONTACT")
        all_.settle("CONTACT")
        all_.pair.local.edit("contacts", person, surname="Olsen")

        run = all_.pair.synchronize("CONTACT", records=[person], direction="to")

        assert outcomes(run) == {"modified": 1}
        assert all_.pair.integration.record("contact", contact)["lastname"] == "Olsen"


@pytest.mark.scenario("A056")
def test_a_person_of_an_account_that_is_no_customer_becomes_a_contact_without_company() -> None:
    with Standard({"CUSTOMER": creating}) as all_:
        account = all_.account(customertypecode=None)
        contact = all_.contact(account)

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from", create=True)

        assert outcomes(run) == {"inserted": 1}
        ((person, record),) = all_.pair.local.records("contacts").items()
        assert all_.pair.counterpart(person, mapping="CONTACT") == contact
        assert (record["companyNumber"], record["companyName"]) == ("", "")
        assert (record["customerId"], record["vendorId"]) == (None, None)
        assert all_.pair.counterpart(account, Side.INTEGRATION) is None
        assert all_.pair.local.records("customers") == {}


def letting_all_in(mapping: TableMapping) -> TableMapping:
    return creating(mapping).model_copy(update={"integration_filter": ""})


@pytest.mark.scenario("B054")
def test_a_person_of_no_account_does_not_become_a_contact() -> None:
    with Standard({"CONTACT": letting_all_in}) as all_:
        contact = all_.contact(None)

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from")

        assert outcomes(run) == {"failed": 1}
        (error,) = run.errors
        assert error.message == "the contact belongs to no account: its company does not exist"
        assert all_.pair.local.records("contacts") == {}
        assert all_.pair.counterpart(contact, Side.INTEGRATION, "CONTACT") is None


@pytest.mark.scenario("B054")
def test_a_person_of_a_coupled_account_gets_the_company_of_its_customer() -> None:
    def belonging(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        """Do as Business Central does with the customer of a new contact: take its company contact as the company."""
        if table != "contacts" or before is not None or values.get("customerId") is None:
            return values
        return values | {"companyNumber": companies[values["customerId"]]}

    companies: dict[str, str] = {}
    with Standard({"CONTACT": letting_all_in}, logic=belonging) as all_:
        customer, account = all_.company()
        companies[customer] = "CT000007"
        contact = all_.contact(account)

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from")

        assert outcomes(run) == {"inserted": 1}
        ((_, record),) = all_.pair.local.records("contacts").items()
        assert record["companyNumber"] == "CT000007"


@pytest.mark.scenario("A137")
@pytest.mark.parametrize("ahead", [0, -300, 300], ids=["clocks equal", "integration behind", "integration ahead"])
def test_a_new_primary_contact_is_set_as_a_follow_up_and_is_no_edit(ahead: int) -> None:
    def numbered(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        new = table == "contacts" and before is None and not values.get("number")
        return values | {"number": "CT000042"} if new else values

    with Standard({"CONTACT": creating}, logic=numbered) as all_:
        pair = all_.pair
        clocks_apart(pair, ahead)
        customer, account = all_.company()
        contact = all_.contact(account)
        pair.integration.edit("account", account, primarycontactid=contact)
        all_.settle("CUSTOMER")
        assert pair.local.record("customers", customer)["primaryContactNo"] == ""
        before = coupling_times(pair)[customer]
        marks: dict[str, list[str | None]] = {}

        def started(name: str) -> None:
            marks.setdefault(name, [watermark(pair, side) for side in Side])

        done = pair.workspace.synchronize_all(["CUSTOMER", "CONTACT"], started=started)

        (run,) = [run for run in done.runs if run.mapping == "CONTACT"]
        assert outcomes(job(run, TO)) == {}
        assert outcomes(job(run, FROM)) == {"inserted": 1}
        assert pair.local.record("customers", customer)["primaryContactNo"] == "CT000042"
        after = coupling_times(pair)[customer]
        assert after == (microseconds(pair.local.modified_at("customers", customer)), before[1])
        assert before[0] is not None
        assert after[0] > before[0]
        assert [watermark(pair, side) for side in Side] == marks["CONTACT"]
        # What follows is no edit of anybody's: nothing is written and nothing is in conflict.
        again = pair.workspace.synchronize()
        assert (again.counters.written, again.counters.failed) == (0, 0)
        assert pair.integration.record("account", account)["primarycontactid"] == contact


# Counties, and what else goes with an address.


@pytest.mark.scenario("B124")
@pytest.mark.parametrize("pass_", [FROM, TO], ids=["account to customer", "customer to account"])
def test_the_county_of_a_customer_reaches_the_other_side(pass_: Pass) -> None:
    with Standard() as all_:
        customer, account = all_.company()
        all_.settle("CUSTOMER")
        if pass_ is FROM:
            all_.pair.integration.edit("account", account, address1_stateorprovince="Texas")
        else:
            all_.pair.local.edit("customers", customer, state="Texas")

        run = all_.pair.synchronize(records=[customer], direction="from" if pass_ is FROM else "to")

        assert outcomes(run) == {"modified": 1}
        assert all_.pair.local.record("customers", customer)["state"] == "Texas"
        assert all_.pair.integration.record("account", account)["address1_stateorprovince"] == "Texas"


@pytest.mark.scenario("B124")
def test_the_county_of_a_contact_reaches_the_local_side() -> None:
    with Standard() as all_:
        customer, account = all_.company()
        person, contact = all_.person(customer), all_.contact(account)
        all_.pair.couple(person, contact, "CONTACT")
        all_.settle("CONTACT")
        all_.pair.integration.edit("contact", contact, address1_stateorprovince="Texas")

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from")

        assert outcomes(run) == {"modified": 1}
        assert all_.pair.local.record("contacts", person)["state"] == "Texas"


@pytest.mark.scenario("B063")
def test_an_owner_stays_where_the_salesperson_is_blank() -> None:
    with Standard() as all_:
        user = all_.salesperson("PS")
        customer, account = all_.company()
        person = all_.person(customer, salespersonCode="PS")
        contact = all_.contact(account, ownerid=user, owneridtype="systemuser")
        all_.pair.couple(person, contact, "CONTACT")
        all_.settle("CONTACT")
        (row,) = [row for row in all_.pair.workspace.show_mapping("CONTACT").fields if row.local == "salespersonCode"]
        assert row.not_null
        all_.pair.local.edit("contacts", person, salespersonCode="", state="Texas")

        run = all_.pair.synchronize("CONTACT", records=[person], direction="to")

        assert outcomes(run) == {"modified": 1}
        record = all_.pair.integration.record("contact", contact)
        assert record["address1_stateorprovince"] == "Texas"
        assert record["ownerid"] == user


# Customers and salespeople.


@pytest.mark.scenario("B052")
@pytest.mark.parametrize(
    ("state", "blocked", "then", "outcome"),
    [(1, " ", "All", "modified"), (1, "All", "All", "unchanged"), (0, "All", "All", "unchanged")],
    ids=["inactive blocks", "inactive and blocked", "active does not unblock"],
)
def test_an_inactive_account_blocks_its_customer(state: int, blocked: str, then: str, outcome: str) -> None:
    with Standard({"CUSTOMER": letting_all_in}) as all_:
        customer, account = all_.company()
        all_.pair.local.edit("customers", customer, blocked=blocked)
        all_.pair.integration.edit("account", account, statecode=state)

        run = all_.pair.synchronize(records=[account], direction="from")

        assert outcomes(run) == {outcome: 1}
        assert all_.pair.local.record("customers", customer)["blocked"] == then


@pytest.mark.scenario("B052")
@pytest.mark.parametrize("coupled", [True, False], ids=["owner coupled, no salesperson", "owner not coupled"])
def test_the_owner_of_an_account_does_not_touch_the_salesperson_of_its_customer(coupled: bool) -> None:
    with Standard({"CUSTOMER": letting_all_in}) as all_:
        owner = all_.salesperson("PS") if coupled else all_.user("Stranger")
        customer = all_.customer(salespersonCode="" if coupled else "PS")
        account = all_.account(ownerid=owner, owneridtype="systemuser", statecode=1)
        all_.pair.couple(customer, account)

        assert outcomes(all_.pair.synchronize(records=[account], direction="from")) == {"modified": 1}

        record = all_.pair.local.record("customers", customer)
        assert (record["blocked"], record["salespersonCode"]) == ("All", "" if coupled else "PS")


@pytest.mark.scenario("A043")
def test_an_account_becomes_a_customer_and_its_change_is_carried() -> None:
    def from_accounts(mapping: TableMapping) -> TableMapping:
        rows = [row for row in mapping.fields if row.enabled and row.direction.includes(FROM)]
        rows = [row.model_copy(update={"direction": Direction.FROM_INTEGRATION}) for row in rows]
        changes = {"direction": Direction.FROM_INTEGRATION, "integration_filter": "", "fields": tuple(rows)}
        return creating(mapping).model_copy(update=changes)

    with Standard({"CUSTOMER": from_accounts}) as all_:
        account = all_.account(ownerid=all_.salesperson("PS"), owneridtype="systemuser")
        now = all_.pair.clocks[Side.INTEGRATION].now()
        all_.pair.integration.touch("account", account, now - timedelta(days=365))

        run = all_.pair.synchronize()

        assert outcomes(run) == {"inserted": 1}
        assert run.errors == ()
        customer = all_.pair.counterpart(account, Side.INTEGRATION)
        assert customer in all_.pair.local.records("customers")

        all_.pair.integration.edit("account", account, name="Adatum Corporation")
        all_.pair.integration.touch("account", account, now + timedelta(days=2))
        run = all_.pair.synchronize()

        assert outcomes(run) == {"modified": 1}
        assert run.counters.inserted == 0
        assert all_.pair.counterpart(account, Side.INTEGRATION) == customer
        assert all_.pair.local.record("customers", str(customer))["displayName"] == "Adatum Corporation"


@pytest.mark.scenario("A133")
def test_a_changed_salesperson_changes_the_owner_and_counts() -> None:
    with Standard() as all_:
        first, second = all_.salesperson("PS"), all_.salesperson("XX")
        customer = all_.customer(salespersonCode="PS")
        account = all_.account(ownerid=first, owneridtype="systemuser")
        all_.pair.couple(customer, account)
        all_.settle("CUSTOMER")
        before = coupling_times(all_.pair)[customer][0]
        all_.pair.local.edit("customers", customer, salespersonCode="XX")

        run = all_.pair.synchronize(records=[customer])

        assert outcomes(job(run, TO)) == {"modified": 1}
        assert job(run, TO).unchanged == 0
        assert all_.pair.integration.record("account", account)["ownerid"] == second
        after = coupling_times(all_.pair)[customer][0]
        assert before is not None
        assert after is not None
        assert after > before


@pytest.mark.scenario("A161")
def test_the_owner_is_written_only_where_it_is_another_one() -> None:
    with Standard() as all_:
        first, second = all_.salesperson("PS"), all_.salesperson("XX")
        customer = all_.customer(salespersonCode="PS")
        # Owned by the user already; the type of owner is not what it would be written as.
        account = all_.account(
            ownerid=first, owneridtype="team", bcbi_companyid=COMPANY, transactioncurrencyid=LOCAL_CURRENCY
        )
        all_.pair.couple(customer, account)

        assert outcomes(all_.pair.synchronize(records=[customer], direction="to")) == {"unchanged": 1}

        record = all_.pair.integration.record("account", account)
        assert (record["ownerid"], record["owneridtype"]) == (first, "team")

        all_.pair.local.edit("customers", customer, salespersonCode="XX")
        all_.pair.synchronize(records=[customer], direction="to")

        record = all_.pair.integration.record("account", account)
        assert (record["ownerid"], record["owneridtype"]) == (second, "systemuser")


@pytest.mark.scenario("B055")
def test_new_salespeople_get_codes_of_their_own() -> None:
    with Standard({"SALESPEOPLE": creating}) as all_:
        for name in ("Anna", "Bo", "Carl"):
            all_.user(name)
            assert outcomes(all_.pair.synchronize("SALESPEOPLE")) == {"inserted": 1}

        codes = {
            record["displayName"]: record["code"]
            for record in all_.pair.local.records("salespeoplePurchasers").values()
        }
        assert set(codes) == {"Anna", "Bo", "Carl"}
        assert all(code.strip() for code in codes.values())
        assert len(set(codes.values())) == 3


# Owners: left to the field mapping of owner and salesperson, where there is one.


def both_ways(mapping: TableMapping) -> TableMapping:
    """Let the owner of an account also decide the salesperson of its customer."""
    rows = tuple(
        row.model_copy(update={"direction": Direction.BIDIRECTIONAL}) if row.local == "salespersonCode" else row
        for row in mapping.fields
    )
    return mapping.model_copy(update={"fields": rows})


def without_owner(mapping: TableMapping) -> TableMapping:
    return mapping.model_copy(update={"fields": tuple(row for row in mapping.fields if row.local != "salespersonCode")})


@pytest.mark.scenario("B053")
@pytest.mark.parametrize("coupled", [True, False], ids=["owner coupled, no salesperson", "owner not coupled"])
def test_the_owner_of_a_contact_does_not_touch_its_salesperson(coupled: bool) -> None:
    with Standard() as all_:
        user = all_.salesperson("PS")
        owner = user if coupled else all_.user("Stranger")
        customer, account = all_.company()
        person = all_.person(customer, salespersonCode="" if coupled else "PS", currencyCode="DKK")
        contact = all_.contact(account, ownerid=owner, owneridtype="systemuser", transactioncurrencyid=LOCAL_CURRENCY)
        all_.pair.couple(person, contact, "CONTACT")

        run = all_.pair.synchronize("CONTACT", records=[contact], direction="from")

        assert outcomes(run) == {"unchanged": 1}
        assert all_.pair.local.record("contacts", person)["salespersonCode"] == ("" if coupled else "PS")


@pytest.mark.scenario("B053")
def test_without_the_field_mapping_a_changed_salesperson_does_not_touch_the_owner() -> None:
    with Standard({"CUSTOMER": without_owner}) as all_:
        first, _ = all_.salesperson("PS"), all_.salesperson("XX")
        customer = all_.customer(salespersonCode="PS")
        stamped = {"bcbi_companyid": COMPANY, "transactioncurrencyid": LOCAL_CURRENCY}
        account = all_.account(ownerid=first, owneridtype="systemuser", **stamped)
        all_.pair.couple(customer, account)
        all_.settle("CUSTOMER")
        all_.pair.local.edit("customers", customer, salespersonCode="XX")

        run = all_.pair.synchronize(records=[customer], direction="to")

        assert outcomes(run) == {"unchanged": 1}
        assert all_.pair.integration.record("account", account)["ownerid"] == first


@pytest.mark.scenario("B056")
def test_a_team_as_owner_is_an_error_where_salespeople_are_mapped_to_users() -> None:
    with Standard({"CUSTOMER": both_ways}) as all_:
        user = all_.salesperson("PS")
        customer = all_.customer(salespersonCode="PS")
        account = all_.account(ownerid=user, owneridtype="systemuser")
        all_.pair.couple(customer, account)
        all_.settle("CUSTOMER")
        all_.pair.integration.edit("account", account, ownerid=TEAM, owneridtype="team")

        run = all_.pair.synchronize(records=[account], direction="from")

        assert outcomes(run) == {"failed": 1}
        (error,) = run.errors
        assert "Salesperson Code" in error.message
        assert all_.pair.local.record("customers", customer)["salespersonCode"] == "PS"


@pytest.mark.scenario("B056")
def test_a_team_as_owner_changes_nothing_where_salespeople_are_not_mapped() -> None:
    with Standard(ownership="team") as all_:
        assert "SALESPEOPLE" not in {one.name for one in all_.pair.workspace.list_table_mappings()}
        customer = all_.customer(salespersonCode="PS")
        account = all_.account(transactioncurrencyid=LOCAL_CURRENCY)
        all_.pair.couple(customer, account)

        run = all_.pair.synchronize(records=[account], direction="from")

        assert outcomes(run) == {"unchanged": 1}
        assert run.errors == ()


@pytest.mark.scenario("B057")
@pytest.mark.parametrize(
    ("code", "failed"), [("XX", True), ("NOBODY", True), ("", False)], ids=["not coupled", "unknown", "blank"]
)
def test_a_salesperson_without_user_is_an_error_unless_blank(code: str, failed: bool) -> None:
    with Standard() as all_:
        user = all_.salesperson("PS")
        all_.pair.local.add("salespeoplePurchasers", {"code": "XX", "displayName": "Uncoupled"})
        customer = all_.customer(salespersonCode="PS")
        account = all_.account(ownerid=user, owneridtype="systemuser")
        all_.pair.couple(customer, account)
        all_.settle("CUSTOMER")
        all_.pair.local.edit("customers", customer, salespersonCode=code, state="Texas")

        run = all_.pair.synchronize(records=[customer], direction="to")

        assert outcomes(run) == ({"failed": 1} if failed else {"modified": 1})
        assert [error.message for error in run.errors] == (
            ["the record that Salesperson Code refers to is not coupled"] if failed else []
        )
        assert all_.pair.integration.record("account", account)["ownerid"] == user


@pytest.mark.scenario("B057")
def test_a_coupled_salesperson_gives_the_owner_and_its_type() -> None:
    with Standard() as all_:
        user = all_.salesperson("PS")
        customer = all_.customer(salespersonCode="PS")
        account = all_.account()
        all_.pair.couple(customer, account)

        assert outcomes(all_.pair.synchronize(records=[customer], direction="to")) == {"modified": 1}

        record = all_.pair.integration.record("account", account)
        assert (record["ownerid"], record["owneridtype"]) == (user, "systemuser")


def test_where_salespeople_are_not_mapped_an_uncoupled_one_changes_nothing() -> None:
    with Standard(ownership="team") as all_:
        customer, account = all_.company(bcbi_companyid=COMPANY, transactioncurrencyid=LOCAL_CURRENCY)
        all_.pair.local.edit("customers", customer, salespersonCode="XX")

        run = all_.pair.synchronize(records=[customer], direction="to")

        assert outcomes(run) == {"unchanged": 1}
        assert run.errors == ()
        assert all_.pair.integration.record("account", account)["ownerid"] == TEAM


# What the local system does by itself.


@pytest.mark.scenario("A021")
def test_what_follows_a_changed_customer_also_follows_a_synchronized_one() -> None:
    def company_contact(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        if table == "customers" and contacts:
            all_.pair.local.edit("contacts", contacts[0], by="system", companyName=values["displayName"])
        return values

    contacts: list[str] = []
    with Standard(logic=company_contact) as all_:
        customer, account = all_.company()
        contacts.append(all_.person(None, type="Company", companyName="Adatum", companyNumber=""))
        all_.settle("CUSTOMER")
        all_.pair.local.edit("customers", customer, displayName="Edited here")
        assert all_.pair.local.record("contacts", contacts[0])["companyName"] == "Edited here"

        run = all_.pair.synchronize(records=[customer], direction="from")

        assert outcomes(run) == {"modified": 1}
        name = all_.pair.local.record("customers", customer)["displayName"]
        assert name == all_.pair.integration.record("account", account)["name"] == "Adatum"
        assert all_.pair.local.record("contacts", contacts[0])["companyName"] == name


# Currencies.


def blank_for_the_local_currency(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Do as Business Central does: the code of the local currency is taken, and kept as a blank."""
    return values | {"currencyCode": ""} if values.get("currencyCode") == "DKK" else values


@pytest.mark.scenario("B068")
@pytest.mark.parametrize(
    ("there", "code"), [("coupled", "X"), (None, ""), (LOCAL_CURRENCY, "")], ids=["coupled", "empty", "the local one"]
)
def test_the_currency_of_a_contact_becomes_the_local_code(there: str | None, code: str) -> None:
    with Standard(logic=blank_for_the_local_currency) as all_:
        _, currency = all_.currency("X")
        customer, account = all_.company()
        person = all_.person(customer, currencyCode="" if code else "X")
        contact = all_.contact(account, transactioncurrencyid=LOCAL_CURRENCY if code else currency)
        all_.pair.couple(person, contact, "CONTACT")
        all_.settle("CONTACT")
        all_.pair.integration.edit("contact", contact, transactioncurrencyid=currency if there == "coupled" else there)

        run = all_.pair.synchronize("CONTACT")

        assert outcomes(job(run, FROM)) == {"modified": 1}
        assert all_.pair.local.record("contacts", person)["currencyCode"] == code


@pytest.mark.scenario("B068")
def test_the_local_code_of_a_contact_becomes_the_coupled_currency() -> None:
    with Standard() as all_:
        _, currency = all_.currency("X")
        customer, account = all_.company()
        person, contact = all_.person(customer), all_.contact(account, transactioncurrencyid=LOCAL_CURRENCY)
        all_.pair.couple(person, contact, "CONTACT")
        all_.settle("CONTACT")
        all_.pair.local.edit("contacts", person, currencyCode="X")

        run = all_.pair.synchronize("CONTACT")

        assert outcomes(job(run, TO)) == {"modified": 1}
        assert all_.pair.integration.record("contact", contact)["transactioncurrencyid"] == currency


@pytest.mark.scenario("B127")
def test_a_new_currency_goes_over_with_its_code_and_decimals() -> None:
    with Standard() as all_:
        local = all_.pair.local.add("currencies", {"code": "EUR", "displayName": "Euro"})
        all_.rate("EUR", 100, 746)
        mappings = all_.pair.workspace.list_table_mappings()

        run = all_.pair.synchronize("CURRENCY", records=[local], create=True)

        assert outcomes(run) == {"inserted": 1}
        assert run.errors == ()
        ((id, record),) = all_.pair.integration.records("transactioncurrency").items()
        assert record["isocurrencycode"] == "EUR"
        assert record["currencyprecision"] == 2
        assert all_.pair.counterpart(local, mapping="CURRENCY") == id
        assert all_.pair.workspace.list_table_mappings() == mappings
        assert open_failures(all_.pair, "CURRENCY") == {}
        assert all_.pair.workspace.list_errors() == []


@pytest.mark.scenario("B128")
def test_a_currency_without_a_rate_does_not_go_over() -> None:
    with Standard() as all_:
        local = all_.pair.local.add("currencies", {"code": "EUR", "displayName": "Euro"})

        run = all_.pair.synchronize("CURRENCY", records=[local], create=True)

        assert outcomes(run) == {"failed": 1}
        (error,) = run.errors
        assert error.message == "no exchange rate is defined for the currency EUR"
        assert all_.pair.integration.records("transactioncurrency") == {}
        assert all_.pair.counterpart(local, mapping="CURRENCY") is None
        assert run.state == "finished"


@pytest.mark.scenario("A152")
@pytest.mark.parametrize(
    ("base", "code", "rate"),
    [("AAA", "BBB", "0.25"), ("BBB", "AAA", "4"), ("AAA", "AAA", "1"), ("DKK", "AAA", "12")],
    ids=["A to B", "B to A", "to itself", "to the local currency"],
)
def test_rates_go_through_the_local_currency(base: str, code: str, rate: str) -> None:
    with Standard(base_currency_code=base) as all_:
        all_.rate("AAA", 12)
        all_.rate("BBB", 3)
        all_.pair.local.add("currencies", {"code": code})
        assert outcomes(all_.pair.synchronize("CURRENCY", create=True)) == {"inserted": 1}
        ((_, record),) = all_.pair.integration.records("transactioncurrency").items()
        assert record["exchangerate"] == Decimal(rate)


@pytest.mark.scenario("A153")
@pytest.mark.parametrize(
    ("base", "code"), [("", ""), ("", "AAA"), ("AAA", "")], ids=["blank to blank", "blank to A", "A to blank"]
)
def test_there_is_no_rate_to_or_from_a_blank_currency(base: str, code: str) -> None:
    with Standard(base_currency_code=base) as all_:
        all_.rate("AAA", 12)
        all_.pair.local.add("currencies", {"code": code})

        run = all_.pair.synchronize("CURRENCY", create=True)

        assert outcomes(run) == {"failed": 1}
        (error,) = run.errors
        assert error.message.startswith("no exchange rate is defined for the ")
        assert error.message.endswith("currency ")
        assert all_.pair.integration.records("transactioncurrency") == {}


@pytest.mark.scenario("A154")
def test_there_is_no_rate_where_the_base_currency_is_not_known() -> None:
    with Standard(base_currency_code=None) as all_:
        all_.rate("AAA", 12)
        all_.pair.local.add("currencies", {"code": "AAA"})

        run = all_.pair.synchronize("CURRENCY", create=True)

        assert outcomes(run) == {"failed": 1}
        assert [error.message for error in run.errors] == [
            "the base currency of Dataverse is not known: set the connection up again (twinrow connection setup)"
        ]
        assert all_.pair.integration.records("transactioncurrency") == {}


def test_a_currency_that_is_recognized_is_coupled_and_then_merged_as_any_pair() -> None:
    with Standard() as all_:
        all_.rate("EUR", 1, 4)
        local = all_.pair.local.add("currencies", {"code": "EUR", "displayName": "Euro", "symbol": "€"})
        values = {"isocurrencycode": "EUR", "currencyname": "Their name", "currencysymbol": "€"}
        there = all_.pair.integration.add("transactioncurrency", values | {"exchangerate": Decimal(1)})

        run = all_.pair.synchronize("CURRENCY")

        assert outcomes(run) == {"modified": 1}
        assert run.counters.coupled == 1
        assert all_.pair.counterpart(local, mapping="CURRENCY") == there
        record = all_.pair.integration.record("transactioncurrency", there)
        assert (record["currencyname"], record["exchangerate"]) == ("Euro", Decimal("0.25"))
        assert all_.pair.synchronize("CURRENCY").counters.written == 0


def test_an_account_that_becomes_a_customer_is_stamped_with_the_company() -> None:
    with Standard({"CUSTOMER": creating}) as all_:
        account = all_.account(bcbi_companyid=None)
        assert outcomes(job(all_.pair.synchronize(), FROM)) == {"inserted": 1}
        all_.settle("CUSTOMER")
        assert all_.pair.integration.record("account", account)["bcbi_companyid"] == COMPANY


# Options.


@pytest.mark.scenario("B069")
@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("SHIPPING AGENT", "account.address1_shippingmethodcode"),
        ("SHIPMENT METHOD", "account.address1_freighttermscode"),
        ("PAYMENT TERMS", "account.paymenttermscode"),
    ],
)
def test_codes_are_mapped_to_choices_of_the_account(name: str, choice: str) -> None:
    (mapping,) = [one for one in standard_mappings() if one.name == name]
    assert mapping.direction is Direction.TO_INTEGRATION
    assert mapping.integration_table == choice
    assert mapping.is_option_mapping


def test_new_records_carry_company_and_owner() -> None:
    with Standard({"CUSTOMER": creating}) as all_:
        all_.customer(currencyId=None)
        assert outcomes(job(all_.pair.synchronize(), TO)) == {"inserted": 1}
        ((_, record),) = all_.pair.integration.records("account").items()
        assert record["bcbi_companyid"] == COMPANY
        assert (record["ownerid"], record["owneridtype"]) == (TEAM, "team")
        assert record["customertypecode"] == 3


@pytest.mark.scenario("A127")
def test_of_a_selection_that_is_sent_the_sound_ones_are_synchronized() -> None:
    with Standard() as all_:
        pair = all_.pair
        stamped = {"bcbi_companyid": COMPANY, "transactioncurrencyid": LOCAL_CURRENCY}
        user = all_.salesperson("PS")
        first, account = all_.customer(salespersonCode="PS"), all_.account(ownerid=user, **stamped)
        pair.couple(first, account)
        fourth, other = all_.customer(salespersonCode="PS"), all_.account(ownerid=user, **stamped)
        pair.couple(fourth, other)
        all_.settle("CUSTOMER")
        second = all_.customer()
        third, changed = all_.company()
        pair.local.add("salespeoplePurchasers", {"code": "XX", "displayName": "Uncoupled"})
        pair.local.edit("customers", fourth, salespersonCode="XX")
        selection = [first, second, third, fourth]

        offer = pair.workspace.offer_synchronization("CUSTOMER", selection)
        # The direction is asked once, for all of them.
        assert (offer.choices, offer.preselected) == (("to", "from"), None)

        done = pair.workspace.synchronize_selected("CUSTOMER", selection, "to", unconditional=True)

        assert done.left_out == {second: Reason.NOT_COUPLED, third: Reason.DESTINATION_CHANGED}
        assert len(offer.chosen("to")) == 2
        assert done.run is not None
        (one,) = done.run.jobs
        assert outcomes(one) == {"modified": 1, "failed": 1}
        assert [(error.source_id, error.message) for error in done.run.errors] == [
            (fourth, "the record that Salesperson Code refers to is not coupled")
        ]
        assert pair.integration.record("account", changed)["ownerid"] == TEAM
