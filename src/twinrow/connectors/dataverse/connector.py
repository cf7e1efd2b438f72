"""A Dataverse environment behind the protocol of all connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import httpx2
import polars as pl

from twinrow.connectors.base import Capabilities, ChangePage, ChangeRequest, Check, Identity, WriteRequest
from twinrow.connectors.dataverse.checks import run_checks
from twinrow.connectors.dataverse.feeds import Feeds
from twinrow.connectors.dataverse.option_writing import OptionWriting
from twinrow.connectors.dataverse.options import CAPABILITIES, Options
from twinrow.connectors.dataverse.reading import Reading
from twinrow.connectors.dataverse.settings import DataverseSettings
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.dataverse.tables import DataverseTable, Tables
from twinrow.connectors.dataverse.writing import Writing
from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.errors import Remedies
from twinrow.connectors.odata.pause import Pause
from twinrow.connectors.odata.settings import read_settings
from twinrow.connectors.odata.sign_in import SignIn
from twinrow.model.filters import Filter
from twinrow.model.protocols import Budget, Clock, Secrets
from twinrow.model.tables import Table

REQUEST_LIFETIME = timedelta(minutes=10)
"""The service ends an operation after two minutes and undoes it (Microsoft: "Analyze plug-in performance").

Operations of a batch follow one another, each with its own two minutes; the rest is for those that stand before.
"""

CHECK_SECONDS = 10.0
"""How long each look of a connection test may be tried: a person waits for the result."""

HEADERS = {"Accept": "application/json", "OData-Version": "4.0", "OData-MaxVersion": "4.0"}
REMEDIES = Remedies(
    sign_in="Make an application user for the application in the Power Platform admin center (environment, Settings, Users).",
    privilege="Give the application user a security role that covers this table, and see that the user is enabled "
    "(Power Platform admin center).",
)


class Dataverse:
    """A connector to one environment."""

    def __init__(self, client: ODataClient, settings: DataverseSettings, pause: Pause) -> None:
        self._client = client
        self._settings = settings
        self._site = Site(client, settings)
        self._tables = Tables(self._site)
        self._options = Options(self._site)
        self._reading = Reading(self._site)
        self._feeds = Feeds(self._site, self._reading)
        self._writing = Writing(self._site, self._reading, pause)
        self._option_writing = OptionWriting(self._site, self._options, self._tables)

    @property
    def request_lifetime(self) -> timedelta:
        """The time after which a request can no longer take effect."""
        return REQUEST_LIFETIME

    def identify(self) -> Identity:
        """Say which organization this is, and which of its users we are."""
        who = self._site.who_am_i()
        details = {"address": self._settings.address, "organization": self._site.organization.name or ""}
        return Identity(f"dataverse:{who.organization_id}".lower(), who.user_id, details)

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
            self._site.who_am_i()
        return self._client.time.now()

    def tables(self) -> Sequence[str]:
        """Return the tables whose rows can be read, and the option tables of their choices."""
        return (*self._tables.names(), *self._options.names())

    def describe(self, table: str) -> Table:
        """Return the description of a table."""
        return self._options.get(table).table if _has_options(table) else self._tables.get(table).table

    def capabilities(self, table: str) -> Capabilities:
        """Return what a table can do."""
        if _has_options(table):
            self._options.get(table)
            return CAPABILITIES
        return self._tables.get(table).capabilities

    def changes(self, request: ChangeRequest) -> Iterator[ChangePage]:
        """Yield what has changed."""
        if _has_options(request.table):
            yield from self._options.changes(self._options.get(request.table), request)
            return
        yield from self._feeds.changes(self._with_fields(request.table, request.fields), request)

    def fetch(self, table: str, fields: Sequence[str], ids: Sequence[str]) -> pl.DataFrame:
        """Return the records with these ids that exist."""
        if _has_options(table):
            return self._options.fetch(self._options.get(table), fields, ids)
        return self._reading.fetch(self._with_fields(table, fields), fields, ids)

    def select(
        self, table: str, fields: Sequence[str], condition: Filter | None, limit: int | None = None
    ) -> pl.DataFrame:
        """Return the records that satisfy the condition."""
        if _has_options(table):
            return self._options.select(self._options.get(table), fields, condition, limit)
        return self._reading.select(self._with_fields(table, fields), fields, condition, limit)

    def ids(self, table: str) -> Iterator[pl.Series]:
        """Yield all ids."""
        if _has_options(table):
            yield self._options.frame(self._options.get(table), ()).get_column("@id")
            return
        yield from self._reading.ids(self._tables.get(table))

    def write(self, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out."""
        if _has_options(request.table):
            return self._option_writing.write(self._options.get(request.table), request)
        return self._writing.write(self._tables.get(request.table), request)

    def propose_keys(self, table: str, count: int) -> list[str]:
        """Return free values of options; ids of other tables are chosen by the caller."""
        return self._options.propose_keys(self._options.get(table), count) if _has_options(table) else []

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _with_fields(self, table: str, fields: Sequence[str]) -> DataverseTable:
        found = self._tables.get(table)
        for name in fields:
            found.table.field(name)
        return found


def _has_options(table: str) -> bool:
    """Whether a name is that of an option table: of a table and one of its columns."""
    return "." in table


def open_system(
    name: str,
    options: Mapping[str, Any],
    secrets: Secrets,
    clock: Clock,
    *,
    budget: Budget | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> Dataverse:
    """Return a connector for a system with these settings (`DataverseSettings`); nothing is sent yet.

    `transport` replaces the network. Raises `ConfigurationError` for settings that are missing, unknown or wrong.
    """
    settings = read_settings(DataverseSettings, name, options)
    sign_in = SignIn(name, settings, settings.scope, secrets, clock)
    pause = Pause(clock, budget)
    client = ODataClient(
        name, settings, sign_in, clock, headers=HEADERS, remedies=REMEDIES, budget=pause, transport=transport
    )
    return Dataverse(client, settings, pause)
