"""A run does not begin with a mapping that no longer fits its tables."""

from __future__ import annotations

from typing import Any

import pytest

from twinrow.model.errors import ConfigurationError, TwinrowError
from twinrow.model.mapping import Template
from twinrow.model.sides import Direction, Side
from twinrow.model.tables import Table
from twinrow.testing.pair import CUSTOMERS, MemoryPair, customer_mapping, field


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"local_filter": "city eq 'Oslo' and region eq 'N'"},
            "The local_filter of CUSTOMER does not fit the table customers (character 20)",
        ),
        (
            {"integration_filter": "statecode eq 'Active'"},
            "The integration_filter of CUSTOMER does not fit the table account",
        ),
        (
            {"templates": (Template(code="NEW", side=Side.INTEGRATION, filter="region eq 'N'", values={"fax": "1"}),)},
            "The filter of the template NEW of CUSTOMER does not fit the table customers (character 1)",
        ),
        (
            {"templates": (Template(code="NEW", side=Side.INTEGRATION, values={"facsimile": "1"}),)},
            "The template NEW of CUSTOMER gives a value to a field that is not there",
        ),
    ],
)
def test_what_no_longer_fits_is_refused_by_name_before_anything_is_read(given: dict[str, Any], said: str) -> None:
    with MemoryPair(customer_mapping(**given)) as pair:
        pair.local.add("customers", {"displayName": "Adatum"})
        with pytest.raises(ConfigurationError) as stopped:
            pair.synchronize()
        assert said in str(stopped.value)
        assert stopped.value.remedy
        assert {job.state for job in pair.workspace.list_jobs()} == {"failed"}
        assert pair.integration.records("account") == {}


def test_the_filter_of_a_side_that_is_not_read_does_not_matter() -> None:
    fields = [field("displayName", "name", direction=Direction.TO_INTEGRATION)]
    mapping = customer_mapping(direction=Direction.TO_INTEGRATION, integration_filter="gone eq 1", fields=fields)
    with MemoryPair(mapping) as pair:
        pair.local.add("customers", {"displayName": "Adatum"})
        assert pair.synchronize().jobs[0].inserted == 1


def test_a_mapping_of_which_no_field_is_available_cannot_run() -> None:
    absent = {"displayName": "the page is of an older version"}
    fields = {name: one for name, one in CUSTOMERS.fields.items() if name != "displayName"}
    customers = Table("customers", "id", fields, absent=absent)
    mapping = customer_mapping(fields=[field("displayName", "name")])
    with MemoryPair(mapping, local_tables=[customers]) as pair:
        with pytest.raises(TwinrowError, match=r"no field to carry\. Cause: the page is of an older version"):
            pair.synchronize()
        assert {job.read for job in pair.workspace.list_jobs()} == {0}


# A filter that changes.


def test_another_value_of_a_variable_is_another_filter() -> None:
    mapping = customer_mapping(integration_filter="fax eq '${company_fax}'")
    with MemoryPair(mapping, connection={"company_fax": "1"}) as pair:
        for number in ("1", "2"):
            pair.integration.add("account", {"name": f"Fax {number}", "fax": number})
        pair.synchronize()
        assert [one["displayName"] for one in pair.local.records("customers").values()] == ["Fax 1"]
        pair.workspace.add_connection("main", "local", "integration", {"company_fax": "2"})
        pair.synchronize()
        assert sorted(one["displayName"] for one in pair.local.records("customers").values()) == ["Fax 1", "Fax 2"]
        pair.synchronize()
        assert all(job.read == 0 for job in pair.synchronize().jobs)


def test_a_wider_filter_makes_the_records_that_newly_satisfy_it_be_looked_at() -> None:
    with MemoryPair(customer_mapping(local_filter="city eq 'Oslo'")) as pair:
        for city in ("Oslo", "Bergen"):
            pair.local.add("customers", {"displayName": city, "city": city})
        pair.synchronize()
        pair.set_mapping(customer_mapping(local_filter="city in ('Oslo', 'Bergen')"))
        pair.synchronize()
        assert sorted(str(one["name"]) for one in pair.integration.records("account").values()) == ["Bergen", "Oslo"]
