"""Transformation rules in a run: lookups, functions of other people, and rules that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from twinrow.engine import rule_inputs
from twinrow.engine.context import EngineSettings
from twinrow.model.errors import ConfigurationError, TwinrowError
from twinrow.model.rules import AnyRule, Custom, ExtractFromDate, FieldLookup, Prefix, RegexMatch, TitleCase, Trim
from twinrow.model.sides import Direction, Side
from twinrow.model.tables import Field, FieldType
from twinrow.standard import functions
from twinrow.store.mappings import save_rules
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping, field, table

COUNTRIES = table(
    "countries", "id", Field("code", FieldType.CODE, max_length=10), Field("title", FieldType.TEXT, max_length=50)
)
FIRST = FieldLookup(
    code="COUNTRY", table="countries", source_field="code", target_field="title", mode="original_if_blank"
)


def pair(*rules: AnyRule, codes: str | list[str], settings: EngineSettings | None = None) -> MemoryPair:
    row = field("displayName", "name", transformation=codes, direction=Direction.TO_INTEGRATION)
    made = MemoryPair(customer_mapping(fields=[row]), local_tables=[CUSTOMERS, COUNTRIES], settings=settings)
    with made.workspace.context.database.transaction() as connection:
        save_rules(connection, rules)
    return made


def names(pair: MemoryPair) -> list[str | None]:
    return sorted(account["name"] for account in pair.integration.records("account").values())


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Functions as packages would offer them."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(rule_inputs, "load_function", found.__getitem__)
    yield found
    functions.load_function.cache_clear()


def test_a_value_is_looked_up_after_the_rules_before_and_before_those_behind() -> None:
    chain = [Trim(code="BARE"), FIRST, TitleCase(code="NICE")]
    with pair(chain[0], chain[1], chain[2], codes=["BARE", "COUNTRY", "NICE"]) as made:
        made.local.add("countries", {"code": "DK", "title": "kingdom of denmark"})
        for name in ("  dk ", "dk", "XX", "se"):
            made.local.add("customers", {"displayName": name})
        run = made.synchronize()
        assert run.errors == ()
        assert names(made) == ["Kingdom Of Denmark", "Kingdom Of Denmark", "Se", "XX"]


def test_a_table_of_the_other_side_can_be_looked_up_too() -> None:
    rule = FIRST.model_copy(
        update={"side": Side.INTEGRATION, "table": "account", "source_field": "fax", "target_field": "websiteurl"}
    )
    with pair(rule, codes="COUNTRY") as made:
        made.integration.add("account", {"name": "there", "fax": "17", "websiteurl": "found.example"})
        made.local.add("customers", {"displayName": "17"})
        made.synchronize()
        assert names(made) == ["found.example", "there"]


def test_more_values_than_are_remembered_are_looked_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_inputs, "MOST_KEPT", 3)
    with pair(FIRST, codes="COUNTRY", settings=EngineSettings(page_rows=2)) as made:
        for number in range(6):
            made.local.add("countries", {"code": f"C{number}", "title": f"Land {number}"})
            made.local.add("customers", {"displayName": f"c{number}"})
        made.synchronize()
        assert names(made) == [f"Land {number}" for number in range(6)]


def test_a_function_that_fails_concerns_only_the_records_that_it_fails_with(offered: dict[str, Any]) -> None:
    def picky(texts: pl.Series) -> pl.Series:
        if "bad" in texts.to_list():
            raise ValueError("no such bank")
        return texts + "!"

    offered["picky"] = picky
    with pair(Custom(code="OWN", function="picky"), codes="OWN") as made:
        for name in ("good", "bad", "better"):
            made.local.add("customers", {"displayName": name})
        run = made.synchronize()
        (error,) = run.errors
        assert error.field == "displayName=name"
        assert error.message == "the rule OWN (picky) failed: ValueError: no such bank"
        assert names(made) == ["better!", "good!"]


def test_a_date_that_a_rule_cannot_read_fails_its_record() -> None:
    with pair(ExtractFromDate(code="YEAR", part="year"), codes="YEAR") as made:
        made.local.add("customers", {"displayName": "2024-01-31"})
        made.local.add("customers", {"displayName": "Adatum"})
        run = made.synchronize()
        assert [error.message for error in run.errors] == ["the value Adatum is no date"]
        assert names(made) == ["2024"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (RegexMatch(code="OWN", pattern="(?=a)"), "look-around"),
        (RegexMatch(code="OWN", pattern="a"), "has no group"),
        (TitleCase(code="OWN", culture="xx-XX"), "no culture named"),
        (Prefix(code="OWN", text="x", next_rule="OWN"), "in a circle: OWN → OWN"),
        (Prefix(code="OWN", text="x", next_rule="GONE"), "no transformation rule named 'GONE'"),
        (Custom(code="OWN", function="nobody_offers_this"), "nobody_offers_this"),
        (FIRST.model_copy(update={"code": "OWN", "table": "nowhere"}), "nowhere"),
        (FIRST.model_copy(update={"code": "OWN", "target_field": "gone"}), "'gone'"),
    ],
)
def test_a_run_with_a_rule_that_cannot_be_used_stops_before_it_reads(rule: AnyRule, message: str) -> None:
    with pair(rule, codes="OWN") as made:
        made.local.add("customers", {"displayName": "Adatum"})
        with pytest.raises(TwinrowError) as stopped:
            made.synchronize()
        assert message in str(stopped.value)
        assert made.integration.records("account") == {}
        assert {(job.state, job.read) for job in made.workspace.list_jobs()} == {("failed", 0)}


def test_a_rule_that_does_not_go_with_a_type_is_refused_by_name_in_a_run() -> None:
    row = field("displayName", "statecode", transformation="UPPERCASE", direction=Direction.TO_INTEGRATION)
    with MemoryPair(customer_mapping(fields=[row]), integration_tables=[ACCOUNTS]) as made:
        made.local.add("customers", {"displayName": "Adatum"})
        with pytest.raises(ConfigurationError) as stopped:
            made.synchronize()
        assert "displayName=statecode in CUSTOMER" in str(stopped.value)
        assert "UPPERCASE" in str(stopped.value)
        assert stopped.value.field == "displayName=statecode"
