"""What the journal serves is the same on a store in PostgreSQL: telling, undoing, settling, stopping, erasing, forgetting."""

from __future__ import annotations

from datetime import timedelta

from twinrow.model.mapping import DeletePropagation
from twinrow.model.outcomes import Decision
from twinrow.testing.pair import MemoryPair, customer_mapping


def test_the_journal_serves_on_postgresql(postgres_url: str) -> None:
    mapping = customer_mapping(delete_propagation=DeletePropagation.TO)
    with MemoryPair(mapping, store=postgres_url, local={"deletes_in_feed": True}) as pair:
        ids = [pair.local.add("customers", {"displayName": name, "faxNo": "1"}) for name in ("A", "B", "C")]
        made = pair.synchronize()
        accounts = [str(pair.counterpart(id)) for id in ids]
        for id in ids:
            pair.local.edit("customers", id, faxNo="2", number=f"N{id[:4]}")
        changed = pair.synchronize()

        assert pair.workspace.undo(changed.id, plan=True).restored == 3
        undone = pair.workspace.undo(changed.id)
        assert (undone.restored, undone.refused) == (3, 0)
        assert pair.synchronize(full=True).counters.written == 0
        assert pair.workspace.undo(undone.undo_run).restored == 3
        assert pair.workspace.undo(made.id).refused == 3

        pair.local.remove("customers", ids[2])
        removed = pair.synchronize()
        (again,) = pair.workspace.undo(removed.id).changes
        assert again.new_id in pair.integration.records("account")
        assert again.new_id != accounts[2]

        pair.local.edit("customers", ids[0], website="a")
        pair.integration.edit("account", accounts[0], websiteurl="b")
        pair.synchronize()
        pair.workspace.resolve_conflicts(mapping="CUSTOMER", take="integration")
        assert pair.local.record("customers", ids[0])["website"] == "b"

        for _ in range(3):
            pair.local.edit("customers", ids[1], city="Köln")
            pair.synchronize()
            pair.integration.edit("account", accounts[1], address1_city="Cologne")
            last = pair.synchronize()
        assert {error.decision for error in last.errors} == {Decision.OSCILLATING}

        erased = pair.workspace.erase("CUSTOMER", ids[1])
        assert erased.writes > 2
        assert all(write.erased for write in pair.workspace.show_journal(record=ids[1]).writes)
        pair.workspace.keep_journal(1, jobs=1)
        pair.clock.advance(timedelta(days=2))
        pair.synchronize()
        assert pair.workspace.show_journal().writes == ()
