"""A Business Central company behind the protocol of all connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import httpx2
import polars as pl

from twinrow.connectors.base import Capabilities, ChangePage, ChangeRequest, Check, Identity, WriteRequest
from twinrow.connectors.business_central.checks import run_checks
from twinrow.connectors.business_central.feeds import Feeds
from twinrow.connectors.business_central.reading import Reading
from twinrow.connectors.business_central.settings import SCOPE, BusinessCentralSettings
from twinrow.connectors.business_central.site import Site
from twinrow.connectors.business_central.tables import Tables
from twinrow.connectors.business_central.writing import Writing
from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.errors import Remedies
from twinrow.connectors.odata.settings import read_settings
from twinrow.connectors.odata.sign_in import SignIn
from twinrow.model.filters import Filter
from twinrow.model.protocols import Budget, Clock, Secrets
from twinrow.model.tables import Table

REQUEST_LIFETIME = timedelta(minutes=18)
"""A request may wait 8 minutes for its turn, and is ended 10 minutes after that (protocol page, section 10)."""

CHECK_SECONDS = 10.0
"""How long each request of a connection test is tried."""

# In English, because refusals are read for the fields that they name.
HEADERS = {"Accept": "application/json", "Accept-Language": "en-US"}
REMEDIES = Remedies(
    sign_in="Register the application on the page Microsoft Entra Applications of Business Central, and enable it there.",
    privilege="Give the application, on the page Microsoft Entra Applications of Business Central, a permission set that "
    "covers this table.",
)


class BusinessCentral:
    """A connector to one company."""

    def __init__(self, client: ODataClient, settings: BusinessCentralSettings) -> None:
        self._client = client
        self._settings = settings
        self._site = Site(client, settings)
        self._tables = Tables(self._site)
        self._reading = Reading(self._site)
        self._feeds = Feeds(self._site, self._reading)
        self._writing = Writing(self._site, self._reading)

    @property
    def request_lifetime(self) -> timedelta:
        """The time after which a request can no longer take effect."""
        return REQUEST_LIFETIME

    def identify(self) -> Identity:
        """Say which company of which environment this is."""
        settings, company = self._settings, self._site.company
        place = f"{settings.tenant}/{settings.environment}" if settings.environment else settings.address
        details = {
            "company_id": company.id,
            "company_name": company.name,
            "environment": settings.environment,
            "address": settings.address,
        }
        return Identity(f"business-central:{place}/{company.id}".lower(), settings.client_id or None, details)

    def test(self) -> list[Check]:
        """Look at everything that must be right before anything else works."""
        with self._client.patience(CHECK_SECONDS):
            return run_checks(self._site, self._tables, self._reading)

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Within the context, try each request no longer than that: someone is looking on."""
        return self._client.patience(seconds)

    def now(self) -> datetime:
        """Return the time of the service, by the dates of its answers."""
        if not self._client.time.known:
            self._site.companies()
        return self._client.time.now()

    def tables(self) -> Sequence[str]:
        """Return the entity sets that hold records of the company."""
        return self._tables.names()

    def describe(self, table: str) -> Table:
        """Return the description of a table."""
        return self._tables.get(table).table

    def capabilities(self, table: str) -> Capabilities:
        """Return what a table can do by the route that serves it."""
        return self._tables.get(table).capabilities

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed."""
        table = self._tables.get(request.table)
        for name in request.fields:
            table.table.field(name)
        yield from self._feeds.changes(table, request)

    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the records with these ids that exist."""
        found = self._tables.get(table)
        for name in fields:
            found.table.field(name)
        return self._reading.fetch(found, fields, ids)

    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        """Return the records that satisfy the condition."""
        found = self._tables.get(table)
        for name in fields:
            found.table.field(name)
        return self._reading.select(found, fields, condition, limit)

    def ids(self, table: str) -> Iterator[pl.Series]:
        """Yield all ids."""
        yield from self._reading.ids(self._tables.get(table))

    def write(self, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out."""
        return self._writing.write(self._tables.get(request.table), request)

    def propose_keys(self, table: str, count: int) -> list[str]:  # noqa: ARG002
        """Return nothing: no table's keys are proposed."""
        return []

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()


def open_system(
    name: str,
    options: Mapping[str, Any],
    secrets: Secrets,
    clock: Clock,
    *,
    budget: Budget | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> BusinessCentral:
    """Return a connector for a system with these settings (`BusinessCentralSettings`); nothing is sent yet.

    `transport` replaces the network. Raises `ConfigurationError` for settings that are missing, unknown or wrong.
    """
    settings = read_settings(BusinessCentralSettings, name, options)
    sign_in = SignIn(name, settings, SCOPE, secrets, clock)
    client = ODataClient(
        name, settings, sign_in, clock, headers=HEADERS, remedies=REMEDIES, budget=budget, transport=transport
    )
    return BusinessCentral(client, settings)
