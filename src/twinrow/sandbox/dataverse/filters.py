"""`$filter` as Dataverse understands it.

Text is compared without regard to case, and `%`, `_`, `[...]` in it are wildcards, also for `eq`. Paths lead over
lookups; `any` and `all` over collections. A *scope* is one table of the query with its SQL alias and the joins that
paths have asked for.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Navigation, Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.query_functions import condition_of
from twinrow.sandbox.dataverse.schema import ManyToOne
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.dataverse.values import guid, instant_text, money_stored
from twinrow.sandbox.odata.errors import UnknownProperty, UnsupportedExpression
from twinrow.sandbox.odata.filter_parsing import Node
from twinrow.sandbox.odata.filter_sql import (
    SQL_OPERATORS,
    Column,
    FilterTranslator,
    Fragment,
    LiteralValue,
    Operator,
    TextMatch,
)

_NUMERIC = {"Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double"}
_WILDCARDS = re.compile(r"[%_\[]")


@dataclass
class Scope:
    """One table of the query. `joins` are SQL joins, by the path that needs them."""

    table: Table
    alias: str
    joins: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)

    @property
    def joins_sql(self) -> str:
        """All joins, in the order in which they were asked for."""
        return "".join(sql for _, sql in self.joins.values())


class DataverseFilter(FilterTranslator):
    """Turns one filter on one table into SQL."""

    def __init__(self, environment: Environment, call: Call, scope: Scope) -> None:
        super().__init__()
        self._environment = environment
        self._call = call
        self._scopes: dict[str | None, Scope] = {None: scope}
        self._aliases = 0

    def column(self, path: tuple[str, ...]) -> Column:
        """The column that a path names."""
        scope, path = self._scope_of(path)
        table, alias = scope.table, scope.alias
        for depth, name in enumerate(path[:-1], 1):
            navigation = table.navigations.get(name)
            if navigation is None or len(navigation.targets) != 1:
                raise UnknownProperty(name, f"Microsoft.Dynamics.CRM.{table.name}")
            target = self._environment.catalog.tables[navigation.targets[0]]
            alias = self._join(scope, path[:depth], alias, navigation, target)
            table = target
        column = table.properties.get(path[-1])
        if column is None and table.is_principal and path[-1] == "ownerid":
            column = table.columns[table.id]
        if column is None:
            raise UnknownProperty(path[-1], f"Microsoft.Dynamics.CRM.{table.name}")
        return Column(f'{alias}."{column.name}"', column.type, column.edm, column.name)

    def _scope_of(self, path: tuple[str, ...]) -> tuple[Scope, tuple[str, ...]]:
        if len(path) > 1 and path[0] in self._scopes:
            return self._scopes[path[0]], path[1:]
        return self._scopes[None], path

    def _join(self, scope: Scope, path: tuple[str, ...], alias: str, navigation: Navigation, target: Table) -> str:
        if path not in scope.joins:
            joined = self._new_alias()
            column = navigation.column
            condition = f'{joined}."{target.id}" = {alias}."{column.name}"'
            if column.polymorphic:
                condition += f" AND {alias}.\"{type_column(column)}\" = '{target.name}'"
            scope.joins[path] = joined, f' LEFT JOIN "{target.name}" {joined} ON {condition}'
        return scope.joins[path][0]

    def _new_alias(self) -> str:
        self._aliases += 1
        return f"j{self._aliases}"

    def comparable(self, column: Column, literal: LiteralValue) -> bool:
        """Whether OData lets the two stand beside each other."""
        if column.edm in _NUMERIC:
            return literal.edm in _NUMERIC
        if column.edm == "Edm.Guid":
            # Microsoft's own clients write GUIDs both with and without quotes.
            return literal.edm == "Edm.Guid" or (literal.quoted and guid(literal.value) is not None)
        if column.edm in ("Edm.DateTimeOffset", "Edm.Date"):
            return literal.edm in ("Edm.DateTimeOffset", "Edm.Date")
        return column.edm == literal.edm

    def compare(self, column: Column, operator: Operator, literal: LiteralValue) -> Fragment:
        """`column operator literal`."""
        if column.edm == "Edm.String":
            return _compare_text(column, operator, str(literal.value))
        if column.edm in ("Edm.DateTimeOffset", "Edm.Date"):
            return _compare_time(column, operator, literal.value)
        return _plain(column, operator, stored(column, literal.value))

    def compare_columns(self, left: Column, operator: Operator, right: Column) -> Fragment:
        """Two columns of one row."""
        collation = _collation(left)
        sql = f"{left.sql} {SQL_OPERATORS[operator]} {right.sql}{collation}"
        if operator == "ne":
            sql = f"{left.sql} IS NOT {right.sql}{collation}"
        return Fragment(sql)

    def match(self, column: Column, how: TextMatch, text: str) -> Fragment:
        """`contains`, `startswith`, `endswith`."""
        pattern = {"contains": f"%{text}%", "startswith": f"{text}%", "endswith": f"%{text}"}[how]
        return _like(column, pattern)

    def function(self, name: str, arguments: dict[str, Any]) -> Fragment:
        """A function of `Microsoft.Dynamics.CRM`."""
        prefix, _, short = name.rpartition(".")
        if prefix not in ("Microsoft.Dynamics.CRM", "mscrm"):
            raise UnsupportedExpression(f"An unknown function with name '{name}' was found.")
        return condition_of(self._environment, self._call, self, short, arguments)

    def any_of(self, path: tuple[str, ...], variable: str | None, condition: Node | None) -> Fragment:
        """Whether a row of a collection fulfils the condition."""
        scope, path = self._scope_of((*path, ""))
        path = path[:-1]
        if len(path) != 1:
            raise UnsupportedExpression("A collection behind a lookup cannot be filtered with any or all.")
        relationship = scope.table.collections.get(path[0])
        if relationship is None:
            raise UnknownProperty(path[0], f"Microsoft.Dynamics.CRM.{scope.table.name}")
        alias = self._new_alias()
        catalog, outer = self._environment.catalog, f'{scope.alias}."{scope.table.id}"'
        if isinstance(relationship, ManyToOne):
            table = catalog.tables[relationship.table]
            source = f'"{table.name}" {alias}'
            link = refers(table, relationship, alias, outer)
        else:
            table = catalog.tables[relationship.other(scope.table.name)]
            between = self._new_alias()
            source = (
                f'"{relationship.intersect}" {between} JOIN "{table.name}" {alias} '
                f'ON {alias}."{table.id}" = {between}."{table.id}"'
            )
            link = f'{between}."{scope.table.id}" = {outer}'
        inner_scope = Scope(table, alias)
        inner = Fragment("1")
        if condition is not None:
            self._scopes[variable] = inner_scope
            try:
                inner = self.condition(condition)
            finally:
                del self._scopes[variable]
        sql = f"EXISTS (SELECT 1 FROM {source}{inner_scope.joins_sql} WHERE {link} AND {inner.sql})"  # noqa: S608
        return Fragment(sql, inner.values)


def refers(table: Table, relationship: ManyToOne, alias: str, key: str) -> str:
    """SQL for: the row `alias` of `table` refers over the relationship to the row whose id `key` gives."""
    condition = f'{alias}."{relationship.column}" = {key}'
    column = table.columns[relationship.column]
    if column.polymorphic:
        condition += f" AND {alias}.\"{type_column(column)}\" = '{relationship.target}'"
    return condition


def stored(column: Column, value: Any) -> Any:
    """A Python value as the column stores it."""
    match column.kind:
        case "Boolean":
            return int(value)
        case "Money":
            return money_stored(Decimal(value))
        case "Decimal":
            return f"{Decimal(value):f}"
        case "Double":
            return float(value)
    if column.edm == "Edm.Guid":
        return guid(value) or value
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return float(value) if isinstance(value, Decimal) else value


def _collation(column: Column) -> str:
    if column.edm == "Edm.String":
        return " COLLATE NOCASE"
    return " COLLATE decimal" if column.kind == "Decimal" else ""


def _plain(column: Column, operator: Operator, value: Any) -> Fragment:
    if operator == "ne":
        # What has no value differs from every value.
        return Fragment(f"{column.sql} IS NOT ?{_collation(column)}", (value,))
    return Fragment(f"{column.sql} {SQL_OPERATORS[operator]} ?{_collation(column)}", (value,))


def _compare_text(column: Column, operator: Operator, text: str) -> Fragment:
    if operator in ("eq", "ne") and _WILDCARDS.search(text):
        inner = _like(column, text)
        return inner if operator == "eq" else Fragment(f"NOT coalesce({inner.sql}, 0)", inner.values)
    if text.isascii():
        return _plain(column, operator, text)
    # SQLite folds ASCII letters only; where there are others, both sides are folded here.
    folded = Column(f"fold({column.sql})", "folded", "folded")
    return _plain(folded, operator, text.casefold())


def _compare_time(column: Column, operator: Operator, value: Any) -> Fragment:
    if column.edm == "Edm.Date":
        return _plain(column, operator, (value.date() if isinstance(value, datetime) else value).isoformat())
    instant = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
    if instant.microsecond:
        # Stored times are whole seconds: between two of them lie the same rows on either side.
        if operator == "eq":
            return Fragment("0")
        operator = {"ge": "gt", "lt": "le"}.get(operator, operator)  # type: ignore[assignment]
    return _plain(column, operator, instant_text(instant))


def _like(column: Column, pattern: str) -> Fragment:
    if "[" in pattern or not pattern.isascii():
        return Fragment(f"wildcard(?, {column.sql})", (pattern,))
    return Fragment(f"{column.sql} LIKE ?", (pattern,))


def add_functions(connection: sqlite3.Connection) -> None:
    """Give SQLite the text functions that filters use."""
    connection.create_function("fold", 1, _fold, deterministic=True)
    connection.create_function("wildcard", 2, _matches, deterministic=True)


def _fold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _matches(pattern: str, text: str | None) -> int | None:
    return None if text is None else int(_compiled(pattern)(text) is not None)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """A pattern of `%`, `_`, `[abc]`, `[^abc]` as a regular expression."""
    pieces: list[str] = []
    place = 0
    while place < len(pattern):
        character = pattern[place]
        end = pattern.find("]", place + 1)
        if character == "%":
            pieces.append(".*")
        elif character == "_":
            pieces.append(".")
        elif character == "[" and end > place + 1:
            inside = pattern[place + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            pieces.append(f"[{inside}]")
            place = end
        else:
            pieces.append(re.escape(character))
        place += 1
    try:
        return re.compile("".join(pieces), re.IGNORECASE | re.DOTALL).fullmatch
    except re.error:
        raise errors.bad_query(f"Invalid pattern '{pattern}'.") from None
