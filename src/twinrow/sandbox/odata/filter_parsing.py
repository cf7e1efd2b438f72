"""`$filter` text to syntax tree, with the odata-query library's grammar.

Two things the grammar lacks are done here, on the text, outside string literals: parameter aliases (`@p1`) are put in
their places, and JSON arrays and `Namespace.Type'member'` literals are written as OData lists and strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from twinrow.sandbox.odata.errors import FilterSyntaxError, ODataError

Node = ast._Node

_PIECE = re.compile(
    r"""(?P<string>'(?:[^']|'')*')
      | (?P<alias>@\w+)
      | (?P<array>\[(?:[^\]"']|"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')*\])
      | (?P<enumeration>[A-Za-z]\w*(?:\.\w+)+(?='))
      | (?P<negation>\bnot(?=\())""",
    re.VERBOSE,
)


class _Lexer(ODataLexer):
    """The library's lexer, mended: keywords end where words end, and dates begin with year 1."""

    tokens = set(ODataLexer.tokens)


# The expression is put together by the library when the class is made; it can be mended only afterwards.
_Lexer._master_re = re.compile(
    ODataLexer._master_re.pattern.replace("[1-9]\\d{3}-", "\\d{4}-")
    .replace("(any)", "(any\\b)")
    .replace("(all)", "(all\\b)")
    .replace("(true|false)", "((?:true|false)\\b)")
    .replace("(null)", "(null\\b)"),
    ODataLexer._master_re.flags,
)


def parse_filter(text: str, parameters: Mapping[str, str] | None = None) -> Node:
    """The syntax tree of a decoded filter; `parameters` hold the values of aliases, by name with its `@`.

    An alias without a value counts as null. Raises FilterSyntaxError.
    """
    return _parse(substitute(text, parameters or {}))


def substitute(text: str, parameters: Mapping[str, str]) -> str:
    """The filter with aliases put in, arrays as OData lists, and type names before literals left out."""

    def replacement(match: re.Match[str]) -> str:
        if match["alias"]:
            value = parameters.get(match["alias"], "null")
            # The value of an alias is a literal of the same kinds, but holds no further alias.
            return _PIECE.sub(lambda inner: inner[0] if inner["alias"] else replacement(inner), value)
        if match["array"]:
            return _as_list(match["array"])
        if match["enumeration"]:
            return ""
        return "not " if match["negation"] else match[0]

    return _PIECE.sub(replacement, text)


@lru_cache(maxsize=512)
def _parse(text: str) -> Node:
    try:
        tree: Node = ODataParser().parse(_Lexer().tokenize(text.strip()))
    except (ODataException, AttributeError) as error:
        # The library stumbles over some malformed calls with an AttributeError.
        raise FilterSyntaxError(f"Syntax error in '{text}': {error}") from None
    return tree


def _as_list(array: str) -> str:
    try:
        items: list[Any] = msgspec.json.decode(re.sub(r"'((?:[^']|'')*)'", _as_json_string, array))
    except msgspec.DecodeError as error:
        raise FilterSyntaxError(f"Syntax error in '{array}': {error}") from None
    literals = [_literal(item) for item in items] or ["null"]
    return f"({','.join(literals)}{',' if len(literals) == 1 else ''})"


def _as_json_string(match: re.Match[str]) -> str:
    return msgspec.json.encode(match[1].replace("''", "'")).decode()


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool) or value is None:
        return msgspec.json.encode(value).decode()
    if isinstance(value, int | float):
        return str(value)
    raise ODataError(f"A list cannot hold {value!r}.")
