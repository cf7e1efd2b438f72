"""`twinrow stop` and `twinrow resume`: no run writes any more, until all is well again."""

from __future__ import annotations

from typing import Annotated

import typer

from twinrow.cli.options import DEFAULT_STORE, Store
from twinrow.cli.screen import point, show_lines
from twinrow.cli.session import workspace


def stop(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever wonders later.")] = "",
    store: Store = DEFAULT_STORE,
) -> None:
    """Stop everything: no run of this store writes any more, in any connection, until `twinrow resume`.

    Runs under way end with their present batch; what they settled stays.
    """
    with workspace(store) as opened:
        opened.stop_everything(reason)
    show_lines(
        [
            "Everything is stopped. Runs under way end with their present batch: twinrow status",
            "Still possible: sync --plan, verify, and all lists. When all is well again: twinrow resume",
        ]
    )


def resume(store: Store = DEFAULT_STORE) -> None:
    """Let runs begin again after `twinrow stop`; those that it ended are gone on with."""
    with workspace(store) as opened:
        lifted = opened.resume_everything()
    if lifted is None:
        show_lines(["Nothing was stopped."])
        return
    show_lines(
        [f"Runs may begin again; they were stopped {point(lifted.since)} by {lifted.who}.", "Next: twinrow sync"]
    )
