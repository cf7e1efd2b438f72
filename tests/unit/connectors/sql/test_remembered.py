"""Feeds of records whose versions the caller remembers: their fields are read only where they are in another version."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import polars as pl
import pytest
from tests.unit.connectors.sql.conftest import Database

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import STATUS, ChangePage, ChangeRequest, Status, WriteKind, WriteRequest
from twinrow.connectors.sql import SqlSystem, SqlTable
from twinrow.connectors.sql.tokens import own_time

COUNT = 250
FIELDS = ("name", "size")

Shop = tuple[SqlSystem, dict[str, str]]


@pytest.fixture
def shop(database: Database) -> Shop:
    """A table with records that twinrow has made, and their versions."""
    database.execute(
        f"CREATE TABLE things (id varchar(36) PRIMARY KEY, name varchar(80), size integer, modified_at {database.time})"
    )
    system = database.open(things=SqlTable(modified_at="modified_at"))
    rows = pl.DataFrame(
        {ID: [str(uuid4()) for _ in range(COUNT)], "name": [f"Thing {n}" for n in range(COUNT)], "size": range(COUNT)},
        schema={ID: pl.String, "name": pl.String, "size": pl.Int64},
    )
    answers = system.write(WriteRequest("things", WriteKind.CREATE, rows, FIELDS))
    assert set(answers.get_column(STATUS)) == {Status.WRITTEN.value}
    return system, dict(answers.select(ID, VERSION).iter_rows())


def remembering(
    versions: dict[str, str], meanwhile: Callable[[], None] | None = None
) -> Callable[[pl.Series], pl.Series]:
    def remembered(ids: pl.Series) -> pl.Series:
        if meanwhile is not None:
            meanwhile()
        return pl.Series([versions.get(id) for id in ids.to_list()], dtype=pl.String)

    return remembered


def read(
    system: SqlSystem,
    remembered: Callable[[pl.Series], pl.Series],
    since: str | None = None,
    cursor: str | None = None,
    page_rows: int = 60,
) -> list[ChangePage]:
    request = ChangeRequest("things", FIELDS, since, cursor, page_rows=page_rows, remembered=remembered)
    return list(system.changes(request))


def ids(pages: list[ChangePage]) -> tuple[list[str], list[str]]:
    """Return the ids that came with their fields, and those that came without."""
    rows = [id for page in pages for id in page.frame.get_column(ID)]
    return rows, [id for page in pages if page.known is not None for id in page.known.get_column(ID)]


def test_nothing_is_read_of_what_we_have_written(shop: Shop) -> None:
    system, versions = shop
    pages = read(system, remembering(versions))
    rows, known = ids(pages)
    assert (rows, sorted(known)) == ([], sorted(versions))
    told = pl.concat([page.known for page in pages if page.known is not None])
    stored = system.fetch("things", (), known).select(ID, VERSION, MODIFIED_AT)
    assert told.sort(ID).equals(stored.sort(ID))
    assert [page.watermark is None for page in pages] == [True] * (len(pages) - 1) + [False]


def test_whatever_others_have_done_since_comes_with_its_fields(shop: Shop, database: Database) -> None:
    system, versions = shop
    first, second, third, *_ = versions
    database.execute(
        f"UPDATE things SET name = 'changed', modified_at = {database.now} WHERE id = '{first}'",
        f"INSERT INTO things VALUES ('{uuid4()}', 'new', 1, {database.now})",
        f"DELETE FROM things WHERE id = '{third}'",
    )
    again = system.write(
        WriteRequest(
            "things",
            WriteKind.UPDATE,
            pl.DataFrame({ID: [second], VERSION: [versions[second]], "name": ["ours"]}),
            ("name",),
        )
    )
    assert again.get_column(STATUS).to_list() == [Status.WRITTEN.value]
    pages = read(system, remembering(versions))
    rows, known = ids(pages)
    names = {row["name"] for page in pages for row in page.frame.to_dicts()}
    assert names == {"changed", "new", "ours"}
    assert sorted(known) == sorted(set(versions) - {first, second, third})
    assert len(rows) == 3


def test_what_goes_away_between_two_questions_is_left_out(shop: Shop, database: Database) -> None:
    system, versions = shop
    edited = list(versions)[::40]
    for id in edited:
        database.execute(f"UPDATE things SET name = 'edited', modified_at = {database.now} WHERE id = '{id}'")
    removed = edited[-1]
    asked = []

    def remove() -> None:
        asked.append(1)
        if len(asked) == 2:
            database.execute(f"DELETE FROM things WHERE id = '{removed}'")

    pages = read(system, remembering(versions, remove))
    rows, known = ids(pages)
    assert sorted(rows) == sorted(edited[:-1])
    assert sorted([*rows, *known]) == sorted(set(versions) - {removed})


def test_a_feed_goes_on_from_any_of_its_pages(shop: Shop) -> None:
    system, versions = shop
    pages = read(system, remembering(versions))
    for number, page in enumerate(pages[:-1]):
        rest = read(system, remembering(versions), cursor=page.cursor)
        assert ids(rest) == ids(pages[number + 1 :])


def test_where_few_are_known_everything_is_read_at_once(shop: Shop) -> None:
    system, versions = shop
    rows, known = ids(read(system, remembering(dict(list(versions.items())[:10]))))
    assert sorted([*rows, *known]) == sorted(versions)
    assert len(rows) >= COUNT - 10


def test_later_feeds_know_what_we_have_written(shop: Shop, database: Database) -> None:
    system, versions = shop
    since = read(system, remembering(versions))[-1].watermark
    (first, other), changed = list(versions)[:2], {"name": ["ours"]}
    answer = system.write(
        WriteRequest(
            "things", WriteKind.UPDATE, pl.DataFrame({ID: [first], VERSION: [versions[first]]} | changed), ("name",)
        )
    )
    versions[first] = answer.get_column(VERSION)[0]
    rows, known = ids(read(system, remembering(versions), since))
    assert (rows, first in known) == ([], True)
    database.execute(f"UPDATE things SET name = 'theirs', modified_at = {database.now} WHERE id = '{other}'")
    rows, _ = ids(read(system, remembering(versions), since))
    assert other in rows


def test_a_time_that_others_set_says_nothing_of_the_contents(sqlite: Database) -> None:
    """Two changes within one tick of a clock: the version tells them apart, the time does not."""
    sqlite.execute(
        "CREATE TABLE things (id varchar(36) PRIMARY KEY, name varchar(80), size integer, modified_at timestamp)",
        f"INSERT INTO things VALUES ('{uuid4()}', 'before', 1, '2026-01-31 13:45:00')",
    )
    system = sqlite.open(things=SqlTable(modified_at="modified_at"))
    (page,) = read(system, remembering({}))
    versions = dict(page.frame.select(ID, VERSION).iter_rows())
    sqlite.execute("UPDATE things SET name = 'after'")
    (page,) = read(system, remembering(versions))
    assert page.frame.get_column("name").to_list() == ["after"]


def test_our_times_are_within_a_millisecond_and_known_as_ours(sqlite: Database) -> None:
    now = sqlite.open().now()
    for microsecond in (0, 388, 389, 390, 999_999):
        moment = now.replace(microsecond=microsecond)
        ours = own_time(moment)
        assert abs((ours - moment).total_seconds()) < 0.001
        assert own_time(ours) == ours
