"""`twinrow mapping`: table mappings and the files that hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinrow.cli.failures import CANNOT
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import ARROWS, plural, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.mapping_changes import MappingChange
    from twinrow.model.errors import MappingProblem
    from twinrow.model.mapping import FieldMapping, TableMapping

mapping = typer.Typer(
    no_args_is_help=True, help="Mappings: list, show, check, compare, apply, reset, export them; look at their fields."
)

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Mapping files.")]


@mapping.command(name="list")
def list_(as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """List the mappings of a connection in the order in which they run."""
    with workspace(store, connection) as opened:
        found = opened.list_table_mappings()
        pair = opened.show_connection()
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"mappings": [_plain(one) for one in found]})
        return
    if not found:
        show_lines(["There is no mapping yet.", "Next: twinrow connection setup, or twinrow mapping apply FILE"])
        return
    rows = [
        (
            one.name,
            one.local_table,
            ARROWS[one.direction.value],
            one.integration_table,
            "disabled" if not one.enabled else "coupled" if one.only_coupled else "all",
        )
        for one in found
    ]
    show(table(("Mapping", pair.local.name, "", pair.integration.name, "Records"), rows))


def _plain(one: TableMapping) -> dict[str, object]:
    return one.model_dump(mode="json", exclude_defaults=True)


@mapping.command(name="show")
def show_(
    name: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Show a mapping: its tables, its rules, its fields."""
    with workspace(store, connection) as opened:
        found = opened.show_mapping(name)
        pair = opened.show_connection()
    if as_json:
        from twinrow.cli.documents import print_document

        print_document(_plain(found))
        return
    rules = [
        ("Tables", f"{found.local_table} {ARROWS[found.direction.value]} {found.integration_table}"),
        ("Description", found.description),
        ("Disabled", "" if found.enabled else "it does not run"),
        (f"Filter in {pair.local.name}", found.local_filter),
        (f"Filter in {pair.integration.name}", found.integration_filter),
        ("Synchronizes", "coupled records only" if found.only_coupled else "all records; creates what is missing"),
        ("Both sides changed a field", _words(found.update_conflict_resolution.value, "the conflict list")),
        ("A mapped field has changed", _words(found.schema_drift.value, "")),
        ("The counterpart was deleted", _words(found.deletion_conflict_resolution.value, "the record fails")),
        ("Runs after", ", ".join(found.dependencies)),
        ("Rules", ", ".join(found.rules)),
        ("Templates", ", ".join(f"{one.code} ({pair.system(one.side).name})" for one in found.templates)),
    ]
    show(table((found.name, ""), [row for row in rules if row[1]]))
    rows = [
        (
            row.caption,
            row.local or f"constant {row.constant}",
            ARROWS[row.direction.value],
            row.integration or f"constant {row.constant}",
            remarks(row),
        )
        for row in found.fields
    ]
    show(table(("Field", f"={pair.local.name}", "", f"={pair.integration.name}", "Remarks"), rows))


def _words(value: str, none: str) -> str:
    return none if value == "none" else value.replace("_", " ")


def remarks(row: FieldMapping) -> str:
    """Return what there is to say of a field mapping beside its fields and its direction."""
    from twinrow.model.mapping import OnLoss

    remarks = [] if row.enabled else ["disabled"]
    if row.transformation:
        remarks.append(", ".join(row.transformation))
    if row.related_mapping:
        remarks.append(f"of {' or '.join(row.related_mapping)}")
    if row.values:
        remarks.append(plural(len(row.values), "pair of values", "pairs of values"))
    if row.merge_group:
        remarks.append(f"group {row.merge_group}")
    if row.on_loss not in (None, OnLoss.OVERWRITE):
        remarks.append(f"on loss: {row.on_loss.value}")
    return "; ".join(remarks)


@mapping.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Mapping files; without any, the connection's own mappings."),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--mapping", metavar="MAPPING", help="Only this mapping of the connection; may be repeated."),
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Look for everything that is wrong with mappings and with the systems as they are now; nothing is changed."""
    if files and names:
        raise typer.BadParameter("Name files or mappings, not both.", param_hint="--mapping")
    from twinrow.model.errors import MappingProblems

    with workspace(store, connection) as opened:
        if not files and not opened.list_table_mappings() and not as_json:
            show_lines(["There is no mapping yet.", "Next: twinrow connection setup, or twinrow mapping apply FILE"])
            return
        try:
            problems = opened.check_mapping_files(*files) if files else opened.check_connection(names or [])
        except MappingProblems as error:
            problems = list(error.problems)
    _tell(problems, as_json)
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(CANNOT)


def _tell(problems: Sequence[MappingProblem], as_json: bool) -> None:
    if as_json:
        from twinrow.cli.documents import print_document, problem_document

        print_document({"problems": [problem_document(problem) for problem in problems]})
        return
    show_lines(f"{problem.severity.capitalize()}: {problem}" for problem in problems)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    if not problems:
        show_lines(["Nothing is wrong."])
        return
    counted = [plural(count, noun) for count, noun in ((errors, "error"), (warnings, "warning")) if count]
    show_lines([f"{' and '.join(counted)}. {'Mend the errors first.' if errors else 'The mappings can be used.'}"])


@mapping.command()
def apply(
    files: Files, as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE
) -> None:
    """Add the mappings of files to the connection, or change those of the same names.

    What is remembered of their records stays. Where anything is wrong, nothing is changed.
    """
    with workspace(store, connection) as opened:
        before = {one.name: one for one in opened.list_table_mappings()}
        warnings = opened.apply_mappings(*files)
        after = opened.list_table_mappings()
    changed = [one.name for one in after if before.get(one.name) != one]
    if as_json:
        from twinrow.cli.documents import print_document, problem_document

        print_document({"changed": changed, "problems": [problem_document(problem) for problem in warnings]})
        return
    show_lines(f"Warning: {problem}" for problem in warnings)
    show_lines(f"{'Changed' if name in before else 'Added'} the mapping {name}." for name in changed)
    show_lines(["Next: twinrow sync" if changed else "Nothing has changed: the connection has these mappings already."])


@mapping.command()
def export(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MAPPING", help="The mappings; all, if none is named.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.")] = None,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Write mappings as a mapping file."""
    with workspace(store, connection) as opened:
        text = opened.export_connection(names or [])
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    show_lines([f"Wrote {output}."])


@mapping.command()
def diff(
    files: Files, as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE
) -> None:
    """Show what `mapping apply` would change; nothing is changed."""
    with workspace(store, connection) as opened:
        found = opened.diff_mapping_files(*files)
    if as_json:
        from twinrow.cli.documents import change_document, print_document

        print_document({"changes": [change_document(one) for one in found]})
        return
    show_lines(_change(one) for one in found)
    next_ = f"Next: twinrow mapping apply {' '.join(map(str, files))}"
    show_lines([next_ if found else "Nothing would change: the connection has these mappings already."])


def _change(one: MappingChange) -> str:
    where = f"{one.mapping}: {one.place}" if one.place else one.mapping
    if one.kind != "changed":
        return f"{where}: {one.kind}"
    return f"{where}: {_text(one.before)} → {_text(one.after)}"


def _text(value: object) -> str:
    if value in (None, "", [], {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@mapping.command()
def reset(
    names: Annotated[list[str] | None, typer.Argument(metavar="MAPPING", help="The mappings.")] = None,
    all_: Annotated[bool, typer.Option("--all", metavar="", help="All mappings of the connection.")] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do it without asking.")] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Give mappings their standard form again; mappings and fields of your own come back disabled.

    What is remembered of their records (couplings, values last reconciled, how far was read, the journal) stays.
    """
    if bool(names) == all_:
        raise typer.BadParameter("Name mappings, or give --all.", param_hint="MAPPING")
    with workspace(store, connection) as opened:
        planned = opened.plan_reset(names or [])
        if not as_json:
            show_lines(_change(one) for one in planned.changes)
        if planned.changes:
            confirm("Reset these mappings?", yes)
        done = opened.reset_mappings(names or [])
    if as_json:
        from twinrow.cli.documents import change_document, print_document

        print_document(
            {
                "standard": list(done.standard),
                "disabled": list(done.disabled),
                "changes": [change_document(one) for one in done.changes],
            }
        )
        return
    if not done.changes:
        show_lines(["Nothing has changed: the mappings have their standard form already."])
        return
    lines = [f"Reset: {', '.join(done.standard)}."] if done.standard else []
    if done.disabled:
        lines.append(f"Disabled: {', '.join(done.disabled)}. To let one run again: twinrow mapping enable MAPPING")
    show_lines([*lines, "The default set-up is complete. Next: twinrow mapping check, then twinrow sync"])


@mapping.command()
def enable(
    name: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Let a mapping run again."""
    with workspace(store, connection) as opened:
        opened.enable_mapping(name)
    show_lines([f"{name} is enabled. Next: twinrow mapping check, then twinrow sync"])


@mapping.command()
def disable(
    name: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Take a mapping out of use: it does not run until it is enabled; what is remembered of its records stays."""
    with workspace(store, connection) as opened:
        opened.disable_mapping(name)
    show_lines([f"{name} is disabled. To let it run again: twinrow mapping enable MAPPING"])


@mapping.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    forget_couplings: Annotated[
        bool,
        typer.Option("--forget-couplings", metavar="", help="Also where it has couplings; these are forgotten."),
    ] = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Remove a mapping with its couplings, jobs, errors and journal; the records stay as they are in both systems."""
    with workspace(store, connection) as opened:
        coupled = opened.remove_mapping(name, forget_couplings=forget_couplings)
    told = f" {plural(coupled, 'coupling is', 'couplings are')} forgotten." if coupled else ""
    show_lines([f"Removed the mapping {name}.{told}"])
