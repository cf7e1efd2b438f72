"""The rows that a new company starts with: setup, number series, codes of general use.

It is what a company without any business data has: numbers for customers, vendors, contacts and items (given by
callers or taken from the series), contacts made for new customers and vendors, people who inherit from their company,
and the countries that rows refer to.
"""

from __future__ import annotations

from typing import Any

from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.sample import sample_company

LOCAL_CURRENCY = "EUR"
HOME_COUNTRY = "DE"

_SERIES = (
    ("CUST", "Customers", "C000001", "C999999"),
    ("VEND", "Vendors", "V000001", "V999999"),
    ("CONT", "Contacts", "CT000001", "CT999999"),
    ("ITEM", "Items", "1000", "9999"),
)
_CODES = {
    "Business Relation": (("CUST", "Customer"), ("VEND", "Vendor")),
    "Salutation": (("COMPANY", "Company"), ("F", "Female"), ("M", "Male"), ("UNISEX", "Unisex")),
    "Payment Method": (("BANK", "Bank transfer"), ("CASH", "Cash"), ("GIRO", "Giro transfer")),
    "Tax Area": (("HOME", "Home"), ("ABROAD", "Abroad")),
    "Tax Group": (("GOODS", "Goods"), ("SERVICES", "Services")),
    "Item Category": (("GOODS", "Goods"), ("SERVICE", "Services")),
    "Inventory Posting Group": (("FINISHED", "Finished goods"), ("RESALE", "Goods for resale")),
    "Gen. Product Posting Group": (("RETAIL", "Retail"), ("SERVICES", "Services")),
    "Unit of Measure": (("PCS", "Piece"), ("BOX", "Box"), ("HOUR", "Hour")),
}
_NOT_IN_THE_UNION = frozenset({"CH", "GB", "US"})


def set_up(company: Company) -> None:
    """Fill a new company; within a transaction."""
    records = company.records
    for code, description, first, last in _SERIES:
        add(company, "No. Series", {"Code": code, "Description": description, "Manual Nos.": 1})
        add(company, "No. Series Line", {"Series Code": code, "Starting No.": first, "Ending No.": last})
    for table, rows in _CODES.items():
        for code, description in rows:
            add(company, table, {"Code": code, "Description": description})
    for country in sample_company(0, 0).countries:
        add(
            company,
            "Country/Region",
            {
                "Code": country.code,
                "Name": country.name,
                "ISO Code": country.code,
                "ISO Numeric Code": country.numeric,
                "EU Country/Region Code": "" if country.code in _NOT_IN_THE_UNION else country.code,
            },
        )
    local = {"LCY Code": LOCAL_CURRENCY, "Local Currency Symbol": "€", "Local Currency Description": "Euro"}
    add(company, "General Ledger Setup", local)
    add(company, "Sales & Receivables Setup", {"Customer Nos.": "CUST"})
    add(company, "Purchases & Payables Setup", {"Vendor Nos.": "VEND"})
    add(company, "Inventory Setup", {"Item Nos.": "ITEM"})
    inherited = {
        field.name: 1 for field in records["Marketing Setup"].table.fields if field.name.startswith("Inherit ")
    }
    add(
        company,
        "Marketing Setup",
        {
            "Contact Nos.": "CONT",
            "Bus. Rel. Code for Customers": "CUST",
            "Bus. Rel. Code for Vendors": "VEND",
            "Default Country/Region Code": HOME_COUNTRY,
            "Def. Company Salutation Code": "COMPANY",
            "Default Person Salutation Code": "UNISEX",
            **inherited,
        },
    )


def add(company: Company, table: str, values: dict[str, Any]) -> Row:
    """Write a row as it is, unless its key exists; gives the row back."""
    rows = company.records[table]
    row = rows.new() | values
    present = rows.get(*(row[name] for name in rows.table.key))
    if present is not None:
        return present
    rows.insert(row)
    return row
