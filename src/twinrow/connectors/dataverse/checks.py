"""Testing a connection: everything that must be right before anything else works, in the order in which it is needed.

Each line says what was looked at, what was found and what to do. What comes after something that is wrong is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twinrow.connectors.base import Check, FeedKind
from twinrow.connectors.dataverse.reading import Reading, preferences
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.dataverse.tables import Tables
from twinrow.model.errors import SignInFailed, TwinrowError, Unreachable

STANDARD_TABLES = ("account", "contact", "systemuser", "team", "businessunit", "transactioncurrency")
"""The tables of the standard mappings and of setting a connection up: whether we may read them is tried."""

SYNCHRONIZED_TABLES = ("account", "contact", "systemuser")
"""The tables of the standard mappings whose changes are read."""

COMPANY_TABLE = "bcbi_company"
"""The table that the solution of Business Central's integration brings."""


def run_checks(site: Site, tables: Tables, reading: Reading) -> list[Check]:
    """Look at address, certificate, sign-in, our user, privileges, and what the standard mappings need."""
    looks: dict[str, Callable[[], Iterator[Check]]] = {
        "Application user": lambda: _user(site),
        "Organization": lambda: _organization(site),
        "Privileges": lambda: _privileges(site, tables, reading),
        "Change tracking": lambda: _change_tracking(site, tables),
        "Company table": lambda: _company_table(site),
    }
    checks: list[Check] = []
    for place, look in looks.items():
        try:
            checks += list(look())
        except TwinrowError as error:
            found = f"{error.message}. {error.cause}" if error.cause else error.message
            checks.append(Check(_place(error, place), False, found, error.remedy or ""))
            break
    return checks


def _user(site: Site) -> Iterator[Check]:
    settings = site.settings
    who = site.who_am_i()
    user = site.user(who.user_id)
    yield Check("Address", True, settings.address)
    yield Check("Certificate", True, "trusted")
    yield Check("Sign-in", True, f"as {settings.client_id or 'managed identity'} in {settings.tenant}")
    name = user.fullname or who.user_id
    if user.isdisabled:
        remedy = "Enable the application user in the Power Platform admin center."
        yield Check("Application user", False, f"{name} is disabled", remedy)
    else:
        yield Check("Application user", True, name)


def _organization(site: Site) -> Iterator[Check]:
    yield Check("Organization", True, site.organization.name or site.who_am_i().organization_id)


def _privileges(site: Site, tables: Tables, reading: Reading) -> Iterator[Check]:
    tried = [name for name in STANDARD_TABLES if name in site.entities]
    for name in tried:
        table = tables.get(name)
        reading.page(reading.address(table, f"$select={table.key}"), preferences(1), reading.reader(table, ()))
    yield Check("Privileges", True, f"can read {', '.join(tried)}; writing is not tried")


def _change_tracking(site: Site, tables: Tables) -> Iterator[Check]:
    known = [name for name in SYNCHRONIZED_TABLES if name in site.entities]
    off = [name for name in known if tables.get(name).capabilities.feed is not FeedKind.DELTA]
    if off:
        remedy = "Switch it on in the properties of these tables; then deletions are told, too."
        yield Check("Change tracking", True, f"off for {', '.join(off)}; changes are found by their time", remedy)
    else:
        yield Check("Change tracking", True, f"on for {', '.join(known)}")


def _company_table(site: Site) -> Iterator[Check]:
    if COMPANY_TABLE in site.entities:
        yield Check("Company table", True, COMPANY_TABLE)
    else:
        remedy = "Install the solution bcbi_CdsBaseIntegration, or take bcbi_companyid out of the mappings' filters."
        yield Check("Company table", False, f"there is no table {COMPANY_TABLE}", remedy)


def _place(error: TwinrowError, looking_at: str) -> str:
    if isinstance(error, Unreachable):
        return "Certificate" if "certificate" in error.message else "Address"
    return "Sign-in" if isinstance(error, SignInFailed) else looking_at
