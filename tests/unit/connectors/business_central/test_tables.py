"""How the tables of a site are described, with and without twinrow's extension."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
from tests.unit.connectors.business_central.company import Company, refused

from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.connectors.business_central.tables import known_tables
from twinrow.model.errors import UnknownTable
from twinrow.model.tables import FieldType
from twinrow.sandbox.business_central.schema import load_schema
from twinrow.standard.custom_page import CUSTOM_PAGE


@pytest.fixture
def own() -> Company:
    return Company()


@pytest.fixture
def standard() -> Company:
    return Company(own=False)


def test_tables_come_from_both_routes(own: Company, standard: Company) -> None:
    assert {"customers", "shippingAgents", "contactBusinessRelations", "items"} <= set(own.connector.tables())
    names = set(standard.connector.tables())
    assert {"customers", "items", "currencyExchangeRates", "generalLedgerSetup"} <= names
    assert not {"companies", "syncStates", "contactsInformation", "shippingAgents"} & names
    assert not {"companies", "syncStates", "contactsInformation"} & set(own.connector.tables())


def test_a_customer_is_described(own: Company) -> None:
    table = own.connector.describe("customers")
    assert (table.key, table.key_is_guid, table.caption) == ("id", True, "Customer")
    number = table.field("number")
    assert (number.type, number.caption, number.max_length) == (FieldType.CODE, "No.", 20)
    name = table.field("displayName")
    assert (name.type, name.max_length, name.nullable, name.empty_text, name.required) == (
        FieldType.TEXT,
        100,
        False,
        True,
        True,
    )
    currency = table.field("currencyId")
    assert (currency.type, currency.targets, currency.nullable) == (FieldType.REFERENCE, ("currencies",), True)
    blocked = table.field("blocked")
    assert [option.value for option in blocked.options] == [" ", "Ship", "Invoice", "All"]
    assert (blocked.nullable, blocked.empty_text) == (False, False)
    assert table.field("creditLimit").type is FieldType.DECIMAL
    for fixed in ("id", "systemRowVersion", "lastModifiedDateTime", "modifiedBy", "syncMark"):
        assert not table.field(fixed).writable
    assert table.absent == {}


def test_numbers_decimals_days_and_ranges(own: Company) -> None:
    rates = own.connector.describe("currencyExchangeRates")
    assert rates.field("startingDate").type is FieldType.DATE
    assert rates.field("exchangeRateAmount").scale == 6
    assert own.connector.describe("paymentTerms").field("discountPercent").scale == 5
    assert own.connector.describe("customers").field("systemRowVersion").type is FieldType.INTEGER


def test_without_the_extension_its_fields_are_absent_with_the_reason(standard: Company) -> None:
    absent = standard.connector.describe("customers").absent
    assert {"contact", "faxNo", "mobilePhoneNo", "primaryContactNo", "shippingAgentCode"} <= set(absent)
    assert all("twinrow's extension" in reason for reason in absent.values())
    assert "taxLiable" in standard.connector.describe("customers").fields


def test_every_field_that_the_standard_mappings_leave_out_without_the_extension_is_absent(standard: Company) -> None:
    for table, fields in CUSTOM_PAGE.fields.items():
        assert set(fields) <= set(standard.connector.describe(table).absent), table


def test_a_route_that_is_not_named_is_not_asked() -> None:
    company = Company(routes=("v2.0",))
    assert company.connector.capabilities("customers").feed is FeedKind.MODIFIED_AT
    assert "routes" in company.connector.describe("customers").absent["faxNo"]
    assert not any("twinrow" in sent for sent in company.sent)


def test_a_route_that_is_not_preferred_is_only_asked_for_what_others_lack() -> None:
    company = Company(routes=("v2.0", "twinrow/sync/v1.0"))
    assert company.connector.capabilities("customers").feed is FeedKind.MODIFIED_AT
    assert "first" in company.connector.describe("customers").absent["faxNo"]
    assert company.connector.capabilities("shippingAgents").feed is FeedKind.ROW_VERSION


def test_what_tables_can_do(own: Company, standard: Company) -> None:
    can = own.connector.capabilities("customers")
    assert (can.feed, can.create_keys, can.mark_field) == (FeedKind.ROW_VERSION, CreateKeys.MARK, "syncMark")
    assert (can.version_checks, can.created_at, can.overlap) == (True, "systemCreatedAt", timedelta())
    can = standard.connector.capabilities("customers")
    assert (can.feed, can.create_keys, can.mark_field) == (FeedKind.MODIFIED_AT, CreateKeys.NONE, None)
    assert (can.created_at, can.overlap) == ("lastModifiedDateTime", timedelta(minutes=15))
    assert any("18 minutes" in sentence for sentence in can.limits)
    assert Company(own=False, chosen_ids=True).connector.capabilities("vendors").create_keys is CreateKeys.CHOSEN
    rates = own.connector.capabilities("currencyExchangeRates")
    assert not rates.can_create
    assert not rates.can_update
    assert not rates.can_delete


def test_a_table_without_times_is_read_whole(standard: Company) -> None:
    def without_times(request: httpx2.Request) -> httpx2.Response | None:
        if not request.url.path.endswith("$metadata") or "twinrow" in request.url.path:
            return None
        content = standard.site.answer("GET", request.url.path).body
        return httpx2.Response(200, content=content.replace(b'Name="lastModifiedDateTime"', b'Name="changed"'))

    standard.override = without_times
    can = standard.connector.capabilities("shipmentMethods")
    assert (can.feed, can.created_at) == (FeedKind.WHOLE, None)


def test_captions_of_fields_that_nobody_knows_come_from_the_site(standard: Company) -> None:
    def with_another(request: httpx2.Request) -> httpx2.Response | None:
        target = str(request.url)
        if target.endswith("v2.0/$metadata"):
            content = standard.site.answer("GET", request.url.path).body
            extra = b'<EntityType Name="shipmentMethod"><Property Name="myField" Type="Edm.String" MaxLength="12"/>'
            return httpx2.Response(200, content=content.replace(b'<EntityType Name="shipmentMethod">', extra))
        if "entityDefinitions" in target:
            captions = b'[{"languageCode":1036,"caption":"Le mien"},{"languageCode":1033,"caption":"My Field"}]'
            entity = (
                b'{"entitySetName":"shipmentMethods","properties":[{"name":"myField","captions":' + captions + b"}]}"
            )
            return httpx2.Response(200, content=b'{"value":[' + entity + b"]}")
        return None

    standard.override = with_another
    field = standard.connector.describe("shipmentMethods").field("myField")
    assert (field.type, field.caption, field.max_length) == (FieldType.TEXT, "My Field", 12)

    another = Company(own=False)
    another.override = lambda request: (
        refused(404, "BadRequest_ResourceNotFound", "No.")
        if "entityDefinitions" in str(request.url)
        else with_another(request)
    )
    assert another.connector.describe("shipmentMethods").field("myField").caption == "myField"


def test_a_table_is_described_once(own: Company) -> None:
    own.connector.describe("customers")
    asked = len(own.requests)
    own.connector.describe("customers")
    own.connector.capabilities("customers")
    own.connector.tables()
    assert len(own.requests) == asked


def test_a_table_that_does_not_exist(own: Company) -> None:
    with pytest.raises(UnknownTable, match="Did you mean customers"):
        own.connector.describe("custmers")


def test_what_is_known_beforehand_is_what_the_pages_serve() -> None:
    """Two readings of the same facts: the sandbox's pages and this connector's files."""
    schema = load_schema()
    for known in known_tables().values():
        for route, pages in (("sync", "own"), ("v2.0", "standard")):
            page = schema.pages[route].get(known.table.lower())
            assert (page is not None) == (pages in known.pages), (known.table, pages)
            if page is None:
                continue
            assert known.written == ("POST" in page.methods), known.table
            expected = {field.name for field in known.fields if field.only_on in ("", pages)}
            assert expected == {item.name for item in page.properties}, (known.table, pages)
            facts = {field.name: field for field in known.fields}
            for item in page.properties:
                if not item.field:
                    continue
                there, here = schema.tables[page.table].field(item.field), facts[item.name]
                assert (here.type == "code") == (there.type == "Code"), (known.table, item.name)
                assert (here.type == "enum") == (there.type == "Enum"), (known.table, item.name)
                assert here.options == there.members, (known.table, item.name)
                assert here.length is None or here.length == there.length, (known.table, item.name)
