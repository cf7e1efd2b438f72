"""Synchronizing records that a person has chosen: what is asked before, and the command for the integration side's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from twinrow.cli.failures import tell
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.questions import confirm
from twinrow.cli.screen import show_lines
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.actions.offers import Reason, Selected
    from twinrow.cli.naming import Names
    from twinrow.workspace import Workspace


def synchronize_chosen(
    opened: Workspace,
    names: Names,
    mapping: str,
    records: Sequence[str],
    direction: str,
    *,
    create: bool,
    unconditional: bool,
    allow_duplicates: bool,
    yes: bool,
) -> Selected:
    """Synchronize records in the direction that a person has chosen; ask first where that replaces newer values."""
    from twinrow.cli.progress import ProgressLines
    from twinrow.model.errors import RecordNotFound

    offer = opened.offer_synchronization(mapping, records, create=create)
    if not offer.records:
        raise RecordNotFound("None of the records is in either system", remedy="Give ids of records of this mapping.")
    if offer.doubtful:
        for warning in offer.warnings:
            tell(warning)
        confirm("Synchronize it all the same?", yes)
    with ProgressLines(names.direction) as lines:
        lines.started(mapping)
        return opened.synchronize_selected(
            mapping,
            records,
            direction,
            create=create,
            unconditional=unconditional,
            allow_duplicates=allow_duplicates,
            progress=lines.settled,
        )


def show_left_out(mapping: str, left_out: Mapping[str, Reason]) -> None:
    """Print which records were left out, and what to do about those that are not coupled."""
    show_lines([f"Left out: {id}: {reason.value}." for id, reason in left_out.items()])
    if any(reason.name == "NOT_COUPLED" for reason in left_out.values()):
        name = f'"{mapping}"' if " " in mapping else mapping
        show_lines([f"Next: twinrow couple {name} LOCAL INTEGRATION, or --create to make the counterparts"])


def sync_from(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table of the integration side, such as account.")],
    record: Annotated[str, typer.Argument(metavar="ID", help="The id of the record there.")],
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Synchronize one record of the integration side, as its own form asks for it, and name its local record.

    A record that is not coupled is made on the local side, where its mapping makes records; otherwise it is told why not.
    """
    from twinrow.cli.sync import exit_code, show_runs

    with workspace(store, connection) as opened:
        from twinrow.cli.naming import Names

        names = Names(opened)
        called = opened.synchronize_from_integration(table, record)
        code = exit_code([called.run])
        if as_json:
            from twinrow.cli.documents import print_document, run_document

            run = run_document(called.run, names, opened.describe_conflicts(called.run.conflicts), ())
            found = {"mapping": called.mapping, "local_id": called.local_id, "succeeded": code == 0, "run": run}
            print_document(found)
        else:
            show_runs([called.run], names)
            if called.local_id is not None:
                show_lines([f"Its record in {names.systems['local']} ({called.mapping}): {called.local_id}"])
            if code:
                show_lines(["Next: twinrow errors list"])
    if code:
        raise typer.Exit(code)
