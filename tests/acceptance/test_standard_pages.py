"""A Business Central without the extension: what its standard pages tell is synchronized, the rest is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import twinrow
from twinrow.cli.sandbox import SandboxPair
from twinrow.workspace import Workspace


@pytest.fixture
def workspace(pair: SandboxPair, tmp_path: Path) -> Workspace:
    opened = twinrow.open(f"sqlite:///{tmp_path / 'twinrow.db'}")
    opened.add_system("erp", "business-central", routes=["v2.0"], **pair.options("business-central"))
    opened.add_system("crm", "dataverse", **pair.options("dataverse"))
    opened.add_connection("main", "erp", "crm")
    return opened


def test_a_site_without_the_extension(workspace: Workspace, pair: SandboxPair) -> None:
    with workspace:
        done = workspace.setup_connection(ownership_model="team")
        assert done.warnings == [
            "The mapping SHIPPING AGENT is left out: There is no table in erp named 'shippingAgents'."
        ]
        runs = {run.mapping: run for run in workspace.synchronize_all(create=True).runs}
        assert {run.state for run in runs.values()} == {"finished"}
        assert sum(run.counters.failed for run in runs.values()) == 0
        assert runs["CUSTOMER"].counters.inserted > 50
        # The standard pages do not tell whose people contacts are, so none is made without its account.
        to_integration = next(job for job in runs["CONTACT"].jobs if job.direction == "to_integration")
        assert to_integration.inserted == 0
        assert set(to_integration.ignored_reasons) == {"left out by a rule"}
        contacts = pair.dataverse.control("GET", "/sandbox/tables/contact")
        assert all(row["parentcustomerid"] for row in contacts)
        workspace.synchronize_all()
        assert sum(run.counters.written for run in workspace.synchronize_all().runs) == 0


def test_setting_up_again_keeps_what_was_chosen(workspace: Workspace) -> None:
    with workspace:
        workspace.setup_connection(ownership_model="person")
        again = workspace.setup_connection()
        assert again.connection.settings["ownership_model"] == "person"
        assert again.made == []
