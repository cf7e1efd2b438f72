"""Filters: conditions on the records of one table, written as OData `$filter`, kept as a small tree.

One language serves every system. A filter is parsed once (`parse_filter`), checked against its table (`check_filter`),
evaluated on a frame by `batch.filters`, and written by each connector in its own system's words. It knows what both
services know: comparisons, `in`, `contains`, `startswith`, `endswith`, `and`, `or`, `not`.
Variables stand as `${name}` and are replaced before parsing by the settings of the connection, for example `${company_id}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from twinrow.model.errors import FilterError
from twinrow.model.tables import Field, FieldType, Table

Value = str | int | bool | Decimal | date | datetime | None

COMPARISONS = {"Eq": "eq", "NotEq": "ne", "Gt": "gt", "GtE": "ge", "Lt": "lt", "LtE": "le", "In": "in"}
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
FUNCTIONS = ("contains", "startswith", "endswith")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; the operators are eq, ne, gt, ge, lt, le and in (with a tuple of values)."""

    field: str
    operator: str
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class TextMatch:
    """`function(field, value)` with contains, startswith or endswith."""

    function: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter = Comparison | TextMatch | And | Or | Not


def filter_fields(condition: Filter | None) -> frozenset[str]:
    """Return the names of the fields that a filter looks at."""
    return frozenset(leaf.field for leaf in _leaves(condition)) if condition is not None else frozenset()


def _leaves(condition: Filter) -> Iterator[Comparison | TextMatch]:
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part):
            yield from _leaves(part)
        case _:
            yield condition


def all_of(*conditions: Filter | None) -> Filter | None:
    """Return the conjunction of the conditions that are given."""
    given = tuple(condition for condition in conditions if condition is not None)
    if not given:
        return None
    return given[0] if len(given) == 1 else And(given)


def filter_variables(text: str) -> frozenset[str]:
    """Return the names of the variables that a filter text uses."""
    return frozenset(_VARIABLE.findall(text))


def parse_filter(text: str, variables: Mapping[str, str] | None = None) -> Filter | None:
    """Parse an OData `$filter`; a blank text is no filter.

    Raises `FilterError` with the position of what cannot be read, or with the name of a variable that has no value.
    """
    if not text.strip():
        return None

    def substitute(found: re.Match[str]) -> str:
        value = (variables or {}).get(found.group(1))
        if value is None:
            raise FilterError(
                f"The filter uses ${{{found.group(1)}}}, which has no value",
                position=found.start(),
                remedy="Set it on the connection (`twinrow connection setup`), or write the value itself.",
            )
        return value

    text = _VARIABLE.sub(substitute, text)
    from odata_query import exceptions
    from odata_query.grammar import ODataLexer, ODataParser

    try:
        tree = ODataParser().parse(ODataLexer().tokenize(text.strip()))
    except (exceptions.ParsingException, exceptions.TokenizingException) as error:
        token = getattr(error, "token", None)
        position = getattr(token, "index", None)
        near = "at its end" if token is None else f"near {str(token.value)[:30]!r}"
        raise FilterError(
            f"The filter {text!r} cannot be read {near}",
            position=position,
            remedy="Write it as OData, for example: statecode eq 0 and startswith(name, 'A')",
        ) from None
    except exceptions.ODataException as error:
        raise FilterError(f"The filter {text!r} cannot be used: {error}") from None
    return _convert(tree, text)


def _convert(node: Any, text: str) -> Filter:
    from odata_query import ast

    if isinstance(node, ast.BoolOp):
        left, right = _convert(node.left, text), _convert(node.right, text)
        kind: type[And] | type[Or] = And if isinstance(node.op, ast.And) else Or
        parts = tuple(part for side in (left, right) for part in (side.parts if isinstance(side, kind) else (side,)))
        return kind(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return Not(_convert(node.operand, text))
    if isinstance(node, ast.Compare):
        operator = COMPARISONS[type(node.comparator).__name__]
        if isinstance(node.left, ast.Identifier):
            if operator == "in":
                return Comparison(
                    node.left.name, "in", tuple(_literal(item, text) for item in getattr(node.right, "val", ()))
                )
            return Comparison(node.left.name, operator, _literal(node.right, text))
        if isinstance(node.right, ast.Identifier) and operator in MIRRORED:
            return Comparison(node.right.name, MIRRORED[operator], _literal(node.left, text))
    if isinstance(node, ast.Call) and node.func.name in FUNCTIONS and isinstance(node.args[0], ast.Identifier):
        value = _literal(node.args[1], text)
        if isinstance(value, str):
            return TextMatch(node.func.name, node.args[0].name, value)
    if isinstance(node, ast.Identifier):
        return Comparison(node.name, "eq", True)
    raise FilterError(
        f"The filter {text!r} uses something that not every system knows",
        remedy="Compare fields with values (eq, ne, gt, ge, lt, le, in), use contains, startswith or endswith, "
        "and combine with and, or, not.",
    )


def _literal(node: Any, text: str) -> Value:
    from odata_query import ast

    if isinstance(node, ast.Float):
        return Decimal(node.val)
    if isinstance(node, ast.GUID):
        return str(node.val).lower()
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand, text)
        if isinstance(value, int | Decimal):
            return -value
    if isinstance(node, ast.Null | ast.Integer | ast.Boolean | ast.String | ast.Date | ast.DateTime):
        value = node.py_val
        assert value is None or isinstance(value, str | int | bool | date | datetime)  # noqa: S101
        return value
    raise FilterError(f"The filter {text!r} compares with something that is no plain value")


_FITTING: dict[FieldType, tuple[type, ...]] = {
    FieldType.TEXT: (str,),
    FieldType.CODE: (str,),
    FieldType.GUID: (str,),
    FieldType.REFERENCE: (str, int),
    FieldType.INTEGER: (int,),
    FieldType.DECIMAL: (int, Decimal),
    FieldType.FLOAT: (int, Decimal),
    FieldType.BOOLEAN: (bool,),
    FieldType.DATE: (date,),
    FieldType.DATETIME: (datetime, date),
    FieldType.OPTION: (int,),
    FieldType.ENUM: (str,),
}


def check_filter(condition: Filter | None, table: Table) -> None:
    """Raise `UnknownField` or `FilterError` when a filter names a field or compares a type that the table does not have."""
    for leaf in _leaves(condition) if condition is not None else ():
        column = table.field(leaf.field)
        values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        for value in values:
            if isinstance(leaf, TextMatch) and not column.is_text:
                raise FilterError(f"{leaf.function}() needs a text field; {table.name}.{column.name} is {column.type}")
            if value is not None and not _fits(value, column):
                raise FilterError(
                    f"The filter compares {table.name}.{column.name}, which is {column.type}, with {value!r}",
                    remedy=_options_remedy(column),
                )


def _fits(value: Value, column: Field) -> bool:
    if isinstance(value, bool):
        return column.type is FieldType.BOOLEAN
    if not isinstance(value, _FITTING[column.type]):
        return False
    if column.type in (FieldType.OPTION, FieldType.ENUM) and column.options:
        return any(value == option.value for option in column.options)
    return True


def _options_remedy(column: Field) -> str:
    if column.options:
        known = ", ".join(f"{option.value!r} ({option.caption})" for option in column.options[:12])
        return f"Its values are {known}."
    return f"Write a value of type {column.type}."
