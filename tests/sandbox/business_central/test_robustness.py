"""Whatever is sent, the server answers, and its tables stay sound."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.sandbox.business_central.site import ROOT, SYNC_ROOT, Site, open_site

from twinrow.sandbox.business_central.schema import Page

VALUES: list[Any] = [
    None, "", " ", 0, -5, 1.5, 10**30, True, "abc", "DE", "EUR", "USD", "CT000001", "CT000003", "C000001", "x" * 200,
    "00000000-0000-0000-0000-000000000000", "Person", "Company", "ü ß", "a\0b", [], {}, "2020-01-01", "1M", "BW",
]  # fmt: skip
QUERIES = [
    "$filter=", "$filter=a", "$filter=(((", "$filter=true", "$filter=id eq null", "$filter=contains(id,'x')",
    "$filter=startswith(number,number)", "$filter=systemRowVersion lt 99999999999999999999", "$filter=-1 eq creditLimit",
    "$filter=lastModifiedDateTime gt 2020-01-01", "$filter=substring(displayName,-1) eq 'x'", "$filter=now() eq null",
    "$filter=creditLimit add 5 eq 6", "$filter=displayName eq 'a''b'", "$orderby=", "$orderby=id desc,id", "$select=,",
    "$expand=x", "$expand=currency($filter=code eq 'x')", "$top=1&$skip=100", "$skiptoken=x", "$count=maybe",
]  # fmt: skip


def ids(site: Site, page: Page) -> list[str]:
    return [row["SystemId"] for row in site.table(page.table)] or ["00000000-0000-0000-0000-000000000001"]


def body(chance: random.Random, site: Site, page: Page, number: int) -> dict[str, Any]:
    values = {}
    for item in chance.choices(page.properties, k=chance.randint(0, 6)):
        if not item.read_only or chance.random() < 0.1:
            values[item.name] = chance.choice([*VALUES, chance.choice(ids(site, page))])
    names = [item.name for item in page.properties]
    if chance.random() < 0.7:
        values["displayName" if "displayName" in names else names[0]] = f"Name {number}"
    if "code" in names and chance.random() < 0.7:
        values["code"] = f"K{number}"
    return values


@pytest.mark.parametrize("seed", range(3))
def test_no_request_makes_the_server_stumble(seed: int) -> None:
    site = open_site()
    site.service.load_sample(10, seed)
    chance = random.Random(seed)
    seen: set[int] = set()
    pages = [(root, page) for root, route in ((ROOT, "v2.0"), (SYNC_ROOT, "sync"))
             for page in site.service.schema.pages[route].values() if page.table]  # fmt: skip
    for number in range(500):
        root, page = chance.choice(pages)
        path = f"{root}/companies({site.company})/{page.entity_set}"
        row = f"{path}({chance.choice(ids(site, page))})"
        match chance.choice(("GET", "QUERY", "POST", "PATCH", "PATCH", "DELETE")):
            case "QUERY":
                reply = site.send("GET", f"{path}?{chance.choice(QUERIES)}")
            case "POST":
                reply = site.send("POST", path, body(chance, site, page, number))
            case "PATCH":
                reply = site.send("PATCH", row, body(chance, site, page, number), {"If-Match": "*"})
            case method:
                reply = site.send(method, row, headers={"If-Match": chance.choice(("*", "*", ""))})
        assert reply.status < 300 or "CorrelationId" in reply.message
        seen.add(reply.status)
    assert seen >= {200, 201, 204, 400, 404, 405, 501}

    contacts = {contact["No."] for contact in site.table("contacts")}
    assert all(relation["Contact No."] in contacts for relation in site.table("Contact Business Relation"))
    assert all(contact["Company No."] in contacts | {""} for contact in site.table("contacts"))
    rows = [row for page in {page.table for _, page in pages} for row in site.table(page)]
    assert len({row["SystemRowVersion"] for row in rows}) == len(rows)
