from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.connectors.odata.service import NOON

from twinrow.connectors.odata.server_time import ServerTime
from twinrow.model.errors import SystemUnavailable
from twinrow.testing.clock import SettableClock

SECOND = timedelta(seconds=1)


def test_without_an_answer_there_is_no_time() -> None:
    with pytest.raises(SystemUnavailable, match="does not tell its time"):
        ServerTime("the system", SettableClock()).now()


def test_it_goes_on_with_our_own_clock_and_is_never_ahead() -> None:
    clock = SettableClock()
    time = ServerTime("the system", clock)
    time.heard(NOON, clock.monotonic(), clock.monotonic())
    assert time.now() == NOON
    clock.advance(90 * SECOND)
    assert time.now() == NOON + 90 * SECOND


def test_several_answers_narrow_it_down() -> None:
    clock = SettableClock()
    time = ServerTime("the system", clock)
    # In truth the system's clock shows 12:00:00.7 when ours shows zero; its dates are cut to seconds.
    for tenths in range(0, 30, 2):
        true = NOON + timedelta(milliseconds=700 + 100 * tenths)
        time.heard(true.replace(microsecond=0), tenths / 10, tenths / 10)
        clock.advance(timedelta(milliseconds=200))
    ahead = time.now() - (NOON + timedelta(milliseconds=700) + timedelta(seconds=clock.monotonic()))
    assert timedelta(milliseconds=-200) <= ahead <= timedelta()


def test_a_slow_answer_says_little_and_spoils_nothing() -> None:
    clock = SettableClock()
    time = ServerTime("the system", clock)
    time.heard(NOON, 0.0, 0.0)
    clock.advance(60 * SECOND)
    time.heard(NOON + 10 * SECOND, 0.0, 60.0)
    assert time.now() == NOON + 60 * SECOND


def test_a_change_that_was_told_of_has_been() -> None:
    clock = SettableClock()
    time = ServerTime("the system", clock)
    time.heard(NOON, 0.0, 0.0)
    time.witnessed(NOON + timedelta(milliseconds=640))
    assert time.now() == NOON + timedelta(milliseconds=640)


def test_a_record_from_the_future_is_not_believed() -> None:
    time = ServerTime("the system", SettableClock())
    time.heard(NOON, 0.0, 0.0)
    time.witnessed(NOON + timedelta(days=900))
    assert time.now() == NOON


@pytest.mark.parametrize("jump", [timedelta(hours=5), timedelta(hours=-5)])
def test_a_clock_that_was_set_counts_from_then_on(jump: timedelta) -> None:
    time = ServerTime("the system", SettableClock())
    time.heard(NOON, 0.0, 0.0)
    time.heard(NOON + jump, 0.0, 0.0)
    assert time.now() == NOON + jump
