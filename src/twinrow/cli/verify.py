"""`twinrow verify`: compares both sides of a mapping and tells what differs, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, Store
from twinrow.cli.screen import card, number, plural, point, screen, show, show_lines, span, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.verification import Difference, VerificationResult
    from twinrow.actions.writers import OtherWriter
    from twinrow.cli.naming import Names

_MEANING = {
    "drift": "nothing accounts for it",
    "local gone": "the local record is no longer there",
    "integration gone": "the integration record is no longer there",
    "both gone": "neither record is there any more",
    "conflict": "a person decides",
    "skipped": "set aside until it is retried",
    "pending": "tried again by the next run",
    "awaiting": "carried by the next run",
    "undone": "stays so until either side changes",
    "outside filter": "does not take part any more",
    "by rule": "as the mapping wants it",
}


_MOST_PLANNED = 10_000
"""More records are not named in one plan: repair these, and verify again."""


def verify(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    limit: Limit = 10,
    ids: Annotated[
        bool, typer.Option("--ids", metavar="", help="Print only the ids of the records that drifted, one a line.")
    ] = False,
    plan: Annotated[
        Literal["to", "from"] | None,
        typer.Option(
            "--plan",
            metavar="to|from",
            help="Make a plan that repairs the records that drifted: to the integration side, or from it.",
        ),
    ] = None,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Compare both sides of a mapping, and tell which coupled records differ, and why; nothing is written to either.

    Exit code 0: nothing differs, or only what the next run, an open list or a rule accounts for. 1: records have drifted apart,
    or one of a pair is gone. `--limit` is the number of samples of each kind.
    """
    from twinrow.cli.naming import Names

    if ids and plan:
        raise typer.BadParameter("Give --ids or --plan, not both.", param_hint="--plan")
    with workspace(store, connection) as opened:
        names = Names(opened)
        apart: list[str] = []
        others: list[OtherWriter] = []
        if ids:
            result = opened.verify(mapping, limit=1, drifted=lambda found: typer.echo("\n".join(found)))
        else:
            with screen(errors=True).status("Verifying") as line:
                result = opened.verify(
                    mapping,
                    limit=limit,
                    progress=lambda what, count: line.update(f"{number(count)} {what}"),
                    drifted=lambda found: apart.extend(found[: _MOST_PLANNED - len(apart)]) if plan else None,
                )
            others = opened.find_other_writers(mapping)
        made = opened.make_plan(mapping, records=apart, direction=plan) if plan and apart else None
    if as_json and not ids:
        from twinrow.cli.documents import print_document, verification_document

        print_document(verification_document(result, others) | {"plan": made.id if made else None})
    elif not ids:
        _tell(result, names)
        show_lines(_warning(one, names) for one in others)
        if made is not None:
            show_lines([f"A plan that repairs {plural(len(apart), 'record')}: twinrow plan show {made.id}"])
    if not result.clean:
        raise typer.Exit(RECORDS_FAILED)


def _tell(result: VerificationResult, names: Names) -> None:
    if result.samples:
        show(*(_card(one, result.mapping, names) for one in result.samples))
        rows = [(kind.value, number(count), _MEANING[kind.value]) for kind, count in result.records.items()]
        show(table(("Difference", ">Records", "Meaning"), rows))
    compared = f"{plural(result.compared, 'coupled pair')} compared in {span(result.finished_at - result.started_at)}"
    apart = [
        f"{number(count)} in {names.systems[side.value]} not coupled"
        for side, count in result.not_coupled.items()
        if count
    ]
    show_lines([f"{'; '.join([compared, *apart])}."])
    kinds = {kind.value for kind in result.records}
    quoted = f'"{result.mapping}"' if " " in result.mapping else result.mapping
    lines = []
    if "drift" in kinds:
        lines.append(f"Next: say which side is right: twinrow sync {quoted} --record ID --direction to|from")
        lines.append(f"      All that drifted: twinrow verify {quoted} --ids")
    if kinds & {"local gone", "integration gone", "both gone"}:
        lines.append(f"Next: look at the records that are gone: twinrow couplings list {quoted}")
    if "awaiting" in kinds:
        lines.append(f"Next: twinrow sync {quoted}")
    show_lines(lines or ["All is well."])


def _warning(one: OtherWriter, names: Names) -> str:
    who = f" by {one.who}" if one.who else ""
    return (
        f"Warning: {one.field.caption or one.field.name} was changed again in {names.systems[one.side.value]}{who} within an "
        f"hour of being written there, in {plural(one.records, 'record')}, last {point(one.last)}. Another integration, or the "
        "system's own logic, may write it, too."
    )


def _card(one: Difference, mapping: str, names: Names) -> Any:
    record = f"{one.label} ({one.local_id})" if one.label else one.local_id
    lines: list[tuple[str, str | None]] = [("Record", record)]
    if one.field is None:
        lines += [(names.systems["integration"], one.integration_id), ("Reason", one.reason)]
    else:
        lines += [
            ("Field", names.field_of(mapping, one.field)),
            (names.systems["local"], _shown(one.local)),
            (names.systems["integration"], _shown(one.integration)),
            ("Reason", one.reason),
        ]
    return card(one.kind.value.capitalize(), lines)


def _shown(value: object) -> str:
    if value is None:
        return "(blank)"
    return f"“{value}”" if isinstance(value, str) else str(value)
