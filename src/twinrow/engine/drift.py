"""Schema drift: fields that are gone, or of another type than when the mapping last ran.

What a run has seen of the mapped fields is kept in the store. A run that finds them otherwise does what `schema_drift` of the
mapping says, before it reads or writes anything. A person **accepts** the tables as they are now: then fields of another type
have no base any more, so that equal values make one and nothing old is taken for a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from twinrow.engine.fields import Unavailable
from twinrow.model.errors import ConfigurationError
from twinrow.model.mapping import SchemaDrift, TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Table
from twinrow.store.mappings import StoredMapping
from twinrow.store.systems import get_setting, set_setting


@dataclass(frozen=True, slots=True)
class Drift:
    """A mapped field that is not as it was: `was` and `now` are types; `now` is None where the field is gone."""

    key: str
    side: Side
    table: str
    field: str
    was: str
    now: str | None

    def __str__(self) -> str:
        if self.now is None:
            return f"{self.field} of {self.table} is gone"
        return f"{self.field} of {self.table} was {self.was} and is {self.now}"

    @property
    def unavailable(self) -> Unavailable:
        """The field mapping as one that cannot be synchronized here."""
        reason = "it is gone" if self.now is None else f"it was {self.was} when the mapping last ran, and is {self.now}"
        return Unavailable(self.key, self.side, self.field, reason, drifted=True)


@dataclass(frozen=True, slots=True)
class SeenFields:
    """The types of the mapped fields as the last run saw them, by side and name, and how often a row was begun anew."""

    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    renewed: Mapping[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return what the store keeps."""
        return {"types": {side: dict(types) for side, types in self.types.items()}, "renewed": dict(self.renewed)}


def read_seen(connection: Connection, mapping_id: int) -> SeenFields:
    """Return what the last run of a mapping has seen of its fields; nothing where there was none."""
    known = get_setting(connection, _setting(mapping_id))
    return SeenFields() if known is None else SeenFields(known["types"], known["renewed"])


def find_drift(mapping: TableMapping, tables: Mapping[Side, Table], seen: SeenFields) -> tuple[Drift, ...]:
    """Return what is not as it was. A field that never was there is a mistake of the mapping, and no drift."""
    found = []
    for row in mapping.fields:
        for side in Side if row.enabled else ():
            name, table = row.field(side), tables[side]
            was = seen.types.get(side.value, {}).get(name or "")
            if name is None or was is None or name in table.absent:
                continue
            now = table.fields[name].type.value if name in table.fields else None
            if now != was:
                found.append(Drift(row.key, side, table.name, name, was, now))
    return tuple(found)


def check_drift(mapping: TableMapping, drift: Sequence[Drift]) -> None:
    """Raise `ConfigurationError` where there is drift and the mapping says to stop."""
    if drift and mapping.schema_drift is SchemaDrift.STOP:
        raise ConfigurationError(
            f"The tables of {mapping.name} are not as they were when it last ran",
            cause=f"{'; '.join(str(one) for one in drift)}.",
            remedy=f"Mend the mapping, or accept a new type: twinrow mapping fields {mapping.name} --accept-schema.",
            field=drift[0].key,
        )


def remember_fields(connection: Connection, mapping: StoredMapping, tables: Mapping[Side, Table]) -> None:
    """Keep the types that a run sees; fields that have drifted are kept as they were."""
    seen = read_seen(connection, mapping.id)
    types: dict[str, dict[str, str]] = {}
    for side in Side:
        names = {name for row in mapping.mapping.fields if row.enabled and (name := row.field(side)) is not None}
        types[side.value] = {name: tables[side].fields[name].type.value for name in names & set(tables[side].fields)}
    for one in find_drift(mapping.mapping, tables, seen):
        types[one.side.value][one.field] = one.was
    now = SeenFields(types, seen.renewed)
    if now.plain() != seen.plain():
        set_setting(connection, _setting(mapping.id), now.plain())


def accept_drift(connection: Connection, mapping: StoredMapping, drift: Sequence[Drift]) -> None:
    """Take the tables as they are now for what was seen; rows whose fields have another type begin anew, without bases."""
    seen = read_seen(connection, mapping.id)
    types = {side.value: dict(seen.types.get(side.value, {})) for side in Side}
    renewed = dict(seen.renewed)
    for one in drift:
        types[one.side.value].pop(one.field, None)
        if one.now is not None:
            types[one.side.value][one.field] = one.now
    for key in {one.key for one in drift if one.now is not None}:
        renewed[key] = renewed.get(key, 0) + 1
    set_setting(connection, _setting(mapping.id), SeenFields(types, renewed).plain())


def _setting(mapping_id: int) -> str:
    return f"fields seen: {mapping_id}"
