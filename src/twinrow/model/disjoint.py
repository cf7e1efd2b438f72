"""Whether two filters exclude each other, so that no record can satisfy both.

Two mappings may write the same field of one table only when their filters on that table are **disjoint**. The answer is a
proof or nothing: `disjoint` says yes only where no record can be in both, whatever the values and whatever the systems do
with case, trailing blanks and the difference of null and `''`. It says no where that cannot be seen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch

_NEGATED = {"eq": "ne", "ne": "eq"}
_LOWER_BOUNDS = ("gt", "ge")
_UPPER_BOUNDS = ("lt", "le")


def disjoint(first: Filter | None, second: Filter | None) -> bool:
    """Whether it is certain that no record satisfies both filters; None is the filter that every record satisfies."""
    if first is None or second is None:
        return False
    return _disjoint(_without_not(first), _without_not(second))


def _without_not(condition: Filter) -> Filter:
    """Carry negations to the leaves, where they become another comparison or stay; a list becomes its items."""
    match condition:
        case Comparison(field, "in", tuple() as values):
            return Or(tuple(Comparison(field, "eq", value) for value in values))
        case And(parts):
            return And(tuple(_without_not(part) for part in parts))
        case Or(parts):
            return Or(tuple(_without_not(part) for part in parts))
        case Not(And(parts)):
            return Or(tuple(_without_not(Not(part)) for part in parts))
        case Not(Or(parts)):
            return And(tuple(_without_not(Not(part)) for part in parts))
        case Not(Not(part)):
            return _without_not(part)
        case Not(Comparison(operator="in") as leaf):
            return _without_not(Not(_without_not(leaf)))
        case Not(Comparison(operator=operator) as leaf) if operator in _NEGATED:
            return replace(leaf, operator=_NEGATED[operator])
        case _:
            return condition


def _disjoint(first: Filter, second: Filter) -> bool:
    match first, second:
        case Or(parts), other:
            return all(_disjoint(part, other) for part in parts)
        case other, Or(parts):
            return all(_disjoint(other, part) for part in parts)
        case And(parts), other:
            return any(_disjoint(part, other) for part in parts)
        case other, And(parts):
            return any(_disjoint(other, part) for part in parts)
        case ((Comparison() | TextMatch() as left), (Comparison() | TextMatch() as right)) if left.field == right.field:
            return _leaves_exclude(left, right)
        case _:
            return False


def _leaves_exclude(left: Comparison | TextMatch, right: Comparison | TextMatch) -> bool:
    for single, other in ((left, right), (right, left)):
        if isinstance(single, Comparison) and single.operator == "eq":
            return _excludes(other, single.value)
    if isinstance(left, TextMatch) and isinstance(right, TextMatch):
        return _beginnings_exclude(left, right)
    return _bounds_exclude(left, right) or _bounds_exclude(right, left)


def _excludes(leaf: Comparison | TextMatch, value: Any) -> bool:
    """Whether a field that equals the value certainly fails the leaf."""
    if isinstance(leaf, TextMatch):
        return isinstance(value, str) and not _text_matches(leaf, value)
    match leaf.operator:
        case "eq":
            return _differ(value, leaf.value)
        case "ne":
            # Only the very same value: to a system that minds case, 'a' is different from 'A'.
            return type(value) is type(leaf.value) and value == leaf.value
        case operator:
            return _outside(value, operator, leaf.value)


def _plain(value: Any) -> Any:
    """Bring a value into the form in which filters compare it: case and trailing blanks of texts do not count."""
    if isinstance(value, str):
        return value.lower().rstrip(" ")
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _differ(left: Any, right: Any) -> bool:
    first, second = _plain(left), _plain(right)
    if {first, second} <= {None, ""}:
        # Where a system cannot tell null from '', both name the same records.
        return False
    if None in (first, second):
        return True
    return type(first) is type(second) and bool(first != second)


def _outside(value: Any, operator: str, bound: Any) -> bool:
    first, second = _plain(value), _plain(bound)
    # Systems order texts in their own ways: nothing can be concluded from the order of two texts.
    if type(first) is not type(second) or not isinstance(first, Decimal | date):
        return False
    holds = {"gt": first > second, "ge": first >= second, "lt": first < second, "le": first <= second}
    return not holds[operator]


def _bounds_exclude(lower: Comparison | TextMatch, upper: Comparison | TextMatch) -> bool:
    if not isinstance(lower, Comparison) or not isinstance(upper, Comparison):
        return False
    if lower.operator not in _LOWER_BOUNDS or upper.operator not in _UPPER_BOUNDS:
        return False
    closed = lower.operator == "ge" and upper.operator == "le"
    return _outside(lower.value, "le" if closed else "lt", upper.value)


def _text_matches(leaf: TextMatch, value: str) -> bool:
    # A record that equals the value may have it with other trailing blanks: they are left out on both sides.
    text, wanted = value.lower().rstrip(" "), leaf.value.lower().rstrip(" ")
    match leaf.function:
        case "startswith":
            return text.startswith(wanted)
        case "endswith":
            return text.endswith(wanted)
        case _:
            return wanted in text


def _beginnings_exclude(left: TextMatch, right: TextMatch) -> bool:
    if left.function != "startswith" or right.function != "startswith":
        return False
    first, second = left.value.lower(), right.value.lower()
    return not first.startswith(second) and not second.startswith(first)
