"""`twinrow mapping fields`: the field mappings of a mapping, and what they make of a value."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from twinrow.cli.failures import RECORDS_FAILED
from twinrow.cli.mappings import remarks
from twinrow.cli.options import DEFAULT_STORE, AsJson, ConnectionName, Store
from twinrow.cli.screen import ARROWS, card, plural, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.engine.trial import Trial
    from twinrow.workspace import Workspace


class Way(StrEnum):
    """The way that a value is tried in."""

    TO = "to"
    FROM = "from"


def fields(
    name: Annotated[str, typer.Argument(metavar="MAPPING", help="The mapping.")],
    value: Annotated[
        str | None,
        typer.Option("--try", metavar="VALUE", help="Show what becomes of this value; with --field or --rule."),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="The field that is tried: its name on either side, or its caption."),
    ] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="RULE", help="The transformation rule that is tried, without any field.")
    ] = None,
    direction: Annotated[Way, typer.Option(help="The way in which a field is tried.")] = Way.TO,
    reset_rules: Annotated[
        bool, typer.Option("--reset-rules", metavar="", help="Take the transformation rules out of all fields.")
    ] = False,
    accept_schema: Annotated[
        bool, typer.Option("--accept-schema", metavar="", help="Take the fields as the tables have them now.")
    ] = False,
    as_json: AsJson = False,
    connection: ConnectionName = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the fields of a mapping, with their transformation rules; or try what becomes of a value.

    A value is tried as a run would carry it: pairs of values, rules, type and length. Nothing is written.
    """
    if (value is None) == (field is not None or rule is not None) or (field is not None and rule is not None):
        raise typer.BadParameter("Say what is tried: --try VALUE with --field FIELD, or with --rule RULE.")
    with workspace(store, connection) as opened:
        if value is not None:
            trial = (
                opened.try_transformation_rule(rule, value)
                if rule is not None
                else opened.try_field_mapping(name, str(field), value, direction.value)
            )
            _tell_trial(trial, rule or str(field), as_json)
            return
        if reset_rules:
            _tell_reset(opened.reset_transformation_rules(name), as_json)
            return
        if accept_schema:
            accepted = opened.accept_schema(name) if opened.list_drift(name) else []
            _tell_accepted([str(one) for one in accepted], as_json)
            return
        _tell_fields(opened, name, as_json)


def _tell_trial(trial: Trial, what: str, as_json: bool) -> None:
    if as_json:
        from twinrow.cli.documents import print_document

        print_document(
            {"value": trial.value, "result": trial.result, "problem": trial.problem, "lost": trial.lost},
        )
    else:
        result = "(no value)" if trial.result is None else f"“{trial.result}”"
        show(
            card(
                what,
                [
                    ("Value", f"“{trial.value}”"),
                    ("Result", None if trial.problem else result),
                    ("Problem", trial.problem),
                    ("Loses", "the way back cannot restore the value: see on_loss" if trial.lost else None),
                ],
            )
        )
    if trial.problem is not None:
        raise typer.Exit(RECORDS_FAILED)


def _tell_reset(changed: list[str], as_json: bool) -> None:
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"changed": changed})
        return
    show_lines([f"Took the transformation rules out of {plural(len(changed), 'field mapping')}.", *changed])


def _tell_accepted(accepted: list[str], as_json: bool) -> None:
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"accepted": accepted})
        return
    show_lines([f"{one}." for one in accepted] or ["The fields are as they were when the mapping last ran."])


def _tell_fields(opened: Workspace, name: str, as_json: bool) -> None:
    found, pair = opened.list_field_mappings(name), opened.show_connection()
    if as_json:
        from twinrow.cli.documents import print_document

        print_document({"fields": [row.model_dump(mode="json", exclude_defaults=True) for row in found]})
        return
    rows = [
        (
            row.local or f"constant {row.constant}",
            ARROWS[row.direction.value],
            row.integration or f"constant {row.constant}",
            "enabled" if row.enabled else "disabled",
            ", ".join(row.transformation)
            + (f" ({row.transformation_direction})" if row.transformation_direction else ""),
            remarks(row.model_copy(update={"transformation": (), "enabled": True})),
        )
        for row in found
    ]
    show(
        table(
            (f"={pair.local.name}", "", f"={pair.integration.name}", "Status", "Transformation rules", "Remarks"), rows
        )
    )
