"""`$select`, `$filter` and `$expand` over metadata, which is not in the database but at hand as JSON objects.

Metadata queries know no paging: all that matches comes in one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from odata_query import ast

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.odata.errors import ODataError
from twinrow.sandbox.odata.filter_parsing import Node, parse_filter
from twinrow.sandbox.odata.filter_sql import literal_value, path_of
from twinrow.sandbox.odata.query_options import parse_expand, parse_select

Shape = dict[str, Any]
# Gives what an expanded property holds, for the object's LogicalName or SchemaName and the property's name.
Expand = Callable[[Shape, str], Any]

_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: bool(left == right),
    ast.NotEq: lambda left, right: bool(left != right),
    ast.Lt: lambda left, right: left is not None and right is not None and left < right,
    ast.LtE: lambda left, right: left is not None and right is not None and left <= right,
    ast.Gt: lambda left, right: left is not None and right is not None and left > right,
    ast.GtE: lambda left, right: left is not None and right is not None and left >= right,
}


def answer_list(shapes: Iterable[Shape], options: dict[str, str], expand: Expand) -> list[Shape]:
    """The objects that match, cut to what was asked for. Raises DataverseError."""
    for name in options:
        if name.startswith("$") and name not in ("$select", "$filter", "$expand", "$count", "$top"):
            raise errors.bad_query(f"The query parameter {name} is not supported on metadata.")
    found = list(shapes)
    if options.get("$filter"):
        try:
            tree = parse_filter(options["$filter"], options)
            found = [shape for shape in found if _holds(tree, shape)]
        except ODataError as error:
            raise errors.bad_query(str(error)) from None
    if options.get("$top", "").isdigit():
        found = found[: int(options["$top"])]
    return [answer_one(shape, options, expand) for shape in found]


def answer_one(shape: Shape, options: dict[str, str], expand: Expand) -> Shape:
    """One object, cut to what was asked for. Raises DataverseError."""
    selected = parse_select(options.get("$select", ""))
    if selected and selected != ["*"]:
        for name in selected:
            # What only other types of column have is passed over here.
            if name not in shape and not name[:1].isupper():
                raise errors.bad_query(f"Could not find a property named '{name}' on the metadata type.")
        kept = {*selected, "MetadataId", "@odata.type"}
        cut = {name: value for name, value in shape.items() if name in kept}
    else:
        cut = dict(shape)
    text = options.get("$expand", "")
    if text:
        try:
            expansions = parse_expand(text)
        except ODataError as error:
            raise errors.bad_query(str(error)) from None
        for expansion in expansions:
            cut[expansion.name] = _expanded(expand(shape, expansion.name), expansion.options, expand)
    return cut


def _expanded(value: Any, options: dict[str, str], expand: Expand) -> Any:
    if isinstance(value, list):
        return answer_list(value, options, expand)
    return answer_one(value, options, expand) if isinstance(value, dict) else value


def _holds(node: Node, shape: Shape) -> bool:
    if isinstance(node, ast.BoolOp):
        if isinstance(node.op, ast.And):
            return _holds(node.left, shape) and _holds(node.right, shape)
        return _holds(node.left, shape) or _holds(node.right, shape)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _holds(node.operand, shape)
    if isinstance(node, ast.Compare) and type(node.comparator) in _COMPARISONS:
        return _COMPARISONS[type(node.comparator)](_value(node.left, shape), _value(node.right, shape))
    if isinstance(node, ast.Call) and node.func.name in ("contains", "startswith", "endswith"):
        whole, part = (str(_value(argument, shape) or "").lower() for argument in node.args)
        return {"contains": part in whole, "startswith": whole.startswith(part), "endswith": whole.endswith(part)}[
            node.func.name
        ]
    if isinstance(node, ast.Identifier | ast.Attribute):
        return _value(node, shape) is True
    raise ODataError("The filter is not supported on metadata.")


def _value(node: Node, shape: Shape) -> Any:
    if not isinstance(node, ast.Identifier | ast.Attribute):
        return literal_value(node).value
    value: Any = shape
    for name in path_of(node):
        if not isinstance(value, dict) or name not in value:
            if not name[:1].isupper():
                raise ODataError(f"Could not find a property named '{name}' on the metadata type.")
            return None
        value = value[name]
    return value
