from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.connectors.dataverse.environment import Environment


@pytest.fixture
def environment() -> Iterator[Environment]:
    environment = Environment()
    yield environment
    environment.connector.close()
