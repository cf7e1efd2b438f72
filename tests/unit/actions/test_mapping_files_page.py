"""The page about mapping files tells every key, and its examples are read."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from twinrow.actions.mapping_files import read_mapping_text
from twinrow.model.mapping import (
    Deactivation,
    DeleteLimit,
    FieldMapping,
    MappingFile,
    Match,
    Schedule,
    TableMapping,
    Template,
    When,
)
from twinrow.model.rules import Trim

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "mapping-files.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("The file", MappingFile),
        ("A table mapping", TableMapping),
        ("A field mapping", FieldMapping),
        ("A field mapping", Match),
        ("Templates", Template),
        ("Deletions", DeleteLimit),
        ("Deletions", Deactivation),
        ("Schedules", Schedule),
        ("Circumstances", When),
        ("Transformation rules", Trim),
    ],
)
def test_every_key_is_told(title: str, model: type[BaseModel]) -> None:
    told = set(re.findall(r"`(\w+)`", section(title)))
    assert set(model.model_fields) <= told


@pytest.mark.parametrize("title", ["The file", "A table mapping", "Templates", "Schedules", "Circumstances"])
def test_no_key_is_told_that_there_is_not(title: str) -> None:
    models = {"The file": MappingFile, "A table mapping": TableMapping, "Templates": Template}
    model = (models | {"Schedules": Schedule, "Circumstances": When})[title]
    told = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    assert {key for cell in told for key in re.findall(r"`(\w+)`", cell)} == set(model.model_fields)


def test_every_value_of_a_choice_is_told() -> None:
    for model, title in ((TableMapping, "A table mapping"), (FieldMapping, "A field mapping")):
        for name, field in model.model_fields.items():
            members = getattr(field.annotation, "__members__", {})
            assert all(f"`{member.value}`" in section(title) for member in members.values()), name


def test_the_examples_of_the_page_are_read() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        assert read_mapping_text(example).content.version == 1
