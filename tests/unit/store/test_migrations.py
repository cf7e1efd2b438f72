"""The migrations lead to the tables that twinrow works with, on both databases, from every version."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import twinrow.store
from twinrow.store.database import CURRENT_REVISION, Database, open_database
from twinrow.store.tables import metadata


def differences(database: Database) -> list[object]:
    with database.reading() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_a_new_store_has_the_tables(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'store.db'}")
    assert differences(database) == []
    database.close()


def test_a_new_store_on_postgresql_has_the_tables(postgres_url: str) -> None:
    database = open_database(postgres_url)
    assert differences(database) == []
    database.close()


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_an_older_store_is_brought_up_to_date(tmp_path: Path, revision: str) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    config = Config()
    config.set_main_option("script_location", str(Path(twinrow.store.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == CURRENT_REVISION
    older = Database(create_engine(url))
    with older.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    older.close()
    database = open_database(url)
    assert differences(database) == []
    database.close()
