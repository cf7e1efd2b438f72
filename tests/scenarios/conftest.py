"""Fixtures of the scenarios."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenarios.world import Probe
from twinrow.standard.rules import RULES

Register = Callable[[Probe], Probe]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Make a rule known by its name, as an extension would."""

    def known(rule: Probe) -> Probe:
        monkeypatch.setattr("twinrow.actions.context.RULES", {**RULES, rule.name: rule})
        return rule

    return known
