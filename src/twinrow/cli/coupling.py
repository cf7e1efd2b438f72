"""`twinrow couple`, `create`, `uncouple` and `couplings`: which records belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Limit, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import number, plural, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinrow.actions.coupling_offer import CouplingOffer
    from twinrow.actions.results import Run
    from twinrow.workspace import Workspace

_REFUSED_SHOWN = 20

AllowDuplicates = Annotated[
    bool, typer.Option("--allow-duplicates", metavar="", help="Create also what seems to be there already, uncoupled.")
]

couplings = typer.Typer(no_args_is_help=True, help="Couplings: list them, import them, find records to couple.")


def couple(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    local: Annotated[str, typer.Argument(metavar="LOCAL", help="The local record: its id, number or name.")],
    integration: Annotated[
        str | None,
        typer.Argument(
            metavar="INTEGRATION", help="The integration record: its id, number or name, or how one begins."
        ),
    ] = None,
    create: Annotated[bool, typer.Option("--create", metavar="", help="Make a new integration record for it.")] = False,
    use: Annotated[
        Literal["local", "integration"] | None,
        typer.Option(metavar="local|integration", help="Whose values win where the two differ at first."),
    ] = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync", metavar="", help="Synchronize them at once; the side the mapping goes from wins, or --use."
        ),
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", metavar="", help="Only show both records' values.")] = False,
    allow_duplicates: AllowDuplicates = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Couple two records that are there already; the next synchronization makes them the same."""
    if not create and not plan and integration is None:
        raise typer.BadParameter("Name the integration record, or have one made (--create).", param_hint="INTEGRATION")
    if create and (integration is not None or use is not None):
        raise typer.BadParameter("A record that is made gets the local values.", param_hint="--create")
    with workspace(store, connection) as opened:
        here = opened.record_id(mapping, "local", local)
        there = opened.record_id(mapping, "integration", integration) if integration is not None else None
        if plan:
            _show_offer(opened, opened.offer_coupling(mapping, here, there))
            return
        if there is None:
            _make(opened, mapping, [here], allow_duplicates=allow_duplicates)
            return
        coupled = opened.couple(mapping, here, there, use=use, synchronize=sync)
        show_lines([f"Coupled the {mapping} records {here} and {there}."])
        if coupled.run is None:
            show_lines([f"Next: twinrow sync {_quoted(mapping)} --record {here}"])
            return
        _show_run(opened, coupled.run)
        if not coupled.run.succeeded:
            raise typer.Exit(RECORDS_FAILED)


def create(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    records: Annotated[list[str], typer.Argument(metavar="ID", help="The records, by their ids on either side.")],
    allow_duplicates: AllowDuplicates = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Make the counterparts of records that are not coupled, on the other side, and couple them.

    Also where the mapping makes none by itself. A record whose counterpart is gone gets a new one; one that has a counterpart is
    left alone. Exit code 1: a counterpart was not made.
    """
    with workspace(store, connection) as opened:
        _make(opened, mapping, records, allow_duplicates=allow_duplicates, as_json=as_json)


def _make(
    opened: Workspace, mapping: str, records: Sequence[str], *, allow_duplicates: bool, as_json: bool = False
) -> None:
    created = opened.create_counterparts(mapping, *records, allow_duplicates=allow_duplicates)
    asked = len(dict.fromkeys(records)) - len(created.coupled) - len(created.not_found)
    if as_json:
        from twinrow.cli.documents import print_document

        run = created.run.id if created.run is not None else None
        document = {"mapping": mapping, "run": run, "couplings": dict(created.couplings)}
        print_document(document | {"coupled": list(created.coupled), "not_found": list(created.not_found)})
    else:
        show_lines([f"{mapping}: {len(created.couplings)} of {plural(asked, 'counterpart')} made."])
        show_lines(f"{id} is coupled already." for id in created.coupled)
        show_lines(f"There is no record {id} on either side." for id in created.not_found)
        if created.run is not None:
            _show_run(opened, created.run)
    if len(created.couplings) < asked or created.not_found:
        raise typer.Exit(RECORDS_FAILED)


def _show_run(opened: Workspace, run: Run) -> None:
    from twinrow.cli.naming import Names
    from twinrow.cli.sync import show_runs

    show_runs([run], Names(opened))


def _show_offer(opened: Workspace, offer: CouplingOffer) -> None:
    from twinrow.cli.screen import ARROWS, told_value

    pair = opened.show_connection()
    rows = [
        (
            one.caption,
            told_value(one.local_value),
            ARROWS[one.direction.value],
            told_value(one.integration_value) if offer.integration_id else "",
        )
        for one in offer.fields
    ]
    show(table(("Field", pair.local.name, "", pair.integration.name), rows))
    if offer.coupled_to is not None:
        show_lines([f"{offer.local_label or offer.local_id} is coupled to {offer.coupled_to} already."])
    elif offer.suggested is not None:
        show_lines([f"With --sync, the values of {pair.system(offer.suggested).name} win."])
    show_lines(["Nothing has been changed. Next: the same command without --plan"])


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
        show_lines(f"There is no record {id} on either side." for id in result.not_found)
    if result.not_found or any(one.failed for one in done):
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


@couplings.command()
def find(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A number or a name, or how one begins.")],
    side: Annotated[
        Literal["local", "integration"], typer.Option(metavar="local|integration", help="The side that is looked at.")
    ] = "integration",
    limit: Limit = 20,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Find records by what they are called, within the filter of the mapping, and tell whether they are coupled."""
    with workspace(store, connection) as opened:
        found = opened.find_records(mapping, side, text, limit)
    if as_json:
        from dataclasses import asdict

        from twinrow.cli.documents import print_document

        print_document({"mapping": mapping, "side": side, "records": [asdict(one) for one in found]})
        return
    if found:
        show(table(("Record", "Id", "Coupled to"), [(one.label, one.id, one.coupled_to or "") for one in found]))
    else:
        show_lines([f"No {side} record of {mapping} is called {text!r}, or begins so."])


@couplings.command(name="import")
def import_(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A CSV file with a header line, or a table of the local system.")
    ],
    local_column: Annotated[
        str, typer.Option(metavar="NAME", help="The column that names the local record.")
    ] = "local",
    integration_column: Annotated[
        str, typer.Option(metavar="NAME", help="The column that names the integration record.")
    ] = "integration",
    local_key: Annotated[
        str | None, typer.Option(metavar="FIELD", help="The local field whose values are given, if not ids.")
    ] = None,
    integration_key: Annotated[
        str | None, typer.Option(metavar="FIELD", help="The integration field whose values are given, if not ids.")
    ] = None,
    where: Annotated[str, typer.Option(metavar="FILTER", help="Of a table: only these rows, as OData $filter.")] = "",
    plan: Annotated[bool, typer.Option("--plan", metavar="", help="Only tell what would be coupled.")] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Import couplings that another program has kept, after checking each pair against both sides.

    Exit code 1: pairs were refused; each is told, and the rest was coupled.
    """
    with workspace(store, connection) as opened:
        done = opened.import_couplings(
            mapping,
            source,
            local_column=local_column,
            integration_column=integration_column,
            local_key=local_key,
            integration_key=integration_key,
            where=where,
            plan=plan,
        )
    if as_json:
        from dataclasses import asdict

        from twinrow.cli.documents import print_document

        print_document(asdict(done))
    else:
        if done.refused:
            rows = [(str(one.line), one.local, one.integration, one.problem) for one in done.refused[:_REFUSED_SHOWN]]
            show(table((">Pair", "Local", "Integration", "Not coupled, because"), rows))
        would = "would be" if plan else "are"
        counted = f"{plural(done.coupled, 'pair')} of {number(done.given)} {would} coupled"
        show_lines([f"{counted}, {number(done.already)} coupled already, {number(done.failed)} refused."])
        if plan:
            show_lines(["Nothing has been changed. Next: the same command without --plan"])
        elif done.coupled:
            show_lines([f"Next: twinrow sync {_quoted(mapping)}, or first: twinrow sync {_quoted(mapping)} --plan"])
    if done.failed:
        raise typer.Exit(RECORDS_FAILED)
