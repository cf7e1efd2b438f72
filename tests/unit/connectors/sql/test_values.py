"""Values as other programs have put them there."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from twinrow.connectors.base import Status
from twinrow.model.errors import DataError
from twinrow.model.filters import parse_filter

from .conftest import Database, create, feed, update

NOON = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)


def test_sqlite_keeps_the_form_in_which_the_program_writes_times(sqlite: Database) -> None:
    sqlite.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50), modified_at timestamp)",
        "INSERT INTO goods VALUES ('a', 'x', '2026-05-05T12:00:00.000Z')",
    )
    system = sqlite.open()
    since = feed(system, "goods")[1]
    row = system.fetch("goods", (), ["a"]).row(0, named=True)
    assert row["@modified_at"] == NOON
    assert update(system, "goods", "a", row["@version"], name="y")["@status"] == Status.WRITTEN
    ((written,),) = sqlite.execute("SELECT modified_at FROM goods")
    assert written[10] == "T"
    assert written.endswith("Z")
    assert feed(system, "goods", since)[0] == ["a"]


def test_sqlite_reads_times_in_any_of_the_usual_forms(sqlite: Database) -> None:
    forms = [
        "2026-05-05 12:00:00",
        "2026-05-05T12:00:00",
        "2026-05-05 12:00:00.000000",
        "2026-05-05T12:00:00Z",
        "2026-05-05 12:00",
        "2026-05-05 12:00:00+00:00",
    ]
    sqlite.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, moment timestamp)")
    for number, form in enumerate(forms):
        sqlite.execute(f"INSERT INTO goods VALUES ('{number}', '{form}')")
    system = sqlite.open()
    assert system.select("goods", ("moment",), None)["moment"].to_list() == [NOON] * len(forms)
    found = system.select("goods", (), parse_filter("moment eq 2026-05-05T12:00:00Z"))
    assert found.height == len(forms) - 1, (
        "a time without seconds is not found by an equal one; it is read all the same"
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount numeric(10,2)", "'much'"),
        ("pieces integer", "'many'"),
        ("pieces integer", "1.5"),
        ("day date", "'tomorrow'"),
        ("moment timestamp", "1700000000"),
        ("moment timestamp", "'noon'"),
        ("open boolean", "7"),
        ("name varchar(10)", "x'00ff'"),
    ],
)
def test_a_value_that_is_not_of_its_columns_type_is_named(sqlite: Database, column: str, value: str) -> None:
    sqlite.execute(
        f"CREATE TABLE goods (id varchar(36) PRIMARY KEY, {column})",
        "INSERT INTO goods (id) VALUES ('a')",
        f"INSERT INTO goods VALUES ('b', {value})",
    )
    with pytest.raises(DataError) as found:
        feed(sqlite.open(), "goods")
    assert found.value.field == column.split()[0]
    assert column.split()[0] in str(found.value)


@pytest.mark.parametrize(
    ("column", "value"),
    [("amount numeric(10,2)", "'NaN'"), ("day date", "'infinity'"), ("moment timestamptz", "'-infinity'")],
)
def test_a_value_that_no_other_system_holds_is_named_with_its_record(
    postgresql: Database, column: str, value: str
) -> None:
    postgresql.execute(
        f"CREATE TABLE goods (id varchar(36) PRIMARY KEY, {column})",
        "INSERT INTO goods (id) VALUES ('a')",
        f"INSERT INTO goods VALUES ('b', {value})",
    )
    name = column.split()[0]
    with pytest.raises(DataError, match=name) as found:
        postgresql.open().fetch("goods", (name,), ["a", "b"])
    assert (found.value.record, found.value.field) == ("b", name)
    assert postgresql.open().fetch("goods", (), ["a", "b"]).height == 2, "who does not ask for it is not disturbed"


def test_decimals_without_a_stated_scale(database: Database) -> None:
    database.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, amount numeric)", "INSERT INTO goods VALUES ('a', 12345678.9)"
    )
    system = database.open()
    assert system.fetch("goods", ("amount",), ["a"])["amount"].to_list() == [Decimal("12345678.9")]
    (answer,) = create(system, "goods", [{"amount": Decimal("0.1")}], ["b"])
    assert answer["amount"] == Decimal("0.1")
    assert system.fetch("goods", ("amount",), ["b"])["amount"].to_list() == [Decimal("0.1")]


def test_special_numbers_survive_on_postgresql(postgresql: Database) -> None:
    postgresql.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, rate double precision)")
    system = postgresql.open()
    values = [1e300, -1e-300, float("inf"), float("-inf"), 0.1 + 0.2]
    answers = create(system, "goods", [{"rate": value} for value in values], list("abcde"))
    assert [answer["rate"] for answer in answers] == values
    stored = dict(system.fetch("goods", ("rate",), list("abcde")).select("@id", "rate").iter_rows())
    assert [stored[id] for id in "abcde"] == values


def test_rows_without_a_key_are_left_out(sqlite: Database) -> None:
    sqlite.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY)", "INSERT INTO goods VALUES (NULL), ('a')")
    system = sqlite.open()
    assert feed(system, "goods")[0] == ["a"]
    assert [id for page in system.ids("goods") for id in page] == ["a"]


def test_a_filter_with_a_value_that_no_field_can_have_finds_nothing(postgresql: Database) -> None:
    postgresql.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE TABLE goods (id uuid PRIMARY KEY, name text, mood mood)",
        "INSERT INTO goods VALUES (gen_random_uuid(), 'x', 'good')",
    )
    system = postgresql.open()
    for text in ("id eq 'no guid'", "mood eq 'odd'", "id in ('a', 'b')", "contains(id, 'zzz')"):
        assert system.select("goods", (), parse_filter(text)).height == 0, text
    for text in (
        "id ne 'no guid'",
        "mood ne 'odd'",
        "not (id in ('a', 'b'))",
        "mood eq 'good'",
        "contains(mood, 'oo')",
    ):
        assert system.select("goods", (), parse_filter(text)).height == 1, text


def test_guids_are_in_lower_case_whatever_case_they_are_stored_in(database: Database) -> None:
    upper, lower = "0B2C0000-0000-4000-8000-00000000FFFF", "0b2c0000-0000-4000-8000-00000000ffff"
    database.execute(
        "CREATE TABLE goods (id uuid PRIMARY KEY NOT NULL, link uuid)",
        f"INSERT INTO goods VALUES ('{lower}', '{upper}')",
    )
    system = database.open()
    assert system.fetch("goods", ("link",), [lower])["link"].to_list() == [lower]
    for text in (f"link eq '{upper}'", f"link eq '{lower}'", f"link in ('{upper}')"):
        assert system.select("goods", (), parse_filter(text)).height == 1, text
    (answer,) = create(system, "goods", [{"link": None}], [upper])
    assert (answer["@status"], answer["@id"]) == (Status.EXISTS, lower)
