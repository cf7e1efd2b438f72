"""Finding rows: filters, order, pages, counts, related rows."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from tests.sandbox.dataverse.api import DirectApi, decimal


@pytest.fixture
def places(api: DirectApi) -> DirectApi:
    """Accounts to be found, made at noon of a day in June."""
    api.clock.freeze()
    api.clock.set(datetime(2026, 6, 15, 12, tzinfo=UTC))
    contact = api.make("contacts", firstname="Zoë", lastname="Ähren")
    for values in (
        {"name": "Adams", "address1_city": "Bern", "numberofemployees": 5, "revenue": 10},
        {"name": "adler_1", "address1_city": "Adler_1", "numberofemployees": 50, "creditonhold": True},
        {"name": "Bern", "address1_city": "BERN", "accountcategorycode": 1},
        {"name": "Çelik 100%", "lastonholdtime": "2020-05-06T07:08:09Z"},
    ):
        api.make("accounts", **values)
    api.make("accounts", name="Kühn", bind={"primarycontactid": f"/contacts({contact})"})
    return api


ALL = ["Adams", "Bern", "Kühn", "adler_1", "Çelik 100%"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name eq 'ADAMS'", ["Adams"]),
        ("name eq 'kÜHN'", ["Kühn"]),
        ("name ne 'adams'", ["Bern", "Kühn", "adler_1", "Çelik 100%"]),
        ("address1_city ne 'Bern'", ["Kühn", "adler_1", "Çelik 100%"]),
        ("name eq 'ad%'", ["Adams", "adler_1"]),
        ("name eq 'a_ams'", ["Adams"]),
        ("name eq '[AB]%'", ["Adams", "Bern", "adler_1"]),
        ("name eq '[^AB]%'", ["Kühn", "Çelik 100%"]),
        ("contains(name,'d')", ["Adams", "adler_1"]),
        ("startswith(name,'ç')", ["Çelik 100%"]),
        ("endswith(name,'N')", ["Bern", "Kühn"]),
        ("not contains(name,'d')", ["Bern", "Kühn", "Çelik 100%"]),
        ("name eq address1_city", ["Bern", "adler_1"]),
        ("numberofemployees gt 5 or creditonhold eq true", ["adler_1"]),
        ("numberofemployees eq null", ["Bern", "Kühn", "Çelik 100%"]),
        ("numberofemployees ne 5", ["Bern", "Kühn", "adler_1", "Çelik 100%"]),
        ("revenue eq 10.00", ["Adams"]),
        ("revenue lt 10.0001 and revenue gt 9.9999", ["Adams"]),
        ("exchangerate eq 1 and startswith(name,'K')", ["Kühn"]),
        ("accountcategorycode eq 1", ["Bern"]),
        ("lastonholdtime eq 2020-05-06T09:08:09+02:00", ["Çelik 100%"]),
        ("lastonholdtime gt 2020-05-06T07:08:09.5Z", []),
        ("lastonholdtime ge 2020-05-06T07:08:08.5Z", ["Çelik 100%"]),
        ("primarycontactid/lastname eq 'ähren'", ["Kühn"]),
        ("primarycontactid/createdby/lastname eq 'Integration'", ["Kühn"]),
        ("_primarycontactid_value ne null", ["Kühn"]),
        ("transactioncurrencyid/isocurrencycode eq 'EUR' and creditonhold eq true", ["adler_1"]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['adams','bern'])", ["Adams", "Bern"]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='numberofemployees',PropertyValues=['5','50'])", ["Adams", "adler_1"]),
        ("Microsoft.Dynamics.CRM.NotIn(PropertyName='numberofemployees',PropertyValues=['5'])", ALL[1:]),
        ("Microsoft.Dynamics.CRM.Between(PropertyName='numberofemployees',PropertyValues=['4','6'])", ["Adams"]),
        ("Microsoft.Dynamics.CRM.NotBetween(PropertyName='numberofemployees',PropertyValues=['4','6'])", ALL[1:]),
        ("Microsoft.Dynamics.CRM.On(PropertyName='lastonholdtime',PropertyValue='2020-05-06')", ["Çelik 100%"]),
        ("Microsoft.Dynamics.CRM.OnOrAfter(PropertyName='lastonholdtime',PropertyValue='2020-05-07')", []),
        ("Microsoft.Dynamics.CRM.OnOrBefore(PropertyName='lastonholdtime',PropertyValue='2020-05-06')", ["Çelik 100%"]),
        ("Microsoft.Dynamics.CRM.Today(PropertyName='createdon')", ALL),
        ("Microsoft.Dynamics.CRM.LastXHours(PropertyName='createdon',PropertyValue=1)", ALL),
        ("Microsoft.Dynamics.CRM.LastYear(PropertyName='createdon')", []),
        ("Microsoft.Dynamics.CRM.ThisMonth(PropertyName='modifiedon')", ALL),
        ("Microsoft.Dynamics.CRM.EqualUserId(PropertyName='ownerid')", None),
        ("Microsoft.Dynamics.CRM.EqualUserId(PropertyName='_ownerid_value')", ALL),
    ],
)
def test_filters(places: DirectApi, text: str, names: list[str] | None) -> None:
    if names is None:
        assert places.get(f"accounts?$filter={text}").status == 400
    else:
        assert places.names(text) == names


def test_filters_take_aliases_and_doubled_quotes(places: DirectApi) -> None:
    places.make("accounts", name="O'Bryan")
    assert places.names("name eq 'O''Bryan'") == ["O'Bryan"]
    text = 'Microsoft.Dynamics.CRM.In(PropertyName=@p1,PropertyValues=@p2)&@p1=\'name\'&@p2=["Adams","O\'Bryan"]'
    assert places.names(text) == ["Adams", "O'Bryan"]
    assert places.names("name eq @n&@n='Bern'") == ["Bern"]
    assert places.names("primarycontactid/lastname eq @missing and name eq 'Bern'") == ["Bern"]


def test_collections_are_filtered_with_any_and_all(places: DirectApi) -> None:
    account = places.get("accounts?$filter=name eq 'Bern'").rows[0]["accountid"]
    for name in ("one", "two"):
        places.make("contacts", lastname=name, bind={"parentcustomerid_account": f"/accounts({account})"})
    assert places.names("contact_customer_accounts/any(c:c/lastname eq 'two')") == ["Bern"]
    assert places.names("contact_customer_accounts/any()") == ["Bern"]
    assert "Bern" not in places.names("contact_customer_accounts/all(c:c/lastname eq 'two')")
    assert places.get("accounts?$filter=primarycontactid/Contact_Tasks/any(t:t/subject eq 'x')").status == 400


def test_hierarchies_are_followed_up_and_down(api: DirectApi) -> None:
    top = api.make("accounts", name="top")
    middle = api.make("accounts", name="middle", bind={"parentaccountid": f"/accounts({top})"})
    low = api.make("accounts", name="low", bind={"parentaccountid": f"/accounts({middle})"})
    under = "Microsoft.Dynamics.CRM.Under(PropertyName='accountid',PropertyValue='{}')"
    assert api.names(under.format(top)) == ["low", "middle"]
    above = "Microsoft.Dynamics.CRM.AboveOrEqual(PropertyName='accountid',PropertyValue='{}')"
    assert api.names(above.format(low)) == ["low", "middle", "top"]


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("$filter=name eq 5", "0x80060888", "incompatible types"),
        ("$filter=colour eq 'red'", "0x0", "Could not find a property named 'colour'"),
        ("$filter=primarycontactid/colour eq 'red'", "0x0", "'Microsoft.Dynamics.CRM.contact'"),
        ("$filter=name", "0x80060888", "boolean"),
        ("$filter=name eq", "0x80060888", "Syntax error"),
        ("$filter=name in ('a','b')", "0x80060888", "'in'"),
        ("$filter=Microsoft.Dynamics.CRM.Fly(PropertyName='name')", "0x80060888", "Fly"),
        ("$skip=5", "0x80060888", "$skip"),
        ("$search=x", "0x80060888", "$search"),
        ("$orderby=name sideways", "0x80060888", "$orderby"),
        ("$top=x", "0x80060888", "$top"),
        ("$expand=colour", "0x0", "colour"),
        ("$expand=contact_customer_accounts/$ref", "0x80060888", "Expand with $ref is only supported on lookup"),
        ("$skiptoken=nonsense", "0x80060888", "Paging Cookie"),
    ],
)
def test_queries_that_cannot_be_answered(places: DirectApi, query: str, code: str, text: str) -> None:
    reply = places.get(f"accounts?{query}")
    assert reply.error == (400, code)
    assert text in reply.message


def test_order_is_by_number_for_choices_and_without_case_for_text(places: DirectApi) -> None:
    def names(order: str) -> list[str]:
        return [row["name"] for row in places.get(f"accounts?$select=name&$orderby={order}").rows]

    assert names("name")[:3] == ["Adams", "adler_1", "Bern"]
    assert names("numberofemployees desc,name")[:2] == ["adler_1", "Adams"]
    assert names("primarycontactid/lastname desc,name desc")[0] == "Kühn"


def test_top_yields_to_a_page_size(places: DirectApi) -> None:
    assert len(places.get("accounts?$top=2").rows) == 2
    assert "@odata.nextLink" not in places.get("accounts?$top=2").body
    page = places.get("accounts?$top=2", Prefer="odata.maxpagesize=3")
    assert len(page.rows) == 3
    assert page.headers["preference-applied"] == "odata.maxpagesize=3"


def pages(api: DirectApi, path: str, size: int) -> list[list[dict[str, Any]]]:
    """All pages, following the links."""
    found = []
    link: str | None = path
    while link:
        body = api.get(link, Prefer=f"odata.maxpagesize={size}").body
        found.append(body["value"])
        link = body.get("@odata.nextLink")
    return found


@pytest.mark.parametrize(
    "order", ["", "&$orderby=name", "&$orderby=address1_city desc,name", "&$orderby=numberofemployees"]
)
def test_pages_hold_every_row_once_in_order(places: DirectApi, order: str) -> None:
    path = f"accounts?$select=name{order}&$filter=statecode eq 0"
    whole = [row["name"] for row in places.get(path).rows]
    found = pages(places, path, 2)
    assert [len(page) for page in found] == [2, 2, 1]
    assert [row["name"] for page in found for row in page] == whole


def test_pages_agree_with_the_whole_for_any_order(api: DirectApi) -> None:
    chance = random.Random(7)
    for number in range(40):
        values = {
            "address1_city": chance.choice([None, "Bern", "BERN", "Ähren", "a_b"]),
            "numberofemployees": chance.choice([None, 1, 2, 3]),
            "revenue": chance.choice([None, decimal("1.50"), 2]),
            "creditonhold": chance.choice([True, False]),
        }
        api.make(
            "accounts", name=f"n{number:02d}", **{name: value for name, value in values.items() if value is not None}
        )
    columns = ["address1_city", "numberofemployees", "revenue", "creditonhold", "exchangerate"]
    for size in (1, 3, 7, 40):
        order = ",".join(
            f"{column}{chance.choice(['', ' desc'])}" for column in chance.sample(columns, chance.randint(1, 4))
        )
        path = f"accounts?$select=name&$orderby={order}"
        whole = [row["name"] for row in api.get(path).rows]
        assert [row["name"] for page in pages(api, path, size) for row in page] == whole, order


def test_pages_survive_rows_that_come_and_go(places: DirectApi) -> None:
    first = places.get("accounts?$select=name", Prefer="odata.maxpagesize=2").body
    rest = {row["accountid"] for row in places.get("accounts").rows} - {row["accountid"] for row in first["value"]}
    places.delete(f"accounts({first['value'][0]['accountid']})")
    places.patch("accounts(00000000-0000-0000-0000-000000000000)", {"name": "before everything"})
    link = first["@odata.nextLink"]
    assert {row["accountid"] for row in places.get(link).rows} == rest


def test_the_next_link_is_a_documented_cookie(places: DirectApi) -> None:
    link = places.get("accounts?$select=name", Prefer="odata.maxpagesize=2").body["@odata.nextLink"]
    assert link.startswith(
        "https://localhost:9/api/data/v9.2/accounts?$select=name&$skiptoken=%3Ccookie%20pagenumber=%222%22"
    )
    cookie = unquote(link)
    assert cookie.endswith('istracking="False" />')
    assert '<cookie page="1"><accountid last="{' in unquote(unquote(cookie))


def test_pages_are_never_larger_than_the_limit(places: DirectApi) -> None:
    places.service.switches.change({"page_size": 3})
    assert len(places.get("accounts", Prefer="odata.maxpagesize=4").rows) == 3
    body = places.get("accounts?$count=true").body
    assert (len(body["value"]), body["@odata.count"]) == (3, 5)
    assert [len(page) for page in (body["value"], places.get(body["@odata.nextLink"]).rows)] == [3, 2]


def test_counts_stop_at_five_thousand(api: DirectApi) -> None:
    body = {"Targets": [{"@odata.type": "Microsoft.Dynamics.CRM.task", "subject": "x"}] * 5001}
    assert api.post("tasks/Microsoft.Dynamics.CRM.CreateMultiple", body).status == 200
    page = api.get("tasks?$select=subject&$count=true", Prefer='odata.include-annotations="*"').body
    assert (page["@odata.count"], len(page["value"])) == (5000, 5000)
    assert page["@Microsoft.Dynamics.CRM.totalrecordcount"] == 5000
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True
    assert len(api.get(page["@odata.nextLink"]).rows) == 1
    assert api.get("tasks/$count").raw == b"\xef\xbb\xbf5000"
    assert api.get("tasks/$count?$filter=subject eq 'y'").raw == b"\xef\xbb\xbf0"
    counts = api.row('RetrieveTotalRecordCount(EntityNames=@p)?@p=["task","account"]')["EntityRecordCountCollection"]
    assert counts["Values"] == [5001, 0]
    uncounted = api.get("tasks?$top=1", Prefer='odata.include-annotations="Microsoft.Dynamics.CRM.*"').body
    assert uncounted["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1


def test_formatted_values_come_before_their_values(api: DirectApi) -> None:
    key = api.make(
        "accounts",
        name="x",
        revenue=1234567,
        numberofemployees=9500,
        accountcategorycode=1,
        donotpostalmail=True,
        lastonholdtime="2020-05-06T17:08:09Z",
    )
    columns = (
        "revenue,numberofemployees,accountcategorycode,donotpostalmail,lastonholdtime,name,_ownerid_value,description"
    )
    row = api.row(
        f"accounts({key})?$select={columns}",
        Prefer='odata.include-annotations="OData.Community.Display.V1.FormattedValue"',
    )
    shown = {n.partition("@")[0]: v for n, v in row.items() if n.endswith("@OData.Community.Display.V1.FormattedValue")}
    assert shown == {
        "revenue": "€1,234,567.00",
        "numberofemployees": "9,500",
        "accountcategorycode": "Preferred Customer",
        "donotpostalmail": "Do Not Allow",
        "lastonholdtime": "5/6/2020 5:08 PM",
        "_ownerid_value": "Twinrow Integration",
        "_transactioncurrencyid_value": "Euro",
    }
    names = list(row)
    assert names.index("revenue@OData.Community.Display.V1.FormattedValue") == names.index("revenue") - 1
    assert not any("lookuplogicalname" in name for name in names)


def test_related_rows_come_with_expand(places: DirectApi) -> None:
    account = places.get("accounts?$filter=name eq 'Kühn'").rows[0]["accountid"]
    for name in ("two", "one", "three"):
        places.make("contacts", lastname=name, bind={"parentcustomerid_account": f"/accounts({account})"})
    expand = "primarycontactid($select=fullname;$expand=createdby($select=fullname)),owninguser/$ref"
    row = places.row(f"accounts({account})?$select=name&$expand={expand}")
    assert row["primarycontactid"]["fullname"] == "Zoë Ähren"
    assert row["primarycontactid"]["createdby"]["fullname"] == "Twinrow Integration"
    assert row["owninguser"]["@odata.id"].endswith(f"systemusers({row['_owninguser_value']})")
    assert row["@odata.context"].endswith("#accounts(name,primarycontactid(fullname),owninguser)/$entity")
    children = "contact_customer_accounts($select=lastname;$orderby=lastname;$top=2;$filter=lastname ne 'one')"
    row = places.row(f"accounts({account})?$select=name&$expand={children}")
    assert [child["lastname"] for child in row["contact_customer_accounts"]] == ["three", "two"]
    assert row["contact_customer_accounts@odata.nextLink"].endswith(
        f"accounts({account})/contact_customer_accounts?$select=lastname"
    )
    rows = places.get("accounts?$select=name&$orderby=name&$expand=primarycontactid($select=fullname)").rows
    assert {row["name"]: row["primarycontactid"] and row["primarycontactid"]["fullname"] for row in rows}[
        "Adams"
    ] is None


def test_what_expand_does_not_take(places: DirectApi) -> None:
    nested = "contact_customer_accounts($top=1),primarycontactid($expand=createdby)"
    assert places.get(f"accounts?$expand={nested}").error == (400, "0x80060888")
    many = ",".join(["createdby"] * 16)
    assert places.get(f"accounts?$expand={many}").error == (400, "0x80060888")
    assert places.get("accounts?$expand=createdby($skip=1)").error == (400, "0x80060888")
    assert places.get("teams?$expand=teammembership_association,businessunitid($expand=createdby)").status == 400
