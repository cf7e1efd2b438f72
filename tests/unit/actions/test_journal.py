"""The journal tells every write: what was there before, what is there now, and why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twinrow.actions.journal import Write
from twinrow.connectors.base import CreateKeys
from twinrow.model.errors import ConfigurationError
from twinrow.model.mapping import Template
from twinrow.model.outcomes import Decision
from twinrow.model.sides import Side
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import MemoryPair, customer_mapping


def changes(write: Write) -> dict[str, tuple[object, object]]:
    return {field.name: (field.old, field.new) for field in write.fields}


def test_an_update_is_told_with_both_values() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        pair.synchronize()
        pair.local.edit("customers", customer, faxNo="2")
        run = pair.synchronize()
        update, create = pair.workspace.show_journal("CUSTOMER").writes
        assert (update.kind, update.side, update.run) == ("update", Side.INTEGRATION, run.id)
        assert update.decision is Decision.SOURCE_CHANGED
        assert update.records == {Side.LOCAL: customer, Side.INTEGRATION: pair.counterpart(customer)}
        assert changes(update) == {"fax": ("1", "2")}
        assert create.kind == "create"
        assert changes(create)["name"] == (None, "Adatum")


def test_what_the_system_changed_itself_and_what_a_template_filled_in_are_told() -> None:
    template = Template(code="NEW", side=Side.INTEGRATION, values={"statecode": 1, "fax": "none"})

    def shout(table: str, values: dict[str, object], before: dict[str, object] | None) -> dict[str, object]:
        return values | {"address1_city": "BERLIN"} if before else values

    with MemoryPair(customer_mapping(templates=(template,)), integration={"logic": shout}) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1", "city": "Bonn"})
        pair.synchronize()
        (create,) = pair.workspace.show_journal("CUSTOMER", run=1).writes[-1:]
        told = changes(create)
        assert (told["statecode"], told["fax"]) == ((None, 1), (None, "none"))
        pair.local.edit("customers", customer, website="https://adatum.example")
        run = pair.synchronize()
        update = next(w for w in pair.workspace.show_journal(run=run.id).writes if w.side is Side.INTEGRATION)
        assert changes(update) == {"websiteurl": (None, "https://adatum.example"), "address1_city": ("Bonn", "BERLIN")}


def test_one_record_one_field_one_run() -> None:
    with MemoryPair() as pair:
        ids = [pair.local.add("customers", {"displayName": name}) for name in ("Adatum", "Contoso")]
        pair.synchronize()
        pair.local.edit("customers", ids[0], faxNo="1", city="Bonn")
        run = pair.synchronize()
        account = pair.counterpart(ids[0])
        by_account = pair.workspace.show_journal(record=account).writes
        assert by_account == pair.workspace.show_journal(record=ids[0]).writes
        assert [write.kind for write in by_account] == ["update", "create"]
        (fax,) = pair.workspace.show_journal(record=ids[0], field="faxNo", run=run.id).writes
        assert changes(fax) == {"fax": (None, "1")}
        assert pair.workspace.show_journal(record="00000000-0000-0000-0000-000000000001").writes == ()


def test_the_journal_is_read_page_by_page() -> None:
    with MemoryPair() as pair:
        for number in range(5):
            pair.local.add("customers", {"displayName": f"{number}"})
        pair.synchronize()
        pair.local.add("customers", {"displayName": "5"})
        pair.synchronize()
        names: list[object] = []
        after = None
        while True:
            page = pair.workspace.show_journal(limit=2, after=after)
            names += [changes(write)["name"][1] for write in page.writes]
            after = page.next
            if after is None:
                break
        assert names == ["5", "0", "1", "2", "3", "4"]
        with pytest.raises(ConfigurationError, match="no number of a write"):
            pair.workspace.show_journal(after="yesterday")


@pytest.mark.parametrize("keys", [CreateKeys.CHOSEN, CreateKeys.MARK])
def test_what_was_carried_out_without_an_answer_is_told_too(keys: CreateKeys) -> None:
    with MemoryPair(integration={"create_keys": keys}) as pair:
        hostile = Hostile(pair.integration, Faults(lost=1.0))
        pair.wrap(Side.INTEGRATION, hostile)
        customer = pair.local.add("customers", {"displayName": "Adatum", "faxNo": "1"})
        pair.synchronize()
        pair.synchronize()  # a mark is looked for by the next run
        (create,) = pair.workspace.show_journal(record=customer).writes
        assert (create.kind, create.decision) == ("create", Decision.INDETERMINATE)
        assert changes(create)["name"] == (None, "Adatum")
        pair.local.edit("customers", customer, faxNo="2")
        pair.synchronize()
        update = pair.workspace.show_journal(record=customer).writes[0]
        assert changes(update)["fax"] == ("1", "2")
        assert pair.synchronize().counters.written == 0
        assert len(pair.workspace.show_journal().writes) == 2


def test_a_record_that_is_not_coupled_any_more_has_its_history() -> None:
    with MemoryPair(customer_mapping(deletion_conflict_resolution="remove_coupling")) as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        pair.synchronize()
        account = str(pair.counterpart(customer))
        pair.integration.remove("account", account)
        pair.local.edit("customers", customer, faxNo="1")
        pair.synchronize(records=[customer])
        assert pair.counterpart(customer) is None
        assert [write.kind for write in pair.workspace.show_journal(record=account).writes] == ["create"]


def test_old_writes_and_jobs_are_forgotten_when_the_store_is_told_so() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": "Adatum"})
        first = pair.synchronize()
        with pytest.raises(ConfigurationError, match="for ever"):
            pair.workspace.prune_journal()
        pair.workspace.keep_journal(30, jobs=60)
        assert pair.workspace.show_retention().journal == timedelta(days=30)
        pair.clock.advance(timedelta(days=31))
        pair.local.edit("customers", customer, faxNo="1")
        pair.synchronize()
        assert [write.kind for write in pair.workspace.show_journal().writes] == ["update"]
        assert first.id in {job.id for job in pair.workspace.list_jobs()}
        pair.clock.advance(timedelta(days=31))
        pair.synchronize()
        jobs = {job.id for job in pair.workspace.list_jobs()}
        assert not jobs & {job.id for job in first.jobs}
        assert len(jobs) == 4
        assert pair.workspace.prune_journal(0) == 0
        pair.local.edit("customers", customer, faxNo="2")
        pair.synchronize()
        pair.clock.advance(timedelta(seconds=1))
        assert pair.workspace.prune_journal(0) == 1
        assert pair.workspace.show_journal().writes == ()
