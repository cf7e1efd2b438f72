"""What the application itself does to a row: numbers, addresses, currencies."""

from __future__ import annotations

from tests.sandbox.business_central.site import ZERO, Site

# Numbers


def test_numbers_come_from_the_series_and_pass_over_those_that_are_taken(site: Site) -> None:
    site.post("customers", {"displayName": "chosen", "number": "c000002"})
    made = [site.post("customers", {"displayName": "x"})["number"] for _ in range(2)]
    assert made == ["C000001", "C000003"]
    assert site.post("vendors", {"displayName": "x"})["number"] == "V000001"
    assert site.post("contacts", {"displayName": "x"})["number"] == "CT000005"


def test_a_refused_create_uses_up_no_number(site: Site) -> None:
    assert site.post("customers", {"displayName": "x", "country": "XX"}).status == 400
    assert site.post("customers", {"displayName": "x"})["number"] == "C000001"


def test_numbers_of_ones_own_can_be_forbidden(site: Site) -> None:
    site.switch(manual_numbers=False)
    for target in ("customers", "vendors", "contacts", "items"):
        refused = site.post(target, {"displayName": "x", "number": "1"})
        assert (refused.status, refused.code) == (400, "Application_DialogException")
        assert "You may not enter numbers manually." in refused.message
    assert site.post("customers", {"displayName": "x"}).status == 201
    site.switch(manual_numbers=True)
    assert site.post("customers", {"displayName": "x", "number": "1"}).status == 201


def test_a_series_can_run_out(site: Site) -> None:
    line = next(row for row in site.table("No. Series Line") if row["Series Code"] == "CUST")
    site.write("No. Series Line", {"SystemId": line["SystemId"], "Last No. Used": "C999999"})
    refused = site.post("customers", {"displayName": "x"})
    assert refused.message.startswith("You cannot assign new numbers from the number series CUST.")


def test_the_search_name_follows_the_name_while_it_equals_it(site: Site) -> None:
    contact = site.post("contacts", {"displayName": "Straßenbau Süd"})
    assert contact["searchName"] == "STRAßENBAU SÜD"
    target = f"contacts({contact['id']})"
    assert site.patch(target, {"displayName": "Tiefbau"})["searchName"] == "TIEFBAU"
    site.patch(target, {"searchName": "own"})
    assert site.patch(target, {"displayName": "Hochbau"})["searchName"] == "OWN"


# Addresses


def test_a_known_post_code_overwrites_city_country_and_county(furnished: Site) -> None:
    body = {"displayName": "x", "city": "Hambourg", "state": "HH", "country": "AT", "postalCode": "20095"}
    made = furnished.post("customers", body)
    assert (made["city"], made["state"], made["country"]) == ("Hamburg", "", "DE")


def test_what_is_sent_after_the_post_code_survives(furnished: Site) -> None:
    body = {"displayName": "x", "country": "AT", "postalCode": "20095", "city": "Hambourg", "state": "HH"}
    made = furnished.post("vendors", body)
    assert (made["city"], made["state"], made["country"]) == ("Hambourg", "HH", "DE")


def test_an_unknown_post_code_changes_nothing(furnished: Site) -> None:
    made = furnished.post("contacts", {"displayName": "x", "city": "Anderswo", "country": "DE", "postalCode": "99999"})
    assert (made["city"], made["country"], made["postalCode"]) == ("Anderswo", "DE", "99999")


def test_among_equal_post_codes_country_then_city_decide(furnished: Site) -> None:
    def city(**address: str) -> str:
        return str(furnished.post("customers", {"displayName": "x", **address, "postalCode": "1010"})["city"])

    assert city() == "Lausanne"
    assert city(country="AT") == "Wien"
    assert city(country="CH", city="Wien") == "Lausanne"
    assert city(city="wien") == "Wien"


def test_a_city_alone_brings_nothing_with_it(furnished: Site) -> None:
    made = furnished.post("customers", {"displayName": "x", "city": "Hamburg"})
    assert (made["postalCode"], made["country"]) == ("", "")


def test_another_country_clears_the_rest_of_the_address(furnished: Site) -> None:
    body = {"displayName": "x", "country": "DE", "postalCode": "99999", "city": "Dort", "state": "NW"}
    customer = furnished.post("customers", body)
    target = f"customers({customer['id']})"
    same = furnished.patch(target, {"country": "de"})
    assert same["city"] == "Dort"
    moved = furnished.patch(target, {"country": "CH"})
    assert (moved["postalCode"], moved["city"], moved["state"]) == ("", "", "")
    complete = furnished.patch(target, {"country": "AT", "postalCode": "1010", "city": "Wien"})
    assert (complete["country"], complete["postalCode"], complete["city"]) == ("AT", "1010", "Wien")


def test_the_setup_can_keep_the_address_when_the_country_changes(furnished: Site) -> None:
    furnished.switch(country_required=True)
    customer = furnished.post("customers", {"displayName": "x", "country": "DE", "city": "Dort"})
    assert furnished.patch(f"customers({customer['id']})", {"country": "CH"})["city"] == "Dort"


# Currencies


def test_the_local_currency_is_blank_in_the_table_and_named_on_the_wire(furnished: Site) -> None:
    for body in ({}, {"currencyCode": "eur"}, {"currencyCode": ""}, {"currencyId": ZERO, "currencyCode": "EUR"}):
        made = furnished.post("customers", {"displayName": "x", **body})
        assert (made["currencyId"], made["currencyCode"]) == (ZERO, "EUR")
    assert {row["Currency Code"] for row in furnished.table("customers")} == {""}


def test_id_and_code_of_a_currency_go_together(furnished: Site) -> None:
    ids = {row["code"]: row["id"] for row in furnished.get("currencies").rows}
    assert "EUR" not in ids
    by_code = furnished.post("vendors", {"displayName": "x", "currencyCode": "USD"})
    assert by_code["currencyId"] == ids["USD"]
    by_id = furnished.post("vendors", {"displayName": "x", "currencyId": ids["CHF"]})
    assert by_id["currencyCode"] == "CHF"
    back = furnished.patch(f"vendors({by_id['id']})", {"currencyId": ZERO})
    assert back["currencyCode"] == "EUR"
    for body in (
        {"currencyId": ids["USD"], "currencyCode": "CHF"},
        {"currencyCode": "CHF", "currencyId": ids["USD"]},
    ):
        refused = furnished.post("vendors", {"displayName": "x", **body})
        assert refused.message.startswith("The currency values do not match to a specific Currency.")
    for code in ("XYZ", "A CURRENCY WITH A LONG CODE"):
        unknown = furnished.post("vendors", {"displayName": "x", "currencyCode": code})
        assert unknown.message.startswith('The "currencyCode" does not match to a Currency.')


def test_terms_are_named_by_id(furnished: Site) -> None:
    terms = furnished.get("paymentTerms").rows[0]
    made = furnished.post("customers", {"displayName": "x", "paymentTermsId": terms["id"]})
    assert furnished.table("customers")[0]["Payment Terms Code"] == terms["code"]
    cleared = furnished.patch(f"customers({made['id']})", {"paymentTermsId": ZERO})
    assert cleared["paymentTermsId"] == ZERO
    assert furnished.table("customers")[0]["Payment Terms Code"] == ""


def test_a_blocked_salesperson_is_no_salesperson(furnished: Site) -> None:
    person = furnished.get("salespeoplePurchasers?$filter=code eq 'BW'").rows[0]
    furnished.patch(f"salespeoplePurchasers({person['id']})", {"blocked": True})
    refused = furnished.post("customers", {"displayName": "x", "salespersonCode": "BW"})
    assert refused.code == "Internal_InvalidTableRelation"
    assert furnished.post("contacts", {"displayName": "x", "salespersonCode": "BW"}, sync=True).status == 201


def test_formulas_and_iso_codes_have_a_form(site: Site) -> None:
    made = site.post("paymentTerms", {"code": "8D", "dueDateCalculation": "1m+8d", "discountPercent": 2.5})
    assert (made["dueDateCalculation"], made["discountPercent"]) == ("1M+8D", 2.5)
    assert (
        site.post("paymentTerms", {"code": "X", "dueDateCalculation": "soon"}).code == "Application_EvaluateException"
    )
    for body in ({"isoCode": "D"}, {"isoCode": "1A"}, {"isoNumericCode": "12"}):
        assert site.post("countriesRegions", {"code": "XK", **body}, sync=True).status == 400
    assert (
        site.post("countriesRegions", {"code": "XK", "isoCode": "xk", "isoNumericCode": "900"}, sync=True).status == 201
    )
