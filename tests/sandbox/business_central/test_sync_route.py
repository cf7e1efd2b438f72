"""Twinrow's own pages: row versions, marks, who changed a row, belonging by id."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.sandbox.business_central.site import SYNC_ROOT, ZERO, Site

MARK = "0f0e0d0c-0b0a-4000-8000-000000000001"
WRITABLE = {
    "customers": {"displayName": "x"},
    "vendors": {"displayName": "x"},
    "contacts": {"displayName": "x"},
    "salespeoplePurchasers": {"code": "X"},
    "currencies": {"code": "X"},
    "paymentTerms": {"code": "X"},
    "shipmentMethods": {"code": "X"},
    "shippingAgents": {"code": "X"},
    "countriesRegions": {"code": "X"},
}


def test_a_site_without_the_extension_has_no_such_route(site: Site) -> None:
    assert site.get("customers", sync=True).status == 200
    site.switch(custom_route=False)
    refused = site.get("customers", sync=True)
    assert (refused.status, refused.code) == (404, "BadRequest_ResourceNotFound")
    assert site.batch([], sync=True).status == 404
    assert site.get("customers").status == 200


def test_both_routes_show_the_same_row(site: Site) -> None:
    made = site.post("customers", {"displayName": "x", "contact": "Ida", "faxNo": "9", "mobilePhoneNo": "8"}, sync=True)
    assert (made["contact"], made["faxNo"], made["mobilePhoneNo"]) == ("Ida", "9", "8")
    standard = site.get(f"customers({made['id']})")
    assert standard.etag == made.etag
    assert standard["lastModifiedDateTime"] == made["lastModifiedDateTime"]


def test_row_versions_grow_over_all_tables(site: Site) -> None:
    seen = []
    for entity_set, body in WRITABLE.items():
        made = site.post(entity_set, body, sync=True)
        changed = site.patch(f"{entity_set}({made['id']})", {}, sync=True)
        seen += [made["systemRowVersion"], changed["systemRowVersion"]]
    assert seen == sorted(set(seen))
    assert seen[0] > 2**32


def test_row_versions_are_filtered_and_ordered(site: Site) -> None:
    rows = [site.post("customers", {"displayName": name}, sync=True) for name in "abcd"]
    changed = site.patch(f"customers({rows[0]['id']})", {"faxNo": "1"}, sync=True)["systemRowVersion"]
    low = rows[1]["systemRowVersion"]

    def names(condition: str) -> str:
        query = f"customers?$filter={condition}&$orderby=systemRowVersion"
        return "".join(row["displayName"] for row in site.get(query, sync=True).rows)

    assert names(f"systemRowVersion gt {low}") == "cda"
    assert names(f"systemRowVersion ge {low}") == "bcda"
    assert names(f"systemRowVersion ge {low} and systemRowVersion lt {changed}") == "bcd"
    assert names(f"systemRowVersion le {low}") == "b"


def test_the_state_tells_which_versions_are_settled(site: Site) -> None:
    row = site.post("customers", {"displayName": "x"}, sync=True)
    [state] = site.get("syncStates", sync=True).rows
    assert state["lastUsedRowVersion"] == row["systemRowVersion"]
    assert state["minimumActiveRowVersion"] == row["systemRowVersion"] + 1
    assert site.get(f"syncStates({state['id']})", sync=True)["lastUsedRowVersion"] == state["lastUsedRowVersion"]
    assert site.get("syncstates").status == 404
    assert site.post("syncStates", {}, sync=True).status == 405


def test_what_is_rolled_back_leaves_a_gap_in_the_versions(site: Site) -> None:
    before = site.get("syncStates", sync=True).rows[0]["lastUsedRowVersion"]
    assert site.post("customers", {"displayName": "x", "number": "1"}).status == 201
    assert site.post("customers", {"displayName": "x", "number": "1"}).status == 400
    later = site.post("customers", {"displayName": "x"}, sync=True)
    assert later["systemRowVersion"] > before + 3


@pytest.mark.parametrize("entity_set", WRITABLE)
def test_a_mark_is_set_once(site: Site, entity_set: str) -> None:
    body = WRITABLE[entity_set]
    made = site.post(entity_set, {**body, "syncMark": MARK.upper()}, sync=True)
    assert (made.status, made["syncMark"]) == (201, MARK)
    found = site.get(f"{entity_set}?$filter=syncMark eq {MARK}", sync=True).rows
    assert [row["id"] for row in found] == [made["id"]]

    tables = ("customers", "vendors", "contacts", "Contact Business Relation", "No. Series Line")
    before = {table: site.table(table) for table in tables}
    again = site.post(entity_set, {**body, "code": "Y"} if "code" in body else {**body, "syncMark": MARK}, sync=True)
    if "code" in body:
        assert again["syncMark"] == ZERO
        again = site.post(entity_set, {**body, "code": "Z", "syncMark": MARK}, sync=True)
    assert (again.status, again.code) == (400, "Application_DialogException")
    assert MARK in again.message
    assert {table: site.table(table) for table in tables} == before

    target = f"{entity_set}({made['id']})"
    assert site.patch(target, {"syncMark": MARK}, sync=True).status == 200
    for other in (ZERO, MARK.replace("1", "2")):
        refused = site.patch(target, {"syncMark": other}, sync=True)
        assert (refused.status, refused.code) == (400, "Application_DialogException")


def test_marks_of_different_tables_do_not_meet(site: Site) -> None:
    assert site.post("customers", {"displayName": "x", "syncMark": MARK}, sync=True).status == 201
    assert site.post("vendors", {"displayName": "x", "syncMark": MARK}, sync=True).status == 201
    assert {row["Twinrow Sync Mark"] for row in site.table("contacts")} == {ZERO}


def test_a_mark_is_free_again_when_its_row_is_deleted(site: Site) -> None:
    for _ in range(2):
        made = site.post("vendors", {"displayName": "x", "syncMark": MARK}, sync=True)
        assert made.status == 201
        site.delete(f"vendors({made['id']})")


def test_a_mark_of_zeros_is_none(site: Site) -> None:
    for _ in range(2):
        assert site.post("customers", {"displayName": "x", "syncMark": ZERO}, sync=True).status == 201


def test_the_standard_route_knows_no_marks(site: Site) -> None:
    refused = site.post("customers", {"displayName": "x", "syncMark": MARK})
    assert (refused.status, refused.code) == (400, "BadRequest")


def test_times_and_authors(site: Site) -> None:
    site.clock.freeze()
    site.clock.set(datetime(2026, 3, 5, 19, 19, 22, 371000, tzinfo=UTC))
    made = site.post("customers", {"displayName": "x"}, sync=True)
    assert made["systemCreatedAt"] == made["lastModifiedDateTime"] == "2026-03-05T19:19:22.37Z"
    assert made["modifiedBy"] == "Twinrow Integration"
    site.clock.set(datetime(2026, 3, 5, 19, 20, 0, tzinfo=UTC))
    changed = site.as_client("person").patch(f"customers({made['id']})", {"creditLimit": 1}, sync=True)
    assert changed["systemCreatedAt"] == "2026-03-05T19:19:22.37Z"
    assert changed["lastModifiedDateTime"] == "2026-03-05T19:20:00Z"
    assert changed["modifiedBy"] == "Paula Person"
    assert site.get("contacts", sync=True).rows[0]["modifiedBy"] == "Twinrow Integration"
    assert site.get("customers?$filter=modifiedBy eq 'Paula Person'", sync=True).code == "BadRequest"


def test_whom_the_logic_touches_is_stamped_too(site: Site) -> None:
    made = site.post("customers", {"displayName": "x"}, sync=True)
    site.clock.advance(60)
    site.as_client("person").patch(f"customers({made['id']})", {"displayName": "y"}, sync=True)
    [contact] = site.get("contacts", sync=True).rows
    assert contact["modifiedBy"] == "Paula Person"
    assert contact["lastModifiedDateTime"] > made["lastModifiedDateTime"]


# A person belongs to a customer or vendor


def test_people_are_put_to_customers_and_vendors_by_id(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    vendor = site.post("vendors", {"displayName": "Werk"})
    worker = site.post("contacts", {"type": "Person", "surname": "Berg", "customerId": customer["id"]}, sync=True)
    assert (worker["companyNumber"], worker["companyName"]) == ("CT000001", "Kontor")
    assert (worker["customerId"], worker["vendorId"]) == (customer["id"], ZERO)
    assert worker["contactBusinessRelation"] == "Customer"
    target = f"contacts({worker['id']})"
    moved = site.patch(target, {"vendorId": vendor["id"], "customerId": ZERO}, sync=True)
    assert (moved["customerId"], moved["vendorId"], moved["companyNumber"]) == (ZERO, vendor["id"], "CT000002")
    assert moved["contactBusinessRelation"] == "Vendor"
    same = site.patch(target, {"customerId": ZERO}, sync=True)
    assert same["vendorId"] == vendor["id"]
    alone = site.patch(target, {"vendorId": ZERO}, sync=True)
    assert (alone["vendorId"], alone["companyNumber"], alone["contactBusinessRelation"]) == (ZERO, "", "None")
    assert site.get("contacts?$select=number,customerId", sync=True).rows[0]["customerId"] == customer["id"]


def test_an_id_that_leads_to_no_contact_is_refused(site: Site) -> None:
    site.switch(contact_creation=False)
    without = site.post("customers", {"displayName": "Kontor"})
    for unknown in ("5d115c9c-44e3-ea11-bb43-000d3a2feca1", without["id"]):
        refused = site.post("contacts", {"type": "Person", "surname": "Berg", "customerId": unknown}, sync=True)
        assert (refused.status, refused.code) == (400, "Application_DialogException")
    assert site.table("contacts") == []


def test_a_company_contact_does_not_belong_to_anyone_else(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    refused = site.post("contacts", {"displayName": "Werk", "customerId": customer["id"]}, sync=True)
    assert refused.code == "Application_FieldValidationException"


def test_relations_can_be_read(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    [row] = site.get("contactBusinessRelations", sync=True).rows
    assert (row["contactNumber"], row["contactName"]) == ("CT000001", "Kontor")
    assert (row["linkToTable"], row["number"]) == ("Customer", customer["number"])
    assert (row["businessRelationCode"], row["businessRelationDescription"]) == ("CUST", "Customer")
    assert row["systemRowVersion"] > 0
    assert site.delete(f"contactBusinessRelations({row['id']})", sync=True).status == 405
    refused = site.get("contactBusinessRelations?$filter=contactName eq 'Kontor'", sync=True)
    assert refused.code == "BadRequest"


def test_the_local_currency_can_be_read(site: Site) -> None:
    [setup] = site.get("generalLedgerSetup", sync=True).rows
    assert (setup["localCurrencyCode"], setup["reqCountryRegCodeInAddr"]) == ("EUR", False)
    assert site.send("GET", f"{SYNC_ROOT}/companies").rows[0]["id"] == site.company
