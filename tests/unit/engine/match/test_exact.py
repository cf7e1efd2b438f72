"""Exact matching: what is coupled with what, and why something is not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.scenarios.world import INTEGRATION, LOCAL, add_synchronized, mapping, recorded

from twinrow.actions.matching import MatchResult
from twinrow.connectors.memory import MemorySystem
from twinrow.engine.context import EngineSettings
from twinrow.engine.match import exact, staged
from twinrow.model.mapping import Match, TableMapping
from twinrow.model.outcomes import LeftOut, Unmatched
from twinrow.model.sides import Direction
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping, field, table

NAME = field("displayName", "name")
PHONE = field("phoneNumber", "telephone1")
CITY = field("city", "address1_city")
FAX = field("faxNo", "fax")
FIELDS = (NAME, PHONE, CITY, FAX)


def make(*fields: Any, **more: Any) -> MemoryPair:
    """Return systems whose mapping only synchronizes what is coupled; pages of three records."""
    chosen = mapping(*(fields or FIELDS), only_coupled=True, **more)
    return MemoryPair(chosen, settings=EngineSettings(page_rows=3))


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    with make() as made:
        yield made


def customer(pair: MemoryPair, **values: str) -> str:
    return pair.local.add("customers", values)


def account(pair: MemoryPair, **values: str | None) -> str:
    return pair.integration.add("account", values)


def match(pair: MemoryPair, *on: str, **options: Any) -> MatchResult:
    return pair.workspace.match("CUSTOMER", on=[names.split(",") for names in on], **options)


def test_the_one_record_that_agrees_is_coupled_regardless_of_case_and_blanks_at_the_end(pair: MemoryPair) -> None:
    ann, bob = customer(pair, displayName="Ann"), customer(pair, displayName="Bob ")
    there = [account(pair, name="ANN"), account(pair, name="bob"), account(pair, name="Carol")]
    result = match(pair, "displayName")
    assert pair.counterparts() == {ann: there[0], bob: there[1]}
    assert (result.looked_at, result.by_group, result.unmatched, result.succeeded) == (2, (2,), {}, True)


def test_case_counts_where_a_criterion_says_so() -> None:
    strict = field("displayName", "name", match=Match(case_sensitive=True))
    with make(strict) as pair:
        ann, bob = customer(pair, displayName="Ann"), customer(pair, displayName="Bob")
        account(pair, name="ANN")
        there = account(pair, name="Bob")
        assert match(pair).unmatched == {Unmatched.NO_MATCH: 1}
        assert pair.counterparts() == {bob: there}
        assert pair.counterpart(ann) is None


def test_a_local_value_is_compared_as_it_would_be_carried() -> None:
    cleaned = field("displayName", "name", transformation=("ALPHANUMERIC_ONLY",))
    with make(cleaned) as pair:
        here, there = customer(pair, displayName="U.S."), account(pair, name="us")
        assert match(pair, "name").coupled == 1
        assert pair.counterpart(here) == there


def test_a_field_that_comes_from_the_integration_side_is_compared_as_it_would_arrive() -> None:
    back = field("displayName", "name", transformation=("ALPHANUMERIC_ONLY",), direction=Direction.FROM_INTEGRATION)
    with make(back, CITY) as pair:
        here, there = customer(pair, displayName="US"), account(pair, name="U.S.")
        customer(pair, displayName="U.S.")
        assert match(pair, "name").unmatched == {Unmatched.NO_MATCH: 1}
        assert pair.counterpart(here) == there


@pytest.mark.parametrize("direction", [Direction.TO_INTEGRATION, Direction.FROM_INTEGRATION])
def test_choices_are_compared_by_what_corresponds(direction: Direction) -> None:
    status = field("blocked", "statecode", values={"": 0, "All": 1}, direction=direction)
    with make(status, CITY) as pair:
        here, there = customer(pair, blocked="All"), account(pair, statecode=1)  # type: ignore[arg-type]
        account(pair, statecode=0)  # type: ignore[arg-type]
        assert match(pair, "blocked").coupled == 1
        assert pair.counterpart(here) == there


def test_texts_are_compared_as_far_as_both_fields_reach(pair: MemoryPair) -> None:
    here, there = customer(pair, city="A" * 30), account(pair, address1_city="a" * 50)
    assert match(pair, "city").coupled == 1
    assert pair.counterpart(here) == there


def test_criteria_of_a_group_hold_together_and_blank_ones_are_ignored(pair: MemoryPair) -> None:
    oslo = customer(pair, displayName="Ann", city="Oslo")
    anywhere = customer(pair, displayName="Bob")
    customer(pair, displayName="Carol", city="Rome")
    there = [
        account(pair, name="Ann", address1_city="Oslo"),
        account(pair, name="Ann", address1_city="Rome"),
        account(pair, name="Bob", address1_city="Paris"),
        account(pair, name="Carol"),
    ]
    assert match(pair, "displayName,city").unmatched == {Unmatched.NO_MATCH: 1}
    assert pair.counterparts() == {oslo: there[0], anywhere: there[2]}


def test_groups_are_alternatives(pair: MemoryPair) -> None:
    named = customer(pair, displayName="Ann", phoneNumber="1")
    phoned = customer(pair, displayName="Bob", phoneNumber="2")
    twice = customer(pair, displayName="Carol", phoneNumber="3")
    there = [
        account(pair, name="Ann", telephone1="9"),
        account(pair, name="Robert", telephone1="2"),
        account(pair, name="Carol", telephone1="3"),
        account(pair, name="Carol", telephone1="4"),
    ]
    result = match(pair, "displayName", "phoneNumber")
    assert (result.criteria, result.by_group) == (("displayName", "phoneNumber"), (1, 2))
    assert pair.counterparts() == {named: there[0], phoned: there[1], twice: there[2]}


def test_criteria_of_the_mapping_are_tried_by_priority() -> None:
    named = field("displayName", "name", match=Match(priority=5))
    phoned = field("phoneNumber", "telephone1", match=Match(priority=1))
    with make(named, phoned) as pair:
        here = customer(pair, displayName="Ann", phoneNumber="1")
        account(pair, name="Ann", telephone1="2")
        there = account(pair, name="Bob", telephone1="1")
        result = match(pair)
        assert (result.criteria, result.by_group) == (("phoneNumber", "displayName"), (1, 0))
        assert pair.counterpart(here) == there


def test_each_reason_is_told(pair: MemoryPair) -> None:
    coupled, other = add_synchronized(pair, "Coupled")
    wanted = {
        customer(pair, city="Oslo"): Unmatched.NO_VALUE,
        customer(pair, displayName="Nobody"): Unmatched.NO_MATCH,
        customer(pair, displayName="Twin"): Unmatched.SEVERAL,
        customer(pair, displayName="Coupled"): Unmatched.COUPLED,
        customer(pair, displayName="Rival"): Unmatched.RIVALS,
        customer(pair, displayName="rival"): Unmatched.RIVALS,
    }
    for name in ("Twin", "TWIN", "Rival"):
        account(pair, name=name)
    result = match(pair, "displayName")
    assert result.unmatched == {reason: list(wanted.values()).count(reason) for reason in set(wanted.values())}
    told = {row.source_id: row.message for row in pair.workspace.list_errors("CUSTOMER", job=result.job)}
    assert told == {id: f"not coupled: {reason.value}" for id, reason in wanted.items()}
    assert all(row.remedy for row in pair.workspace.list_errors("CUSTOMER", job=result.job))
    assert (result.left_out, result.succeeded) == ({LeftOut.COUPLED: 1}, False)
    assert pair.counterparts() == {coupled: other}


def test_the_first_group_that_found_anybody_tells_the_reason(pair: MemoryPair) -> None:
    customer(pair, displayName="Twin", phoneNumber="1")
    account(pair, name="Twin")
    account(pair, name="Twin")
    assert match(pair, "displayName", "phoneNumber").unmatched == {Unmatched.SEVERAL: 1}
    assert match(pair, "phoneNumber", "displayName").unmatched == {Unmatched.SEVERAL: 1}
    assert match(pair, "phoneNumber", "city").unmatched == {Unmatched.NO_MATCH: 1}


def test_a_record_that_a_group_has_coupled_is_not_taken_by_the_next(pair: MemoryPair) -> None:
    first = customer(pair, displayName="Ann", phoneNumber="1")
    customer(pair, displayName="Bob", phoneNumber="2")
    there = account(pair, name="Ann", telephone1="2")
    assert match(pair, "displayName", "phoneNumber").unmatched == {Unmatched.COUPLED: 1}
    assert pair.counterparts() == {first: there}


def test_records_that_reach_one_match_by_different_values_are_rivals(pair: MemoryPair) -> None:
    customer(pair, displayName="Ann", city="Oslo")
    customer(pair, displayName="Ann")
    account(pair, name="Ann", address1_city="Oslo")
    assert match(pair, "displayName,city").unmatched == {Unmatched.RIVALS: 2}
    assert pair.counterparts() == {}


def test_filters_of_both_sides_hold() -> None:
    with make(local_filter="city ne 'Rome'", integration_filter="address1_city ne 'Rome'") as pair:
        here = customer(pair, displayName="Ann", city="Oslo")
        outside = customer(pair, displayName="Bob", city="Rome")
        there = account(pair, name="Ann", address1_city="Oslo")
        account(pair, name="Ann", address1_city="Rome")
        account(pair, name="Bob", address1_city="Oslo")
        result = match(pair, "name")
        assert (result.looked_at, result.coupled) == (1, 1)
        assert pair.counterparts() == {here: there}
        named = match(pair, "name", records=[outside, "00000000-0000-0000-0000-000000000001", here])
        left_out = {LeftOut.COUPLED: 1, LeftOut.OUTSIDE_FILTER: 1, LeftOut.NOT_FOUND: 1}
        assert (named.looked_at, named.left_out) == (0, left_out)


def test_records_outside_a_pilot_are_left_out(pair: MemoryPair) -> None:
    here, other = customer(pair, displayName="Ann"), customer(pair, displayName="Bob")
    account(pair, name="Ann")
    account(pair, name="Bob")
    pair.workspace.start_pilot("CUSTOMER", where="displayName eq 'Ann'")
    result = match(pair, "name")
    assert (result.coupled, result.left_out) == (1, {LeftOut.OUTSIDE_PILOT: 1})
    assert pair.counterpart(here) is not None
    assert pair.counterpart(other) is None


def test_references_are_compared_through_couplings() -> None:
    people = table("people", "id", Field("name", FieldType.TEXT), Field("company", FieldType.REFERENCE))
    contacts = table("contact", "contactid", Field("fullname", FieldType.TEXT), Field("parent", FieldType.REFERENCE))
    of_people = TableMapping(
        name="PERSON",
        local_table="people",
        integration_table="contact",
        fields=(field("name", "fullname"), field("company", "parent", related_mapping="CUSTOMER")),
    )
    with MemoryPair(
        [customer_mapping(fields=(NAME, FAX)), of_people],
        local_tables=(CUSTOMERS, people),
        integration_tables=(ACCOUNTS, contacts),
    ) as pair:
        (first, there), _ = add_synchronized(pair, "Adatum"), add_synchronized(pair, "Contoso")
        loose = pair.local.add("customers", {"displayName": "Loose"})
        ann = pair.local.add("people", {"name": "Ann", "company": first})
        pair.local.add("people", {"name": "Ann", "company": loose})
        found = pair.integration.add("contact", {"fullname": "Ann", "parent": there})
        pair.integration.add("contact", {"fullname": "Ann", "parent": None})
        result = pair.workspace.match("PERSON", on=[["fullname", "parent"]])
        assert result.unmatched == {Unmatched.NO_VALUE: 1}
        assert pair.counterparts(mapping="PERSON") == {ann: found}


def test_a_plan_tells_the_same_and_couples_nothing(pair: MemoryPair) -> None:
    customer(pair, displayName="Ann", phoneNumber="1")
    customer(pair, displayName="Bob", phoneNumber="2")
    account(pair, name="Ann")
    planned = match(pair, "displayName", "phoneNumber", plan=True)
    assert (planned.run, planned.by_group, planned.unmatched) == (None, (1, 0), {Unmatched.NO_MATCH: 1})
    assert pair.counterparts() == {}
    assert pair.workspace.list_jobs() == []
    done = match(pair, "displayName", "phoneNumber")
    assert (done.by_group, done.unmatched) == (planned.by_group, planned.unmatched)


def test_of_chosen_records_the_other_side_is_asked_for_what_could_agree(
    pair: MemoryPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [customer(pair, displayName=f"Ann {n}", phoneNumber=str(n)) for n in range(4)]
    for n in range(9):
        account(pair, name=f"ANN {n}", telephone1=f"{n}")
    asked: list[Any] = []
    changes = MemorySystem.changes

    def noted(self: MemorySystem, request: Any) -> Any:
        asked.append((request.table, str(request.condition)))
        return changes(self, request)

    monkeypatch.setattr(MemorySystem, "changes", noted)
    result = match(pair, "displayName", "phoneNumber", records=ids[:2])
    assert result.by_group == (2, 0)
    assert [table for table, _ in asked] == ["account", "account"]
    assert "'ann 0', 'ann 1'" in asked[0][1]
    # A name as long as the local field may be the beginning of a longer one over there.
    asked.clear()
    long = customer(pair, displayName="x" * 100)
    there = account(pair, name="x" * 120)
    assert match(pair, "displayName", records=[long]).coupled == 1
    assert pair.counterpart(long) == there
    assert [condition for _, condition in asked] == ["None"]


def test_a_record_that_comes_twice_in_a_feed_is_one_match(pair: MemoryPair, monkeypatch: pytest.MonkeyPatch) -> None:
    here = customer(pair, displayName="Ann")
    there = account(pair, name="Ann")
    account(pair, name="Bob")
    changes = MemorySystem.changes

    def repeated(self: MemorySystem, request: Any) -> Any:
        yield from changes(self, request)
        yield from changes(self, request)

    monkeypatch.setattr(MemorySystem, "changes", repeated)
    # The customer comes twice as well, and is no rival of itself.
    result = match(pair, "displayName")
    assert (result.looked_at, result.coupled, result.unmatched) == (1, 1, {})
    assert pair.counterparts() == {here: there}


def test_a_record_that_comes_twice_with_other_values_is_coupled_once(
    pair: MemoryPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer(pair, displayName="Ann")
    carol = customer(pair, displayName="Carol")
    account(pair, name="Ann")
    last = account(pair, name="Bob")
    third = account(pair, name="Carol")
    changes = MemorySystem.changes

    def edited(self: MemorySystem, request: Any) -> Any:
        yield from changes(self, request)
        if request.table == "customers":
            for id, values in self.records("customers").items():
                if values["displayName"] == "Ann":
                    self.edit("customers", id, displayName="Bob")
            yield from changes(self, request)

    monkeypatch.setattr(MemorySystem, "changes", edited)
    match(pair, "displayName")
    assert len(pair.counterparts()) == 2
    assert pair.counterpart(carol) == third
    assert set(pair.counterparts(INTEGRATION)) - {third} <= {last, *pair.integration.records("account")}


@pytest.mark.parametrize("seed", range(12))
def test_matching_agrees_with_a_naive_search(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows are staged: in memory, or in partitions on disk."""
    if seed % 2:
        monkeypatch.setattr(exact, "HELD", 4)
        monkeypatch.setattr(exact, "AT_ONCE", 2)
        monkeypatch.setattr(staged, "PARTITIONS", 3)
    rolled = random.Random(seed)
    with make() as pair:
        add_synchronized(pair, "0", fax="1")
        here: dict[str, tuple[str, ...]] = {}
        there: dict[str, tuple[str, ...]] = {}
        for _ in range(25):
            values = tuple(rolled.choice(["", "1", "2", "3"]) for _ in range(3))
            here[customer(pair, displayName=values[0], phoneNumber=values[1], faxNo=values[2])] = values
            values = tuple(rolled.choice(["", "1", "2", "3"]) for _ in range(3))
            there[account(pair, name=values[0], telephone1=values[1], fax=values[2])] = values
        before = set(pair.counterparts(INTEGRATION))
        all_there = there | dict.fromkeys(before, ("0", "", "1"))
        pairs, reasons = naive(here, all_there, before, [(0, 1, 2), (1, 2), (0,)])
        result = match(pair, "displayName,phoneNumber,faxNo", "phoneNumber,faxNo", "displayName")
        coupled = {one: other for one, other in pair.counterparts().items() if one in here}
        assert coupled == pairs
        told = {row.source_id: row.message for row in pair.workspace.list_errors("CUSTOMER", job=result.job)}
        assert told == {id: f"not coupled: {reason.value}" for id, reason in reasons.items()}
        assert result.looked_at == 25


def naive(
    here: dict[str, tuple[str, ...]],
    there: dict[str, tuple[str, ...]],
    taken: set[str],
    groups: list[tuple[int, ...]],
) -> tuple[dict[str, str], dict[str, Unmatched]]:
    """Return what matching comes to, by looking at each record with each."""
    pairs: dict[str, str] = {}
    taken = set(taken)
    reasons = dict.fromkeys(here, Unmatched.NO_VALUE)
    for group in groups:
        wanted: dict[str, str] = {}
        for id, values in here.items():
            positions = [position for position in group if values[position]]
            if id in pairs or not positions:
                continue
            found = [other for other, theirs in there.items() if all(theirs[p] == values[p] for p in positions)]
            reason = Unmatched.SEVERAL if len(found) > 1 else Unmatched.NO_MATCH
            if len(found) == 1:
                reason = Unmatched.RIVALS
                if found[0] in taken:
                    reason = Unmatched.COUPLED
                else:
                    wanted[id] = found[0]
            if reasons[id] in (Unmatched.NO_VALUE, Unmatched.NO_MATCH):
                reasons[id] = reason
        alone = {id: other for id, other in wanted.items() if list(wanted.values()).count(other) == 1}
        pairs |= alone
        taken |= set(alone.values())
    return pairs, {id: reason for id, reason in reasons.items() if id not in pairs}


def test_the_other_side_is_not_read_where_nobody_asks(pair: MemoryPair) -> None:
    account(pair, name="Ann")
    there = recorded(pair, INTEGRATION)
    read: list[str] = []
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(there.system, "changes", lambda request: read.append(request.table))
        assert match(pair, "displayName").looked_at == 0
        customer(pair, city="Oslo")
        assert match(pair, "displayName").unmatched == {Unmatched.NO_VALUE: 1}
    assert read == []
    assert pair.system(LOCAL).records("customers")
