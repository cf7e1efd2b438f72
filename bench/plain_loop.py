"""The plain loops that twinrow is measured against: read, transform in Python, write, one transaction, and nothing remembered.

An account takes the id of its customer, so that changed rows can be written again without couplings.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench.workload import (
    ACCOUNT_COLUMNS,
    CUSTOMER_COLUMNS,
    LOWER_CASE,
    NUMBER_PREFIX,
    STATUS_CODES,
    UPPER_CASE,
    Place,
    PostgresqlPlace,
    SqlitePlace,
    utc_now,
)

FETCH_ROWS = 1_000
Row = tuple[Any, ...]

_CUSTOMER = list(CUSTOMER_COLUMNS)
_UPPER = frozenset(_CUSTOMER.index(name) for name in UPPER_CASE)
_LOWER = frozenset(_CUSTOMER.index(name) for name in LOWER_CASE)
_NUMBER, _BLOCKED = _CUSTOMER.index("no"), _CUSTOMER.index("blocked")


def account_of(customer: Row, now: Any) -> list[Any]:
    """Return the account that a customer becomes."""
    account = list(customer)
    account[_NUMBER] = NUMBER_PREFIX + customer[_NUMBER]
    for position in _UPPER:
        account[position] = customer[position].upper()
    for position in _LOWER:
        account[position] = customer[position].lower()
    account[_BLOCKED] = STATUS_CODES[int(customer[_BLOCKED])]
    account[-1] = now
    return account


def initial_load(place: Place) -> int:
    """Job A: every customer becomes an account. Return how many."""
    if isinstance(place, SqlitePlace):
        return _sqlite(place, "SELECT * FROM customers", (), _INSERT)
    assert isinstance(place, PostgresqlPlace)
    return _postgresql_load(place)


@dataclass(frozen=True)
class Edited:
    """A place whose customers were edited at or after a time (naive, in UTC)."""

    place: Place
    since: datetime


def edited(place: Place, remainder: int) -> Edited:
    """Edit one in a hundred customers."""
    # The databases' own times may have fewer decimals.
    since = utc_now() - timedelta(milliseconds=2)
    place.edit_customers(remainder)
    return Edited(place, since)


def changed_rows(work: Edited) -> int:
    """Job C: the customers that were changed are written again, by their ids. Return how many."""
    place, since = work.place, work.since
    if isinstance(place, SqlitePlace):
        return _sqlite(
            place, "SELECT * FROM customers WHERE modified_at >= ?", (since.isoformat(" "),), _INSERT + _OR_UPDATE
        )
    assert isinstance(place, PostgresqlPlace)
    return _postgresql_changes(place, since)


@dataclass(frozen=True)
class Watched:
    """Open connections to both databases of a place, and the queries for what has changed since all was quiet."""

    connections: tuple[Any, Any]
    queries: tuple[str, str]
    since: Any


def watched(place: Place) -> Watched:
    """Open both databases of a place."""
    assert isinstance(place, SqlitePlace | PostgresqlPlace)
    mark = "?" if isinstance(place, SqlitePlace) else "%s"
    queries = (
        f"SELECT * FROM customers WHERE modified_at >= {mark}",
        f"SELECT * FROM accounts WHERE modifiedon >= {mark}",
    )
    now = utc_now()
    since = now.isoformat(" ") if isinstance(place, SqlitePlace) else now
    return Watched((place.connect(place.customers_url), place.connect(place.accounts_url)), queries, since)


def watermark_queries(work: Watched) -> int:
    """Job B: both tables are asked for what has changed, and nothing has. Return how many rows there were."""
    found = 0
    for connection, query in zip(work.connections, work.queries, strict=True):
        found += len(connection.execute(query, (work.since,)).fetchall())
    return found


_INSERT = f"INSERT INTO accounts VALUES ({', '.join('?' * len(ACCOUNT_COLUMNS))})"
_OR_UPDATE = " ON CONFLICT (accountid) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in list(ACCOUNT_COLUMNS)[1:]
)


def _sqlite(place: SqlitePlace, select: str, parameters: Row, write: str) -> int:
    count = 0
    with (
        closing(place.connect(place.customers_url)) as source,
        closing(place.connect(place.accounts_url)) as destination,
    ):
        destination.execute("BEGIN")
        found = source.execute(select, parameters)
        while rows := found.fetchmany(FETCH_ROWS):
            now = utc_now().isoformat(" ")
            destination.executemany(write, [account_of(row, now) for row in rows])
            count += len(rows)
        destination.execute("COMMIT")
    return count


def _postgresql_load(place: PostgresqlPlace) -> int:
    count = 0
    with (
        place.connect(place.customers_url) as source,
        place.connect(place.accounts_url) as destination,
        destination.transaction(),
        source.cursor().copy("COPY customers TO STDOUT") as read,
        destination.cursor().copy("COPY accounts FROM STDIN") as written,
    ):
        now = utc_now()
        for row in read.rows():
            written.write_row(account_of(row, now))
            count += 1
    return count


def _postgresql_changes(place: PostgresqlPlace, since: datetime) -> int:
    count = 0
    with (
        place.connect(place.customers_url) as source,
        place.connect(place.accounts_url) as destination,
        destination.transaction(),
    ):
        destination.execute("CREATE TEMPORARY TABLE changed (LIKE accounts) ON COMMIT DROP")
        now = utc_now()
        with (
            source.cursor().copy("COPY (SELECT * FROM customers WHERE modified_at >= %s) TO STDOUT", [since]) as read,
            destination.cursor().copy("COPY changed FROM STDIN") as written,
        ):
            for row in read.rows():
                written.write_row(account_of(row, now))
                count += 1
        destination.execute("INSERT INTO accounts SELECT * FROM changed" + _OR_UPDATE)
    return count
