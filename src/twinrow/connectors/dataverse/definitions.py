"""What an environment says about its tables: metadata as it is sent, decoded.

Source: protocol page, sections 5, 10, 11 and 21. Metadata comes without paging. A *managed* property is an object with a
`Value`. The options of a choice are only told to who asks for columns of its own metadata type (a *cast*).
"""

from __future__ import annotations

import msgspec

from twinrow.connectors.odata.filters import text_literal

CRM = "Microsoft.Dynamics.CRM"
CASTS = {
    "Picklist": "PicklistAttributeMetadata",
    "State": "StateAttributeMetadata",
    "Status": "StatusAttributeMetadata",
    "MultiSelectPicklist": "MultiSelectPicklistAttributeMetadata",
    "Boolean": "BooleanAttributeMetadata",
}
"""The metadata types of columns whose values are options."""


class LocalizedLabel(msgspec.Struct, frozen=True, rename="pascal"):
    """A text in one language."""

    label: str | None = None
    language_code: int = 0


class Label(msgspec.Struct, frozen=True, rename="pascal"):
    """A text in several languages; `user_localized_label` is that of the user's language, or of the base language."""

    localized_labels: list[LocalizedLabel] = []
    user_localized_label: LocalizedLabel | None = None

    @property
    def text(self) -> str | None:
        """The text that the user sees."""
        shown = self.user_localized_label or next(iter(self.localized_labels), None)
        return shown.label if shown is not None else None


class ManagedText(msgspec.Struct, frozen=True, rename="pascal"):
    """A property that holds a text as its value."""

    value: str | None = None


class EntityFacts(msgspec.Struct, frozen=True, rename="pascal"):
    """What the list of all tables says of each."""

    logical_name: str
    entity_set_name: str | None = None
    primary_id_attribute: str | None = None
    change_tracking_enabled: bool | None = False
    is_optimistic_concurrency_enabled: bool | None = False
    is_intersect: bool | None = False
    is_private: bool | None = False
    table_type: str | None = None

    @property
    def can_be_read(self) -> bool:
        """Whether it is a table whose rows the Web API hands out."""
        return bool(self.entity_set_name and self.primary_id_attribute) and not (self.is_intersect or self.is_private)


class EntityList(msgspec.Struct):
    """All tables."""

    value: list[EntityFacts]


class Relationship(msgspec.Struct, frozen=True, rename="pascal"):
    """A lookup's way to one of its targets; `referenced_entity` is `owner` where it leads to users and teams alike."""

    referencing_attribute: str | None = None
    referenced_entity: str | None = None
    referencing_entity_navigation_property_name: str | None = None


class AlternateKey(msgspec.Struct, frozen=True, rename="pascal"):
    """Columns whose values no two rows may share."""

    logical_name: str | None = None
    display_name: Label | None = None
    key_attributes: list[str] = []


class EntityDefinition(msgspec.Struct, frozen=True, rename="pascal"):
    """What a table says of itself, besides its columns."""

    logical_name: str
    display_name: Label | None = None
    keys: list[AlternateKey] = []
    many_to_one_relationships: list[Relationship] = []


class Attribute(msgspec.Struct, frozen=True, rename="pascal"):
    """A column. Properties that its type does not have are None."""

    logical_name: str
    attribute_type: str | None = None
    odata_type: str = msgspec.field(name="@odata.type", default="")
    attribute_of: str | None = None
    display_name: Label | None = None
    required_level: ManagedText | None = None
    is_valid_for_create: bool | None = False
    is_valid_for_update: bool | None = False
    is_valid_for_read: bool | None = True
    is_valid_o_data_attribute: bool | None = msgspec.field(name="IsValidODataAttribute", default=True)
    max_length: int | None = None
    precision: int | None = None
    precision_source: int | None = None
    min_value: int | float | None = None
    max_value: int | float | None = None
    date_time_behavior: ManagedText | None = None
    targets: list[str] | None = None

    @property
    def kind(self) -> str:
        """The type of the column, multi-select choices told from other virtual columns."""
        if self.odata_type.endswith(".MultiSelectPicklistAttributeMetadata"):
            return "MultiSelectPicklist"
        return self.attribute_type or ""


class Attributes(msgspec.Struct):
    """The columns of a table."""

    value: list[Attribute]


class ListedColumns(msgspec.Struct, frozen=True, rename="pascal"):
    """A table in a list of tables with some of their columns."""

    logical_name: str
    attributes: list[Attribute] = []


class ColumnList(msgspec.Struct):
    """Tables with some of their columns."""

    value: list[ListedColumns]


class Option(msgspec.Struct, frozen=True, rename="pascal"):
    """One value of a choice."""

    value: int
    label: Label = Label()


class OptionSet(msgspec.Struct, frozen=True, rename="pascal"):
    """The options of a choice, or the two of a yes-or-no column; `name` is by what a global choice is written."""

    name: str | None = None
    is_global: bool | None = False
    options: list[Option] = []
    true_option: Option | None = None
    false_option: Option | None = None


class ChoiceColumn(msgspec.Struct, frozen=True, rename="pascal"):
    """A choice column with its options: of its own, or global ones that several columns share."""

    logical_name: str
    option_set: OptionSet | None = None
    global_option_set: OptionSet | None = None

    @property
    def options(self) -> list[Option]:
        """The options, whoever owns them."""
        found = self.global_option_set or self.option_set
        return found.options if found is not None else []

    @property
    def global_name(self) -> str | None:
        """The name of the global choice; None where the options are the column's own."""
        if self.global_option_set is not None:
            return self.global_option_set.name
        return self.option_set.name if self.option_set is not None and self.option_set.is_global else None


class ChoiceColumns(msgspec.Struct):
    """The choice columns of a table."""

    value: list[ChoiceColumn]


def entity_path(name: str) -> str:
    """Return the path of a table's definition, below the API root."""
    return f"EntityDefinitions(LogicalName={text_literal(name)})"


def column_path(table: str, column: str) -> str:
    """Return the path of a column's definition, below the API root."""
    return f"{entity_path(table)}/Attributes(LogicalName={text_literal(column)})"


ENTITY_LIST = (
    "EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled,"
    "IsOptimisticConcurrencyEnabled,IsIntersect,IsPrivate,TableType"
)
DEFINITION = (
    "$select=LogicalName,DisplayName"
    "&$expand=Keys($select=LogicalName,DisplayName,KeyAttributes),"
    "ManyToOneRelationships($select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName)"
)
CHOICES = "$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
_TYPE_CODE = f"{CRM}.AttributeTypeCode"
CHOICE_LIST = (
    "EntityDefinitions?$select=LogicalName&$expand=Attributes($select=LogicalName,AttributeType;"
    f"$filter=AttributeType eq {_TYPE_CODE}'Picklist' or AttributeType eq {_TYPE_CODE}'Virtual')"
)
"""The columns of all tables that are, or may be, choices."""
