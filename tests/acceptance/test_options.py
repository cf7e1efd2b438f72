"""Options of a Dataverse choice that people add, and the codes of Business Central, over HTTP."""

from __future__ import annotations

from typing import Any

import polars as pl

from tests.acceptance.terminal import Terminal
from twinrow.batch.columns import ID, VERSION
from twinrow.cli.sandbox import SandboxPair
from twinrow.connectors.base import MARK, STATUS, Connector, Status, WriteKind, WriteRequest
from twinrow.model.filters import Comparison
from twinrow.workspace import open_workspace

CHOICE = "account.paymenttermscode"


FROM_OPTIONS = """\
version: 1
mappings:
  - name: PAYMENT TERMS
    local_table: paymentTerms
    integration_table: account.paymenttermscode
    direction: from_integration
    only_coupled: false
    rules: [option_by_label]
    fields:
      - {local: code, integration: label, direction: from_integration}
"""


def write(connector: Connector, table: str, kind: WriteKind, id: str, version: str | None, **values: Any) -> None:
    schema = {ID: pl.String, VERSION: pl.String, MARK: pl.String}
    row = pl.DataFrame({ID: [id], VERSION: [version], MARK: [None]}, schema=schema)
    frame = row.with_columns(pl.lit(value).alias(name) for name, value in values.items())
    answer = connector.write(WriteRequest(table, kind, frame, tuple(values), ()))
    assert answer.get_column(STATUS).to_list() == [Status.WRITTEN.value]


def test_an_option_that_somebody_adds_becomes_a_code(synchronized: SandboxPair, terminal: Terminal) -> None:
    with open_workspace(f"sqlite:///{terminal.folder / 'twinrow.db'}") as opened:
        pair = opened.show_connection()
        erp, crm = (opened.context.connector(system) for system in (pair.local, pair.integration))
        customer, account = opened.couplings("CUSTOMER").select("local_id", "integration_id").row(0)
        write(crm, CHOICE, WriteKind.CREATE, "555", None, label="Cash on delivery")
        version = crm.fetch("account", (), [account]).get_column(VERSION).item()
        write(crm, "account", WriteKind.UPDATE, account, version, paymenttermscode=555)

        run = opened.synchronize_all(["PAYMENT TERMS", "CUSTOMER"])

        assert {one.mapping: one.counters.failed for one in run.runs} == {"PAYMENT TERMS": 0, "CUSTOMER": 0}
        messages = [job.message for one in run.runs for job in one.jobs if job.message]
        assert messages == ["1 option appended to PAYMENT TERMS."]
        term = erp.fetch("customers", ("paymentTermsId",), [customer]).get_column("paymentTermsId").item()
        codes = erp.select("paymentTerms", ("code",), Comparison("code", "eq", "CASH ON DE"))
        assert codes.get_column(ID).to_list() == [term]
        again = opened.synchronize_all(["PAYMENT TERMS", "CUSTOMER"])
        assert again.counters.written == 0
        labels = dict(crm.select(CHOICE, ("value", "label"), None).select("value", "label").iter_rows())
        assert labels[555] == "Cash on delivery"


def test_what_was_appended_is_told_at_the_terminal(synchronized: SandboxPair, terminal: Terminal) -> None:
    with open_workspace(f"sqlite:///{terminal.folder / 'twinrow.db'}") as opened:
        crm = opened.context.connector(opened.show_connection().integration)
        account = opened.couplings("CUSTOMER").get_column("integration_id")[0]
        write(crm, CHOICE, WriteKind.CREATE, "555", None, label="Cash on delivery")
        version = crm.fetch("account", (), [account]).get_column(VERSION).item()
        write(crm, "account", WriteKind.UPDATE, account, version, paymenttermscode=555)

    told = terminal.run("sync", "CUSTOMER")

    assert "1 option appended to PAYMENT TERMS." in told.out


def test_options_become_codes_and_renaming_one_renames_the_code(synchronized: SandboxPair, terminal: Terminal) -> None:
    mapping = terminal.folder / "terms.yaml"
    mapping.write_text(FROM_OPTIONS, encoding="utf-8")
    terminal.run("mapping", "apply", mapping)
    with open_workspace(f"sqlite:///{terminal.folder / 'twinrow.db'}") as opened:
        pair = opened.show_connection()
        erp, crm = (opened.context.connector(system) for system in (pair.local, pair.integration))
        value, code, named = next(
            (value, code, named)
            for code, value in opened.couplings("PAYMENT TERMS").select("local_id", "integration_id").iter_rows()
            if (named := erp.select("customers", (), Comparison("paymentTermsId", "eq", code))).height
        )
        version = crm.fetch(CHOICE, (), [value]).get_column(VERSION).item()
        write(crm, CHOICE, WriteKind.UPDATE, value, version, label="Two months net")
        write(crm, CHOICE, WriteKind.CREATE, "555", None, label="Cash on delivery")

        run = opened.synchronize("PAYMENT TERMS")

        # Dataverse's own options become codes as well, but for the one with a comma.
        assert (run.counters.inserted, run.counters.modified, run.counters.failed) == (4, 1, 1)
        (error,) = run.errors
        assert error.message == "the caption 2% 10, Net 30 has a comma and cannot become a code: rename the option"
        codes = dict(erp.select("paymentTerms", ("code",), None).select(ID, "code").iter_rows())
        assert codes[code] == "TWO MONTHS"
        assert {"CASH ON DE", "NET 30", "NET 45", "NET 60"} <= set(codes.values())
        # Business Central renames a code in all records that name it.
        renamed = erp.fetch("customers", ("paymentTermsId",), named.get_column(ID).to_list())
        assert set(renamed.get_column("paymentTermsId")) == {code}
        assert opened.synchronize("PAYMENT TERMS").counters.written == 0
