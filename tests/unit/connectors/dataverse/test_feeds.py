"""Feeds of changes: what stands behind the contract, and what makes a feed begin anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from tests.unit.connectors.dataverse.environment import HOST, Environment, rows

from twinrow.batch.columns import DELETED, ID
from twinrow.connectors.base import ChangePage, ChangeRequest
from twinrow.model.errors import ConfigurationError, FeedExpired, SystemUnavailable
from twinrow.model.filters import Comparison, parse_filter

NAME = ("name",)


@pytest.fixture
def untracked(environment: Environment) -> Environment:
    environment.switch(change_tracking={"account": False})
    return environment


def filled(environment: Environment, count: int = 3) -> list[str]:
    return [environment.api.make("accounts", name=f"Account {number}") for number in range(count)]


def last(pages: list[ChangePage]) -> str:
    assert pages[-1].watermark is not None
    return pages[-1].watermark


class TestChangeTracking:
    def test_rows_are_asked_for_with_their_columns_and_followed_by_links(self, environment: Environment) -> None:
        filled(environment, 3)
        environment.connector.describe("account")
        environment.forget()
        pages = environment.feed("account", ("name", "ownerid", "owneridtype"), page_rows=2)
        assert [page.frame.height for page in pages] == [2, 1]
        first = environment.requests[0]
        assert environment.sent[0] == "GET accounts?$select=accountid,modifiedon,_modifiedby_value,name,_ownerid_value"
        preferred = 'odata.track-changes,odata.maxpagesize=2,odata.include-annotations="'
        assert first.headers["Prefer"].startswith(preferred)
        assert "odata.track-changes" in environment.requests[1].headers["Prefer"]
        environment.forget()
        environment.feed("account", ("name", "ownerid", "owneridtype"), last(pages))
        assert "track-changes" not in environment.requests[0].headers["Prefer"], "the link says it"
        assert "lookuplogicalname" in environment.requests[0].headers["Prefer"]

    def test_what_is_gone_comes_last_and_without_values(self, environment: Environment) -> None:
        first, second, _ = filled(environment)
        since = last(environment.feed("account", NAME))
        environment.api.delete(f"accounts({first})")
        environment.api.patch(f"accounts({second})", {"name": "Changed"})
        found = rows(environment.feed("account", NAME, since))
        assert [(row[ID], row[DELETED], row["name"]) for row in found] == [
            (second, False, "Changed"),
            (first, True, None),
        ]

    def test_a_condition_is_left_to_the_reader(self, environment: Environment) -> None:
        filled(environment)
        request = ChangeRequest("account", NAME, condition=Comparison("name", "eq", "Account 1"))
        assert sum(page.frame.height for page in environment.connector.changes(request)) == 3
        assert "$filter" not in environment.sent[-1]

    def test_further_columns_need_a_new_beginning_and_fewer_do_not(self, environment: Environment) -> None:
        filled(environment)
        since = last(environment.feed("account", ("name", "telephone1")))
        assert rows(environment.feed("account", NAME, since)) == []
        with pytest.raises(FeedExpired, match="no longer knows"):
            environment.feed("account", ("name", "fax"), since)

    def test_a_link_that_has_lost_a_column_is_of_no_use(self, environment: Environment) -> None:
        filled(environment)
        since = last(environment.feed("account", NAME)).replace(",name&", "&")
        with pytest.raises(FeedExpired):
            environment.feed("account", NAME, since)

    def test_a_position_that_the_service_has_forgotten(self, environment: Environment) -> None:
        filled(environment)
        since = last(environment.feed("account", NAME))
        environment.api.clock.advance(8 * 86_400)
        with pytest.raises(FeedExpired, match="0x80044352"):
            environment.feed("account", NAME, since)

    @pytest.mark.parametrize(
        ("status", "code", "message"),
        [
            (500, "0x80044352", "Version stamp associated with the client has expired."),
            (400, "", "Please perform a full sync."),
            (410, "", "Gone."),
            (400, "0x80072494", "The metadata has changed."),
            (400, "0x80060888", "The delta token is malformed."),
        ],
    )
    def test_any_word_for_it_is_understood(
        self, environment: Environment, status: int, code: str, message: str
    ) -> None:
        filled(environment)
        since = last(environment.feed("account", NAME))
        error = {"error": {"code": code, "message": message}}
        environment.override = lambda _: httpx2.Response(status, json=error, headers={"Date": environment.date})
        with pytest.raises(FeedExpired):
            environment.feed("account", NAME, since)

    def test_a_first_reading_that_is_refused_is_not_begun_again(self, environment: Environment) -> None:
        environment.connector.describe("account")
        error = {"error": {"code": "0x80072491", "message": "Change tracking is not enabled for entity account."}}
        environment.override = lambda _: httpx2.Response(400, json=error)
        with pytest.raises(ConfigurationError, match="Change tracking is not enabled"):
            environment.feed("account", NAME)

    def test_a_database_that_went_back_in_time(self, environment: Environment) -> None:
        filled(environment)
        early = last(environment.feed("account", NAME))
        filled(environment)
        late = last(environment.feed("account", NAME, early))

        def restored(request: httpx2.Request) -> httpx2.Response | None:
            delta = unquote(early.partition("|")[2])
            body = {"value": [], "@odata.deltaLink": delta}
            return httpx2.Response(200, json=body, headers={"Date": environment.date})

        environment.override = restored
        with pytest.raises(FeedExpired, match="jumped backwards"):
            environment.feed("account", NAME, late)

    def test_a_reading_broken_off_for_too_long(self, environment: Environment) -> None:
        filled(environment)
        cursor = environment.feed("account", NAME, page_rows=1)[0].cursor
        environment.api.clock.advance(86_400)
        assert len(rows(environment.feed("account", NAME, cursor=cursor))) == 2
        environment.api.clock.advance(7 * 86_400)
        with pytest.raises(FeedExpired, match="too long ago"):
            environment.feed("account", NAME, cursor=cursor)

    def test_a_stored_link_to_another_host_is_not_followed(self, environment: Environment) -> None:
        filled(environment)
        since = last(environment.feed("account", NAME)).replace(HOST, "https://elsewhere.example")
        environment.forget()
        with pytest.raises(FeedExpired):
            environment.feed("account", NAME, since)
        assert environment.requests == [], "our token stays here"

    @pytest.mark.parametrize("word", ["@odata.nextLink", "@odata.deltaLink"])
    def test_a_new_link_to_another_host_is_refused(self, environment: Environment, word: str) -> None:
        environment.connector.describe("account")
        body = {"value": [], word: "https://elsewhere.example/api/data/v9.2/accounts"}
        environment.override = lambda _: httpx2.Response(200, json=body, headers={"Date": environment.date})
        with pytest.raises(ConfigurationError, match="another host"):
            environment.feed("account", NAME)

    @pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"value":[]}', b'{"value":[],"@odata.deltaLink":7}'])
    def test_an_answer_that_is_none(self, environment: Environment, body: bytes) -> None:
        environment.connector.describe("account")
        environment.override = lambda _: httpx2.Response(200, content=body, headers={"Date": environment.date})
        with pytest.raises(SystemUnavailable, match="cannot be read"):
            environment.feed("account", NAME)

    @pytest.mark.parametrize("position", ["t|2026-01-01T00:00:00+00:00|", "w", "", "dnonsense|https://x", "d|ftp://x"])
    def test_positions_of_other_feeds_begin_anew(self, environment: Environment, position: str) -> None:
        with pytest.raises(FeedExpired):
            environment.feed("account", NAME, position)
        with pytest.raises(FeedExpired):
            environment.feed("account", NAME, cursor=position)


class TestByTime:
    def test_the_overlap_goes_back_from_the_systems_own_time(self, untracked: Environment) -> None:
        filled(untracked)
        pages = untracked.feed("account", NAME)
        now = untracked.connector.now()
        recheck = pages[-1].recheck_from
        assert recheck is not None
        assert timedelta(minutes=15) <= now - recheck < timedelta(minutes=16)
        untracked.forget()
        untracked.feed("account", NAME, last(pages))
        asked = (now - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M")
        assert f"$filter=modifiedon ge {asked}" in untracked.sent[0]
        assert "$orderby=modifiedon,accountid" in untracked.sent[0]

    def test_what_changed_before_the_overlap_does_not_come_again(self, untracked: Environment) -> None:
        filled(untracked)
        untracked.api.clock.advance(3_600)
        since = last(untracked.feed("account", NAME))
        untracked.api.clock.advance(60)
        new = filled(untracked, 1)
        assert [row[ID] for row in rows(untracked.feed("account", NAME, since))] == new

    def test_a_condition_is_pushed_down(self, untracked: Environment) -> None:
        filled(untracked)
        condition = parse_filter("name eq 'Account 1' or parentaccountid ne null")
        request = ChangeRequest("account", NAME, condition=condition)
        (page,) = untracked.connector.changes(request)
        assert page.frame["name"].to_list() == ["Account 1"]
        assert "(name eq 'Account 1' or _parentaccountid_value ne null)" in untracked.sent[-1]

    def test_a_condition_that_the_service_refuses_is_left_to_the_reader(self, untracked: Environment) -> None:
        filled(untracked)

        def refuses(request: httpx2.Request) -> httpx2.Response | None:
            if "name%20eq" not in str(request.url):
                return None
            error = {"error": {"code": "0x80060888", "message": "'name' cannot be filtered by."}}
            return httpx2.Response(400, json=error, headers={"Date": untracked.date})

        untracked.override = refuses
        request = ChangeRequest("account", NAME, condition=parse_filter("name eq 'Account 1' and statecode eq 0"))
        for _ in range(2):
            (page,) = untracked.connector.changes(request)
            assert page.frame.height == 3
        filters = [sent for sent in untracked.sent if "$filter" in sent]
        assert [("name eq" in sent, "statecode eq" in sent) for sent in filters] == [
            (True, True),
            (False, True),
            (False, True),
        ]

    def test_a_condition_too_long_for_an_address_is_left_to_the_reader(self, untracked: Environment) -> None:
        filled(untracked)
        wanted = tuple(f"Account {number:0200d}" for number in range(100))
        request = ChangeRequest("account", NAME, condition=Comparison("name", "in", wanted))
        assert sum(page.frame.height for page in untracked.connector.changes(request)) == 3
        assert "name eq" not in untracked.sent[-1]

    def test_a_second_that_fills_more_than_an_answer(self, untracked: Environment) -> None:
        untracked.switch(page_size=2)
        untracked.api.clock.freeze()
        ids = filled(untracked, 7)
        untracked.api.clock.advance(5)
        later = filled(untracked, 3)
        pages = untracked.feed("account", NAME, page_rows=2)
        handed_over = [row[ID] for row in rows(pages)]
        assert sorted(handed_over) == sorted(ids + later)
        assert set(handed_over[:7]) == set(ids)
        for page in pages:
            rest = rows(untracked.feed("account", NAME, cursor=page.cursor, page_rows=2))
            seen = handed_over[: handed_over.index(page.frame[ID][-1]) + 1] if page.frame.height else handed_over
            assert set(handed_over) - set(seen) <= {row[ID] for row in rest}

    def test_rows_without_a_time_come_first(self, untracked: Environment) -> None:
        ids = filled(untracked, 3)
        untracked.api.service.write_row("account", {"accountid": ids[1], "modifiedon": None})
        assert rows(untracked.feed("account", NAME, page_rows=1))[0][ID] == ids[1]

    def test_an_answer_in_another_order_is_refused(self, untracked: Environment) -> None:
        untracked.connector.describe("account")
        told: list[dict[str, Any]] = [
            {"accountid": f"00000000-0000-4000-8000-00000000000{n}", "modifiedon": f"2026-01-01T00:00:0{3 - n}Z"}
            for n in (1, 2)
        ]
        untracked.override = lambda _: httpx2.Response(200, json={"value": told}, headers={"Date": untracked.date})
        with pytest.raises(SystemUnavailable, match="order"):
            untracked.feed("account", NAME)

    @pytest.mark.parametrize("position", ["d|https://x", "w", "", "t1|2", "tx|2026-01-01|", "t|yesterday|"])
    def test_positions_of_other_feeds_begin_anew(self, untracked: Environment, position: str) -> None:
        with pytest.raises(FeedExpired):
            untracked.feed("account", NAME, position)


class TestWhole:
    def test_everything_comes_each_time(self, environment: Environment) -> None:
        environment.api.post(
            "PublishXml",
            {"ParameterXml": "<importexportxml><entities><entity>account</entity></entities></importexportxml>"},
        )
        pages = environment.feed("stringmap", ("value",), page_rows=50)
        assert len(pages) > 2
        assert len(rows(environment.feed("stringmap", ("value",), last(pages)))) == len(rows(pages))
        rest = environment.feed("stringmap", ("value",), cursor=pages[0].cursor, page_rows=50)
        assert len(rows(rest)) == len(rows(pages)) - 50
        assert rows(environment.feed("stringmap", ("value",), cursor=pages[-1].cursor)) == []
        with pytest.raises(FeedExpired):
            environment.feed("stringmap", ("value",), "d|https://x")
