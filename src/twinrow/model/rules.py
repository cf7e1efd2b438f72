"""Transformation rules: how a value is changed on its way (semantics 12).

A rule is a value; `batch.rules` turns it into a column expression. A field mapping names a **chain** of rules by their codes:
each works on the result of the one before. A rule may name the next one itself, so that a chain can be used as a whole.

Each kind of rule tells what it `takes` (types of the values that it can work on), what it `makes`, into fields of which types
that `fits`, and what it `loses`, so that the way back could not restore it (blank: nothing).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinrow.model.contradictions import Contradiction, refuse
from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.scalars import Exact
from twinrow.model.sides import Side
from twinrow.model.tables import FieldType

Code = Annotated[
    str, Field(min_length=1, max_length=20, description="The name by which field mappings refer to the rule.")
]
Culture = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="A language, mostly with its country, whose way of writing counts: en-US, da-DK.",
    ),
]

TEXTS = frozenset({FieldType.TEXT, FieldType.CODE})
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT})
_TIMES = frozenset({FieldType.DATE, FieldType.DATETIME})
_ANYTHING = frozenset(FieldType)


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: ClassVar[frozenset[FieldType]] = _ANYTHING
    makes: ClassVar[FieldType] = FieldType.TEXT
    fits: ClassVar[frozenset[FieldType]] = _ANYTHING
    loses: ClassVar[str] = ""
    one_way: ClassVar[str] = ""
    """What the rule does to every value, and nothing undoes on the way back."""

    code: Code
    description: str = Field(default="", max_length=100, description="What the rule is for.")
    next_rule: str | None = Field(
        default=None, min_length=1, max_length=20, description="The code of the rule that works on this one's result."
    )


class _LetterRule(_Rule):
    takes = TEXTS | {FieldType.ENUM}
    fits = TEXTS


class Uppercase(_LetterRule):
    """All letters in upper case."""

    loses = "case"
    type: Literal["uppercase"] = "uppercase"


class Lowercase(_LetterRule):
    """All letters in lower case."""

    loses = "case"
    type: Literal["lowercase"] = "lowercase"


class TitleCase(_LetterRule):
    """Each word with a capital letter; words wholly in capitals stay as they are."""

    loses = "case"
    type: Literal["title_case"] = "title_case"
    culture: Culture = Field(
        default="en-US", description="The language whose capital letters count, for example tr-TR."
    )


class Trim(_LetterRule):
    """Outer blanks removed."""

    loses = "outer blanks"
    type: Literal["trim"] = "trim"


class Substring(_Rule):
    """A part of the text, between positions or between texts; a delimiting text that is not found leaves nothing."""

    loses = "what is cut off"
    type: Literal["substring"] = "substring"
    start_position: int | None = Field(default=None, ge=1, description="The first character taken, counted from 1.")
    starting_text: str | None = Field(
        default=None, min_length=1, max_length=250, description="The text behind which the part begins."
    )
    length: int | None = Field(
        default=None, ge=1, description="How many characters are taken; absent: all that follow."
    )
    ending_text: str | None = Field(
        default=None, min_length=1, max_length=250, description="The text before which the part ends."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = []
        if self.start_position is not None and self.starting_text is not None:
            found.append(Contradiction(("starting_text",), "start_position and starting_text exclude each other"))
        if self.length is not None and self.ending_text is not None:
            found.append(Contradiction(("ending_text",), "length and ending_text exclude each other"))
        if (self.start_position, self.starting_text, self.length, self.ending_text) == (None,) * 4:
            found.append(Contradiction((), "a substring needs a beginning or an end"))
        refuse(found)
        return self


class Replace(_Rule):
    """Every occurrence of a text replaced by another; case counts."""

    loses = "what is replaced"
    type: Literal["replace"] = "replace"
    find: str = Field(min_length=1, max_length=250, description="The text that is replaced.")
    replacement: str = Field(default="", max_length=250, description="What stands in its place; blank: nothing.")


class RegexReplace(_Rule):
    """Whatever matches a regular expression replaced, regardless of case."""

    loses = "what is replaced"
    type: Literal["regex_replace"] = "regex_replace"
    pattern: str = Field(min_length=1, max_length=250, description="The regular expression.")
    replacement: str = Field(default="", max_length=250, description="What stands in its place; $1 is the first group.")


class RegexMatch(_Rule):
    """What the groups of a regular expression match, one after the other, regardless of case; no match leaves nothing."""

    loses = "what is not matched"
    type: Literal["regex_match"] = "regex_match"
    pattern: str = Field(min_length=1, max_length=250, description="The regular expression, with at least one group.")


class RemoveNonAlphanumeric(_Rule):
    """Letters and digits only, of any script."""

    loses = "all but letters and digits"
    type: Literal["remove_non_alphanumeric"] = "remove_non_alphanumeric"


class _TimeRule(_Rule):
    takes = TEXTS | {FieldType.INTEGER}
    fits = TEXTS | _TIMES

    source_format: str = Field(
        default="",
        max_length=100,
        description="How the value is written, as in .NET: yyyyMMdd; blank: as the culture does.",
    )
    culture: Culture = Field(
        default="en-US", description="The language whose names and order count, for example en-US."
    )


class DateFormat(_TimeRule):
    """A date that is written in another way as an ISO date; what cannot be read stays as it is."""

    makes = FieldType.DATE
    one_way = "writes dates as 2024-01-31"
    type: Literal["date_format"] = "date_format"


class DateTimeFormat(_TimeRule):
    """A point in time that is written in another way in ISO form; what cannot be read stays as it is."""

    makes = FieldType.DATETIME
    one_way = "writes times as 2024-01-31T10:00:00Z"
    type: Literal["datetime_format"] = "datetime_format"


class DecimalFormat(_Rule):
    """A number that is written as in a culture as a number with a point; what is no number fails the record."""

    takes = TEXTS
    makes = FieldType.DECIMAL
    fits = TEXTS | _NUMBERS | {FieldType.OPTION}
    one_way = "writes numbers as 1234.5"
    type: Literal["decimal_format"] = "decimal_format"
    culture: Culture


class FieldLookup(_Rule):
    """A field of the record of another table that has the value; without such a record, nothing."""

    loses = "what was looked up"
    type: Literal["field_lookup"] = "field_lookup"
    side: Side = Field(default=Side.LOCAL, description="The side that has the table.")
    table: str = Field(min_length=1, description="The table in which the value is looked up.")
    source_field: str = Field(min_length=1, description="The field in which it is looked for.")
    target_field: str = Field(min_length=1, description="The field whose value is taken.")
    mode: Literal["target", "original_if_blank"] = Field(
        default="target", description="What becomes of a value for which nothing is found: blank, or the value itself."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source_field == self.target_field:
            refuse([Contradiction(("target_field",), "source_field and target_field are the same field")])
        return self


class Round(_Rule):
    """A number rounded to a multiple of the precision; halves go away from zero."""

    takes = TEXTS | _NUMBERS
    makes = FieldType.DECIMAL
    fits = TEXTS | _NUMBERS | {FieldType.OPTION}
    loses = "digits"
    type: Literal["round"] = "round"
    precision: Exact = Field(default=Decimal(1), gt=0, description="For example 0.01, 0.05, 1 or 100.")
    direction: Literal["nearest", "up", "down"] = Field(
        default="nearest", description="To the nearest, away from zero (up), or towards zero (down)."
    )


class ExtractFromDate(_Rule):
    """A part of a date or a point in time, as a number."""

    takes = TEXTS | _TIMES
    makes = FieldType.INTEGER
    fits = TEXTS | _NUMBERS | {FieldType.OPTION}
    loses = "the rest of the date"
    type: Literal["extract_from_date"] = "extract_from_date"
    part: Literal["year", "quarter", "month", "week", "day", "weekday", "hour", "minute", "second"] = Field(
        description="Weeks are those of ISO 8601, weekdays count from 1 (Monday); times are in UTC."
    )


class UnixTimestamp(_Rule):
    """Seconds since 1970 as a point in time; what is no number leaves nothing."""

    takes = TEXTS | _NUMBERS
    makes = FieldType.DATETIME
    fits = TEXTS | _TIMES
    one_way = "writes times as 2024-01-31T10:00:00Z"
    type: Literal["unix_timestamp"] = "unix_timestamp"


class Prefix(_Rule):
    """A fixed text set before the value, where there is a value; for example a number prefix for each company."""

    fits = TEXTS
    type: Literal["prefix"] = "prefix"
    text: str = Field(min_length=1, max_length=50, description="The text that is set before the value.")


class Custom(_Rule):
    """A function of your own, in Python, offered as an entry point of the group `twinrow.transformation_rules`."""

    loses = "what the function drops"
    type: Literal["custom"] = "custom"
    function: str = Field(min_length=1, max_length=100, description="The name of the entry point.")


AnyRule = (
    Uppercase
    | Lowercase
    | TitleCase
    | Trim
    | Substring
    | Replace
    | RegexReplace
    | RegexMatch
    | RemoveNonAlphanumeric
    | DateFormat
    | DateTimeFormat
    | DecimalFormat
    | FieldLookup
    | Round
    | ExtractFromDate
    | UnixTimestamp
    | Prefix
    | Custom
)
TransformationRule = Annotated[AnyRule, Field(discriminator="type")]

PREDEFINED: tuple[AnyRule, ...] = (
    Uppercase(code="UPPERCASE", description="Change to upper case"),
    Lowercase(code="LOWERCASE", description="Change to lower case"),
    TitleCase(code="TITLECASE", description="Begin each word with a capital letter"),
    Trim(code="TRIM", description="Remove outer blanks"),
    Substring(code="FOURTH_TO_SIXTH_CHAR", description="Take characters 4 to 6", start_position=4, length=3),
    RemoveNonAlphanumeric(code="ALPHANUMERIC_ONLY", description="Keep letters and digits only"),
    DateFormat(code="YYYYMMDD_DATE", description="Read dates such as 20240131", source_format="yyyyMMdd"),
    DateTimeFormat(
        code="YYYYMMDDHHMMSS_FMT", description="Read times such as 20240131100000", source_format="yyyyMMddHHmmss"
    ),
    DateFormat(code="US_DATE_FORMAT", description="Read dates as they are written in the U.S.", culture="en-US"),
    DateTimeFormat(
        code="US_DATETIME_FORMAT", description="Read times as they are written in the U.S.", culture="en-US"
    ),
    DecimalFormat(code="DK_DECIMAL_FORMAT", description="Read numbers as they are written in Denmark", culture="da-DK"),
    UnixTimestamp(code="UNIXTIMESTAMP", description="Read seconds since 1970 as a time"),
    RegexReplace(code="DELETE_NOTPROVIDED", description="Remove the word NOTPROVIDED", pattern="NOTPROVIDED"),
)
"""The rules that every workspace has."""

PREDEFINED_CODES = frozenset(rule.code for rule in PREDEFINED)


def with_predefined(own: Mapping[str, AnyRule]) -> dict[str, AnyRule]:
    """Return all rules by code: those of a workspace, and those that every workspace has."""
    return {rule.code: rule for rule in PREDEFINED} | dict(own)


def rule_chain(codes: Iterable[str], own: Mapping[str, AnyRule]) -> tuple[AnyRule, ...]:
    """Return the rules that a value goes through, in order: those named, each followed by the next ones that it names.

    `own` holds the rules of the workspace by code; the predefined ones are always known. Raises `UnknownName` for a rule that
    does not exist, `ConfigurationError` where rules follow each other in a circle.
    """
    codes = tuple(codes)
    if not codes:
        return ()
    known = with_predefined(own)
    chain: list[AnyRule] = []
    for code in codes:
        followed: list[str] = []
        following: str | None = code
        while following is not None:
            if following in followed:
                circle = " → ".join([*followed[followed.index(following) :], following])
                raise ConfigurationError(
                    f"The transformation rules follow each other in a circle: {circle}",
                    remedy="Take next_rule out of one of them.",
                )
            rule = known.get(following)
            if rule is None:
                raise UnknownName("transformation rule", following, tuple(known))
            followed.append(following)
            chain.append(rule)
            following = rule.next_rule
    return tuple(chain)


def chain_problem(chain: Iterable[AnyRule], source: FieldType, destination: FieldType) -> str | None:
    """Say why a chain of rules cannot stand between fields of two types, or nothing."""
    kind, last = source, None
    for rule in chain:
        if kind not in rule.takes:
            what = f"the rule {last.code} makes values of type" if last is not None else "the field is"
            return f"The rule {rule.code} ({rule.type}) cannot work on what it gets: {what} {kind.value}"
        kind, last = rule.makes, rule
    if last is not None and destination not in last.fits:
        return f"The rule {last.code} makes values of type {last.makes.value}; the field is {destination.value}"
    return None


def rule_identity(rule: AnyRule) -> dict[str, Any]:
    """Return what tells a rule from another: where it changes, all values are looked at again."""
    return rule.model_dump(mode="json", exclude_none=True)
