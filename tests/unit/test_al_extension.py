"""The AL pages of the extension serve what the sandbox's own route serves."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

from twinrow.sandbox.business_central.metadata import metadata
from twinrow.sandbox.business_central.schema import SYNC, Page, load_schema

EXTENSION = Path(__file__).parents[2] / "extension" / "business-central"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
SERVED_BY_THE_PLATFORM = {"companies"}

SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(EXTENSION.rglob("*.al"))}
OBJECT = re.compile(r"^(page|table|tableextension|codeunit|permissionset) (\d+) (?:\"([^\"]+)\"|(\w+))", re.MULTILINE)
CONTROL = re.compile(r"^ {16}field\((\w+); (.+?)\)\n {16}\{(.*?)^ {16}\}", re.MULTILINE | re.DOTALL)
TABLE_FIELD = re.compile(r"field\((\d+); (?:\"([^\"]+)\"|(\w+)); (\w+)")


@dataclass(frozen=True)
class Control:
    """A field of an AL page: where its value comes from, and what stands in its block."""

    source: str
    block: str

    @property
    def read_only(self) -> bool:
        return "Editable = false;" in self.block


@dataclass(frozen=True)
class AlPage:
    """An API page as its source says it."""

    properties: dict[str, str]
    controls: dict[str, Control]

    @property
    def methods(self) -> set[str]:
        allowed = {"POST": "InsertAllowed", "PATCH": "ModifyAllowed", "DELETE": "DeleteAllowed"}
        return {"GET"} | {method for method, name in allowed.items() if self.properties.get(name) != "false"}


def read_page(source: str) -> AlPage:
    head, _, layout = source.partition("layout")
    properties = dict(re.findall(r"^ {4}(\w+) = '?(.+?)'?;$", head, re.MULTILINE))
    controls = {name: Control(origin, block) for name, origin, block in CONTROL.findall(layout)}
    return AlPage(properties, controls)


AL_PAGES = {
    page.properties["EntitySetName"]: page
    for page in (read_page(source) for name, source in SOURCES.items() if name.endswith(".Page.al"))
}
PAGES = {
    page.entity_set: page
    for page in load_schema().pages[SYNC].values()
    if page.entity_set not in SERVED_BY_THE_PLATFORM
}


@dataclass(frozen=True)
class EntityType:
    """An entity as the sandbox's metadata describe it."""

    key: list[str]
    editable: dict[str, bool]


def entity_types() -> dict[str, EntityType]:
    document = ElementTree.fromstring(metadata(SYNC))  # noqa: S314 - our own words
    types = {}
    for entity in document.iter(f"{EDM}EntityType"):
        editable = {
            item.attrib["Name"]: {term.attrib["Bool"] for term in item.iter(f"{EDM}Annotation")} == {"true"}
            for item in entity.iter(f"{EDM}Property")
        }
        key = [reference.attrib["Name"] for reference in entity.iter(f"{EDM}PropertyRef")]
        types[entity.attrib["Name"]] = EntityType(key, editable)
    return types


def test_the_same_entity_sets_are_served() -> None:
    assert AL_PAGES.keys() == PAGES.keys()


@pytest.mark.parametrize("entity_set", sorted(PAGES))
def test_a_page_has_the_same_properties_key_and_flags(entity_set: str) -> None:
    al_page, page = AL_PAGES[entity_set], PAGES[entity_set]
    entity = entity_types()[page.entity]
    assert al_page.properties["EntityName"] == page.entity
    assert list(al_page.controls) == list(entity.editable)
    assert {name: not control.read_only for name, control in al_page.controls.items()} == entity.editable
    assert (al_page.properties["ODataKeyFields"], entity.key) == ("SystemId", ["id"])
    assert al_page.controls["id"].source == "Rec.SystemId"
    assert al_page.methods == set(page.methods)


@pytest.mark.parametrize("entity_set", sorted(PAGES))
def test_a_page_stands_on_the_same_fields(entity_set: str) -> None:
    al_page, page = AL_PAGES[entity_set], PAGES[entity_set]
    if page.table:
        assert al_page.properties["SourceTable"].strip('"') == page.table
    for item in page.properties:
        if item.field:
            source = al_page.controls[item.name].source
            assert source.replace('"', "") == f"Rec.{item.field}"


@pytest.mark.parametrize("entity_set", sorted(PAGES))
def test_every_page_lies_below_the_route(entity_set: str) -> None:
    properties = AL_PAGES[entity_set].properties
    assert properties["PageType"] == "API"
    route = (properties["APIPublisher"], properties["APIGroup"], properties["APIVersion"])
    assert route == ("twinrow", "sync", "v1.0")


def marked(page: Page) -> bool:
    return any(item.name == "syncMark" for item in page.properties)


def test_marks_are_kept_in_every_table_that_can_be_written() -> None:
    extended = {
        (name or plain): source
        for source in SOURCES.values()
        for name, plain in re.findall(
            r"^tableextension \d+ \"[^\"]+\" extends (?:\"([^\"]+)\"|(\w+))", source, re.MULTILINE
        )
    }
    assert {page.table for page in PAGES.values() if marked(page)} == extended.keys()
    assert all(marked(page) == ("POST" in page.methods) for page in PAGES.values())
    schema = load_schema()
    numbers = []
    for table, source in extended.items():
        [(number, quoted, plain, kind)] = TABLE_FIELD.findall(source)
        field = schema.tables[table].field("Twinrow Sync Mark")
        assert (int(number), quoted or plain, kind) == (field.number, field.name, field.type)
        assert f'key(TwinrowSyncMark; "{field.name}")' in source
        numbers.append(number)
    # Fields with equal numbers are copied between customers, vendors and contacts; a mark must stay where it is.
    assert len(set(numbers)) == len(numbers)


def test_a_mark_is_checked_where_it_can_be_sent() -> None:
    for entity_set, page in PAGES.items():
        control = AL_PAGES[entity_set].controls.get("syncMark")
        assert (control is not None) == marked(page)
        assert control is None or "SyncMarks.CheckUnchanged(" in control.block


def test_object_ids_are_unique_within_the_range() -> None:
    app = json.loads((EXTENSION / "app.json").read_text(encoding="utf-8"))
    [objects_range] = app["idRanges"]
    found = [
        (kind, int(number), quoted or plain)
        for source in SOURCES.values()
        for kind, number, quoted, plain in OBJECT.findall(source)
    ]
    assert len(found) == len(SOURCES)
    assert len({(kind, number) for kind, number, _ in found}) == len(found)
    assert all(objects_range["from"] <= number <= objects_range["to"] for _, number, _ in found)
    assert all(len(name) <= 30 for _, _, name in found)


def test_the_permission_set_names_every_page_and_codeunit() -> None:
    [permissions] = [source for name, source in SOURCES.items() if name.endswith(".PermissionSet.al")]
    for source in SOURCES.values():
        for kind, _, quoted, plain in OBJECT.findall(source):
            if kind in ("page", "codeunit"):
                assert f'{kind} "{quoted or plain}" = X' in permissions
    for page in PAGES.values():
        name = page.table if page.table.isalpha() else f'"{page.table}"'
        rights = "RIMD" if "POST" in page.methods or page.table == "Contact Business Relation" else "R"
        if page.table:
            assert f"tabledata {name} = {rights}" in permissions


def test_every_page_is_described_in_the_readme() -> None:
    readme = (EXTENSION / "README.md").read_text(encoding="utf-8")
    for entity_set in PAGES:
        assert f"`{entity_set}`" in readme
    assert "not been compiled" in readme


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_blocks_are_closed_and_labels_end(name: str) -> None:
    """A compiler would say more; this finds what a careless edit breaks."""
    code = re.sub(r"//.*|'(?:[^']|'')*'|\"[^\"]*\"", "", SOURCES[name])
    assert code.count("{") == code.count("}")
    assert code.count("(") == code.count(")")
    words = re.findall(r"\b(begin|case|end)\b", code)
    assert words.count("begin") + words.count("case") == words.count("end")
    assert "'" not in code
