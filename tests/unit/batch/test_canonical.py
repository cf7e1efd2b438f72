"""Canonical texts: equal values have equal texts, different values different ones, and each text gives its value back."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinrow.batch.canonical import NULL, canonical, pack, restore, unpack
from twinrow.batch.columns import column_type
from twinrow.model.tables import Field, FieldType

FIELDS = {kind: Field("value", kind, scale=5 if kind is FieldType.DECIMAL else None) for kind in FieldType}
CONTROL = "\x00\x01\x02\x03\x1b\x1f"


def texts_of(values: list[Any], field: Field) -> list[str | None]:
    frame = pl.DataFrame({"value": pl.Series(values, dtype=column_type(field))})
    return frame.select(canonical(pl.col("value"), field)).to_series().to_list()


def values_of(texts: list[str | None], field: Field) -> list[Any]:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    restored = frame.select(restore(pl.col("text"), field).alias("value"))
    assert restored.schema["value"] == column_type(field)
    return restored.to_series().to_list()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (FieldType.TEXT, "Größe 🎉", "Größe 🎉"),
        (FieldType.TEXT, "", ""),
        (FieldType.CODE, "A-1", "A-1"),
        (FieldType.INTEGER, -7, "-7"),
        (FieldType.OPTION, 100000001, "100000001"),
        (FieldType.DECIMAL, Decimal("1.50000"), "1.5"),
        (FieldType.DECIMAL, Decimal("100.00000"), "100"),
        (FieldType.DECIMAL, Decimal("0.00000"), "0"),
        (FieldType.DECIMAL, Decimal("-0.00001"), "-0.00001"),
        (FieldType.DECIMAL, Decimal("99999999999999999999.12345"), "99999999999999999999.12345"),
        (FieldType.FLOAT, 0.1, "0.1"),
        (FieldType.FLOAT, -0.0, "0.0"),
        (FieldType.BOOLEAN, True, "true"),
        (FieldType.DATE, date(2024, 2, 29), "2024-02-29"),
        (FieldType.DATE, date(1, 1, 1), "0001-01-01"),
        (FieldType.DATETIME, datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), "1000005"),
    ],
)
def test_the_text_of_a_value_and_the_way_back(kind: FieldType, value: Any, text: str) -> None:
    field = FIELDS[kind]
    assert texts_of([value], field) == [text]
    assert values_of([text], field) == [value]


@pytest.mark.parametrize("kind", list(FieldType))
def test_null_has_a_text_of_its_own_and_the_unknown_has_none(kind: FieldType) -> None:
    assert texts_of([None], FIELDS[kind]) == [NULL]
    assert values_of([NULL, None], FIELDS[kind]) == [None, None]


def test_zero_has_one_text_whatever_its_sign() -> None:
    assert texts_of([-0.0, 0.0, -0.5], FIELDS[FieldType.FLOAT]) == ["0.0", "0.0", "-0.5"]


def test_null_and_the_blank_text_differ() -> None:
    assert texts_of([None, ""], FIELDS[FieldType.TEXT]) == [NULL, ""]


def test_decimals_without_decimal_places_keep_their_zeros() -> None:
    field = Field("value", FieldType.DECIMAL, scale=0)
    assert texts_of([Decimal(100)], field) == ["100"]


def test_equal_decimals_have_equal_texts_whatever_the_scale() -> None:
    narrow, wide = Field("value", FieldType.DECIMAL, scale=2), Field("value", FieldType.DECIMAL, scale=5)
    assert texts_of([Decimal("1.50")], narrow) == texts_of([Decimal("1.50000")], wide)


def test_control_characters_come_through() -> None:
    values = [*CONTROL, CONTROL, "\x1b0", "\x1b1", "\x1b\x1b", "a\x1fb", "\x010", ""]
    texts = texts_of(values, FIELDS[FieldType.TEXT])
    assert len(set(texts)) == len(values)
    assert NULL not in texts
    assert values_of(texts, FIELDS[FieldType.TEXT]) == values


VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: st.text(max_size=8) | st.text(alphabet=CONTROL + "01234a", max_size=8),
    FieldType.CODE: st.text(alphabet="ABC -1", max_size=8),
    FieldType.GUID: st.uuids().map(str),
    FieldType.REFERENCE: st.uuids().map(str) | st.integers().map(str),
    FieldType.ENUM: st.sampled_from([" ", "Ship", "All"]),
    FieldType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    FieldType.OPTION: st.integers(0, 2**31),
    FieldType.DECIMAL: st.decimals(-(10**20), 10**20, places=5),
    FieldType.FLOAT: st.floats(allow_nan=False),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.dates(),
    FieldType.DATETIME: st.datetimes(timezones=st.just(UTC)),
}


@settings(deadline=None, derandomize=True)
@given(
    st.sampled_from(list(FieldType)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(VALUES[kind] | st.none())))
)
def test_every_value_comes_back(case: tuple[FieldType, list[Any]]) -> None:
    kind, values = case
    assert values_of(texts_of(values, FIELDS[kind]), FIELDS[kind]) == values


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(list(FieldType)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind], VALUES[kind])))
def test_two_texts_are_equal_exactly_when_the_values_are(case: tuple[FieldType, Any, Any]) -> None:
    kind, one, other = case
    first, second = texts_of([one, other], FIELDS[kind])
    assert (first == second) == (one == other)


def test_a_record_is_packed_into_one_text() -> None:
    frame = pl.DataFrame({"a": ["1", NULL, None], "b": ["x\x1b1y", "", "z"]})
    packed = frame.select(pack(["a", "b"]).alias("base"))
    assert packed["base"].null_count() == 0
    assert unpack(packed, "base", ["a", "b"]).equals(frame)


def test_without_a_base_everything_is_unknown() -> None:
    frame = pl.DataFrame({"id": [1], "base": pl.Series([None], dtype=pl.String)})
    assert unpack(frame, "base", ["a", "b"]).rows() == [(1, None, None)]


def test_one_field_is_packed_like_many() -> None:
    frame = pl.DataFrame({"a": ["1", None]})
    assert unpack(frame.select(pack(["a"]).alias("base")), "base", ["a"]).equals(frame)


def test_what_is_the_same_on_the_other_side_takes_one_character() -> None:
    frame = pl.DataFrame({"a": ["long text", "long text", None, "x"], "other": ["long text", "text", None, None]})
    packed = frame.select("other", pack(["a"], same_as=["other"]).alias("base"))
    assert packed["base"].str.len_chars().to_list()[0] == 1
    restored = unpack(packed, "base", ["a"], same_as=["other"])
    assert restored["a"].to_list() == frame["a"].to_list()


CANONICAL_TEXT = (
    st.none() | st.just(NULL) | VALUES[FieldType.TEXT].map(lambda value: texts_of([value], FIELDS[FieldType.TEXT])[0])
)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(CANONICAL_TEXT, CANONICAL_TEXT, CANONICAL_TEXT), min_size=1))
def test_every_packed_record_comes_back(rows: list[tuple[str | None, ...]]) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String, "other": pl.String}, orient="row")
    alone = unpack(frame.select("other", pack(["a", "b"]).alias("base")), "base", ["a", "b"])
    assert alone.select("a", "b", "other").equals(frame)
    beside = frame.select("other", pack(["a", "b"], same_as=["other", "other"]).alias("base"))
    assert unpack(beside, "base", ["a", "b"], same_as=["other", "other"]).select("a", "b", "other").equals(frame)
