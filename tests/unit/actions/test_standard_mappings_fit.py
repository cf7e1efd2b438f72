"""The standard mappings fit Business Central and Dataverse as these describe themselves, with and without the extension.

The tables are restated here in short form: `name:type` with the length of texts, `!` for what is set on create only and `-`
for what can only be read, `>table` for what a reference points to.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from twinrow.actions.mapping_check import check_mappings
from twinrow.actions.mapping_files import read_mapping_file
from twinrow.connectors.base import Capabilities, CreateKeys, FeedKind
from twinrow.model.errors import MappingProblem, UnknownTable
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Option, Table
from twinrow.standard.custom_page import CUSTOM_PAGE
from twinrow.standard.files import standard_mappings
from twinrow.standard.rules import RULES

EXAMPLES = Path(__file__).parents[3] / "examples"

LOCAL = {
    "customers": """id:guid- number:code20 displayName:text100 type:enum addressLine1:text100 addressLine2:text50
        city:text30 state:text30 country:code10 postalCode:code20 phoneNumber:text30 email:text80 website:text255
        salespersonCode:code20 creditLimit:decimal2 currencyId:reference>currencies paymentTermsId:reference>paymentTerms
        shipmentMethodId:reference>shipmentMethods blocked:enum
        contact:text100 faxNo:text30 shippingAgentCode:code10 primaryContactNo:code20 mobilePhoneNo:text30""",
    "vendors": """id:guid- number:code20 displayName:text100 addressLine1:text100 addressLine2:text50 city:text30
        state:text30 country:code10 postalCode:code20 phoneNumber:text30 email:text80 website:text255
        currencyId:reference>currencies paymentTermsId:reference>paymentTerms blocked:enum
        purchaserCode:code20 contact:text100 faxNo:text30 shipmentMethodCode:code10 shippingAgentCode:code10
        primaryContactNo:code20 mobilePhoneNo:text30""",
    "contacts": """id:guid- number:code20 type:enum displayName:text100 companyNumber:code20 addressLine1:text100
        addressLine2:text50 city:text30 state:text30 country:code10 postalCode:code20 phoneNumber:text30
        mobilePhoneNumber:text30 email:text80 website:text255
        salespersonCode:code20 currencyCode:code10 faxNo:text30 firstName:text30 middleName:text30 surname:text30
        pager:text30 salutationCode:code10 customerId:guid vendorId:guid""",
    "salespeoplePurchasers": """id:guid- code:code20 displayName:text50 email:text80 email2:text80 phoneNo:text30
        jobTitle:text30""",
    "currencies": "id:guid- code:code10 displayName:text30 symbol:text10",
    "paymentTerms": "id:guid- code:code10",
    "shipmentMethods": "id:guid- code:code10",
    "shippingAgents": "id:guid- code:code10",
}
ADDRESS = """address1_line1:text250 address1_line2:text250 address1_postalcode:text20 address1_city:text80
    address1_country:text80 address1_stateorprovince:text50"""
OWNERSHIP = "ownerid:reference>systemuser,team owneridtype:text statecode:option bcbi_companyid:reference>bcbi_company"
INTEGRATION = {
    "account": f"""accountid:guid name:text160 accountnumber:text20 address1_primarycontactname:text100 {ADDRESS}
        transactioncurrencyid:reference>transactioncurrency emailaddress1:text100 fax:text50 websiteurl:text200
        telephone1:text50 telephone2:text50 address1_freighttermscode:option address1_shippingmethodcode:option
        paymenttermscode:option creditlimit:decimal2 primarycontactid:reference>contact customertypecode:option
        {OWNERSHIP}""",
    "contact": f"""contactid:guid firstname:text50 middlename:text50 lastname:text50 fullname:text160- {ADDRESS}
        transactioncurrencyid:reference>transactioncurrency emailaddress1:text100 fax:text50 websiteurl:text200
        mobilephone:text50 pager:text50 telephone1:text50 salutation:text100 parentcustomerid:reference>account,contact
        parentcustomeridtype:text {OWNERSHIP}""",
    "systemuser": """systemuserid:guid internalemailaddress:text100 fullname:text200- mobilephone:text64 jobtitle:text100
        personalemailaddress:text100 isdisabled:boolean- islicensed:boolean isintegrationuser:boolean""",
    "transactioncurrency": """transactioncurrencyid:guid isocurrencycode:text5! currencysymbol:text10
        currencyname:text100 exchangerate:decimal12 currencyprecision:integer""",
    "account.paymenttermscode": "value:integer label:text",
    "account.address1_freighttermscode": "value:integer label:text",
    "account.address1_shippingmethodcode": "value:integer label:text",
}
OPTIONS = {
    "blocked": (" ", "Ship", "All"),
    "type": ("Company", "Person"),
    "statecode": (0, 1),
    "customertypecode": (3, 11),
}


def field(text: str) -> Field:
    name, _, kind = text.rstrip("!-").partition(":")
    kind, _, targets = kind.partition(">")
    size = int("".join(letter for letter in kind if letter.isdigit()) or 0) or None
    made = Field(name, FieldType(kind.rstrip("0123456789")), targets=tuple(targets.split(",")) if targets else ())
    made = replace(made, **({"scale": size} if made.type is FieldType.DECIMAL else {"max_length": size}))
    options = tuple(Option(value, str(value)) for value in OPTIONS.get(name, ()))
    return replace(made, options=options, updatable=not text.endswith(("!", "-")), creatable=not text.endswith("-"))


def table(side: Side, name: str, extension: bool) -> Table:
    tables = LOCAL if side is Side.LOCAL else INTEGRATION
    if name not in tables or (not extension and CUSTOM_PAGE.serves(side, name)):
        raise UnknownTable(side.value, name, list(tables))
    fields = [field(text) for text in tables[name].split()]
    served = [made for made in fields if extension or not CUSTOM_PAGE.serves(side, name, made.name)]
    return Table(name, fields[0].name, {made.name: made for made in served})


def mappings(ownership_model: str) -> list[TableMapping]:
    found = (mapping.in_circumstances(ownership_model, None) for mapping in standard_mappings())
    return [mapping for mapping in found if mapping is not None]


def check(ownership_model: str = "person", extension: bool = True, **given: object) -> list[MappingProblem]:
    return check_mappings(
        mappings(ownership_model),
        lambda side, name: table(side, name, extension),
        rules={},
        variables={"company_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
        optional=[CUSTOM_PAGE],
        **given,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("ownership_model", ["person", "team"])
def test_with_the_extension_all_fits(ownership_model: str) -> None:
    (problem,) = check(ownership_model)
    assert (problem.mapping, problem.field, problem.severity) == ("CURRENCY", "code=isocurrencycode", "warning")
    assert "can only be set when a record is made" in problem.message


def test_the_extra_rows_fit_when_they_are_enabled() -> None:
    enabled = [
        mapping.model_copy(update={"fields": tuple(row.model_copy(update={"enabled": True}) for row in mapping.fields)})
        for mapping in mappings("person")
    ]
    problems = check_mappings(
        enabled,
        lambda side, name: table(side, name, extension=True),
        rules={},
        variables={"company_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
    )
    assert [problem.mapping for problem in problems] == ["CURRENCY"]


def test_the_customised_example_fits_in_place_of_the_standard_mapping() -> None:
    example = read_mapping_file(EXAMPLES / "business-central-dataverse.yaml").content
    (customised,) = (mapping.in_circumstances("person", None) for mapping in example.mappings)
    assert customised is not None
    replaced = [customised if mapping.name == customised.name else mapping for mapping in mappings("person")]
    problems = check_mappings(
        replaced,
        lambda side, name: table(side, name, extension=True),
        rules={rule.code: rule for rule in example.transformation_rules},
        variables={"company_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
        table_rules=RULES,
    )
    assert [problem.mapping for problem in problems] == ["CURRENCY"]


def test_without_the_extension_what_it_would_serve_is_named_and_all_else_goes_on() -> None:
    problems = [problem for problem in check(extension=False) if problem.mapping != "CURRENCY"]
    assert {problem.severity for problem in problems} == {"warning"}
    assert [(problem.mapping, problem.message.split(" ")[0]) for problem in problems] == [
        ("SHIPPING AGENT", "The"),
        ("VENDOR", "purchaserCode"),
        ("VENDOR", "contact"),
        ("VENDOR", "faxNo"),
        ("VENDOR", "shipmentMethodCode"),
        ("VENDOR", "shippingAgentCode"),
        ("VENDOR", "primaryContactNo"),
        ("CUSTOMER", "contact"),
        ("CUSTOMER", "faxNo"),
        ("CUSTOMER", "shippingAgentCode"),
        ("CUSTOMER", "primaryContactNo"),
        ("CONTACT", "salespersonCode"),
        ("CONTACT", "firstName"),
        ("CONTACT", "middleName"),
        ("CONTACT", "surname"),
        ("CONTACT", "currencyCode"),
        ("CONTACT", "faxNo"),
        ("CONTACT", "pager"),
    ]
    assert all("not available: it is served by twinrow's extension" in problem.message for problem in problems)


def test_without_the_company_row_its_filters_are_named() -> None:
    problems = check_mappings(
        mappings("team"), lambda side, name: table(side, name, extension=True), rules={}, variables={}
    )
    named = [(problem.mapping, problem.field) for problem in problems if problem.severity == "error"]
    assert named == [(name, "integration_filter") for name in ("VENDOR", "CUSTOMER", "CONTACT")]


def test_the_limits_of_the_standard_pages_are_named() -> None:
    standard_page = Capabilities(FeedKind.MODIFIED_AT, version_checks=True, create_keys=CreateKeys.NONE)
    dataverse = Capabilities(FeedKind.DELTA, version_checks=True, create_keys=CreateKeys.CHOSEN)
    problems = check(capabilities=lambda side, _: standard_page if side is Side.LOCAL else dataverse)
    named = [problem.mapping for problem in problems if "neither a key nor a mark" in problem.message]
    assert named == ["SALESPEOPLE", "VENDOR", "CUSTOMER", "CONTACT"]
