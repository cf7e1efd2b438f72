"""Goes through mappings and collects everything that is wrong with them, and every limit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from twinrow.actions.mapping_check.filters import check_filter_text
from twinrow.actions.mapping_check.limits import CapabilitiesOf, check_limits
from twinrow.actions.mapping_check.rows import check_row, resolve_rows
from twinrow.actions.mapping_check.surroundings import Row, Surroundings, Tables, nearest
from twinrow.actions.mapping_check.transformations import check_rules
from twinrow.actions.mapping_check.values import value_problem, value_remedy
from twinrow.actions.mapping_check.writers import check_writers_across, check_writers_within
from twinrow.model.errors import MappingProblem, UnknownField
from twinrow.model.mapping import TableMapping, Template
from twinrow.model.rules import AnyRule
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Table
from twinrow.standard.custom_page import OptionalRoute
from twinrow.standard.files import standard_mappings
from twinrow.standard.order import cycle_problem, dependency_cycles


def check_mappings(
    mappings: Sequence[TableMapping],
    tables: Tables,
    *,
    rules: Mapping[str, AnyRule],
    variables: Mapping[str, str],
    capabilities: CapabilitiesOf | None = None,
    table_rules: Collection[str] | None = None,
    optional: Sequence[OptionalRoute] = (),
    functions: Collection[str] | None = None,
) -> list[MappingProblem]:
    """Return everything that is wrong with the mappings of a connection, errors and warnings, rules first, then by mapping.

    `mappings` are all mappings of the connection as they are in its circumstances (`TableMapping.in_circumstances`).
    `tables` describes a table of a side, or raises `UnknownTable`; `rules` are the workspace's transformation rules by code;
    `variables` the values that filters use; `capabilities` what a table of a side can do; `table_rules` the names of the
    rules for special tables that there are. With `optional`, what only these routes serve is no mistake where it is missing:
    a warning names it, and the mapping goes on without it. `functions` are the names of those for custom rules; None: any.
    """
    surroundings = Surroundings(
        {mapping.name: mapping for mapping in mappings}, tables, rules, variables, table_rules, optional, functions
    )
    problems = list(check_rules(surroundings))
    rows: dict[str, list[Row]] = {}
    for mapping in mappings:
        problems += _check_names(mapping, surroundings)
        described = {side: surroundings.table(side, mapping.table(side)) for side in Side}
        found = {side: table for side, table in described.items() if table is not None}
        if len(found) < len(Side):
            problems += _missing_tables(mapping, surroundings)
            continue
        problems += _check_options(mapping, found[Side.INTEGRATION])
        problems += _check_matching(mapping, capabilities)
        for side, table in found.items():
            key = f"{side.value}_filter"
            problems += check_filter_text(mapping.filter(side), mapping.name, key, side, table, surroundings)
        rows[mapping.name], unresolved = resolve_rows(mapping, found, surroundings)
        problems += unresolved
        if not rows[mapping.name]:
            problems.append(_nothing_left(mapping))
        for row in rows[mapping.name]:
            problems += check_row(mapping, row, surroundings)
        problems += check_writers_within(mapping, rows[mapping.name])
        for template in mapping.templates:
            problems += _check_template(mapping, template, found, surroundings)
        if capabilities is not None:
            problems += check_limits(mapping, rows[mapping.name], capabilities)
    enabled = [mapping for mapping in mappings if mapping.enabled]
    problems += check_writers_across(enabled, rows, surroundings)
    problems += [cycle_problem(cycle) for cycle in dependency_cycles(mappings)]
    return problems


def _check_names(mapping: TableMapping, surroundings: Surroundings) -> Iterator[MappingProblem]:
    """Look at the mappings and rules that are named."""
    standard = {other.name for other in standard_mappings()}
    for name in mapping.dependencies:
        if name not in surroundings.mappings and name not in standard:
            message = f"It is to wait for {name}, but there is no such mapping."
            remedy = nearest(name, surroundings.mappings)
            yield MappingProblem(message, remedy, mapping.name, "dependencies", severity="warning")
    known = surroundings.table_rules
    for name in mapping.rules if known is not None else ():
        if name not in (known or ()):
            yield MappingProblem(f"There is no rule {name}.", nearest(name, known or ()), mapping.name, "rules")


def _missing_tables(mapping: TableMapping, surroundings: Surroundings) -> Iterator[MappingProblem]:
    for side in Side:
        name = mapping.table(side)
        error = surroundings.no_table(side, name)
        if error is None:
            continue
        key = f"{side.value}_table"
        absence = surroundings.table_absence(side, name)
        if absence is None:
            yield MappingProblem(f"{error.message}.", error.remedy or "", mapping.name, key)
        else:
            message = f"The table {name} is not available: {absence.reason}. The mapping cannot run."
            yield MappingProblem(message, absence.remedy, mapping.name, key, severity="warning")


def _check_options(mapping: TableMapping, table: Table) -> Iterator[MappingProblem]:
    """Look at what only concerns the options of a choice: captions become codes, or codes captions, never both."""
    if set(table.fields) == {"value", "label"} and mapping.direction is Direction.BIDIRECTIONAL:
        message = "The options of a choice and the codes of a table are kept in step in one direction only."
        remedy = "Set the direction of the mapping and of its fields to to_integration or from_integration."
        yield MappingProblem(message, remedy, mapping.name, "direction")


def _check_matching(mapping: TableMapping, capabilities: CapabilitiesOf | None) -> Iterator[MappingProblem]:
    """Look at what matching is to do with records that find no counterpart."""
    if not mapping.create_new_in_case_of_no_match:
        return
    table = mapping.table(Side.INTEGRATION)
    if Pass.TO not in mapping.direction.passes:
        why = "the mapping only goes from the integration side"
    elif capabilities is not None and not capabilities(Side.INTEGRATION, table).can_create:
        why = f"no records can be made in {table}"
    else:
        return
    key = "create_new_in_case_of_no_match"
    message = f"Matching makes no records for those that find none: {why}."
    yield MappingProblem(message, "Take it out.", mapping.name, key, severity="warning")


def _nothing_left(mapping: TableMapping) -> MappingProblem:
    enabled = any(row.enabled for row in mapping.fields)
    message = "No field of the mapping is available." if enabled else "No field of the mapping is enabled."
    return MappingProblem(f"{message} It cannot run.", "Enable or add field mappings.", mapping.name, "fields")


def _check_template(
    mapping: TableMapping, template: Template, tables: Mapping[Side, Table], surroundings: Surroundings
) -> Iterator[MappingProblem]:
    subject = f"templates {template.code}"
    source = template.side.other
    yield from check_filter_text(template.filter, mapping.name, subject, source, tables[source], surroundings)
    if all(pass_.destination is not template.side for pass_ in mapping.direction.passes):
        message = f"The mapping makes no records on the {template.side.value} side: the template is never used."
        yield MappingProblem(message, "Take it out.", mapping.name, subject, severity="warning")
    table = tables[template.side]
    for name, value in template.values.items():
        absence = surroundings.field_absence(template.side, table, name)
        if absence is not None:
            message = f"{name} of {table.name} is not available: {absence.reason}. New records are made without it."
            yield MappingProblem(message, absence.remedy, mapping.name, subject, severity="warning")
            continue
        try:
            field = table.field(name)
        except UnknownField as error:
            yield MappingProblem(f"{error.message}.", error.remedy or "", mapping.name, subject)
            continue
        fault = value_problem(value, field) if field.creatable else "it cannot be set when a record is made"
        if fault:
            message = f"The value {value} cannot be given to {name}: {fault}."
            yield MappingProblem(message, value_remedy(field), mapping.name, subject)
