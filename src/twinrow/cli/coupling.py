"""`twinrow couple`, `uncouple` and `couplings`: which records belong together."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import number, plural, show, show_lines, table
from twinrow.cli.session import workspace

couplings = typer.Typer(no_args_is_help=True, help="Couplings: list them.")


def couple(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    local: Annotated[str, typer.Argument(metavar="LOCAL", help="The id of the local record.")],
    integration: Annotated[str, typer.Argument(metavar="INTEGRATION", help="The id of the integration record.")],
    use: Annotated[
        Literal["local", "integration"] | None,
        typer.Option(metavar="local|integration", help="Whose values win where the two differ at first."),
    ] = None,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Couple two records that are there already; the next synchronization makes them the same."""
    with workspace(store, connection) as opened:
        opened.couple(mapping, local, integration, use=use)
        show_lines(
            [
                f"Coupled the {mapping} records {local} and {integration}.",
                f"Next: twinrow sync {_quoted(mapping)} --record {local}",
            ]
        )


def uncouple(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    records: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The records, by their ids on either side.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", metavar="", help="All records of the mapping.")] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Uncouple records: they stay on both sides, and are not synchronized with each other any more.

    Where the mapping says so, the company of the integration records is cleared, and a job tells of it. A customer's contacts are
    uncoupled with it. Exit code 1: records are still coupled; the errors of the job say why.
    """
    with workspace(store, connection) as opened:
        if everything and not records:
            coupled = opened.couplings(mapping).height
            confirm(f"{plural(coupled, 'record')} of {mapping} will not be synchronized any more. Uncouple all?", yes)
        result = opened.uncouple(mapping, *(records or ()), everything=everything)
        other = opened.show_connection().integration.name
    done = [result, *result.followers]
    if as_json:
        from dataclasses import asdict

        from twinrow.cli.documents import print_document

        print_document(asdict(result))
    else:
        for one in done:
            cleared = f"; the company of {plural(one.cleared, 'record')} in {other} is cleared" if one.cleared else ""
            count = plural(one.uncoupled, "record is", "records are")
            show_lines([f"{one.mapping}: {count} uncoupled{cleared}."])
            if one.failed:
                where = f"twinrow jobs show {one.run}" if one.run is not None else "twinrow sync, then this again"
                show_lines([f"{plural(one.failed, 'record stays', 'records stay')} coupled. Next: {where}"])
    if any(one.failed for one in done):
        raise typer.Exit(RECORDS_FAILED)


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


@couplings.command(name="list")
def list_(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    limit: Limit = 20,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the couplings of a mapping: the ids of both records."""
    with workspace(store, connection) as opened:
        frame = opened.couplings(mapping)
        pair = opened.show_connection()
    rows = list(frame.head(limit).select("local_id", "integration_id").iter_rows())
    if as_json:
        from twinrow.cli.documents import print_document

        found = [{"local_id": local, "integration_id": integration} for local, integration in rows]
        print_document({"mapping": mapping, "total": frame.height, "couplings": found})
        return
    if rows:
        show(table((pair.local.name, pair.integration.name), rows))
    more = f", {number(frame.height - len(rows))} not shown (--limit)" if frame.height > len(rows) else ""
    show_lines([f"{plural(frame.height, 'coupling')}{more}."])
