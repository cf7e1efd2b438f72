"""The options that many commands share, so that they have one name, one meaning and one help text everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_STORE = "sqlite:///twinrow.db"
"""The store that is used where none is named: a file in the present folder."""

WHERE = "Where"
"""The heading under which help shows the options that say which store and connection are meant."""

Store = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="TWINROW_STORE",
        help="The store: sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
        rich_help_panel=WHERE,
    ),
]

ConnectionName = Annotated[
    str | None,
    typer.Option("--connection", metavar="NAME", help="The connection, if there are several.", rich_help_panel=WHERE),
]

AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON document, for programs.")]

Limit = Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many are shown at the most.")]

OfMapping = Annotated[
    str | None, typer.Argument(metavar="MAPPING", help="Only those of this mapping.", show_default=False)
]
