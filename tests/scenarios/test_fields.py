"""Field mappings: which fields are carried in which direction, and values of every type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAMED,
    TO,
    customer_text,
    job,
    mapping,
    mapping_file,
    outcomes,
    settle,
)
from twinrow.model.errors import MappingProblems
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Direction, Pass
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import MemoryPair, field, table

NAME_ROW = "{local: displayName, integration: name, on_loss: overwrite}"


@pytest.mark.scenario("A001")
@pytest.mark.parametrize(
    "fields", ["[]", "[{local: displayName, integration: name, enabled: false}]"], ids=["no fields", "none enabled"]
)
def test_a_mapping_without_fields_is_an_error_before_any_record_is_touched(fields: str, tmp_path: Path) -> None:
    with MemoryPair(mapping()) as pair:
        pair.integration.add("account", {"name": "Adatum"})
        path = mapping_file(tmp_path, customer_text(fields, "OTHER"))

        with pytest.raises(MappingProblems, match="field"):
            pair.workspace.apply_mappings(path)

        assert [one.name for one in pair.workspace.list_table_mappings()] == ["CUSTOMER"]
        assert pair.workspace.list_jobs() == []
        assert pair.workspace.list_errors() == []
        assert pair.local.records("customers") == {}


@pytest.mark.scenario("B044")
@pytest.mark.parametrize("name", ["''", "' '"], ids=["empty", "a blank"])
def test_a_mapping_cannot_lose_its_name(name: str, tmp_path: Path) -> None:
    with MemoryPair(mapping()) as pair:
        path = mapping_file(tmp_path, customer_text(f"[{NAME_ROW}]", name))

        with pytest.raises(MappingProblems, match="name"):
            pair.workspace.apply_mappings(path)

        assert [one.name for one in pair.workspace.list_table_mappings()] == ["CUSTOMER"]


# In which directions a mapping is active.

WAYS = {"both": Direction.BIDIRECTIONAL, "to": Direction.TO_INTEGRATION, "from": Direction.FROM_INTEGRATION}


@pytest.mark.scenario("B043")
@pytest.mark.parametrize(
    ("whole", "row", "active"),
    [
        ("both", "both", {TO, FROM}),
        ("from", "from", {FROM}),
        ("to", "to", {TO}),
        ("to", "both", {TO}),
    ],
)
def test_a_direction_is_active_where_mapping_and_field_go_that_way(whole: str, row: str, active: set[Pass]) -> None:
    name = NAMED.model_copy(update={"direction": WAYS[row]})
    with MemoryPair(mapping(name, direction=WAYS[whole])) as pair:
        for _ in range(2):
            customer = pair.local.add("customers", {"displayName": "Adatum"})
            account = pair.integration.add("account", {"name": "Adatum"})
            pair.couple(customer, account)
        settle(pair)
        (first, second), (there, and_there) = pair.local.records("customers"), pair.integration.records("account")
        pair.local.edit("customers", first, displayName="Local")
        pair.integration.edit("account", and_there, name="Integration")

        run = pair.synchronize()

        # The mapping runs in a direction exactly where its field is carried in that direction.
        assert {Pass(one.direction) for one in run.jobs} == active
        assert (pair.integration.record("account", there)["name"] == "Local") == (TO in active)
        assert (pair.local.record("customers", second)["displayName"] == "Integration") == (FROM in active)


@pytest.mark.scenario("B043")
def test_a_mapping_whose_only_field_goes_the_other_way_is_active_for_nothing() -> None:
    with pytest.raises(ValidationError, match="goes from_integration, but its mapping goes to_integration"):
        mapping(field("displayName", "name", direction=WAYS["from"]), direction=WAYS["to"])


# Enabled and disabled fields.

LOCAL_CURRENCIES = table(
    "currencies",
    "id",
    Field("code", FieldType.CODE, max_length=10, nullable=False),
    Field("symbol", FieldType.TEXT, max_length=10, nullable=False),
    Field("displayName", FieldType.TEXT, max_length=30, nullable=False),
)
CURRENCIES = table(
    "transactioncurrency",
    "transactioncurrencyid",
    Field("isocurrencycode", FieldType.TEXT, max_length=5, empty_text=False),
    Field("currencysymbol", FieldType.TEXT, max_length=10, empty_text=False),
    Field("currencyname", FieldType.TEXT, max_length=100, empty_text=False),
)
CURRENCY_ROWS = (("code", "isocurrencycode"), ("symbol", "currencysymbol"), ("displayName", "currencyname"))


def currency_mapping(*enabled: str) -> TableMapping:
    rows = [field(*row, direction=WAYS["to"], enabled=row[0] in enabled) for row in CURRENCY_ROWS]
    return TableMapping(
        name="CURRENCY",
        local_table="currencies",
        integration_table="transactioncurrency",
        direction=WAYS["to"],
        only_coupled=False,
        fields=tuple(rows),
    )


@pytest.mark.scenario("B062")
@pytest.mark.parametrize(
    ("enabled", "symbol", "name"),
    [(("code", "symbol", "displayName"), "E€", "Euro of somewhere"), (("code",), None, None)],
    ids=["all fields", "the code alone"],
)
def test_only_enabled_fields_are_carried(enabled: tuple[str, ...], symbol: str | None, name: str | None) -> None:
    tables: dict[str, Any] = {"local_tables": (LOCAL_CURRENCIES,), "integration_tables": (CURRENCIES,)}
    with MemoryPair(currency_mapping(*enabled), **tables) as pair:
        values = {"code": "EURABCXYZ", "symbol": "E€", "displayName": "Euro of somewhere"}
        local = pair.local.add("currencies", values)

        run = pair.synchronize("CURRENCY", records=[local])

        assert outcomes(run) == {"inserted": 1}
        ((id, record),) = pair.integration.records("transactioncurrency").items()
        assert pair.counterpart(local, mapping="CURRENCY") == id
        assert record["isocurrencycode"] == "EURAB"
        assert record["currencysymbol"] == symbol
        assert record["currencyname"] == name


@pytest.mark.scenario("B062")
def test_without_enabled_fields_nothing_is_made() -> None:
    tables: dict[str, Any] = {"local_tables": (LOCAL_CURRENCIES,), "integration_tables": (CURRENCIES,)}
    with MemoryPair(currency_mapping("code"), **tables) as pair:
        local = pair.local.add("currencies", {"code": "EUR"})

        with pytest.raises(ValidationError, match="no field mapping is enabled"):
            pair.set_mapping(currency_mapping())

        assert pair.integration.records("transactioncurrency") == {}
        assert pair.counterpart(local, mapping="CURRENCY") is None


# Values of every type.

EVERY = (
    ("big", FieldType.INTEGER, {}, 9_007_199_254_740_993),
    ("flag", FieldType.BOOLEAN, {}, True),
    ("code", FieldType.CODE, {"max_length": 20}, "ABC 1"),
    ("day", FieldType.DATE, {}, date(2026, 2, 28)),
    ("formula", FieldType.TEXT, {}, "<1M+CM>"),
    ("moment", FieldType.DATETIME, {}, datetime(2026, 2, 28, 12, 30, 15, 123_000, tzinfo=UTC)),
    ("amount", FieldType.DECIMAL, {"scale": 5}, Decimal("12345678901234.56789")),
    ("duration", FieldType.INTEGER, {}, 86_400_000),
    ("count", FieldType.INTEGER, {}, -7),
    ("choice", FieldType.OPTION, {}, 2),
    ("text", FieldType.TEXT, {"max_length": 100}, "Ærø, 東京 – “quoted”"),
    ("time", FieldType.TEXT, {}, "23:59:58.999"),
    ("guid", FieldType.GUID, {}, "0b7c1d6e-1111-4222-8333-944455556666"),
    ("reference", FieldType.REFERENCE, {}, "5c1ab2de-0000-4000-8000-000000000002"),
    ("long", FieldType.TEXT, {}, "line\n" * 20_000),
)


@pytest.mark.scenario("A028")
@pytest.mark.parametrize("pass_", [TO, FROM], ids=["to", "from"])
def test_values_of_every_type_reach_a_new_record(pass_: Pass) -> None:
    fields = [Field(name, kind, **more) for name, kind, more, _ in EVERY]
    everything = TableMapping(
        name="EVERYTHING",
        local_table="here",
        integration_table="there",
        only_coupled=False,
        fields=tuple(field(name, name) for name, *_ in EVERY),
    )
    with MemoryPair(
        everything, local_tables=(table("here", "id", *fields),), integration_tables=(table("there", "key", *fields),)
    ) as pair:
        values = {name: value for name, _, _, value in EVERY}
        tables = {LOCAL: "here", INTEGRATION: "there"}
        id = pair.system(pass_.source).add(tables[pass_.source], values)

        run = pair.synchronize("EVERYTHING")

        assert outcomes(job(run, pass_)) == {"inserted": 1}
        ((made, record),) = pair.system(pass_.destination).records(tables[pass_.destination]).items()
        assert made != id
        assert {name: record[name] for name in values} == values
        settle(pair, "EVERYTHING")
        assert len(pair.system(pass_.source).records(tables[pass_.source])) == 1
