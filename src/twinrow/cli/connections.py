"""`twinrow connection`: pairs of systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.screen import plural, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.setup import SetUp

connection = typer.Typer(no_args_is_help=True, help="Connections: pair two systems, set the pair up, list pairs.")


@connection.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the connection is to be called.")],
    local: Annotated[str, typer.Argument(metavar="LOCAL", help="The system on the local side: the ERP.")],
    integration: Annotated[
        str, typer.Argument(metavar="INTEGRATION", help="The system on the integration side: the CRM.")
    ],
    store: Store = DEFAULT_STORE,
) -> None:
    """Connect two systems."""
    with workspace(store) as opened:
        known = {pair.name: pair for pair in opened.list_connections()}
        settings = known[name].settings if name in known else {}
        pair = opened.add_connection(name, local, integration, settings)
    kinds = (pair.local.kind, pair.integration.kind)
    standard = kinds == ("business-central", "dataverse")
    show_lines(
        [
            f"Connected {pair.local.name} (local) with {pair.integration.name} (integration) as {pair.name}.",
            f"Next: {'twinrow connection setup' if standard else 'twinrow mapping apply FILE'}",
        ]
    )


@connection.command(name="list")
def list_(as_json: AsJson = False, store: Store = DEFAULT_STORE) -> None:
    """List the connections."""
    from twinrow.cli.documents import connection_document, print_document

    with workspace(store) as opened:
        found = opened.list_connections()
    if as_json:
        print_document({"connections": [connection_document(pair) for pair in found]})
    elif found:
        rows = [(pair.name, pair.local.name, pair.integration.name) for pair in found]
        show(table(("Connection", "Local", "Integration"), rows))
    else:
        show_lines(["There is no connection yet.", "Next: twinrow connection add NAME LOCAL INTEGRATION"])


@connection.command(name="show")
def show_(as_json: AsJson = False, connection_name: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """Show a connection: its systems, and what its set-up has found out."""
    from twinrow.cli.documents import connection_document, print_document

    with workspace(store, connection_name) as opened:
        pair = opened.show_connection()
        held = opened.show_read_only()
    if as_json:
        print_document(connection_document(pair) | {"read_only": sorted(held)})
        return
    rows = [
        ("local", f"{pair.local.name} ({pair.local.kind})"),
        ("integration", f"{pair.integration.name} ({pair.integration.kind})"),
        *(("read only", pair.system(side).name) for side in sorted(held, reverse=True)),
        *((name.replace("_", " "), "" if value is None else str(value)) for name, value in pair.settings.items()),
    ]
    show(table((pair.name, ""), rows))


@connection.command(name="read-only")
def read_only(
    sides: Annotated[
        Literal["none", "local", "integration", "both"],
        typer.Argument(metavar="none|local|integration|both", help="To which sides nothing may be written."),
    ],
    connection_name: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Say to which sides of a connection nothing may be written, for runs that begin from now on.

    A run leaves the direction out that would write there; where none is left, it is refused. `sync --plan` shows what it
    would do.
    """
    with workspace(store, connection_name) as opened:
        held = opened.make_read_only(sides)
        pair = opened.show_connection()
    names = " and ".join(pair.system(side).name for side in sorted(held, reverse=True))
    told = f"Nothing is written to {names}." if held else f"Both systems of {pair.name} may be written."
    show_lines([told, "Next: twinrow sync --plan" if held else "Next: twinrow sync"])


@connection.command()
def setup(
    ownership: Annotated[
        Literal["person", "team"] | None,
        typer.Option(
            metavar="person|team",
            help="Who owns records in Dataverse: users of salespeople, or a team (that is so until you say otherwise).",
        ),
    ] = None,
    check_owners: Annotated[
        bool | None,
        typer.Option(
            "--check-owners/--any-owners",
            metavar="",
            help="Refuse owners of another business unit than the company's, or let any user own records (so at first).",
        ),
    ] = None,
    standard: Annotated[
        bool, typer.Option("--standard/--no-standard", metavar="", help="Take over the standard mappings.")
    ] = True,
    as_json: AsJson = False,
    connection_name: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Prepare Business Central and Dataverse: company, business unit, team, currency, standard mappings.

    It may be repeated: it makes only what is not there.
    """
    with workspace(store, connection_name) as opened:
        done = opened.setup_connection(ownership_model=ownership, check_owners=check_owners, standard=standard)
    if as_json:
        from twinrow.cli.documents import connection_document, print_document

        print_document(
            {
                "connection": connection_document(done.connection),
                "found": done.found,
                "made": done.made,
                "mappings": done.mappings,
                "warnings": done.warnings,
            }
        )
        return
    _tell(done)


def _tell(done: SetUp) -> None:
    integration = done.connection.integration.name
    lines = [f"Found in {integration}: {one}." for one in done.found]
    lines += [f"Made in {integration}: {one}." for one in done.made]
    lines += [f"Warning: {one}" for one in done.warnings]
    if done.mappings:
        lines.append(f"{plural(len(done.mappings), 'mapping')}: {', '.join(done.mappings)}.")
    if "SALESPEOPLE" in done.mappings:
        lines.append(
            "Next: couple salespeople with users (twinrow couple SALESPEOPLE ID ID), then twinrow sync --create"
        )
    else:
        lines.append("Next: twinrow mapping check, then twinrow sync --create")
    show_lines(lines)
