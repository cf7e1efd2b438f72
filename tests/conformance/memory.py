"""The system in memory as a subject of the contract suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinrow.connectors.base import FeedKind
from twinrow.connectors.memory import MemorySystem
from twinrow.model.tables import Field, FieldType, Option, Table
from twinrow.testing.conformance import Subject

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

    def __init__(self, **settings: Any) -> None:
        self.system = MemorySystem([TABLE], logic=in_upper_case, **settings)
        super().__init__(self.system)
        if self.capabilities.feed in (FeedKind.DELTA, FeedKind.ROW_VERSION):
            self.expire_feeds = self.system.expire_feeds

    def add(self, values: Mapping[str, Any]) -> str:
        return self.system.add("things", values)

    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        self.system.edit("things", id, **values)

    def remove(self, id: str) -> None:
        self.system.remove("things", id)
