"""Items: their number, and nothing else of what items can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.table_logic import TableLogic

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.company import Company


class ItemLogic(TableLogic):
    """The logic of the table Item."""

    def __init__(self, company: Company) -> None:
        super().__init__(company, "Item")
        self.triggers = {"No.": self._number_validated, "Inventory": self._inventory_validated}

    def _number_validated(self, row: Row, before: Row) -> None:
        if row["No."] != before["No."]:
            self.company.numbers.test_manual(self.company.numbers.series_of("Inventory Setup", "Item Nos."))
            row["No. Series"] = ""

    def _inventory_validated(self, row: Row, before: Row) -> None:
        if row["Inventory"] != before["Inventory"]:
            raise errors.business_rule("Inventory cannot be changed during on insert.")

    def insert(self, row: Row) -> None:
        """Insert an item, with its number."""
        if row["No."] == "":
            row["No. Series"] = self.company.numbers.series_of("Inventory Setup", "Item Nos.")
            row["No."] = self.company.unused_number("Item", row["No. Series"])
        super().insert(row)
