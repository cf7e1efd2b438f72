"""`twinrow sandbox`: it prints how it is reached, keeps its data, and says what is the matter when it cannot start."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.terminal import Terminal


def two_free_ports() -> int:
    """Return a port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("localhost", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("localhost", port + 1))
            except OSError:
                continue
            return port


@contextmanager
def sandbox(terminal: Terminal, port: int, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `twinrow sandbox` and give what it tells; end it with Ctrl-C."""
    with terminal.start("sandbox", "--port", str(port), "--customers", "10", *words) as process:
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        try:
            yield process, "".join(lines)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "Stopped.\n"


def commands(told: str) -> list[list[str]]:
    """Return the commands among what is told, each as its words after `twinrow`."""
    joined = told.replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in joined.splitlines() if line.startswith("  twinrow ")]


def test_the_printed_commands_work_as_they_stand(terminal: Terminal) -> None:
    port = two_free_ports()
    with sandbox(terminal, port) as (_, told):
        assert f"Business Central  https://localhost:{port}\n" in told
        assert f"Dataverse         https://localhost:{port + 1}\n" in told
        for words in commands(told):
            terminal.run(*words)
        assert terminal.read("system", "test")["passed"]
    with sandbox(terminal, port) as (_, told):
        assert "Wieland Werke GmbH goes on as sandbox holds it" in told
        jobs = terminal.read("sync", "CUSTOMER", "--create")["runs"][0]["jobs"]
        assert [job["inserted"] for job in jobs] == [0, 0]


def test_a_port_in_use_is_named(terminal: Terminal) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = terminal.finish("sandbox", "--port", str(port))
    assert told.code == 2
    assert "Error: A sandbox did not start." in told.err
    assert f"Cause: something else listens on port {port}." in told.err
    assert "Next:  Stop that, or name other ports: twinrow sandbox --port 18001." in told.err
    assert len(told.err.splitlines()) == 3
