"""Several operations in one request."""

from __future__ import annotations

from typing import Any

from tests.sandbox.business_central.site import HOST, ROOT, Site


def make(site: Site, name: str, **part: Any) -> dict[str, Any]:
    return {"method": "POST", "url": f"companies({site.company})/customers", "body": {"displayName": name}, **part}


def names(site: Site) -> list[str]:
    return [row["displayName"] for row in site.get("customers").rows]


def test_parts_are_carried_out_in_order_each_for_itself(site: Site) -> None:
    parts = [make(site, "a", id="1"), make(site, "", id="2"), make(site, "c", id="3")]
    reply = site.batch(parts)
    assert reply.status == 200
    answers = reply["responses"]
    assert [(answer["id"], answer["status"]) for answer in answers] == [("1", 201), ("2", 400), ("3", 201)]
    assert answers[0]["headers"]["content-type"].startswith("application/json; odata.metadata=minimal")
    assert answers[0]["headers"]["odata-version"] == "4.0"
    assert answers[0]["body"]["number"] == "C000001"
    assert answers[1]["body"]["error"]["code"] == "Application_DialogException"
    assert answers[2]["body"]["number"] == "C000002"
    assert names(site) == ["a", "c"]


def test_a_part_sees_what_the_parts_before_it_did(site: Site) -> None:
    chosen = "f7a5738a-44e3-ea11-bb43-000d3a2feca1"
    row = f"companies({site.company})/customers({chosen})"
    reply = site.batch(
        [
            make(site, "a", body={"id": chosen, "displayName": "a"}),
            {"method": "PATCH", "url": row, "headers": {"If-Match": "*"}, "body": {"displayName": "b"}},
            {"method": "PATCH", "url": row, "body": {"displayName": "c"}},
            {"method": "GET", "url": f"{row}?$select=displayName"},
            {"method": "DELETE", "url": row, "headers": {"if-match": "*"}},
        ]
    )
    answers = reply["responses"]
    assert [answer["status"] for answer in answers] == [201, 200, 400, 200, 204]
    assert answers[2]["body"]["error"]["code"] == "BadRequest_InvalidToken"
    assert answers[3]["body"]["displayName"] == "b"
    assert answers[4] == {"id": None, "status": 204, "headers": {}}
    assert names(site) == []


def test_parts_may_name_their_company_and_whole_addresses(site: Site) -> None:
    company = site.service.first_company.name
    reply = site.batch(
        [
            {"method": "GET", "url": "customers", "headers": {"Company": company}},
            {"method": "GET", "url": f"{HOST}{ROOT}/companies"},
            {"method": "GET", "url": "customers"},
            {"method": "GET", "url": "nothing", "headers": {"Company": company}},
        ]
    )
    assert [answer["status"] for answer in reply["responses"]] == [200, 200, 400, 404]


def test_a_snapshot_is_undone_when_a_part_fails_and_does_not_say_so(site: Site) -> None:
    site.post("customers", {"displayName": "old", "number": "1"})
    parts = [make(site, "a"), make(site, "b"), make(site, "", id="x"), make(site, "d")]
    reply = site.batch(parts, Isolation="snapshot")
    assert reply.status == 200
    assert [answer["status"] for answer in reply["responses"]] == [201, 201, 400, 201]
    assert names(site) == ["old"]
    assert site.post("customers", {"displayName": "new"})["number"] == "C000001"


def test_a_snapshot_that_goes_well_is_kept(site: Site) -> None:
    assert site.batch([make(site, "a"), make(site, "b")], Isolation="snapshot").status == 200
    assert names(site) == ["a", "b"]


def test_a_snapshot_whose_first_part_fails_answers_with_that_alone(site: Site) -> None:
    reply = site.batch([make(site, ""), make(site, "b")], Isolation="snapshot")
    assert [answer["status"] for answer in reply["responses"]] == [400]
    assert names(site) == []


def test_a_hundred_parts_are_taken_and_no_more(site: Site) -> None:
    assert site.batch([make(site, "a")] * 100).status == 200
    refused = site.batch([make(site, "b")] * 101)
    assert refused.status == 500
    assert "'100'" in refused.message
    assert len(names(site)) == 100


def test_the_own_route_takes_batches(site: Site) -> None:
    url = f"companies({site.company})/shippingAgents"
    reply = site.batch([{"method": "POST", "url": url, "body": {"code": "x"}}], sync=True)
    assert reply["responses"][0]["body"]["code"] == "X"


def test_reading_intent_holds_for_every_part(site: Site) -> None:
    reply = site.batch([make(site, "a")], Data_Access_Intent="ReadOnly")
    assert reply["responses"][0]["status"] == 400


def test_what_is_no_batch_is_refused(site: Site) -> None:
    for body in (b"", b"{}", b'{"requests": 5}', b'{"requests": [{"url": "x"}]}'):
        refused = site.send("POST", f"{ROOT}/$batch", body)
        assert (refused.status, refused.code) == (400, "BadRequest")
    assert site.send("GET", f"{ROOT}/$batch").status == 405


def test_the_log_learns_how_many_parts_there_were(site: Site) -> None:
    answer = site.answer("POST", f"{ROOT}/$batch", {"requests": [make(site, "a")] * 3})
    assert answer.parts == 3
