"""Batches, change sets, and the messages that write many rows."""

from __future__ import annotations

import re

import pytest
from tests.sandbox.dataverse.api import DirectApi, Reply

HEAD = "Content-Type: application/http\nContent-Transfer-Encoding: binary"
A, B = "00000000-0000-0000-0000-0000000000a1", "00000000-0000-0000-0000-0000000000b1"


def part(
    method: str, path: str, body: str = "", headers: str = "", content_id: int | None = None, boundary: str = "b"
) -> str:
    """One operation of a batch or change set."""
    lines = [f"--{boundary}", HEAD]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"{method} {path} HTTP/1.1"]
    if body:
        lines.append("Content-Type: application/json; type=entry")
    lines += headers.splitlines()
    return "\n".join([*lines, "", body]) + "\n"


def change_set(*parts: str) -> str:
    return "--b\nContent-Type: multipart/mixed; boundary=c\n\n" + "".join(parts) + "--c--\n"


def statuses(reply: Reply) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", reply.raw)]


def test_parts_are_carried_out_in_order_and_answered_like_single_requests(api: DirectApi) -> None:
    reply = api.batch(
        part("POST", "/api/data/v9.2/accounts", '{"name":"one"}')
        + part(
            "PATCH",
            f"https://elsewhere:1/api/data/v9.1/accounts({A})",
            '{"name":"two"}',
            "Prefer: return=representation",
        )
        + part("GET", "accounts?$select=name&$orderby=name", headers="Prefer: odata.maxpagesize=1")
        + part("DELETE", f"/api/data/v9.2/accounts({A})")
        + "--b--"
    )
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert statuses(reply) == [204, 201, 200, 204]
    text = reply.raw.decode()
    assert re.search(
        r"HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\nLocation: https://localhost:9/\S+\r\nOData-EntityId: ", text
    )
    assert '"@odata.context":"https://elsewhere:1/api/data/v9.1/$metadata#accounts/$entity"' in text
    assert "Preference-Applied: odata.maxpagesize=1" in text
    assert [row["name"] for row in api.get("accounts").rows] == ["one"]


def test_without_preference_the_first_failure_ends_the_batch(api: DirectApi) -> None:
    parts = (
        part("POST", "accounts", '{"name":"one"}')
        + part("POST", "accounts", '{"nam":1}')
        + part("POST", "accounts", "{}")
    )
    reply = api.batch(parts + "--b--")
    assert reply.status == 400
    assert statuses(reply) == [204, 400]
    assert len(api.get("accounts").rows) == 1
    going_on = api.batch(parts + "--b--", Prefer="odata.continue-on-error")
    assert (going_on.status, statuses(going_on)) == (200, [204, 400, 204])
    assert "REQ_ID: " in going_on.raw.decode()
    assert len(api.get("accounts").rows) == 3


def test_conditions_and_preferences_are_those_of_the_part(api: DirectApi) -> None:
    api.patch(f"accounts({A})", {"name": "x"})
    etag = api.row(f"accounts({A})")["@odata.etag"]
    reply = api.batch(
        part("PATCH", f"accounts({A})", "{}", "If-None-Match: *")
        + part("PATCH", f"accounts({B})", "{}", "If-Match: *")
        + part("GET", f"accounts({A})?$select=name", headers=f"If-None-Match: {etag}")
        + part("PATCH", f"accounts({A})", '{"name":"y"}', f"If-Match: {etag}")
        + part("PATCH", f"accounts({A})", '{"name":"z"}', f"If-Match: {etag}")
        + "--b--",
        Prefer="odata.continue-on-error, return=representation",
    )
    assert statuses(reply) == [412, 404, 304, 204, 412]
    assert api.row(f"accounts({A})?$select=name")["name"] == "y"


def test_a_change_set_succeeds_as_one(api: DirectApi) -> None:
    reply = api.batch(
        change_set(
            part("POST", "contacts", '{"lastname":"boss"}', content_id=1, boundary="c"),
            part("POST", "accounts", '{"name":"one","primarycontactid@odata.bind":"$1"}', content_id=2, boundary="c"),
            part("PATCH", "$2", '{"name":"two"}', content_id=3, boundary="c"),
            part("PUT", "$1/lastname", '{"value":"chief"}', content_id=4, boundary="c"),
        )
        + part("GET", "accounts?$select=name&$expand=primarycontactid($select=lastname)")
        + "--b--"
    )
    assert statuses(reply) == [204, 204, 204, 204, 200]
    text = reply.raw.decode()
    assert "Content-Type: multipart/mixed; boundary=changesetresponse_" in text
    assert re.findall(r"Content-ID: (\d)", text) == ["1", "2", "3", "4"]
    row = api.get("accounts?$select=name&$expand=primarycontactid($select=lastname)").rows[0]
    assert (row["name"], row["primarycontactid"]["lastname"]) == ("two", "chief")


@pytest.mark.parametrize("bare", [False, True])
def test_a_change_set_fails_as_one(api: DirectApi, bare: bool) -> None:
    api.service.switches.change({"bare_change_set_errors": bare})
    failing = change_set(
        part("POST", "accounts", '{"name":"one"}', content_id=1, boundary="c"),
        part("POST", "accounts", '{"nam":1}', content_id=2, boundary="c"),
        part("POST", "accounts", '{"name":"three"}', content_id=3, boundary="c"),
    )
    parts = (
        part("POST", "accounts", '{"name":"before"}') + failing + part("POST", "accounts", '{"name":"after"}') + "--b--"
    )
    reply = api.batch(parts)
    assert (reply.status, statuses(reply)) == (400, [204, 400])
    assert (b"changesetresponse_" in reply.raw) is not bare
    assert [row["name"] for row in api.get("accounts").rows] == ["before"]
    going_on = api.batch(parts, Prefer="odata.continue-on-error")
    assert (going_on.status, statuses(going_on)) == (200, [204, 400, 204])
    assert sorted(row["name"] for row in api.get("accounts").rows) == ["after", "before", "before"]


@pytest.mark.parametrize(
    "inner",
    [
        part("GET", "accounts", boundary="c"),
        part("POST", "accounts", '{"primarycontactid@odata.bind":"$2"}', content_id=1, boundary="c"),
        part("PATCH", f"accounts({A})", "{}", "If-Match: *", boundary="c"),
    ],
)
def test_what_a_change_set_refuses(api: DirectApi, inner: str) -> None:
    made = part("POST", "accounts", "{}", content_id=9, boundary="c")
    reply = api.batch(change_set(made, inner) + "--b--")
    assert reply.status in (400, 404)
    assert api.get("accounts").rows == []


def test_ids_deleted_in_a_failed_part_are_back(api: DirectApi) -> None:
    key = api.make("accounts", name="x")
    api.batch(
        change_set(part("DELETE", f"accounts({key})", boundary="c"), part("DELETE", f"accounts({B})", boundary="c"))
        + "--b--"
    )
    assert api.get(f"accounts({key})").status == 200


def test_batches_that_cannot_be_read(api: DirectApi) -> None:
    one = part("GET", "accounts")
    assert api.batch(one * 1001 + "--b--").status == 400
    assert api.batch(one * 1000 + "--b--").status == 200
    assert api.batch(part("POST", "$batch", "x") + "--b--").status == 400
    whole = (one + "--b--\n").encode()
    multipart = {"Content-Type": "multipart/mixed; boundary=b"}
    # Line ends other than CRLF, and a missing one at the very end.
    assert api.send("POST", "$batch", whole, multipart).error == (400, "0x80048d19")
    assert api.send("POST", "$batch", whole.replace(b"\n", b"\r\n")[:-2], multipart).error == (400, "0x80048d19")
    assert api.send("POST", "$batch", whole.replace(b"\n", b"\r\n"), multipart).status == 200
    assert api.send("POST", "$batch", whole, {"Content-Type": "application/json"}).status == 400


def test_the_log_knows_how_many_parts_a_batch_had(api: DirectApi) -> None:
    from twinrow.sandbox.http import Request

    body = (part("GET", "accounts") * 3 + "--b--\n").replace("\n", "\r\n").encode()
    headers = {"authorization": f"Bearer {api.token('twinrow')}", "content-type": "multipart/mixed; boundary=b"}
    assert api.service.answer(Request("POST", "/api/data/v9.2/$batch", "", headers, body)).parts == 3


BULK = "accounts/Microsoft.Dynamics.CRM."
TYPE = {"@odata.type": "Microsoft.Dynamics.CRM.account"}


def test_create_multiple_gives_the_ids_in_order(api: DirectApi) -> None:
    targets = [{**TYPE, "name": name, "revenue": 5} for name in "abc"]
    reply = api.post(f"{BULK}CreateMultiple", {"Targets": targets})
    assert reply.body["@odata.context"].endswith("#Microsoft.Dynamics.CRM.CreateMultipleResponse")
    names = [api.row(f"accounts({key})?$select=name")["name"] for key in reply.body["Ids"]]
    assert names == ["a", "b", "c"]


@pytest.mark.parametrize("message", ["CreateMultiple", "UpsertMultiple"])
@pytest.mark.parametrize(
    "bad", [{"name": "no type"}, {"@odata.type": "Microsoft.Dynamics.CRM.contact"}, {**TYPE, "name": "x" * 200}]
)
def test_bulk_messages_are_all_or_nothing(api: DirectApi, message: str, bad: dict[str, str]) -> None:
    reply = api.post(f"{BULK}{message}", {"Targets": [{**TYPE, "name": "a"}, bad]})
    assert reply.status == 400
    assert api.get("accounts").rows == []


def test_update_multiple_changes_rows_that_must_be_there(api: DirectApi) -> None:
    keys = [api.make("accounts", name=name) for name in "ab"]
    targets = [{**TYPE, "accountid": key, "name": f"new {number}"} for number, key in enumerate(keys)]
    assert api.post(f"{BULK}UpdateMultiple", {"Targets": targets}).status == 204
    assert sorted(row["name"] for row in api.get("accounts").rows) == ["new 0", "new 1"]
    gone = {**TYPE, "accountid": A, "name": "x"}
    assert api.post(f"{BULK}UpdateMultiple", {"Targets": [{**targets[0], "name": "y"}, gone]}).status == 404
    assert api.post(f"{BULK}UpdateMultiple", {"Targets": [{**TYPE, "name": "y"}]}).status == 400
    assert api.post(f"{BULK}UpdateMultiple", {"Targets": []}).status == 400
    assert sorted(row["name"] for row in api.get("accounts").rows) == ["new 0", "new 1"]


def test_upsert_multiple_takes_ids_and_alternate_keys(api: DirectApi) -> None:
    key = {"SchemaName": "new_number", "KeyAttributes": ["accountnumber"]}
    api.post("EntityDefinitions(LogicalName='account')/Keys", key)
    for name in ("first", "second"):
        targets = [
            {**TYPE, "accountid": A, "name": f"by id {name}"},
            {**TYPE, "@odata.id": "accounts(accountnumber='7')", "name": f"by key {name}"},
        ]
        reply = api.post(f"{BULK}UpsertMultiple", {"Targets": targets})
        assert (reply.status, reply.raw) == (204, b"")
    rows = api.get("accounts?$select=name,accountnumber&$orderby=name").rows
    assert [(row["name"], row["accountnumber"]) for row in rows] == [("by id second", None), ("by key second", "7")]


def test_delete_multiple_is_for_other_tables_and_bulk_delete_for_these(api: DirectApi) -> None:
    keys = [api.make("accounts", name=name) for name in "abc"]
    refused = api.post(f"{BULK}DeleteMultiple", {"Targets": [{**TYPE, "accountid": keys[0]}]})
    assert (refused.status, refused.message) == (501, "DeleteMultiple has not yet been implemented.")
    condition = {
        "AttributeName": "accountid",
        "Operator": "In",
        "Values": [{"Value": key, "Type": "System.Guid"} for key in keys[:2]],
    }
    body = {"QuerySet": [{"EntityName": "account", "Criteria": {"Conditions": [condition]}}], "JobName": "x"}
    assert api.post("BulkDelete", body).body["JobId"]
    assert [row["name"] for row in api.get("accounts").rows] == ["c"]


def test_which_tables_take_bulk_messages_is_told(api: DirectApi) -> None:
    query = (
        "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @m and primaryobjecttypecode eq @t"
    )
    assert len(api.get(f"{query}&@m='CreateMultiple'&@t='account'").rows) == 1
    assert api.get(f"{query}&@m='CreateMultiple'&@t='stringmap'").rows == []
