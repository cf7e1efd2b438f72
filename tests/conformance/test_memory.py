"""The system in memory, in all its settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.connectors.memory import MemorySystem
from twinrow.model.tables import Field, FieldType, Option, Table
from twinrow.testing.conformance import ConnectorContract, Creating, Deleting, Feeding, Subject, Updating

TABLE = Table(
    "things",
    "id",
    {
        field.name: field
        for field in (
            Field("id", FieldType.GUID, nullable=False, updatable=False),
            Field("title", FieldType.TEXT, max_length=100),
            Field("label", FieldType.TEXT, max_length=40, nullable=False),
            Field("nick", FieldType.TEXT, max_length=40, empty_text=False),
            Field("remark", FieldType.TEXT),
            Field("number", FieldType.CODE, max_length=20),
            Field("link", FieldType.GUID),
            Field("amount", FieldType.DECIMAL, scale=4),
            Field("price", FieldType.DECIMAL, scale=2, minimum=0, maximum=922337203685),
            Field("quantity", FieldType.INTEGER),
            Field("rate", FieldType.FLOAT),
            Field("open", FieldType.BOOLEAN),
            Field("day", FieldType.DATE),
            Field("moment", FieldType.DATETIME),
            Field("kind", FieldType.OPTION, options=(Option(0, "none"), Option(1, "one"), Option(2, "two"))),
            Field("colour", FieldType.ENUM, options=(Option("red", "red"), Option("blue", "blue"))),
            Field("shout", FieldType.TEXT, max_length=40),
            Field("created_at", FieldType.DATETIME, creatable=False, updatable=False),
        )
    },
)


def in_upper_case(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    return values | {"shout": values["shout"].upper()} if values["shout"] else values


class Memory(Subject):
    table = "things"
    upper_cased = "shout"
    many = 100
    connector: MemorySystem

    def __init__(self, **settings: Any) -> None:
        super().__init__(MemorySystem([TABLE], logic=in_upper_case, **settings))
        if self.capabilities.feed in (FeedKind.DELTA, FeedKind.ROW_VERSION):
            self.expire_feeds = self.connector.expire_feeds

    def add(self, values: Mapping[str, Any]) -> str:
        return self.connector.add("things", values)

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        self.connector.edit("things", id, **values)

    def remove(self, id: str) -> None:
        self.connector.remove("things", id)


class TestMemory(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Memory()


@pytest.mark.parametrize("version_checks", [True, False])
@pytest.mark.parametrize("create_keys", list(CreateKeys))
@pytest.mark.parametrize("feed", list(FeedKind))
class TestEverySetting(Creating, Updating, Deleting, Feeding):
    @pytest.fixture
    def subject(self, feed: FeedKind, create_keys: CreateKeys, version_checks: bool) -> Subject:
        return Memory(feed=feed, create_keys=create_keys, version_checks=version_checks)


class TestMemoryWithOverlap(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Memory(feed=FeedKind.MODIFIED_AT, overlap=timedelta(minutes=1))


class TestMemoryThatTellsOfDeletes(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Memory(create_keys=CreateKeys.MARK, deletes_in_feed=True)
