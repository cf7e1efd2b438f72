"""Values at the edges, carried between systems of every kind: kept, converted by a rule, or refused with their record.

The rules stand on the page docs/reference/values.md. Whatever happens to a value, it happens once: two further runs write
nothing, and what was refused concerns its own record only.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

import twinrow
from tests.acceptance.terminal import Terminal, add_systems
from twinrow.connectors.base import Connector
from twinrow.connectors.memory import MemorySystem
from twinrow.model.filters import parse_filter
from twinrow.model.tables import Field, FieldType, Table
from twinrow.workspace import Workspace

KEPT = "kept"


@dataclass(frozen=True)
class Refused:
    """The record fails with these words."""

    words: str


@dataclass(frozen=True)
class Case:
    """A value in a field of the source, and what becomes of it; `others` tells kinds of pairs for which it is otherwise."""

    name: str
    field: str
    value: Any
    outcome: Any = KEPT
    others: Mapping[str, Any] = field(default_factory=dict)


FROM_SQLITE = ("sqlite-postgresql",)
NUL = Refused("holds a character that the database takes in no text")
CASES = (
    Case("emoji", "short", "Ann 😀 👩‍👩‍👧"),
    Case("right to left", "short", "שלום, مرحبا\u200f!"),
    Case("fifty characters", "short", "é" * 50),
    Case("trailing blanks", "short", "Adatum  "),
    Case("only blanks", "short", "   "),
    Case("control characters", "short", "a\x01\x02\x1bb\x1f"),
    Case("an embedded NUL", "short", "a\x00b", KEPT, {"sqlite-postgresql": NUL}),
    Case("a blank", "short", "", KEPT, {"memory": None}),
    Case("no value", "short", None),
    Case("4,000 characters into 50, cut", "long", "x" * 4000, "x" * 50),
    Case("4,000 characters into 50", "strict", "y" * 4000, Refused("the value does not fit strict (50 characters)")),
    Case("the year 1", "day", date(1, 1, 1)),
    Case("1753", "day", date(1753, 1, 1)),
    Case("the last day", "day", date(9999, 12, 31)),
    Case("the first moment", "moment", datetime(1, 1, 1, tzinfo=UTC)),
    Case("the last moment", "moment", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    Case("twenty digits", "amount", Decimal("12345678901234567890.1234567890")),
    Case("more decimals than fit", "money", Decimal("1234567890.1250000000"), Decimal("1234567890.13")),
    Case(
        "more digits than fit",
        "money",
        Decimal("12345678901.0000000000"),
        Refused("above the maximum of 9999999999.99"),
    ),
    Case("a negative zero", "rate", -0.0, 0.0),
    Case("infinity", "rate", math.inf),
    Case("NaN", "rate", math.nan, KEPT, {"postgresql-sqlite": Refused("cannot hold NaN")}),
    Case(
        "NaN into a decimal",
        "float_amount",
        math.nan,
        Refused("the value NaN cannot be carried into a field of type decimal"),
    ),
)
# What a system cannot hold in the first place is not for pairs whose source it is.
NOT_HELD = {
    "postgresql-sqlite": {"an embedded NUL", "twenty digits"},
    "sqlite-postgresql": {
        "twenty digits",
        "more decimals than fit",
        "NaN",
        "NaN into a decimal",
        "more digits than fit",
    },
}
FIELDS = """
      - {local: tag, integration: tag, direction: to_integration}
      - {local: short, integration: short}
      - {local: long, integration: cut, on_loss: overwrite}
      - {local: strict, integration: strict}
      - {local: day, integration: day}
      - {local: moment, integration: moment}
      - {local: amount, integration: amount}
      - {local: money, integration: money, on_loss: overwrite}
      - {local: rate, integration: rate}
      - {local: float_amount, integration: float_amount, on_loss: overwrite}
"""
TARGETS = {"long": "cut"}
COLUMNS = """tag varchar(60), short varchar(50), long varchar(4000), strict varchar(4000), day date, moment {time},
    amount numeric(30,10), money numeric(22,10), rate double precision, float_amount double precision"""
INTEGRATION_COLUMNS = """tag varchar(60), short varchar(50), cut varchar(50), strict varchar(50), day date, moment {time},
    amount numeric(30,10), money numeric(12,2), rate double precision, float_amount numeric(20,4)"""
MAPPING = """
version: 1
mappings:
  - name: THINGS
    local_table: {local}
    integration_table: {integration}
    only_coupled: false
    fields:{fields}"""


def check_pair(
    ws: Workspace, kind: str, cases: Sequence[Case], read: Callable[[Connector, str], Mapping[str, Any]]
) -> None:
    """Synchronize three times, and hold what was written against what the cases say."""
    first = ws.synchronize("THINGS")
    held = read(ws.context.attached["integration"], "integration")
    wrong = {}
    messages = sorted(error.message for error in first.errors)
    refused = []
    for case in cases:
        outcome = case.others.get(kind, case.outcome)
        if isinstance(outcome, Refused):
            refused.append(outcome.words)
            if case.name in held:
                wrong[case.name] = ("was carried", held[case.name])
        elif not _same(held.get(case.name, "not carried"), case.value if outcome == KEPT else outcome):
            wrong[case.name] = (held.get(case.name, "not carried"), case.value if outcome == KEPT else outcome)
    assert wrong == {}
    for words in refused:
        assert any(words in message for message in messages), (words, messages)
    assert len(messages) == len(refused), messages
    sides = [read(ws.context.attached[name], name) for name in ("local", "integration")]
    for _ in range(2):
        again = ws.synchronize("THINGS")
        assert [(job.inserted, job.modified) for job in again.jobs] == [(0, 0), (0, 0)]
    now = [read(ws.context.attached[name], name) for name in ("local", "integration")]
    assert all(_same(now[n][key], sides[n][key]) for n in range(2) for key in sides[n])


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, float) and isinstance(wanted, float) and math.isnan(wanted):
        return math.isnan(found)
    return type(found) is type(wanted) and bool(found == wanted)


def reader(cases: Sequence[Case], tables: Mapping[str, str]) -> Callable[[Connector, str], Mapping[str, Any]]:
    """Return what reads the value of each case from a system, by the case's name."""

    def read(connector: Connector, side: str) -> Mapping[str, Any]:
        names = {
            case.name: TARGETS.get(case.field, case.field) if side == "integration" else case.field for case in cases
        }
        frame = connector.select(tables[side], ["tag", *sorted(set(names.values()))], None)
        return {row["tag"]: row[names[row["tag"]]] for row in frame.to_dicts() if row["tag"] in names}

    return read


# Systems in memory: no null on the local side, no '' on the other.


def _table(name: str, widths: Mapping[str, int], decimals: int, money: int, **texts: Any) -> Table:
    fields = [Field("id", FieldType.GUID), Field("tag", FieldType.TEXT, max_length=60)]
    fields += [Field(key, FieldType.TEXT, max_length=width, **texts) for key, width in widths.items()]
    fields += [
        Field("day", FieldType.DATE),
        Field("moment", FieldType.DATETIME),
        Field("amount", FieldType.DECIMAL, scale=10),
        Field("money", FieldType.DECIMAL, scale=decimals, maximum=money),
        Field("rate", FieldType.FLOAT),
        Field("float_amount", FieldType.FLOAT if decimals == 10 else FieldType.DECIMAL, scale=4),
    ]
    return Table(name, "id", {one.name: one for one in fields})


def test_between_systems_in_memory(tmp_path: Path) -> None:
    cases = [case for case in CASES if case.name != "more digits than fit"]
    local = MemorySystem(
        [_table("things", {"short": 50, "long": 4000, "strict": 4000}, 10, 10**30, nullable=False)], name="local"
    )
    integration = MemorySystem(
        [_table("objects", {"short": 50, "cut": 50, "strict": 50}, 2, 10**30, empty_text=False)], name="integration"
    )
    for case in cases:
        value = "" if case.value is None else case.value
        local.add("things", {"tag": case.name, case.field: value})
    with twinrow.open("sqlite://") as ws:
        ws.attach("local", local)
        ws.attach("integration", integration)
        connect(ws, tmp_path, "things", "objects", FIELDS)
        check_pair(ws, "memory", cases, reader(cases, {"local": "things", "integration": "objects"}))


def connect(ws: Workspace, folder: Path, local: str, integration: str, fields: str) -> None:
    """Connect both systems by the mapping."""
    ws.add_connection("main", "local", "integration")
    file = folder / "things.yaml"
    file.write_text(MAPPING.format(local=local, integration=integration, fields=fields), encoding="utf-8")
    ws.apply_mappings(file)


# Databases.


@pytest.mark.parametrize("kind", ["sqlite-postgresql", "postgresql-sqlite"])
def test_between_databases(kind: str, tmp_path: Path, postgres_url: str) -> None:
    cases = [case for case in CASES if case.name not in NOT_HELD[kind]]
    sqlite_url = f"sqlite:///{tmp_path / 'shop.db'}"
    urls = dict(zip(("local", "integration"), (sqlite_url, postgres_url), strict=True))
    if kind == "postgresql-sqlite":
        urls = {"local": postgres_url, "integration": sqlite_url}
    for side, table, columns in (("local", "things", COLUMNS), ("integration", "objects", INTEGRATION_COLUMNS)):
        time = "timestamp" if urls[side].startswith("sqlite") else "timestamptz"
        statement = f"CREATE TABLE {table} (id varchar(36) PRIMARY KEY, {columns.format(time=time)})"
        execute(urls[side], statement, [()])
    for number, case in enumerate(cases):
        execute(
            urls["local"],
            f"INSERT INTO things (id, tag, {case.field}) VALUES (?, ?, ?)",
            [(f"{number}", case.name, case.value)],
        )
    with twinrow.open("sqlite://") as ws:
        for side, url in urls.items():
            ws.add_system(side, "sql", url=url)
        connect(ws, tmp_path, "things", "objects", FIELDS)
        check_pair(ws, kind, cases, reader(cases, {"local": "things", "integration": "objects"}))


def execute(url: str, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement with rows of values, past twinrow."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            plain = [[str(v).removesuffix("+00:00") if isinstance(v, date) else v for v in row] for row in rows]
            connection.executemany(statement, plain)
            connection.commit()
        return
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for row in rows:
            cursor.execute(statement.replace("?", "%s"), row or None)


# Business Central and Dataverse.

SANDBOX_FIELDS = """
      - {local: displayName, integration: name}
      - {local: addressLine2, integration: address1_line2}
      - {local: city, integration: description, on_loss: overwrite}
      - {local: contact, integration: address1_line3}
      - {local: creditLimit, integration: creditlimit, on_loss: overwrite}
      - {local: website, integration: lastonholdtime, direction: to_integration}
"""
LOCAL_NAMES = {
    "addressLine2": "Address 2",
    "city": "City",
    "contact": "Contact",
    "creditLimit": "Credit Limit (LCY)",
    "website": "Home Page",
}
SANDBOX_CASES = (
    ("emoji", "addressLine2", "Ann 😀 👩‍👩‍👧", "address1_line2", KEPT),
    ("right to left", "addressLine2", "שלום, مرحبا\u200f!", "address1_line2", KEPT),
    ("trailing blanks", "addressLine2", "Adatum  ", "address1_line2", KEPT),
    ("control characters", "addressLine2", "a\x01b", "address1_line2", KEPT),
    ("an embedded NUL", "addressLine2", "a\x00b", "address1_line2", KEPT),
    ("a blank", "addressLine2", "", "address1_line2", None),
    ("twenty digits", "creditLimit", "12345678901234567890", "creditlimit", Refused("above the maximum")),
    ("more decimals than fit", "creditLimit", "1234.125", "creditlimit", Decimal("1234.13")),
    ("the year 1", "website", "0001-01-01T00:00:00Z", "lastonholdtime", Refused("1753")),
    ("1753", "website", "1753-01-01T00:00:00Z", "lastonholdtime", datetime(1753, 1, 1, tzinfo=UTC)),
)
FROM_CASES = (
    ("2,000 characters into 30, cut", "description", "x" * 2000, "city", "x" * 30),
    (
        "250 characters into 100",
        "address1_line3",
        "y" * 250,
        "contact",
        Refused("does not fit contact (100 characters)"),
    ),
    ("no value", "address1_line2", None, "addressLine2", ""),
    ("emoji from the other side", "address1_line2", "🏳️‍🌈 café", "addressLine2", KEPT),
)


def test_between_business_central_and_dataverse(pair: Any, terminal: Terminal) -> None:
    add_systems(terminal, pair)
    for name, column, value, _, _ in SANDBOX_CASES:
        row = {"No.": f"V-{len(name)}-{name[:9].upper()}", "Name": f"case {name}", LOCAL_NAMES[column]: value}
        pair.business_central.control("POST", "/sandbox/tables/Customer", row)
    for name, column, value, _, _ in FROM_CASES:
        pair.dataverse.control("POST", "/sandbox/tables/account", {"name": f"case {name}", column: value})
    with twinrow.open(f"sqlite:///{terminal.folder / 'twinrow.db'}") as ws:
        file = terminal.folder / "things.yaml"
        text = MAPPING.format(local="customers", integration="account", fields=SANDBOX_FIELDS)
        filters = (
            "\n    local_filter: startswith(displayName, 'case ')\n    integration_filter: startswith(name, 'case ')"
        )
        file.write_text(text.replace("\n    fields:", f"{filters}\n    fields:"), encoding="utf-8")
        ws.apply_mappings(file)
        run = ws.synchronize("THINGS")
        crm = by_name(ws, "crm", "account", "name", {case[3] for case in SANDBOX_CASES})
        erp = by_name(ws, "erp", "customers", "displayName", {case[3] for case in FROM_CASES})
        refused = []
        for cases, held in ((SANDBOX_CASES, crm), (FROM_CASES, erp)):
            for name, _, value, target, outcome in cases:
                if isinstance(outcome, Refused):
                    refused.append(outcome.words)
                    assert name not in held
                else:
                    assert _same(held[name][target], value if outcome == KEPT else outcome), (name, held[name][target])
        messages = [error.message for error in run.errors]
        assert len(messages) == len(refused), messages
        assert all(any(words in message for message in messages) for words in refused), messages
        for _ in range(2):
            again = ws.synchronize("THINGS")
            assert [(job.inserted, job.modified) for job in again.jobs] == [(0, 0), (0, 0)]
        later = by_name(ws, "crm", "account", "name", {case[3] for case in SANDBOX_CASES})
        assert {name: later[name] for name in crm} == crm


def by_name(ws: Workspace, system: str, table: str, name: str, fields: set[str]) -> dict[str, dict[str, Any]]:
    """Return the records of the cases, by the case's name."""
    frame = ws.context.attached[system].select(
        table, [name, *sorted(fields)], parse_filter(f"startswith({name}, 'case ')")
    )
    return {row[name].removeprefix("case "): row for row in frame.to_dicts()}
