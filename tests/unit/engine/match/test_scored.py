"""Scored matching: what is the same beyond doubt is coupled, what is likely is proposed, and people have the last word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.engine.match.people import People, people_pair, person_mapping

from twinrow.actions import proposals
from twinrow.engine.context import RunContext
from twinrow.engine.match.job import CouplingJob
from twinrow.model.errors import ConfigurationError, Stopped, UnknownName
from twinrow.model.mapping import Compare
from twinrow.model.outcomes import Unmatched
from twinrow.model.sides import Side
from twinrow.testing.pair import MemoryPair, customer_mapping


@pytest.fixture
def people() -> Iterator[People]:
    with people_pair() as pair:
        yield People(pair)


def coupled(people: People) -> dict[str, str]:
    return people.pair.counterparts(mapping="PERSON")


def wrong(people: People) -> dict[str, str]:
    return {local: other for local, other in coupled(people).items() if people.same.get(local) != other}


def proposed(people: People, state: str = "open") -> dict[tuple[str, str], int]:
    found = people.pair.workspace.list_proposals("PERSON", state=state, limit=1_000)
    return {(one.ids[Side.LOCAL], one.ids[Side.INTEGRATION]): one.id for one in found}


def test_people_who_are_in_both_systems_are_found_and_no_others(people: People) -> None:
    people.both(200, slips=1)
    people.both(60, slips=3)
    people.alone(Side.LOCAL, 80)
    people.alone(Side.INTEGRATION, 90)
    result = people.pair.workspace.match_scored("PERSON")
    assert wrong(people) == {}
    assert result.coupled == len(coupled(people)) > 200
    found = coupled(people).items() | proposed(people).keys()
    assert people.same.items() <= found
    assert result.records == {Side.LOCAL: 340, Side.INTEGRATION: 350}
    assert result.kinds["firstName"] == "name"
    (job,) = people.pair.workspace.list_jobs("PERSON")
    assert (job.type, job.coupled) == ("coupling", result.coupled)
    assert "are proposed" in str(job.message)


def test_with_propose_nothing_is_coupled_and_everything_is_on_the_list(people: People) -> None:
    people.both(120)
    result = people.pair.workspace.match_scored("PERSON", only_propose=True)
    assert (result.coupled, coupled(people)) == (0, {})
    assert people.same.items() <= proposed(people).keys()
    accepted = people.pair.workspace.accept_proposals(mapping="PERSON", above=0.99)
    assert accepted.refused == {}
    assert wrong(people) == {}
    assert len(coupled(people)) == len(accepted.done) > 100
    # Whoever is proposed to two others at once is not left on the list once coupled.
    taken = coupled(people)
    assert not any(local in taken for local, _ in proposed(people))


def test_a_proposal_explains_itself_field_by_field(people: People) -> None:
    people.both(100)
    person = people.person() | {
        "firstName": "Katharina",
        "lastName": "Steinwald",
        "birthDate": "1980-04-12",
        "phone": None,
    }
    local = people.add(Side.LOCAL, person)
    written = person | {"firstName": "Katarina", "birthDate": "1980-12-04", "street": None, "city": "Elsewhere"}
    people.add(Side.INTEGRATION, written)
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    ((_, number),) = [(pair, number) for pair, number in proposed(people).items() if pair[0] == local]
    one = people.pair.workspace.show_proposal(number)
    reasons = {reason.field: reason for reason in one.reasons}
    first = reasons["firstName=first_name"]
    assert (first.local, first.integration, first.result, first.kind) == ("Katharina", "Katarina", "very alike", "name")
    assert first.bits > 0
    assert reasons["birthDate=birth_date"].result == "day and month exchanged"
    assert (reasons["city=city"].result, reasons["phone=telephone"].result) == ("different", "blank on one side")
    assert (reasons["city=city"].bits < 0, reasons["phone=telephone"].bits) == (True, 0)
    assert one.score == pytest.approx(sum(reason.bits for reason in one.reasons), abs=0.5)
    assert one.labels[Side.LOCAL]


def test_members_of_a_family_are_not_coupled(people: People) -> None:
    people.both(150)
    for _ in range(20):
        person = people.person()
        people.add(Side.LOCAL, person)
        relative = people.person()
        people.add(Side.INTEGRATION, person | {name: relative[name] for name in ("firstName", "birthDate")})
    people.pair.workspace.match_scored("PERSON")
    assert wrong(people) == {}


def test_who_has_another_address_has_moved_or_is_another_branch_so_a_person_decides(people: People) -> None:
    people.both(150)
    moved = []
    for _ in range(10):
        person, elsewhere = people.person(), people.person()
        there = {name: elsewhere[name] for name in ("street", "city", "postCode")}
        local = people.add(Side.LOCAL, person | {"city": "Springfield"})
        moved.append((local, people.add(Side.INTEGRATION, person | there | {"city": "Oakdale"})))
    people.pair.workspace.match_scored("PERSON")
    assert not coupled(people).keys() & {local for local, _ in moved}
    assert set(moved) <= proposed(people).keys()


def test_what_is_broken_off_is_finished_by_the_next_one(people: People) -> None:
    people.both(120)

    def break_off(what: str, _count: int) -> None:
        if what == "pairs coupled":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        people.pair.workspace.match_scored("PERSON", progress=break_off)
    before = len(coupled(people))
    result = people.pair.workspace.match_scored("PERSON")
    assert before > 0
    assert len(coupled(people)) == before + result.coupled
    assert wrong(people) == {}
    assert people.same.items() <= coupled(people).items() | proposed(people).keys()


def test_what_is_proposed_for_a_record_that_is_gone_or_has_changed_goes_from_the_list(people: People) -> None:
    people.both(100)
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    first, second, third, *_ = proposed(people)
    people.pair.local.remove("people", first[0])
    people.pair.integration.remove("person", second[1])
    people.pair.local.edit("people", third[0], **people.person())
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    assert not {first, second, third} & proposed(people).keys()


def test_who_was_coupled_in_another_way_is_not_on_the_list_any_more(people: People) -> None:
    people.both(80)
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    (pair, _), *others = proposed(people).items()
    people.pair.couple(*pair, "PERSON")
    assert not any(pair[0] == local or pair[1] == other for local, other in proposed(people))
    assert people.pair.workspace.number_of_proposals("PERSON") == len(proposed(people)) <= len(others)


def test_the_store_may_be_on_postgresql(postgres_url: str) -> None:
    with people_pair(store=postgres_url) as pair:
        people = People(pair)
        people.both(80)
        pair.workspace.match_scored("PERSON", only_propose=True)
        numbers = list(proposed(people).values())
        pair.workspace.reject_proposals(numbers[:1])
        assert pair.workspace.accept_proposals(mapping="PERSON", above=0.9).refused == {}
        assert pair.workspace.match_scored("PERSON").fresh == {Side.LOCAL: 0, Side.INTEGRATION: 0}
        assert wrong(people) == {}
        assert len(coupled(people)) > 70


def test_a_rejected_pair_is_not_proposed_again(people: People) -> None:
    people.both(100)
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    (pair, number), *_ = proposed(people).items()
    decided = people.pair.workspace.reject_proposals([number])
    assert decided.done == (number,)
    for again in (False, True):
        people.pair.workspace.match_scored("PERSON", again=again)
        assert pair not in proposed(people)
        assert coupled(people).get(pair[0]) != pair[1]
    assert pair in proposed(people, "rejected")
    one = people.pair.workspace.show_proposal(number)
    assert (one.state, one.who) == ("rejected", "local user")
    # Matching by fields leaves the pair alone, too.
    people.pair.local.edit("people", pair[0], lastName="Xyzzy")
    people.pair.integration.edit("person", pair[1], last_name="Xyzzy")
    result = people.pair.workspace.match("PERSON", on=[["lastName"]], records=[pair[0]])
    assert (result.coupled, result.unmatched) == (0, {Unmatched.REJECTED: 1})
    # Whoever has thought better of it accepts it after all.
    assert people.pair.workspace.accept_proposals([number]).done == (number,)


def test_what_a_colleague_decides_meanwhile_holds(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    people.both(60)
    workspace = people.pair.workspace
    workspace.match_scored("PERSON", only_propose=True)
    number, *_ = proposed(people).values()
    begin = proposals.CouplingJob

    def rejected_first(shared: RunContext) -> CouplingJob:
        workspace.reject_proposals([number])
        return begin(shared)

    monkeypatch.setattr(proposals, "CouplingJob", rejected_first)
    assert workspace.accept_proposals([number]).refused == {number: "somebody has decided about it meanwhile"}
    assert coupled(people) == {}
    assert workspace.show_proposal(number).state == "rejected"


def test_what_cannot_be_coupled_is_told_and_the_rest_goes_through(people: People) -> None:
    people.both(100)
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    right = {pair: number for pair, number in proposed(people).items() if people.same[pair[0]] == pair[1]}
    (taken, first), (gone, second), (fine, third), *_ = right.items()
    (other,) = people.alone(Side.INTEGRATION, 1)
    people.pair.couple(taken[0], other, "PERSON")
    people.pair.integration.remove("person", gone[1])
    result = people.pair.workspace.accept_proposals([first, second, third])
    assert result.done == (third,)
    assert result.refused == {
        first: f"the local record {taken[0]} is coupled to {other} already",
        second: f"the integration record {gone[1]} is gone",
    }
    assert coupled(people)[fine[0]] == fine[1]
    repeated = people.pair.workspace.accept_proposals([third])
    assert repeated.refused == {third: f"the records {fine[0]} and {fine[1]} are coupled already"}
    assert people.pair.workspace.reject_proposals([third]).done == ()


def test_later_runs_look_only_at_what_is_new_or_has_changed(people: People) -> None:
    people.both(150)
    people.alone(Side.LOCAL, 40)
    first = people.pair.workspace.match_scored("PERSON")
    assert first.learned
    open_before = proposed(people)
    second = people.pair.workspace.match_scored("PERSON")
    assert (second.learned, second.coupled) == (False, 0)
    assert second.fresh == {Side.LOCAL: 0, Side.INTEGRATION: 0}
    assert proposed(people) == open_before
    people.both(10)
    (lonely,) = people.alone(Side.LOCAL, 1)
    third = people.pair.workspace.match_scored("PERSON")
    assert (third.learned, third.fresh) == (False, {Side.LOCAL: 11, Side.INTEGRATION: 10})
    assert third.coupled >= 9
    # A record that is corrected is looked at again.
    whoever = people.person()
    people.pair.local.edit("people", lonely, **whoever)
    people.same[lonely] = people.add(Side.INTEGRATION, whoever)
    fourth = people.pair.workspace.match_scored("PERSON")
    assert fourth.fresh == {Side.LOCAL: 1, Side.INTEGRATION: 1}
    assert coupled(people)[lonely] == people.same[lonely]
    assert wrong(people) == {}


def test_who_was_parted_is_not_coupled_again_without_asking(people: People) -> None:
    people.both(100)
    people.pair.workspace.match_scored("PERSON")
    (local, other), *_ = coupled(people).items()
    people.pair.workspace.uncouple("PERSON", local)
    people.pair.workspace.match_scored("PERSON", again=True)
    assert local not in coupled(people)
    assert (local, other) in proposed(people)


def test_what_was_learned_anew_counts_when_other_fields_are_compared(people: People) -> None:
    people.both(100)
    people.pair.workspace.match_scored("PERSON", only_propose=True)
    fields = [
        row.model_copy(update={"compare": Compare.NONE} if row.local == "phone" else {"compare": Compare.TEXT})
        for row in person_mapping().fields
        if row.local != "birthDate"
    ]
    people.pair.set_mapping(person_mapping(fields=tuple(fields)))
    result = people.pair.workspace.match_scored("PERSON", only_propose=True)
    assert result.learned
    assert set(result.kinds) == {"firstName", "lastName", "street", "city", "postCode"}
    assert set(result.kinds.values()) == {"text"}


def test_everything_stopped_stops_it_and_the_next_one_finishes(people: People) -> None:
    people.both(100)

    def stop(what: str, count: int) -> None:
        if what.startswith("integration"):
            people.pair.workspace.stop_everything("a test")

    with pytest.raises(Stopped):
        people.pair.workspace.match_scored("PERSON", progress=stop)
    assert coupled(people) == {}
    people.pair.workspace.resume_everything()
    people.pair.workspace.match_scored("PERSON")
    assert people.same.items() <= coupled(people).items() | proposed(people).keys()


def test_nothing_to_match_is_no_error(people: People) -> None:
    assert people.pair.workspace.match_scored("PERSON").coupled == 0
    people.alone(Side.LOCAL, 3)
    assert people.pair.workspace.match_scored("PERSON").proposed == 0
    people.alone(Side.INTEGRATION, 1)
    assert people.pair.workspace.match_scored("PERSON").coupled == 0


def test_a_mapping_without_anything_to_compare_says_so() -> None:
    rows = tuple(row.model_copy(update={"compare": Compare.NONE}) for row in customer_mapping().fields)
    with (
        MemoryPair(customer_mapping(fields=rows)) as pair,
        pytest.raises(ConfigurationError, match="no field by which"),
    ):
        pair.workspace.match_scored("CUSTOMER")


def test_unknown_proposals_and_states_are_named(people: People) -> None:
    with pytest.raises(UnknownName, match="proposal"):
        people.pair.workspace.show_proposal(77)
    with pytest.raises(UnknownName, match="state of proposals"):
        people.pair.workspace.list_proposals("PERSON", state="ajar")
    with pytest.raises(ConfigurationError, match="not said which"):
        people.pair.workspace.accept_proposals(above=0.5)
