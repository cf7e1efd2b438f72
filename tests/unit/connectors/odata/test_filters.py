from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from twinrow.connectors.odata.filters import instant_literal, is_guid, number_literal, text_literal


def test_texts() -> None:
    assert text_literal("O'Neil & Co") == "'O''Neil & Co'"
    assert text_literal("") == "''"


def test_numbers() -> None:
    assert number_literal(-7) == "-7"
    assert number_literal(Decimal("1E+3")) == "1000"
    assert number_literal(Decimal("0.10")) == "0.10"


def test_points_in_time() -> None:
    assert instant_literal(datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))) == "2026-05-01T12:00:00.000Z"
    assert instant_literal(datetime(2026, 5, 1, 12, 0, 0, 123456)) == "2026-05-01T12:00:00.123Z"
    assert instant_literal(date(2026, 5, 1)) == "2026-05-01T00:00:00.000Z"
    assert instant_literal(datetime(1, 1, 2, tzinfo=UTC)) == "0001-01-02T00:00:00.000Z"


def test_guids() -> None:
    assert is_guid("0D8A2A44-6a3f-4f2e-9d1c-5b5d3a1c7e10")
    assert not is_guid("0d8a2a44-6a3f-4f2e-9d1c-5b5d3a1c7e1")
    assert not is_guid("'; --")
