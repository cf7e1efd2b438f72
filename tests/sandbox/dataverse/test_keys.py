"""Alternate keys: made over the Web API, used to find, make and change rows, and kept unique."""

from __future__ import annotations

import pytest
from tests.sandbox.dataverse.api import DirectApi

KEYS = "EntityDefinitions(LogicalName='account')/Keys"


@pytest.fixture
def keyed(api: DirectApi) -> DirectApi:
    """Accounts with a key on the number, and one on name and city."""
    for name, columns in (("new_number", ["accountnumber"]), ("new_place", ["name", "address1_city"])):
        assert api.post(KEYS, {"SchemaName": name, "KeyAttributes": columns}).status == 204
    return api


def test_keys_are_listed_and_removed(keyed: DirectApi) -> None:
    listed = keyed.get(
        "EntityDefinitions?$select=SchemaName&$filter=LogicalName eq 'account'&$expand=Keys($select=KeyAttributes)"
    )
    keys = listed.rows[0]["Keys"]
    assert [key["KeyAttributes"] for key in keys] == [["accountnumber"], ["name", "address1_city"]]
    shown = keyed.get(KEYS).rows[0]
    assert (shown["SchemaName"], shown["EntityKeyIndexStatus"]) == ("new_number", "Active")
    assert keyed.delete(f"{KEYS}({shown['MetadataId']})").status == 204
    assert len(keyed.get(KEYS).rows) == 1
    assert keyed.get("accounts(accountnumber='1')").status == 400


def test_keys_are_made_as_set_up_without_a_caller(api: DirectApi) -> None:
    row = {"table": "contact", "name": "new_mail", "columns": ["emailaddress1"]}
    assert api.service.write_row("entitykey", row) == row
    assert api.service.table_rows("entitykey") == [row]
    assert api.patch("contacts(emailaddress1='a@b.example')", {"lastname": "x"}).status == 204
    with pytest.raises(ValueError, match="cannot be part of a key"):
        api.service.write_row("entitykey", {**row, "name": "new_other", "columns": ["nothing"]})


def test_rows_are_found_by_key_without_regard_to_case(keyed: DirectApi) -> None:
    key = keyed.make("accounts", name="Ä", accountnumber="c-1", address1_city="Bern")
    assert keyed.row("accounts(accountnumber='C-1')?$select=name")["accountid"] == key
    assert keyed.row("accounts(name='Ä',address1_city='bern')")["accountid"] == key
    assert keyed.make("contacts", lastname="x", bind={"parentcustomerid_account": "/accounts(accountnumber='c-1')"})
    missing = keyed.get("accounts(accountnumber='c-2')")
    assert missing.error == (404, "0x80060891")
    assert missing.message == "A record with the specified key values does not exist in account entity"
    unknown = keyed.get("accounts(telephone1='1')")
    assert unknown.error == (400, "0x80060888")
    assert "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.account'." in unknown.message
    assert keyed.get("accounts(name='Ä')").status == 400
    assert keyed.get("accounts(accountnumber='a%25b')").status == 400


def test_upsert_by_key_names_the_row_by_its_key(keyed: DirectApi) -> None:
    path = "accounts(accountnumber='7')"
    for name in ("first", "second"):
        reply = keyed.patch(path, {"name": name})
        assert reply.status == 204
        assert reply.headers["odata-entityid"] == "https://localhost:9/api/data/v9.2/accounts(accountnumber='7')"
    row = keyed.row(f"{path}?$select=name,accountnumber")
    assert (row["name"], row["accountnumber"]) == ("second", "7")
    made = keyed.patch("accounts(accountnumber='8')?$select=accountid", {}, Prefer="return=representation")
    changed = keyed.patch("accounts(accountnumber='8')?$select=accountid", {}, Prefer="return=representation")
    assert (made.status, changed.status) == (201, 200)
    assert made.body["accountid"] == changed.body["accountid"]


def test_key_values_in_the_body_count_only_when_the_row_is_made(keyed: DirectApi) -> None:
    keyed.patch("accounts(accountnumber='1')", {"name": "a", "accountnumber": "2"})
    assert keyed.get("accounts(accountnumber='1')").status == 404
    keyed.patch("accounts(accountnumber='2')", {"name": "b", "accountnumber": "3"})
    assert keyed.row("accounts(accountnumber='2')?$select=name")["name"] == "b"


def test_conditions_hold_by_key_too(keyed: DirectApi) -> None:
    keyed.make("accounts", accountnumber="1")
    assert keyed.patch("accounts(accountnumber='1')", {}, If_None_Match="*").error == (412, "0x80040237")
    assert keyed.patch("accounts(accountnumber='2')", {}, If_Match="*").error == (404, "0x80060891")
    assert keyed.delete("accounts(accountnumber='1')").status == 204
    assert keyed.delete("accounts(accountnumber='1')").status == 404


def test_a_second_row_with_the_same_key_is_refused(keyed: DirectApi) -> None:
    keyed.make("accounts", accountnumber="c-1")
    other = keyed.make("accounts", accountnumber="c-2")
    keyed.make("accounts", name="without")
    keyed.make("accounts", name="without")
    for refused in (
        keyed.post("accounts", {"accountnumber": "C-1"}),
        keyed.patch(f"accounts({other})", {"accountnumber": "c-1"}),
    ):
        assert refused.error == (412, "0x80060892")
        assert "new_number" in refused.message
    key = keyed.get("accounts?$filter=accountnumber eq 'c-1'").rows[0]["accountid"]
    assert keyed.post("accounts", {"accountid": key}).error == (412, "0x80040237")


@pytest.mark.parametrize(
    "columns", [[], ["nothing"], ["creditonhold"], ["description"], ["accountnumber"], ["name"] * 17]
)
def test_keys_that_cannot_be_made(keyed: DirectApi, columns: list[str]) -> None:
    assert keyed.post(KEYS, {"SchemaName": "new_other", "KeyAttributes": columns}).status == 400


def test_a_key_that_rows_contradict_is_refused(api: DirectApi) -> None:
    for _ in range(2):
        api.make("accounts", accountnumber="1")
    assert api.post(KEYS, {"SchemaName": "new_number", "KeyAttributes": ["accountnumber"]}).error == (412, "0x80060892")
    assert api.get(KEYS).rows == []
