"""Writes: what is sent in which order, and what becomes of each record when things go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import msgspec
import pytest
from tests.unit.connectors.business_central.company import Company, batch_said, refused, said

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import (
    ERROR,
    ERROR_CODE,
    ERROR_FIELD,
    RECOVERY,
    REMEDY,
    STATUS,
    Status,
    WriteKind,
)
from twinrow.model.errors import ConfigurationError, SystemUnavailable, UnknownField

Row = dict[str, Any]


@pytest.fixture
def own() -> Iterator[Company]:
    company = Company()
    yield company
    company.connector.close()


@pytest.fixture
def standard() -> Iterator[Company]:
    company = Company(own=False)
    yield company
    company.connector.close()


def statuses(answers: list[Row]) -> list[str]:
    return [answer[STATUS] for answer in answers]


def batches_only(answer: Callable[[httpx2.Request], Any]) -> Callable[[httpx2.Request], Any]:
    return lambda request: answer(request) if str(request.url).endswith("$batch") else None


def is_write(request: httpx2.Request) -> bool:
    return str(request.url).endswith("$batch") and b'"method":"GET"' not in request.content


# What is sent.


def test_the_values_of_the_sender_survive_the_address_rules(own: Company) -> None:
    own.site.write("Post Code", {"Code": "8001", "City": "Zürich", "County": "ZH", "Country/Region Code": "CH"})
    address = {"city": "Zurich", "state": "Zurich Canton", "postalCode": "8001", "country": "CH"}
    (answer,) = own.create({"displayName": "Ann", **address})
    assert {name: answer[name] for name in address} == address
    (answer,) = own.update(
        (answer[ID], answer[VERSION], {"city": "Vienna", "state": "W", "postalCode": "1010", "country": "AT"})
    )
    assert [answer[name] for name in ("city", "state", "postalCode", "country")] == ["Vienna", "W", "1010", "AT"]
    assert list(own.bodies()[-1]) == ["country", "postalCode", "city", "state"]


def test_a_primary_contact_does_not_overwrite_what_is_sent_beside_it(own: Company) -> None:
    (customer,) = own.create({"displayName": "Hansekontor GmbH"})
    contact = own.site.table("Contact")[0]
    own.site.patch(f"contacts({contact['SystemId']})", {"phoneNumber": "1", "email": "contact@hanse.example"})
    (customer,) = own.connector.fetch("customers", (), [customer[ID]]).to_dicts()
    values = {"phoneNumber": "2", "email": "own@hanse.example", "contact": "Frauke", "primaryContactNo": contact["No."]}
    (answer,) = own.update((customer[ID], customer[VERSION], values))
    assert {name: answer[name] for name in values} == values


def test_a_persons_name_is_split_by_the_parts_that_are_sent(own: Company) -> None:
    values = {"surname": "Ruiz", "firstName": "Maria del Carmen", "displayName": "something else", "type": "Person"}
    (answer,) = own.create(values, table="contacts")
    assert (answer["firstName"], answer["surname"], answer["displayName"]) == (
        "Maria del Carmen",
        "Ruiz",
        "Maria del Carmen Ruiz",
    )


def test_a_mark_goes_along_where_there_is_one(own: Company) -> None:
    mark = str(uuid4())
    marked, unmarked = own.create({"displayName": "A"}, {"displayName": "B"}, marks=[mark, None])
    assert [body.get("syncMark") for body in own.bodies()] == [mark, None]
    assert all("id" not in body for body in own.bodies())
    found = own.connector.fetch("customers", ("syncMark",), [marked[ID], unmarked[ID]])
    assert dict(zip(found[ID], found["syncMark"], strict=True)) == {marked[ID]: mark, unmarked[ID]: None}


def test_what_is_wanted_back_may_differ_from_what_is_sent(own: Company) -> None:
    (answer,) = own.create({"displayName": "A"}, returning=("number", "currencyCode"))
    assert answer["number"] == "C000001"
    assert answer["currencyCode"] == "EUR"
    assert "displayName" not in answer
    assert answer[MODIFIED_AT] is not None


def test_an_update_without_a_version_would_overwrite_and_is_not_sent(own: Company) -> None:
    (made,) = own.create({"displayName": "A"})
    sent = len(own.requests)
    answers = own.update((made[ID], None, {"displayName": "B"}), ("no id", "W/1", {"displayName": "C"}))
    assert statuses(answers) == [Status.STALE, Status.MISSING]
    assert len(own.requests) == sent


def test_a_field_that_does_not_exist_is_named_before_anything_is_sent(own: Company) -> None:
    own.connector.describe("customers")
    sent = len(own.requests)
    with pytest.raises(UnknownField, match="number"):
        own.create({"displayName": "A"}, returning=("numbr",))
    assert len(own.requests) == sent


def test_a_table_that_can_only_be_read(own: Company) -> None:
    with pytest.raises(ConfigurationError, match="currencyExchangeRates of the company can only be read"):
        own.create({"currencyCode": "NOK"}, table="currencyExchangeRates")


# No answer.


def test_a_batch_without_an_answer_is_indeterminate_and_not_sent_again(own: Company) -> None:
    own.connector.describe("customers")
    own.lost = lambda request: httpx2.ReadError("reset") if is_write(request) else None
    marks = [str(uuid4()), str(uuid4())]
    answers = own.create({"displayName": "A"}, {"displayName": "B"}, marks=marks)
    assert statuses(answers) == [Status.INDETERMINATE] * 2
    assert all(answer[RECOVERY] == "retry" and answer[ERROR] for answer in answers)
    assert len([request for request in own.requests if is_write(request)]) == 1
    own.lost = lambda _: None
    assert len(own.site.table("Customer")) == 2, "it was carried out"
    again = own.create({"displayName": "A"}, {"displayName": "B"}, marks=marks)
    assert statuses(again) == [Status.EXISTS] * 2
    assert len(own.site.table("Customer")) == 2


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_answers_that_leave_it_open_whether_a_batch_was_carried_out(own: Company, status: int) -> None:
    own.override = batches_only(lambda _: refused(status, "Application_Timeout", "Took too long."))
    assert statuses(own.create({"displayName": "A"})) == [Status.INDETERMINATE]


@pytest.mark.parametrize("content", [b"", b"<html>Maintenance</html>", b'{"responses":"none"}'])
def test_an_answer_that_cannot_be_read_leaves_it_open_too(own: Company, content: bytes) -> None:
    own.override = batches_only(lambda _: said(200, content))
    assert statuses(own.create({"displayName": "A"})) == [Status.INDETERMINATE]


def test_a_part_without_an_answer_is_indeterminate_by_itself(own: Company) -> None:
    record = {
        "@odata.etag": 'W/"x"',
        "id": str(uuid4()),
        "displayName": "A",
        "lastModifiedDateTime": "2026-05-01T12:00:00Z",
    }
    own.override = batches_only(lambda _: batch_said((201, record), (201, None), (201, {"displayName": 7})))
    answers = own.create(*({"displayName": "A"} for _ in range(4)))
    assert statuses(answers) == [Status.WRITTEN] + [Status.INDETERMINATE] * 3


# Certainly not carried out.


def test_a_service_that_is_busy_for_good_raises_when_nothing_was_done(own: Company) -> None:
    own.override = batches_only(lambda _: refused(429, "Application_TooManyRequests", "Later."))
    with pytest.raises(SystemUnavailable, match="Application_TooManyRequests"):
        own.create({"displayName": "A"})


def test_what_was_not_sent_is_unsent_when_something_else_was_done() -> None:
    company = Company(batch_parts=2)
    batches = 0

    def busy(_: httpx2.Request) -> httpx2.Response | None:
        nonlocal batches
        batches += 1
        return refused(503, "Busy", "Later.") if batches > 1 else None

    company.override = batches_only(busy)
    answers = company.create(*({"displayName": f"N{number}"} for number in range(8)))
    assert statuses(answers) == [Status.WRITTEN] * 2 + [Status.UNSENT] * 6
    assert answers[-1][RECOVERY] == "retry"
    assert "Later." in answers[-1][ERROR]
    assert batches == 2, "the others are not tried"
    assert len(company.site.table("Customer")) == 2


def test_a_privilege_that_is_missing_raises_with_what_to_do(own: Company) -> None:
    own.override = batches_only(lambda _: refused(403, "Authorization_RequestDenied", "No permission for Customer."))
    with pytest.raises(ConfigurationError, match=r"No permission for Customer\..*permission set"):
        own.create({"displayName": "A"})


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, ""), (503, "Busy"), (409, "Internal_ServerError"), (401, "Authentication_InvalidCredentials")],
)
def test_parts_that_were_turned_away_are_unsent(own: Company, status: int, code: str) -> None:
    own.override = batches_only(lambda _: batch_said((status, {"error": {"code": code, "message": "Not now."}})))
    (answer,) = own.create({"displayName": "A"})
    assert (answer[STATUS], answer[ERROR], answer[RECOVERY]) == (Status.UNSENT, "Not now.", "retry")


def test_a_record_that_a_long_transaction_holds_is_unsent(own: Company) -> None:
    (made,) = own.create({"displayName": "A"})
    own.site.switch(long_transaction="person")
    own.site.as_client("person").patch(f"customers({made[ID]})", {"displayName": "held"})
    (answer,) = own.update((made[ID], made[VERSION], {"displayName": "B"}))
    assert answer[STATUS] == Status.UNSENT
    assert "another session" in answer[ERROR]


# Versions, and records that are gone.


@pytest.mark.parametrize(
    ("status", "code"), [(409, "Request_EntityChanged"), (412, ""), (400, "BadRequest_InvalidToken")]
)
def test_a_version_that_no_longer_holds(own: Company, status: int, code: str) -> None:
    own.override = batches_only(lambda _: batch_said((status, {"error": {"code": code, "message": "Changed."}})))
    (answer,) = own.update((str(uuid4()), 'W/"old"', {"displayName": "B"}))
    assert (answer[STATUS], answer[ERROR]) == (Status.STALE, None)


def test_a_version_may_hold_any_character(own: Company) -> None:
    own.connector.describe("customers")
    own.update((str(uuid4()), 'W/"a\\"b"', {"displayName": "B"}))
    part = msgspec.json.decode(own.requests[-1].content)["requests"][0]
    assert part["headers"] == {"Content-Type": "application/json", "If-Match": 'W/"a\\"b"'}


def test_a_record_is_only_missing_when_it_is_not_there(own: Company) -> None:
    """The same status tells of a page that is not there."""
    (made,) = own.create({"displayName": "A"})
    gone = str(uuid4())
    error = {
        "error": {"code": "BadRequest_ResourceNotFound", "message": "Resource not found for the segment 'customers'."}
    }
    own.override = lambda request: batch_said((404, error), (404, error)) if is_write(request) else None
    answers = own.update((made[ID], made[VERSION], {"displayName": "B"}), (gone, 'W/"x"', {"displayName": "B"}))
    assert statuses(answers) == [Status.REFUSED, Status.MISSING]
    assert answers[0][RECOVERY] == "configuration"
    assert [answer[ID] for answer in answers] == [made[ID], gone]


def test_when_one_cannot_look_a_record_is_not_said_to_be_missing(own: Company) -> None:
    own.connector.describe("customers")
    own.connector.identify()
    error = {
        "error": {"code": "BadRequest_ResourceNotFound", "message": "Resource not found for the segment 'customers'."}
    }
    own.override = lambda request: batch_said((404, error)) if is_write(request) else refused(503, "Busy", "Later.")
    (answer,) = own.update((str(uuid4()), 'W/"x"', {"displayName": "B"}))
    assert answer[STATUS] == Status.REFUSED


# Refusals.


def test_a_refusal_names_field_cause_and_remedy(own: Company) -> None:
    long, no_such, letters, unknown, blank, twice = own.create(
        {"displayName": "A", "addressLine2": "x" * 60},
        {"displayName": "A", "country": "XX"},
        {"displayName": "A", "phoneNumber": "call me"},
        {"displayName": "A", "paymentTermsId": str(uuid4())},
        {"displayName": ""},
        {"displayName": "A", "email": "nobody at all"},
    )
    assert long[ERROR] == "addressLine2 takes 50 characters, the value has 60."
    assert long[ERROR_CODE] == "Application_StringExceededLength"
    found = [row[ERROR_FIELD] for row in (long, no_such, letters, unknown, blank, twice)]
    assert found == ["addressLine2", "country", "phoneNumber", "paymentTermsId", "displayName", "email"]
    for row in (long, no_such, letters, unknown, blank, twice):
        assert row[STATUS] == Status.REFUSED
        assert row[REMEDY]
        assert row[RECOVERY] == "data"
        assert "CorrelationId" not in row[ERROR]


def test_a_number_that_is_taken_is_a_refusal_and_no_repetition(own: Company) -> None:
    first, second = own.create(
        {"displayName": "A", "number": "K1"}, {"displayName": "B", "number": "K1"}, marks=[str(uuid4()), str(uuid4())]
    )
    assert (first[STATUS], second[STATUS]) == (Status.WRITTEN, Status.REFUSED)
    assert second[ERROR_CODE] == "Internal_EntityWithSameKeyExists"
    assert "Couple" in second[REMEDY]


def test_a_refused_repetition_exists_whatever_it_is_refused_for(own: Company) -> None:
    mark = str(uuid4())
    (made,) = own.create({"displayName": "A"}, marks=[mark])
    error = {"error": {"code": "Application_DialogException", "message": "Something else is wrong."}}
    own.override = lambda request: batch_said((400, error)) if is_write(request) else None
    (again,) = own.create({"displayName": "A"}, marks=[mark.upper()])
    assert (again[STATUS], again[ID], again[VERSION], again[ERROR]) == (Status.EXISTS, made[ID], None, None)


def test_when_one_cannot_look_the_refusal_stands(own: Company) -> None:
    own.connector.describe("customers")
    own.connector.identify()
    error = {"error": {"code": "Application_DialogException", "message": "No."}}
    own.override = lambda request: batch_said((400, error)) if is_write(request) else refused(503, "Busy", "Later.")
    (answer,) = own.create({"displayName": "A"}, marks=[str(uuid4())])
    assert answer[STATUS] == Status.REFUSED


# Chosen ids.


def test_an_environment_that_does_not_take_chosen_ids_is_found_out_by_its_first_record() -> None:
    company = Company(own=False, chosen_ids=True)
    company.site.switch(chosen_ids=False)
    chosen = [str(uuid4()) for _ in range(4)]
    answers = company.create(*({"displayName": f"N{number}"} for number in range(4)), ids=chosen)
    assert statuses(answers) == [Status.WRITTEN] + [Status.UNSENT] * 3
    (row,) = company.site.table("Customer")
    assert answers[0][ID] == row["SystemId"] != chosen[0], "what was made is told with its real id"
    assert "chosen_ids" in answers[1][ERROR]
    assert answers[1][RECOVERY] == "configuration"
    with pytest.raises(ConfigurationError, match="Switch the setting chosen_ids off"):
        company.create({"displayName": "one more"}, ids=[str(uuid4())])
    assert len(company.site.table("Customer")) == 1


def test_a_refused_first_record_does_not_settle_whether_ids_are_taken() -> None:
    company = Company(own=False, chosen_ids=True)
    rows = [{"displayName": ""}, {"displayName": "A"}, {"displayName": "B"}, {"displayName": "C"}]
    answers = company.create(*rows, ids=[str(uuid4()) for _ in rows])
    assert statuses(answers) == [Status.REFUSED] + [Status.WRITTEN] * 3
    sizes = [len(msgspec.json.decode(request.content)["requests"]) for request in company.requests if is_write(request)]
    assert sizes == [1, 1, 2]


def test_a_busy_service_is_not_asked_again_for_each_record() -> None:
    company = Company(own=False, chosen_ids=True)
    company.override = batches_only(lambda _: refused(503, "Busy", "Later."))
    with pytest.raises(SystemUnavailable):
        company.create(*({"displayName": "A"} for _ in range(5)), ids=[str(uuid4()) for _ in range(5)])
    assert len([request for request in company.requests if is_write(request)]) == 1


# Deletes.


def test_deletes(own: Company) -> None:
    made = own.create({"displayName": "A"}, {"displayName": "B"})
    own.site.patch(f"customers({made[1][ID]})", {"displayName": "C"})
    gone = str(uuid4())
    ids, versions = [made[0][ID], made[1][ID], gone], [made[0][VERSION], made[1][VERSION], 'W/"JzE5Ozsn"']
    answers = own.write(WriteKind.DELETE, [{}] * 3, ids=ids, versions=versions)
    assert statuses(answers) == [Status.WRITTEN, Status.STALE, Status.MISSING]
    assert [answer[ID] for answer in answers] == ids
    assert answers[0][VERSION] is None
