"""A connector to the tables of a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from twinrow.batch.columns import ID, empty_batch
from twinrow.connectors.base import (
    Capabilities,
    ChangePage,
    ChangeRequest,
    Check,
    CreateKeys,
    FeedKind,
    Identity,
    WriteRequest,
    result_schema,
)
from twinrow.connectors.sql.conditions import condition_for
from twinrow.connectors.sql.database import AFTER, Database, NotCarriedOut
from twinrow.connectors.sql.feed import feed_pages
from twinrow.connectors.sql.postgresql import Postgresql
from twinrow.connectors.sql.reflection import make_shape
from twinrow.connectors.sql.settings import SqlTable
from twinrow.connectors.sql.shape import FoundTable, Relation, Shape, Storage
from twinrow.connectors.sql.sqlite import Sqlite
from twinrow.connectors.sql.writing import Writer, takes_guids
from twinrow.model.errors import ConfigurationError, SystemUnavailable, TwinrowError, UnknownTable
from twinrow.model.filters import Filter
from twinrow.model.tables import Table

BATCH_ROWS = 20_000
IDS_ROWS = 50_000
FETCH_ROWS = 20_000


class SqlSystem:
    """Tables of a SQLite or PostgreSQL database as a system.

    `url` is `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`; `tables` holds the settings of tables that need some.
    Nothing is sent before the first question. Raises `ConfigurationError` for an address that cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "database",
        schema: str | None = None,
        tables: Mapping[str, SqlTable] | None = None,
    ) -> None:
        self.name = name
        self._database = _open(name, url, schema)
        self._settings = dict(tables or {})
        self._found: dict[str, FoundTable | None] = {}
        self._shapes: dict[str, Shape] = {}
        self._lock = threading.Lock()

    @property
    def request_lifetime(self) -> timedelta:
        """The time after which a transaction of ours is over, by the database's own limits."""
        return self._database.request_lifetime

    def identify(self) -> Identity:
        """Say which database this is and who we are there."""
        return self._database.identify()

    def now(self) -> datetime:
        """Return the database's time."""
        return self._database.now()

    def test(self) -> list[Check]:
        """Look at the connection and at the tables that have settings."""
        try:
            checks = self._database.checks()
            names = self.tables()
        except TwinrowError as error:
            return [Check("Connection", False, error.cause or error.message, error.remedy or "")]
        checks.append(
            Check("Tables", bool(names), f"{len(names)} with a key", "" if names else "Name a key for a table.")
        )
        return checks + [self._check(table) for table in self._settings]

    def _check(self, table: str) -> Check:
        try:
            shape = self._shape(table)
        except TwinrowError as error:
            return Check(f"Table {table}", False, error.message, error.remedy or "")
        by = shape.row_version or shape.modified_at
        found = [
            f"key {shape.key.name}",
            f"changes by {by.name}" if by is not None else "changes by comparing everything",
        ]
        remedy = ""
        if by is not None and by.name not in shape.found.indexed and shape.found.relation is Relation.TABLE:
            remedy = f"An index on {by.name} makes finding changes quicker."
        if shape.row_version is not None and not shape.found.triggers:
            remedy = (
                f"No trigger of the table changes {shape.row_version.name}: let the database count it, or take it out."
            )
            return Check(f"Table {table}", False, ", ".join(found), remedy)
        return Check(f"Table {table}", True, ", ".join(found), remedy)

    def tables(self) -> Sequence[str]:
        """Return the names of the tables that have a key, by themselves or by their settings."""
        return tuple(name for name in self._database.table_names() if self._is_usable(name))

    def _is_usable(self, name: str) -> bool:
        try:
            self._shape(name)
        except ConfigurationError:
            return False
        return True

    def describe(self, table: str) -> Table:
        """Return a table's fields."""
        return self._shape(table).table

    def _shape(self, name: str) -> Shape:
        with self._lock:
            shape = self._shapes.get(name)
            if shape is None:
                shape = self._shapes[name] = self._make_shape(name)
            return shape

    def _make_shape(self, name: str) -> Shape:
        found = self._find(name)
        if found is None:
            raise UnknownTable(self.name, name, self._database.table_names())
        settings = self._settings.get(name, SqlTable())
        return make_shape(name, found, settings, self._database.default_overlap, self._key_of)

    def _find(self, name: str) -> FoundTable | None:
        if name not in self._found:
            self._found[name] = self._database.find(name)
        return self._found[name]

    def _key_of(self, name: str) -> str | None:
        settings = self._settings.get(name)
        if settings is not None and settings.key is not None:
            return settings.key
        found = self._find(name)
        return found.primary_key[0] if found is not None and len(found.primary_key) == 1 else None

    def capabilities(self, table: str) -> Capabilities:
        """Return what a table can do."""
        shape = self._shape(table)
        feed = FeedKind.WHOLE
        if shape.row_version is not None:
            feed = FeedKind.ROW_VERSION
        elif shape.modified_at is not None:
            feed = FeedKind.MODIFIED_AT
        allowed = shape.found.privileges if shape.writable else frozenset()
        return Capabilities(
            feed=feed,
            version_checks=True,
            create_keys=self._create_keys(shape),
            can_create="INSERT" in allowed,
            can_update="UPDATE" in allowed,
            can_delete="DELETE" in allowed,
            overlap=shape.overlap if feed is FeedKind.MODIFIED_AT else timedelta(),
            created_at=shape.created_at,
            batch_rows=BATCH_ROWS,
            field_logic=False,
            reads_ahead=True,
            limits=tuple(_limits(shape, feed)) + tuple(self._database.limits(shape)),
        )

    def _create_keys(self, shape: Shape) -> CreateKeys:
        if takes_guids(shape):
            return CreateKeys.CHOSEN
        return CreateKeys.PROPOSED if shape.found.counted else CreateKeys.NONE

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed. Raises `FeedExpired` when a position goes by another column than the table's settings do."""
        shape = self._shape(request.table)
        _hold_fields(shape, request.fields)
        return feed_pages(request, shape, self._database)

    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the records with these ids that there are."""
        shape = self._shape(table)
        _hold_fields(shape, fields)
        keys = self._database.stored_keys(shape, list(dict.fromkeys(ids)))
        frames = [
            self._database.read(shape, fields, [self._database.is_one_of(shape.key, keys[start : start + FETCH_ROWS])])
            for start in range(0, len(keys), FETCH_ROWS)
        ]
        return pl.concat(frames) if frames else empty_batch(shape.table, fields)

    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        """Return the records that satisfy the condition, as the database compares: by case, unless its collation does not."""
        shape = self._shape(table)
        _hold_fields(shape, fields)
        where = [condition_for(condition, shape, self._database)] if condition is not None else []
        return self._database.read(shape, fields, where, limit=limit)

    def ids(self, table: str) -> Iterator[pl.Series]:
        """Yield the ids of all records."""
        shape = self._shape(table)
        return self._ids(shape)

    def _ids(self, shape: Shape) -> Iterator[pl.Series]:
        (last,) = self._database.order(shape, whole=True)
        place = f"{AFTER}0"
        keyed = shape.key_column.is_not(None)
        behind: sa.ColumnElement[bool] = sa.true()
        while True:
            statement = sa.select(shape.key_column.label("id"), last.label("place")).select_from(shape.source)
            statement = statement.where(keyed, behind).order_by(last).limit(IDS_ROWS)
            page = self._database.rows(statement, [(ID, shape.key), (place, None)])
            if page.is_empty():
                return
            ids = page.get_column(ID).cast(pl.String)
            self._database.hold_guids(shape, ids)
            yield ids
            behind = last > sa.literal(page.get_column(place)[-1], sa.types.NULLTYPE)

    def write(self, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out: all in one transaction, or in several where the database refuses some of them."""
        shape = self._shape(request.table)
        _hold_fields(shape, (*request.fields, *request.answered))
        if request.frame.is_empty():
            return pl.DataFrame(schema=result_schema(shape.table, request.answered))
        return Writer(request, shape, self._database).write()

    def propose_keys(self, table: str, count: int) -> list[str]:
        """Return that many numbers that no record has had, and that the database will give to none."""
        shape = self._shape(table)
        try:
            return self._database.reserve_keys(shape, count)
        except NotCarriedOut as error:
            raise SystemUnavailable(
                f"The database of {self.name} gives no numbers now", cause=error.message, remedy="Try again later."
            ) from error

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()


def _open(name: str, url: str, schema: str | None) -> Database:
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        parsed = None
    match parsed.get_backend_name() if parsed is not None else "":
        case "sqlite" if parsed is not None:
            return Sqlite(name, parsed)
        case "postgresql" if parsed is not None:
            return Postgresql(name, parsed, schema)
    raise ConfigurationError(
        f"The address of the system {name} is none of a SQLite or PostgreSQL database",
        remedy="Write sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
    )


def _hold_fields(shape: Shape, fields: Sequence[str]) -> None:
    for name in fields:
        shape.table.field(name)


def _limits(shape: Shape, feed: FeedKind) -> Iterator[str]:
    if feed is FeedKind.WHOLE:
        yield f"{shape.table.name} has no column by which changes are found: every run reads the whole table."
    elif feed is FeedKind.MODIFIED_AT and shape.modified_at is not None:
        yield f"A change that does not set {shape.modified_at.name} is not seen."
    if not shape.writable:
        why = "a view" if shape.found.relation is Relation.VIEW else shape.found.relation.value
        reason = (
            why if shape.found.relation is not Relation.TABLE else f"{shape.key.name}, which may hold a value twice"
        )
        yield f"{shape.table.name} is only read: {reason}."
    elif not takes_guids(shape) and not shape.found.counted and shape.key.storage is Storage.INTEGER:
        yield f"A create in {shape.table.name} cannot be told from its repetition: {shape.key.name} is counted without memory."
