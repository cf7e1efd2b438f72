"""`twinrow sandbox`: a Business Central and a Dataverse to run against, on this machine and without any account.

`open_sandboxes` starts both servers, with a sample company in them; `SandboxPair` says how they are reached.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinrow.cli.failures import tell
from twinrow.cli.screen import show_lines

if TYPE_CHECKING:
    from twinrow.sandbox.process import Kind, SandboxProcess

COMPANY = "Wieland Werke GmbH"
ENVIRONMENT = "sandbox"
TENANT = "sandbox-tenant"
CLIENT = "twinrow"
PERSON = "person"
"""The client of somebody at the keyboard, so that what people change can be told from what twinrow writes."""

_SECRETS = {CLIENT: "sandbox-secret", PERSON: "person-secret"}
_FIRST_PORT = 17_001
_KINDS: tuple[Kind, Kind] = ("business-central", "dataverse")


@dataclass(frozen=True, slots=True)
class SandboxPair:
    """Two running sandboxes that share a folder: its certificate authority, and the secrets of their clients."""

    directory: Path
    business_central: SandboxProcess
    dataverse: SandboxProcess

    @property
    def ca_file(self) -> Path:
        """The certificate authority that clients must trust."""
        return self.business_central.ca_file

    def secret_file(self, client: str) -> Path:
        """Return the file that holds the secret of a client."""
        return _secret_file(self.directory, client)

    def options(self, kind: Kind, client: str = CLIENT) -> dict[str, Any]:
        """Return the settings by which a client reaches one of the two."""
        server = self.business_central if kind == "business-central" else self.dataverse
        place = {"environment": ENVIRONMENT, "company": COMPANY} if kind == "business-central" else {}
        return {
            "address": server.url,
            "authority": server.url,
            "tenant": TENANT,
            **place,
            "client_id": client,
            "secret": f"file:{self.secret_file(client).absolute()}",
            "ca_file": str(self.ca_file.absolute()),
        }


@contextmanager
def open_sandboxes(directory: Path, customers: int, *, first_port: int = 0) -> Iterator[SandboxPair]:
    """Start both servers on databases in a folder, and stop them in the end.

    New databases get a sample company with so many customers; those that are there are gone on with. `first_port` is the port of
    the Business Central, the Dataverse takes the next one; 0: any free ones. Raises `ConfigurationError` where they do not start.
    """
    from twinrow.model.errors import ConfigurationError
    from twinrow.sandbox.process import start

    if first_port:
        _hold_free(range(first_port, first_port + len(_KINDS)))
    directory.mkdir(parents=True, exist_ok=True)
    for client, secret in _SECRETS.items():
        _secret_file(directory, client).write_text(secret, encoding="utf-8")

    def begin(number: int) -> SandboxProcess:
        kind = _KINDS[number]
        port = first_port + number if first_port else 0
        return start(kind, directory=directory, database=directory / f"{kind}.db", port=port, sample=customers)

    with ExitStack() as stack:
        with ThreadPoolExecutor(len(_KINDS)) as both:
            starting = [both.submit(begin, number) for number in range(len(_KINDS))]
        failures = [error for future in starting if (error := future.exception()) is not None]
        servers = [stack.enter_context(future.result()) for future in starting if future.exception() is None]
        if failures:
            raise ConfigurationError("A sandbox did not start", cause=str(failures[0])) from None
        yield SandboxPair(directory, *servers)


def _secret_file(directory: Path, client: str) -> Path:
    return directory / f"secret-of-{client}.txt"


def _hold_free(ports: Sequence[int]) -> None:
    """Raise `ConfigurationError` where something else listens on one of the ports."""
    from twinrow.model.errors import ConfigurationError

    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ConfigurationError(
                    "A sandbox did not start",
                    cause=f"something else listens on port {port}",
                    remedy="Stop that, or name other ports: twinrow sandbox --port 18001.",
                ) from None


def wait_until_stopped() -> None:
    """Wait for Ctrl-C."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        tell("Stopped.")


def sandbox(
    customers: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="How many customers a new sample company has.")
    ] = 200,
    directory: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that keeps both databases; they are gone on with.")
    ] = Path("sandbox"),
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65_534, help="The Business Central's port; the Dataverse takes the next. 0: any."
        ),
    ] = _FIRST_PORT,
) -> None:
    """Start a Business Central and a Dataverse with sample data, to try everything against; Ctrl-C stops them.

    They speak the real protocols on this machine only. What they hold stays in the folder for the next time.
    """
    new = not (directory / f"{_KINDS[0]}.db").exists()
    with open_sandboxes(directory, customers, first_port=port) as pair:
        show_lines(
            [
                f"{COMPANY}, a sample company, is served by two sandboxes:"
                if new
                else f"{COMPANY} goes on as {directory} holds it, served by two sandboxes:",
                "",
                f"  Business Central  {pair.business_central.url}",
                f"  Dataverse         {pair.dataverse.url}",
                "",
                f"Clients sign in as {CLIENT} (the integration) or {PERSON} (somebody at the keyboard); their secrets",
                f"are in {directory}/secret-of-….txt, the certificate authority to trust in {directory}/ca.pem.",
                "",
                "To synchronize them, run in another terminal:",
                "",
                *(f"  {line}" for line in how_to_add(pair)),
                "",
                "Ctrl-C stops both.",
            ]
        )
        wait_until_stopped()


def how_to_add(pair: SandboxPair) -> Sequence[str]:
    """Return the commands that add both as systems and connect them."""
    lines = []
    for name, kind in (("erp", "business-central"), ("crm", "dataverse")):
        server = pair.business_central if kind == "business-central" else pair.dataverse
        place = f' --environment {ENVIRONMENT} --company "{COMPANY}"' if kind == "business-central" else ""
        lines += [
            f"twinrow system add {name} {kind} --url {server.url} --authority {server.url} \\",
            f"  --tenant {TENANT}{place} \\" if place else f"  --tenant {TENANT} \\",
            f"  --client-id {CLIENT} --secret file:{pair.secret_file(CLIENT)} --ca-file {pair.ca_file}",
        ]
    return [*lines, "twinrow connection add wieland erp crm", "twinrow connection setup", "twinrow sync --create"]
