"""What people read instead of keys, numbers and canonical texts: fields by name, values in their types, records by label.

The store keeps values as canonical texts; the systems say which type a field has. Where a system does not answer now, or no
longer has the field, values are given as they are stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.batch.canonical import NULL, restore
from twinrow.batch.columns import ID
from twinrow.connectors.base import hurried
from twinrow.engine.changes import possible_ids
from twinrow.model.errors import TwinrowError, UnknownTable
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import NAMES, NUMBERS, Field, Table
from twinrow.store.couplings import by_record
from twinrow.store.journal import UNMAPPED
from twinrow.store.mappings import StoredMapping
from twinrow.store.systems import Pair

_RULES_MARK = re.compile(r"#[0-9a-f]{12}$")
_DERIVED = re.compile(rf"^(?P<rule>[^=]+):(?P<field>[^:=]+):(?:{'|'.join(pass_.value for pass_ in Pass)})$")
_PATIENCE = 5.0
"""Seconds that a system is waited for, which only makes a list easier to read."""


@dataclass(frozen=True, slots=True)
class NamedField:
    """A field as people know it. `field` describes it on the side that is meant; None: the system does not tell.

    `key` names the field mapping, `name` the field on that side; `rule` says what its values come from, besides being copied.
    """

    key: str
    name: str
    caption: str
    rule: str | None
    field: Field | None

    @property
    def captions(self) -> Mapping[Any, str]:
        """The captions of a choice's values."""
        return {option.value: option.caption for option in self.field.options} if self.field is not None else {}

    def is_called(self, name: str) -> bool:
        """Whether a person who says that name means this field."""
        return name.casefold() in {
            part.casefold() for part in (self.key, self.name, self.caption, *self.key.split("="))
        } - {""}

    def value(self, text: str | None) -> Any:
        """Return the value whose canonical text is given; null and unknown ones are None."""
        if text is None or text == NULL:
            return None
        if self.field is None:
            return text
        try:
            return pl.DataFrame({"text": [text]}).select(restore(pl.col("text"), self.field)).item()
        except pl.exceptions.PolarsError:
            return text  # the field has become of another type since


class Wording:
    """Knows how the fields, values and records of a connection are told to people."""

    def __init__(self, context: ActionContext) -> None:
        self._context = context
        self._tables: dict[tuple[int, Side], Table | None] = {}
        self._away: set[Side] = set()
        """Sides whose system did not answer: it is not asked again while the same list is told."""

    @cached_property
    def mappings(self) -> dict[int, StoredMapping]:
        """The mappings of the connection by number."""
        return {stored.id: stored for stored in self._context.mappings()}

    @cached_property
    def _pair(self) -> Pair:
        return self._context.pair()

    def field(self, mapping_id: int, identity: str, side: Side) -> NamedField:
        """Return the field that an identity or key names, as it is on a side."""
        mapping = self.mappings[mapping_id].mapping
        key = _RULES_MARK.sub("", identity)
        row = next((row for row in mapping.fields if row.key == key), None)
        if row is not None:
            name = row.field(side) or row.field(side.other) or key
            return NamedField(row.key, name, row.caption, _rule(row), self._describe(mapping_id, side, row.field(side)))
        derived = _DERIVED.match(identity)
        if derived is not None:
            name = derived["field"]
            return NamedField(identity, name, "", f"rule {derived['rule']}", self._describe(mapping_id, side, name))
        if identity.startswith(UNMAPPED):
            name = identity.removeprefix(UNMAPPED)
            return NamedField(identity, name, "", "template or rule", self._describe(mapping_id, side, name))
        local, _, integration = key.partition("=")
        name = (local if side is Side.LOCAL else integration) or key.strip("=")
        return NamedField(key, name, "", None, self._describe(mapping_id, side, name))

    def couplings_of(self, stored: StoredMapping, record: str) -> list[int]:
        """Return the couplings of a mapping that concern a record, by its id on either side."""
        numbers: list[int] = []
        if stored.local_guid is None:
            return numbers
        with self._context.database.reading() as connection:
            for side in Side:
                found = by_record(connection, stored, side, possible_ids(stored, side, [record]))
                numbers += found.get_column("coupling_id").to_list()
        return sorted(set(numbers))

    def labels(self, mapping_id: int, side: Side, ids: Sequence[str]) -> dict[str, str]:
        """Return what people call records of a side: number and name, where the table has such fields, else a mapped text.

        One request to the system; what is gone, or cannot be asked for now, has no label.
        """
        if side in self._away:
            return {}
        table = self._table(mapping_id, side)
        wanted = telling_fields(table, self.mappings[mapping_id].mapping, side) if table is not None else []
        known = [id for id in dict.fromkeys(ids) if id]
        if not wanted or not known or table is None:
            return {}
        connector = self._context.connector(self._pair.system(side))
        try:
            with hurried(connector, _PATIENCE):
                rows = connector.fetch(table.name, wanted, known)
        except TwinrowError:
            self._away.add(side)
            return {}
        texts = rows.select(ID, *(pl.col(name).cast(pl.String).replace("", None) for name in wanted))
        joined = texts.select(ID, pl.concat_str(wanted, separator=" ", ignore_nulls=True).alias("label"))
        return {id: label for id, label in joined.iter_rows() if label}

    def _describe(self, mapping_id: int, side: Side, name: str | None) -> Field | None:
        table = self._table(mapping_id, side)
        return table.fields.get(name) if table is not None and name is not None else None

    def _table(self, mapping_id: int, side: Side) -> Table | None:
        if (mapping_id, side) not in self._tables:
            mapping: TableMapping = self.mappings[mapping_id].mapping
            self._tables[mapping_id, side] = None
            if side in self._away:
                return None
            try:
                connector = self._context.connector(self._pair.system(side))
                with hurried(connector, _PATIENCE):
                    self._tables[mapping_id, side] = connector.describe(mapping.table(side))
            except UnknownTable:
                return None
            except TwinrowError:
                self._away.add(side)
        return self._tables[mapping_id, side]


def _rule(row: FieldMapping) -> str | None:
    """Return what a field mapping does with a value besides copying it."""
    if row.is_constant:
        return "constant"
    if row.transformation:
        return f"transformation {', '.join(row.transformation)}"
    if row.related_mapping:
        return f"reference to {', '.join(row.related_mapping)}"
    return "value pairs" if row.values else None


def telling_fields(table: Table, mapping: TableMapping, side: Side) -> list[str]:
    """Return the fields that tell a record: a number and a name, where the table has them, else the first mapped text."""
    by_name = {name.casefold(): name for name in table.fields}
    found = [next((by_name[name] for name in names if name in by_name), None) for names in (NUMBERS, NAMES)]
    named = [name for name in found if name is not None]
    mapped = [name for row in mapping.fields if (name := row.field(side)) in table.fields]
    return named or [name for name in mapped if name is not None and table.fields[name].is_text][:1]


def told_of(record: str, couplings: Sequence[int]) -> pl.Expr:
    """Return which rows of a journal's batch tell of a record: by its id on either side, or by its couplings."""
    named = (pl.col("source_id") == record) | (pl.col("destination_id") == record)
    return (named | pl.col("coupling_id").is_in(list(couplings))).fill_null(False)
