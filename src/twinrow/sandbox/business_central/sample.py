"""The sample company's lists, customers, vendors and people, as rows of a Business Central company.

Rows go the way of business logic, as if somebody had typed them in: numbers come from the series, every customer and
vendor has its contact, people inherit from theirs. Ids are those of the sample, so they are the same for every size.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.company_setup import add
from twinrow.sandbox.business_central.contacts import PERSON
from twinrow.sandbox.business_central.store import Row, Store
from twinrow.sandbox.business_central.values import decimal_text
from twinrow.sandbox.business_central.wire import ZERO_GUID
from twinrow.sandbox.sample import Company as SampleCompany
from twinrow.sandbox.sample import Party, Person, sample_company

RATES_FROM = "2025-01-01"


def load_sample(company: Company, store: Store, customers: int, seed: int) -> dict[str, int]:
    """Add the sample to a company; gives the number of rows of each table that it filled."""
    sample = sample_company(customers, seed)
    made: Counter[str] = Counter()
    with store.transaction(ZERO_GUID):
        for table, rows in _lists(sample).items():
            for values in rows:
                add(company, table, values)
            made[table] += len(rows)
        for party in sample.customers():
            made.update(_add_partner(company, "Customer", party))
        for party in sample.vendors():
            made.update(_add_partner(company, "Vendor", party))
    return dict(made)


def _lists(sample: SampleCompany) -> dict[str, list[Row]]:
    lists = sample.lists
    foreign = [currency for currency in lists.currencies if currency.code != sample.local_currency]
    return {
        "Country/Region": [
            {"Code": country.code, "Name": country.name, "ISO Code": country.code, "ISO Numeric Code": country.numeric}
            for country in sample.countries
        ],
        "Post Code": [
            {
                "Code": code,
                "City": city,
                "County": region,
                "Country/Region Code": country.code,
            }
            for country in sample.countries
            for code, city, region in country.places
        ],
        "Currency": [
            {
                "Code": currency.code,
                "Description": currency.name,
                "Symbol": currency.symbol,
                "Amount Decimal Places": f"{currency.decimals}:{currency.decimals}",
                "Invoice Rounding Precision": "1" if currency.decimals == 0 else f"0.{'1':0>{currency.decimals}}",
            }
            for currency in foreign
        ],
        "Currency Exchange Rate": [
            {
                "Currency Code": currency.code,
                "Starting Date": RATES_FROM,
                "Exchange Rate Amount": decimal_text(currency.per_euro),
                "Adjustment Exch. Rate Amount": decimal_text(currency.per_euro),
                "Relational Exch. Rate Amount": "1",
                "Relational Adjmt Exch Rate Amt": "1",
            }
            for currency in foreign
        ],
        "Payment Terms": [
            {
                "Code": term.code,
                "Description": term.name,
                "Due Date Calculation": term.due,
                "Discount Date Calculation": term.discount_due,
                "Discount %": str(term.discount),
            }
            for term in lists.payment_terms
        ],
        "Shipment Method": [{"Code": item.code, "Description": item.name} for item in lists.shipment_methods],
        "Shipping Agent": [
            {"Code": agent.code, "Name": agent.name, "Internet Address": agent.address}
            for agent in lists.shipping_agents
        ],
        "Salesperson/Purchaser": [
            {
                "Code": colleague.code,
                "Name": colleague.name,
                "E-Mail": sample.mail_of(colleague),
                "Job Title": colleague.title,
                "Blocked": int(colleague.disabled),
            }
            for colleague in lists.salespeople
        ],
    }


def _add_partner(company: Company, table: str, party: Party) -> Counter[str]:
    logic = company.partners[table]
    row = logic.rows.new()
    row["SystemId"] = party.id
    values: dict[str, Any] = {
        "Name": party.name,
        "Address": party.street,
        "Address 2": party.street_2,
        "Country/Region Code": party.country,
        "Phone No.": party.phone,
        "Fax No.": party.fax,
        "E-Mail": party.mail,
        "Home Page": party.home_page,
        "Currency Code": party.currency,
        "Payment Terms Code": party.payment_term,
        "Shipment Method Code": party.shipment_method,
        "Shipping Agent Code": party.shipping_agent,
        logic.salesperson_field: party.salesperson,
    }
    if table == "Customer":
        values["Credit Limit (LCY)"] = str(party.credit_limit)
    if party.blocked:
        values["Blocked"] = "All"
    for name, value in values.items():
        logic.validate(row, name, value)
    # Validating a post code would look its place up again for each row.
    row |= {"Post Code": party.post_code, "City": party.city, "County": party.region}
    logic.insert(row)
    if party.persons:
        relation = company.relations.of_partner(table, row["No."])
        behind = relation["Contact No."] if relation is not None else ""
        people = [_add_person(company, behind, person) for person in party.persons]
        primary = {"Primary Contact No.": people[0]["No."], "Contact": people[0]["Name"]}
        logic.rows.modify(row | primary, row)
    return Counter({table: 1, "Contact": 1 + len(party.persons)})


def _add_person(company: Company, behind: str, person: Person) -> Row:
    contact = company.contacts.rows.new()
    contact["SystemId"] = person.id
    values = {
        "Type": PERSON,
        "Company No.": behind,
        "First Name": person.given_name,
        "Surname": person.family_name,
        "Job Title": person.job,
        "Salutation Code": "F" if person.woman else "M",
        "Phone No.": person.phone,
        "Mobile Phone No.": person.mobile,
        "E-Mail": person.mail,
    }
    for name, value in values.items():
        company.contacts.validate(contact, name, value)
    company.contacts.insert(contact)
    return contact
