"""The reference page names every switch and every entity set."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.business_central.site import Site

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sandbox-business-central.md"


def test_every_switch_and_entity_set_is_described(site: Site) -> None:
    text = PAGE.read_text(encoding="utf-8")
    pages = site.service.schema.pages.values()
    names = {page.entity_set for route in pages for page in route.values()} | site.service.switches.keys()
    assert {name for name in names if f"`{name}`" not in text} == set()
