"""The command line: each command translates between a person and an action, and does nothing of its own.

Importing it is cheap; each command imports what it needs when it runs. A module holds the commands of one noun; `failures`
says how commands end, `screen` what people see, `documents` what programs read.
"""

from __future__ import annotations

import typer

from twinrow.cli.conflicts import conflicts
from twinrow.cli.connections import connection
from twinrow.cli.coupling import couple, couplings, create, uncouple
from twinrow.cli.demo import demo
from twinrow.cli.erase import erase
from twinrow.cli.failures import Commands
from twinrow.cli.field_mappings import fields
from twinrow.cli.journal import journal
from twinrow.cli.mappings import mapping
from twinrow.cli.matching import match
from twinrow.cli.pilots import pilot
from twinrow.cli.plans import plan
from twinrow.cli.proposals import proposals
from twinrow.cli.rules import rule
from twinrow.cli.sandbox import sandbox
from twinrow.cli.selection import sync_from
from twinrow.cli.skipped import skipped
from twinrow.cli.stopping import resume, stop
from twinrow.cli.sync import sync
from twinrow.cli.systems import system
from twinrow.cli.undo import undo
from twinrow.cli.verify import verify
from twinrow.cli.work import errors, jobs, pending, status

application = typer.Typer(
    name="twinrow",
    cls=Commands,
    help="Keeps the records of two business systems the same, in both directions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

FIRST, SETTING_UP, WORKING, LOOKING = "First steps", "Setting up", "Working", "Looking"


def version() -> None:
    """Print the version."""
    from twinrow import __version__

    typer.echo(__version__)


application.command(rich_help_panel=FIRST)(demo)
application.command(rich_help_panel=FIRST)(sandbox)
application.add_typer(system, name="system", rich_help_panel=SETTING_UP)
application.add_typer(connection, name="connection", rich_help_panel=SETTING_UP)
application.add_typer(mapping, name="mapping", rich_help_panel=SETTING_UP)
application.add_typer(pilot, name="pilot", rich_help_panel=SETTING_UP)
mapping.command()(fields)
application.add_typer(rule, name="rule", rich_help_panel=SETTING_UP)
application.command(rich_help_panel=WORKING)(sync)
application.command(name="sync-from", rich_help_panel=WORKING)(sync_from)
application.add_typer(plan, name="plan", rich_help_panel=WORKING)
application.command(rich_help_panel=WORKING)(couple)
application.command(rich_help_panel=WORKING)(create)
application.command(rich_help_panel=WORKING)(uncouple)
application.command(rich_help_panel=WORKING)(match)
application.command(rich_help_panel=WORKING)(undo)
application.command(rich_help_panel=WORKING)(erase)
application.command(rich_help_panel=WORKING)(stop)
application.command(rich_help_panel=WORKING)(resume)
application.command(rich_help_panel=LOOKING)(status)
application.command(rich_help_panel=LOOKING)(verify)
application.add_typer(jobs, name="jobs", rich_help_panel=LOOKING)
application.add_typer(errors, name="errors", rich_help_panel=LOOKING)
application.add_typer(conflicts, name="conflicts", rich_help_panel=LOOKING)
application.add_typer(pending, name="pending", rich_help_panel=LOOKING)
application.add_typer(skipped, name="skipped", rich_help_panel=LOOKING)
application.add_typer(proposals, name="proposals", rich_help_panel=LOOKING)
application.add_typer(journal, name="journal", rich_help_panel=LOOKING)
application.add_typer(couplings, name="couplings", rich_help_panel=LOOKING)
application.command(rich_help_panel=LOOKING)(version)


def main() -> None:
    """Run the command line."""
    application()
