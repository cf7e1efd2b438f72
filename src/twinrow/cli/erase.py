"""`twinrow erase`: a person's data vanish from what twinrow remembers."""

from __future__ import annotations

from typing import Annotated

import typer

from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import plural, show_lines
from twinrow.cli.session import workspace


def erase(
    mapping: Annotated[str, typer.Option(metavar="MAPPING", help="The mapping of the record.")],
    record: Annotated[str, typer.Option(metavar="ID", help="The record, by its id on either side.")],
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do it without asking.")] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Erase a record's values from the journal, the remembered values, plans, conflicts, errors and open work.

    It cannot be undone, and what the journal told of the record can be neither told nor undone any more. The two systems are not
    touched: erase the record there first, or the next run that looks at it remembers its values again.
    """
    confirm(f"Erase what is remembered of the {mapping} record {record}?", yes)
    with workspace(store, connection) as opened:
        result = opened.erase(mapping, record)
        systems = opened.show_connection()
    there = [systems.system(side).name for side in result.there]
    if as_json:
        from twinrow.cli.documents import print_document

        print_document(
            {"writes": result.writes, "uncoupled": result.uncoupled, "there": [side.value for side in result.there]}
        )
        return
    show_lines([f"Erased, with {plural(result.writes, 'write')} of the journal."])
    if result.uncoupled:
        show_lines(["Its coupling is gone, too: neither record is there any more."])
    if there:
        show_lines(
            [f"The record still is in {' and '.join(there)}: a run that looks at it remembers its values again."]
        )
