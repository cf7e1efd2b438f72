"""Switches, limits, tables as control sees them, restarts, sample data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.business_central.site import ROOT, ZERO, Site, open_site

from twinrow.sandbox.database import Snapshots
from twinrow.sandbox.http import Request
from twinrow.sandbox.sample import sample_company

# Limits


def test_requests_within_a_window_are_limited(site: Site) -> None:
    site.switch(limits={"requests": 3, "seconds": 300})
    assert [site.get("customers").status for _ in range(4)] == [200, 200, 200, 429]
    assert site.as_client("person").get("customers").status == 200
    site.clock.advance(301)
    assert site.get("customers").status == 200
    refused = [site.get("customers") for _ in range(3)][-1]
    assert (refused.status, "Retry-After" in refused.headers) == (429, False)
    site.switch(limits={"retry_after": 7})
    assert site.get("customers").headers["Retry-After"] == "7"


def test_requests_under_way_are_limited(site: Site) -> None:
    site.switch(limits={"in_flight": 100})
    headers = {"authorization": f"Bearer {site.sign_in.issue('twinrow')}"}
    for in_flight, status in ((100, 200), (101, 429)):
        request = Request("GET", f"{ROOT}/companies", "", headers, b"", in_flight)
        assert site.service.answer(request).status == status


# Tables


def test_tables_have_their_al_names_and_those_of_their_pages(site: Site) -> None:
    site.post("customers", {"displayName": "x"})
    for name in ("Customer", "customer", "customers", "Wieland Werke GmbH$Customer"):
        assert [row["Name"] for row in site.table(name)] == ["x"]
    assert site.table("salesperson/purchaser") == site.table("salespeoplePurchasers") == []
    for unknown in ("unicorns", "Other$Customer"):
        with pytest.raises(LookupError):
            site.table(unknown)


def test_a_row_can_be_written_past_the_rules(site: Site) -> None:
    written = site.write("customers", {"No.": "77", "Name": "Direct", "Country/Region Code": "XX"})
    assert (written["No."], written["Blocked"], written["Country/Region Code"]) == ("77", "_x0020_", "XX")
    assert site.get(f"customers({written['SystemId']})")["displayName"] == "Direct"
    assert site.table("contacts") == []
    again = site.write("customers", {"No.": "77", "City": "Ulm"})
    assert (again["Name"], again["City"], again["SystemId"]) == ("Direct", "Ulm", written["SystemId"])
    assert again["SystemRowVersion"] > written["SystemRowVersion"]
    old = site.write("customers", {"No.": "78", "SystemModifiedAt": "2020-01-02T03:04:05.600Z"})
    assert site.get(f"customers({old['SystemId']})")["lastModifiedDateTime"] == "2020-01-02T03:04:05.6Z"
    with pytest.raises(LookupError, match="Nmae"):
        site.write("customers", {"Nmae": "x"})


# Switches and restarts


def test_switches_are_put_back_by_a_reset(site: Site) -> None:
    site.switch(manual_numbers=False, contact_creation=False)
    site.post("customers", {"displayName": "x"})
    site.service.switches.reset()
    site.service.reset()
    assert site.table("customers") == []
    assert site.post("customers", {"displayName": "x", "number": "1"}).status == 201
    assert len(site.table("contacts")) == 1


def test_switches_that_make_no_sense_are_refused(site: Site) -> None:
    for value in (["x" * 31], ["a$b"], [""], [5]):
        with pytest.raises(ValueError, match="30 characters"):
            site.switch(companies=value)
    for size in (0, -1, 2.5):
        with pytest.raises(ValueError, match="page"):
            site.switch(page_size=size)
    assert site.get("customers").status == 200


def test_a_server_that_is_opened_again_goes_on_where_it_was(tmp_path: Path) -> None:
    first = open_site(tmp_path / "bc.db")
    made = first.post("customers", {"displayName": "x"}, sync=True)
    deleted = first.post("customers", {"displayName": "y"}, sync=True)
    first.delete(f"customers({deleted['id']})")
    first.service.connection.close()

    second = open_site(tmp_path / "bc.db")
    assert second.get(f"customers({made['id']})", sync=True).body == made.body
    later = second.post("customers", {"displayName": "z"}, sync=True)
    assert later["systemRowVersion"] > deleted["systemRowVersion"]
    assert later["number"] == "C000003"
    assert later["id"] not in (made["id"], deleted["id"])
    second.service.connection.close()


def test_a_snapshot_brings_everything_back(site: Site) -> None:
    site.post("customers", {"displayName": "x"})
    snapshots = Snapshots(site.service.connection)
    snapshots.take("before")
    site.switch(companies=[*site.service.companies, "Second"])
    site.post("paymentTerms", {"code": "NEW"})
    site.post("customers", {"displayName": "y"})
    site.switch(companies=[])
    snapshots.restore("before")
    site.service.reload()
    assert [row["Name"] for row in site.table("customers")] == ["x"]
    assert site.table("Payment Terms") == []
    assert list(site.service.companies) == ["Wieland Werke GmbH"]
    assert site.post("customers", {"displayName": "z"})["number"] == "C000002"


def test_two_environments_give_different_ids(site: Site) -> None:
    ids = {opened.post("vendors", {"displayName": "x"})["id"] for opened in (site, open_site())}
    assert len(ids) == 2


# Sample data


@pytest.fixture(scope="module")
def sample() -> Site:
    site = open_site()
    site.service.load_sample(40, 3)
    return site


def test_the_sample_fills_the_company(sample: Site) -> None:
    company = sample_company(40, 3)
    assert sample.send("GET", f"{ROOT}/companies").rows[0]["id"] == company.id
    customers = sample.get("customers").rows
    assert [row["id"] for row in customers] == [party.id for party in company.customers()]
    assert [row["displayName"] for row in customers] == [party.name for party in company.customers()]
    assert len(sample.get("vendors").rows) == 8
    assert {row["code"] for row in sample.get("currencies").rows} == {
        currency.code for currency in company.lists.currencies
    } - {"EUR"}
    rates = sample.get("currencyExchangeRates").rows
    assert all(row["exchangeRateAmount"] > 0 and row["relationalExchangeRateAmount"] == 1 for row in rates)


def test_everybody_in_the_sample_has_a_contact(sample: Site) -> None:
    contacts = {row["No."]: row for row in sample.table("contacts")}
    relations = sample.table("Contact Business Relation")
    assert len(relations) == 48
    partners = {row["No."]: row for table in ("customers", "vendors") for row in sample.table(table)}
    for relation in relations:
        contact, partner = contacts[relation["Contact No."]], partners[relation["No."]]
        for field in ("Name", "City", "Post Code", "Phone No.", "E-Mail", "Country/Region Code", "Currency Code"):
            assert contact[field] == partner[field]
        if partner["Primary Contact No."]:
            person = contacts[partner["Primary Contact No."]]
            assert (person["Type"], person["Company No."], person["Name"]) == (
                "Person",
                contact["No."],
                partner["Contact"],
            )
    people = [row for row in contacts.values() if row["Type"] == "Person"]
    assert people
    for row in people:
        assert row["Name"] == f"{row['First Name']} {row['Surname']}"
        assert row["Contact Business Relation"] in ("Customer", "Vendor")


def test_sample_rows_can_be_written_again_as_they_are(sample: Site) -> None:
    """What the sample holds passes the rules that the API holds clients to."""
    writable: dict[str, tuple[str, ...]] = {
        "customers": ("displayName", "phoneNumber", "faxNo", "email", "salespersonCode", "paymentTermsId", "blocked"),
        "contacts": ("firstName", "surname", "phoneNumber", "mobilePhoneNumber", "email", "salutationCode"),
    }
    for entity_set, names in writable.items():
        for row in sample.get(entity_set, sync=True).rows[:30]:
            if entity_set == "contacts" and row["type"] == "Company":
                continue
            body: dict[str, Any] = {name: row[name] for name in names}
            changed = sample.patch(f"{entity_set}({row['id']})", body, sync=True)
            assert changed.status == 200, changed.body
            assert {name: changed[name] for name in names} == body


def test_the_same_sample_has_the_same_rows(sample: Site) -> None:
    again = open_site()
    made = again.service.load_sample(40, 3)
    assert made["Customer"] == 40
    names = ("id", "number", "displayName", "city", "email", "contact")

    def shown(site: Site) -> list[list[Any]]:
        return [[row[name] for name in names] for row in site.get("vendors", sync=True).rows]

    assert shown(again) == shown(sample)
    assert all(row["SystemCreatedBy"] == ZERO for row in again.table("vendors"))
