"""`$select`, `$orderby` and `$expand` taken apart, and the keys of rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from twinrow.sandbox.odata.errors import ODataError

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class OrderTerm:
    """One term of `$orderby`: a property path, ascending unless said otherwise."""

    path: tuple[str, ...]
    descending: bool = False


@dataclass(frozen=True)
class Expansion:
    """One navigation property of `$expand`; `options` by name with their `$`; `reference` for `.../$ref`."""

    name: str
    options: dict[str, str] = field(default_factory=dict)
    reference: bool = False


KeyValue = str | int | Decimal | bool | None


def parse_select(text: str) -> list[str]:
    """The names in a `$select`, in order, each once; empty places (a closing comma) are passed over."""
    return list(dict.fromkeys(name for name in (part.strip() for part in text.split(",")) if name))


def parse_orderby(text: str) -> list[OrderTerm]:
    """The terms of an `$orderby`. Raises ODataError."""
    terms = []
    for part in split_outside(text, ","):
        match part.split():
            case [path] | [path, "asc"]:
                terms.append(OrderTerm(tuple(path.split("/"))))
            case [path, "desc"]:
                terms.append(OrderTerm(tuple(path.split("/")), descending=True))
            case _:
                raise ODataError(f"Syntax error in $orderby: '{part}'.")
    return terms


def parse_expand(text: str) -> list[Expansion]:
    """The items of an `$expand`, with their own options. Raises ODataError."""
    expansions = []
    for part in split_outside(text, ","):
        head, opening, rest = part.partition("(")
        options: dict[str, str] = {}
        if opening:
            if not rest.endswith(")"):
                raise ODataError(f"Syntax error in $expand: '{part}'.")
            for option in split_outside(rest[:-1], ";"):
                name, equals, value = option.partition("=")
                if not equals:
                    raise ODataError(f"Syntax error in $expand: '{option}'.")
                options[name.strip()] = value.strip()
        name = head.strip()
        reference = name.endswith("/$ref")
        expansions.append(Expansion(name.removesuffix("/$ref"), options, reference))
    return expansions


def split_outside(text: str, separator: str) -> list[str]:
    """Split at separators that stand neither in quotes nor between parentheses; empty pieces are left out."""
    pieces: list[str] = []
    depth = start = 0
    quoted = False
    for index, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            pieces.append(text[start:index])
            start = index + 1
    if depth != 0 or quoted:
        raise ODataError(f"Syntax error: '{text}' is not closed.")
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def parse_key(text: str) -> KeyValue | dict[str, KeyValue]:
    """What stands between the parentheses after an entity set: one literal, or named ones. Raises ODataError."""
    pieces = split_outside(text, ",")
    if not pieces:
        raise ODataError("The key is empty.")
    if len(pieces) == 1 and not _is_named(pieces[0]):
        return parse_literal(pieces[0])
    key: dict[str, KeyValue] = {}
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not equals or not _is_named(piece):
            raise ODataError(f"Syntax error in key: '{text}'.")
        key[name.strip()] = parse_literal(value.strip())
    return key


def parse_literal(text: str) -> KeyValue:
    """A literal of a key: text in quotes, a GUID (as lower-case text), a number, a Boolean, null."""
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if _GUID.fullmatch(text):
        return text.lower()
    if _NUMBER.fullmatch(text):
        return Decimal(text) if "." in text else int(text)
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    raise ODataError(f"Unrecognized literal '{text}'.")


def _is_named(piece: str) -> bool:
    return re.match(r"\s*[A-Za-z_@]\w*\s*=", piece) is not None
