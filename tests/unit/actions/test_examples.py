"""The example files: they are read, they fit the systems that they are for, and the one for two databases runs."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from twinrow.actions.mapping_check import check_mappings
from twinrow.actions.mapping_files import export_mappings, read_mapping_file, read_mapping_text
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.store.mappings import save_rules
from twinrow.testing.pair import MemoryPair

EXAMPLES = Path(__file__).parents[3] / "examples"


def table(name: str, key: str, texts: str, *fields: Field) -> Table:
    listed = [Field(key, FieldType.GUID), *(Field(text, FieldType.TEXT, max_length=100) for text in texts.split())]
    return Table(name, key, {field.name: field for field in (*listed, *fields)})


CUSTOMERS = table(
    "customers",
    "id",
    "no name address city post_code county country_code phone_no email home_page currency_code salesperson_code",
    Field("blocked", FieldType.INTEGER),
    Field("credit_limit", FieldType.DECIMAL, scale=2),
)
ACCOUNTS = table(
    "accounts",
    "accountid",
    "accountnumber name address1_line1 address1_city address1_postalcode address1_stateorprovince address1_country "
    "telephone1 emailaddress1 websiteurl transactioncurrencycode ownercode",
    Field("statuscode", FieldType.INTEGER),
    Field("creditlimit", FieldType.DECIMAL, scale=2),
)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_read_and_comes_back_from_its_export(path: Path) -> None:
    content = read_mapping_file(path).content
    assert content.mappings
    assert read_mapping_text(export_mappings(content)).content == content


def test_the_example_for_two_databases_fits_their_tables() -> None:
    content = read_mapping_file(EXAMPLES / "customers-accounts.yaml").content
    problems = check_mappings(
        content.mappings,
        lambda side, _name: CUSTOMERS if side is Side.LOCAL else ACCOUNTS,
        rules={rule.code: rule for rule in content.transformation_rules},
        variables={},
    )
    assert problems == []


def test_the_example_for_two_databases_runs() -> None:
    content = read_mapping_file(EXAMPLES / "customers-accounts.yaml").content
    with MemoryPair(content.mappings, local_tables=[CUSTOMERS], integration_tables=[ACCOUNTS]) as pair:
        with pair.workspace.context.database.transaction() as connection:
            save_rules(connection, content.transformation_rules)
        customer: dict[str, Any] = {"no": "10000", "name": "Adatum", "country_code": "de", "email": "Ann@Adatum.COM"}
        pair.local.add("customers", customer | {"currency_code": "eur", "blocked": 3, "credit_limit": Decimal("99.50")})
        pair.workspace.synchronize("CUSTOMER")
        ((account_id, account),) = pair.integration.records("accounts").items()
        assert account["accountnumber"] == "C-10000"
        assert account["address1_country"] == "DE"
        assert account["emailaddress1"] == "ann@adatum.com"
        assert account["transactioncurrencycode"] == "EUR"
        assert account["statuscode"] == 100000003
        assert account["creditlimit"] == Decimal("99.50")

        pair.integration.edit("accounts", account_id, statuscode=1, name="Adatum Corporation")
        pair.workspace.synchronize("CUSTOMER")
        ((_, back),) = pair.local.records("customers").items()
        assert (back["blocked"], back["name"]) == (0, "Adatum Corporation")
        assert (back["no"], back["country_code"], back["email"]) == ("10000", "de", "Ann@Adatum.COM")
        assert pair.workspace.list_errors() == []
