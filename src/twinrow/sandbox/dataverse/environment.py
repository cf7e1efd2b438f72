"""One Dataverse environment: metadata, rows, clock, switches, and what every operation needs to know quickly.

Words: a *call* is one operation with who performs it, when, and under which address; a *principal* is a user or a
team, who own rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse.catalog import Catalog
from twinrow.sandbox.dataverse.notices import Notices
from twinrow.sandbox.dataverse.storage import Storage
from twinrow.sandbox.dataverse.values import instant_text
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.surroundings import Surroundings
from twinrow.sandbox.switches import Switches

DEFAULT_SWITCHES: dict[str, object] = {
    "change_tracking": {},
    "optimistic_concurrency": {},
    "company_navigation_property": "bcbi_CompanyId",
    "delta_expiry_days": 7,
    "page_size": 5000,
    "empty_text_is_null": True,
    "entity_id_on_patch": True,
    "classic_error_codes": False,
    "bare_change_set_errors": False,
    "protection_limits": {
        "enabled": False,
        "requests": 6000,
        "execution_seconds": 1200,
        "concurrent": 52,
        "window_seconds": 300,
    },
}


@dataclass(frozen=True)
class Currency:
    """A currency as amounts need it. `rate` is how many units one unit of the base currency is worth."""

    id: str
    symbol: str
    places: int
    rate: Decimal


@dataclass(slots=True)
class Call:
    """One operation: acting user (and, when impersonated, who really calls), time, and the root of links.

    `content_ids` holds what earlier parts of a change set made, by reference (`$1`).
    """

    user: str
    on_behalf_of: str | None
    now: str
    root: str
    content_ids: dict[str, str] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """The absolute address of something below the root."""
        return f"{self.root}/{path}"


class Environment:
    """The environment that one server holds."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.clock = surroundings.clock
        self.postman: Postman = surroundings.postman
        self.switches = Switches(DEFAULT_SWITCHES)
        self.catalog = Catalog(surroundings.connection)
        self.storage = Storage(surroundings.connection, self.catalog)
        self.notices = Notices()
        self.organization_id = ""
        self.base_currency_id = ""
        self.root_unit_id = ""
        self._currencies: dict[str, Currency] = {}
        self._principals: dict[str, tuple[str, str]] = {}
        self._seen_switches: tuple[Any, ...] = ()

    def now(self) -> str:
        """The present second."""
        return instant_text(self.clock.now())

    def load(self) -> None:
        """Read everything held in memory from the database."""
        self.catalog.load()
        self.storage.open()
        self._seen_switches = ()
        self.forget()
        self.read_subscriptions()

    def forget(self) -> None:
        """Drop what is remembered of currencies, principals and the organisation."""
        self._currencies.clear()
        self._principals.clear()
        row = self.storage.execute("SELECT organizationid, basecurrencyid FROM organization").fetchone()
        self.organization_id, self.base_currency_id = row or ("", "")
        row = self.storage.execute(
            "SELECT businessunitid FROM businessunit WHERE parentbusinessunitid IS NULL"
        ).fetchone()
        self.root_unit_id = row[0] if row else ""

    def read_subscriptions(self) -> None:
        """Learn which changes webhooks have been registered for."""
        rows = self.storage.execute(
            "SELECT m.name, f.primaryobjecttypecode FROM sdkmessageprocessingstep s "
            "JOIN sdkmessage m ON m.sdkmessageid = s.sdkmessageid "
            "JOIN sdkmessagefilter f ON f.sdkmessagefilterid = s.sdkmessagefilterid WHERE s.statecode = 0"
        )
        self.notices.wanted = {(message, table) for message, table in rows}

    def obey_switches(self) -> None:
        """Let changed switches take effect; asked before each request."""
        seen = (
            self.switches["company_navigation_property"],
            self.switches["delta_expiry_days"],
            self.switches["empty_text_is_null"],
        )
        if seen == self._seen_switches:
            return
        self._seen_switches = seen
        self.catalog.company_navigation = str(seen[0])
        self.catalog.rebuild()
        self.storage.execute("UPDATE organization SET expirechangetrackingindays = ?", (seen[1],))

    def number(self, switch: str) -> int:
        """The value of a switch that holds a whole number."""
        value = self.switches[switch]
        return int(value) if isinstance(value, int | float) else 0

    def tracks_changes(self, table: str) -> bool:
        """Whether the table has a change feed."""
        return self._table_flag("change_tracking", table, self.catalog.tables[table].data.change_tracking)

    def checks_versions(self, table: str) -> bool:
        """Whether the table knows optimistic concurrency."""
        return self._table_flag("optimistic_concurrency", table, self.catalog.tables[table].data.optimistic_concurrency)

    def _table_flag(self, switch: str, table: str, default: bool) -> bool:
        values = self.switches[switch]
        return bool(values.get(table, default)) if isinstance(values, dict) else default

    def currency(self, key: str) -> Currency | None:
        """A currency by its id."""
        found = self._currencies.get(key)
        if found is None:
            row = self.storage.execute(
                "SELECT currencysymbol, currencyprecision, exchangerate FROM transactioncurrency "
                "WHERE transactioncurrencyid = ?",
                (key,),
            ).fetchone()
            if row is not None:
                found = self._currencies[key] = Currency(key, row[0] or "", row[1] or 0, Decimal(row[2] or 1))
        return found

    def unit_of(self, user: str) -> str:
        """The business unit of a user."""
        principal = self.principal(user)
        return principal[1] if principal else self.root_unit_id

    def principal(self, key: str) -> tuple[str, str] | None:
        """The table (`systemuser` or `team`) and the business unit of a user or team, by id."""
        found = self._principals.get(key)
        if found is None:
            row = self.storage.execute(
                "SELECT 'systemuser', businessunitid FROM systemuser WHERE systemuserid = ? "
                "UNION ALL SELECT 'team', businessunitid FROM team WHERE teamid = ?",
                (key, key),
            ).fetchone()
            if row is not None:
                found = self._principals[key] = (row[0], row[1])
        return found
