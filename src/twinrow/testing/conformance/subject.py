"""The system under test, as the contract suite sees it: a connector, and the hands of somebody else in the same system.

A connector's test file subclasses `Subject`. `add`, `edit` and `remove` must be there: they do what people do in the
system, past the connector. Everything else has an answer already, or is a thing that some systems cannot do; what a
subject cannot do is not asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from twinrow.connectors.base import Capabilities, Connector
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.conformance.samples import plain


class Subject(ABC):
    """A system with a table that the cases may write to. The table may hold records already; the cases leave them alone."""

    table: str
    """The table that the cases write to."""

    fields: tuple[str, ...] | None = None
    """The fields that the cases may write; None: every field that can be created and updated."""

    many: int = 2_500
    """How many records make a large request: more than the system takes in one."""

    precision: timedelta = timedelta(microseconds=1)
    """The smallest difference between two points in time that the system keeps."""

    multiline: bool = True
    """Whether texts may hold line breaks and tabs."""

    upper_cased: str | None = None
    """A text field that the system's own logic stores in upper case, whatever was sent."""

    references: Mapping[str, str] = {}
    """For reference fields: the id of a record that they may point to. Other references are left alone."""

    unknown_reference: str | None = None
    """An id that no reference may point to, where the system looks; None: it does not look."""

    expire_feeds: Callable[[], None] | None = None
    """Makes every watermark and cursor given out so far useless; None: the system cannot forget them."""

    fail_next: Callable[[], AbstractContextManager[None]] | None = None
    """While the context is open, requests fail before they are carried out; None: nothing can be made to fail."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector

    @abstractmethod
    def add(self, values: Mapping[str, Any]) -> str:
        """Make a record as somebody else; return its id."""

    @abstractmethod
    def edit(self, id: str, values: Mapping[str, Any]) -> None:
        """Change fields of a record as somebody else."""

    @abstractmethod
    def remove(self, id: str) -> None:
        """Delete a record as somebody else."""

    def reopen(self) -> Connector:
        """Return a connector to the same system, as another process would make it."""
        return self.connector

    def values(self, number: int) -> dict[str, Any]:
        """Return the values of a record that the system takes, in every field that the cases may write.

        Different numbers give records that differ in every field that has room for it.
        """
        return {field.name: plain(field, number) for field in self.usable}

    @property
    def description(self) -> Table:
        """The table as the connector describes it."""
        return self.connector.describe(self.table)

    @property
    def capabilities(self) -> Capabilities:
        """What the connector says that the table can do."""
        return self.connector.capabilities(self.table)

    @property
    def usable(self) -> tuple[Field, ...]:
        """The fields that the cases may write; not the time of creation, even where the system would let it be written."""
        table, created_at = self.description, self.capabilities.created_at
        return tuple(
            field
            for field in table.fields.values()
            if field.creatable
            and field.updatable
            and field.name != table.key
            and field.name not in (self.upper_cased, created_at)
            and (self.fields is None or field.name in self.fields)
            and field.type is not FieldType.REFERENCE
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields that the cases may write."""
        return tuple(field.name for field in self.usable)

    @property
    def text(self) -> str:
        """The text field that the cases edit and filter by: one with room for thirty characters."""
        return next(
            field.name
            for field in self.usable
            if field.type is FieldType.TEXT and (field.max_length is None or field.max_length >= 30)
        )

    @property
    def other(self) -> str:
        """A second field, which the cases edit beside `text`."""
        return next(
            field.name for field in self.usable if field.name != self.text and field.type is not FieldType.BOOLEAN
        )
