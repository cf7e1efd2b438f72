"""Feeds of changes where it is hard: moments that fill answers, rounded times, other databases, pages out of order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import msgspec
import pytest
from tests.unit.connectors.business_central.company import Company, refused, said

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.model.errors import ConfigurationError, FeedExpired, SystemUnavailable
from twinrow.model.filters import Filter, parse_filter

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def own() -> Iterator[Company]:
    company = Company()
    yield company
    company.connector.close()


@pytest.fixture
def standard() -> Iterator[Company]:
    company = Company(own=False)
    yield company
    company.connector.close()


def read(
    company: Company,
    since: str | None = None,
    *,
    rows: int = 5_000,
    cursor: str | None = None,
    table: str = "shipmentMethods",
    condition: Filter | None = None,
) -> list[ChangePage]:
    request = ChangeRequest(table, ("code", "displayName"), since, cursor, condition, rows)
    return list(company.connector.changes(request))


def codes(pages: list[ChangePage]) -> list[str]:
    return [code for page in pages for code in page.frame["code"].to_list()]


def stamped(company: Company, code: str, instant: datetime) -> None:
    """A shipment method that was changed at that instant, as the database keeps it."""
    text = instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    company.site.write("Shipment Method", {"Code": code, "SystemModifiedAt": text, "SystemCreatedAt": text})


# By row version.


def test_a_change_that_is_not_committed_yet_comes_later_and_is_not_missed(own: Company) -> None:
    own.site.post("shipmentMethods", {"code": "A"})
    own.site.switch(long_transaction="person")
    person = own.site.as_client("person")
    person.post("shipmentMethods", {"code": "SLOW"})
    own.site.post("shipmentMethods", {"code": "QUICK"})
    first = read(own)
    assert codes(first) == ["A"], "what is above an open transaction waits for it"
    own.site.switch(long_transaction="")
    assert sorted(codes(read(own, first[-1].watermark))) == ["QUICK", "SLOW"]


def test_what_is_changed_while_a_feed_is_read_comes_in_the_next(own: Company) -> None:
    ids = {code: own.site.post("shipmentMethods", {"code": code})["id"] for code in "ABCD"}
    feed = own.connector.changes(ChangeRequest("shipmentMethods", ("code",), page_rows=2))
    first = next(feed)
    own.site.patch(f"shipmentMethods({ids['B']})", {"displayName": "moved to the end"})
    rest = list(feed)
    assert first.frame["code"].to_list() == ["A", "B"]
    assert [code for page in rest for code in page.frame["code"]] == ["C", "D"]
    assert codes(read(own, rest[-1].watermark)) == ["B"]


@pytest.mark.parametrize(
    "position", ["v99999999999", "t2026-05-01T12:00:00+00:00|2026-05-01T12:00:00+00:00|", "v1|x", "12", ""]
)
def test_a_watermark_of_another_database_or_feed_has_expired(own: Company, position: str) -> None:
    with pytest.raises(FeedExpired, match="shipmentMethods"):
        read(own, position)
    with pytest.raises(FeedExpired):
        read(own, cursor=position)


def test_a_restored_database_is_noticed(own: Company) -> None:
    for code in "ABC":
        own.site.post("shipmentMethods", {"code": code})
    watermark = read(own)[-1].watermark
    own.site.service.reset()
    with pytest.raises(FeedExpired, match="restored or copied"):
        read(own, watermark)


def test_pages_that_ignore_the_order_are_not_believed(own: Company) -> None:
    for code in "ABC":
        own.site.post("shipmentMethods", {"code": code})

    def turned(request: httpx2.Request) -> httpx2.Response | None:
        if "shipmentMethods?" not in str(request.url):
            return None
        answer = own.site.answer("GET", str(request.url))
        page = msgspec.json.decode(answer.body)
        page["value"].reverse()
        return said(200, page)

    own.override = turned
    with pytest.raises(SystemUnavailable, match="order of systemRowVersion"):
        read(own)


def test_a_page_size_of_the_services_own_counts(own: Company) -> None:
    for number in range(7):
        own.site.post("shipmentMethods", {"code": f"S{number}"})
    own.site.switch(page_size=3)
    pages = read(own)
    assert [page.frame.height for page in pages] == [3, 3, 1]
    assert codes(pages) == [f"S{number}" for number in range(7)]


# By time.


def test_the_overlap_is_read_again(standard: Company) -> None:
    now = standard.site.clock.now()
    stamped(standard, "LONG AGO", now - timedelta(hours=3))
    stamped(standard, "RECENT", now - timedelta(minutes=10))
    first = read(standard)
    assert codes(first) == ["LONG AGO", "RECENT"]
    assert first[-1].recheck_from is not None
    assert first[-1].recheck_from <= now - timedelta(minutes=14)
    # Written before the watermark, committed after it.
    stamped(standard, "LATE", now - timedelta(minutes=12))
    assert sorted(codes(read(standard, first[-1].watermark))) == ["LATE", "RECENT"]


def test_the_watermark_is_not_ahead_of_the_service(standard: Company) -> None:
    standard.site.clock.freeze()
    standard.site.clock.set(NOON)
    pages = read(standard)
    assert pages[-1].watermark is not None
    assert pages[-1].watermark.startswith("t|2026-05-01T12:00:00")


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
def test_records_of_one_moment_stay_together(standard: Company, rows: int) -> None:
    for number in range(12):
        stamped(standard, f"S{number:02d}", NOON + timedelta(milliseconds=number // 4))
    pages = read(standard, rows=rows)
    assert sorted(codes(pages)) == [f"S{number:02d}" for number in range(12)]
    assert all(page.frame.height <= rows for page in pages)
    for number, page in enumerate(pages[:-1]):
        rest = read(standard, cursor=page.cursor, rows=rows)
        assert sorted(codes(pages[: number + 1]) + codes(rest)) == sorted(codes(pages))


@pytest.mark.parametrize("page_size", [3, 4, 10])
def test_a_moment_that_fills_more_than_an_answer(standard: Company, page_size: int) -> None:
    """What a migration leaves behind: far more records of one moment than an answer holds."""
    stamped(standard, "BEFORE", NOON - timedelta(seconds=2))
    for number in range(25):
        stamped(standard, f"S{number:02d}", NOON)
    stamped(standard, "JUST", NOON + timedelta(milliseconds=70))
    stamped(standard, "AFTER", NOON + timedelta(seconds=2))
    standard.site.switch(page_size=page_size)
    pages = read(standard, rows=6)
    everything = sorted(["BEFORE", *(f"S{number:02d}" for number in range(25)), "JUST", "AFTER"])
    assert sorted(codes(pages)) == everything, "each once"
    assert all(page.frame.height <= 6 for page in pages)
    for number, page in enumerate(pages):
        rest = read(standard, cursor=page.cursor, rows=6)
        assert set(codes(pages[: number + 1]) + codes(rest)) == set(everything), "whoever breaks off misses nothing"


def test_records_without_a_time_come_first(standard: Company) -> None:
    """Rows from before the times were kept."""
    for number in range(8):
        standard.site.write("Shipment Method", {"Code": f"OLD{number}", "SystemModifiedAt": "0001-01-01T00:00:00.000Z"})
    stamped(standard, "NEW", NOON)
    assert codes(read(standard, rows=3))[-1] == "NEW"
    standard.site.switch(page_size=3)
    pages = read(standard, rows=3)
    assert sorted(codes(pages)) == sorted(["NEW", *(f"OLD{number}" for number in range(8))])
    assert pages[0].frame[MODIFIED_AT].null_count() == 3


def test_a_service_that_compares_times_otherwise_than_it_prints_them(standard: Company) -> None:
    """The database rounds: a filter for a printed time may leave its own record out."""
    for number in range(40):
        stamped(standard, f"S{number:02d}", NOON + timedelta(milliseconds=number * 3))
    standard.site.switch(page_size=5)

    def shifted(request: httpx2.Request) -> httpx2.Response | None:
        url = str(request.url)
        marker = "lastModifiedDateTime%20ge%20"
        if marker not in url:
            return None
        start, _, rest = url.partition(marker)
        moment = datetime.fromisoformat(rest[:24].replace("Z", "+00:00")) + timedelta(milliseconds=7)
        asked = moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        answer = standard.site.answer(
            "GET", f"{start}{marker}{asked}{rest[24:]}", headers={"prefer": request.headers["prefer"]}
        )
        return httpx2.Response(answer.status, headers={"Date": "Fri, 01 May 2026 13:00:00 GMT"}, content=answer.body)

    standard.override = shifted
    assert codes(read(standard, rows=4)) == [f"S{number:02d}" for number in range(40)]


def test_pages_out_of_order_of_time_are_not_believed(standard: Company) -> None:
    rows = [
        {
            "@odata.etag": "W/1",
            "id": f"00000000-0000-0000-0000-00000000000{n}",
            "code": "A",
            "displayName": "",
            "lastModifiedDateTime": t,
        }
        for n, t in ((1, "2026-05-01T12:00:01Z"), (2, "2026-05-01T12:00:00Z"))
    ]
    standard.override = lambda request: said(200, {"value": rows}) if "shipmentMethods?" in str(request.url) else None
    with pytest.raises(SystemUnavailable, match="order of lastModifiedDateTime"):
        read(standard)


def test_a_condition_goes_along(standard: Company) -> None:
    for code in ("A", "B"):
        standard.site.post("shipmentMethods", {"code": code})
    assert codes(read(standard, condition=parse_filter("code eq 'b'"))) == ["B"]
    assert "code eq 'B'" in standard.sent[-1]


@pytest.mark.parametrize("rows", [2, 3, 7, 500])
@pytest.mark.parametrize("route", ["own", "standard"])
def test_a_condition_with_or_between_fields_is_asked_for_in_pieces(
    route: str, rows: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    company: Company = request.getfixturevalue(route)
    monkeypatch.setattr("twinrow.connectors.odata.time_feed.FEWEST_ROWS", rows)
    wanted = []
    for number in range(24):
        code, name = f"{'AB'[number % 2]}{number}", ("1", "22", "333")[number % 3]
        company.site.post("shipmentMethods", {"code": code, "displayName": name})
        if number % 2 == 0 or number % 3 == 0:
            wanted.append(code)
    condition = parse_filter("startswith(code, 'A') or displayName eq '1'")
    company.requests.clear()

    pages = read(company, condition=condition, rows=rows)

    assert codes(pages) == wanted, "each once, in the order in which they were changed"
    asked = [one for one in company.sent if "shipmentMethods?" in one]
    assert all(("startswith(code,'A')" in one) != ("displayName eq '1'" in one) for one in asked)
    assert codes(read(company, pages[-1].watermark, condition=condition)) in ([], wanted), (
        "the overlap of a feed by time"
    )
    if pages[0].cursor is not None and len(pages) > 1:
        rest = read(company, cursor=pages[0].cursor, condition=condition, rows=rows)
        assert codes(pages[:1]) + codes(rest) == wanted
    company.site.post("shipmentMethods", {"code": "A-NEW"})
    company.site.post("shipmentMethods", {"code": "B-NEW", "displayName": "2"})
    later = codes(read(company, pages[-1].watermark, condition=condition))
    assert "A-NEW" in later
    assert "B-NEW" not in later


def test_one_of_several_requests_for_a_page_that_is_out_of_order_is_noticed(own: Company) -> None:
    for code in "ABC":
        own.site.post("shipmentMethods", {"code": code, "displayName": "1"})

    def turned(request: httpx2.Request) -> httpx2.Response | None:
        if "displayName" not in str(request.url.query):
            return None
        answer = own.site.answer("GET", str(request.url))
        page = msgspec.json.decode(answer.body)
        page["value"].reverse()
        return said(200, page)

    own.override = turned
    with pytest.raises(SystemUnavailable, match="order of systemRowVersion"):
        read(own, condition=parse_filter("code eq 'A' or displayName eq '1'"))


def test_a_condition_that_the_service_refuses_is_left_to_the_reader(own: Company) -> None:
    own.site.post("customers", {"displayName": "Ann"})
    condition = parse_filter("currencyCode eq 'EUR'")
    request = ChangeRequest("customers", ("displayName",), condition=condition)
    (page,) = own.connector.changes(request)
    assert page.frame.height == 1
    own.requests.clear()
    list(own.connector.changes(request))
    assert not any("currencyCode eq" in sent for sent in own.sent), "it is not tried twice"


def test_a_refusal_that_has_nothing_to_do_with_the_condition(own: Company) -> None:
    own.override = lambda request: refused(400, "BadRequest", "No.") if "shipmentMethods?" in str(request.url) else None
    with pytest.raises(ConfigurationError, match="refuses the request"):
        read(own)


def test_a_very_long_condition_does_not_make_a_very_long_address(own: Company) -> None:
    values = "', '".join(f"{number:03d}" + "9" * 90 for number in range(18))
    condition = parse_filter(f"displayName in ('{values}')")
    read(own, condition=condition)
    assert max(len(str(request.url)) for request in own.requests) < 4_100


# Everything.


def without_times(company: Company) -> Any:
    def override(request: httpx2.Request) -> httpx2.Response | None:
        if not str(request.url).endswith("v2.0/$metadata"):
            return None
        content = company.site.answer("GET", request.url.path).body
        return httpx2.Response(200, content=content.replace(b'Name="lastModifiedDateTime"', b'Name="unheard"'))

    return override


def test_a_table_without_times_is_handed_over_whole_each_time(standard: Company) -> None:
    standard.override = without_times(standard)
    for number in range(5):
        standard.site.post("shipmentMethods", {"code": f"S{number}"})
    pages = read(standard, rows=2)
    assert codes(pages) == [f"S{number}" for number in range(5)]
    assert pages[0].frame[VERSION].null_count() == 0
    assert codes(read(standard, cursor=pages[1].cursor, rows=2)) == ["S4"]
    assert codes(read(standard, cursor=pages[-1].cursor)) == []
    assert codes(read(standard, pages[-1].watermark)) == codes(pages)
    with pytest.raises(FeedExpired):
        read(standard, "v12")


def test_ids_are_those_of_the_records(standard: Company) -> None:
    made = {standard.site.post("shipmentMethods", {"code": f"S{number}"})["id"] for number in range(5)}
    standard.site.switch(page_size=2)
    pages = list(standard.connector.ids("shipmentMethods"))
    assert {id for page in pages for id in page} == made
    assert set(standard.connector.fetch("shipmentMethods", (), sorted(made))[ID]) == made


def deleting_behind_the_first_page(company: Company, times: int = 1) -> Any:
    """Somebody deletes the last record of a page before the next one is asked for."""
    left = [times]

    def override(request: httpx2.Request) -> httpx2.Response | None:
        token = request.url.params.get("$skiptoken")
        if token and left[0]:
            left[0] -= 1
            company.site.delete(f"shipmentMethods({token})")
        return None

    return override


def test_a_selection_begins_again_when_the_place_is_lost(own: Company) -> None:
    for number in range(7):
        own.site.post("shipmentMethods", {"code": f"S{number}"})
    own.site.switch(page_size=3)
    own.override = deleting_behind_the_first_page(own)
    found = own.connector.select("shipmentMethods", ("code",), None)
    assert found["code"].to_list() == ["S0", "S1", "S3", "S4", "S5", "S6"]


def test_a_place_that_is_always_lost_is_a_reason_to_try_later(own: Company) -> None:
    for number in range(20):
        own.site.post("shipmentMethods", {"code": f"S{number:02d}"})
    own.site.switch(page_size=3)
    own.override = deleting_behind_the_first_page(own, times=20)
    with pytest.raises(SystemUnavailable, match="lost the place"):
        own.connector.select("shipmentMethods", ("code",), None)
    with pytest.raises(SystemUnavailable, match="Read again"):
        list(own.connector.ids("shipmentMethods"))


def test_a_whole_feed_whose_place_is_lost_has_expired(standard: Company) -> None:
    standard.override = without_times(standard)
    for number in range(5):
        standard.site.post("shipmentMethods", {"code": f"S{number}"})
    pages = read(standard, rows=2)
    without = standard.override
    deleting = deleting_behind_the_first_page(standard)
    standard.override = lambda request: without(request) or deleting(request)
    with pytest.raises(FeedExpired):
        read(standard, cursor=pages[0].cursor, rows=2)
