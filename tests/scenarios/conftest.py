"""Fixtures of the scenarios."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.scenarios.catalogued import SCENARIO
from tests.scenarios.world import Probe
from twinrow.standard.rules import RULES

Register = Callable[[Probe], Probe]


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Let the report of each test tell which scenarios it covers, whichever process runs it."""
    for item in items:
        ids = [id for mark in item.iter_markers(SCENARIO) for id in mark.args]
        item.user_properties += [(SCENARIO, id) for id in ids]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Make a rule known by its name, as an extension would."""

    def known(rule: Probe) -> Probe:
        monkeypatch.setattr("twinrow.actions.context.RULES", {**RULES, rule.name: rule})
        return rule

    return known
