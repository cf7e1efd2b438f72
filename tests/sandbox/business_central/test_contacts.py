"""The contacts behind customers and vendors: how they come to be, and who follows whom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.business_central.site import Reply, Site


def relation_rows(site: Site) -> list[tuple[str, str, str]]:
    rows = site.table("Contact Business Relation")
    return [(row["Contact No."], row["Link to Table"], row["No."]) for row in rows]


def versions(site: Site, *tables: str) -> dict[str, int]:
    return {row["No."]: row["SystemRowVersion"] for table in tables for row in site.table(table)}


def person(site: Site, company: str, first: str = "Ida", last: str = "Berg", **more: Any) -> Reply:
    body = {"type": "Person", "companyNumber": company, "firstName": first, "surname": last, **more}
    return site.post("contacts", body, sync=True)


# New customers and vendors


def test_a_new_customer_gets_a_contact(furnished: Site) -> None:
    furnished.post(
        "customers",
        {"displayName": "Kontor", "city": "Kiel", "phoneNumber": "0431", "email": "a@b.example", "salespersonCode": "BW",
         "currencyCode": "USD", "country": "DE", "website": "https://b.example"},
    )  # fmt: skip
    [contact] = furnished.get("contacts", sync=True).rows
    assert (contact["type"], contact["number"], contact["companyNumber"]) == ("Company", "CT000001", "CT000001")
    assert (contact["displayName"], contact["companyName"]) == ("Kontor", "Kontor")
    assert (contact["city"], contact["phoneNumber"], contact["email"]) == ("Kiel", "0431", "a@b.example")
    assert (contact["salespersonCode"], contact["currencyCode"], contact["country"]) == ("BW", "USD", "DE")
    assert contact["contactBusinessRelation"] == "Customer"
    assert relation_rows(furnished) == [("CT000001", "Customer", "C000001")]


def test_a_new_vendor_gets_a_company_contact(furnished: Site) -> None:
    furnished.post("vendors", {"displayName": "Werk", "purchaserCode": "HJ", "mobilePhoneNo": "017"}, sync=True)
    [contact] = furnished.get("contacts", sync=True).rows
    assert (contact["type"], contact["salespersonCode"], contact["mobilePhoneNumber"]) == ("Company", "HJ", "017")
    assert contact["contactBusinessRelation"] == "Vendor"


def test_no_contact_is_made_when_the_setup_does_not_want_it(site: Site) -> None:
    site.switch(contact_creation=False)
    site.post("customers", {"displayName": "Kontor"})
    assert site.table("contacts") == []
    site.switch(contact_creation=True)
    site.post("customers", {"displayName": "Kontor"})
    assert len(site.table("contacts")) == 1


def test_a_person_as_customer_is_its_own_primary_contact(site: Site) -> None:
    made = site.post("customers", {"displayName": "Ida Maria Berg", "type": "Person"}, sync=True)
    assert (made["primaryContactNo"], made["contact"]) == ("CT000001", "Ida Maria Berg")
    [contact] = site.get("contacts", sync=True).rows
    assert (contact["type"], contact["companyNumber"]) == ("Person", "")
    assert (contact["firstName"], contact["middleName"], contact["surname"]) == ("Ida", "Maria", "Berg")
    assert contact["contactBusinessRelation"] == "Customer"
    renamed = site.patch(f"customers({made['id']})", {"displayName": "Ida Holm"}, sync=True)
    assert renamed["contact"] == "Ida Holm"
    assert site.get("contacts", sync=True).rows[0]["surname"] == "Holm"


def test_a_customer_made_for_a_person_takes_over_that_persons_company(site: Site) -> None:
    company = site.post("contacts", {"displayName": "Kontor"})
    worker = person(site, company["number"])
    made = site.post("customers", {"displayName": "Kontor", "primaryContactNo": worker["number"]}, sync=True)
    assert made["contact"] == "Ida Berg"
    assert relation_rows(site) == [(company["number"], "Customer", made["number"])]
    assert len(site.table("contacts")) == 2
    assert site.get(f"contacts({worker['id']})")["contactBusinessRelation"] == "Customer"
    again = site.post("customers", {"displayName": "Kontor", "primaryContactNo": worker["number"]}, sync=True)
    assert again.code == "Application_DialogException"


# Primary contacts


def test_a_primary_contact_fills_the_name(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    worker = person(site, "CT000001")
    target = f"customers({customer['id']})"
    changed = site.patch(target, {"contact": "somebody", "primaryContactNo": worker["number"]}, sync=True)
    assert (changed["contact"], changed["primaryContactNo"]) == ("Ida Berg", worker["number"])
    cleared = site.patch(target, {"primaryContactNo": ""}, sync=True)
    assert (cleared["contact"], cleared["primaryContactNo"]) == ("", "")


def test_the_company_contact_as_primary_contact_lends_its_numbers(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor", "phoneNumber": "1", "email": "a@b.example"})
    contact = site.table("contacts")[0]
    site.write("contacts", {"SystemId": contact["SystemId"], "Phone No.": "2", "Mobile Phone No.": "3", "E-Mail": ""})
    changed = site.patch(f"customers({customer['id']})", {"primaryContactNo": "CT000001"}, sync=True)
    assert (changed["contact"], changed["phoneNumber"], changed["mobilePhoneNo"]) == ("", "2", "3")
    assert changed["email"] == "a@b.example"


def test_a_strangers_contact_is_no_primary_contact(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    site.post("customers", {"displayName": "Fremd"})
    stranger = person(site, "CT000002")
    refused = site.patch(f"customers({customer['id']})", {"primaryContactNo": stranger["number"]}, sync=True)
    assert (refused.status, refused.code) == (400, "Application_DialogException")
    assert refused.message.startswith(
        f"Contact {stranger['number']} Ida Berg is not related to customer C000001 Kontor."
    )
    missing = site.patch(f"customers({customer['id']})", {"primaryContactNo": "CT999999"}, sync=True)
    assert missing.code == "Internal_InvalidTableRelation"


def test_a_written_contact_name_makes_no_contact(site: Site) -> None:
    """Twinrow's page writes the name as the original's own synchronization does, without what would follow."""
    customer = site.post("customers", {"displayName": "Kontor", "contact": "Ida Berg"}, sync=True)
    assert customer["contact"] == "Ida Berg"
    site.patch(f"customers({customer['id']})", {"contact": "Jan Holm"}, sync=True)
    assert len(site.table("contacts")) == 1
    assert "contact" not in site.get(f"customers({customer['id']})").body


def test_a_deleted_primary_contact_is_taken_out(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    worker = person(site, "CT000001")
    site.patch(f"customers({customer['id']})", {"primaryContactNo": worker["number"]}, sync=True)
    site.delete(f"contacts({worker['id']})")
    left = site.get(f"customers({customer['id']})", sync=True)
    assert (left["contact"], left["primaryContactNo"]) == ("", "")


def test_a_primary_contact_that_is_renamed_is_renamed_there_too(site: Site) -> None:
    for kind in ("customers", "vendors"):
        partner = site.post(kind, {"displayName": "Kontor"})
        behind = site.table("contacts")[-1]["No."]
        worker = person(site, behind)
        site.patch(f"{kind}({partner['id']})", {"primaryContactNo": worker["number"]}, sync=True)
        site.patch(f"contacts({worker['id']})", {"surname": "Holm"}, sync=True)
        assert site.get(f"{kind}({partner['id']})", sync=True)["contact"] == "Ida Holm"


# Changes that travel


def test_a_changed_customer_changes_its_contact_and_nothing_else(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    site.post("customers", {"displayName": "Fremd"})
    before = versions(site, "customers", "contacts")
    site.patch(f"customers({customer['id']})", {"addressLine1": "Kai 2", "displayName": "Kontor Nord"})
    after = versions(site, "customers", "contacts")
    assert {number for number in after if after[number] != before[number]} == {"C000001", "CT000001"}
    contact = site.stored("contacts", "CT000001")
    assert (contact["Address"], contact["Name"], contact["Company Name"]) == ("Kai 2", "Kontor Nord", "Kontor Nord")
    assert contact["Search Name"] == "KONTOR NORD"


def test_a_change_that_does_not_concern_the_contact_leaves_it_alone(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    before = versions(site, "contacts")
    site.patch(f"customers({customer['id']})", {"creditLimit": 5, "blocked": "Ship"})
    assert versions(site, "contacts") == before


def test_a_changed_contact_changes_its_customer(furnished: Site) -> None:
    customer = furnished.post("customers", {"displayName": "Kontor", "creditLimit": 7, "currencyCode": "USD"})
    [contact] = furnished.get("contacts").rows
    target = f"contacts({contact['id']})"
    furnished.patch(target, {"displayName": "Kontor Süd", "city": "Ulm", "salespersonCode": "HJ"}, sync=True)
    followed = furnished.get(f"customers({customer['id']})")
    assert (followed["displayName"], followed["city"], followed["salespersonCode"]) == ("Kontor Süd", "Ulm", "HJ")
    assert (followed["creditLimit"], followed["number"], followed["currencyCode"]) == (7, "C000001", "USD")
    assert followed.etag != customer.etag
    furnished.patch(target, {"currencyCode": "CHF"}, sync=True)
    followed = furnished.get(f"customers({customer['id']})?$expand=currency")
    assert (followed["currencyCode"], followed["currency"]["code"]) == ("CHF", "CHF")


def test_a_contact_that_changes_only_itself_leaves_its_customer_alone(site: Site) -> None:
    site.post("customers", {"displayName": "Kontor"})
    [contact] = site.get("contacts").rows
    before = versions(site, "customers")
    site.patch(f"contacts({contact['id']})", {"jobTitle": "", "pager": "5"}, sync=True)
    assert versions(site, "customers") == before


def test_a_vendor_and_its_contact_keep_their_own_salespeople(furnished: Site) -> None:
    vendor = furnished.post("vendors", {"displayName": "Werk", "purchaserCode": "BW"}, sync=True)
    [contact] = furnished.get("contacts").rows
    furnished.patch(f"vendors({vendor['id']})", {"purchaserCode": "HJ", "displayName": "Werk 2"}, sync=True)
    assert furnished.get(f"contacts({contact['id']})", sync=True)["salespersonCode"] == "BW"
    furnished.patch(f"contacts({contact['id']})", {"salespersonCode": "", "city": "Ulm"}, sync=True)
    followed = furnished.get(f"vendors({vendor['id']})", sync=True)
    assert (followed["purchaserCode"], followed["city"]) == ("HJ", "Ulm")


def test_one_contact_behind_a_customer_and_a_vendor_carries_changes_across(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    vendor = site.post("vendors", {"displayName": "Kontor"})
    [other] = [row for row in site.table("Contact Business Relation") if row["Link to Table"] == "Vendor"]
    site.write("Contact Business Relation", {"SystemId": other["SystemId"], "Contact No.": "CT000001"})
    site.patch(f"customers({customer['id']})", {"city": "Ulm"})
    assert site.get(f"vendors({vendor['id']})")["city"] == "Ulm"


def test_people_inherit_from_their_company(furnished: Site) -> None:
    furnished.post(
        "customers",
        {"displayName": "Kontor", "addressLine1": "Kai 1", "city": "Kiel", "country": "DE", "phoneNumber": "0431",
         "website": "https://b.example", "salespersonCode": "BW"},
    )  # fmt: skip
    worker = person(furnished, "CT000001", phoneNumber="77")
    assert (worker["companyName"], worker["addressLine1"], worker["city"]) == ("Kontor", "Kai 1", "Kiel")
    assert (worker["country"], worker["salespersonCode"], worker["website"]) == ("DE", "BW", "https://b.example")
    assert worker["phoneNumber"] == "77"
    assert worker["contactBusinessRelation"] == "Customer"


def test_people_follow_their_company_where_they_were_like_it(furnished: Site) -> None:
    customer = furnished.post("customers", {"displayName": "Kontor", "addressLine1": "Kai 1", "phoneNumber": "0431"})
    like = person(furnished, "CT000001")
    unlike = person(furnished, "CT000001", "Jan", phoneNumber="77", addressLine1="Zuhause 3")
    furnished.patch(
        f"customers({customer['id']})", {"displayName": "Kontor 2", "addressLine1": "Kai 9", "phoneNumber": "1"}
    )
    followed = furnished.get(f"contacts({like['id']})")
    assert (followed["companyName"], followed["addressLine1"], followed["phoneNumber"]) == ("Kontor 2", "Kai 9", "1")
    other = furnished.get(f"contacts({unlike['id']})")
    assert (other["companyName"], other["addressLine1"], other["phoneNumber"]) == ("Kontor 2", "Zuhause 3", "77")


def test_a_deleted_customer_leaves_its_contact(site: Site) -> None:
    customer = site.post("customers", {"displayName": "Kontor"})
    worker = person(site, "CT000001")
    site.delete(f"customers({customer['id']})")
    assert relation_rows(site) == []
    assert {row["Contact Business Relation"] for row in site.table("contacts")} == {"None"}
    assert site.get(f"contacts({worker['id']})").etag != worker.etag


def test_a_deleted_company_takes_its_people_with_it(site: Site) -> None:
    site.post("customers", {"displayName": "Kontor"})
    person(site, "CT000001")
    [company, _] = site.get("contacts").rows
    assert site.delete(f"contacts({company['id']})").status == 204
    assert site.table("contacts") == []
    assert relation_rows(site) == []
    assert len(site.table("customers")) == 1


# Names


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Maria del Carmen Ruiz", ("Maria del", "Carmen", "Ruiz")),
        ("Monique Peters", ("Monique", "", "Peters")),
        ("Madonna", ("Madonna", "", "")),
        ("A  B", ("A", "", "B")),
        ("Ana B. C. D. E. F. G. H. I. J. K. L. M. Ruiz", ("Ana B. C. D. E. F. G. H. I. J.", "M.", "Ruiz")),
    ],
)
def test_a_persons_name_is_split(site: Site, name: str, parts: tuple[str, str, str]) -> None:
    for body in ({"displayName": name, "type": "Person"}, {"type": "Person", "displayName": name}):
        made = site.post("contacts", body, sync=True)
        assert (made["firstName"], made["middleName"], made["surname"]) == parts
        assert made["displayName"] == name


def test_parts_are_joined_to_a_name(site: Site) -> None:
    made = site.post("contacts", {"type": "Person", "firstName": "Ida", "surname": "Berg"}, sync=True)
    assert made["displayName"] == "Ida Berg"
    target = f"contacts({made['id']})"
    assert site.patch(target, {"middleName": "M."}, sync=True)["displayName"] == "Ida M. Berg"
    assert site.patch(target, {"firstName": ""}, sync=True)["displayName"] == "M. Berg"
    long = {"firstName": "a" * 30, "middleName": "b" * 30, "surname": "c" * 30}
    assert len(site.patch(target, long, sync=True)["displayName"]) == 92
    assert site.patch(target, {"firstName": "a" * 31}, sync=True).code == "Application_StringExceededLength"


def test_a_company_has_no_parts(site: Site) -> None:
    made = site.post("contacts", {"displayName": "Ida Berg", "jobTitle": "none"}, sync=True)
    assert (made["type"], made["firstName"], made["surname"], made["jobTitle"]) == ("Company", "", "", "")
    assert made["companyNumber"] == made["number"]


def test_the_setup_fills_what_a_contact_lacks(site: Site) -> None:
    made = site.post("contacts", {"displayName": "Monique Peters", "type": "Person"}, sync=True)
    assert (made["country"], made["salutationCode"]) == ("DE", "UNISEX")
    assert site.post("contacts", {"displayName": "x", "country": "AT"})["country"] == "AT"


def test_companies_cannot_work_for_companies(site: Site) -> None:
    company = site.post("contacts", {"displayName": "Kontor"})
    refused = site.post("contacts", {"displayName": "Werk", "companyNumber": company["number"]})
    assert (refused.status, refused.code) == (400, "Application_FieldValidationException")
    worker = person(site, company["number"])
    refused = person(site, worker["number"])
    assert refused.code == "Internal_InvalidTableRelation"


def test_the_type_changes_only_while_nothing_depends_on_it(site: Site) -> None:
    company = site.post("contacts", {"displayName": "Ida Berg"})
    target = f"contacts({company['id']})"
    changed = site.patch(target, {"type": "Person"}, sync=True)
    assert (changed["surname"], changed["companyNumber"]) == ("Berg", "")
    site.patch(target, {"type": "Company"})
    worker = person(site, company["number"])
    assert site.patch(target, {"type": "Person"}).code == "Application_DialogException"
    site.delete(f"contacts({worker['id']})")
    site.post("customers", {"displayName": "Kontor"})
    behind = site.get("contacts?$filter=displayName eq 'Kontor'").rows[0]
    refused = site.patch(f"contacts({behind['id']})", {"type": "Person"})
    assert refused.code == "Application_FieldValidationException"


def test_a_company_can_be_named(site: Site) -> None:
    company = site.post("contacts", {"displayName": "Kontor"})
    by_name = site.post("contacts", {"displayName": "Ida Berg", "type": "Person", "companyName": "kontor"})
    assert by_name["companyNumber"] == company["number"]
    left = site.patch(f"contacts({by_name['id']})", {"companyNumber": ""})
    assert (left["companyNumber"], left["companyName"], left["contactBusinessRelation"]) == ("", "", "None")
    refused = site.post("contacts", {"displayName": "x", "type": "Person", "companyName": "Nirgends"})
    assert refused.code == "Application_DialogException"
