"""Two filters are disjoint only where it is certain that no record satisfies both."""

from datetime import date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinrow.batch.columns import column_type
from twinrow.batch.filters import filter_expression
from twinrow.model.disjoint import disjoint
from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch, parse_filter
from twinrow.model.tables import Field, FieldType, Table


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("customertypecode eq 3", "customertypecode eq 11"),
        ("statecode eq 0 and customertypecode eq 3", "customertypecode eq 11 and name ne 'x'"),
        ("type in (1, 2)", "type in (3, 4)"),
        ("type in (1, 2)", "type eq 3"),
        ("type eq 3", "type ne 3"),
        ("type eq 3", "not (type eq 3)"),
        ("not (type in (1, 2))", "type in (1, 2)"),
        ("type eq 1 or type eq 2", "type eq 3 or type eq 4"),
        ("not (type ne 1 and name eq 'x')", "type eq 2 and name eq 'x'"),
        ("onhold", "not onhold"),
        ("onhold eq true", "onhold eq false"),
        ("company eq null", "company ne null"),
        ("company eq null", "company eq 'A'"),
        ("name eq ''", "name ne ''"),
        ("name eq 'A'", "name eq 'B'"),
        ("startswith(name, 'A')", "startswith(name, 'B')"),
        ("name eq 'Adams'", "startswith(name, 'B')"),
        ("name eq 'Adams'", "contains(name, 'x')"),
        ("name eq 'Adams'", "endswith(name, 'x')"),
        ("credit lt 10", "credit ge 10"),
        ("credit le 10", "credit gt 10"),
        ("credit lt 10", "credit gt 10.5"),
        ("credit eq 10", "credit gt 10.0"),
        ("founded lt 2024-01-01", "founded ge 2024-01-01"),
        ("modified lt 2024-01-01T00:00:00Z", "modified eq 2024-01-01T02:00:00+02:00"),
    ],
)
def test_filters_that_exclude_each_other(first: str, second: str) -> None:
    assert disjoint(parse_filter(first), parse_filter(second))
    assert disjoint(parse_filter(second), parse_filter(first))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", "type eq 3"),
        ("type eq 3", "type eq 3"),
        ("type eq 3", "state eq 4"),
        ("type eq 3 or state eq 1", "type eq 4"),
        ("type in (1, 2)", "type in (2, 3)"),
        ("type in (1, 2)", "type ne 1"),
        ("credit le 10", "credit ge 10"),
        ("credit eq 10", "credit eq 10.0"),
        ("name eq null", "name eq ''"),
        ("name eq null", "name ne ''"),
        ("name eq 'a'", "name eq 'A'"),
        ("name eq 'a'", "name ne 'A'"),
        ("name eq 'a'", "name eq 'a '"),
        ("name eq 'abc'", "startswith(name, 'ABC ')"),
        ("name eq 'abc '", "endswith(name, 'C')"),
        ("name lt 'a'", "name gt 'b'"),
        ("startswith(name, 'A')", "startswith(name, 'ab')"),
        ("startswith(name, 'A')", "contains(name, 'B')"),
        ("not startswith(name, 'A')", "name eq 'Adams'"),
        ("founded eq 2024-01-01", "founded eq 2024-01-01T00:00:00Z"),
    ],
)
def test_filters_that_may_meet_in_one_record(first: str, second: str) -> None:
    assert not disjoint(parse_filter(first), parse_filter(second))
    assert not disjoint(parse_filter(second), parse_filter(first))


def test_no_filter_meets_every_filter() -> None:
    assert not disjoint(None, None)
    assert not disjoint(parse_filter("type eq 3"), None)


TEXTS = ["", " ", "a", "A", "ab", "abc", "b", "a "]
NUMBERS = [-1, 0, 1, 2]
DAYS = [date(2024, 1, 1), date(2024, 1, 2)]
INSTANTS = [datetime(2024, 1, day, tzinfo=timezone(timedelta())) for day in (1, 2)]
TABLE = Table(
    "records",
    "id",
    {
        "text": Field("text", FieldType.TEXT),
        "one_blank": Field("one_blank", FieldType.TEXT, nullable=False),
        "number": Field("number", FieldType.INTEGER),
        "flag": Field("flag", FieldType.BOOLEAN),
        "day": Field("day", FieldType.DATE),
        "instant": Field("instant", FieldType.DATETIME),
    },
)
RECORDS = pl.DataFrame(
    [
        {"text": text, "one_blank": text or "", "number": number, "flag": flag, "day": day, "instant": instant}
        for text in (None, *TEXTS)
        for number in (None, *NUMBERS)
        for flag in (None, True, False)
        for day, instant in zip((None, *DAYS), (None, *INSTANTS), strict=True)
    ],
    schema={name: column_type(field) for name, field in TABLE.fields.items()},
)


def leaves() -> st.SearchStrategy[Filter]:
    def comparisons(field: str, values: list[object]) -> st.SearchStrategy[Filter]:
        value = st.sampled_from([None, *values])
        return st.one_of(
            st.builds(Comparison, st.just(field), st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]), value),
            st.builds(Comparison, st.just(field), st.just("in"), st.lists(value, min_size=1, max_size=3).map(tuple)),
        )

    functions = st.sampled_from(["contains", "startswith", "endswith"])
    return st.one_of(
        comparisons("text", list(TEXTS)),
        comparisons("one_blank", list(TEXTS)),
        comparisons("number", list(NUMBERS)),
        comparisons("flag", [True, False]),
        comparisons("day", list(DAYS)),
        comparisons("instant", list(INSTANTS)),
        st.builds(TextMatch, functions, st.sampled_from(["text", "one_blank"]), st.sampled_from(TEXTS)),
    )


def filters() -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(Not, inner),
        ),
        max_leaves=4,
    )


@settings(deadline=None, derandomize=True)
@given(filters(), filters())
def test_no_record_ever_satisfies_two_disjoint_filters(first: Filter, second: Filter) -> None:
    both = RECORDS.filter(filter_expression(first, TABLE) & filter_expression(second, TABLE))
    if disjoint(first, second):
        assert both.is_empty()
