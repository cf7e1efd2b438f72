"""Uncoupling: whose mark is taken away, what stays coupled, and what a broken-off job leaves."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from twinrow.connectors.base import STATUS, Status, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.model.errors import ConfigurationError, Stopped
from twinrow.model.mapping import TableMapping
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import MemoryPair, field, table

OWN, FOREIGN = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
TABLES = {"CUSTOMER": "customers", "VENDOR": "vendors"}


def pair_of(*names: str) -> MemoryPair:
    return MemoryPair(
        [
            TableMapping(
                name=name,
                local_table=TABLES[name],
                integration_table="account",
                integration_filter="name ne 'outside'",
                fields=(field("name", "name"),),
                rules=("company",),
                uncouple_resets_company_id=True,
            )
            for name in names
        ],
        local_tables=[table(TABLES[name], "id", Field("name", FieldType.TEXT)) for name in names],
        integration_tables=[
            table("account", "accountid", Field("name", FieldType.TEXT), Field("bcbi_companyid", FieldType.REFERENCE))
        ],
        connection={"company_id": OWN},
    )


def add(pair: MemoryPair, company: str | None = OWN, name: str = "Adatum") -> str:
    return pair.integration.add("account", {"name": name, "bcbi_companyid": company})


def coupled(pair: MemoryPair, name: str = "CUSTOMER", company: str | None = OWN) -> tuple[str, str]:
    local = pair.local.add(TABLES[name], {"name": "Adatum"})
    account = add(pair, company)
    pair.couple(local, account, name)
    pair.synchronize(name)
    return local, account


def company(pair: MemoryPair, account: str) -> Any:
    return pair.integration.record("account", account)["bcbi_companyid"]


def test_the_company_of_somebody_else_stays() -> None:
    with pair_of("CUSTOMER") as pair:
        local, account = coupled(pair)
        pair.integration.edit("account", account, bcbi_companyid=FOREIGN)

        result = pair.workspace.uncouple("CUSTOMER", local)

        assert (result.uncoupled, result.cleared) == (1, 0)
        assert company(pair, account) == FOREIGN


def test_an_account_that_another_mapping_couples_too_stays_ours() -> None:
    with pair_of("CUSTOMER", "VENDOR") as pair:
        local, account = coupled(pair)
        vendor = pair.local.add("vendors", {"name": "Adatum"})
        pair.couple(vendor, account, "VENDOR")

        assert pair.workspace.uncouple("CUSTOMER", local).cleared == 0
        assert company(pair, account) == OWN
        pair.workspace.uncouple("CUSTOMER", everything=True)
        assert company(pair, account) == OWN
        assert pair.workspace.uncouple("VENDOR", vendor).cleared == 1
        assert company(pair, account) is None


def test_what_was_left_behind_is_looked_for_within_the_filter() -> None:
    with pair_of("CUSTOMER") as pair:
        coupled(pair)
        left, outside, foreign = add(pair), add(pair, name="outside"), add(pair, FOREIGN)

        pair.workspace.uncouple("CUSTOMER", everything=True)

        assert [company(pair, id) for id in (left, outside, foreign)] == [None, OWN, FOREIGN]


def test_a_record_whose_system_refuses_stays_coupled_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pair_of("CUSTOMER") as pair:
        first, second = coupled(pair), coupled(pair)
        write = MemorySystem.write

        def refusing(system: MemorySystem, request: WriteRequest) -> pl.DataFrame:
            refused = request.frame.get_column("@id") == first[1]
            kept = WriteRequest(
                request.table, request.kind, request.frame.filter(~refused), request.fields, request.returning
            )
            answers = write(system, kept)
            no = answers.clear(1).with_columns(
                pl.lit(Status.REFUSED.value).alias(STATUS), pl.lit("it is locked").alias("@error")
            )
            return pl.concat([no if there else answers.slice(0, 1) for there in refused])

        with monkeypatch.context() as patched:
            patched.setattr(MemorySystem, "write", refusing)
            result = pair.workspace.uncouple("CUSTOMER", first[0], second[0])

        assert (result.uncoupled, result.cleared, result.failed) == (1, 1, 1)
        assert pair.counterparts() == {first[0]: first[1]}
        assert (company(pair, first[1]), company(pair, second[1])) == (OWN, None)
        (error,) = pair.workspace.list_errors("CUSTOMER")
        assert (error.source_id, error.message) == (first[0], "not uncoupled: it is locked")
        assert pair.workspace.uncouple("CUSTOMER", first[0]).uncoupled == 1


def test_a_job_that_was_broken_off_can_be_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pair_of("CUSTOMER") as pair:
        local, account = coupled(pair)
        with monkeypatch.context() as patched:
            patched.setattr("twinrow.engine.uncouple.remove_couplings", _break_off)
            with pytest.raises(KeyboardInterrupt):
                pair.workspace.uncouple("CUSTOMER", local)
        # The mark is gone already, and the records are still coupled.
        assert company(pair, account) is None
        assert pair.counterpart(local) == account

        assert pair.workspace.uncouple("CUSTOMER", local).uncoupled == 1
        assert pair.counterpart(local) is None
        pair.synchronize()
        assert company(pair, account) is None


def _break_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_it_must_be_said_what_is_uncoupled() -> None:
    with pair_of("CUSTOMER") as pair:
        with pytest.raises(ConfigurationError, match="not said"):
            pair.workspace.uncouple("CUSTOMER")
        with pytest.raises(ConfigurationError, match="all records too"):
            pair.workspace.uncouple("CUSTOMER", "x", everything=True)


def test_nothing_is_uncoupled_that_must_be_written_while_everything_is_stopped() -> None:
    with pair_of("CUSTOMER") as pair:
        local, account = coupled(pair)
        pair.workspace.stop_everything()
        with pytest.raises(Stopped):
            pair.workspace.uncouple("CUSTOMER", local)
        assert pair.counterpart(local) == account


def test_records_uncoupled_from_each_other_can_be_coupled_again() -> None:
    with pair_of("CUSTOMER") as pair:
        local, account = coupled(pair)
        pair.workspace.uncouple("CUSTOMER", account)
        pair.couple(local, account)
        pair.synchronize()
        assert pair.counterpart(local) == account
        assert pair.workspace.list_errors("CUSTOMER") == []


def test_ids_that_no_record_has_are_told() -> None:
    with pair_of("CUSTOMER") as pair:
        local, _ = coupled(pair)
        loose = pair.local.add("customers", {"name": "loose"})
        result = pair.workspace.uncouple("CUSTOMER", local, loose, "nonsense", FOREIGN)
        assert (result.uncoupled, result.not_found) == (1, ("nonsense", FOREIGN))
