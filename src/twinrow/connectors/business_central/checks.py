"""Testing a connection: everything that must be right before anything else works, in the order in which it is needed.

Each line says what was looked at, what was found and what to do. What comes after something that is wrong is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twinrow.connectors.base import Check
from twinrow.connectors.business_central.reading import Reading
from twinrow.connectors.business_central.settings import OWN_ROUTE, STANDARD_ROUTE
from twinrow.connectors.business_central.site import NoEnvironment, Site
from twinrow.connectors.business_central.tables import Tables
from twinrow.model.errors import SignInFailed, TwinrowError, Unreachable

READ_ON_TRIAL = ("customers", "vendors", "contacts", "currencies", "salespeoplePurchasers", "paymentTerms")
"""The tables of the standard mappings: whether we may read them is tried."""


def run_checks(site: Site, tables: Tables, reading: Reading) -> list[Check]:
    """Look at address, certificate, sign-in, environment, routes, company and permissions."""
    looks: dict[str, Callable[[], Iterator[Check]]] = {
        "Routes": lambda: _routes(site),
        "Company": lambda: _company(site),
        "Permissions": lambda: _permissions(tables, reading),
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


def _routes(site: Site) -> Iterator[Check]:
    settings = site.settings
    there = {route.name: len(route.metadata.sets) for route in site.routes}
    yield Check("Address", True, settings.address)
    yield Check("Certificate", True, "trusted")
    yield Check("Sign-in", True, f"as {settings.client_id or 'managed identity'} in {settings.tenant}")
    if settings.environment:
        yield Check("Environment", True, settings.environment)
    for name in settings.routes:
        if name in there:
            yield Check(f"Route {name}", True, f"{there[name]} entity sets")
        elif name == OWN_ROUTE:
            found = "not installed; the standard API serves the tables instead"
            remedy = "Install twinrow's extension for more fields, and for creates that can be repeated safely."
            yield Check(f"Route {name}", True, found, remedy)
        else:
            remedy = f"Check the setting routes; the standard API is {STANDARD_ROUTE}."
            yield Check(f"Route {name}", False, site.missing[name], remedy)


def _company(site: Site) -> Iterator[Check]:
    company = site.company
    yield Check("Company", True, f"{company.name} ({company.id})")


def _permissions(tables: Tables, reading: Reading) -> Iterator[Check]:
    names = set(tables.names())
    tried = [name for name in READ_ON_TRIAL if name in names]
    for name in tried:
        table = tables.get(name)
        reading.page(reading.address(table, "", reading.selected(table, ())), 1, reading.reader(table, ()))
    yield Check("Permissions", True, f"can read {', '.join(tried)}; writing is not tried")


def _place(error: TwinrowError, looking_at: str) -> str:
    if isinstance(error, Unreachable):
        return "Certificate" if "certificate" in error.message else "Address"
    if isinstance(error, SignInFailed):
        return "Sign-in"
    return "Environment" if isinstance(error, NoEnvironment) else looking_at
