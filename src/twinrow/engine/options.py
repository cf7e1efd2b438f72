"""Options that records name and that nothing is coupled to: they are appended to the local table and coupled.

Such an option leaves the field alone (`FieldPlan.leaves_alone`) and stands among the unresolved references. At the end of the
run the option mapping gets a run of its own for these options, in which they become local records; then the references can be
carried, by the follow-up run of a round or the next run. An option that cannot become a record fails there as any record does,
and is set aside after the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from twinrow.batch.columns import ID
from twinrow.engine.changes import possible_ids
from twinrow.engine.context import RunContext, RunOptions
from twinrow.engine.fields import FieldPlan
from twinrow.model.errors import TwinrowError
from twinrow.model.outcomes import Counters
from twinrow.model.sides import Pass, Side
from twinrow.store.couplings import by_record
from twinrow.store.mappings import StoredMapping
from twinrow.store.pending import read_pending, unresolved_values
from twinrow.store.runs import RunRow, jobs_of_run

RunMapping = Callable[[str, RunOptions], RunRow]
"""Runs a mapping by name."""


def append_options(shared: RunContext, run: RunMapping) -> str | None:
    """Append the options that the mapping's records name and that nothing is coupled to; return what to tell of it, if anything.

    Another run of an option mapping that is under way, and a system that does not answer, leave its options for the next time.
    """
    told = []
    for name, plans in _naming_options(shared).items():
        mapping = shared.mappings[name]
        values = _missing(shared, mapping, plans)
        if values and mapping.mapping.going(Pass.FROM) is not None:
            with suppress(TwinrowError):
                told.append(_tell(shared, name, run(name, _appending(values))))
    return " ".join(sentence for sentence in told if sentence) or None


def _appending(values: list[str]) -> RunOptions:
    return RunOptions(create=True, passes=(Pass.FROM.value,), records=tuple(values), appending=True)


def _naming_options(shared: RunContext) -> Mapping[str, list[FieldPlan]]:
    """Return the fields whose options may be appended, by the option mapping that knows them: the first of each field."""
    found: dict[str, list[FieldPlan]] = {}
    for plan in shared.plans.carried(Pass.FROM):
        known = [name for name in plan.mapping.related_mapping if name in shared.mappings]
        if plan.leaves_alone(Pass.FROM) and known:
            found.setdefault(known[0], []).append(plan)
    return found


def _missing(shared: RunContext, mapping: StoredMapping, plans: list[FieldPlan]) -> list[str]:
    """Return the options that are there, that nothing is coupled to, and that have not been set aside."""
    identities = [plan.identity for plan in plans]
    with shared.database.reading() as connection:
        values = unresolved_values(connection, shared.mapping, Pass.FROM, identities)
        if not values:
            return []
        coupled = by_record(connection, mapping, Side.INTEGRATION, possible_ids(mapping, Side.INTEGRATION, values))
        pending = read_pending(connection, mapping, Pass.FROM, values)
    aside = pending.filter("skipped").get_column(ID).to_list()
    left = sorted(set(values) - set(coupled.get_column("integration_id").to_list()) - set(aside))
    if not left:
        return []
    table = mapping.mapping.integration_table
    return sorted(shared.ends[Side.INTEGRATION].connector.fetch(table, (), left).get_column(ID).to_list())


def _tell(shared: RunContext, name: str, row: RunRow) -> str:
    with shared.database.reading() as connection:
        total = sum((job.counters for job in jobs_of_run(connection, row.id)), start=Counters())
    coupled = (
        f"{total.coupled} {'option' if total.coupled == 1 else 'options'} appended to {name}." if total.coupled else ""
    )
    failed = f"{total.failed} could not be appended to {name}: see its errors." if total.failed else ""
    return " ".join(part for part in (coupled, failed) if part)
