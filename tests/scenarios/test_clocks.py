"""The clocks of the two systems may differ: nothing is missed, doubled or taken for a conflict because of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    TO,
    add_synchronized,
    clocks_apart,
    compatible,
    coupling_times,
    edit,
    job,
    mapping,
    open_failures,
    outcomes,
    settle,
    value,
    watermark,
)
from twinrow.connectors.base import FeedKind
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, field, table

LOCAL_PEOPLE = table("contacts", "id", Field("surname", FieldType.TEXT, max_length=30, nullable=False))
PEOPLE = table("contact", "contactid", Field("lastname", FieldType.TEXT, max_length=50, empty_text=False))
BY_TIME: dict[str, Any] = {"feed": FeedKind.MODIFIED_AT, "overlap": timedelta(milliseconds=999)}

SKEWED = pytest.mark.parametrize("ahead", [-300, 300], ids=["integration behind", "integration ahead"])
ANY_CLOCKS = pytest.mark.parametrize("ahead", [0, -300, 300], ids=["equal", "integration behind", "integration ahead"])


def contact_mapping() -> TableMapping:
    return TableMapping(
        name="CONTACT", local_table="contacts", integration_table="contact", fields=(field("surname", "lastname"),)
    )


@pytest.fixture(params=[{}, BY_TIME], ids=["by version", "by time"])
def feed(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


class TwoPairs:
    """A customer and a contact, each coupled and at rest."""

    def __init__(self, feed: dict[str, Any], ahead: int) -> None:
        self.pair = MemoryPair(
            [compatible(), contact_mapping().model_copy(update={"conflict_scope": compatible().conflict_scope})],
            local_tables=(CUSTOMERS, LOCAL_PEOPLE),
            integration_tables=(ACCOUNTS, PEOPLE),
            local=feed,
            integration=feed,
        )
        clocks_apart(self.pair, ahead)
        self.customer, self.account = add_synchronized(self.pair)
        self.local_contact = self.pair.local.add("contacts", {"surname": "Jensen"})
        self.contact = self.pair.integration.add("contact", {"lastname": "Jensen"})
        self.pair.couple(self.local_contact, self.contact, "CONTACT")
        settle(self.pair, "CONTACT")
        settle(self.pair)

    def times(self) -> dict[str, Any]:
        return coupling_times(self.pair) | coupling_times(self.pair, "CONTACT")

    def watermarks(self) -> dict[tuple[str, Side], str | None]:
        return {(name, side): watermark(self.pair, side, name) for name in ("CUSTOMER", "CONTACT") for side in Side}


@pytest.mark.scenario("A134")
@ANY_CLOCKS
def test_where_nothing_happened_nothing_is_counted_and_no_time_moves(ahead: int) -> None:
    two = TwoPairs({}, ahead)
    with two.pair as pair:
        times, watermarks = two.times(), two.watermarks()
        assert all(here and there for here, there in times.values())

        round_ = pair.workspace.synchronize_all()

        assert [run.mapping for run in round_.runs] == ["CUSTOMER", "CONTACT"]
        for run in round_.runs:
            # The original reads the newest account again, because its watermark overlaps; such rows are not counted here.
            assert outcomes(job(run, TO)) == {}
            assert outcomes(job(run, FROM)) == {}
        assert two.times() == times
        assert two.watermarks() == watermarks


@pytest.mark.scenario("A135")
@ANY_CLOCKS
def test_a_conflict_leaves_both_sides_to_be_looked_at_again(ahead: int) -> None:
    two_pairs = TwoPairs({} if ahead else BY_TIME, ahead)
    pair, times, watermarks = two_pairs.pair, two_pairs.times(), two_pairs.watermarks()
    pair.local.edit("customers", two_pairs.customer, displayName="X")
    pair.integration.edit("account", two_pairs.account, name="Y")
    pair.local.edit("contacts", two_pairs.local_contact, surname="X")
    pair.integration.edit("contact", two_pairs.contact, lastname="Y")

    round_ = pair.workspace.synchronize_all()

    jobs = [one for run in round_.runs for one in run.jobs]
    assert [outcomes(one) for one in jobs] == [{"failed": 1}] * 4
    assert pair.local.record("customers", two_pairs.customer)["displayName"] == "X"
    assert pair.integration.record("account", two_pairs.account)["name"] == "Y"
    assert pair.local.record("contacts", two_pairs.local_contact)["surname"] == "X"
    assert pair.integration.record("contact", two_pairs.contact)["lastname"] == "Y"
    assert two_pairs.times() == times
    assert set(open_failures(pair)) == {(TO, two_pairs.customer), (FROM, two_pairs.account)}
    assert set(open_failures(pair, "CONTACT")) == {(TO, two_pairs.local_contact), (FROM, two_pairs.contact)}
    for key, before in watermarks.items():
        now = two_pairs.watermarks()[key]
        assert now is not None
        assert before is not None
        assert now >= before if "T" in now else int(now) >= int(before)
    pair.workspace.close()


@pytest.mark.scenario("A139")
@SKEWED
def test_the_own_write_comes_back_as_unchanged(feed: dict[str, Any], ahead: int) -> None:
    with MemoryPair(compatible(), local=feed, integration=feed) as pair:
        clocks_apart(pair, ahead)
        customer, account = add_synchronized(pair)
        for name in ("First", "Second"):
            edit(pair, LOCAL, customer, NAME, name)

            run = pair.synchronize()

            assert value(pair, INTEGRATION, account, NAME) == name
            assert value(pair, LOCAL, customer, NAME) == name
            assert outcomes(job(run, TO)) == {"modified": 1}
            assert outcomes(job(run, FROM)) == {"unchanged": 1}
            assert run.errors == run.conflicts == ()


@pytest.mark.scenario("A141")
@SKEWED
@pytest.mark.parametrize("first", [LOCAL, INTEGRATION], ids=["local first", "integration first"])
def test_sides_that_change_in_turn_get_each_others_change(feed: dict[str, Any], ahead: int, first: Side) -> None:
    with MemoryPair(compatible(), local=feed, integration=feed) as pair:
        clocks_apart(pair, ahead)
        ids = dict(zip((LOCAL, INTEGRATION), add_synchronized(pair), strict=True))
        for side, name in ((first, "First"), (first.other, "Second")):
            edit(pair, side, ids[side], NAME, name)

            run = pair.synchronize()

            assert value(pair, side.other, ids[side.other], NAME) == name
            if side is LOCAL:
                assert outcomes(job(run, TO)) == {"modified": 1}
                assert outcomes(job(run, FROM)) == {"unchanged": 1}
            else:
                assert outcomes(job(run, TO)) == {}
                assert outcomes(job(run, FROM)) == {"modified": 1}
            assert run.errors == run.conflicts == run.pending == ()


@SKEWED
def test_edits_of_different_fields_merge_whatever_the_clocks_say(ahead: int) -> None:
    with MemoryPair(mapping(), local=BY_TIME, integration=BY_TIME) as pair:
        clocks_apart(pair, ahead)
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAME, "Adatum Corporation")
        pair.integration.edit("account", account, fax="2")

        run = pair.synchronize()

        assert run.succeeded
        assert value(pair, INTEGRATION, account, NAME) == "Adatum Corporation"
        assert pair.local.record("customers", customer)["faxNo"] == "2"
