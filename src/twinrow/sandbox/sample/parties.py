"""Business partners with their contact persons, each put together from its own number and seed.

A partner does not depend on how many others there are: customer 17 of seed 3 is the same in a sample of any size.
"""

from __future__ import annotations

import itertools
import random
import unicodedata
import uuid
from bisect import bisect
from dataclasses import dataclass
from functools import cache
from typing import Literal

from twinrow.sandbox.sample.words import Codes, Country, codes, countries

Kind = Literal["customer", "vendor"]

# Two partners may well have the same name, but not the same number range of random choices.
_RANGES = {"customer": 1, "vendor": 2, "crm": 3}
_SHARP = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "ł": "l", "Ø": "O", "Æ": "Ae", "Ł": "L"})


@dataclass(frozen=True, slots=True)
class Person:
    """A contact person of a partner."""

    id: str
    given_name: str
    family_name: str
    job: str
    phone: str
    mobile: str
    mail: str
    woman: bool

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"


@dataclass(frozen=True, slots=True)
class Party:
    """A customer or vendor. Codes name entries of the code lists; an empty `currency` is the company's own."""

    id: str
    kind: Kind
    number: int
    name: str
    street: str
    street_2: str
    post_code: str
    city: str
    region: str
    country: str
    phone: str
    fax: str
    mail: str
    home_page: str
    currency: str
    salesperson: str
    payment_term: str
    shipment_method: str
    shipping_agent: str
    credit_limit: int
    blocked: bool
    persons: tuple[Person, ...]


def party(seed: int, kind: Kind, number: int, *, in_crm: bool = False) -> Party:
    """The partner with this number (from 0); `in_crm` gives another one, who was first met by the CRM."""
    chance = random.Random((seed * 4 + _RANGES["crm" if in_crm else kind]) * 2**32 + number)
    lists = codes()
    country = _country(chance)
    post_code, city, region = chance.choice(country.places)
    name = _name(chance, country, city)
    # The number keeps addresses apart where names are alike.
    domain = f"{mail_letters(name)[:40]}-{number + 1}{'c' if in_crm else kind[0]}.example"
    currency = country.currency if country.currency != "EUR" and chance.random() < 0.8 else ""
    phone = _phone(chance, country)
    return Party(
        id=_guid(chance),
        kind=kind,
        number=number,
        name=name,
        street=chance.choice(country.streets).format(n=chance.randint(1, 240)),
        street_2=chance.choice(("", "", "", "", "2. OG", "Building B", "c/o Reception")),
        post_code=post_code,
        city=city,
        region=region,
        country=country.code,
        phone=phone,
        fax=f"{phone[:-1]}9" if chance.random() < 0.3 else "",
        mail=f"info@{domain}",
        home_page=f"https://www.{domain}" if chance.random() < 0.7 else "",
        currency=currency,
        salesperson=chance.choice(lists.salespeople).code if chance.random() < 0.9 else "",
        payment_term=chance.choice(lists.payment_terms).code,
        shipment_method=chance.choice(lists.shipment_methods).code if chance.random() < 0.7 else "",
        shipping_agent=chance.choice(lists.shipping_agents).code if chance.random() < 0.5 else "",
        credit_limit=chance.choice((0, 0, 1000, 2500, 5000, 10_000, 25_000, 100_000)),
        blocked=chance.random() < 0.03,
        persons=_persons(chance, country, lists, domain),
    )


def _country(chance: random.Random) -> Country:
    heights = _weights()
    return countries()[bisect(heights, chance.random() * heights[-1])]


@cache
def _weights() -> list[int]:
    return list(itertools.accumulate(country.weight for country in countries()))


def _name(chance: random.Random, country: Country, city: str) -> str:
    family, other = chance.choice(country.families), chance.choice(country.families)
    trade, form = chance.choice(country.trades), chance.choice(country.forms)
    patterns = (
        f"{family} {trade} {form}",
        f"{family} {trade} {city} {form}",
        f"{family} & {other} {trade} {form}",
        f"{family} & {other} {trade} {city} {form}",
        f"{family}-{other} {trade} {form}",
        f"{trade} {city} {form}",
    )
    return chance.choice(patterns)


def _persons(chance: random.Random, country: Country, lists: Codes, domain: str) -> tuple[Person, ...]:
    persons: dict[str, Person] = {}
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3))):
        person = _person(chance, country, lists, domain)
        persons.setdefault(person.mail, person)
    return tuple(persons.values())


def _person(chance: random.Random, country: Country, lists: Codes, domain: str) -> Person:
    woman = chance.random() < 0.5
    given, family = chance.choice(country.women if woman else country.men), chance.choice(country.families)
    return Person(
        id=_guid(chance),
        given_name=given,
        family_name=family,
        job=chance.choice(lists.jobs),
        phone=_phone(chance, country),
        mobile=_phone(chance, country) if chance.random() < 0.6 else "",
        mail=f"{mail_letters(given)}.{mail_letters(family)}@{domain}",
        woman=woman,
    )


def _phone(chance: random.Random, country: Country) -> str:
    return f"{country.phone} {chance.randint(20, 999)} {chance.randint(100_000, 9_999_999)}"


def _guid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def mail_letters(text: str) -> str:
    """The text as it may stand in a mail address."""
    plain = unicodedata.normalize("NFKD", text.translate(_SHARP))
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in _without_accents(plain))
    return "-".join(words.lower().split())


def _without_accents(text: str) -> str:
    return "".join(letter for letter in text if not unicodedata.combining(letter))
