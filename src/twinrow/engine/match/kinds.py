"""Kinds: which fields scored matching compares, and as what kind of value.

Every field that holds text or a date for people is compared, in whichever direction it goes: the more two records say, the
surer it is whether they are the same. What kind of value it is follows from its names on both sides, its caption and its types;
`compare` in the mapping says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from twinrow.engine.fields import FieldPlan, FieldPlans
from twinrow.engine.match.criteria import Criteria, choose_criteria
from twinrow.engine.match.stock import Compared, Shared
from twinrow.model.errors import ConfigurationError
from twinrow.model.mapping import Compare, TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import FieldType

_TELLING = frozenset({FieldType.TEXT, FieldType.CODE, FieldType.DATE})
_COMPARABLE = _TELLING | {FieldType.INTEGER, FieldType.DECIMAL}
_LONGEST = 500
"""Texts of fields that can be longer are notes, not marks of a record."""

_BY_NAME: tuple[tuple[Compare, str], ...] = (
    (Compare.EMAIL, r"e ?mail"),
    (Compare.PHONE, r"phone|telephone|mobile|fax|cell"),
    (Compare.DATE, r"\bdate\b|birth|dob"),
    (
        Compare.NUMBER,
        r"zip|post ?code|postal|vat|tax|registration|iban|street ?(no|number)|account ?number|\bno\b|\bnumber\b|\bcode\b",
    ),
    (
        Compare.NAME,
        r"first ?name|last ?name|sur ?name|given ?name|middle ?name|full ?name|contact|person|city|town|suburb|county",
    ),
    (Compare.ADDRESS, r"address|street|\bline ?\d"),
    (Compare.COMPANY, r"name|company|organi[sz]ation"),
)
"""The first that fits one of a field's names says its kind."""

_PLACES = re.compile(r"(city|town|suburb|county|state|province|country|region|zip|post ?code|postal ?code)")
_STREETS = re.compile(r"street|road|house ?(no|number)")
_SITES = re.compile(r"web ?site|home ?page|\burl|web ?address")


def compared_fields(mapping: TableMapping, plans: Sequence[FieldPlan]) -> list[tuple[FieldPlan, Compared]]:
    """Return the fields of a mapping that are compared. Raises `ConfigurationError` where there are none, or one cannot be."""
    found = []
    for plan in plans:
        asked = plan.mapping.compare
        if plan.derived is not None or plan.is_constant or asked is Compare.NONE:
            continue
        types = {plan.field(side).type for side in Side}
        if asked is not None and not types <= _COMPARABLE:
            raise ConfigurationError(
                f"{plan.caption} cannot be compared as {asked.value}",
                cause="Only texts, numbers and dates can be.",
                remedy="Take compare out of its field mapping, or say none.",
                field=plan.key,
            )
        if asked is None and not (types <= _TELLING and _plain(plan) and _short(plan)):
            continue
        kind = asked or kind_of(plan)
        found.append((plan, Compared(plan.key, plan.caption, kind, _shared(plan, kind))))
    if not found:
        raise ConfigurationError(
            f"{mapping.name} has no field by which records could be compared",
            cause="Texts and dates are compared that are carried as they are.",
            remedy=f'Match by equal values: twinrow match "{mapping.name}" --on FIELD; or set compare on field mappings.',
        )
    return found


def kind_of(plan: FieldPlan) -> Compare:
    """Return what kind of value a field holds, by its names and types."""
    if FieldType.DATE in {plan.field(side).type for side in Side}:
        return Compare.DATE
    names = _names(plan)
    if any(_SITES.search(name) for name in names):
        return Compare.TEXT
    # `address1_city` is a city, not an address.
    names = [place.group(1) if (place := _PLACES.search(name)) else name for name in names]
    for kind, pattern in _BY_NAME:
        if any(re.search(pattern, name) for name in names):
            return kind
    return Compare.NUMBER if FieldType.CODE in {plan.field(side).type for side in Side} else Compare.TEXT


def as_criteria(mapping: TableMapping, plans: Sequence[FieldPlan], fields: Sequence[FieldPlan]) -> Criteria:
    """Return the fields as criteria, for reading what both sides say in them: each alone, its texts as they are written."""
    chosen = choose_criteria(mapping, FieldPlans(tuple(plans), ()), [[plan.key] for plan in fields])
    return Criteria(tuple((replace(criterion, case_sensitive=True),) for criterion in chosen.all))


def _shared(plan: FieldPlan, kind: Compare) -> Shared | None:
    names = _names(plan)
    if kind is Compare.PHONE or any(_SITES.search(name) for name in names):
        return Shared.REACH
    if kind is Compare.ADDRESS or (kind is not Compare.EMAIL and _is_place(names)):
        return Shared.PLACE
    return None


def _is_place(names: Sequence[str]) -> bool:
    return any(_PLACES.search(name) or _STREETS.search(name) for name in names)


def _names(plan: FieldPlan) -> list[str]:
    return [_spaced(name) for name in (plan.mapping.local, plan.mapping.integration, plan.mapping.caption) if name]


def _plain(plan: FieldPlan) -> bool:
    return not plan.mapping.related_mapping and not plan.mapping.values


def _short(plan: FieldPlan) -> bool:
    lengths = [plan.field(side).max_length for side in Side]
    return all(length is None or length <= _LONGEST for length in lengths)


def _spaced(name: str) -> str:
    """Return a field's name in small letters with spaces between its words: `address1_postalCode` is `address1 postal code`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace(".", " ").replace("-", " ")
    return words.casefold()
