"""The tables of a site: what `$metadata` tells, completed by what only Business Central's sources tell.

`$metadata` has names, types, lengths, choices and what may be set. That a text is a Code, which table an id points to, how
many decimals an amount keeps and what a field is called by people stand in the files of `data`, one for each table. A
table is taken from the first route that has it; what another route would have served besides stands in `Table.absent`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files

import msgspec

from twinrow.connectors.base import Capabilities, CreateKeys, FeedKind
from twinrow.connectors.business_central.settings import OWN_ROUTE
from twinrow.connectors.business_central.site import Route, Site
from twinrow.connectors.business_central.values import WireField, decoded_name, encoded_name
from twinrow.connectors.odata.client import get
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.metadata import Entity, Property, last_word
from twinrow.model.errors import UnknownTable
from twinrow.model.tables import Field, FieldType, Option, Table

KEY = "id"
ROW_VERSION = "systemRowVersion"
MODIFIED = "lastModifiedDateTime"
MODIFIER = "modifiedBy"
CREATED = "systemCreatedAt"
MARK_FIELD = "syncMark"

OVERLAP = timedelta(minutes=15)
"""What a feed by times reads again: no request lives longer, and clocks differ (protocol page, section 19)."""

_ENGLISH = 1033
_NOT_MAPPED = frozenset({"companies", "syncStates", "subscriptions"})
_INTEGERS = {"Edm.Byte": (0, 2**8 - 1), "Edm.Int16": (-(2**15), 2**15 - 1), "Edm.Int32": (-(2**31), 2**31 - 1)}
_PLAIN_TYPES = {
    "Edm.String": FieldType.TEXT,
    "Edm.Guid": FieldType.GUID,
    "Edm.Decimal": FieldType.DECIMAL,
    "Edm.Double": FieldType.FLOAT,
    "Edm.Single": FieldType.FLOAT,
    "Edm.Boolean": FieldType.BOOLEAN,
    "Edm.Int64": FieldType.INTEGER,
    "Edm.Date": FieldType.DATE,
    "Edm.DateTimeOffset": FieldType.DATETIME,
} | dict.fromkeys(_INTEGERS, FieldType.INTEGER)
# Fields that can hold null, in the columns of a batch.
_BLANKABLE = frozenset({FieldType.GUID, FieldType.REFERENCE, FieldType.DATE, FieldType.DATETIME})


class KnownField(msgspec.Struct, frozen=True):
    """What is known of a field beyond `$metadata`. `only_on` names the pages that serve it: `own` or `standard`."""

    name: str
    caption: str
    type: str
    length: int | None = None
    scale: int | None = None
    table: str = ""
    options: tuple[str, ...] = ()
    required: bool = False
    only_on: str = ""


class KnownTable(msgspec.Struct, frozen=True):
    """What is known of a table beyond `$metadata`."""

    table: str
    caption: str
    written: bool
    pages: tuple[str, ...]
    fields: tuple[KnownField, ...]


@cache
def known_tables() -> Mapping[str, KnownTable]:
    """Return what the files of `data` hold, by entity set."""
    decoder = msgspec.json.Decoder(KnownTable)
    found = [decoder.decode(file.read_bytes()) for file in (files(__package__) / "data").iterdir()]
    return {item.table: item for item in found}


@dataclass(frozen=True, slots=True)
class ApiTable:
    """A table as one route serves it: its description, how its fields travel, what it can do."""

    route: Route
    table: Table
    wire: Mapping[str, WireField]
    capabilities: Capabilities

    @property
    def name(self) -> str:
        """The name of the table, and of its entity set."""
        return self.table.name

    def has(self, name: str) -> bool:
        """Whether the route serves the field."""
        return name in self.wire


class Tables:
    """The tables of a site; each is described once. May be used by several threads at once."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.RLock()
        self._described: dict[str, ApiTable] = {}

    def names(self) -> Sequence[str]:
        """Return the names of the tables that can be mapped, those of preferred routes first."""
        found: dict[str, None] = {}
        for route in self._site.routes:
            found.update((name, None) for name, entity in route.metadata.sets.items() if _is_table(name, entity))
        return tuple(found)

    def get(self, name: str) -> ApiTable:
        """Return a table. Raises `UnknownTable`."""
        with self._lock:
            if name not in self._described:
                self._described[name] = self._describe(name)
            return self._described[name]

    def _describe(self, name: str) -> ApiTable:
        for route in self._site.routes:
            entity = route.metadata.sets.get(name)
            if entity is not None and _is_table(name, entity):
                return self._described_by(route, name, entity)
        raise UnknownTable(self._site.client.system, name, self.names())

    def _described_by(self, route: Route, name: str, entity: Entity) -> ApiTable:
        known = known_tables().get(name)
        facts = {item.name: item for item in known.fields} if known is not None else {}
        captions = self._captions(route, name) if any(item.name not in facts for item in entity.properties) else {}
        wire = {}
        for item in entity.properties:
            caption = captions.get(item.name, item.name)
            described = _wire_field(item, facts.get(item.name), route, caption)
            if described is not None:
                wire[item.name] = described
        table = Table(
            name,
            KEY,
            {field.field.name: field.field for field in wire.values()},
            known.caption if known is not None else name,
            self._absent(route, known, wire),
        )
        written = known.written if known is not None else True
        return ApiTable(route, table, wire, _capabilities(wire, written, self._site.settings.chosen_ids))

    def _absent(self, route: Route, known: KnownTable | None, wire: Mapping[str, WireField]) -> dict[str, str]:
        if known is None or route.name == OWN_ROUTE:
            return {}
        if OWN_ROUTE in self._site.missing:
            reason = "only twinrow's extension serves it, and this environment does not have it"
        else:
            reason = f"only twinrow's extension serves it, and the setting routes does not name {OWN_ROUTE} first"
        return {item.name: reason for item in known.fields if item.only_on == "own" and item.name not in wire}

    def _captions(self, route: Route, name: str) -> dict[str, str]:
        """Return the English captions that the site itself gives to the properties of a table."""
        address = f"{route.root}/entityDefinitions?$filter=entitySetName%20eq%20'{name}'"
        try:
            content = self._site.client.read(get(address)).content
            definitions = msgspec.json.decode(content, type=_Definitions).value
        except (RequestRefused, msgspec.DecodeError):
            # Captions are a convenience: without them, names serve.
            return {}
        return {
            item.name: caption.caption
            for definition in definitions
            if definition.name == name
            for item in definition.properties
            for caption in item.captions
            if caption.language == _ENGLISH
        }


class _Caption(msgspec.Struct):
    language: int = msgspec.field(name="languageCode", default=0)
    caption: str = ""


class _NamedProperty(msgspec.Struct):
    name: str
    captions: list[_Caption] = []


class _Definition(msgspec.Struct):
    name: str = msgspec.field(name="entitySetName")
    properties: list[_NamedProperty] = []


class _Definitions(msgspec.Struct):
    value: list[_Definition]


def _is_table(name: str, entity: Entity) -> bool:
    """Whether an entity set holds records of its own: those below other records have other keys."""
    key = next((item for item in entity.properties if item.name == KEY), None)
    return entity.key == (KEY,) and key is not None and key.type == "Edm.Guid" and name not in _NOT_MAPPED


def _wire_field(item: Property, known: KnownField | None, route: Route, caption: str) -> WireField | None:
    """Return a property as a field; None for what no column can hold (streams, complex values)."""
    members = route.metadata.enums.get(last_word(item.type))
    names: dict[str, str] = {}
    if members is not None:
        kind = FieldType.ENUM
        names = {decoded_name(member): member for member in members}
    elif item.type in _PLAIN_TYPES:
        kind = _PLAIN_TYPES[item.type]
        if known is not None and kind is FieldType.TEXT and known.type in ("code", "enum"):
            kind = FieldType(known.type)
            names = {option: encoded_name(option) for option in known.options}
        elif known is not None and kind is FieldType.GUID and known.table:
            kind = FieldType.REFERENCE
    else:
        return None
    low, high = _INTEGERS.get(item.type, (None, None))
    is_key = item.name == KEY
    fixed = is_key or item.name == MARK_FIELD
    field = Field(
        item.name,
        kind,
        caption=known.caption if known is not None else caption,
        max_length=(item.max_length or (known.length if known is not None else None))
        if kind in (FieldType.TEXT, FieldType.CODE)
        else None,
        scale=_scale(item, known) if kind is FieldType.DECIMAL else None,
        minimum=low,
        maximum=high,
        nullable=kind in _BLANKABLE and not is_key,
        empty_text=kind in (FieldType.TEXT, FieldType.CODE),
        required=known is not None and known.required,
        creatable=not fixed and item.flags.get("AllowEditOnCreate", True),
        updatable=not fixed and item.flags.get("AllowEdit", True),
        options=tuple(Option(name, name) for name in names),
        targets=(known.table,) if known is not None and kind is FieldType.REFERENCE else (),
    )
    return WireField(field, names)


def _scale(item: Property, known: KnownField | None) -> int | None:
    return known.scale if known is not None and known.scale is not None else item.scale


def _capabilities(wire: Mapping[str, WireField], written: bool, chosen_ids: bool) -> Capabilities:
    if ROW_VERSION in wire:
        feed = FeedKind.ROW_VERSION
    elif MODIFIED in wire:
        feed = FeedKind.MODIFIED_AT
    else:
        feed = FeedKind.WHOLE
    marked = MARK_FIELD in wire
    keys = CreateKeys.CHOSEN if chosen_ids else CreateKeys.MARK if marked else CreateKeys.NONE
    created = CREATED if CREATED in wire else MODIFIED if MODIFIED in wire else None
    limits = ["Deleted records are found by comparing ids."]
    if feed is FeedKind.MODIFIED_AT:
        minutes = int(OVERLAP.total_seconds() / 60)
        limits.append(
            f"Changes are found by their time: a change that took longer than {minutes} minutes to be committed is only "
            "found by a full synchronization."
        )
    if feed is FeedKind.WHOLE:
        limits.append("Changes cannot be told from other records: everything is read each time.")
    if written and keys is CreateKeys.NONE:
        limits.append(
            "A create whose answer was lost is repeated only after some 18 minutes and a search, because it cannot be "
            "told from its repetition."
        )
    return Capabilities(
        feed=feed,
        version_checks=True,
        create_keys=keys,
        can_create=written,
        can_update=written,
        can_delete=written,
        overlap=OVERLAP if feed is FeedKind.MODIFIED_AT else timedelta(),
        created_at=created,
        mark_field=MARK_FIELD if keys is CreateKeys.MARK else None,
        limits=tuple(limits),
    )
