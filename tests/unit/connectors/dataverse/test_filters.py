"""Conditions as the service is asked them: never for less than what satisfies them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import unquote

import pytest
from tests.unit.connectors.dataverse.environment import NOBODY, Environment

from twinrow.connectors.dataverse.filters import (
    LONGEST_FILTER,
    MOST_CONDITIONS,
    encoded,
    filter_text,
    filter_texts,
    id_filters,
)
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.dataverse.tables import DataverseTable, Tables
from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch, parse_filter

EVERYTHING = ("",)
NOTHING = ()


@pytest.fixture(scope="module")
def contact() -> DataverseTable:
    environment = Environment()
    tables = Tables(Site(environment.connector._client, environment.connector._settings))
    found = tables.get("contact")
    environment.connector.close()
    return found


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ("lastname eq 'Ahrens'", "lastname eq 'Ahrens'"),
        ("lastname eq 'O''Neil '", "lastname eq 'O''Neil'"),
        ("lastname ne 'Ahrens'", "(lastname ne 'Ahrens' or lastname eq null)"),
        ("lastname eq null", "lastname eq null"),
        ("lastname ne null", "lastname ne null"),
        ("lastname eq ''", "(lastname eq '' or lastname eq null)"),
        ("lastname ne ''", "lastname ne null"),
        ("statecode eq 0", "statecode eq 0"),
        ("statecode in (0, 1)", "(statecode eq 0 or statecode eq 1)"),
        ("familystatuscode ne 2", "(familystatuscode ne 2 or familystatuscode eq null)"),
        ("donotemail eq true", "donotemail eq true"),
        ("donotemail", "donotemail eq true"),
        ("donotemail ne false", "(donotemail ne false or donotemail eq null)"),
        ("birthdate ge 1980-02-03", "birthdate ge 1980-02-03"),
        ("createdon gt 2026-01-02T03:04:05Z", "createdon gt 2026-01-02T03:04:05Z"),
        ("createdon ge 2026-01-02", "createdon ge 2026-01-02T00:00:00Z"),
        ("creditlimit lt 100.50", "creditlimit lt 100.50"),
        ("creditlimit le -3", "creditlimit le -3"),
        (f"transactioncurrencyid eq '{NOBODY.upper()}'", f"_transactioncurrencyid_value eq {NOBODY}"),
        ("bcbi_companyid eq null", "_bcbi_companyid_value eq null"),
        ("parentcustomerid ne null", "_parentcustomerid_value ne null"),
        ("startswith(lastname, 'A')", "startswith(lastname,'A')"),
        ("contains(lastname, '100%_[x]')", "contains(lastname,'100[%][_][[]x]')"),
        ("endswith(lastname, 'it''s')", "endswith(lastname,'it''s')"),
        ("statecode eq 0 and lastname eq 'A'", "(statecode eq 0 and lastname eq 'A')"),
        ("statecode eq 0 or lastname eq 'A'", "(statecode eq 0 or lastname eq 'A')"),
        ("not (statecode eq 0 and lastname eq null)", "(statecode ne 0 or statecode eq null or lastname ne null)"),
        ("not (creditlimit gt 5)", "(creditlimit le 5 or creditlimit eq null)"),
        ("not contains(lastname, 'A')", "(not contains(lastname,'A') or lastname eq null)"),
        ("not (statecode in (1, null))", "((statecode ne 1 or statecode eq null) and statecode ne null)"),
    ],
)  # fmt: skip
def test_what_the_service_can_be_asked(contact: DataverseTable, condition: str, written: str) -> None:
    parsed = parse_filter(condition)
    assert filter_texts(parsed, contact) == (written,)


@pytest.mark.parametrize(
    "condition",
    [
        "lastname gt 'A'",
        "lastname ne '100%'",
        "parentcustomeridtype eq 'account'",
        "contains(parentcustomeridtype, 'acc')",
        "contains(lastname, '')",
        "address1_latitude eq 1.5",
        "creditlimit lt 1000000000000000000",
        "numberofchildren gt 5000000000",
        "transactioncurrencyid ne 'no id'",
        "parentcustomeridtype eq 'account' or statecode eq 0",
        "not (lastname gt 'A')",
        "createdon ne 2026-01-02T03:04:05.5Z",
    ],
)
def test_what_it_cannot_be_asked_is_left_to_the_reader(contact: DataverseTable, condition: str) -> None:
    assert filter_texts(parse_filter(condition), contact) == EVERYTHING


@pytest.mark.parametrize(
    "condition",
    [
        "transactioncurrencyid eq 'no id'",
        "createdon eq 2026-01-02T03:04:05.5Z",
        "lastname gt null",
        "statecode eq 0 and contactid eq 'x'",
    ],
)
def test_what_no_record_satisfies_is_not_asked(contact: DataverseTable, condition: str) -> None:
    assert filter_texts(parse_filter(condition), contact) == NOTHING
    assert filter_texts(Comparison("lastname", "in", ()), contact) == NOTHING


def test_one_part_that_cannot_be_asked_leaves_the_others(contact: DataverseTable) -> None:
    condition = parse_filter("statecode eq 0 and parentcustomeridtype eq 'account' and parentcustomerid ne null")
    assert filter_text(condition, contact) == "(statecode eq 0 and _parentcustomerid_value ne null)"
    refused = filter_text(condition, contact, frozenset({"parentcustomerid"}))
    assert refused == "statecode eq 0"


def test_brackets_are_asked_for_as_they_are_and_as_a_pattern(contact: DataverseTable) -> None:
    (text,) = filter_texts(Comparison("lastname", "eq", "[a]"), contact)
    assert text == "(lastname eq '[a]' or lastname eq '[[]a]')"


def test_times_are_compared_in_whole_seconds(contact: DataverseTable) -> None:
    half = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    operators = {"gt": "ge 2026-01-02T03:04:05Z", "ge": "ge 2026-01-02T03:04:05Z", "lt": "le 2026-01-02T03:04:06Z"}
    for operator, written in operators.items():
        assert filter_texts(Comparison("createdon", operator, half), contact) == (f"createdon {written}",)
    assert filter_texts(Comparison("birthdate", "eq", date(2026, 1, 2)), contact) == ("birthdate eq 2026-01-02",)


def test_binary_fractions_are_compared_with_a_margin(contact: DataverseTable) -> None:
    condition = Comparison("address1_latitude", "gt", Decimal("1.5"))
    assert filter_texts(condition, contact) == ("address1_latitude ge 1.5",)


def covers(texts: tuple[str, ...], *values: str) -> bool:
    return all(any(f"eq '{value}'" in text for text in texts) for value in values)


def test_a_long_list_becomes_several_filters(contact: DataverseTable) -> None:
    values = tuple(f"Person {number}" for number in range(2_000))
    texts = filter_texts(Comparison("lastname", "in", values), contact)
    assert len(texts) > 1
    assert covers(texts, *values)
    assert all(len(encoded(text)) <= LONGEST_FILTER for text in texts)
    assert all(text.count(" eq ") <= MOST_CONDITIONS for text in texts)


def test_a_long_list_beside_other_conditions(contact: DataverseTable) -> None:
    values = tuple(f"{number:04d} {'ß' * 90}" for number in range(500))
    condition = And((Comparison("statecode", "eq", 0), Comparison("lastname", "in", values)))
    texts = filter_texts(condition, contact)
    assert len(texts) > 1
    assert all(text.startswith("(statecode eq 0 and (") for text in texts)
    assert covers(texts, *values)
    assert all(len(encoded(text)) <= LONGEST_FILTER for text in texts)


@pytest.mark.parametrize(
    "condition",
    [
        Not(Comparison("lastname", "in", tuple(f"Person {number}" for number in range(2_000)))),
        Comparison("lastname", "eq", "x" * 30_000),
        And(tuple(Comparison("lastname", "ne", f"Person {number}") for number in range(2_000))),
    ],
)
def test_what_cannot_be_divided_is_widened(contact: DataverseTable, condition: Filter) -> None:
    texts = filter_texts(condition, contact)
    assert len(texts) == 1
    assert len(encoded(texts[0])) <= LONGEST_FILTER


def test_alternatives_of_different_kinds_are_divided_too(contact: DataverseTable) -> None:
    names = tuple(Comparison("lastname", "eq", f"Person {number}") for number in range(400))
    both = Or((*names, And((Comparison("statecode", "eq", 1), Comparison("lastname", "eq", "Ahrens")))))
    texts = filter_texts(both, contact)
    assert covers(texts, "Person 0", "Person 399", "Ahrens")
    assert "(statecode eq 1 and lastname eq 'Ahrens')" in " ".join(texts)


def test_filters_travel_encoded() -> None:
    text = "contains(lastname,'100[%] & #1 ä')"
    assert unquote(encoded(text)) == text
    assert not set(encoded(text)) & set(" &#%ä") - {"%"}


def test_text_matches_on_ids_are_left_to_the_reader(contact: DataverseTable) -> None:
    assert filter_texts(TextMatch("contains", "contactid", "a"), contact) == EVERYTHING


def test_ids_are_asked_for_in_lists() -> None:
    ids = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1_001)]
    texts = id_filters("contactid", ids)
    assert len(texts) == 3
    assert texts[0].startswith("Microsoft.Dynamics.CRM.In(PropertyName='contactid',PropertyValues=['00000000-")
    assert all(f"'{id}'" in "".join(texts) for id in ids)
