"""What the systems cannot promise: writes without version checks, creates that cannot be told from their repetition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twinrow.actions.mapping_check.surroundings import Row, passes
from twinrow.connectors.base import Capabilities, CreateKeys
from twinrow.model.errors import MappingProblem
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Pass, Side

CapabilitiesOf = Callable[[Side, str], Capabilities]


def check_limits(mapping: TableMapping, rows: Sequence[Row], capabilities: CapabilitiesOf) -> Iterator[MappingProblem]:
    """Yield what the tables that a mapping writes cannot do, and what follows from it."""
    for pass_ in mapping.direction.passes:
        if any(pass_ in passes(mapping, row.mapping) for row in rows):
            table = mapping.table(pass_.destination)
            can = capabilities(pass_.destination, table)
            yield from _check_destination(mapping, pass_, can)
            yield from _check_field_logic(mapping, pass_, rows, can)
    for pass_ in mapping.direction.passes:
        if not mapping.delete_propagation.includes(pass_) or mapping.deactivation.values(pass_.destination):
            continue
        if not capabilities(pass_.destination, mapping.table(pass_.destination)).can_delete:
            yield MappingProblem(
                f"Records of {mapping.table(pass_.destination)} cannot be deleted there.",
                "Set delete_propagation to none or to the other direction, or give a deactivation.",
                mapping.name,
                "delete_propagation",
            )


def _check_field_logic(
    mapping: TableMapping, pass_: Pass, rows: Sequence[Row], can: Capabilities
) -> Iterator[MappingProblem]:
    """Yield the fields whose logic is asked for where no system runs one. Those that run one cannot be kept from it."""
    side = pass_.destination
    asked = [row for row in rows if pass_ in passes(mapping, row.mapping) and _asks_for_logic(row, side)]
    if asked and not can.field_logic:
        names = ", ".join(row[side].name for row in asked)
        yield MappingProblem(
            f"{mapping.table(side)} has no logic of fields that could be run: validate_{side.value} has no effect for {names}.",
            "Take it out; triggers of the database run as they always do.",
            mapping.name,
            f"{side.value}_table",
            severity="warning",
        )


def _asks_for_logic(row: Row, side: Side) -> bool:
    return row.mapping.validate_local if side is Side.LOCAL else row.mapping.validate_integration


def _check_destination(mapping: TableMapping, pass_: Pass, can: Capabilities) -> Iterator[MappingProblem]:
    table = mapping.table(pass_.destination)

    def warning(message: str, remedy: str = "") -> MappingProblem:
        return MappingProblem(message, remedy, mapping.name, f"{pass_.destination.value}_table", severity="warning")

    if not can.can_update:
        yield warning(f"Records of {table} cannot be changed: only new ones are carried.")
    elif not can.version_checks:
        yield warning(
            f"{table} has no version checks: what someone changes there between reading and writing can be overwritten "
            "unseen."
        )
    if not can.can_create:
        if not mapping.only_coupled:
            yield warning(f"Records of {table} cannot be made: uncoupled ones fail.", "Set only_coupled to true.")
    elif can.create_keys is CreateKeys.NONE:
        yield warning(
            f"New records of {table} take neither a key nor a mark: where the answer to a create is lost, the record waits "
            "until the system has ended the request, and what cannot be told apart waits for a person."
        )
