"""The standard mappings, restated: what the Business Central – Dataverse integration sets up by default.

Each table lists every row of a mapping: Business Central's field, property, column, direction (`>` to Dataverse, `<` from it,
`=` both) and flags: `validate` (Business Central's field logic runs), `not null`, `clear` (a blank where the related record is
not coupled), `person` (only where persons own records), `extra` (offered, disabled), `match` (criterion of match-based
coupling), a constant, and the mapping that translates a reference, with the field that names the record.
"""

import pytest

from twinrow.model.mapping import FieldMapping, TableMapping, When
from twinrow.model.sides import Direction, Side
from twinrow.standard.custom_page import CUSTOM_PAGE
from twinrow.standard.files import standard_mappings

ADDRESS = """
Address             | addressLine1 | address1_line1           | = | validate
Address 2           | addressLine2 | address1_line2           | = | validate
Post Code           | postalCode   | address1_postalcode      | = | validate
City                | city         | address1_city            | = | validate
Country/Region Code | country      | address1_country         | = |
County              | state        | address1_stateorprovince | = | validate
"""

ROWS = {
    "SALESPEOPLE": """
E-Mail    | email       | internalemailaddress | < | validate
Name      | displayName | fullname             | < | validate
Phone No. | phoneNo     | mobilephone          | < | validate
Job Title | jobTitle    | jobtitle             | = | validate, extra
E-Mail 2  | email2      | personalemailaddress | = | validate, extra
""",
    "CURRENCY": """
Code        | code        | isocurrencycode | > | validate, match
Symbol      | symbol      | currencysymbol  | > | validate
Description | displayName | currencyname    | > | validate
""",
    "PAYMENT TERMS": "Code | code | label | > | validate, match",
    "SHIPMENT METHOD": "Code | code | label | > | validate, match",
    "SHIPPING AGENT": "Code | code | label | > | validate, match",
    "CUSTOMER": ADDRESS
    + """
                     |                   | owneridtype                 | > | person, constant systemuser
Salesperson Code     | salespersonCode   | ownerid                     | > | validate, not null, person, SALESPEOPLE by code
Name                 | displayName       | name                        | = | validate
Contact              | contact           | address1_primarycontactname | = |
Currency Code        | currencyId        | transactioncurrencyid       | = | validate, CURRENCY
E-Mail               | email             | emailaddress1               | = | validate
Fax No.              | faxNo             | fax                         | = | validate
Home Page            | website           | websiteurl                  | = | validate
Phone No.            | phoneNumber       | telephone1                  | = | validate
Shipment Method Code | shipmentMethodId  | address1_freighttermscode   | = | validate, SHIPMENT METHOD
Shipping Agent Code  | shippingAgentCode | address1_shippingmethodcode | = | validate, SHIPPING AGENT by code
Payment Terms Code   | paymentTermsId    | paymenttermscode            | = | validate, PAYMENT TERMS
Credit Limit (LCY)   | creditLimit       | creditlimit                 | > | validate
Primary Contact No.  | primaryContactNo  | primarycontactid            | = | validate, clear, CONTACT by number
No.                  | number            | accountnumber               | > | validate, extra
Mobile Phone No.     | mobilePhoneNo     | telephone2                  | = | validate, extra
""",
    "VENDOR": ADDRESS
    + """
                     |                    | owneridtype                 | > | person, constant systemuser
Purchaser Code       | purchaserCode      | ownerid                     | > | validate, not null, person, SALESPEOPLE by code
Name                 | displayName        | name                        | = | validate
Contact              | contact            | address1_primarycontactname | = |
Currency Code        | currencyId         | transactioncurrencyid       | = | validate, CURRENCY
E-Mail               | email              | emailaddress1               | = | validate
Fax No.              | faxNo              | fax                         | = | validate
Home Page            | website            | websiteurl                  | = | validate
Phone No.            | phoneNumber        | telephone1                  | = | validate
Shipment Method Code | shipmentMethodCode | address1_freighttermscode   | = | validate, SHIPMENT METHOD by code
Shipping Agent Code  | shippingAgentCode  | address1_shippingmethodcode | = | validate, SHIPPING AGENT by code
Payment Terms Code   | paymentTermsId     | paymenttermscode            | = | validate, PAYMENT TERMS
Primary Contact No.  | primaryContactNo   | primarycontactid            | = | validate, clear, CONTACT by number
No.                  | number             | accountnumber               | > | validate, extra
Mobile Phone No.     | mobilePhoneNo      | telephone2                  | = | validate, extra
""",
    "CONTACT": ADDRESS
    + """
                 |                   | owneridtype           | > | person, constant systemuser
Salesperson Code | salespersonCode   | ownerid               | > | validate, not null, person, SALESPEOPLE by code
Currency Code    | currencyCode      | transactioncurrencyid | = | validate, CURRENCY by code
E-Mail           | email             | emailaddress1         | = | validate
Fax No.          | faxNo             | fax                   | = | validate
First Name       | firstName         | firstname             | = | validate
Middle Name      | middleName        | middlename            | = | validate
Surname          | surname           | lastname              | = | validate
Home Page        | website           | websiteurl            | = | validate
Mobile Phone No. | mobilePhoneNumber | mobilephone           | = | validate
Pager            | pager             | pager                 | = | validate
Phone No.        | phoneNumber       | telephone1            | = | validate
Type             | type              |                       | < | validate, constant Person
                 |                   | parentcustomeridtype  | > | constant account
Salutation Code  | salutationCode    | salutation            | = | validate, extra
""",
}

PERSON = When(ownership_model="person")
EXTRA = When(not_mapped=True)
ARROWS = {Direction.BIDIRECTIONAL: "=", Direction.TO_INTEGRATION: ">", Direction.FROM_INTEGRATION: "<"}
COMPANY = "(bcbi_companyid eq null or bcbi_companyid eq ${company_id})"


def mapping(name: str) -> TableMapping:
    return next(mapping for mapping in standard_mappings() if mapping.name == name)


def restated(row: FieldMapping) -> tuple[str, ...]:
    assert row.when in (None, PERSON, EXTRA)
    assert row.enabled == (row.when != EXTRA), "the rows that are offered besides are the disabled ones"
    assert not row.validate_integration
    assert not row.transformation
    assert not row.values
    flags = [
        ("validate", row.validate_local),
        ("not null", row.not_null),
        ("clear", row.clear_value_on_failed_sync),
        ("person", row.when == PERSON),
        ("extra", row.when == EXTRA),
        ("match", row.match is not None),
        (f"constant {row.constant}", row.constant is not None),
        (" by ".join(filter(None, (*row.related_mapping, row.related_key))), bool(row.related_mapping)),
    ]
    told = ", ".join(flag for flag, given in flags if given)
    return row.caption, row.local or "", row.integration or "", ARROWS[row.direction], told


@pytest.mark.parametrize("name", list(ROWS))
def test_every_field_mapping(name: str) -> None:
    expected = [tuple(cell.strip() for cell in line.split("|")) for line in ROWS[name].splitlines() if line]
    assert sorted(restated(row) for row in mapping(name).fields) == sorted(expected)


def test_there_are_these_mappings_in_the_order_in_which_they_run() -> None:
    assert [mapping.name for mapping in standard_mappings()] == [
        "CURRENCY",
        "SALESPEOPLE",
        "PAYMENT TERMS",
        "SHIPMENT METHOD",
        "SHIPPING AGENT",
        "VENDOR",
        "CUSTOMER",
        "CONTACT",
    ]


@pytest.mark.parametrize(
    ("name", "rows", "enabled", "for_teams"),
    [
        ("SALESPEOPLE", 5, 3, None),
        ("CURRENCY", 3, 3, 3),
        ("PAYMENT TERMS", 1, 1, 1),
        ("SHIPMENT METHOD", 1, 1, 1),
        ("SHIPPING AGENT", 1, 1, 1),
        ("CUSTOMER", 22, 20, 18),
        ("VENDOR", 21, 19, 17),
        ("CONTACT", 21, 20, 18),
    ],
)
def test_how_many_field_mappings_each_ownership_model_has(
    name: str, rows: int, enabled: int, for_teams: int | None
) -> None:
    person = mapping(name).in_circumstances("person", None)
    team = mapping(name).in_circumstances("team", None)
    assert person is not None
    assert len(person.fields) == len(mapping(name).fields) == rows
    assert sum(row.enabled for row in person.fields) == enabled
    assert (None if team is None else sum(row.enabled for row in team.fields)) == for_teams


@pytest.mark.parametrize(
    ("name", "local_table", "integration_table", "direction", "local_filter", "integration_filter"),
    [
        (
            "SALESPEOPLE",
            "salespeoplePurchasers",
            "systemuser",
            "from_integration",
            "",
            "isdisabled eq false and islicensed eq true and isintegrationuser eq false",
        ),
        ("CURRENCY", "currencies", "transactioncurrency", "to_integration", "", ""),
        ("PAYMENT TERMS", "paymentTerms", "account.paymenttermscode", "to_integration", "", ""),
        ("SHIPMENT METHOD", "shipmentMethods", "account.address1_freighttermscode", "to_integration", "", ""),
        ("SHIPPING AGENT", "shippingAgents", "account.address1_shippingmethodcode", "to_integration", "", ""),
        (
            "CUSTOMER",
            "customers",
            "account",
            "bidirectional",
            "blocked eq ' '",
            f"statecode eq 0 and customertypecode eq 3 and {COMPANY}",
        ),
        (
            "VENDOR",
            "vendors",
            "account",
            "bidirectional",
            "blocked eq ' '",
            f"statecode eq 0 and customertypecode eq 11 and {COMPANY}",
        ),
        (
            "CONTACT",
            "contacts",
            "contact",
            "bidirectional",
            "type eq 'Person' and companyNumber ne ''",
            f"parentcustomerid ne null and statecode eq 0 and parentcustomeridtype eq 'account' and {COMPANY}",
        ),
    ],
)
def test_tables_directions_and_filters(
    name: str, local_table: str, integration_table: str, direction: str, local_filter: str, integration_filter: str
) -> None:
    found = mapping(name)
    assert found.local_table == local_table
    assert found.integration_table == integration_table
    assert found.direction.value == direction
    assert found.filter(Side.LOCAL) == local_filter
    assert found.filter(Side.INTEGRATION) == integration_filter
    assert found.is_option_mapping == ("." in integration_table)


@pytest.mark.parametrize(
    ("name", "dependencies", "rules", "timeout", "category"),
    [
        ("SALESPEOPLE", "", "salesperson_code", 1440, ""),
        ("CURRENCY", "", "currency_by_iso_code, currency_symbol, exchange_rate, currency_precision", 720, ""),
        ("PAYMENT TERMS", "", "option_by_label", 1440, "BCI OPTION"),
        ("SHIPMENT METHOD", "", "option_by_label", 1440, "BCI OPTION"),
        ("SHIPPING AGENT", "", "option_by_label", 1440, "BCI OPTION"),
        (
            "CUSTOMER",
            "SALESPEOPLE, CURRENCY, PAYMENT TERMS, SHIPMENT METHOD, SHIPPING AGENT",
            "owner, local_currency, company, blocked_when_inactive",
            720,
            "BCI CUST",
        ),
        (
            "VENDOR",
            "SALESPEOPLE, CURRENCY, PAYMENT TERMS, SHIPMENT METHOD, SHIPPING AGENT",
            "owner, local_currency, company, blocked_when_inactive",
            720,
            "BCI CUST",
        ),
        (
            "CONTACT",
            "CUSTOMER, VENDOR",
            "contact_company, contact_name, owner, local_currency, company",
            720,
            "BCI CUST",
        ),
    ],
)
def test_dependencies_rules_and_schedules(
    name: str, dependencies: str, rules: str, timeout: int, category: str
) -> None:
    found = mapping(name)
    assert ", ".join(found.dependencies) == dependencies
    assert ", ".join(found.rules) == rules
    assert found.schedule.inactivity_timeout_minutes == timeout
    assert found.schedule.category == category
    assert found.schedule.every_minutes == 30
    assert found.schedule.attempts == 10
    assert found.schedule.retry_seconds == 30


def test_what_all_have_in_common() -> None:
    for found in standard_mappings():
        assert found.only_coupled, found.name
        assert found.update_conflict_resolution.value == "none"
        assert found.deletion_conflict_resolution.value == "none"
        assert found.delete_propagation.value == "none"
        assert found.conflict_scope.value == "field"
        assert "conflict_scope" in found.model_fields_set, "it stands in the file, for all to see"
        assert not found.multi_company
        assert not found.disable_event_rescheduling
        assert not found.user_defined
        assert found.when == (PERSON if found.name == "SALESPEOPLE" else None)


def test_which_mappings_create_and_synchronize_after_matching() -> None:
    creating = {"CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"}
    for found in standard_mappings():
        assert found.create_new_in_case_of_no_match == (found.name in creating)
        assert found.synch_after_match_based_coupling == (found.name in creating)


def test_whose_uncoupling_resets_the_company() -> None:
    resetting = {found.name for found in standard_mappings() if found.uncouple_resets_company_id}
    assert resetting == {"CUSTOMER", "VENDOR", "CONTACT"}


@pytest.mark.parametrize(
    ("name", "code", "side", "values"),
    [
        ("CUSTOMER", "BCICUST", "local", {"type": "Company"}),
        ("CUSTOMER", "BCICUSTOME", "integration", {"customertypecode": 3}),
        ("VENDOR", "BCIVEND", "local", {}),
        ("VENDOR", "BCIVENDOR", "integration", {"customertypecode": 11}),
    ],
)
def test_templates(name: str, code: str, side: str, values: dict[str, object]) -> None:
    template = next(template for template in mapping(name).templates if template.code == code)
    assert (template.side.value, template.values, template.filter, template.priority) == (side, values, "", 0)


def test_only_customers_and_vendors_have_templates() -> None:
    assert {found.name for found in standard_mappings() if found.templates} == {"CUSTOMER", "VENDOR"}


@pytest.mark.parametrize("name", ["CUSTOMER", "VENDOR", "CONTACT"])
def test_an_address_is_one_group_sent_country_first_and_city_last(name: str) -> None:
    group = [row.local for row in mapping(name).fields if row.merge_group == "address"]
    assert group == ["addressLine1", "addressLine2", "country", "postalCode", "city", "state"]


def test_a_currency_and_its_amounts_are_one_group() -> None:
    group = [row.local for row in mapping("CUSTOMER").fields if row.merge_group == "amounts"]
    assert group == ["currencyId", "creditLimit"]


# How many characters the fields hold; a Code of Business Central is marked with *.
LOCAL_LENGTHS = {
    "displayName": 100,
    "contact": 100,
    "addressLine1": 100,
    "addressLine2": 50,
    "postalCode": "20*",
    "city": 30,
    "country": "10*",
    "state": 30,
    "email": 80,
    "email2": 80,
    "faxNo": 30,
    "website": 255,
    "phoneNumber": 30,
    "mobilePhoneNo": 30,
    "mobilePhoneNumber": 30,
    "pager": 30,
    "firstName": 30,
    "middleName": 30,
    "surname": 30,
    "jobTitle": 30,
    "salutationCode": "10*",
}
INTEGRATION_LENGTHS = {
    "name": 160,
    "address1_primarycontactname": 100,
    "address1_line1": 250,
    "address1_line2": 250,
    "address1_postalcode": 20,
    "address1_city": 80,
    "address1_country": 80,
    "address1_stateorprovince": 50,
    "emailaddress1": 100,
    "personalemailaddress": 100,
    "fax": 50,
    "websiteurl": 200,
    "telephone1": 50,
    "telephone2": 50,
    "mobilephone": 50,
    "pager": 50,
    "firstname": 50,
    "middlename": 50,
    "lastname": 50,
    "jobtitle": 100,
    "salutation": 100,
}


@pytest.mark.parametrize("name", ["SALESPEOPLE", "CUSTOMER", "VENDOR", "CONTACT"])
def test_loss_is_settled_exactly_where_lengths_or_codes_differ(name: str) -> None:
    for row in mapping(name).fields:
        if row.direction is not Direction.BIDIRECTIONAL or row.related_mapping:
            assert row.on_loss is None, row.key
            continue
        assert row.local is not None
        assert row.integration is not None
        local, integration = LOCAL_LENGTHS[row.local], INTEGRATION_LENGTHS[row.integration]
        assert (row.on_loss is not None) == (local != integration), row.key
        # A Code that is cut is another code; a text that is cut is still that text.
        cut_code = isinstance(local, str) and int(local[:-1]) < int(integration)
        assert row.on_loss is None or (row.on_loss.value == "refuse") == cut_code, row.key


def test_what_needs_the_extension_in_business_central() -> None:
    needed = {
        found.name: sorted(
            row.local
            for row in found.fields
            if row.local and CUSTOM_PAGE.serves(Side.LOCAL, found.local_table, row.local)
        )
        for found in standard_mappings()
    }
    assert needed == {
        "CURRENCY": [],
        "SALESPEOPLE": [],
        "PAYMENT TERMS": [],
        "SHIPMENT METHOD": [],
        "SHIPPING AGENT": ["code"],
        "VENDOR": [
            "contact",
            "faxNo",
            "mobilePhoneNo",
            "primaryContactNo",
            "purchaserCode",
            "shipmentMethodCode",
            "shippingAgentCode",
        ],
        "CUSTOMER": ["contact", "faxNo", "mobilePhoneNo", "primaryContactNo", "shippingAgentCode"],
        "CONTACT": [
            "currencyCode",
            "faxNo",
            "firstName",
            "middleName",
            "pager",
            "salespersonCode",
            "salutationCode",
            "surname",
        ],
    }
    assert not CUSTOM_PAGE.serves(Side.INTEGRATION, "customers", "faxNo")
    assert not CUSTOM_PAGE.serves(Side.LOCAL, "customers")
