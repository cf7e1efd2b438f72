"""Collections: filters, order, selection, expansion, paging."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.business_central.site import HOST, ROOT, ZERO, Site


@pytest.fixture
def stocked(furnished: Site) -> Site:
    """Five customers: C000001 to C000005."""
    bodies: list[dict[str, Any]] = [
        {"displayName": "Adler AG", "city": "Bern", "creditLimit": 100, "phoneNumber": "1"},
        {"displayName": "Biber GmbH", "city": "Bonn", "creditLimit": 20.5, "blocked": "Ship"},
        {"displayName": "adler und Söhne", "city": "Bern", "taxLiable": True},
        {"displayName": "Dachs & Co", "city": "Köln", "currencyCode": "USD"},
        {"displayName": "Elster", "city": "", "creditLimit": 100},
    ]
    for body in bodies:
        assert furnished.post("customers", body).status == 201
    return furnished


def numbers(site: Site, query: str, **headers: str) -> list[str]:
    reply = site.get(f"customers?{query}", **headers)
    assert reply.status == 200, reply.body
    return [row["number"][-1] for row in reply.rows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("city eq 'Bern'", "13"),
        ("city ne 'Bern'", "245"),
        ("city eq ''", "5"),
        ("city eq 'bern'", ""),
        ("tolower(city) eq 'köln'", "4"),
        ("toupper(city) eq 'KÖLN'", "4"),
        ("startswith(displayName,'Adler')", "1"),
        ("endswith(displayName,'GmbH')", "2"),
        ("contains(displayName,'l')", "135"),
        ("contains(displayName,'')", "12345"),
        ("substring(city,1) eq 'ern'", "13"),
        ("substring(city,0,2) eq 'Be'", "13"),
        ("displayName eq 'Dachs & Co'", "4"),
        ("creditLimit gt 20.5", "15"),
        ("creditLimit ge 20.5 and creditLimit lt 100", "2"),
        ("taxLiable eq true", "3"),
        ("taxLiable", "3"),
        ("blocked eq '_x0020_'", "1345"),
        ("blocked eq ' '", "1345"),
        ("blocked ne ' '", "2"),
        ("blocked eq Microsoft.NAV.customerBlocked'Ship'", "2"),
        ("number eq 'c000002'", "2"),
        ("number gt 'C000003'", "45"),
        ("city eq 'Bern' or city eq 'Bonn'", "123"),
        ("(city eq 'Bern' or city eq 'Bonn') and blocked eq ' '", "13"),
        ("currencyId ne 00000000-0000-0000-0000-000000000000", "4"),
        ("lastModifiedDateTime gt 2000-01-01T00:00:00Z", "12345"),
        ("lastModifiedDateTime gt 2999-01-01T00:00:00.123456Z", ""),
        ("lastModifiedDateTime gt 0001-01-01T00:00:00Z", "12345"),
    ],
)
def test_filters(stocked: Site, text: str, found: str) -> None:
    query = "$filter=" + text.replace("&", "%26")
    assert "".join(numbers(stocked, query)) == found


def test_a_filter_on_times_knows_milliseconds(stocked: Site) -> None:
    last = stocked.get("customers?$orderby=lastModifiedDateTime desc&$top=1").rows[0]["lastModifiedDateTime"]
    assert numbers(stocked, f"$filter=lastModifiedDateTime gt {last}") == []
    assert "5" in numbers(stocked, f"$filter=lastModifiedDateTime ge {last}")


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("city eq 'Bern' or displayName eq 'Elster'", 501, "BadRequest_MethodNotImplemented"),
        ("not (city eq 'Bern')", 501, "BadRequest_MethodNotImplemented"),
        ("city in ('Bern','Bonn')", 501, "BadRequest_MethodNotImplemented"),
        ("contains(tolower(city),'bern')", 501, "BadRequest_MethodNotImplemented"),
        ("city eq displayName", 501, "BadRequest_MethodNotImplemented"),
        ("length(city) gt 3", 501, "BadRequest_MethodNotImplemented"),
        ("nickname eq 'x'", 400, "BadRequest"),
        ("currencyCode eq 'USD'", 400, "BadRequest"),
        ("id eq 'text'", 400, "BadRequest"),
        ("creditLimit eq 'text'", 400, "BadRequest"),
        ("blocked eq 'Never'", 400, "BadRequest"),
        ("number eq 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'", 400, "Application_FilterErrorException"),
        ("city eq", 400, "BadRequest_NotFound"),
        ("city eq 'open", 400, "BadRequest_NotFound"),
        ("'text'", 400, "BadRequest_NotFound"),
    ],
)
def test_filters_that_are_refused(stocked: Site, text: str, status: int, code: str) -> None:
    refused = stocked.get(f"customers?$filter={text}")
    assert (refused.status, refused.code) == (status, code), refused.body


def test_the_newer_schema_version_knows_in_and_nested_functions(stocked: Site) -> None:
    assert numbers(stocked, "$schemaversion=2.1&$filter=city in ('Bern','Bonn')") == ["1", "2", "3"]
    assert numbers(stocked, "$schemaversion=2.1&$filter=contains(tolower(displayName),'adler')") == ["1", "3"]
    assert stocked.get("customers?$schemaversion=9&$filter=city eq 'x'").status == 400


def test_any_and_all_leave_the_result_unfiltered_without_a_word(stocked: Site) -> None:
    assert len(numbers(stocked, "$filter=contactsInformation/any(c: c/contactName eq 'Nobody')")) == 5
    assert len(numbers(stocked, "$filter=city eq 'Bern' and contactsInformation/all(c: c/contactName eq 'x')")) == 5


def test_a_filter_has_at_most_a_hundred_nodes(stocked: Site) -> None:
    def chain(length: int) -> str:
        return " or ".join(f"number eq 'C{number}'" for number in range(length))

    assert stocked.get(f"customers?$filter={chain(20)}").status == 200
    refused = stocked.get(f"customers?$filter={chain(21)}")
    assert (refused.status, refused.code) == (400, "BadRequest")
    assert "'100'" in refused.message


def test_order(stocked: Site) -> None:
    assert "".join(numbers(stocked, "$orderby=displayName desc")) == "35421"
    assert "".join(numbers(stocked, "$orderby=creditLimit desc,number desc")) == "51243"
    assert "".join(numbers(stocked, "$orderby=city,displayName desc")) == "53124"
    assert stocked.get("customers?$orderby=nickname").code == "BadRequest"
    assert stocked.get("customers?$orderby=currencyCode").code == "BadRequest"


def test_selection(stocked: Site) -> None:
    row = stocked.get("customers?$select=number,currencyCode&$top=1").rows[0]
    assert sorted(row) == ["@odata.etag", "currencyCode", "number"]
    single = stocked.get("customers?$select=id&$top=1").rows[0]["id"]
    assert sorted(stocked.get(f"customers({single})?$select=displayName").body) == [
        "@odata.context",
        "@odata.etag",
        "displayName",
    ]
    assert stocked.get("customers?$select=nickname").message.startswith(
        "Could not find a property named 'nickname' on type 'Microsoft.NAV.customer'."
    )


def test_counting(stocked: Site) -> None:
    reply = stocked.get("customers?$count=true&$top=2&$filter=city eq 'Bern'")
    assert (reply["@odata.count"], len(reply.rows)) == (2, 2)
    plain = stocked.get("customers/$count?$filter=creditLimit gt 0")
    assert (plain.status, plain.headers["Content-Type"], plain.body) == (200, "text/plain", "3")


def test_top_and_skip(stocked: Site) -> None:
    assert "".join(numbers(stocked, "$top=2&$skip=1")) == "23"
    assert numbers(stocked, "$top=0") == []
    assert stocked.get("customers?$top=x").code == "BadRequest_NotFound"
    assert stocked.get("customers?$top=-1").code == "BadRequest_NotFound"


def test_options_that_do_not_exist_here_are_refused(stocked: Site) -> None:
    for option in ("$apply=aggregate($count as n)", "$search=Adler", "$deltatoken=x"):
        refused = stocked.get(f"customers?{option}")
        assert (refused.status, refused.code) == (501, "BadRequest_MethodNotImplemented")


def test_other_parameters_and_languages_do_not_matter(stocked: Site) -> None:
    assert len(numbers(stocked, "tenant=default", Accept_Language="de-DE")) == 5


def test_expansion_of_one_row(stocked: Site) -> None:
    rows = stocked.get("customers?$expand=currency,paymentTerm($select=code)&$filter=number gt 'C000003'").rows
    assert rows[0]["currency"]["code"] == "USD"
    assert rows[0]["paymentTerm"] is None
    assert rows[1]["currency"] is None
    currency = rows[0]["currency"]
    assert stocked.get(f"customers({rows[0]['id']})/currency").body["id"] == currency["id"]
    assert stocked.get(f"customers({rows[1]['id']})/currency").status == 204
    assert stocked.get("customers?$expand=orders").code == "BadRequest"


def test_contacts_of_a_customer(stocked: Site) -> None:
    customer = stocked.get("customers?$top=1").rows[0]
    company = stocked.table("contacts")[0]
    person = stocked.post("contacts", {"displayName": "Ida Adler", "type": "Person", "companyNumber": company["No."]})
    below = stocked.get(f"customers({customer['id']})/contactsInformation")
    shown = [(row["contactName"], row["contactType"], row["relatedType"]) for row in below.rows]
    assert shown == [("Adler AG", "Company", "Customer"), ("Ida Adler", "Person", "Customer")]
    assert below.rows[1]["contactId"] == person["id"]
    assert below.rows[1]["relatedId"] == customer["id"]
    expanded = stocked.get(f"customers({customer['id']})?$expand=contactsInformation")
    assert expanded["contactsInformation"] == below.rows
    alone = stocked.get("contactsInformation")
    assert (alone.status, alone.code) == (400, "Application_DialogException")


# Paging


def pages(site: Site, target: str, size: int) -> list[list[str]]:
    headers = {"Prefer": f"odata.maxpagesize={size}"}
    reply = site.send("GET", site.path(target), headers=headers)
    found = [[row["number"][-1] for row in reply.rows]]
    while "@odata.nextLink" in reply.body:
        reply = site.send("GET", reply["@odata.nextLink"], headers=headers)
        assert reply.status == 200, reply.body
        found.append([row["number"][-1] for row in reply.rows])
    return found


def test_pages_follow_each_other(stocked: Site) -> None:
    assert pages(stocked, "customers", 2) == [["1", "2"], ["3", "4"], ["5"]]
    assert pages(stocked, "customers?$orderby=displayName desc", 3) == [["3", "5", "4"], ["2", "1"]]
    assert pages(stocked, "customers?$orderby=creditLimit desc,number", 2) == [["1", "5"], ["2", "3"], ["4"]]
    assert pages(stocked, "customers?$filter=city eq 'Bern'", 1) == [["1"], ["3"], []]


def test_a_full_page_has_a_link_even_when_nothing_follows(stocked: Site) -> None:
    assert pages(stocked, "customers", 5) == [["1", "2", "3", "4", "5"], []]


def test_the_link_names_the_last_row_and_keeps_the_options(stocked: Site) -> None:
    reply = stocked.get("customers?$filter=city ne 'Köln'&$select=number,id&$count=true", Prefer="odata.maxpagesize=2")
    link = reply["@odata.nextLink"]
    assert link.startswith(f"{HOST}{ROOT}/companies({stocked.company})/customers?$filter=")
    assert link.endswith(f"&aid=FIN&$skiptoken={reply.rows[-1]['id']}")
    assert reply.headers["Preference-Applied"] == "odata.maxpagesize=2"
    following = stocked.send("GET", link)
    assert [row["number"] for row in following.rows] == ["C000003", "C000005"]
    assert following["@odata.count"] == 4


def test_the_page_size_is_not_in_the_link(stocked: Site) -> None:
    reply = stocked.get("customers", Prefer="odata.maxpagesize=1")
    assert len(stocked.send("GET", reply["@odata.nextLink"]).rows) == 4


def test_top_is_met_over_several_pages(stocked: Site) -> None:
    assert pages(stocked, "customers?$top=3", 2) == [["1", "2"], ["3"]]
    assert pages(stocked, "customers?$top=2", 2) == [["1", "2"]]


def test_the_server_has_a_page_size_of_its_own(stocked: Site) -> None:
    stocked.switch(page_size=2)
    assert pages(stocked, "customers", 100) == [["1", "2"], ["3", "4"], ["5"]]
    assert len(stocked.get("customers").rows) == 2


def test_a_row_that_moved_takes_the_place_in_the_list_with_it(stocked: Site) -> None:
    """Paging by a version that changes meanwhile passes rows over; who pages so must go by the value, not the link."""
    first = stocked.send(
        "GET", stocked.path("customers?$orderby=systemRowVersion", sync=True), headers={"Prefer": "odata.maxpagesize=2"}
    )
    stocked.patch(f"customers({first.rows[-1]['id']})", {"phoneNumber": "9"})
    assert stocked.send("GET", first["@odata.nextLink"]).rows == []


def test_a_link_to_a_deleted_row_leads_nowhere(stocked: Site) -> None:
    first = stocked.get("customers", Prefer="odata.maxpagesize=2")
    stocked.delete(f"customers({first.rows[-1]['id']})")
    refused = stocked.send("GET", first["@odata.nextLink"])
    assert (refused.status, refused.code) == (400, "SkipTokenIsNoLongerValid")


def test_rows_inserted_behind_the_link_are_found(stocked: Site) -> None:
    first = stocked.get("customers", Prefer="odata.maxpagesize=4")
    stocked.post("customers", {"displayName": "Fuchs"})
    assert [row["number"] for row in stocked.send("GET", first["@odata.nextLink"]).rows] == ["C000005", "C000006"]


def test_blank_ids_and_dates(stocked: Site) -> None:
    assert stocked.get("customers?$top=1").rows[0]["paymentTermsId"] == ZERO
    assert stocked.get("contacts?$top=1").rows[0]["lastInteractionDate"] == "0001-01-01"
