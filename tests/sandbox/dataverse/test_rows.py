"""Creating, reading, changing and deleting rows, and the conditions that requests may carry."""

from __future__ import annotations

import uuid

import pytest
from tests.sandbox.dataverse.api import DirectApi, decimal

FREE = "00000000-0000-0000-0000-00000000000a"


def test_create_names_the_row_and_return_representation_shows_it(api: DirectApi) -> None:
    reply = api.post("accounts", {"name": "Alpha"})
    assert reply.status == 204
    assert reply.headers["odata-entityid"] == f"https://localhost:9/api/data/v9.2/accounts({reply.id})"
    assert reply.headers["location"] == reply.headers["odata-entityid"]
    shown = api.post("accounts?$select=name", {"name": "Beta"}, Prefer="return=representation")
    assert shown.status == 201
    assert "odata-entityid" not in shown.headers
    assert shown.headers["preference-applied"] == "return=representation"
    assert list(shown.body) == ["@odata.context", "@odata.etag", "name", "accountid"]
    assert shown.body["@odata.context"].endswith("$metadata#accounts(name)/$entity")


def test_the_version_of_the_api_is_that_of_the_request(api: DirectApi) -> None:
    reply = api.get("/api/data/v9.0/accounts?$select=name")
    assert reply.body["@odata.context"] == "https://localhost:9/api/data/v9.0/$metadata#accounts(name)"
    assert api.get("/api/data/v10/accounts").status == 404


def test_patch_creates_or_changes_and_says_which_only_with_the_row(api: DirectApi) -> None:
    assert api.patch(f"accounts({FREE})", {"name": "New"}).status == 204
    assert api.patch(f"accounts({FREE})", {"name": "Old"}).status == 204
    other = str(uuid.uuid4())
    assert api.patch(f"accounts({other})", {"name": "New"}, Prefer="return=representation").status == 201
    assert api.patch(f"accounts({other})", {"name": "Old"}, Prefer="return=representation").status == 200
    assert api.row(f"accounts(accountid={other})?$select=name")["name"] == "Old"


def test_patch_names_the_row_unless_the_switch_says_otherwise(api: DirectApi) -> None:
    assert api.patch(f"accounts({FREE})", {"name": "x"}).id == FREE
    api.service.switches.change({"entity_id_on_patch": False})
    assert "odata-entityid" not in api.patch(f"accounts({FREE})", {"name": "y"}).headers


def test_if_none_match_star_only_creates(api: DirectApi) -> None:
    assert api.patch(f"accounts({FREE})", {"name": "x"}, If_None_Match="*").status == 204
    again = api.patch(f"accounts({FREE})", {"name": "y"}, If_None_Match="*")
    assert again.error == (412, "0x80040237")
    assert again.message == "A record with matching key values already exists."
    assert api.row(f"accounts({FREE})?$select=name")["name"] == "x"


def test_if_match_star_only_changes(api: DirectApi) -> None:
    missing = api.patch(f"accounts({FREE})", {"name": "x"}, If_Match="*")
    assert missing.error == (404, "0x80040217")
    assert missing.message == f"account With Id = {FREE} Does Not Exist"
    key = api.make("accounts", name="x")
    assert api.patch(f"accounts({key})", {"name": "y"}, If_Match="*").status == 204


def test_if_match_with_a_version_refuses_a_row_that_has_moved_on(api: DirectApi) -> None:
    key = api.make("accounts", name="x")
    etag = api.row(f"accounts({key})")["@odata.etag"]
    changed = api.patch(f"accounts({key})?$select=name", {"name": "y"}, If_Match=etag, Prefer="return=representation")
    assert changed.status == 200
    assert changed.body["@odata.etag"] != etag
    for refused in (
        api.patch(f"accounts({key})", {"name": "z"}, If_Match=etag),
        api.delete(f"accounts({key})", If_Match=etag),
    ):
        assert refused.error == (412, "0x80060882")
        assert refused.message == "The version of the existing record doesn't match the RowVersion property provided."
    assert api.delete(f"accounts({key})", If_Match=changed.body["@odata.etag"]).status == 204
    assert api.delete(f"accounts({key})").error == (404, "0x80040217")


def test_the_older_documentation_prints_these_codes_empty(api: DirectApi) -> None:
    api.service.switches.change({"classic_error_codes": True})
    assert api.patch(f"accounts({FREE})", {"name": "x"}, If_Match="*").error == (404, "")
    assert api.post("accounts", {"nam": 1}).error == (400, "0x80048d19")


def test_a_table_without_concurrency_refuses_versions_and_knows_no_304(api: DirectApi) -> None:
    key = api.make("accounts", name="x")
    etag = api.row(f"accounts({key})")["@odata.etag"]
    assert api.get(f"accounts({key})", If_None_Match=etag).status == 304
    assert api.get(f"accounts({key})?$expand=primarycontactid", If_None_Match=etag).status == 200
    assert api.get(f"accounts({key})", If_None_Match=etag, Prefer='odata.include-annotations="*"').status == 200
    assert api.get(f"accounts({key})", If_None_Match="null").status == 200
    api.service.switches.change({"optimistic_concurrency": {"account": False}})
    assert api.get(f"accounts({key})", If_None_Match=etag).status == 200
    assert api.patch(f"accounts({key})", {"name": "y"}, If_Match=etag).error == (400, "0x8006088d")


def test_versions_grow_over_all_tables(api: DirectApi) -> None:
    account, contact = api.make("accounts", name="x"), api.make("contacts", lastname="y")
    versions = [
        api.row(f"accounts({account})")["versionnumber"],
        api.row(f"contacts({contact})")["versionnumber"],
    ]
    api.patch(f"accounts({account})", {"name": "x"})
    row = api.row(f"accounts({account})")
    versions.append(row["versionnumber"])
    assert versions == sorted(set(versions))
    assert row["@odata.etag"] == f'W/"{versions[-1]}"'


def test_a_row_without_select_has_all_columns_and_names_the_currency_of_money(api: DirectApi) -> None:
    key = api.make("accounts", name="x", revenue=5000000)
    row = api.row(f"accounts({key})")
    assert len(row) > 150
    assert row["description"] is None
    selected = api.row(f"accounts({key})?$select=revenue,name,")
    assert list(selected)[2:] == ["revenue", "name", "_transactioncurrencyid_value", "accountid"]
    assert str(selected["revenue"]) == "5000000.0000"


def test_single_properties_are_read_written_and_cleared(api: DirectApi) -> None:
    key = api.make("accounts", name="x", telephone1="1")
    assert api.row(f"accounts({key})/telephone1") == {
        "@odata.context": f"https://localhost:9/api/data/v9.2/$metadata#accounts({key})/telephone1",
        "value": "1",
    }
    assert api.get(f"accounts({key})/telephone1/$value").raw == b"1"
    assert api.put(f"accounts({key})/telephone1", {"value": "2"}).status == 204
    assert api.row(f"accounts({key})/telephone1")["value"] == "2"
    assert api.delete(f"accounts({key})/telephone1").status == 204
    assert api.get(f"accounts({key})/telephone1").status == 204
    assert api.put(f"accounts({key})/telephone1", {}).status == 400


def test_columns_that_cannot_be_written_are_passed_over_and_unknown_ones_refused(api: DirectApi) -> None:
    body = {
        "name": "x",
        "createdon": "1999-01-01T00:00:00Z",
        "versionnumber": 1,
        "address1_composite": "?",
        "statecode": 1,
    }
    key = api.make("accounts", **body)
    row = api.row(f"accounts({key})?$select=createdon,statecode,address1_composite")
    assert (row["createdon"] > "2020", row["statecode"], row["address1_composite"]) == (True, 0, None)
    refused = api.post("accounts", {"Name": "x"})
    assert refused.error == (400, "0x80048d19")
    assert "The property 'Name' does not exist on type 'Microsoft.Dynamics.CRM.account'" in refused.message
    assert (
        api.patch(
            f"accounts({key})", {"@odata.etag": "x", "name@OData.Community.Display.V1.FormattedValue": "y"}
        ).status
        == 204
    )


@pytest.mark.parametrize(
    ("values", "code", "text"),
    [
        ({"name": "x" * 161}, "0x80044331", "The length of the 'name' attribute of the 'account' entity exceeded"),
        ({"name": 5}, "0x80048d19", "Cannot convert the literal '5' to the expected type 'Edm.String'"),
        ({"numberofemployees": "5"}, "0x80048d19", "expected type 'Edm.Int32'"),
        (
            {"numberofemployees": -1},
            "0x8004432f",
            "'numberofemployees' on record of type 'account' is outside the valid range",
        ),
        ({"numberofemployees": decimal("1.5")}, "0x80048d19", "expected type 'Edm.Int32'"),
        ({"revenue": -1}, "0x80044330", "'revenue'"),
        ({"revenue": "1"}, "0x80048d19", "expected type 'Edm.Decimal'"),
        ({"creditonhold": 1}, "0x80048d19", "expected type 'Edm.Boolean'"),
        ({"preferredcontactmethodcode": 0}, "0x8004431a", "Accepted Values: 1,2,3,4,5"),
        (
            {"accountid": "invalidid"},
            "0x80048d19",
            "Cannot convert the literal 'invalidid' to the expected type 'Edm.Guid'",
        ),
        ({"lastonholdtime": "yesterday"}, "0x80048d19", "expected type 'Edm.DateTimeOffset'"),
        ({"lastonholdtime": "1700-01-01T00:00:00Z"}, "0x80040239", "1753-01-01"),
        ({"primarycontactid": FREE}, "0x80060888", "Use Navigation properties instead"),
        ({"_primarycontactid_value": FREE}, "0x80060888", "Use Navigation properties instead"),
        ({"statuscode": 2}, "0x80048408", "2 is not a valid status code for state code AccountState.Active"),
    ],
)
def test_values_that_do_not_fit_are_refused(api: DirectApi, values: dict[str, object], code: str, text: str) -> None:
    reply = api.post("accounts", values)
    assert reply.error == (400, code)
    assert text in reply.message
    assert api.get("accounts").rows == []


def test_required_by_the_system_is_enforced_required_by_forms_is_not(api: DirectApi) -> None:
    assert api.make("contacts", firstname="only")
    refused = api.post("pricelevels", {"description": "x"})
    assert refused.error == (400, "0x80040203")
    assert refused.message == "Attribute 'name' cannot be NULL"
    key = api.make("pricelevels", name="x")
    assert api.patch(f"pricelevels({key})", {"name": None}).status == 400


def test_texts_are_kept_as_they_come_and_empty_ones_become_null(api: DirectApi) -> None:
    key = api.make("accounts", name="  two  ", description="")
    row = api.row(f"accounts({key})?$select=name,description")
    assert (row["name"], row["description"]) == ("  two  ", None)
    api.service.switches.change({"empty_text_is_null": False})
    api.patch(f"accounts({key})", {"description": ""})
    assert api.row(f"accounts({key})?$select=description")["description"] == ""


def test_times_are_kept_to_the_second_in_utc_and_dates_as_days(api: DirectApi) -> None:
    key = api.make("accounts", name="x", lastonholdtime="2016-04-19T00:00:00.999-07:00")
    assert api.row(f"accounts({key})?$select=lastonholdtime")["lastonholdtime"] == "2016-04-19T07:00:00Z"
    contact = api.make("contacts", lastname="x", birthdate="1980-02-29")
    assert api.row(f"contacts({contact})?$select=birthdate")["birthdate"] == "1980-02-29"
    assert api.patch(f"contacts({contact})", {"birthdate": "1981-02-29"}).status == 400
    assert api.patch(f"contacts({contact})", {"birthdate": "1980-02-28T00:00:00Z"}).status == 400


def test_who_and_when_come_from_the_caller_and_the_clock(api: DirectApi) -> None:
    api.clock.set(None)
    api.clock.freeze()
    key = api.make("accounts", name="x")
    made = api.row(f"accounts({key})?$select=createdon,modifiedon,_createdby_value,_modifiedby_value,_ownerid_value")
    api.clock.advance(90)
    assert api.send("PATCH", f"accounts({key})", {"name": "y"}, client="person").status == 204
    changed = api.row(f"accounts({key})?$select=createdon,modifiedon,_createdby_value,_modifiedby_value,_ownerid_value")
    me, person = api.row("WhoAmI")["UserId"], api.send("GET", "WhoAmI", client="person").body["UserId"]
    assert made["createdon"] == made["modifiedon"] == changed["createdon"] < changed["modifiedon"]
    assert (made["_createdby_value"], made["_modifiedby_value"], made["_ownerid_value"]) == (me, me, me)
    assert (changed["_createdby_value"], changed["_modifiedby_value"]) == (me, person)


def test_creation_can_be_dated_back(api: DirectApi) -> None:
    key = api.make("accounts", name="x", overriddencreatedon="2001-02-03T04:05:06Z")
    row = api.row(f"accounts({key})?$select=createdon,overriddencreatedon,modifiedon")
    assert row["createdon"] == "2001-02-03T04:05:06Z"
    assert row["overriddencreatedon"] == row["modifiedon"] > "2020"


def test_an_application_may_act_for_a_user(api: DirectApi) -> None:
    person = api.get("systemusers?$select=azureactivedirectoryobjectid&$filter=lastname eq 'Person'").rows[0]
    key = api.post("accounts", {"name": "x"}, CallerObjectId=person["azureactivedirectoryobjectid"]).id
    expand = "createdby($select=fullname),createdonbehalfby($select=fullname)"
    row = api.row(f"accounts({key})?$select=name&$expand={expand}")
    assert row["createdby"]["fullname"] == "Paula Person"
    assert row["createdonbehalfby"]["fullname"] == "Twinrow Integration"
    assert row["createdby"]["ownerid"] == row["createdby"]["systemuserid"] == person["systemuserid"]
    assert api.post("accounts", {"name": "x"}, MSCRMCallerID=FREE).status == 403


def test_a_disabled_application_user_is_locked_out(api: DirectApi) -> None:
    me = api.row("WhoAmI")["UserId"]
    api.service.write_row("systemuser", {"systemuserid": me, "isdisabled": True})
    assert api.get("WhoAmI").error == (403, "0x80040225")


def test_unknown_names_are_told_apart(api: DirectApi) -> None:
    assert api.get("Account").error == (404, "0x8006088a")
    assert api.get("Account").message == "Resource not found for the segment 'Account'."
    assert api.get("accounts?$select=Name").error == (400, "0x0")
    assert api.get("accounts?$select=Name").message == (
        "Could not find a property named 'Name' on type 'Microsoft.Dynamics.CRM.account'."
    )
    assert api.post("WhoAmI", {}).message.startswith("No HTTP resource was found that matches the request URI")
    assert api.put("accounts", {}).status == 405
    assert api.post("accounts", b"{broken").error == (400, "0x80048d19")
    assert api.get("accounts(").status == 400


def test_error_details_come_on_request(api: DirectApi) -> None:
    plain = api.post("accounts", {"nam": 1}).body["error"]
    assert plain.keys() == {"code", "message"}
    detailed = api.post("accounts", {"nam": 1}, Prefer='odata.include-annotations="*"').body["error"]
    assert detailed["@Microsoft.PowerApps.CDS.InnerError.Message"] == detailed["message"]
    assert detailed["@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"] == "1"


def test_what_nobody_foresaw_is_an_error_of_the_service(api: DirectApi, caplog: pytest.LogCaptureFixture) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.PicklistAttributeMetadata",
        "SchemaName": "new_X",
        "OptionSet": ["x"],
    }
    reply = api.post("EntityDefinitions(LogicalName='account')/Attributes", column)
    assert reply.error == (500, "0x80040216")
    assert "could not be carried out" in caplog.text
    assert api.make("accounts", name="afterwards")


def test_urls_have_a_limit(api: DirectApi) -> None:
    assert api.get("accounts?$filter=name eq '" + "x" * 32_000 + "'").status == 200
    assert api.get("accounts?$filter=name eq '" + "x" * 33_000 + "'").status == 414


def test_without_a_token_nothing_is_done(api: DirectApi) -> None:
    reply = api.post("accounts", {"name": "x"}, Authorization="Bearer nothing")
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer authorization_uri=")
    assert api.get("accounts").rows == []
