"""A connector to a Dataverse sandbox in this process: no network, no sign-in, and a hand on what travels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

import httpx2
import polars as pl
from tests.sandbox.dataverse.api import DirectApi

from twinrow.batch.columns import ID, VERSION, frame_schema
from twinrow.connectors.base import ChangePage, ChangeRequest, WriteKind, WriteRequest, sent
from twinrow.connectors.dataverse import Dataverse, DataverseSettings
from twinrow.connectors.dataverse.connector import HEADERS, REMEDIES
from twinrow.connectors.odata.client import ODataClient
from twinrow.connectors.odata.pause import Pause
from twinrow.connectors.odata.settings import read_settings
from twinrow.testing.clock import SettableClock

HOST = "https://contoso.crm4.dynamics.com"
NOBODY = "99999999-0000-4000-8000-000000000009"
Row = dict[str, Any]
Override = Callable[[httpx2.Request], httpx2.Response | Exception | None]


class _Tokens:
    def __init__(self, api: DirectApi) -> None:
        self._api = api

    def token(self) -> str:
        return self._api.token("twinrow")

    def renew(self, refused: str) -> None:
        pass

    def close(self) -> None:
        pass


class Environment:
    """A sandbox environment, a connector to it, and the requests that went over.

    `override` may answer a request instead of the sandbox, raise what it returns, or let it pass (None). What `lost` returns
    is raised after the sandbox has carried the request out. `api` is somebody else in the same environment.
    """

    def __init__(self, **settings: Any) -> None:
        self.api = DirectApi()
        self.requests: list[httpx2.Request] = []
        self.override: Override = lambda _: None
        self.lost: Override = lambda _: None
        self.clock = SettableClock()
        self.connector = self.open(**settings)

    def open(self, **settings: Any) -> Dataverse:
        options = {
            "address": HOST,
            "tenant": "tenant",
            "client_id": "twinrow",
            "secret": "env:S",
            "parallel_requests": 1,
            "patience_seconds": 0,
            **settings,
        }
        read = read_settings(DataverseSettings, "the environment", options)
        pause = Pause(self.clock)
        client = ODataClient(
            "the environment",
            read,
            _Tokens(self.api),  # type: ignore[arg-type]
            self.clock,
            headers=HEADERS,
            remedies=REMEDIES,
            budget=pause,
            transport=httpx2.MockTransport(self._answer),
        )
        return Dataverse(client, read, pause)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        instead = self.override(request)
        if isinstance(instead, Exception):
            raise instead
        if instead is not None:
            return instead
        target = request.url.raw_path.decode()
        headers = dict(request.headers.items())
        reply = self.api.carry(request.method, target, headers, request.content)
        lost = self.lost(request)
        if isinstance(lost, Exception):
            raise lost
        return httpx2.Response(reply.status, headers={**reply.headers, "Date": self.date}, content=reply.raw)

    @property
    def date(self) -> str:
        """The Date header of answers."""
        return format_datetime(self.api.clock.now().replace(microsecond=0), usegmt=True)

    def switch(self, **switches: Any) -> None:
        """Set switches of the sandbox."""
        self.api.service.switches.change(switches)

    @property
    def sent(self) -> list[str]:
        """What has been asked so far: method and target below the API root, decoded; parts of batches by themselves."""
        found = []
        for request in self.requests:
            target = unquote(request.url.raw_path.decode()).partition("/v9.2/")[2]
            if target == "$batch":
                lines = request.content.decode().split("\r\n")
                found += [_below_root(line) for line in lines if line.endswith(" HTTP/1.1")]
            else:
                found.append(f"{request.method} {target}")
        return found

    def forget(self) -> None:
        """Forget what has been asked."""
        self.requests.clear()

    # The connector, in plain rows.

    def create(self, table: str, *rows: Mapping[str, Any], **options: Any) -> list[Row]:
        """Create records; a row may have an `@id`."""
        return self.write(table, WriteKind.CREATE, rows, **options)

    def update(self, table: str, *rows: Mapping[str, Any], **options: Any) -> list[Row]:
        """Update records; a row has an `@id`, and an `@version` where the table checks versions."""
        return self.write(table, WriteKind.UPDATE, rows, **options)

    def delete(self, table: str, *rows: Mapping[str, Any]) -> list[Row]:
        """Delete records."""
        return self.write(table, WriteKind.DELETE, rows)

    def write(
        self,
        table: str,
        kind: WriteKind,
        rows: Sequence[Mapping[str, Any]],
        *,
        returning: tuple[str, ...] | None = None,
        by: Dataverse | None = None,
        unsent: Sequence[str] = (),
    ) -> list[Row]:
        """Carry out a write; fields that a row lacks, and `unsent` ones, are not sent."""
        connector = by or self.connector
        description = connector.describe(table)
        fields = tuple(dict.fromkeys(name for row in rows for name in row if not name.startswith("@")))
        types = frame_schema(description, fields)
        data = {name: pl.Series(name, [row.get(name) for row in rows], dtype=pl.String) for name in (ID, VERSION)}
        for name in fields:
            data[name] = pl.Series(name, [row.get(name) for row in rows], dtype=types[name])
            data[sent(name)] = pl.Series(sent(name), [name in row and name not in unsent for row in rows])
        answer = connector.write(WriteRequest(table, kind, pl.DataFrame(data), fields, returning))
        return answer.to_dicts()

    def fetch(self, table: str, fields: tuple[str, ...], *ids: str) -> list[Row]:
        """Return records by id."""
        return self.connector.fetch(table, fields, ids).to_dicts()

    def feed(
        self,
        table: str,
        fields: tuple[str, ...],
        since: str | None = None,
        *,
        cursor: str | None = None,
        page_rows: int = 1_000,
        by: Dataverse | None = None,
    ) -> list[ChangePage]:
        """Read a feed to its end."""
        request = ChangeRequest(table, fields, since, cursor, page_rows=page_rows)
        return list((by or self.connector).changes(request))


def _below_root(line: str) -> str:
    method, target, _ = line.split(" ")
    return f"{method} {unquote(target).partition('/v9.2/')[2]}"


def rows(pages: list[ChangePage]) -> list[Row]:
    """What a feed has handed over."""
    return [row for page in pages for row in page.frame.to_dicts()]
