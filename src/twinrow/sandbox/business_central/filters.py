"""`$filter` and `$orderby` over a page, within the limits of Business Central.

Source: protocol page, section 4: `or` on one field only, lambda expressions ignored, case-sensitive text, `in` and
nested functions only with `$schemaversion=2.1`. What an AL filter could not hold is refused as AL refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from odata_query import ast

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.schema import Field, Page, Schema
from twinrow.sandbox.business_central.values import enum_spellings
from twinrow.sandbox.business_central.wire import time_text, upper
from twinrow.sandbox.odata.errors import UnsupportedExpression
from twinrow.sandbox.odata.filter_parsing import Node, parse_filter
from twinrow.sandbox.odata.filter_sql import (
    SQL_OPERATORS,
    Column,
    FilterTranslator,
    Fragment,
    LiteralValue,
    Operator,
    TextMatch,
    joined,
    literal_value,
)
from twinrow.sandbox.odata.query_options import parse_orderby

NODE_LIMIT = 100
# What OData calls a function, and what the database calls it.
FUNCTIONS = {"tolower": "al_lower", "toupper": "al_upper", "substring": "substr"}
_FUNCTION_NAMES = frozenset({"contains", "startswith", "endswith", *FUNCTIONS})

_UNIQUE = frozenset({"SystemRowVersion", "SystemId"})
_NUMBERS = frozenset({"Edm.Int32", "Edm.Int64", "Edm.Decimal"})


@dataclass(frozen=True)
class OrderColumn:
    """A column to order by."""

    sql: str
    descending: bool = False


def filter_condition(text: str, page: Page, schema: Schema, schema_version: str) -> Fragment | None:
    """The SQL condition of a filter; None when it is to be ignored. Raises ODataError and Refusal."""
    tree = parse_filter(text)
    if any(isinstance(node, ast.CollectionLambda) for node in _nodes(tree)):
        return None
    if _count(tree) > NODE_LIMIT:
        raise errors.bad_request(
            f"The node count limit of '{NODE_LIMIT}' has been exceeded. To increase the limit, set the 'MaxNodeCount' "
            "property on EnableQueryAttribute or ODataValidationSettings."
        )
    for node in _nodes(tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and len(_names(node)) > 1:
            raise errors.not_implemented("The 'OR' operator is not supported on distinct fields on an OData filter.")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            raise errors.not_implemented("The 'NOT' operator is not supported on an OData filter.")
    return _Translator(page, schema, schema_version).condition(tree)


def order_columns(text: str, page: Page, schema: Schema) -> list[OrderColumn]:
    """The columns of an `$orderby`, closed by the primary key, so that every row has a place of its own."""
    table = schema.tables[page.table]
    order: dict[str, OrderColumn] = {}
    for term in parse_orderby(text):
        field = page_field(term.path[0], page, schema, "$orderby")
        order.setdefault(field.name, OrderColumn(_sortable(field), term.descending))
        if field.name in _UNIQUE:
            return list(order.values())
    for name in table.key:
        order.setdefault(name, OrderColumn(_sortable(table.field(name))))
    return list(order.values())


def page_field(name: str, page: Page, schema: Schema, option: str) -> Field:
    """The field behind a property that a query option names; refuses properties that have none."""
    for item in page.properties:
        if item.name == name:
            if not item.field:
                raise errors.bad_request(f"The property '{name}' cannot be used in the {option} query option.")
            return schema.tables[page.table].field(item.field)
    raise errors.unknown_property(name, page.entity)


def _sortable(field: Field) -> str:
    return f'CAST(t."{field.name}" AS REAL)' if field.type == "Decimal" else f't."{field.name}"'


class _Translator(FilterTranslator):
    def __init__(self, page: Page, schema: Schema, schema_version: str) -> None:
        super().__init__()
        self._page = page
        self._schema = schema
        self._nested = schema_version == "2.1"

    def column(self, path: tuple[str, ...]) -> Column:
        if len(path) > 1:
            raise errors.not_implemented("Filtering on related entities is not supported.")
        field = page_field(path[0], self._page, self._schema, "$filter")
        edm = "Edm.String" if field.type == "Enum" else field.edm_type
        return Column(_sortable(field), field.type, edm, field.name)

    def comparable(self, column: Column, literal: LiteralValue) -> bool:
        if column.edm in _NUMBERS:
            return literal.edm in _NUMBERS
        return column.edm == literal.edm

    def compare(self, column: Column, operator: Operator, literal: LiteralValue) -> Fragment:
        return Fragment(f"{column.sql} {SQL_OPERATORS[operator]} ?", (self._stored(column, literal.value),))

    def compare_columns(self, left: Column, operator: Operator, right: Column) -> Fragment:  # noqa: ARG002
        raise errors.not_implemented("Comparing two fields is not supported on an OData filter.")

    def match(self, column: Column, how: TextMatch, text: str) -> Fragment:
        value = upper(text) if column.kind == "Code" else text
        if value == "":
            return Fragment("1")
        if how == "contains":
            return Fragment(f"instr({column.sql}, ?) > 0", (value,))
        start = 1 if how == "startswith" else -len(value)
        return Fragment(f"substr({column.sql}, {start}, {len(value)}) = ?", (value,))

    def function(self, name: str, arguments: dict[str, Any]) -> Fragment:  # noqa: ARG002
        raise errors.not_implemented(f"The function '{name}' is not supported.")

    def any_of(self, path: tuple[str, ...], variable: str | None, condition: Node | None) -> Fragment:  # noqa: ARG002
        raise UnsupportedExpression("Lambda operators are not supported.")

    def _compared(self, node: ast.Compare) -> Fragment:
        if not isinstance(node.comparator, ast.In):
            return super()._compared(node)
        if not self._nested:
            raise errors.not_implemented("The 'in' operator is not supported on an OData filter.")
        column = self._operand(node.left)
        items = node.right.val if isinstance(node.right, ast.List) else [node.right]
        if not isinstance(column, Column):
            raise UnsupportedExpression("The 'in' operator takes a property on its left.")
        options = [self._compare_literal(column, "eq", literal_value(item)) for item in items]
        return Fragment(
            "(" + " OR ".join(option.sql for option in options) + ")", joined(option.values for option in options)
        )

    def _called(self, node: ast.Call) -> Fragment:
        if not self._nested and any(isinstance(argument, ast.Call) for argument in node.args):
            raise errors.not_implemented("Nested function calls are not supported on an OData filter.")
        return super()._called(node)

    def _operand(self, node: Node) -> Column | LiteralValue:
        if not isinstance(node, ast.Call):
            return super()._operand(node)
        if not self._nested and any(isinstance(argument, ast.Call) for argument in node.args):
            raise errors.not_implemented("Nested function calls are not supported on an OData filter.")
        function = FUNCTIONS.get(node.func.name)
        subject = self._operand(node.args[0]) if function is not None else None
        if function is None or not isinstance(subject, Column) or subject.edm != "Edm.String":
            raise errors.not_implemented(f"The function '{node.func.name}' is not supported.")
        if function != "substr":
            return Column(f"{function}({subject.sql})", "Text", "Edm.String")
        numbers = [literal_value(argument).value for argument in node.args[1:]]
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
            raise UnsupportedExpression("No function signature for the function with name 'substring' matches.")
        start, length = int(str(numbers[0])) + 1, f", {numbers[1]}" if len(numbers) > 1 else ""
        return Column(f"substr({subject.sql}, {start}{length})", "Text", "Edm.String")

    def _stored(self, column: Column, value: Any) -> Any:
        field = self._schema.tables[self._page.table].field(column.name) if column.name else None
        if isinstance(value, str) and field is not None:
            if field.type == "Enum":
                return self._member(field, value)
            if field.type == "Code":
                value = upper(value.strip())
            if field.length and len(value) > field.length:
                raise errors.filter_value(
                    f"The filter \"='{value}'\" is not valid for the {field.name} field on the {self._page.table} table. "
                    f"The length of the string is {len(value)}, but it must be less than or equal to {field.length} "
                    f"characters. Value: {value}"
                )
            return value
        if isinstance(value, datetime):
            return time_text(value)
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, bool):
            return int(value)
        # A number beyond 64 bits lies outside of everything that is stored, also as a float.
        wide = isinstance(value, int) and abs(value) >= 2**63
        return float(value) if wide or isinstance(value, Decimal) else value

    def _member(self, field: Field, value: str) -> str:
        member = enum_spellings(field.members).get(value)
        if member is None:
            raise errors.bad_request(
                f"The string '{value}' is not a valid enumeration type constant of '{field.edm_type}'."
            )
        return member


def _nodes(tree: Node) -> Iterator[Node]:
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for item in fields(node):
            value = getattr(node, item.name)
            if is_dataclass(value):
                waiting.append(value)
            elif isinstance(node, ast.Call) and isinstance(value, list):
                waiting.extend(value)


def _names(tree: Node) -> set[str]:
    return {node.name for node in _nodes(tree) if isinstance(node, ast.Identifier)} - _FUNCTION_NAMES


def _count(tree: Node) -> int:
    """How many nodes the service's own parser would count: two for a property, one for everything else."""
    count = 0
    for node in _nodes(tree):
        if isinstance(node, ast.Identifier):
            count += 0 if node.name in _FUNCTION_NAMES else 2
        elif isinstance(node, ast.BoolOp | ast.Compare | ast.Call | ast._Literal):
            count += 1
    return count
