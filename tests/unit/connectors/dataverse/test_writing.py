"""Writes of rows: what is sent, and what becomes of each record when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import msgspec
import pytest
from tests.unit.connectors.dataverse.environment import NOBODY, Environment, Override, Row

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import ERROR, ERROR_CODE, ERROR_FIELD, RECOVERY, REMEDY, STATUS, Status
from twinrow.model.errors import ConfigurationError, SystemUnavailable, Unreachable

CREATES, UPDATES = "If-None-Match: *", "If-Match: "


def is_batch(request: httpx2.Request) -> bool:
    return str(request.url).endswith("$batch")


def batches(environment: Environment) -> list[str]:
    """The batches that were sent."""
    return [request.content.decode() for request in environment.requests if is_batch(request)]


def parts(environment: Environment, number: int = -1) -> list[tuple[str, dict[str, str], Any]]:
    """The parts of a batch: request line, headers, body."""
    found = []
    for piece in batches(environment)[number].split("--batch_of_twinrow")[1:-1]:
        head, _, body = piece.partition("\r\n\r\n")[2].partition("\r\n\r\n")
        line, *lines = head.split("\r\n")
        headers = dict(text.split(": ", 1) for text in lines)
        found.append((line, headers, msgspec.json.decode(body) if body.strip() else None))
    return found


def answering(environment: Environment, *told: tuple[int, Any] | tuple[int, Any, dict[str, str]]) -> Override:
    """Answer batches with these parts: status, body, headers."""

    def answer(request: httpx2.Request) -> httpx2.Response | None:
        if not is_batch(request):
            return None
        text = ""
        for status, body, *further in told:
            headers = {"Content-Type": "application/json"} | (further[0] if further else {})
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            content = msgspec.json.encode(body).decode() if body is not None else ""
            text += f"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status} X\r\n{lines}\r\n{content}\r\n"
        multipart = {"Content-Type": "multipart/mixed; boundary=b", "Date": environment.date}
        return httpx2.Response(200, headers=multipart, content=(text + "--b--\r\n").encode())

    return answer


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def statuses(answers: list[Row]) -> list[str]:
    return [answer[STATUS] for answer in answers]


def known(environment: Environment, *tables: str) -> None:
    """Let the connector read the descriptions of tables, so that afterwards only the writes are counted."""
    for table in tables or ("account",):
        environment.connector.describe(table)
    environment.forget()


# What is sent.


def test_a_create_takes_its_chosen_id_only_if_nobody_has_it(environment: Environment) -> None:
    known(environment)
    id = str(uuid4())
    (answer,) = environment.create("account", {"@id": id, "name": "Hafenbau", "creditlimit": Decimal("12.50")})
    ((line, headers, body),) = parts(environment)
    assert line.startswith(f"PATCH /api/data/v9.2/accounts({id})?$select=accountid,modifiedon,_modifiedby_value,name,")
    assert (headers["If-None-Match"], headers["Prefer"]) == ("*", "return=representation")
    assert body == {"name": "Hafenbau", "creditlimit": 12.5}
    assert (answer[STATUS], answer[ID], answer["creditlimit"]) == (Status.WRITTEN, id, Decimal("12.50"))
    assert answer[VERSION] == environment.api.row(f"accounts({id})")["@odata.etag"]
    assert answer[MODIFIED_AT] is not None


def test_without_a_chosen_id_the_service_makes_one(environment: Environment) -> None:
    known(environment)
    (answer,) = environment.create("account", {"name": "Hafenbau"})
    assert parts(environment)[0][0].startswith("POST /api/data/v9.2/accounts?$select=")
    assert environment.api.row(f"accounts({answer[ID]})")["name"] == "Hafenbau"


def test_a_create_that_is_repeated_makes_nothing_twice(environment: Environment) -> None:
    row = {"@id": str(uuid4()), "name": "Hafenbau"}
    assert statuses(environment.create("account", row) + environment.create("account", row)) == ["written", "exists"]
    assert environment.api.names("name eq 'Hafenbau'") == ["Hafenbau"]


def test_an_id_may_be_given_in_capitals(environment: Environment) -> None:
    id = str(uuid4())
    first, second = (environment.create("account", {"@id": id.upper(), "name": "A"})[0] for _ in range(2))
    assert (first[STATUS], first[ID]) == (Status.WRITTEN, id)
    assert (second[STATUS], second[ID]) == (Status.EXISTS, id)


def test_an_id_that_is_none_is_refused_without_asking(environment: Environment) -> None:
    known(environment)
    (answer,) = environment.create("account", {"@id": "A1)/$ref", "name": "A"})
    assert (answer[STATUS], answer[RECOVERY]) == (Status.REFUSED, "configuration")
    assert batches(environment) == []


def test_an_update_carries_the_version_and_only_what_is_sent(environment: Environment) -> None:
    (made,) = environment.create("account", {"name": "Hafenbau", "fax": "1", "telephone1": "2"})
    row = {ID: made[ID], VERSION: made[VERSION], "name": "Hafenbau Nord", "fax": None, "telephone1": "3"}
    (answer,) = environment.update("account", row, unsent=["telephone1"])
    ((_, headers, body),) = parts(environment)
    assert (headers["If-Match"], body) == (made[VERSION], {"name": "Hafenbau Nord", "fax": None})
    assert (answer[STATUS], answer["telephone1"], answer["fax"]) == (Status.WRITTEN, "2", None)


def test_a_version_that_no_longer_holds(environment: Environment) -> None:
    (made,) = environment.create("account", {"name": "Hafenbau"})
    environment.api.patch(f"accounts({made[ID]})", {"fax": "1"})
    stale = {ID: made[ID], VERSION: made[VERSION]}
    assert statuses(environment.update("account", stale | {"name": "B"})) == [Status.STALE]
    assert statuses(environment.delete("account", stale)) == [Status.STALE]
    assert environment.api.row(f"accounts({made[ID]})")["name"] == "Hafenbau"


def test_an_update_without_a_version_would_overwrite_and_is_not_sent(environment: Environment) -> None:
    (made,) = environment.create("account", {"name": "Hafenbau"})
    environment.forget()
    tokens = [None, 'W/"1"\r\nIf-None-Match: *']
    answers = environment.update("account", *({ID: made[ID], VERSION: token, "name": "B"} for token in tokens))
    answers += environment.update("account", {ID: "no id", VERSION: made[VERSION], "name": "B"})
    assert statuses(answers) == [Status.STALE, Status.STALE, Status.MISSING]
    assert batches(environment) == []


def test_without_version_checks_an_update_still_makes_no_row_anew(environment: Environment) -> None:
    environment.switch(optimistic_concurrency={"account": False})
    id = environment.api.make("accounts", name="Hafenbau")
    answers = environment.update("account", {ID: id, "name": "B"}, {ID: NOBODY, "name": "C"})
    assert statuses(answers) == [Status.WRITTEN, Status.MISSING]
    assert [headers["If-Match"] for _, headers, _ in parts(environment)] == ["*", "*"]
    assert environment.api.get(f"accounts({NOBODY})").status == 404


def test_an_update_that_sends_nothing_only_looks(environment: Environment) -> None:
    one, other = (environment.api.make("accounts", name=name) for name in "AB")
    versions = {row[ID]: row[VERSION] for row in environment.fetch("account", (), one, other)}
    environment.api.patch(f"accounts({other})", {"fax": "1"})
    rows = [{ID: id, VERSION: versions[id], "name": None} for id in (one, other)]
    answers = environment.update("account", *rows, unsent=["name"])
    assert [line.split(" ")[0] for line, _, _ in parts(environment)] == ["GET", "GET"]
    assert [(answer[STATUS], answer["name"]) for answer in answers] == [(Status.WRITTEN, "A"), (Status.STALE, None)]


def test_a_delete_and_one_of_what_is_gone(environment: Environment) -> None:
    (made,) = environment.create("account", {"name": "Hafenbau"})
    row = {ID: made[ID], VERSION: made[VERSION]}
    assert statuses(environment.delete("account", row) + environment.delete("account", row)) == ["written", "missing"]


def test_lookups_are_bound_to_rows_of_the_table_that_the_companion_names(environment: Environment) -> None:
    team = environment.api.make("teams", name="Vertrieb")
    contact = environment.api.make("contacts", lastname="Ahrens")
    known(environment)
    (answer,) = environment.create(
        "account", {"name": "A", "ownerid": team, "owneridtype": "Team", "primarycontactid": contact}
    )
    body = parts(environment)[0][2]
    assert body == {
        "name": "A",
        "ownerid@odata.bind": f"/teams({team})",
        "primarycontactid@odata.bind": f"/contacts({contact})",
    }
    assert (answer["ownerid"], answer["owneridtype"]) == (team, "team")
    row = {ID: answer[ID], VERSION: answer[VERSION], "primarycontactid": None}
    (answer,) = environment.update("account", row)
    assert parts(environment)[0][2] == {"primarycontactid@odata.bind": None}
    assert (answer[STATUS], answer["primarycontactid"]) == (Status.WRITTEN, None)


def test_without_a_companion_an_owner_is_a_user(environment: Environment) -> None:
    user = environment.connector.identify().caller
    (answer,) = environment.create("account", {"name": "A", "ownerid": user}, returning=("owneridtype",))
    assert parts(environment)[0][2]["ownerid@odata.bind"] == f"/systemusers({user})"
    assert answer["owneridtype"] == "systemuser"


def test_a_companion_that_is_not_sent_still_tells_the_table(environment: Environment) -> None:
    team = environment.api.make("teams", name="Vertrieb")
    row = {"name": "A", "ownerid": team, "owneridtype": "team"}
    (answer,) = environment.create("account", row, unsent=["owneridtype"])
    assert (answer[STATUS], answer["owneridtype"]) == (Status.WRITTEN, "team")


def test_a_companion_alone_writes_nothing(environment: Environment) -> None:
    (made,) = environment.create("account", {"name": "A"}, returning=("ownerid", "owneridtype"))
    row = {ID: made[ID], VERSION: made[VERSION], "owneridtype": "team"}
    (answer,) = environment.update("account", row, returning=("ownerid", "owneridtype"))
    assert (answer[STATUS], answer["ownerid"], answer["owneridtype"]) == ("written", made["ownerid"], "systemuser")


def test_a_companion_that_names_a_table_where_the_lookup_does_not_lead(environment: Environment) -> None:
    contact = environment.api.make("contacts", lastname="Ahrens")
    known(environment)
    lost = {"name": "A", "ownerid": contact, "owneridtype": "contact"}
    bad, good = environment.create("account", lost, {"name": "B"})
    assert (bad[STATUS], bad[ERROR_FIELD], good[STATUS]) == (Status.REFUSED, "owneridtype", Status.WRITTEN)
    assert len(parts(environment)) == 1


def test_texts_that_look_like_a_protocol_stay_texts(environment: Environment) -> None:
    text = 'A\r\n--batch_of_twinrow--\r\nHTTP/1.1 500 X "\\\u2028 €'
    (answer,) = environment.create("account", {"name": "A", "description": text}, {"name": "B"})[:1]
    assert (answer[STATUS], answer["description"]) == (Status.WRITTEN, text)


def test_records_go_over_in_batches_of_the_size_that_is_set() -> None:
    environment = Environment(batch_parts=2)
    known(environment)
    answers = environment.create("account", *({"name": str(number)} for number in range(5)))
    assert [answer["name"] for answer in answers] == list("01234")
    assert [len(parts(environment, number)) for number in range(3)] == [2, 2, 1]
    environment.connector.close()


def test_no_record_depends_on_another(environment: Environment) -> None:
    known(environment)
    answers = environment.create("account", {"name": "A"}, {"name": "x" * 161}, {"name": "C"})
    assert statuses(answers) == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
    sent = next(request for request in environment.requests if is_batch(request))
    assert sent.headers["Prefer"] == "odata.continue-on-error"
    assert "changeset" not in batches(environment)[0], "records of a change set would fall together"


# Refusals.


def test_a_text_that_is_too_long(environment: Environment) -> None:
    (answer,) = environment.create("account", {"name": "x" * 161})
    assert (answer[STATUS], answer[ERROR_FIELD], answer[RECOVERY]) == (Status.REFUSED, "name", "data")
    assert answer[ERROR] == "name takes 160 characters, the value has 161."
    assert (answer[ERROR_CODE], "on_loss" in answer[REMEDY]) == ("0x80044331", True)


def test_a_value_out_of_range(environment: Environment) -> None:
    (answer,) = environment.create("account", {"name": "A", "numberofemployees": -1})
    assert (answer[STATUS], answer[ERROR_FIELD]) == (Status.REFUSED, "numberofemployees")
    assert "range" in answer[REMEDY]


def test_a_choice_without_that_option(environment: Environment) -> None:
    (answer,) = environment.create("account", {"name": "A", "customertypecode": 4711})
    assert (answer[STATUS], answer[ERROR_FIELD]) == (Status.REFUSED, "customertypecode")
    assert "option" in answer[REMEDY]


def test_a_reference_to_a_record_that_does_not_exist(environment: Environment) -> None:
    (made,) = environment.create("account", {"name": "A"})
    lost = {"name": "B", "primarycontactid": NOBODY}
    answers = environment.create("account", lost)
    answers += environment.update("account", {ID: made[ID], VERSION: made[VERSION], **lost})
    for answer in answers:
        assert (answer[STATUS], answer[ERROR_FIELD]) == (Status.REFUSED, "primarycontactid")
        assert NOBODY in answer[ERROR]
        assert "referred to" in answer[REMEDY]


def test_a_row_that_others_refer_to_cannot_be_deleted(environment: Environment) -> None:
    currency = environment.api.make(
        "transactioncurrencies",
        isocurrencycode="SEK",
        currencyname="SEK",
        currencysymbol="kr",
        exchangerate=11,
        currencyprecision=2,
    )
    environment.api.make("accounts", name="A", bind={"transactioncurrencyid": f"/transactioncurrencies({currency})"})
    (row,) = environment.fetch("transactioncurrency", (), currency)
    (answer,) = environment.delete("transactioncurrency", row)
    assert (answer[STATUS], answer[ERROR_CODE], answer[RECOVERY]) == (Status.REFUSED, "0x80040227", "data")


def test_a_duplicate_of_an_alternate_key_is_no_repetition(environment: Environment) -> None:
    key = {"SchemaName": "new_number", "KeyAttributes": ["accountnumber"]}
    assert environment.api.post("EntityDefinitions(LogicalName='account')/Keys", key).status < 300
    environment.api.make("accounts", name="A", accountnumber="D1")
    (answer,) = environment.create("account", {"@id": str(uuid4()), "name": "B", "accountnumber": "D1"})
    assert (answer[STATUS], answer[ERROR_FIELD], answer[RECOVERY]) == (Status.REFUSED, "accountnumber", "data")
    assert "Couple" in answer[REMEDY]


def test_a_missing_privilege_is_a_matter_of_configuration(environment: Environment) -> None:
    known(environment)
    told = error("0x80040220", "Principal user is missing prvCreateAccount privilege")
    environment.override = answering(environment, (403, told))
    (answer,) = environment.create("account", {"name": "A"})
    assert (answer[STATUS], answer[RECOVERY]) == (Status.REFUSED, "configuration")
    assert "prvCreateAccount" in answer[ERROR]
    assert "security role" in answer[REMEDY]


@pytest.mark.parametrize("code", ["", "0x80060882"])
def test_a_version_conflict_is_known_by_its_status(environment: Environment, code: str) -> None:
    (made,) = environment.create("account", {"name": "A"})
    environment.override = answering(environment, (412, error(code, "The version of the existing record differs.")))
    assert statuses(environment.update("account", {ID: made[ID], VERSION: made[VERSION], "name": "B"})) == ["stale"]


def test_a_condition_that_fails_on_a_create_is_looked_into(environment: Environment) -> None:
    """The status alone may mean the id, or a rule against duplicates: there is a row with the id, or there is none."""
    taken = environment.api.make("accounts", name="A")
    environment.override = answering(environment, *[(412, error("0x80040333", "A record was not created."))] * 2)
    answers = environment.create("account", {"@id": taken, "name": "B"}, {"@id": NOBODY, "name": "C"})
    assert [(answer[STATUS], answer[ID]) for answer in answers] == [(Status.EXISTS, taken), (Status.REFUSED, None)]


def test_a_404_without_an_id_is_looked_into(environment: Environment) -> None:
    there, gone = environment.api.make("accounts", name="A"), NOBODY
    (row,) = environment.fetch("account", (), there)
    environment.override = answering(environment, *[(404, error("0x80040217", "It is not there."))] * 2)
    answers = environment.update("account", *({ID: id, VERSION: row[VERSION], "name": "B"} for id in (there, gone)))
    assert statuses(answers) == [Status.REFUSED, Status.MISSING]


# Not now, and no answer.


def test_parts_that_are_put_off_are_sent_again_after_the_pause() -> None:
    environment = Environment(patience_seconds=60)
    known(environment)
    put_off = answering(
        environment,
        (429, error("0x80072322", "Too many requests."), {"Retry-After": "7"}),
        (200, {"@odata.etag": 'W/"5"', "accountid": NOBODY, "name": "B"}),
    )
    asked = iter([put_off])
    environment.override = lambda request: next(asked, lambda _: None)(request)
    before = environment.clock.monotonic()
    answers = environment.create("account", {"name": "A"}, {"name": "B"})
    assert statuses(answers) == [Status.WRITTEN, Status.WRITTEN]
    assert [body["name"] for _, _, body in parts(environment)] == ["A"], "only what was put off goes again"
    assert environment.clock.monotonic() - before >= 7
    environment.connector.close()


def test_what_is_put_off_for_too_long_was_not_sent(environment: Environment) -> None:
    known(environment)
    environment.override = answering(environment, (429, error("0x80072322", "Too many."), {"Retry-After": "300"}))
    (answer,) = environment.create("account", {"name": "A"})
    assert (answer[STATUS], answer[RECOVERY], answer[ERROR_CODE]) == (Status.UNSENT, "retry", "0x80072322")


def test_a_batch_without_an_answer_is_indeterminate_and_not_sent_again(environment: Environment) -> None:
    known(environment)
    environment.lost = lambda request: httpx2.ReadError("reset") if is_batch(request) else None
    rows = [{"@id": str(uuid4()), "name": name} for name in "AB"]
    answers = environment.create("account", *rows)
    assert statuses(answers) == [Status.INDETERMINATE] * 2
    assert all(answer[RECOVERY] == "retry" and answer[ERROR] for answer in answers)
    assert len(batches(environment)) == 1
    environment.lost = lambda _: None
    assert statuses(environment.create("account", *rows)) == [Status.EXISTS] * 2, "it was carried out"


@pytest.mark.parametrize(
    "answer",
    [
        lambda date: httpx2.Response(502, content=b"<html>", headers={"Date": date}),
        lambda date: httpx2.Response(200, json={"value": []}, headers={"Date": date}),
        lambda date: httpx2.Response(
            200, content=b"--b\r\n\r\nHTTP/1.1 2", headers={"Date": date, "Content-Type": "multipart/mixed; boundary=b"}
        ),
    ],
    ids=["a gateway's error", "no parts", "broken off"],
)
def test_answers_that_leave_it_open(environment: Environment, answer: Callable[[str], httpx2.Response]) -> None:
    known(environment)
    environment.override = lambda request: answer(environment.date) if is_batch(request) else None
    assert statuses(environment.create("account", {"name": "A"}, {"name": "B"})) == [Status.INDETERMINATE] * 2
    assert len(batches(environment)) == 1


def test_an_answer_with_too_few_parts_leaves_the_others_open(environment: Environment) -> None:
    known(environment)
    environment.override = answering(environment, (400, error("0x80044331", "The length of 'name' exceeded.")))
    assert statuses(environment.create("account", {"name": "A"}, {"name": "B"})) == ["refused", "indeterminate"]


def test_a_part_that_failed_on_the_service_is_indeterminate(environment: Environment) -> None:
    known(environment)
    environment.override = answering(environment, (500, error("0x80040216", "An unexpected error occurred.")))
    assert statuses(environment.create("account", {"name": "A"})) == [Status.INDETERMINATE]


def test_one_answer_that_cannot_be_read_does_not_spoil_the_others(environment: Environment) -> None:
    known(environment)
    good = {"@odata.etag": 'W/"5"', "accountid": NOBODY, "name": "B"}
    environment.override = answering(environment, (200, good), (200, good | {"name": 7}), (200, good))
    answers = environment.create("account", *({"name": name} for name in "ABC"))
    assert statuses(answers) == ["written", "indeterminate", "written"]


def test_rows_that_are_not_handed_back_are_read(environment: Environment) -> None:
    known(environment)
    id = environment.api.make("accounts", name="Hafenbau")
    made = {"OData-EntityId": f"https://contoso.crm4.dynamics.com/api/data/v9.2/accounts({id})"}
    environment.override = answering(environment, (204, None, made))
    (answer,) = environment.create("account", {"name": "Hafenbau"})
    assert (answer[STATUS], answer[ID], answer["name"]) == (Status.WRITTEN, id, "Hafenbau")
    assert answer[VERSION] is not None


def test_a_row_that_was_made_without_saying_which(environment: Environment) -> None:
    known(environment)
    environment.override = answering(environment, (204, None))
    assert statuses(environment.create("account", {"name": "A"})) == [Status.INDETERMINATE]


def test_where_nothing_was_carried_out_the_reason_is_raised(environment: Environment) -> None:
    known(environment)
    environment.override = lambda request: httpx2.ConnectError("refused") if is_batch(request) else None
    with pytest.raises((SystemUnavailable, Unreachable)):
        environment.create("account", {"name": "A"})


def test_of_several_batches_those_that_did_not_go_out_are_unsent() -> None:
    environment = Environment(batch_parts=1)
    known(environment)
    count = 0

    def second_fails(request: httpx2.Request) -> Exception | None:
        nonlocal count
        count += is_batch(request)
        return httpx2.ConnectError("refused") if is_batch(request) and count == 2 else None

    environment.override = second_fails
    answers = environment.create("account", *({"name": name} for name in "ABC"))
    assert statuses(answers) == [Status.WRITTEN, Status.UNSENT, Status.UNSENT], "what comes after it is not tried"
    environment.connector.close()


def test_a_refusal_of_the_whole_batch_concerns_no_single_record(environment: Environment) -> None:
    known(environment)
    refusal = error("0x80072560", "The user is not a member of the organization.")
    environment.override = lambda request: (
        httpx2.Response(403, json=refusal, headers={"Date": environment.date}) if is_batch(request) else None
    )
    with pytest.raises(ConfigurationError):
        environment.create("account", {"name": "A"})
