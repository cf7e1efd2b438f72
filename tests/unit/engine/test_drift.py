"""Fields that are gone or of another type than when the mapping last ran: found before the run writes anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from twinrow.model.errors import ConfigurationError, TwinrowError
from twinrow.model.mapping import SchemaDrift
from twinrow.model.tables import Field, FieldType, Table
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping, field

FIELDS = (field("displayName", "name"), field("city", "address1_city"), field("faxNo", "fax"))


def reshaped(table: Table, name: str, now: Field | None) -> Table:
    """The table with one field replaced, or without it."""
    fields = {key: one for key, one in table.fields.items() if key != name}
    return replace(table, fields=fields | ({name: now} if now is not None else {}))


INTEGER = Field("fax", FieldType.INTEGER)


@pytest.fixture
def pair() -> Iterator[MemoryPair]:
    with MemoryPair(customer_mapping(fields=FIELDS, schema_drift=SchemaDrift.STOP)) as made:
        for name in ("Adatum", "Fabrikam"):
            made.local.add("customers", {"displayName": name, "city": "Oslo", "faxNo": "5"})
        made.synchronize()
        made.synchronize()
        yield made


def drift_policy(pair: MemoryPair, policy: SchemaDrift) -> None:
    pair.set_mapping(customer_mapping(fields=FIELDS, schema_drift=policy))


def change_type(pair: MemoryPair) -> None:
    """The column fax has become a number on the integration side; its values stay what they say."""
    pair.integration.reshape(reshaped(ACCOUNTS, "fax", INTEGER))
    for account, values in pair.integration.records("account").items():
        pair.integration.edit("account", account, by="migration", fax=int(values["fax"]))


def names(pair: MemoryPair) -> list[str]:
    return sorted(str(one["name"]) for one in pair.integration.records("account").values())


def rename(pair: MemoryPair) -> None:
    first = min(pair.local.records("customers").items(), key=lambda one: one[1]["displayName"])[0]
    pair.local.edit("customers", first, displayName="Renamed")


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "another type"])
def test_a_run_stops_by_name_and_writes_nothing(pair: MemoryPair, gone: bool) -> None:
    if gone:
        pair.integration.reshape(reshaped(ACCOUNTS, "fax", None))
    else:
        change_type(pair)
    rename(pair)
    for _ in range(2):
        with pytest.raises(ConfigurationError) as stopped:
            pair.synchronize()
        assert "The tables of CUSTOMER are not as they were" in str(stopped.value)
        assert ("fax of account is gone" if gone else "fax of account was text and is integer") in str(stopped.value)
        assert stopped.value.field == "faxNo=fax"
    assert names(pair) == ["Adatum", "Fabrikam"]
    newest = pair.workspace.list_jobs()[0]
    assert (newest.state, newest.read) == ("failed", 0)
    assert [one.severity for one in pair.workspace.check_connection() if one.field == "faxNo=fax"] == ["error"]


def test_an_accepted_type_begins_anew_and_writes_nothing_that_is_equal(pair: MemoryPair) -> None:
    change_type(pair)
    rename(pair)
    (accepted,) = pair.workspace.accept_schema("CUSTOMER")
    assert str(accepted) == "fax of account was text and is integer"
    assert pair.workspace.list_drift("CUSTOMER") == []

    first = pair.synchronize()

    assert [job.modified for job in first.jobs] == [1, 0]
    assert first.errors == first.conflicts == ()
    assert names(pair) == ["Fabrikam", "Renamed"]
    assert all(job.modified == 0 for job in pair.synchronize().jobs)
    customer = min(pair.local.records("customers"))
    pair.local.edit("customers", customer, faxNo="77")
    pair.synchronize()
    assert 77 in [one["fax"] for one in pair.integration.records("account").values()]


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "another type"])
def test_a_run_goes_on_without_the_field_where_the_mapping_says_so(pair: MemoryPair, gone: bool) -> None:
    drift_policy(pair, SchemaDrift.WITHOUT_FIELD)
    if gone:
        pair.integration.reshape(reshaped(ACCOUNTS, "fax", None))
    else:
        change_type(pair)
    rename(pair)
    customer = max(pair.local.records("customers"))
    pair.local.edit("customers", customer, faxNo="99")

    run = pair.synchronize()

    assert run.errors == ()
    assert names(pair) == ["Fabrikam", "Renamed"]
    assert [one["faxNo"] for one in pair.local.records("customers").values()].count("99") == 1
    if not gone:
        assert [one["fax"] for one in pair.integration.records("account").values()] == [5, 5]
    assert all(job.modified == 0 for job in pair.synchronize().jobs)

    # As it was: it is carried again.
    pair.integration.reshape(ACCOUNTS)
    for account in pair.integration.records("account"):
        pair.integration.edit("account", account, by="migration", fax="5")
    pair.synchronize()
    assert pair.workspace.list_drift("CUSTOMER") == []
    assert [one.field for one in pair.workspace.list_conflicts("CUSTOMER")] == ["faxNo=fax"]


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "another type"])
def test_in_quarantine_everything_that_would_be_written_is_listed_and_nothing_is(pair: MemoryPair, gone: bool) -> None:
    drift_policy(pair, SchemaDrift.QUARANTINE)
    if gone:
        pair.integration.reshape(reshaped(ACCOUNTS, "fax", None))
    else:
        change_type(pair)
    rename(pair)
    pair.local.add("customers", {"displayName": "New", "city": "Bergen", "faxNo": "7"})
    before = (pair.local.records("customers"), pair.integration.records("account"))

    for _ in range(3):
        run = pair.synchronize()
        to = run.jobs[0]
        assert (to.failed, to.modified, to.inserted, to.skipped) == (2, 0, 0, 0)
        assert {error.field for error in run.errors} == {"faxNo=fax"}
        assert all("nothing is written while fax is not as it was" in error.message for error in run.errors)
        assert (pair.local.records("customers"), pair.integration.records("account")) == before

    if gone:
        pair.integration.reshape(ACCOUNTS)
        for account in pair.integration.records("account"):
            pair.integration.edit("account", account, by="migration", fax="5")
    else:
        pair.workspace.accept_schema("CUSTOMER")
    pair.synchronize()
    assert names(pair) == ["Fabrikam", "New", "Renamed"]
    assert pair.workspace.list_pending("CUSTOMER") == []


def test_a_field_that_never_was_there_is_a_mistake_of_the_mapping_whatever_it_says_of_drift() -> None:
    fields = [*FIELDS, field("website", "webaddress")]
    with MemoryPair(customer_mapping(fields=fields, schema_drift=SchemaDrift.WITHOUT_FIELD)) as made:
        made.local.add("customers", {"displayName": "Adatum"})
        with pytest.raises(TwinrowError, match="webaddress"):
            made.synchronize()


def test_a_filter_on_a_field_that_is_gone_stops_a_run_in_any_case(pair: MemoryPair) -> None:
    mapping = customer_mapping(fields=FIELDS, schema_drift=SchemaDrift.WITHOUT_FIELD, local_filter="city eq 'Oslo'")
    pair.set_mapping(mapping)
    pair.synchronize()
    pair.local.reshape(reshaped(CUSTOMERS, "city", None))
    with pytest.raises(ConfigurationError, match="The local_filter of CUSTOMER does not fit"):
        pair.synchronize()
    assert names(pair) == ["Adatum", "Fabrikam"]


def test_fields_that_are_not_mapped_may_change(pair: MemoryPair) -> None:
    pair.integration.reshape(reshaped(ACCOUNTS, "websiteurl", None))
    pair.local.reshape(reshaped(CUSTOMERS, "faxNo", Field("faxNo", FieldType.TEXT, max_length=99, nullable=False)))
    rename(pair)
    assert pair.synchronize().errors == ()
    assert names(pair) == ["Fabrikam", "Renamed"]
