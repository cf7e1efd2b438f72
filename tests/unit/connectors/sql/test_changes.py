"""No change is missed, however late it becomes visible; and none comes for nothing."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from twinrow.connectors.base import ChangeRequest, FeedKind
from twinrow.connectors.sql import SqlTable
from twinrow.model.errors import FeedExpired

from .conftest import Database, feed

AT_ONCE = SqlTable(overlap=timedelta())


def shop(database: Database, rows: int = 3, more: str = "") -> None:
    database.execute(
        f"CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50), modified_at {database.time} {more})",
        "CREATE INDEX goods_modified_at ON goods (modified_at)",
        *(
            f"INSERT INTO goods (id, name, modified_at) VALUES ('g{n}', 'good {n}', {database.now})"
            for n in range(rows)
        ),
    )


def test_a_change_that_is_committed_after_a_later_one_was_read_comes_all_the_same(database: Database) -> None:
    shop(database)
    system = database.open(f"{database.url}?timeout=0.2" if database.kind == "sqlite" else None, goods=AT_ONCE)
    with closing(database.connect()) as slow:
        slow.execute("BEGIN")
        slow.execute(f"UPDATE goods SET name = 'slow', modified_at = {database.now} WHERE id = 'g0'")
        if database.kind == "postgresql":
            database.execute(f"UPDATE goods SET name = 'quick', modified_at = {database.now} WHERE id = 'g1'")
        _, since = feed(system, "goods")
        slow.execute("COMMIT")
    ids, _ = feed(system, "goods", since)
    assert "g0" in ids


def test_a_transaction_that_had_not_yet_touched_the_table_is_waited_for(postgresql: Database) -> None:
    shop(postgresql)
    system = postgresql.open(goods=AT_ONCE)
    with closing(postgresql.connect()) as slow:
        slow.execute("BEGIN")
        slow.execute("SELECT 1")
        _, since = feed(system, "goods")
        slow.execute("UPDATE goods SET name = 'slow', modified_at = now() WHERE id = 'g0'")
        slow.execute("COMMIT")
    ids, _ = feed(system, "goods", since)
    assert ids == ["g0"]


def test_a_change_in_a_subtransaction_is_waited_for(postgresql: Database) -> None:
    shop(postgresql)
    system = postgresql.open(goods=AT_ONCE)
    with closing(postgresql.connect()) as slow:
        slow.execute("BEGIN")
        slow.execute("UPDATE goods SET name = 'outer', modified_at = now() WHERE id = 'g0'")
        slow.execute("SAVEPOINT inner_one")
        slow.execute("UPDATE goods SET name = 'inner', modified_at = now() WHERE id = 'g1'")
        slow.execute("RELEASE SAVEPOINT inner_one")
        postgresql.execute("UPDATE goods SET name = 'other', modified_at = now() WHERE id = 'g2'")
        _, since = feed(system, "goods")
        slow.execute("COMMIT")
    ids, _ = feed(system, "goods", since)
    assert {"g0", "g1"} <= set(ids)


def test_the_overlap_does_not_hand_over_again_what_was_over(postgresql: Database) -> None:
    shop(postgresql)
    system = postgresql.open(goods=SqlTable(overlap=timedelta(hours=1)))
    _, since = feed(system, "goods")
    postgresql.execute("UPDATE goods SET name = 'new', modified_at = now() - interval '10 minutes' WHERE id = 'g1'")
    assert feed(system, "goods", since)[0] == ["g1"]
    assert system.capabilities("goods").overlap == timedelta(hours=1)


def test_a_change_with_a_time_before_the_overlap_is_not_seen_and_the_limit_says_so(postgresql: Database) -> None:
    shop(postgresql)
    system = postgresql.open(goods=SqlTable(overlap=timedelta(seconds=1)))
    _, since = feed(system, "goods")
    postgresql.execute("UPDATE goods SET name = 'old', modified_at = now() - interval '10 minutes' WHERE id = 'g1'")
    assert feed(system, "goods", since)[0] == []
    assert any("modified_at" in sentence for sentence in system.capabilities("goods").limits)


def test_a_server_that_counts_its_transactions_anew_hands_over_the_overlap_again(postgresql: Database) -> None:
    shop(postgresql)
    system = postgresql.open(goods=SqlTable(overlap=timedelta(hours=1)))
    _, since = feed(system, "goods")
    far_ahead = since.replace('"settled":', '"settled":9')
    assert sorted(feed(system, "goods", far_ahead)[0]) == ["g0", "g1", "g2"]


def test_a_row_version_that_is_committed_late_comes_all_the_same(postgresql: Database) -> None:
    postgresql.execute(
        "CREATE SEQUENCE versions",
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50), version bigint DEFAULT nextval('versions'))",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN new.version := nextval('versions'); RETURN new; END $$",
        "CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON goods FOR EACH ROW EXECUTE FUNCTION stamp()",
        *(f"INSERT INTO goods (id) VALUES ('g{n}')" for n in range(3)),
    )
    system = postgresql.open(goods=SqlTable(row_version="version"))
    assert system.capabilities("goods").feed is FeedKind.ROW_VERSION
    _, first = feed(system, "goods")
    with closing(postgresql.connect()) as slow:
        slow.execute("BEGIN")
        slow.execute("UPDATE goods SET name = 'slow' WHERE id = 'g0'")
        postgresql.execute("UPDATE goods SET name = 'quick' WHERE id = 'g1'")
        ids, second = feed(system, "goods", first)
        assert ids == ["g1"]
        slow.execute("COMMIT")
    ids, third = feed(system, "goods", second)
    assert "g0" in ids
    assert feed(system, "goods", third)[0] == []


def test_while_another_program_writes_for_long_a_feed_on_sqlite_stays_where_it_was(sqlite: Database) -> None:
    shop(sqlite)
    system = sqlite.open(f"{sqlite.url}?timeout=0.1")
    _, first = feed(system, "goods")
    with closing(sqlite.connect()) as slow:
        slow.execute("BEGIN IMMEDIATE")
        assert feed(system, "goods", first)[1] == first
        slow.execute("COMMIT")


def test_edits_within_one_second_are_told_apart(sqlite: Database) -> None:
    shop(sqlite)
    sqlite.execute("UPDATE goods SET modified_at = '2026-05-05 12:00:00'")
    system = sqlite.open()
    versions = {}
    for name in ("a", "b", "b", "a"):
        sqlite.execute(f"UPDATE goods SET name = '{name}' WHERE id = 'g0'")
        (page,) = system.changes(ChangeRequest("goods", ()))
        versions.setdefault(name, set()).add(dict(page.frame.select("@id", "@version").iter_rows())["g0"])
    assert len(versions["a"]) == len(versions["b"]) == 1
    assert versions["a"] != versions["b"]


def test_many_rows_of_one_time_are_read_in_pages_without_missing_or_repeating_any(database: Database) -> None:
    shop(database, 0)
    time = "'2026-05-05 12:00:00'"
    if database.kind == "sqlite":
        database.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 21000) "
            f"INSERT INTO goods SELECT 'g' || i, 'x', {time} FROM n"
        )
    else:
        database.execute(f"INSERT INTO goods SELECT 'g' || i, 'x', {time} FROM generate_series(1, 21000) i")
    system = database.open(goods=SqlTable(overlap=timedelta(days=10_000)))
    watermark = feed(system, "goods")[1]
    # A feed from a position long ago goes by time, with all these rows at one of them.
    for since in (None, watermark.replace('"settled"', '"unknown"')):
        ids, _ = feed(system, "goods", since, page_rows=6_000)
        assert len(ids) == len(set(ids)) == 21_000


def test_a_position_of_another_column_has_expired(database: Database) -> None:
    shop(database, more=f", changed {database.time}")
    _, since = feed(database.open(), "goods")
    with pytest.raises(FeedExpired):
        feed(database.open(goods=SqlTable(modified_at="changed")), "goods", since)
    for nonsense in ("", "{}", "12", '{"by": 5}'):
        with pytest.raises(FeedExpired):
            feed(database.open(), "goods", nonsense)
        with pytest.raises(FeedExpired):
            feed(database.open(), "goods", cursor=nonsense)


def test_a_table_that_was_rearranged_is_read_from_the_beginning(sqlite: Database) -> None:
    shop(sqlite)
    system = sqlite.open()
    page = next(iter(system.changes(ChangeRequest("goods", (), page_rows=1))))
    sqlite.execute("VACUUM")
    with pytest.raises(FeedExpired):
        feed(system, "goods", cursor=page.cursor)


def test_a_table_without_a_time_is_read_whole_and_says_so(database: Database) -> None:
    database.execute(
        "CREATE TABLE goods (id varchar(36) PRIMARY KEY, name varchar(50))", "INSERT INTO goods VALUES ('g', 'x')"
    )
    system = database.open()
    assert system.capabilities("goods").feed is FeedKind.WHOLE
    assert "whole table" in " ".join(system.capabilities("goods").limits)
    ids, since = feed(system, "goods")
    assert ids == feed(system, "goods", since)[0] == ["g"]
