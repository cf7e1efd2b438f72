"""The guard against duplicates: what a run says, or does not do, that would make what is there already."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenarios.world import INTEGRATION, LOCAL, add_synchronized, mapping

from twinrow.batch.hooks import HookContext, Rule
from twinrow.connectors.memory import MemorySystem
from twinrow.engine.match.exact import Matching
from twinrow.model.errors import DuplicatesHeld
from twinrow.model.mapping import DuplicatesGuard, Match
from twinrow.model.sides import Pass
from twinrow.testing.pair import MemoryPair, field

NAME = field("displayName", "name")
NUMBER = field("number", "accountnumber", direction="to_integration")
PHONE = field("phoneNumber", "telephone1")
STOP = DuplicatesGuard.STOP


def filled(*fields: Any, **more: Any) -> MemoryPair:
    """Return a mapping that makes records, and two customers of whom one has an account with its name."""
    pair = MemoryPair(mapping(*(fields or (NAME, NUMBER, PHONE)), **({"only_coupled": False} | more)))
    for n in range(2):
        pair.local.add("customers", {"displayName": f"Customer {n}", "number": f"N{n}", "phoneNumber": "1"})
    pair.integration.add("account", {"name": "CUSTOMER 1", "accountnumber": "7", "telephone1": "1"})
    return pair


def messages(pair: MemoryPair) -> list[str]:
    return [job.message or "" for job in pair.workspace.list_jobs("CUSTOMER")]


def accounts(pair: MemoryPair) -> int:
    return len(pair.integration.records("account"))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes each time that both sides are looked through for counterparts."""
    found: list[int] = []
    pairs = Matching.pairs

    def noted(self: Matching) -> Any:
        found.append(1)
        return pairs(self)

    monkeypatch.setattr(Matching, "pairs", noted)
    return found


def test_the_first_run_warns_by_number_and_name_and_goes_on() -> None:
    with filled() as pair:
        run = pair.synchronize()
        assert run.counters.inserted == 3
        # Both directions make records; the number goes one way only.
        assert len(set(messages(pair))) == 1
        (told,) = set(messages(pair))
        assert told.startswith("Warning: 1 uncoupled local records seem to have a counterpart")
        assert told.endswith("twinrow match CUSTOMER --on number --on displayName --plan")


def test_a_mapping_that_stops_makes_nothing_until_it_is_said_otherwise() -> None:
    with filled(duplicates_guard=STOP) as pair:
        with pytest.raises(DuplicatesHeld, match=r"nothing was made.*twinrow match CUSTOMER --on number"):
            pair.synchronize()
        assert accounts(pair) == 1
        assert pair.counterparts() == {}
        states = {(job.state, job.direction) for job in pair.workspace.list_jobs("CUSTOMER")}
        assert states == {("failed", "to_integration"), ("failed", "from_integration")}
        assert pair.workspace.match("CUSTOMER", on=[["name"]]).coupled == 1
        assert pair.synchronize().counters.inserted == 1
        assert accounts(pair) == 2
    with filled(duplicates_guard=STOP) as pair:
        assert pair.synchronize(allow_duplicates=True).counters.inserted == 3


def test_a_round_goes_on_with_the_other_mappings() -> None:
    with filled(duplicates_guard=STOP) as pair:
        (run,) = pair.workspace.synchronize_all().runs
        assert (run.state, "nothing was made" in (run.message or "")) == ("failed", True)


def test_a_mapping_may_go_without_a_guard(looked: list[int]) -> None:
    with filled(duplicates_guard=DuplicatesGuard.OFF) as pair:
        assert pair.synchronize().counters.inserted == 3
        assert (looked, messages(pair)) == ([], ["", ""])


def test_the_criteria_of_the_mapping_come_first() -> None:
    phoned = field("phoneNumber", "telephone1", match=Match())
    with filled(NAME, phoned, duplicates_guard=STOP) as pair:
        pair.integration.edit("account", next(iter(pair.integration.records("account"))), telephone1="9")
        assert pair.synchronize().counters.inserted == 3
    # Two customers have the number of the one account: whose it is is not clear, but that there is one is.
    told = r"^2 uncoupled local records.*twinrow match CUSTOMER;"
    with filled(NAME, phoned, duplicates_guard=STOP) as pair, pytest.raises(DuplicatesHeld, match=told):
        pair.synchronize()


def test_without_a_field_that_tells_records_there_is_no_check(looked: list[int]) -> None:
    with filled(PHONE, duplicates_guard=STOP) as pair:
        assert pair.synchronize().counters.inserted == 3
        assert looked == []


def test_a_rule_that_knows_counterparts_by_itself_needs_no_guard(
    looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ByName(Rule):
        name = "by_name"

        def natural(self, context: HookContext) -> tuple[str, str] | None:
            return ("displayName", "name") if context.pass_ is Pass.TO else ("name", "displayName")

    monkeypatch.setattr("twinrow.actions.context.RULES", {"by_name": ByName()})
    with filled(NAME, rules=("by_name",), duplicates_guard=STOP) as pair:
        run = pair.synchronize()
        assert (run.counters.inserted, run.counters.coupled, looked) == (1, 2, [])


def test_nothing_is_looked_through_where_a_side_is_empty(looked: list[int]) -> None:
    with MemoryPair(mapping(NAME, only_coupled=False, duplicates_guard=STOP)) as pair:
        pair.local.add("customers", {"displayName": "Adatum"})
        assert pair.synchronize().counters.inserted == 1
        assert looked == []


def test_runs_that_make_some_records_each_time_are_not_slowed(looked: list[int]) -> None:
    with filled() as pair:
        pair.synchronize()
        assert looked == [1]
        pair.local.add("customers", {"displayName": "Customer 1"})
        assert pair.synchronize().counters.inserted == 1
        assert looked == [1]


def test_a_person_who_asks_for_records_to_be_made_is_warned_each_time(looked: list[int]) -> None:
    with filled(only_coupled=True, duplicates_guard=STOP) as pair:
        pair.synchronize()
        assert looked == []
        with pytest.raises(DuplicatesHeld):
            pair.synchronize(create=True)
        customers = list(pair.local.records("customers"))
        assert pair.synchronize(create=True, direction="to", records=customers[:1]).counters.inserted == 1
        with pytest.raises(DuplicatesHeld):
            pair.synchronize(create=True, direction="to", records=customers[1:])
        assert accounts(pair) == 2
        planned = pair.workspace.make_plan("CUSTOMER", create=True)
        assert sum(one.counters.inserted for one in planned.passes) > 0


def test_what_matching_makes_is_not_held(looked: list[int]) -> None:
    with filled(NAME, duplicates_guard=STOP) as pair:
        result = pair.workspace.match("CUSTOMER", on=[["name"]], create_unmatched=True)
        assert (result.coupled, accounts(pair), looked) == (1, 2, [1])


def test_coupled_records_are_nobodys_duplicates() -> None:
    with MemoryPair(mapping(NAME, only_coupled=True, duplicates_guard=STOP)) as pair:
        add_synchronized(pair, "Adatum")
        pair.local.add("customers", {"displayName": "Adatum"})
        assert pair.synchronize(create=True, full=True).counters.inserted == 1
        assert pair.counterparts(INTEGRATION).keys() == set(pair.integration.records("account"))
        assert len(pair.counterparts(LOCAL)) == 2


def test_a_run_that_is_gone_on_with_is_not_looked_through_again(
    looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled() as pair:
        with monkeypatch.context() as patch:
            patch.setattr(MemorySystem, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                pair.synchronize()
        assert looked == [1]
        assert pair.synchronize().counters.inserted == 3
        assert looked == [1]


def test_a_run_that_was_broken_off_while_it_looked_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(duplicates_guard=STOP) as pair:
        with monkeypatch.context() as patched:
            patched.setattr(Matching, "pairs", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                pair.synchronize()
        with pytest.raises(DuplicatesHeld):
            pair.synchronize()
        assert accounts(pair) == 1


def _interrupt(_: Matching) -> Any:
    raise KeyboardInterrupt


def test_a_mapping_that_stops_also_stops_where_it_cannot_be_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(_: Matching) -> Any:
        raise ZeroDivisionError("a rule of somebody")

    with filled(duplicates_guard=STOP) as pair:
        monkeypatch.setattr(Matching, "pairs", faulty)
        with pytest.raises(DuplicatesHeld, match="could not be looked"):
            pair.synchronize()
        assert accounts(pair) == 1


def test_an_integration_record_that_is_named_is_looked_for_as_well() -> None:
    with filled(only_coupled=True, duplicates_guard=STOP) as pair:
        account = next(iter(pair.integration.records("account")))
        with pytest.raises(DuplicatesHeld):
            pair.synchronize(create=True, records=[account])
        with pytest.raises(DuplicatesHeld):
            pair.workspace.create_counterparts("CUSTOMER", account)
        assert len(pair.local.records("customers")) == 2
        made = pair.workspace.create_counterparts("CUSTOMER", account, allow_duplicates=True)
        assert len(made.couplings) == 1


def test_records_that_were_left_alone_and_may_be_made_now_are_looked_at() -> None:
    with filled(only_coupled=True, duplicates_guard=STOP) as pair:
        pair.synchronize()
        pair.set_mapping(mapping(NAME, NUMBER, PHONE, only_coupled=False, duplicates_guard=STOP))
        with pytest.raises(DuplicatesHeld):
            pair.synchronize()
        with pytest.raises(DuplicatesHeld):
            pair.synchronize(full=True)
        assert accounts(pair) == 1
