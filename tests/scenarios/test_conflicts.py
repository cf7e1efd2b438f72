"""Both sides changed: what counts as a conflict, who wins, and that nothing is lost where nobody does.

Scenarios are told for whole records, as the original sees conflicts (`conflict_scope: record`); fields that merge stand at the
end.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.world import (
    FAX,
    FAXED,
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    NAMED,
    ONE_WAY,
    PAGE,
    PAGED,
    TO,
    add_pair,
    add_synchronized,
    compatible,
    edit,
    job,
    mapping,
    open_failures,
    outcomes,
    skipped,
    value,
)
from twinrow.model.mapping import FieldMapping, TableMapping, UpdateConflict
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Direction, Pass, Side
from twinrow.testing.pair import MemoryPair, field

BOTH_WAYS = pytest.mark.parametrize("pass_", [TO, FROM], ids=["to", "from"])


def only(pass_: Pass) -> dict[str, Any]:
    """Return what makes a mapping run in one direction."""
    return {"direction": ONE_WAY[pass_]}


def both(pair: MemoryPair, ids: dict[Side, str], names: dict[Side, str]) -> tuple[Any, Any]:
    return value(pair, LOCAL, ids[LOCAL], names), value(pair, INTEGRATION, ids[INTEGRATION], names)


def coupled(pair: MemoryPair, **values: str) -> dict[Side, str]:
    return dict(zip((LOCAL, INTEGRATION), add_synchronized(pair, **values), strict=True))


@pytest.mark.scenario("A016")
@BOTH_WAYS
@pytest.mark.parametrize("rows_one_way", [True, False], ids=["fields one way too", "fields both ways"])
def test_a_one_way_mapping_knows_no_conflict(pass_: Pass, rows_one_way: bool) -> None:
    rows = [row.model_copy(update=only(pass_)) if rows_one_way else row for row in (NAMED, FAXED)]
    with MemoryPair(compatible(*rows, **only(pass_))) as pair:
        ids = coupled(pair)
        edit(pair, pass_.source, ids[pass_.source], NAME, "from the source")
        edit(pair, pass_.destination, ids[pass_.destination], NAME, "at the destination")

        run = pair.synchronize()

        assert [one.direction for one in run.jobs] == [pass_.value]
        assert outcomes(run) == {"modified": 1}
        assert run.errors == run.conflicts == ()
        assert both(pair, ids, NAME) == ("from the source", "from the source")


@pytest.mark.scenario("A024")
@pytest.mark.parametrize(("pass_", "winner"), [(TO, "2"), (FROM, "3")], ids=["to", "from"])
def test_a_one_way_field_changed_on_both_sides_is_no_conflict(pass_: Pass, winner: str) -> None:
    fax = FAXED.model_copy(update=only(pass_))
    with MemoryPair(compatible(NAMED, fax)) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], FAX, "3")

        run = pair.synchronize()

        assert job(run, pass_).modified == 1
        assert job(run, pass_).failed == 0
        assert run.errors == run.conflicts == ()
        assert both(pair, ids, FAX) == (winner, winner)


@pytest.mark.scenario("A025")
@BOTH_WAYS
def test_different_fields_of_one_record_conflict_where_records_are_the_scope(pass_: Pass) -> None:
    with MemoryPair(compatible(NAMED, FAXED, PAGED)) as pair:
        ids = coupled(pair, page="https://old")
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], PAGE, "https://new")

        run = pair.synchronize()

        done = job(run, pass_)
        assert outcomes(done) == {"failed": 1}
        assert done.modified == done.unchanged == 0
        assert any(error.pass_ is pass_ for error in run.errors)
        assert both(pair, ids, FAX) == ("2", "1")
        assert both(pair, ids, PAGE) == ("https://old", "https://new")


@pytest.mark.scenario("A026")
@BOTH_WAYS
@pytest.mark.parametrize("of", [compatible, mapping], ids=["by record", "by field"])
def test_one_field_changed_on_both_sides_conflicts(pass_: Pass, of: Any) -> None:
    with MemoryPair(of()) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], FAX, "3")

        run = pair.synchronize()

        done = job(run, pass_)
        assert outcomes(done) == {"failed": 1}
        (error,) = [error for error in run.errors if error.pass_ is pass_]
        assert error.decision is Decision.CONFLICT
        assert error.field == "faxNo=fax"
        for word in ("faxNo", "fax", "local", "integration", "changed"):
            assert word in error.message
        assert both(pair, ids, FAX) == ("2", "3")


@pytest.mark.scenario("A027")
@pytest.mark.parametrize(
    ("pass_", "policy", "winner"),
    [(TO, UpdateConflict.SEND, "2"), (FROM, UpdateConflict.GET, "3")],
    ids=["to: the update is sent", "from: the update is got"],
)
@pytest.mark.parametrize("of", [compatible, mapping], ids=["by record", "by field"])
def test_the_policy_of_the_mapping_settles_conflicts(pass_: Pass, policy: UpdateConflict, winner: str, of: Any) -> None:
    with MemoryPair(of(update_conflict_resolution=policy)) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], FAX, "3")

        run = pair.synchronize()

        done = job(run, pass_)
        assert outcomes(done) == {"modified": 1}
        assert done.unchanged == done.failed == 0
        assert run.errors == run.conflicts == ()
        assert both(pair, ids, FAX) == (winner, winner)


# Which differences count (A032): the flags that a comparison raises show in what a run makes of the record.

TAGGED = field("phoneNumber", "telephone1")
TAG = {LOCAL: "phoneNumber", INTEGRATION: "telephone1"}
ONE_WAY_NAME = NAMED.model_copy(update=only(TO))


def flag_mapping(tag: FieldMapping | None) -> TableMapping:
    return compatible(ONE_WAY_NAME, *([tag] if tag else []))


@pytest.mark.scenario("A032")
@pytest.mark.parametrize(
    ("tag", "altered", "any_field", "both_ways_field"),
    [
        (None, False, False, False),
        (TAGGED.model_copy(update=only(TO)), True, True, False),
        (TAGGED.model_copy(update=only(TO)), False, False, False),
        (TAGGED, True, True, True),
        (TAGGED, False, False, False),
    ],
    ids=["unmapped", "one way, altered", "one way", "both ways, altered", "both ways"],
)
def test_only_a_field_that_goes_both_ways_can_make_a_conflict(
    tag: FieldMapping | None, altered: bool, any_field: bool, both_ways_field: bool
) -> None:
    with MemoryPair(flag_mapping(tag)) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "phoneNumber": "7"})
        account = pair.integration.add("account", {"name": "Other", "telephone1": "1"})
        pair.couple(customer, account, use="local")
        everything = pair.synchronize(direction="to", unconditional=True)
        # Everything is copied the first time, and nothing of that is a conflict.
        assert outcomes(job(everything, TO)) == {"modified": 1}
        pair.synchronize()
        if altered:
            pair.integration.edit("account", account, telephone1="8")

        differences = pair.synchronize(full=True, direction="to")

        assert outcomes(job(differences, TO)) == ({"modified": 1} if any_field else {"unchanged": 1})
        pair.synchronize()
        assert pair.synchronize().counters.read == 0

        # The same once more, the source being newer as well: now it shows whether the difference is one of both directions.
        pair.local.edit("customers", customer, displayName="Adatum Corporation")
        if altered:
            pair.integration.edit("account", account, telephone1="9")
        else:
            pair.integration.touch("account", account)
        run = pair.synchronize()
        assert outcomes(job(run, TO)) == ({"failed": 1} if both_ways_field else {"modified": 1})
        conflicts = [error for error in run.errors if error.decision is Decision.CONFLICT and error.pass_ is TO]
        assert len(conflicts) == (1 if both_ways_field else 0)


@pytest.mark.scenario("A122")
def test_a_conflict_of_a_single_record_is_told_with_its_direction() -> None:
    with MemoryPair(compatible()) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], NAME, "Item here")
        edit(pair, INTEGRATION, ids[INTEGRATION], NAME, "Item there")

        run = pair.synchronize(records=[ids[LOCAL]])

        done = job(run, TO)
        assert outcomes(done) == {"failed": 1}
        assert done.modified == 0
        (error,) = [error for error in run.errors if error.pass_ is TO]
        assert error.job_id == done.id
        assert (error.source_id, error.destination_id) == (ids[LOCAL], ids[INTEGRATION])
        assert open_failures(pair)[TO, ids[LOCAL]] == error.message
        assert both(pair, ids, NAME) == ("Item here", "Item there")


@pytest.mark.scenario("A123")
@BOTH_WAYS
def test_a_change_at_the_destination_only_is_left_alone(pass_: Pass) -> None:
    with MemoryPair(compatible(**only(pass_))) as pair:
        ids = coupled(pair)
        edit(pair, pass_.destination, ids[pass_.destination], NAME, "changed there")

        run = pair.synchronize(records=[ids[pass_.source]])

        assert [one.direction for one in run.jobs] == [pass_.value]
        assert outcomes(run) == {"unchanged": 1}
        assert value(pair, pass_.destination, ids[pass_.destination], NAME) == "changed there"
        assert open_failures(pair) == {}
        assert run.errors == ()
        assert skipped(pair) == set()


# Fields as the scope: what the original takes for a conflict merges.


@BOTH_WAYS
def test_different_fields_of_one_record_merge(pass_: Pass) -> None:
    with MemoryPair(mapping(NAMED, FAXED, PAGED)) as pair:
        ids = coupled(pair, page="https://old")
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], PAGE, "https://new")

        run = pair.synchronize()

        assert job(run, pass_).modified == 1
        assert run.succeeded
        assert both(pair, ids, FAX) == ("2", "2")
        assert both(pair, ids, PAGE) == ("https://new", "https://new")


def test_beside_a_conflict_the_other_fields_are_carried() -> None:
    with MemoryPair(mapping()) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], FAX, "3")
        edit(pair, LOCAL, ids[LOCAL], NAME, "Adatum Corporation")

        run = pair.synchronize()

        assert job(run, TO).failed == 1
        assert both(pair, ids, NAME) == ("Adatum Corporation", "Adatum Corporation")
        assert both(pair, ids, FAX) == ("2", "3")
        (conflict,) = run.conflicts
        assert (conflict.local_value, conflict.integration_value) == ("2", "3")


@pytest.mark.parametrize("of", [compatible, mapping], ids=["by record", "by field"])
def test_the_value_that_loses_is_in_the_journal(of: Any) -> None:
    from sqlalchemy import func, select

    from twinrow.store.tables import journal

    with MemoryPair(of(update_conflict_resolution=UpdateConflict.SEND)) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], FAX, "3")
        run = pair.synchronize()
        with pair.workspace.context.database.reading() as connection:
            entries = connection.execute(select(func.count()).where(journal.c.run_id == run.id)).scalar_one()
        assert entries == 1


def test_equal_edits_on_both_sides_are_no_conflict() -> None:
    with MemoryPair(mapping()) as pair:
        ids = coupled(pair)
        edit(pair, LOCAL, ids[LOCAL], FAX, "2")
        edit(pair, INTEGRATION, ids[INTEGRATION], FAX, "2")

        run = pair.synchronize()

        assert run.succeeded
        assert run.counters.modified == 0
        assert both(pair, ids, FAX) == ("2", "2")


def test_a_pair_that_never_was_equal_is_a_conflict_until_somebody_says_who_wins() -> None:
    with MemoryPair(mapping(direction=Direction.BIDIRECTIONAL)) as pair:
        customer, account = add_pair(pair)
        pair.integration.edit("account", account, name="Other")
        assert pair.synchronize().counters.failed == 2
        pair.synchronize(records=[customer], direction="to")
        assert pair.integration.record("account", account)["name"] == "Adatum"
        assert pair.synchronize().succeeded
