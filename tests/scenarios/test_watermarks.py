"""Watermarks: up to where each side has been read, and what moves them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    ONE_WAY,
    TO,
    add_synchronized,
    edit,
    job,
    mapping,
    outcomes,
    put_watermark,
    settle,
    value,
    version,
    watermark,
    watermark_time,
)
from twinrow.connectors.base import FeedKind
from twinrow.model.sides import Side
from twinrow.store.watermarks import clear_watermark
from twinrow.testing.pair import MemoryPair

BY_TIME: dict[str, Any] = {"feed": FeedKind.MODIFIED_AT, "overlap": timedelta(milliseconds=999)}
YEAR = timedelta(days=365)


def one_way(pass_: Any, **more: Any) -> Any:
    rows = [row.model_copy(update={"direction": ONE_WAY[pass_]}) for row in mapping().fields]
    return mapping(*rows, direction=ONE_WAY[pass_], **more)


def timed(of: Any = None) -> MemoryPair:
    return MemoryPair(of or mapping(), local=BY_TIME, integration=BY_TIME)


@pytest.mark.scenario("A018")
def test_reading_everything_again_forgets_watermarks_that_lie_ahead() -> None:
    with timed() as pair:
        customer, account = add_synchronized(pair)
        now = {side: pair.clocks[side].now() for side in Side}
        pair.integration.touch("account", account, now[INTEGRATION] - timedelta(minutes=2))
        edit(pair, LOCAL, customer, NAME, "Adatum Corporation")
        for side in Side:
            put_watermark(pair, side, now[side] + YEAR)
        assert pair.synchronize().counters.read == 0
        for side in Side:
            put_watermark(pair, side, now[side] + YEAR)

        run = pair.synchronize(full=True)

        assert outcomes(job(run, TO)) == {"modified": 1}
        assert outcomes(job(run, FROM)) == {"unchanged": 1}
        assert value(pair, INTEGRATION, account, NAME) == "Adatum Corporation"
        for side in Side:
            # Everything up to the newest record read is behind the watermark, nothing after the beginning of the run.
            assert now[side] < watermark_time(pair, side) <= pair.clocks[side].now()
        assert pair.local.modified_at("customers", customer) <= watermark_time(pair, LOCAL)
        assert pair.synchronize().counters.read == 0


@pytest.mark.scenario("A018")
def test_after_reading_everything_again_the_watermark_is_the_newest_record_that_was_read() -> None:
    # Where a side counts its changes, watermarks can be compared with records exactly.
    with MemoryPair(mapping()) as pair:
        customer, account = add_synchronized(pair)
        newest = {LOCAL: version(pair, LOCAL, customer), INTEGRATION: version(pair, INTEGRATION, account)}

        run = pair.synchronize(full=True)

        assert outcomes(run) == {"unchanged": 2}
        assert {side: watermark(pair, side) for side in Side} == newest


@pytest.mark.scenario("A039")
def test_the_watermark_never_runs_ahead_of_the_beginning_of_the_job() -> None:
    with timed(one_way(FROM)) as pair:
        first = pair.integration.add("account", {"name": "First"})
        second = pair.integration.add("account", {"name": "Second"})
        pair.integration.touch("account", second, pair.clocks[INTEGRATION].now() + timedelta(days=1))
        assert watermark(pair, INTEGRATION) is None

        run = pair.synchronize()

        assert outcomes(job(run, FROM)) == {"inserted": 2}
        assert len(pair.local.records("customers")) == 2
        began = watermark_time(pair, INTEGRATION)
        assert pair.integration.modified_at("account", first) <= began <= pair.clocks[INTEGRATION].now()
        assert began < pair.integration.modified_at("account", second)

        pair.set_mapping(one_way(TO))
        new = [pair.local.add("customers", {"displayName": name}) for name in ("Third", "Fourth")]
        newest = max(pair.local.modified_at("customers", id) for id in pair.local.records("customers"))

        run = pair.synchronize()

        # The two customers that the first run made come along as unchanged.
        assert outcomes(job(run, TO)) == {"inserted": 2, "unchanged": 2}
        assert {name["name"] for name in pair.integration.records("account").values()} >= {"Third", "Fourth"}
        assert all(pair.counterpart(id) for id in new)
        assert newest <= watermark_time(pair, LOCAL) <= pair.clocks[LOCAL].now()
        assert watermark_time(pair, INTEGRATION) == began
        assert pair.synchronize().counters.read == 0


@pytest.mark.scenario("A040")
def test_the_watermark_goes_on_because_records_were_read_not_because_they_changed() -> None:
    with timed(one_way(FROM)) as pair:
        for name in ("First", "Second"):
            pair.integration.add("account", {"name": name})
        assert pair.synchronize().counters.inserted == 2
        before = watermark_time(pair, INTEGRATION)
        for id in pair.integration.records("account"):
            pair.integration.touch("account", id, pair.clocks[INTEGRATION].now() + timedelta(days=1))

        run = pair.synchronize()

        assert outcomes(run) == {"unchanged": 2}
        assert watermark_time(pair, INTEGRATION) > before


@pytest.mark.scenario("A041")
@pytest.mark.parametrize("feed", [{}, BY_TIME], ids=["by version", "by time"])
def test_a_direction_moves_only_the_watermark_of_the_side_that_it_reads(feed: dict[str, Any]) -> None:
    with MemoryPair(mapping(), local=feed, integration=feed) as pair:
        for name in ("First", "Second"):
            pair.local.add("customers", {"displayName": name})
        settle(pair)
        assert len(pair.integration.records("account")) == 2
        pair.set_mapping(one_way(TO))
        context = pair.workspace.context
        with context.database.transaction() as connection:
            clear_watermark(connection, context.mapping("CUSTOMER").id, INTEGRATION)
        before = watermark(pair, LOCAL)
        pair.local.add("customers", {"displayName": "Third"})

        assert pair.synchronize().counters.inserted == 1

        assert watermark(pair, INTEGRATION) is None
        assert watermark(pair, LOCAL) not in (None, before)
        (status,) = pair.workspace.status()
        assert status.read_up_to["integration"] is None
        assert status.read_up_to["local"] is not None


@pytest.mark.scenario("B073")
def test_only_the_own_watermark_of_a_side_limits_what_is_read_from_it() -> None:
    with timed(mapping(only_coupled=True)) as pair:
        early = pair.integration.add("account", {"name": "A"})
        pair.synchronize()
        late = pair.integration.add("account", {"name": "B"})
        time = pair.integration.modified_at("account", early)

        def read_from(integration: timedelta | None, local: timedelta, changed: timedelta) -> int:
            pair.integration.touch("account", early, time)
            pair.integration.touch("account", late, time + changed)
            context = pair.workspace.context
            with context.database.transaction() as connection:
                number = context.mapping("CUSTOMER").id
                if integration is None:
                    clear_watermark(connection, number, INTEGRATION)
            put_watermark(pair, LOCAL, time + local)
            if integration is not None:
                put_watermark(pair, INTEGRATION, time + integration)
            return job(pair.synchronize(), FROM).read

        # Without a watermark of its own everything is read, whatever the other side's says; with one, what is newer, and the
        # second before it.
        assert read_from(None, timedelta(seconds=0.1), timedelta(seconds=0.2)) == 2
        assert read_from(timedelta(seconds=2), timedelta(seconds=-2), timedelta(seconds=3)) == 1
        assert read_from(timedelta(seconds=2), timedelta(seconds=-2), timedelta(seconds=1.1)) == 1
        assert read_from(timedelta(seconds=2), timedelta(seconds=-2), timedelta(seconds=0.5)) == 0
