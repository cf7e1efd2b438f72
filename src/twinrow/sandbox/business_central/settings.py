"""The switches of this service, and what they may be set to."""

from __future__ import annotations

from collections.abc import Mapping

from twinrow.sandbox.business_central.limits import DEFAULT_LIMITS
from twinrow.sandbox.sample import sample_company
from twinrow.sandbox.switches import Switches

DEFAULT_COMPANY = sample_company(0, 0)

# Whose rows the long transaction holds: nobody's, everybody's, or those of one application by its client id.
NOBODY, EVERYBODY = "", "*"


class Settings(Switches):
    """The switches. A value that makes no sense is refused with ValueError when it is set."""

    def __init__(self) -> None:
        super().__init__(
            {
                "chosen_ids": True,
                "custom_route": True,
                "page_size": 20_000,
                "limits": DEFAULT_LIMITS,
                "long_transaction": NOBODY,
                "manual_numbers": True,
                "contact_creation": True,
                "country_required": False,
                "companies": [DEFAULT_COMPANY.name],
            }
        )

    def change(self, values: Mapping[str, object]) -> None:
        """Set several switches, or none."""
        for name in _list(values.get("companies", [])):
            if not isinstance(name, str) or not 0 < len(name) <= 30 or "$" in name or '"' in name:
                raise ValueError(f"{name!r} cannot name a company: 1 to 30 characters, neither $ nor quotes.")
        page_size = values.get("page_size", 1)
        if isinstance(page_size, int | float) and (page_size < 1 or page_size != int(page_size)):
            raise ValueError(f"A page cannot hold {page_size} rows.")
        super().change(values)

    @property
    def company_names(self) -> list[str]:
        """The companies that are to exist, beside those that do already."""
        return [str(name) for name in _list(self["companies"])]

    @property
    def page_size(self) -> int:
        """How many rows an answer holds at most."""
        return int(str(self["page_size"]))

    def holds(self, client_id: str) -> bool:
        """Whether what this application writes belongs to the long transaction."""
        return self["long_transaction"] in (EVERYBODY, client_id)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
