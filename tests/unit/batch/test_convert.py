"""Values of one field in the terms of another, with what cannot be carried and what is lost told for each record."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinrow.batch.canonical import canonical
from twinrow.batch.columns import column_type
from twinrow.batch.convert import comparable, convert
from twinrow.model.tables import Field, FieldType, Option

GUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def field(kind: FieldType, **given: Any) -> Field:
    return Field("value", kind, **given)


def carried(values: list[Any], source: Field, destination: Field) -> pl.DataFrame:
    frame = pl.DataFrame({"value": pl.Series(values, dtype=column_type(source))})
    result = convert(pl.col("value"), source, destination)
    made = frame.select(result.value.alias("value"), result.error.alias("error"), result.lost.alias("lost"))
    assert made.schema == {"value": column_type(destination), "error": pl.String(), "lost": pl.Boolean()}
    assert made.height == len(values)
    return made


@pytest.mark.parametrize(
    ("value", "source", "destination", "wanted"),
    [
        ("Ann", FieldType.TEXT, FieldType.TEXT, "Ann"),
        (" de ", FieldType.TEXT, FieldType.CODE, "DE"),
        ("DE", FieldType.CODE, FieldType.TEXT, "DE"),
        ("5", FieldType.TEXT, FieldType.INTEGER, 5),
        (" 1.5 ", FieldType.TEXT, FieldType.DECIMAL, Decimal("1.5")),
        ("1e3", FieldType.TEXT, FieldType.FLOAT, 1000.0),
        ("TRUE", FieldType.TEXT, FieldType.BOOLEAN, True),
        ("no", FieldType.TEXT, FieldType.BOOLEAN, False),
        ("0", FieldType.TEXT, FieldType.BOOLEAN, False),
        ("2024-02-29", FieldType.TEXT, FieldType.DATE, date(2024, 2, 29)),
        ("2024-02-29T12:00:00+02:00", FieldType.TEXT, FieldType.DATETIME, datetime(2024, 2, 29, 10, tzinfo=UTC)),
        (GUID.upper(), FieldType.TEXT, FieldType.GUID, GUID),
        (GUID, FieldType.GUID, FieldType.REFERENCE, GUID),
        (5, FieldType.INTEGER, FieldType.TEXT, "5"),
        (5, FieldType.INTEGER, FieldType.DECIMAL, Decimal(5)),
        (1, FieldType.INTEGER, FieldType.BOOLEAN, True),
        (3, FieldType.OPTION, FieldType.INTEGER, 3),
        (Decimal("1.50"), FieldType.DECIMAL, FieldType.TEXT, "1.5"),
        (Decimal("100"), FieldType.DECIMAL, FieldType.TEXT, "100"),
        (Decimal("7.0"), FieldType.DECIMAL, FieldType.INTEGER, 7),
        (0.5, FieldType.FLOAT, FieldType.DECIMAL, Decimal("0.5")),
        (1.0, FieldType.FLOAT, FieldType.BOOLEAN, True),
        (True, FieldType.BOOLEAN, FieldType.TEXT, "true"),
        (True, FieldType.BOOLEAN, FieldType.INTEGER, 1),
        (True, FieldType.BOOLEAN, FieldType.DECIMAL, Decimal(1)),
        (date(2024, 2, 29), FieldType.DATE, FieldType.DATETIME, datetime(2024, 2, 29, tzinfo=UTC)),
        (date(2024, 2, 29), FieldType.DATE, FieldType.TEXT, "2024-02-29"),
        (datetime(2024, 2, 29, tzinfo=UTC), FieldType.DATETIME, FieldType.DATE, date(2024, 2, 29)),
        (datetime(2024, 2, 29, 10, tzinfo=UTC), FieldType.DATETIME, FieldType.TEXT, "2024-02-29T10:00:00Z"),
        ("Ship", FieldType.ENUM, FieldType.TEXT, "Ship"),
    ],
)
def test_values_that_can_be_carried(value: Any, source: FieldType, destination: FieldType, wanted: Any) -> None:
    assert carried([value], field(source), field(destination)).rows() == [(wanted, None, False)]


@pytest.mark.parametrize(
    ("value", "source", "destination"),
    [
        ("five", FieldType.TEXT, FieldType.INTEGER),
        ("1.5", FieldType.TEXT, FieldType.INTEGER),
        ("1,5", FieldType.TEXT, FieldType.DECIMAL),
        ("perhaps", FieldType.TEXT, FieldType.BOOLEAN),
        ("2024-02-30", FieldType.TEXT, FieldType.DATE),
        ("29.02.2024", FieldType.TEXT, FieldType.DATETIME),
        ("C00010", FieldType.TEXT, FieldType.GUID),
        (5, FieldType.INTEGER, FieldType.BOOLEAN),
        (5, FieldType.INTEGER, FieldType.DATE),
        (Decimal("1.5"), FieldType.DECIMAL, FieldType.INTEGER),
        (float("nan"), FieldType.FLOAT, FieldType.DECIMAL),
        (1e300, FieldType.FLOAT, FieldType.DECIMAL),
        (True, FieldType.BOOLEAN, FieldType.DATETIME),
        (date(2024, 2, 29), FieldType.DATE, FieldType.INTEGER),
    ],
)
def test_a_value_that_cannot_be_carried_is_told_and_stops_no_other(
    value: Any, source: FieldType, destination: FieldType
) -> None:
    made = carried([value, None], field(source), field(destination))
    assert made["value"].to_list() == [None, None]
    assert made["error"][0].startswith("the value ")
    assert made["error"][0].endswith(f"cannot be carried into a field of type {destination}")
    assert made["error"][1] is None


@pytest.mark.parametrize("source", list(FieldType))
@pytest.mark.parametrize("destination", list(FieldType))
def test_null_is_carried_between_all_types(source: FieldType, destination: FieldType) -> None:
    made = carried([None], field(source), field(destination))
    assert made.rows() == [(None, None, False)]


@pytest.mark.parametrize("destination", [FieldType.INTEGER, FieldType.DATE, FieldType.GUID, FieldType.DECIMAL])
def test_a_blank_text_is_no_value(destination: FieldType) -> None:
    assert carried(["", " "], field(FieldType.TEXT), field(destination))["value"].to_list() == [None, None]
    assert carried(["", " "], field(FieldType.TEXT), field(destination))["error"].null_count() == 2


def test_text_is_cut_to_the_length_of_the_destination() -> None:
    made = carried(["Ann", "Große Kunst GmbH", None], field(FieldType.TEXT), field(FieldType.TEXT, max_length=5))
    assert made.rows() == [("Ann", None, False), ("Große", None, True), (None, None, False)]


def test_text_is_not_measured_where_it_cannot_be_too_long() -> None:
    source, destination = field(FieldType.TEXT, max_length=5), field(FieldType.TEXT, max_length=5)
    assert carried(["Ann"], source, destination).rows() == [("Ann", None, False)]


def test_a_code_is_upper_case_without_outer_blanks_even_where_it_is_cut() -> None:
    destination = field(FieldType.CODE, max_length=4)
    made = carried(["  abcdef ", "abc def", "straß", "ab  "], field(FieldType.TEXT), destination)
    assert made.rows() == [("ABCD", None, True), ("ABC", None, True), ("STRA", None, True), ("AB", None, False)]
    same_length = carried(["daß4"], field(FieldType.TEXT, max_length=4), destination)
    assert same_length.rows() == [("DASS", None, True)]


def test_decimals_are_rounded_half_away_from_zero() -> None:
    source, destination = field(FieldType.DECIMAL, scale=5), field(FieldType.DECIMAL, scale=2)
    values = [Decimal("1.00500"), Decimal("-1.00500"), Decimal("1.00499"), Decimal("1.01000")]
    assert carried(values, source, destination).rows() == [
        (Decimal("1.01"), None, True),
        (Decimal("-1.01"), None, True),
        (Decimal("1.00"), None, True),
        (Decimal("1.01"), None, False),
    ]
    texts = carried(["1.005", "-1.005", "1.004", "1.01"], field(FieldType.TEXT), destination)
    assert texts["value"].to_list() == [Decimal("1.01"), Decimal("-1.01"), Decimal("1.00"), Decimal("1.01")]
    assert texts["lost"].to_list() == [True, True, True, False]
    floats = carried([1.005, 0.1], field(FieldType.FLOAT), destination)
    assert floats["value"].to_list() == [Decimal("1.01"), Decimal("0.10")]


def test_decimals_of_twenty_digits_stay_exact() -> None:
    value = Decimal("12345678901234567890.12")
    scale = field(FieldType.DECIMAL, scale=2)
    assert carried([value], scale, scale)["value"].to_list() == [value]
    assert carried([str(value)], field(FieldType.TEXT), scale)["value"].to_list() == [value]
    assert carried([value], scale, field(FieldType.TEXT))["value"].to_list() == [str(value)]
    whole = field(FieldType.DECIMAL, scale=0)
    assert carried([Decimal(10) ** 37], whole, whole)["value"].to_list() == [Decimal(10) ** 37]


def test_the_time_of_day_falls_away_in_a_date() -> None:
    values = [datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, tzinfo=UTC)]
    made = carried(values, field(FieldType.DATETIME), field(FieldType.DATE))
    assert made["lost"].to_list() == [False, True]


def test_null_and_blank_follow_what_the_destination_knows() -> None:
    source = field(FieldType.TEXT)
    assert carried([None, ""], source, field(FieldType.TEXT))["value"].to_list() == [None, ""]
    assert carried([None, ""], source, field(FieldType.TEXT, nullable=False))["value"].to_list() == ["", ""]
    assert carried([None, ""], source, field(FieldType.TEXT, empty_text=False))["value"].to_list() == [None, None]


def test_a_number_outside_the_range_is_told() -> None:
    destination = field(FieldType.DECIMAL, scale=2, minimum=0, maximum=100)
    made = carried([-1, 0, 100, 101], field(FieldType.INTEGER), destination)
    assert made["error"].to_list() == [
        "the value is below the minimum of 0",
        None,
        None,
        "the value is above the maximum of 100",
    ]


def test_a_choice_takes_its_options_only() -> None:
    option = field(FieldType.OPTION, options=(Option(0, "Active"), Option(1, "Inactive")))
    made = carried([0, 7, None], field(FieldType.INTEGER), option)
    assert made["error"].to_list() == [None, "the choice has no option 7", None]
    enum = field(FieldType.ENUM, options=(Option("Ship", "Ship"),))
    assert carried(["Ship", "Sail"], field(FieldType.TEXT), enum)["error"].to_list() == [
        None,
        "the choice has no option Sail",
    ]


def compared(values: list[Any], own: Field, counterpart: Field) -> list[str | None]:
    frame = pl.DataFrame({"value": pl.Series(values, dtype=column_type(own))})
    return frame.select(comparable(canonical(pl.col("value"), own), own, counterpart)).to_series().to_list()


def test_texts_are_compared_up_to_the_shorter_length() -> None:
    long, short = field(FieldType.TEXT, max_length=160), field(FieldType.TEXT, max_length=5)
    assert compared(["abcdefgh"], long, short) == ["abcde"]
    assert compared(["abcde"], short, long) == ["abcde"]


def test_codes_are_compared_trimmed_and_in_upper_case() -> None:
    text, code = field(FieldType.TEXT), field(FieldType.CODE, max_length=4)
    assert compared(["  abcdef", "abc d"], text, code) == ["ABCD", "ABC"]
    assert compared(["DE"], code, text) == ["DE"]


def test_texts_of_two_crm_systems_are_compared_as_they_are() -> None:
    text = field(FieldType.TEXT, max_length=10)
    assert compared(["De", "de "], text, text) == ["De", "de "]


def test_null_equals_blank_only_where_a_side_cannot_tell() -> None:
    both, blank_only = field(FieldType.TEXT), field(FieldType.TEXT, nullable=False)
    assert len(set(compared([None, ""], both, both))) == 2
    assert len(set(compared([None, ""], both, blank_only))) == 1
    assert compared([""], blank_only, both) == compared([None], both, blank_only)


def test_decimals_are_compared_in_the_smaller_number_of_decimals() -> None:
    fine, coarse = field(FieldType.DECIMAL, scale=5), field(FieldType.DECIMAL, scale=2)
    assert compared([Decimal("1.00500"), None], fine, coarse) == compared([Decimal("1.01"), None], coarse, fine)
    assert compared([Decimal("1.00500")], fine, fine) == ["1.005"]


TEXT_FIELDS = st.builds(
    Field,
    st.just("value"),
    st.sampled_from([FieldType.TEXT, FieldType.CODE]),
    max_length=st.sampled_from([None, 1, 3, 5]),
    nullable=st.booleans(),
)
DECIMAL_FIELDS = st.builds(Field, st.just("value"), st.just(FieldType.DECIMAL), scale=st.sampled_from([None, 0, 2, 5]))


@settings(deadline=None, derandomize=True)
@given(TEXT_FIELDS, TEXT_FIELDS, st.none() | st.text(alphabet="abßA 1é", max_size=7))
def test_a_text_that_was_carried_compares_equal_to_its_source(
    source: Field, destination: Field, value: str | None
) -> None:
    # What the source's system would hold: its own length, its own blank, its own case.
    held = carried([value], field(FieldType.TEXT), source)["value"].to_list()
    arrived = carried(held, source, destination)["value"].to_list()
    assert compared(arrived, destination, source) == compared(held, source, destination)


@settings(deadline=None, derandomize=True)
@given(DECIMAL_FIELDS, DECIMAL_FIELDS, st.none() | st.decimals(-1000, 1000, places=5))
def test_a_decimal_that_was_carried_compares_equal_to_its_source(
    source: Field, destination: Field, value: Decimal | None
) -> None:
    held = carried([value], field(FieldType.DECIMAL, scale=5), source)["value"].to_list()
    arrived = carried(held, source, destination)["value"].to_list()
    assert compared(arrived, destination, source) == compared(held, source, destination)
