"""Tables as the connector describes them from the environment's metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest
from tests.unit.connectors.dataverse.environment import Environment

from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.model.errors import UnknownTable
from twinrow.model.tables import Field, FieldType, Option


def answers_with(part: str, change: Callable[[Any], None]) -> Callable[[Environment], None]:
    """Let metadata whose address contains `part` come changed."""

    def prepare(environment: Environment) -> None:
        def override(request: httpx2.Request) -> httpx2.Response | None:
            if part not in str(request.url):
                return None
            reply = environment.api.carry("GET", request.url.raw_path.decode(), dict(request.headers.items()), b"")
            body = msgspec.json.decode(reply.raw)
            change(body)
            return httpx2.Response(reply.status, json=body, headers={"Date": environment.date})

        environment.override = override

    return prepare


def field(environment: Environment, table: str, name: str) -> Field:
    return environment.connector.describe(table).field(name)


def test_a_table_is_known_by_its_logical_name(environment: Environment) -> None:
    table = environment.connector.describe("account")
    assert (table.name, table.key, table.caption) == ("account", "accountid", "Account")
    assert table.key_is_guid
    key = table.field("accountid")
    assert (key.nullable, key.creatable, key.updatable) == (False, False, False)


@pytest.mark.parametrize(
    ("table", "name", "kind"),
    [
        ("account", "name", FieldType.TEXT),
        ("account", "description", FieldType.TEXT),
        ("account", "numberofemployees", FieldType.INTEGER),
        ("account", "versionnumber", FieldType.INTEGER),
        ("account", "creditlimit", FieldType.DECIMAL),
        ("account", "exchangerate", FieldType.DECIMAL),
        ("account", "address1_latitude", FieldType.FLOAT),
        ("account", "donotemail", FieldType.BOOLEAN),
        ("account", "customertypecode", FieldType.OPTION),
        ("account", "statecode", FieldType.OPTION),
        ("account", "statuscode", FieldType.OPTION),
        ("account", "lastonholdtime", FieldType.DATETIME),
        ("account", "overriddencreatedon", FieldType.DATETIME),
        ("contact", "birthdate", FieldType.DATE),
        ("account", "primarycontactid", FieldType.REFERENCE),
        ("account", "ownerid", FieldType.REFERENCE),
        ("account", "address1_addressid", FieldType.GUID),
    ],
)
def test_columns_have_the_type_of_their_values(
    environment: Environment, table: str, name: str, kind: FieldType
) -> None:
    assert field(environment, table, name).type is kind


def test_texts_have_their_length_and_are_absent_rather_than_empty(environment: Environment) -> None:
    name = field(environment, "account", "name")
    assert (name.caption, name.max_length, name.nullable, name.empty_text) == ("Name", 160, True, False)


def test_numbers_have_their_range_and_decimals(environment: Environment) -> None:
    employees = field(environment, "account", "numberofemployees")
    assert (employees.minimum, employees.maximum) == (0, 1_000_000_000)
    assert field(environment, "transactioncurrency", "exchangerate").scale == 12


def test_money_keeps_as_many_decimals_as_any_currency(environment: Environment) -> None:
    assert field(environment, "account", "creditlimit").scale == 2
    dinar = {"currencyname": "Dinar", "isocurrencycode": "KWD", "currencysymbol": "KD", "exchangerate": 3}
    environment.api.make("transactioncurrencies", **dinar, currencyprecision=3)
    assert environment.open().describe("account").field("creditlimit").scale == 3


@pytest.mark.parametrize(("source", "decimals"), [(0, 4), (1, 5)])
def test_money_with_decimals_of_its_own_or_of_the_organization(
    environment: Environment, source: int, decimals: int
) -> None:
    def change(body: Any) -> None:
        for item in body["value"]:
            if item.get("LogicalName") == "creditlimit":
                item |= {"Precision": 4, "PrecisionSource": source}
            if "pricingdecimalprecision" in item:
                item["pricingdecimalprecision"] = 5

    prepare = answers_with("", lambda body: change(body) if "value" in body else None)
    prepare(environment)
    assert field(environment, "account", "creditlimit").scale == decimals


def test_choices_states_and_flags_have_their_captions(environment: Environment) -> None:
    table = environment.connector.describe("account")
    assert Option(3, "Customer") in table.field("customertypecode").options
    assert table.field("statecode").options == (Option(0, "Active"), Option(1, "Inactive"))
    assert table.field("statuscode").options == (Option(1, "Active"), Option(2, "Inactive"))
    assert table.field("donotemail").options == (Option("false", "Allow"), Option("true", "Do Not Allow"))


def test_only_what_may_be_written_is_said_to_be(environment: Environment) -> None:
    table = environment.connector.describe("account")
    flags = {name: (table.field(name).creatable, table.field(name).updatable) for name in ("name", "statecode")}
    assert flags == {"name": (True, True), "statecode": (False, True)}
    assert not table.field("createdon").writable
    assert not table.field("creditlimit_base").writable
    currency = environment.connector.describe("transactioncurrency").field("isocurrencycode")
    assert (currency.creatable, currency.updatable) == (True, False)


def test_only_what_the_service_insists_on_is_required(environment: Environment) -> None:
    assert not field(environment, "account", "name").required, "that is for forms only"
    assert not field(environment, "account", "statecode").required, "the service fills it in"
    assert field(environment, "transactioncurrency", "exchangerate").required


def test_names_of_looked_up_rows_images_and_secrets_are_no_fields(environment: Environment) -> None:
    account, endpoint = (environment.connector.describe(name).fields for name in ("account", "serviceendpoint"))
    assert not {"primarycontactidname", "entityimage", "owneridname"} & set(account)
    assert "url" in endpoint
    assert "authvalue" not in endpoint


def test_a_reference_to_several_tables_has_a_companion(environment: Environment) -> None:
    table = environment.connector.describe("contact")
    assert table.field("parentcustomerid").targets == ("account", "contact")
    companion = table.field("parentcustomeridtype")
    assert (companion.type, companion.creatable, companion.updatable) == (FieldType.TEXT, True, True)
    assert table.field("ownerid").targets == ("systemuser", "team"), "users first"
    assert "owneridtype" in table.fields
    assert table.field("transactioncurrencyid").targets == ("transactioncurrency",)
    assert "transactioncurrencyidtype" not in table.fields


def test_a_multi_select_choice_is_a_text(environment: Environment) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata",
        "SchemaName": "new_Colours",
        "OptionSet": {
            "Options": [{"Value": 1, "Label": {"LocalizedLabels": [{"Label": "Red", "LanguageCode": 1033}]}}]
        },
    }
    reply = environment.api.post("EntityDefinitions(LogicalName='account')/Attributes", column)
    assert reply.status == 204, reply.raw
    colours = field(environment, "account", "new_colours")
    assert (colours.type, colours.max_length, colours.options) == (FieldType.TEXT, None, ())


def test_what_a_table_can_do_follows_its_flags(environment: Environment) -> None:
    environment.switch(change_tracking={"contact": False}, optimistic_concurrency={"account": False})
    account, contact = (environment.connector.capabilities(name) for name in ("account", "contact"))
    assert (account.feed, account.deletes_in_feed, account.version_checks) == (FeedKind.DELTA, True, False)
    assert (contact.feed, contact.deletes_in_feed, contact.version_checks) == (FeedKind.MODIFIED_AT, False, True)
    assert {account.create_keys, contact.create_keys} == {CreateKeys.CHOSEN}
    assert account.created_at == "createdon"


def test_a_table_without_times_is_read_whole(environment: Environment) -> None:
    can = environment.connector.capabilities("stringmap")
    assert (can.feed, can.created_at) == (FeedKind.WHOLE, None)


def test_an_elastic_table_is_only_read(environment: Environment) -> None:
    def change(body: Any) -> None:
        for item in body["value"]:
            item["TableType"] = "Elastic"

    answers_with("EntityDefinitions?", change)(environment)
    can = environment.connector.capabilities("account")
    assert (can.can_create, can.can_update, can.can_delete) == (False, False, False)
    assert "Elastic tables are only read" in can.limits[-1]


def test_tables_that_are_not_served_are_not_there(environment: Environment) -> None:
    def change(body: Any) -> None:
        for item in body["value"]:
            item |= {"IsPrivate": item["LogicalName"] == "contact", "IsIntersect": item["LogicalName"] == "task"}
            if item["LogicalName"] == "team":
                item["EntitySetName"] = None

    answers_with("EntityDefinitions?", change)(environment)
    assert not {"contact", "task", "team"} & set(environment.connector.tables())
    with pytest.raises(UnknownTable, match="contact"):
        environment.connector.describe("contact")
    assert field(environment, "account", "ownerid").targets == ("systemuser", "team"), "metadata says so"


def test_metadata_is_asked_for_past_caches_and_once(environment: Environment) -> None:
    environment.connector.describe("account")
    asked = [request for request in environment.requests if "EntityDefinitions" in str(request.url)]
    assert {request.headers["Consistency"] for request in asked} == {"Strong"}
    environment.forget()
    environment.connector.describe("account")
    environment.connector.capabilities("account")
    assert environment.sent == []


def test_a_name_that_is_nearly_right_is_corrected(environment: Environment) -> None:
    with pytest.raises(UnknownTable, match="Did you mean account"):
        environment.connector.describe("acount")
