"""Records that somebody has merged into another one of the same system are told of, and not followed blindly."""

from __future__ import annotations

from twinrow.model.sides import Side
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.pair import ACCOUNTS, MemoryPair

MERGING = Table("account", "accountid", {**ACCOUNTS.fields, "masterid": Field("masterid", FieldType.REFERENCE)})


def test_a_merged_record_is_told_of_until_somebody_acts() -> None:
    with MemoryPair(integration_tables=[MERGING], integration={"merged_into": "masterid"}) as pair:
        ids = [pair.local.add("customers", {"displayName": name}) for name in ("Kept", "Merged")]
        pair.synchronize()
        pair.synchronize()
        kept, merged = (str(pair.counterpart(id)) for id in ids)
        pair.integration.edit("account", merged, masterid=kept, statecode=1, name="Merged, and changed")
        run = pair.synchronize()
        (error,) = run.errors
        assert error.source_id == merged
        assert f"merged into {kept}" in error.message
        assert pair.local.record("customers", ids[1])["displayName"] == "Merged"
        pair.synchronize()
        (waiting,) = pair.workspace.list_pending()
        assert waiting.skipped
        assert pair.synchronize().counters.failed == 0


def test_a_master_is_a_record_like_others() -> None:
    with MemoryPair(integration_tables=[MERGING], integration={"merged_into": "masterid"}) as pair:
        id = pair.local.add("customers", {"displayName": "Kept"})
        pair.synchronize()
        pair.integration.edit("account", str(pair.counterpart(id)), name="Edited")
        run = pair.synchronize()
        assert run.counters.failed == 0
        assert pair.system(Side.LOCAL).record("customers", id)["displayName"] == "Edited"
