"""The settings of a Dataverse system."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from twinrow.connectors.odata.settings import ODataSettings

API_PATH = "/api/data/v9.2"

MOST_ROWS = 5_000
"""Rows that one answer may hold (protocol page, section 9)."""

MOST_PARTS = 1_000
"""Operations that one batch may hold (protocol page, section 13)."""

MOST_PARALLEL = 51
"""Requests that a user may have under way (protocol page, section 15)."""


class DataverseSettings(ODataSettings):
    """Where an environment is, and how to talk to it.

    `address` is that of the environment, such as `https://contoso.crm4.dynamics.com`. `page_rows` bounds the records of one
    answer, `batch_parts` the writes of one request, `parallel_requests` how many requests are under way at once.
    `solution` is the unique name of the solution that new options of choices become a part of; its publisher's range gives
    their numbers. Left empty, that is the environment's default solution.
    """

    address: str
    page_rows: int = Field(default=MOST_ROWS, ge=1, le=MOST_ROWS)
    batch_parts: int = Field(default=100, ge=1, le=MOST_PARTS)
    parallel_requests: int = Field(default=4, ge=1, le=MOST_PARALLEL)
    solution: str = ""

    @field_validator("address")
    @classmethod
    def _of_the_environment(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("must begin with https:// and name the environment's host")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("must be the environment's address alone, such as https://contoso.crm4.dynamics.com")
        port = f":{parts.port}" if parts.port not in (None, 443) else ""
        return f"https://{parts.hostname}{port}"

    @property
    def api_root(self) -> str:
        """The address below which tables stand."""
        return self.address + API_PATH

    @property
    def scope(self) -> str:
        """What tokens are asked for: the environment itself is the resource (protocol page, section 2)."""
        return f"{self.address}/.default"
