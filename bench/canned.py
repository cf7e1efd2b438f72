"""The connectors against canned answers: what they cost by themselves for each record, in processor time.

A sandbox tells once what its answers look like; from these, answers for many records are made beforehand. While it is measured,
no server works and no bytes go over a network: the HTTP client hands the prepared bytes over.
"""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import polars as pl

from bench.measuring import median, run_apart
from bench.report import Figure, Line
from bench.synchronizing import WrongResultError
from twinrow.batch.columns import ID, VERSION
from twinrow.cli.sandbox import open_sandboxes
from twinrow.connectors.base import (
    MARK,
    STATUS,
    ChangeRequest,
    Connector,
    CreateKeys,
    Status,
    WriteKind,
    WriteRequest,
)
from twinrow.connectors.opening import KINDS
from twinrow.model.tables import FieldType
from twinrow.workspace import MachineClock, ReferencedSecrets

MUST, AIM = 60.0, 25.0
"""Microseconds of processor time for each record."""
MOST_FIELDS = 25
TIED = frozenset({"contact", "primaryContactNo"})
"""Fields whose values belong to one customer only."""
SAMPLE = 1_000
TABLES = {"business-central": "customers", "dataverse": "account"}
_PAGE = 5_000
_EVERYTHING = {"value": [{"minimumActiveRowVersion": 10**12, "lastUsedRowVersion": 10**12}]}
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_TEXTS = frozenset({FieldType.TEXT, FieldType.CODE})
_PLAIN = _TEXTS | {FieldType.INTEGER, FieldType.DECIMAL, FieldType.BOOLEAN, FieldType.OPTION}


def measure(count: int, repetitions: int) -> Iterator[Line]:
    """Read and create so many records of each kind of system, and yield a line for each."""
    folder = Path(tempfile.mkdtemp(prefix="twinrow-bench-"))
    try:
        with open_sandboxes(folder, SAMPLE) as pair:
            for kind in ("business-central", "dataverse"):
                options = pair.options(kind)
                for work, job, prepare in (("read", read, to_read), ("create", create, to_create)):
                    took = median(
                        [run_apart(job, kind, options, count, prepare=prepare) for _ in range(repetitions)],
                        by=lambda one: one.cpu_seconds,
                    )
                    figure = Figure(took.cpu_seconds / took.rows * 1e6, "{:.0f} µs", MUST, AIM, least=False)
                    name = f"{kind}, canned answers: CPU to {work} a record"
                    fields = _number_of_fields(kind, options, creating=job is create)
                    yield Line(name, took.rows, figure, took, repetitions=repetitions, note=f"{fields} fields")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Network(httpx2.BaseTransport):
    """The network to a sandbox, which keeps what it has heard; `answers` say what is answered in the sandbox's place."""

    def __init__(self, ca_file: str) -> None:
        self._network = httpx2.HTTPTransport(verify=ssl.create_default_context(cafile=ca_file))
        self.heard: list[tuple[str, httpx2.Response]] = []
        self.answers: Callable[[str], httpx2.Response | None] = lambda _: None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        canned = self.answers(path)
        if canned is not None:
            return canned
        response = self._network.handle_request(request)
        content = response.read()
        headers = {name: value for name, value in response.headers.items() if name in ("content-type", "date")}
        self.heard.append((path, httpx2.Response(response.status_code, headers=headers, content=content)))
        return response

    def close(self) -> None:
        self._network.close()


@dataclass
class Opened:
    """A connector to a sandbox over a network of ours, and fields of its table of customers."""

    kind: str
    network: Network
    connector: Connector
    fields: tuple[str, ...]
    count: int = 0
    requests: list[WriteRequest] = field(default_factory=list)

    @property
    def table(self) -> str:
        return TABLES[self.kind]

    def last_heard(self, ending: str) -> httpx2.Response:
        """Return what was answered last at an address with this ending."""
        return next(response for path, response in reversed(self.network.heard) if path.endswith(ending))


def opened(kind: str, options: Mapping[str, Any], *, creating: bool = False) -> Opened:
    """Return a connector that knows the description of its table."""
    network = Network(options["ca_file"])
    settings = {**options, "parallel_requests": 1}
    opener = import_module(KINDS[kind]).open_system
    connector: Connector = opener(kind, settings, ReferencedSecrets(), MachineClock(), transport=network)
    table = connector.describe(TABLES[kind])
    plain = [
        name
        for name, one in table.fields.items()
        if one.type in _PLAIN and (not creating or (one.creatable and name not in TIED))
    ]
    # Fields that mostly have values, texts before others: that is the most to do.
    sample = connector.select(TABLES[kind], plain, None)
    empty = {name: sample.get_column(name).null_count() for name in plain}
    plain.sort(key=lambda name: (2 * empty[name] > sample.height, table.field(name).type not in _TEXTS))
    return Opened(kind, network, connector, tuple(plain[:MOST_FIELDS]))


def _number_of_fields(kind: str, options: Mapping[str, Any], *, creating: bool) -> int:
    work = opened(kind, options, creating=creating)
    work.connector.close()
    return len(work.fields)


def to_read(kind: str, options: Mapping[str, Any], count: int) -> Opened:
    """Return a connector whose next feed hands over so many records."""
    work = opened(kind, options)
    for _ in work.connector.changes(ChangeRequest(work.table, work.fields)):
        pass
    ending = "/customers" if kind == "business-central" else "/accounts"
    heard = [_DECODER.decode(response.content) for path, response in work.network.heard if path.endswith(ending)]
    document = max(heard, key=lambda one: len(one["value"]))
    records = list(islice(cycle(document["value"]), count))
    pages = [records[start : start + _PAGE] for start in range(0, count, _PAGE)]
    key = work.connector.describe(work.table).key
    work.count = count
    answers = [
        _response(
            document
            | _links(kind, options, last=number == len(pages) - 1)
            | {"value": [_renewed(record, key, number * _PAGE + place) for place, record in enumerate(page)]}
        )
        for number, page in enumerate(pages)
    ]
    left = iter(answers)
    everything = _ENCODER.encode(_EVERYTHING)

    def answer(path: str) -> httpx2.Response | None:
        if path.endswith("/syncStates"):
            return httpx2.Response(200, headers=_HEADERS, content=everything)
        return next(left) if path.endswith(ending) else None

    work.network.answers = answer
    return work


def read(work: Opened) -> int:
    """Read a feed to its end. Return how many records there were."""
    request = ChangeRequest(work.table, work.fields)
    found = sum(page.frame.height for page in work.connector.changes(request))
    if found != work.count:
        raise WrongResultError(f"{found} records were read of {work.count}.")
    return found


def to_create(kind: str, options: Mapping[str, Any], count: int) -> Opened:
    """Return a connector whose next creates, so many, succeed."""
    work = opened(kind, options, creating=True)
    known = work.connector.select(work.table, work.fields, None)
    rows = known.select(pl.all().gather(list(islice(cycle(range(known.height)), count))))
    can = work.connector.capabilities(work.table)
    # One of them is really made, each time.
    keys = pl.Series([str(uuid4()) for _ in range(count)])
    frame = rows.with_columns(
        (keys if can.create_keys is CreateKeys.CHOSEN else pl.lit(None, pl.String)).alias(ID),
        pl.lit(None, pl.String).alias(VERSION),
        (keys if can.create_keys is CreateKeys.MARK else pl.lit(None, pl.String)).alias(MARK),
        # Numbers are unique.
        *(
            keys.str.head(8).str.to_uppercase().alias(name)
            for name in ("number", "accountnumber")
            if name in work.fields
        ),
    )
    _written(work, [WriteRequest(work.table, WriteKind.CREATE, frame[:1], work.fields)])
    heard = work.last_heard("$batch")
    key = work.connector.describe(work.table).key
    batches = [keys[start : start + 100] for start in range(0, count, 100)]
    make = _json_batch if kind == "business-central" else _multipart_batch
    left = iter([make(heard, key, batch.to_list()) for batch in batches])
    work.network.answers = lambda path: next(left) if path.endswith("$batch") else None
    size = can.batch_rows
    work.requests = [
        WriteRequest(work.table, WriteKind.CREATE, frame[start : start + size], work.fields)
        for start in range(0, count, size)
    ]
    return work


def create(work: Opened) -> int:
    """Create the prepared records. Return how many."""
    return _written(work, work.requests)


def _written(work: Opened, requests: Sequence[WriteRequest]) -> int:
    written = 0
    for request in requests:
        result = work.connector.write(request)
        if not (result.get_column(STATUS) == Status.WRITTEN).all():
            raise WrongResultError(str(result.filter(pl.col(STATUS) != Status.WRITTEN).head(1).to_dicts()))
        written += result.height
    return written


_HEADERS = {"Content-Type": "application/json", "Date": "Fri, 01 May 2026 12:00:01 GMT"}


def _response(document: Any) -> httpx2.Response:
    return httpx2.Response(200, headers=_HEADERS, content=_ENCODER.encode(document))


def _links(kind: str, options: Mapping[str, Any], *, last: bool) -> dict[str, Any]:
    """The links of a page: Dataverse's are followed, Business Central's only say that there is more."""
    more = f"{options['address']}/api/data/v9.2/accounts?%24skiptoken=1"
    if last and kind == "dataverse":
        token = "%24deltatoken=99999999%2101%2f01%2f2026%2000%3a00%3a00"  # noqa: S105 - a place in a feed
        return {"@odata.deltaLink": f"{options['address']}/api/data/v9.2/accounts?{token}"}
    return {} if last else {"@odata.nextLink": more, "@odata.deltaLink": None}


def _renewed(record: dict[str, Any], key: str, number: int) -> dict[str, Any]:
    """A record of its own: with its own id, and its own place in the order of versions."""
    own: dict[str, Any] = {key: str(UUID(int=number + 1))}
    if "systemRowVersion" in record:
        own["systemRowVersion"] = number + 1
    return record | own


def _json_batch(heard: httpx2.Response, key: str, ids: Sequence[str]) -> httpx2.Response:
    (part,) = _DECODER.decode(heard.content)["responses"]
    return _response(
        {"responses": [part | {"id": str(number), "body": part["body"] | {key: id}} for number, id in enumerate(ids)]}
    )


def _multipart_batch(heard: httpx2.Response, key: str, ids: Sequence[str]) -> httpx2.Response:
    boundary = heard.content.partition(b"\r\n")[0]
    piece = heard.content.split(boundary)[1]
    head, _, body = piece.rpartition(b"\r\n\r\n")
    record = _DECODER.decode(body)
    pieces = [head + b"\r\n\r\n" + _ENCODER.encode(record | {key: id}) + b"\r\n" for id in ids]
    content = b"".join(boundary + one for one in pieces) + boundary + b"--\r\n"
    return httpx2.Response(200, headers=dict(heard.headers) | _HEADERS | _content_type(heard), content=content)


def _content_type(heard: httpx2.Response) -> dict[str, str]:
    return {"Content-Type": heard.headers["content-type"]}
