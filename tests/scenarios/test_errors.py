"""Errors name their records, and stop nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from tests.scenarios.conftest import Register
from tests.scenarios.world import LOCAL, NAME, TO, Probe, add_synchronized, edit, job, mapping, outcomes
from twinrow.batch.hooks import HookContext
from twinrow.model.outcomes import Counters, Decision
from twinrow.store.errors import ERROR_SCHEMA, add_errors
from twinrow.store.runs import advance_job, finish_job, finish_run, start_job, start_run
from twinrow.testing.pair import MemoryPair


def refuse(table: str, values: Mapping[str, Any]) -> str | None:
    return "names that begin with bad are not taken" if str(values.get("name", "")).startswith("bad") else None


@pytest.mark.scenario("A022")
def test_an_error_names_both_records_of_a_pair() -> None:
    with MemoryPair(mapping(), integration={"refuse": refuse}) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAME, "bad")

        run = pair.synchronize()

        assert outcomes(job(run, TO)) == {"failed": 1}
        (error,) = run.errors
        assert error.job_id == job(run, TO).id
        assert (error.source_id, error.destination_id) == (customer, account)


@pytest.mark.scenario("A022")
def test_an_error_of_a_record_that_could_not_be_made_names_the_source_alone() -> None:
    with MemoryPair(mapping(), integration={"refuse": refuse}) as pair:
        customer = pair.local.add("customers", {"displayName": "bad"})

        run = pair.synchronize()

        assert outcomes(job(run, TO)) == {"failed": 1}
        (error,) = run.errors
        assert error.job_id == job(run, TO).id
        assert (error.source_id, error.destination_id) == (customer, None)


@pytest.mark.scenario("A022")
@pytest.mark.parametrize("destination_known", [True, False], ids=["only the destination", "neither"])
def test_an_error_is_recorded_whichever_records_are_unknown(destination_known: bool) -> None:
    # No run fails without a source record; the store takes such errors all the same.
    with MemoryPair(mapping()) as pair:
        _, account = add_synchronized(pair)
        context = pair.workspace.context
        stored, now = context.mapping("CUSTOMER"), context.clock.now()
        there = account if destination_known else None
        told = dict.fromkeys(ERROR_SCHEMA) | {
            "destination_id": there, "decision": int(Decision.REFUSED), "recovery": "data", "message": "it went wrong",
        }  # fmt: skip
        with context.database.transaction() as connection:
            run = start_run(connection, stored.id, None, {}, now)
            opened = start_job(connection, run, "synchronization", TO, now)
            add_errors(connection, stored, TO, opened.id, now, pl.DataFrame([told], schema=ERROR_SCHEMA))
            advance_job(connection, opened.id, Counters(read=1, failed=1), {}, "changes", None)
            finish_job(connection, opened.id, None, now)
            finish_run(connection, run.id, "finished", None, now)

        shown = pair.workspace.show_run(run.id)

        assert outcomes(shown) == {"failed": 1}
        (error,) = shown.errors
        assert error.job_id == opened.id
        assert (error.source_id, error.destination_id) == (None, there)


class Broken(Probe):
    """An extension that raises where it looks for the counterpart of a record, or where a value is looked at."""

    name = "probe"

    def __init__(self, searching: bool) -> None:
        super().__init__()
        self._searching = searching

    def natural(self, context: HookContext) -> tuple[str, str] | None:
        if self._searching:
            raise RuntimeError("the search broke")
        return None

    def _see(self, values: pl.Series) -> pl.Series:
        if not self._searching and "Broken" in values.to_list():
            raise RuntimeError("the rule broke")
        return super()._see(values)


@pytest.mark.scenario("A020")
def test_a_search_for_counterparts_that_breaks_fails_its_record_not_the_run(register: Register) -> None:
    register(Broken(searching=True))
    with MemoryPair(mapping(rules=("probe",))) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})

        run = pair.synchronize()

        assert run.state == "finished"
        done = job(run, TO)
        assert outcomes(done) == {"failed": 1}
        assert done.inserted == done.modified == done.unchanged == done.skipped == 0
        (error,) = run.errors
        assert error.source_id == customer
        assert "the search broke" in " ".join(filter(None, (error.message, error.cause)))


def test_a_rule_that_breaks_over_one_record_costs_that_one_only(register: Register) -> None:
    register(Broken(searching=False))
    with MemoryPair(mapping(rules=("probe",))) as pair:
        for name in ("First", "Broken", "Last"):
            pair.local.add("customers", {"displayName": name})

        run = pair.synchronize()

        assert outcomes(job(run, TO)) == {"inserted": 2, "failed": 1}
        assert {record["name"] for record in pair.integration.records("account").values()} == {"First", "Last"}
