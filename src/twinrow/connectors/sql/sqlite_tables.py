"""What a SQLite database says of its tables.

SQLAlchemy's reflection gives keys, references and constraints; the declared types are read as they stand, because SQLite
itself knows only a few and takes any word for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from twinrow.connectors.sql.database import quoted
from twinrow.connectors.sql.shape import FoundColumn, FoundTable, Relation, Storage
from twinrow.connectors.sql.sqlite_values import EXACT_DIGITS

WHOLE_DIGITS = 18
"""The digits that a whole number keeps in SQLite."""

_STORAGES = {
    "UUID": Storage.UUID,
    "GUID": Storage.UUID,
    "UNIQUEIDENTIFIER": Storage.UUID,
    "BOOLEAN": Storage.BOOLEAN,
    "BOOL": Storage.BOOLEAN,
    "BIT": Storage.BOOLEAN,
    "DATE": Storage.DATE,
    "DATETIME": Storage.INSTANT,
    "DATETIME2": Storage.INSTANT,
    "DATETIMEOFFSET": Storage.INSTANT,
    "TIMESTAMP": Storage.INSTANT,
    "TIMESTAMPTZ": Storage.INSTANT,
    "NUMERIC": Storage.DECIMAL,
    "DECIMAL": Storage.DECIMAL,
    "NUMBER": Storage.DECIMAL,
    "MONEY": Storage.DECIMAL,
}
_AFFINITIES = (
    ("INT", Storage.INTEGER),
    ("CHAR", Storage.TEXT),
    ("CLOB", Storage.TEXT),
    ("TEXT", Storage.TEXT),
    ("REAL", Storage.FLOAT),
    ("FLOA", Storage.FLOAT),
    ("DOUB", Storage.FLOAT),
)
_DECLARED = re.compile(r"^\s*([A-Za-z0-9_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$")
_ROW_NAMES = ("rowid", "_rowid_", "oid")
_HIDDEN_COMPUTED = (2, 3)


def table_names(connection: sa.Connection) -> list[str]:
    """Return the names of the tables and views."""
    inspector = sa.inspect(connection)
    return sorted([*inspector.get_table_names(), *inspector.get_view_names()])


def find_table(connection: sa.Connection, name: str) -> FoundTable | None:
    """Return a table or view as the database describes it; None where there is none of that name."""
    inspector = sa.inspect(connection)
    is_view = name in inspector.get_view_names()
    if not is_view and name not in inspector.get_table_names():
        return None
    described = connection.exec_driver_sql(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    listed = connection.exec_driver_sql("PRAGMA table_list").fetchall()
    entries = connection.execute(
        sa.text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :name"), {"name": name}
    ).fetchall()
    sources = {kind: sql or "" for kind, _, sql in entries}
    without_rowid = any(row[1] == name and row[4] for row in listed)
    columns = tuple(column for row in described if (column := _column(row)) is not None)
    primary_key = tuple(row[1] for row in sorted(described, key=lambda row: row[5]) if row[5])
    constraints = dict(_constraints(inspector, name)) if not is_view else {}
    unique = {names[0] for names in constraints.values() if len(names) == 1}
    indexed = {index["column_names"][0] for index in inspector.get_indexes(name)} if not is_view else set()
    taken = {row[1].lower() for row in described}
    whole = len(primary_key) == 1 and any(row[1] == primary_key[0] and row[2].upper() == "INTEGER" for row in described)
    return FoundTable(
        name=name,
        schema=None,
        relation=Relation.VIEW if is_view else Relation.TABLE,
        columns=columns,
        primary_key=primary_key,
        unique=frozenset(unique | (set(primary_key) if len(primary_key) == 1 else set())),
        indexed=frozenset(name for name in indexed | set(primary_key[:1]) if name),
        references=dict(_references(inspector, name)) if not is_view else {},
        constraints=constraints,
        triggers=tuple(trigger for kind, trigger, _ in entries if kind == "trigger"),
        row_order=None if is_view or without_rowid else next((name for name in _ROW_NAMES if name not in taken), None),
        counted=whole and "AUTOINCREMENT" in sources.get("table", "").upper(),
        guarded="trigger" in sources or "ON CONFLICT" in sources.get("table", "").upper(),
    )


def _column(row: Any) -> FoundColumn | None:
    """Return a column, from its number, name, declared type, NOT NULL, default, place in the primary key and hiddenness."""
    _, name, declared, not_null, default, in_key, hidden = row
    found = _DECLARED.match(declared)
    if found is None or hidden == 1:
        return None
    words, first, second = found.group(1).upper(), found.group(2), found.group(3)
    storage = _storage(words)
    if storage is None:
        return None
    precision = int(first) if first is not None and storage is Storage.DECIMAL else None
    scale = int(second or 0) if precision is not None else None
    whole = bool(in_key) and words == "INTEGER"
    low, high = _range(storage, precision, scale)
    return FoundColumn(
        name=name,
        storage=storage,
        declared=declared,
        nullable=not not_null and not whole,
        max_length=int(first) if first is not None and storage is Storage.TEXT else None,
        precision=precision,
        scale=scale,
        minimum=low,
        maximum=high,
        default="" if whole else default,
        fixed=hidden in _HIDDEN_COMPUTED,
        binary=storage is Storage.DECIMAL and scale != 0,
    )


def _storage(words: str) -> Storage | None:
    first = words.split(" ")[0]
    if first in _STORAGES:
        return _STORAGES[first]
    return next((storage for part, storage in _AFFINITIES if part in words), None)


def _range(storage: Storage, precision: int | None, scale: int | None) -> tuple[int | float | None, int | float | None]:
    if storage is Storage.INTEGER:
        return -(2**63), 2**63 - 1
    if storage is Storage.DECIMAL and precision is not None and scale is not None:
        digits = min(precision, EXACT_DIGITS if scale else WHOLE_DIGITS)
        largest = float(f"{'9' * (digits - scale) or '0'}.{'9' * scale}") if scale else 10**digits - 1
        return -largest, largest
    return None, None


def _constraints(inspector: sa.Inspector, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the unique constraints; SQLite names the columns in its answers, so numbers do for those without a name."""
    for number, constraint in enumerate(inspector.get_unique_constraints(name)):
        yield constraint["name"] or f"unique {number}", tuple(constraint["column_names"])
    for index in inspector.get_indexes(name):
        partial = index.get("dialect_options", {}).get("sqlite_where") is not None
        if index["unique"] and not partial and all(index["column_names"]):
            yield str(index["name"]), tuple(column for column in index["column_names"] if column)


def _references(inspector: sa.Inspector, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for key in inspector.get_foreign_keys(name):
        if len(key["constrained_columns"]) != 1:
            continue
        target = key["referred_table"]
        referred = key["referred_columns"] or inspector.get_pk_constraint(target)["constrained_columns"]
        if len(referred) == 1:
            yield key["constrained_columns"][0], (target, referred[0])
