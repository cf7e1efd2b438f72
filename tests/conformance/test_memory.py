"""The system in memory, in all its settings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twinrow.connectors.base import CreateKeys, FeedKind
from twinrow.testing.conformance import ConnectorContract, Creating, Deleting, Feeding, Subject, Updating

from .memory import Memory


class TestMemory(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Memory()


@pytest.mark.parametrize("version_checks", [True, False])
@pytest.mark.parametrize("create_keys", list(CreateKeys))
@pytest.mark.parametrize("feed", list(FeedKind))
class TestEverySetting(Creating, Updating, Deleting, Feeding):
    @pytest.fixture
    def subject(self, feed: FeedKind, create_keys: CreateKeys, version_checks: bool) -> Subject:
        return Memory(feed=feed, create_keys=create_keys, version_checks=version_checks)


class TestMemoryWithOverlap(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Memory(feed=FeedKind.MODIFIED_AT, overlap=timedelta(minutes=1))


class TestMemoryThatTellsOfDeletes(ConnectorContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Memory(create_keys=CreateKeys.MARK, deletes_in_feed=True)
