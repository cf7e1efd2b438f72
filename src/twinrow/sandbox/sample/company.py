"""The sample company as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twinrow.sandbox.sample.parties import Party, mail_letters, party
from twinrow.sandbox.sample.words import Codes, Colleague, Country, codes, countries

_DOMAIN = "wieland-werke.example"


@dataclass(frozen=True)
class User:
    """Somebody who signs in to the CRM; a salesperson of the ERP has the same mail address there."""

    name: str
    title: str
    mail: str
    salesperson: str
    disabled: bool


@dataclass(frozen=True)
class Company:
    """The company. `local_currency` is the currency of its books; `customers` and `vendors` are made as they are read.

    Vendors are a fifth as many as customers. `crm_parties` are partners whom the CRM met first, about one for every
    twenty customers, two thirds of them customers.
    """

    customer_count: int
    seed: int
    name: str = "Wieland Werke GmbH"
    id: str = "6f1a2c58-0d3b-4b7e-9a41-2f9e3c5d7b10"
    local_currency: str = "EUR"
    domain: str = _DOMAIN

    @property
    def lists(self) -> Codes:
        """Currencies, payment terms, shipment methods, shipping agents, salespeople."""
        return codes()

    @property
    def countries(self) -> list[Country]:
        """Countries with their post codes and cities."""
        return countries()

    @property
    def vendor_count(self) -> int:
        """How many vendors there are."""
        return self.customer_count // 5

    @property
    def crm_count(self) -> int:
        """How many partners the CRM met first."""
        return -(-self.customer_count // 20)

    def customers(self) -> Iterator[Party]:
        """All customers of the ERP."""
        return (party(self.seed, "customer", number) for number in range(self.customer_count))

    def vendors(self) -> Iterator[Party]:
        """All vendors of the ERP."""
        return (party(self.seed, "vendor", number) for number in range(self.vendor_count))

    def crm_parties(self) -> Iterator[Party]:
        """Partners known only to the CRM."""
        for number in range(self.crm_count):
            yield party(self.seed, "vendor" if number % 3 == 2 else "customer", number, in_crm=True)

    def mail_of(self, colleague: Colleague) -> str:
        """The mail address of somebody who works in the company."""
        return f"{mail_letters(colleague.name).replace('-', '.')}@{self.domain}"

    def users(self) -> list[User]:
        """The users of the CRM: all salespeople, and some others."""
        people = [*self.lists.salespeople, *self.lists.colleagues]
        return [User(p.name, p.title, self.mail_of(p), p.code, p.disabled) for p in people]


def sample_company(customers: int, seed: int) -> Company:
    """The company of this size and seed."""
    return Company(customers, seed)
