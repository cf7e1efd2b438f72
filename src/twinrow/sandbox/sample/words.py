"""The word lists of the sample data, as they stand in the data files."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib.resources import files

import msgspec


class Country(msgspec.Struct, frozen=True):
    """A country with the words of its names and addresses.

    `places` hold post code, city and region; `streets` are patterns with `{n}` for the house number; `weight` says
    how many partners live there; `numeric` is the ISO number.
    """

    code: str
    name: str
    numeric: str
    currency: str
    phone: str
    weight: int
    places: list[tuple[str, str, str]]
    streets: list[str]
    women: list[str]
    men: list[str]
    families: list[str]
    trades: list[str]
    forms: list[str]


class Currency(msgspec.Struct, frozen=True):
    """A currency; `per_euro` is how many units one euro is worth."""

    code: str
    name: str
    symbol: str
    numeric: str
    per_euro: Decimal
    decimals: int = 2


class PaymentTerm(msgspec.Struct, frozen=True):
    """A payment term; `due` and `discount_due` are date formulas, `discount` is a percentage."""

    code: str
    name: str
    due: str
    discount_due: str = ""
    discount: int = 0


class ShipmentMethod(msgspec.Struct, frozen=True):
    """A shipment method."""

    code: str
    name: str


class ShippingAgent(msgspec.Struct, frozen=True):
    """A shipping agent; `address` is where its parcels are tracked."""

    code: str
    name: str
    address: str


class Colleague(msgspec.Struct, frozen=True):
    """Somebody who works in the company; a salesperson has a code."""

    name: str
    title: str
    code: str = ""
    disabled: bool = False


class Codes(msgspec.Struct, frozen=True):
    """The lists that do not depend on the size of the sample."""

    currencies: list[Currency]
    payment_terms: list[PaymentTerm]
    shipment_methods: list[ShipmentMethod]
    shipping_agents: list[ShippingAgent]
    salespeople: list[Colleague]
    colleagues: list[Colleague]
    jobs: list[str]


@cache
def countries() -> list[Country]:
    """All countries."""
    return msgspec.json.decode(_read("countries.json"), type=list[Country])


@cache
def codes() -> Codes:
    """All code lists."""
    return msgspec.json.decode(_read("codes.json"), type=Codes)


def _read(name: str) -> bytes:
    return (files("twinrow.sandbox.sample") / "data" / name).read_bytes()
