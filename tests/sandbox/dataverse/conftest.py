from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.dataverse.api import DirectApi, HttpsApi

from twinrow.sandbox import process


@pytest.fixture(scope="module")
def _direct() -> Iterator[DirectApi]:
    api = DirectApi()
    yield api
    api.service.connection.close()


@pytest.fixture
def api(_direct: DirectApi) -> DirectApi:
    """A new environment, in this process."""
    _direct.clock.set(None)
    _direct.clock.run()
    _direct.service.switches.reset()
    _direct.service.reset()
    return _direct


@pytest.fixture(scope="module")
def _started(authority_directory: Path) -> Iterator[HttpsApi]:
    with process.start("dataverse", directory=authority_directory) as started:
        api = HttpsApi(started)
        yield api
        api.close()


@pytest.fixture
def https(_started: HttpsApi) -> HttpsApi:
    """A new environment in a process of its own, over HTTPS."""
    _started.process.control("POST", "/sandbox/clock", {"now": None, "frozen": False})
    _started.process.control("POST", "/sandbox/reset")
    _started.process.control("DELETE", "/sandbox/requests")
    return _started
