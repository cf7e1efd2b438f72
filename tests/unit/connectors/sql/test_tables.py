"""What the connector makes of a table: its fields, its key, how its changes are found, and what its settings say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from twinrow.connectors.base import CreateKeys, FeedKind, Status
from twinrow.connectors.opening import open_connector
from twinrow.connectors.sql import SqlSystem, SqlTable
from twinrow.model.errors import ConfigurationError, UnknownField, UnknownTable
from twinrow.model.tables import Field, FieldType, Option
from twinrow.testing.clock import SettableClock

from .conftest import Database, create, feed, update


class NoSecrets:
    def resolve(self, reference: str) -> str:
        if reference == "env:KNOWN":
            return "p@ss/word"
        raise ConfigurationError(f"There is no secret {reference}")


def test_types_lengths_and_ranges_of_postgresql(postgresql: Database) -> None:
    postgresql.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE DOMAIN short AS varchar(7) NOT NULL",
        "CREATE TABLE goods (id uuid PRIMARY KEY, a varchar(10) NOT NULL, b text, c char(5), d short, n numeric(20,4), "
        "m numeric, i smallint, j integer DEFAULT 1 NOT NULL, k bigint, r real, o boolean, y date, t timestamp, z timestamptz, "
        "e mood, x jsonb, w bytea, s integer GENERATED ALWAYS AS (j * 2) STORED)",
    )
    fields = postgresql.open().describe("goods").fields
    assert "x" not in fields
    assert "w" not in fields
    assert fields["id"] == Field("id", FieldType.GUID, nullable=False, updatable=False)
    assert fields["a"] == Field("a", FieldType.TEXT, max_length=10, nullable=False, required=True)
    assert (fields["b"].max_length, fields["c"].max_length, fields["d"].max_length) == (None, 5, 7)
    assert not fields["d"].nullable
    assert (fields["n"].type, fields["n"].scale, fields["m"].scale) == (FieldType.DECIMAL, 4, None)
    assert fields["n"].maximum == pytest.approx(1e16)
    assert (fields["i"].minimum, fields["i"].maximum) == (-(2**15), 2**15 - 1)
    assert (fields["j"].required, fields["j"].nullable) == (False, False)
    assert [fields[name].type for name in "royte"] == [
        FieldType.FLOAT,
        FieldType.BOOLEAN,
        FieldType.DATE,
        FieldType.DATETIME,
        FieldType.ENUM,
    ]
    assert fields["e"].options == (Option("good", "good"), Option("bad", "bad"))
    assert not fields["s"].writable


def test_declared_types_of_sqlite(sqlite: Database) -> None:
    sqlite.execute(
        "CREATE TABLE goods (id integer PRIMARY KEY, a VARCHAR(10) NOT NULL, b clob, u uniqueidentifier, n DECIMAL(12, 3), "
        "w numeric(12), i bigint, r double precision, o bit, y DATE, t datetime, z 'timestamp with time zone', x blob, q)"
    )
    fields = sqlite.open().describe("goods").fields
    assert [field.type for field in fields.values()] == [
        FieldType.INTEGER,
        FieldType.TEXT,
        FieldType.TEXT,
        FieldType.GUID,
        FieldType.DECIMAL,
        FieldType.DECIMAL,
        FieldType.INTEGER,
        FieldType.FLOAT,
        FieldType.BOOLEAN,
        FieldType.DATE,
        FieldType.DATETIME,
        FieldType.DATETIME,
    ]
    assert (fields["a"].max_length, fields["a"].required) == (10, True)
    assert (fields["n"].scale, fields["w"].scale) == (3, 0)


def test_references_name_the_table_that_they_point_to(database: Database) -> None:
    database.execute(
        "CREATE TABLE owners (id integer PRIMARY KEY, code varchar(10) UNIQUE)",
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, owner integer REFERENCES owners, "
        "code varchar(10) REFERENCES owners (code))",
        "INSERT INTO owners VALUES (7, 'seven')",
    )
    system = database.open()
    fields = system.describe("goods").fields
    assert (fields["owner"].type, fields["owner"].targets) == (FieldType.REFERENCE, ("owners",))
    assert fields["code"].type is FieldType.TEXT, "it points to a column that is not the id"
    (answer,) = create(system, "goods", [{"owner": "7"}], ["g"])
    assert (answer["@status"], answer["owner"]) == (Status.WRITTEN, "7")
    assert system.fetch("goods", ("owner",), ["g"])["owner"].to_list() == ["7"]


@pytest.mark.parametrize("name", ["modified_at", "ModifiedOn", "updated_at"])
def test_the_time_of_the_last_change_is_found_by_its_name(database: Database, name: str) -> None:
    database.execute(
        f'CREATE TABLE goods (id varchar(36) PRIMARY KEY, "{name}" {database.time}, created_at {database.time})'
    )
    can = database.open().capabilities("goods")
    assert can.feed is FeedKind.MODIFIED_AT
    assert can.overlap == (timedelta(seconds=60) if database.kind == "postgresql" else timedelta())
    assert not database.open().describe("goods").field(name).writable, "the connector sets it"


def test_the_time_of_creation_is_one_that_is_always_filled(database: Database) -> None:
    time = database.time
    database.execute(
        f"CREATE TABLE a (id varchar(36) PRIMARY KEY, created_at {time} DEFAULT CURRENT_TIMESTAMP, modified_at {time})",
        f"CREATE TABLE b (id varchar(36) PRIMARY KEY, created_at {time}, modified_at {time})",
        f"CREATE TABLE c (id varchar(36) PRIMARY KEY, created_at {time})",
    )
    system = database.open()
    assert [system.capabilities(table).created_at for table in "abc"] == ["created_at", "modified_at", None]


def test_settings_go_before_what_is_found(database: Database) -> None:
    database.execute(
        f"CREATE TABLE goods (id integer PRIMARY KEY, code varchar(36) UNIQUE NOT NULL, modified_at {database.time}, "
        f"touched {database.time})"
    )
    settings = SqlTable(
        key="code", guid=True, modified_at="touched", overlap=timedelta(seconds=5), sets_modified_at=False
    )
    system = database.open(goods=settings)
    table, can = system.describe("goods"), system.capabilities("goods")
    assert (table.key, table.key_is_guid, can.overlap) == ("code", True, timedelta(seconds=5))
    assert table.field("modified_at").writable
    assert table.field("touched").writable, "nobody else sets it"
    assert database.open(goods=SqlTable(modified_at="")).capabilities("goods").feed is FeedKind.WHOLE


def test_our_writes_set_the_time_of_the_last_change_unless_told_not_to(database: Database) -> None:
    database.execute(
        f"CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50), modified_at {database.time})",
        "INSERT INTO goods (id, name) VALUES ('g', 'x')",
    )
    silent = database.open(goods=SqlTable(sets_modified_at=False))
    version = silent.fetch("goods", (), ["g"])["@version"][0]
    answer = update(silent, "goods", "g", version, name="y")
    assert answer["@modified_at"] is None
    system = database.open()
    before = system.now()
    answer = update(system, "goods", "g", answer["@version"], name="z")
    assert before <= answer["@modified_at"] <= system.now()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"key": "nothing"}, UnknownField, "nothing"),
        ({"modified_at": "name"}, ConfigurationError, "modified_at"),
        ({"row_version": "name"}, ConfigurationError, "row_version"),
        ({"key": "amount"}, ConfigurationError, "key"),
    ],
)
def test_settings_that_do_not_fit_the_table(
    database: Database, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    database.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50), amount numeric(10,2))")
    system = database.open(goods=SqlTable(**settings))
    with pytest.raises(error, match=words):
        system.describe("goods")
    assert "goods" not in system.tables()
    assert [check.name for check in system.test() if not check.passed] == ["Tables", "Table goods"]


def test_tables_without_one_key_column_are_not_offered_until_one_is_named(database: Database) -> None:
    database.execute(
        "CREATE TABLE lines (document varchar(20), line integer, code varchar(40), PRIMARY KEY (document, line))",
        "CREATE VIEW documents AS SELECT DISTINCT document FROM lines",
        "INSERT INTO lines VALUES ('d', 1, 'c')",
    )
    assert database.open().tables() == ()
    with pytest.raises(ConfigurationError, match="several columns"):
        database.open().describe("lines")
    with pytest.raises(UnknownTable):
        database.open().describe("nowhere")
    named = database.open(lines=SqlTable(key="code"), documents=SqlTable(key="document"))
    assert named.tables() == ("documents", "lines")
    for table, id in (("lines", "c"), ("documents", "d")):
        can = named.capabilities(table)
        assert (can.can_create, can.can_update, can.can_delete) == (False, False, False)
        assert any("only read" in sentence for sentence in can.limits)
        assert feed(named, table)[0] == [id]
        assert named.fetch(table, (), [id])["@version"][0]


def test_text_keys_that_are_said_to_be_guids_must_be(database: Database) -> None:
    database.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY)",
        "INSERT INTO goods VALUES ('0B2C0000-0000-4000-8000-00000000FFFF')",
    )
    with pytest.raises(ConfigurationError, match="lower case"):
        feed(database.open(goods=SqlTable(guid=True)), "goods")
    assert len(feed(database.open(), "goods")[0]) == 1


def test_proposed_keys_go_to_nobody_else(database: Database) -> None:
    key = "integer PRIMARY KEY AUTOINCREMENT" if database.kind == "sqlite" else "serial PRIMARY KEY"
    database.execute(f"CREATE TABLE goods (id {key}, name varchar(50))", "INSERT INTO goods (name) VALUES ('x')")
    system = database.open()
    assert system.capabilities("goods").create_keys is CreateKeys.PROPOSED
    proposed = system.propose_keys("goods", 3)
    database.execute("INSERT INTO goods (name) VALUES ('y')")
    assert system.propose_keys("goods", 2)
    assert not {str(id) for (id,) in database.execute("SELECT id FROM goods")} & set(proposed)
    answers = create(system, "goods", [{"name": "a"}, {"name": "b"}, {"name": "c"}], proposed)
    assert [answer["@status"] for answer in answers] == [Status.WRITTEN] * 3


def test_a_key_that_is_counted_without_memory_cannot_be_proposed(sqlite: Database) -> None:
    sqlite.execute("CREATE TABLE goods (id integer PRIMARY KEY, name varchar(50))")
    can = sqlite.open().capabilities("goods")
    assert can.create_keys is CreateKeys.NONE
    assert any("repetition" in sentence for sentence in can.limits)


def test_values_computed_by_the_database_are_in_the_answer(database: Database) -> None:
    database.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, pieces integer, twice integer GENERATED ALWAYS AS (pieces * 2) STORED, "
        "state varchar(10) DEFAULT 'new', fixed char(6))"
    )
    system = database.open()
    (answer,) = create(system, "goods", [{"pieces": 4, "fixed": "ab"}], ["g"])
    row = system.fetch("goods", ("pieces", "twice", "state", "fixed"), ["g"]).row(0, named=True)
    assert (row["pieces"], row["twice"], row["state"], row["fixed"]) == (4, 8, "new", "ab")
    assert (answer["@version"], answer["fixed"]) == (row["@version"], "ab")


def test_tables_of_other_schemas_and_odd_names(postgresql: Database) -> None:
    postgresql.execute(
        "CREATE SCHEMA sales",
        'CREATE TABLE sales."Odd ""table"", 100%" '
        '(id varchar(36) PRIMARY KEY, "@id" integer, "?x" text, "sent?" text, "50% off" text)',
    )
    name = 'Odd "table", 100%'
    for system, table in ((postgresql.open(schema="sales"), name), (postgresql.open(), f"sales.{name}")):
        assert set(system.describe(table).fields) == {"id", "sent?", "50% off"}, (
            "who could tell @id from the record's id?"
        )
        (answer,) = create(system, table, [{"sent?": "yes", "50% off": "no"}], [f"g{table}"])
        assert answer["@status"] == Status.WRITTEN, answer
        answer = update(system, table, answer["@id"], answer["@version"], **{"50% off": "100%"})
        assert answer["@status"] == Status.WRITTEN, answer
        assert system.fetch(table, ("50% off",), [answer["@id"]])["50% off"].to_list() == ["100%"]
    assert postgresql.open(schema="sales").tables() == (name,)


def test_the_connection_test_says_what_is_found_and_what_would_help(database: Database) -> None:
    database.execute(f"CREATE TABLE goods (id varchar(36) PRIMARY KEY, modified_at {database.time}, version integer)")
    checks = {check.name: check for check in database.open(goods=SqlTable()).test()}
    assert all(check.passed for check in checks.values())
    assert "index" in checks["Table goods"].remedy
    checks = {check.name: check for check in database.open(goods=SqlTable(row_version="version")).test()}
    assert not checks["Table goods"].passed, "nothing changes the version"


def test_a_system_is_opened_from_its_options(sqlite: Database) -> None:
    sqlite.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY)")
    options = {"url": sqlite.url, "tables": {"goods": {"guid": True, "overlap": 5}}}
    system = open_connector("sql", "shop", options, NoSecrets(), SettableClock())
    assert isinstance(system, SqlSystem)
    assert system.describe("goods").key_is_guid
    system.close()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "sqlite://"},
        {"url": "sqlite:////no/such/folder/file.db"},
        {"url": "mysql://u@h/d"},
        {"url": "nonsense"},
        {"url": "postgresql://u@h/d", "port": 1},
        {"url": "postgresql://u@h/d", "tables": {"goods": {"keys": "x"}}},
        {"url": "postgresql://u@h/d", "password": "env:UNKNOWN"},
    ],
)
def test_options_that_cannot_be_used_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        open_connector("sql", "shop", options, NoSecrets(), SettableClock())


def test_a_password_comes_from_its_place_and_is_never_shown() -> None:
    options = {"url": "postgresql://user@127.0.0.1:1/shop", "password": "env:KNOWN"}
    system = open_connector("sql", "shop", options, NoSecrets(), SettableClock())
    (check,) = system.test()
    assert not check.passed
    assert "p@ss" not in f"{check}"
    assert "p%40ss" not in f"{check}"
    system.close()


def test_a_sqlite_system_is_known_by_its_file(sqlite: Database, tmp_path: Path) -> None:
    sqlite.execute("CREATE TABLE goods (id varchar(36) PRIMARY KEY)")
    assert sqlite.open().identify().environment == f"sqlite:{tmp_path.resolve() / 'shop.db'}"


def test_a_postgresql_system_is_known_by_its_server_and_database(postgresql: Database) -> None:
    identity = postgresql.open().identify()
    assert identity.environment.startswith("postgresql:")
    assert identity.caller == "postgres"
    assert identity.details["database"].startswith("test_")
