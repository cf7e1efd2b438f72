"""Transformation rules and field mappings at the command line, over two SQLite databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import twinrow
from tests.acceptance.terminal import Terminal

MAPPING = """\
version: 1
transformation_rules:
  - {code: NUMBER_PREFIX, type: prefix, text: C-}
  - {code: CLEAN, type: trim, next_rule: NUMBER_PREFIX}
  - {code: LAND, type: field_lookup, table: countries, source_field: code, target_field: name, mode: original_if_blank}
  - {code: UNUSED, type: replace, find: a}
mappings:
  - name: CUSTOMER
    local_table: customers
    integration_table: accounts
    only_coupled: false
    fields:
      - {local: number, integration: accountnumber, transformation: CLEAN, direction: to_integration}
      - {local: country, integration: country, caption: Land, transformation: LAND, on_loss: overwrite}
      - {local: founded, integration: foundedon, transformation: YYYYMMDD_DATE, direction: to_integration}
      - {local: name, integration: name, enabled: false}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Terminal:
    """A terminal whose store connects two small databases by the mapping."""
    with closing(sqlite3.connect(tmp_path / "erp.db")) as erp:
        erp.execute(
            "CREATE TABLE customers (id TEXT PRIMARY KEY, number TEXT, country varchar(80), founded TEXT, name TEXT)"
        )
        erp.execute("CREATE TABLE countries (id TEXT PRIMARY KEY, code TEXT, name TEXT)")
        erp.execute("INSERT INTO countries VALUES ('1', 'DK', 'Denmark')")
        erp.execute("INSERT INTO customers VALUES ('a', ' 10', 'DK', '20240131', 'Adatum')")
        erp.commit()
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm:
        crm.execute(
            "CREATE TABLE accounts (id TEXT PRIMARY KEY, accountnumber TEXT, country varchar(80), foundedon date, name TEXT)"
        )
    (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    with twinrow.open(f"sqlite:///{tmp_path / 'twinrow.db'}") as ws:
        ws.add_system("erp", "sql", url=f"sqlite:///{tmp_path / 'erp.db'}")
        ws.add_system("crm", "sql", url=f"sqlite:///{tmp_path / 'crm.db'}")
        ws.add_connection("main", "erp", "crm")
        ws.apply_mappings(tmp_path / "mapping.yaml")
    return Terminal(tmp_path)


def test_field_mappings_are_listed_with_their_rules(shop: Terminal) -> None:
    told = shop.run("mapping", "fields", "CUSTOMER").out
    assert "CLEAN" in told
    assert "on loss" not in told
    assert "disabled" in told
    fields = shop.read("mapping", "fields", "CUSTOMER")["fields"]
    assert [row["local"] for row in fields] == ["number", "country", "founded", "name"]


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (("--rule", "CLEAN", "--try", " 10 "), {"result": "C-10", "problem": None, "lost": True}),
        (("--rule", "LAND", "--try", "DK"), {"result": "Denmark", "problem": None, "lost": True}),
        (("--rule", "DK_DECIMAL_FORMAT", "--try", "1.234,5"), {"result": "1234.5", "problem": None, "lost": False}),
        (("--field", "number", "--try", " 10 "), {"result": "C-10", "problem": None, "lost": True}),
        (("--field", "Land", "--try", "DK"), {"result": "Denmark", "problem": None, "lost": True}),
        (
            ("--field", "country", "--try", "DK", "--direction", "from"),
            {"result": "DK", "problem": None, "lost": False},
        ),
        (
            ("--field", "founded=foundedon", "--try", "20240131"),
            {"result": "2024-01-31", "problem": None, "lost": False},
        ),
    ],
)
def test_what_becomes_of_a_value_is_shown(shop: Terminal, words: tuple[str, ...], result: dict[str, object]) -> None:
    found = shop.read("mapping", "fields", "CUSTOMER", *words)
    assert {key: found[key] for key in result} == result
    assert str(result["result"]) in shop.run("mapping", "fields", "CUSTOMER", *words).out


def test_a_value_that_does_not_fit_is_told_with_the_reason(shop: Terminal) -> None:
    words = ("mapping", "fields", "CUSTOMER", "--field", "founded", "--try", "soon")
    assert "cannot be carried into a field of type date" in shop.run(*words, code=1).out
    assert shop.read(*words, code=1)["result"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--try", "x"), "--field FIELD, or with --rule RULE"),
        (("--field", "number"), "--try VALUE"),
        (("--rule", "CLEEN", "--try", "x"), "Did you mean CLEAN"),
        (("--field", "nunber", "--try", "x"), "There is no field mapping in CUSTOMER named 'nunber'"),
        (("--field", "number", "--try", "x", "--direction", "from"), "Name the other direction"),
    ],
)
def test_what_cannot_be_tried_is_told(shop: Terminal, words: tuple[str, ...], said: str) -> None:
    assert said in shop.run("mapping", "fields", "CUSTOMER", *words, code=2).err


def test_trying_writes_nothing(shop: Terminal) -> None:
    shop.run("mapping", "fields", "CUSTOMER", "--field", "number", "--try", "10")
    with closing(sqlite3.connect(shop.folder / "crm.db")) as crm:
        assert crm.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    assert shop.read("jobs", "list")["jobs"] == []


def test_rules_are_listed_with_what_they_need(shop: Terminal) -> None:
    told = shop.run("rule", "list").out
    assert "then NUMBER_PREFIX" in told
    rules = {one["code"]: one for one in shop.read("rule", "list")["transformation_rules"]}
    assert rules["NUMBER_PREFIX"] == {"type": "prefix", "code": "NUMBER_PREFIX", "text": "C-"}
    assert "DELETE_NOTPROVIDED" in rules


def test_a_rule_in_use_cannot_be_deleted(shop: Terminal) -> None:
    told = shop.run("rule", "delete", "LAND", code=2)
    assert "country=country of CUSTOMER" in told.err
    assert "the rule CLEAN" in shop.run("rule", "delete", "NUMBER_PREFIX", code=2).err
    assert "always there" in shop.run("rule", "delete", "TRIM", code=2).err
    assert "UNUSED" in shop.run("rule", "delete", "UNUSD", code=2).err
    shop.run("rule", "delete", "UNUSED")
    codes = [one["code"] for one in shop.read("rule", "list")["transformation_rules"]]
    assert {"LAND", "NUMBER_PREFIX"} <= set(codes)
    assert "UNUSED" not in codes


def test_resetting_the_rules_blanks_the_assignments_and_the_values_are_carried_anew(shop: Terminal) -> None:
    shop.run("sync", "CUSTOMER")
    assert shop.read("mapping", "fields", "CUSTOMER", "--reset-rules")["changed"] == [
        "number=accountnumber",
        "country=country",
        "founded=foundedon",
    ]
    assert all("transformation" not in row for row in shop.read("mapping", "fields", "CUSTOMER")["fields"])
    shop.run("rule", "delete", "LAND")
    shop.run("mapping", "fields", "CUSTOMER", "--reset-rules")
    with closing(sqlite3.connect(shop.folder / "erp.db")) as erp:
        erp.execute("UPDATE customers SET founded = '2024-01-31'")
        erp.commit()
    shop.run("sync", "CUSTOMER", code=1)
    with closing(sqlite3.connect(shop.folder / "crm.db")) as crm:
        # What goes one way is carried as it is; who is right about the country, both ways, must be said.
        assert crm.execute("SELECT accountnumber, country FROM accounts").fetchall() == [(" 10", "Denmark")]
    assert [one["field"] for one in shop.read("conflicts", "list")["conflicts"]] == ["country=country"]
