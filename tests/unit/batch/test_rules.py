"""Transformation rules on a column: texts in, texts out, one after the other."""

import polars as pl
import pytest

from twinrow.batch.rules import apply_rules
from twinrow.model.errors import UnknownName
from twinrow.model.rules import Prefix, TransformationRule

RULES: dict[str, TransformationRule] = {"NUMBER": Prefix(code="NUMBER", text="C-")}


def transformed(values: list[str | None], *codes: str) -> list[str | None]:
    frame = pl.DataFrame({"value": pl.Series(values, dtype=pl.String)})
    return frame.select(apply_rules(pl.col("value"), codes, RULES)).to_series().to_list()


@pytest.mark.parametrize(
    ("codes", "value", "result"),
    [
        (["UPPERCASE"], "ærø 1", "ÆRØ 1"),
        (["LOWERCASE"], "ANN@X.COM", "ann@x.com"),
        (["TRIM"], " \ta b\n", "a b"),
        (["NUMBER"], "10", "C-10"),
        (["TRIM", "LOWERCASE", "NUMBER"], " Ab ", "C-ab"),
        (["NUMBER", "LOWERCASE"], "Ab", "c-ab"),
        ([], " As it is ", " As it is "),
    ],
)
def test_what_a_chain_of_rules_makes_of_a_value(codes: list[str], value: str, result: str) -> None:
    assert transformed([value], *codes) == [result]


@pytest.mark.parametrize("code", ["UPPERCASE", "LOWERCASE", "TRIM", "NUMBER"])
def test_null_and_blank_stay_what_they_are(code: str) -> None:
    assert transformed([None, ""], code) == [None, ""]


def test_a_rule_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean UPPERCASE"):
        apply_rules(pl.col("value"), ["UPERCASE"], RULES)
