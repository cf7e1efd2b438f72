"""Query options taken apart, and filters turned into SQL."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from twinrow.sandbox.odata.errors import FilterSyntaxError, IncompatibleTypes, ODataError, UnknownProperty
from twinrow.sandbox.odata.filter_parsing import Node, parse_filter
from twinrow.sandbox.odata.filter_sql import (
    SQL_OPERATORS,
    Column,
    FilterTranslator,
    Fragment,
    LiteralValue,
    Operator,
    TextMatch,
)
from twinrow.sandbox.odata.query_options import (
    Expansion,
    OrderTerm,
    parse_expand,
    parse_key,
    parse_orderby,
    parse_select,
)

COLUMNS = {
    "name": Column("name", "text", "Edm.String"),
    "city": Column("city", "text", "Edm.String"),
    "size": Column("size", "number", "Edm.Int32"),
    "allowed": Column("allowed", "flag", "Edm.Boolean"),
}
ROWS = [
    {"name": "Adams", "city": "Bern", "size": 1, "allowed": 1},
    {"name": "Bern", "city": "Bern", "size": 2, "allowed": 0},
    {"name": "Chloë", "city": None, "size": None, "allowed": None},
]


class PlainTranslator(FilterTranslator):
    def column(self, path: tuple[str, ...]) -> Column:
        if path[-1] not in COLUMNS:
            raise UnknownProperty(path[-1], "place")
        return COLUMNS[path[-1]]

    def comparable(self, column: Column, literal: LiteralValue) -> bool:
        return column.edm == literal.edm

    def compare(self, column: Column, operator: Operator, literal: LiteralValue) -> Fragment:
        return Fragment(f"{column.sql} {SQL_OPERATORS[operator]} ?", (literal.value,))

    def compare_columns(self, left: Column, operator: Operator, right: Column) -> Fragment:
        return Fragment(f"{left.sql} {SQL_OPERATORS[operator]} {right.sql}")

    def match(self, column: Column, how: TextMatch, text: str) -> Fragment:
        pattern = {"contains": f"*{text}*", "startswith": f"{text}*", "endswith": f"*{text}"}[how]
        return Fragment(f"{column.sql} GLOB ?", (pattern,))

    def function(self, name: str, arguments: dict[str, Any]) -> Fragment:
        marks = ", ".join("?" * len(arguments["PropertyValues"]))
        return Fragment(f"{arguments['PropertyName']} IN ({marks})", tuple(arguments["PropertyValues"]))

    def any_of(self, path: tuple[str, ...], variable: str | None, condition: Node | None) -> Fragment:
        inner = self.condition(condition) if condition else Fragment("1")
        return Fragment(f"EXISTS (SELECT 1 WHERE {inner.sql})", inner.values)


def found(text: str, parameters: dict[str, str] | None = None) -> list[str]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE place (name, city, size, allowed)")
    connection.executemany("INSERT INTO place VALUES (:name, :city, :size, :allowed)", ROWS)
    fragment = PlainTranslator().condition(parse_filter(text, parameters))
    rows = connection.execute(f"SELECT name FROM place WHERE {fragment.sql}", fragment.values).fetchall()
    connection.close()
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name eq 'Adams'", ["Adams"]),
        ("'Adams' eq name", ["Adams"]),
        ("size ge 1 and size lt 2", ["Adams"]),
        ("1 lt size", ["Bern"]),
        ("size eq -1 or size eq 2", ["Bern"]),
        ("city eq null", ["Chloë"]),
        ("city ne null", ["Adams", "Bern"]),
        ("name eq city", ["Bern"]),
        ("allowed", ["Adams"]),
        ("allowed eq true", ["Adams"]),
        ("not (size eq 1)", ["Bern", "Chloë"]),
        ("not(size gt 1)", ["Adams", "Chloë"]),
        ("not (size eq 1 or size eq 2)", ["Chloë"]),
        ("contains(name,'er')", ["Bern"]),
        ("startswith(name,'A') or endswith(name,'ë')", ["Adams", "Chloë"]),
        ("x/any(o:o/size eq 1)", ["Adams"]),
        ("x/any()", ["Adams", "Bern", "Chloë"]),
        ("x/all(o:o/size eq 1)", ["Adams"]),
        ("Space.In(PropertyName='name',PropertyValues=['Adams','O''Hara'])", ["Adams"]),
        ('Space.In(PropertyName=\'name\',PropertyValues=["Adams","Bern"])', ["Adams", "Bern"]),
        ("Space.In(PropertyName='name',PropertyValues=[])", []),
    ],
)
def test_filters_find_rows(text: str, names: list[str]) -> None:
    assert found(text) == names


def test_aliases_are_put_in_and_missing_ones_are_null() -> None:
    assert found("name eq @name", {"@name": "'Bern'"}) == ["Bern"]
    assert found("city eq @city") == ["Chloë"]
    assert found("Space.In(PropertyName=@a,PropertyValues=@b)", {"@a": "'name'", "@b": '["Adams"]'}) == ["Adams"]
    assert found("name eq '@name'", {"@name": "'Bern'"}) == []


def test_a_filter_of_the_longest_url_is_no_burden() -> None:
    assert found(" or ".join(f"size eq {number}" for number in range(900))) == ["Adams", "Bern"]


def test_keywords_end_where_words_end() -> None:
    # `allowed` begins like `all`; so it goes with `any`, `true`, `null`.
    assert parse_filter("allowed eq true") != parse_filter("allowed eq false")
    for name in ("anyway", "trueish", "nullable", "falsehood"):
        assert name in repr(parse_filter(f"{name} eq 1"))
    assert "0001-01-01" in repr(parse_filter("day eq 0001-01-01"))


@pytest.mark.parametrize("text", ["name", "name eq", "name eq 'x", "eq", "1 add 1 eq 2", "name eq 1 2", "f(x)", ""])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ODataError):
        found(text)


def test_errors_name_the_property_and_the_types() -> None:
    with pytest.raises(UnknownProperty, match=r"'colour' on type 'place'"):
        found("colour eq 'red'")
    with pytest.raises(IncompatibleTypes, match=r"'Edm.String' and 'Edm.Int32' for operator kind 'Equal'"):
        found("name eq 5")
    with pytest.raises(IncompatibleTypes):
        found("name eq size")
    with pytest.raises(FilterSyntaxError):
        found("name eq 2020-13-45T00:00:00Z")


def test_select_and_orderby() -> None:
    assert parse_select("name, city,,name,") == ["name", "city"]
    assert parse_orderby("name desc,a/b,city asc") == [
        OrderTerm(("name",), descending=True),
        OrderTerm(("a", "b")),
        OrderTerm(("city",)),
    ]
    with pytest.raises(ODataError):
        parse_orderby("name upwards")


def test_expand_with_options_inside_options() -> None:
    assert parse_expand("a($select=x,y;$expand=b($top=1);$filter=n eq 'a;('),c/$ref,d") == [
        Expansion("a", {"$select": "x,y", "$expand": "b($top=1)", "$filter": "n eq 'a;('"}),
        Expansion("c", reference=True),
        Expansion("d"),
    ]
    for wrong in ("a($select=x", "a($select)", "a)"):
        with pytest.raises(ODataError):
            parse_expand(wrong)


def test_keys() -> None:
    guid = "3ADBF27C-8EFB-E511-80D2-00155DB07C77"
    assert parse_key(guid) == guid.lower()
    assert parse_key("'O''Hara'") == "O'Hara"
    assert parse_key("name='a,b=(c)',size=-5,rate=1.50") == {"name": "a,b=(c)", "size": -5, "rate": Decimal("1.50")}
    assert parse_key(f"accountid={guid}") == {"accountid": guid.lower()}
    for wrong in ("", "x", "a='b',c", "'open"):
        with pytest.raises(ODataError):
            parse_key(wrong)
