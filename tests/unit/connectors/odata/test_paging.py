from __future__ import annotations

import polars as pl
import pytest
from tests.unit.connectors.odata.service import Service, said

from twinrow.connectors.odata.paging import Pages
from twinrow.connectors.odata.records import RecordReader, WireProperty
from twinrow.model.errors import ConfigurationError, SystemUnavailable

READER = RecordReader([WireProperty("n", int)], [pl.col("n")])
ADDRESS = "https://system.example/api/things?$select=n"


def test_links_are_followed_as_they_are_with_the_same_headers() -> None:
    link = "https://SYSTEM.example:443/api/things?aid=FIN&$skiptoken=1"
    service = Service(
        said(200, f'{{"value":[{{"n":1}}],"@odata.nextLink":"{link}"}}'.encode()), said(200, b'{"value":[{"n":2}]}')
    )
    pages = Pages(service.client).follow(ADDRESS, {"Prefer": "odata.maxpagesize=1"}, READER)
    assert [page.frame["n"].to_list() for page in pages] == [[1], [2]]
    assert "$skiptoken=1" in str(service.requests[1].url)
    assert [request.headers["prefer"] for request in service.requests] == ["odata.maxpagesize=1"] * 2


def test_the_token_is_not_taken_to_another_host() -> None:
    service = Service(said(200, b'{"value":[],"@odata.nextLink":"https://elsewhere.example/api/things"}'))
    with pytest.raises(ConfigurationError, match="elsewhere"):
        list(Pages(service.client).follow(ADDRESS, {}, READER))
    assert len(service.requests) == 1


def test_an_answer_that_is_no_page() -> None:
    with pytest.raises(SystemUnavailable, match="cannot be read"):
        Pages(Service(said(200, b"<html>Maintenance</html>")).client).read(ADDRESS, {}, READER)
