"""The page about the standard mappings is made from their files. `WRITE_PAGES=1 pytest tests/unit/standard` writes it anew."""

import os
from collections.abc import Iterator
from pathlib import Path

from twinrow.model.mapping import FieldMapping, TableMapping
from twinrow.model.sides import Direction, Side
from twinrow.standard.custom_page import CUSTOM_PAGE
from twinrow.standard.files import standard_mappings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "standard-mappings.md"
ARROWS = {Direction.BIDIRECTIONAL: "↔", Direction.TO_INTEGRATION: "→", Direction.FROM_INTEGRATION: "←"}
INTRODUCTION = """\
# The standard mappings

What twinrow sets up between Business Central and Dataverse when nothing else is said. The page is made from the files in
`src/twinrow/standard/`; what each key means stands in [Mapping files](mapping-files.md).

They are the default mappings of the Business Central – Dataverse integration, row by row, and go beyond them where that
integration has no word for something: the parts of an address change together, edits to different fields of a record merge
(`conflict_scope: field`), and each field that is narrower on one side says what happens to a value that does not fit.

Properties are those of Business Central's API v2.0. What is marked **extension** is served by twinrow's own pages in Business
Central only; without them the mappings go on without these fields, and `twinrow mapping check` names them. Rows marked
*person* are there only where records are owned by persons (ownership model Person); rows marked *offered* are disabled until
someone enables them, and stand back where one of their fields is mapped otherwise. The company of a record, the account of a
contact, and the owner where teams own records are no field mappings: rules fill them in.

`→` goes to Dataverse, `←` comes from it, `↔` both. *validated* means that Business Central runs its own logic for the field.
"""


def page() -> str:
    parts = [INTRODUCTION, *_overview()]
    for mapping in standard_mappings():
        parts += _mapping(mapping)
    return "\n".join(parts) + "\n"


def _overview() -> Iterator[str]:
    yield "| Mapping | Business Central | | Dataverse | Waits for | Runs every | Category |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for mapping in standard_mappings():
        schedule = mapping.schedule
        cells = [
            f"[{mapping.name}](#{mapping.name.lower().replace(' ', '-')})",
            f"`{mapping.local_table}`",
            ARROWS[mapping.direction],
            f"`{mapping.integration_table}`",
            ", ".join(mapping.dependencies),
            f"{schedule.every_minutes} min, asleep {schedule.inactivity_timeout_minutes} min",
            schedule.category,
        ]
        yield _line(cells)


def _mapping(mapping: TableMapping) -> Iterator[str]:
    yield f"\n## {mapping.name}\n"
    if mapping.description:
        yield f"{mapping.description}\n"
    yield f"* Tables: `{mapping.local_table}` {ARROWS[mapping.direction]} `{mapping.integration_table}`"
    if CUSTOM_PAGE.serves(Side.LOCAL, mapping.local_table):
        yield "* The table is served by the **extension** only"
    if mapping.when is not None:
        yield f"* Only there with the ownership model {str(mapping.when.ownership_model).capitalize()}"
    for side, name in ((Side.LOCAL, "Business Central"), (Side.INTEGRATION, "Dataverse")):
        if mapping.filter(side):
            yield f"* Filter in {name}: `{mapping.filter(side)}`"
    if mapping.rules:
        yield f"* Rules: {', '.join(f'`{rule}`' for rule in mapping.rules)}"
    matching = [
        text
        for text, given in (
            ("makes what it does not find", mapping.create_new_in_case_of_no_match),
            ("synchronizes what it coupled", mapping.synch_after_match_based_coupling),
        )
        if given
    ]
    if matching:
        yield f"* Match-based coupling {' and '.join(matching)}"
    if mapping.uncouple_resets_company_id:
        yield "* Uncoupling clears the company of the Dataverse record"
    for template in mapping.templates:
        values = ", ".join(f"`{name}` = {value}" for name, value in template.values.items()) or "no values of its own"
        yield f"* Template {template.code} for new {mapping.table(template.side)}: {values}. {template.description}"
    yield ""
    yield "| Business Central field | Property | | Column | Remarks |"
    yield "| --- | --- | --- | --- | --- |"
    for row in mapping.fields:
        cells = [
            row.caption,
            f"`{row.local}`" if row.local else f"constant `{row.constant}`",
            ARROWS[row.direction],
            f"`{row.integration}`" if row.integration else f"constant `{row.constant}`",
            ", ".join(_remarks(mapping, row)),
        ]
        yield _line(cells)


def _remarks(mapping: TableMapping, row: FieldMapping) -> Iterator[str]:
    if row.local and CUSTOM_PAGE.serves(Side.LOCAL, mapping.local_table, row.local):
        yield "**extension**"
    if row.when is not None:
        yield "*offered*" if row.when.not_mapped else f"*{row.when.ownership_model}*"
    if row.validate_local:
        yield "validated"
    if row.match is not None:
        yield "criterion of match-based coupling"
    if row.related_mapping:
        by = f", named by `{row.related_key}`" if row.related_key else ""
        yield f"record of {' or '.join(row.related_mapping)}{by}"
    if row.not_null:
        yield "never cleared"
    if row.clear_value_on_failed_sync:
        yield "cleared where that is not coupled"
    if row.merge_group:
        yield f"group {row.merge_group}"
    if row.on_loss:
        yield f"on loss: {row.on_loss.value}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def test_the_page_is_current() -> None:
    made = page()
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "run this test with WRITE_PAGES=1 and look at the difference"


def test_the_page_names_every_mapping_and_every_row() -> None:
    made = page()
    for mapping in standard_mappings():
        assert f"## {mapping.name}\n" in made
        for row in mapping.fields:
            assert all(f"`{name}`" in made for name in (row.local, row.integration) if name)
    told_before, rows = 2, 7 + 5 + 8 + 1
    assert made.count("**extension**") == told_before + rows
