"""Named settings of a service that tests may change while it runs.

A switch keeps the kind of value that it started with. A switch that holds a table of values (one per Dataverse
table, say) is changed key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy


class Switches(dict[str, object]):
    """The switches of a service, by name. `reset` brings back the values that it started with."""

    def __init__(self, defaults: Mapping[str, object]) -> None:
        super().__init__(deepcopy(dict(defaults)))
        self._defaults = deepcopy(dict(defaults))

    def change(self, values: Mapping[str, object]) -> None:
        """Set several switches, or none: an unknown name raises KeyError, a value of another kind TypeError."""
        for name, value in values.items():
            if name not in self:
                raise KeyError(f"There is no switch {name!r}. Known: {', '.join(sorted(self))}.")
            default = self._defaults[name]
            if isinstance(default, bool) != isinstance(value, bool) or not isinstance(value, _kind(default)):
                raise TypeError(f"The switch {name!r} takes a value like {default!r}, not {value!r}.")
        for name, value in values.items():
            present = self[name]
            if isinstance(present, dict) and isinstance(value, dict):
                self[name] = {**present, **value}
            else:
                self[name] = deepcopy(value)

    def start_with(self, values: Mapping[str, object]) -> None:
        """Set switches as `change` does, and come back to these values on `reset`."""
        self.change(values)
        self._defaults = deepcopy(dict(self))

    def reset(self) -> None:
        """Set every switch to the value that it started with."""
        self.update(deepcopy(self._defaults))


def _kind(default: object) -> type | tuple[type, ...]:
    return (int, float) if isinstance(default, int | float) else type(default)
