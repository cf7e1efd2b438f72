"""What a mapping is checked against: the tables of both systems, the other mappings, the rules, the variables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from twinrow.model.errors import UnknownTable
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.rules import AnyRule
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Field, Table
from twinrow.standard.custom_page import OptionalRoute

Tables = Callable[[Side, str], Table]
"""Describes a table of a side; raises `UnknownTable`."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Something that a system could serve and does not: why, and what to do about it."""

    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An enabled field mapping whose fields are there, with their descriptions."""

    mapping: FieldMapping
    fields: Mapping[Side, Field]

    @property
    def key(self) -> str:
        """The key of the field mapping."""
        return self.mapping.key

    def __getitem__(self, side: Side) -> Field:
        return self.fields[side]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a mapping is checked against."""

    mappings: Mapping[str, TableMapping]
    tables: Tables
    rules: Mapping[str, AnyRule]
    """The transformation rules of the workspace, by code."""
    variables: Mapping[str, str]
    table_rules: Collection[str] | None = None
    optional: Sequence[OptionalRoute] = ()
    functions: Collection[str] | None = None
    """The functions that installed packages offer for custom rules; None: not known."""
    _described: dict[tuple[Side, str], Table | UnknownTable] = field(default_factory=dict)

    def table(self, side: Side, name: str) -> Table | None:
        """Return a table, or None where the system does not have it."""
        found = self._look_up(side, name)
        return found if isinstance(found, Table) else None

    def no_table(self, side: Side, name: str) -> UnknownTable | None:
        """Return the error that says that the system has no such table, with the nearest names."""
        found = self._look_up(side, name)
        return found if isinstance(found, UnknownTable) else None

    def _look_up(self, side: Side, name: str) -> Table | UnknownTable:
        key = (side, name)
        if key not in self._described:
            try:
                self._described[key] = self.tables(side, name)
            except UnknownTable as error:
                self._described[key] = error
        return self._described[key]

    def table_absence(self, side: Side, table: str) -> Absence | None:
        """Tell why a table that the system could serve is not there; None where it could not."""
        for route in self.optional:
            if route.serves(side, table):
                return Absence(f"it is served by {route.name} only", route.remedy)
        return None

    def field_absence(self, side: Side, table: Table, name: str) -> Absence | None:
        """Tell why a field that the system could serve is not there; None where it could not."""
        if name in table.fields:
            return None
        for route in self.optional:
            if route.serves(side, table.name, name):
                return Absence(f"it is served by {route.name} only", route.remedy)
        reason = table.absent.get(name)
        return None if reason is None else Absence(reason)


def passes(mapping: TableMapping, row: FieldMapping) -> tuple[Pass, ...]:
    """Return the passes in which a row carries something."""
    return tuple(pass_ for pass_ in mapping.direction.passes if row.direction.includes(pass_))


def both_ways(mapping: TableMapping, row: FieldMapping) -> bool:
    """Whether both passes carry the row."""
    return len(passes(mapping, row)) == len(Pass)


def nearest(name: str, known: Collection[str]) -> str:
    """Return a remedy that names what is nearest to a name, or all that is known."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known: {', '.join(sorted(known))}." if known else ""
