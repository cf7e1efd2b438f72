"""Creating, changing and deleting rows: statuses, bodies, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.business_central.site import ZERO, Site


def test_a_new_customer_comes_back_whole(site: Site) -> None:
    made = site.post("customers", {"displayName": "Hafenkontor Möwe GmbH", "creditLimit": 1250.75, "taxLiable": True})
    assert made.status == 201
    assert made["@odata.context"].endswith(f"/$metadata#companies({site.company})/customers/$entity")
    assert made["number"] == "C000001"
    assert (made["creditLimit"], made["taxLiable"], made["balanceDue"]) == (1250.75, True, 0)
    assert (made["phoneNumber"], made["currencyId"], made["blocked"]) == ("", ZERO, "_x0020_")
    assert made.headers["Location"].endswith(f"/customers({made['id']})")
    assert made.headers["ETag"] == made.etag
    assert site.get(f"customers({made['id']})").body == made.body


def test_a_change_answers_200_with_the_whole_row_and_a_new_etag(site: Site) -> None:
    made = site.post("customers", {"displayName": "Alt"})
    changed = site.patch(f"customers({made['id']})", {"phoneNumber": "(555) 555-1234"}, if_match=made.etag)
    assert changed.status == 200
    assert changed["displayName"] == "Alt"
    assert changed["phoneNumber"] == "(555) 555-1234"
    assert changed["number"] == made["number"]
    assert changed.etag != made.etag


def test_every_change_makes_a_new_etag_even_when_it_changes_nothing(site: Site) -> None:
    row = site.post("shipmentMethods", {"code": "CFR", "displayName": "Cost and freight"})
    tags = {row.etag}
    for _ in range(3):
        tags.add(site.patch(f"shipmentMethods({row['id']})", {"displayName": "Cost and freight"}).etag)
    assert len(tags) == 4


def test_a_change_needs_a_token(site: Site) -> None:
    row = site.post("customers", {"displayName": "Alt"})
    for tag in ("", "nonsense", '"plain"', 'W/"bm90IG91cnM="'):
        for send in (site.patch(f"customers({row['id']})", {"displayName": "Neu"}, if_match=tag),
                     site.delete(f"customers({row['id']})", if_match=tag)):  # fmt: skip
            assert (send.status, send.code) == (400, "BadRequest_InvalidToken")
    assert site.get(f"customers({row['id']})")["displayName"] == "Alt"


def test_an_outdated_token_is_a_conflict(site: Site) -> None:
    first = site.post("customers", {"displayName": "Alt"})
    site.patch(f"customers({first['id']})", {"displayName": "Neu"})
    refused = site.patch(f"customers({first['id']})", {"displayName": "Neuer"}, if_match=first.etag)
    assert (refused.status, refused.code) == (409, "Request_EntityChanged")
    assert "CorrelationId:" in refused.message
    assert site.delete(f"customers({first['id']})", if_match=first.etag).status == 409
    assert site.get(f"customers({first['id']})")["displayName"] == "Neu"


def test_a_deleted_row_is_gone(site: Site) -> None:
    row = site.post("customers", {"displayName": "Weg"})
    gone = site.delete(f"customers({row['id']})", if_match=row.etag)
    assert (gone.status, gone.body) == (204, "")
    for again in (site.get(f"customers({row['id']})"), site.delete(f"customers({row['id']})")):
        assert (again.status, again.code) == (404, "Internal_RecordNotFound")


def test_a_change_of_an_unknown_row_creates_nothing(site: Site) -> None:
    refused = site.patch("customers(5d115c9c-44e3-ea11-bb43-000d3a2feca1)", {"displayName": "Neu"})
    assert (refused.status, refused.code) == (404, "Internal_RecordNotFound")
    assert site.get("customers").rows == []


def test_a_chosen_id_is_taken(site: Site) -> None:
    chosen = "F7A5738A-44E3-EA11-BB43-000D3A2FECA1"
    assert site.post("vendors", {"id": chosen, "displayName": "Fabrik"})["id"] == chosen.lower()
    again = site.post("vendors", {"id": chosen, "displayName": "Fabrik"})
    assert (again.status, again.code) == (400, "Internal_EntityWithSameKeyExists")
    assert len(site.get("vendors").rows) == 1


def test_a_chosen_id_can_be_ignored_silently(site: Site) -> None:
    site.switch(chosen_ids=False)
    chosen = "f7a5738a-44e3-ea11-bb43-000d3a2feca1"
    made = site.post("vendors", {"id": chosen, "displayName": "Fabrik"})
    assert made.status == 201
    assert made["id"] != chosen


def test_the_same_number_twice_is_refused(site: Site) -> None:
    assert site.post("customers", {"displayName": "Eins", "number": "10000"})["number"] == "10000"
    refused = site.post("customers", {"displayName": "Zwei", "number": "10000"})
    assert (refused.status, refused.code) == (400, "Internal_EntityWithSameKeyExists")
    assert "No.='10000'" in refused.message
    assert [row["Name"] for row in site.table("contacts")] == ["Eins"]


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"displayName": "x" * 101}, 400, "Application_StringExceededLength", ("101", "100")),
        ({"displayName": "x", "country": "GERMANY-SOUTH"}, 400, "Application_StringExceededLength", ("13", "10")),
        ({"displayName": "x", "name": "y"}, 400, "BadRequest", ("'name'", "Microsoft.NAV.customer")),
        ({"displayName": "x", "balanceDue": 5}, 400, "BadRequest_InvalidOperation", ("Balance Due", "read-only")),
        ({"displayName": "x", "lastModifiedDateTime": "2020-01-01T00:00:00Z"}, 400, "BadRequest_InvalidOperation", ()),
        ({"displayName": "x", "country": "XX"}, 400, "Internal_InvalidTableRelation", ("XX", "Country/Region")),
        ({"displayName": "x", "salespersonCode": "NO"}, 400, "Internal_InvalidTableRelation", ("Salesperson",)),
        ({"displayName": "x", "creditLimit": "much"}, 400, "BadRequest", ("Edm.Decimal",)),
        ({"displayName": "x", "taxLiable": "yes"}, 400, "BadRequest", ("Edm.Boolean",)),
        ({"displayName": "x", "taxLiable": None}, 400, "BadRequest_RequiredParamNotProvided", ("taxLiable",)),
        ({"displayName": "x", "paymentTermsId": "here"}, 400, "Application_InvalidGUID", ()),
        ({"displayName": "x", "blocked": "Sometimes"}, 400, "Unknown", ("'Sometimes'", "Ship", "Invoice")),
        ({"displayName": ""}, 400, "Application_DialogException", ('blank "displayName"',)),
        ({"phoneNumber": "1"}, 400, "Application_DialogException", ('"displayName" must be provided',)),
        ({"displayName": "x", "phoneNumber": "call me"}, 400, "Application_FieldValidationException", ("Phone No.",)),
        ({"displayName": "x", "email": "nobody"}, 400, "Application_DialogException", ("nobody",)),
    ],
)  # fmt: skip
def test_what_a_customer_cannot_hold_is_refused(
    site: Site, body: dict[str, Any], status: int, code: str, words: tuple[str, ...]
) -> None:
    refused = site.post("customers", body)
    assert (refused.status, refused.code) == (status, code)
    assert all(word in refused.message for word in words), refused.message
    assert refused.message.endswith(".")
    assert "  CorrelationId:  " in refused.message
    assert site.get("customers").rows == []
    assert site.table("contacts") == []


def test_ids_that_lead_nowhere_are_refused_by_name(site: Site) -> None:
    unknown = "5d115c9c-44e3-ea11-bb43-000d3a2feca1"
    for name, words in (
        ("paymentTermsId", 'The "paymentTermsId" does not match to a Payment Terms.'),
        ("shipmentMethodId", 'The "shipmentMethodId" does not match to a Shipment Method.'),
        ("currencyId", 'The "currencyId" does not match to a Currency.'),
    ):
        refused = site.post("customers", {"displayName": "x", name: unknown})
        assert (refused.status, refused.code) == (400, "Application_DialogException")
        assert refused.message.startswith(words)


def test_a_body_that_is_no_object_is_refused(site: Site) -> None:
    for body in (b"", b"[]", b"{", b'"text"'):
        assert site.post("customers", body).code == "BadRequest"


def test_verbs_that_a_page_lacks_are_refused(site: Site) -> None:
    assert site.post("generalLedgerSetup", {}).status == 405
    assert site.post("currencyExchangeRates", {}).code == "BadRequest_MethodNotAllowed"
    assert site.send("PUT", site.path("customers"), {}).status == 405
    row = site.get("generalLedgerSetup").rows[0]
    assert site.patch(f"generalLedgerSetup({row['id']})", {"localCurrencyCode": "USD"}).status == 405
    assert site.send("POST", f"/v2.0/sandbox/api/v2.0/companies({site.company})", {}).status == 405


def test_reading_intent_is_refused_for_writes_only(site: Site) -> None:
    assert site.get("customers", Data_Access_Intent="ReadOnly").status == 200
    refused = site.post("customers", {"displayName": "x"}, Data_Access_Intent="ReadOnly")
    assert (refused.status, refused.code) == (400, "BadRequest")
    assert site.get("customers").rows == []


def test_codes_are_trimmed_and_raised(site: Site) -> None:
    assert site.post("shipmentMethods", {"code": " ex works "})["code"] == "EX WORKS"
    assert site.post("shipmentMethods", {"code": "straße"})["code"] == "STRAßE"


def test_a_code_cannot_be_blank(site: Site) -> None:
    refused = site.post("shipmentMethods", {"displayName": "nameless"})
    assert (refused.status, refused.code) == (400, "Application_FieldValidationException")


def test_every_spelling_of_a_blank_option_is_taken(site: Site) -> None:
    for blank in ("_x0020_", " ", ""):
        assert site.post("customers", {"displayName": "x", "blocked": blank})["blocked"] == "_x0020_"
    assert site.post("customers", {"displayName": "x", "blocked": "Ship"})["blocked"] == "Ship"
    assert site.post("vendors", {"displayName": "x", "blocked": "Payment"})["blocked"] == "Payment"
    refused = site.post("vendors", {"displayName": "x", "blocked": "Ship"})
    assert refused.code == "Unknown"


def test_options_travel_with_encoded_names(site: Site) -> None:
    country = site.post("countriesRegions", {"code": "XK", "addressFormat": "Post Code+City"})
    assert country["addressFormat"] == "Post_x0020_Code_x002B_City"
    assert site.post("items", {"displayName": "Hour", "type": "Non-Inventory"})["type"] == "Non_x002D_Inventory"


def test_null_empties_a_text(site: Site) -> None:
    row = site.post("customers", {"displayName": "x", "phoneNumber": "123"})
    assert site.patch(f"customers({row['id']})", {"phoneNumber": None})["phoneNumber"] == ""


def test_decimals_keep_their_digits(site: Site) -> None:
    body = b'{"displayName": "x", "creditLimit": 12345678901234567.89}'
    assert b'"creditLimit":12345678901234567.89,' in site.answer("POST", site.path("customers"), body).body
    for sent, shown in ((b"0.10", b"0.1"), (b"-0.0", b"0"), (b"1e3", b"1000"), (b"7", b"7")):
        body = b'{"displayName": "x", "creditLimit": ' + sent + b"}"
        answer = site.answer("POST", site.path("customers"), body)
        assert b'"creditLimit":' + shown + b"," in answer.body


def test_a_new_code_is_carried_to_every_row_that_has_the_old_one(furnished: Site) -> None:
    terms = furnished.get("paymentTerms?$filter=code eq '14 DAYS'").rows[0]
    customer = furnished.post("customers", {"displayName": "x", "paymentTermsId": terms["id"]})
    renamed = furnished.patch(f"paymentTerms({terms['id']})", {"code": "2 weeks"})
    assert (renamed.status, renamed["code"], renamed["id"]) == (200, "2 WEEKS", terms["id"])
    assert furnished.table("customers")[0]["Payment Terms Code"] == "2 WEEKS"
    assert furnished.get(f"customers({customer['id']})").etag != customer.etag


def test_a_new_number_is_carried_to_the_relation(site: Site) -> None:
    row = site.post("customers", {"displayName": "x"})
    assert site.patch(f"customers({row['id']})", {"number": "k-1"})["number"] == "K-1"
    assert [relation["No."] for relation in site.table("Contact Business Relation")] == ["K-1"]
    other = site.post("customers", {"displayName": "y"})
    refused = site.patch(f"customers({other['id']})", {"number": "K-1"})
    assert refused.code == "Internal_EntityWithSameKeyExists"
    assert site.patch(f"customers({other['id']})", {"number": ""}).status == 400


def test_an_item_takes_ids_and_codes(site: Site) -> None:
    units = {row["code"]: row["id"] for row in site.get("unitsOfMeasure").rows}
    item = site.post("items", {"displayName": "Box", "baseUnitOfMeasureId": units["BOX"], "itemCategoryCode": "GOODS"})
    assert (item["number"], item["baseUnitOfMeasureCode"]) == ("1000", "BOX")
    assert item["itemCategoryId"] != ZERO
    clash = {"baseUnitOfMeasureId": units["BOX"], "baseUnitOfMeasureCode": "PCS"}
    assert site.patch(f"items({item['id']})", clash).message.startswith("The unit of measure values do not match")
    assert site.post("items", {"displayName": "x", "inventory": 5}).code == "Application_DialogException"
