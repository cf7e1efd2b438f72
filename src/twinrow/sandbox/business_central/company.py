"""One company: its records, and the logic of each of its tables."""

from __future__ import annotations

from functools import cached_property

from twinrow.sandbox.business_central.addresses import Addresses
from twinrow.sandbox.business_central.contacts import ContactLogic
from twinrow.sandbox.business_central.countries import CountryLogic
from twinrow.sandbox.business_central.items import ItemLogic
from twinrow.sandbox.business_central.numbers import NumberSeries
from twinrow.sandbox.business_central.partners import CustomerLogic, PartnerLogic, VendorLogic
from twinrow.sandbox.business_central.records import Records
from twinrow.sandbox.business_central.relations import Relations
from twinrow.sandbox.business_central.store import Store
from twinrow.sandbox.business_central.table_logic import TableLogic


class Company:
    """A company of the database, by its name and its id."""

    def __init__(self, store: Store, name: str, company_id: str) -> None:
        self.name = name
        self.id = company_id
        self.records = Records(store, name)
        self.numbers = NumberSeries(self.records)
        self.addresses = Addresses(self.records)
        self.relations = Relations(self.records)
        self.contacts = ContactLogic(self)
        self.partners: dict[str, PartnerLogic] = {
            "Customer": CustomerLogic(self, self.contacts),
            "Vendor": VendorLogic(self, self.contacts),
        }
        self._logic: dict[str, TableLogic] = {
            "Contact": self.contacts,
            "Item": ItemLogic(self),
            "Country/Region": CountryLogic(self),
            **self.partners,
        }

    def logic(self, table: str) -> TableLogic:
        """The logic of a table."""
        logic = self._logic.get(table)
        if logic is None:
            logic = self._logic[table] = TableLogic(self, table)
        return logic

    @property
    def local_currency(self) -> str:
        """The code of the local currency, which rows show when their own currency code is blank."""
        return str(self.records.setup("General Ledger Setup")["LCY Code"])

    def unused_number(self, table: str, series: str) -> str:
        """The next number of a series that no row of the table has."""
        number = self.numbers.next(series)
        while self.records[table].exists(number):
            number = self.numbers.next(series)
        return number

    def rename_references(self, table: str, old: str, new: str) -> None:
        """A row of `table` has a new key: write it into every row that refers to the old one."""
        for referring in self._referring_fields.get(table, ()):
            rows = self.records[referring[0]]
            for before in rows.where({referring[1]: old}):
                rows.modify({**before, referring[1]: new}, before)
        if table in self.partners:
            rows = self.records["Contact Business Relation"]
            for before in rows.where({"Link to Table": table, "No.": old}):
                rows.modify({**before, "No.": new}, before)

    @cached_property
    def _referring_fields(self) -> dict[str, list[tuple[str, str]]]:
        """For each table, the code fields that refer to its key, as (table, field)."""
        referring: dict[str, list[tuple[str, str]]] = {}
        for table in self.records.store.schema.tables.values():
            for field in table.fields:
                if field.relation and not field.pair:
                    referring.setdefault(field.relation, []).append((table.name, field.name))
        return referring
