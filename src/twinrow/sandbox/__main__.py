"""`python -m twinrow.sandbox <kind> --directory ...` runs one sandbox server until its standard input is closed.

The first line on standard output tells, as JSON, where it listens. Who starts it holds the other end of its standard
input: when that process ends, however it ends, so does the server.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading
from pathlib import Path

import msgspec

from twinrow.sandbox.authority import authority
from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.database import open_database
from twinrow.sandbox.http import Service
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.serving import Application, SandboxServer
from twinrow.sandbox.sign_in import SignIn
from twinrow.sandbox.surroundings import Surroundings

KINDS = {"dataverse": "twinrow.sandbox.dataverse", "business-central": "twinrow.sandbox.business_central"}


def main(arguments: list[str] | None = None) -> None:
    """Open the service and serve it."""
    parser = argparse.ArgumentParser(prog="python -m twinrow.sandbox", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--directory", type=Path, required=True, help="where the certificate authority is kept")
    parser.add_argument("--database", default=":memory:", help="a file, or :memory:")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--sample", type=int, default=0, help="how many sample customers an empty database gets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--switches", default="{}", help="switches to start with, as JSON")
    options = parser.parse_args(arguments)

    files = authority(options.directory)
    clock, postman = SandboxClock(), Postman(files.ca_file)
    sign_in = SignIn(clock, files.token_key)
    new = options.database == ":memory:" or not Path(options.database).exists()
    surroundings = Surroundings(open_database(options.database), clock, sign_in, postman)
    service: Service = importlib.import_module(KINDS[options.kind]).open_service(surroundings)
    service.switches.start_with(msgspec.json.decode(options.switches))
    if new and options.sample:
        service.load_sample(options.sample, options.seed)
    server = SandboxServer(Application(service, clock, sign_in, postman), files, options.port)

    def tell() -> None:
        sys.stdout.write(msgspec.json.encode({"url": server.url, "ca_file": str(files.ca_file)}).decode() + "\n")
        sys.stdout.flush()

    threading.Thread(target=_end_with_parent, name="parent watch", daemon=True).start()
    server.run(tell)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    # What was committed is safe; waiting for open connections would only keep the one who stops us waiting.
    os._exit(0)


if __name__ == "__main__":
    main()
