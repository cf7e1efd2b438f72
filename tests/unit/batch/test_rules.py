"""Transformation rules on a column: texts in, texts out, one after the other."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from twinrow.batch.rules import (
    CustomFunction,
    RuleInputs,
    apply_rules,
    rule_problem,
    transform_values,
    works_by_value,
)
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.rules import PREDEFINED, AnyRule, Prefix, TransformationRule, rule_chain

RULES: dict[str, AnyRule] = {"NUMBER": Prefix(code="NUMBER", text="C-")}
_RULE: TypeAdapter[AnyRule] = TypeAdapter(TransformationRule)


def rule(type: str, **given: Any) -> AnyRule:
    return _RULE.validate_python({"type": type, "code": "RULE"} | given)


def made(
    values: list[str | None], *chain: AnyRule, inputs: RuleInputs | None = None
) -> dict[str | None, tuple[str | None, str | None, bool]]:
    """Return for each value the result, the error, and whether information was lost; both ways of working must agree."""
    texts = pl.Series(values, dtype=pl.String)
    frame = transform_values(texts, chain, inputs)
    found = {value: (result, error, lost) for value, result, error, lost in frame.rows()}
    if not works_by_value(chain):
        after = apply_rules(pl.col("value"), chain, inputs)
        columns = frame.select("value", after.value.alias("r"), after.error.alias("e"), after.lost.alias("l"))
        assert all(found[value][0] == result or found[value][1] for value, result, _, _ in columns.rows())
        assert all(found[value][1] == error for value, _, error, _ in columns.rows())
    return found


def result(value: str | None, *chain: AnyRule, inputs: RuleInputs | None = None) -> str | None:
    found, error, _ = made([value], *chain, inputs=inputs)[value]
    assert error is None
    return found


def by_codes(value: str, *codes: str) -> str | None:
    return result(value, *rule_chain(codes, RULES))


@pytest.mark.parametrize(
    ("codes", "value", "expected"),
    [
        (["UPPERCASE"], "ærø 1", "ÆRØ 1"),
        (["LOWERCASE"], "ANN@X.COM", "ann@x.com"),
        (["TRIM"], " \ta b\n", "a b"),
        (["TITLECASE"], "ann o'hara of 3rd avenue", "Ann O'hara Of 3rd Avenue"),
        (["TITLECASE"], "IBM deutschland", "IBM Deutschland"),
        (["FOURTH_TO_SIXTH_CHAR"], "ABCDEFGH", "DEF"),
        (["FOURTH_TO_SIXTH_CHAR"], "ABCDE", "DE"),
        (["FOURTH_TO_SIXTH_CHAR"], "AB", ""),
        (["ALPHANUMERIC_ONLY"], "+45 (12) 34-ab_é日", "451234abé日"),
        (["YYYYMMDD_DATE"], "20240131", "2024-01-31"),
        (["YYYYMMDD_DATE"], "20240231", "20240231"),
        (["YYYYMMDDHHMMSS_FMT"], "20240131104559", "2024-01-31T10:45:59Z"),
        (["US_DATE_FORMAT"], "1/31/2024", "2024-01-31"),
        (["US_DATETIME_FORMAT"], "1/31/2024 5:06 PM", "2024-01-31T17:06:00Z"),
        (["DK_DECIMAL_FORMAT"], "1.234,50", "1234.5"),
        (["UNIXTIMESTAMP"], "1706695200", "2024-01-31T10:00:00Z"),
        (["UNIXTIMESTAMP"], "soon", ""),
        (["DELETE_NOTPROVIDED"], "Ref NotProvided!", "Ref !"),
        (["NUMBER"], "10", "C-10"),
        (["TRIM", "LOWERCASE", "NUMBER"], " Ab ", "C-ab"),
        (["NUMBER", "LOWERCASE"], "Ab", "c-ab"),
        (["TITLECASE", "NUMBER"], "ab cd", "C-Ab Cd"),
        ([], " As it is ", " As it is "),
    ],
)
def test_what_a_chain_of_rules_makes_of_a_value(codes: list[str], value: str, expected: str) -> None:
    assert by_codes(value, *codes) == expected


@pytest.mark.parametrize("code", [rule.code for rule in PREDEFINED] + ["NUMBER"])
def test_null_and_blank_stay_what_they_are(code: str) -> None:
    (one,) = rule_chain([code], RULES)
    assert made([None, ""], one) == {None: (None, None, False), "": ("", None, False)}


SUBSTRINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"start_position": 2}, "abc", "bc"),
    ({"start_position": 2, "length": 1}, "a😀c", "😀"),
    ({"length": 2}, "abc", "ab"),
    ({"starting_text": "-"}, "12-34-56", "34-56"),
    ({"starting_text": "-", "ending_text": "-"}, "12-34-56", "34"),
    ({"starting_text": "-", "ending_text": "-"}, "12-34", ""),
    ({"starting_text": "/", "length": 3}, "12-34", ""),
    ({"starting_text": "' no. '"}, "Order no. 17", "17"),
    ({"ending_text": "@"}, "ann@contoso.com", "ann"),
    ({"start_position": 3, "ending_text": ";"}, "1;34;6", "34"),
]


@pytest.mark.parametrize(("given", "value", "expected"), SUBSTRINGS)
def test_parts_of_a_text_between_positions_and_texts(given: dict[str, Any], value: str, expected: str) -> None:
    assert result(value, rule("substring", **given)) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs a beginning or an end"),
        ({"start_position": 1, "starting_text": "a"}, "exclude each other"),
        ({"length": 1, "ending_text": "a"}, "exclude each other"),
    ],
)
def test_a_substring_says_where_it_begins_or_ends_once(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rule("substring", **given)


@pytest.mark.parametrize(
    ("given", "value", "expected"),
    [
        ({"type": "replace", "find": "a", "replacement": "$1"}, "aAa", "$1A$1"),
        ({"type": "replace", "find": "."}, "1.2.3", "123"),
        ({"type": "regex_replace", "pattern": r"(\w+) (\w+)", "replacement": "$2, $1"}, "Ann Lee", "Lee, Ann"),
        ({"type": "regex_replace", "pattern": "(?<first>a)(b)", "replacement": "${first}$2$2x"}, "xAB", "xABBx"),
        ({"type": "regex_replace", "pattern": "b", "replacement": "[$&]$$1"}, "aBc", "a[B]$1c"),
        ({"type": "regex_match", "pattern": r"(\d)x(\d)"}, "1x2 and 3X4", "1234"),
        ({"type": "regex_match", "pattern": r"no\.(\d+)"}, "none", ""),
        ({"type": "regex_match", "pattern": r"^(a)|(b)"}, "ab\x02\x03", "ab"),
    ],
)
def test_texts_and_patterns_that_are_replaced_or_taken_out(given: dict[str, Any], value: str, expected: str) -> None:
    assert result(value, rule(**given)) == expected


DATES = [
    ("31-01-2024", "dd-MM-yyyy", "da-DK", "2024-01-31"),
    ("1.2.24", "d.M.yy", "de-DE", "2024-02-01"),
    ("31/12/50", "dd/MM/yy", "en-GB", "1950-12-31"),
    ("31-12-2024", "dd/MM/yyyy", "da-DK", "2024-12-31"),
    ("Wed, 31 Jan 2024", "ddd, dd MMM yyyy", "en-US", "2024-01-31"),
    ("5 févr. 2024", "d MMM yyyy", "fr-FR", "2024-02-05"),
    ("den 5. maj 2024", "'den' d. MMMM yyyy", "da-DK", "2024-05-05"),
    ("2024-01-31T23:30:00-02:00", "yyyy-MM-ddTHH:mm:sszzz", "en-US", "2024-02-01"),
    ("1/2/2024", "", "en-US", "2024-01-02"),
    ("1/2/2024", "", "da-DK", "2024-02-01"),
    ("2024-01-31", "", "da-DK", "2024-01-31"),
    ("Jan 31, 2024", "", "en-US", "2024-01-31"),
    ("31. januar 2024", "", "da-DK", "2024-01-31"),
    ("2024年1月31日", "", "ja-JP", "2024-01-31"),
    ("31.1.2024 17:05", "", "de-DE", "2024-01-31"),
    ("0001-01-01", "", "en-US", "0001-01-01"),
]


@pytest.mark.parametrize(("value", "form", "culture", "expected"), DATES)
def test_dates_that_are_written_in_another_way(value: str, form: str, culture: str, expected: str) -> None:
    assert result(value, rule("date_format", source_format=form, culture=culture)) == expected


@pytest.mark.parametrize(
    ("value", "form", "culture"),
    [
        ("2024-02-30", "", "en-US"),
        ("31/12/2024", "", "en-US"),
        ("31 Foo 2024", "", "en-US"),
        ("1/2/024", "", "en-US"),
        ("2024-1-1", "yyyy-MM-dd", "en-US"),
        ("13:00 PM", "hh:mm tt", "en-US"),
        ("Foo, 31 Jan 2024", "ddd, dd MMM yyyy", "en-US"),
        ("Adatum", "", "en-US"),
    ],
)
def test_what_is_no_date_stays_as_it_is(value: str, form: str, culture: str) -> None:
    assert result(value, rule("date_format", source_format=form, culture=culture)) == value


@pytest.mark.parametrize(
    ("value", "form", "culture", "expected"),
    [
        ("2024-01-31 5:06 pm", "yyyy-MM-dd h:mm tt", "en-US", "2024-01-31T17:06:00Z"),
        ("2024-01-31 12:06 AM", "yyyy-MM-dd h:mm tt", "en-US", "2024-01-31T00:06:00Z"),
        ("20240131 1706 +0130", "yyyyMMdd HHmm zzz", "en-US", "2024-01-31T15:36:00Z"),
        ("2024-01-31T10:00:00.125Z", "o", "en-US", "2024-01-31T10:00:00.125000Z"),
        ("31.01.2024 17:06:07", "", "de-DE", "2024-01-31T17:06:07Z"),
        ("Jan 31, 2024, 5:06 PM", "", "en-US", "2024-01-31T17:06:00Z"),
        ("2024-01-31T10:00:00+02:00", "", "en-US", "2024-01-31T08:00:00Z"),
        ("31-01-2024", "dd-MM-yyyy", "da-DK", "2024-01-31T00:00:00Z"),
        ("0001-01-01T00:30:00+01:00", "", "en-US", "0001-01-01T00:30:00+01:00"),
    ],
)
def test_times_that_are_written_in_another_way(value: str, form: str, culture: str, expected: str) -> None:
    assert result(value, rule("datetime_format", source_format=form, culture=culture)) == expected


@pytest.mark.parametrize(
    ("value", "culture", "expected"),
    [
        ("1.234.567,89", "da-DK", "1234567.89"),
        ("1 234,5", "fr-FR", "1234.5"),
        ("1\u202f234,5", "fr-FR", "1234.5"),
        ("1'234.5", "de-CH", "1234.5"),
        ("12,34,567.8", "en-IN", "1234567.8"),
        ("-12", "en-US", "-12"),
        ("12-", "en-US", "-12"),
        ("(3.10)", "en-US", "-3.1"),
        ("99999999999999999999.123456789", "en-US", "99999999999999999999.123456789"),
    ],
)
def test_numbers_that_are_written_in_another_way(value: str, culture: str, expected: str) -> None:
    assert result(value, rule("decimal_format", culture=culture)) == expected


@pytest.mark.parametrize(
    ("value", "culture"), [("1.5", "da-DK"), ("1,5", "en-US"), ("a", "en-US"), ("(1", "en-US"), ("-1-", "en-US")]
)
def test_what_is_no_number_in_a_culture_is_told(value: str, culture: str) -> None:
    _, error, _ = made([value], rule("decimal_format", culture=culture))[value]
    assert error == f"the value {value} is no number as {culture} writes it"


@pytest.mark.parametrize(
    ("value", "precision", "direction", "expected"),
    [
        ("1.005", "0.01", "nearest", "1.01"),
        ("-1.005", "0.01", "nearest", "-1.01"),
        ("2.5", "1", "nearest", "3"),
        ("-0.001", "0.01", "nearest", "0"),
        ("1.01", "0.05", "up", "1.05"),
        ("-1234.56789", "0.001", "up", "-1234.568"),
        ("-1234.56789", "0.001", "down", "-1234.567"),
        ("149", "100", "nearest", "100"),
        ("99999999999999999999.995", "0.01", "nearest", "100000000000000000000"),
        ("7.00", "1", "nearest", "7"),
    ],
)
def test_numbers_are_rounded_exactly(value: str, precision: str, direction: str, expected: str) -> None:
    assert result(value, rule("round", precision=precision, direction=direction)) == expected


def test_what_is_no_number_cannot_be_rounded() -> None:
    assert made(["1", "one"], rule("round"))["one"][1] == "the value one is no number"


@pytest.mark.parametrize(
    ("part", "day", "moment"),
    [
        ("year", "2024", "2024"),
        ("quarter", "4", "4"),
        ("month", "12", "12"),
        ("week", "1", "1"),
        ("day", "31", "31"),
        ("weekday", "2", "2"),
        ("hour", "0", "23"),
        ("minute", "0", "59"),
        ("second", "0", "58"),
    ],
)
def test_parts_of_dates_and_times(part: str, day: str, moment: str) -> None:
    extract = rule("extract_from_date", part=part)
    assert (result("2024-12-31", extract), result("2024-12-31T23:59:58Z", extract)) == (day, moment)
    assert made(["31.12.2024"], extract)["31.12.2024"][1] == "the value 31.12.2024 is no date"


def test_looked_up_values() -> None:
    found = RuleInputs(lookups={"RULE": pl.DataFrame({"value": ["DE", "FR"], "target": ["Germany", None]})})
    given = {"table": "countries", "source_field": "code", "target_field": "name"}
    lookup, original = rule("field_lookup", **given), rule("field_lookup", mode="original_if_blank", **given)
    values = ["DE", "FR", "SE", "", None]
    assert [made(values, lookup, inputs=found)[value][0] for value in values] == ["Germany", "", "", "", None]
    assert [made(values, original, inputs=found)[value][0] for value in values] == ["Germany", "FR", "SE", "", None]


def with_function(function: CustomFunction) -> tuple[AnyRule, RuleInputs]:
    return rule("custom", function="own"), RuleInputs({"own": function})


def test_a_function_gets_each_text_once_and_its_failures_concern_only_the_texts_that_it_fails_with() -> None:
    seen: list[list[str | None]] = []

    def check(texts: pl.Series) -> pl.Series:
        seen.append(texts.to_list())
        if "bad" in texts.to_list():
            raise ValueError("not this one")
        return texts.fill_null("none") + "!"

    own, inputs = with_function(check)
    found = made(["a", "bad", "a", None], own, rule("uppercase"), inputs=inputs)

    assert seen[0] == ["a", "bad", None]
    assert found["a"] == ("A!", None, True)
    assert found[None] == ("NONE!", None, True)
    assert found["bad"][1] == "the rule RULE (own) failed: ValueError: not this one"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda texts: texts.head(0), "it returned 0 values for 1"),
        (lambda texts: list(texts), "it returned list and no Series"),
    ],
)
def test_a_function_that_returns_something_else_is_told(function: Any, message: str) -> None:
    own, inputs = with_function(function)
    error = made(["a"], own, inputs=inputs)["a"][1]
    assert error is not None
    assert message in error


LOSSY = {
    "UPPERCASE": "ab",
    "LOWERCASE": "AB",
    "TITLECASE": "ab",
    "TRIM": "a ",
    "FOURTH_TO_SIXTH_CHAR": "abcdefg",
    "ALPHANUMERIC_ONLY": "a b",
    "DELETE_NOTPROVIDED": "aNOTPROVIDED",
}


@pytest.mark.parametrize("code", [rule.code for rule in PREDEFINED] + ["NUMBER"])
def test_which_rules_lose_something_is_known(code: str) -> None:
    (one,) = rule_chain([code], RULES)
    value = LOSSY.get(code, "20240131")
    assert made([value], one)[value][2] == (code in LOSSY)
    assert bool(one.loses) == (code in LOSSY)


def test_a_value_that_a_lossy_rule_leaves_alone_loses_nothing() -> None:
    assert made(["AB"], *rule_chain(["UPPERCASE", "NUMBER"], RULES)) == {"AB": ("C-AB", None, False)}


def test_a_rule_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean UPPERCASE"):
        rule_chain(["UPERCASE"], RULES)


def test_a_rule_may_name_the_next_one() -> None:
    own = {
        "A": rule("trim", code="A", next_rule="B"),
        "B": rule("prefix", code="B", text="x", next_rule="UPPERCASE"),
        "C": rule("trim", code="C", next_rule="D"),
        "D": rule("trim", code="D", next_rule="C"),
    }
    assert [one.code for one in rule_chain(["A", "LOWERCASE"], own)] == ["A", "B", "UPPERCASE", "LOWERCASE"]
    with pytest.raises(ConfigurationError, match="C → D → C"):
        rule_chain(["C"], own)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "regex_replace", "pattern": "a("}, "unclosed group"),
        ({"type": "regex_replace", "pattern": "(?=a)"}, "look-around"),
        ({"type": "regex_match", "pattern": "abc"}, "has no group"),
        ({"type": "title_case", "culture": "xx-XX"}, "no culture named 'xx-XX'"),
        ({"type": "decimal_format", "culture": "da-DX"}, "no culture named 'da-DX'"),
        ({"type": "date_format", "source_format": "yyyyQ"}, "the letter Q means nothing"),
        ({"type": "date_format", "source_format": "yyyy yyyy"}, "says again"),
        ({"type": "datetime_format", "source_format": "x"}, "no format of dates"),
    ],
)
def test_a_rule_that_cannot_work_is_told(given: dict[str, Any], message: str) -> None:
    problem = rule_problem(rule(**given))
    assert problem is not None
    assert message in problem


def test_the_predefined_rules_work() -> None:
    assert [rule_problem(rule) for rule in PREDEFINED] == [None] * len(PREDEFINED)
