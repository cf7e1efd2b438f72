"""Mappings: applying, checking, exporting and looking at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from twinrow.actions.context import ActionContext
from twinrow.actions.mapping_changes import MappingChange, changes
from twinrow.actions.mapping_check import check_mappings
from twinrow.actions.mapping_check.transformations import SUBJECT
from twinrow.actions.mapping_files import MappingDocument, export_mappings, read_mapping_files
from twinrow.actions.schema_drift import list_drift
from twinrow.model.errors import MappingProblem, MappingProblems
from twinrow.model.filters import settings_as_variables
from twinrow.model.mapping import MappingFile, SchemaDrift, TableMapping
from twinrow.model.rules import TransformationRule, rule_chain
from twinrow.model.sides import Side
from twinrow.model.tables import Table
from twinrow.standard.custom_page import CUSTOM_PAGE
from twinrow.standard.files import standard_mappings
from twinrow.standard.functions import offered_functions
from twinrow.standard.order import run_order
from twinrow.standard.rules import RULES
from twinrow.store.mappings import StoredMapping, list_mappings, read_rules, save_mapping, save_rules
from twinrow.store.systems import Pair


def list_table_mappings(context: ActionContext) -> list[TableMapping]:
    """Return the mappings of the connection in the order in which they run."""
    return [stored.mapping for stored in context.mappings()]


def show_mapping(context: ActionContext, name: str) -> TableMapping:
    """Return a mapping of the connection. Raises `UnknownName`."""
    return context.mapping(name).mapping


def apply_mappings(context: ActionContext, *files: str | Path) -> list[MappingProblem]:
    """Add the mappings of files to the connection, or change those with the same names; return the warnings.

    What is remembered of their records (couplings, bases, watermarks) stays. Raises `MappingProblems` with everything that is
    wrong, in the files themselves or with the systems; nothing is changed then.
    """
    documents = read_mapping_files(files)
    mappings = [mapping for document in documents for mapping in document.content.mappings]
    rules = [rule for document in documents for rule in document.content.transformation_rules]
    problems = [_placed(problem, documents) for problem in _problems(context, mappings, rules)]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise MappingProblems(errors)
    save_mappings(context, mappings, rules)
    return problems


def check_mapping_files(context: ActionContext, *files: str | Path) -> list[MappingProblem]:
    """Return everything that is wrong with mapping files and the systems of the connection; nothing is changed.

    Raises `MappingProblems` where the files themselves cannot be read.
    """
    documents = read_mapping_files(files)
    mappings = [mapping for document in documents for mapping in document.content.mappings]
    rules = [rule for document in documents for rule in document.content.transformation_rules]
    return [_placed(problem, documents) for problem in _problems(context, mappings, rules)]


def diff_mapping_files(context: ActionContext, *files: str | Path) -> list[MappingChange]:
    """Return what applying mapping files would change; nothing is changed.

    Mappings of the connection that no file names stay as they are. Raises `MappingProblems` where the files cannot be read.
    """
    documents = read_mapping_files(files)
    ownership, company = _circumstances(context.pair())
    given = [mapping for document in documents for mapping in document.content.mappings]
    fitting = [fit for mapping in given if (fit := mapping.in_circumstances(ownership, company)) is not None]
    return changes({stored.name: stored.mapping for stored in context.mappings()}, fitting)


def check_connection(context: ActionContext, names: Sequence[str] = ()) -> list[MappingProblem]:
    """Return everything that is wrong with the connection's mappings (all, or those named) and its systems as they are now."""
    for name in names:
        context.mapping(name)
    problems = _problems(context, [], [])
    for stored in context.mappings():
        problems += _drift_problems(context, stored.mapping, problems)
    return [problem for problem in problems if not names or problem.mapping in names]


def _drift_problems(
    context: ActionContext, mapping: TableMapping, known: Sequence[MappingProblem]
) -> list[MappingProblem]:
    """Return what is not as it was when the mapping last ran, where its tables are there at all."""
    gone = {problem.mapping for problem in known if problem.field.endswith("_table")}
    severity = "error" if mapping.schema_drift is SchemaDrift.STOP else "warning"
    drift = [] if mapping.name in gone else list_drift(context, mapping.name)
    remedy = f"Mend the mapping, or accept it: twinrow mapping fields {mapping.name} --accept-schema."
    return [
        MappingProblem(f"{one} since the mapping last ran.", remedy, mapping.name, one.key, severity=severity)
        for one in drift
        if one.now is not None
    ]


def export_connection(context: ActionContext, names: Sequence[str] = ()) -> str:
    """Return the connection's mappings (all, or those named) as the text of a mapping file."""
    stored = [context.mapping(name) for name in names] if names else context.mappings()
    with context.database.reading() as connection:
        rules = read_rules(connection)
    used = {rule.code for code in _used_rules(one.mapping for one in stored) for rule in rule_chain([code], rules)}
    content = MappingFile(
        version=1,
        transformation_rules=tuple(rule for code, rule in rules.items() if code in used),
        mappings=tuple(one.mapping for one in stored),
    )
    return export_mappings(content)


def save_mappings(
    context: ActionContext, mappings: Iterable[TableMapping], rules: Sequence[TransformationRule] = ()
) -> list[StoredMapping]:
    """Store mappings, as they are in the connection's circumstances, in the order in which all then run."""
    pair = context.pair()
    ownership, company = _circumstances(pair)
    fitting = [fit for mapping in mappings if (fit := mapping.in_circumstances(ownership, company)) is not None]
    with context.database.transaction() as connection:
        save_rules(connection, rules)
        known = {stored.name: stored.mapping for stored in list_mappings(connection, pair.id)}
        known |= {mapping.name: mapping for mapping in fitting}
        for position, mapping in enumerate(run_order(known.values())):
            save_mapping(connection, pair.id, position, mapping)
        return [stored for stored in list_mappings(connection, pair.id) if stored.name in {m.name for m in fitting}]


def standard_for(pair: Pair) -> list[TableMapping]:
    """Return the standard mappings as they are in a connection's circumstances."""
    ownership, company = _circumstances(pair)
    return [fit for mapping in standard_mappings() if (fit := mapping.in_circumstances(ownership, company)) is not None]


def _circumstances(pair: Pair) -> tuple[str | None, str | None]:
    return pair.settings.get("ownership_model"), pair.settings.get("company_name")


def _problems(
    context: ActionContext, mappings: Sequence[TableMapping], rules: Sequence[TransformationRule]
) -> list[MappingProblem]:
    """Check mappings together with the connection's others; problems of the others are left out unless none are given."""
    pair = context.pair()
    ownership, company = _circumstances(pair)
    fitting = {m.name: fit for m in mappings if (fit := m.in_circumstances(ownership, company)) is not None}
    with context.database.reading() as connection:
        known = {stored.name: stored.mapping for stored in list_mappings(connection, pair.id)}
        transformations: Mapping[str, TransformationRule] = {
            **read_rules(connection),
            **{rule.code: rule for rule in rules},
        }
    connectors = {side: context.connector(pair.system(side)) for side in Side}

    def table(side: Side, name: str) -> Table:
        return connectors[side].describe(name)

    problems = check_mappings(
        list((known | fitting).values()),
        table,
        rules=transformations,
        variables=settings_as_variables(pair.settings),
        capabilities=lambda side, name: connectors[side].capabilities(name),
        table_rules=set(RULES),
        optional=(CUSTOM_PAGE,),
        functions=set(offered_functions()) if any(rule.type == "custom" for rule in transformations.values()) else None,
    )
    concerned = {f"{SUBJECT} {code}" for code in _used_rules(fitting.values()) | {rule.code for rule in rules}}
    return [
        problem
        for problem in problems
        if not (mappings or rules) or (problem.mapping in fitting if problem.mapping else problem.field in concerned)
    ]


def _used_rules(mappings: Iterable[TableMapping]) -> set[str]:
    return {code for mapping in mappings for row in mapping.fields for code in row.transformation}


def _placed(problem: MappingProblem, documents: Sequence[MappingDocument]) -> MappingProblem:
    for document in documents:
        problem = document.place(problem)
    return problem
