"""Lookups, bindings, related rows made with a row, links made and taken away, and what a deletion does to them."""

from __future__ import annotations

import pytest
from tests.sandbox.dataverse.api import DirectApi

NOBODY = "00000000-0000-0000-0000-0000000000aa"


@pytest.mark.parametrize("form", ["/contacts({})", "contacts({})", "https://localhost:9/api/data/v9.2/contacts({})"])
def test_bindings_take_every_documented_form(api: DirectApi, form: str) -> None:
    contact = api.make("contacts", lastname="x")
    account = api.make("accounts", name="a", bind={"primarycontactid": form.format(contact)})
    assert api.row(f"accounts({account})?$select=_primarycontactid_value")["_primarycontactid_value"] == contact
    for body in ({"primarycontactid@odata.bind": None}, {"primarycontactid": None}):
        api.patch(f"accounts({account})", {"primarycontactid@odata.bind": f"/contacts({contact})"})
        assert api.patch(f"accounts({account})", body).status == 204
        assert api.row(f"accounts({account})?$select=_primarycontactid_value")["_primarycontactid_value"] is None


def test_names_of_navigation_properties_are_case_sensitive(api: DirectApi) -> None:
    company = api.make("bcbi_companies", bcbi_name="CRONUS")
    target = f"/bcbi_companies({company})"
    assert api.make("accounts", name="a", bind={"bcbi_CompanyId": target})
    refused = api.post("accounts", {"bcbi_companyid@odata.bind": target})
    assert refused.error == (400, "0x80048d19")
    assert "An undeclared property 'bcbi_companyid' which only has property annotations" in refused.message
    api.service.switches.change({"company_navigation_property": "bcbi_companyid"})
    key = api.make("accounts", name="b", bind={"bcbi_companyid": target})
    assert api.post("accounts", {"bcbi_CompanyId@odata.bind": target}).status == 400
    assert api.row(f"accounts({key})?$select=_bcbi_companyid_value")["_bcbi_companyid_value"] == company
    path = "EntityDefinitions(LogicalName='account')/ManyToOneRelationships"
    query = "$select=ReferencingEntityNavigationPropertyName&$filter=ReferencingAttribute eq 'bcbi_companyid'"
    assert api.get(f"{path}?{query}").rows[0]["ReferencingEntityNavigationPropertyName"] == "bcbi_companyid"


def test_a_binding_to_nothing_is_refused(api: DirectApi) -> None:
    missing = api.post("accounts", {"primarycontactid@odata.bind": f"/contacts({NOBODY})"})
    assert missing.error == (404, "0x80040217")
    assert missing.message == f"contact With Id = {NOBODY} Does Not Exist"
    account = api.make("accounts", name="a")
    wrong = api.post("accounts", {"primarycontactid@odata.bind": f"/accounts({account})"})
    assert wrong.status == 400
    assert api.post("accounts", {"primarycontactid@odata.bind": "/nothing(1)"}).status == 400
    assert len(api.get("accounts").rows) == 1


def test_a_polymorphic_lookup_has_one_property_for_each_table(api: DirectApi) -> None:
    account, other = api.make("accounts", name="a"), api.make("contacts", lastname="boss")
    contact = api.make("contacts", lastname="x", bind={"parentcustomerid_account": f"/accounts({account})"})
    path = f"contacts({contact})?$select=_parentcustomerid_value,_accountid_value,_parentcontactid_value"
    annotations = 'odata.include-annotations="*"'
    row = api.row(path, Prefer=annotations)
    assert row["_parentcustomerid_value"] == row["_accountid_value"] == account
    assert row["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert (
        row["_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "parentcustomerid_account"
    )
    assert row["_parentcustomerid_value@OData.Community.Display.V1.FormattedValue"] == "a"
    api.patch(f"contacts({contact})", {"parentcustomerid_contact@odata.bind": f"/contacts({other})"})
    row = api.row(path, Prefer=annotations)
    assert (row["_parentcustomerid_value"], row["_accountid_value"]) == (other, None)
    assert row["_parentcontactid_value"] == other
    assert row["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"
    # What does not lead to an account is left alone when its account is taken away.
    api.patch(f"contacts({contact})", {"parentcustomerid_account@odata.bind": None})
    assert api.row(path)["_parentcustomerid_value"] == other
    api.patch(f"contacts({contact})", {"parentcustomerid_contact@odata.bind": None})
    assert api.row(path)["_parentcustomerid_value"] is None
    assert api.post("contacts", {"parentcustomerid@odata.bind": f"/accounts({account})"}).status == 400


def test_related_rows_are_made_with_the_row(api: DirectApi) -> None:
    body = {
        "name": "Fourth Coffee",
        "primarycontactid": {
            "firstname": "Susie",
            "lastname": "Curtis",
            "Contact_Tasks": [{"subject": "Sign invoice"}, {"subject": "Conduct training"}],
        },
        "opportunity_customer_accounts": [{"name": "Deal", "Opportunity_Tasks": [{"subject": "Call"}]}],
    }
    select = "accounts?$select=name&$expand=primarycontactid($select=fullname)"
    shown = api.post(select, body, Prefer="return=representation").body
    assert shown["primarycontactid"]["fullname"] == "Susie Curtis"
    expanded = api.row(f"contacts({shown['primarycontactid']['contactid']})?$expand=Contact_Tasks($select=subject)")
    assert sorted(task["subject"] for task in expanded["Contact_Tasks"]) == ["Conduct training", "Sign invoice"]
    deal = api.get("opportunities?$select=name,_customerid_value,_accountid_value").rows[0]
    assert deal["_customerid_value"] == deal["_accountid_value"] == shown["accountid"]
    assert api.get("tasks/$count").raw.decode("utf-8-sig") == "3"
    failing = {"name": "x", "primarycontactid": {"lastname": "y", "Contact_Tasks": [{"subject": "z" * 300}]}}
    assert api.post("accounts", failing).error == (400, "0x80044331")
    assert len(api.get("contacts").rows) == len(api.get("accounts").rows) == 1


def test_existing_rows_are_bound_to_a_collection_on_create(api: DirectApi) -> None:
    contacts = [api.make("contacts", lastname=name) for name in "ab"]
    key = api.post("accounts", {"contact_customer_accounts@odata.bind": [f"/contacts({c})" for c in contacts]}).id
    found = api.get(f"accounts({key})/contact_customer_accounts?$select=lastname&$orderby=lastname desc").rows
    assert [row["lastname"] for row in found] == ["b", "a"]
    assert api.patch(f"accounts({key})", {"primarycontactid": {"lastname": "deep"}}).status == 400


def test_links_are_made_read_and_taken_away(api: DirectApi) -> None:
    account, contact = api.make("accounts", name="a"), api.make("contacts", lastname="x")
    reference = {"@odata.id": f"https://localhost:9/api/data/v9.2/contacts({contact})"}
    path = f"accounts({account})/contact_customer_accounts"
    assert api.post(f"{path}/$ref", reference).status == 204
    assert api.get(f"{path}/$ref").body == {
        "@odata.context": "https://localhost:9/api/data/v9.2/$metadata#Collection($ref)",
        "value": [reference],
    }
    assert api.get(f"{path}/$count").raw == b"\xef\xbb\xbf1"
    assert api.delete(f"{path}({contact})/$ref").status == 204
    assert api.get(path).rows == []
    api.post(f"{path}/$ref", reference)
    assert api.send("DELETE", f"{path}/$ref?$id={reference['@odata.id']}").status == 204
    assert api.get(path).rows == []
    single = f"accounts({account})/primarycontactid"
    assert api.put(f"{single}/$ref", reference).status == 204
    assert api.row(f"{single}/$ref")["@odata.id"] == reference["@odata.id"]
    assert api.row(f"{single}?$select=lastname")["lastname"] == "x"
    assert api.row(f"{single}/lastname")["value"] == "x"
    assert api.delete(f"{single}/$ref").status == 204
    assert api.get(single).status == 204
    assert api.post(f"{path}", {"lastname": "made below"}).status == 204
    assert [row["lastname"] for row in api.get(path).rows] == ["made below"]


def test_a_deletion_clears_takes_along_or_is_refused_as_the_relationship_says(api: DirectApi) -> None:
    parent = api.make("accounts", name="parent")
    child = api.make("accounts", name="child", bind={"parentaccountid": f"/accounts({parent})"})
    contact = api.make("contacts", lastname="x", bind={"parentcustomerid_account": f"/accounts({parent})"})
    before = api.row(f"accounts({child})?$select=modifiedon,versionnumber")
    assert api.delete(f"accounts({parent})").status == 204
    after = api.row(f"accounts({child})?$select=modifiedon,versionnumber,_parentaccountid_value")
    assert (after["_parentaccountid_value"], after["modifiedon"]) == (None, before["modifiedon"])
    assert after["versionnumber"] > before["versionnumber"]
    assert api.get(f"contacts({contact})").status == 404
    customer = api.make("accounts", name="ordering")
    prices = api.make("pricelevels", name="p")
    bindings = {"customerid_account": f"/accounts({customer})", "pricelevelid": f"/pricelevels({prices})"}
    api.make("salesorders", name="order", bind=bindings)
    assert api.delete(f"accounts({customer})").error == (405, "0x80040227")
    assert api.get(f"accounts({customer})").status == 200


def test_owners_are_users_or_teams_and_the_business_unit_follows(api: DirectApi) -> None:
    unit = api.make("businessunits", name="CRONUS (1)")
    team = api.make("teams", name="BCI - CRONUS (1)", bind={"businessunitid": f"/businessunits({unit})"})
    key = api.make("accounts", name="a", bind={"ownerid": f"/teams({team})"})
    path = f"accounts({key})?$select=_ownerid_value,_owningteam_value,_owninguser_value,_owningbusinessunit_value"
    row = api.row(path, Prefer='odata.include-annotations="*"')
    assert (row["_ownerid_value"], row["_owningteam_value"], row["_owninguser_value"]) == (team, team, None)
    assert row["_owningbusinessunit_value"] == unit
    assert row["_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "team"
    assert row["_ownerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "ownerid"
    me = api.row("WhoAmI")
    api.patch(f"accounts({key})", {"ownerid@odata.bind": f"/systemusers({me['UserId']})"})
    row = api.row(path)
    assert (row["_owninguser_value"], row["_owningteam_value"]) == (me["UserId"], None)
    assert row["_owningbusinessunit_value"] == me["BusinessUnitId"]
    assert api.patch(f"accounts({key})", {"ownerid@odata.bind": None}).status == 400
    assert api.delete(f"teams({team})").status == 204


def test_a_team_that_owns_rows_stays(api: DirectApi) -> None:
    team = api.make("teams", name="owners")
    api.make("accounts", name="a", bind={"ownerid": f"/teams({team})"})
    assert api.delete(f"teams({team})").error == (405, "0x80040227")


def test_users_and_teams_are_named_by_their_id_alone(api: DirectApi) -> None:
    me = api.row("WhoAmI")["UserId"]
    assert api.row(f"systemusers({me})?$select=fullname")["ownerid"] == me
    assert api.get(f"systemusers(systemuserid={me})").status == 400
    assert api.get(f"systemusers(ownerid={me})").status == 200


def test_each_business_unit_has_a_default_team_of_its_own(api: DirectApi) -> None:
    unit = api.make("businessunits", name="Branch")
    team = api.get(f"teams?$filter=_businessunitid_value eq {unit}&$select=name,isdefault").rows[0]
    assert (team["name"], team["isdefault"]) == ("Branch", True)
    assert api.patch(f"teams({team['teamid']})", {"name": "Other"}).error == (400, "0x8004830a")
    assert api.delete(f"teams({team['teamid']})").error == (400, "0x80048307")
    me = {"@odata.id": f"/systemusers({api.row('WhoAmI')['UserId']})"}
    assert api.post(f"teams({team['teamid']})/teammembership_association/$ref", me).error == (400, "0x8004830b")
    api.patch(f"businessunits({unit})", {"name": "Renamed"})
    assert api.row(f"teams({team['teamid']})?$select=name")["name"] == "Renamed"
    roles = api.get(f"roles?$select=name&$filter=_businessunitid_value eq {unit}").rows
    assert "Business Central Dataverse Integration" in {role["name"] for role in roles}
    assert api.delete(f"businessunits({unit})").status == 204
    assert api.get(f"teams({team['teamid']})").status == 404


def test_memberships_are_links_between_two_tables(api: DirectApi) -> None:
    team, me = api.make("teams", name="t"), api.row("WhoAmI")["UserId"]
    path = f"teams({team})/teammembership_association"
    assert api.post(f"{path}/$ref", {"@odata.id": f"/systemusers({me})"}).status == 204
    assert api.post(f"{path}/$ref", {"@odata.id": f"/systemusers({me})"}).error == (412, "0x80040237")
    assert [row["systemuserid"] for row in api.get(path).rows] == [me]
    found = api.row(f"systemusers({me})?$select=fullname&$expand=teammembership_association($select=name)")
    assert [row["name"] for row in found["teammembership_association"]] == ["t"]
    assert api.names(f"teammembership_association/any(u:u/systemuserid eq {me})", "teams") == ["t"]
    assert api.service.table_rows("teammembership") == [{"teamid": team, "systemuserid": me}]
    assert api.delete(f"{path}({me})/$ref").status == 204
    assert api.get(path).rows == []
