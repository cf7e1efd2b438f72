"""Metadata as resources: tables, columns, choices, relationships; and what may be changed of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from tests.sandbox.dataverse.api import DirectApi

ACCOUNT = "EntityDefinitions(LogicalName='account')"
CRM = "Microsoft.Dynamics.CRM."
TERMS = {"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode"}


def label(text: str, language: int = 1033) -> dict[str, Any]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": language}]}


def options(api: DirectApi, column: str = "paymenttermscode", kind: str = "Picklist") -> dict[int, str]:
    path = f"{ACCOUNT}/Attributes(LogicalName='{column}')/{CRM}{kind}AttributeMetadata"
    shape = api.row(f"{path}?$select=LogicalName&$expand=OptionSet", Consistency="Strong")
    return {option["Value"]: option["Label"]["UserLocalizedLabel"]["Label"] for option in shape["OptionSet"]["Options"]}


def test_the_service_document_lists_all_sets(api: DirectApi) -> None:
    body = api.row("")
    assert {"name": "accounts", "kind": "EntitySet", "url": "accounts"} in body["value"]
    assert {entry["name"] for entry in body["value"]} >= {
        "contacts",
        "bcbi_companies",
        "transactioncurrencies",
        "opportunities",
    }


@pytest.mark.parametrize("path", ["$metadata", "$metadata?annotations=true"])
def test_the_csdl_describes_types_keys_and_navigation(api: DirectApi, path: str) -> None:
    reply = api.get(path)
    assert reply.headers["content-type"] == "application/xml"
    space = {"edm": "http://docs.oasis-open.org/odata/ns/edm"}
    tree = ElementTree.fromstring(reply.raw)  # noqa: S314 -- our own document
    account = tree.find(".//edm:EntityType[@Name='account']", space)
    assert account is not None
    assert account.find("edm:Key/edm:PropertyRef[@Name='accountid']", space) is not None
    types = {p.get("Name"): p.get("Type") for p in account.findall("edm:Property", space)}
    assert (types["revenue"], types["_ownerid_value"], types["statecode"]) == ("Edm.Decimal", "Edm.Guid", "Edm.Int32")
    assert "createdbyname" not in types
    targets = {p.get("Name"): p.get("Type") for p in account.findall("edm:NavigationProperty", space)}
    assert targets["ownerid"] == "mscrm.principal"
    assert targets["contact_customer_accounts"] == "Collection(mscrm.contact)"
    assert targets["bcbi_CompanyId"] == "mscrm.bcbi_company"
    user = tree.find(".//edm:EntityType[@Name='systemuser']", space)
    assert user is not None
    assert user.get("BaseType") == "mscrm.principal"
    tracked = tree.find(".//edm:EntitySet[@Name='accounts']/edm:Annotation", space)
    assert tracked is not None
    assert tree.find(".//edm:EntitySet[@Name='bcbi_companies']/edm:Annotation", space) is None


def test_flags_of_tables_are_found_by_name(api: DirectApi) -> None:
    query = (
        "$select=LogicalName,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled,EntitySetName,PrimaryNameAttribute"
    )
    path = f"EntityDefinitions?{query}&$filter=LogicalName eq 'account' or LogicalName eq 'bcbi_company'"
    rows = {row["LogicalName"]: row for row in api.get(path).rows}
    assert (rows["account"]["ChangeTrackingEnabled"], rows["account"]["IsOptimisticConcurrencyEnabled"]) == (True, True)
    assert (rows["bcbi_company"]["ChangeTrackingEnabled"], rows["bcbi_company"]["EntitySetName"]) == (
        False,
        "bcbi_companies",
    )
    assert rows["account"].keys() == {*query.removeprefix("$select=").split(","), "MetadataId"}
    api.service.switches.change({"optimistic_concurrency": {"account": False}})
    assert api.row(f"{ACCOUNT}?$select=IsOptimisticConcurrencyEnabled")["IsOptimisticConcurrencyEnabled"] is False
    by_id = api.row(f"EntityDefinitions({rows['account']['MetadataId']})")
    assert (by_id["PrimaryIdAttribute"], by_id["SchemaName"], by_id["ObjectTypeCode"]) == ("accountid", "Account", 1)
    assert api.get("EntityDefinitions(LogicalName='nothing')").status == 404
    assert len(api.get("EntityDefinitions?$filter=IsCustomEntity eq true").rows) == 2


def test_columns_tell_their_type_and_limits(api: DirectApi) -> None:
    rows = {row["LogicalName"]: row for row in api.get(f"{ACCOUNT}/Attributes").rows}
    name = rows["name"]
    assert (name["@odata.type"], name["MaxLength"]) == (f"#{CRM}StringAttributeMetadata", 160)
    assert (name["AttributeTypeName"]["Value"], name["IsPrimaryName"]) == ("StringType", True)
    assert (rows["revenue"]["PrecisionSource"], rows["revenue"]["MinValue"]) == (2, 0)
    assert rows["revenue_base"]["CalculationOf"] == "revenue"
    assert rows["ownerid"]["Targets"] == ["systemuser", "team"]
    assert (rows["statecode"]["IsValidForCreate"], rows["statecode"]["IsValidForUpdate"]) == (False, True)
    assert (rows["primarycontactidname"]["AttributeOf"], rows["primarycontactidname"]["IsValidODataAttribute"]) == (
        "primarycontactid",
        False,
    )
    assert rows["accountid"]["RequiredLevel"]["Value"] == "SystemRequired"
    query = "$select=LogicalName,AttributeType&$filter=AttributeType eq Microsoft.Dynamics.CRM.AttributeTypeCode'State'"
    found = api.get(f"{ACCOUNT}/Attributes?{query}").rows
    assert [(row["LogicalName"], row["@odata.type"]) for row in found] == [
        ("statecode", f"#{CRM}StateAttributeMetadata")
    ]
    birthday = api.row("EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='birthdate')")
    assert (birthday["Format"], birthday["DateTimeBehavior"]["Value"]) == ("DateOnly", "DateOnly")


def test_casts_give_choices_of_one_kind(api: DirectApi) -> None:
    picklists = api.get(
        f"{ACCOUNT}/Attributes/{CRM}PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
    )
    rows = {row["LogicalName"]: row for row in picklists.rows}
    assert "@odata.type" not in rows["accountcategorycode"]
    assert [o["Value"] for o in rows["accountcategorycode"]["OptionSet"]["Options"]] == [1, 2]
    assert rows["accountcategorycode"]["GlobalOptionSet"] is None
    states = api.get(f"{ACCOUNT}/Attributes/{CRM}StateAttributeMetadata?$select=LogicalName&$expand=OptionSet").rows
    active = states[0]["OptionSet"]["Options"][0]
    assert (active["DefaultStatus"], active["InvariantName"]) == (1, "Active")
    reasons = api.get(f"{ACCOUNT}/Attributes/{CRM}StatusAttributeMetadata?$expand=OptionSet").rows[0]
    assert [(o["Value"], o["State"]) for o in reasons["OptionSet"]["Options"]] == [(1, 0), (2, 1)]
    booleans = api.get(f"{ACCOUNT}/Attributes/{CRM}BooleanAttributeMetadata?$select=LogicalName&$expand=OptionSet").rows
    refuse = next(row for row in booleans if row["LogicalName"] == "donotemail")["OptionSet"]
    assert (refuse["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"], refuse["FalseOption"]["Value"]) == (
        "Do Not Allow",
        0,
    )
    path = f"{ACCOUNT}/Attributes(LogicalName='accountcategorycode')"
    assert api.row(f"{path}/{CRM}PicklistAttributeMetadata/OptionSet?$select=Options")["Options"][1]["Value"] == 2
    assert api.get(f"{path}/{CRM}StateAttributeMetadata").status == 404


def test_relationships_tell_navigation_and_cascades(api: DirectApi) -> None:
    path = "EntityDefinitions(LogicalName='contact')/ManyToOneRelationships"
    rows = api.get(f"{path}?$filter=ReferencingAttribute eq 'parentcustomerid'").rows
    found = {
        r["ReferencedEntity"]: (r["ReferencingEntityNavigationPropertyName"], r["CascadeConfiguration"]["Delete"])
        for r in rows
    }
    assert found == {
        "account": ("parentcustomerid_account", "Cascade"),
        "contact": ("parentcustomerid_contact", "Cascade"),
    }
    query = "$filter=SchemaName eq 'contact_customer_accounts'&$select=ReferencedEntityNavigationPropertyName"
    back = api.get(f"{ACCOUNT}/OneToManyRelationships?{query}").rows
    assert back[0]["ReferencedEntityNavigationPropertyName"] == "contact_customer_accounts"
    many = api.get("EntityDefinitions(LogicalName='team')/ManyToManyRelationships?$select=SchemaName").rows
    assert {row["SchemaName"] for row in many} >= {"teammembership_association", "teamroles_association"}


def test_options_are_inserted_renamed_ordered_and_removed(api: DirectApi) -> None:
    before = options(api)
    made = api.post("InsertOptionValue", {**TERMS, "Label": label("NET30")})
    assert made.body == {
        "@odata.context": f"https://localhost:9/api/data/v9.2/$metadata#{CRM}InsertOptionValueResponse",
        "NewOptionValue": 100000000,
    }
    body = {**TERMS, "Label": label("1M(8D)"), "SolutionUniqueName": "bcbi_CdsBaseIntegration"}
    assert api.post("InsertOptionValue", body).body["NewOptionValue"] == 727000000
    assert api.post("InsertOptionValue", {**TERMS, "Label": label("COD"), "Value": 77}).body["NewOptionValue"] == 77
    assert options(api) == {**before, 100000000: "NET30", 727000000: "1M(8D)", 77: "COD"}
    key = api.make("accounts", name="a", paymenttermscode=77)
    assert (
        api.post("UpdateOptionValue", {**TERMS, "Value": 77, "Label": label("Cash"), "MergeLabels": True}).status == 204
    )
    formatted = 'odata.include-annotations="*"'
    path = f"accounts({key})?$select=paymenttermscode"
    assert api.row(path, Prefer=formatted)["paymenttermscode@OData.Community.Display.V1.FormattedValue"] == "Cash"
    order = [77, 727000000, 100000000, *before]
    assert api.post("OrderOption", {**TERMS, "Values": order}).status == 204
    assert list(options(api)) == order
    assert api.post("OrderOption", {**TERMS, "Values": order[1:]}).status == 400
    assert api.post("DeleteOptionValue", {**TERMS, "Value": 77}).status == 204
    row = api.row(path, Prefer=formatted)
    assert row["paymenttermscode"] == 77
    assert "paymenttermscode@OData.Community.Display.V1.FormattedValue" not in row
    assert api.patch(f"accounts({key})", {"paymenttermscode": 77}).error == (400, "0x8004431a")
    assert api.post("DeleteOptionValue", {**TERMS, "Value": 77}).status == 400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"EntityLogicalName": "account", "AttributeLogicalName": "name", "Label": label("x")}, "0x80044320"),
        ({"EntityLogicalName": "account", "AttributeLogicalName": "statuscode", "Label": label("x")}, "0x80044320"),
        ({**TERMS, "OptionSetName": "x", "Label": label("x")}, "0x80048403"),
        ({"Label": label("x")}, "0x80048403"),
        ({**TERMS, "Label": label("x"), "Value": 1}, "0x80048403"),
        (TERMS, "0x80040203"),
        ({**TERMS, "Label": label("x"), "SolutionUniqueName": "nothing"}, "0x80040203"),
    ],
)
def test_options_that_cannot_be_inserted(api: DirectApi, body: dict[str, Any], code: str) -> None:
    assert api.post("InsertOptionValue", body).error == (400, code)


def test_labels_of_other_languages_are_kept_when_merged(api: DirectApi) -> None:
    api.post("InsertOptionValue", {**TERMS, "Label": label("Bar", 1031), "Value": 5})
    api.post("UpdateOptionValue", {**TERMS, "Value": 5, "Label": label("Cash"), "MergeLabels": True})
    path = f"{ACCOUNT}/Attributes(LogicalName='paymenttermscode')/{CRM}PicklistAttributeMetadata?$expand=OptionSet"
    option = api.row(path)["OptionSet"]["Options"][-1]
    assert {entry["LanguageCode"]: entry["Label"] for entry in option["Label"]["LocalizedLabels"]} == {
        1031: "Bar",
        1033: "Cash",
    }


def test_a_status_reason_belongs_to_a_state(api: DirectApi) -> None:
    target = {"EntityLogicalName": "account", "AttributeLogicalName": "statuscode"}
    made = api.post("InsertStatusValue", {**target, "Label": label("Ship blocked"), "StateCode": 1})
    value = made.body["NewOptionValue"]
    key = api.make("accounts", name="a")
    assert api.patch(f"accounts({key})", {"statuscode": value}).error == (400, "0x80048408")
    assert api.patch(f"accounts({key})", {"statecode": 1, "statuscode": value}).status == 204


def test_the_string_map_follows_when_it_is_published(api: DirectApi) -> None:
    query = "objecttypecode eq 'account' and attributename eq 'paymenttermscode' and attributevalue eq 9"
    api.post("InsertOptionValue", {**TERMS, "Label": label("new"), "Value": 9})
    assert api.names(query, "stringmaps", "value") == []
    xml = "<importexportxml><entities><entity>account</entity></entities></importexportxml>"
    assert api.post("PublishXml", {"ParameterXml": xml}).status == 204
    assert api.names(query, "stringmaps", "value") == ["new"]
    assert api.post("PublishXml", {"ParameterXml": "x"}).status == 400
    assert api.post("PublishAllXml", {}).status == 204


def test_shared_choices_serve_several_columns(api: DirectApi) -> None:
    body = {"Name": "new_terms", "DisplayName": label("Terms"), "OptionSetType": "Picklist"}
    made = api.post("GlobalOptionSetDefinitions", {**body, "Options": [{"Value": 1, "Label": label("one")}]})
    assert made.status == 204
    assert api.post("GlobalOptionSetDefinitions", body).error == (400, "0x80044345")
    for name in ("new_First", "new_Second"):
        column = {
            "@odata.type": f"{CRM}PicklistAttributeMetadata",
            "SchemaName": name,
            "DisplayName": label(name),
            "GlobalOptionSet@odata.bind": f"/GlobalOptionSetDefinitions({made.id})",
        }
        assert api.post(f"{ACCOUNT}/Attributes", column).status == 204
    assert (
        api.post("InsertOptionValue", {"OptionSetName": "new_terms", "Value": 2, "Label": label("two")}).status == 200
    )
    assert options(api, "new_first") == options(api, "new_second") == {1: "one", 2: "two"}
    assert api.make("accounts", name="a", new_first=2)
    assert api.row("GlobalOptionSetDefinitions(Name='new_terms')")["IsGlobal"] is True
    assert api.delete("GlobalOptionSetDefinitions(Name='new_terms')").error == (400, "0x80048417")
    for name in ("new_first", "new_second"):
        assert api.delete(f"{ACCOUNT}/Attributes(LogicalName='{name}')").status == 204
    assert api.delete("GlobalOptionSetDefinitions(Name='new_terms')").status == 204
    assert api.get("GlobalOptionSetDefinitions").rows == []


def test_change_tracking_is_switched_on_for_good(api: DirectApi) -> None:
    path = "EntityDefinitions(LogicalName='bcbi_company')"
    definition = api.row(path)
    assert api.put(path, {**definition, "ChangeTrackingEnabled": True}, **{"MSCRM.MergeLabels": "true"}).status == 204
    assert api.row(f"{path}?$select=ChangeTrackingEnabled")["ChangeTrackingEnabled"] is True
    assert api.get("bcbi_companies", Prefer="odata.track-changes").status == 200
    assert api.put(path, {**definition, "ChangeTrackingEnabled": False}).status == 400
    assert api.patch(path, {"ChangeTrackingEnabled": True}).status == 405


def test_tables_of_one_s_own(api: DirectApi) -> None:
    body = {
        "@odata.type": f"{CRM}EntityMetadata",
        "SchemaName": "new_Parcel",
        "DisplayName": label("Parcel"),
        "DisplayCollectionName": label("Parcels"),
        "OwnershipType": "UserOwned",
        "Attributes": [
            {
                "@odata.type": f"{CRM}StringAttributeMetadata",
                "SchemaName": "new_Name",
                "IsPrimaryName": True,
                "MaxLength": 20,
            },
            {"@odata.type": f"{CRM}MoneyAttributeMetadata", "SchemaName": "new_Value", "Precision": 2},
        ],
    }
    assert api.post("EntityDefinitions", body).status == 204
    assert api.post("EntityDefinitions", body).status == 400
    column = {"@odata.type": f"{CRM}MoneyAttributeMetadata", "SchemaName": "new_Cost", "Precision": 2}
    path = "EntityDefinitions(LogicalName='new_parcel')"
    assert api.post(f"{path}/Attributes", column).status == 204
    assert api.post(f"{path}/Attributes", column).status == 400
    key = api.make("new_parcels", new_name="x", new_cost=5)
    row = api.row(f"new_parcels({key})")
    assert (row["new_cost_base"], row["statecode"], row["_ownerid_value"]) == (5, 0, api.row("WhoAmI")["UserId"])
    assert api.row(f"{path}?$select=ChangeTrackingEnabled")["ChangeTrackingEnabled"] is False
    api.service.reload()
    assert api.row(f"new_parcels({key})")["new_name"] == "x"
    assert api.delete(path).status == 204
    assert api.get("new_parcels").status == 404
    assert api.delete(ACCOUNT).status == 400
    assert api.delete(f"{ACCOUNT}/Attributes(LogicalName='name')").status == 400


def test_metadata_made_in_a_failed_change_set_is_gone(api: DirectApi) -> None:
    head = "Content-Type: application/http\nContent-Transfer-Encoding: binary\n\n"
    column = '{"@odata.type":"Microsoft.Dynamics.CRM.StringAttributeMetadata","SchemaName":"new_Extra"}'
    parts = (
        "--b\nContent-Type: multipart/mixed; boundary=c\n\n"
        f"--c\n{head}POST /api/data/v9.2/{ACCOUNT}/Attributes HTTP/1.1\n\n{column}\n"
        f'--c\n{head}POST /api/data/v9.2/accounts HTTP/1.1\n\n{{"new_extra":5}}\n--c--\n--b--'
    )
    assert api.batch(parts).status == 400
    assert api.post("accounts", {"new_extra": "x"}).status == 400
    assert (
        api.post(
            f"{ACCOUNT}/Attributes", {"@odata.type": f"{CRM}StringAttributeMetadata", "SchemaName": "new_Extra"}
        ).status
        == 204
    )
    assert api.make("accounts", new_extra="x")
