"""Sides, tables, outcomes, rules and errors: the small values that everything else speaks in."""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from twinrow.model.errors import (
    FilterError,
    MappingProblem,
    MappingProblems,
    RecordRefused,
    TwinrowError,
    UnknownField,
    UnknownName,
    UnknownTable,
)
from twinrow.model.outcomes import Counters, Decision, Outcome
from twinrow.model.rules import PREDEFINED, Prefix, TransformationRule, Uppercase
from twinrow.model.sides import Direction, Pass, Side
from twinrow.model.tables import Field, FieldType, Table


def test_each_side_has_another() -> None:
    assert Side.LOCAL.other is Side.INTEGRATION
    assert Side.INTEGRATION.other is Side.LOCAL


def test_a_pass_reads_one_side_and_writes_the_other() -> None:
    assert (Pass.TO.source, Pass.TO.destination) == (Side.LOCAL, Side.INTEGRATION)
    assert (Pass.FROM.source, Pass.FROM.destination) == (Side.INTEGRATION, Side.LOCAL)
    assert Pass.TO.opposite is Pass.FROM
    assert Pass.FROM.opposite is Pass.TO


def test_a_run_goes_to_the_integration_side_first() -> None:
    assert Direction.BIDIRECTIONAL.passes == (Pass.TO, Pass.FROM)
    assert Direction.TO_INTEGRATION.passes == (Pass.TO,)
    assert Direction.FROM_INTEGRATION.passes == (Pass.FROM,)
    assert not Direction.FROM_INTEGRATION.includes(Pass.TO)


def test_a_table_knows_its_fields_and_its_key() -> None:
    account = Table("account", "accountid", {"accountid": Field("accountid", FieldType.GUID)})
    assert account.field("accountid").is_text
    assert account.key_is_guid
    assert not Table("customers", "no", {"no": Field("no", FieldType.CODE)}).key_is_guid
    with pytest.raises(UnknownField, match="Did you mean accountid"):
        account.field("accountId")


def test_the_fields_of_a_table_cannot_be_changed() -> None:
    fields = {"name": Field("name", FieldType.TEXT)}
    account = Table("account", "accountid", fields)
    fields["other"] = Field("other", FieldType.TEXT)
    assert "other" not in account.fields
    with pytest.raises(TypeError):
        account.fields["other"] = Field("other", FieldType.TEXT)  # type: ignore[index]


def test_a_field_is_writable_when_any_write_may_carry_it() -> None:
    field = Field("isocurrencycode", FieldType.TEXT, updatable=False)
    assert field.writable
    assert not replace(field, creatable=False).writable


def test_counters_balance_when_each_record_has_one_outcome() -> None:
    counters = Counters(read=3, inserted=1, modified=1, ignored=1, coupled=1)
    assert counters.balanced
    assert counters.written == 2
    both = counters + Counters(read=1, failed=1)
    assert (both.read, both.failed, both.balanced) == (4, 1, True)
    assert not Counters(read=1).balanced


def test_every_outcome_has_a_counter() -> None:
    names = Counters().as_dict()
    assert {outcome.value for outcome in Outcome} | {"read", "coupled"} == set(names)


def test_the_decisions_are_a_closed_list() -> None:
    assert [decision.value for decision in Decision] == list(range(1, 23))


def test_rules_are_told_apart_by_their_type() -> None:
    adapter: TypeAdapter[TransformationRule] = TypeAdapter(TransformationRule)
    assert adapter.validate_python({"type": "uppercase", "code": "UP"}) == Uppercase(code="UP")
    assert adapter.validate_python({"type": "prefix", "code": "C", "text": "C-"}) == Prefix(code="C", text="C-")
    for wrong in ({"code": "UP"}, {"type": "shout", "code": "UP"}, {"type": "prefix", "code": "C", "text": ""}):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_the_predefined_rules_have_codes_of_their_own() -> None:
    codes = [rule.code for rule in PREDEFINED]
    assert len(set(codes)) == len(codes)


def test_an_error_tells_cause_and_remedy() -> None:
    error = RecordRefused("The account was refused", cause="name is missing", remedy="Fill in the name.", record="17")
    assert str(error) == "The account was refused. Cause: name is missing. Remedy: Fill in the name."
    assert error.record == "17"
    assert isinstance(error, TwinrowError)


def test_what_is_unknown_is_told_with_the_nearest_names() -> None:
    assert "Did you mean CUSTOMER" in str(UnknownName("mapping", "COSTUMER", ["CUSTOMER", "VENDOR"]))
    assert "Known: CUSTOMER, VENDOR" in str(UnknownName("mapping", "ORDERS", ["VENDOR", "CUSTOMER"]))
    assert "There is no mapping yet" in str(UnknownName("mapping", "ORDERS", []))
    assert "There is no table in Dataverse named 'acount'" in str(UnknownTable("Dataverse", "acount", ["account"]))
    assert UnknownField("account", "nmae", ["name"]).field == "nmae"
    assert FilterError("no", position=4).position == 4


def test_a_mapping_problem_tells_where_it_stands() -> None:
    problem = MappingProblem(
        "there is no such field", "Did you mean name?", mapping="CUSTOMER", field="nmae", file="m.yaml", line=7
    )
    assert str(problem) == "m.yaml:7: CUSTOMER nmae: there is no such field Did you mean name?"
    assert str(MappingProblem("nothing to read", file="m.yaml")) == "m.yaml: nothing to read"
    both = MappingProblems([problem, MappingProblem("other")])
    assert str(both) == f"{problem}\nother"
    assert both.problems[0] is problem
