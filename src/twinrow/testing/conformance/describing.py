"""What a system says of itself."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from twinrow.batch.columns import ID, frame_schema
from twinrow.connectors.base import MARK, ChangeRequest, CreateKeys, FeedKind, WriteKind, WriteRequest
from twinrow.model.errors import UnknownField, UnknownTable
from twinrow.testing.conformance.exchange import all_ids
from twinrow.testing.conformance.subject import Subject

NOWHERE = "no_such_name_here"


class Describing:
    """Tables, fields, capabilities, identity and time."""

    def test_the_table_is_listed_and_described(self, subject: Subject) -> None:
        table = subject.description
        assert subject.table in subject.connector.tables()
        assert table.name == subject.table
        assert all(name == field.name for name, field in table.fields.items())
        assert frame_schema(table, tuple(table.fields)), "every field has a column type"
        assert len(subject.names) >= 2, "the cases need two fields to write"

    def test_capabilities_do_not_contradict_each_other(self, subject: Subject) -> None:
        can = subject.capabilities
        assert can.batch_rows >= 1
        assert can.overlap >= timedelta()
        assert can.created_at is None or can.created_at in subject.description.fields
        assert can.create_keys is not CreateKeys.MARK or can.mark_field in subject.description.fields
        assert not (can.deletes_in_feed and can.feed is FeedKind.WHOLE), "who reads everything is told of no deletes"
        assert all(sentence.strip() for sentence in can.limits)

    def test_a_table_that_does_not_exist_is_named(self, subject: Subject) -> None:
        connector = subject.connector
        for ask in (
            lambda: connector.describe(NOWHERE),
            lambda: connector.capabilities(NOWHERE),
            lambda: connector.fetch(NOWHERE, (), ["x"]),
            lambda: connector.select(NOWHERE, (), None),
            lambda: list(connector.ids(NOWHERE)),
            lambda: list(connector.changes(ChangeRequest(NOWHERE, ()))),
        ):
            with pytest.raises(UnknownTable, match=NOWHERE):
                ask()

    def test_a_field_that_does_not_exist_is_named(self, subject: Subject) -> None:
        connector, table = subject.connector, subject.table
        for ask in (
            lambda: connector.fetch(table, (NOWHERE,), ["x"]),
            lambda: connector.select(table, (NOWHERE,), None),
            lambda: list(connector.changes(ChangeRequest(table, (NOWHERE,)))),
        ):
            with pytest.raises(UnknownField, match=NOWHERE):
                ask()

    def test_a_write_with_a_field_that_does_not_exist_writes_nothing(self, subject: Subject) -> None:
        before = set(all_ids(subject))
        frame = pl.DataFrame(
            {ID: [None], MARK: [None], NOWHERE: ["x"]}, schema_overrides={ID: pl.String, MARK: pl.String}
        )
        with pytest.raises(UnknownField, match=NOWHERE):
            subject.connector.write(WriteRequest(subject.table, WriteKind.CREATE, frame, (NOWHERE,)))
        assert set(all_ids(subject)) == before

    def test_the_system_is_the_same_whoever_asks(self, subject: Subject) -> None:
        environment = subject.connector.identify().environment
        assert environment
        assert subject.reopen().identify().environment == environment
        assert subject.reopen().describe(subject.table) == subject.description

    def test_the_connection_test_passes(self, subject: Subject) -> None:
        checks = subject.connector.test()
        assert checks
        assert [check for check in checks if not check.passed] == []
        assert all(check.name for check in checks)

    def test_time_is_utc_and_goes_forward(self, subject: Subject) -> None:
        first, second = subject.connector.now(), subject.connector.now()
        assert first.utcoffset() == second.utcoffset() == timedelta()
        assert first <= second
        assert subject.connector.request_lifetime >= timedelta()

    def test_a_connector_can_be_closed_twice(self, subject: Subject) -> None:
        another = subject.reopen()
        another.close()
        another.close()
