"""Conditions as `$filter` texts, within the limits of the service.

Source: protocol page, section 4. The service knows `or` on one field only, no `not`, no `in`, no function of a function;
its texts are case-sensitive; a filter has at most a hundred nodes. Conditions mean something wider (`batch.filters`). So
what is written here lets through *at least* the records that satisfy a condition, and whoever reads them looks again: a
part that cannot be written is left out, and a condition that cannot be written in one filter becomes several, which
together cover it.

Words: a *term* is one comparison; a *group* is terms on one field joined by `or`; an *alternative* is groups joined by
`and`; a condition is alternatives, any of which may hold. No alternative: no record; one without groups: every record.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce

from twinrow.connectors.business_central.tables import ApiTable
from twinrow.connectors.business_central.values import BLANK_DATE, ZERO_GUID
from twinrow.connectors.odata.filters import OPPOSITES, instant_literal, is_guid, number_literal, text_literal
from twinrow.model.filters import And, Filter, Not, Or, TextMatch, Value
from twinrow.model.tables import Field, FieldType

MOST_NODES = 90
"""Nodes of one filter that we allow ourselves; the service counts a comparison as four and an `or` as one."""

LONGEST_FILTER = 6_000
"""Characters of one filter; in an address most of them may become three."""

MOST_REQUESTS = 4
"""Into how many requests each page of a feed may be split before its condition is rather widened."""

MOST_ALTERNATIVES = 12
"""Into how many requests a condition may be split before it is rather widened."""

TIME_TOLERANCE = timedelta(milliseconds=50)
"""How far a time in a filter may be from the stored one: the database rounds (protocol page, section 8)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Terms on one field, joined by `or`."""

    field: str
    terms: tuple[str, ...]

    @property
    def nodes(self) -> int:
        """How many nodes the service counts, with the `and` before the group."""
        return sum(_nodes(term) for term in self.terms) + len(self.terms)

    @property
    def text(self) -> str:
        """The group as it stands in a filter beside others."""
        joined = " or ".join(self.terms)
        return f"({joined})" if len(self.terms) > 1 else joined


Alternative = tuple[Group, ...]
Alternatives = tuple[Alternative, ...]

EVERYTHING: Alternatives = ((),)
NOTHING: Alternatives = ()


def filter_texts(condition: Filter | None, table: ApiTable, refused: Set[str] = frozenset()) -> tuple[str, ...]:
    """Return filters that together let through every record that satisfies the condition.

    An empty text is no filter; no text at all: no record can satisfy it. Fields in `refused` are not filtered by.
    """
    return tuple(text for alternative in _written(condition, table, refused) for text in _texts(alternative))


def page_texts(
    condition: Filter | None, table: ApiTable, refused: Set[str] = frozenset(), *, beside: int = 0
) -> tuple[str, ...]:
    """Return filters, one for each request of a page, that together let through every record that satisfies the condition.

    A condition with `or` between fields, which the service does not know, becomes one for each alternative: `a eq 1 or b eq 2`
    is asked for as `a eq 1`, and as `b eq 2`. Where that would be too many requests, one filter lets more through.
    """
    alternatives = _written(condition, table, refused)
    texts = [
        " and ".join(group.text for group in _fitting(alternative, MOST_NODES - beside)) for alternative in alternatives
    ]
    return tuple(dict.fromkeys(texts)) if 0 < len(texts) <= MOST_REQUESTS and all(texts) else ("",)


def _written(condition: Filter | None, table: ApiTable, refused: Set[str]) -> Alternatives:
    return EVERYTHING if condition is None else _alternatives(condition, table, refused, negated=False)


def _alternatives(condition: Filter, table: ApiTable, refused: Set[str], *, negated: bool) -> Alternatives:
    match condition:
        case Not(part):
            return _alternatives(part, table, refused, negated=not negated)
        case And(parts) | Or(parts):
            written = [_alternatives(part, table, refused, negated=negated) for part in parts]
            both = isinstance(condition, And) is not negated
            return reduce(_both, written, EVERYTHING) if both else reduce(_either, written, NOTHING)
        case _:
            field = table.table.field(condition.field)
            if field.name in refused:
                return EVERYTHING
            if isinstance(condition, TextMatch):
                return EVERYTHING if negated else _match(condition, field, table)
            return _comparison(condition.operator, condition.value, field, table, negated)


def _both(left: Alternatives, right: Alternatives) -> Alternatives:
    if len(left) * len(right) > MOST_ALTERNATIVES:
        # Leaving one of the two conditions out lets more through, never less.
        return min(left, right, key=len)
    return tuple((*first, *second) for first in left for second in right)


def _either(left: Alternatives, right: Alternatives) -> Alternatives:
    if EVERYTHING[0] in left or EVERYTHING[0] in right:
        return EVERYTHING
    if len(left) == len(right) == 1 and len(left[0]) == len(right[0]) == 1 and left[0][0].field == right[0][0].field:
        return ((Group(left[0][0].field, left[0][0].terms + right[0][0].terms),),)
    together = left + right
    return together if len(together) <= MOST_ALTERNATIVES else EVERYTHING


def _comparison(
    operator: str, value: Value | tuple[Value, ...], field: Field, table: ApiTable, negated: bool
) -> Alternatives:
    if isinstance(value, tuple):
        written = [_comparison("eq", item, field, table, negated) for item in value]
        return reduce(_both_of_one, written, EVERYTHING) if negated else _any_of(written)
    if negated and operator not in ("eq", "ne") and field.nullable:
        # A blank is neither greater nor less, so it satisfies the negation; the service has it at the low end.
        return _with_blank(_one(OPPOSITES[operator], value, field, table), field)
    return _one(OPPOSITES[operator] if negated else operator, value, field, table)


def _any_of(written: Iterable[Alternatives]) -> Alternatives:
    """Join what many values on one field gave; as `_either`, without building a group anew for each."""
    terms: list[str] = []
    name = ""
    for alternatives in written:
        for alternative in alternatives:
            if len(alternative) != 1:
                return EVERYTHING
            name = alternative[0].field
            terms.extend(alternative[0].terms)
    return ((Group(name, tuple(dict.fromkeys(terms))),),) if terms else NOTHING


def _both_of_one(left: Alternatives, right: Alternatives) -> Alternatives:
    return NOTHING if not left or not right else ((*left[0], *right[0]),)


def _with_blank(alternatives: Alternatives, field: Field) -> Alternatives:
    if field.type is not FieldType.DATE or len(alternatives) != 1 or len(alternatives[0]) != 1:
        return EVERYTHING
    return _group(field, *alternatives[0][0].terms, f"{field.name} eq {BLANK_DATE}")


def _group(field: Field, *terms: str) -> Alternatives:
    return ((Group(field.name, terms),),)


def _one(operator: str, value: Value, field: Field, table: ApiTable) -> Alternatives:
    """Return what one comparison with one value is; `EVERYTHING` where the service cannot be asked."""
    match field.type:
        case FieldType.TEXT | FieldType.CODE:
            return _text(operator, value, field)
        case FieldType.GUID | FieldType.REFERENCE:
            return _guid(operator, value, field)
        case FieldType.ENUM:
            return _choice(operator, value, field, table)
        case FieldType.BOOLEAN:
            return _yes_or_no(operator, value, field)
        case FieldType.DATE:
            return _day(operator, value, field)
        case FieldType.DATETIME:
            return _instant(operator, value, field)
        case _:
            return _number(operator, value, field)


def _never(operator: str) -> Alternatives:
    """A field that is never null, compared with null."""
    return EVERYTHING if operator == "ne" else NOTHING


def _text(operator: str, value: Value, field: Field) -> Alternatives:
    if value is None:
        return _never(operator)
    text = str(value).rstrip(" ")
    if operator not in ("eq", "ne"):
        # The service's order of texts is that of its collation.
        return EVERYTHING
    if field.max_length is not None and len(text) > field.max_length:
        return _never(operator)
    if operator == "ne" or text.lower() == text.upper():
        return _group(field, f"{field.name} {operator} {text_literal(text)}")
    if field.type is FieldType.CODE:
        code = text.upper()
        return _group(field, f"{field.name} eq {text_literal(code)}") if code.lower() == text.lower() else EVERYTHING
    return _group(field, f"tolower({field.name}) eq {text_literal(text.lower())}")


def _guid(operator: str, value: Value, field: Field) -> Alternatives:
    if operator not in ("eq", "ne"):
        return EVERYTHING
    if value is None:
        return _group(field, f"{field.name} {operator} {ZERO_GUID}") if field.nullable else _never(operator)
    text = str(value).rstrip(" ").lower()
    if not is_guid(text) or text == ZERO_GUID:
        return _never(operator)
    return _group(field, f"{field.name} {operator} {text}")


def _choice(operator: str, value: Value, field: Field, table: ApiTable) -> Alternatives:
    if operator not in ("eq", "ne"):
        return EVERYTHING
    wanted = None if value is None else str(value).lower().rstrip(" ")
    for caption, member in table.wire[field.name].members.items():
        if caption.lower().rstrip(" ") == wanted:
            return _group(field, f"{field.name} {operator} {text_literal(member)}")
    return _never(operator)


def _yes_or_no(operator: str, value: Value, field: Field) -> Alternatives:
    if operator not in ("eq", "ne"):
        return EVERYTHING
    if value is None:
        return _never(operator)
    wanted = bool(value) if operator == "eq" else not value
    return _group(field, f"{field.name} eq {str(wanted).lower()}")


def _day(operator: str, value: Value, field: Field) -> Alternatives:
    if value is None:
        return _group(field, f"{field.name} {operator} {BLANK_DATE}")
    if not isinstance(value, date) or isinstance(value, datetime):
        return EVERYTHING
    return _group(field, f"{field.name} {operator} {value.isoformat()}")


def _instant(operator: str, value: Value, field: Field) -> Alternatives:
    if not isinstance(value, date) or operator == "ne":
        return EVERYTHING
    instant = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
    after = Group(field.name, (f"{field.name} ge {instant_literal(instant - TIME_TOLERANCE)}",))
    before = Group(field.name, (f"{field.name} le {instant_literal(instant + TIME_TOLERANCE)}",))
    return {"eq": ((after, before),), "gt": ((after,),), "ge": ((after,),)}.get(operator, ((before,),))


def _number(operator: str, value: Value, field: Field) -> Alternatives:
    if value is None or not isinstance(value, int | Decimal):
        return _never(operator)
    if operator == "ne":
        return EVERYTHING
    # With the limit included: digits beyond those that the service compares are looked at afterwards.
    wide = {"gt": "ge", "lt": "le"}.get(operator, operator)
    return _group(field, f"{field.name} {wide} {number_literal(value)}")


def _match(condition: TextMatch, field: Field, table: ApiTable) -> Alternatives:
    text = condition.value
    if field.type is FieldType.ENUM:
        tests = {"contains": str.__contains__, "startswith": str.startswith, "endswith": str.endswith}
        members = table.wire[field.name].members
        found = [m for caption, m in members.items() if tests[condition.function](caption.lower(), text.lower())]
        return _group(field, *(f"{field.name} eq {text_literal(member)}" for member in found)) if found else EVERYTHING
    if field.type is FieldType.CODE and text.upper().lower() == text.lower():
        text = text.upper()
    elif field.type not in (FieldType.TEXT, FieldType.CODE) or text.lower() != text.upper():
        # It is case-sensitive, and `contains(tolower(…))` is not to be had.
        return EVERYTHING
    if not text:
        return EVERYTHING
    if field.max_length is not None and len(text) > field.max_length:
        return NOTHING
    return _group(field, f"{condition.function}({field.name},{text_literal(text)})")


def _nodes(term: str) -> int:
    """How many nodes the service counts for a term: two for a property, one for each value, operator and function."""
    return 5 if term.startswith("tolower(") else 4


def _fitting(alternative: Alternative, nodes: int) -> list[Group]:
    """Return groups that fit into one filter; the largest are left out first."""
    chosen: list[Group] = []
    length = 0
    for group in sorted(alternative, key=lambda group: group.nodes):
        nodes -= group.nodes
        length += len(group.text)
        if nodes < 0 or length > LONGEST_FILTER:
            break
        chosen.append(group)
    return chosen


def _texts(alternative: Alternative) -> list[str]:
    """Write an alternative as filters: its largest group in pieces, each beside the others."""
    if not alternative:
        return [""]
    largest = max(alternative, key=lambda group: group.nodes)
    beside = _fitting(tuple(group for group in alternative if group is not largest), MOST_NODES // 2)
    nodes = MOST_NODES - sum(group.nodes for group in beside)
    room = LONGEST_FILTER - sum(len(group.text) for group in beside)
    return [" and ".join(group.text for group in (*beside, piece)) for piece in _pieces(largest, nodes, room)]


def _pieces(group: Group, nodes: int, room: int) -> Iterable[Group]:
    piece: list[str] = []
    nodes_left, room_left = nodes, room
    for term in group.terms:
        needed = _nodes(term) + 1
        if piece and (needed > nodes_left or len(term) > room_left):
            yield Group(group.field, tuple(piece))
            piece, nodes_left, room_left = [], nodes, room
        piece.append(term)
        nodes_left -= needed
        room_left -= len(term) + 4
    yield Group(group.field, tuple(piece))
