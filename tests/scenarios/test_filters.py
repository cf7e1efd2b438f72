"""Filters say which records take part; only coupled records may be meant; templates complete new ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from tests.scenarios.conftest import Register
from tests.scenarios.world import (
    FROM,
    INTEGRATION,
    LOCAL,
    NAME,
    ONE_WAY,
    TABLES,
    TO,
    Probe,
    add_synchronized,
    customer_text,
    edit,
    job,
    mapping,
    mapping_file,
    outcomes,
)
from twinrow.batch.hooks import HookContext
from twinrow.model.errors import FilterError, MappingProblems
from twinrow.model.mapping import TableMapping, Template
from twinrow.model.sides import Pass, Side
from twinrow.store.tables import mappings
from twinrow.testing.pair import MemoryPair


def one_way(pass_: Pass, **more: Any) -> TableMapping:
    rows = [row.model_copy(update={"direction": ONE_WAY[pass_]}) for row in mapping().fields]
    return mapping(*rows, direction=ONE_WAY[pass_], **more)


@pytest.mark.scenario("A034")
def test_what_the_local_filter_leaves_out_is_carried_once_it_is_coupled_and_the_filter_gone() -> None:
    with MemoryPair(one_way(TO, local_filter="displayName ne 'Third'")) as pair:
        ids = {name: pair.local.add("customers", {"displayName": name}) for name in ("First", "Second", "Third")}

        run = pair.synchronize()

        assert run.counters.inserted == 2
        assert {record["name"] for record in pair.integration.records("account").values()} == {"First", "Second"}
        assert set(pair.counterparts()) == {ids["First"], ids["Second"]}

        pair.set_mapping(one_way(TO))
        account = pair.integration.add("account", {"name": "Third"})
        pair.couple(ids["Third"], account)
        edit(pair, LOCAL, ids["Third"], NAME, "Third, described anew")
        run = pair.synchronize()

        assert run.counters.failed == run.counters.inserted == 0
        assert pair.integration.record("account", account)["name"] == "Third, described anew"


@pytest.mark.scenario("A035")
def test_what_the_integration_filter_leaves_out_is_not_made() -> None:
    wanted = "0b7c1d6e-1111-4222-8333-944455556666"
    with MemoryPair(one_way(FROM, integration_filter=f"accountid eq {wanted}")) as pair:
        for id in (None, wanted, None):
            pair.integration.add("account", {"name": f"Account {id}"}, id=id)

        assert pair.synchronize().counters.inserted == 1

        (customer,) = pair.local.records("customers").values()
        assert customer["displayName"] == f"Account {wanted}"


@pytest.mark.scenario("A036")
def test_records_that_twinrow_itself_wrote_last_take_part() -> None:
    with MemoryPair(one_way(FROM)) as pair:
        for name, by in (("First", "person"), ("Second", "twinrow"), ("Third", "twinrow")):
            pair.integration.add("account", {"name": name}, by=by)
        assert pair.integration.identify().caller == "twinrow"

        assert pair.synchronize().counters.inserted == 3

        assert {record["displayName"] for record in pair.local.records("customers").values()} == {
            "First",
            "Second",
            "Third",
        }


@pytest.mark.scenario("A037")
def test_where_only_coupled_records_are_meant_none_is_made() -> None:
    with MemoryPair(one_way(FROM, only_coupled=True)) as pair:
        customer, account = add_synchronized(pair)
        pair.integration.edit("account", account, name="New Name")
        pair.integration.add("account", {"name": "Uncoupled"})

        run = pair.synchronize()

        assert pair.local.record("customers", customer)["displayName"] == "New Name"
        assert len(pair.local.records("customers")) == 1
        assert outcomes(run) == {"modified": 1, "ignored": 1}


@pytest.mark.scenario("A038")
@pytest.mark.parametrize("pass_", [TO, FROM], ids=["to", "from"])
def test_a_filter_that_cannot_be_read_is_refused_and_never_run_without(pass_: Pass, tmp_path: Path) -> None:
    key = f"{pass_.source.value}_filter"
    with MemoryPair(one_way(pass_)) as pair:
        pair.system(pass_.source).add(TABLES[pass_.source], {NAME[pass_.source]: "Adatum"})
        text = customer_text("[{local: displayName, integration: name, on_loss: overwrite}]")
        with pytest.raises(MappingProblems, match="filter"):
            pair.workspace.apply_mappings(mapping_file(tmp_path, f"{text}    {key}: 'name eq or'\n"))
        # However it came into the store: the run is an error.
        context = pair.workspace.context
        with context.database.transaction() as connection:
            definition = context.mapping("CUSTOMER").mapping.model_dump(mode="json", exclude_defaults=True)
            connection.execute(update(mappings).values(definition=definition | {key: "name eq or"}))

        with pytest.raises(ValidationError, match=key):
            pair.synchronize()

        assert pair.system(pass_.destination).records(TABLES[pass_.destination]) == {}


@pytest.mark.scenario("A038")
@pytest.mark.parametrize("pass_", [TO, FROM], ids=["to", "from"])
def test_a_filter_with_a_value_that_is_not_known_is_an_error_of_the_run(pass_: Pass) -> None:
    name = NAME[pass_.source]
    with MemoryPair(one_way(pass_, **{f"{pass_.source.value}_filter": f"{name} eq ${{company_name}}"})) as pair:
        pair.system(pass_.source).add(TABLES[pass_.source], {name: "Adatum"})

        with pytest.raises(FilterError, match="company_name"):
            pair.synchronize()

        assert pair.system(pass_.destination).records(TABLES[pass_.destination]) == {}
        (one,) = pair.workspace.list_jobs("CUSTOMER")
        assert one.state == "failed"


@pytest.mark.parametrize("coupled", [False, True], ids=["uncoupled", "coupled"])
@pytest.mark.parametrize("options", [{}, {"direction": "to"}, {"direction": "to", "unconditional": True}])
def test_a_named_record_outside_the_filter_is_left_alone_and_the_reason_told(
    coupled: bool, options: dict[str, Any]
) -> None:
    with MemoryPair(one_way(TO)) as pair:
        if coupled:
            customer, _ = add_synchronized(pair)
            edit(pair, LOCAL, customer, NAME, "Outside")
        else:
            customer = pair.local.add("customers", {"displayName": "Outside"})
        before = pair.integration.records("account")
        pair.set_mapping(one_way(TO, local_filter="displayName ne 'Outside'"))

        run = pair.synchronize(records=[customer], create=True, **options)

        assert outcomes(run) == {"skipped": 1}
        assert job(run, TO).ignored_reasons == {"outside filter": 1}
        assert pair.integration.records("account") == before


# Templates: `blocked` stands for any field that is not mapped.


def templated(*templates: Template) -> TableMapping:
    return one_way(FROM, templates=templates)


@pytest.mark.scenario("A011")
@pytest.mark.parametrize(("fax", "value"), [("123", "first"), ("456", "second"), ("789", "")])
def test_the_template_whose_filter_the_source_satisfies_is_used(fax: str, value: str) -> None:
    first = Template(code="ONE", side=Side.LOCAL, filter="fax eq '123'", values={"blocked": "first"})
    second = Template(code="TWO", side=Side.LOCAL, filter="fax eq '456'", values={"blocked": "second"})
    with MemoryPair(templated(first, second)) as pair:
        pair.integration.add("account", {"name": "Adatum", "fax": fax})

        assert pair.synchronize().counters.inserted == 1

        (customer,) = pair.local.records("customers").values()
        assert (customer["displayName"], customer["blocked"]) == ("Adatum", value)


@pytest.mark.scenario("A012")
@pytest.mark.parametrize("swapped", [False, True], ids=["in order", "the other way round"])
def test_of_several_templates_the_lowest_priority_is_used_alone(swapped: bool) -> None:
    first = Template(code="ONE", side=Side.LOCAL, priority=1, values={"blocked": "first"})
    second = Template(code="TWO", side=Side.LOCAL, priority=2, values={"blocked": "second", "city": "second"})
    with MemoryPair(templated(*((second, first) if swapped else (first, second)))) as pair:
        pair.integration.add("account", {"name": "Adatum"})

        assert pair.synchronize().counters.inserted == 1

        (customer,) = pair.local.records("customers").values()
        assert (customer["blocked"], customer["city"]) == ("first", "")


# A counterpart that a rule recognizes.


class ByNumber(Probe):
    """Knows the customer of an account by its number, whatever the two are called."""

    def natural(self, context: HookContext) -> tuple[str, str] | None:
        return ("accountnumber", "number") if context.pass_ is FROM else None

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        return ("accountnumber",) if pass_ is FROM else ()


@pytest.mark.scenario("A014")
def test_a_counterpart_that_a_rule_recognizes_is_coupled(register: Register) -> None:
    register(ByNumber())
    with MemoryPair(one_way(FROM, rules=("probe",))) as pair:
        customer = pair.local.add("customers", {"displayName": "Customer", "number": "C1"})
        account = pair.integration.add("account", {"name": "Account", "accountnumber": "C1"})

        run = pair.synchronize()

        assert run.state == "finished"
        assert run.message is None
        assert job(run, FROM).message is None
        assert run.errors == ()
        assert job(run, FROM).coupled == 1
        assert pair.counterparts() == {customer: account}
        assert list(pair.local.records("customers")) == [customer]
        assert pair.counterpart(account, INTEGRATION) == customer
