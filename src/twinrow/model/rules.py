"""Transformation rules: how a value is changed on its way (semantics 12).

A rule is a value; `batch.rules` turns it into a column expression. A field mapping names a chain of rules by their codes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Code = Annotated[
    str, Field(min_length=1, max_length=20, description="The name by which field mappings refer to the rule.")
]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    description: str = Field(default="", max_length=100, description="What the rule is for.")


class Uppercase(_Rule):
    """All letters in upper case."""

    type: Literal["uppercase"] = "uppercase"


class Lowercase(_Rule):
    """All letters in lower case."""

    type: Literal["lowercase"] = "lowercase"


class Trim(_Rule):
    """Outer blanks removed."""

    type: Literal["trim"] = "trim"


class Prefix(_Rule):
    """A fixed text set before the value, where there is a value; for example a number prefix for each company."""

    type: Literal["prefix"] = "prefix"
    text: str = Field(min_length=1, max_length=50, description="The text that is set before the value.")


TransformationRule = Annotated[Uppercase | Lowercase | Trim | Prefix, Field(discriminator="type")]

PREDEFINED: tuple[Uppercase | Lowercase | Trim | Prefix, ...] = (
    Uppercase(code="UPPERCASE", description="Change to upper case"),
    Lowercase(code="LOWERCASE", description="Change to lower case"),
    Trim(code="TRIM", description="Remove outer blanks"),
)
"""The rules that every workspace has."""

LOSSY_TYPES = frozenset({"uppercase", "lowercase", "trim"})
"""Rule types that more than one value maps to one value: the way back cannot restore what was there."""
