"""What only twinrow's own pages in Business Central serve.

A **route** is a set of pages through which a system serves its tables. The standard pages of Business Central leave some
fields of the standard mappings out; twinrow's extension serves them. On a system without the extension the mappings go on
without these fields, and checking a mapping names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twinrow.model.sides import Side


@dataclass(frozen=True, slots=True)
class OptionalRoute:
    """Pages that a system of a side may or may not have: the fields of each table that only they serve, and whole tables."""

    name: str
    side: Side
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    remedy: str = ""

    def serves(self, side: Side, table: str, name: str | None = None) -> bool:
        """Whether the table, or the field of it with that name, is there where the route is."""
        if side is not self.side:
            return False
        return table in self.tables or (name is not None and name in self.fields.get(table, frozenset()))


CUSTOM_PAGE = OptionalRoute(
    name="twinrow's extension for Business Central",
    side=Side.LOCAL,
    fields={
        "customers": frozenset({"contact", "faxNo", "mobilePhoneNo", "primaryContactNo", "shippingAgentCode"}),
        "vendors": frozenset(
            {
                "contact",
                "faxNo",
                "mobilePhoneNo",
                "primaryContactNo",
                "purchaserCode",
                "shipmentMethodCode",
                "shippingAgentCode",
            }
        ),
        "contacts": frozenset(
            {
                "currencyCode",
                "customerId",
                "faxNo",
                "firstName",
                "middleName",
                "pager",
                "salespersonCode",
                "salutationCode",
                "surname",
                "vendorId",
            }
        ),
    },
    tables=frozenset({"shippingAgents"}),
    remedy="Install twinrow's extension in Business Central, or disable these fields.",
)
"""The pages of `extension/business-central`."""
