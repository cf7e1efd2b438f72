"""Contact business relations: which contact stands behind which customer or vendor.

A company contact has at most one relation row for each relation code; a person belongs to a customer or vendor
through the contact that its `Company No.` names. The field `Contact Business Relation` of a contact sums that up.

Source: protocol page, section 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.records import Records
from twinrow.sandbox.business_central.store import Row

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.contacts import ContactLogic

TABLE = "Contact Business Relation"
CODE_FIELDS = {"Customer": "Bus. Rel. Code for Customers", "Vendor": "Bus. Rel. Code for Vendors"}


class Relations:
    """The relation rows of one company. A *link* is the table on the other side: Customer or Vendor."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._rows = records[TABLE]

    def code(self, link: str) -> str:
        """The relation code of the setup; blank when no contacts are to be made."""
        return str(self._records.setup("Marketing Setup")[CODE_FIELDS[link]])

    def of_partner(self, link: str, number: str) -> Row | None:
        """The relation of a customer or vendor."""
        return self._rows.first({"Link to Table": link, "No.": number})

    def of_contact(self, link: str, contact: str) -> Row | None:
        """The relation of a contact to a customer, or to a vendor."""
        return self._rows.first({"Link to Table": link, "Contact No.": contact})

    def all_of_contact(self, contact: str) -> list[Row]:
        """All relations of a contact."""
        return self._rows.where({"Contact No.": contact})

    def create(self, contact: str, link: str, number: str) -> Row:
        """Link a contact with a customer or vendor. The contact's own field is the caller's business."""
        row = self._rows.new()
        row.update(
            {"Contact No.": contact, "Business Relation Code": self.code(link), "Link to Table": link, "No.": number}
        )
        self._rows.insert(row)
        return row

    def complete(self, relation: Row, number: str) -> None:
        """Fill the blank number of a relation that waited for its customer or vendor."""
        self._rows.modify({**relation, "No.": number}, relation)

    def remove_of_partner(self, link: str, number: str, contacts: ContactLogic) -> None:
        """Remove the relations of a customer or vendor that is deleted; the contacts stay."""
        for relation in self._rows.where({"Link to Table": link, "No.": number}):
            self._rows.delete(relation)
            contacts.refresh_relation(relation["Contact No."])

    def remove_of_contact(self, contact: str) -> None:
        """Remove all relations of a contact that is deleted."""
        for relation in self.all_of_contact(contact):
            self._rows.delete(relation)

    def count(self, contact: Row) -> int:
        """How many relations a contact has, its company's included."""
        return len(self._relevant(contact))

    def summary(self, contact: Row) -> str:
        """What the field `Contact Business Relation` of a contact is to show, in its wire name."""
        relations = self._relevant(contact)
        if not relations:
            return "None"
        setup = self._records.setup("Marketing Setup")
        codes = {setup[field] for field in CODE_FIELDS.values()} - {""}
        selected = [row for row in relations if row["No."] and (not codes or row["Business Relation Code"] in codes)]
        if not selected:
            return "Other" if len(relations) == 1 else "Multiple"
        return str(selected[0]["Link to Table"]) if len(relations) == 1 else "Multiple"

    def check_unrelated(self, link: str, contact: Row) -> None:
        """Refuse the request when the contact stands behind another customer or vendor already."""
        relation = self.of_contact(link, contact["No."])
        if relation is not None:
            raise errors.business_rule(f"Contact {contact['No.']} already has a {TABLE} with {link} {relation['No.']}.")

    def _relevant(self, contact: Row) -> list[Row]:
        relations = self.all_of_contact(contact["No."])
        if contact["Company No."] not in ("", contact["No."]):
            relations += self.all_of_contact(contact["Company No."])
        return relations
