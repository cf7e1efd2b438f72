"""Filters on a batch: the same condition that a system is asked, so that neither loses a record that the other sees."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from twinrow.batch.columns import column_type
from twinrow.batch.filters import filter_expression
from twinrow.model.errors import UnknownField
from twinrow.model.filters import Comparison, Filter, parse_filter
from twinrow.model.tables import Field, FieldType, Table

TABLE = Table(
    "customers",
    "no",
    {
        field.name: field
        for field in (
            Field("no", FieldType.CODE),
            Field("name", FieldType.TEXT),
            Field("city", FieldType.TEXT, nullable=False),
            Field("phone", FieldType.TEXT, empty_text=False),
            Field("blocked", FieldType.ENUM, nullable=False),
            Field("state", FieldType.OPTION),
            Field("limit", FieldType.DECIMAL, scale=2),
            Field("score", FieldType.FLOAT),
            Field("vip", FieldType.BOOLEAN),
            Field("since", FieldType.DATE),
            Field("seen", FieldType.DATETIME),
        )
    },
)
RECORDS = pl.DataFrame(
    [
        {
            "no": "1",
            "name": "Adams",
            "city": "Oslo",
            "phone": "1 22",
            "blocked": " ",
            "state": 0,
            "limit": Decimal("10.00"),
            "score": 0.5,
            "vip": True,
            "since": date(2024, 1, 1),
            "seen": datetime(2024, 1, 1, tzinfo=UTC),
        },
        {
            "no": "2",
            "name": "BENT ",
            "city": "",
            "phone": None,
            "blocked": "Ship",
            "state": 1,
            "limit": Decimal("10.01"),
            "score": 1.5,
            "vip": False,
            "since": date(2024, 6, 1),
            "seen": datetime(2024, 6, 1, 12, 30, tzinfo=UTC),
        },
        {"no": "3", "name": None, "city": "", "blocked": "All"},
        {"no": "4", "name": "", "city": "Ås", "phone": "50% (x)", "blocked": " ", "state": 2},
    ],
    schema={name: column_type(field) for name, field in TABLE.fields.items()},
)


def parsed(text: str) -> Filter:
    condition = parse_filter(text)
    assert condition is not None
    return condition


def found(text: str) -> str:
    matches = RECORDS.select("no", filter_expression(parsed(text), TABLE).alias("matches"))
    assert matches["matches"].null_count() == 0
    return "".join(matches.filter("matches")["no"])


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("name eq 'adams'", "1"),
        ("name eq 'Bent'", "2"),
        ("name ne 'Adams'", "234"),
        ("name eq ''", "4"),
        ("name eq null", "3"),
        ("name ne null", "124"),
        ("name gt 'B'", "2"),
        ("name ge 'adams' and name lt 'b'", "1"),
        ("name in ('ADAMS', 'bent')", "12"),
        ("name in ('x', null)", "3"),
        ("contains(name, 'DAM')", "1"),
        ("startswith(name, 'b')", "2"),
        ("endswith(city, 'LO')", "1"),
        ("contains(phone, '% (')", "4"),
        ("city eq 'ås'", "4"),
        ("blocked eq ' '", "14"),
        ("blocked eq ''", "14"),
        ("blocked ne ' '", "23"),
        ("state eq 0", "1"),
        ("state ne 0", "234"),
        ("state in (1, 2)", "24"),
        ("state gt 0", "24"),
        ("limit ge 10.01", "2"),
        ("limit eq 10", "1"),
        ("limit eq 10.005", ""),
        ("limit gt 10.005", "2"),
        ("limit lt 10.005", "1"),
        ("score le 0.5", "1"),
        ("vip", "1"),
        ("not vip", "234"),
        ("vip eq false", "2"),
        ("since ge 2024-06-01", "2"),
        ("seen lt 2024-06-01T14:30:00+02:00", "1"),
        ("seen ge 2024-06-01T12:30:00Z", "2"),
        ("seen eq 2024-01-01", "1"),
        ("state eq 0 or state eq 1 and vip eq false", "12"),
        ("(state eq 0 or state eq 1) and vip eq false", "2"),
        ("not (state eq 0 and vip)", "234"),
        ("state gt null", ""),
    ],
)
def test_which_records_satisfy_a_filter(text: str, records: str) -> None:
    assert found(text) == records


def test_a_field_that_knows_only_one_blank_takes_both_for_it() -> None:
    assert found("phone eq ''") == "23"
    assert found("city eq ''") == "23"


def test_columns_may_have_other_names() -> None:
    renamed = RECORDS.rename({name: f"source.{name}" for name in RECORDS.columns})
    condition = parsed("state eq 0 and contains(name, 'a')")
    expression = filter_expression(condition, TABLE, lambda name: f"source.{name}")
    assert renamed.filter(expression)["source.no"].to_list() == ["1"]


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(UnknownField, match="Did you mean name"):
        filter_expression(parsed("nmae eq 'A'"), TABLE)


def test_thousands_of_keys_are_one_comparison() -> None:
    keys = tuple(f"key {number} " for number in range(20_000))
    records = pl.DataFrame({"name": [None, "", "KEY 7", "key 19999", "key 20000"]})
    found = records.filter(filter_expression(Comparison("name", "in", (*keys, None)), TABLE))
    assert found.get_column("name").to_list() == [None, "KEY 7", "key 19999"]
