"""The order in which mappings run."""

import itertools

import pytest

from twinrow.model.errors import MappingProblems
from twinrow.model.mapping import TableMapping
from twinrow.standard.order import dependency_cycles, run_order


def mapping(name: str, *dependencies: str) -> TableMapping:
    fields = [{"local": "name", "integration": "name"}]
    return TableMapping.model_validate(
        {"name": name, "local_table": "a", "integration_table": "b", "dependencies": dependencies, "fields": fields}
    )


def names(mappings: tuple[TableMapping, ...]) -> list[str]:
    return [mapping.name for mapping in mappings]


def test_what_a_mapping_depends_on_runs_first() -> None:
    assert names(run_order([mapping("ORDERS", "ITEMS"), mapping("ITEMS", "UNITS"), mapping("UNITS")])) == [
        "UNITS",
        "ITEMS",
        "ORDERS",
    ]


def test_ties_are_settled_by_the_standard_order_then_by_name() -> None:
    all_names = ["CURRENCY", "SALESPEOPLE", "VENDOR", "CUSTOMER", "CONTACT", "ITEMS", "UNITS"]
    assert names(run_order([mapping(name) for name in reversed(all_names)])) == all_names


def test_a_mapping_comes_as_soon_as_nothing_keeps_it() -> None:
    mappings = [mapping("CONTACT"), mapping("CUSTOMER", "UNITS"), mapping("ITEMS"), mapping("UNITS")]
    assert names(run_order(mappings)) == ["CONTACT", "ITEMS", "UNITS", "CUSTOMER"]


def test_the_order_in_which_mappings_are_given_does_not_matter() -> None:
    mappings = [mapping("C", "A"), mapping("A"), mapping("B", "A"), mapping("D", "B", "C")]
    orders = {tuple(names(run_order(given))) for given in itertools.permutations(mappings)}
    assert orders == {("A", "B", "C", "D")}


def test_a_dependency_on_a_mapping_that_is_not_there_is_none() -> None:
    assert names(run_order([mapping("CUSTOMER", "SALESPEOPLE", "CURRENCY"), mapping("CURRENCY")])) == [
        "CURRENCY",
        "CUSTOMER",
    ]
    assert run_order([]) == ()


def test_a_circle_is_named_in_full() -> None:
    mappings = [
        mapping("CONTACT", "VENDOR"),
        mapping("CUSTOMER", "CONTACT"),
        mapping("VENDOR", "CUSTOMER"),
        mapping("A"),
    ]
    assert dependency_cycles(mappings) == [("VENDOR", "CUSTOMER", "CONTACT")]
    with pytest.raises(MappingProblems, match="VENDOR → CUSTOMER → CONTACT → VENDOR") as error:
        run_order(mappings)
    (problem,) = error.value.problems
    assert (problem.mapping, problem.field) == ("VENDOR", "dependencies")


def test_every_circle_is_named() -> None:
    mappings = [mapping("A", "B"), mapping("B", "A"), mapping("C", "D"), mapping("D", "C", "A"), mapping("E", "A")]
    assert sorted(dependency_cycles(mappings)) == [("A", "B"), ("C", "D")]
    with pytest.raises(MappingProblems) as error:
        run_order(mappings)
    assert len(error.value.problems) == 2
