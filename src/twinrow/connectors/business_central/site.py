"""A Business Central site: its company, and the routes by which it serves tables.

Source: protocol page, sections 1 and 12. What is found is kept for the life of the connector. A route that is not there
answers 404; a wrong environment answers 404 too, in XML, with a code of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from twinrow.connectors.business_central.settings import BusinessCentralSettings
from twinrow.connectors.odata.client import ODataClient, get
from twinrow.connectors.odata.errors import RequestRefused
from twinrow.connectors.odata.metadata import Metadata, read_metadata
from twinrow.connectors.odata.paging import unreadable
from twinrow.model.errors import ConfigurationError


class Company(msgspec.Struct, frozen=True):
    """A company: `name` is the technical name, `display_name` what people see."""

    id: str
    name: str
    display_name: str = msgspec.field(name="displayName", default="")


class _Companies(msgspec.Struct):
    value: list[Company]


@dataclass(frozen=True, slots=True)
class Route:
    """A set of API pages: its name in the settings, the address of its root, and what it says about its tables."""

    name: str
    root: str
    metadata: Metadata


@dataclass(slots=True)
class _Found:
    company: Company | None = None
    routes: tuple[Route, ...] | None = None
    missing: dict[str, str] = field(default_factory=dict)


class Site:
    """One company of one environment. May be used by several threads at once."""

    def __init__(self, client: ODataClient, settings: BusinessCentralSettings) -> None:
        self.client = client
        self.settings = settings
        self._lock = threading.RLock()
        self._found = _Found()

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes of the settings that the site has, in their order.

        Raises `ConfigurationError` when there is none, or the environment does not exist.
        """
        with self._lock:
            if self._found.routes is None:
                found = [route for name in self.settings.routes if (route := self.find_route(name)) is not None]
                if not found:
                    raise ConfigurationError(
                        f"{self.client.system} has none of the routes {', '.join(self.settings.routes)}",
                        cause="; ".join(self._found.missing.values()),
                        remedy="Check the setting routes; v2.0 is the standard API.",
                    )
                self._found.routes = tuple(found)
            return self._found.routes

    @property
    def missing(self) -> Mapping[str, str]:
        """The routes that the site lacks, each with what it said."""
        return self._found.missing

    def find_route(self, name: str) -> Route | None:
        """Return a route; None when the site does not have it. Raises as `ODataClient.read` does."""
        root = f"{self.settings.api_root}/{name}"
        try:
            answer = self.client.read(get(f"{root}/$metadata", {"Accept": "application/xml"}))
        except RequestRefused as refused:
            if refused.error.status != 404:
                raise
            raise_for_environment(refused, self.settings)
            self._found.missing[name] = str(refused.error)
            return None
        try:
            return Route(name, root, read_metadata(answer.content))
        except ValueError as error:
            raise unreadable(self.client.system, str(error)) from None

    @property
    def company(self) -> Company:
        """The company of the settings. Raises `ConfigurationError` when there is none of that name or id."""
        with self._lock:
            if self._found.company is None:
                self._found.company = self._named(self.companies())
            return self._found.company

    def companies(self) -> list[Company]:
        """Return all companies of the environment."""
        try:
            answer = self.client.read(get(f"{self.routes[0].root}/companies"))
        except RequestRefused as refused:
            raise_for_environment(refused, self.settings)
            raise
        try:
            return msgspec.json.decode(answer.content, type=_Companies).value
        except msgspec.DecodeError as error:
            raise unreadable(self.client.system, str(error)) from None

    def _named(self, companies: list[Company]) -> Company:
        wanted = self.settings.company.casefold()
        spellings = [
            [company.id for company in companies],
            [company.name for company in companies],
            [company.display_name for company in companies],
        ]
        for spelling in spellings:
            found = [company for company, known in zip(companies, spelling, strict=True) if known.casefold() == wanted]
            if len(found) == 1:
                return found[0]
        names = ", ".join(sorted(company.name for company in companies)) or "none that we may see"
        raise ConfigurationError(
            f"{self.client.system} has no company {self.settings.company!r}",
            cause=f"Its companies are: {names}.",
            remedy="Set company to the name or the id of one of them, or give our application access to it.",
        )

    def set_path(self, entity_set: str) -> str:
        """Return the address of an entity set of the company, below a route's root."""
        return f"companies({self.company.id})/{quote(entity_set)}"


class NoEnvironment(ConfigurationError):
    """The tenant has no environment of the name that the settings give."""

    def __init__(self, settings: BusinessCentralSettings) -> None:
        super().__init__(
            f"The tenant {settings.tenant} has no environment {settings.environment!r}",
            remedy="Check environment (as in the Business Central admin centre) and tenant.",
        )


def raise_for_environment(refused: RequestRefused, settings: BusinessCentralSettings) -> None:
    """Raise `NoEnvironment` when that is what a refusal says."""
    if refused.error.code == "NoEnvironment":
        raise NoEnvironment(settings) from None
