"""What the service tells about itself: service document, `$metadata`, `entityDefinitions`, environments.

Source: protocol page, sections 1 and 12. The terms `AllowEdit` and `AllowEditOnCreate` say which properties can be
set.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from xml.sax.saxutils import quoteattr

from twinrow.sandbox.business_central.schema import Page, Property, Schema, load_schema, title_of

_ENGLISH = 1033


def service_document(root: str, route: str, schema: Schema) -> dict[str, Any]:
    """The entity sets of a route."""
    return {
        "@odata.context": f"{root}/$metadata",
        "value": [
            {"name": page.entity_set, "kind": "EntitySet", "url": page.entity_set}
            for page in schema.pages[route].values()
        ],
    }


def entity_definitions(root: str, pages: list[Page]) -> dict[str, Any]:
    """Captions of entities and their properties, in English."""
    return {"@odata.context": f"{root}/$metadata#entityDefinitions", "value": [_definition(page) for page in pages]}


def _definition(page: Page) -> dict[str, Any]:
    named = [(item.name, item.title) for item in page.properties]
    named += [(item.name, title_of(item.name)) for item in page.navigation]
    return {
        "entityName": page.entity,
        "entitySetName": page.entity_set,
        "entityCaptions": _captions(title_of(page.entity)),
        "entitySetCaptions": _captions(title_of(page.entity_set)),
        "properties": [{"name": name, "captions": _captions(caption)} for name, caption in named],
        "actions": [],
        "enumMembers": [],
    }


def _captions(caption: str) -> list[dict[str, Any]]:
    return [{"languageCode": _ENGLISH, "caption": caption}]


@lru_cache(maxsize=4)
def metadata(route: str) -> bytes:
    """The metadata document of a route."""
    schema = load_schema()
    pages = list(schema.pages[route].values())
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">',
        "<edmx:DataServices>",
        '<Schema Namespace="Microsoft.NAV" xmlns="http://docs.oasis-open.org/odata/ns/edm">',
    ]
    for page in pages:
        lines += _entity_type(page, pages, schema)
    lines += _enum_types(pages, schema)
    lines.append('<EntityContainer Name="default">')
    for page in pages:
        lines.append(f'<EntitySet Name={quoteattr(page.entity_set)} EntityType="Microsoft.NAV.{page.entity}">')
        lines += [
            f"<NavigationPropertyBinding Path={quoteattr(name)} Target={quoteattr(target)}/>"
            for name, target, _, _ in _navigation(page, pages)
        ]
        lines.append("</EntitySet>")
    lines += ["</EntityContainer>", "</Schema>", "</edmx:DataServices>", "</edmx:Edmx>"]
    return "\n".join(lines).encode()


def _entity_type(page: Page, pages: list[Page], schema: Schema) -> list[str]:
    lines = [f'<EntityType Name="{page.entity}">', "<Key>"]
    lines += [f'<PropertyRef Name="{name}"/>' for name in page.key]
    lines.append("</Key>")
    for item in page.properties:
        lines += _property(page, item, schema)
    for name, _, entity, many in _navigation(page, pages):
        kind = f"Collection(Microsoft.NAV.{entity})" if many else f"Microsoft.NAV.{entity}"
        lines.append(f'<NavigationProperty Name="{name}" Type="{kind}"/>')
    lines.append("</EntityType>")
    return lines


def _property(page: Page, item: Property, schema: Schema) -> list[str]:
    facets = [f'Name="{item.name}"', f'Type="{schema.edm_type(page, item)}"']
    if item.name in page.key:
        facets.append('Nullable="false"')
    if item.field:
        field = schema.tables[page.table].field(item.field)
        if field.length:
            facets.append(f'MaxLength="{field.length}"')
        if field.type == "Decimal":
            facets.append('Scale="Variable"')
    editable = str(not item.read_only).lower()
    return [
        f"<Property {' '.join(facets)}>",
        *(
            f'<Annotation Term="Microsoft.NAV.{term}" Bool="{editable}"/>'
            for term in ("AllowEdit", "AllowEditOnCreate")
        ),
        "</Property>",
    ]


def _enum_types(pages: list[Page], schema: Schema) -> list[str]:
    lines: list[str] = []
    seen: set[str] = set()
    for page in pages:
        for item in page.properties:
            field = schema.tables[page.table].field(item.field) if item.field else None
            if field is None or field.type != "Enum" or field.enum in seen:
                continue
            seen.add(field.enum)
            lines.append(f'<EnumType Name="{field.enum}">')
            lines += [f'<Member Name="{name}" Value="{number}"/>' for name, number in field.wire_members]
            lines.append("</EnumType>")
    return lines


def _navigation(page: Page, pages: list[Page]) -> list[tuple[str, str, str, bool]]:
    """Name, entity set, entity and multiplicity of what can be reached from a page."""
    if page.entity_set == "companies":
        below = [other for other in pages if other is not page and not other.below_parent]
        return [(other.entity_set, other.entity_set, other.entity, True) for other in below]
    entities = {other.entity_set: other.entity for other in pages}
    return [(item.name, item.entity_set, entities[item.entity_set], item.many) for item in page.navigation]


def environments(root: str, name: str) -> dict[str, Any]:
    """The one environment of the server."""
    return {
        "value": [
            {
                "name": name,
                "type": "Sandbox",
                "countryCode": "W1",
                "webServiceUrl": root,
                "webClientLoginUrl": f"{root}/{name}",
            }
        ]
    }


def no_environment() -> bytes:
    """The answer to an environment that does not exist: XML, whatever the caller accepts."""
    return (
        b'<error xmlns="http://docs.oasis-open.org/odata/ns/metadata">\n'
        b"    <code>NoEnvironment</code>\n"
        b"    <message>Environment does not exist.</message>\n"
        b"</error>"
    )
