"""Undo: what a run wrote is taken back, only where nobody has been since, and it stays so."""

from __future__ import annotations

from typing import Any

import pytest

from twinrow.actions.undo import UndoResult
from twinrow.connectors.base import CreateKeys
from twinrow.model.errors import ConfigurationError, RecordNotFound, UnknownName
from twinrow.model.mapping import DeletePropagation, Template
from twinrow.model.sides import Side
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import MemoryPair, customer_mapping


def changes(result: UndoResult) -> dict[str | None, tuple[Any, Any]]:
    return {change.field: (change.now, change.then) for change in result.changes}


def reasons(result: UndoResult) -> dict[str | None, str]:
    return {refusal.field: refusal.reason for refusal in result.refusals}


def coupled(pair: MemoryPair, **values: Any) -> tuple[str, str]:
    customer = pair.local.add("customers", {"displayName": "Adatum", **values})
    pair.synchronize()
    return customer, str(pair.counterpart(customer))


def is_settled(pair: MemoryPair) -> bool:
    """Whether neither a run nor a look at everything writes anything more."""
    return all(pair.synchronize(full=full).counters.written == 0 for full in (False, False, True))


def test_an_update_goes_back_and_stays_so_until_a_value_changes() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1", number="C1")
        pair.local.edit("customers", customer, faxNo="2", number="C2")
        run = pair.synchronize()
        result = pair.workspace.undo(run.id)
        assert changes(result) == {"fax": ("2", "1"), "accountnumber": ("C2", "C1")}
        assert (result.restored, result.refused) == (1, 0)
        assert is_settled(pair)
        # Another field of the record brings neither the bidirectional nor the one-way field with it.
        pair.local.edit("customers", customer, website="https://adatum.example")
        assert pair.synchronize().counters.modified == 1
        there = pair.integration.record("account", account)
        assert (there["fax"], there["accountnumber"], there["websiteurl"]) == ("1", "C1", "https://adatum.example")
        here = pair.local.record("customers", customer)
        assert (here["faxNo"], here["number"]) == ("2", "C2")
        # A new value is carried as ever.
        pair.local.edit("customers", customer, number="C3")
        pair.integration.edit("account", account, fax="4")
        pair.synchronize()
        assert pair.integration.record("account", account)["accountnumber"] == "C3"
        assert pair.local.record("customers", customer)["faxNo"] == "4"
        pair.local.edit("customers", customer, number="C1")
        pair.synchronize()
        assert pair.integration.record("account", account)["accountnumber"] == "C1"
        assert is_settled(pair)


def test_a_person_who_chooses_a_direction_has_chosen_otherwise() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1", number="C1")
        pair.local.edit("customers", customer, faxNo="2", number="C2")
        pair.workspace.undo(pair.synchronize().id)
        pair.synchronize(direction="to", records=[customer])
        there = pair.integration.record("account", account)
        assert (there["fax"], there["accountnumber"]) == ("2", "C2")
        assert is_settled(pair)


@pytest.mark.parametrize("checks", [True, False])
def test_what_has_moved_on_is_refused_by_name_and_the_rest_is_undone(checks: bool) -> None:
    with MemoryPair(integration={"version_checks": checks}) as pair:
        customer, account = coupled(pair, faxNo="1", website="a")
        pair.local.edit("customers", customer, faxNo="2", website="b", addressLine1="Am Markt 1", city="Bonn")
        run = pair.synchronize()
        pair.integration.edit("account", account, fax="3", address1_line1="Rathausplatz 1")
        result = pair.workspace.undo(run.id)
        assert changes(result) == {"websiteurl": ("b", "a")}
        assert set(reasons(result)) == {"fax", "address1_line1", "address1_city"}
        assert "has been changed since" in reasons(result)["fax"]
        assert "another field of its group" in reasons(result)["address1_city"]
        there = pair.integration.record("account", account)
        assert (there["fax"], there["websiteurl"], there["address1_city"]) == ("3", "a", "Bonn")
        told = pair.workspace.show_run(int(result.undo_run or 0))
        assert {error.field for error in told.errors} == {
            "faxNo=fax",
            "addressLine1=address1_line1",
            "city=address1_city",
        }
        assert told.counters.failed == 1
        # What a person changed meanwhile is carried, what was undone is not.
        pair.synchronize()
        here = pair.local.record("customers", customer)
        assert (here["faxNo"], here["website"], here["addressLine1"]) == ("3", "b", "Rathausplatz 1")


def test_both_directions_of_a_run_are_undone() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1", website="a")
        pair.local.edit("customers", customer, faxNo="2")
        pair.integration.edit("account", account, websiteurl="b")
        result = pair.workspace.undo(pair.synchronize().id)
        assert changes(result) == {"fax": ("2", "1"), "website": ("b", "a")}
        assert pair.local.record("customers", customer)["website"] == "a"
        assert pair.integration.record("account", account)["fax"] == "1"
        assert is_settled(pair)
        jobs = pair.workspace.show_run(int(result.undo_run or 0)).jobs
        assert {(job.type, job.modified) for job in jobs} == {("undo", 1)}


def test_an_undo_can_be_undone() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1")
        pair.local.edit("customers", customer, faxNo="2")
        undone = pair.workspace.undo(pair.synchronize().id)
        result = pair.workspace.undo(undone.undo_run)
        assert changes(result) == {"fax": ("1", "2")}
        assert pair.integration.record("account", account)["fax"] == "2"
        assert is_settled(pair)
        write = pair.workspace.show_journal(record=customer).writes[0]
        assert (write.asked, write.who) == (f"undo of run {undone.undo_run}", "local user")


def test_a_field_of_a_record() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1", website="a")
        pair.local.edit("customers", customer, faxNo="2", website="b")
        pair.synchronize()
        pair.local.edit("customers", customer, website="c")
        pair.synchronize()
        result = pair.workspace.undo(mapping="CUSTOMER", record=account, field="faxNo")
        assert changes(result) == {"fax": ("2", "1")}
        assert changes(pair.workspace.undo(record=customer)) == {"fax": ("1", "2")}
        assert changes(pair.workspace.undo(record=customer, field="websiteurl")) == {"websiteurl": ("c", "b")}
        with pytest.raises(RecordNotFound, match="no write"):
            pair.workspace.undo(record=customer, field="city 2")
        with pytest.raises(ConfigurationError, match="not said"):
            pair.workspace.undo()
        with pytest.raises(UnknownName):
            pair.workspace.undo(4711)


def test_what_the_system_changed_itself_goes_back_too() -> None:
    def clear_city(table: str, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
        if before is not None and values["fax"] != before["fax"] and values["websiteurl"] == before["websiteurl"]:
            return values | {"websiteurl": f"by fax {values['fax']}"}
        return values

    with MemoryPair(integration={"logic": clear_city}) as pair:
        customer, account = coupled(pair, faxNo="1", website="a")
        pair.local.edit("customers", customer, faxNo="2")
        run = pair.synchronize()
        assert pair.local.record("customers", customer)["website"] == "by fax 2"
        result = pair.workspace.undo(run.id)
        assert result.refused == 0
        there = pair.integration.record("account", account)
        assert (there["fax"], there["websiteurl"]) == ("1", "a")
        assert pair.local.record("customers", customer)["website"] == "a"
        assert is_settled(pair)


def test_a_record_that_was_made_is_deleted_and_not_made_again_until_someone_wants_it() -> None:
    template = Template(code="NEW", side=Side.INTEGRATION, values={"statecode": 1})
    with MemoryPair(customer_mapping(templates=(template,))) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        run = pair.synchronize()
        account = pair.counterpart(customer)
        plan = pair.workspace.undo(run.id, plan=True)
        assert (plan.undo_run, plan.removed, len(pair.integration.records("account"))) == (None, 1, 1)
        result = pair.workspace.undo(run.id)
        assert [(change.kind, change.label) for change in result.changes] == [("removed", "Adatum")]
        assert pair.integration.records("account") == {}
        assert pair.counterpart(customer) is None
        assert is_settled(pair)
        pair.local.edit("customers", customer, faxNo="1")
        assert pair.synchronize().counters.skipped == 1
        pair.workspace.retry_skipped("CUSTOMER")
        pair.synchronize()
        assert pair.counterpart(customer) not in (None, account)
        assert is_settled(pair)


@pytest.mark.parametrize(
    ("checks", "edit", "reason"),
    [
        (True, {"statecode": 1}, "it has been changed since it was made"),
        (False, {"fax": "3"}, "fax has been changed since it was made"),
        (True, {"fax": "3"}, "fax has been changed since it was made"),
    ],
)
def test_a_new_record_that_somebody_has_touched_stays(checks: bool, edit: dict[str, Any], reason: str) -> None:
    with MemoryPair(integration={"version_checks": checks}) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        run = pair.synchronize()
        pair.integration.edit("account", str(pair.counterpart(customer)), **edit)
        result = pair.workspace.undo(run.id)
        assert reasons(result) == {None: reason}
        assert pair.counterpart(customer) is not None


def test_a_record_is_made_and_changed_again_and_all_of_it_is_undone() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        made = pair.synchronize()
        pair.local.edit("customers", customer, faxNo="2")
        changed = pair.synchronize()
        assert reasons(pair.workspace.undo(made.id)) == {None: "fax has been changed since it was made"}
        pair.workspace.undo(changed.id)
        assert pair.workspace.undo(made.id).removed == 1
        assert pair.integration.records("account") == {}
        assert is_settled(pair)


@pytest.mark.parametrize("keys", list(CreateKeys))
def test_undoing_the_undo_of_a_new_record_makes_it_again(keys: CreateKeys) -> None:
    keys = CreateKeys.CHOSEN if keys is CreateKeys.PROPOSED else keys
    template = Template(code="NEW", side=Side.INTEGRATION, values={"statecode": 1})
    with MemoryPair(customer_mapping(templates=(template,)), integration={"create_keys": keys}) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        run = pair.synchronize()
        account = pair.counterpart(customer)
        undone = pair.workspace.undo(run.id)
        pair.synchronize()
        result = pair.workspace.undo(undone.undo_run)
        (change,) = result.changes
        assert change.kind == "made again"
        assert change.new_id == pair.counterpart(customer) != account
        made = pair.integration.record("account", str(change.new_id))
        assert (made["name"], made["fax"], made["statecode"]) == ("Adatum", "1", 1)
        assert is_settled(pair)
        pair.local.edit("customers", customer, faxNo="2")
        pair.synchronize()
        assert pair.integration.record("account", str(change.new_id))["fax"] == "2"


def test_a_deletion_that_was_carried_over_is_undone_under_a_new_id() -> None:
    with MemoryPair(
        customer_mapping(delete_propagation=DeletePropagation.BOTH), local={"deletes_in_feed": True}
    ) as pair:
        coupled(pair, displayName="Other")
        customer, account = coupled(pair, faxNo="1")
        pair.local.remove("customers", customer)
        run = pair.synchronize()
        assert run.counters.deleted == 1
        assert pair.workspace.undo(run.id, plan=True).made_again == 1
        result = pair.workspace.undo(run.id)
        (change,) = result.changes
        assert (change.kind, change.records[Side.INTEGRATION], change.records[Side.LOCAL]) == (
            "made again",
            account,
            customer,
        )
        made = pair.integration.records("account")
        assert change.new_id != account
        assert (made[str(change.new_id)]["name"], made[str(change.new_id)]["fax"]) == ("Adatum", "1")
        assert is_settled(pair)
        again = pair.workspace.undo(run.id)
        assert (again.made_again, again.refused) == (0, 1)
        assert "already" in again.refusals[0].reason
        assert len(pair.integration.records("account")) == 2
        assert len(pair.local.records("customers")) == 1
        pair.workspace.retry_skipped("CUSTOMER")
        pair.synchronize()
        assert len(pair.local.records("customers")) == 2
        assert is_settled(pair)


def test_a_record_that_was_marked_as_given_up_is_restored() -> None:
    mapping = customer_mapping(
        delete_propagation=DeletePropagation.TO, deactivation={"integration": {"statecode": 1, "fax": "gone"}}
    )
    with MemoryPair(mapping, local={"deletes_in_feed": True}) as pair:
        coupled(pair, displayName="Other")
        customer, account = coupled(pair, faxNo="1")
        pair.local.remove("customers", customer)
        run = pair.synchronize()
        assert pair.integration.record("account", account)["statecode"] == 1
        result = pair.workspace.undo(run.id)
        assert result.refused == 0
        there = pair.integration.record("account", account)
        assert (there["statecode"], there["fax"]) == (None, "1")
        assert is_settled(pair)


def test_a_plan_is_what_is_done() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1", website="a")
        pair.local.edit("customers", customer, faxNo="2", website="b")
        run = pair.synchronize()
        pair.integration.edit("account", account, websiteurl="c")
        plan = pair.workspace.undo(run.id, plan=True)
        done = pair.workspace.undo(run.id)
        assert plan.undo_run is None
        assert (plan.changes, plan.refusals, plan.restored) == (done.changes, done.refusals, done.restored)


def test_an_answer_that_is_lost_is_looked_for() -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1")
        pair.local.edit("customers", customer, faxNo="2")
        run = pair.synchronize()
        pair.wrap(Side.INTEGRATION, Hostile(pair.integration, Faults(lost=1.0)))
        result = pair.workspace.undo(run.id)
        assert (result.restored, result.refused) == (1, 0)
        assert pair.integration.record("account", account)["fax"] == "1"
        assert is_settled(pair)
        assert [write.asked for write in pair.workspace.show_journal(record=customer, limit=1).writes] == [
            f"undo of run {run.id}"
        ]


@pytest.mark.parametrize("arrives", [True, False])
def test_a_late_undo_is_waited_for(arrives: bool) -> None:
    with MemoryPair() as pair:
        customer, account = coupled(pair, faxNo="1")
        pair.local.edit("customers", customer, faxNo="2")
        run = pair.synchronize()
        hostile = Hostile(pair.integration, Faults(late=1.0))
        pair.wrap(Side.INTEGRATION, hostile)
        result = pair.workspace.undo(run.id)
        assert "no answer" in reasons(result)[None]
        hostile.calm()
        hostile._late, late = [], hostile._late
        # Meanwhile both passes leave the record alone: the value that may yet come must not be taken for a person's.
        pair.local.edit("customers", customer, website="b")
        assert pair.synchronize().counters.failed == 1
        assert reasons(pair.workspace.undo(run.id))[None].startswith("it is not known yet")
        if arrives:
            hostile._late = late
            hostile.deliver()
        else:
            pair.clocks[Side.INTEGRATION].advance(pair.integration.request_lifetime)
        pair.synchronize()
        pair.synchronize()
        there = pair.integration.record("account", account)
        assert (there["fax"], there["websiteurl"]) == ("1" if arrives else "2", "b")
        assert pair.local.record("customers", customer)["faxNo"] == "2"
        assert is_settled(pair)


def test_a_record_that_another_mapping_has_coupled_is_not_deleted() -> None:
    mappings = [customer_mapping(), customer_mapping(name="VENDOR", only_coupled=True)]
    with MemoryPair(mappings) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        run = pair.synchronize()
        pair.couple(customer, str(pair.counterpart(customer)), "VENDOR")
        assert reasons(pair.workspace.undo(run.id)) == {None: "it is coupled by another mapping"}


def test_records_of_one_run_are_undone_each_for_itself() -> None:
    with MemoryPair() as pair:
        moved, account = coupled(pair, displayName="Moved", faxNo="1")
        customer, _ = coupled(pair, faxNo="1", website="a")
        for id in (moved, customer):
            pair.local.edit("customers", id, faxNo="2")
        pair.local.edit("customers", customer, website="b")
        run = pair.synchronize()
        pair.integration.edit("account", account, fax="3")
        result = pair.workspace.undo(run.id)
        assert (result.restored, result.refused, result.unchanged) == (1, 1, 0)
        assert reasons(result) == {"fax": "it has been changed since"}
        assert sorted(str(values["fax"]) for values in pair.integration.records("account").values()) == ["1", "3"]
        told = pair.workspace.show_run(int(result.undo_run or 0))
        assert told.counters.balanced
