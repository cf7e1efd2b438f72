"""Countries and regions: the form of their ISO codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.table_logic import TableLogic

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.company import Company


class CountryLogic(TableLogic):
    """The logic of the table Country/Region."""

    def __init__(self, company: Company) -> None:
        super().__init__(company, "Country/Region")
        self.triggers = {"ISO Code": self._iso_validated, "ISO Numeric Code": self._iso_numeric_validated}

    def _iso_validated(self, row: Row, _: Row) -> None:
        code = row["ISO Code"]
        if code and not (len(code) == 2 and code.isascii() and code.isalpha()):
            raise self.breaks_rule(row, "ISO Code", "must be two ASCII letters")

    def _iso_numeric_validated(self, row: Row, _: Row) -> None:
        code = row["ISO Numeric Code"]
        if code and not (len(code) == 3 and code.isascii() and code.isdigit()):
            raise self.breaks_rule(row, "ISO Numeric Code", "must be three digits")
