"""Option tables: the options of a choice column as a table of their own, such as `account.paymenttermscode`.

Source: protocol page, section 21. An option is a record with two fields: its `value`, which is its id, and its `label` in our
user's language. Options have no versions; here a hash of both stands for one, so that a change is seen. There is nothing to
tell changes by, so everything is read and compared.

Options are metadata: they are read past the caches (`Consistency: Strong`), written one after the other outside change sets
(each write locks the metadata), and published once for each request, which is when forms show them (`publishing`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from twinrow.batch.columns import ID, VERSION, conform
from twinrow.batch.filters import filter_expression
from twinrow.connectors.base import Capabilities, ChangePage, ChangeRequest, CreateKeys, FeedKind
from twinrow.connectors.dataverse.definitions import Attribute, ChoiceColumn
from twinrow.connectors.dataverse.publishing import Publishing
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.model.errors import FeedExpired, UnknownTable
from twinrow.model.filters import Filter
from twinrow.model.tables import Field, FieldType, Table

VALUE = "value"
LABEL = "label"

LONGEST_LABEL = 4_000
"""Characters of a label: publishing copies it into `stringmap.value`, which holds no more."""

ENGLISH = 1033
PREFIX_RANGE = 10_000
"""Numbers that begin with a publisher's prefix: four digits follow it."""

_LARGEST_VALUE = 2**31 - 1
_KINDS = frozenset({"Picklist", "MultiSelectPicklist"})


@dataclass(frozen=True, slots=True)
class OptionTable:
    """An option table: the column whose options it holds, and its description."""

    entity: str
    column: str
    kind: str
    table: Table

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.table.name


CAPABILITIES = Capabilities(
    feed=FeedKind.WHOLE,
    version_checks=False,
    create_keys=CreateKeys.PROPOSED,
    batch_rows=100,
    limits=(
        "Options have no versions: a label that somebody else changes between reading and writing is overwritten.",
        "Changes cannot be told from other options: all are read each time.",
        "Rows keep the number of an option that is deleted, and show it without a label.",
    ),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The options of a choice as they are now: labels by value, the language of the labels, and who owns them."""

    labels: dict[int, str | None]
    language: int | None
    global_name: str | None


class Options:
    """The option tables of an environment. May be used by several threads at once."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.publishing = Publishing(site)
        self._lock = threading.RLock()
        self._described: dict[str, OptionTable] = {}

    def names(self) -> Sequence[str]:
        """Return the names of all option tables."""
        listed = self._site.choice_columns.items()
        return tuple(f"{entity}.{column}" for entity, columns in listed for column in columns)

    def get(self, name: str) -> OptionTable:
        """Return an option table. Raises `UnknownTable`."""
        with self._lock:
            if name not in self._described:
                entity, _, column = name.partition(".")
                attribute = self._column(entity, column)
                if attribute is None or attribute.kind not in _KINDS:
                    raise UnknownTable(self._site.client.system, name, self._near(entity))
                self._described[name] = _described(entity, attribute)
            return self._described[name]

    def _column(self, entity: str, column: str) -> Attribute | None:
        if entity not in self._site.entities:
            return None
        try:
            return self._site.column(entity, column)
        except RequestRefused as refused:
            if refused.error.status != 404:
                raise
            return None

    def _near(self, entity: str) -> Sequence[str]:
        if entity not in self._site.entities:
            return tuple(f"{name}.…" for name in self._site.entities)
        return tuple(f"{entity}.{column}" for column in self._site.choice_columns.get(entity, ()))

    def choice(self, table: OptionTable) -> Choice:
        """Return the options as they are now."""
        found = self._site.choice(table.entity, table.column, table.kind)
        return Choice(
            {option.value: option.label.text for option in found.options}, _language(found), found.global_name
        )

    def frame(self, table: OptionTable, fields: Sequence[str]) -> pl.DataFrame:
        """Return a batch of all options, in the order of their values."""
        choice = self.choice(table)
        self.publishing.publish_leftovers(
            table.entity, table.column, choice.labels, choice.language, choice.global_name
        )
        return records(table, fields, choice.labels)

    def changes(self, table: OptionTable, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield all options. Raises `FeedExpired` for a position of another table."""
        for name in request.fields:
            table.table.field(name)
        for position in (request.cursor, request.since):
            if position is not None and not (position[:1] == "o" and position[1:].lstrip("-").isdecimal()):
                raise FeedExpired(
                    f"{self._site.client.system} does not know the position in the options of {table.name}",
                    remedy="The options are read again and compared.",
                )
        frame = self.frame(table, (VALUE, *request.fields))
        behind = int(request.cursor[1:]) if request.cursor is not None else -_LARGEST_VALUE - 2
        frame = frame.filter(pl.col(VALUE) > behind)
        rows = request.page_rows
        for start in range(0, max(frame.height, 1), rows):
            piece = frame[start : start + rows]
            behind = piece.get_column(VALUE)[-1] if piece.height else behind
            ended = start + rows >= frame.height
            yield ChangePage(conform(piece, table.table, request.fields), f"o{behind}", "o0" if ended else None)

    def fetch(self, table: OptionTable, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the options with these values."""
        return self.frame(table, fields).filter(pl.col(ID).is_in(list(ids)))

    def select(
        self, table: OptionTable, fields: Sequence[str], condition: Filter | None, limit: int | None
    ) -> pl.DataFrame:
        """Return the options that satisfy a condition, `limit` at the most."""
        frame = self.frame(table, (VALUE, LABEL))
        if condition is not None:
            frame = frame.filter(filter_expression(condition, table.table))
        return conform(frame if limit is None else frame.head(limit), table.table, fields)

    def propose_keys(self, table: OptionTable, count: int) -> list[str]:
        """Return that many values that no option has: in the publisher's range, else after the highest."""
        taken = self.choice(table).labels
        prefix = self._site.option_prefix()
        free: list[str] = []
        if prefix is not None:
            numbers = range(prefix * PREFIX_RANGE, (prefix + 1) * PREFIX_RANGE)
            free = [str(number) for number in numbers if number not in taken][:count]
        if len(free) < count:
            first = max(taken, default=0) + 1
            free = [str(number) for number in range(first, first + count)]
        return free


def records(table: OptionTable, fields: Sequence[str], labels: dict[int, str | None]) -> pl.DataFrame:
    """Return a batch of options, in the order of their values."""
    values = sorted(labels)
    frame = pl.DataFrame(
        {
            ID: pl.Series([str(value) for value in values], dtype=pl.String),
            VERSION: pl.Series([version(value, labels[value]) for value in values], dtype=pl.String),
            VALUE: pl.Series(values, dtype=pl.Int64),
            LABEL: pl.Series([labels[value] for value in values], dtype=pl.String),
        }
    )
    return conform(frame, table.table, fields)


def version(value: int, label: str | None) -> str:
    """Return what stands for the version of an option."""
    return blake2b(f"{value}\x1f{label if label is not None else chr(0)}".encode(), digest_size=12).hexdigest()


def _language(choice: ChoiceColumn) -> int | None:
    for option in choice.options:
        if option.label.user_localized_label is not None:
            return option.label.user_localized_label.language_code
    return None


def _described(entity: str, attribute: Attribute) -> OptionTable:
    shown = (attribute.display_name.text if attribute.display_name is not None else None) or attribute.logical_name
    value = Field(
        VALUE,
        FieldType.INTEGER,
        caption="Value",
        minimum=-_LARGEST_VALUE - 1,
        maximum=_LARGEST_VALUE,
        nullable=False,
        creatable=False,
        updatable=False,
    )
    label = Field(
        LABEL, FieldType.TEXT, caption="Label", max_length=LONGEST_LABEL, nullable=True, empty_text=False, required=True
    )
    name = f"{entity}.{attribute.logical_name}"
    table = Table(name, VALUE, {VALUE: value, LABEL: label}, f"Options of {shown}")
    return OptionTable(entity, attribute.logical_name, attribute.kind, table)
