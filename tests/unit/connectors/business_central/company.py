"""A connector to a Business Central sandbox in this process: no network, no sign-in, and a hand on what travels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

import httpx2
import msgspec
import polars as pl
from tests.sandbox.business_central.site import Site, open_site

from twinrow.batch.columns import ID, VERSION, frame_schema
from twinrow.connectors.base import MARK, WriteKind, WriteRequest, sent
from twinrow.connectors.business_central import BusinessCentral, BusinessCentralSettings
from twinrow.connectors.business_central.connector import HEADERS, REMEDIES
from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.settings import read_settings
from twinrow.sandbox.http import Request
from twinrow.testing.clock import SettableClock

HOST = "https://bc.example"
Override = Callable[[httpx2.Request], httpx2.Response | Exception | None]


class _Tokens:
    def __init__(self, site: Site) -> None:
        self._site = site

    def token(self) -> str:
        return self._site.sign_in.issue("twinrow")

    def renew(self, refused: str) -> None:
        pass

    def close(self) -> None:
        pass


class Company:
    """A sandbox environment, a connector to it, and the requests that went over.

    `override` may answer a request instead of the sandbox (or raise what it returns, or let it pass with None). An
    exception in `lost` is raised after the sandbox has carried the request out.
    """

    def __init__(self, *, own: bool = True, **settings: Any) -> None:
        self.site = open_site()
        self.site.switch(custom_route=own, chosen_ids=bool(settings.get("chosen_ids", False)))
        self.requests: list[httpx2.Request] = []
        self.override: Override = lambda _: None
        self.lost: Override = lambda _: None
        self.clock = SettableClock()
        self.connector = self.open(**settings)

    def open(self, **settings: Any) -> BusinessCentral:
        options = {
            "address": HOST,
            "tenant": "tenant",
            "environment": "sandbox",
            "company": "Wieland Werke GmbH",
            "client_id": "twinrow",
            "secret": "env:S",
            "parallel_requests": 1,
            "patience_seconds": 0,
            **settings,
        }
        read = read_settings(BusinessCentralSettings, "the company", options)
        client = ODataClient(
            "the company",
            read,
            _Tokens(self.site),  # type: ignore[arg-type]
            self.clock,
            headers=HEADERS,
            remedies=REMEDIES,
            transport=httpx2.MockTransport(self._answer),
        )
        return BusinessCentral(client, read)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        instead = self.override(request)
        if isinstance(instead, Exception):
            raise instead
        if instead is not None:
            return instead
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = request.url.query.decode()
        answer = self.site.service.answer(
            Request(request.method, unquote(request.url.path), query, headers, request.content)
        )
        lost = self.lost(request)
        if isinstance(lost, Exception):
            raise lost
        date = format_datetime(self.site.clock.now().replace(microsecond=0), usegmt=True)
        return httpx2.Response(answer.status, headers={**answer.headers, "Date": date}, content=answer.body)

    @property
    def sent(self) -> list[str]:
        """What has been asked so far: method and target below the route, decoded; parts of batches by themselves."""
        found = []
        for request in self.requests:
            target = unquote(str(request.url)).partition("/api/")[2]
            if target.endswith("$batch"):
                parts = msgspec.json.decode(request.content)["requests"]
                found += [f"{part['method']} {unquote(part['url'])}" for part in parts]
            else:
                found.append(f"{request.method} {target}")
        return found

    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of all parts of all batches so far."""
        return [
            part["body"]
            for request in self.requests
            if str(request.url).endswith("$batch")
            for part in msgspec.json.decode(request.content)["requests"]
            if "body" in part
        ]

    def write(
        self,
        kind: WriteKind,
        rows: Sequence[Mapping[str, Any]],
        *,
        table: str = "customers",
        ids: Sequence[str | None] | None = None,
        versions: Sequence[str | None] | None = None,
        marks: Sequence[str | None] | None = None,
        returning: tuple[str, ...] | None = None,
        by: BusinessCentral | None = None,
    ) -> list[dict[str, Any]]:
        """Write plain rows; a field that a row lacks is not sent for it."""
        connector = by or self.connector
        fields = tuple(dict.fromkeys(name for row in rows for name in row))
        types = frame_schema(connector.describe(table), fields)
        empty = [None] * len(rows)
        columns: dict[str, Any] = {
            ID: pl.Series(ids or empty, dtype=pl.String),
            VERSION: pl.Series(versions or empty, dtype=pl.String),
            MARK: pl.Series(marks or empty, dtype=pl.String),
        }
        for name in fields:
            columns[name] = pl.Series([row.get(name) for row in rows], dtype=types[name])
            columns[sent(name)] = pl.Series([name in row for row in rows], dtype=pl.Boolean)
        return connector.write(WriteRequest(table, kind, pl.DataFrame(columns), fields, returning)).to_dicts()

    def create(self, *rows: Mapping[str, Any], **options: Any) -> list[dict[str, Any]]:
        return self.write(WriteKind.CREATE, rows, **options)

    def update(self, *changes: tuple[str, str | None, Mapping[str, Any]], **options: Any) -> list[dict[str, Any]]:
        ids, versions, rows = zip(*changes, strict=True)
        return self.write(WriteKind.UPDATE, rows, ids=ids, versions=versions, **options)


def said(status: int, body: Any = None, **headers: str) -> httpx2.Response:
    """An answer of the test's own."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body if body is not None else {})
    return httpx2.Response(status, headers={"Date": "Fri, 01 May 2026 12:00:00 GMT", **headers}, content=content)


def refused(status: int, code: str, message: str) -> httpx2.Response:
    return said(status, {"error": {"code": code, "message": message}})


def batch_said(*parts: tuple[int, Any]) -> httpx2.Response:
    """The answer to a batch: status and body of each part."""
    return said(
        200,
        {
            "responses": [
                {"id": str(number), "status": status, "headers": {}, **({} if body is None else {"body": body})}
                for number, (status, body) in enumerate(parts)
            ]
        },
    )
