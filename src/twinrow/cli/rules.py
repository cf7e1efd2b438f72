"""`twinrow rule`: the transformation rules of the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from twinrow.cli.options import DEFAULT_STORE, AsJson, Store
from twinrow.cli.screen import show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.model.rules import AnyRule

rule = typer.Typer(no_args_is_help=True, help="Transformation rules: list them, delete one.")


@rule.command(name="list")
def list_(as_json: AsJson = False, store: Store = DEFAULT_STORE) -> None:
    """List the transformation rules: those of mapping files, and those that are always there."""
    with workspace(store) as opened:
        found = opened.list_transformation_rules()
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"transformation_rules": [_plain(one) for one in found]})
        return
    show(table(("=Rule", "=Kind", "With", "What it is for"), [_row(one) for one in found]))


def _plain(one: AnyRule) -> dict[str, object]:
    return {"type": one.type} | one.model_dump(mode="json", exclude_defaults=True)


def _row(one: AnyRule) -> tuple[str, str, str, str]:
    given = {
        key: value for key, value in _plain(one).items() if key not in ("type", "code", "description", "next_rule")
    }
    told = [f"{key} {value}" for key, value in given.items()]
    told += [f"then {one.next_rule}"] if one.next_rule else []
    return one.code, one.type, ", ".join(told), one.description


@rule.command()
def delete(
    code: Annotated[str, typer.Argument(metavar="RULE", help="The code of the rule.")], store: Store = DEFAULT_STORE
) -> None:
    """Delete a transformation rule that no field mapping and no other rule uses."""
    with workspace(store) as opened:
        opened.delete_transformation_rule(code)
    show_lines([f"Deleted the transformation rule {code}."])
