"""People: they make, change, delete and couple records, on either side and at any time."""

from __future__ import annotations

from random import Random

import pytest

from tests.property.ledger import Named
from tests.property.rulebook import MAPPED, TABLES, UNMAPPED
from tests.property.steps import Numbers
from tests.property.tally import FIRED
from tests.property.world import VALUES, World
from twinrow.model.errors import CouplingRefused
from twinrow.model.sides import Side


class People:
    """What people do with records. Each method is a kind of step."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add(self, n: Numbers) -> None:
        self._world.add(n.pick(list(Side)), _drawn(n))

    def add_equal(self, side: Side, value: str) -> None:
        """Make a record that has the same value everywhere."""
        self._world.add(side, dict.fromkeys(MAPPED, value))

    def add_pair(self, n: Numbers) -> None:
        """Add a record on both sides and couple them by hand."""
        self._couple(self._add_both(n), n.pick([None, *Side]))

    def add_apart(self, n: Numbers) -> None:
        """Add a record on both sides that belong together, and leave it to others to couple them."""
        if self._world.rules.only_coupled:
            self._world.apart.append(self._add_both(n))

    def couple(self, n: Numbers) -> None:
        """Couple what belongs together, though nobody has touched it of late."""
        for tag in self._world.apart:
            if all(tag in self._world.ledger.ids[side] for side in Side):
                self._couple(tag, n.pick([None, *Side]))
        self._world.apart.clear()

    def edit(self, n: Numbers) -> None:
        side = n.pick(list(Side))
        found = self._world.chosen(n, side)
        if found is not None:
            name = n.pick(MAPPED)
            self._world.edit(side, found[0], {name: _value(n, name)})

    def be_busy(self, n: Numbers) -> None:
        """Make a record and change some, so that a run has something to write."""
        self.add(n)
        for _ in range(4):
            self.edit(n)

    def edit_both(self, n: Numbers) -> None:
        """Change the same field of a record on both sides."""
        tag, name = f"tag{n.pick(range(self._world.tags)) + 1}", n.pick(MAPPED)
        for side in Side:
            value = _value(n, name)
            id = self._world.ledger.ids[side].get(tag)
            if id is not None:
                self._world.edit(side, id, {name: value})

    def edit_record(self, n: Numbers) -> None:
        """Change every field of a record."""
        side = n.pick(list(Side))
        found = self._world.chosen(n, side)
        if found is not None:
            self._world.edit(side, found[0], _drawn(n))

    def remove(self, n: Numbers) -> None:
        side = n.pick(list(Side))
        found = self._world.chosen(n, side)
        if found is not None:
            self._world.systems[side].remove(TABLES[side], found[0])

    def park(self, n: Numbers) -> None:
        """Change a field that is not mapped, by which filters choose."""
        side = n.pick(list(Side))
        found = self._world.chosen(n, side)
        if found is not None:
            name = UNMAPPED[side]
            value = "" if found[1][name] else "1" if side is Side.INTEGRATION else "X"
            self._world.edit(side, found[0], {name: value})

    def _add_both(self, n: Numbers) -> str:
        self._world.tags += 1
        tag = f"tag{self._world.tags}"
        for side in Side:
            self._world.add(side, _drawn(n), tag)
        return tag

    def _couple(self, tag: str, use: Side | None) -> None:
        """Couple both records of a tag; where one of them is outside its filter, give one of them up."""
        world = self._world
        local, integration = (world.ledger.ids[side][tag] for side in Side)
        if not world.takes_part(local, integration):
            with pytest.raises(CouplingRefused):
                world.pair.couple(local, integration)
            world.systems[Side.INTEGRATION].remove(TABLES[Side.INTEGRATION], integration)
            FIRED["coupling refused"] += 1
            return
        world.ledger.coupled_by_hand(tag, use)
        world.pair.couple(local, integration, use=use.value if use else None)
        world.moves += 1


def _value(n: Numbers, name: str) -> str:
    value = n.pick(VALUES)
    return value.upper() if name == "number" else value


def _drawn(n: Numbers) -> Named:
    """Return values for a whole record, most of the time good ones."""
    seed = Random(n.pick(range(1 << 16)))
    values = {name: seed.choice(VALUES[:-1] if seed.random() < 0.8 else VALUES) for name in MAPPED}
    return values | {"number": values["number"].upper()}
