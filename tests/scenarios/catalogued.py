"""The catalogue of scenarios, and which of them are not applicable or wait for a later piece of twinrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SCENARIO = "scenario"
"""The mark of tests that cover scenarios, and the name under which their reports tell the ids."""
HERE = Path(__file__).parent
MOST_NOT_APPLICABLE = 0.15
"""The part of a file's entries that may be not applicable, at the most."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Entries by id (`title`, and where they are told in full `given`, `when` and `then`), and the two lists."""

    files: Mapping[str, Mapping[str, Mapping[str, str]]]
    """Entries by the name of their file and their id."""
    not_applicable: Mapping[str, str]
    later: Mapping[str, str]
    repeated: tuple[str, ...]
    """Ids that the catalogue holds more than once."""

    @property
    def ids(self) -> frozenset[str]:
        """All ids."""
        return frozenset(id for entries in self.files.values() for id in entries)


@cache
def read_catalogue() -> Catalogue:
    """Read the files beside this module."""
    files: dict[str, dict[str, Mapping[str, str]]] = {}
    seen: list[str] = []
    for path in sorted((HERE / "catalogue").glob("*.yaml")):
        entries = _read(path)
        files[path.stem] = {entry["id"]: entry for entry in entries}
        seen += [entry["id"] for entry in entries]
    repeated = tuple(sorted({id for id in seen if seen.count(id) > 1}))
    return Catalogue(files, _read(HERE / "not_applicable.yaml"), _read(HERE / "later.yaml"), repeated)


def _read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def inconsistencies(catalogue: Catalogue, marked: frozenset[str]) -> list[str]:
    """Return a sentence for everything that does not go together in catalogue, lists and the ids that tests are marked with."""
    named = {
        "not_applicable.yaml": frozenset(catalogue.not_applicable),
        "later.yaml": frozenset(catalogue.later),
        "the marks of the tests": marked,
    }
    found = [f"{id} stands twice in the catalogue" for id in catalogue.repeated]
    for place, ids in named.items():
        found += [f"{place}: there is no scenario {id}" for id in sorted(ids - catalogue.ids)]
    places = list(named)
    for index, place in enumerate(places):
        for other in places[index + 1 :]:
            found += [f"{id} stands in {place} and in {other}" for id in sorted(named[place] & named[other])]
    for name, entries in catalogue.files.items():
        out = len(entries.keys() & catalogue.not_applicable.keys())
        if out > MOST_NOT_APPLICABLE * len(entries):
            found.append(f"{name}: {out} of {len(entries)} scenarios are not applicable, more than 15 %")
    return found
