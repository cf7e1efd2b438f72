"""The database of the server: tables of each company, row versions, transactions, the long transaction.

Words: a *company* has its own set of tables, named `<company>$<table>` as in Business Central's own database; a few
tables exist once. The *row version* counts every insert and every change in the whole database, over tables and
companies, and never goes back, whatever is rolled back. A row is *held* while the transaction that wrote it has not
ended: requests that read do not see it, and the lowest version among held rows is the minimum active row version.

All writes go through one connection. While a long transaction is open, readers are given a second database, in
memory, the *committed* one: it starts as a copy and receives each row that an ordinary transaction writes.
"""

# ruff: noqa: S608 - names of tables and columns come from the schema, values are bound
from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twinrow.sandbox.business_central.errors import locked
from twinrow.sandbox.business_central.schema import Schema, Table
from twinrow.sandbox.business_central.wire import ZERO_GUID, stored_time, upper
from twinrow.sandbox.clock import SandboxClock

Row = dict[str, Any]

# Above 2^32, so that a client which keeps row versions in 32 bits is found out.
FIRST_ROW_VERSION = 8_000_000_000
# A held number series would stop every other create, which is not what the switch is for.
_NEVER_HELD = frozenset({"No. Series Line", "User"})


class Store:
    """The tables of all companies in one SQLite database."""

    def __init__(self, connection: sqlite3.Connection, clock: SandboxClock, schema: Schema) -> None:
        self.connection = connection
        self.schema = schema
        self.user = ZERO_GUID
        self.time = ""
        self.last_version = FIRST_ROW_VERSION
        self.users: dict[str, str] = {}
        self._clock = clock
        self._columns = {
            table.name: tuple(field.name for field in table.all_fields) for table in schema.tables.values()
        }
        self._small: dict[str, dict[tuple[Any, ...], Row]] = {}
        self._next_id = 0
        self._id_end = ""
        self._touched: list[tuple[str, Table, str]] = []
        self._committed: sqlite3.Connection | None = None
        self._holding = False
        self._held: set[tuple[str, str]] = set()
        self._held_from = 0
        self._version_before = 0
        self.reload()

    # The database as a whole

    def reload(self) -> None:
        """Read anew what is kept in memory: the database was opened or replaced."""
        self.end_long_transaction()
        self._small.clear()
        _add_functions(self.connection)
        execute = self.connection.execute
        execute('CREATE TABLE IF NOT EXISTS "$Counters" (last_version INTEGER, next_id INTEGER, id_end TEXT)')
        row = execute('SELECT last_version, next_id, id_end FROM "$Counters"').fetchone()
        if row is None:
            row = (FIRST_ROW_VERSION, uuid.uuid4().int >> 100, str(uuid.uuid4())[8:])
            execute('INSERT INTO "$Counters" VALUES (?, ?, ?)', row)
            for table in self.schema.tables.values():
                if table.per_database:
                    self._create(table, self.name(table, ""))
        self.last_version, self._next_id, self._id_end = row
        self.users = dict(execute('SELECT "User Security ID", "User Name" FROM "User"'))

    def empty(self) -> None:
        """Remove every row and every company."""
        names = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            self.connection.execute(f'DROP TABLE "{name}"')
        self.reload()

    def create_company_tables(self, company: str) -> None:
        """Make the tables of a new company, empty."""
        for table in self.schema.tables.values():
            if not table.per_database:
                self._create(table, self.name(table, company))

    def name(self, table: Table, company: str) -> str:
        """What an AL table is called in the database."""
        return table.name if table.per_database else f"{company}${table.name}"

    def columns(self, table: Table) -> tuple[str, ...]:
        """The columns of a table, in their order in the database."""
        return self._columns[table.name]

    def _create(self, table: Table, name: str) -> None:
        columns = ", ".join(f'"{field.name}" {field.column_type} NOT NULL' for field in table.all_fields)
        key = _quoted(table.key)
        statements = [
            f'CREATE TABLE "{name}" ({columns}, PRIMARY KEY ({key}))',
            f'CREATE UNIQUE INDEX "{name}/id" ON "{name}" ("SystemId")',
            f'CREATE UNIQUE INDEX "{name}/version" ON "{name}" ("SystemRowVersion")',
            *(
                f'CREATE INDEX "{name}/{number}" ON "{name}" ({_quoted(index)})'
                for number, index in enumerate(table.indexes)
            ),
        ]
        if any(field.name == "Twinrow Sync Mark" for field in table.fields):
            statements.append(f'CREATE INDEX "{name}/mark" ON "{name}" ("Twinrow Sync Mark")')
        for connection in filter(None, (self.connection, self._committed)):
            for statement in statements:
                connection.execute(statement)

    # Transactions

    @contextmanager
    def transaction(self, user: str, *, long: bool = False) -> Iterator[None]:
        """All or nothing: what is written within is stamped with the id of `user` and the present time.

        `long` makes it part of the long transaction: its rows stay unseen until that ends.
        """
        self.user, self.time = user, stored_time(self._clock.now())
        self._holding = long
        self._touched.clear()
        self._version_before = self.last_version
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            self._forget(0)
            self._keep_counters()
            raise
        self._publish()
        self._keep_counters()
        self.connection.execute("COMMIT")

    @contextmanager
    def part(self, *, final: bool) -> Iterator[None]:
        """A piece of the transaction that is open, at a time of its own, undone by itself when it fails.

        A `final` part stands whatever becomes of the others, as if it had a transaction to itself. (It is committed
        with them all the same: committing each would cost a file more than carrying it out.)
        """
        self.time = stored_time(self._clock.now())
        self.connection.execute("SAVEPOINT part")
        touched = len(self._touched)
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO part")
            self._forget(touched)
            raise
        finally:
            self.connection.execute("RELEASE part")
        if final:
            self._publish()

    def _forget(self, start: int) -> None:
        for name, _, _ in self._touched[start:]:
            self._small.pop(name, None)
        del self._touched[start:]

    def _keep_counters(self) -> None:
        self.connection.execute(
            'UPDATE "$Counters" SET last_version = ?, next_id = ?', (self.last_version, self._next_id)
        )

    # Rows

    def small_rows(self, name: str, table: Table) -> dict[tuple[Any, ...], Row]:
        """All rows of a small table by primary key, from memory; not to be changed."""
        rows = self._small.get(name)
        if rows is None:
            columns = self._columns[table.name]
            found = self.connection.execute(f'SELECT * FROM "{name}" ORDER BY {_quoted(table.key)}')
            rows = {}
            for values in found:
                row = dict(zip(columns, values, strict=True))
                rows[tuple(row[column] for column in table.key)] = row
            self._small[name] = rows
        return rows

    def check_not_held(self, name: str, table: Table, row: Row) -> None:
        """Refuse to touch a row that an open transaction holds, unless this one is part of it."""
        if self._held and not self._holding and (name, row["SystemId"]) in self._held:
            raise locked(table.name)

    def touch(self, name: str, table: Table, row: Row) -> None:
        """Note that a row is about to be written; refuses one that an open transaction holds."""
        self.check_not_held(name, table, row)
        if table.small:
            self._small.pop(name, None)
        self._touched.append((name, table, row["SystemId"]))

    def stamp_new(self, row: Row) -> None:
        """Fill the system fields of a row that is to be inserted."""
        if row["SystemId"] == ZERO_GUID:
            row["SystemId"] = self.new_id()
        self.stamp_changed(row)
        row["SystemCreatedAt"], row["SystemCreatedBy"] = self.time, self.user

    def stamp_changed(self, row: Row) -> None:
        """Fill the system fields of a row that is to be changed."""
        self.last_version += 1
        row["SystemRowVersion"] = self.last_version
        row["SystemModifiedAt"], row["SystemModifiedBy"] = self.time, self.user

    def new_id(self) -> str:
        """The next SystemId: those of one database follow each other, as NEWSEQUENTIALID gives them."""
        self._next_id = (self._next_id + 1) & 0xFFFFFFFF
        return f"{self._next_id:08x}{self._id_end}"

    # The long transaction

    @property
    def reader(self) -> sqlite3.Connection:
        """Where requests that read look: it shows only what was committed."""
        return self._committed or self.connection

    @property
    def minimum_active_version(self) -> int:
        """Every row version below this one is committed."""
        return self._held_from or self.last_version + 1

    def begin_long_transaction(self) -> None:
        """From now on, transactions that say so keep their rows unseen."""
        if self._committed is None:
            self._committed = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self.connection.backup(self._committed)
            _add_functions(self._committed)

    def end_long_transaction(self) -> None:
        """What was held is seen from now on, with the versions and times that it got when it was written."""
        if self._committed is not None:
            self._committed.close()
            self._committed = None
        self._held.clear()
        self._held_from = 0

    def _publish(self) -> None:
        """Show to readers what was written, or note that it is held."""
        if self._committed is not None:
            for name, table, system_id in self._touched:
                if self._holding and table.name not in _NEVER_HELD:
                    self._held.add((name, system_id))
                    self._held_from = self._held_from or self._version_before + 1
                else:
                    self._copy_to(self._committed, name, system_id)
        self._touched.clear()
        self._version_before = self.last_version

    def _copy_to(self, committed: sqlite3.Connection, name: str, system_id: str) -> None:
        row = self.connection.execute(f'SELECT * FROM "{name}" WHERE "SystemId" = ?', (system_id,)).fetchone()
        committed.execute(f'DELETE FROM "{name}" WHERE "SystemId" = ?', (system_id,))
        if row is not None:
            committed.execute(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', row)


def _add_functions(connection: sqlite3.Connection) -> None:
    """SQLite's own functions know only the letters of English."""
    connection.create_function("al_lower", 1, str.lower, deterministic=True)
    connection.create_function("al_upper", 1, upper, deterministic=True)


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
