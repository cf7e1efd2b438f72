"""The order in which mappings run: what a mapping depends on comes first.

A dependency on a mapping that is not there is no dependency: without the SALESPEOPLE mapping, customers do not wait for it.
Among mappings that could run next, the standard ones come in the order below, then the others by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush

from twinrow.model.errors import MappingProblem, MappingProblems
from twinrow.model.mapping import TableMapping

FIRST = ("CURRENCY", "SALESPEOPLE", "VENDOR", "CUSTOMER", "CONTACT")
"""The order of the standard mappings among those that could run next."""


def run_order(mappings: Iterable[TableMapping]) -> tuple[TableMapping, ...]:
    """Return the mappings in the order in which they run.

    Raises `MappingProblems` that name each circle in full when mappings wait for each other.
    """
    by_name = {mapping.name: mapping for mapping in mappings}
    cycles = dependency_cycles(by_name.values())
    if cycles:
        raise MappingProblems([cycle_problem(cycle) for cycle in cycles])
    sorter = TopologicalSorter(_dependencies(by_name))
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    ordered: list[TableMapping] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(ready, _rank(name))
        _, name = heappop(ready)
        ordered.append(by_name[name])
        sorter.done(name)
    return tuple(ordered)


def dependency_cycles(mappings: Iterable[TableMapping]) -> list[tuple[str, ...]]:
    """Return circles in which mappings wait for each other, no mapping in more than one.

    Each name waits for the next one, the last for the first.
    """
    graph = _dependencies({mapping.name: mapping for mapping in mappings})
    cycles: list[tuple[str, ...]] = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # The error lists what must run first before what waits for it, and the first name once more at the end.
            names: list[str] = error.args[1][:0:-1]
            start = names.index(min(names, key=_rank))
            cycles.append((*names[start:], *names[:start]))
            graph = {
                name: [needed for needed in dependencies if needed not in names]
                for name, dependencies in graph.items()
                if name not in names
            }
        else:
            return cycles


def cycle_problem(cycle: Sequence[str]) -> MappingProblem:
    """Return the problem that a circle of dependencies is."""
    return MappingProblem(
        f"The mappings wait for each other in a circle: {' → '.join((*cycle, cycle[0]))}.",
        "Take one of these out of the other's dependencies.",
        mapping=cycle[0],
        field="dependencies",
    )


def _dependencies(mappings: Mapping[str, TableMapping]) -> dict[str, list[str]]:
    return {
        name: [needed for needed in mapping.dependencies if needed in mappings] for name, mapping in mappings.items()
    }


def _rank(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)
