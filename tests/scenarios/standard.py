"""The standard mappings over two systems in memory, whose tables are made to fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from twinrow.connectors.memory import Logic
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.standard.files import standard_mappings
from twinrow.testing.pair import MemoryPair

COMPANY = "c0000000-0000-4000-8000-00000000000c"
TEAM = "7ea30000-0000-4000-8000-00000000007e"
LOCAL_CURRENCY = "10ca1000-0000-4000-8000-0000000000c1"
TAKEN = ("CURRENCY", "SALESPEOPLE", "CUSTOMER", "CONTACT")
"""The mappings that are set up; to the others no record here refers."""
OPTIONS = ("PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT")

KEYS = {
    "account": "accountid",
    "contact": "contactid",
    "systemuser": "systemuserid",
    "transactioncurrency": "transactioncurrencyid",
}
_OWNED = {"ownerid": "reference", "owneridtype": "text", "statecode": "option", "bcbi_companyid": "reference"}
BESIDES: dict[str, dict[str, str]] = {
    "customers": {"blocked": "text", "type": "text", "number": "code"},
    "contacts": {"number": "code", "companyNumber": "code", "companyName": "text", "customerId": "guid", "vendorId": "guid"},
    "currencies": {"code": "code"},
    "salespeoplePurchasers": {"code": "code"},
    "account": _OWNED | {"customertypecode": "option"},
    "contact": _OWNED | {"parentcustomerid": "reference", "parentcustomeridtype": "text"},
    "systemuser": {"isdisabled": "boolean", "islicensed": "boolean", "isintegrationuser": "boolean",
                   "businessunitid": "reference"},
    "transactioncurrency": {"exchangerate": "decimal", "currencyprecision": "integer"},
}  # fmt: skip
"""What filters and rules look at beside the mapped fields."""
RATES = {
    "currencyCode": "code",
    "startingDate": "date",
    "relationalCurrencyCode": "code",
    "exchangeRateAmount": "decimal",
    "relationalExchangeRateAmount": "decimal",
}


def _field(name: str, kind: str, side: Side) -> Field:
    type_ = FieldType(kind)
    if type_ is FieldType.DECIMAL:
        return Field(name, type_, scale=10)
    if type_ in (FieldType.TEXT, FieldType.CODE):
        local = side is Side.LOCAL
        return Field(name, type_, max_length=100, nullable=not local, empty_text=local)
    return Field(name, type_)


def _kind(row: FieldMapping, side: Side) -> str:
    if not row.related_mapping:
        return "decimal" if row.local == "creditLimit" else "text"
    if side is Side.LOCAL:
        return "code" if row.related_key else "reference"
    return "option" if set(row.related_mapping) & set(OPTIONS) else "reference"


def _tables(mappings: Iterable[TableMapping], side: Side) -> list[Table]:
    found: dict[str, dict[str, Field]] = {}
    for mapping in mappings:
        name = mapping.table(side)
        fields = found.setdefault(name, {})
        if "." in name:
            fields |= {"value": Field("value", FieldType.INTEGER), "label": Field("label", FieldType.TEXT)}
            continue
        key = KEYS.get(name, "id")
        fields[key] = Field(key, FieldType.GUID)
        for row in mapping.fields:
            each = row.field(side)
            if each is not None:
                fields[each] = _field(each, _kind(row, side), side)
        fields |= {each: _field(each, kind, side) for each, kind in BESIDES.get(name, {}).items()}
    if side is Side.LOCAL:
        rates = {each: _field(each, kind, side) for each, kind in RATES.items()}
        found["currencyExchangeRates"] = {"id": Field("id", FieldType.GUID), **rates}
    return [Table(name, "value" if "." in name else KEYS.get(name, "id"), fields) for name, fields in found.items()]


class Standard:
    """Both systems and the standard mappings, as they are for an ownership model; `change` alters mappings by name."""

    def __init__(
        self,
        change: dict[str, Callable[[TableMapping], TableMapping]] | None = None,
        logic: Logic | None = None,
        ownership: str = "person",
        **settings: Any,
    ) -> None:
        fitting = [one.in_circumstances(ownership, None) for one in standard_mappings()]
        mappings = [one for one in fitting if one is not None and one.name in TAKEN]
        mappings = [(change or {}).get(one.name, lambda same: same)(one) for one in mappings]
        known: dict[str, Any] = {
            "ownership_model": ownership,
            "company_id": COMPANY,
            "owner_team_id": TEAM,
            "local_currency_code": "DKK",
            "local_currency_id": LOCAL_CURRENCY,
            "base_currency_code": "DKK",
            "currency_precision": 2,
        }
        self.pair = MemoryPair(
            mappings,
            local_tables=_tables(mappings, Side.LOCAL),
            integration_tables=_tables(mappings, Side.INTEGRATION),
            local={"logic": logic} if logic else None,
            connection=known | settings,
        )

    def __enter__(self) -> Standard:
        return self

    def __exit__(self, *error: object) -> None:
        self.pair.workspace.close()

    def customer(self, **values: Any) -> str:
        return self.pair.local.add("customers", {"displayName": "Adatum", "blocked": " "} | values)

    def account(self, **values: Any) -> str:
        full = {
            "name": "Adatum",
            "statecode": 0,
            "customertypecode": 3,
            "ownerid": TEAM,
            "owneridtype": "team",
        } | values
        return self.pair.integration.add("account", full)

    def company(self, **values: Any) -> tuple[str, str]:
        """Add a customer and an account and couple them."""
        ids = self.customer(), self.account(**values)
        self.pair.couple(*ids)
        return ids

    def person(self, customer: str | None, **values: Any) -> str:
        """Add a local contact of a customer."""
        full = {"surname": "Jensen", "type": "Person", "companyNumber": "C1", "customerId": customer}
        return self.pair.local.add("contacts", full | values)

    def contact(self, account: str | None, **values: Any) -> str:
        """Add an integration contact of an account."""
        full = {"lastname": "Jensen", "statecode": 0, "parentcustomerid": account, "parentcustomeridtype": "account"}
        return self.pair.integration.add("contact", full | values)

    def salesperson(self, code: str) -> str:
        """Add a salesperson and a user, couple them, and return the user's id."""
        local = self.pair.local.add("salespeoplePurchasers", {"code": code, "displayName": code})
        user = self.user(code)
        self.pair.couple(local, user, "SALESPEOPLE")
        return user

    def user(self, name: str) -> str:
        full = {"fullname": name, "isdisabled": False, "islicensed": True, "isintegrationuser": False}
        return self.pair.integration.add("systemuser", full)

    def currency(self, code: str, **values: Any) -> tuple[str, str]:
        """Add a local and an integration currency and couple them."""
        local = self.pair.local.add("currencies", {"code": code, "symbol": code, "displayName": code})
        other = {"isocurrencycode": code, "currencysymbol": code, "currencyname": code, "exchangerate": Decimal(1)}
        there = self.pair.integration.add("transactioncurrency", other | values)
        self.pair.couple(local, there, "CURRENCY")
        return local, there

    def rate(self, code: str, amount: int, relational: int = 1) -> None:
        """Say how many units of a currency are worth how many of the local one."""
        self.pair.local.add(
            "currencyExchangeRates",
            {
                "currencyCode": code,
                "startingDate": date(2026, 1, 1),
                "exchangeRateAmount": Decimal(amount),
                "relationalExchangeRateAmount": Decimal(relational),
            },
        )

    def settle(self, name: str) -> None:
        for _ in range(4):
            if self.pair.synchronize(name).counters.read == 0:
                return
        raise AssertionError(f"{name} does not come to rest")
