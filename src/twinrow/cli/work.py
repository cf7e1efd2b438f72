"""`twinrow jobs`, `errors`, `pending` and `status`: looking at the work, and retrying what was set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, OfMapping, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import card, number, plural, point, show, show_lines, span, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinrow.actions.results import Job
    from twinrow.actions.work import MappingStatus
    from twinrow.cli.naming import Names
    from twinrow.store.errors import ErrorRow
    from twinrow.store.pending import PendingRecord
    from twinrow.workspace import Workspace

jobs = typer.Typer(no_args_is_help=True, help="Jobs: what has run, and what came of it.")
errors = typer.Typer(no_args_is_help=True, help="Errors: which records failed, why, and what to do.")
pending = typer.Typer(no_args_is_help=True, help="Pending records: those that wait, and those that were set aside.")

_RECORDS_SHOWN = 5

_REMEDIES = {
    "CONFLICT": "twinrow conflicts list shows both values, twinrow conflicts resolve settles them.",
    "OSCILLATING": "Switch one system's own logic off for the field, or map it one way only.",
    "WAITING": "Nothing, if that record will be coupled: then this one comes by itself.",
}
"""What to do where an error names no remedy of its own, by the decision that failed."""


@jobs.command(name="list")
def list_jobs(
    mapping: OfMapping = None,
    record: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The newest jobs that dealt with this record of the mapping, of either side."),
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the newest jobs: a run of a mapping has one for each direction."""
    from twinrow.cli.documents import job_document, print_document
    from twinrow.cli.naming import Names

    if record is not None and mapping is None:
        raise typer.BadParameter("Name the mapping that the record belongs to.", param_hint="--record")
    with workspace(store, connection) as opened:
        about = (mapping, record) if mapping is not None and record is not None else None
        found = opened.list_record_jobs(*about)[:limit] if about else opened.list_jobs(mapping, limit)
        runs = _run_numbers(opened, found)
        if as_json:
            print_document({"jobs": [{"run": runs[job.id], **job_document(job)} for job in found]})
            return
        names = Names(opened)
        rows = [
            (
                str(runs[job.id]),
                _job_name(job, names),
                point(job.started_at),
                job.state,
                number(job.read),
                number(job.counters.written),
                number(job.failed),
            )
            for job in found
        ]
    if rows:
        show(table((">Run", "Job", "Started", "State", ">Read", ">Written", ">Failed"), rows))
    show_lines(["Next: twinrow jobs show RUN" if rows else "Nothing has run yet. Next: twinrow sync"])


@jobs.command(name="delete")
def delete_jobs(
    mapping: OfMapping = None,
    older_than: Annotated[
        int, typer.Option(metavar="DAYS", min=0, help="Only jobs that ended so many days ago; 0: all that have ended.")
    ] = 7,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Forget old jobs and their errors. What records that are pending, skipped or in conflict refer to stays."""
    with workspace(store, connection) as opened:
        confirm("Forget these jobs and their errors?", yes)
        show_lines([f"Forgot {plural(opened.delete_jobs(mapping, older_than_days=older_than), 'job')}."])


def _job_name(job: Job, names: Names) -> str:
    """Return what people call a job: its mapping with its direction, or with what else it does."""
    return f"{job.mapping} {_job_kind(job, names)}"


def _job_kind(job: Job, names: Names) -> str:
    return names.direction(job.direction) if job.type == "synchronization" else job.type


def _run_numbers(opened: Workspace, found: Sequence[Job]) -> dict[int, int]:
    from twinrow.store.runs import get_job

    with opened.context.database.reading() as connection:
        return {job.id: get_job(connection, job.id).run_id for job in found}


@jobs.command(name="show")
def show_run(
    number_: Annotated[int, typer.Argument(metavar="RUN", help="The number of the run, as `jobs list` shows it.")],
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Show a run: its jobs, all their counters, and the errors that they recorded."""
    from twinrow.cli.documents import print_document, run_document
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        run = opened.show_run(number_)
        names = Names(opened)
        if as_json:
            print_document(run_document(run, names, opened.describe_conflicts(run.conflicts), ()))
            return
        columns = [f">{_job_kind(job, names)}, job {job.id}" for job in run.jobs]
        rows = [
            (name.capitalize(), *(number(job.counters.as_dict()[name]) for job in run.jobs))
            for name, total in run.counters.as_dict().items()
            if total or name in ("read", "failed")
        ]
        rows += [
            (f"Ignored: {reason}", *(number(job.ignored_reasons.get(reason, 0)) for job in run.jobs))
            for reason in sorted({reason for job in run.jobs for reason in job.ignored_reasons})
        ]
        rows += [
            ("State", *(job.state for job in run.jobs)),
            ("Started", *(point(job.started_at) for job in run.jobs)),
            ("Time", *(span(job.duration) for job in run.jobs)),
        ]
        show(table((f"{run.mapping}, run {run.id}", *columns), rows))
        if run.state == "finished":
            show_lines([f"{_job_kind(job, names)}: {job.message}" for job in run.jobs if job.message])
        if run.message:
            show_lines([f"It did not come to its end: {run.message}"])
        if run.errors:
            show(*_error_cards(run.errors, names))


@errors.command(name="list")
def list_errors(
    mapping: OfMapping = None,
    job: Annotated[int | None, typer.Option(metavar="NUMBER", help="Only those of this job.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the newest errors: which record and field, why, and what to do. Equal ones stand together."""
    from twinrow.cli.documents import error_document, print_document
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        found = opened.list_errors(mapping, job=job, limit=limit)
        names = Names(opened)
        _look_up_errors(found, names)
        if as_json:
            print_document({"errors": [error_document(error, names) for error in found]})
            return
        if found:
            show(*_error_cards(found, names))
    if not found:
        show_lines(["No record has failed."])
    elif len(found) == limit:
        show_lines([f"These are the newest {number(limit)}; --limit shows more."])


def _look_up_errors(found: Sequence[ErrorRow], names: Names) -> None:
    for mapping in {error.mapping_id for error in found}:
        of_mapping = [error for error in found if error.mapping_id == mapping]
        for side in {one for error in of_mapping for one in (error.pass_.source, error.pass_.destination)}:
            sources = [error.source_id for error in of_mapping if error.pass_.source is side]
            others = [error.destination_id for error in of_mapping if error.pass_.destination is side]
            names.look_up(mapping, side, [*sources, *others])


def _error_cards(found: Sequence[ErrorRow], names: Names) -> list[Any]:
    groups: dict[tuple[Any, ...], list[ErrorRow]] = {}
    for error in found:
        alike = (error.mapping_id, error.pass_, error.field, error.message, error.cause, error.remedy)
        groups.setdefault(alike, []).append(error)
    return [_error_card(alike, names) for alike in groups.values()]


def _error_card(alike: Sequence[ErrorRow], names: Names) -> Any:
    newest = alike[0]
    jobs_ = sorted({error.job_id for error in alike})
    when = f"{point(newest.at)}, {'job' if len(jobs_) == 1 else 'jobs'} {', '.join(map(str, jobs_))}"
    number_, from_, to = newest.mapping_id, newest.pass_.source, newest.pass_.destination
    source, destination = names.systems[from_.value], names.systems[to.value]
    remedy = _REMEDIES.get(newest.decision.name)
    return card(
        f"{names.mapping(newest.mapping_id)} {names.direction(newest.pass_.value)}, {when}",
        [
            (f"Record in {source}", _some([names.record(number_, from_, error.source_id) for error in alike])),
            (f"Record in {destination}", _some([names.record(number_, to, error.destination_id) for error in alike])),
            ("Field", names.field(newest.mapping_id, newest.field)),
            ("Problem", newest.message),
            ("Cause", newest.cause),
            ("Remedy", newest.remedy or remedy),
        ],
    )


def _some(ids: Sequence[str | None], between: str = "\n") -> str:
    """Return the first of some ids, and how many more there are."""
    known = list(dict.fromkeys(id for id in ids if id is not None))
    more = len(known) - _RECORDS_SHOWN
    return between.join([*known[:_RECORDS_SHOWN], *([f"and {number(more)} more"] if more > 0 else [])])


@pending.command(name="list")
def list_pending(
    mapping: OfMapping = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the records that wait and come again by themselves, and those that were set aside. Equal ones stand together."""
    from twinrow.cli.documents import pending_document, print_document
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        found = opened.list_pending(mapping, limit)
        names = Names(opened)
        for number_, side in {(record.mapping_id, record.pass_.source) for record in found}:
            of_side = [one for one in found if (one.mapping_id, one.pass_.source) == (number_, side)]
            names.look_up(number_, side, [one.source_id for one in of_side])
        if as_json:
            print_document({"pending": [pending_document(record, names) for record in found]})
            return
        if found:
            show(*_pending_cards(found, names))
    if not found:
        show_lines(["No record waits."])
        return
    if len(found) == limit:
        show_lines([f"These are the oldest {number(limit)}; --limit shows more."])
    if any(record.skipped for record in found):
        show_lines(["Next: mend what is named, then twinrow pending retry MAPPING, then twinrow sync MAPPING"])


def _pending_cards(found: Sequence[PendingRecord], names: Names) -> list[Any]:
    groups: dict[tuple[Any, ...], list[PendingRecord]] = {}
    for record in found:
        alike = (record.mapping_id, record.pass_, record.skipped, record.field, record.message, record.remedy)
        groups.setdefault(alike, []).append(record)
    return [_pending_card(alike, names) for alike in groups.values()]


def _pending_card(alike: Sequence[PendingRecord], names: Names) -> Any:
    first = alike[0]
    state = "skipped" if first.skipped else "waits"
    source = names.systems[first.pass_.source.value]
    return card(
        f"{names.mapping(first.mapping_id)} {names.direction(first.pass_.value)}: {state} since {point(first.since)}",
        [
            (
                f"Record in {source}",
                _some([names.record(first.mapping_id, first.pass_.source, one.source_id) for one in alike]),
            ),
            ("Number", _some([str(record.id) for record in alike], ", ")),
            ("Field", names.field(first.mapping_id, first.field)),
            ("Problem", first.message),
            ("Cause", first.cause),
            ("Remedy", first.remedy or _REMEDIES.get(first.decision.name)),
            ("Not before", point(first.not_before)),
        ],
    )


@pending.command(name="retry")
def retry_pending(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="NUMBER", help="The records, by their numbers in `pending list`; else all."),
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Take records off the skipped list, so that the next run tries them again."""
    with workspace(store, connection) as opened:
        count = opened.retry_skipped(mapping, numbers or None)
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"mapping": mapping, "retried": count})
        return
    taken = plural(count, "record is", "records are")
    show_lines(
        [
            f"{taken} tried again by the next run. Next: twinrow sync"
            if count
            else "No record of the mapping is skipped."
        ]
    )


def _state(one: MappingStatus) -> str:
    if one.running:
        return "running now"
    # A run that nobody is at work on has been broken off.
    return "broken off; twinrow sync goes on" if one.last_state == "running" else one.last_state or "never ran"


def status(as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """Show how each mapping stands: couplings, conflicts, what waits, when it ran."""
    from twinrow.cli.documents import print_document, status_document
    from twinrow.cli.screen import ARROWS

    with workspace(store, connection) as opened:
        found = opened.status()
        stop = opened.show_stop()
        pilots = opened.list_pilots() if found else {}
        held = opened.show_read_only() if found else frozenset()
        names = {side: opened.show_connection().system(side).name for side in held}
    if as_json:
        print_document(
            {
                "mappings": [status_document(one) for one in found],
                "stopped": {"by": stop.who, "since": stop.since, "reason": stop.reason} if stop else None,
                "read_only": sorted(held),
                "pilots": sorted(pilots),
            }
        )
        return
    if not found:
        show_lines(["There is no mapping yet.", "Next: twinrow connection setup, or twinrow mapping apply FILE"])
        return
    if stop is not None:
        why = f": {stop.reason}" if stop.reason else ""
        show_lines([f"Everything is stopped since {point(stop.since)}, by {stop.who}{why}. Next: twinrow resume", ""])
    show_lines(f"Nothing is written to {name}: the connection is read only." for name in names.values())
    show_lines(
        f"In {name} only {plural(one.ids.len(), 'record takes', 'records take')} part: a pilot."
        for name, one in pilots.items()
    )
    rows = [
        (
            one.mapping,
            ARROWS[one.direction],
            number(one.coupled),
            number(one.conflicts),
            number(one.waiting),
            number(one.skipped),
            point(one.last_run),
            _state(one),
        )
        for one in found
    ]
    show(table(("Mapping", "", ">Coupled", ">Conflicts", ">Waiting", ">Skipped", "Last run", "State"), rows))
    unresolved = [
        f"{one.mapping}: {plural(one.unresolved, 'reference')} to records not coupled yet"
        for one in found
        if one.unresolved
    ]
    show_lines(unresolved)
