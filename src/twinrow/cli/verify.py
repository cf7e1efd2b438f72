"""`twinrow verify`: compares both sides of a mapping and tells what differs, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, Store
from twinrow.cli.screen import card, number, plural, screen, show, show_lines, span, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.verification import Difference, VerificationResult
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


def verify(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    limit: Limit = 10,
    ids: Annotated[
        bool, typer.Option("--ids", metavar="", help="Print only the ids of the records that drifted, one a line.")
    ] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Compare both sides of a mapping, and tell which coupled records differ, and why; nothing is written to either.

    Exit code 0: nothing differs, or only what the next run, an open list or a rule accounts for. 1: records have drifted apart,
    or one of a pair is gone. `--limit` is the number of samples of each kind.
    """
    from twinrow.cli.naming import Names

    with workspace(store, connection) as opened:
        names = Names(opened)
        if ids:
            result = opened.verify(mapping, limit=1, drifted=lambda found: typer.echo("\n".join(found)))
        else:
            with screen(errors=True).status("Verifying") as line:
                result = opened.verify(
                    mapping, limit=limit, progress=lambda what, count: line.update(f"{number(count)} {what}")
                )
    if as_json and not ids:
        from twinrow.cli.documents import print_document, verification_document

        print_document(verification_document(result))
    elif not ids:
        _tell(result, names)
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
