"""Contacts: companies and the people who belong to them.

What happens to a contact happens to others: a company's people inherit from it, and the customer or vendor behind
which it stands follows it. Each row that is touched is written, with a version of its own.

Source: protocol page, section 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.mail import check_addresses
from twinrow.sandbox.business_central.names import joined_name, split_name
from twinrow.sandbox.business_central.relations import Relations
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.table_logic import TableLogic
from twinrow.sandbox.business_central.wire import upper

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.company import Company

COMPANY = "Company"
PERSON = "Person"

# A change of one of these flows on to the customer or vendor.
_FLOWING = (
    "Name", "Search Name", "Address", "Address 2", "City", "Phone No.", "Mobile Phone No.", "Currency Code",
    "Salesperson Code", "Country/Region Code", "Fax No.", "VAT Registration No.", "Post Code", "County", "E-Mail",
    "Home Page", "Type",
)  # fmt: skip
_ADDRESS = ("Address", "Address 2", "Post Code", "City")
_COMMUNICATION = ("Phone No.", "Fax No.", "E-Mail", "Home Page", "Mobile Phone No.", "Pager")


class ContactLogic(TableLogic):
    """The logic of the table Contact."""

    def __init__(self, company: Company) -> None:
        super().__init__(company, "Contact")
        self.relations: Relations = company.relations
        self.triggers = {
            "No.": self._number_validated,
            "Name": self._name_validated,
            "First Name": self._part_validated,
            "Middle Name": self._part_validated,
            "Surname": self._part_validated,
            "Phone No.": lambda row, _: self._check_phone(row, "Phone No."),
            "Mobile Phone No.": lambda row, _: self._check_phone(row, "Mobile Phone No."),
            "E-Mail": lambda row, _: check_addresses(row["E-Mail"]),
            "Country/Region Code": company.addresses.country_validated,
            "Post Code": lambda row, _: company.addresses.post_code_validated(row),
            "Type": self._type_validated,
            "Company No.": self._company_validated,
            "Company Name": self._company_name_validated,
        }

    # Fields

    def _number_validated(self, row: Row, before: Row) -> None:
        if row["No."] != before["No."]:
            self.company.numbers.test_manual(self.company.numbers.series_of("Marketing Setup", "Contact Nos."))
            row["No. Series"] = ""

    def _name_validated(self, row: Row, before: Row) -> None:
        self.break_name(row)
        self._name_changed(row, before)

    def _part_validated(self, row: Row, before: Row) -> None:
        row["Name"] = joined_name(row["First Name"], row["Middle Name"], row["Surname"])
        self._name_changed(row, before)

    def break_name(self, row: Row) -> None:
        """Split the name of a person into its parts."""
        if row["Type"] == PERSON:
            row["First Name"], row["Middle Name"], row["Surname"] = split_name(row["Name"])

    def _name_changed(self, row: Row, before: Row) -> None:
        if row["Search Name"] in ("", upper(before["Name"])):
            row["Search Name"] = upper(row["Name"])
        if row["Type"] == COMPANY:
            row["Company Name"] = row["Name"]
        elif row["No."]:
            self._tell_primary_contact_name(row)

    def _tell_primary_contact_name(self, row: Row) -> None:
        """A customer or vendor whose primary contact changes its name shows the new one."""
        for link in ("Customer", "Vendor"):
            relation = self.relations.of_contact(link, row["Company No."])
            partner = self.company.records[link].get(relation["No."]) if relation is not None else None
            if partner is not None and partner["Primary Contact No."] == row["No."]:
                self.company.records[link].modify({**partner, "Contact": row["Name"]}, partner)

    def _check_phone(self, row: Row, name: str) -> None:
        if any(character.isalpha() for character in row[name]):
            raise self.breaks_rule(row, name, "must not contain letters")

    def _type_validated(self, row: Row, before: Row) -> None:
        if row["SystemRowVersion"] and row["Type"] != before["Type"]:
            self._change_type(row, before)

    def _change_type(self, row: Row, before: Row | None) -> None:
        """Make the other fields fit the type; `before` is None for a row that is inserted."""
        setup = self.company.records.setup("Marketing Setup")
        if row["Type"] == COMPANY:
            row["First Name"] = row["Middle Name"] = row["Surname"] = row["Job Title"] = ""
            row["Company No."], row["Company Name"] = row["No."], row["Name"]
            row["Salutation Code"] = setup["Def. Company Salutation Code"]
            return
        if before is not None:
            if any(person["No."] != row["No."] for person in self._people(row["No."])):
                raise errors.business_rule(
                    "Type cannot be changed because there are one or more related people linked to the contact."
                )
            relations = self.relations.count(row)
            if relations:
                raise self.must_be(row, "No. of Business Relations", 0, relations)
            if row["Currency Code"]:
                raise self.must_be(row, "Currency Code", "", row["Currency Code"])
        if row["Company No."] == row["No."]:
            row["Company No."] = row["Company Name"] = ""
            row["Salutation Code"] = setup["Default Person Salutation Code"]
            self.break_name(row)

    def _company_validated(self, row: Row, before: Row) -> None:
        company = self.rows.get(row["Company No."]) if row["Company No."] else None
        if company is not None:
            self.inherit(row, before, company)
        else:
            row["Company Name"] = ""
        if row["Company No."] == before["Company No."]:
            return
        if row["Type"] != PERSON:
            raise self.must_be(row, "Type", PERSON, row["Type"])
        row["Contact Business Relation"] = self.relations.summary(row)

    def _company_name_validated(self, row: Row, _: Row) -> None:
        self.validate(row, "Company No.", self._company_called(row["Company Name"]))

    def _company_called(self, text: str) -> str:
        if not text:
            return ""
        if len(text) <= self.field("Company No.").length and self.rows.exists(upper(text)):
            return upper(text)
        companies = [row for row in self.rows.where({"Type": COMPANY}) if row["Name"].lower() == text.lower()]
        if not companies:
            raise errors.business_rule("You must select an existing contact.")
        return str(companies[0]["No."])

    def inherit(self, row: Row, before: Row, company: Row) -> None:
        """Give a person what the setup says that people take over from their company."""
        setup = self.company.records.setup("Marketing Setup")
        former = self.rows.peek(before["Company No."]) if before["Company No."] else None
        row["Company Name"] = company["Name"]
        if setup["Inherit Salesperson Code"]:
            row["Salesperson Code"] = company["Salesperson Code"]
        if setup["Inherit Country/Region Code"]:
            row["Country/Region Code"] = company["Country/Region Code"]
        if setup["Inherit Address Details"]:
            stale = all(row[name] == "" for name in _ADDRESS)
            if stale or (former is not None and all(row[name] == former[name] for name in _ADDRESS)):
                for name in (*_ADDRESS, "County"):
                    row[name] = company[name]
        if setup["Inherit Communication Details"]:
            for name in _COMMUNICATION:
                if row[name] == "" or (former is not None and row[name] == former[name]):
                    row[name] = company[name]

    # Rows

    def insert(self, row: Row, *, with_defaults: bool = True) -> None:
        """Insert a contact; a number and the setup's defaults are filled in where nothing was given."""
        setup = self.company.records.setup("Marketing Setup")
        if row["No."] == "":
            row["No. Series"] = self.company.numbers.series_of("Marketing Setup", "Contact Nos.")
            row["No."] = self.company.unused_number("Contact", row["No. Series"])
        if with_defaults:
            row["Salesperson Code"] = row["Salesperson Code"] or setup["Default Salesperson Code"]
            row["Country/Region Code"] = row["Country/Region Code"] or setup["Default Country/Region Code"]
            of_type = "Def. Company Salutation Code" if row["Type"] == COMPANY else "Default Person Salutation Code"
            row["Salutation Code"] = row["Salutation Code"] or setup[of_type]
        row["Contact Business Relation"] = self.relations.summary(row)
        self._change_type(row, None)
        self.rows.insert(row)

    def modify(self, row: Row, before: Row) -> Row:
        """Write a changed contact; customers, vendors and people follow it."""
        self.pass_on(row, before)
        self.rows.modify(row, before)
        return row

    def pass_on(self, row: Row, before: Row, except_for: tuple[str, str] = ("", "")) -> None:
        """Carry a contact's changes to its customer and vendor, but for the one they came from, and to its people."""
        if any(row[name] != before[name] for name in _FLOWING):
            for relation in self.relations.all_of_contact(row["No."]):
                link, number = relation["Link to Table"], relation["No."]
                if number and (link, number) != except_for:
                    self.company.partners[link].follow_contact(number, row)
        if row["Type"] == COMPANY:
            for person in self._people(row["No."]):
                self._pass_on_to_person(person, row, before)

    def _pass_on_to_person(self, person: Row, company: Row, before: Row) -> None:
        setup = self.company.records.setup("Marketing Setup")
        changed = dict(person)
        if company["Name"] != before["Name"]:
            changed["Company Name"] = company["Name"]
        inherited = ["Salesperson Code"] if setup["Inherit Salesperson Code"] else []
        inherited += ["Country/Region Code"] if setup["Inherit Country/Region Code"] else []
        inherited += _COMMUNICATION if setup["Inherit Communication Details"] else ()
        for name in inherited:
            if company[name] != before[name] and person[name] == before[name]:
                changed[name] = company[name]
        if setup["Inherit Address Details"] and all(person[name] == before[name] for name in _ADDRESS):
            for name in (*_ADDRESS, "County"):
                if company[name] != before[name]:
                    changed[name] = company[name]
        if changed != person:
            self.pass_on(changed, person)
            self.rows.modify(changed, person)

    def refresh_relation(self, number: str) -> None:
        """Compute the relation field of a contact and its people anew."""
        contact = self.rows.get(number)
        if contact is None:
            return
        for row in (contact, *(person for person in self._people(number) if person["No."] != number)):
            summary = self.relations.summary(row)
            if summary != row["Contact Business Relation"]:
                self.rows.modify({**row, "Contact Business Relation": summary}, row)

    def delete(self, row: Row) -> None:
        """Delete a contact with its relations, a company with its people; who had it as primary contact has none."""
        self.relations.remove_of_contact(row["No."])
        for person in self._people(row["No."]) if row["Type"] == COMPANY else ():
            self.delete(person)
        for link in ("Customer", "Vendor"):
            partners = self.company.records[link]
            for partner in partners.where({"Primary Contact No.": row["No."]}):
                partners.modify({**partner, "Contact": "", "Primary Contact No.": ""}, partner)
        self.rows.delete(row)

    def _people(self, company: str) -> list[Row]:
        return self.rows.where({"Company No.": company, "Type": PERSON}) if company else []
