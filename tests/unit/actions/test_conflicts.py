"""Conflicts are settled field by field: one side's value, or another one, and never on what has moved since."""

from __future__ import annotations

from typing import Any

import pytest

from twinrow.model.errors import ConfigurationError, DataError, UnknownName
from twinrow.model.mapping import ConflictScope
from twinrow.model.sides import Side
from twinrow.testing.pair import MemoryPair, customer_mapping, field


def in_conflict(pair: MemoryPair, **both: tuple[Any, Any]) -> tuple[str, str]:
    """Make a coupled pair whose fields (by local name) both sides have changed; return the ids."""
    customer = pair.local.add("customers", {"displayName": "Adatum", "number": "C1"})
    pair.synchronize()
    account = str(pair.counterpart(customer))
    there = {row.local: str(row.integration) for row in customer_mapping().fields if row.local}
    pair.local.edit("customers", customer, **{name: mine for name, (mine, _) in both.items()})
    pair.integration.edit("account", account, **{there[name]: theirs for name, (_, theirs) in both.items()})
    pair.synchronize()
    return customer, account


def numbers(pair: MemoryPair) -> dict[str, int]:
    return {one.field: one.id for one in pair.workspace.list_conflicts()}


def settled(pair: MemoryPair) -> bool:
    runs = [pair.synchronize(), pair.synchronize(), pair.synchronize(full=True)]
    return all(run.counters.written == run.counters.failed == 0 for run in runs) and not pair.workspace.list_pending()


@pytest.mark.parametrize("side", ["local", "integration"])
def test_the_side_that_is_taken_wins_this_field_and_no_other(side: str) -> None:
    with MemoryPair() as pair:
        customer, account = in_conflict(pair, faxNo=("1", "2"), website=("a", "b"))
        result = pair.workspace.resolve_conflicts([numbers(pair)["faxNo=fax"]], take=side)
        assert (len(result.settled), result.refused) == (1, {})
        fax = "1" if side == "local" else "2"
        assert (
            pair.local.record("customers", customer)["faxNo"],
            pair.integration.record("account", account)["fax"],
        ) == (
            fax,
            fax,
        )
        assert pair.local.record("customers", customer)["website"] == "a"
        assert set(numbers(pair)) == {"website=websiteurl"}
        pair.workspace.resolve_conflicts(mapping="CUSTOMER", take="local")
        assert pair.integration.record("account", account)["websiteurl"] == "a"
        assert settled(pair)


@pytest.mark.parametrize("side", ["local", "integration"])
def test_fields_that_were_never_reconciled_can_be_settled(side: str) -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        account = pair.integration.add("account", {"name": "Adatum", "websiteurl": "b"})
        pair.couple(customer, account)
        pair.synchronize()
        assert set(numbers(pair)) == {"faxNo=fax", "website=websiteurl"}
        pair.workspace.resolve_conflicts(list(numbers(pair).values()), take=side)
        mine = side == "local"
        there, here = pair.integration.record("account", account), pair.local.record("customers", customer)
        assert (there["fax"], there["websiteurl"]) == (("1", None) if mine else (None, "b"))
        assert (here["faxNo"], here["website"]) == (("1", "") if mine else ("", "b"))
        assert settled(pair)


def test_another_value_goes_to_both_sides_through_the_rules() -> None:
    rows = (
        field("displayName", "name"),
        field("faxNo", "fax", transformation=("UPPERCASE",), transformation_direction="to_integration"),
    )
    with MemoryPair(customer_mapping(fields=rows)) as pair:
        customer, account = in_conflict(pair, faxNo=("one", "two"))
        result = pair.workspace.resolve_conflicts(list(numbers(pair).values()), value="three")
        assert result.refused == {}
        assert pair.local.record("customers", customer)["faxNo"] == "three"
        assert pair.integration.record("account", account)["fax"] == "THREE"
        assert settled(pair)
        written = pair.workspace.show_journal(record=customer).writes
        assert written[1].asked == "a conflict settled by a value"
        assert (written[1].fields[0].old, written[1].fields[0].new) == ("one", "three")


def test_a_value_that_one_side_has_already_is_one_like_any_other() -> None:
    with MemoryPair() as pair:
        customer, account = in_conflict(pair, faxNo=("1", "2"))
        pair.workspace.resolve_conflicts(list(numbers(pair).values()), value="2")
        assert pair.local.record("customers", customer)["faxNo"] == "2"
        assert settled(pair)
        customer, account = in_conflict(pair, faxNo=("1", "2"))
        pair.workspace.resolve_conflicts(list(numbers(pair).values()), value="")
        assert pair.local.record("customers", customer)["faxNo"] == ""
        assert pair.integration.record("account", account)["fax"] is None
        assert settled(pair)


def test_a_value_that_does_not_fit_is_refused_before_anything_is_done() -> None:
    with MemoryPair() as pair:
        customer, _ = in_conflict(pair, faxNo=("1", "2"))
        with pytest.raises(DataError, match="no value for faxNo"):
            pair.workspace.resolve_conflicts(list(numbers(pair).values()), value="9" * 31)
        assert pair.local.record("customers", customer)["faxNo"] == "1"
        assert len(numbers(pair)) == 1


@pytest.mark.parametrize("side", list(Side))
def test_what_has_moved_since_it_was_listed_is_refused(side: Side) -> None:
    with MemoryPair() as pair:
        customer, account = in_conflict(pair, faxNo=("1", "2"))
        listed = list(numbers(pair).values())
        if side is Side.LOCAL:
            pair.local.edit("customers", customer, faxNo="3")
        else:
            pair.integration.edit("account", account, fax="3")
        result = pair.workspace.resolve_conflicts(listed, take="local")
        assert list(result.refused) == listed
        assert "changed since" in next(iter(result.refused.values()))
        pair.synchronize()
        pair.workspace.resolve_conflicts(list(numbers(pair).values()), take="integration")
        fax = "3" if side is Side.INTEGRATION else "2"
        assert pair.local.record("customers", customer)["faxNo"] == fax
        with pytest.raises(UnknownName):
            pair.workspace.resolve_conflicts(listed, take="local")


@pytest.mark.parametrize("side", ["local", "integration"])
def test_a_group_is_settled_as_a_whole(side: str) -> None:
    with MemoryPair() as pair:
        customer, account = in_conflict(pair, addressLine1=("Am Markt 1", "High Street 1"), city=("Bonn", "London"))
        pair.workspace.resolve_conflicts([numbers(pair)["city=address1_city"]], take=side)
        wanted = ("Am Markt 1", "Bonn") if side == "local" else ("High Street 1", "London")
        here, there = pair.local.record("customers", customer), pair.integration.record("account", account)
        assert (here["addressLine1"], here["city"]) == wanted
        assert (there["address1_line1"], there["address1_city"]) == wanted
        assert settled(pair)


@pytest.mark.parametrize("side", ["local", "integration"])
def test_a_record_is_settled_as_a_whole_where_its_mapping_says_so(side: str) -> None:
    with MemoryPair(customer_mapping(conflict_scope=ConflictScope.RECORD)) as pair:
        customer, account = in_conflict(pair, faxNo=("1", "2"), website=("a", "b"))
        pair.workspace.resolve_conflicts([numbers(pair)["faxNo=fax"]], take=side)
        pair.synchronize()
        here, there = pair.local.record("customers", customer), pair.integration.record("account", account)
        wanted = ("1", "a") if side == "local" else ("2", "b")
        assert (here["faxNo"], here["website"]) == (there["fax"], there["websiteurl"]) == wanted
        assert settled(pair)


@pytest.mark.parametrize("number", ["faxNo=fax", "website=websiteurl"])
@pytest.mark.parametrize("side", ["local", "integration"])
@pytest.mark.parametrize("reconciled", [True, False])
def test_of_a_record_settled_as_a_whole_nothing_stays_different(reconciled: bool, side: str, number: str) -> None:
    """Also what only one side has changed, and what was never reconciled, comes from the side that is taken."""
    with MemoryPair(customer_mapping(conflict_scope=ConflictScope.RECORD)) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        account = pair.integration.add("account", {"name": "Adatum"})
        pair.couple(customer, account)
        if reconciled:
            pair.synchronize()
        pair.local.edit("customers", customer, faxNo="1")
        pair.integration.edit("account", account, websiteurl="b")
        pair.synchronize()
        pair.workspace.resolve_conflicts([numbers(pair)[number]], take=side)
        pair.synchronize()
        here, there = pair.local.record("customers", customer), pair.integration.record("account", account)
        wanted = ("1", "") if side == "local" else ("", "b")
        assert (here["faxNo"], here["website"]) == wanted
        assert (there["fax"] or "", there["websiteurl"] or "") == wanted
        assert settled(pair)


def test_conflicts_are_described_with_labels_and_who_must_be_said() -> None:
    with MemoryPair() as pair:
        in_conflict(pair, faxNo=("1", "2"))
        (conflict,) = pair.workspace.describe_conflicts(pair.workspace.list_conflicts())
        assert conflict.label == "C1 Adatum"
        assert [(said.value, said.before, said.before_known) for said in conflict.sides.values()] == [
            ("1", "", True),
            ("2", None, True),
        ]
        for wrong in ({}, {"take": "local", "value": "3"}):
            with pytest.raises(ConfigurationError, match="how"):
                pair.workspace.resolve_conflicts([conflict.id], **wrong)
        with pytest.raises(ConfigurationError, match="which"):
            pair.workspace.resolve_conflicts(take="local")
        with pytest.raises(UnknownName):
            pair.workspace.resolve_conflicts([conflict.id], take="both")
