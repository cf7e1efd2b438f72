"""Testing a connection: everything that must be right before anything else works, in the order in which it is needed.

Each line says what was looked at, what was found and what to do. What comes after something that is wrong is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.connectors.base import Check
from twinrow.connectors.business_central.reading import Reading
from twinrow.connectors.business_central.settings import OWN_ROUTE, STANDARD_ROUTE
from twinrow.connectors.business_central.site import Site
from twinrow.connectors.business_central.tables import Tables
from twinrow.model.errors import SignInFailed, TwinrowError, Unreachable

READ_ON_TRIAL = ("customers", "vendors", "contacts", "currencies", "salespeoplePurchasers", "paymentTerms")
"""The tables of the standard mappings: whether we may read them is tried."""


def run_checks(site: Site, tables: Tables, reading: Reading) -> list[Check]:
    """Look at address, certificate, sign-in, environment, routes, company and permissions."""
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
    routes = site.routes
    yield Check("Address", True, settings.address)
    yield Check("Certificate", True, "trusted")
    yield Check("Sign-in", True, f"as {settings.client_id or 'managed identity'} in {settings.tenant}")
    if settings.environment:
        yield Check("Environment", True, settings.environment)
    there = {route.name: len(route.metadata.sets) for route in routes}
    for name in settings.routes:
        if name in there:
            yield Check(f"Route {name}", True, f"{there[name]} entity sets")
        else:
            yield Check(
                f"Route {name}",
                True,
                "not installed; the standard API serves the tables instead",
                _remedy(name),
            )
    yield Check("Company", True, f"{site.company.name} ({site.company.id})")
    names = set(tables.names())
    for name in READ_ON_TRIAL:
        if name in names:
            reading.page(reading.address(tables.get(name), "", "$select=id"), 1, reading.reader(tables.get(name), ()))
    tried = [name for name in READ_ON_TRIAL if name in names]
    yield Check("Permissions", True, f"can read {', '.join(tried)}; writing is not tried")


def _remedy(route: str) -> str:
    if route == OWN_ROUTE:
        return "Install twinrow's extension for more fields, and for creates that can be repeated safely."
    return f"Check the setting routes; the standard API is {STANDARD_ROUTE}."


def _place(error: TwinrowError, done: list[Check]) -> str:
    if isinstance(error, Unreachable):
        return "Certificate" if "certificate" in error.message else "Address"
    if isinstance(error, SignInFailed):
        return "Sign-in"
    if "environment" in error.message:
        return "Environment"
    if "company" in error.message:
        return "Company"
    return "Permissions" if any(check.name == "Company" for check in done) else "Routes"
