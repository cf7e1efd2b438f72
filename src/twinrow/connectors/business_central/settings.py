"""The settings of a Business Central system."""

from __future__ import annotations

from pydantic import Field, field_validator

from twinrow.connectors.odata.settings import ODataSettings

PUBLIC_ADDRESS = "https://api.businesscentral.dynamics.com"
SCOPE = "https://api.businesscentral.dynamics.com/.default"
"""What tokens are asked for, on premises too (protocol page, section 2)."""

STANDARD_ROUTE = "v2.0"
OWN_ROUTE = "twinrow/sync/v1.0"

MOST_PARTS = 100
"""Operations that one batch may hold (protocol page, section 10)."""

MOST_ROWS = 20_000
"""Records that one answer may hold (protocol page, section 4)."""


class BusinessCentralSettings(ODataSettings):
    """Where a company is, and how to talk to it.

    `environment` is the name of an environment on line; on premises it stays empty, and `address` is that of the server
    with its instance, such as `https://erp.example:7048/BC`. `company` is a name or an id. `routes` are the API routes that
    may be used, the preferred one first. `chosen_ids` says that the environment takes the id that a create proposes; it
    is off because Microsoft's pages do not promise it. `page_rows` bounds the records of one answer, `batch_parts` the
    writes of one request.
    """

    address: str = PUBLIC_ADDRESS
    environment: str = ""
    company: str = Field(min_length=1)
    routes: tuple[str, ...] = Field(default=(OWN_ROUTE, STANDARD_ROUTE), min_length=1)
    chosen_ids: bool = False
    page_rows: int = Field(default=5_000, ge=1, le=MOST_ROWS)
    batch_parts: int = Field(default=MOST_PARTS, ge=1, le=MOST_PARTS)

    @field_validator("address")
    @classmethod
    def _secure(cls, address: str) -> str:
        if not address.startswith("https://"):
            raise ValueError("must begin with https://")
        return address.rstrip("/")

    @field_validator("routes")
    @classmethod
    def _plain(cls, routes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(route.strip("/") for route in routes)

    @property
    def api_root(self) -> str:
        """The address below which the routes stand."""
        place = f"/v2.0/{self.tenant}/{self.environment}" if self.environment else ""
        return f"{self.address}{place}/api"
