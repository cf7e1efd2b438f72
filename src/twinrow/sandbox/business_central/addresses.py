"""What validating a post code or a country does to an address, in a session without a user interface.

Source: protocol page, section 16 (post code and city). City and county have no rule there: a session without user
interface leaves the city alone, and the county is plain text.
"""

from __future__ import annotations

from twinrow.sandbox.business_central.records import Records
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.wire import upper


class Addresses:
    """The post codes of one company, and what they do to addresses."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def post_code_validated(self, row: Row) -> None:
        """Complete an address whose post code is known; city, country and county are overwritten."""
        found = self._post_codes(row["Post Code"])
        if not found:
            return
        same_country = [code for code in found if code["Country/Region Code"] == row["Country/Region Code"]]
        found = same_country if row["Country/Region Code"] and same_country else found
        same_city = [code for code in found if upper(code["City"]) == upper(row["City"])]
        found = same_city if row["City"] and same_city else found
        row["Post Code"] = found[0]["Code"]
        row["City"] = found[0]["City"]
        row["Country/Region Code"] = found[0]["Country/Region Code"]
        row["County"] = found[0]["County"]

    def country_validated(self, row: Row, before: Row) -> None:
        """Clear what belonged to the former country."""
        former = before["Country/Region Code"]
        if former in ("", row["Country/Region Code"]):
            return
        if not self._records.setup("General Ledger Setup")["Req.Country/Reg. Code in Addr."]:
            row["Post Code"] = row["City"] = row["County"] = ""

    def _post_codes(self, code: str) -> list[Row]:
        if not code:
            return []
        if code.endswith("*"):
            return [row for row in self._records["Post Code"].all() if row["Code"].startswith(code[:-1])]
        return self._records["Post Code"].where({"Code": code})
