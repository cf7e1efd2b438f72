"""Verifying tells every difference of a coupled pair by its kind, and writes to neither side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.scenarios.world import FAX, INTEGRATION, LOCAL, NAME, add_pair, edit, mapping, settle

from twinrow.actions.verification import VerificationResult
from twinrow.connectors.base import WriteRequest
from twinrow.engine.context import EngineSettings
from twinrow.engine.verify import LOOKING
from twinrow.model.filters import Filter
from twinrow.model.mapping import Deactivation, DeletePropagation, Template, UpdateConflict
from twinrow.model.outcomes import DifferenceKind
from twinrow.model.sides import Direction, Side
from twinrow.testing.pair import CUSTOMER_FIELDS, MemoryPair, customer_mapping, field

Kind = DifferenceKind


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    """Five customers, synchronized; pages of two records."""
    with MemoryPair(settings=EngineSettings(page_rows=2)) as made:
        for number in range(5):
            made.local.add("customers", {"displayName": f"Customer {number}", "number": str(number), "faxNo": "1"})
        settle(made)
        yield made


def customers(pair: MemoryPair) -> list[str]:
    return sorted(pair.counterparts())


def verify(pair: MemoryPair, **options: Any) -> VerificationResult:
    """Verify, and hold that nothing was written."""
    before = {
        side: pair.system(side).records(table) for side, table in ((LOCAL, "customers"), (INTEGRATION, "account"))
    }
    result = pair.workspace.verify("CUSTOMER", **options)
    after = {side: pair.system(side).records(table) for side, table in ((LOCAL, "customers"), (INTEGRATION, "account"))}
    assert before == after
    return result


def silently(pair: MemoryPair, side: Side, id: str, **values: str) -> None:
    """Change a record so that its system does not report it: as a restored backup or a write past the system would."""
    system = pair.system(side)
    table = "customers" if side is LOCAL else "account"
    system._contents[table].records[id].values.update(values)


def test_what_has_been_synchronized_does_not_differ(pair: MemoryPair) -> None:
    result = verify(pair)
    assert (result.compared, result.records, result.samples, result.clean) == (5, {}, (), True)
    assert result.not_coupled == {Side.LOCAL: 0, Side.INTEGRATION: 0}


def test_a_mapping_that_never_ran_has_nothing_coupled() -> None:
    with MemoryPair() as pair:
        pair.local.add("customers", {"displayName": "Adatum"})
        result = verify(pair)
        assert (result.compared, result.not_coupled[LOCAL]) == (0, 1)


@pytest.mark.parametrize("side", list(Side))
def test_a_change_that_the_next_run_carries_is_awaited(pair: MemoryPair, side: Side) -> None:
    customer = customers(pair)[3]
    id = customer if side is LOCAL else str(pair.counterpart(customer))
    edit(pair, side, id, FAX, "2")
    result = verify(pair)
    assert (result.records, result.clean) == ({Kind.AWAITING: 1}, True)
    (sample,) = result.samples
    assert (sample.local_id, sample.field) == (customer, "faxNo=fax")
    record = pair.local.record("customers", customer)
    assert sample.label == f"{record['number']} {record['displayName']}"
    settle(pair)
    assert verify(pair).records == {}


@pytest.mark.parametrize("side", list(Side))
def test_a_change_that_its_system_does_not_report_is_drift(pair: MemoryPair, side: Side) -> None:
    customer = customers(pair)[0]
    silently(pair, side, customer if side is LOCAL else str(pair.counterpart(customer)), **{FAX[side]: "9"})
    pair.synchronize()
    result = verify(pair)
    assert (result.records, result.clean) == ({Kind.DRIFT: 1}, False)
    (sample,) = result.samples
    values = {side: "9", side.other: "1"}
    assert (sample.local, sample.integration) == (values[LOCAL], values[INTEGRATION])
    assert "does not report" in str(sample.reason)


def test_drift_can_be_handed_on_and_is_repaired_by_saying_who_is_right(pair: MemoryPair) -> None:
    for customer in customers(pair)[:3]:
        silently(pair, INTEGRATION, str(pair.counterpart(customer)), fax="9")
    ids: list[str] = []
    result = verify(pair, limit=2, drifted=ids.extend)
    assert (result.records[Kind.DRIFT], len(result.samples)) == (3, 2)
    assert sorted(ids) == customers(pair)[:3]
    pair.synchronize(records=ids, direction="to")
    assert verify(pair).records == {}


def test_a_one_way_field_changed_where_it_is_only_carried_to_is_drift_until_its_record_changes(
    pair: MemoryPair,
) -> None:
    customer = customers(pair)[0]
    account = str(pair.counterpart(customer))
    pair.integration.edit("account", account, accountnumber="X")
    settle(pair)
    result = verify(pair)
    assert result.records == {Kind.DRIFT: 1}
    assert result.samples[0].field == "number=accountnumber"
    edit(pair, LOCAL, customer, FAX, "2")
    found = verify(pair)
    assert (found.records, len(found.samples)) == ({Kind.AWAITING: 1}, 2)
    settle(pair)
    assert verify(pair).records == {}


def test_an_open_conflict_is_told_as_such(pair: MemoryPair) -> None:
    customer = customers(pair)[0]
    edit(pair, LOCAL, customer, FAX, "2")
    edit(pair, INTEGRATION, str(pair.counterpart(customer)), FAX, "3")
    pair.synchronize()
    result = verify(pair)
    assert (result.records, result.clean) == ({Kind.CONFLICT: 1}, True)
    assert (result.samples[0].local, result.samples[0].integration) == ("2", "3")


def test_a_refused_record_is_pending_and_then_skipped() -> None:
    def refuse(_table: str, values: Any) -> str | None:
        return "no such fax" if values.get("fax") == "bad" else None

    with MemoryPair(mapping(), integration={"refuse": refuse}) as pair:
        customer, _ = add_pair(pair)
        settle(pair)
        edit(pair, LOCAL, customer, FAX, "bad")
        pair.synchronize()
        result = verify(pair)
        assert (result.records, result.samples[0].reason) == ({Kind.PENDING: 1}, "no such fax")
        pair.synchronize()
        assert verify(pair).records == {Kind.SKIPPED: 1}


def test_pairs_of_which_records_are_gone_are_told(pair: MemoryPair) -> None:
    first, second, third, *_ = customers(pair)
    pair.local.remove("customers", first)
    pair.integration.remove("account", str(pair.counterpart(second)))
    pair.integration.remove("account", str(pair.counterpart(third)))
    pair.local.remove("customers", third)
    result = verify(pair)
    assert result.records == {Kind.LOCAL_GONE: 1, Kind.INTEGRATION_GONE: 1, Kind.BOTH_GONE: 1}
    assert (result.compared, result.clean) == (5, False)
    labels = {sample.kind: sample.label for sample in result.samples}
    assert labels[Kind.LOCAL_GONE].endswith(f"Customer {labels[Kind.LOCAL_GONE][0]}"), (
        "the record that is left names the pair"
    )
    assert labels[Kind.BOTH_GONE] == ""


def test_a_deletion_that_is_carried_over_is_awaited() -> None:
    carrying = mapping(delete_propagation=DeletePropagation.TO)
    with MemoryPair(carrying, local={"deletes_in_feed": True}) as pair:
        for number in range(10):
            add_pair(pair, f"Customer {number}")
        settle(pair)
        first, second = sorted(pair.counterparts())[:2]
        pair.local.remove("customers", first)
        pair.integration.remove("account", str(pair.counterpart(second)))
        assert verify(pair).records == {Kind.AWAITING: 1, Kind.INTEGRATION_GONE: 1}
        pair.synchronize()
        assert verify(pair).records == {Kind.INTEGRATION_GONE: 1}


def test_a_record_that_was_given_up_instead_of_deleted_is_by_rule() -> None:
    marked = Deactivation(integration={"statecode": 1})
    carrying = mapping(delete_propagation=DeletePropagation.TO, deactivation=marked)
    with MemoryPair(carrying, local={"deletes_in_feed": True}) as pair:
        for number in range(10):
            add_pair(pair, f"Customer {number}")
        settle(pair)
        pair.local.remove("customers", sorted(pair.counterparts())[0])
        settle(pair)
        assert verify(pair).records == {Kind.RULE: 1}


def test_pairs_outside_the_filter_are_told_and_not_compared() -> None:
    one_way = customer_mapping(
        fields=(field("displayName", "name"), field("faxNo", "fax")),
        direction=Direction.TO_INTEGRATION,
        local_filter="blocked ne 'All'",
    )
    with MemoryPair(one_way) as pair:
        ids = [pair.local.add("customers", {"displayName": str(n), "blocked": ""}) for n in range(3)]
        settle(pair)
        pair.local.edit("customers", ids[0], blocked="All", faxNo="7")
        pair.synchronize()
        result = verify(pair)
        assert (result.records, result.samples[0].field, result.clean) == ({Kind.OUTSIDE_FILTER: 1}, None, True)


def test_in_a_bidirectional_mapping_only_the_side_outside_its_filter_is_not_carried() -> None:
    with MemoryPair(mapping(local_filter="blocked ne 'All'")) as pair:
        customer, account = add_pair(pair)
        settle(pair)
        pair.local.edit("customers", customer, blocked="All", faxNo="7")
        pair.synchronize()
        assert verify(pair).records == {Kind.OUTSIDE_FILTER: 1}
        pair.integration.edit("account", account, name="Adatum Ltd")
        result = verify(pair)
        assert result.records == {Kind.OUTSIDE_FILTER: 1, Kind.AWAITING: 1}


def test_a_value_given_by_a_template_is_by_rule() -> None:
    template = Template(code="NEW", side=Side.INTEGRATION, values={"fax": "000"})
    with MemoryPair(mapping(templates=(template,))) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        settle(pair)
        result = verify(pair)
        assert (result.records, result.clean) == ({Kind.RULE: 1}, True)
        assert (result.samples[0].local, result.samples[0].integration) == ("1", "000")
        silently(pair, INTEGRATION, str(pair.counterpart(customer)), fax="5")
        assert verify(pair).records == {Kind.DRIFT: 1}


def test_a_value_in_the_systems_own_form_is_by_rule() -> None:
    def upper(_table: str, values: dict[str, Any], _before: Any) -> dict[str, Any]:
        return values | {"name": str(values["name"]).upper()}

    with MemoryPair(mapping(), integration={"logic": upper}) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        settle(pair)
        result = verify(pair)
        assert (result.records, result.samples[0].integration) == ({Kind.RULE: 1}, "ADATUM")
        silently(pair, INTEGRATION, str(pair.counterpart(customer)), name="OTHER")
        assert verify(pair).records == {Kind.DRIFT: 1}


def test_what_a_rule_loses_and_what_is_cut_is_no_drift() -> None:
    fields = (
        field("displayName", "name", transformation=("UPPERCASE",)),
        field("website", "websiteurl"),
    )
    with MemoryPair(mapping(*fields)) as pair:
        pair.local.add("customers", {"displayName": "Adatum", "website": "x" * 255})
        settle(pair)
        result = verify(pair)
        assert (result.records, result.compared, result.clean) == ({Kind.RULE: 1}, 1, True)


def test_what_was_undone_is_told_as_such_until_it_changes(pair: MemoryPair) -> None:
    customer = customers(pair)[0]
    edit(pair, LOCAL, customer, FAX, "2")
    run = pair.synchronize()
    assert run.id is not None
    pair.workspace.undo(run.id)
    settle(pair)
    result = verify(pair)
    assert (result.records, result.clean) == ({Kind.UNDONE: 1}, True)
    assert (result.samples[0].local, result.samples[0].integration) == ("2", "1")
    edit(pair, LOCAL, customer, FAX, "3")
    assert verify(pair).records == {Kind.AWAITING: 1}


def test_a_pair_that_was_coupled_by_hand_waits_for_the_next_run() -> None:
    with MemoryPair(mapping(), settings=EngineSettings(page_rows=2)) as pair:
        first = add_pair(pair)
        settle(pair)
        other = pair.local.add("customers", {"displayName": "A", "faxNo": "1"})
        account = pair.integration.add("account", {"name": "B", "fax": "1"})
        result = verify(pair)
        assert (result.records, result.not_coupled) == ({}, {LOCAL: 1, INTEGRATION: 1})
        assert first
        # Read, and left alone by a mapping that makes nothing.
        pair.set_mapping(mapping(only_coupled=True))
        settle(pair)
        pair.couple(other, account)
        result = verify(pair)
        assert (result.records, result.samples[0].reason) == (
            {Kind.PENDING: 1},
            "coupled by hand, and not synchronized yet",
        )
        pair.synchronize()
        assert verify(pair).records == {Kind.CONFLICT: 1}


def test_a_changed_mapping_makes_the_next_run_look_at_everything(pair: MemoryPair) -> None:
    edit(pair, INTEGRATION, str(pair.counterpart(customers(pair)[0])), {LOCAL: "", INTEGRATION: "telephone1"}, "1")
    settle(pair)
    changed = [
        row if row.local != "phoneNumber" else field("faxNo", "telephone1")
        for row in CUSTOMER_FIELDS
        if row.local != "faxNo"
    ]
    pair.set_mapping(customer_mapping(fields=tuple(changed)))
    assert verify(pair).records == {Kind.AWAITING: 4}
    pair.set_mapping(customer_mapping(fields=changed, update_conflict_resolution=UpdateConflict.SEND))
    settle(pair)
    assert verify(pair).records == {}


def test_a_pair_that_a_run_settles_meanwhile_is_not_told() -> None:
    """What differed when it was read first, and no longer does, is no difference."""

    with MemoryPair(mapping(), settings=EngineSettings(page_rows=2)) as pair:
        customer, _ = add_pair(pair)
        settle(pair)
        edit(pair, LOCAL, customer, NAME, "New name")
        done: list[int] = []

        def progress(_what: str, _count: int) -> None:
            if not done:
                done.append(1)
                settle(pair)

        result = pair.workspace.verify("CUSTOMER", progress=progress)
        assert result.records == {}


def test_a_change_made_after_the_feeds_were_asked_is_awaited(pair: MemoryPair) -> None:
    chosen = customers(pair)[:3]
    for customer in chosen:
        silently(pair, INTEGRATION, str(pair.counterpart(customer)), fax="9")
    done: list[str] = []

    def progress(what: str, _count: int) -> None:
        if what == LOOKING and not done:
            done.append(what)
            for customer in customers(pair):
                edit(pair, LOCAL, customer, NAME, f"New name {customer}")
                edit(pair, LOCAL, customer, FAX, "7")

    result = pair.workspace.verify("CUSTOMER", progress=progress)
    assert done
    # Two of the three stood in the first portion.
    assert result.records == {Kind.DRIFT: 2, Kind.AWAITING: 1}


def test_what_one_verification_has_staged_is_gone_after_it(pair: MemoryPair) -> None:
    silently(pair, LOCAL, customers(pair)[0], faxNo="9")
    verify(pair)
    with pair.workspace.context.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM verified").scalar() == 0


class Reading:
    """A connector that must not be written."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, request: WriteRequest) -> Any:
        raise AssertionError(request.kind)

    def select(self, table: str, fields: Any, condition: Filter | None, limit: int | None = None) -> Any:
        return self._inner.select(table, fields, condition, limit)


def test_nothing_is_written(pair: MemoryPair) -> None:
    for side in Side:
        pair.wrap(side, Reading(pair.system(side)))
    edit(pair, LOCAL, customers(pair)[0], FAX, "2")
    assert pair.workspace.verify("CUSTOMER").records == {Kind.AWAITING: 1}
