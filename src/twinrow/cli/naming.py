"""What things are called: mappings and systems instead of their numbers, fields by their captions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from twinrow.actions.wording import Wording

if TYPE_CHECKING:
    from twinrow.model.mapping import FieldMapping, TableMapping
    from twinrow.model.sides import Side
    from twinrow.workspace import Workspace


class Names:
    """Knows what the things of a workspace's connection are called."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._wording = Wording(workspace.context)
        self._labels: dict[tuple[int, Side], dict[str, str]] = {}

    @cached_property
    def _mappings(self) -> dict[int, TableMapping]:
        return {stored.id: stored.mapping for stored in self._workspace.context.mappings()}

    def mapping(self, number: int) -> str:
        """Return the name of a mapping."""
        return self._mappings[number].name

    @cached_property
    def systems(self) -> dict[str, str]:
        """The names of the two systems, by side."""
        pair = self._workspace.show_connection()
        return {"local": pair.local.name, "integration": pair.integration.name}

    def direction(self, direction: str) -> str:
        """Return a direction as people say it: `to crm`, `from crm`."""
        return f"{'to' if direction == 'to_integration' else 'from'} {self.systems['integration']}"

    def look_up(self, mapping: int, side: Side, ids: Iterable[str | None]) -> None:
        """Ask a system, once, what people call these records of a mapping."""
        known = [id for id in ids if id is not None]
        self._labels[mapping, side] = self._wording.labels(mapping, side, known)

    def label(self, mapping: int, side: Side, id: str | None) -> str:
        """Return what people call a record that was looked up; blank where that is not known."""
        return self._labels.get((mapping, side), {}).get(id or "", "")

    def record(self, mapping: int, side: Side, id: str | None) -> str | None:
        """Return what people call a record that was looked up, with its id."""
        label = self.label(mapping, side, id)
        return f"{label} ({id})" if label else id

    def field_of(self, mapping: str, key: str | None) -> str:
        """Return what people call a field of a mapping that is named."""
        return field_name(self._workspace.show_mapping(mapping), key)

    def field(self, number: int, key: str | None) -> str:
        """Return what people call a field: its caption, and its names on both sides."""
        return field_name(self._mappings[number], key)


def field_name(mapping: TableMapping, key: str | None) -> str:
    """Return what people call a field of a mapping; `key` is the key of a field mapping, or the name of a field."""
    row = _row(mapping, key) if key else None
    if row is None:
        # A field that a rule fills has no row; its key may still have the sign that stands between two names.
        return (key or "").strip("=")
    names = " ↔ ".join(name for name in (row.local, row.integration) if name)
    return f"{row.caption} ({names})" if row.caption else names


def _row(mapping: TableMapping, key: str) -> FieldMapping | None:
    exact = [row for row in mapping.fields if row.key == key]
    named = [row for row in mapping.fields if key in (row.local, row.integration)]
    return next(iter(exact or named), None)
