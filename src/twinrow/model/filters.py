"""Filters: conditions on the records of one table, written as OData `$filter`, kept as a small tree.

One language serves every system. A filter is parsed once (`parse_filter`), checked against its table (`check_filter`),
evaluated on a frame by `batch.filters`, and written by each connector in its own system's words. It knows what both
services know: comparisons, `in`, `contains`, `startswith`, `endswith`, `and`, `or`, `not`.
Variables stand as `${name}` and are replaced before parsing by the settings of the connection, for example `${company_id}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from twinrow.model.errors import FilterError
from twinrow.model.tables import Field, FieldType, Table

Value = str | int | bool | Decimal | date | datetime | None

COMPARISONS = {"Eq": "eq", "NotEq": "ne", "Gt": "gt", "GtE": "ge", "Lt": "lt", "LtE": "le", "In": "in"}
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
FUNCTIONS = ("contains", "startswith", "endswith")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_WORD = re.compile(r"[^\W\d]\w*")


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
    return frozenset(leaf.field for leaf in filter_leaves(condition)) if condition is not None else frozenset()


def filter_leaves(condition: Filter) -> Iterator[Comparison | TextMatch]:
    """Yield the comparisons and text matches that a filter is made of, from left to right."""
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from filter_leaves(part)
        case Not(part):
            yield from filter_leaves(part)
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


def settings_as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the settings of a connection as the values that filters use.

    Without a company, `${company_id}` is an id that no company has: then only records without a company take part.
    """
    given = {name: str(value) for name, value in settings.items() if value is not None}
    return {"company_id": "00000000-0000-0000-0000-000000000000"} | given


def parse_filter(text: str, variables: Mapping[str, str] | None = None) -> Filter | None:
    """Parse an OData `$filter`; a blank text is no filter.

    Raises `FilterError` with the position of what cannot be read, or with the name of a variable that has no value.
    Positions count characters of the text as it was given, from 0.
    """
    if not text.strip():
        return None
    source = _substitute(text, variables or {})
    from odata_query import exceptions
    from odata_query.grammar import ODataParser

    try:
        tree = ODataParser().parse(_tokens(source.text))
        return _convert(tree, text)
    except (exceptions.ParsingException, exceptions.TokenizingException) as error:
        token = getattr(error, "token", None)
        position = None if token is None else source.origin(token.index)
        near = "at its end" if position is None else f"near {text[position : position + 30].strip()!r}"
        raise FilterError(
            f"The filter {text!r} cannot be read {near}",
            position=position,
            remedy="Write it as OData, for example: statecode eq 0 and startswith(name, 'A')",
        ) from None
    except exceptions.ODataException as error:
        raise FilterError(f"The filter {text!r} cannot be used: {error}") from None


def filled_filter(text: str, variables: Mapping[str, str]) -> str:
    """Return a filter text with the values of its variables in it. Raises `FilterError` for one that has none."""
    return _substitute(text, variables).text if filter_variables(text) else text


def field_position(text: str, field: str) -> int | None:
    """Return where a filter text first names a field, counted from 0; None where it does not."""
    from odata_query import exceptions

    masked = _VARIABLE.sub(lambda found: "0" * len(found.group()), text)
    try:
        for token in _tokens(masked):
            if token.type == "ODATA_IDENTIFIER" and token.value.name == field:
                return int(token.index)
    except exceptions.TokenizingException:
        pass
    return None


@dataclass(frozen=True, slots=True)
class _Source:
    """A filter text with its variables replaced, and where its pieces stood before: (index here, index there)."""

    text: str
    pieces: tuple[tuple[int, int], ...]

    def origin(self, index: int) -> int:
        here, there = max(piece for piece in self.pieces if piece[0] <= index)
        following = [piece[1] for piece in self.pieces if piece[0] > index]
        return min([there + index - here, *following])


def _substitute(text: str, variables: Mapping[str, str]) -> _Source:
    parts: list[str] = []
    pieces = [(0, 0)]
    length = end = 0

    def append(part: str, origin: int) -> None:
        nonlocal length
        pieces.append((length, origin))
        parts.append(part)
        length += len(part)

    for found in _VARIABLE.finditer(text):
        value = variables.get(found.group(1))
        if value is None:
            raise FilterError(
                f"The filter uses ${{{found.group(1)}}}, which has no value",
                position=found.start(),
                remedy="Set it on the connection (`twinrow connection setup`), or write the value itself.",
            )
        append(text[end : found.start()], end)
        inside_quotes = "".join(parts).count("'") % 2 == 1
        append(value.replace("'", "''") if inside_quotes else value, found.start())
        end = found.end()
    append(text[end:], end)
    replaced = "".join(parts)
    outer = len(replaced) - len(replaced.lstrip())
    return _Source(
        replaced.strip(), tuple((max(0, here - outer), there + max(0, outer - here)) for here, there in pieces)
    )


def _tokens(text: str) -> Iterator[Any]:
    """Read the tokens of a filter, mending what the grammar takes differently from OData.

    A field's name may begin with `all`, `any`, `null`, `true` or `false`; `not` may stand right before a bracket; a list may
    have one item.
    """
    from odata_query import ast
    from odata_query.grammar import ODataLexer

    name_end = 0
    list_items: int | None = None
    for token in ODataLexer().tokenize(text):
        if token.index < name_end:
            continue
        word = _WORD.match(text, token.index)
        if word is not None and word.group().lower() not in ("all", "any", "null", "true", "false"):
            if token.type in ("ALL", "ANY", "NULL", "BOOLEAN"):
                token.type, token.value = "ODATA_IDENTIFIER", ast.Identifier(word.group())
                name_end = word.end()
            elif word.group().lower() == "not" and text[word.end() : word.end() + 1] == "(":
                token.type, token.value = "NOT", ast.Not()
        if token.type == "IN":
            list_items = 0
        elif list_items is not None and token.type == ",":
            list_items += 1
        elif list_items is not None and token.type == ")":
            if list_items == 0:
                yield _comma(token)
            list_items = None
        yield token


def _comma(before: Any) -> Any:
    comma = copy(before)
    comma.type = comma.value = ","
    return comma


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
        if (name := _field_name(node.left)) is not None:
            if isinstance(node.right, ast.List):
                return Comparison(name, operator, tuple(_literal(item, text) for item in node.right.val))
            return Comparison(name, operator, _literal(node.right, text))
        if (name := _field_name(node.right)) is not None and operator in MIRRORED:
            return Comparison(name, MIRRORED[operator], _literal(node.left, text))
    if isinstance(node, ast.Call) and node.func.name in FUNCTIONS:
        name, value = _field_name(node.args[0]), _literal(node.args[1], text)
        if name is not None and isinstance(value, str):
            return TextMatch(node.func.name, name, value)
    if (name := _field_name(node)) is not None:
        return Comparison(name, "eq", True)
    what, position = _told(node, text)
    raise FilterError(
        f"The filter {text!r} uses {what}, which not every system knows",
        position=position,
        remedy="Compare fields with values (eq, ne, gt, ge, lt, le, in), use contains, startswith or endswith, "
        "and combine with and, or, not.",
    )


def _told(node: Any, text: str) -> tuple[str, int | None]:
    """Return in words what a part of a filter is, and where it stands, as far as that can be told."""
    from odata_query import ast

    match node:
        case ast.Compare():
            sides = (node.left, node.right)
            part = next((one for one in sides if isinstance(one, ast.Call | ast.Attribute | ast.BinOp)), None)
            return ("a comparison without a field", None) if part is None else _told(part, text)
        case ast.Call():
            inner = next((one for one in node.args if isinstance(one, ast.Call)), None)
            name = node.func.name
            if name in FUNCTIONS:
                return _told(inner, text) if inner is not None else (f"{name}() in this way", _place(name, text))
            return f"the function {name}()", _place(name, text)
        case ast.Attribute():
            return "a field of another record", _place(node.attr, text)
        case ast.Identifier():
            return f"the field {node.name}", _place(node.name, text)
        case ast.BinOp():
            return "a calculation", None
        case _:
            return "a value alone", None


def _place(name: str, text: str) -> int | None:
    found = re.search(rf"\b{re.escape(name)}\b", text)
    return found.start() if found else None


def _field_name(node: Any) -> str | None:
    from odata_query import ast

    return node.name if isinstance(node, ast.Identifier) and not node.namespace else None


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
        try:
            value = node.py_val
        except ValueError as error:
            raise FilterError(f"The filter {text!r} compares with something that does not exist: {error}") from None
        assert value is None or isinstance(value, str | int | bool | date | datetime)  # noqa: S101
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return value
    what, position = _told(node, text)
    raise FilterError(
        f"The filter {text!r} compares with {what}, which is no plain value",
        position=position,
        remedy="Texts stand in single quotes: name eq 'Ann'.",
    )


FITTING: dict[FieldType, tuple[type, ...]] = {
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
"""The values with which a field of a type can be compared."""


_LIMITS = {FieldType.INTEGER: 2**63, FieldType.OPTION: 2**63, FieldType.DECIMAL: 10**28}
"""What no value of the type reaches."""


def check_filter(condition: Filter | None, table: Table) -> None:
    """Raise `UnknownField` or `FilterError` when a filter names a field or compares a type that the table does not have."""
    for leaf in filter_leaves(condition) if condition is not None else ():
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
    if not isinstance(value, FITTING[column.type]):
        return False
    if column.type is FieldType.DATE and isinstance(value, datetime):
        return False
    limit = _LIMITS.get(column.type)
    if limit is not None and isinstance(value, int | Decimal) and not -limit < value < limit:
        return False
    if column.type in (FieldType.OPTION, FieldType.ENUM) and column.options:
        return any(_trimmed(value) == _trimmed(option.value) for option in column.options)
    return True


def _trimmed(value: object) -> object:
    return value.rstrip(" ") if isinstance(value, str) else value


def _options_remedy(column: Field) -> str:
    if column.options:
        known = ", ".join(f"{option.value!r} ({option.caption})" for option in column.options[:12])
        return f"Its values are {known}."
    return f"Write a value of type {column.type}."
