"""A Dataverse environment: who we are there, its organization, and what it says about its tables.

Source: protocol page, sections 1, 10, 11 and 17. What is found is kept for the life of the connector. Metadata is asked for
past the caches of the service (`Consistency: Strong`), which may lag behind by half a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from urllib.parse import quote

import msgspec

from twinrow.connectors.dataverse.definitions import (
    CASTS,
    CHOICE_LIST,
    CHOICES,
    CRM,
    DEFINITION,
    ENTITY_LIST,
    Attribute,
    Attributes,
    ChoiceColumn,
    ChoiceColumns,
    ColumnList,
    EntityDefinition,
    EntityFacts,
    EntityList,
    column_path,
    entity_path,
)
from twinrow.connectors.dataverse.settings import DataverseSettings
from twinrow.connectors.odata.client import Call, NoAnswer, ODataClient, get
from twinrow.connectors.odata.filters import text_literal
from twinrow.connectors.odata.paging import unreadable

STRONG = {"Consistency": "Strong"}
EXPIRY_DAYS = 7
"""After so many days a position in a change feed no longer works, where the organization does not say otherwise."""

_SAFE = "()',:$/=&;?"

T = TypeVar("T")


class WhoAmI(msgspec.Struct, frozen=True, rename="pascal"):
    """The user that our application is, and the organization."""

    user_id: str
    organization_id: str


class User(msgspec.Struct, frozen=True):
    """Our user's row."""

    fullname: str | None = None
    isdisabled: bool | None = None


class Organization(msgspec.Struct, frozen=True):
    """The settings of the organization that matter here."""

    name: str | None = None
    languagecode: int | None = None
    pricingdecimalprecision: int | None = None
    expirechangetrackingindays: int | None = None


class _Organizations(msgspec.Struct):
    value: list[Organization]


class _Currency(msgspec.Struct):
    currencyprecision: int | None = None


class _Currencies(msgspec.Struct):
    value: list[_Currency]


class _Publisher(msgspec.Struct):
    customizationoptionvalueprefix: int | None = None


class _Solution(msgspec.Struct):
    publisherid: _Publisher | None = None


class _Solutions(msgspec.Struct):
    value: list[_Solution]


@dataclass(frozen=True, slots=True)
class Definition:
    """A table as the environment defines it: facts, keys and relationships, columns, and choices by column."""

    facts: EntityFacts
    entity: EntityDefinition
    attributes: Sequence[Attribute]
    choices: Mapping[str, ChoiceColumn]


class Site:
    """One environment. May be used by several threads at once."""

    def __init__(self, client: ODataClient, settings: DataverseSettings) -> None:
        self.client = client
        self.settings = settings
        self._lock = threading.RLock()
        self._entities: Mapping[str, EntityFacts] | None = None

    def address(self, path: str) -> str:
        """Return the address of something below the API root; what needs it is encoded."""
        return f"{self.settings.api_root}/{quote(path, safe=_SAFE)}"

    def read(self, path: str, kind: type[T], headers: Mapping[str, str] | None = None) -> T:
        """Read something that is not a page of rows. Raises as `ODataClient.read` does."""
        return self._decoded(self.client.read(get(self.address(path), headers)).content, kind)

    def who_am_i(self) -> WhoAmI:
        """Ask who we are. Raises as `ODataClient.read` does."""
        return self.read("WhoAmI", WhoAmI)

    def user(self, id: str) -> User:
        """Return the row of a user. Raises as `ODataClient.read` does."""
        return self.read(f"systemusers({id})?$select=fullname,isdisabled", User)

    @cached_property
    def organization(self) -> Organization:
        """The settings of the organization, as far as we may read them."""
        columns = ",".join(Organization.__struct_fields__)
        found = self.read(f"organizations?$select={columns}", _Organizations).value
        return found[0] if found else Organization()

    @cached_property
    def currency_decimals(self) -> int | None:
        """The most decimals that any currency has; None where there is no currency that we may read."""
        found = self.read("transactioncurrencies?$select=currencyprecision", _Currencies).value
        return max((item.currencyprecision for item in found if item.currencyprecision is not None), default=None)

    def option_prefix(self) -> int | None:
        """Return the prefix of the numbers of new options; None where the solution's publisher has none."""
        solution = text_literal(self.settings.solution or "Default")
        path = (
            f"solutions?$select=uniquename&$filter=uniquename eq {solution}"
            "&$expand=publisherid($select=customizationoptionvalueprefix)"
        )
        found = self.read(path, _Solutions).value
        publisher = found[0].publisherid if found else None
        return publisher.customizationoptionvalueprefix if publisher is not None else None

    # Metadata.

    @property
    def entities(self) -> Mapping[str, EntityFacts]:
        """The tables whose rows can be read, by name."""
        with self._lock:
            if self._entities is None:
                found = self.read(ENTITY_LIST, EntityList, STRONG).value
                self._entities = {item.logical_name: item for item in found if item.can_be_read}
            return self._entities

    def entity_set(self, table: str) -> str | None:
        """Return the name by which the rows of a table are addressed; None for tables that are not served."""
        facts = self.entities.get(table)
        return facts.entity_set_name if facts is not None else None

    def definition(self, facts: EntityFacts) -> Definition:
        """Return the definition of a table as it is now. Raises as `ODataClient.read` does."""
        start = entity_path(facts.logical_name)
        paths = [f"{start}?{DEFINITION}", f"{start}/Attributes"]
        paths += [f"{start}/Attributes/{CRM}.{cast}?{CHOICES}" for cast in CASTS.values()]
        contents = self._read_all([get(self.address(path), STRONG) for path in paths])
        entity = self._decoded(contents[0], EntityDefinition)
        attributes = self._decoded(contents[1], Attributes).value
        choices = [self._decoded(content, ChoiceColumns).value for content in contents[2:]]
        by_name = {choice.logical_name: choice for found in choices for choice in found}
        return Definition(facts, entity, attributes, by_name)

    def column(self, table: str, column: str) -> Attribute:
        """Return a column of a table as it is now. Raises as `ODataClient.read` does; `RequestRefused` where there is none."""
        path = column_path(table, column)
        return self.read(f"{path}?$select=LogicalName,AttributeType,DisplayName", Attribute, STRONG)

    def choice(self, table: str, column: str, kind: str) -> ChoiceColumn:
        """Return a choice column with its options as they are now. Raises as `ODataClient.read` does."""
        path = f"{column_path(table, column)}/{CRM}.{CASTS[kind]}?{CHOICES}"
        return self.read(path, ChoiceColumn, STRONG)

    @cached_property
    def choice_columns(self) -> Mapping[str, Sequence[str]]:
        """The choice columns of every table that can be read, by table; read once, and much to read."""
        found = self.read(CHOICE_LIST, ColumnList, STRONG).value
        kinds = ("Picklist", "MultiSelectPicklist")
        return {
            item.logical_name: [column.logical_name for column in item.attributes if column.kind in kinds]
            for item in found
            if item.logical_name in self.entities
        }

    def _read_all(self, calls: Sequence[Call]) -> list[bytes]:
        contents = []
        for outcome in self.client.exchange_all(calls):
            if isinstance(outcome, NoAnswer):
                raise outcome.error
            if outcome.status >= 300:
                raise self.client.refusal(outcome)
            contents.append(outcome.content)
        return contents

    def _decoded(self, content: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise unreadable(self.client.system, str(error)) from None
