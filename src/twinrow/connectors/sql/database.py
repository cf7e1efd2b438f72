"""A database, whichever it is: what the connector asks of it, and the answers that are not results.

`Sqlite` and `Postgresql` fulfil it. Reading goes through SQLAlchemy expressions, compiled for the database and handed to its
driver, whose rows become columns without passing through objects for each value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import polars as pl
import sqlalchemy as sa

from twinrow.batch.columns import DELETED, ID, INSTANT, MODIFIED_AT, MODIFIED_BY, VERSION, empty_batch, frame_schema
from twinrow.connectors.base import Check, Identity
from twinrow.connectors.sql.shape import Column, FoundTable, Shape, Storage
from twinrow.connectors.sql.tokens import content_tokens, is_version
from twinrow.model.errors import ConfigurationError, DataError
from twinrow.model.outcomes import Recovery
from twinrow.model.tables import FieldType

Result = TypeVar("Result")

AFTER = "@after"
"""Prefix of the columns that hold a row's place in the order in which it was read."""

GUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def misfit(table: str, column: Column, value: Any, record: str | None = None) -> DataError:
    """Return the error for a value that the type of its column does not hold."""
    return DataError(
        f"{table}.{column.name} is declared {column.found.declared}, but holds {str(value)[:60]!r}",
        record=record,
        field=column.name,
        remedy="Put a value of that type, or none, in its place. Times are in UTC, as 2026-01-31 13:45:00.",
    )


def quoted(name: str) -> str:
    """Return a name as both databases take any name."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(eq=False)
class Refusal(Exception):
    """The database will not take what was sent; nothing of it was written.

    `whole` says that this is not about one record: sending fewer would be refused as well.
    """

    message: str
    code: str
    field: str | None
    remedy: str
    recovery: Recovery = Recovery.DATA
    whole: bool = False


@dataclass(eq=False)
class NotCarriedOut(Exception):
    """Nothing was written, for a reason that passes: no connection, a lock, a time-out."""

    message: str


@dataclass(eq=False)
class AnswerMissing(Exception):
    """The connection was lost while the transaction was being completed: it may have been, or not."""

    message: str


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a feed has been read.

    `by` names the column that it goes by; nothing where everything is read each time. What stands from `low` on is read the
    next time. Of that, what stands below `high` was handed over already where the transaction that wrote it comes before
    `settled`: all those were over.
    """

    by: str
    low: str | int | None = None
    high: str | int | None = None
    settled: int | None = None


Output = tuple[str, Column | None]
"""A column of a result: its name, and the column that it is read from; None for text or a whole number."""
Rows = Callable[[sa.Select[Any], Sequence[Output]], pl.DataFrame]
"""Carries a statement out and returns its result in columns, the values as the driver hands them over."""


class Transaction(ABC):
    """What can be done to a table in one transaction. Frames are batches; ids are as the connector hands them out."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self.database = database
        self._rows = rows

    @property
    @abstractmethod
    def now(self) -> datetime:
        """The time that this transaction writes as that of the last change (UTC)."""

    @property
    @abstractmethod
    def version(self) -> str | None:
        """The version of everything that this transaction writes, where it is known beforehand."""

    @abstractmethod
    def new_keys(self, shape: Shape, count: int) -> list[str] | None:
        """Return ids that the database would give to new records; None where it gives none."""

    @abstractmethod
    def insert(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str], *, likely_new: bool) -> set[str]:
        """Insert the records with their ids and these fields; return the ids of those that were not there yet.

        `likely_new` allows a quicker way that fails, with a `Refusal`, when any of them is there.
        """

    @abstractmethod
    def versions(self, shape: Shape, ids: Sequence[str]) -> pl.DataFrame:
        """Return ids and versions of the records that there are, and keep them from being changed until the end."""

    @abstractmethod
    def update(self, shape: Shape, frame: pl.DataFrame, names: Sequence[str]) -> None:
        """Set these fields of the records; they have been asked for by `versions`."""

    @abstractmethod
    def delete(self, shape: Shape, ids: Sequence[str]) -> None:
        """Delete the records; they have been asked for by `versions`."""

    def read(self, shape: Shape, names: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return a batch of the records with these ids as this transaction sees them."""
        condition = self.database.is_one_of(shape.key, self.stored_keys(shape, ids))
        return self.database.read(shape, names, [condition], rows=self._rows)

    def stored_keys(self, shape: Shape, ids: Sequence[str]) -> list[Any]:
        """Return the ids in the form in which they are compared with the key, without those that no key can be."""
        return self.database.stored_keys(shape, ids)


class Database(ABC):
    """A database of some kind."""

    kind: str
    default_overlap: timedelta
    request_lifetime: timedelta
    forbidden_character: str | None = None
    """A character that no text may hold."""
    keeps_nan = True
    """Whether NaN in a column of floating numbers stays what it is; where it does not, it would become null unseen."""
    knows_guids = False
    """Whether columns of a UUID type hold nothing but GUIDs, in one form."""

    def __init__(self, name: str, engine: sa.Engine) -> None:
        self.name = name
        self.engine = engine

    # What it is.

    @abstractmethod
    def identify(self) -> Identity:
        """Say which database this is and who we are there."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the database's time (UTC)."""

    @abstractmethod
    def checks(self) -> list[Check]:
        """Look at what must be right for any table. Raises when there is no connection."""

    @abstractmethod
    def table_names(self) -> list[str]:
        """Return the names of the tables and views."""

    @abstractmethod
    def find(self, name: str) -> FoundTable | None:
        """Return a table as the database describes it; None where there is none of that name."""

    @abstractmethod
    def limits(self, shape: Shape) -> list[str]:
        """Return sentences about what is weaker here than elsewhere."""

    # Reading.

    @abstractmethod
    def rows(self, statement: sa.Select[Any], columns: Sequence[Output]) -> pl.DataFrame:
        """Return the result of a statement in columns, the values as the driver hands them over."""

    @abstractmethod
    def typed(self, shape: Shape, column: Column) -> pl.Expr:
        """Return the expression that turns what the driver hands over into values of the field's type; it fails on others."""

    def typed_patiently(self, shape: Shape, column: Column) -> pl.Expr:
        """Return a slower expression for the same, tried where the other has failed."""
        return self.typed(shape, column)

    @abstractmethod
    def version_of(self, shape: Shape) -> sa.ColumnElement[Any] | None:
        """Return the expression for a record's version; None where it is made from its contents."""

    @abstractmethod
    def is_one_of(self, column: Column, values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a column has one of these values (in the form of `stored`); any number of them."""

    @abstractmethod
    def stored(self, column: Column, value: Any) -> Any:
        """Return a value of a filter in the form in which it is compared with the column; None where nothing equals it."""

    def stored_keys(self, shape: Shape, ids: Sequence[str]) -> list[Any]:
        """Return ids in the form in which they are compared with the key, without those that no key can be."""
        if shape.key.storage is Storage.TEXT and self.forbidden_character is None:
            return list(ids)
        return [key for id in ids if (key := self.stored(shape.key, id)) is not None]

    @abstractmethod
    def comparable(self, column: Column) -> sa.ColumnElement[Any]:
        """Return the column in the form in which it is compared with `stored` values."""

    @abstractmethod
    def matches(self, function: str, column: Column, value: str) -> sa.ColumnElement[bool]:
        """Return the condition that a column contains, or starts or ends with, a text."""

    def read_form(self, column: Column) -> sa.ColumnElement[Any]:
        """Return the expression by which a column is read."""
        return sa.column(column.name)

    def read(
        self,
        shape: Shape,
        names: Sequence[str],
        where: Sequence[sa.ColumnElement[bool]] = (),
        order: Sequence[sa.ColumnClause[Any]] = (),
        limit: int | None = None,
        rows: Rows | None = None,
        *,
        versions: bool = True,
    ) -> pl.DataFrame:
        """Return a batch, followed by the columns `AFTER` that say where each row stands in the order.

        Without `versions`, those are null that only the whole contents of a record would tell.
        """
        if shape.key.found.nullable:
            # A record without a key cannot be told from others.
            where = [*where, shape.key_column.is_not(None)]
        version = self.version_of(shape)
        if version is None and versions:
            needed = tuple(shape.columns)
        else:
            times = [shape.modified_at.name] if shape.modified_at is not None else []
            needed = tuple(dict.fromkeys([shape.key.name, *times, *names]))
        # Every output column has a name of its own: a field may be called anything.
        outputs: list[Output] = [(name, shape.columns[name]) for name in needed]
        expressions = [self.read_form(shape.columns[name]).label(f"c{number}") for number, name in enumerate(needed)]
        if version is not None:
            outputs.append((VERSION, None))
            expressions.append(version.label("version"))
        for number, element in enumerate(order):
            outputs.append((f"{AFTER}{number}", None))
            expressions.append(element.label(f"after{number}"))
        statement = sa.select(*expressions).select_from(shape.source).where(*where).order_by(*order).limit(limit)
        found = (rows or self.rows)(statement, outputs)
        if found.is_empty():
            # The usual case for a feed: no expression needs to be made.
            places = [column for column in found.get_columns() if column.name.startswith(AFTER)]
            return empty_batch(shape.table, names).hstack(places)
        try:
            batch = self._batch(shape, names, needed, found, self.typed, versions=versions)
        except pl.exceptions.PolarsError:
            try:
                batch = self._batch(shape, names, needed, found, self.typed_patiently, versions=versions)
            except pl.exceptions.PolarsError:
                raise self._misfit(shape, needed, found) from None
        self.hold_guids(shape, batch.get_column(ID))
        return batch

    def _batch(
        self,
        shape: Shape,
        names: Sequence[str],
        needed: Sequence[str],
        found: pl.DataFrame,
        typed: Callable[[Shape, Column], pl.Expr],
        *,
        versions: bool,
    ) -> pl.DataFrame:
        types = frame_schema(shape.table, names)
        values = {name: typed(shape, shape.columns[name]) for name in needed}
        if VERSION in found.columns:
            version = pl.col(VERSION).cast(pl.String)
        elif not versions:
            version = pl.lit(None, dtype=pl.String)
        else:
            found = found.with_columns(values[name].alias(name) for name in needed)
            values = {name: pl.col(name) for name in needed}
            version = pl.lit(content_tokens(found, shape))
        nothing = pl.lit(None, dtype=pl.String)
        record = [
            values[shape.key.name].cast(pl.String).alias(ID),
            version.alias(VERSION),
            (values[shape.modified_at.name] if shape.modified_at is not None else nothing.cast(INSTANT)).alias(
                MODIFIED_AT
            ),
            nothing.alias(MODIFIED_BY),
            pl.lit(False).alias(DELETED),
            *(values[name].cast(types[name]).alias(name) for name in names),
        ]
        return found.select(*record, *(name for name in found.columns if name.startswith(AFTER)))

    def _misfit(self, shape: Shape, needed: Sequence[str], found: pl.DataFrame) -> DataError:
        """Return the error that names the value that is not of its column's type."""
        for name in needed:
            column = shape.columns[name]
            for number, value in enumerate(found.get_column(name)):
                try:
                    found.slice(number, 1).select(self.typed_patiently(shape, column))
                except pl.exceptions.PolarsError:
                    return misfit(shape.table.name, column, value, str(found.get_column(shape.key.name)[number]))
        return DataError(f"A record of {shape.table.name} holds a value that is not of its column's type")

    def tells_versions(self, shape: Shape) -> bool:
        """Whether it can be told without looking at a record's contents that it is in a version, be it only of our own writes."""
        return self.version_of(shape) is not None or shape.sets_modified_at

    def are_versions(self, shape: Shape, rows: pl.DataFrame, versions: pl.Series) -> pl.Series:
        """Return for each row read without its contents whether it can be told that it is in this version."""
        if self.version_of(shape) is not None:
            return (rows.get_column(VERSION) == versions).fill_null(False)
        return is_version(versions, rows.get_column(MODIFIED_AT))

    def hold_guids(self, shape: Shape, ids: pl.Series) -> None:
        """Raise `ConfigurationError` where text keys that are said to be GUIDs are not."""
        if shape.key.field.type is not FieldType.GUID or (shape.key.storage is Storage.UUID and self.knows_guids):
            return
        wrong = ids.filter(~ids.str.contains(GUID_PATTERN))
        if wrong.len():
            raise ConfigurationError(
                f"{shape.table.name}.{shape.key.name} is set to hold GUIDs, but holds {wrong[0]!r}",
                record=wrong[0],
                field=shape.key.name,
                remedy="Store the ids in lower case with hyphens, or take `guid: true` from the table's settings.",
            )

    # Feeds.

    @abstractmethod
    def order(self, shape: Shape, *, whole: bool) -> list[sa.ColumnClause[Any]]:
        """Return the columns by which a feed is read: `whole` for everything, else by what it goes by."""

    @abstractmethod
    def layout(self, shape: Shape) -> str | None:
        """Return a text that changes when places in the order of a whole feed stop being good; None where they stay good."""

    @abstractmethod
    def position(self, shape: Shape, since: Position | None) -> Position:
        """Return where the next feed must begin, so that nothing that is not visible yet is missed."""

    @abstractmethod
    def since(self, shape: Shape, position: Position) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for what a feed from this position on hands over."""

    @abstractmethod
    def recheck_from(self, shape: Shape, position: Position) -> datetime | None:
        """Return from which time of the last change on the next feed from this position hands over again what has been.

        None where it hands over nothing, or next to nothing, again.
        """

    # Writing.

    inserts_quickly = False
    """Whether `Transaction.insert` has a quicker way for records that are likely new."""

    @abstractmethod
    def reserve_keys(self, shape: Shape, count: int) -> list[str]:
        """Return ids that the database will give to nobody else. Raises `NotCarriedOut`."""

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Give a transaction that is committed at the end, or rolled back on an error.

        Raises `Refusal`, `NotCarriedOut` or `AnswerMissing` when it comes to nothing, or to nobody knows what.
        """
        yield  # type: ignore[misc]

    def explain(self, refusal: Refusal, shape: Shape, record: pl.DataFrame, names: Sequence[str]) -> Refusal:  # noqa: ARG002
        """Return what more can be found out about why a record was refused."""
        return refusal

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()
