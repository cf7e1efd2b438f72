"""Questions before something is done that is not taken back easily."""

from __future__ import annotations

import sys

import typer

from twinrow.cli.failures import CANNOT, tell


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes` was given beforehand; end the command where the answer is no, or nobody is there to give one."""
    if yes:
        return
    if not sys.stdin.isatty():
        tell("Nothing has been changed: nobody is there to be asked.")
        tell("Next:  Repeat the command with --yes.")
        raise typer.Exit(CANNOT)
    if not typer.confirm(question, err=True):
        tell("Nothing has been changed.")
        raise typer.Exit(CANNOT)
