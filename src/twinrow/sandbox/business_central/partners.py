"""Customers and vendors, and the contacts that stand behind them.

A new customer or vendor gets a contact; changes of either are carried to the other by copying the fields with equal
numbers, as AL's TransferFields does. The two tables differ in little: in the number series, in the field for the
salesperson (a vendor's purchaser does not become the contact's salesperson later on), and in that vendors are always
companies.

Source: protocol page, sections 16 and 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.contacts import COMPANY, PERSON, ContactLogic
from twinrow.sandbox.business_central.mail import check_addresses
from twinrow.sandbox.business_central.relations import Relations
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.table_logic import TableLogic
from twinrow.sandbox.business_central.wire import upper

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.company import Company

_NEVER_COPIED = frozenset({"No.", "No. Series"})


class PartnerLogic(TableLogic):
    """What customers and vendors have in common. `link` is the table's name in relations."""

    link: str
    setup: str
    series_field: str
    salesperson_field: str
    # Whether the contact behind the row has the same salesperson.
    shares_salesperson = True
    # A change of one of these flows on to the contact.
    flowing: tuple[str, ...] = (
        "Name", "Search Name", "Address", "Address 2", "City", "Phone No.", "Mobile Phone No.", "Currency Code",
        "Country/Region Code", "Fax No.", "VAT Registration No.", "Post Code", "County", "E-Mail", "Home Page",
        "Contact",
    )  # fmt: skip

    def __init__(self, company: Company, contacts: ContactLogic) -> None:
        super().__init__(company, self.link)
        self.contacts = contacts
        self.relations: Relations = company.relations
        numbers = {field.number: field.name for field in contacts.table.fields if field.name not in _NEVER_COPIED}
        # (own field, contact's field) with equal numbers
        self._shared = tuple(
            (field.name, numbers[field.number])
            for field in self.table.fields
            if field.number in numbers and field.name not in _NEVER_COPIED
        )
        self.triggers = {
            "No.": self._number_validated,
            "Name": self._name_validated,
            "Phone No.": lambda row, _: self._check_phone(row, "Phone No."),
            "Mobile Phone No.": lambda row, _: self._check_phone(row, "Mobile Phone No."),
            "E-Mail": lambda row, _: check_addresses(row["E-Mail"]),
            "Country/Region Code": company.addresses.country_validated,
            "Post Code": lambda row, _: company.addresses.post_code_validated(row),
            "Primary Contact No.": self._primary_contact_validated,
        }

    def contact_type(self, row: Row) -> str:
        """Whether a contact of the type Company or Person stands behind the row."""
        return str(row.get("Contact Type", COMPANY))

    # Fields

    def _number_validated(self, row: Row, before: Row) -> None:
        if row["No."] != before["No."]:
            self.company.numbers.test_manual(self.company.numbers.series_of(self.setup, self.series_field))
            row["No. Series"] = ""
        row["Invoice Disc. Code"] = row["Invoice Disc. Code"] or row["No."]

    def _name_validated(self, row: Row, before: Row) -> None:
        if row["Search Name"] in ("", upper(before["Name"])):
            row["Search Name"] = upper(row["Name"])

    def _check_phone(self, row: Row, name: str) -> None:
        if any(character.isalpha() for character in row[name]):
            raise self.breaks_rule(row, name, "must not contain letters")

    def _primary_contact_validated(self, row: Row, _: Row) -> None:
        row["Contact"] = ""
        if not row["Primary Contact No."]:
            return
        contact = self.contacts.rows.need(row["Primary Contact No."])
        if self.contact_type(row) == COMPANY:
            self._check_related(row, contact)
        if contact["Type"] == PERSON:
            row["Contact"] = contact["Name"]
            return
        for name in ("Phone No.", "E-Mail", "Mobile Phone No."):
            row[name] = contact[name] or row[name]

    def _check_related(self, row: Row, contact: Row) -> None:
        relation = self.relations.of_partner(self.link, row["No."]) or self._relate(row, contact)
        behind = relation["Contact No."] if relation is not None else ""
        if contact["Company No."] != behind:
            raise errors.business_rule(
                f"Contact {contact['No.']} {contact['Name']} is not related to {self.link.lower()} "
                f"{row['No.']} {row['Name']}."
            )

    def _relate(self, row: Row, contact: Row) -> Row | None:
        """Find a company contact for a row without one, through the person that is to be its primary contact."""
        if contact["Type"] != PERSON:
            return None
        company = self.contacts.rows.get(contact["Company No."]) if contact["Company No."] else None
        if company is not None:
            self.relations.check_unrelated(self.link, company)
            relation = self.relations.create(company["No."], self.link, row["No."])
            self.contacts.refresh_relation(company["No."])
            return relation
        made = self._make_contact(row)
        joined = dict(contact)
        self.contacts.validate(joined, "Company No.", made["Contact No."])
        self.contacts.modify(joined, contact)
        contact.update(joined)
        return made

    # Rows

    def insert(self, row: Row) -> None:
        """Insert a customer or vendor, with its number and the contact behind it."""
        if row["No."] == "":
            row["No. Series"] = self.company.numbers.series_of(self.setup, self.series_field)
            row["No."] = self.company.unused_number(self.link, row["No. Series"])
        elif self.rows.exists(row["No."]):
            raise errors.same_key(self.link, self.rows.key(row))
        row["Invoice Disc. Code"] = row["Invoice Disc. Code"] or row["No."]
        if self.relations.code(self.link) and not self._complete_relation(row):
            relation = self._make_contact(row)
            if self.contact_type(row) == PERSON:
                self.validate(row, "Primary Contact No.", relation["Contact No."])
        self.rows.insert(row)

    def _complete_relation(self, row: Row) -> bool:
        """Whether the primary contact's company waited for this row; then no contact is made."""
        person = self.contacts.rows.get(row["Primary Contact No."]) if row["Primary Contact No."] else None
        if person is None or person["Type"] != PERSON:
            return False
        relation = self.relations.of_contact(self.link, person["Company No."])
        if relation is None or relation["No."]:
            return False
        self.relations.complete(relation, row["No."])
        self.contacts.refresh_relation(relation["Contact No."])
        return True

    def _make_contact(self, row: Row) -> Row:
        contact = self.contacts.rows.new()
        for own, other in self._shared:
            contact[other] = row[own]
        contact["Type"] = self.contact_type(row)
        self.contacts.validate(contact, "Name", row["Name"])
        self.contacts.validate(contact, "E-Mail", row["E-Mail"])
        contact["No. Series"] = self.company.numbers.series_of("Marketing Setup", "Contact Nos.")
        contact["No."] = self.company.numbers.next(contact["No. Series"])
        relation = self.relations.create(contact["No."], self.link, row["No."])
        self.contacts.insert(contact, with_defaults=False)
        return relation

    def modify(self, row: Row, before: Row) -> Row:
        """Write a changed customer or vendor; its contact follows, and with it whatever follows that."""
        if any(row[name] != before[name] for name in self.flowing):
            self._carry_to_contact(row)
        self.rows.modify(row, before)
        return row

    def _carry_to_contact(self, row: Row) -> None:
        relation = self.relations.of_partner(self.link, row["No."])
        before = self.contacts.rows.get(relation["Contact No."]) if relation is not None else None
        if before is None:
            return
        contact = dict(before)
        self.contacts.validate(contact, "E-Mail", row["E-Mail"])
        for own, other in self._shared:
            contact[other] = row[own]
        contact["Type"] = before["Type"]
        if not self.shares_salesperson:
            contact["Salesperson Code"] = before["Salesperson Code"]
        self.contacts.validate(contact, "Name", row["Name"])
        self.contacts.pass_on(contact, before, except_for=(self.link, row["No."]))
        self.contacts.rows.modify(contact, before)
        if self.contact_type(row) == PERSON and row["Primary Contact No."] == contact["No."]:
            row["Contact"] = contact["Name"]

    def follow_contact(self, number: str, contact: Row) -> None:
        """Take over a contact's fields, without validation: the contact behind this row changed."""
        before = self.rows.need(number)
        row = dict(before)
        for own, other in self._shared:
            row[own] = contact[other]
        if not self.shares_salesperson:
            row[self.salesperson_field] = before[self.salesperson_field]
        self.align_ids(row)
        self.rows.modify(row, before)

    def delete(self, row: Row) -> None:
        """Delete a customer or vendor with its relation; the contact stays."""
        self.relations.remove_of_partner(self.link, row["No."], self.contacts)
        self.rows.delete(row)


class CustomerLogic(PartnerLogic):
    """The logic of the table Customer."""

    link = "Customer"
    setup = "Sales & Receivables Setup"
    series_field = "Customer Nos."
    salesperson_field = "Salesperson Code"
    flowing = (*PartnerLogic.flowing, "Salesperson Code")


class VendorLogic(PartnerLogic):
    """The logic of the table Vendor."""

    link = "Vendor"
    setup = "Purchases & Payables Setup"
    series_field = "Vendor Nos."
    salesperson_field = "Purchaser Code"
    shares_salesperson = False
    flowing = (*PartnerLogic.flowing, "Purchaser Code")
