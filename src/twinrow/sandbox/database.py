"""The SQLite database of a service: opened for speed, and quick to put back to an earlier state.

A *snapshot* is a copy of the whole database, held in memory under a name for as long as the server runs.
"""

from __future__ import annotations

import sqlite3


def open_database(location: str) -> sqlite3.Connection:
    """Open a file, or `:memory:`.

    Transactions are begun and ended by the service. What was committed outlives the death of the process (not a
    power cut: a sandbox need not survive that, and waiting for the disk would hide what clients cost).
    """
    connection = sqlite3.connect(location, isolation_level=None, check_same_thread=False, cached_statements=1024)
    connection.execute("PRAGMA journal_mode = WAL" if location != ":memory:" else "PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -262144")
    return connection


class Snapshots:
    """Named copies of one database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._copies: dict[str, sqlite3.Connection] = {}

    def take(self, name: str) -> None:
        """Keep the present state under `name`; an earlier snapshot of that name is replaced."""
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.backup(copy)
        earlier = self._copies.pop(name, None)
        if earlier is not None:
            earlier.close()
        self._copies[name] = copy

    def restore(self, name: str) -> None:
        """Put the database back to the snapshot `name`; raises KeyError when there is none."""
        if name not in self._copies:
            raise KeyError(f"There is no snapshot {name!r}.")
        self._copies[name].backup(self._connection)

    def names(self) -> list[str]:
        """The names of all snapshots."""
        return sorted(self._copies)
