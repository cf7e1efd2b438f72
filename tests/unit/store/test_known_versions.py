"""The versions that couplings remember, for many ids at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from twinrow.model.sides import Side
from twinrow.store.couplings import insert_couplings, known_versions, set_state
from twinrow.store.database import Database
from twinrow.store.mappings import StoredMapping, fix_keys, list_mappings
from twinrow.testing.pair import MemoryPair

COUNT = 3_000


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[tuple[Database, StoredMapping]]:
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with MemoryPair(store=url) as pair:
        database = pair.workspace.context.database
        with database.transaction() as connection:
            (mapping,) = list_mappings(connection, pair.workspace.show_connection().id)
            stored = fix_keys(connection, mapping.id, True, True)
        yield database, stored


def _id(number: int) -> str:
    # Spread over all ids, so that neither side's order is that of the numbers.
    return str(UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128))


def _fill(database: Database, mapping: StoredMapping) -> None:
    frame = pl.DataFrame(
        {
            "local_id": [_id(n) for n in range(COUNT)],
            "integration_id": [_id(n + COUNT) for n in range(COUNT)],
            "local_version": [f"here {n}" for n in range(COUNT)],
            "integration_version": [f"there {n}" if n % 7 else None for n in range(COUNT)],
            "local_modified_at": list(range(COUNT)),
            "integration_modified_at": list(range(COUNT)),
            "state": [0] * COUNT,
        },
        schema_overrides={"integration_version": pl.String},
    )
    with database.transaction() as connection:
        for start in range(0, COUNT, 500):
            insert_couplings(connection, mapping, frame.slice(start, 500))


def _known(database: Database, mapping: StoredMapping, side: Side, numbers: list[int]) -> list[str | None]:
    offset = 0 if side is Side.LOCAL else COUNT
    with database.reading() as connection:
        return known_versions(connection, mapping, side, pl.Series([_id(n + offset) for n in numbers])).to_list()


@pytest.mark.parametrize("side", list(Side))
def test_each_id_has_its_version_whatever_their_order(store: tuple[Database, StoredMapping], side: Side) -> None:
    database, mapping = store
    _fill(database, mapping)
    word = "here" if side is Side.LOCAL else "there"

    def expected(numbers: list[int]) -> list[str | None]:
        return [f"{word} {n}" if side is Side.LOCAL or n % 7 else None for n in numbers]

    together, backwards = list(range(900, 1_900)), list(range(COUNT - 1, -1, -1))
    scattered, few = list(range(0, COUNT, 11)), [5, 2_000]
    for numbers in (together, backwards, scattered, few):
        assert _known(database, mapping, side, numbers) == expected(numbers)


def test_what_is_not_well_or_not_coupled_is_not_known(store: tuple[Database, StoredMapping]) -> None:
    database, mapping = store
    assert _known(database, mapping, Side.LOCAL, list(range(300))) == [None] * 300
    _fill(database, mapping)
    with database.transaction() as connection:
        set_state(connection, [number for number in range(1, COUNT + 1) if number % 3 == 0], on=1)  # type: ignore[arg-type]
    known = _known(database, mapping, Side.LOCAL, list(range(1_000)))
    assert sum(version is None for version in known) == 333
    mostly_new = [*range(100), *range(COUNT, COUNT + 900)]
    unknown = _known(database, mapping, Side.LOCAL, mostly_new)
    assert all(version is None for version in unknown[100:])


def test_couplings_that_lie_together_are_read_as_they_lie(tmp_path: Any) -> None:
    """Through an index, each page of a feed would cost as much as all couplings of the mapping."""
    with MemoryPair(store=f"sqlite:///{tmp_path / 'store.db'}") as pair:
        database = pair.workspace.context.database
        with database.transaction() as connection:
            (mapping,) = list_mappings(connection, pair.workspace.show_connection().id)
            stored = fix_keys(connection, mapping.id, True, True)
        _fill(database, stored)
        asked: list[str] = []
        with database.reading() as connection:
            driver = connection.connection.driver_connection
            driver.set_trace_callback(asked.append)  # type: ignore[union-attr]
            known_versions(connection, stored, Side.LOCAL, pl.Series([_id(n) for n in range(1_000)]))
            driver.set_trace_callback(None)  # type: ignore[union-attr]
            (ranged,) = [statement for statement in asked if "BETWEEN" in statement]
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {ranged}").fetchall()
        assert "INTEGER PRIMARY KEY" in str(plan)
