"""Starting a sandbox server as a child process, and talking to its control."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self
from urllib.parse import urlsplit

import msgspec

from twinrow.sandbox.authority import authority
from twinrow.sandbox.http import encode_json

Kind = Literal["dataverse", "business-central"]


class SandboxProcess:
    """A running server: `url` (https://localhost:port), `ca_file` (to be trusted by clients), `control`.

    As a context manager it is stopped at the end.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, ca_file: Path) -> None:
        self.url = url
        self.ca_file = ca_file
        self._process = process
        self._context = authority(ca_file.parent).client_context()
        self._connection: http.client.HTTPSConnection | None = None

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Send a control request, such as `control("POST", "/sandbox/clock", {"advance": 60})`.

        Gives the decoded JSON answer; raises RuntimeError when the server refuses.
        """
        content = b"" if body is None else encode_json(body)
        for last in (False, True):
            if self._connection is None:
                port = urlsplit(self.url).port
                self._connection = http.client.HTTPSConnection("localhost", port, context=self._context, timeout=300)
            try:
                self._connection.request(method, path, body=content, headers={"Content-Type": "application/json"})
                response = self._connection.getresponse()
                answer = response.read()
                break
            except (http.client.HTTPException, OSError):
                # The server may have closed an idle connection.
                self._connection.close()
                self._connection = None
                if last:
                    raise
        if response.status != 200:
            raise RuntimeError(f"{method} {path} was refused with {response.status}: {answer.decode()}")
        return msgspec.json.decode(answer)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server and wait until it has ended."""
        self._close()
        self._process.wait(timeout=30)

    def kill(self) -> None:
        """End the server at once, as a power cut would, and wait until it is gone."""
        self._process.kill()
        self._close()
        self._process.wait(timeout=30)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        _close_pipes(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive:
            self.stop()
        else:
            self._close()


def start(
    kind: Kind,
    *,
    directory: Path,
    database: str | Path = ":memory:",
    port: int = 0,
    sample: int = 0,
    seed: int = 1,
    switches: dict[str, object] | None = None,
) -> SandboxProcess:
    """Start a server and wait until it answers; it ends when this process ends.

    `directory` keeps the certificate authority, which several servers may share. `sample` fills a new database with
    that many sample customers and what belongs to them. Raises RuntimeError when the server does not come up; its
    own words stand on standard error.
    """
    command = [sys.executable, "-m", "twinrow.sandbox", kind]
    command += ["--directory", str(directory), "--database", str(database), "--port", str(port)]
    command += ["--sample", str(sample), "--seed", str(seed), "--switches", encode_json(switches or {}).decode()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | _QUIET)
    told = _first_line(process.stdout)
    if not told:
        process.kill()
        _close_pipes(process)
        process.wait(timeout=30)
        raise RuntimeError(f"The {kind} sandbox did not come up (exit code {process.returncode}).")
    return SandboxProcess(process, told["url"], Path(told["ca_file"]))


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            stream.close()


_QUIET = {"PYTHONUNBUFFERED": "1"}


def _first_line(stream: IO[bytes] | None) -> dict[str, str]:
    line = stream.readline() if stream is not None else b""
    return msgspec.json.decode(line, type=dict[str, str]) if line else {}
