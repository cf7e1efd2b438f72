"""The initial load of customers between the two sandboxes, beside a bare client that sends the very same requests.

Twinrow's requests are written down once; then the sandboxes are put back to the state before, and twinrow and the bare client
take turns. The bare client knows every request beforehand, reads no answer further than to its end, and sends as many at once
as twinrow did: a request goes out as soon as all those have been answered that had been answered when twinrow sent it.
"""

from __future__ import annotations

import shutil
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from bench.measuring import Measurement, median, run_apart
from bench.report import Figure, Line
from bench.synchronizing import WrongResultError
from twinrow.actions.results import Run
from twinrow.cli.sandbox import SandboxPair, open_sandboxes
from twinrow.connectors.base import Connector
from twinrow.connectors.opening import KINDS
from twinrow.workspace import MachineClock, ReferencedSecrets, Workspace, open_workspace

MAPPING = "CUSTOMER"
BESIDE_BARE = (0.8, 0.95)
"""What must be reached, and what should be, of the speed of the bare client."""
ERP, CRM = "erp", "crm"
_SNAPSHOT = "before the load"


@dataclass(frozen=True)
class Sent:
    """A request that was sent: when it began, when it was answered, and what it was."""

    began: float
    ended: float
    method: str
    url: str
    headers: list[tuple[str, str]]
    content: bytes


class Recorder(httpx2.BaseTransport):
    """The network, with a record of all that goes over it."""

    def __init__(self, context: ssl.SSLContext, sent: list[Sent]) -> None:
        self._network = httpx2.HTTPTransport(verify=context, http1=True, limits=httpx2.Limits(max_connections=64))
        self._sent = sent
        self._lock = threading.Lock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        content = request.read()
        began = time.perf_counter()
        response = self._network.handle_request(request)
        response.read()
        ended = time.perf_counter()
        headers = [(name, value) for name, value in request.headers.items() if name not in ("content-length", "host")]
        with self._lock:
            self._sent.append(Sent(began, ended, request.method, str(request.url), headers, content))
        return response

    def close(self) -> None:
        self._network.close()


@dataclass(frozen=True)
class Place:
    """Two sandboxes by their settings, and the store that is kept for them."""

    options: dict[str, dict[str, str]]
    store: Path


def measure(customers: int, repetitions: int) -> Iterator[Line]:
    """Load that many customers of a sample company from Business Central to Dataverse, and yield a line for it."""
    folder = Path(tempfile.mkdtemp(prefix="twinrow-bench-"))
    try:
        with open_sandboxes(folder, customers) as pair:
            yield from _measure(pair, folder, repetitions)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(pair: SandboxPair, folder: Path, repetitions: int) -> Iterator[Line]:
    place = Place({ERP: pair.options("business-central"), CRM: pair.options("dataverse")}, folder / "store.db")
    _set_up(place)
    _keep(pair, place)
    sent = _recorded(pair, place)
    ours: list[Measurement] = []
    bare: list[Measurement] = []
    for number in range(repetitions):
        for is_bare in (number % 2 == 0, number % 2 == 1):
            _put_back(pair, place)
            if is_bare:
                bare.append(run_apart(send_all, pair.ca_file, sent, prepare=BareClient))
            else:
                ours.append(run_apart(load, place, prepare=connected))
    took, beside = median(ours), median(bare)
    hosts = {urlsplit(server.url).port: name for server, name in ((pair.business_central, ERP), (pair.dataverse, CRM))}
    counts = Counter(hosts[urlsplit(one.url).port] for one in sent)
    yield Line(
        "sandboxes over HTTPS: initial load of customers",
        took.rows,
        Figure(beside.seconds / took.seconds, "{:.2f} ×", *BESIDE_BARE),
        took,
        beside,
        repetitions,
        f"{counts[ERP]} requests to Business Central, {counts[CRM]} to Dataverse",
    )
    yield Line(
        "the same: CPU of the whole run for each customer",
        took.rows,
        Figure(took.cpu_seconds / took.rows * 1e6, "{:.0f} µs", least=False),
        note=f"the bare client: {beside.cpu_seconds / took.rows * 1e6:.0f} µs",
    )


def _set_up(place: Place) -> None:
    """Connect the sandboxes, and carry over what customers refer to."""
    with _workspace(place) as workspace:
        for name, kind in ((ERP, "business-central"), (CRM, "dataverse")):
            workspace.add_system(name, kind, **place.options[name])
        workspace.add_connection("bench", ERP, CRM)
        workspace.setup_connection(ownership_model="team")
        for mapping in workspace.list_table_mappings():
            if mapping.name == MAPPING:
                break
            _succeed(workspace.synchronize(mapping.name, create=True))


def _succeed(run: Run) -> Run:
    if not run.succeeded:
        causes = {error.message for error in run.errors}
        raise WrongResultError(f"{run.mapping} is {run.state}: {run.message or ''} {run.counters} {causes}")
    return run


def _keep(pair: SandboxPair, place: Place) -> None:
    for server in (pair.business_central, pair.dataverse):
        server.control("POST", "/sandbox/snapshot", {"name": _SNAPSHOT})
    shutil.copy(place.store, _kept(place))


def _put_back(pair: SandboxPair, place: Place) -> None:
    for server in (pair.business_central, pair.dataverse):
        server.control("POST", "/sandbox/restore", {"name": _SNAPSHOT})
    for leftover in place.store.parent.glob(f"{place.store.name}-*"):
        leftover.unlink()
    shutil.copy(_kept(place), place.store)


def _kept(place: Place) -> Path:
    return place.store.with_suffix(".kept")


def _recorded(pair: SandboxPair, place: Place) -> list[Sent]:
    sent: list[Sent] = []
    workspace = _workspace(place)
    context = ssl.create_default_context(cafile=str(pair.ca_file))
    with workspace:
        _connect(workspace, place, Recorder(context, sent))
        sent.clear()
        load(workspace)
    return sorted(sent, key=lambda one: one.began)


def _workspace(place: Place) -> Workspace:
    return open_workspace(f"sqlite:///{place.store}")


def connected(place: Place) -> Workspace:
    """Return the workspace of a process that has signed in and knows its systems' tables."""
    workspace = _workspace(place)
    _connect(workspace, place, None)
    return workspace


def _connect(workspace: Workspace, place: Place, transport: httpx2.BaseTransport | None) -> None:
    from importlib import import_module

    for system in workspace.list_systems():
        opener = import_module(KINDS[system.kind]).open_system
        connector: Connector = opener(
            system.name, place.options[system.name], ReferencedSecrets(), MachineClock(), transport=transport
        )
        workspace.context.attached[system.name] = connector
    mapping = workspace.show_mapping(MAPPING)
    for name, table in ((ERP, mapping.local_table), (CRM, mapping.integration_table)):
        connector = workspace.context.attached[name]
        connector.identify()
        connector.describe(table)
        connector.capabilities(table)


def load(workspace: Workspace) -> int:
    """Carry all customers over. Return how many."""
    return int(_succeed(workspace.synchronize(MAPPING, create=True)).counters.inserted)


class BareClient:
    """A client that sends requests that it is given, and nothing else."""

    def __init__(self, ca_file: Path, sent: Sequence[Sent]) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        self.sent = sent
        self._client = httpx2.Client(verify=context, timeout=600)
        # Connections are made beforehand, as twinrow has them from signing in.
        for address in {urlsplit(one.url)._replace(path="/sandbox/ready", query="").geturl() for one in sent}:
            self._client.get(address)

    def send(self, number: int) -> None:
        """Send a request and read its answer."""
        one = self.sent[number]
        response = self._client.request(one.method, one.url, headers=one.headers, content=one.content)
        if response.status_code >= 400:
            raise WrongResultError(f"{one.method} {one.url}: {response.status_code} {response.text[:300]}")


def send_all(client: BareClient) -> int:
    """Send all requests, as many at once as was done before. Return how many."""
    sent = client.sent
    with ThreadPoolExecutor(64) as pool:
        answers: list[Future[None]] = []
        for one in sent:
            for number, answer in enumerate(answers):
                if sent[number].ended <= one.began:
                    answer.result()
            answers.append(pool.submit(client.send, len(answers)))
        for answer in answers:
            answer.result()
    return len(sent)
