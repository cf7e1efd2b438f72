"""Coupling by hand: what is offered, how records are found, what is synchronized at first, and counterparts that are made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.standard import Standard
from tests.scenarios.test_uncoupling import World, here, there
from tests.scenarios.world import INTEGRATION, LOCAL, NAMED, add_pair, mapping, value
from tests.scenarios.world import NAME as NAMES
from twinrow.actions.coupling_offer import CouplingOffer
from twinrow.engine.context import EngineSettings
from twinrow.model.errors import ConfigurationError, RecordNotFound
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Direction, Side
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import MemoryPair, field, table


def offered(pair: MemoryPair, customer: str, account: str | None = None) -> CouplingOffer:
    return pair.workspace.offer_coupling("CUSTOMER", customer, account)


@pytest.mark.scenario("B088")
@pytest.mark.parametrize("coupled", [False, True], ids=["uncoupled", "coupled"])
def test_the_local_side_is_suggested_where_nothing_is_coupled_yet(coupled: bool) -> None:
    with MemoryPair(mapping()) as pair:
        customer = add_pair(pair)[0] if coupled else pair.local.add("customers", {"displayName": "Adatum"})
        offer = offered(pair, customer)
        assert offer.local_label == "Adatum"
        assert offer.suggested is (None if coupled else Side.LOCAL)


@pytest.mark.scenario("B090")
def test_a_new_record_can_be_made_for_one_that_is_not_coupled_and_goes_that_way() -> None:
    with Standard() as standard:
        offer = standard.pair.workspace.offer_coupling
        loose, (coupled, _) = standard.customer(), standard.company()
        assert offer("CUSTOMER", loose).can_create
        assert not offer("CUSTOMER", coupled).can_create
        salesperson = standard.pair.local.add("salespeoplePurchasers", {"code": "AB", "displayName": "Ann"})
        assert not offer("SALESPEOPLE", salesperson).can_create


@pytest.mark.scenario("B093")
def test_part_of_a_name_finds_the_first_record_that_begins_so() -> None:
    with MemoryPair(mapping()) as pair:
        for name in ("CCCC", "CC", "something else"):
            pair.integration.add("account", {"name": name})
        find = pair.workspace.find_records
        assert [one.label for one in find("CUSTOMER", "integration", "C")] == ["CC", "CCCC"]
        assert [one.label for one in find("CUSTOMER", "integration", "CC")] == ["CC"]
        assert find("CUSTOMER", "integration", "WrongName") == []
        with pytest.raises(RecordNotFound, match="WrongName"):
            pair.workspace.record_id("CUSTOMER", "integration", "WrongName")
        # Where a person cannot look on, only one that is meant without doubt is taken.
        with pytest.raises(ConfigurationError, match="Several") as raised:
            pair.workspace.record_id("CUSTOMER", "integration", "C")
        assert "CCCC" in (raised.value.cause or "")


def test_records_outside_the_filter_are_not_found() -> None:
    with MemoryPair(mapping(integration_filter="fax ne 'out'")) as pair:
        inside = pair.integration.add("account", {"name": "CC", "fax": "in"})
        pair.integration.add("account", {"name": "CCC", "fax": "out"})
        assert [one.id for one in pair.workspace.find_records("CUSTOMER", "integration", "C")] == [inside]
        assert pair.workspace.record_id("CUSTOMER", "integration", "C") == inside


@pytest.mark.scenario("B094")
@pytest.mark.scenario("B095")
def test_the_offer_tells_the_values_of_both_sides_by_enabled_field() -> None:
    off = NAMED.model_copy(update={"local": "city", "integration": "address1_city", "enabled": False})
    with MemoryPair(mapping(NAMED, field("faxNo", "fax"), off)) as pair:
        customer, a = add_pair(pair, "A", "1")
        b = pair.integration.add("account", {"name": "B", "fax": "2"})
        loose = pair.local.add("customers", {"displayName": "loose"})

        def told(offer: CouplingOffer) -> list[tuple[Any, Any, Any]]:
            return [(one.local, one.local_value, one.integration_value) for one in offer.fields]

        assert told(offered(pair, customer)) == [("displayName", "A", "A"), ("faxNo", "1", "1")]
        assert told(offered(pair, customer, b)) == [("displayName", "A", "B"), ("faxNo", "1", "2")]
        assert offered(pair, loose).integration_id is None
        assert offered(pair, customer).integration_id == a
        assert offered(pair, customer, b).integration_id == b
        assert told(offered(pair, loose))[0] == ("displayName", "loose", None)


@pytest.mark.scenario("B098")
@pytest.mark.parametrize(
    ("direction", "winner"),
    [(Direction.FROM_INTEGRATION, INTEGRATION), (Direction.BIDIRECTIONAL, LOCAL), (Direction.TO_INTEGRATION, LOCAL)],
    ids=["salesperson", "customer", "unit, price group and item"],
)
def test_the_side_from_which_the_mapping_goes_keeps_its_values(direction: Direction, winner: Side) -> None:
    with World("CUSTOMER", directions={"CUSTOMER": direction}, fields=(field("name", "name"),)) as world:
        local = world.pair.local.add(here("CUSTOMER"), {"name": "from here", "rank": "not sent"})
        other = world.pair.integration.add(there("CUSTOMER"), {"name": "from there"})

        coupled = world.pair.workspace.couple("CUSTOMER", local, other, synchronize=True)

        assert coupled.run is not None
        assert coupled.run.succeeded
        assert world.pair.counterparts() == {local: other}
        kept = "from here" if winner is LOCAL else "from there"
        assert world.pair.local.record(here("CUSTOMER"), local)["name"] == kept
        assert world.pair.integration.record(there("CUSTOMER"), other)["name"] == kept
        assert world.pair.integration.record(there("CUSTOMER"), other)["rank"] is None


@pytest.mark.scenario("B099")
def test_a_contact_is_coupled_without_being_synchronized() -> None:
    with Standard() as standard:
        customer, account = standard.company()
        person = standard.person(customer, surname="Jensen")
        contact = standard.contact(account, lastname="Hansen")

        coupled = standard.pair.workspace.couple("CONTACT", person, contact)

        assert coupled.run is None
        assert standard.pair.counterpart(person, mapping="CONTACT") == contact
        assert standard.pair.local.record("contacts", person)["surname"] == "Jensen"
        assert standard.pair.integration.record("contact", contact)["lastname"] == "Hansen"


@pytest.mark.parametrize("use", ["local", "integration"])
def test_whose_values_win_at_first_can_be_said(use: str) -> None:
    with MemoryPair(mapping()) as pair:
        customer = pair.local.add("customers", {"displayName": "from here"})
        account = pair.integration.add("account", {"name": "from there"})
        pair.workspace.couple("CUSTOMER", customer, account, use=use, synchronize=True)
        kept = "from here" if use == "local" else "from there"
        assert (value(pair, LOCAL, customer, NAMES), value(pair, INTEGRATION, account, NAMES)) == (kept, kept)


@pytest.mark.scenario("B126")
def test_a_local_record_is_made_from_an_account() -> None:
    with Standard() as standard:
        account = standard.account(name="From there")

        created = standard.pair.workspace.create_counterparts("CUSTOMER", account)

        assert created.run is not None
        assert created.run.counters.inserted == 1
        assert created.run.errors == ()
        ((customer, coupled),) = created.couplings.items()
        assert coupled == account
        assert standard.pair.local.record("customers", customer)["displayName"] == "From there"
        contact = standard.contact(account)
        made = standard.pair.workspace.create_counterparts("CONTACT", contact)
        assert list(made.couplings.values()) == [contact]


@pytest.mark.scenario("B126")
def test_an_item_is_made_with_the_unit_that_is_coupled_to_the_products() -> None:
    code = Field("code", FieldType.CODE, max_length=10)
    pair = MemoryPair(
        [
            TableMapping(name="UNIT", local_table="units", integration_table="uom", fields=(field("code", "name"),)),
            TableMapping(
                name="ITEM",
                local_table="items",
                integration_table="product",
                fields=(field("name", "name"), field("unit", "uomid", related_mapping="UNIT", related_key="code")),
            ),
        ],
        local_tables=[
            table("units", "id", code),
            table("items", "id", Field("name", FieldType.TEXT), Field("unit", FieldType.CODE, max_length=10)),
        ],
        integration_tables=[
            table("uom", "uomid", Field("name", FieldType.TEXT)),
            table("product", "productid", Field("name", FieldType.TEXT), Field("uomid", FieldType.REFERENCE)),
        ],
    )
    with pair:
        unit, uom = pair.local.add("units", {"code": "BOX"}), pair.integration.add("uom", {"name": "BOX"})
        pair.couple(unit, uom, "UNIT")
        product = pair.integration.add("product", {"name": "Bicycle", "uomid": uom})

        created = pair.workspace.create_counterparts("ITEM", product)

        ((item, _),) = created.couplings.items()
        assert pair.local.record("items", item)["unit"] == "BOX"
        assert created.run is not None
        assert created.run.counters.inserted == 1


@pytest.mark.scenario("B135")
@pytest.mark.parametrize("gone", list(Side))
def test_a_record_whose_counterpart_is_gone_gets_a_new_one(gone: Side) -> None:
    with MemoryPair(mapping(only_coupled=True)) as pair:
        ids = dict(zip(Side, add_pair(pair), strict=True))
        pair.synchronize()
        pair.system(gone).remove({LOCAL: "customers", INTEGRATION: "account"}[gone], ids[gone])

        created = pair.workspace.create_counterparts("CUSTOMER", ids[gone.other])

        assert created.run is not None
        assert created.run.counters.inserted == 1
        ((local, integration),) = created.couplings.items()
        new = {LOCAL: local, INTEGRATION: integration}
        assert new[gone.other] == ids[gone.other]
        assert new[gone] != ids[gone]
        assert pair.workspace.couplings("CUSTOMER").height == 1


@pytest.mark.scenario("B139")
@pytest.mark.parametrize("side", list(Side))
def test_several_counterparts_are_made_by_one_job(side: Side) -> None:
    with MemoryPair(mapping(only_coupled=True), settings=EngineSettings(page_rows=3)) as pair:
        name = NAMES[side]
        ids = [pair.system(side).add(("customers", "account")[side is INTEGRATION], {name: f"N{i}"}) for i in range(5)]
        coupled = add_pair(pair)[0 if side is LOCAL else 1]

        created = pair.workspace.create_counterparts("CUSTOMER", *ids, coupled)

        assert len(created.couplings) == 5
        assert created.coupled == (coupled,)
        assert created.run is not None
        assert [job.inserted for job in created.run.jobs if job.inserted] == [5]
        assert pair.workspace.couplings("CUSTOMER").height == 6
        assert pair.workspace.show_mapping("CUSTOMER").only_coupled


@pytest.mark.scenario("B140")
@pytest.mark.parametrize("side", list(Side))
def test_ids_that_do_not_exist_do_no_harm(side: Side) -> None:
    unknown = "99999999-9999-4999-8999-999999999999"
    with World("CUSTOMER", "CURRENCY") as world:
        for name in ("CUSTOMER", "CURRENCY"):
            system, named = world.pair.system(side), here(name) if side is LOCAL else there(name)
            ids = [system.add(named, {"name": f"N{number}"}) for number in range(5)]

            created = world.pair.workspace.create_counterparts(name, *ids, unknown)

            assert created.not_found == (unknown,)
            assert created.run is not None
            assert (created.run.counters.inserted, created.run.counters.failed) == (5, 0)
            assert len(world.coupled(name)) == 5
