"""Where the API is found: environments, routes, companies, and what the service tells about itself."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from tests.sandbox.business_central.site import HOST, ROOT, SYNC_ROOT, Site

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def parsed(document: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 - our own server's words


def test_the_tenant_may_stand_in_the_address(site: Site) -> None:
    for tenant in ("", "/5c6241d0-74cc-48a2-b667-3eb0d738af72", "/contoso.example"):
        reply = site.send("GET", f"/v2.0{tenant}/SANDBOX/api/v2.0/companies")
        assert reply.status == 200
        assert reply["@odata.context"] == f"{HOST}/v2.0{tenant}/SANDBOX/api/v2.0/$metadata#companies"


def test_a_wrong_environment_is_told_in_xml(site: Site) -> None:
    answer = site.answer("GET", "/v2.0/tenant/Produktion/api/v2.0/companies")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/xml")
    namespace = "{http://docs.oasis-open.org/odata/ns/metadata}"
    error = parsed(answer.body)
    assert error.findtext(f"{namespace}code") == "NoEnvironment"
    assert error.findtext(f"{namespace}message") == "Environment does not exist."


def test_who_is_not_signed_in_is_turned_away(site: Site) -> None:
    answer = site.answer("GET", f"{ROOT}/companies", signed=False)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    assert b"Authentication_InvalidCredentials" in answer.body
    token = site.sign_in.issue("twinrow")
    headers = {"Authorization": f"Bearer {token}"}
    assert site.answer("GET", f"{ROOT}/companies", headers=headers, signed=False).status == 200
    site.clock.advance(3600)
    assert site.answer("GET", f"{ROOT}/companies", headers=headers, signed=False).status == 401


@pytest.mark.parametrize(
    ("path", "segment"),
    [
        ("/", ""),
        ("/v1.0/sandbox/api/v2.0/companies", "v1.0"),
        ("/v2.0/sandbox/api/v1.0/companies", "v1.0"),
        ("/v2.0/sandbox/api/twinrow/sync/v2.0/companies", "twinrow"),
        (f"{ROOT}/companies({{company}})/salesUnicorns", "salesUnicorns"),
        (f"{ROOT}/companies({{company}})/shippingAgents", "shippingAgents"),
        (f"{ROOT}/companies({{company}})/customers/first", "first"),
        (f"{ROOT}/subscriptions", "subscriptions"),
    ],
)
def test_addresses_that_lead_nowhere(site: Site, path: str, segment: str) -> None:
    headers = {"Company": site.service.first_company.name}
    refused = site.send("GET", path.format(company=site.company), headers=headers)
    assert (refused.status, refused.code) == (404, "BadRequest_ResourceNotFound")
    assert f"segment '{segment}'" in refused.message


@pytest.mark.parametrize("key", ["", "10000", "'10000'", "5d115c9c", "id=5"])
def test_keys_that_are_no_ids(site: Site, key: str) -> None:
    refused = site.get(f"customers({key})")
    assert (refused.status, refused.code) == (400, "BadRequest_NotFound")


def test_entity_sets_are_found_in_any_case(site: Site) -> None:
    made = site.post("CUSTOMERS", {"displayName": "x"})
    assert made.status == 201
    assert made["@odata.context"].endswith("/customers/$entity")
    assert site.get(f"Customers(id={made['id'].upper()})")["displayName"] == "x"


def test_a_company_can_be_named_beside_the_entity_set(site: Site) -> None:
    site.post("customers", {"displayName": "x"})
    for company in (site.company, site.service.first_company.name.replace(" ", "%20")):
        assert len(site.send("GET", f"{ROOT}/customers?company={company}").rows) == 1
    refused = site.send("GET", f"{ROOT}/customers")
    assert refused.code == "Internal_CompanyNotFound"


def test_an_unknown_company_is_refused(site: Site) -> None:
    for path in ("companies(5d115c9c-44e3-ea11-bb43-000d3a2feca1)/customers", "customers?company=Nirgends"):
        refused = site.send("GET", f"{ROOT}/{path}")
        assert (refused.status, refused.code) == (404, "Internal_CompanyNotFound")


def test_companies_keep_their_rows_apart(site: Site) -> None:
    site.switch(companies=[*site.service.companies, "Zweite AG"])
    rows = site.send("GET", f"{ROOT}/companies?$filter=name eq 'Zweite AG'").rows
    other = f"{ROOT}/companies({rows[0]['id']})"
    assert site.send("GET", other)["displayName"] == "Zweite AG"
    first = site.post("customers", {"displayName": "x"}, sync=True)
    second = site.send("POST", f"{other.replace('api/v2.0', 'api/twinrow/sync/v1.0')}/customers", {"displayName": "y"})
    assert first["number"] == second["number"] == "C000001"
    assert second["systemRowVersion"] > first["systemRowVersion"]
    assert [row["displayName"] for row in site.send("GET", f"{other}/customers").rows] == ["y"]
    assert [row["Name"] for row in site.table("Zweite AG$Customer")] == ["y"]


def test_environments_can_be_listed(site: Site) -> None:
    [environment] = site.send("GET", "/environments/v1.2").rows
    assert (environment["name"], environment["webServiceUrl"]) == ("sandbox", HOST)


def test_the_service_document_lists_the_entity_sets(site: Site) -> None:
    standard = {row["name"] for row in site.send("GET", ROOT).rows}
    own = {row["name"] for row in site.send("GET", f"{SYNC_ROOT}/").rows}
    assert {"companies", "customers", "vendors", "contacts", "items", "unitsOfMeasure"} <= standard
    assert own - standard == {"shippingAgents", "contactBusinessRelations", "syncStates"}


def test_the_metadata_describe_every_property_that_is_served(site: Site) -> None:
    site.post("customers", {"displayName": "x"})
    for root in (ROOT, SYNC_ROOT):
        answer = site.answer("GET", f"{root}/$metadata")
        assert answer.headers["Content-Type"] == "application/xml"
        schema = next(parsed(answer.body).iter(f"{EDM}Schema"))
        assert schema.attrib["Namespace"] == "Microsoft.NAV"
        described = {
            entity.attrib["Name"]: [item.attrib["Name"] for item in entity.iter(f"{EDM}Property")]
            for entity in schema.iter(f"{EDM}EntityType")
        }
        row = site.send("GET", f"{root}/companies({site.company})/customers").rows[0]
        assert described["customer"] == [name for name in row if not name.startswith("@")]


def test_the_metadata_tell_types_lengths_and_members(site: Site) -> None:
    schema = parsed(site.answer("GET", f"{SYNC_ROOT}/$metadata").body)
    [customer] = [entity for entity in schema.iter(f"{EDM}EntityType") if entity.attrib["Name"] == "customer"]
    properties = {item.attrib["Name"]: item for item in customer.iter(f"{EDM}Property")}
    assert properties["displayName"].attrib["MaxLength"] == "100"
    assert properties["systemRowVersion"].attrib["Type"] == "Edm.Int64"
    assert properties["blocked"].attrib["Type"] == "Microsoft.NAV.customerBlocked"
    assert [key.attrib["Name"] for key in customer.iter(f"{EDM}PropertyRef")] == ["id"]

    def editable(name: str) -> dict[str, str]:
        terms = properties[name].iter(f"{EDM}Annotation")
        return {term.attrib["Term"].removeprefix("Microsoft.NAV."): term.attrib["Bool"] for term in terms}

    assert editable("displayName") == {"AllowEdit": "true", "AllowEditOnCreate": "true"}
    assert editable("syncMark") == {"AllowEdit": "true", "AllowEditOnCreate": "true"}
    assert editable("modifiedBy") == {"AllowEdit": "false", "AllowEditOnCreate": "false"}
    members = {
        kind.attrib["Name"]: {item.attrib["Name"]: item.attrib["Value"] for item in kind}
        for kind in schema.iter(f"{EDM}EnumType")
    }
    assert members["customerBlocked"] == {"_x0020_": "0", "Ship": "1", "Invoice": "2", "All": "3"}
    assert members["contactBusinessRelation"]["None"] == "100"


def test_entity_definitions_give_captions(site: Site) -> None:
    reply = site.send("GET", f"{ROOT}/entityDefinitions?$filter=entitySetName eq 'customers'")
    [definition] = reply.rows
    assert (definition["entityName"], definition["entitySetName"]) == ("customer", "customers")
    captions = {item["name"]: item["captions"][0] for item in definition["properties"]}
    assert captions["addressLine1"] == {"languageCode": 1033, "caption": "Address Line 1"}
    assert captions["contactsInformation"]["caption"] == "Contacts Information"
    assert len(site.send("GET", f"{ROOT}/entityDefinitions").rows) > 10
