"""What a service says about its tables: the parts of `$metadata` (CSDL, XML) that twinrow uses.

Source: OData 4 CSDL, and the protocol pages. Annotations on properties are kept by the last word of their term, so that
`Microsoft.NAV.AllowEdit` and `NAV.AllowEdit` are the same.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an entity, with its flags: Boolean annotations by name."""

    name: str
    type: str
    max_length: int | None = None
    scale: int | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entity:
    """The rows of an entity set: key and properties, in the order of the document."""

    name: str
    key: tuple[str, ...]
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The entity sets by name, and the members of enumerations by the last word of their name."""

    sets: Mapping[str, Entity]
    enums: Mapping[str, tuple[str, ...]]


def read_metadata(content: bytes) -> Metadata:
    """Read a metadata document. Raises ValueError when it is none."""
    try:
        # Expat of every supported Python bounds the growth of entities.
        root = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"The metadata cannot be read: {error}") from None
    entities = {item.get("Name", ""): item for item in _named(root, "EntityType")}
    sets = {}
    for item in _named(root, "EntitySet"):
        name = last_word(item.get("EntityType", ""))
        if name in entities:
            sets[item.get("Name", "")] = _entity(name, entities[name])
    enums = {
        item.get("Name", ""): tuple(member.get("Name", "") for member in _named(item, "Member"))
        for item in _named(root, "EnumType")
    }
    return Metadata(sets, enums)


def last_word(name: str) -> str:
    """Return a qualified name without its namespace."""
    return name.rpartition(".")[2]


def _named(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return parent.iterfind(f".//{{*}}{name}")


def _entity(name: str, item: ElementTree.Element) -> Entity:
    key = tuple(part.get("Name", "") for part in _named(item, "PropertyRef"))
    return Entity(name, key, tuple(_property(part) for part in _named(item, "Property")))


def _property(item: ElementTree.Element) -> Property:
    flags = {
        last_word(note.get("Term", "")): note.get("Bool") == "true"
        for note in _named(item, "Annotation")
        if note.get("Bool") is not None
    }
    return Property(
        item.get("Name", ""), item.get("Type", ""), _number(item.get("MaxLength")), _number(item.get("Scale")), flags
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
