from __future__ import annotations

import pytest

from twinrow.connectors.odata.metadata import Property, last_word, read_metadata

DOCUMENT = b"""<?xml version="1.0"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="Microsoft.NAV" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="thing"><Key><PropertyRef Name="id"/></Key>
<Property Name="id" Type="Edm.Guid" Nullable="false"/>
<Property Name="name" Type="Edm.String" MaxLength="30">
<Annotation Term="NAV.LabelId" String="Name"/><Annotation Term="NAV.AllowEdit" Bool="false"/>
<Annotation Term="Microsoft.NAV.AllowEditOnCreate" Bool="true"/></Property>
<Property Name="rate" Type="Edm.Decimal" Scale="4"/><Property Name="size" Type="Edm.Decimal" Scale="Variable"/>
<NavigationProperty Name="parts" Type="Collection(Microsoft.NAV.part)"/></EntityType>
<EnumType Name="colour"><Member Name="_x0020_" Value="0"/><Member Name="Red" Value="1"/></EnumType>
<EntityContainer Name="NAV"><EntitySet Name="things" EntityType="Microsoft.NAV.thing"/>
<EntitySet Name="parts" EntityType="Microsoft.NAV.part"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


def test_what_a_service_says_about_its_tables() -> None:
    metadata = read_metadata(DOCUMENT)
    assert list(metadata.sets) == ["things"]
    thing = metadata.sets["things"]
    assert (thing.name, thing.key) == ("thing", ("id",))
    assert thing.properties == (
        Property("id", "Edm.Guid"),
        Property("name", "Edm.String", 30, None, {"AllowEdit": False, "AllowEditOnCreate": True}),
        Property("rate", "Edm.Decimal", None, 4),
        Property("size", "Edm.Decimal"),
    )
    assert metadata.enums == {"colour": ("_x0020_", "Red")}
    assert last_word("Microsoft.NAV.colour") == "colour"


def test_what_is_no_metadata_is_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_metadata(b"{}")
