"""How many requests a synchronization sends: what the sizes of pages and batches imply, and nothing for each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, add_systems, rows
from twinrow.cli.sandbox import SandboxPair, open_sandboxes
from twinrow.sandbox.process import SandboxProcess

CUSTOMERS = 600
PAGE, BATCH = 100, 20
CODES = ("CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT")


def requests(server: SandboxProcess) -> Counter[str]:
    """Return how many requests there were by method and what they were about, and forget them."""
    counts = server.control("GET", "/sandbox/requests")["counts"]
    server.control("DELETE", "/sandbox/requests")
    found: Counter[str] = Counter()
    for shape, count in counts.items():
        method, path = shape.split(" ")
        found[f"{method} {path.rsplit('/', 1)[-1]}"] += count
    return found


@pytest.fixture
def large(terminal: Terminal, tmp_path: Path) -> Iterator[SandboxPair]:
    with open_sandboxes(tmp_path / "sandboxes", CUSTOMERS) as pair:
        sizes = (f"--set=page_rows={PAGE}", f"--set=batch_parts={BATCH}")
        add_systems(terminal, pair, *sizes)
        terminal.run("connection", "setup")
        terminal.run("sync", *CODES, "--create")
        for server in (pair.business_central, pair.dataverse):
            server.control("DELETE", "/sandbox/requests")
        yield pair


def test_records_travel_by_pages_and_batches_and_then_not_at_all(large: SandboxPair, terminal: Terminal) -> None:
    accounts = [row for row in rows(large, "account") if row["customertypecode"] == 3]
    to, back = terminal.read("sync", "CUSTOMER", "--create", "--allow-duplicates")["runs"][0]["jobs"]
    customers = [row for row in rows(large, "Customer") if row["Blocked"] == "_x0020_"]
    assert to["inserted"] == len(customers) - len(accounts)
    assert back["inserted"] == len(accounts)

    erp, crm = requests(large.business_central), requests(large.dataverse)
    # Pages of customers are read until one is not full; each is written in batches of its own.
    full, rest = divmod(to["read"], PAGE)
    assert full <= erp["GET customers"] <= full + 2
    assert crm["POST $batch"] == full * ceil(PAGE / BATCH) + ceil(rest / BATCH)
    # Of each page of accounts, only those that the CRM met first are written.
    pages = ceil(len(rows(large, "account")) / PAGE)
    assert pages <= crm["GET accounts"] <= pages + 2
    assert ceil(back["inserted"] / BATCH) <= erp["POST $batch"] <= pages
    # All else is a fixed number: sign-in, metadata, organization, codes.
    fixed = {
        name: sum(counts.values()) - counts["POST $batch"] - counts["GET customers"] - counts["GET accounts"]
        for name, counts in (("erp", erp), ("crm", crm))
    }
    assert fixed["erp"] <= 12
    assert fixed["crm"] <= 16

    # The second run sees its own echo, and stamps what came from the CRM with its company; then nothing is left.
    terminal.run("sync", "CUSTOMER")
    for server in (large.business_central, large.dataverse):
        requests(server)
    jobs = terminal.read("sync", "CUSTOMER")["runs"][0]["jobs"]
    assert [job["inserted"] + job["modified"] for job in jobs] == [0, 0]
    erp, crm = requests(large.business_central), requests(large.dataverse)
    assert erp["POST $batch"] == crm["POST $batch"] == 0
    assert erp["GET customers"] == crm["GET accounts"] == 1
    assert sum(erp.values()) <= 12
    assert sum(crm.values()) <= 16
