"""The tables of an environment, described from its metadata.

Fields are named as the columns are (by logical name), also lookups. A lookup to rows of several tables (an owner, a customer)
brings a companion field `<name>type` with the logical name of the row's table. Navigation properties are taken from the
relationships, never guessed: their capitals differ from environment to environment. What the Web API does not serve, or
does not let us read, is no field.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from twinrow.connectors.base import Capabilities, CreateKeys, FeedKind
from twinrow.connectors.dataverse.definitions import AlternateKey, Attribute, ChoiceColumn, EntityFacts, Relationship
from twinrow.connectors.dataverse.site import Definition, Site
from twinrow.connectors.dataverse.values import Lookup, Target, WireField
from twinrow.model.errors import UnknownTable
from twinrow.model.tables import Field, FieldType, Option, Table

MODIFIED = "modifiedon"
MODIFIER = "modifiedby"
CREATED = "createdon"
MERGED_INTO = "masterid"
USERS = "systemuser"

OVERLAP = timedelta(minutes=15)
"""What a feed by times reads again.

A row's time of change is set when it is written and seen when its transaction ends. An operation is ended after two
minutes; a quarter of an hour leaves room for transactions of several operations and for clocks that differ.
"""

BATCH_ROWS = 1_000

_LOOKUPS = frozenset({"Lookup", "Customer", "Owner"})
_TYPES = {
    "String": FieldType.TEXT,
    "Memo": FieldType.TEXT,
    "MultiSelectPicklist": FieldType.TEXT,
    "Uniqueidentifier": FieldType.GUID,
    "Integer": FieldType.INTEGER,
    "BigInt": FieldType.INTEGER,
    "Money": FieldType.DECIMAL,
    "Decimal": FieldType.DECIMAL,
    "Double": FieldType.FLOAT,
    "Boolean": FieldType.BOOLEAN,
    "DateTime": FieldType.DATETIME,
    "Picklist": FieldType.OPTION,
    "State": FieldType.OPTION,
    "Status": FieldType.OPTION,
} | dict.fromkeys(_LOOKUPS, FieldType.REFERENCE)
# What the service fills in where it is required and not given.
_FILLED_IN = _LOOKUPS | {"Boolean", "State", "Status", "Uniqueidentifier"}
_OWN_PRECISION, _PRICING_PRECISION = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class DataverseTable:
    """A table: its description, how its fields travel, its alternate keys, and what it can do. Equal only to itself."""

    entity_set: str
    table: Table
    wire: Mapping[str, WireField]
    keys: Sequence[AlternateKey]
    capabilities: Capabilities

    @property
    def name(self) -> str:
        """The logical name of the table."""
        return self.table.name

    @property
    def key(self) -> str:
        """The column that holds the ids."""
        return self.table.key

    def has(self, name: str) -> bool:
        """Whether the table has the field."""
        return name in self.wire

    def companion(self, name: str) -> str | None:
        """Return the companion of a field; None for all but lookups to several tables."""
        lookup = self.wire[name].lookup
        return lookup.companion if lookup is not None else None


class Tables:
    """The tables of an environment; each is described once. May be used by several threads at once."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.RLock()
        self._described: dict[str, DataverseTable] = {}

    def names(self) -> Sequence[str]:
        """Return the names of the tables whose rows can be read."""
        return tuple(self._site.entities)

    def get(self, name: str) -> DataverseTable:
        """Return a table. Raises `UnknownTable`."""
        with self._lock:
            if name not in self._described:
                facts = self._site.entities.get(name)
                if facts is None:
                    raise UnknownTable(self._site.client.system, name, self.names())
                self._described[name] = self._describe(self._site.definition(facts))
            return self._described[name]

    def forget(self, name: str | None) -> None:
        """Let a table (None: every one) be described anew when it is next asked for: its options have changed."""
        with self._lock:
            if name is None:
                self._described.clear()
            else:
                self._described.pop(name, None)

    def _describe(self, definition: Definition) -> DataverseTable:
        facts = definition.facts
        key = facts.primary_id_attribute or ""
        served = {item.logical_name: item for item in definition.attributes if _is_served(item)}
        wire: dict[str, WireField] = {}
        for item in served.values():
            for field in self._fields(item, definition, key, frozenset(served)):
                wire[field.field.name] = field
        label = definition.entity.display_name
        table = Table(
            facts.logical_name,
            key,
            {name: field.field for name, field in wire.items()},
            (label.text if label is not None else None) or facts.logical_name,
        )
        return DataverseTable(
            facts.entity_set_name or "", table, wire, definition.entity.keys, _capabilities(facts, wire)
        )

    def _fields(self, item: Attribute, definition: Definition, key: str, served: frozenset[str]) -> Iterator[WireField]:
        if item.kind in _LOOKUPS:
            yield from self._lookup(item, definition, served)
            return
        name, kind = item.logical_name, _field_type(item)
        choice = definition.choices.get(name)
        is_key = name == key
        yield WireField(
            Field(
                name,
                kind,
                caption=_caption(item),
                max_length=item.max_length if kind is FieldType.TEXT else None,
                scale=self._scale(item) if kind in (FieldType.DECIMAL, FieldType.FLOAT) else None,
                minimum=_whole(item.min_value),
                maximum=_whole(item.max_value),
                nullable=not is_key,
                empty_text=False,
                required=_is_required(item) and not is_key,
                creatable=bool(item.is_valid_for_create) and not is_key,
                updatable=bool(item.is_valid_for_update) and not is_key,
                options=tuple(_options(kind, choice)) if choice is not None else (),
            ),
            # The service compares multi-select choices only with its own query functions.
            can_be_filtered=item.kind != "MultiSelectPicklist",
        )

    def _lookup(self, item: Attribute, definition: Definition, served: frozenset[str]) -> Iterator[WireField]:
        name = item.logical_name
        names = _preferred(item)
        targets = tuple(self._targets(item, names, definition.entity.many_to_one_relationships))
        companion = f"{name}type" if len(names) > 1 and f"{name}type" not in served else None
        # Without a navigation property there is no way to write it.
        creatable, updatable = (bool(flag and targets) for flag in (item.is_valid_for_create, item.is_valid_for_update))
        yield WireField(
            Field(
                name,
                FieldType.REFERENCE,
                caption=_caption(item),
                empty_text=False,
                required=_is_required(item),
                creatable=creatable,
                updatable=updatable,
                targets=names,
            ),
            Lookup(targets, companion),
        )
        if companion is not None:
            caption = f"{_caption(item)} (table)"
            yield WireField(
                Field(
                    companion,
                    FieldType.TEXT,
                    caption=caption,
                    empty_text=False,
                    creatable=creatable,
                    updatable=updatable,
                ),
                companion_of=name,
                can_be_filtered=False,
            )

    def _targets(
        self, item: Attribute, names: Sequence[str], relationships: Sequence[Relationship]
    ) -> Iterator[Target]:
        ways = {
            way.referenced_entity: way.referencing_entity_navigation_property_name
            for way in relationships
            if way.referencing_attribute == item.logical_name
        }
        for name in names:
            # An owner has one navigation property, which leads to users and teams.
            navigation = ways.get(name) or (ways.get("owner") if item.kind == "Owner" else None)
            entity_set = self._site.entity_set(name)
            if navigation and entity_set:
                yield Target(name, navigation, entity_set)

    def _scale(self, item: Attribute) -> int | None:
        if item.kind == "Money" and item.precision_source == _PRICING_PRECISION:
            return self._site.organization.pricingdecimalprecision
        if item.kind == "Money" and item.precision_source not in (None, _OWN_PRECISION):
            # The row's currency decides; no currency keeps more than this.
            decimals = self._site.currency_decimals
            return item.precision if decimals is None else decimals
        return item.precision


def _is_served(item: Attribute) -> bool:
    """Whether a column is a property that rows have: names of looked-up rows and the like are only annotations."""
    return bool(
        item.is_valid_o_data_attribute and item.is_valid_for_read and item.attribute_of is None and item.kind in _TYPES
    )


def _field_type(item: Attribute) -> FieldType:
    behaviour = item.date_time_behavior.value if item.date_time_behavior is not None else None
    if item.kind == "DateTime" and behaviour == "DateOnly":
        return FieldType.DATE
    return _TYPES[item.kind]


def _preferred(item: Attribute) -> tuple[str, ...]:
    """The tables that a lookup may lead to; for owners, users before others."""
    return tuple(sorted(item.targets or (), key=lambda name: item.kind == "Owner" and name != USERS))


def _is_required(item: Attribute) -> bool:
    """Whether the service insists on a value: of the levels, only one binds it (protocol page, section 4)."""
    level = item.required_level.value if item.required_level is not None else None
    return level == "SystemRequired" and item.kind not in _FILLED_IN and bool(item.is_valid_for_create)


def _caption(item: Attribute) -> str:
    return (item.display_name.text if item.display_name is not None else None) or item.logical_name


def _whole(bound: int | float | None) -> int | float | None:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _options(kind: FieldType, choice: ChoiceColumn) -> Iterator[Option]:
    if kind is FieldType.OPTION:
        for option in choice.options:
            yield Option(option.value, option.label.text or str(option.value))
    elif kind is FieldType.BOOLEAN and choice.option_set is not None:
        for value, two in (("false", choice.option_set.false_option), ("true", choice.option_set.true_option)):
            if two is not None:
                yield Option(value, two.label.text or value)


def _capabilities(facts: EntityFacts, wire: Mapping[str, WireField]) -> Capabilities:
    if facts.change_tracking_enabled:
        feed = FeedKind.DELTA
    else:
        feed = FeedKind.MODIFIED_AT if MODIFIED in wire else FeedKind.WHOLE
    checked = bool(facts.is_optimistic_concurrency_enabled)
    # In an elastic table a write replaces the row, with what it does not name.
    written = facts.table_type != "Elastic"
    return Capabilities(
        feed=feed,
        version_checks=checked,
        create_keys=CreateKeys.CHOSEN,
        deletes_in_feed=feed is FeedKind.DELTA,
        can_create=written and any(field.field.creatable for field in wire.values()),
        can_update=written and any(field.field.updatable for field in wire.values()),
        can_delete=written,
        overlap=OVERLAP if feed is FeedKind.MODIFIED_AT else timedelta(),
        created_at=CREATED if CREATED in wire else None,
        merged_into=MERGED_INTO if MERGED_INTO in wire else None,
        batch_rows=BATCH_ROWS,
        limits=tuple(_limits(feed, checked, written)),
    )


def _limits(feed: FeedKind, checked: bool, written: bool) -> Iterator[str]:
    if not checked:
        yield "Optimistic concurrency is off for this table, so versions are not checked: the last write wins."
    if feed is FeedKind.MODIFIED_AT:
        minutes = int(OVERLAP.total_seconds() / 60)
        yield (
            "Change tracking is off for this table: changes are found by their time, and one that took longer than "
            f"{minutes} minutes to be committed only by a full synchronization. Deleted records are found by comparing ids."
        )
    if feed is FeedKind.WHOLE:
        yield "Changes cannot be told from other records: everything is read each time."
    if not written:
        yield "Elastic tables are only read: a write would replace the row, with the columns that it does not name."
