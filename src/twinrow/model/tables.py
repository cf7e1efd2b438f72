"""What a system's tables and fields are, in terms that all connectors share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from twinrow.model.errors import UnknownField


class FieldType(StrEnum):
    """The type of a field's values. `batch.columns` says which column type holds it."""

    TEXT = "text"
    CODE = "code"
    """Upper-case text without outer blanks, as Business Central's Code fields."""
    GUID = "guid"
    """A globally unique id in lower-case text form."""
    REFERENCE = "reference"
    """The id of a record of another table, in the form that this system uses for ids."""
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    """A point in time, in UTC."""
    OPTION = "option"
    """A choice whose values are whole numbers."""
    ENUM = "enum"
    """A choice whose values are names."""


TEXTUAL = frozenset({FieldType.TEXT, FieldType.CODE, FieldType.GUID, FieldType.REFERENCE, FieldType.ENUM})


NUMBERS = ("number", "no", "no_", "code", "accountnumber", "isocurrencycode")
NAMES = ("displayname", "name", "fullname", "description", "currencyname", "title", "subject")
"""What the fields that tell a record to people are called in Business Central, Dataverse and many others, in small letters."""


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a choice, with its caption."""

    value: int | str
    caption: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a table.

    `max_length` counts characters; `scale` is the number of decimals that the field keeps. `nullable` tells whether the
    field can hold null, `empty_text` whether it can hold `''`: a system that knows only one of them gets that one.
    `targets` are the tables that a reference may point to.
    """

    name: str
    type: FieldType
    caption: str = ""
    max_length: int | None = None
    scale: int | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    nullable: bool = True
    empty_text: bool = True
    required: bool = False
    creatable: bool = True
    updatable: bool = True
    options: tuple[Option, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def writable(self) -> bool:
        """Whether any write may carry the field."""
        return self.creatable or self.updatable

    @property
    def is_text(self) -> bool:
        """Whether the values are held as text."""
        return self.type in TEXTUAL


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a system: its fields by name, and which of them is the key.

    `absent` names fields that such a system can serve and this one does not, each with the reason.
    """

    name: str
    key: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    caption: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        object.__setattr__(self, "absent", MappingProxyType(dict(self.absent)))

    def field(self, name: str) -> Field:
        """Return the field of that name; raise `UnknownField` with the nearest names otherwise."""
        found = self.fields.get(name)
        if found is None:
            raise UnknownField(self.name, name, tuple(self.fields))
        return found

    @property
    def key_is_guid(self) -> bool:
        """Whether record ids of this table are GUIDs (the store then keeps them in 16 bytes)."""
        key = self.fields.get(self.key)
        return key is not None and key.type is FieldType.GUID
