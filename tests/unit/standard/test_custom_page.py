"""What is said to need the extension is served by the extension's pages."""

import re
from pathlib import Path

import pytest

from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.standard.custom_page import CUSTOM_PAGE, OptionalRoute
from twinrow.standard.files import standard_mappings

PAGES = Path(__file__).parents[3] / "extension" / "business-central" / "src" / "page"


def served() -> dict[str, set[str]]:
    """Return the properties of each entity set of the extension."""
    texts = [path.read_text(encoding="utf-8") for path in PAGES.glob("*.al")]
    entity_sets = [re.findall(r"EntitySetName = '(\w+)'", text) for text in texts]
    return {
        name: set(re.findall(r"\bfield\((\w+);", text))
        for names, text in zip(entity_sets, texts, strict=True)
        for name in names
    }


def test_the_extension_serves_what_needs_it() -> None:
    pages = served()
    assert set(CUSTOM_PAGE.tables) <= set(pages)
    for table, fields in CUSTOM_PAGE.fields.items():
        assert fields <= pages[table], table


@pytest.mark.parametrize("mapping", standard_mappings(), ids=lambda mapping: mapping.name)
def test_the_extension_serves_every_field_of_the_standard_mappings(mapping: TableMapping) -> None:
    assert {row.local for row in mapping.fields if row.local} <= served()[mapping.local_table]


def test_a_route_serves_fields_of_its_side_and_whole_tables() -> None:
    route = OptionalRoute("pages", Side.LOCAL, {"customers": frozenset({"faxNo"})}, frozenset({"agents"}))
    assert route.serves(Side.LOCAL, "customers", "faxNo")
    assert not route.serves(Side.LOCAL, "customers", "name")
    assert not route.serves(Side.LOCAL, "customers")
    assert route.serves(Side.LOCAL, "agents")
    assert route.serves(Side.LOCAL, "agents", "code")
    assert not route.serves(Side.INTEGRATION, "agents")
