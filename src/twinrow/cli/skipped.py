"""`twinrow skipped`: records that were set aside, what is left of both sides, and what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, OfMapping, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import card, number, plural, point, show, show_lines
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinrow.actions.coupled_errors import CoupledError
    from twinrow.actions.results import Run
    from twinrow.cli.naming import Names
    from twinrow.workspace import Workspace

skipped = typer.Typer(
    no_args_is_help=True, help="Coupled data errors: records that were set aside, and what can be done with them."
)

Numbers = Annotated[
    list[int], typer.Argument(metavar="NUMBER", help="The records, by their numbers in `skipped list`.")
]
Yes = Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")]


@skipped.command(name="list")
def list_skipped(
    mapping: OfMapping = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the records that were set aside: what is there on both sides, and why they failed last.

    Couplings of which both sides are gone are removed.
    """
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        found = opened.list_coupled_errors(mapping, limit)
        names = Names(opened)
        if as_json:
            from twinrow.cli.documents import print_document

            print_document({"skipped": [_document(one) for one in found]})
            return
        if found:
            show(*(_card(one, names) for one in found))
    if not found:
        show_lines(["No record is set aside. Couplings of deleted records are found by: twinrow skipped find"])
        return
    if len(found) == limit:
        show_lines([f"These are the newest {number(limit)}; --limit shows more."])
    show_lines(["Next: mend what is named, then twinrow skipped retry NUMBER, or what else it says can be done"])


def _card(error: CoupledError, names: Names) -> Any:
    from twinrow.model.sides import Side

    records = [
        (names.systems[side.value], _told(error.labels[side], error.ids[side], error.exists[side])) for side in Side
    ]
    return card(
        f"{error.number}: {error.mapping}, {names.direction(error.pass_.value)}, {point(error.failed_at)}",
        [
            *records,
            ("Field", names.field_of(error.mapping, error.field)),
            ("Problem", error.message),
            ("Cause", error.cause),
            ("Remedy", error.remedy),
            ("Can be", ", ".join(remedy.value for remedy in sorted(error.remedies))),
        ],
    )


def _told(label: str, id: str | None, there: bool) -> str:
    if id is None:
        return "not coupled"
    return (f"{label} ({id})" if label else id) if there else f"gone ({id})"


def _document(error: CoupledError) -> dict[str, Any]:
    return {
        "number": error.number,
        "mapping": error.mapping,
        "records": {side.value: id for side, id in error.ids.items()},
        "labels": {side.value: label for side, label in error.labels.items()},
        "exists": {side.value: there for side, there in error.exists.items()},
        "direction": error.pass_.value,
        "field": error.field,
        "message": error.message,
        "cause": error.cause,
        "remedy": error.remedy,
        "failed_at": error.failed_at,
        "can_be": sorted(remedy.value for remedy in error.remedies),
    }


@skipped.command()
def retry(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="NUMBER", help="The records, by their numbers; else all.")
    ] = None,
    mapping: OfMapping = None,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Take records off the list, so that the next run tries them again."""
    with workspace(store, connection) as opened:
        chosen = [mapping] if mapping is not None else [one.name for one in opened.list_table_mappings()]
        count = sum(opened.retry_skipped(name, numbers or None) for name in chosen)
    taken = plural(count, "record is", "records are")
    missing = len(set(numbers or ())) - count
    show_lines([f"{taken} tried again by the next run. Next: twinrow sync"] if count else [])
    if numbers and missing:
        show_lines([f"{plural(missing, 'number is', 'numbers are')} not on the list (twinrow skipped list)."])
        raise typer.Exit(RECORDS_FAILED)
    if not count:
        show_lines(["Nothing is set aside."])


@skipped.command()
def sync(
    numbers: Numbers,
    direction: Annotated[
        Literal["to", "from"] | None,
        typer.Option(metavar="to|from", help="Whose values win, in mappings that go both ways; else both are merged."),
    ] = None,
    yes: Yes = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Take records off the list and synchronize them now. Records of which a side is gone are left out."""
    with workspace(store, connection) as opened:
        if direction is not None:
            confirm("Values of the other side are replaced; the journal keeps them. Synchronize?", yes)
        _show(opened, opened.synchronize_coupled_errors(numbers, direction))


@skipped.command()
def restore(
    numbers: Numbers, yes: Yes = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE
) -> None:
    """Make records that are gone again from those that are left; they get new ids."""
    with workspace(store, connection) as opened:
        confirm(f"Make {plural(len(numbers), 'record')} again?", yes)
        _show(opened, opened.restore_records(numbers))


@skipped.command()
def delete(numbers: Numbers, yes: Yes = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """Delete what is left of records of which the other side is gone."""
    with workspace(store, connection) as opened:
        confirm(f"Delete {plural(len(numbers), 'record')} that {'is' if len(numbers) == 1 else 'are'} left?", yes)
        _show(opened, opened.delete_records(numbers))


@skipped.command()
def uncouple(numbers: Numbers, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """Uncouple records that were set aside; no data is deleted."""
    with workspace(store, connection) as opened:
        done = opened.uncouple_coupled_errors(numbers)
    show_lines(f"{one.mapping}: {plural(one.uncoupled, 'record is', 'records are')} uncoupled." for one in done)
    if not done:
        show_lines(["None of these records is coupled."])
    if any(one.failed for one in done):
        raise typer.Exit(RECORDS_FAILED)


@skipped.command()
def find(mapping: OfMapping = None, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """Look for couplings whose records are gone, or do not satisfy the filter any more, and put them on the list.

    Both sides are read: that takes as long as a full synchronization reads.
    """
    with workspace(store, connection) as opened:
        found = opened.find_deleted(mapping)
    told = [
        f"{name}: {plural(one.gone, 'coupling has', 'couplings have')} a record that is gone, "
        f"{plural(one.outside, 'one', 'ones')} outside the filter."
        for name, one in found.items()
        if one.gone or one.outside
    ]
    show_lines([*told, "Next: twinrow skipped list"] if told else ["No coupling is broken."])


def _show(opened: Workspace, runs: Sequence[Run]) -> None:
    from twinrow.cli.naming import Names
    from twinrow.cli.sync import exit_code, show_runs

    if not runs:
        show_lines(["There was nothing to do: a side of each of these records is gone."])
        return
    show_runs(runs, Names(opened))
    code = exit_code(runs)
    if code:
        raise typer.Exit(code)
