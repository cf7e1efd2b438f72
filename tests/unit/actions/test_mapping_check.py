"""Checking mappings against the systems: everything that is wrong, and every limit, is named before anything runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from twinrow.actions.mapping_check import check_mappings
from twinrow.connectors.base import Capabilities, CreateKeys, FeedKind
from twinrow.model.errors import MappingProblem, SystemUnavailable, UnknownTable
from twinrow.model.mapping import TableMapping
from twinrow.model.rules import Prefix, TransformationRule
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Option, Table
from twinrow.standard.custom_page import CUSTOM_PAGE, OptionalRoute

COMPANY = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def table(name: str, key: str, *fields: Field, absent: Mapping[str, str] | None = None) -> Table:
    return Table(name, key, {field.name: field for field in fields}, absent=absent or {})


def text(name: str, length: int | None = None, **given: Any) -> Field:
    return Field(name, FieldType.TEXT, max_length=length, **given)


def code(name: str, length: int | None = None) -> Field:
    return Field(name, FieldType.CODE, max_length=length)


BLOCKED = (Option(" ", "Not blocked"), Option("Ship", "Ship"), Option("All", "All"))
STATUS = (Option(1, "Active"), Option(2, "Inactive"), Option(3, "Closed"))
TABLES = {
    (Side.LOCAL, "customers"): table(
        "customers",
        "id",
        Field("id", FieldType.GUID, creatable=False, updatable=False),
        code("number", 20),
        text("displayName", 100),
        text("city", 30),
        text("note", 80),
        code("country", 10),
        code("salespersonCode", 20),
        code("lonely", 20),
        Field("currencyId", FieldType.REFERENCE, targets=("currencies",)),
        Field("paymentTermsId", FieldType.REFERENCE, targets=("paymentTerms",)),
        Field("creditLimit", FieldType.DECIMAL, scale=5),
        Field("employees", FieldType.INTEGER),
        Field("since", FieldType.DATE),
        Field("seen", FieldType.DATETIME),
        Field("vip", FieldType.BOOLEAN),
        Field("blocked", FieldType.ENUM, options=BLOCKED),
        Field("balance", FieldType.DECIMAL, creatable=False, updatable=False),
        absent={"oldFax": "the page is of an older version"},
    ),
    (Side.LOCAL, "currencies"): table("currencies", "id", Field("id", FieldType.GUID), code("code", 10)),
    (Side.LOCAL, "salespeople"): table("salespeople", "id", Field("id", FieldType.GUID), code("code", 20)),
    (Side.LOCAL, "paymentTerms"): table("paymentTerms", "id", Field("id", FieldType.GUID), code("code", 10)),
    (Side.INTEGRATION, "account"): table(
        "account",
        "accountid",
        Field("accountid", FieldType.GUID),
        text("accountnumber", 20),
        text("name", 160),
        text("address1_city", 80),
        text("address1_country", 80),
        text("description", 80),
        Field("ownerid", FieldType.REFERENCE, targets=("systemuser", "team")),
        Field("transactioncurrencyid", FieldType.REFERENCE, targets=("transactioncurrency",)),
        Field("paymenttermscode", FieldType.OPTION, options=(Option(1, "Net 30"),)),
        Field("creditlimit", FieldType.DECIMAL, scale=2, minimum=0, maximum=1000),
        Field("numberofemployees", FieldType.INTEGER),
        Field("founded", FieldType.DATE),
        Field("lastseen", FieldType.DATETIME),
        Field("donotphone", FieldType.BOOLEAN),
        Field("statuscode", FieldType.OPTION, options=STATUS),
        Field("customertypecode", FieldType.OPTION, options=(Option(3, "Customer"), Option(11, "Vendor"))),
        text("fullname", 80, creatable=False, updatable=False),
        text("isocode", 5, updatable=False),
        Field("statecode", FieldType.OPTION, creatable=False, options=(Option(0, "Active"), Option(1, "Inactive"))),
        Field("companyid", FieldType.REFERENCE),
    ),
    (Side.INTEGRATION, "transactioncurrency"): table(
        "transactioncurrency", "id", Field("id", FieldType.GUID), text("iso")
    ),
    (Side.INTEGRATION, "systemuser"): table("systemuser", "id", Field("id", FieldType.GUID), text("fullname")),
    (Side.INTEGRATION, "account.paymenttermscode"): table(
        "account.paymenttermscode", "value", Field("value", FieldType.INTEGER), text("label")
    ),
}
NAME = {"local": "displayName", "integration": "name", "on_loss": "overwrite"}
OTHERS = [
    TableMapping.model_validate(
        {
            "name": name,
            "local_table": local,
            "integration_table": integration,
            "direction": direction,
            "fields": [{"local": field, "integration": column, "direction": direction}],
        }
    )
    for name, local, integration, direction, field, column in (
        ("CURRENCY", "currencies", "transactioncurrency", "to_integration", "code", "iso"),
        ("SALESPEOPLE", "salespeople", "systemuser", "from_integration", "code", "fullname"),
        ("PAYMENT TERMS", "paymentTerms", "account.paymenttermscode", "to_integration", "code", "label"),
    )
]


def describe(side: Side, name: str) -> Table:
    if (side, name) not in TABLES:
        raise UnknownTable(side.value, name, [known for of, known in TABLES if of is side])
    return TABLES[side, name]


def mapping(*rows: dict[str, Any], **given: Any) -> TableMapping:
    values: dict[str, Any] = {"name": "CUSTOMER", "local_table": "customers", "integration_table": "account"}
    return TableMapping.model_validate(values | {"fields": rows or [NAME]} | given)


def check(
    *mappings: TableMapping,
    tables: Callable[[Side, str], Table] = describe,
    rules: Mapping[str, TransformationRule] | None = None,
    capabilities: Callable[[Side, str], Capabilities] | None = None,
    table_rules: Sequence[str] | None = None,
    optional: Sequence[OptionalRoute] = (),
) -> list[MappingProblem]:
    return check_mappings(
        mappings,
        tables,
        rules=rules or {"NUMBER": Prefix(code="NUMBER", text="C-")},
        variables={"company_id": COMPANY},
        capabilities=capabilities,
        table_rules=table_rules,
        optional=optional,
    )


def found(*rows: dict[str, Any], **given: Any) -> MappingProblem:
    """Return the only problem of a customer mapping with these rows (and the name)."""
    (problem,) = check(mapping(NAME, *rows, **given), *OTHERS)
    return problem


def test_a_mapping_that_fits() -> None:
    assert check(mapping(), *OTHERS) == []


def test_an_unknown_table_is_named_with_the_nearest() -> None:
    (problem,) = check(mapping(local_table="custmers"))
    assert (problem.mapping, problem.field, problem.severity) == ("CUSTOMER", "local_table", "error")
    assert problem.message == "There is no table in local named 'custmers'."
    assert "Did you mean customers" in problem.remedy


def test_tables_that_are_missing_on_both_sides_are_both_named() -> None:
    assert [item.field for item in check(mapping(local_table="a", integration_table="b"))] == [
        "local_table",
        "integration_table",
    ]


def test_trouble_with_a_system_is_not_taken_for_a_mistake() -> None:
    def down(side: Side, name: str) -> Table:
        raise SystemUnavailable("no answer")

    with pytest.raises(SystemUnavailable):
        check(mapping(), tables=down)


def test_a_table_is_described_once() -> None:
    asked: list[str] = []

    def count(side: Side, name: str) -> Table:
        asked.append(name)
        return describe(side, name)

    check(mapping(), mapping(name="SECOND"), tables=count)
    assert sorted(asked) == ["account", "customers"]


def test_an_unknown_field_is_named_with_the_nearest() -> None:
    problem = found({"local": "citty", "integration": "address1_city"})
    assert (problem.field, problem.severity) == ("citty=address1_city", "error")
    assert problem.message == "There is no field in table customers named 'citty'."
    assert problem.remedy.startswith("Did you mean city")


def test_options_and_codes_go_one_way_only() -> None:
    def options(direction: str) -> TableMapping:
        row = {"local": "code", "integration": "label", "direction": direction, "on_loss": "overwrite"}
        tables = {"local_table": "paymentTerms", "integration_table": "account.paymenttermscode"}
        return mapping(row, **tables, direction=direction)

    assert check(options("to_integration")) == []
    assert check(options("from_integration")) == []
    (problem,) = check(options("bidirectional"))
    assert (problem.field, problem.severity) == ("direction", "error")
    assert problem.message.startswith(
        "The options of a choice and the codes of a table are kept in step in one direction"
    )


def test_disabled_rows_are_left_out() -> None:
    assert check(mapping(NAME, {"local": "nothing", "integration": "nowhere", "enabled": False}), *OTHERS) == []


def test_a_field_that_the_system_could_serve_is_named_and_left_out() -> None:
    problem = found({"local": "oldFax", "integration": "fullname", "caption": "Fax No."})
    assert problem.severity == "warning"
    assert problem.message == (
        "oldFax of customers (Fax No.) is not available: the page is of an older version. The mapping goes on without it."
    )


def test_what_an_optional_route_would_serve_is_named_and_left_out() -> None:
    row = {"local": "faxNo", "integration": "description"}
    (problem,) = check(mapping(NAME, row), optional=[CUSTOM_PAGE])
    assert problem.severity == "warning"
    assert "faxNo of customers is not available: it is served by twinrow's extension" in problem.message
    assert "Install twinrow's extension" in problem.remedy
    (problem,) = check(mapping(NAME, row))
    assert problem.severity == "error"


def test_a_table_that_an_optional_route_would_serve_is_named() -> None:
    agents = mapping({"local": "code", "integration": "label"}, name="AGENTS", local_table="shippingAgents")
    (problem,) = check(agents, optional=[CUSTOM_PAGE])
    assert (problem.severity, problem.field) == ("warning", "local_table")
    assert "The table shippingAgents is not available: it is served by twinrow's extension" in problem.message


def test_a_mapping_of_which_nothing_is_available_cannot_run() -> None:
    problems = check(mapping({"local": "oldFax", "integration": "name"}))
    assert [(item.severity, item.field) for item in problems] == [("warning", "oldFax=name"), ("error", "fields")]
    assert "No field of the mapping is available" in problems[1].message


def test_a_mapping_whose_rows_are_all_disabled_in_its_circumstances_cannot_run() -> None:
    here = mapping(NAME | {"when": {"company": "A"}}, {"local": "city", "integration": "name", "enabled": False})
    there = here.in_circumstances(None, "B")
    assert there is not None
    (problem,) = check(there)
    assert "No field of the mapping is enabled" in problem.message


@pytest.mark.parametrize(
    ("filters", "field", "message", "remedy"),
    [
        ({"local_filter": "city eq 'Oslo' and citty eq 'A'"}, "local_filter", "named 'citty' (character 20)", "city"),
        ({"local_filter": "blocked eq 'Nothing'"}, "local_filter", "with 'Nothing' (character 1)", "'Ship' (Ship)"),
        ({"integration_filter": "name eq 5"}, "integration_filter", "account.name, which is text, with 5", "type text"),
        ({"integration_filter": "companyid eq ${compny_id}"}, "integration_filter", "${compny_id}", "connection setup"),
        ({"local_filter": "contains(oldFax, '5')"}, "local_filter", "oldFax of customers, which is not available", ""),
    ],
)
def test_what_can_be_wrong_with_a_filter(filters: dict[str, str], field: str, message: str, remedy: str) -> None:
    problem = found(**filters)
    assert (problem.field, problem.severity) == (field, "error")
    assert message in problem.message
    assert remedy in problem.remedy


def test_every_condition_of_a_filter_is_looked_at() -> None:
    given = mapping(
        local_filter="a eq 1 or employees eq 'x'", integration_filter="companyid eq ${company_id} and b eq 1"
    )
    assert [item.message.split(" (character ")[1] for item in check(given)] == ["1).", "11).", "32)."]


@pytest.mark.parametrize(
    ("row", "severity", "message"),
    [
        ({"local": "number", "integration": "fullname"}, "error", "fullname of account can only be read"),
        ({"local": "balance", "integration": "creditlimit"}, "error", "balance of customers can only be read"),
        (
            {"local": "number", "integration": "isocode"},
            "warning",
            "isocode of account can only be set when a record is made",
        ),
        (
            {"local": "employees", "integration": "statecode"},
            "warning",
            "statecode of account cannot be set when a record",
        ),
    ],
)
def test_fields_that_cannot_be_written(row: dict[str, Any], severity: str, message: str) -> None:
    problem = found(row | {"on_loss": "overwrite"})
    assert problem.severity == severity
    assert message in problem.message


def test_a_field_that_is_only_read_is_no_trouble_as_a_source() -> None:
    row = {"local": "note", "integration": "fullname", "direction": "from_integration"}
    assert check(mapping(NAME, row), *OTHERS) == []


def test_the_remedy_for_a_read_only_field_names_the_other_direction() -> None:
    assert found({"local": "note", "integration": "fullname"}).remedy == (
        "Set its direction to from_integration, or disable it."
    )


@pytest.mark.parametrize(
    ("column", "constant", "message"),
    [
        ("address1_city", "x" * 81, "the value has 81 characters, the field holds 80"),
        ("customertypecode", 5, "the choice has no option 5"),
        ("customertypecode", "Customer", "the value Customer cannot be carried into a field of type option"),
        ("creditlimit", -1, "the value is below the minimum of 0"),
        ("creditlimit", 1.005, "the field keeps 2 decimals"),
        ("numberofemployees", "many", "cannot be carried into a field of type integer"),
        ("numberofemployees", 10**30, "is too large"),
        ("donotphone", "perhaps", "cannot be carried into a field of type boolean"),
        ("founded", "31.01.2024", "cannot be carried into a field of type date"),
        ("accountid", "C00010", "cannot be carried into a field of type guid"),
    ],
)
def test_constants_that_do_not_fit_their_field(column: str, constant: object, message: str) -> None:
    problem = found({"integration": column, "constant": constant, "direction": "to_integration"})
    assert problem.field == f"={column}"
    assert message in problem.message


@pytest.mark.parametrize(
    ("column", "constant"),
    [("customertypecode", 3), ("creditlimit", 1.5), ("founded", "2024-01-31"), ("donotphone", True), ("name", "A")],
)
def test_constants_that_fit(column: str, constant: object) -> None:
    rows = [{"integration": column, "constant": constant, "direction": "to_integration"}]
    assert check(mapping(*rows), *OTHERS) == []


def test_the_values_of_a_choice_are_told_with_a_wrong_constant() -> None:
    row = {"integration": "customertypecode", "constant": 5, "direction": "to_integration"}
    assert found(row).remedy == "Its values are 3 (Customer), 11 (Vendor)."


@pytest.mark.parametrize(
    ("template", "severity", "message"),
    [
        ({"side": "integration", "values": {"customertypecode": 7}}, "error", "the choice has no option 7"),
        ({"side": "integration", "values": {"custmertypecode": 3}}, "error", "no field in table account"),
        ({"side": "integration", "values": {"statecode": 1}}, "error", "cannot be set when a record is made"),
        ({"side": "local", "values": {"oldFax": "5"}}, "warning", "New records are made without it"),
        ({"side": "local", "values": {}, "filter": "customers eq 1"}, "error", "table account named 'customers'"),
        ({"side": "integration", "values": {}, "filter": "contains(country, 1)"}, "error", "not every system knows"),
    ],
)
def test_what_can_be_wrong_with_a_template(template: dict[str, Any], severity: str, message: str) -> None:
    if "not every system" in message:
        template = template | {"filter": "country gt 5"}
        message = "customers.country, which is code, with 5"
    problem = found(templates=[{"code": "NEW"} | template])
    assert (problem.field, problem.severity) == ("templates NEW", severity)
    assert message in problem.message


def test_a_template_for_a_side_that_is_never_written_is_named() -> None:
    template = {"code": "NEW", "side": "local", "values": {"city": "Oslo"}}
    problem = found(direction="to_integration", templates=[template])
    assert (problem.severity, "never used" in problem.message) == ("warning", True)


@pytest.mark.parametrize(
    ("row", "severity", "message", "remedy"),
    [
        (
            {"transformation": "UPERCASE"},
            "error",
            "There is no transformation rule named 'UPERCASE'",
            "Did you mean UPPERCASE?",
        ),
        (
            {
                "local": "employees",
                "integration": "numberofemployees",
                "transformation": "TRIM",
                "on_loss": "overwrite",
            },
            "error",
            "The rule TRIM (trim) cannot work on what it gets: the field is integer",
            "Take the rule out",
        ),
        (
            {"local": "number", "integration": "accountnumber", "transformation": "NUMBER", "on_loss": "overwrite"},
            "warning",
            "puts 'C-' before the value on one way, and nothing takes it off",
            "one way only",
        ),
        (
            {
                "local": "country",
                "integration": "address1_country",
                "transformation": "LOWERCASE",
                "direction": "from_integration",
            },
            "warning",
            "has no effect: country is a Code",
            "Take the rule out",
        ),
    ],
)
def test_what_can_be_wrong_with_transformations(row: dict[str, Any], severity: str, message: str, remedy: str) -> None:
    problem = found({"local": "note", "integration": "description"} | row)
    assert problem.severity == severity
    assert message in problem.message
    assert remedy in problem.remedy


def test_a_prefix_on_one_way_is_well() -> None:
    row = {"local": "number", "integration": "accountnumber", "transformation": "NUMBER", "direction": "to_integration"}
    assert check(mapping(NAME, row), *OTHERS) == []


@pytest.mark.parametrize(
    ("values", "severity", "message"),
    [
        ({" ": 1, "Ship": 2, "All": 7}, "error", "The value 7 does not fit statuscode: the choice has no option 7"),
        ({" ": 1, "Ship": 2, "Alle": 3}, "error", "The value Alle does not fit blocked: the choice has no option Alle"),
        ({" ": 1, "Ship": 2}, "warning", "Nothing corresponds to these values of blocked: All (All)"),
        ({" ": 1, "All": 2}, "warning", "Nothing corresponds to these values of statuscode: 3 (Closed)"),
    ],
)
def test_what_can_be_wrong_with_pairs_of_values(values: dict[str, int], severity: str, message: str) -> None:
    given = mapping(NAME, {"local": "blocked", "integration": "statuscode", "values": values})
    assert (severity, True) in [(item.severity, message in item.message) for item in check(given, *OTHERS)]


def test_pairs_that_cover_both_choices_are_well() -> None:
    row = {"local": "blocked", "integration": "statuscode", "values": {" ": 1, "Ship": 2, "All": 3}}
    assert check(mapping(NAME, row), *OTHERS) == []


@pytest.mark.parametrize(
    ("row", "severity", "message"),
    [
        ({"local": "blocked", "integration": "statuscode"}, "error", "have no value in common"),
        (
            {"local": "note", "integration": "statuscode"},
            "warning",
            "statuscode takes its options only; note may hold any",
        ),
        (
            {"local": "lonely", "integration": "ownerid", "direction": "to_integration"},
            "warning",
            "ownerid names records of systemuser or team by id",
        ),
        (
            {"local": "since", "integration": "numberofemployees"},
            "error",
            "since is date, numberofemployees is integer",
        ),
        ({"local": "vip", "integration": "lastseen"}, "error", "vip is boolean, lastseen is datetime"),
        ({"local": "employees", "integration": "accountid"}, "error", "employees is integer, accountid is guid"),
        ({"local": "note", "integration": "description", "not_null": True}, "error", "not_null is for ids of records"),
        ({"local": "number", "integration": "accountid", "match": {}}, "error", "can never be equal, one is an id"),
    ],
)
def test_fields_whose_types_do_not_go_together(row: dict[str, Any], severity: str, message: str) -> None:
    problems = check(mapping(NAME, row), *OTHERS)
    assert (severity, True) in [(item.severity, message in item.message) for item in problems]


def test_a_code_that_names_a_record_may_be_a_criterion() -> None:
    assert check(mapping(NAME, OWNER | {"match": {}}), *OTHERS) == []


def test_a_mapping_that_only_comes_from_there_makes_nothing_where_matching_finds_none() -> None:
    row = NAME | {"direction": "from_integration"}
    back = mapping(row, direction="from_integration", create_new_in_case_of_no_match=True)
    (problem,) = check(back, *OTHERS)
    assert (problem.severity, problem.field) == ("warning", "create_new_in_case_of_no_match")
    assert "only goes from the integration side" in problem.message


def test_options_that_only_one_choice_has_are_named() -> None:
    row = {"local": "employees", "integration": "statuscode", "direction": "from_integration"}
    assert check(mapping(NAME, row), *OTHERS) == []
    row = {"local": "blocked", "integration": "statuscode", "direction": "to_integration"}
    tables = dict(TABLES)
    customers, options = TABLES[Side.LOCAL, "customers"], (Option(1, "One"), Option(5, "Five"))
    fields = dict(customers.fields) | {"blocked": Field("blocked", FieldType.OPTION, options=options)}
    tables[Side.LOCAL, "customers"] = replace(customers, fields=fields)
    (problem,) = check(mapping(NAME, row), tables=lambda side, name: tables[side, name])
    assert (problem.severity, "has no option for these of blocked: 5 (Five)" in problem.message) == ("warning", True)


OWNER = {
    "local": "salespersonCode",
    "integration": "ownerid",
    "direction": "to_integration",
    "related_mapping": "SALESPEOPLE",
    "related_key": "code",
    "not_null": True,
}
CURRENCY = {"local": "currencyId", "integration": "transactioncurrencyid", "related_mapping": "CURRENCY"}
TERMS = {"local": "paymentTermsId", "integration": "paymenttermscode", "related_mapping": "PAYMENT TERMS"}


def test_references_by_id_by_code_and_to_options_are_well() -> None:
    assert check(mapping(NAME, OWNER, CURRENCY, TERMS), *OTHERS) == []


@pytest.mark.parametrize(
    ("row", "message", "remedy"),
    [
        (OWNER | {"related_mapping": "SALESPEPLE"}, "There is no mapping SALESPEPLE", "Did you mean SALESPEOPLE?"),
        (OWNER | {"related_key": "cod"}, "no field in table salespeople named 'cod', by which salespersonCode", "code"),
        (
            OWNER | {"related_mapping": "CURRENCY"},
            "it points to systemuser or team, they are in transactioncurrency",
            "",
        ),
        (
            OWNER | {"related_key": None},
            "salespersonCode cannot refer to records of SALESPEOPLE: it is code",
            "related_key",
        ),
        (OWNER | {"local": "employees"}, "employees is integer, but code of salespeople is code", ""),
        (
            CURRENCY | {"local": "paymentTermsId"},
            "paymentTermsId cannot refer to records of CURRENCY: it points to paymentTerms, they are in currencies",
            "",
        ),
        (
            TERMS | {"integration": "description"},
            "they are the options of account.paymenttermscode and the field is text",
            "",
        ),
        (CURRENCY | {"values": {"a": "b"}}, "by values or by related_mapping, not by both", ""),
        (CURRENCY | {"transformation": "TRIM"}, "has no transformation", ""),
    ],
)
def test_what_can_be_wrong_with_a_reference(row: dict[str, Any], message: str, remedy: str) -> None:
    problem = found(row)
    assert problem.severity == "error"
    assert message in problem.message
    assert remedy in problem.remedy


def test_each_of_several_related_mappings_is_looked_at() -> None:
    problem = found(CURRENCY | {"related_mapping": ["CURRENCY", "CURENCY"]})
    assert "There is no mapping CURENCY" in problem.message


def test_numbers_as_ids_of_related_records() -> None:
    tables = {
        "orders": table("orders", "id", Field("id", FieldType.INTEGER), Field("customer", FieldType.INTEGER)),
        "people": table("people", "id", Field("id", FieldType.INTEGER), text("name")),
    }
    people = mapping(
        {"local": "name", "integration": "name"}, name="P", local_table="people", integration_table="people"
    )
    row = {"local": "customer", "integration": "customer", "related_mapping": "P"}
    orders = mapping(row, name="ORDERS", local_table="orders", integration_table="orders")
    assert check(people, orders, tables=lambda _side, name: tables[name]) == []
    wrong = mapping(row | {"local": "id"}, name="ORDERS", local_table="orders", integration_table="orders")
    tables["people"] = table("people", "id", Field("id", FieldType.GUID), text("name"))
    problems = check(people, wrong, tables=lambda _side, name: tables[name])
    assert ["cannot refer to records of P" in item.message for item in problems] == [True, True]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"local": "city", "integration": "address1_city"}, "city holds 30 characters, address1_city 80"),
        ({"local": "country", "integration": "address1_country"}, "country is a Code, without case and outer blanks"),
        ({"local": "creditLimit", "integration": "creditlimit"}, "creditlimit keeps 2 decimals, creditLimit 5"),
        ({"local": "since", "integration": "lastseen"}, "since keeps no time of day"),
        ({"local": "note", "integration": "description", "transformation": "UPPERCASE"}, "UPPERCASE takes away case"),
        ({"local": "note", "integration": "description", "transformation": "TRIM"}, "TRIM takes away outer blanks"),
    ],
)
def test_a_field_that_loses_something_both_ways_must_say_what_happens_then(row: dict[str, Any], message: str) -> None:
    problem = found(row)
    assert problem.severity == "warning"
    assert message in problem.message
    assert "on_loss" in problem.remedy
    assert check(mapping(NAME, row | {"on_loss": "overwrite"}), *OTHERS) == []
    assert check(mapping(NAME, row | {"direction": "to_integration"}), *OTHERS) == []
    assert check(mapping(NAME, row, direction="from_integration"), *OTHERS) == []


def test_fields_of_like_form_lose_nothing() -> None:
    assert check(mapping(NAME, {"local": "note", "integration": "description"}), *OTHERS) == []


def test_two_rows_that_write_one_field() -> None:
    rows = [{"local": local, "integration": "description", "direction": "to_integration"} for local in ("note", "city")]
    problem = found(*rows)
    assert (problem.field, problem.severity) == ("city=description", "error")
    assert problem.message == "description of account is written by note=description too."


def test_two_rows_may_read_one_field() -> None:
    row = {"local": "displayName", "integration": "description", "direction": "to_integration"}
    assert check(mapping(NAME, row), *OTHERS) == []
    rows = [
        {"local": "note", "integration": "description", "direction": "to_integration"},
        {"local": "city", "integration": "description", "direction": "from_integration"},
    ]
    assert check(mapping(NAME, *rows), *OTHERS) == []


def test_two_mappings_that_may_write_one_record() -> None:
    first = mapping(NAME, integration_filter="customertypecode eq 3")
    second = mapping(NAME, name="SECOND", local_table="paymentTerms", integration_filter="statecode eq 0")
    second = second.model_copy(update={"fields": (first.fields[0].model_copy(update={"local": "code"}),)})
    (problem,) = check(first, second)
    assert (problem.mapping, problem.field, problem.severity) == ("SECOND", "integration_filter", "error")
    assert problem.message == "SECOND and CUSTOMER may both write the same records of account: name."
    apart = second.model_copy(update={"integration_filter": "statecode eq 0 and customertypecode in (11)"})
    assert check(first, apart) == []


def test_mappings_of_one_table_may_write_different_fields_or_one_constant() -> None:
    constant = {"integration": "customertypecode", "constant": 3, "direction": "to_integration"}
    first = mapping({"local": "note", "integration": "description", "direction": "to_integration"}, constant)
    city = {"local": "city", "integration": "address1_city", "direction": "to_integration"}
    assert check(first, mapping(city, constant, name="SECOND")) == []
    (problem,) = check(first, mapping(city, constant | {"constant": 11}, name="SECOND"))
    assert "customertypecode" in problem.message


def test_a_dependency_on_a_mapping_that_does_not_exist_is_named() -> None:
    problem = found(dependencies=["CURENCY"])
    assert (problem.severity, problem.field) == ("warning", "dependencies")
    assert problem.remedy == "Did you mean CURRENCY?"


def test_a_dependency_on_a_standard_mapping_that_is_not_there_is_none() -> None:
    assert check(mapping(dependencies=["SALESPEOPLE", "SHIPPING AGENT"])) == []


def test_a_circle_of_dependencies_is_named_in_full() -> None:
    fields = [{"local": "code", "integration": "iso", "direction": "to_integration"}]
    other = mapping(
        *fields, name="B", local_table="currencies", integration_table="transactioncurrency", dependencies="A"
    )
    (problem,) = check(mapping(name="A", dependencies="B"), other)
    assert "A → B → A" in problem.message


def test_rules_for_special_tables_must_exist_where_they_are_known() -> None:
    given = mapping(rules=["ownr"])
    assert check(given) == []
    (problem,) = check(given, table_rules=["owner", "company"])
    assert (problem.field, problem.remedy) == ("rules", "Did you mean owner?")
    assert check(mapping(rules=["owner"]), table_rules=["owner"]) == []


GOOD = Capabilities(FeedKind.ROW_VERSION, version_checks=True, create_keys=CreateKeys.CHOSEN)


def limited(side: Side, **given: Any) -> Callable[[Side, str], Capabilities]:
    return lambda of, _name: replace(GOOD, **given) if of is side else GOOD


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"version_checks": False}, "account has no version checks"),
        ({"create_keys": CreateKeys.NONE}, "New records of account take neither a key nor a mark"),
        ({"can_update": False}, "Records of account cannot be changed"),
    ],
)
def test_what_a_destination_cannot_promise_is_named(given: dict[str, Any], message: str) -> None:
    (problem,) = check(mapping(), capabilities=limited(Side.INTEGRATION, **given))
    assert (problem.severity, problem.field) == ("warning", "integration_table")
    assert message in problem.message


def test_a_source_that_is_never_written_needs_promise_nothing() -> None:
    one_way = mapping(direction="to_integration")
    poor = limited(Side.LOCAL, version_checks=False, create_keys=CreateKeys.NONE, can_update=False)
    assert check(one_way, capabilities=poor) == []
    assert check(mapping(), capabilities=lambda _side, _name: GOOD) == []


def test_field_logic_that_no_system_runs_is_named_once() -> None:
    rows = ({"local": "city", "integration": "address1_city", "validate_local": True, "on_loss": "overwrite"},)
    assert check(mapping(NAME, *rows), capabilities=lambda _side, _name: GOOD) == []
    assert check(mapping(NAME, *rows), capabilities=limited(Side.INTEGRATION, field_logic=False)) == []
    (problem,) = check(mapping(NAME, *rows), capabilities=limited(Side.LOCAL, field_logic=False))
    assert (problem.field, problem.severity) == ("local_table", "warning")
    assert problem.message.endswith("validate_local has no effect for city.")
    never_written = mapping(NAME, *rows, direction="to_integration")
    assert check(never_written, capabilities=limited(Side.LOCAL, field_logic=False)) == []


def test_creates_and_deletes_that_a_system_does_not_know() -> None:
    no_creates = limited(Side.INTEGRATION, can_create=False)
    assert check(mapping(), capabilities=no_creates) == []
    (problem,) = check(mapping(only_coupled=False), capabilities=no_creates)
    assert "cannot be made" in problem.message
    (problem,) = check(mapping(delete_propagation="both"), capabilities=limited(Side.LOCAL, can_delete=False))
    assert (problem.field, problem.severity) == ("delete_propagation", "error")


def test_everything_is_told_at_once() -> None:
    given = mapping(
        NAME,
        {"local": "nothing", "integration": "nowhere"},
        {"local": "balance", "integration": "fullname"},
        local_filter="citty eq 1",
        dependencies="CURENCY",
    )
    assert [item.field for item in check(given, *OTHERS)] == [
        "dependencies",
        "local_filter",
        "nothing=nowhere",
        "nothing=nowhere",
        "balance=fullname",
        "balance=fullname",
    ]
