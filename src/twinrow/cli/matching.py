"""`twinrow match`: couples records of both sides that agree in chosen fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from twinrow.cli.failures import CANNOT, RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.proposals import match_scored
from twinrow.cli.screen import number, plural, screen, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.matching import MatchResult


def match(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD[,FIELD…]",
            help="Match by these fields together: names of either side, or captions. Given again: tried next.",
        ),
    ] = None,
    records: Annotated[
        list[str] | None,
        typer.Option("--record", metavar="ID", help="Only this local record; may be given several times."),
    ] = None,
    create_unmatched: Annotated[
        bool | None,
        typer.Option(
            "--create-unmatched/--no-create-unmatched",
            help="Make counterparts for records that find none.",
            show_default="as the mapping says",
        ),
    ] = None,
    sync_after: Annotated[
        bool | None,
        typer.Option(
            "--sync-after/--no-sync-after",
            help="Synchronize what was coupled.",
            show_default="as the mapping says",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", metavar="", help="Only tell what would be coupled; nothing is kept of it.")
    ] = False,
    scored: Annotated[
        bool,
        typer.Option("--scored", metavar="", help="Hold what is not coupled against each other by how alike it is."),
    ] = False,
    propose: Annotated[
        bool, typer.Option("--propose", metavar="", help="With --scored: couple nothing, only propose.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", metavar="", help="With --scored: learn from all records anew.")
    ] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Couple uncoupled records of both sides that agree in chosen fields, each with the only one that does.

    Without --on the mapping's own criteria count. With --scored all fields are compared: what is the same beyond doubt is
    coupled, what is likely is proposed (`twinrow proposals list`). Exit code 0: each record that took part has a
    counterpart, or was looked at with --scored. 1: some have none, or failed in what followed.
    """
    if scored:
        if on or records or plan or create_unmatched is not None or sync_after is not None:
            raise typer.BadParameter(
                "--scored looks at every record that is not coupled: only --propose and --again go with it."
            )
        match_scored(mapping, propose, again, as_json, connection, store)
        return
    if propose or again:
        raise typer.BadParameter("--propose and --again go with --scored.")
    groups = [[name for name in group.split(",") if name.strip()] for group in on or []]
    with workspace(store, connection) as opened:
        with screen(errors=True).status("Matching") as line:
            result = opened.match(
                mapping,
                on=groups,
                records=records or (),
                create_unmatched=create_unmatched,
                sync_after=sync_after,
                plan=plan,
                progress=lambda what, count: line.update(f"{number(count)} {what}"),
            )
        if as_json:
            from twinrow.cli.documents import match_document, print_document

            print_document(match_document(result))
        else:
            from twinrow.cli.naming import Names
            from twinrow.cli.sync import show_runs

            show(table(("Result", ">Records"), _rows(result)))
            show_runs(result.runs, Names(opened))
            show_lines(_next(result))
    if any(run.state != "finished" for run in result.runs):
        raise typer.Exit(CANNOT)
    if not plan and not result.succeeded:
        raise typer.Exit(RECORDS_FAILED)


def _rows(result: MatchResult) -> list[tuple[str, str]]:
    coupled = "Would be coupled" if result.run is None else "Coupled"
    rows = [("Looked at", number(result.looked_at))]
    rows += [
        (f"{coupled} by {name}", number(count)) for name, count in zip(result.criteria, result.by_group, strict=True)
    ]
    rows += [(f"Not coupled: {reason.value}", number(count)) for reason, count in result.unmatched.items()]
    rows += [(f"Left out: {reason.value}", number(count)) for reason, count in result.left_out.items()]
    return rows


def _next(result: MatchResult) -> list[str]:
    from twinrow.model.outcomes import LeftOut

    quoted = f'"{result.mapping}"' if " " in result.mapping else result.mapping
    made = sum(result.unmatched.values()) + result.refused - result.failed
    lines = []
    if left_out := result.left_out.get(LeftOut.COUPLED):
        told = plural(left_out, "record is coupled already and was", "records are coupled already and were")
        lines.append(f"{told} left out. To match them too: twinrow uncouple {quoted} ID, then match again.")
    if result.run is None:
        if made:
            lines.append(f"The counterparts of {plural(made, 'record')} would be made.")
        lines.append("Next: the same without --plan")
        return lines
    if result.failed:
        told = plural(result.failed, "record is", "records are")
        lines.append(f"{told} not coupled; each with its reason: twinrow errors list --job {result.job}")
    if result.coupled and not result.sync_after:
        lines.append(f"Next: twinrow sync {quoted}")
    elif result.failed:
        lines.append(f"Next: twinrow match {quoted} --on FIELD, by other fields")
    broken = sum(not run.succeeded for run in result.runs)
    if broken:
        lines.append("Not everything went through in what followed. Next: twinrow conflicts list, twinrow errors list")
    return lines or ["All is well."]
