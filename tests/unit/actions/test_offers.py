"""What may be done with records that a person has selected, and what then is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.scenarios.world import FAX as FAXES
from tests.scenarios.world import (
    FROM,
    TO,
    add_pair,
    add_synchronized,
    edit,
    job,
    mapping,
    outcomes,
    settle,
    skipped,
    watermark,
)
from tests.scenarios.world import NAME as NAMES

from twinrow.actions.offers import MERGE, Offer, Reason
from twinrow.actions.offers import TO as SEND
from twinrow.model.errors import ConfigurationError, CouplingRefused, LeaseHeld, RecordNotFound, UnknownName
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Direction, Side
from twinrow.store.leases import release_lease, take_lease, this_process
from twinrow.testing.pair import MemoryPair, customer_mapping, field

LOCAL, INTEGRATION = Side.LOCAL, Side.INTEGRATION
GET = "from"
ONE_WAY = mapping(
    *(
        field(local, there, direction=Direction.TO_INTEGRATION)
        for local, there in (("displayName", "name"), ("faxNo", "fax"))
    ),
    direction=Direction.TO_INTEGRATION,
)


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    """Systems whose customers and accounts are kept in step in both directions."""
    with MemoryPair(mapping()) as made:
        yield made


@pytest.fixture
def one_way() -> Iterator[MemoryPair]:
    with MemoryPair(ONE_WAY) as made:
        yield made


def offered(pair: MemoryPair, *ids: str, create: bool = False) -> Offer:
    return pair.workspace.offer_synchronization("CUSTOMER", ids, create=create)


# One record, both ways.


@pytest.mark.parametrize(
    ("sides", "preselected"),
    [((), MERGE), ((LOCAL,), SEND), ((INTEGRATION,), GET), ((LOCAL, INTEGRATION), MERGE)],
    ids=["none", "local", "integration", "both"],
)
def test_the_side_that_has_changed_is_preselected(pair: MemoryPair, sides: tuple[Side, ...], preselected: str) -> None:
    customer, account = add_synchronized(pair)
    ids = {LOCAL: customer, INTEGRATION: account}
    for side, names in zip(sides, (NAMES, FAXES), strict=False):
        edit(pair, side, ids[side], names, "Edited")

    for named in ids.values():
        offer = offered(pair, named)
        assert (offer.choices, offer.preselected, offer.warnings) == ((SEND, GET, MERGE), preselected, ())
        (record,) = offer.records
        assert record.ids == ids
        assert {side for side in Side if record.changed[side]} == set(sides)


def test_where_both_sides_changed_the_same_field_a_person_says_which_is_kept(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    edit(pair, LOCAL, customer, NAMES, "Here")
    edit(pair, INTEGRATION, account, NAMES, "There")

    offer = offered(pair, customer)

    assert (offer.choices, offer.preselected, offer.doubtful) == ((SEND, GET), None, False)
    (warning,) = offer.warnings
    assert warning.startswith("displayName was changed on the local and on the integration side: choose whose")
    with pytest.raises(ConfigurationError, match="Choose to or from"):
        pair.workspace.synchronize_selected("CUSTOMER", [customer])
    # Looking has neither written nor stored anything.
    assert pair.workspace.list_conflicts() == []
    assert pair.integration.record("account", account)["name"] == "There"

    done = pair.workspace.synchronize_selected("CUSTOMER", [customer], GET)
    assert done.run is not None
    assert outcomes(done.run) == {"modified": 1}
    assert pair.local.record("customers", customer)["displayName"] == "There"


def test_where_the_mapping_says_who_wins_both_may_be_merged() -> None:
    with MemoryPair(mapping(update_conflict_resolution="send_update_to_integration")) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAMES, "Here")
        edit(pair, INTEGRATION, account, NAMES, "There")

        assert offered(pair, customer).preselected == MERGE
        done = pair.workspace.synchronize_selected("CUSTOMER", [customer])

        assert done.run is not None
        assert outcomes(job(done.run, TO)) == {"modified": 1}
        assert pair.integration.record("account", account)["name"] == "Here"


def test_while_a_run_is_under_way_an_offer_can_be_made_all_the_same(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    edit(pair, LOCAL, customer, NAMES, "Here")
    edit(pair, INTEGRATION, account, NAMES, "There")
    context = pair.workspace.context
    with context.database.transaction() as connection:
        lease = take_lease(connection, context.mapping("CUSTOMER").id, None, this_process())
    try:
        assert offered(pair, customer).choices == (SEND, GET, MERGE)
        with pytest.raises(LeaseHeld):
            pair.workspace.synchronize_selected("CUSTOMER", [customer], SEND)
    finally:
        with context.database.transaction() as connection:
            release_lease(connection, lease)


def test_a_merge_runs_both_ways_and_leaves_the_watermarks(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    edit(pair, LOCAL, customer, NAMES, "Here")
    edit(pair, INTEGRATION, account, FAXES, "2")
    marks = [watermark(pair, side) for side in Side]

    done = pair.workspace.synchronize_selected("CUSTOMER", [account])

    assert done.run is not None
    assert {one.direction: outcomes(one) for one in done.run.jobs} == {
        TO.value: {"modified": 1},
        FROM.value: {"modified": 1},
    }
    assert pair.integration.record("account", account)["name"] == "Here"
    assert pair.local.record("customers", customer)["faxNo"] == "2"
    assert [watermark(pair, side) for side in Side] == marks
    assert pair.workspace.list_jobs("CUSTOMER")[0].id == done.run.jobs[-1].id


def test_both_ids_of_a_pair_name_one_record(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    offer = offered(pair, customer, account)
    assert (len(offer.records), offer.preselected) == (1, MERGE)


# One record, one way.


@pytest.mark.parametrize("both", [False, True], ids=["destination newer", "both changed"])
def test_one_way_it_is_doubtful_to_replace_newer_values(one_way: MemoryPair, both: bool) -> None:
    customer, account = add_pair(one_way)
    settle(one_way)
    assert offered(one_way, customer) == Offer(
        "CUSTOMER", (SEND,), SEND, (), offered(one_way, customer).records, (), doubtful=False
    )
    edit(one_way, INTEGRATION, account, NAMES, "There")
    if both:
        edit(one_way, LOCAL, customer, NAMES, "Here")

    offer = offered(one_way, customer)

    assert (offer.choices, offer.preselected, offer.doubtful) == ((SEND,), None, True)
    assert ("as well" if both else "the newer one") in offer.warnings[0]
    with pytest.raises(ConfigurationError, match="It must be chosen"):
        one_way.workspace.synchronize_selected("CUSTOMER", [customer])
    one_way.workspace.synchronize_selected("CUSTOMER", [customer], SEND)
    assert one_way.integration.record("account", account)["name"] == ("Here" if both else "Adatum")


def test_what_a_mapping_does_not_do_is_not_offered(one_way: MemoryPair) -> None:
    customer, _ = add_pair(one_way)
    with pytest.raises(ConfigurationError, match="from cannot be chosen for these records"):
        one_way.workspace.synchronize_selected("CUSTOMER", [customer], GET)


# What is left out.


def test_one_that_is_not_coupled_is_told_and_nothing_is_run(pair: MemoryPair) -> None:
    customer = pair.local.add("customers", {"displayName": "Adatum"})

    offer = offered(pair, customer)
    assert (offer.choices, offer.reasons) == ((), {customer: Reason.NOT_COUPLED})
    done = pair.workspace.synchronize_selected("CUSTOMER", [customer])

    assert (done.run, done.left_out) == (None, {customer: Reason.NOT_COUPLED})
    assert pair.workspace.list_jobs() == []


def test_one_that_is_not_coupled_is_made_where_that_is_asked_for(pair: MemoryPair) -> None:
    account = pair.integration.add("account", {"name": "Adatum"})
    assert offered(pair, account, create=True).choices == (GET, MERGE)
    done = pair.workspace.synchronize_selected("CUSTOMER", [account], GET, create=True)
    assert done.run is not None
    assert outcomes(done.run) == {"inserted": 1}
    assert pair.counterpart(account, INTEGRATION) is not None


def test_one_that_does_not_exist_is_named(pair: MemoryPair) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    customer, _ = add_synchronized(pair)
    assert offered(pair, nobody).reasons == {nobody: Reason.NOT_FOUND}
    done = pair.workspace.synchronize_selected("CUSTOMER", [nobody, customer], SEND)
    assert done.left_out == {nobody: Reason.NOT_FOUND}


def test_one_outside_its_filter_may_still_be_taken_from_the_other_side() -> None:
    with MemoryPair(mapping(local_filter="blocked eq ''")) as pair:
        customer, account = add_synchronized(pair)
        pair.local.edit("customers", customer, blocked="All")
        edit(pair, INTEGRATION, account, NAMES, "There")

        offer = offered(pair, customer)

        assert offer.choices == (GET, MERGE)
        assert offer.left_out(SEND) == {customer: Reason.OUTSIDE_FILTER}


def test_one_outside_a_pilot_is_not_offered(pair: MemoryPair) -> None:
    inside, outside = add_synchronized(pair)[0], add_synchronized(pair, name="Other")[0]
    pair.workspace.start_pilot("CUSTOMER", where="displayName eq 'Adatum'")
    assert offered(pair, inside).choices == (SEND, GET, MERGE)
    assert offered(pair, outside).reasons == {outside: Reason.OUTSIDE_PILOT}


def test_one_whose_source_is_gone_is_not_offered_from_there(pair: MemoryPair) -> None:
    customer, account = add_synchronized(pair)
    pair.integration.remove("account", account)
    offer = offered(pair, customer)
    assert SEND in offer.choices
    assert offer.left_out(GET) == {customer: Reason.SOURCE_GONE}


def test_of_several_those_that_would_lose_something_are_left_out(pair: MemoryPair) -> None:
    fine, changed, new = (add_synchronized(pair, name=name)[0] for name in ("Fine", "Changed", "New"))
    account = pair.counterpart(changed)
    edit(pair, INTEGRATION, str(account), NAMES, "There")
    edit(pair, LOCAL, fine, NAMES, "Here")
    loose = pair.local.add("customers", {"displayName": "Loose"})

    offer = offered(pair, fine, changed, new, loose)

    assert (offer.choices, offer.preselected) == ((SEND, GET), None)
    assert offer.left_out(SEND) == {changed: Reason.DESTINATION_CHANGED, loose: Reason.NOT_COUPLED}
    assert offer.left_out(GET) == {fine: Reason.DESTINATION_CHANGED, loose: Reason.NOT_COUPLED}
    done = pair.workspace.synchronize_selected("CUSTOMER", [fine, changed, new, loose], SEND)
    assert done.run is not None
    assert outcomes(done.run) == {"modified": 1, "unchanged": 1}
    assert pair.integration.record("account", str(account))["name"] == "There"


# What had been set aside.


def _refusing(names: set[str]) -> Callable[[str, object], str | None]:
    return lambda _table, values: "not that name" if dict(values).get("name") in names else None  # type: ignore[call-overload]


def test_a_named_record_is_taken_off_the_skipped_list_and_begins_anew() -> None:
    refused = {"Bad"}
    with MemoryPair(mapping(), integration={"refuse": _refusing(refused)}) as pair:
        customer, account = add_synchronized(pair)
        edit(pair, LOCAL, customer, NAMES, "Bad")
        pair.synchronize()
        pair.synchronize()
        assert skipped(pair) == {customer}
        assert offered(pair, customer).records[0].set_aside
        other = add_synchronized(pair, name="Other")[0]
        assert offered(pair, customer, other).left_out(SEND) == {customer: Reason.SET_ASIDE}

        # It fails as before, but once is not twice.
        done = pair.workspace.synchronize_selected("CUSTOMER", [customer], SEND)
        assert done.run is not None
        assert outcomes(done.run) == {"failed": 1}
        assert skipped(pair) == set()

        refused.clear()
        assert outcomes(pair.synchronize(records=[account], direction="to")) == {"modified": 1}
        assert skipped(pair) == set()


# Asked for from the integration side.


def two_tables(**more: object) -> list[TableMapping]:
    """Customers and vendors, which both are accounts."""
    customers = mapping(integration_filter="statecode eq 0", **more)
    vendors = customer_mapping(name="VENDOR", integration_filter="statecode eq 1", fields=customers.fields)
    return [customers, vendors]


def test_an_account_becomes_the_record_of_the_mapping_that_takes_it() -> None:
    with MemoryPair(two_tables()) as pair:
        account = pair.integration.add("account", {"name": "Adatum", "statecode": 1})

        called = pair.workspace.synchronize_from_integration("account", account)

        assert (called.mapping, called.run.counters.inserted) == ("VENDOR", 1)
        assert pair.counterpart(account, INTEGRATION, "VENDOR") == called.local_id


def test_a_coupled_account_is_merged_with_its_record() -> None:
    with MemoryPair(two_tables(only_coupled=True)) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        account = pair.integration.add("account", {"name": "Adatum", "statecode": 0})
        pair.couple(customer, account)
        settle(pair)
        edit(pair, LOCAL, customer, FAXES, "7")
        edit(pair, INTEGRATION, account, NAMES, "There")

        called = pair.workspace.synchronize_from_integration("account", account)

        assert (called.mapping, called.local_id) == ("CUSTOMER", customer)
        assert pair.local.record("customers", customer)["displayName"] == "There"
        assert pair.integration.record("account", account)["fax"] == "7"


@pytest.mark.parametrize(
    ("given", "state", "why"),
    [
        ({"only_coupled": True}, 0, "CUSTOMER: it only keeps coupled records in step"),
        ({"direction": Direction.TO_INTEGRATION}, 0, "CUSTOMER: it does not go from the integration side"),
        ({}, 1, "CUSTOMER: the record is outside the filter of the mapping"),
    ],
    ids=["only coupled", "one way", "outside"],
)
def test_it_is_told_why_no_record_is_made(given: dict[str, object], state: int, why: str) -> None:
    rows = ONE_WAY.fields if "direction" in given else ()
    with MemoryPair(mapping(*rows, integration_filter="statecode eq 0", **given)) as pair:
        account = pair.integration.add("account", {"name": "Adatum", "statecode": state})
        with pytest.raises(CouplingRefused) as refused:
            pair.workspace.synchronize_from_integration("account", account)
        assert refused.value.cause == why
        assert pair.local.records("customers") == {}
        assert pair.workspace.list_jobs() == []


def test_tables_and_records_that_are_not_there_are_named(pair: MemoryPair) -> None:
    with pytest.raises(UnknownName, match="mapped table"):
        pair.workspace.synchronize_from_integration("accounts", "x")
    with pytest.raises(RecordNotFound, match="There is no record"):
        pair.workspace.synchronize_from_integration("account", "00000000-0000-4000-8000-000000000000")


def test_a_record_that_cannot_be_made_is_told_by_its_run() -> None:
    def refuse(table: str, values: object) -> str | None:
        return "no" if table == "customers" else None

    with MemoryPair(mapping(), local={"refuse": refuse}) as pair:
        account = pair.integration.add("account", {"name": "Adatum"})
        called = pair.workspace.synchronize_from_integration("account", account)
        assert called.local_id is None
        assert [error.message for error in called.run.errors] == ["no"]
