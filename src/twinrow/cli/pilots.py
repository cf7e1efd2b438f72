"""`twinrow pilot`: letting only some records of a mapping take part at first."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.screen import number, plural, point, show, show_lines, table
from twinrow.cli.session import workspace

pilot = typer.Typer(no_args_is_help=True, help="Pilots: let only some records of a mapping take part at first.")

OneMapping = Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")]


@pilot.command()
def start(
    mapping: OneMapping,
    first: Annotated[
        int | None, typer.Option("--first", metavar="NUMBER", min=1, help="The first so many records.")
    ] = None,
    where: Annotated[
        str, typer.Option("--where", metavar="FILTER", help="The records in this filter, as OData $filter.")
    ] = "",
    side: Annotated[
        Literal["local", "integration"],
        typer.Option(metavar="local|integration", help="Whose records these are."),
    ] = "local",
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Let only some records of a mapping take part until `pilot end`; they are listed now, within the mapping's own filter.

    Records of the other side take part when they are coupled to one of them. Deletions are not carried over meanwhile.
    """
    from twinrow.model.sides import Side

    if (first is None) == (not where):
        raise typer.BadParameter("Give --first or --where.", param_hint="--first")
    with workspace(store, connection) as opened:
        made = opened.start_pilot(mapping, first=first, where=where, side=Side(side))
        system = opened.show_connection().system(made.side).name
    counted = f"{plural(made.ids.len(), 'record')} of {system}"
    show_lines(
        [
            f"Only {counted} and what is coupled to {'it' if made.ids.len() == 1 else 'them'} take part in {mapping} now.",
            "Next: twinrow sync --plan",
        ]
    )


@pilot.command(name="list")
def list_(as_json: AsJson = False, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """List the mappings in which only some records take part."""
    with workspace(store, connection) as opened:
        found = opened.list_pilots()
        names = {name: opened.show_connection().system(one.side).name for name, one in found.items()}
    if as_json:
        from twinrow.cli.documents import print_document

        plain = [
            {
                "mapping": name,
                "side": one.side.value,
                "chosen": one.told,
                "since": one.since,
                "records": one.ids.to_list(),
            }
            for name, one in found.items()
        ]
        print_document({"pilots": plain})
    elif found:
        rows = [(name, names[name], one.told, number(one.ids.len()), point(one.since)) for name, one in found.items()]
        show(table(("Mapping", "Records of", "Chosen", ">Records", "Since"), rows))
    else:
        show_lines(["All records take part in all mappings."])


@pilot.command()
def end(mapping: OneMapping, connection: ConnectionName = None, store: Store = DEFAULT_STORE) -> None:
    """Let all records of a mapping take part again; the next run looks at them all."""
    with workspace(store, connection) as opened:
        ended = opened.end_pilot(mapping)
    told = f"All records take part in {mapping} again." if ended else f"All records take part in {mapping} already."
    show_lines([told, *(["Next: twinrow sync --plan, then twinrow sync"] if ended else [])])
