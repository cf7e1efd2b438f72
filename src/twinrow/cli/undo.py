"""`twinrow undo`: taking back what a run wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.screen import card, number, plural, show, show_lines, table, told_value
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinrow.actions.undo import UndoChange, UndoRefusal, UndoResult
    from twinrow.cli.naming import Names

_SHOWN = 20


def undo(
    run: Annotated[
        int | None,
        typer.Argument(
            metavar="RUN", help="The run; without it, the newest that wrote the record.", show_default=False
        ),
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what was written of this record, by its id on either side.")
    ] = None,
    field: Annotated[str | None, typer.Option(metavar="FIELD", help="Only this field, by its name or caption.")] = None,
    mapping: Annotated[str | None, typer.Option(metavar="MAPPING", help="The mapping of the record.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Take back what a run wrote: all of it, one record, or one field.

    A value only goes back where the record still has what the run left. A record that was made is deleted where nobody has
    touched it since; one that was deleted is made again, with a new id. What was undone stays so until somebody changes it
    again, and can be undone in turn. Exit code 1: something was refused; it is named.
    """
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        result = opened.undo(run, mapping=mapping, record=record, field=field, plan=plan)
        if as_json:
            from twinrow.cli.documents import print_document, undo_document

            print_document(undo_document(result))
        else:
            _show(result, Names(opened))
    if result.refused:
        raise typer.Exit(RECORDS_FAILED)


def _show(result: UndoResult, names: Names) -> None:
    planned = result.undo_run is None
    fields = [change for change in result.changes if change.field is not None]
    records = [change for change in result.changes if change.field is None]
    if fields:
        rows = [
            (names.systems[one.side.value], _record(one), _field(one), told_value(one.now), told_value(one.then))
            for one in fields[:_SHOWN]
        ]
        show(table(("System", "Record", "Field", "Now" if planned else "Was", "Then" if planned else "Is"), rows))
    if records:
        show(*(_record_card(one, names, planned) for one in records[:_SHOWN]))
    if result.refusals:
        show(*_refusal_cards(result.refusals, names))
    hidden = [len(part) - _SHOWN for part in (fields, records) if len(part) > _SHOWN]
    show_lines([f"and {number(sum(hidden))} more; --json and the journal tell all."] if hidden else [])
    counted = [
        (result.restored, "restored"),
        (result.removed, "deleted"),
        (result.made_again, "made again"),
        (result.unchanged, "left as they are"),
    ]
    told = ", ".join(f"{plural(count, 'record')} {what}" for count, what in counted if count) or "nothing"
    if planned:
        show_lines([f"This would be done: {told}; refused: {number(result.refused)}."])
        show_lines([f"Next: twinrow undo {result.run}, with the same options, without --plan"])
        return
    show_lines([f"Undone by run {result.undo_run}: {told}; refused: {number(result.refused)}."])
    show_lines([f"To take that back: twinrow undo {result.undo_run}"])


def _record(one: UndoChange | UndoRefusal) -> str:
    return one.label or one.records.get(one.side) or one.records.get(one.side.other) or ""


def _field(one: UndoChange | UndoRefusal) -> str:
    return one.caption or one.field or ""


def _record_card(one: UndoChange, names: Names, planned: bool) -> Any:
    what = {
        "removed": "to be deleted" if planned else "deleted",
        "made again": "to be made again" if planned else one.kind,
    }
    title = f"{_record(one)}: {what.get(one.kind, one.kind)} in {names.systems[one.side.value]}"
    return card(
        title,
        [
            (f"Record in {names.systems[one.side.value]}", one.records.get(one.side)),
            (f"Record in {names.systems[one.side.other.value]}", one.records.get(one.side.other)),
            ("New id", one.new_id),
        ],
    )


def _refusal_cards(refusals: Sequence[UndoRefusal], names: Names) -> list[Any]:
    groups: dict[tuple[str, str, str], list[UndoRefusal]] = {}
    for refusal in refusals:
        groups.setdefault((refusal.side.value, _field(refusal), refusal.reason), []).append(refusal)
    cards = []
    for (side, field, reason), alike in groups.items():
        first = [
            f"{one.label} ({id})" if one.label else id
            for one in alike[:5]
            if (id := one.records.get(one.side) or one.records.get(one.side.other))
        ]
        more = [f"and {number(len(alike) - 5)} more"] if len(alike) > 5 else []
        cards.append(
            card(
                f"Not undone in {names.systems[side]}: {reason}",
                [("Field", field), ("Record" if len(alike) == 1 else "Records", "\n".join([*first, *more]))],
            )
        )
    return cards
