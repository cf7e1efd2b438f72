"""Testing a connection: everything that must be right before anything else works, in the order in which it is needed.

Each line says what was looked at, what was found and what to do. What comes after something that is wrong is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.connectors.base import Check, FeedKind
from twinrow.connectors.dataverse.reading import Reading, preferences
from twinrow.connectors.dataverse.site import Site
from twinrow.connectors.dataverse.tables import Tables
from twinrow.model.errors import SignInFailed, TwinrowError, Unreachable

STANDARD_TABLES = ("account", "contact", "systemuser", "team", "businessunit", "transactioncurrency")
"""The tables of the standard mappings and of setting a connection up: whether we may read them is tried."""

COMPANY_TABLE = "bcbi_company"
"""The table that the solution of Business Central's integration brings."""


def run_checks(site: Site, tables: Tables, reading: Reading) -> list[Check]:
    """Look at address, certificate, sign-in, our user, privileges, and what the standard mappings need."""
    checks: list[Check] = []
    try:
        for check in _checks(site, tables, reading):
            checks.append(check)  # noqa: PERF402 - what was found before something went wrong is kept
    except TwinrowError as error:
        found = f"{error.message}. {error.cause}" if error.cause else error.message
        checks.append(Check(_place(error, checks), False, found, error.remedy or ""))
    return checks


def _checks(site: Site, tables: Tables, reading: Reading) -> Iterator[Check]:
    settings = site.settings
    who = site.who_am_i()
    yield Check("Address", True, settings.address)
    yield Check("Certificate", True, "trusted")
    yield Check("Sign-in", True, f"as {settings.client_id or 'managed identity'} in {settings.tenant}")
    user = site.user(who.user_id)
    yield Check(
        "Application user",
        not user.isdisabled,
        f"{user.fullname or who.user_id}{' is disabled' if user.isdisabled else ''}",
        "Enable the application user in the Power Platform admin center." if user.isdisabled else "",
    )
    yield Check("Organization", True, f"{site.organization.name or ''} ({who.organization_id})".strip())
    there = [name for name in STANDARD_TABLES if name in site.entities]
    for name in there:
        table = tables.get(name)
        address = reading.address(table, f"$select={table.key}")
        reading.page(address, preferences(1), reading.reader(table, ()))
    yield Check("Privileges", True, f"can read {', '.join(there)}; writing is not tried")
    synchronized = [name for name in ("account", "contact", "systemuser") if name in site.entities]
    untracked = [name for name in synchronized if tables.get(name).capabilities.feed is not FeedKind.DELTA]
    yield Check(
        "Change tracking",
        True,
        f"off for {', '.join(untracked)}; changes are found by their time" if untracked else "on",
        "Switch it on in the properties of the tables; then deletions are told, too." if untracked else "",
    )
    installed = COMPANY_TABLE in site.entities
    yield Check(
        "Company table",
        installed,
        COMPANY_TABLE if installed else f"there is no table {COMPANY_TABLE}",
        ""
        if installed
        else "Install the solution bcbi_CdsBaseIntegration, or take bcbi_companyid out of the mappings' filters.",
    )


def _place(error: TwinrowError, done: list[Check]) -> str:
    if isinstance(error, Unreachable):
        return "Certificate" if "certificate" in error.message else "Address"
    if isinstance(error, SignInFailed):
        return "Sign-in"
    names = {check.name for check in done}
    if "Organization" in names:
        return "Privileges"
    return "Organization" if "Application user" in names else "Application user"
