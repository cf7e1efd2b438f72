"""Functions of other people for custom transformation rules: entry points of the group `twinrow.transformation_rules`.

A package offers one in its `pyproject.toml`:

    [project.entry-points."twinrow.transformation_rules"]
    iban = "our_rules:iban"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from twinrow.batch.rules import CustomFunction
from twinrow.model.errors import ConfigurationError, UnknownName

GROUP = "twinrow.transformation_rules"


def offered_functions() -> dict[str, EntryPoint]:
    """Return the functions that installed packages offer, by name, without loading them."""
    return {found.name: found for found in entry_points(group=GROUP)}


@cache
def load_function(name: str) -> CustomFunction:
    """Return a function that a package offers. Raises `UnknownName`, or `ConfigurationError` where it cannot be loaded."""
    offered = offered_functions()
    if name not in offered:
        raise UnknownName(f"function in the entry points of {GROUP}", name, tuple(offered))
    try:
        function = offered[name].load()
    except Exception as error:  # other people's code is imported here
        raise ConfigurationError(
            f"The function {name} for transformation rules cannot be loaded",
            cause=f"{type(error).__name__}: {error}",
            remedy=f"Mend {offered[name].value}, or the package that offers it.",
        ) from error
    if not callable(function):
        raise ConfigurationError(
            f"The function {name} for transformation rules is none",
            cause=f"{offered[name].value} cannot be called.",
            remedy="Name a function that takes a Polars Series of texts and returns one.",
        )
    return function  # type: ignore[no-any-return]
