"""Filters: one language for every system, read once, checked against the table that they are for."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinrow.model.errors import FilterError, UnknownField
from twinrow.model.filters import (
    And,
    Comparison,
    Not,
    Or,
    TextMatch,
    all_of,
    check_filter,
    field_position,
    filter_fields,
    filter_variables,
    parse_filter,
)
from twinrow.model.tables import Field, FieldType, Option, Table

COMPANY = "6f9619ff-8b86-d011-b42d-00c04fc964ff"

ACCOUNT = Table(
    "account",
    "accountid",
    {
        field.name: field
        for field in (
            Field("accountid", FieldType.GUID),
            Field("name", FieldType.TEXT, max_length=160),
            Field("number", FieldType.CODE, max_length=20),
            Field("ownerid", FieldType.REFERENCE, targets=("systemuser", "team")),
            Field("employees", FieldType.INTEGER),
            Field("creditlimit", FieldType.DECIMAL, scale=2),
            Field("score", FieldType.FLOAT),
            Field("onhold", FieldType.BOOLEAN),
            Field("founded", FieldType.DATE),
            Field("modifiedon", FieldType.DATETIME),
            Field("statecode", FieldType.OPTION, options=(Option(0, "Active"), Option(1, "Inactive"))),
            Field("blocked", FieldType.ENUM, options=(Option(" ", ""), Option("Ship", "Ship"), Option("All", "All"))),
        )
    },
)


def test_a_comparison() -> None:
    assert parse_filter("statecode eq 0") == Comparison("statecode", "eq", 0)


def test_a_blank_text_is_no_filter() -> None:
    assert parse_filter("") is None
    assert parse_filter(" \n ") is None


def test_conditions_combine() -> None:
    condition = parse_filter("statecode eq 0 and customertypecode eq 3 and (name ne '' or not onhold)")
    assert condition == And(
        (
            Comparison("statecode", "eq", 0),
            Comparison("customertypecode", "eq", 3),
            Or((Comparison("name", "ne", ""), Not(Comparison("onhold", "eq", True)))),
        )
    )


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("7", 7),
        ("-7", -7),
        ("1.50", Decimal("1.50")),
        ("1e3", Decimal("1e3")),
        ("'O''Brien'", "O'Brien"),
        ("'Größe 🎉'", "Größe 🎉"),
        ("' '", " "),
        (COMPANY.upper(), COMPANY),
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("2024-02-29T10:00:00.25+02:00", datetime(2024, 2, 29, 8, 0, 0, 250000, tzinfo=UTC)),
        ("2024-02-29T10:00:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
    ],
)
def test_values_keep_their_type_and_times_are_utc(literal: str, value: object) -> None:
    condition = parse_filter(f"field eq {literal}")
    assert condition == Comparison("field", "eq", value)  # type: ignore[arg-type]
    assert type(condition.value) is type(value)  # type: ignore[union-attr]


@pytest.mark.parametrize("operator", ["eq", "ne", "gt", "ge", "lt", "le"])
def test_every_comparison(operator: str) -> None:
    assert parse_filter(f"employees {operator} 5") == Comparison("employees", operator, 5)


def test_a_value_may_stand_first() -> None:
    assert parse_filter("5 lt employees and null ne name") == And(
        (Comparison("employees", "gt", 5), Comparison("name", "ne", None))
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [("(1,2,3)", (1, 2, 3)), ("( 1 , 2 )", (1, 2)), ("(1)", (1,)), ("('x')", ("x",)), ("(1, null)", (1, None))],
)
def test_lists_of_any_length(text: str, values: tuple[object, ...]) -> None:
    assert parse_filter(f"statecode in {text}") == Comparison("statecode", "in", values)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", ["contains", "startswith", "endswith"])
def test_text_functions(function: str) -> None:
    assert parse_filter(f"{function}(name, 'A')") == TextMatch(function, "name", "A")


@pytest.mark.parametrize(
    "name", ["allowed", "anything", "nullable", "trueName", "falsehood", "notes", "inUse", "order"]
)
def test_a_field_may_be_named_like_a_word_of_the_language(name: str) -> None:
    assert parse_filter(f"{name} eq 1") == Comparison(name, "eq", 1)
    assert parse_filter(f"a eq null and not {name}") == And(
        (Comparison("a", "eq", None), Not(Comparison(name, "eq", True)))
    )


def test_not_may_stand_right_before_a_bracket() -> None:
    assert parse_filter("not(statecode eq 1)") == Not(Comparison("statecode", "eq", 1))


def test_variables_are_replaced() -> None:
    text = "bcbi_companyid eq null or bcbi_companyid eq ${company_id}"
    assert filter_variables(text) == {"company_id"}
    assert parse_filter(text, {"company_id": COMPANY}) == Or(
        (Comparison("bcbi_companyid", "eq", None), Comparison("bcbi_companyid", "eq", COMPANY))
    )


def test_a_variable_within_a_text_may_hold_a_quote() -> None:
    condition = parse_filter("company eq '${company}' and region eq '${region}'", {"company": "Kim's", "region": "x"})
    assert condition == And((Comparison("company", "eq", "Kim's"), Comparison("region", "eq", "x")))


def test_a_variable_without_value_is_named_with_its_place() -> None:
    with pytest.raises(FilterError, match=r"\$\{company_id\}, which has no value") as error:
        parse_filter("statecode eq 0 and company eq ${company_id}", {"other": "1"})
    assert error.value.position == 30
    assert "twinrow connection setup" in str(error.value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("statecode eq", 9),
        ("statecode eq # ", 13),
        ("  statecode eq '", 15),
        ("statecode = 0", 9),
        ("(statecode eq 0", None),
        ("statecode eq 0 and", 14),
        ("a eq ${company} and b eq #", 25),
        ("a eq ${company} and b eq ${company} and #", 40),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, position: int | None) -> None:
    with pytest.raises(FilterError, match="cannot be read") as error:
        parse_filter(text, {"company": COMPANY})
    assert error.value.position == position
    assert "Write it as OData" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "a eq b",
        "a/b eq 1",
        "crm.a eq 1",
        "tolower(a) eq 'x'",
        "a add 1 eq 2",
        "contains(a)",
        "contains(a, null)",
        "contains('x', a)",
        "nonsense(a)",
        "a eq duration'P1D'",
        "a eq 10:00:00",
        "a eq 2024-02-31",
        "a/any(x: x eq 1)",
        "true",
    ],
)
def test_what_not_every_system_knows_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text)


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet=st.sampled_from("ab '()=,.-_05eqTZ:/$ {}not in andnull"), max_size=40))
def test_any_text_is_either_a_filter_or_a_filter_error(text: str) -> None:
    position = None
    try:
        parse_filter(text, {"a": "1"})
    except FilterError as error:
        position = error.position
    assert position is None or 0 <= position < len(text)


def test_the_fields_of_a_filter() -> None:
    assert filter_fields(parse_filter("a eq 1 and (b eq 2 or not contains(c,'x'))")) == {"a", "b", "c"}
    assert filter_fields(None) == frozenset()


def test_where_a_field_stands() -> None:
    text = "contains(name, 'city') and city eq '${city}' and city ne null"
    assert field_position(text, "city") == 27
    assert field_position(text, "country") is None
    assert field_position("broken '", "city") is None


def test_conjunctions_of_what_is_given() -> None:
    first, second = Comparison("a", "eq", 1), Comparison("b", "eq", 2)
    assert all_of(None, None) is None
    assert all_of(None, first) is first
    assert all_of(first, None, second) == And((first, second))


@pytest.mark.parametrize(
    "text",
    [
        "name eq 'A' and number eq 'B' and contains(name, 'x')",
        f"accountid eq {COMPANY} and ownerid ne null",
        "employees gt 5 and creditlimit le 10 and creditlimit ge 10.5 and score lt 1e300",
        "onhold and onhold eq false",
        "founded ge 2024-01-01 and modifiedon lt 2024-01-01T00:00:00Z and modifiedon ge 2024-01-01",
        "statecode in (0, 1) and blocked eq ' ' and blocked ne '' and blocked eq 'Ship'",
    ],
)
def test_a_filter_that_fits_its_table(text: str) -> None:
    check_filter(parse_filter(text), ACCOUNT)


def test_no_filter_fits_every_table() -> None:
    check_filter(None, ACCOUNT)


def test_an_unknown_field_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownField, match="Did you mean name"):
        check_filter(parse_filter("nmae eq 'A'"), ACCOUNT)


@pytest.mark.parametrize(
    "text",
    [
        "name eq 5",
        "employees eq 'five'",
        "employees eq 1.5",
        "employees eq 9223372036854775808",
        "employees eq true",
        "creditlimit lt 1e40",
        "onhold eq 1",
        "founded eq 2024-01-01T10:00:00Z",
        "founded eq '2024-01-01'",
        "statecode eq 7",
        "statecode eq 'Active'",
        "statecode in (0, 7)",
        "blocked eq 'Nothing'",
        "contains(employees, '5')",
    ],
)
def test_a_value_that_does_not_fit_its_field(text: str) -> None:
    with pytest.raises(FilterError):
        check_filter(parse_filter(text), ACCOUNT)


def test_the_values_of_a_choice_are_told() -> None:
    with pytest.raises(FilterError, match=r"0 \(Active\), 1 \(Inactive\)"):
        check_filter(parse_filter("statecode eq 7"), ACCOUNT)
