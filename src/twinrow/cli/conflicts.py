"""`twinrow conflicts`: fields that both sides changed to different values, and saying whose it is to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, OfMapping, Store
from twinrow.cli.screen import card, number, plural, point, show, show_lines, told_value
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.conflicts import ConflictingSide, ReadableConflict
    from twinrow.cli.naming import Names

conflicts = typer.Typer(
    no_args_is_help=True, help="Conflicts: fields that both sides changed to different values; list and settle them."
)


@conflicts.command(name="list")
def list_conflicts(
    mapping: OfMapping = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the open conflicts, oldest first: both values, the one before, and who changed it when."""
    from twinrow.cli.documents import conflict_document, print_document
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        found = opened.describe_conflicts(opened.list_conflicts(mapping, limit))
        names = Names(opened)
        if as_json:
            print_document({"conflicts": [conflict_document(conflict) for conflict in found]})
            return
        if found:
            show(*(_conflict_card(conflict, names) for conflict in found))
    if not found:
        show_lines(["There is no open conflict."])
        return
    if len(found) == limit:
        show_lines([f"These are the oldest {number(limit)}; --limit shows more."])
    show_lines(
        [
            "Next: say whose value it is to be, for one or several by number:",
            "  twinrow conflicts resolve NUMBER ... --take local|integration",
        ]
    )


def _conflict_card(conflict: ReadableConflict, names: Names) -> Any:
    from twinrow.cli.naming import field_name

    lines: list[tuple[str, str | None]] = []
    for side, said in conflict.sides.items():
        system = names.systems[side.value]
        lines += [
            (system, f"{told_value(said.value, said.caption)}{_change(said)}"),
            ("", f"record {said.label or said.record}" if said.record else None),
        ]
    title = f"{conflict.id}  {conflict.mapping.name}: {field_name(conflict.mapping, conflict.key)}"
    return card(f"{title}, since {point(conflict.since)}", lines)


def _change(said: ConflictingSide) -> str:
    parts = []
    if said.before_known:
        parts.append(f"before: {told_value(said.before)}")
    if said.modified_at is not None:
        parts.append(f"changed {point(said.modified_at)}{f' by {said.modified_by}' if said.modified_by else ''}")
    return f" ({'; '.join(parts)})" if parts else ""


@conflicts.command(name="resolve")
def resolve_conflicts(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="NUMBER", help="The conflicts, by their numbers in `conflicts list`.")
    ] = None,
    take: Annotated[
        Literal["local", "integration"] | None,
        typer.Option(metavar="local|integration", help="The side whose value it is to be."),
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="VALUE", help="Another value for both sides, as the local side writes it.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All conflicts of --mapping.")] = False,
    mapping: Annotated[
        str | None, typer.Option(metavar="MAPPING", help="The mapping whose conflicts are meant.")
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Settle conflicts: take the value of one side, or give another one to both. It is carried over at once.

    Other fields of a merge group come from the same side. A conflict whose values have changed since it was listed is refused.
    Exit code 1: something was refused, or could not be carried over.
    """
    if all_ and (mapping is None or numbers):
        raise typer.BadParameter("--all means all conflicts of a mapping: name it with --mapping, and no numbers.")
    if not all_ and not numbers:
        raise typer.BadParameter("Give the numbers of conflicts, or --all with --mapping.")
    with workspace(store, connection) as opened:
        result = opened.resolve_conflicts(numbers or (), mapping=mapping, take=take, value=value)
    failed = sum(run.counters.failed for run in result.runs)
    if as_json:
        from twinrow.cli.documents import print_document

        refused = [{"id": id, "reason": reason} for id, reason in result.refused.items()]
        runs = [run.id for run in result.runs]
        print_document({"settled": list(result.settled), "refused": refused, "runs": runs, "failed": failed})
    else:
        show_lines(
            [
                f"{plural(len(result.settled), 'conflict')} settled, {number(len(result.refused))} refused.",
                *(f"{id}: {reason}" for id, reason in result.refused.items()),
            ]
        )
        if failed:
            show_lines([f"{plural(failed, 'record')} could not be carried over. Next: twinrow errors list"])
        elif result.refused:
            show_lines(["Next: twinrow sync, then twinrow conflicts list"])
    if result.refused or failed:
        raise typer.Exit(RECORDS_FAILED)
