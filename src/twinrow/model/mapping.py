"""Table mappings and field mappings: which tables and fields correspond, and the rules for keeping them so.

These values are what a mapping file holds (semantics 1, 2, 13; the keys of the file are the names here) and what the engine
works from. They are validated when they are made and never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from twinrow.model.contradictions import Contradiction, Contradictions, refuse
from twinrow.model.errors import FilterError
from twinrow.model.filters import filter_variables, parse_filter
from twinrow.model.rules import PREDEFINED, TransformationRule
from twinrow.model.scalars import Exact, Scalar
from twinrow.model.sides import Direction, Pass, Side


class DeletionConflict(StrEnum):
    """What happens when the counterpart of a changed record is gone (Deletion-Conflict Resolution)."""

    NONE = "none"
    RESTORE = "restore_records"
    REMOVE_COUPLING = "remove_coupling"


class UpdateConflict(StrEnum):
    """Who wins when both sides changed (Update-Conflict Resolution)."""

    NONE = "none"
    SEND = "send_update_to_integration"
    GET = "get_update_from_integration"

    @property
    def winner(self) -> Side | None:
        """The side that wins, if the mapping says so."""
        return {UpdateConflict.SEND: Side.LOCAL, UpdateConflict.GET: Side.INTEGRATION}.get(self)


class ConflictScope(StrEnum):
    """Whether changes to different fields of one record merge (`field`) or conflict (`record`, as the original)."""

    FIELD = "field"
    RECORD = "record"


class OnLoss(StrEnum):
    """What happens when a value loses information on its way (cut, or its case changed) in a bidirectional field."""

    OVERWRITE = "overwrite"
    REFUSE = "refuse"
    CONFLICT = "conflict"


class SchemaDrift(StrEnum):
    """What a run does when a mapped field is gone, or has another type than when the mapping last ran.

    `without_field` goes on without it. `quarantine` goes on without it too, but writes nothing: each record that it would
    write is listed as failed, and comes again.
    """

    STOP = "stop"
    WITHOUT_FIELD = "without_field"
    QUARANTINE = "quarantine"


class Compare(StrEnum):
    """What kind of value a field holds, where records are matched by how alike they are; `none`: the field is not compared."""

    NAME = "name"
    COMPANY = "company"
    ADDRESS = "address"
    PHONE = "phone"
    EMAIL = "email"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    NONE = "none"


class DuplicatesGuard(StrEnum):
    """What a run does that would make records whose likely counterparts are there already, uncoupled.

    `warn` tells of it in the job, `stop` makes none, `off` does not look.
    """

    WARN = "warn"
    STOP = "stop"
    OFF = "off"


class DeletePropagation(StrEnum):
    """In which passes the deletion of a source record is carried over."""

    NONE = "none"
    TO = "to_integration"
    FROM = "from_integration"
    BOTH = "both"

    def includes(self, pass_: Pass) -> bool:
        """Whether deletions are carried over in the pass."""
        return self is DeletePropagation.BOTH or self.value == pass_.value


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False)


def _known_filter(text: str) -> str:
    """Check the form of a filter; the fields are checked against the systems later."""
    try:
        parse_filter(text, dict.fromkeys(filter_variables(text), "0"))
    except FilterError as error:
        raise ValueError(str(error)) from None
    return text


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


FilterText = Annotated[str, AfterValidator(_known_filter)]
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])]
OwnershipModel = Literal["person", "team"]


class When(_Value):
    """The circumstances in which a row of a mapping file is there; all that are given must hold."""

    ownership_model: OwnershipModel | None = Field(default=None, description="The connection's ownership model.")
    company: str | None = Field(default=None, description="The name of the connected company.")
    not_mapped: bool = Field(
        default=False, description="Only if neither field of the row is mapped elsewhere in the mapping."
    )

    def holds(self, ownership_model: str | None, company: str | None) -> bool:
        """Whether the connection's circumstances are the ones asked for; `not_mapped` is looked at by `TableMapping`."""
        return self.ownership_model in (None, ownership_model) and self.company in (None, company)


class Match(_Value):
    """A field mapping as a criterion of match-based coupling."""

    case_sensitive: bool = Field(default=False, description="Whether texts must agree in case.")
    priority: int = Field(default=0, ge=0, description="Criteria of one priority hold together; 0 is tried first.")


class FieldMapping(_Value):
    """Two corresponding fields, or one field and a constant, with the rules for keeping them in step (semantics 2)."""

    local: str | None = Field(
        default=None, min_length=1, description="The field of the local table; absent: a constant is written."
    )
    integration: str | None = Field(
        default=None, min_length=1, description="The field of the integration table; absent: a constant is written."
    )
    caption: str = Field(default="", description="What people call the field; for Business Central, the field's name.")
    direction: Direction = Field(default=Direction.BIDIRECTIONAL, description="In which passes the field takes part.")
    constant: Scalar = Field(default=None, description="The value written to the side that has a field.")
    enabled: bool = Field(default=True, description="Disabled field mappings are left out everywhere.")
    validate_local: bool = Field(
        default=False, description="Run the local system's field logic when the value changes."
    )
    validate_integration: bool = Field(
        default=False, description="Run the integration system's field logic when the value changes."
    )
    clear_value_on_failed_sync: bool = Field(
        default=False, description="Write a blank where a related record is not coupled, instead of failing the record."
    )
    not_null: bool = Field(
        default=False, description="Leave the destination as it is where the new value would be null."
    )
    transformation: Names = Field(default=(), description="Codes of transformation rules, applied one after the other.")
    transformation_direction: Literal["to_integration", "from_integration"] | None = Field(
        default=None,
        description="The pass in which the rules apply; absent: that of a one-way field, else to_integration.",
    )
    values: Mapping[str, Scalar] = Field(
        default_factory=dict, description="Local values and the integration values that they correspond to, one to one."
    )
    related_mapping: Names = Field(
        default=(), description="The mappings whose couplings translate the reference; the first that knows it wins."
    )
    related_key: str | None = Field(
        default=None,
        description="The field of the related local table by whose value the local field names its record; "
        "absent: its id.",
    )
    merge_group: str | None = Field(
        default=None, description="Fields of one group decide their direction together, for example an address."
    )
    on_loss: OnLoss | None = Field(
        default=None, description="What to do when a bidirectional value loses information on its way."
    )
    match: Match | None = Field(default=None, description="Use the field for match-based coupling.")
    compare: Compare | None = Field(
        default=None,
        description="How scored matching compares the field; absent: as its name and type say; `none`: not at all.",
    )
    user_defined: bool = Field(default=False, description="Added by a user; kept when the standard set-up is restored.")
    when: When | None = Field(default=None, description="The circumstances in which the row is there.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.local is None and self.integration is None:
            raise Contradictions([Contradiction((), "a field mapping needs a field on at least one side")])
        found = self._constant_contradictions() if self.is_constant else self._pair_contradictions()
        if self.clear_value_on_failed_sync and self.not_null:
            found.append(Contradiction(("not_null",), "clear_value_on_failed_sync and not_null exclude each other"))
        if self.related_key and not self.related_mapping:
            found.append(Contradiction(("related_key",), "related_key needs related_mapping"))
        refuse(found)
        return self

    def _constant_contradictions(self) -> list[Contradiction]:
        if self.constant is None:
            return [Contradiction((), "a field mapping with one field needs the other one, or a constant")]
        found = []
        if self.direction is not self._constant_direction:
            direction = self._constant_direction.value
            found.append(Contradiction(("direction",), f"a constant for this side has the direction {direction}"))
        given = [
            key for key in ("transformation", "values", "related_mapping", "match", "compare") if getattr(self, key)
        ]
        found.extend(Contradiction((key,), f"a constant has no {key}") for key in given)
        return found

    def _pair_contradictions(self) -> list[Contradiction]:
        found = []
        if self.constant is not None:
            message = "a constant is written to one side: leave the other side's field out"
            found.append(Contradiction(("constant",), message))
        if len({str(value) for value in self.values.values()}) != len(self.values):
            message = "two local values lead to one integration value, so that the way back could not be told"
            found.append(Contradiction(("values",), message))
        if self.compare not in (None, Compare.NONE):
            found += [
                Contradiction(("compare",), f"a field with {key} is not compared by how alike its values are")
                for key in ("values", "related_mapping")
                if getattr(self, key)
            ]
        one_way = self.direction is not Direction.BIDIRECTIONAL
        if one_way and self.transformation_direction not in (None, self.direction.value):
            message = "the transformation_direction of a one-way field is its direction"
            found.append(Contradiction(("transformation_direction",), message))
        return found

    @property
    def is_constant(self) -> bool:
        """Whether one side has a field and the other a constant."""
        return self.local is None or self.integration is None

    @property
    def _constant_direction(self) -> Direction:
        return Direction.TO_INTEGRATION if self.local is None else Direction.FROM_INTEGRATION

    @property
    def key(self) -> str:
        """What identifies the field mapping within its table mapping."""
        return f"{self.local or ''}={self.integration or ''}"

    def field(self, side: Side) -> str | None:
        """Return the name of the field on a side."""
        return self.local if side is Side.LOCAL else self.integration

    def validates(self, side: Side) -> bool:
        """Whether the field logic of a side runs when its field is written; constants always are validated."""
        return self.is_constant or (self.validate_local if side is Side.LOCAL else self.validate_integration)

    def rules_apply(self, pass_: Pass) -> bool:
        """Whether the transformation rules apply in the pass."""
        if self.direction is not Direction.BIDIRECTIONAL:
            return self.direction.includes(pass_)
        return pass_.value == (self.transformation_direction or Pass.TO.value)


class Template(_Value):
    """Values that a newly made record gets besides, and over, the mapped ones (semantics 13)."""

    code: str = Field(min_length=1, max_length=20, description="The template's name, unique on its side.")
    description: str = Field(default="", description="What the template is for.")
    side: Side = Field(description="The side whose new records get the values.")
    filter: FilterText = Field(default="", description="A condition on the source record; blank: every record.")
    priority: int = Field(default=0, ge=0, description="The lowest that fits is used.")
    values: Mapping[str, Scalar] = Field(description="Field names of that side and their values.")
    when: When | None = Field(default=None, description="The circumstances in which the template is there.")


class DeleteLimit(_Value):
    """How much one pass may delete or uncouple before it stops and asks."""

    records: int = Field(default=1_000, ge=0, description="At most so many records.")
    share: Exact = Field(
        default=Decimal("0.2"),
        ge=0,
        le=1,
        description="At most this share of the mapping's couplings, from the tenth record on.",
    )

    def allows(self, removed: int, coupled: int) -> bool:
        """Whether a pass may delete or uncouple so many of the mapping's couplings; never all of several."""
        if removed > self.records or (removed == coupled and coupled > 1):
            return False
        return removed < FEWEST_COUNTED or removed <= self.share * coupled


FEWEST_COUNTED = 10
"""Below so many records the share says nothing: in a small table each record is a large share."""


class Deactivation(_Value):
    """Values that mark a record as given up; a side that has some gets them instead of a deletion."""

    local: Mapping[str, Scalar] = Field(default_factory=dict, description="Local fields and their values.")
    integration: Mapping[str, Scalar] = Field(default_factory=dict, description="Integration fields and their values.")

    def values(self, side: Side) -> Mapping[str, Scalar]:
        """Return the values for a side; none: records are deleted there."""
        return self.local if side is Side.LOCAL else self.integration


class Schedule(_Value):
    """How often the mapping's job runs (semantics 10)."""

    every_minutes: int = Field(default=30, ge=1, description="Minutes from one run to the next.")
    inactivity_timeout_minutes: int = Field(
        default=720, ge=1, description="Minutes until the next run after one that found nothing to do."
    )
    category: str = Field(default="", description="Jobs of one category do not overlap.")
    attempts: int = Field(default=10, ge=1, description="How often a run that fails is tried.")
    retry_seconds: int = Field(default=30, ge=1, description="Seconds before a run that failed is tried again.")


class TableMapping(_Value):
    """Two corresponding tables and the rules for keeping their records in step (semantics 1)."""

    name: str = Field(min_length=1, max_length=20, pattern=r"\S", description="For example CUSTOMER.")
    description: str = Field(default="", description="What people should know about the mapping.")
    enabled: bool = Field(default=True, description="A mapping that is not enabled does not run.")
    local_table: str = Field(min_length=1, description="The table of the local system.")
    integration_table: str = Field(
        min_length=1, description="The table of the integration system; `table.column` for the options of a choice."
    )
    direction: Direction = Field(
        default=Direction.BIDIRECTIONAL,
        description="Which passes a run makes: to the integration side, from it, or both.",
    )
    local_filter: FilterText = Field(default="", description="Which local records take part, as OData $filter.")
    integration_filter: FilterText = Field(default="", description="Which integration records take part.")
    only_coupled: bool = Field(default=True, description="Never create; synchronize coupled records only.")
    update_conflict_resolution: UpdateConflict = Field(
        default=UpdateConflict.NONE, description="Who wins where both sides changed; none: a person decides."
    )
    deletion_conflict_resolution: DeletionConflict = Field(
        default=DeletionConflict.NONE, description="What happens when the counterpart of a changed record is gone."
    )
    conflict_scope: ConflictScope = Field(
        default=ConflictScope.FIELD,
        description="Whether changes to different fields of a record merge (field) or conflict (record).",
    )
    delete_propagation: DeletePropagation = Field(
        default=DeletePropagation.NONE, description="In which passes the deletion of a record is carried over."
    )
    deactivation: Deactivation = Field(
        default=Deactivation(), description="What is written, instead of deleting, where a deletion is carried over."
    )
    delete_limit: DeleteLimit = Field(
        default=DeleteLimit(), description="How much a pass may delete or uncouple before it stops and asks."
    )
    duplicates_guard: DuplicatesGuard = Field(
        default=DuplicatesGuard.WARN,
        description="What a run does that would make records whose likely counterparts are there, uncoupled.",
    )
    schema_drift: SchemaDrift = Field(
        default=SchemaDrift.STOP,
        description="What a run does when a mapped field is gone, or of another type than when the mapping last ran.",
    )
    dependencies: Names = Field(default=(), description="Mappings that must be finished first.")
    rules: Names = Field(default=(), description="Names of rules for special tables, applied in this order.")
    templates: tuple[Template, ...] = Field(
        default=(), description="Values that new records get besides the mapped ones."
    )
    fields: tuple[FieldMapping, ...] = Field(
        min_length=1, description="The corresponding fields, in the order in which they are written."
    )
    create_new_in_case_of_no_match: bool = Field(
        default=False, description="Match-based coupling makes an integration record where it finds none."
    )
    synch_after_match_based_coupling: bool = Field(
        default=False, description="Match-based coupling synchronizes what it coupled."
    )
    uncouple_resets_company_id: bool = Field(
        default=False, description="Uncoupling clears the company of the integration record where it is this one."
    )
    multi_company: bool = Field(default=False, description="Records of several companies take part.")
    disable_event_rescheduling: bool = Field(default=False, description="Changes do not wake the mapping's job.")
    user_defined: bool = Field(default=False, description="Added by a user; kept when the standard set-up is restored.")
    schedule: Schedule = Field(default=Schedule(), description="How often the mapping's job runs.")
    when: When | None = Field(default=None, description="The circumstances in which the mapping is there.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = []
        if not any(row.enabled for row in self.fields):
            found.append(Contradiction(("fields",), "no field mapping is enabled"))
        for index, row in enumerate(self.fields):
            if any(other.key == row.key and other.when == row.when for other in self.fields[:index]):
                found.append(Contradiction(("fields", index), f"the fields {row.key} are mapped twice"))
            if row.enabled and not any(row.direction.includes(pass_) for pass_ in self.direction.passes):
                message = f"the field goes {row.direction.value}, but its mapping goes {self.direction.value}"
                found.append(Contradiction(("fields", index, "direction"), message))
        for pass_ in Pass:
            carried = pass_ in self.direction.passes and self.delete_propagation.includes(pass_)
            if self.deactivation.values(pass_.destination) and not carried:
                place = ("deactivation", pass_.destination.value)
                found.append(Contradiction(place, f"delete_propagation carries no deletion to the {place[1]} side"))
        if self.name in self.dependencies:
            found.append(Contradiction(("dependencies",), "a mapping cannot depend on itself"))
        for index, template in enumerate(self.templates):
            if any((other.side, other.code) == (template.side, template.code) for other in self.templates[:index]):
                message = f"two templates of the {template.side.value} side have the code {template.code}"
                found.append(Contradiction(("templates", index), message))
        refuse(found)
        return self

    def table(self, side: Side) -> str:
        """Return the name of the table of a side."""
        return self.local_table if side is Side.LOCAL else self.integration_table

    def filter(self, side: Side) -> str:
        """Return the filter text of a side."""
        return self.local_filter if side is Side.LOCAL else self.integration_filter

    @property
    def is_option_mapping(self) -> bool:
        """Whether the integration side is the options of a choice (semantics 7)."""
        return "." in self.integration_table

    def going(self, pass_: Pass) -> TableMapping | None:
        """Return the mapping as it goes in one pass only, also against its direction; None where its rules have no way back.

        So a single option that records name can become a code, though codes otherwise become options (semantics 7).
        """
        if self.direction.includes(pass_):
            return self
        direction = Direction(pass_.value)
        rows = [row for row in self.fields if row.enabled and not row.is_constant]
        if not rows or any(row.transformation for row in rows):
            return None
        turned = tuple(row.model_copy(update={"direction": direction}) for row in rows)
        return self.model_copy(update={"direction": direction, "fields": turned})

    def in_circumstances(self, ownership_model: str | None, company: str | None) -> TableMapping | None:
        """Return the mapping as it is under a connection's circumstances: rows whose `when` does not hold are left out.

        None when the mapping itself is not there.
        """
        if self.when is not None and not self.when.holds(ownership_model, company):
            return None
        kept = [row for row in self.fields if row.when is None or row.when.holds(ownership_model, company)]
        firm = [row for row in kept if row.when is None or not row.when.not_mapped]
        taken = {(side, row.field(side)) for row in firm for side in Side if row.field(side)}
        rows = [
            row
            for row in kept
            if row in firm or not any((side, row.field(side)) in taken for side in Side if row.field(side))
        ]
        templates = [t for t in self.templates if t.when is None or t.when.holds(ownership_model, company)]
        changes: dict[str, Any] = {
            "fields": tuple(row.model_copy(update={"when": None}) for row in rows),
            "templates": tuple(template.model_copy(update={"when": None}) for template in templates),
            "when": None,
        }
        return self.model_copy(update=changes)


class MappingFile(_Value):
    """What a mapping file holds."""

    version: Literal[1] = Field(description="The version of the file's form.")
    description: str = Field(default="", description="What the file is for.")
    transformation_rules: tuple[TransformationRule, ...] = Field(
        default=(), description="Rules that change values, for field mappings to name by their codes."
    )
    mappings: tuple[TableMapping, ...] = Field(default=(), description="The table mappings.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = []
        for index, mapping in enumerate(self.mappings):
            if any(other.name == mapping.name for other in self.mappings[:index]):
                found.append(Contradiction(("mappings", index), f"the mapping {mapping.name} stands in the file twice"))
        predefined = {rule.code for rule in PREDEFINED}
        for index, rule in enumerate(self.transformation_rules):
            place = ("transformation_rules", index)
            if rule.code in predefined:
                found.append(Contradiction(place, f"{rule.code} is a predefined transformation rule"))
            if any(other.code == rule.code for other in self.transformation_rules[:index]):
                found.append(Contradiction(place, f"the transformation rule {rule.code} is defined twice"))
        refuse(found)
        return self
