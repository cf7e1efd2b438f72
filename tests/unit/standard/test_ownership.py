"""Whose a record is, and in which currency: the rules that CUSTOMER, VENDOR and CONTACT share."""

from __future__ import annotations

import pytest

from twinrow.batch.hooks import HookContext
from twinrow.model.sides import Pass
from twinrow.model.tables import Field, FieldType, Table
from twinrow.standard.rules.ownership import LocalCurrency

EURO = "375614cf-0763-5842-aff7-fe196514b98f"
CONTACTS = Table("contacts", "id", {"currencyCode": Field("currencyCode", FieldType.CODE, max_length=10)})
CONTACT = Table("contact", "contactid", {"transactioncurrencyid": Field("transactioncurrencyid", FieldType.REFERENCE)})


def context(pass_: Pass) -> HookContext:
    source, destination = (CONTACTS, CONTACT) if pass_ is Pass.TO else (CONTACT, CONTACTS)
    return HookContext(pass_, source, destination, {"local_currency_id": EURO, "local_currency_code": "EUR"})


@pytest.mark.parametrize("local", [None, "EUR"])
def test_the_local_currency_is_blank_or_its_code_in_the_erp_and_a_record_in_the_crm(local: str | None) -> None:
    assert LocalCurrency().translate(context(Pass.TO), "transactioncurrencyid")[local] == EURO


def test_the_local_currency_goes_back_as_the_erp_shows_it() -> None:
    assert LocalCurrency().translate(context(Pass.FROM), "currencyId") == {EURO: None}
    assert LocalCurrency().translate(context(Pass.FROM), "currencyCode") == {EURO: "EUR"}


def test_other_references_are_left_alone() -> None:
    assert LocalCurrency().translate(context(Pass.TO), "primarycontactid") == {}
