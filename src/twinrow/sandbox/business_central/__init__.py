"""A Business Central environment to run against: API v2.0, Twinrow's own pages, and the business logic behind them.

The way of a request: `service` finds out what it asks for, `reading` and `writing` carry it out on a page of the
`schema`, the `company`'s logic does what validating and saving does in the original, `records` and `store` keep the
rows. `docs/reference/sandbox-business-central.md` says what it does, and where it knowingly differs.
"""

from __future__ import annotations

from twinrow.sandbox.business_central.service import BusinessCentral
from twinrow.sandbox.surroundings import Surroundings


def open_service(surroundings: Surroundings) -> BusinessCentral:
    """The service on the database of `surroundings`, which may hold what an earlier server left."""
    return BusinessCentral(surroundings)
