"""Mappings: what may stand in one, and what they say to those who work from them."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from twinrow.model.contradictions import Contradictions
from twinrow.model.mapping import FieldMapping, MappingFile, Match, TableMapping, Template, When
from twinrow.model.sides import Direction, Pass, Side

NAME = {"local": "displayName", "integration": "name"}


def mapping(**given: Any) -> TableMapping:
    values: dict[str, Any] = {
        "name": "CUSTOMER",
        "local_table": "customers",
        "integration_table": "account",
        "fields": [NAME],
    }
    return TableMapping.model_validate(values | given)


def contradictions(error: pytest.ExceptionInfo[ValidationError]) -> list[tuple[tuple[str | int, ...], str]]:
    found = []
    for problem in error.value.errors():
        cause = problem["ctx"]["error"]
        assert isinstance(cause, Contradictions)
        found += [(item.place, item.message) for item in cause.found]
    return found


def test_a_small_mapping_and_its_defaults() -> None:
    customer = mapping()
    assert customer.table(Side.LOCAL) == "customers"
    assert customer.table(Side.INTEGRATION) == "account"
    assert customer.direction is Direction.BIDIRECTIONAL
    assert customer.only_coupled
    assert customer.conflict_scope.value == "field"
    assert customer.update_conflict_resolution.winner is None
    assert customer.schedule.every_minutes == 30
    assert not customer.is_option_mapping
    assert mapping(integration_table="account.paymenttermscode").is_option_mapping


def test_a_field_mapping_tells_its_sides() -> None:
    row = FieldMapping(local="displayName", integration="name", validate_local=True)
    assert row.field(Side.LOCAL) == "displayName"
    assert row.field(Side.INTEGRATION) == "name"
    assert row.key == "displayName=name"
    assert not row.is_constant
    assert row.validates(Side.LOCAL)
    assert not row.validates(Side.INTEGRATION)


def test_constants_have_one_side_and_are_always_validated() -> None:
    row = FieldMapping(integration="customertypecode", constant=3, direction=Direction.TO_INTEGRATION)
    assert row.is_constant
    assert row.validates(Side.INTEGRATION)
    assert FieldMapping(local="type", constant="Person", direction=Direction.FROM_INTEGRATION).is_constant


@pytest.mark.parametrize(
    ("given", "kept"), [(5, 5), (True, True), ("5", "5"), (1.1, Decimal("1.1")), (Decimal("1.10"), Decimal("1.10"))]
)
def test_constants_keep_their_value_exactly(given: object, kept: object) -> None:
    row = FieldMapping.model_validate({"integration": "x", "constant": given, "direction": "to_integration"})
    assert row.constant == kept
    assert type(row.constant) is type(kept)


@pytest.mark.parametrize("value", [5, True, "5", Decimal("1.1"), Decimal("0.1234567890123456789"), Decimal("1E+400")])
def test_what_is_stored_as_json_comes_back_as_the_same_value(value: Any) -> None:
    row = FieldMapping(integration="x", constant=value, direction=Direction.TO_INTEGRATION)
    back = FieldMapping.model_validate(row.model_dump(mode="json", exclude_defaults=True)).constant
    assert back == value or (isinstance(back, str) and Decimal(back) == value)


def test_texts_stand_for_lists_of_one() -> None:
    row = FieldMapping.model_validate(NAME | {"transformation": "TRIM", "related_mapping": "CONTACT"})
    assert row.transformation == ("TRIM",)
    assert row.related_mapping == ("CONTACT",)


@pytest.mark.parametrize(
    ("direction", "transformation_direction", "passes"),
    [
        ("bidirectional", None, [Pass.TO]),
        ("bidirectional", "from_integration", [Pass.FROM]),
        ("to_integration", None, [Pass.TO]),
        ("from_integration", None, [Pass.FROM]),
        ("from_integration", "from_integration", [Pass.FROM]),
    ],
)
def test_the_passes_in_which_rules_apply(
    direction: str, transformation_direction: str | None, passes: list[Pass]
) -> None:
    row = FieldMapping.model_validate(
        NAME | {"direction": direction, "transformation_direction": transformation_direction}
    )
    assert [pass_ for pass_ in Pass if row.rules_apply(pass_)] == passes


@pytest.mark.parametrize(
    ("given", "place", "message"),
    [
        ({}, (), "at least one side"),
        ({"local": "a"}, (), "needs the other one, or a constant"),
        ({"local": "a", "constant": 1}, ("direction",), "has the direction from_integration"),
        ({"integration": "a", "constant": 1}, ("direction",), "has the direction to_integration"),
        (
            {"integration": "a", "constant": 1, "direction": "to_integration", "transformation": "TRIM"},
            ("transformation",),
            "a constant has no transformation",
        ),
        (NAME | {"constant": 1}, ("constant",), "leave the other side's field out"),
        (NAME | {"clear_value_on_failed_sync": True, "not_null": True}, ("not_null",), "exclude each other"),
        (NAME | {"related_key": "code"}, ("related_key",), "needs related_mapping"),
        (NAME | {"values": {"A": 1, "B": 1}}, ("values",), "the way back could not be told"),
        (
            NAME | {"direction": "to_integration", "transformation_direction": "from_integration"},
            ("transformation_direction",),
            "is its direction",
        ),
        (
            {"local": "a", "integration": "b", "compare": "name", "values": {"x": "y"}},
            ("compare",),
            "is not compared by how alike",
        ),
        (
            {"local": "a", "integration": "b", "compare": "text", "related_mapping": "ITEM"},
            ("compare",),
            "a field with related_mapping",
        ),
        ({"local": "a", "constant": 5, "direction": "from_integration", "compare": "text"}, ("compare",), "no compare"),
    ],
)
def test_contradictions_within_a_field_mapping(given: dict[str, Any], place: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        FieldMapping.model_validate(given)
    assert (place, True) in [(found, message in text) for found, text in contradictions(error)]


def test_all_contradictions_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as error:
        FieldMapping.model_validate(NAME | {"constant": 1, "related_key": "code", "values": {"A": 1, "B": 1}})
    assert [place for place, _ in contradictions(error)] == [("constant",), ("values",), ("related_key",)]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"fields": [NAME, NAME]}, ("fields", 1)),
        ({"fields": [NAME | {"enabled": False}]}, ("fields",)),
        (
            {"direction": "to_integration", "fields": [NAME | {"direction": "from_integration"}]},
            ("fields", 0, "direction"),
        ),
        ({"dependencies": ["CUSTOMER"]}, ("dependencies",)),
        (
            {
                "templates": [
                    {"code": "A", "side": "local", "values": {}},
                    {"code": "A", "side": "integration", "values": {}},
                    {"code": "A", "side": "local", "values": {}},
                ]
            },
            ("templates", 2),
        ),
    ],
)
def test_contradictions_within_a_table_mapping(given: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        mapping(**given)
    assert [found for found, _ in contradictions(error)] == [place]


def test_a_disabled_field_may_go_the_other_way() -> None:
    other = {"local": "a", "integration": "b", "direction": "from_integration", "enabled": False}
    assert len(mapping(direction="to_integration", fields=[NAME, other]).fields) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": " "},
        {"name": "A NAME OF MORE THAN TWENTY"},
        {"local_table": ""},
        {"fields": []},
        {"fields": [{"local": "", "integration": "name"}]},
        {"direction": "both"},
        {"local_filter": "blocked eq"},
        {"unheard": 1},
    ],
)
def test_values_that_a_table_mapping_does_not_take(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        mapping(**given)


def test_a_filter_may_use_variables_whose_values_come_later() -> None:
    assert mapping(integration_filter="company eq ${company_id}").filter(Side.INTEGRATION) == "company eq ${company_id}"
    assert mapping().filter(Side.LOCAL) == ""


def test_rows_are_there_only_in_their_circumstances() -> None:
    owner = {"local": "salespersonCode", "integration": "ownerid", "when": {"ownership_model": "person"}}
    regional = {"local": "region", "integration": "territory", "when": {"company": "CRONUS"}}
    customer = mapping(fields=[NAME, owner, regional])
    person = customer.in_circumstances("person", "CRONUS")
    team = customer.in_circumstances("team", None)
    assert person is not None
    assert team is not None
    assert [row.local for row in person.fields] == ["displayName", "salespersonCode", "region"]
    assert [row.local for row in team.fields] == ["displayName"]
    assert all(row.when is None for row in person.fields)


def test_a_mapping_may_be_there_only_in_its_circumstances() -> None:
    salespeople = mapping(when={"ownership_model": "person"})
    assert salespeople.in_circumstances("team", None) is None
    there = salespeople.in_circumstances("person", None)
    assert there is not None
    assert there.when is None


def test_extra_rows_stand_back_where_a_field_is_mapped_elsewhere() -> None:
    extra = {"when": {"not_mapped": True}, "enabled": False}
    rows = [
        NAME,
        {"local": "number", "integration": "accountnumber"} | extra,
        {"local": "displayName", "integration": "yominame"} | extra,
        {"local": "phone", "integration": "name"} | extra,
    ]
    there = mapping(fields=rows).in_circumstances(None, None)
    assert there is not None
    assert [row.key for row in there.fields] == ["displayName=name", "number=accountnumber"]


def test_two_rows_for_one_pair_may_stand_in_different_circumstances() -> None:
    rows = [NAME | {"when": {"company": "A"}}, NAME | {"when": {"company": "B"}, "validate_local": True}]
    there = mapping(fields=rows).in_circumstances(None, "B")
    assert there is not None
    assert [row.validate_local for row in there.fields] == [True]


def test_templates_are_there_only_in_their_circumstances() -> None:
    template = Template(code="BCICUST", side=Side.LOCAL, values={"type": "Company"}, when=When(company="A"))
    customer = mapping().model_copy(update={"templates": (template,)})
    here, elsewhere = customer.in_circumstances(None, "A"), customer.in_circumstances(None, "B")
    assert here is not None
    assert elsewhere is not None
    assert [found.code for found in here.templates] == ["BCICUST"]
    assert elsewhere.templates == ()


def test_a_file_names_each_mapping_and_rule_once() -> None:
    values = {
        "version": 1,
        "mappings": [mapping().model_dump(), mapping().model_dump()],
        "transformation_rules": [
            {"type": "prefix", "code": "NUMBER", "text": "C-"},
            {"type": "trim", "code": "NUMBER"},
            {"type": "trim", "code": "TRIM"},
        ],
    }
    with pytest.raises(ValidationError) as error:
        MappingFile.model_validate(values)
    assert [place for place, _ in contradictions(error)] == [
        ("mappings", 1),
        ("transformation_rules", 1),
        ("transformation_rules", 2),
    ]


def test_matching_begins_with_priority_zero_and_ignores_case() -> None:
    assert Match() == Match(case_sensitive=False, priority=0)
    with pytest.raises(ValidationError):
        Match(priority=-1)
