"""Microsoft's own client for Python, unchanged, against the sandbox: its reading of the protocol beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from tests.sandbox.dataverse.api import HttpsApi


@pytest.fixture
def client(https: HttpsApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataverseClient]:
    # The client has no setting for the authority of certificates; `requests`, on which it is built, reads this one.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.process.ca_file))
    credential = ClientSecretCredential(
        "sandbox",
        "twinrow",
        "sandbox-secret",
        authority=https.process.url,
        disable_instance_discovery=True,
        connection_verify=str(https.process.ca_file),
    )
    with credential, DataverseClient(https.process.url, credential) as opened:
        yield opened


def names(client: DataverseClient, **query: Any) -> list[str]:
    return [row["name"] for row in client.records.list("account", select=["name"], orderby=["name"], **query)]


def test_one_row_from_beginning_to_end(client: DataverseClient) -> None:
    key = client.records.create("account", {"name": "Contoso", "telephone1": "1", "accountcategorycode": "Standard"})
    row = client.records.retrieve("account", key, select=["name", "telephone1", "accountcategorycode"])
    assert row is not None
    assert (row["name"], row["telephone1"], row["accountcategorycode"]) == ("Contoso", "1", 2)
    client.records.update("account", key, {"telephone1": "2"})
    shown = client.records.retrieve(
        "account", key, select=["telephone1", "accountcategorycode"], include_annotations="*"
    )
    assert shown is not None
    assert shown["telephone1"] == "2"
    assert shown["accountcategorycode@OData.Community.Display.V1.FormattedValue"] == "Standard"
    client.records.delete("account", key)
    assert client.records.retrieve("account", key) is None


def test_many_rows_are_written_and_deleted_at_once(client: DataverseClient) -> None:
    keys = client.records.create("account", [{"name": f"bulk {number}"} for number in range(5)])
    assert len(set(keys)) == 5
    client.records.update("account", keys, {"description": "same"})
    client.records.update("account", keys[:2], [{"name": "first"}, {"name": "second"}])
    assert names(client, filter="description eq 'same'") == ["bulk 2", "bulk 3", "bulk 4", "first", "second"]
    assert client.records.delete("account", keys[1:])
    assert names(client) == ["first"]


def test_queries_pages_and_related_rows(client: DataverseClient) -> None:
    contact = client.records.create("contact", {"firstname": "Zoë", "lastname": "Ähren"})
    client.records.create("account", {"name": "with", "primarycontactid@odata.bind": f"/contacts({contact})"})
    client.records.create("account", [{"name": f"n{number}"} for number in range(4)])
    pages = list(client.records.list_pages("account", select=["name"], orderby=["name"], page_size=2))
    assert [[row["name"] for row in page] for page in pages] == [["n0", "n1"], ["n2", "n3"], ["with"]]
    assert names(client, top=1) == ["n0"]
    found = client.records.list("account", filter="name eq 'WITH'", expand=["primarycontactid"])
    assert [row["primarycontactid"]["fullname"] for row in found] == ["Zoë Ähren"]
    built = client.query.builder("account").select("name").order_by("name", descending=True).top(1).execute()
    assert [row["name"] for row in built] == ["with"]


def test_rows_are_upserted_by_alternate_key(client: DataverseClient) -> None:
    client.tables.create_alternate_key("account", "new_number", ["accountnumber"])
    assert [key.key_attributes for key in client.tables.get_alternate_keys("account")] == [["accountnumber"]]
    for name in ("first", "second"):
        client.records.upsert("account", [{"alternate_key": {"accountnumber": "1"}, "record": {"name": name}}])
        several = [{"alternate_key": {"accountnumber": n}, "record": {"name": f"{name} {n}"}} for n in "23"]
        client.records.upsert("account", several)
    assert names(client) == ["second", "second 2", "second 3"]


def test_batches_and_change_sets(client: DataverseClient) -> None:
    batch = client.batch.new()
    batch.records.create("account", {"name": "alone"})
    with batch.changeset() as changes:
        reference = changes.records.create("contact", {"lastname": "boss"})
        changes.records.create("account", {"name": "bound", "primarycontactid@odata.bind": reference})
    result = batch.execute()
    assert not result.has_errors
    assert [response.status_code for response in result.responses] == [204, 204, 204]
    failing = client.batch.new()
    with failing.changeset() as changes:
        changes.records.create("account", {"name": "undone"})
        changes.records.create("account", {"name": "x" * 200})
    failing.records.create("account", {"name": "afterwards"})
    result = failing.execute(continue_on_error=True)
    assert [response.status_code for response in result.responses] == [400, 204]
    assert result.failed[0].error_code == "0x80044331"
    assert names(client) == ["afterwards", "alone", "bound"]


def test_errors_carry_what_the_service_says(client: DataverseClient) -> None:
    with pytest.raises(HttpError) as refused:
        client.records.create("account", {"nam": "x"})
    assert refused.value.status_code == 400
    assert refused.value.details["service_error_code"] == "0x80048d19"
    with pytest.raises(HttpError) as missing:
        client.records.update("account", "00000000-0000-0000-0000-000000000001", {"name": "x"})
    assert missing.value.status_code == 404


def test_throttling_is_told_as_transient(client: DataverseClient, https: HttpsApi) -> None:
    https.process.control("POST", "/sandbox/switches", {"protection_limits": {"enabled": True, "requests": 1}})
    with pytest.raises(HttpError) as refused:
        # It asks for the entity set first, and that is the one request.
        client.records.list("account", top=1)
    assert (refused.value.status_code, refused.value.is_transient) == (429, True)
    assert refused.value.details["retry_after"] > 0


def test_tables_and_columns_are_made_and_removed(client: DataverseClient) -> None:
    table = client.tables.create(
        "new_Parcel", {"new_Weight": "decimal", "new_Count": "int", "new_Sent": "datetime", "new_Fragile": "bool"}
    )
    assert table["table_logical_name"] == "new_parcel"
    assert table["entity_set_name"] == "new_parcels"
    client.tables.add_columns("new_Parcel", {"new_Label": "string"})
    key = client.records.create(
        "new_Parcel", {"new_name": "one", "new_weight": 1.5, "new_label": "x", "new_fragile": True}
    )
    row = client.records.retrieve("new_Parcel", key)
    assert row is not None
    assert (row["new_weight"], row["new_count"], row["new_fragile"]) == (1.5, None, True)
    columns = {column["LogicalName"] for column in client.tables.list_columns("new_Parcel")}
    assert {"new_parcelid", "new_label", "statecode", "ownerid"} <= columns
    client.tables.remove_columns("new_Parcel", ["new_Label"])
    assert "new_label" not in {column["LogicalName"] for column in client.tables.list_columns("new_Parcel")}
    client.tables.delete("new_Parcel")
    assert client.tables.get("new_Parcel") is None
