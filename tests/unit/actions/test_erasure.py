"""A person's data vanish from the store: nothing of it is found any more, not even in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.engine.match.people import People, people_pair

from twinrow.connectors.base import CreateKeys
from twinrow.model.errors import RecordNotFound, RetryError, UnknownName
from twinrow.model.sides import Side
from twinrow.store.frames import unpack_frame
from twinrow.store.tables import metadata
from twinrow.testing.hostile import Faults, Hostile
from twinrow.testing.pair import MemoryPair, customer_mapping

SECRET = "Ottilie Geheimnis"


def remembered(pair: MemoryPair, text: str) -> list[str]:
    """Return the tables in which a text is found, in columns or in what is packed in them."""
    found = []
    with pair.workspace.context.database.reading() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(table.select()):
                values = [str(unpack_frame(v).rows()) if k == "payload" else str(v) for k, v in row._mapping.items()]
                if any(text in value for value in values):
                    found.append(table.name)
    return sorted(set(found))


def refuse(table: str, values: object) -> str | None:
    return f"{SECRET} is not taken" if "refuse me" in str(values) else None


def full_of_it(pair: MemoryPair) -> tuple[str, str]:
    """Let the store remember the secret wherever it can."""
    customer = pair.local.add("customers", {"displayName": SECRET, "faxNo": "1", "website": "a"})
    pair.synchronize()
    account = str(pair.counterpart(customer))
    pair.local.edit("customers", customer, website=SECRET)
    undo = pair.synchronize().id
    pair.workspace.undo(undo)
    pair.local.edit("customers", customer, faxNo=SECRET[:20], addressLine1="refuse me")
    pair.integration.edit("account", account, fax=SECRET[::-1])
    pair.synchronize()
    return customer, account


def test_nothing_is_left_but_that_it_was_erased(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with MemoryPair(store=f"sqlite:///{file}", integration={"refuse": refuse}) as pair:
        other = pair.local.add("customers", {"displayName": "Contoso"})
        customer, account = full_of_it(pair)
        pair.local.edit("customers", customer, displayName=f"{SECRET} the second")
        pair.local.edit("customers", other, faxNo="2")
        plan = pair.workspace.make_plan("CUSTOMER")
        assert {"bases", "journal", "errors", "pending", "plan_batches", "undone"} <= set(remembered(pair, SECRET))
        pair.local.remove("customers", customer)
        pair.integration.remove("account", account)
        result = pair.workspace.erase("CUSTOMER", account)
        assert (result.uncoupled, result.there) == (True, ())
        assert result.writes >= 3
        assert remembered(pair, SECRET) == []
        assert remembered(pair, SECRET[::-1]) == []
        assert pair.counterpart(customer) is None
        erased = [write for write in pair.workspace.show_journal(limit=100).writes if write.erased]
        assert len(erased) == result.writes
        assert all(write.fields == () and set(write.records.values()) == {None} for write in erased)
        # The other record is told, and planned, as before.
        assert [record.records[Side.LOCAL] for record in pair.workspace.planned_records(plan.id)] == [other]
        (create,) = pair.workspace.show_journal(record=other).writes
        assert "Contoso" in {field.new for field in create.fields}
        pair.workspace.close()
        for part in tmp_path.iterdir():
            assert SECRET.encode() not in part.read_bytes(), part.name
        pair.reopen()


def test_a_record_that_is_there_stays_coupled_and_is_not_made_twice() -> None:
    with MemoryPair(integration={"refuse": refuse}) as pair:
        customer, account = full_of_it(pair)
        result = pair.workspace.erase("CUSTOMER", customer)
        assert (result.uncoupled, set(result.there)) == (False, set(Side))
        assert remembered(pair, SECRET) == []
        assert pair.counterpart(customer) == account
        assert [write.erased for write in pair.workspace.show_journal(record=customer).writes] == [True] * result.writes
        assert pair.workspace.undo(record=customer).restored == 0
        pair.synchronize(full=True)
        assert len(pair.integration.records("account")) == 1
        # As long as it is there, it is remembered again.
        assert remembered(pair, SECRET) != []


def test_equal_records_go_on_as_if_nothing_had_been() -> None:
    with MemoryPair() as pair:
        customer = pair.local.add("customers", {"displayName": SECRET})
        pair.synchronize()
        pair.workspace.erase("CUSTOMER", customer)
        assert pair.synchronize(full=True).counters.written == 0
        pair.local.edit("customers", customer, faxNo="1")
        assert pair.synchronize().counters.modified == 1
        assert pair.synchronize().counters.written == 0


def test_what_has_no_answer_yet_is_not_forgotten() -> None:
    with MemoryPair(integration={"create_keys": CreateKeys.NONE}) as pair:
        hostile = Hostile(pair.integration, Faults(late=1.0))
        pair.wrap(Side.INTEGRATION, hostile)
        customer = pair.local.add("customers", {"displayName": SECRET})
        pair.synchronize()
        with pytest.raises(RetryError, match="what became"):
            pair.workspace.erase("CUSTOMER", customer)
        hostile.calm()
        hostile.deliver()
        pair.clocks[Side.INTEGRATION].advance(pair.integration.request_lifetime)
        pair.synchronize()
        pair.workspace.erase("CUSTOMER", customer)
        assert remembered(pair, SECRET) == []


def test_a_record_of_which_nothing_is_known_is_told() -> None:
    with MemoryPair(customer_mapping()) as pair:
        pair.synchronize()
        with pytest.raises(RecordNotFound):
            pair.workspace.erase("CUSTOMER", "00000000-0000-0000-0000-000000000001")


def test_proposals_forget_the_values_but_not_what_was_said_of_the_pair() -> None:
    with people_pair() as pair:
        people = People(pair)
        people.both(60)
        pair.workspace.match_scored("PERSON", only_propose=True)
        first, second, *_ = pair.workspace.list_proposals("PERSON", limit=10)
        pair.workspace.reject_proposals([first.id])
        texts = [next(r.local for r in one.reasons if r.field == "phone=telephone") for one in (first, second)]
        for one, text in zip((first, second), texts, strict=True):
            assert remembered(pair, str(text)) == ["proposals"]
            pair.workspace.erase("PERSON", one.ids[Side.LOCAL])
            assert remembered(pair, str(text)) == []
        assert [one.id for one in pair.workspace.list_proposals("PERSON", state="rejected")] == [first.id]
        with pytest.raises(UnknownName):
            pair.workspace.show_proposal(second.id)
