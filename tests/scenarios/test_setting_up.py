"""Setting a connection up: the company, its currency, and that systems can be tried beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.dataverse.api import DirectApi
from tests.scenarios.standard import Standard
from tests.scenarios.world import outcomes
from tests.unit.connectors.dataverse.environment import Environment
from twinrow.connectors.base import Identity
from twinrow.connectors.memory import MemorySystem
from twinrow.model.errors import ConfigurationError
from twinrow.model.tables import Field, FieldType, Table
from twinrow.workspace import Workspace, open_workspace

HERE, THERE = "1111aaaa-0000-4000-8000-000000000001", "2222bbbb-0000-4000-8000-000000000002"


def _table(table: str, key: str, /, **kinds: FieldType) -> Table:
    return Table(table, key, {each: Field(each, kind) for each, kind in {key: FieldType.GUID, **kinds}.items()})


TEXT, REFERENCE = FieldType.TEXT, FieldType.REFERENCE
INTEGRATION_TABLES = (
    _table("bcbi_company", "bcbi_companyid", bcbi_name=TEXT, bcbi_externalid=TEXT),
    _table("businessunit", "businessunitid", name=TEXT, parentbusinessunitid=REFERENCE),
    _table("team", "teamid", name=TEXT, businessunitid=REFERENCE, teamtype=FieldType.OPTION),
    _table("organization", "organizationid", basecurrencyid=REFERENCE, currencydecimalprecision=FieldType.INTEGER),
)
LEDGER = _table("generalLedgerSetup", "id", localCurrencyCode=FieldType.CODE, localCurrencySymbol=TEXT)


class CompanySystem(MemorySystem):
    """A local system that is one of several companies."""

    def identify(self) -> Identity:
        return replace(super().identify(), details={"company_id": HERE, "company_name": "Adatum Danmark"})


class Connected:
    """Systems in memory with what a set-up looks at, and the standard mappings."""

    def __init__(self, ownership: str = "team") -> None:
        self.standard = Standard(ownership=ownership)
        self.pair = self.standard.pair
        self.integration = self.pair.integration
        for table in INTEGRATION_TABLES:
            self.integration.reshape(table)
        company = CompanySystem([*(self.pair.local.describe(name) for name in self.pair.local.tables()), LEDGER])
        self.pair.local = company
        self.pair.wrap(next(iter(self.pair.clocks)), company)
        company.add("generalLedgerSetup", {"localCurrencyCode": "DKK", "localCurrencySymbol": ""})
        self.root = self.integration.add("businessunit", {"name": "Root"})
        self.integration.add("organization", {"currencydecimalprecision": 3})

    @property
    def workspace(self) -> Workspace:
        return self.pair.workspace

    def settings(self) -> dict[str, Any]:
        return dict(self.workspace.show_connection().settings)


@pytest.fixture
def connected() -> Iterator[Connected]:
    made = Connected()
    yield made
    made.workspace.close()


@pytest.mark.scenario("A157")
def test_the_local_currency_is_made_where_it_is_missing(connected: Connected) -> None:
    connected.workspace.setup_connection(standard=False)
    ((id, record),) = connected.integration.records("transactioncurrency").items()
    assert record["isocurrencycode"] == record["currencysymbol"] == record["currencyname"] == "DKK"
    assert record["currencyprecision"] == 3
    assert connected.settings()["local_currency_id"] == id


@pytest.mark.scenario("A157")
def test_the_local_currency_is_found_where_it_is_there(connected: Connected) -> None:
    present = connected.integration.add("transactioncurrency", {"isocurrencycode": "DKK", "currencyname": "Krone"})
    connected.integration.add("transactioncurrency", {"isocurrencycode": "EUR"})
    connected.workspace.setup_connection(standard=False)
    assert connected.settings()["local_currency_id"] == present
    assert len(connected.integration.records("transactioncurrency")) == 2


@pytest.mark.scenario("B160")
def test_the_companys_row_is_found_and_stamped_on_its_records(connected: Connected) -> None:
    integration = connected.integration
    integration.add("bcbi_company", {"bcbi_name": "Another", "bcbi_externalid": THERE})
    company = integration.add("bcbi_company", {"bcbi_name": "Adatum Danmark", "bcbi_externalid": HERE})

    connected.workspace.setup_connection(standard=False)

    assert connected.settings()["company_id"] == company
    assert len(integration.records("bcbi_company")) == 2

    customer, account = connected.standard.company()

    def belongs() -> bool:
        return bool(integration.record("account", account)["bcbi_companyid"] == company)

    assert not belongs()
    assert outcomes(connected.pair.synchronize(records=[customer], direction="to")) == {"modified": 1}
    assert belongs()
    assert integration.record("account", account)["bcbi_companyid"] == company


class Owned(Connected):
    """A connection that has been set up for owners who are persons and is checked for their business unit."""

    def __init__(self, *, check_owners: bool) -> None:
        super().__init__("person")
        self.workspace.setup_connection(ownership_model="person", check_owners=check_owners, standard=False)

    def customer_of(self, unit: str) -> tuple[str, str, str]:
        """Add a user in a business unit with a salesperson, and a customer of it whose account a team owns."""
        user = self.standard.salesperson("PS")
        self.integration.edit("systemuser", user, businessunitid=unit)
        customer = self.standard.customer(salespersonCode="PS")
        account = self.standard.account(ownerid=self.settings()["owner_team_id"], owneridtype="team")
        self.pair.couple(customer, account)
        return user, customer, account

    def owner(self, account: str) -> tuple[str, str]:
        record = self.integration.record("account", account)
        return record["ownerid"], record["owneridtype"]


@pytest.mark.scenario("B162")
@pytest.mark.parametrize(
    ("checks", "here"), [(True, True), (False, False)], ids=["in the unit", "elsewhere, unchecked"]
)
def test_a_user_becomes_the_owner(checks: bool, here: bool) -> None:
    owned = Owned(check_owners=checks)
    with owned.workspace:
        unit = owned.settings()["business_unit_id"] if here else owned.integration.add("businessunit", {"name": "X"})
        user, customer, account = owned.customer_of(unit)
        assert owned.owner(account)[1] == "team"

        assert outcomes(owned.pair.synchronize(records=[customer], direction="to")) == {"modified": 1}

        assert owned.owner(account) == (user, "systemuser")


@pytest.mark.scenario("B162")
def test_a_user_of_another_business_unit_does_not_become_the_owner_where_that_is_checked() -> None:
    owned = Owned(check_owners=True)
    with owned.workspace:
        elsewhere = owned.integration.add("businessunit", {"name": "Elsewhere"})
        _, customer, account = owned.customer_of(elsewhere)

        run = owned.pair.synchronize(records=[customer], direction="to")

        assert outcomes(run) == {"failed": 1}
        assert [error.message for error in run.errors] == [
            "the user who is to own the record does not belong to the business unit of the company"
        ]
        assert owned.owner(account)[1] == "team"


@pytest.mark.scenario("B161")
def test_the_company_and_the_team_are_those_of_the_last_set_up() -> None:
    connected = Connected()
    with connected.workspace:
        connected.workspace.setup_connection(standard=False)
        known = connected.settings()
        connected.integration.remove("bcbi_company", known["company_id"])
        connected.integration.remove("team", known["owner_team_id"])
        company = connected.integration.add("bcbi_company", {"bcbi_name": "Adatum Danmark", "bcbi_externalid": HERE})
        unit = connected.integration.record("businessunit", known["business_unit_id"])
        team = connected.integration.add(
            "team", {"name": f"BCI - {unit['name']}", "businessunitid": known["business_unit_id"]}
        )

        def made() -> tuple[str, str]:
            customer = connected.standard.customer(currencyId=None)
            connected.pair.synchronize(records=[customer], create=True)
            record = connected.integration.record("account", str(connected.pair.counterpart(customer)))
            return record["bcbi_companyid"], record["ownerid"]

        assert made() == (known["company_id"], known["owner_team_id"])

        connected.workspace.setup_connection(standard=False)

        assert made() == (company, team)


@pytest.mark.scenario("B161")
def test_the_business_unit_is_that_of_the_last_set_up() -> None:
    owned = Owned(check_owners=True)
    with owned.workspace:
        old = str(owned.settings()["business_unit_id"])
        name = owned.integration.record("businessunit", old)["name"]
        user, customer, account = owned.customer_of(old)
        owned.integration.remove("businessunit", old)
        new = owned.integration.add("businessunit", {"name": name, "parentbusinessunitid": owned.root})

        assert outcomes(owned.pair.synchronize(records=[customer], direction="to")) == {"modified": 1}
        assert owned.owner(account) == (user, "systemuser")

        owned.workspace.setup_connection(standard=False)

        assert owned.settings()["business_unit_id"] == new
        assert owned.settings()["check_owners"]
        run = owned.pair.synchronize(records=[customer], direction="to", unconditional=True)
        assert outcomes(run) == {"failed": 1}


@pytest.mark.scenario("B019")
@pytest.mark.parametrize(
    "options", [{}, {"tenant": "contoso", "client_id": "app", "secret": "env:APP"}], ids=["no settings", "no address"]
)
def test_a_system_without_address_is_refused(options: dict[str, str]) -> None:
    with open_workspace("sqlite://") as workspace:
        with pytest.raises(ConfigurationError, match="address: Field required"):
            workspace.add_system("dataverse", "dataverse", **options)
        # Nothing is kept of it that could be tried.
        with pytest.raises(ConfigurationError, match="There is no system named 'dataverse'"):
            workspace.test_system("dataverse")


@pytest.mark.scenario("B019")
@pytest.mark.parametrize("in_use", [False, True], ids=["not connected yet", "connected"])
def test_a_complete_system_can_be_tried_whether_or_not_it_is_in_use(in_use: bool) -> None:
    environment = Environment()
    with open_workspace("sqlite://") as workspace:
        workspace.attach("dataverse", environment.connector)
        workspace.attach("erp", MemorySystem([LEDGER]))
        if in_use:
            workspace.add_connection("main", "erp", "dataverse")

        checks = workspace.test_system("dataverse")

        assert checks
        assert all(check.passed for check in checks), [check for check in checks if not check.passed]
    environment.api.service.connection.close()


@pytest.mark.scenario("B203")
def test_a_new_account_was_modified_when_it_was_made_and_later_when_it_is_changed() -> None:
    api = DirectApi()
    id = api.post("accounts", {"name": "Adatum"}).id
    made = api.get(f"accounts({id})?$select=createdon,modifiedon").body
    assert made["createdon"] == made["modifiedon"]

    api.clock.advance(5)
    api.patch(f"accounts({id})", {"name": "Adatum Corporation"})

    changed = api.get(f"accounts({id})?$select=createdon,modifiedon").body
    assert changed["createdon"] == made["createdon"]
    assert changed["modifiedon"] > changed["createdon"]
    api.service.connection.close()
