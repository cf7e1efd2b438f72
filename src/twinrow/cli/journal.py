"""`twinrow journal`: what was written, when, by which run, and what was there before; and how long that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, OfMapping, Store
from twinrow.cli.screen import card, plural, point, show, show_lines, told_value
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from datetime import timedelta

    from twinrow.actions.journal import Write, WrittenField
    from twinrow.cli.naming import Names

journal = typer.Typer(no_args_is_help=True, help="The journal: every value that was written, and the one before.")

_KINDS = {"create": "made", "update": "changed", "delete": "deleted"}
_REASONS = {
    "CREATE": "it was not there yet",
    "RESTORE": "its counterpart was gone",
    "SOURCE_CHANGED": "changed in {source}",
    "SOURCE_WINS": "changed on both sides; the mapping lets {source} win",
    "DESTINATION_WINS": "changed on both sides; the mapping lets {destination} win; other fields were carried",
    "CONFLICT": "changed in {source}; other fields are in conflict",
    "FORCED": "a person asked for it",
    "INDETERMINATE": "carried out, although its answer was missing",
    "PROPAGATE_DELETE": "deleted in {source}",
    "OSCILLATING": "changed in {source}; other fields are stopped",
}
"""Why a record was written, by the decision."""


@journal.command(name="show")
def show_writes(
    mapping: OfMapping = None,
    record: Annotated[
        str | None, typer.Option(metavar="ID", help="Only writes of this record, by its id on either side.")
    ] = None,
    field: Annotated[str | None, typer.Option(metavar="FIELD", help="Only this field, by its name or caption.")] = None,
    run: Annotated[int | None, typer.Option(metavar="RUN", help="Only what this run wrote.")] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many writes are shown at the most.")] = 20,
    after: Annotated[
        str | None, typer.Option(metavar="WRITE", help="Go on behind this write, by the number shown with it.")
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Show what was written, newest first: the value before and after, by which run, and why."""
    from twinrow.cli.documents import print_document, write_document
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        page = opened.show_journal(mapping, record=record, field=field, run=run, limit=limit, after=after)
        if as_json:
            print_document({"writes": [write_document(write) for write in page.writes], "next": page.next})
            return
        if page.writes:
            names = Names(opened)
            show(*(_write_card(write, names) for write in page.writes))
    if not page.writes:
        show_lines(["The journal has nothing of that kind."])
    elif page.next is not None:
        show_lines([f"There is more: repeat the command with --after {page.next}"])


def _write_card(write: Write, names: Names) -> Any:
    systems = names.systems
    title = (
        f"{write.number}  {write.mapping}: {_KINDS[write.kind]} in {systems[write.side.value]}, "
        f"{point(write.at)}, run {write.run}"
    )
    lines: list[tuple[str, str | None]] = [
        (f"Record in {systems[side.value]}", id) for side, id in write.records.items() if id
    ]
    lines.append(("Why", _why(write, systems)))
    if write.erased:
        lines.append(("Values", "erased on request"))
    lines += [(_field_name(field), _change(field, write.kind)) for field in write.fields]
    return card(title, lines)


def _why(write: Write, systems: dict[str, str]) -> str | None:
    if write.asked is not None:
        return f"{write.asked}{f', by {write.who}' if write.who else ''}"
    reason = _REASONS.get(write.decision.name) if write.decision is not None else None
    if reason is None:
        return None
    return reason.format(source=systems[write.side.other.value], destination=systems[write.side.value])


def _field_name(field: WrittenField) -> str:
    return f"{field.caption} ({field.name})" if field.caption and field.caption != field.name else field.name


def _change(field: WrittenField, kind: str) -> str:
    rule = f"  [{field.rule}]" if field.rule else ""
    old, new = told_value(field.old, field.old_caption), told_value(field.new, field.new_caption)
    if kind == "delete":
        return f"{old}{rule}"
    if kind == "create" or not field.old_known:
        return f"{new}{rule}"
    return f"{old} → {new}{rule}"


@journal.command(name="prune")
def prune_writes(
    days: Annotated[
        int | None, typer.Option(metavar="DAYS", min=0, help="Forget what is older; else what the store need not keep.")
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Forget old writes now. They can be neither told nor undone afterwards."""
    with workspace(store, connection) as opened:
        count = opened.prune_journal(days)
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"forgotten": count})
        return
    show_lines([f"Forgot {plural(count, 'write')}."])


@journal.command(name="keep")
def keep_writes(
    days: Annotated[
        str | None,
        typer.Argument(
            metavar="DAYS|forever", help="For how many days writes are kept; absent: show it.", show_default=False
        ),
    ] = None,
    jobs: Annotated[
        str | None, typer.Option(metavar="DAYS|forever", help="For how many days jobs and their errors are kept.")
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Say for how long the store keeps its journal, and its jobs with their errors. At first both are kept for ever.

    What is older goes at the end of runs, once a day. Jobs that tell of what is still open stay.
    """
    with workspace(store, connection) as opened:
        kept = opened.show_retention()
        if days is not None or jobs is not None:
            kept = opened.keep_journal(
                _days(days) if days is not None else _whole_days(kept.journal),
                jobs=_days(jobs) if jobs is not None else _whole_days(kept.jobs),
            )
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"journal_days": _whole_days(kept.journal), "jobs_days": _whole_days(kept.jobs)})
        return
    show_lines([f"Writes are kept {_kept(kept.journal)}.", f"Jobs and their errors are kept {_kept(kept.jobs)}."])


def _days(text: str) -> int | None:
    if text == "forever":
        return None
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no number of days; write a number, or forever.")
    return int(text)


def _whole_days(span: timedelta | None) -> int | None:
    return span.days if span is not None else None


def _kept(span: timedelta | None) -> str:
    return "for ever" if span is None else f"for {plural(span.days, 'day')}"
