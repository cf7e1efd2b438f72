"""Errors in what a caller wrote in a URL. Services turn them into their own answers."""

from __future__ import annotations


class ODataError(Exception):
    """A query option or key that cannot be understood; the text says what and where."""


class FilterSyntaxError(ODataError):
    """The filter is no OData expression."""


class UnknownProperty(ODataError):
    """A path names a property that the type does not have."""

    def __init__(self, name: str, type_name: str) -> None:
        super().__init__(f"Could not find a property named '{name}' on type '{type_name}'.")
        self.name = name
        self.type_name = type_name


class UnsupportedExpression(ODataError):
    """OData knows the expression, the service does not take it."""


class IncompatibleTypes(ODataError):
    """Two operands that cannot be compared."""

    def __init__(self, left: str, right: str, operator: str) -> None:
        super().__init__(
            "A binary operator with incompatible types was detected. Found operand types "
            f"'{left}' and '{right}' for operator kind '{operator}'."
        )
