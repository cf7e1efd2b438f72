"""Going back to the standard set-up, comparing with a file, taking mappings out of use and removing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.standard import Standard
from tests.scenarios.world import add_pair, add_synchronized, customer_text, mapping, mapping_file, settle

from twinrow.model.errors import ConfigurationError, LeaseHeld, UnknownName
from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction
from twinrow.standard.files import standard_mappings
from twinrow.store.leases import take_lease, this_process
from twinrow.testing.pair import MemoryPair, customer_mapping, field


@pytest.fixture
def standard() -> Iterator[Standard]:
    with Standard(ownership="team") as made:
        yield made


def shown(standard: Standard, name: str = "CUSTOMER") -> TableMapping:
    return standard.pair.workspace.show_mapping(name)


def change(standard: Standard, name: str = "CUSTOMER", **values: Any) -> None:
    before = shown(standard, name)
    changed = before.model_copy(update=values)
    position = [one.name for one in standard.pair.workspace.list_table_mappings()].index(name)
    standard.pair.set_mapping(changed, position)


def test_a_reset_gives_mappings_their_standard_form_and_keeps_what_is_remembered(standard: Standard) -> None:
    workspace, before = standard.pair.workspace, shown(standard)
    standard.pair.local.add("customers", {"displayName": "Adatum", "number": "1"})
    standard.pair.synchronize("CUSTOMER", create=True)
    couplings, read_up_to = workspace.couplings("CUSTOMER"), workspace.status()
    assert couplings.height == 1
    foreign = FieldMapping(local="blocked", integration="statecode")
    change(standard, direction=Direction.TO_INTEGRATION, local_filter="", fields=(*before.fields, foreign))

    planned = workspace.plan_reset(["CUSTOMER"])
    assert shown(standard) != before, "planning changes nothing"
    done = workspace.reset_mappings(["CUSTOMER"])

    assert done == planned
    assert shown(standard) == before
    assert {(one.kind, one.place) for one in done.changes} == {
        ("changed", "direction"),
        ("changed", "local_filter"),
        ("removed", "fields blocked=statecode"),
    }
    assert workspace.couplings("CUSTOMER").equals(couplings)
    marks = {one.mapping: one.read_up_to for one in read_up_to}
    assert {one.mapping: one.read_up_to for one in workspace.status()} == marks
    assert sum(job.inserted + job.modified for job in standard.pair.synchronize("CUSTOMER").jobs) == 0


def test_a_field_of_your_own_comes_back_disabled(standard: Standard) -> None:
    own = FieldMapping(local="blocked", integration="statecode", user_defined=True)
    standard_rows = shown(standard).fields
    change(standard, fields=(*standard_rows, own))
    standard.pair.workspace.reset_mappings(["CUSTOMER"])
    assert shown(standard).fields == (*standard_rows, own.model_copy(update={"enabled": False}))
    assert standard.pair.workspace.reset_mappings(["CUSTOMER"]).changes == ()


def test_a_mapping_of_your_own_comes_back_disabled_and_does_not_run(standard: Standard) -> None:
    workspace = standard.pair.workspace
    own = shown(standard).model_copy(update={"name": "OWN", "user_defined": True})
    standard.pair.set_mapping(own, 9)
    done = workspace.reset_mappings()
    names = [one.name for one in workspace.list_table_mappings()]
    assert (set(done.standard), done.disabled) == (set(names) - {"OWN"}, ("OWN",))
    assert shown(standard, "OWN") == own.model_copy(update={"enabled": False})
    assert "OWN" not in {run.mapping for run in workspace.synchronize().runs}
    with pytest.raises(ConfigurationError, match="OWN is disabled"):
        workspace.synchronize("OWN")
    workspace.enable_mapping("OWN")
    assert "OWN" in {run.mapping for run in workspace.synchronize().runs}
    workspace.disable_mapping("OWN")
    assert not shown(standard, "OWN").enabled


def test_a_standard_mapping_that_was_removed_is_added_again(standard: Standard) -> None:
    workspace = standard.pair.workspace
    before = workspace.list_table_mappings()
    change(standard, fields=tuple(row for row in shown(standard).fields if "CONTACT" not in row.related_mapping))
    workspace.remove_mapping("CONTACT")
    done = workspace.reset_mappings()
    assert ("CONTACT", "added", "") in {(one.mapping, one.kind, one.place) for one in done.changes}
    assert workspace.list_table_mappings() == before


def test_what_cannot_be_reset_is_said(standard: Standard) -> None:
    with pytest.raises(UnknownName, match="CUSTOMERS"):
        standard.pair.workspace.reset_mappings(["CUSTOMERS"])
    with MemoryPair() as pair, pytest.raises(ConfigurationError, match="no standard mapping"):
        pair.workspace.reset_mappings()


def test_a_diff_tells_what_applying_a_file_would_change(tmp_path: Path) -> None:
    with MemoryPair(mapping()) as pair:
        before = pair.workspace.show_mapping("CUSTOMER")
        text = customer_text("""
      - {local: displayName, integration: name, on_loss: refuse}
      - {local: website, integration: websiteurl, on_loss: overwrite}
""") + customer_text("[{local: number, integration: accountnumber, on_loss: overwrite}]", "OTHER")
        found = pair.workspace.diff_mapping_files(mapping_file(tmp_path, text))
        assert [(one.mapping, one.kind, one.place, one.before, one.after) for one in found] == [
            ("CUSTOMER", "changed", "fields displayName=name on_loss", "overwrite", "refuse"),
            (
                "CUSTOMER",
                "added",
                "fields website=websiteurl",
                None,
                {"local": "website", "integration": "websiteurl", "on_loss": "overwrite"},
            ),
            (
                "CUSTOMER",
                "removed",
                "fields faxNo=fax",
                {"local": "faxNo", "integration": "fax", "on_loss": "overwrite"},
                None,
            ),
            ("OTHER", "added", "", None, None),
        ]
        assert pair.workspace.show_mapping("CUSTOMER") == before


def test_fields_in_another_order_are_a_difference(tmp_path: Path) -> None:
    with MemoryPair(mapping()) as pair:
        text = customer_text("""
      - {local: faxNo, integration: fax, on_loss: overwrite}
      - {local: displayName, integration: name, on_loss: overwrite}
""")
        path = mapping_file(tmp_path, text)
        (found,) = pair.workspace.diff_mapping_files(path)
        assert (found.place, found.after) == ("fields", "written in another order")
        pair.workspace.apply_mappings(path)
        assert pair.workspace.diff_mapping_files(path) == []


@pytest.mark.scenario("B041")
def test_removing_a_mapping_leaves_the_fields_of_others() -> None:
    one = [mapping(field("displayName", "name"), name=name) for name in ("X", "Y")]
    with MemoryPair(one) as pair:
        pair.workspace.remove_mapping("X")
        (left,) = pair.workspace.list_table_mappings()
        assert (left.name, len(left.fields)) == ("Y", 1)


def test_a_mapping_with_couplings_is_removed_only_knowingly_and_wholly() -> None:
    with MemoryPair([mapping(), customer_mapping(name="OTHER", fields=(field("number", "accountnumber"),))]) as pair:
        customer, account = add_synchronized(pair)
        pair.local.edit("customers", customer, faxNo="2")
        pair.integration.edit("account", account, fax="3")
        pair.synchronize()
        pair.workspace.verify("CUSTOMER")
        records = pair.local.records("customers"), pair.integration.records("account")
        with pytest.raises(ConfigurationError, match="1 couplings"):
            pair.workspace.remove_mapping("CUSTOMER")

        assert pair.workspace.remove_mapping("CUSTOMER", forget_couplings=True) == 1

        assert (pair.local.records("customers"), pair.integration.records("account")) == records
        with pair.workspace.context.database.reading() as connection:
            for table in (
                "couplings",
                "bases",
                "journal",
                "journal_records",
                "conflicts",
                "jobs",
                "watermarks",
                "shapes",
            ):
                assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0, table
        # Applied again, it begins anew.
        pair.set_mapping(mapping())
        assert pair.workspace.couplings("CUSTOMER").is_empty()
        add_pair(pair, "Fabrikam")
        settle(pair)


def test_a_mapping_to_which_others_refer_is_not_removed(standard: Standard) -> None:
    with pytest.raises(ConfigurationError, match="refer to records of CURRENCY"):
        standard.pair.workspace.remove_mapping("CURRENCY")


def test_a_mapping_that_runs_is_not_removed() -> None:
    with MemoryPair(mapping()) as pair:
        context = pair.workspace.context
        with context.database.transaction() as connection:
            take_lease(connection, context.mapping("CUSTOMER").id, None, this_process())
        with pytest.raises(LeaseHeld):
            pair.workspace.remove_mapping("CUSTOMER")


def test_every_standard_mapping_is_enabled() -> None:
    assert all(one.enabled for one in standard_mappings())
