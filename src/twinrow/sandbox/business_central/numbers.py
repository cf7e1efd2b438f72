"""Number series: the next number for a row without one, and whether a caller may give a number himself.

Source: protocol page, section 16 (number series), and the schema files of No. Series and No. Series Line.
"""

from __future__ import annotations

import re

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.records import Records
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.wire import BLANK_DATE

_LAST_DIGITS = re.compile(r"\d+(?=\D*$)")


class NumberSeries:
    """The number series of one company."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def series_of(self, setup: str, field: str) -> str:
        """The series that a setup table names; refuses the request when it names none."""
        series = self._records.setup(setup)[field]
        if not series:
            raise errors.field_rule(f"{field} must have a value in {setup}: Primary Key=. It cannot be zero or empty.")
        return str(series)

    def next(self, series: str) -> str:
        """Take the next number of a series; refuses the request when the series has none left."""
        lines = self._records["No. Series Line"]
        today = self._records.store.time[:10]
        for line in lines.where({"Series Code": series, "Open": 1}):
            if line["Starting Date"] == BLANK_DATE or line["Starting Date"] <= today:
                number = self._following(line)
                if number is not None:
                    lines.modify({**line, "Last No. Used": number, "Last Date Used": today}, line)
                    return number
        raise errors.business_rule(f"You cannot assign new numbers from the number series {series}.")

    def test_manual(self, series: str) -> None:
        """Refuse the request unless the series lets callers give numbers."""
        row = self._records["No. Series"].peek(series)
        if row is None or not row["Manual Nos."]:
            raise errors.business_rule(
                "You may not enter numbers manually. If you want to enter numbers manually, please activate "
                f"Manual Nos. in No. Series {series}."
            )

    def _following(self, line: Row) -> str | None:
        last = str(line["Last No. Used"])
        number = increased(last, line["Increment-by No."]) if last else str(line["Starting No."])
        ending = str(line["Ending No."])
        return None if ending and (len(number), number) > (len(ending), ending) else number


def increased(number: str, by: int) -> str:
    """`number` with its last group of digits counted on; leading zeros are kept."""
    digits = _LAST_DIGITS.search(number)
    if digits is None:
        return f"{number}{by}"
    following = str(int(digits[0]) + by).zfill(len(digits[0]))
    return number[: digits.start()] + following + number[digits.end() :]
