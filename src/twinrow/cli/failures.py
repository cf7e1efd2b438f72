"""How commands end: exit codes, and what is told of an error.

| Code | Meaning |
| --- | --- |
| 0 | all is well |
| 1 | it was done, but records failed, are in conflict or wait |
| 2 | wrong usage or configuration; a system that cannot be reached |
| 3 | twinrow itself failed: a fault to be reported |
| 130 | stopped by Ctrl-C |

An error is told on standard error in a few lines: what is the matter, its cause, and what to do next.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

RECORDS_FAILED = 1
CANNOT = 2
FAULT = 3
STOPPED = 130

ORDER = (
    "demo",
    "sandbox",
    "system",
    "connection",
    "mapping",
    "pilot",
    "rule",
    "sync",
    "sync-from",
    "plan",
    "couple",
    "create",
    "uncouple",
    "match",
    "undo",
    "erase",
    "stop",
    "resume",
    "status",
    "verify",
    "jobs",
    "errors",
    "conflicts",
    "pending",
    "skipped",
    "proposals",
    "journal",
    "couplings",
    "version",
)

TRACEBACK = "TWINROW_TRACEBACK"
"""The variable of the environment that makes faults of twinrow itself be told in full."""


class Commands(TyperGroup):
    """The commands of twinrow; whatever one of them raises is told in a few lines."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order in which one needs them."""
        return sorted(super().list_commands(ctx), key=ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for, and turn what it raises into an exit code."""
        from twinrow.model.errors import TwinrowError

        try:
            return super().invoke(ctx)
        except TwinrowError as error:
            tell_error(error)
            raise typer.Exit(CANNOT) from None
        except KeyboardInterrupt:
            tell("Stopped.")
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            tell(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
            tell("Next:  Look at the path, and whether this user may read and write there.")
            raise typer.Exit(CANNOT) from None
        except Exception as error:
            if os.environ.get(TRACEBACK) or isinstance(error, (typer.Exit, typer.Abort)) or _is_usage(error):
                raise
            _tell_fault(error)
            raise typer.Exit(FAULT) from None


def tell(line: str) -> None:
    """Write a line on standard error."""
    typer.echo(line, err=True)


def tell_error(error: Exception) -> None:
    """Tell an error of twinrow: the sentence, the cause, what to do next."""
    from twinrow.model.errors import MappingProblems, TwinrowError

    if isinstance(error, MappingProblems):
        for problem in error.problems:
            tell(f"{problem.severity.capitalize()}: {problem}")
        tell("Next:  Mend what is named above, and repeat the command; nothing has been changed.")
        return
    assert isinstance(error, TwinrowError)  # noqa: S101
    tell(f"Error: {_sentence(error.message)}")
    if error.cause:
        tell(f"Cause: {_sentence(error.cause)}")
    tell(f"Next:  {_sentence(error.remedy or _next(error))}")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _next(error: Exception) -> str:
    """Return what to do about an error that names no remedy, by its class."""
    from twinrow.model.errors import DataError, RetryError, StopError

    if isinstance(error, RetryError):
        return "Try again later; `twinrow system test` tells whether the systems answer."
    if isinstance(error, DataError):
        return "Mend the record that is named, and repeat the command."
    if isinstance(error, StopError):
        return "Look at `twinrow status` before anything else is done."
    return "Mend what is named, and repeat the command; `--help` tells what it takes."


def _is_usage(error: Exception) -> bool:
    return hasattr(error, "exit_code") and hasattr(error, "format_message")


def _tell_fault(error: Exception) -> None:
    place = traceback.extract_tb(error.__traceback__)[-1]
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "twinrow" in Path(frame.filename).parts
    ] or [place]
    first_line = (str(error).splitlines() or [""])[0]
    tell(f"Error: {type(error).__name__}: {first_line}")
    tell(f"Cause: a fault of twinrow itself, in {Path(ours[-1].filename).name}, line {ours[-1].lineno}.")
    again = f"{TRACEBACK}=1 {' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}"
    tell(f"Next:  What was settled is safe. Report this with what the following prints: {again}")
