"""Tables and API pages of Business Central, read from the data files of this package.

Words: a *table* is an AL table; its fields carry their AL names and numbers. A *page* is an API page on one table: an
entity set of one route with its properties. The *standard* route is API v2.0; the *sync* route holds Twinrow's own
pages (`extension/business-central`). A property shows a field, or is *computed* by the page. A *pair* is a field
that holds the SystemId of a related row beside the field that holds its code.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from twinrow.sandbox.business_central.wire import BLANK_DATE, BLANK_TIME, ZERO_GUID, wire_name

STANDARD = "v2.0"
SYNC = "sync"

_EDM_TYPES = {
    "Code": "Edm.String",
    "Text": "Edm.String",
    "DateFormula": "Edm.String",
    "Guid": "Edm.Guid",
    "Decimal": "Edm.Decimal",
    "Boolean": "Edm.Boolean",
    "Integer": "Edm.Int32",
    "BigInteger": "Edm.Int64",
    "Date": "Edm.Date",
    "DateTime": "Edm.DateTimeOffset",
}
_BLANKS: dict[str, Any] = {
    "Code": "",
    "Text": "",
    "DateFormula": "",
    "Guid": ZERO_GUID,
    "Decimal": "0",
    "Boolean": 0,
    "Integer": 0,
    "BigInteger": 0,
    "Date": BLANK_DATE,
    "DateTime": BLANK_TIME,
}


class Field(msgspec.Struct, frozen=True):
    """A table field. `relation` names the table that a value must exist in, among rows that equal `relation_filter`.

    `pair` is set on the SystemId half of a pair and names the code half.
    """

    name: str
    type: str
    number: int = 0
    length: int = 0
    enum: str = ""
    members: tuple[str, ...] = ()
    ordinals: tuple[int, ...] = ()
    relation: str = ""
    relation_filter: dict[str, Any] = {}
    pair: str = ""
    not_blank: bool = False
    default: Any = None

    @property
    def edm_type(self) -> str:
        """The type that a property on this field has on the wire."""
        return f"Microsoft.NAV.{self.enum}" if self.type == "Enum" else _EDM_TYPES[self.type]

    @property
    def blank(self) -> Any:
        """The value, as stored, of a field that nobody filled."""
        return wire_name(self.members[0]) if self.type == "Enum" else _BLANKS[self.type]

    @property
    def initial(self) -> Any:
        """The value, as stored, that a new row starts with."""
        if self.default is None:
            return self.blank
        return wire_name(self.default) if self.type == "Enum" else self.default

    @property
    def wire_members(self) -> list[tuple[str, int]]:
        """The members of an enum as they travel, with their ordinals."""
        return [
            (wire_name(member), self.ordinals[number] if self.ordinals else number)
            for number, member in enumerate(self.members)
        ]

    @property
    def column_type(self) -> str:
        """The SQLite type. Decimals stay text, so that no digit is lost."""
        return "INTEGER" if self.type in ("Boolean", "Integer", "BigInteger") else "TEXT"


SYSTEM_FIELDS = (
    Field("SystemId", "Guid", 2000000000),
    Field("SystemRowVersion", "BigInteger"),
    Field("SystemCreatedAt", "DateTime", 2000000001),
    Field("SystemCreatedBy", "Guid", 2000000002),
    Field("SystemModifiedAt", "DateTime", 2000000003),
    Field("SystemModifiedBy", "Guid", 2000000004),
)


class Table(msgspec.Struct, frozen=True):
    """An AL table: `key` is its primary key, `description` the field that names a row to people.

    A `small` table is kept in memory as well; a table `per_database` exists once, the others once for each company.
    """

    number: int
    name: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    small: bool = False
    per_database: bool = False
    description: str = ""

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """The fields with the system fields that every table has."""
        return self.fields + SYSTEM_FIELDS

    def field(self, name: str) -> Field:
        """The field called `name`; raises LookupError."""
        for field in self.all_fields:
            if field.name == name:
                return field
        raise LookupError(f"The table {self.name} has no field {name!r}.")


class Property(msgspec.Struct, frozen=True):
    """A property of a page. One that is set `on_create` can be given to a new row and never changed."""

    name: str
    field: str = ""
    computed: str = ""
    type: str = ""
    caption: str = ""
    read_only: bool = False
    on_create: bool = False

    @property
    def title(self) -> str:
        """How the property is called before people: `addressLine1` is "Address Line 1" unless the data say otherwise."""
        return self.caption or title_of(self.name)


class Navigation(msgspec.Struct, frozen=True):
    """A navigation property: to one row through the SystemId field `by`, or to many rows below this one."""

    name: str
    entity_set: str
    many: bool = False
    by: str = ""


class Page(msgspec.Struct, frozen=True):
    """An API page. A page `below_parent` has rows only below a row of another page."""

    route: str
    entity: str
    entity_set: str
    table: str
    methods: tuple[str, ...]
    properties: tuple[Property, ...]
    navigation: tuple[Navigation, ...] = ()
    key: tuple[str, ...] = ("id",)
    below_parent: bool = False


class _Data(msgspec.Struct):
    tables: tuple[Table, ...]
    pages: tuple[Page, ...] = ()


class Schema:
    """All tables, by name, and all pages, by route and lower-case name of the entity set."""

    def __init__(self) -> None:
        decoder = msgspec.json.Decoder(_Data)
        self.tables: dict[str, Table] = {}
        self.pages: dict[str, dict[str, Page]] = {STANDARD: {}, SYNC: {}}
        for file in sorted((files(__package__) / "data").iterdir(), key=lambda file: file.name):
            data = decoder.decode(file.read_bytes())
            self.tables.update((table.name, table) for table in data.tables)
            for page in data.pages:
                self.pages[page.route][page.entity_set.lower()] = page

    def edm_type(self, page: Page, item: Property) -> str:
        """The type of a property on the wire."""
        return item.type or self.tables[page.table].field(item.field).edm_type

    def table_called(self, name: str) -> Table:
        """A table by its AL name or by an entity set on it, in any case; raises LookupError."""
        wanted = name.lower()
        for table in self.tables.values():
            if wanted in (table.name.lower(), table.name.lower().replace(" ", "_")):
                return table
        for pages in self.pages.values():
            if wanted in pages and pages[wanted].table:
                return self.tables[pages[wanted].table]
        raise LookupError(f"There is no table {name!r}.")


def title_of(name: str) -> str:
    """A name in camel case as words with capitals."""
    words: list[str] = []
    for character in name:
        if not words or character.isupper() or (character.isdigit() and not words[-1][-1].isdigit()):
            words.append(character.upper())
        else:
            words[-1] += character
    return " ".join(words)


@cache
def load_schema() -> Schema:
    """The schema; read once for each process."""
    return Schema()
