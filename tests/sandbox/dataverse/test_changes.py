"""Change tracking: the first read, rounds of changes, deletions, tokens that no longer serve."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from tests.sandbox.dataverse.api import DirectApi, Reply

TRACK = "odata.track-changes"


def first(api: DirectApi, select: str = "name") -> Reply:
    return api.get(f"accounts?$select={select}", Prefer=TRACK)


def names(body: dict[str, Any]) -> list[str]:
    return [row.get("name") or f"-{row['id']}" for row in body["value"]]


def test_the_first_read_gives_everything_and_a_link(api: DirectApi) -> None:
    api.make("accounts", name="a")
    reply = first(api)
    assert reply.headers["preference-applied"] == TRACK
    assert names(reply.body) == ["a"]
    link = reply.body["@odata.deltaLink"]
    assert link.startswith("https://localhost:9/api/data/v9.2/accounts?$select=name&$deltatoken=")
    assert re.fullmatch(r"\d+%21\d\d%2f\d\d%2f\d{4}%20\d\d%3a\d\d%3a\d\d", link.partition("$deltatoken=")[2])


def test_a_round_tells_what_was_changed_and_then_what_was_deleted(api: DirectApi) -> None:
    kept, gone, same = (api.make("accounts", name=name) for name in ("kept", "gone", "same"))
    link = first(api).body["@odata.deltaLink"]
    api.make("accounts", name="new")
    api.patch(f"accounts({kept})", {"telephone1": "1"})
    api.delete(f"accounts({gone})")
    passing = api.make("accounts", name="passing")
    api.delete(f"accounts({passing})")
    body = api.get(link).body
    assert body["@odata.context"].endswith("$metadata#accounts(name)/$delta")
    assert names(body) == ["new", "kept", f"-{gone}", f"-{passing}"]
    assert body["value"][2] == {
        "@odata.context": "https://localhost:9/api/data/v9.2/$metadata#accounts/$deletedEntity",
        "id": gone,
        "reason": "deleted",
    }
    assert "$select=name&$deltatoken=" in body["@odata.deltaLink"]
    assert names(api.get(body["@odata.deltaLink"]).body) == []
    assert names(api.get(link).body) == ["new", "kept", f"-{gone}", f"-{passing}"]
    assert api.get(f"accounts({same})").status == 200


def test_a_row_that_came_back_is_changed_and_no_longer_deleted(api: DirectApi) -> None:
    key = api.make("accounts", name="a")
    link = first(api).body["@odata.deltaLink"]
    api.delete(f"accounts({key})")
    api.patch(f"accounts({key})", {"name": "again"})
    assert names(api.get(link).body) == ["again"]


def test_cascades_show_in_the_feed_of_the_other_table(api: DirectApi) -> None:
    account = api.make("accounts", name="a")
    contact = api.make("contacts", lastname="x", bind={"parentcustomerid_account": f"/accounts({account})"})
    link = api.get("contacts?$select=lastname", Prefer=TRACK).body["@odata.deltaLink"]
    api.delete(f"accounts({account})")
    assert [row["id"] for row in api.get(link).rows] == [contact]


def test_first_reads_and_rounds_come_in_pages(api: DirectApi) -> None:
    keys = [api.make("accounts", name=f"n{number}") for number in range(5)]
    seen: list[str] = []
    body = api.get("accounts?$select=name", Prefer=f"{TRACK},odata.maxpagesize=2").body
    while "@odata.nextLink" in body:
        assert 'istracking="True"' in unquote(body["@odata.nextLink"])
        assert "@odata.deltaLink" not in body
        seen += names(body)
        if len(seen) == 2:
            api.patch(f"accounts({keys[0]})", {"name": "changed meanwhile"})
        body = api.get(body["@odata.nextLink"], Prefer="odata.maxpagesize=2").body
    seen += names(body)
    assert len(seen) == 5
    link = body["@odata.deltaLink"]
    for key in keys[1:3]:
        api.delete(f"accounts({key})")
    api.patch(f"accounts({keys[3]})", {"name": "later"})
    told: list[str] = []
    body = api.get(link, Prefer="odata.maxpagesize=1").body
    sizes = [len(body["value"])]
    told += names(body)
    while "@odata.nextLink" in body:
        if len(told) == 1:
            api.make("accounts", name="left to the next round")
        body = api.get(body["@odata.nextLink"], Prefer="odata.maxpagesize=1").body
        sizes.append(len(body["value"]))
        told += names(body)
    assert told == ["changed meanwhile", "later", f"-{keys[1]}", f"-{keys[2]}"]
    assert max(sizes) == 1
    assert names(api.get(body["@odata.deltaLink"]).body) == ["left to the next round"]


@pytest.mark.parametrize("option", ["$filter=name eq 'a'", "$orderby=name", "$expand=primarycontactid", "$top=1"])
def test_options_that_tracking_does_not_take(api: DirectApi, option: str) -> None:
    refused = api.get(f"accounts?{option}", Prefer=TRACK)
    assert refused.status == 400
    name = option.partition("=")[0]
    assert refused.message == f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
    link = first(api).body["@odata.deltaLink"]
    assert api.get(f"{link}&{option.replace(' ', '%20')}").status == 400


def test_changes_are_counted(api: DirectApi) -> None:
    token = first(api).body["@odata.deltaLink"].partition("$deltatoken=")[2]
    key = api.make("accounts", name="a")
    api.make("accounts", name="b")
    api.delete(f"accounts({key})")
    assert api.get(f"accounts/$count?$deltatoken={unquote(token)}").raw == b"\xef\xbb\xbf2"


def test_an_old_token_has_expired(api: DirectApi) -> None:
    api.clock.freeze()
    link = first(api).body["@odata.deltaLink"]
    api.clock.advance(7 * 86400)
    assert api.get(link).status == 200
    api.clock.advance(1)
    expired = api.get(link)
    assert expired.error == (400, "0x80044352")
    assert expired.message == "Version stamp associated with the client has expired. Please perform a full sync."
    api.service.switches.change({"delta_expiry_days": 8})
    assert api.get(link).status == 200


def test_tables_without_tracking_and_broken_tokens(api: DirectApi) -> None:
    assert api.get("bcbi_companies", Prefer=TRACK).error == (400, "0x80072491")
    api.service.switches.change({"change_tracking": {"account": False, "bcbi_company": True}})
    assert first(api).error == (400, "0x80072491")
    assert api.get("bcbi_companies", Prefer=TRACK).status == 200
    api.service.switches.change({"change_tracking": {"account": True}})
    assert api.get("accounts?$deltatoken=nonsense").status == 400
    link = first(api).body["@odata.deltaLink"].replace("$select=name", "$select=colour")
    assert api.get(link).error == (400, "0x0")


def test_a_token_of_another_state_of_the_database_makes_the_version_jump_back(api: DirectApi) -> None:
    for _ in range(3):
        api.make("accounts", name="a")
    link = first(api).body["@odata.deltaLink"]
    api.service.reset()
    body = api.get(link).body
    assert names(body) == []
    before, after = (int(re.search(r"deltatoken=(\d+)", text)[1]) for text in (link, body["@odata.deltaLink"]))  # type: ignore[index]
    assert after < before
