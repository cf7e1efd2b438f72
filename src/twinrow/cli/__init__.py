"""The command line; importing it is cheap, each command imports what it needs."""

from __future__ import annotations

import typer

application = typer.Typer(
    name="twinrow",
    help="Keeps customers, vendors, contacts, salespeople and currencies in step between an ERP and a CRM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@application.callback()
def _root() -> None:
    """Keep the records of two systems in step."""


@application.command()
def version() -> None:
    """Print the version."""
    from twinrow import __version__

    typer.echo(__version__)


def main() -> None:
    """Run the command line."""
    application()
