"""Conditions as `$filter` texts, within the limits of the service.

Source: protocol page, sections 1 and 8; Microsoft's pages on wildcard characters and on FetchXML (a query has at most 500
conditions). What is written here lets through *at least* the records that satisfy a condition in the sense of
`batch.filters`, and whoever reads them looks again: a part that the service cannot be asked, or answers differently, is left
out.

* Texts are compared without regard to case on both sides. In `contains`, `startswith` and `endswith` the characters `% _ [`
  are wildcards, unless they stand in brackets. Whether `eq` knows them too is told differently, so it is asked both ways.
* Whether a comparison with a missing value is true under `ne` and `not` is not documented, so it is always asked for.

A long list of values becomes several filters, which together let through what the one would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

from twinrow.connectors.dataverse.tables import DataverseTable
from twinrow.connectors.dataverse.values import WireField
from twinrow.connectors.odata.filters import OPPOSITES, instant_literal, is_guid, number_literal, text_literal
from twinrow.model.filters import And, Comparison, Filter, Not, Or, TextMatch, Value
from twinrow.model.tables import FieldType

MOST_CONDITIONS = 300
"""Conditions of one filter that we allow ourselves."""

LONGEST_FILTER = 24_000
"""Characters of one encoded filter; an address may have 32 KB, twice that within a batch."""

MOST_IDS = 500
"""Ids that one filter asks for."""

_SAFE = "()',:$/[]"
_LARGEST_INTEGER = 2**31
_LARGEST_DECIMAL = 10**15
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Term:
    """A condition as it stands in a filter."""

    text: str

    @property
    def conditions(self) -> int:
        """How many conditions it is."""
        return 1


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by `and` or by `or`. No condition at all: with `and` everything, with `or` nothing."""

    word: str
    parts: tuple[Written, ...]

    @property
    def text(self) -> str:
        """The conditions as they stand in a filter beside others."""
        joined = f" {self.word} ".join(part.text for part in self.parts)
        return f"({joined})" if len(self.parts) > 1 else joined

    @property
    def conditions(self) -> int:
        """How many conditions they are."""
        return sum(part.conditions for part in self.parts)


Written = Term | Joined

EVERYTHING = Joined("and", ())
NOTHING = Joined("or", ())


_AND, _OR = "%20and%20", "%20or%20"


def encoded(text: str) -> str:
    """Return a filter as it stands in an address."""
    return quote(text, safe=_SAFE)


def id_filters(key: str, ids: Sequence[str]) -> list[str]:
    """Return filters that together let through the records with these ids (GUIDs)."""
    lists = ("','".join(ids[start : start + MOST_IDS]) for start in range(0, len(ids), MOST_IDS))
    return [f"Microsoft.Dynamics.CRM.In(PropertyName='{key}',PropertyValues=['{listed}'])" for listed in lists]


def filter_texts(condition: Filter | None, table: DataverseTable, refused: Set[str] = frozenset()) -> tuple[str, ...]:
    """Return filters that together let through every record that satisfies the condition.

    An empty text is no filter; no text at all: no record can satisfy it. Fields in `refused` are not filtered by.
    """
    written = _written(condition, table, refused, negated=False) if condition is not None else EVERYTHING
    if written == NOTHING:
        return ()
    return tuple(piece.text for piece in _pieces(written))


def filter_text(condition: Filter | None, table: DataverseTable, refused: Set[str] = frozenset()) -> str:
    """Return one filter that lets through every record that satisfies the condition (`''`: none can be written)."""
    texts = filter_texts(condition, table, refused)
    return texts[0] if len(texts) == 1 else ""


def _all(parts: Iterable[Written]) -> Written:
    kept = _joined("and", parts)
    return NOTHING if NOTHING in kept else kept[0] if len(kept) == 1 else Joined("and", kept)


def _any(parts: Iterable[Written]) -> Written:
    kept = _joined("or", parts)
    return EVERYTHING if EVERYTHING in kept else kept[0] if len(kept) == 1 else Joined("or", kept)


def _joined(word: str, parts: Iterable[Written]) -> tuple[Written, ...]:
    """Return the parts, each once; what is joined by the same word comes as its own parts."""
    flat: list[Written] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Joined) and part.word == word else (part,))
    return tuple(dict.fromkeys(flat))


def _written(condition: Filter, table: DataverseTable, refused: Set[str], *, negated: bool) -> Written:
    match condition:
        case Not(part):
            return _written(part, table, refused, negated=not negated)
        case And(parts) | Or(parts):
            written = [_written(part, table, refused, negated=negated) for part in parts]
            return _all(written) if isinstance(condition, And) is not negated else _any(written)
        case _:
            table.table.field(condition.field)
            field = table.wire[condition.field]
            if condition.field in refused or not field.can_be_filtered:
                return EVERYTHING
            if isinstance(condition, TextMatch):
                return _match(condition, field, negated)
            return _comparison(condition, field, negated)


def _match(condition: TextMatch, field: WireField, negated: bool) -> Written:
    if not condition.value or field.field.type is not FieldType.TEXT:
        return EVERYTHING
    text = f"{condition.function}({field.selected},{text_literal(_literally(condition.value))})"
    return _or_null(Term(f"not {text}"), field) if negated else Term(text)


def _comparison(condition: Comparison, field: WireField, negated: bool) -> Written:
    operator, value = condition.operator, condition.value
    if isinstance(value, tuple):
        written = [_one("ne" if negated else "eq", item, field) for item in value]
        return _all(written) if negated else _any(written)
    if not negated:
        return _one(operator, value, field)
    if value is None and operator not in ("eq", "ne"):
        return EVERYTHING
    opposite = _one(OPPOSITES[operator], value, field)
    # What is missing is neither greater nor less, so it satisfies the negation.
    return opposite if operator in ("eq", "ne") else _or_null(opposite, field)


def _one(operator: str, value: Value, field: WireField) -> Written:
    """Return what one comparison with one value is; `EVERYTHING` where the service cannot be asked."""
    if value is None:
        return _null(operator, field)
    kind = field.field.type
    match kind:
        case FieldType.TEXT:
            return _text(operator, str(value).rstrip(" "), field)
        case FieldType.GUID | FieldType.REFERENCE:
            return _guid(operator, str(value).strip().lower(), field)
        case FieldType.BOOLEAN:
            return _equality(operator, str(value).lower(), field)
        case FieldType.DATE:
            return _ordered(operator, str(value), field)
        case FieldType.DATETIME:
            assert isinstance(value, date | datetime)  # noqa: S101 - checked with the filter
            return _instant(operator, value, field)
        case _:
            assert isinstance(value, int | Decimal)  # noqa: S101 - checked with the filter
            return _number(operator, value, field)


def _null(operator: str, field: WireField) -> Written:
    return Term(f"{field.selected} {operator} null") if operator in ("eq", "ne") else NOTHING


def _or_null(written: Written, field: WireField) -> Written:
    return _any((written, Term(f"{field.selected} eq null")))


def _never(operator: str) -> Written:
    """A comparison with something that no record holds."""
    return NOTHING if operator == "eq" else EVERYTHING


def _equality(operator: str, literal: str, field: WireField) -> Written:
    if operator not in ("eq", "ne"):
        return EVERYTHING
    return _ordered(operator, literal, field)


def _ordered(operator: str, literal: str, field: WireField) -> Written:
    term = Term(f"{field.selected} {operator} {literal}")
    return _or_null(term, field) if operator == "ne" else term


def _text(operator: str, text: str, field: WireField) -> Written:
    if operator not in ("eq", "ne"):
        # The service's order of texts is that of its collation.
        return EVERYTHING
    if not text:
        # Blank and missing are the same here; blanks alone count as neither in some collations.
        return _or_null(Term(f"{field.selected} eq ''"), field) if operator == "eq" else _null("ne", field)
    plain = text_literal(text)
    if operator == "ne":
        return EVERYTHING if _literally(text) != text else _ordered(operator, plain, field)
    asked = [Term(f"{field.selected} eq {plain}")]
    if "[" in text:
        # As a pattern it would not match itself; with the other wildcards it does.
        asked.append(Term(f"{field.selected} eq {text_literal(_literally(text))}"))
    return _any(asked)


def _literally(text: str) -> str:
    """Return a pattern that matches the text itself."""
    return text.replace("[", "[[]").replace("%", "[%]").replace("_", "[_]")


def _guid(operator: str, text: str, field: WireField) -> Written:
    if operator not in ("eq", "ne"):
        return EVERYTHING
    return _ordered(operator, text, field) if is_guid(text) else _never(operator)


def _instant(operator: str, value: date | datetime, field: WireField) -> Written:
    """Compare in whole seconds, as times are kept: with the second included in which the value lies."""
    if not isinstance(value, datetime) or not value.microsecond:
        return _ordered(operator, instant_literal(value, "seconds"), field)
    if operator in ("eq", "ne"):
        return _never(operator)
    second = value.replace(microsecond=0)
    if operator in ("gt", "ge"):
        return _ordered("ge", instant_literal(second, "seconds"), field)
    return _ordered("le", instant_literal(second + _SECOND, "seconds"), field)


def _number(operator: str, value: int | Decimal, field: WireField) -> Written:
    kind = field.field.type
    limit = _LARGEST_DECIMAL if kind in (FieldType.DECIMAL, FieldType.FLOAT) else _LARGEST_INTEGER
    if not -limit < value < limit:
        # Not every column's type has a literal for it.
        return EVERYTHING
    if kind is FieldType.FLOAT:
        # Binary fractions seldom equal what was written.
        wide = {"gt": "ge", "lt": "le"}.get(operator, operator)
        return EVERYTHING if operator in ("eq", "ne") else _ordered(wide, number_literal(value), field)
    return _ordered(operator, number_literal(value), field)


def _fits(written: Written) -> bool:
    return written.conditions <= MOST_CONDITIONS and len(encoded(written.text)) <= LONGEST_FILTER


def _pieces(written: Written) -> Iterator[Written]:
    """Divide a condition that is too long at its longest list of alternatives; what stays too long is widened."""
    if _fits(written):
        yield written
    elif isinstance(written, Term):
        yield EVERYTHING
    elif written.word == "or":
        for piece in _divided(written.parts):
            yield from _pieces(piece)
    else:
        largest = max(written.parts, key=lambda part: len(part.text))
        others = _all([part for part in written.parts if part is not largest])
        if isinstance(largest, Joined) and _fits_beside(others):
            for piece in _divided(largest.parts):
                beside = _all([others, piece])
                yield beside if _fits(beside) else others
        else:
            yield _smallest(written.parts)


def _smallest(parts: Iterable[Written]) -> Written:
    """Return as many of the conditions as fit into one filter, the smallest first."""
    kept: list[Written] = []
    conditions = length = 0
    for part in sorted(parts, key=lambda part: len(part.text)):
        conditions += part.conditions
        length += len(encoded(part.text)) + len(_AND)
        if conditions > MOST_CONDITIONS or length > LONGEST_FILTER:
            break
        kept.append(part)
    return _all(kept)


def _fits_beside(written: Written) -> bool:
    return 2 * written.conditions <= MOST_CONDITIONS and 2 * len(encoded(written.text)) <= LONGEST_FILTER


def _divided(parts: Sequence[Written]) -> Iterator[Written]:
    """Put alternatives together to conditions of half the size allowed."""
    piece: list[Written] = []
    conditions = length = 0
    for part in parts:
        needed = len(encoded(part.text)) + len(_OR)
        full = 2 * (conditions + part.conditions) > MOST_CONDITIONS or 2 * (length + needed) > LONGEST_FILTER
        if piece and full:
            yield _any(piece)
            piece, conditions, length = [], 0, 0
        piece.append(part)
        conditions += part.conditions
        length += needed
    if piece:
        yield _any(piece)
