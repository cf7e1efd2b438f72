"""`twinrow sync`: runs mappings, shows how far they are, and tells what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import CANNOT, RECORDS_FAILED, STOPPED, tell
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.screen import number, plural, show, show_lines, span, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.offers import Reason
    from twinrow.actions.results import Job, Round, Run
    from twinrow.cli.naming import Names
    from twinrow.engine.fields import Unavailable
    from twinrow.store.pending import PendingRecord
    from twinrow.workspace import Workspace


def sync(
    mappings: Annotated[
        list[str] | None,
        typer.Argument(metavar="MAPPING", help="The mappings, run in dependency order; all, if none is named."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", metavar="", help="Read everything again, not only changes.")] = False,
    create: Annotated[
        bool,
        typer.Option(
            "--create", metavar="", help="Also create what is not coupled, of what is read; all of it with --full."
        ),
    ] = False,
    unconditional: Annotated[
        bool, typer.Option("--unconditional", metavar="", help="Write also what has not changed.")
    ] = False,
    records: Annotated[
        list[str] | None,
        typer.Option("--record", metavar="ID", help="Only this record of either side; may be given several times."),
    ] = None,
    direction: Annotated[
        Literal["to", "from", "both"] | None,
        typer.Option(
            metavar="to|from|both",
            help="To the integration side only, or from it; its source then wins every field.",
        ),
    ] = None,
    allow_duplicates: Annotated[
        bool,
        typer.Option("--allow-duplicates", metavar="", help="Create also what seems to be there already, uncoupled."),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", metavar="", help="Only decide, and keep it as a plan; neither system is written to."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="Do not ask before newer values of a chosen record are replaced.")
    ] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Synchronize: one mapping, several, or all of the connection.

    Exit code 0: all is well. 1: records failed, are in conflict or wait. 2: something could not run.
    """
    if records and len(mappings or []) != 1:
        raise typer.BadParameter("Name the one mapping that the records belong to.", param_hint="--record")
    options: dict[str, Any] = {
        "full": full,
        "create": create,
        "unconditional": unconditional,
        "direction": direction,
    }
    with workspace(store, connection) as opened:
        from twinrow.cli.naming import Names

        names = Names(opened)
        if plan:
            from twinrow.cli.plans import make_plan

            make_plan(opened, names, mappings or [], records or [], as_json=as_json, **options)
            return
        options["allow_duplicates"] = allow_duplicates
        runs: tuple[Run, ...]
        left_out: Mapping[str, Reason] = {}
        number_: int | None = None
        try:
            if records and mappings and direction in ("to", "from"):
                from twinrow.cli.selection import synchronize_chosen

                chosen = {"create": create, "unconditional": unconditional, "yes": yes}
                chosen["allow_duplicates"] = allow_duplicates
                selected = synchronize_chosen(opened, names, mappings[0], records, direction, **chosen)
                runs, left_out = (selected.run,) if selected.run else (), selected.left_out
            else:
                runs, number_ = run_mappings(opened, names, mappings or [], records or [], **options)
        except KeyboardInterrupt:
            tell("Stopped. What was settled stays.")
            tell("Next:  twinrow sync goes on where this run stands.")
            raise typer.Exit(STOPPED) from None
        unavailable = {name: _unavailable(opened, name) for name in dict.fromkeys(run.mapping for run in runs)}
        if as_json:
            _print_document(opened, names, runs, number_, unavailable, left_out)
        else:
            from twinrow.cli.selection import show_left_out

            show_runs(runs, names)
            show_left_out((mappings or [""])[0], left_out)
            if runs:
                _tell_open_work(runs, unavailable)
    if records and _none_found(runs, len(records)):
        from twinrow.model.errors import RecordNotFound

        raise RecordNotFound("None of the records is in either system", remedy="Give ids of records of this mapping.")
    if code := exit_code(runs):
        raise typer.Exit(code)


def _none_found(runs: Iterable[Run], records: int) -> bool:
    """Whether no pass has found any of the records that were named."""
    from twinrow.model.outcomes import Ignored

    jobs = [job for run in runs for job in run.jobs]
    return bool(jobs) and all(job.ignored_reasons.get(Ignored.NOT_FOUND.value, 0) == records for job in jobs)


def run_mappings(
    opened: Workspace, names: Names, mappings: Sequence[str] = (), records: Sequence[str] = (), **options: Any
) -> tuple[tuple[Run, ...], int | None]:
    """Run mappings (all, if none is named) and show how far they are; return the runs and the number of their round."""
    from twinrow.cli.progress import ProgressLines

    with ProgressLines(names.direction) as lines:
        if records:
            lines.started(mappings[0])
            run = opened.synchronize(mappings[0], records=records, progress=lines.settled, **options)
            return (run,), None
        round_: Round = opened.synchronize_all(mappings, progress=lines.settled, started=lines.started, **options)
        return round_.runs, round_.id


def exit_code(runs: Iterable[Run]) -> int:
    """Return the exit code of runs: what failed at first and then was done in a follow-up run is well."""
    last = {run.mapping: run for run in runs}.values()
    if any(run.state != "finished" for run in last):
        return CANNOT
    return RECORDS_FAILED if any(run.counters.failed or run.conflicts or open_records(run) for run in last) else 0


def open_records(run: Run) -> list[PendingRecord]:
    """Return the mapping's records that wait or are set aside. Conflicts are counted by themselves."""
    from twinrow.model.outcomes import Decision

    return [record for record in run.pending if record.decision is not Decision.CONFLICT]


def _unavailable(opened: Workspace, mapping: str) -> tuple[Unavailable, ...]:
    """Return what is mapped and not served; where a system does not answer, the run has told that already."""
    from twinrow.actions.work import unavailable_fields
    from twinrow.model.errors import TwinrowError

    try:
        return unavailable_fields(opened.context, opened.show_mapping(mapping))
    except TwinrowError:
        return ()


def _print_document(
    opened: Workspace,
    names: Names,
    runs: Sequence[Run],
    round_: int | None,
    unavailable: Mapping[str, Sequence[Unavailable]],
    left_out: Mapping[str, Reason],
) -> None:
    from twinrow.cli.documents import print_document, run_document

    documents = [
        run_document(run, names, opened.describe_conflicts(run.conflicts), unavailable[run.mapping]) for run in runs
    ]
    document: dict[str, Any] = {"round": round_, "succeeded": exit_code(runs) == 0, "runs": documents}
    if left_out:
        document["left_out"] = {id: reason.value for id, reason in left_out.items()}
    print_document(document)


def show_runs(runs: Sequence[Run], names: Names, *, idle: bool = True) -> None:
    """Print a table with a line for each mapping and direction, and below it what the table has no column for.

    `idle` says whether lines are shown for what had nothing to read, too.
    """
    rows = [
        row
        for mapping in dict.fromkeys(run.mapping for run in runs)
        for row in _rows([run for run in runs if run.mapping == mapping], names, idle=idle)
    ]
    if rows:
        columns = ("Mapping", "Direction", ">Read", ">Inserted", ">Modified", ">Unchanged", ">Failed", ">Time")
        show(table(columns, rows))
    for run in runs:
        for job in run.jobs:
            if others := _others(job):
                show_lines([f"{job.mapping} {names.direction(job.direction)}: {others}."])
            if job.message and run.state == "finished":
                show_lines([f"{job.mapping} {names.direction(job.direction)}: {job.message}"])


def _rows(runs: Sequence[Run], names: Names, *, idle: bool) -> list[tuple[str, ...]]:
    """Return the lines of one mapping: its run, and all its follow-up runs taken together."""
    first, *again = runs
    rows = [_row(first.mapping, [job], names) for job in first.jobs if idle or job.read]
    for job in first.jobs:
        repeated = [other for run in again for other in run.jobs if other.direction == job.direction]
        if any(other.read for other in repeated):
            rows.append(_row("  again", repeated, names))
    return rows


def _row(name: str, jobs: Sequence[Job], names: Names) -> tuple[str, ...]:
    from twinrow.model.outcomes import Counters

    total = sum((job.counters for job in jobs), start=Counters())
    counts = (total.read, total.inserted, total.modified, total.unchanged, total.failed)
    time = sum((job.duration for job in jobs if job.duration is not None), start=timedelta())
    return (name, names.direction(jobs[0].direction), *(number(count) for count in counts), span(time))


def _others(job: Job) -> str:
    """Return the outcomes that are rarer than those in the table, in words."""
    parts = [
        f"{number(count)} {name}"
        for name in ("coupled", "skipped", "deleted", "uncoupled", "ignored")
        if (count := getattr(job, name)) and not (name == "coupled" and count == job.inserted)
    ]
    reasons = {reason: count for reason, count in job.ignored_reasons.items() if count}
    if len(reasons) == 1:
        parts[-1] += f" ({', '.join(reasons)})"
    elif reasons:
        parts[-1] += f" ({', '.join(f'{number(count)} {reason}' for reason, count in reasons.items())})"
    return ", ".join(parts)


def _tell_open_work(runs: Sequence[Run], unavailable: Mapping[str, Sequence[Unavailable]]) -> None:
    from twinrow.model.outcomes import Decision, Ignored

    last = {run.mapping: run for run in runs}
    jobs = [job for run in runs for job in run.jobs]
    reasons: dict[str, list[str]] = {}
    for run in last.values():
        if run.state != "finished":
            reasons.setdefault(run.message or run.state, []).append(run.mapping)
    lines = [f"{', '.join(mappings)} did not run to the end: {reason}" for reason, mappings in reasons.items()]
    if any(unavailable.values()):
        lines.append("Mapped, but not served by the systems (twinrow mapping check says why):")
        lines += [
            f"  {mapping}: {', '.join(one.field for one in fields)}"
            for mapping, fields in unavailable.items()
            if fields
        ]
    still_open = [record for run in last.values() for record in open_records(run)]
    conflicts = sum(len(run.conflicts) for run in last.values())
    skipped = sum(record.skipped for record in still_open)
    waiting = sum(record.decision is Decision.WAITING and not record.skipped for record in still_open)
    failed = max(0, sum(run.counters.failed for run in last.values()) - waiting - conflicts)
    later = max(0, len(still_open) - skipped - waiting - failed)
    if failed:
        lines.append(f"{plural(failed, 'record')} failed. Next: twinrow errors list")
    if conflicts:
        lines.append(f"{plural(conflicts, 'conflict')}. Next: twinrow conflicts list")
    if waiting:
        lines.append(f"{plural(waiting, 'record waits', 'records wait')} for a related one. Next: twinrow pending list")
    if later:
        lines.append(f"{plural(later, 'record is', 'records are')} tried again later. Next: twinrow pending list")
    if skipped:
        lines.append(f"{plural(skipped, 'record is', 'records are')} skipped. Next: twinrow pending list")
    if any(job.ignored_reasons.get(Ignored.NOT_COUPLED.value) for job in jobs):
        lines.append("Records that are not coupled were left alone. To make them: twinrow sync --create")
    warned = any((job.message or "").startswith("Warning:") for job in jobs)
    if not exit_code(runs) and not warned and not any(job.ignored_reasons.get(Ignored.NOT_FOUND.value) for job in jobs):
        lines.append("All is well.")
    show_lines(lines)
