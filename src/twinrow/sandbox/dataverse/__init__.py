"""A Dataverse environment behind its Web API: rows, metadata, batches, change feed, webhooks.

`service` finds the way of a request; `writing` and `queries` do the two halves of the work; `catalog` and `storage`
hold metadata and rows. `docs/reference/sandbox-dataverse.md` tells what is served, and what is not.
"""

from __future__ import annotations

from twinrow.sandbox.dataverse.service import DataverseService
from twinrow.sandbox.surroundings import Surroundings


def open_service(surroundings: Surroundings) -> DataverseService:
    """Open the environment in the database, or make a new one there."""
    return DataverseService(surroundings)
