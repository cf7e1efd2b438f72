"""The page about the commands is made from the commands.

`WRITE_PAGES=1 pytest tests/acceptance/test_commands_page.py` writes it anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from tests.acceptance.test_documents import (
    CONFLICT,
    CONFLICT_SIDE,
    ERROR,
    JOB,
    PENDING,
    PLAN,
    PLANNED_FIELD,
    PLANNED_PASS,
    PLANNED_RECORD,
    RUN,
    STATUS,
    UNDO,
    UNDO_CHANGE,
    UNDO_REFUSAL,
    WRITE,
    WRITTEN_FIELD,
)
from twinrow.cli import application
from twinrow.cli.failures import ORDER

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"

INTRODUCTION = """\
# Commands

All that can be done from the command line. The page is made from the commands; `twinrow COMMAND --help` shows the same.

**The store.** Twinrow keeps what it knows in a store: the file `twinrow.db` in the present folder, or what `--store` or the
variable `TWINROW_STORE` names. `twinrow system add` makes a store where there is none; every other command wants one that is
there. Where a store has several connections, `--connection` says which one is meant.

**Exit codes.**

| Code | Meaning |
| --- | --- |
| 0 | all is well |
| 1 | it was done, but records failed, are in conflict, wait or are skipped |
| 2 | wrong usage or configuration; a system that cannot be reached |
| 3 | Twinrow itself failed; what it prints says how to report that |
| 130 | stopped by Ctrl-C; what was settled stays, and the next `twinrow sync` goes on where the run stands |

Errors stand on standard error: what is the matter, its cause, what to do next. Progress is shown there, too, on a terminal only.

"""

DOCUMENTS = """\
## Documents for programs

With `--json` a command prints one JSON document and nothing else on standard output. Its keys stay as they are; new ones
may come. Times are in ISO form and UTC, spans are seconds, decimals are texts, what is not known is null. Directions are
`to_integration` and `from_integration`.

| Command | Document |
| --- | --- |
| `sync` | `round` (its number), `succeeded` (whether the exit code is 0), `runs` |
| `sync --plan` | a plan |
| `plan list`, `plan show` | `plans`; a plan with all its `records` |
| `plan apply` | `plan`, `round`, `runs` |
| `plan discard` | `plan`, `state` |
| `jobs show` | a run |
| `jobs list` | `jobs`, each with the number of its `run` |
| `errors list`, `conflicts list`, `pending list` | `errors`, `conflicts`, `pending` |
| `conflicts resolve` | `settled` (numbers), `refused` with `id` and `reason`, `runs` (numbers), `failed` (records) |
| `pending retry` | `mapping`, `retried` |
| `journal show` | `writes`, newest first; `next` is what `--after` takes to go on, null at the end |
| `match` | what matching came to, in local records; `run` and `job` are null with `--plan`, `runs` are what followed |
| `undo` | an undo; `undo_run` is null with `--plan`, `refused` not 0 where the exit code is 1 |
| `erase` | `writes` (of the journal), `uncoupled`, `there` (the sides on which the record still is) |
| `journal keep` | `journal_days`, `jobs_days`; null: for ever |
| `journal prune` | `forgotten` (how many writes) |
| `status` | `mappings` |
| `couplings list` | `mapping`, `total`, `couplings` with `local_id` and `integration_id` |
| `system list` | `systems` with `name`, `kind`, `settings` |
| `system test` | `passed`, `systems` with `name` and `checks`; a check has `name`, `passed`, `found`, `remedy` |
| `system schema` | `system`, `tables`; or of one table `table`, `caption`, `key`, `fields`, `absent`, and what it can do |
| `connection list`, `connection show` | `connections`; one has `name`, `local`, `integration`, `settings` |
| `connection setup` | `connection`, `found`, `made`, `mappings`, `warnings` |
| `mapping list`, `mapping show` | `mappings`; one has the keys of [mapping files](mapping-files.md) |
| `mapping check` | `problems` with `severity`, `message`, `remedy`, `mapping`, `field`, `file`, `line` |
| `mapping apply` | `changed` (names of mappings), `problems` |

"""

KEYS = {
    "a run": RUN,
    "one of its `unavailable_fields`": {"side", "field", "reason"},
    "a job": JOB,
    "an error": ERROR,
    "a conflict": CONFLICT,
    "its `local` and `integration`": CONFLICT_SIDE,
    "a pending record": PENDING,
    "a write": WRITE,
    "one of its `fields`": WRITTEN_FIELD,
    "a plan": PLAN,
    "one of its `passes`": PLANNED_PASS,
    "one of its `records`": PLANNED_RECORD,
    "a `fields` of a record": PLANNED_FIELD,
    "an undo": UNDO,
    "one of its `changes`": UNDO_CHANGE,
    "one of its `refusals`": UNDO_REFUSAL,
    "a mapping in `status`": STATUS,
}

_LISTED = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n")
_HELP = re.compile(r"\*\*Options\*\*:\n\n\* `--help`: .*\n\n|\* `--help`: .*\n")


def page() -> str:
    command = typer.main.get_command(application)
    context = typer.Context(command, info_name="twinrow")
    made = get_docs_for_click(obj=command, ctx=context, name="twinrow")
    sections = _HELP.sub("", _LISTED.sub("", made[made.index("## `twinrow demo`") :]))
    rows = [f"| {name} | {', '.join(f'`{key}`' for key in sorted(keys))} |" for name, keys in KEYS.items()]
    overview = [f"* [`{name}`](#twinrow-{name}): {_first_sentence(name)}" for name in ORDER]
    return "".join(
        [
            INTRODUCTION,
            "\n".join(overview),
            "\n\n",
            sections.rstrip("\n"),
            "\n\n",
            DOCUMENTS,
            "| What | Keys |\n| --- | --- |\n",
            "\n".join(rows),
            "\n",
        ]
    )


def _first_sentence(name: str) -> str:
    command = typer.main.get_command(application)
    help_text = command.commands[name].help or ""  # type: ignore[attr-defined]
    return help_text.split("\n\n")[0].replace("\n", " ")


def test_the_page_is_what_the_commands_say() -> None:
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "WRITE_PAGES=1 pytest tests/acceptance/test_commands_page.py"


def test_every_command_is_on_the_page() -> None:
    shown = set(re.findall(r"^#+ `twinrow ([a-z -]+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(ORDER) <= shown
    assert {"system add", "connection setup", "mapping apply", "jobs show", "pending retry"} <= shown
