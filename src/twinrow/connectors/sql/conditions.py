"""Filters in the words of a database.

A comparison with a null field is never unknown here, as it would be in SQL: null equals null, differs from every value, and
is neither greater nor less. Texts are compared as the database compares them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from twinrow.connectors.sql.database import Database
from twinrow.connectors.sql.shape import Column, Shape
from twinrow.model.errors import UnknownField
from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch, Value

Condition = sa.ColumnElement[bool]

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def condition_for(filter_: Filter, shape: Shape, database: Database) -> Condition:
    """Return the SQL condition of a filter. Raises `UnknownField`."""
    match filter_:
        case And(parts):
            return sa.and_(*(condition_for(part, shape, database) for part in parts))
        case Or(parts):
            return sa.or_(*(condition_for(part, shape, database) for part in parts))
        case Not(part):
            return sa.not_(condition_for(part, shape, database))
        case TextMatch(function, name, value):
            return _known(database.matches(function, _column(shape, name), value))
        case Comparison(name, "in", tuple() as values):
            return _one_of(_column(shape, name), values, database)
        case Comparison(name, compared, value):
            return _comparison(_column(shape, name), compared, value, database)


def _column(shape: Shape, name: str) -> Column:
    column = shape.columns.get(name)
    if column is None:
        raise UnknownField(shape.table.name, name, tuple(shape.columns))
    return column


def _known(condition: Condition) -> Condition:
    return sa.func.coalesce(condition, sa.false())


def _one_of(column: Column, values: tuple[Value, ...], database: Database) -> Condition:
    found = [stored for value in values if value is not None and (stored := database.stored(column, value)) is not None]
    parts = [_known(database.is_one_of(column, found))] if found else []
    if None in values:
        parts.append(sa.column(column.name).is_(None))
    return sa.or_(sa.false(), *parts)


def _comparison(column: Column, compared: str, value: Any, database: Database) -> Condition:
    blank: Condition = sa.column(column.name).is_(None)
    if value is None:
        return blank if compared == "eq" else sa.not_(blank) if compared == "ne" else sa.false()
    stored = database.stored(column, value)
    if stored is None:
        # Nothing equals it, so everything differs from it.
        return sa.true() if compared == "ne" else sa.false()
    # The value has no type of its own: it is read as the type of the column that it is compared with.
    stored = sa.literal(stored, sa.types.NULLTYPE)
    element = database.comparable(column)
    if compared == "eq":
        return _known(element == stored)
    if compared == "ne":
        return sa.or_(blank, element != stored)
    return _known(_COMPARISONS[compared](element, stored))
