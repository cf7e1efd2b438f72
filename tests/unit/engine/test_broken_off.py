"""Runs that are broken off, asked for what cannot be, or gone on with under other circumstances: nothing is forgotten."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from twinrow.connectors.base import CreateKeys, FeedKind, WriteKind, WriteRequest
from twinrow.connectors.memory import MemorySystem
from twinrow.engine.context import EngineSettings
from twinrow.model.errors import ConfigurationError, RecordNotFound, SystemUnavailable
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import ACCOUNTS, MemoryPair, customer_mapping

TIMED = {"feed": FeedKind.MODIFIED_AT, "overlap": timedelta(minutes=5)}


class Interrupted(MemorySystem):
    """Ctrl-C is pressed at the write with this number."""

    fatal = -1
    writes = 0

    def write(self, request: WriteRequest) -> pl.DataFrame:
        self.writes += 1
        if self.writes == self.fatal:
            raise KeyboardInterrupt
        return super().write(request)


def test_records_in_the_overlap_are_looked_at_again_when_everything_is() -> None:
    with MemoryPair(customer_mapping(only_coupled=True), local=dict(TIMED), integration=dict(TIMED)) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        assert pair.synchronize().counters.ignored == 1
        assert pair.synchronize(create=True).counters.inserted == 1
        account = pair.counterpart(customer)
        pair.integration.edit("account", str(account), fax="1")
        pair.synchronize()
        assert pair.synchronize(full=True).counters.read == 2


def test_a_run_that_is_gone_on_with_under_another_filter_begins_anew() -> None:
    mapping = customer_mapping(local_filter="displayName ne 'Late'")
    with MemoryPair(mapping, settings=EngineSettings(page_rows=2)) as pair:
        names = ("Late", "A", "B", "Late", "C", "D")
        customers = [pair.local.add("customers", {"displayName": name}) for name in names]
        system = Interrupted([ACCOUNTS], name="integration")
        system.fatal = 3
        pair.wrap(Side.INTEGRATION, system)
        with pytest.raises(KeyboardInterrupt):
            pair.synchronize()
        pair.set_mapping(customer_mapping())
        pair.synchronize()
        assert sorted(pair.counterparts()) == sorted(customers)


def test_an_id_that_cannot_be_one_is_refused_and_blocks_nothing() -> None:
    with MemoryPair() as pair:
        pair.local.add("customers", {"displayName": "Adatum"})
        for wrong in ("C0001", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"):
            with pytest.raises(RecordNotFound, match=wrong):
                pair.synchronize(records=[wrong])
        assert pair.synchronize().counters.inserted == 1


def test_a_fault_ends_the_run_so_that_the_next_is_not_bound_to_it() -> None:
    class Faulty(MemorySystem):
        faulty = True

        def changes(self, request):  # type: ignore[no-untyped-def]
            if self.faulty:
                raise ZeroDivisionError
            return super().changes(request)

    with MemoryPair() as pair:
        system = Faulty([ACCOUNTS], name="integration")
        pair.wrap(Side.INTEGRATION, system)
        pair.local.add("customers", {"displayName": "Adatum"})
        with pytest.raises(ZeroDivisionError):
            pair.synchronize(full=True)
        system.faulty = False
        run = pair.synchronize()
        assert run.state == "finished"
        assert len(pair.counterparts()) == 1


def test_answers_to_creates_count_though_the_updates_after_them_could_not_be_sent() -> None:
    class NoUpdates(MemorySystem):
        refusing = False

        def write(self, request: WriteRequest) -> pl.DataFrame:
            if self.refusing and request.kind is WriteKind.UPDATE:
                raise SystemUnavailable("The system does not answer")
            return super().write(request)

    with MemoryPair() as pair:
        system = NoUpdates([ACCOUNTS], name="integration", create_keys=CreateKeys.NONE)
        pair.wrap(Side.INTEGRATION, system)
        first = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        second = pair.local.add("customers", {"displayName": "Fabrikam"})
        pair.local.edit("customers", first, displayName="Adatum AG")
        system.refusing = True
        run = pair.synchronize()
        assert (run.jobs[0].inserted, run.jobs[0].failed) == (1, 1)
        assert set(pair.counterparts()) == {first, second}
        system.refusing = False
        pair.synchronize()
        assert system.records("account")[str(pair.counterpart(first))]["name"] == "Adatum AG"
        assert len(system.records("account")) == 2


def test_what_waits_for_a_missing_answer_is_listed_and_told() -> None:
    with MemoryPair() as pair:
        system = Interrupted([ACCOUNTS], name="integration", create_keys=CreateKeys.NONE)
        hostile = Hostile(system, Faults())
        pair.wrap(Side.INTEGRATION, hostile)
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        system.fatal = 1
        with pytest.raises(KeyboardInterrupt):
            pair.synchronize(direction="to")
        run = pair.synchronize()
        assert run.jobs[0].failed == 1
        (waiting,) = [row for row in pair.workspace.list_pending() if row.source_id == customer]
        assert waiting.decision is Decision.INDETERMINATE
        assert [error.source_id for error in run.errors] == [customer]


def test_another_system_under_the_same_name_is_not_written_with_old_couplings() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        copy = MemorySystem([ACCOUNTS], name="a copy")
        copy.add("account", {"name": "Somebody else"}, id=str(pair.counterpart(customer)))
        pair.wrap(Side.INTEGRATION, copy)
        with pytest.raises(ConfigurationError, match="another one than the couplings of CUSTOMER"):
            pair.synchronize()
        assert pair.local.records("customers")[customer]["displayName"] == "Adatum"
