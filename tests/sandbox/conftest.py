from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def authority_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate authority for all servers of a test session."""
    return tmp_path_factory.mktemp("authority")
