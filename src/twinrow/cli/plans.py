"""`twinrow plan` and `twinrow sync --plan`: what a synchronization would do, and doing exactly that."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinrow.cli.failures import CANNOT, RECORDS_FAILED, tell
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, OfMapping, Store
from twinrow.cli.screen import card, number, plural, point, show, show_lines, table, told_value
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.plans import Plan, PlannedField, PlannedRecord
    from twinrow.cli.naming import Names
    from twinrow.workspace import Workspace

plan = typer.Typer(no_args_is_help=True, help="Plans: what a synchronization would do, and doing exactly that.")

PAGE = 20

PlanNumber = Annotated[int, typer.Argument(metavar="PLAN", help="The number of the plan.")]

_KINDS = {
    "create": "is made",
    "update": "is changed",
    "delete": "is deleted",
    "uncouple": "is uncoupled",
    "couple": "is coupled",
    "conflict": "is in conflict",
    "fail": "fails",
}


def make_plan(
    opened: Workspace, names: Names, mappings: Sequence[str], records: Sequence[str], *, as_json: bool, **options: Any
) -> None:
    """Make a plan, show how far it is, and tell what it comes to."""
    from twinrow.cli.progress import ProgressLines

    with ProgressLines(names.direction) as lines:
        made = opened.make_plan(*mappings, records=records, progress=lines.settled, started=lines.started, **options)
    if as_json:
        _print_plan(made)
        return
    _show_summary(made, names)
    if any(one.counters.written or one.counters.uncoupled or one.counters.failed for one in made.passes):
        show_lines(
            [
                f"Next: twinrow plan show {made.id}, then twinrow plan apply {made.id} (or twinrow plan discard {made.id})"
            ]
        )
    else:
        show_lines(["There is nothing to do."])


def _print_plan(made: Plan, records: Iterable[PlannedRecord] | None = None) -> None:
    from twinrow.cli.documents import plan_document, planned_record_document, print_document

    document = plan_document(made)
    if records is not None:
        document["records"] = [planned_record_document(record) for record in records]
    print_document(document)


def _show_summary(made: Plan, names: Names) -> None:
    columns = ("Mapping", "Direction", ">Read", ">Create", ">Change", ">Delete", ">Uncouple", ">Fail", ">Unchanged")
    rows = []
    for one in made.passes:
        counters = one.counters
        counts = (
            counters.read,
            counters.inserted,
            counters.modified,
            counters.deleted,
            counters.uncoupled,
            counters.failed,
            counters.unchanged + counters.ignored + counters.skipped,
        )
        rows.append((one.mapping, names.direction(one.direction), *(number(count) for count in counts)))
    show(table(columns, rows, f"Plan {made.id}, made {point(made.made_at)} by {made.who}: {made.state}"))
    lines = [
        f"{one.mapping} {names.direction(one.direction)} changes "
        + ", ".join(f"{name} ({number(count)})" for name, count in _most(one.fields))
        for one in made.passes
        if one.fields
    ]
    show_lines(lines)


def _most(fields: Any) -> list[tuple[str, int]]:
    return sorted(fields.items(), key=lambda item: (-item[1], item[0]))


@plan.command(name="list")
def list_plans(as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """List the plans, newest first."""
    from twinrow.cli.documents import plan_document, print_document

    with workspace(store, connection) as opened:
        found = opened.list_plans()
    if as_json:
        print_document({"plans": [plan_document(one) for one in found]})
        return
    rows = [
        (
            str(one.id),
            point(one.made_at),
            one.state,
            ", ".join(dict.fromkeys(each.mapping for each in one.passes)),
            number(one.counters.written + one.counters.uncoupled),
        )
        for one in found
    ]
    if rows:
        show(table((">Plan", "Made", "State", "Mappings", ">Writes"), rows))
    show_lines(["Next: twinrow plan show PLAN" if rows else "There is no plan. Next: twinrow sync --plan"])


@plan.command(name="show")
def show_plan(
    number_: PlanNumber,
    mapping: OfMapping = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Only these: create, update, delete, uncouple, couple, conflict, fail."),
    ] = None,
    page: Annotated[int, typer.Option(metavar="NUMBER", min=1, help=f"Which page of {PAGE} records is shown.")] = 1,
    as_csv: Annotated[
        bool, typer.Option("--csv", metavar="", help="Print all records as CSV, a line for each field.")
    ] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Show a plan: what it comes to, and its records with the values before and after, page by page."""
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        made = opened.show_plan(number_)
        if as_csv:
            _print_csv(opened.planned_records(number_, mapping=mapping, kind=kind))
            return
        if as_json:
            _print_plan(made, opened.planned_records(number_, mapping=mapping, kind=kind))
            return
        names = Names(opened)
        start = (page - 1) * PAGE
        records = list(opened.planned_records(number_, mapping=mapping, kind=kind, start=start, limit=PAGE + 1))
        if page == 1:
            _show_summary(made, names)
        shown = records[:PAGE]
        if shown:
            show(*(_record_card(record, names) for record in shown))
    if not shown:
        show_lines(["There is no such record in the plan." if page == 1 else f"There is no page {page}."])
    elif len(records) > PAGE:
        show_lines([f"There is more: repeat the command with --page {page + 1}; --csv and --json print everything."])
    if made.state == "open" and shown:
        show_lines([f"Next: twinrow plan apply {number_}, or twinrow plan discard {number_}"])


def _record_card(record: PlannedRecord, names: Names) -> Any:
    from twinrow.model.sides import Pass

    pass_ = Pass(record.direction)
    source, destination = names.systems[pass_.source.value], names.systems[pass_.destination.value]
    label = f"{record.label}: " if record.label else ""
    title = f"{record.mapping} {names.direction(record.direction)}: {label}{_KINDS[record.kind]}"
    lines: list[tuple[str, str | None]] = [
        (f"Record in {source}", record.records[pass_.source]),
        (f"Record in {destination}", record.records[pass_.destination]),
        ("Problem", record.message),
    ]
    lines += [(_name(field), _change(field, record.kind, source, destination)) for field in record.fields]
    return card(title, lines)


def _name(field: PlannedField) -> str:
    return f"{field.caption} ({field.name})" if field.caption and field.caption != field.name else field.name


def _change(field: PlannedField, kind: str, source: str, destination: str) -> str:
    old, new = told_value(field.old), told_value(field.new)
    if field.conflict:
        return f"{new} in {source}, {old} in {destination}"
    if kind == "create":
        return new
    return old if kind == "delete" else f"{old} → {new}"


def _print_csv(records: Iterable[PlannedRecord]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(
        ("mapping", "direction", "kind", "label", "local", "integration", "field", "old", "new", "conflict", "message")
    )
    for record in records:
        known = (
            record.mapping,
            record.direction,
            record.kind,
            record.label,
            *(id or "" for _, id in sorted(record.records.items(), key=lambda item: item[0].value, reverse=True)),
        )
        message = record.message or ""
        for field in record.fields:
            conflict = "yes" if field.conflict else ""
            writer.writerow((*known, field.name, _plain(field.old), _plain(field.new), conflict, message))
        if not record.fields:
            writer.writerow((*known, "", "", "", "", message))


def _plain(value: object) -> str:
    return "" if value is None else str(value)


@plan.command(name="apply")
def apply_plan(
    number_: PlanNumber, as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE
) -> None:
    """Carry a plan out: exactly what it shows. Records that have changed since are refused, by name.

    Deletions and uncouplings that it shows are thereby allowed. Exit code 1: records were refused or failed.
    """
    from twinrow.cli.naming import Names
    from twinrow.cli.progress import ProgressLines
    from twinrow.cli.sync import show_runs

    with workspace(store, connection) as opened:
        names = Names(opened)
        with ProgressLines(names.direction) as lines:
            done = opened.apply_plan(number_, progress=lines.settled, started=lines.started)
        broken = [run for run in done.runs if run.state != "finished"]
        failed = sum(run.counters.failed for run in done.runs)
        if as_json:
            from twinrow.cli.documents import print_document, run_document

            runs = [run_document(run, names, (), ()) for run in done.runs]
            print_document({"plan": number_, "round": done.id, "runs": runs})
        else:
            show_runs(done.runs, names, idle=False)
            if failed:
                number_of_run = done.runs[0].id
                show_lines([f"{plural(failed, 'record')} failed or had moved. Next: twinrow jobs show {number_of_run}"])
            elif not broken:
                show_lines(["Done as planned."])
    for run in broken:
        tell(f"{run.mapping} did not run to the end: {run.message}")
    if broken:
        raise typer.Exit(CANNOT)
    if failed:
        raise typer.Exit(RECORDS_FAILED)


@plan.command(name="discard")
def discard_plan(
    number_: PlanNumber, as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE
) -> None:
    """Forget a plan that is not wanted."""
    with workspace(store, connection) as opened:
        opened.discard_plan(number_)
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"plan": number_, "state": "discarded"})
        return
    show_lines([f"Plan {number_} is discarded."])
