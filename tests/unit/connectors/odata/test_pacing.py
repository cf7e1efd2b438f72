from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.connectors.odata.service import NOON, http_text

from twinrow.connectors.odata.pacing import LONGEST_WAIT, Pacing, http_date, retry_after
from twinrow.testing.clock import SettableClock


def test_waits_double_up_to_a_longest_one_and_are_spread() -> None:
    clock = SettableClock()
    attempts = Pacing(clock, parallel=1, patience=10_000).attempts()
    waits = []
    for _ in range(12):
        before = clock.monotonic()
        assert attempts.wait(None, all_requests=False)
        waits.append(clock.monotonic() - before)
    assert 0.5 <= waits[0] <= 1
    assert all(0.5 * min(2**n, LONGEST_WAIT) <= wait <= min(2**n, LONGEST_WAIT) for n, wait in enumerate(waits))


def test_patience_is_for_all_waits_together() -> None:
    clock = SettableClock()
    attempts = Pacing(clock, parallel=1, patience=100).attempts()
    assert attempts.wait(60.0, all_requests=False)
    assert not attempts.wait(60.0, all_requests=False)
    assert clock.monotonic() < 67


def test_what_an_attempt_takes_counts_too() -> None:
    clock = SettableClock()
    attempts = Pacing(clock, parallel=1, patience=100).attempts()
    clock.advance(timedelta(seconds=99.9))
    assert not attempts.wait(None, all_requests=False)


def test_what_one_request_is_told_holds_for_all() -> None:
    clock = SettableClock()
    pacing = Pacing(clock, parallel=2, patience=100)
    pacing.hold(30)
    with pacing.turn():
        assert clock.monotonic() >= 30


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", None, 0),
        ("12", None, 12),
        ("-3", None, 0),
        (None, None, None),
        ("soon", None, None),
        (http_text(NOON + timedelta(seconds=40)), http_text(NOON), 40),
        (http_text(NOON - timedelta(seconds=40)), http_text(NOON), 0),
        (http_text(NOON + timedelta(seconds=50)), None, 50),
    ],
)
def test_what_retry_after_says(value: str | None, date: str | None, seconds: float | None) -> None:
    assert retry_after(value, date, SettableClock(NOON)) == seconds


def test_http_dates() -> None:
    assert http_date("Fri, 01 May 2026 12:00:00 GMT") == NOON
    assert http_date("Fri, 01 May 2026 14:00:00 +0200") == NOON
    assert http_date("") is None
    assert http_date("yesterday") is None
    assert http_date(http_text(datetime(2026, 1, 1, tzinfo=UTC))) == datetime(2026, 1, 1, tzinfo=UTC)
