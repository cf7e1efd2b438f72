"""A transaction that stays open: its rows come to light late, with the versions and times they got early."""

from __future__ import annotations

from tests.sandbox.business_central.site import ROOT, Site


def state(site: Site) -> tuple[int, int]:
    [row] = site.get("syncStates", sync=True).rows
    return row["minimumActiveRowVersion"], row["lastUsedRowVersion"]


def names(site: Site) -> list[str]:
    return [row["displayName"] for row in site.get("customers", sync=True).rows]


def test_held_rows_appear_with_the_version_and_time_they_were_written_with(site: Site) -> None:
    person = site.as_client("person")
    site.post("customers", {"displayName": "before"})
    site.switch(long_transaction="person")
    held = person.post("customers", {"displayName": "held"}, sync=True)
    assert held.status == 201
    site.clock.advance(3600)
    later = site.post("customers", {"displayName": "later"}, sync=True)
    assert later["systemRowVersion"] > held["systemRowVersion"]

    assert names(site) == names(person) == ["before", "later"]
    assert site.get(f"customers({held['id']})").status == 404
    assert site.get("contacts/$count").body == "2"
    minimum, last = state(site)
    assert minimum <= held["systemRowVersion"] < later["systemRowVersion"] == last

    site.switch(long_transaction="")
    assert names(site) == ["before", "held", "later"]
    shown = site.get(f"customers({held['id']})", sync=True)
    assert shown["systemRowVersion"] == held["systemRowVersion"]
    assert shown["lastModifiedDateTime"] == held["lastModifiedDateTime"] < later["lastModifiedDateTime"]
    assert state(site) == (last + 1, last)


def test_a_reader_that_trusts_the_highest_version_misses_rows_and_one_that_asks_for_the_minimum_does_not(
    site: Site,
) -> None:
    site.switch(long_transaction="person")
    site.as_client("person").post("customers", {"displayName": "held"})
    site.post("customers", {"displayName": "seen"})
    naive, careful = state(site)[1], state(site)[0]
    site.switch(long_transaction="")

    def after(version: int) -> list[str]:
        query = f"customers?$filter=systemRowVersion gt {version - 1}"
        return [row["displayName"] for row in site.get(query, sync=True).rows]

    assert "held" not in after(naive + 1)
    assert after(careful) == ["held", "seen"]


def test_changes_and_deletions_are_held_too(site: Site) -> None:
    one, two = (site.post("customers", {"displayName": name}) for name in ("one", "two"))
    person = site.as_client("person")
    site.switch(long_transaction="person")
    person.patch(f"customers({one['id']})", {"displayName": "changed"})
    person.patch(f"customers({one['id']})", {"displayName": "changed again"})
    person.delete(f"customers({two['id']})")
    assert names(site) == ["one", "two"]
    assert {row["displayName"] for row in site.get("contacts").rows} == {"one", "two"}
    site.switch(long_transaction="")
    assert names(site) == ["changed again"]


def test_nobody_else_can_change_a_held_row(site: Site) -> None:
    one = site.post("customers", {"displayName": "one"})
    person = site.as_client("person")
    site.switch(long_transaction="person")
    person.patch(f"customers({one['id']})", {"displayName": "changed"})
    for send in (site.patch(f"customers({one['id']})", {"displayName": "x"}, if_match=one.etag),
                 site.delete(f"customers({one['id']})")):  # fmt: skip
        assert (send.status, send.code) == (409, "Internal_ServerError")
        assert "another session" in send.message
    contact = site.get("contacts").rows[0]
    assert site.patch(f"contacts({contact['id']})", {"displayName": "x"}).status == 409
    site.switch(long_transaction="")
    assert (
        site.patch(f"customers({one['id']})", {"displayName": "x"}, if_match=one.etag).code == "Request_EntityChanged"
    )


def test_everybodys_writes_can_be_held(site: Site) -> None:
    site.switch(long_transaction="*")
    made = site.post("customers", {"displayName": "held"})
    assert site.patch(f"customers({made['id']})", {"displayName": "held on"}).status == 200
    assert names(site) == []
    site.switch(long_transaction="")
    assert names(site) == ["held on"]


def test_parts_of_a_batch_are_seen_or_held_like_any_write(site: Site) -> None:
    url = f"companies({site.company})/customers"
    parts = [{"method": "POST", "url": url, "body": {"displayName": "a"}}, {"method": "GET", "url": url}]
    site.switch(long_transaction="person")
    assert len(site.batch(parts)["responses"][1]["body"]["value"]) == 1
    assert len(site.as_client("person").batch(parts)["responses"][1]["body"]["value"]) == 1
    site.switch(long_transaction="")
    assert len(names(site)) == 2


def test_what_is_rolled_back_within_it_never_appears(site: Site) -> None:
    person = site.as_client("person")
    site.switch(long_transaction="person")
    assert person.post("customers", {"displayName": "x", "country": "XX"}).status == 400
    assert state(site)[0] == state(site)[1] + 1
    site.switch(long_transaction="")
    assert names(site) == []


def test_a_new_company_shows_at_once(site: Site) -> None:
    site.switch(long_transaction="person")
    site.switch(companies=[*site.service.companies, "Second"])
    rows = site.send("GET", f"{ROOT}/companies").rows
    [company] = [row for row in rows if row["name"] == "Second"]
    assert site.send("GET", f"{ROOT}/companies({company['id']})/countriesRegions").status == 200
