"""Tables of SQLite and PostgreSQL databases as systems.

    system = SqlSystem("postgresql://user@host/database", tables={"customers": SqlTable(guid=True)})

The way of a question: `system` knows the tables (`reflection` shapes them from what `sqlite_tables` or `postgresql_tables`
finds and `settings` say), `feed`, `conditions` and `writing` turn it into what a `database` is asked, and `sqlite` and
`postgresql` carry that out by their drivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twinrow.connectors.sql.settings import SqlTable, read_options
from twinrow.connectors.sql.system import SqlSystem
from twinrow.model.protocols import Clock, Secrets

__all__ = ["SqlSystem", "SqlTable", "open_system"]


def open_system(name: str, options: Mapping[str, Any], secrets: Secrets, clock: Clock) -> SqlSystem:  # noqa: ARG001
    """Return a connector for a system of kind `sql`; nothing is sent yet. Raises `ConfigurationError`."""
    read = read_options(name, options, secrets)
    return SqlSystem(read.url, name=name, schema=read.schema_name, tables=read.tables)
