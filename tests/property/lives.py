"""Lives: people edit and administrators change every rule of two systems, between runs of every kind.

A life is a list of steps and the seed of its world. One that fails is made as short as it gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Self

from tests.property.administrators import Administrators
from tests.property.audit import Audit
from tests.property.corrections import Corrections
from tests.property.people import People
from tests.property.plans import Plans
from tests.property.rest import Rest
from tests.property.runs import Runs
from tests.property.steps import KINDS, Numbers, Step
from tests.property.tally import FIRED
from tests.property.world import World
from twinrow.model.sides import Side

LONGEST = 120
"""Seconds for which a failing life is made shorter."""

Trace = list[object]


class Life:
    """A world, those who live in it, and what must hold after each of their steps."""

    def __init__(self, seed: int, page_rows: int | None = None) -> None:
        self.world = World(seed, page_rows)
        audit = Audit(self.world)
        people = People(self.world)
        self._runs = Runs(self.world, people, audit)
        plans = Plans(self.world, audit)
        self._rest = Rest(self.world, people, self._runs, plans)
        everybody = (people, Administrators(self.world, people), self._runs, Corrections(self.world, audit), plans)
        self._steps: dict[str, Callable[[Numbers], None]] = {}
        for kind in KINDS:
            (self._steps[kind],) = (getattr(one, kind) for one in everybody if hasattr(one, kind))
        for _ in range(3):
            people.add_equal(Side.LOCAL, "A")
        self._runs.make()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.pair.workspace.close()

    def take(self, step: Step) -> None:
        """Take a step and look whether all is well. Raises `AssertionError`."""
        FIRED[step.kind] += 1
        self._steps[step.kind](Numbers(step))
        self._all_well()

    def come_to_rest(self, everything: bool) -> None:
        """End the life (`Rest.come`). Raises `AssertionError`."""
        self._rest.come(everything)
        self._all_well()

    def _all_well(self) -> None:
        assert not self.world.ledger.wrong, self.world.ledger.wrong


def live(seed: int, steps: Sequence[Step], page_rows: int | None = None) -> tuple[World, Trace]:
    """Live a life to its end; return its world, and what both sides held after each step."""
    trace: Trace = []
    with Life(seed, page_rows) as life:
        for step in steps:
            life.take(step)
            trace.append(life.world.values())
        life.come_to_rest(everything=seed % 2 == 0)
        trace.append(life.world.values())
    return life.world, trace


def lives_well(seed: int, steps: Sequence[Step]) -> None:
    """Raise where anything is wrong with a life, or goes another way with other batches (promise 4)."""
    world, trace = live(seed, steps)
    if not world.stormy and seed % 3 == 0:
        _, other = live(seed, steps, page_rows=4 if world.page_rows != 4 else 1)
        names = [*(step.kind for step in steps), "the end"]
        for name, here, there in zip(names, trace, other, strict=True):
            assert here == there, f"{name}: other batches make a difference"


def check(seed: int, steps: list[Step]) -> None:
    """Raise where a life goes wrong, and tell the shortest one that was found to."""
    try:
        lives_well(seed, steps)
    except Exception as error:
        fewer, last = shortened(seed, steps, error)
        told = "\n".join(f"    {step!r}," for step in fewer)
        raise AssertionError(f"life {seed} fails: {last}\nlives_well({seed}, [\n{told}\n])") from last


def shortened(seed: int, steps: list[Step], failure: Exception) -> tuple[list[Step], Exception]:
    """Leave out steps as long as the same check fails."""
    size, end = len(steps) // 2, time.monotonic() + LONGEST
    while size and time.monotonic() < end:
        start = 0
        while start < len(steps) and time.monotonic() < end:
            fewer = steps[:start] + steps[start + size :]
            try:
                lives_well(seed, fewer)
            except Exception as error:  # any trouble is what is looked for
                if _place(error) == _place(failure):
                    steps, failure = fewer, error
                    continue
            start += size
        size //= 2
    return steps, failure


def _place(error: Exception) -> tuple[type, str]:
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), trace.tb_frame.f_code.co_name
