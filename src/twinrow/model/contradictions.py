"""Contradictions: what does not go together within one value of a mapping file, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Something that does not go together: the key at which it shows (within the value), and a sentence."""

    place: tuple[str | int, ...]
    message: str


class Contradictions(ValueError):
    """All that does not go together within one value of a mapping file."""

    def __init__(self, found: Sequence[Contradiction]) -> None:
        super().__init__("; ".join(contradiction.message for contradiction in found))
        self.found = tuple(found)


def refuse(found: Sequence[Contradiction]) -> None:
    """Raise `Contradictions` where there are any."""
    if found:
        raise Contradictions(found)
