"""What the service works out by itself: names, addresses, money, states, companions of sales rows."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.dataverse.api import DirectApi, decimal


def make_dollar(api: DirectApi, rate: str = "1.25") -> str:
    return api.make(
        "transactioncurrencies",
        isocurrencycode="USD",
        currencyname="US Dollar",
        currencysymbol="$",
        currencyprecision=2,
        exchangerate=decimal(rate),
    )


def test_full_names_are_put_together(api: DirectApi) -> None:
    key = api.make("contacts", firstname="Rene", lastname="Valdes", fullname="ignored")
    path = f"contacts({key})?$select=fullname"
    assert api.row(path)["fullname"] == "Rene Valdes"
    api.patch(f"contacts({key})", {"firstname": None})
    assert api.row(path)["fullname"] == "Valdes"
    api.patch(f"contacts({key})", {"firstname": "Zoë"})
    assert api.row(path)["fullname"] == "Zoë Valdes"
    api.patch(f"contacts({key})", {"jobtitle": "x"})
    assert api.row(path)["fullname"] == "Zoë Valdes"


def test_addresses_are_put_together(api: DirectApi) -> None:
    key = api.make(
        "accounts",
        address1_line1="12 Main Street",
        address1_city="Seattle",
        address1_stateorprovince="WA",
        address1_postalcode="98101",
        address1_country="US",
    )
    path = f"accounts({key})?$select=address1_composite,address2_composite,address1_addressid"
    row = api.row(path)
    assert row["address1_composite"] == "12 Main Street\r\nSeattle, WA 98101\r\nUS"
    assert row["address2_composite"] is None
    assert row["address1_addressid"]
    api.patch(f"accounts({key})", {"address1_line1": None, "address1_city": None})
    changed = api.row(path)
    assert changed["address1_composite"] == "WA 98101\r\nUS"
    assert changed["address1_addressid"] == row["address1_addressid"]


def test_money_has_a_base_amount_in_the_currency_of_the_organization(api: DirectApi) -> None:
    dollar = make_dollar(api)
    key = api.make("accounts", name="a", revenue=100, creditlimit=decimal("10.005"))
    path = f"accounts({key})?$select=revenue,revenue_base,creditlimit,creditlimit_base,exchangerate,_transactioncurrencyid_value"
    row = api.row(path)
    assert (row["revenue"], row["revenue_base"], row["exchangerate"]) == (100, 100, 1)
    assert (row["creditlimit"], row["creditlimit_base"]) == (decimal("10.01"), decimal("10.01"))
    api.patch(f"accounts({key})", {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({dollar})"})
    row = api.row(path)
    assert (row["revenue"], row["revenue_base"], row["exchangerate"]) == (100, 80, decimal("1.25"))
    assert row["creditlimit_base"] == decimal("8.01")
    api.patch(f"transactioncurrencies({dollar})", {"exchangerate": 2})
    assert api.row(path)["revenue_base"] == 80
    api.patch(f"accounts({key})", {"revenue": 50})
    row = api.row(path)
    assert (row["revenue_base"], row["exchangerate"], row["_transactioncurrencyid_value"]) == (25, 2, dollar)
    api.patch(f"accounts({key})", {"revenue": None, "revenue_base": 7})
    assert (api.row(path)["revenue"], api.row(path)["revenue_base"]) == (None, None)


def test_amounts_keep_all_their_digits(api: DirectApi) -> None:
    body = b'{"name":"a","revenue":99999999999.99}'
    key = api.post("accounts", body).id
    assert b'"revenue":99999999999.9900,' in api.get(f"accounts({key})?$select=revenue").raw
    assert api.names("revenue eq 99999999999.99") == ["a"]


def test_the_base_currency_stays(api: DirectApi) -> None:
    base = api.get("transactioncurrencies?$select=isocurrencycode").rows[0]
    assert base["isocurrencycode"] == "EUR"
    path = f"transactioncurrencies({base['transactioncurrencyid']})"
    assert api.delete(path).error == (400, "0x80048cff")
    assert api.patch(path, {"statecode": 1}).error == (400, "0x80048cf4")
    assert api.post("transactioncurrencies", {"isocurrencycode": "CHF"}).error == (400, "0x80040203")
    make_dollar(api)
    double = {
        "isocurrencycode": "usd",
        "currencyname": "x",
        "currencysymbol": "x",
        "currencyprecision": 2,
        "exchangerate": 1,
    }
    assert api.post("transactioncurrencies", double).status == 412


def test_a_currency_in_use_stays(api: DirectApi) -> None:
    dollar = make_dollar(api)
    key = api.make("accounts", name="a", bind={"transactioncurrencyid": f"/transactioncurrencies({dollar})"})
    assert api.delete(f"transactioncurrencies({dollar})").error == (405, "0x80040227")
    api.delete(f"accounts({key})")
    assert api.delete(f"transactioncurrencies({dollar})").status == 204


def test_state_brings_its_default_status_and_the_two_must_agree(api: DirectApi) -> None:
    key = api.make("accounts", name="a")
    path = f"accounts({key})?$select=statecode,statuscode"

    def state() -> tuple[int, int]:
        row = api.row(path)
        return row["statecode"], row["statuscode"]

    assert state() == (0, 1)
    assert api.patch(f"accounts({key})", {"statuscode": 2}).error == (400, "0x80048408")
    assert api.patch(f"accounts({key})", {"statecode": 1}).status == 204
    assert state() == (1, 2)
    assert api.patch(f"accounts({key})", {"statecode": 0, "statuscode": 2}).status == 400
    assert api.patch(f"accounts({key})", {"statecode": 0, "statuscode": 1}).status == 204
    assert state() == (0, 1)
    assert api.patch(f"accounts({key})", {"statecode": 5}).error == (400, "0x8004431a")


def test_products_begin_as_drafts_unless_the_organization_says_otherwise(api: DirectApi) -> None:
    def state_of(key: str) -> tuple[int, int]:
        row = api.row(f"products({key})?$select=statecode,statuscode")
        return row["statecode"], row["statuscode"]

    assert state_of(api.make("products", name="p", productnumber="1")) == (2, 0)
    organization = api.get("organizations?$select=name").rows[0]["organizationid"]
    api.patch(f"organizations({organization})", {"createproductswithoutparentinactivestate": True})
    assert state_of(api.make("products", name="p", productnumber="2")) == (0, 1)


def test_new_rows_get_the_defaults_of_choices_and_flags(api: DirectApi) -> None:
    row = api.row(f"accounts({api.make('accounts', name='a')})")
    assert (row["preferredcontactmethodcode"], row["customersizecode"], row["address1_shippingmethodcode"]) == (
        1,
        1,
        None,
    )
    assert (row["creditonhold"], row["followemail"]) == (False, True)


def test_a_unit_group_comes_with_its_base_unit(api: DirectApi) -> None:
    group = api.make("uomschedules", name="ITEM", baseuomname="PCS")
    unit = api.get(f"uoms?$filter=_uomscheduleid_value eq {group}").rows[0]
    assert (unit["name"], unit["quantity"], unit["isschedulebaseuom"]) == ("PCS", 1, True)


def test_orders_are_numbered_and_add_up_their_lines(api: DirectApi) -> None:
    customer, prices = api.make("accounts", name="a"), api.make("pricelevels", name="p")
    bindings = {"customerid_account": f"/accounts({customer})", "pricelevelid": f"/pricelevels({prices})"}
    order = api.make("salesorders", name="o", freightamount=5, bind=bindings)
    values: dict[str, Any] = {"isproductoverridden": True, "productdescription": "write-in", "quantity": decimal("2.5")}
    bind = {"salesorderid": f"/salesorders({order})"}
    line = api.make("salesorderdetails", priceperunit=10, tax=2, manualdiscountamount=1, bind=bind, **values)
    api.make("salesorderdetails", priceperunit=4, bind=bind, **values)
    row = api.row(f"salesorders({order})?$select=ordernumber,totallineitemamount,totalamount,totalamount_base,totaltax")
    assert row["ordernumber"].startswith("ORD-01000-")
    assert (row["totallineitemamount"], row["totaltax"], row["totalamount"]) == (34, 2, 41)
    assert row["totalamount_base"] == 41
    api.patch(f"salesorderdetails({line})", {"quantity": 1})
    assert api.row(f"salesorders({order})?$select=totalamount")["totalamount"] == 26
    assert api.row(f"accounts({customer})/order_customer_accounts/$count".replace("/$count", ""))["value"]


def test_closing_goes_through_actions(api: DirectApi) -> None:
    deal = api.make("opportunities", name="d")
    closing = {"subject": "Won", "opportunityid@odata.bind": f"https://localhost:9/api/data/v9.2/opportunities({deal})"}
    assert api.post("WinOpportunity", {"Status": 3, "OpportunityClose": closing}).status == 204
    row = api.row(f"opportunities({deal})?$select=statecode,statuscode")
    assert (row["statecode"], row["statuscode"]) == (1, 3)
    assert api.post("LoseOpportunity", {"Status": 3, "OpportunityClose": closing}).error == (400, "0x80048408")
    assert api.post("WinOpportunity", {}).status == 400


@pytest.mark.parametrize("table", ["organizations", "stringmaps", "sdkmessages", "sdkmessagefilters"])
def test_rows_of_the_system_are_not_made_by_callers(api: DirectApi, table: str) -> None:
    assert api.post(table, {}).status == 400


def test_the_organization_tells_what_clients_need(api: DirectApi) -> None:
    row = api.get("organizations?$select=name,expirechangetrackingindays,languagecode,_basecurrencyid_value").rows[0]
    assert (row["expirechangetrackingindays"], row["languagecode"]) == (7, 1033)
    currency = api.row(f"transactioncurrencies({row['_basecurrencyid_value']})?$select=exchangerate")
    assert currency["exchangerate"] == 1
    api.service.switches.change({"delta_expiry_days": 30})
    assert api.get("organizations?$select=expirechangetrackingindays").rows[0]["expirechangetrackingindays"] == 30
    detail = api.row(
        "RetrieveCurrentOrganization(AccessType=@p)?@p=Microsoft.Dynamics.CRM.EndpointAccessType'Default'"
    )["Detail"]
    assert detail["OrganizationId"] == row["organizationid"] == api.row("WhoAmI()")["OrganizationId"]
    assert api.row("WhoAmI")["@odata.context"].endswith("$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse")
