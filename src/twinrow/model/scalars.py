"""Plain values of mapping files: texts, whole numbers, exact decimals, yes and no."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer


def exact(value: Any) -> Any:
    """Take a number with a point by its digits, not by the nearest binary float."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def plain(value: Any) -> Any:
    """Write a decimal as a number where the number says the same, else as text: both are read back as this value."""
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    return value


Scalar = Annotated[
    bool | int | Decimal | str | None,
    BeforeValidator(exact, json_schema_input_type=bool | int | float | str | None),
    PlainSerializer(plain, when_used="json"),
]
Exact = Annotated[
    Decimal,
    BeforeValidator(exact, json_schema_input_type=int | float | str),
    PlainSerializer(plain, when_used="json"),
]
