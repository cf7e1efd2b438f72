"""What is seen of a run while it lasts, and what becomes of one that is stopped."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import Counter

from tests.acceptance.terminal import Terminal, add_systems, edit, rows
from twinrow.cli.sandbox import SandboxPair

CODES = ("CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT")


def test_a_run_that_was_stopped_is_gone_on_with(pair: SandboxPair, terminal: Terminal) -> None:
    add_systems(terminal, pair)
    terminal.run("connection", "setup")
    terminal.run("sync", *CODES, "--create")
    slow = {"path": r"\$batch", "method": "POST", "action": "delay", "seconds": 3, "times": 1}
    pair.dataverse.control("POST", "/sandbox/faults", slow)
    process = terminal.start("sync", "CUSTOMER", "--create")
    while not pair.dataverse.control("GET", "/sandbox/faults")[0]["fired"]:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "Stopped. What was settled stays.\nNext:  twinrow sync goes on where this run stands.\n"
    assert terminal.read("status")["mappings"][-2]["mapping"] == "CUSTOMER"
    assert "broken off; twinrow sync goes on" in " ".join(terminal.run("status").out.split())

    terminal.run("sync", "CUSTOMER", "--create")
    customers = [row["Name"] for row in rows(pair, "Customer") if row["Blocked"] == "_x0020_"]
    accounts = [row["name"] for row in rows(pair, "account") if row["customertypecode"] == 3]
    assert Counter(accounts) == Counter(customers)


def test_progress_is_shown_on_a_terminal(synchronized: SandboxPair, terminal: Terminal) -> None:
    edit(synchronized, "Customer", **{"No.": "C000001", "Phone No.": "+45 70 12 34 56"})
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "twinrow", "sync", "CUSTOMER"],
        cwd=terminal.folder,
        env=os.environ | terminal.variables | {"COLUMNS": "80", "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        shown = bytearray()
        while chunk := _read(ours):
            shown += chunk
        assert process.stdout is not None
        told = process.stdout.read().decode()
    os.close(ours)
    assert process.returncode == 0
    assert "All is well." in told
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"CUSTOMER to crm +1 read, 1 written, 0 failed", plain)
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 80


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_the_store_may_be_a_postgresql(pair: SandboxPair, terminal: Terminal, postgres_url: str) -> None:
    terminal.variables["TWINROW_STORE"] = postgres_url
    add_systems(terminal, pair)
    terminal.run("connection", "setup")
    terminal.run("sync", "--create", code=1)
    status = {one["mapping"]: one for one in terminal.read("status")["mappings"]}
    assert (status["CUSTOMER"]["coupled"], status["CONTACT"]["waiting"]) == (62, 4)
    edit(pair, "Customer", **{"No.": "C000001", "Phone No.": "+45 70 12 34 56"})
    terminal.run("sync", "CUSTOMER")
    assert "+45 70 12 34 56" in {row["telephone1"] for row in rows(pair, "account")}
    assert not list(terminal.folder.iterdir())
