"""What applying or resetting mappings changes: property by property, field by field, before anything is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from twinrow.model.mapping import FieldMapping, TableMapping, Template

ADDED, CHANGED, REMOVED = "added", "changed", "removed"


@dataclass(frozen=True, slots=True)
class MappingChange:
    """One thing that changes in a mapping.

    `place` is the property, with the field mapping or template that it belongs to before it (`fields name=name direction`);
    blank where the whole mapping is added or removed. Values are as they stand in a mapping file; None: there is none.
    """

    mapping: str
    kind: str
    place: str
    before: Any = None
    after: Any = None


def changes(before: Mapping[str, TableMapping], after: Iterable[TableMapping]) -> list[MappingChange]:
    """Return what changes when mappings (`after`) take the place of those of the same names."""
    found: list[MappingChange] = []
    for mapping in after:
        known = before.get(mapping.name)
        if known is None:
            found.append(MappingChange(mapping.name, ADDED, ""))
        else:
            found += _within(known, mapping)
    return found


def _within(before: TableMapping, after: TableMapping) -> Iterator[MappingChange]:
    name = after.name
    for kind, place, old, new in _properties(before, after, {"fields", "templates", "when"}):
        yield MappingChange(name, kind, place, old, new)
    yield from _items(name, "fields", _rows(before.fields), _rows(after.fields))
    yield from _items(name, "templates", _templates(before.templates), _templates(after.templates))
    common = set(_rows(before.fields)) & set(_rows(after.fields))
    if [row.key for row in before.fields if row.key in common] != [
        row.key for row in after.fields if row.key in common
    ]:
        yield MappingChange(name, CHANGED, "fields", None, "written in another order")


def _rows(rows: Iterable[FieldMapping]) -> dict[str, BaseModel]:
    return {row.key: row for row in rows}


def _templates(templates: Iterable[Template]) -> dict[str, BaseModel]:
    return {f"{one.code} ({one.side.value})": one for one in templates}


def _items(
    mapping: str, place: str, before: Mapping[str, BaseModel], after: Mapping[str, BaseModel]
) -> Iterator[MappingChange]:
    for key, item in after.items():
        if key not in before:
            yield MappingChange(mapping, ADDED, f"{place} {key}", None, _plain(item))
            continue
        for kind, within, old, new in _properties(before[key], item, {"when"}):
            yield MappingChange(mapping, kind, f"{place} {key} {within}", old, new)
    for key, item in before.items():
        if key not in after:
            yield MappingChange(mapping, REMOVED, f"{place} {key}", _plain(item), None)


def _properties(before: BaseModel, after: BaseModel, besides: set[str]) -> Iterator[tuple[str, str, Any, Any]]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for name in new:
        if name not in besides and old[name] != new[name]:
            yield CHANGED, name, old[name], new[name]


def _plain(item: BaseModel) -> dict[str, Any]:
    return item.model_dump(mode="json", exclude_defaults=True)
