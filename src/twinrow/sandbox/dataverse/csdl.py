"""The service's description in CSDL: entity types with keys, properties and navigation properties."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Environment
from twinrow.sandbox.dataverse.schema import ManyToMany
from twinrow.sandbox.http import Answer

_NAMESPACE = "Microsoft.Dynamics.CRM"


def csdl(environment: Environment) -> Answer:
    """The whole document."""
    text = "\n".join(_lines(environment)) + "\n"
    return Answer(200, {"Content-Type": "application/xml", "OData-Version": "4.0"}, text.encode())


def _lines(environment: Environment) -> Iterator[str]:
    tables = sorted(environment.catalog.tables.values(), key=lambda table: table.name)
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
    yield "  <edmx:DataServices>"
    yield f'    <Schema Namespace="{_NAMESPACE}" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
    yield '      <EntityType Name="crmbaseentity" Abstract="true" />'
    yield '      <EntityType Name="principal" BaseType="mscrm.crmbaseentity">'
    yield '        <Key><PropertyRef Name="ownerid" /></Key>'
    yield '        <Property Name="ownerid" Type="Edm.Guid" />'
    yield "      </EntityType>"
    for table in tables:
        yield from _type_lines(environment, table)
    yield '      <EntityContainer Name="System">'
    for table in tables:
        yield from _set_lines(environment, table)
    yield "      </EntityContainer>"
    yield "    </Schema>"
    yield "  </edmx:DataServices>"
    yield "</edmx:Edmx>"


def _type_lines(environment: Environment, table: Table) -> Iterator[str]:
    base = "principal" if table.is_principal else "crmbaseentity"
    yield f'      <EntityType Name="{table.name}" BaseType="mscrm.{base}">'
    if not table.is_principal:
        yield f'        <Key><PropertyRef Name="{table.id}" /></Key>'
    for name, column in table.properties.items():
        scale = ' Scale="Variable"' if column.edm == "Edm.Decimal" else ""
        unicode = ' Unicode="false"' if column.edm == "Edm.String" else ""
        yield f'        <Property Name="{name}" Type="{column.edm}"{scale}{unicode} />'
    for navigation in table.navigations.values():
        target = navigation.targets[0] if len(navigation.targets) == 1 else "principal"
        yield f'        <NavigationProperty Name="{navigation.name}" Type="mscrm.{target}" Nullable="false">'
        source = navigation.column.property_name
        yield f'          <ReferentialConstraint Property="{source}" ReferencedProperty="{_key(environment, target)}" />'
        yield "        </NavigationProperty>"
    for name, relationship in table.collections.items():
        target = relationship.other(table.name) if isinstance(relationship, ManyToMany) else relationship.table
        yield f'        <NavigationProperty Name={quoteattr(name)} Type="Collection(mscrm.{target})" />'
    yield "      </EntityType>"


def _set_lines(environment: Environment, table: Table) -> Iterator[str]:
    yield f'        <EntitySet Name="{table.set}" EntityType="{_NAMESPACE}.{table.name}">'
    for navigation in table.navigations.values():
        if len(navigation.targets) == 1:
            target = environment.catalog.tables[navigation.targets[0]]
            yield f'          <NavigationPropertyBinding Path="{navigation.name}" Target="{target.set}" />'
    if environment.tracks_changes(table.name):
        yield '          <Annotation Term="Org.OData.Capabilities.V1.ChangeTracking">'
        yield '            <Record><PropertyValue Property="Supported" Bool="true" /></Record>'
        yield "          </Annotation>"
    yield "        </EntitySet>"


def _key(environment: Environment, name: str) -> str:
    table = environment.catalog.tables.get(name)
    return "ownerid" if table is None or table.is_principal else table.id
