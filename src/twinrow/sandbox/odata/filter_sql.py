"""Syntax tree of a filter to an SQL condition with bound parameters.

Words: a *column* is an SQL expression with its kind and its EDM type; a *fragment* is a piece of SQL with the values
for its question marks. `FilterTranslator` knows the structure of filters; a service's own translator says which
columns there are, how literals become stored values, and how text is compared.
"""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from odata_query import ast

from twinrow.sandbox.odata.errors import FilterSyntaxError, IncompatibleTypes, ODataError, UnsupportedExpression
from twinrow.sandbox.odata.filter_parsing import Node

Operator = Literal["eq", "ne", "lt", "le", "gt", "ge"]
TextMatch = Literal["contains", "startswith", "endswith"]
Value = None | bool | int | Decimal | str | datetime | date

_OPERATORS: dict[type, Operator] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_OPERATOR_KINDS: dict[Operator, str] = {
    "eq": "Equal",
    "ne": "NotEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
}
_EQUALITY = re.compile(r"([\w.\"]+) = \?( COLLATE \w+)?")
_TEXT_FUNCTIONS: dict[str, TextMatch] = {
    "contains": "contains",
    "startswith": "startswith",
    "endswith": "endswith",
}
_MIRRORED: dict[Operator, Operator] = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
SQL_OPERATORS: dict[Operator, str] = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(frozen=True)
class Column:
    """An SQL expression that a filter may name. `kind` is the service's own word for how it is stored."""

    sql: str
    kind: str
    edm: str
    name: str = ""


@dataclass(frozen=True)
class Fragment:
    """A piece of SQL and the values for its question marks."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class LiteralValue:
    """A literal of the filter as a Python value; `quoted` when it was written as a string."""

    value: Value
    edm: str

    @property
    def quoted(self) -> bool:
        """Whether the literal was written between quotes."""
        return self.edm == "Edm.String"


class FilterTranslator(ABC):
    """Turns one filter into SQL. Make a new one for each filter."""

    def __init__(self) -> None:
        self._negated = False

    @abstractmethod
    def column(self, path: tuple[str, ...]) -> Column:
        """The column that a path (`("primarycontactid", "fullname")`) names; raises UnknownProperty."""

    @abstractmethod
    def compare(self, column: Column, operator: Operator, literal: LiteralValue) -> Fragment:
        """`column operator literal`, the literal being neither null nor of an impossible type."""

    @abstractmethod
    def compare_columns(self, left: Column, operator: Operator, right: Column) -> Fragment:
        """Two columns of the same row."""

    @abstractmethod
    def match(self, column: Column, how: TextMatch, text: str) -> Fragment:
        """`contains`, `startswith` or `endswith`."""

    @abstractmethod
    def comparable(self, column: Column, literal: LiteralValue) -> bool:
        """Whether a literal of this EDM type may stand beside the column."""

    @abstractmethod
    def function(self, name: str, arguments: dict[str, Any]) -> Fragment:
        """A call of a function of the service's own, with named arguments as Python values."""

    @abstractmethod
    def any_of(self, path: tuple[str, ...], variable: str | None, condition: Node | None) -> Fragment:
        """Whether a related row of the collection fulfils the condition on `variable`; without one, whether one exists."""

    def condition(self, node: Node) -> Fragment:
        """The SQL condition of a Boolean expression. Raises ODataError."""
        if isinstance(node, ast.BoolOp):
            return self._joined(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._not(node.operand)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.CollectionLambda):
            return self._lambda(node)
        if isinstance(node, ast.Identifier | ast.Attribute):
            column = self.column(path_of(node))
            if column.edm != "Edm.Boolean":
                raise FilterSyntaxError("The $filter expression must evaluate to a single boolean value.")
            return self._compare_literal(column, "eq", LiteralValue(True, "Edm.Boolean"))
        if isinstance(node, ast.Boolean):
            return Fragment("1" if node.py_val else "0")
        raise FilterSyntaxError("The $filter expression must evaluate to a single boolean value.")

    def _joined(self, node: ast.BoolOp) -> Fragment:
        # Long chains lean to the left; they are taken apart in a loop, so that their length does not matter.
        kind = type(node.op)
        links: list[Node] = []
        present: Node = node
        while isinstance(present, ast.BoolOp) and type(present.op) is kind:
            links.append(present.right)
            present = present.left
        links.append(present)
        fragments = [self.condition(link) for link in reversed(links)]
        if kind is ast.Or and (listed := _as_list(fragments)) is not None:
            return listed
        word = " AND " if kind is ast.And else " OR "
        return Fragment(
            "(" + word.join(fragment.sql for fragment in fragments) + ")", joined(f.values for f in fragments)
        )

    def _not(self, operand: Node) -> Fragment:
        outer, self._negated = self._negated, True
        try:
            inner = self.condition(operand)
        finally:
            self._negated = outer
        return Fragment(f"NOT ({inner.sql})", inner.values)

    def _compared(self, node: ast.Compare) -> Fragment:
        operator = _OPERATORS.get(type(node.comparator))
        if operator is None:
            raise UnsupportedExpression("The 'in' operator is not supported.")
        left, right = self._operand(node.left), self._operand(node.right)
        if isinstance(left, LiteralValue):
            if isinstance(right, LiteralValue):
                raise UnsupportedExpression("A comparison must name a property.")
            return self._compare_literal(right, _MIRRORED[operator], left)
        if isinstance(right, LiteralValue):
            return self._compare_literal(left, operator, right)
        if left.edm != right.edm:
            raise IncompatibleTypes(left.edm, right.edm, _OPERATOR_KINDS[operator])
        return self._certain(self.compare_columns(left, operator, right))

    def _compare_literal(self, column: Column, operator: Operator, literal: LiteralValue) -> Fragment:
        if literal.value is None:
            if operator == "eq":
                return Fragment(f"{column.sql} IS NULL")
            return Fragment(f"{column.sql} IS NOT NULL" if operator == "ne" else "0")
        if not self.comparable(column, literal):
            raise IncompatibleTypes(column.edm, literal.edm, _OPERATOR_KINDS[operator])
        return self._certain(self.compare(column, operator, literal))

    def _certain(self, fragment: Fragment) -> Fragment:
        """Below a `not`, a comparison with a missing value is false, not unknown."""
        return Fragment(f"coalesce({fragment.sql}, 0)", fragment.values) if self._negated else fragment

    def _called(self, node: ast.Call) -> Fragment:
        name = _full_name(node.func)
        how = _TEXT_FUNCTIONS.get(name)
        if how is not None:
            subject, text = self._operand(node.args[0]), self._operand(node.args[1])
            if not isinstance(subject, Column) or subject.edm != "Edm.String":
                raise UnsupportedExpression(f"No function signature for the function with name '{name}' matches.")
            if not isinstance(text, LiteralValue) or not isinstance(text.value, str):
                raise UnsupportedExpression(f"No function signature for the function with name '{name}' matches.")
            return self.match(subject, how, text.value)
        arguments: dict[str, Any] = {}
        for argument in node.args:
            if not isinstance(argument, ast.NamedParam):
                raise UnsupportedExpression(f"The function '{name}' takes named arguments.")
            arguments[argument.name.name] = _argument(argument.param)
        return self.function(name, arguments)

    def _lambda(self, node: ast.CollectionLambda) -> Fragment:
        path = path_of(node.owner)
        if node.lambda_ is None:
            return self.any_of(path, None, None)
        variable, condition = node.lambda_.identifier.name, node.lambda_.expression
        if isinstance(node.operator, ast.Any):
            return self.any_of(path, variable, condition)
        # All of them: none that does not.
        inner = self.any_of(path, variable, ast.UnaryOp(ast.Not(), condition))
        return Fragment(f"NOT ({inner.sql})", inner.values)

    def _operand(self, node: Node) -> Column | LiteralValue:
        if isinstance(node, ast.Identifier | ast.Attribute):
            return self.column(path_of(node))
        return literal_value(node)


def path_of(node: Node) -> tuple[str, ...]:
    """The segments of a property path."""
    if isinstance(node, ast.Identifier):
        return (_full_name(node),)
    if isinstance(node, ast.Attribute):
        return (*path_of(node.owner), node.attr)
    raise FilterSyntaxError("A property path was expected.")


def literal_value(node: Node) -> LiteralValue:
    """A literal as a Python value with its EDM type; raises UnsupportedExpression for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = literal_value(node.operand)
        if isinstance(inner.value, int | Decimal):
            return LiteralValue(-inner.value, inner.edm)
    try:
        match node:
            case ast.Null():
                return LiteralValue(None, "null")
            case ast.String(val=text):
                return LiteralValue(text, "Edm.String")
            case ast.GUID(val=text):
                return LiteralValue(text.lower(), "Edm.Guid")
            case ast.Boolean():
                return LiteralValue(node.py_val, "Edm.Boolean")
            case ast.Integer(val=text):
                return LiteralValue(int(text), "Edm.Int32" if abs(int(text)) < 2**31 else "Edm.Int64")
            case ast.Float(val=text):
                return LiteralValue(Decimal(text), "Edm.Decimal")
            case ast.Date(val=text):
                return LiteralValue(date.fromisoformat(text), "Edm.Date")
            case ast.DateTime(val=text):
                return LiteralValue(_instant(text), "Edm.DateTimeOffset")
            case ast.BinOp():
                raise UnsupportedExpression("Arithmetic is not supported in $filter.")
    except ValueError as error:
        raise FilterSyntaxError(f"Unrecognized literal: {error}.") from None
    raise UnsupportedExpression("The expression is not supported in $filter.")


def _full_name(identifier: ast.Identifier) -> str:
    return ".".join((*identifier.namespace, identifier.name))


def _as_list(fragments: list[Fragment]) -> Fragment | None:
    """`x = ? OR x = ? ...` as a list, for which SQLite looks into an index; None when it is something else."""
    match = _EQUALITY.fullmatch(fragments[0].sql)
    if match is None or any(fragment.sql != fragments[0].sql for fragment in fragments):
        return None
    marks = ", ".join("?" * len(fragments))
    return Fragment(f"{match[1]}{match[2] or ''} IN ({marks})", joined(f.values for f in fragments))


def joined(values: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The values of several fragments, one after the other."""
    return tuple(itertools.chain.from_iterable(values))


def _instant(text: str) -> datetime:
    # Python reads six digits of a second's fraction; services store fewer, so the rest may go.
    head, dot, tail = text.partition(".")
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits[:6]}{tail[len(digits) :]}"
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"'{text}' has no time zone")
    return instant


def _argument(node: Node) -> Any:
    if isinstance(node, ast.List):
        return [literal_value(item).value for item in node.val]
    if isinstance(node, ast.Identifier | ast.Attribute):
        raise ODataError("A function's argument must be a literal.")
    return literal_value(node).value
