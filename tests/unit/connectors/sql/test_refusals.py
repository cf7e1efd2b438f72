"""What the database itself refuses: each record has its reason, with field and remedy, and the others are written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from twinrow.connectors.base import Status, WriteKind, WriteRequest
from twinrow.connectors.sql import SqlTable
from twinrow.model.outcomes import Recovery

from .conftest import Database, create, update

COLUMNS = """
    id varchar(36) PRIMARY KEY,
    name varchar(50) NOT NULL,
    code varchar(20) UNIQUE,
    owner varchar(36) REFERENCES owners (id),
    amount numeric(8,2) CHECK (amount >= 0),
    pieces smallint DEFAULT 1
"""


def shop(database: Database) -> None:
    database.execute(
        "CREATE TABLE owners (id varchar(36) PRIMARY KEY)",
        "INSERT INTO owners VALUES ('o1')",
        f"CREATE TABLE goods ({COLUMNS})",
        "INSERT INTO goods (id, name, code) VALUES ('there', 'there', 'TAKEN')",
    )


GOOD: dict[str, Any] = {"name": "good", "code": None, "owner": "o1", "amount": Decimal("1.00"), "pieces": 3}
BAD: list[tuple[dict[str, Any], str | None]] = [
    ({"code": "TAKEN"}, "code"),
    ({"owner": "nobody"}, "owner"),
    ({"amount": Decimal("-1.00")}, None),
    ({"amount": Decimal("1000000.00")}, "amount"),
    ({"name": None}, "name"),
    ({"name": "x" * 51}, "name"),
]


@pytest.mark.parametrize(("change", "field"), BAD, ids=lambda value: str(value)[:30])
def test_a_refused_record_names_its_field_and_the_others_are_written(
    database: Database, change: dict[str, Any], field: str | None
) -> None:
    shop(database)
    system = database.open()
    rows = [GOOD] * 60
    rows[41] = GOOD | change
    answers = create(system, "goods", rows, [f"new {n}" for n in range(60)])
    refused = answers.pop(41)
    assert {answer["@status"] for answer in answers} == {Status.WRITTEN}
    assert (refused["@status"], refused["@error_field"], refused["@recovery"]) == (Status.REFUSED, field, Recovery.DATA)
    assert refused["@error"]
    assert refused["@remedy"]
    assert database.execute("SELECT count(*) FROM goods") == [(60,)]


def test_many_reasons_in_one_request(database: Database) -> None:
    shop(database)
    rows = [GOOD] * 200
    for position, (change, _) in enumerate(BAD):
        rows[7 + 31 * position] = GOOD | change
    answers = create(database.open(), "goods", rows, [f"new {n}" for n in range(200)])
    refused = {n for n, answer in enumerate(answers) if answer["@status"] == Status.REFUSED}
    assert refused == {7 + 31 * position for position in range(len(BAD))}
    assert sum(answer["@status"] == Status.WRITTEN for answer in answers) == 200 - len(BAD)


def test_two_records_that_cannot_both_be_there(database: Database) -> None:
    shop(database)
    rows = [GOOD | {"code": code} for code in ("A", "B", "A", "C")]
    answers = create(database.open(), "goods", rows, ["1", "2", "3", "4"])
    assert [answer["@status"] for answer in answers] == [Status.WRITTEN, Status.WRITTEN, Status.REFUSED, Status.WRITTEN]


def test_refused_updates_and_deletes(database: Database) -> None:
    shop(database)
    system = database.open()
    (made,) = create(system, "goods", [GOOD | {"code": "MINE"}], ["new"])
    answer = update(system, "goods", "new", made["@version"], code="TAKEN")
    assert (answer["@status"], answer["@error_field"]) == (Status.REFUSED, "code")
    owner = system.fetch("owners", (), ["o1"]).row(0, named=True)
    answer = update(system, "owners", "o1", owner["@version"])
    assert answer["@status"] == Status.WRITTEN
    frame = pl.DataFrame({"@id": ["o1"], "@version": [owner["@version"]]})
    (answer,) = system.write(WriteRequest("owners", WriteKind.DELETE, frame)).to_dicts()
    assert answer["@status"] == Status.REFUSED
    assert "refer" in answer["@error"]


def test_what_is_checked_only_at_the_end_of_a_transaction_is_refused_record_by_record(database: Database) -> None:
    deferred = "REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED"
    database.execute(
        "CREATE TABLE owners (id varchar(36) PRIMARY KEY)",
        f"CREATE TABLE goods (id varchar(36) PRIMARY KEY, owner varchar(36) {deferred})",
    )
    rows = [{"owner": None}, {"owner": "nobody"}, {"owner": None}]
    answers = create(database.open(), "goods", rows, ["a", "b", "c"])
    assert [answer["@status"] for answer in answers] == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
    assert answers[1]["@error_field"] == "owner"


def test_a_trigger_that_objects_is_heard(database: Database) -> None:
    database.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50))")
    if database.kind == "sqlite":
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON goods WHEN new.name = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no bad goods here'); END"
        )
    else:
        database.execute(
            "CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF new.name = 'bad' THEN RAISE EXCEPTION 'no bad goods here'; END IF; RETURN new; END $$",
            "CREATE TRIGGER no BEFORE INSERT ON goods FOR EACH ROW EXECUTE FUNCTION object()",
        )
    answers = create(database.open(), "goods", [{"name": "good"}, {"name": "bad"}], ["a", "b"])
    assert [answer["@status"] for answer in answers] == [Status.WRITTEN, Status.REFUSED]
    assert "no bad goods here" in answers[1]["@error"]


def test_a_number_that_sqlite_would_not_keep_is_refused(sqlite: Database) -> None:
    sqlite.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, amount numeric(20,4))")
    amounts = [Decimal("12345678901.2345"), Decimal("1234567890123456.7891"), Decimal("999999999999999.0000")]
    answers = create(sqlite.open(), "goods", [{"amount": amount} for amount in amounts], ["a", "b", "c"])
    assert [answer["@status"] for answer in answers] == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
    assert answers[1]["@error_field"] == "amount"
    stored = sqlite.open().fetch("goods", ("amount",), ["a", "c"])
    assert sorted(stored["amount"].to_list()) == [amounts[0], amounts[2]]


def test_values_that_postgresql_does_not_know_are_refused(postgresql: Database) -> None:
    postgresql.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE TABLE owners (id integer PRIMARY KEY)",
        "CREATE TABLE goods (id uuid PRIMARY KEY, name text, mood mood, link uuid, "
        "owner integer REFERENCES owners, small smallint)",
    )
    fine: dict[str, Any] = {"name": "x", "mood": "bad", "link": None, "owner": None, "small": 1}
    wrong = {"name": "a\0b", "mood": "odd", "link": "no guid", "owner": "no number", "small": 40_000}
    rows = [fine, *(fine | {field: value} for field, value in wrong.items())]
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(len(rows))]
    answers = create(postgresql.open(), "goods", rows, ids)
    assert answers[0]["@status"] == Status.WRITTEN
    assert [answer["@error_field"] for answer in answers[1:]] == list(wrong)


def test_a_key_of_another_form_is_refused(postgresql: Database) -> None:
    postgresql.execute("CREATE TABLE goods (id uuid PRIMARY KEY, name text)")
    answers = create(
        postgresql.open(), "goods", [{"name": "x"}, {"name": "y"}], ["no guid", "00000000-0000-4000-8000-000000000000"]
    )
    assert [answer["@status"] for answer in answers] == [Status.REFUSED, Status.WRITTEN]


def test_a_record_that_nobody_gives_an_id_is_refused(database: Database) -> None:
    database.execute("CREATE TABLE goods (code varchar(10) PRIMARY KEY NOT NULL, name varchar(50))")
    system = database.open()
    (answer,) = create(system, "goods", [{"name": "x"}], [None])
    assert (answer["@status"], answer["@error_field"]) == (Status.REFUSED, "code")
    assert answer["@recovery"] == Recovery.CONFIGURATION
    (answer,) = create(system, "goods", [{"code": "A1", "name": "x"}], [None])
    assert (answer["@status"], answer["@id"]) == (Status.WRITTEN, "A1")


def test_a_user_who_may_not_write_is_told_so(postgresql: Database) -> None:
    postgresql.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, name text)",
        "INSERT INTO goods VALUES ('a', 'x')",
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN",
        "GRANT SELECT ON goods TO reader",
    )
    system = postgresql.open(postgresql.url.replace("postgres@", "reader@"), goods=SqlTable())
    can = system.capabilities("goods")
    assert (can.can_create, can.can_update, can.can_delete) == (False, False, False)
    (answer,) = create(system, "goods", [{"name": "x"}], ["b"])
    assert (answer["@status"], answer["@recovery"]) == (Status.REFUSED, Recovery.CONFIGURATION)
    assert system.fetch("goods", ("name",), ["a"])["name"].to_list() == ["x"]
    (check,) = [check for check in system.test() if check.name == "Transactions under way"]
    assert "pg_read_all_stats" in check.remedy
    system.close()
    postgresql.execute("DROP OWNED BY reader", "DROP ROLE reader")


def test_a_record_that_a_trigger_drops_was_not_written(database: Database) -> None:
    database.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50))")
    if database.kind == "sqlite":
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON goods WHEN new.name = 'bad' BEGIN SELECT RAISE(IGNORE); END"
        )
    else:
        database.execute(
            "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF new.name = 'bad' THEN RETURN NULL; END IF; RETURN new; END $$",
            "CREATE TRIGGER no BEFORE INSERT ON goods FOR EACH ROW EXECUTE FUNCTION drop_it()",
        )
    system = database.open()
    for count in (2, 100):
        rows = [{"name": "bad" if number == 1 else "good"} for number in range(count)]
        answers = create(system, "goods", rows, [f"{count} {number}" for number in range(count)])
        assert answers.pop(1)["@status"] == Status.REFUSED
        assert {answer["@status"] for answer in answers} == {Status.WRITTEN}
