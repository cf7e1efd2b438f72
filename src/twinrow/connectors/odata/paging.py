"""Following the links to further pages.

Source: Business Central protocol page, section 4; Dataverse protocol page, section 9. A link is used as it is, with the
headers of the first request, and only when it leads to the same host: the token goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from twinrow.connectors.odata.client import ODataClient, get
from twinrow.connectors.odata.records import Page, RecordReader
from twinrow.model.errors import ConfigurationError, SystemUnavailable


class Pages:
    """Reads pages of records of one system."""

    def __init__(self, client: ODataClient) -> None:
        self._client = client

    def read(self, address: str, headers: Mapping[str, str], reader: RecordReader) -> Page:
        """Read one page. Raises what `ODataClient.read` raises, and `SystemUnavailable` when the answer is no page."""
        answer = self._client.read(get(address, headers))
        try:
            return reader.page(answer.content)
        except ValueError as error:
            raise unreadable(self._client.system, str(error)) from None

    def follow(self, address: str, headers: Mapping[str, str], reader: RecordReader) -> Iterator[Page]:
        """Yield a page and all that follow it. Raises as `read` does."""
        link: str | None = address
        while link is not None:
            page = self.read(link, headers, reader)
            yield page
            link = self.next_address(link, page)

    def next_address(self, address: str, page: Page) -> str | None:
        """Return the address of the page after this one. Raises `ConfigurationError` when it leads to another host."""
        return None if page.next_link is None else self.same_host(address, page.next_link)

    def same_host(self, address: str, link: str) -> str:
        """Return a link that an answer from `address` has named. Raises `ConfigurationError` when it leads elsewhere."""
        here, there = urlsplit(address), urlsplit(link)
        if (here.scheme, here.hostname, here.port or 443) != (there.scheme, there.hostname, there.port or 443):
            raise ConfigurationError(
                f"{self._client.system} names another host for the next page of its records",
                cause=f"We asked {here.scheme}://{here.netloc}, it names {there.scheme}://{there.netloc}.",
                remedy="Use the address by which the system knows itself.",
            )
        return link


def unreadable(system: str, reason: str) -> SystemUnavailable:
    """Return the exception for an answer that cannot be understood: it may come from something in between."""
    return SystemUnavailable(f"{system} gives an answer that cannot be read", cause=reason)
