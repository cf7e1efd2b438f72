"""People edit and administrators change every rule of a mapping between runs: whatever the order, the promises hold.

Each life is checked after every step by a ledger that knows nothing of the engine (promises 1, 2, 6, 7, 8, 9), and comes to
rest at its end (3); calm ones are lived again with other batches and must go the same way, step by step (4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.property.lives import check
from tests.property.steps import TOURS, script
from tests.property.tally import ALWAYS, FIRED, STORMS, counting, missing


@pytest.fixture
def all_come(request: pytest.FixtureRequest) -> Iterator[None]:
    """Assert that everything that can come has come, and print how often."""
    names: Sequence[str] = request.param
    FIRED.clear()
    with counting():
        yield
    print("\nhow often each step and decision came:", dict(sorted(FIRED.items())))  # noqa: T201
    never = missing(names)
    assert not never, f"never came: {never}"


def live_all(seeds: range, length: int) -> None:
    """Live the written lives, and random ones."""
    for seed, steps in enumerate(TOURS):
        check(seed, steps)
    for seed in seeds:
        check(seed, script(seed, length))


@pytest.mark.parametrize("all_come", [ALWAYS], ids=["always"], indirect=True)
def test_whatever_administrators_change_nothing_is_lost_doubled_or_forgotten(all_come: None) -> None:
    live_all(range(20), 16)


@pytest.mark.soak
@pytest.mark.parametrize("all_come", [(*ALWAYS, *STORMS)], ids=["all"], indirect=True)
@pytest.mark.parametrize("start", range(10_000, 10_300, 100))
def test_changing_rules_for_long(start: int, all_come: None) -> None:
    live_all(range(start, start + 100), 80)
