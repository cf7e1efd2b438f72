"""Records that a person names at the terminal: what is asked, what is left out, and the integration side's own form."""

from __future__ import annotations

import polars as pl

from tests.acceptance.terminal import Terminal
from twinrow.batch.columns import ID, VERSION
from twinrow.cli.sandbox import SandboxPair
from twinrow.connectors.base import MARK, STATUS, Status, WriteKind, WriteRequest
from twinrow.workspace import Workspace, open_workspace


def opened(terminal: Terminal) -> Workspace:
    return open_workspace(f"sqlite:///{terminal.folder / 'twinrow.db'}")


def write(workspace: Workspace, table: str, kind: WriteKind, id: str | None, **values: str | int) -> str:
    """Write a record of Dataverse as somebody else would, and return its id."""
    crm = workspace.context.connector(workspace.show_connection().integration)
    rows = crm.fetch(table, (), [id]) if id is not None and kind is WriteKind.UPDATE else None
    version = rows.get_column(VERSION).item() if rows is not None else None
    schema = {ID: pl.String, VERSION: pl.String, MARK: pl.String}
    row = pl.DataFrame({ID: [id], VERSION: [version], MARK: [None]}, schema=schema)
    frame = row.with_columns(pl.lit(value).alias(name) for name, value in values.items())
    answer = crm.write(WriteRequest(table, kind, frame, tuple(values), ()))
    assert answer.get_column(STATUS).to_list() == [Status.WRITTEN.value]
    return str(answer.get_column(ID).item())


def test_newer_values_are_replaced_only_when_somebody_says_so(synchronized: SandboxPair, terminal: Terminal) -> None:
    with opened(terminal) as workspace:
        local, there = workspace.couplings("CURRENCY").select("local_id", "integration_id").row(0)
        write(workspace, "transactioncurrency", WriteKind.UPDATE, there, currencyname="Theirs")

    told = terminal.run("sync", "CURRENCY", "--record", local, "--direction", "to", code=2)
    assert "The record of transactioncurrency is the newer one" in told.err
    assert "--yes" in told.err

    terminal.run("sync", "CURRENCY", "--record", local, "--direction", "to", "--yes")
    with opened(terminal) as workspace:
        crm = workspace.context.connector(workspace.show_connection().integration)
        name = crm.fetch("transactioncurrency", ("currencyname",), [there]).get_column("currencyname").item()
    assert name != "Theirs"


def test_what_is_left_out_is_told(synchronized: SandboxPair, terminal: Terminal) -> None:
    with opened(terminal) as workspace:
        local = workspace.couplings("CUSTOMER").get_column("local_id")[0]
        loose = write(workspace, "account", WriteKind.CREATE, None, name="Fabrikam", customertypecode=3)

    words = ("sync", "CUSTOMER", "--record", local, "--record", loose, "--direction", "from")
    told = terminal.run(*words)
    assert f"Left out: {loose}: not coupled." in told.out
    assert "--create" in told.out
    document = terminal.read(*words)
    assert document["left_out"] == {loose: "not coupled"}
    (run,) = document["runs"]
    assert [job["read"] for job in run["jobs"]] == [1]


def test_a_form_of_dataverse_finds_the_local_record(synchronized: SandboxPair, terminal: Terminal) -> None:
    with opened(terminal) as workspace:
        local, there = workspace.couplings("CUSTOMER").select("local_id", "integration_id").row(0)
        loose = write(workspace, "account", WriteKind.CREATE, None, name="Fabrikam", customertypecode=3)

    assert f"(CUSTOMER): {local}" in terminal.run("sync-from", "account", there).out
    refused = terminal.run("sync-from", "account", loose, code=2)
    assert "CUSTOMER: it only keeps coupled records in step" in refused.err
    assert "VENDOR: the record is outside the filter of the mapping" in refused.err
    unknown = terminal.run("sync-from", "accounts", loose, code=2)
    assert "account" in unknown.err

    text = terminal.run("mapping", "export", "CUSTOMER").out
    file = terminal.folder / "customer.yaml"
    file.write_text(text.replace("local_table:", "only_coupled: false\n    local_table:", 1), encoding="utf-8")
    terminal.run("mapping", "apply", file)
    made = terminal.read("sync-from", "account", loose)
    assert (made["mapping"], made["succeeded"]) == ("CUSTOMER", True)
    assert made["local_id"]
