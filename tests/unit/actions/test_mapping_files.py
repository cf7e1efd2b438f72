"""Mapping files: read with everything that is wrong told at once, and written so that reading gives the same."""

import json
import os
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinrow.actions.mapping_files import (
    export_mappings,
    mapping_file_schema,
    read_mapping_file,
    read_mapping_files,
    read_mapping_text,
)
from twinrow.model.errors import MappingProblem, MappingProblems
from twinrow.model.mapping import FieldMapping, MappingFile, Match, TableMapping, Template, When
from twinrow.model.rules import Prefix, Trim
from twinrow.model.sides import Direction, Side
from twinrow.model.tables import Field, FieldType, Option, Table
from twinrow.standard.files import FILE_NAMES, standard_text

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "reference" / "mapping-file.schema.json"

SMALL = """\
version: 1
mappings:
  - name: CUSTOMER
    local_table: customers
    integration_table: account
    fields:
      - {local: displayName, integration: name}
"""


def problems(text: str) -> list[MappingProblem]:
    with pytest.raises(MappingProblems) as error:
        read_mapping_text(dedent(text), "m.yaml")
    return list(error.value.problems)


def problem(text: str) -> MappingProblem:
    (found,) = problems(text)
    return found


def row(text: str) -> MappingProblem:
    """Return what is wrong with one row, which stands in line 7."""
    return problem(SMALL.replace("{local: displayName, integration: name}", text))


def test_a_small_file() -> None:
    content = read_mapping_text(SMALL).content
    assert [mapping.name for mapping in content.mappings] == ["CUSTOMER"]
    assert content.mappings[0].fields == (FieldMapping(local="displayName", integration="name"),)


def test_values_keep_their_type() -> None:
    text = SMALL + dedent("""\
          - {integration: a, direction: to_integration, constant: 3}
          - {integration: b, direction: to_integration, constant: '3'}
          - {integration: c, direction: to_integration, constant: 0.10}
          - {integration: d, direction: to_integration, constant: true}
          - {integration: e, direction: to_integration, constant: yes}
          - {integration: f, direction: to_integration, constant: 2024-01-31}
          - {integration: g, direction: to_integration, constant: 12345678901234567890.12}
          - {local: blocked, integration: status, values: {0: 1, 1: 100000001, ' ': x, true: no}}
    """).replace("- {", "      - {")
    rows = read_mapping_text(text).content.mappings[0].fields[1:]
    constants = [row.constant for row in rows[:-1]]
    assert constants == [3, "3", Decimal("0.10"), True, "yes", "2024-01-31", Decimal("12345678901234567890.12")]
    assert [type(value) for value in constants] == [int, str, Decimal, bool, str, str, Decimal]
    assert rows[-1].values == {"0": 1, "1": 100000001, " ": "x", "true": "no"}


def test_one_name_needs_no_list() -> None:
    text = SMALL.replace("    fields:", "    dependencies: CURRENCY\n    fields:")
    assert read_mapping_text(text).content.mappings[0].dependencies == ("CURRENCY",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "A mapping file must be keys and values, not blank"),
        ("# nothing yet", "A mapping file must be keys and values, not blank"),
        ("[]", "A mapping file must be keys and values, not a list"),
        ("version: 1\nmappings: [", "This is not YAML: while parsing a flow"),
        ("version: 1\nmappings:\n\t- a", "This is not YAML: while scanning for the next token"),
        ("version: 1\ndescription: \x00", "This is not YAML: unacceptable character"),
        ("version: 1\n---\nversion: 1", "another document"),
        ("version: 1\ndescription: *nothing", "found undefined alias"),
        ("version: 1\nmappings: &all [*all]", "A value contains itself"),
        ("version: 1\ndescription: !python/object x", "have no tags such as !python/object"),
        ("version: 1\n[a, b]: c", "A key must be a plain word or text"),
    ],
)
def test_what_is_no_mapping_file_at_all(text: str, message: str) -> None:
    assert message in problem(text).message


def test_a_problem_of_the_yaml_names_its_line() -> None:
    found = problem("version: 1\nmappings:\n\t- a\n")
    assert (found.file, found.line) == ("m.yaml", 3)
    assert "no tabs" in found.remedy


def test_an_unknown_key_is_told_with_the_nearest_known_one() -> None:
    found = row("{local: displayName, integration: name, directon: to_integration}")
    assert found == MappingProblem(
        "There is no key 'directon' in a field mapping.",
        "Did you mean direction?",
        mapping="CUSTOMER",
        field="displayName=name",
        file="m.yaml",
        line=7,
    )
    assert str(found).startswith("m.yaml:7: CUSTOMER displayName=name: There is no key")


def test_without_a_near_key_the_known_ones_are_told() -> None:
    found = problem(SMALL.replace("version: 1", "version: 1\nsurprise: 5"))
    assert (found.line, found.remedy) == (2, "Known: version, description, transformation_rules, mappings.")


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("direction: both", "direction cannot be 'both'.", "Allowed: bidirectional, to_integration, from_integration."),
        ("direction: bidirection", "direction cannot be 'bidirection'.", "Did you mean bidirectional?"),
        ("direction: null", "direction cannot be blank.", "Allowed: bidirectional"),
        ("on_loss: ignore", "on_loss cannot be 'ignore'.", "Allowed: overwrite, refuse, conflict."),
        (
            "transformation_direction: to",
            "transformation_direction cannot be 'to'.",
            "to_integration, from_integration",
        ),
        ("enabled: maybe", "enabled must be true or false, not 'maybe'.", ""),
        ("caption: 5", "caption must be a text, not 5.", "Put it in quotes."),
        ("transformation: 5", "transformation must be a list, not 5.", "Write it as [one, two]"),
        ("values: [1]", "values must be keys and values, not a list.", "Write it as {key: value}."),
        ("values: {a: [1]}", "a must be a text, a number, true or false.", ""),
        ("match: {priority: -1}", "priority is -1; it must be 0 or more.", ""),
        ("match: {priority: often}", "priority must be a whole number, not 'often'.", ""),
        ("when: {ownership: person}", "There is no key 'ownership' in when.", "Did you mean ownership_model?"),
        ("when: {ownership_model: both}", "ownership_model cannot be 'both'.", "Allowed: person, team."),
        ("constant: 007", "007 would be read as a number.", "Write it in quotes: '007'."),
        ("constant: .inf", ".inf is no number that a field can hold.", ""),
        ("constant: 5", "A constant is written to one side", ""),
        ("related_key: code", "related_key needs related_mapping.", ""),
        ("values: {a: 1, b: 1}", "Two local values lead to one integration value", ""),
        ("local: a", "The key 'local' stands here twice, first in line 7.", "Leave one of them out."),
    ],
)
def test_what_can_be_wrong_with_a_row(text: str, message: str, remedy: str) -> None:
    found = row(f"{{local: displayName, integration: name, {text}}}")
    assert (found.mapping, found.field, found.file, found.line) == ("CUSTOMER", "displayName=name", "m.yaml", 7)
    assert message in found.message
    assert remedy in found.remedy


def test_a_row_that_is_no_row() -> None:
    found = row("displayName")
    assert (found.field, found.message) == ("row 1", "An item of fields must be keys and values, not 'displayName'.")


@pytest.mark.parametrize(
    ("text", "field", "message", "remedy"),
    [
        ("name: ''", "name", "name must not be blank.", ""),
        ("local_filter: blocked eq", "local_filter", "cannot be read near 'eq' (character 8).", "Write it as OData"),
        ("integration_filter: a/b eq 1", "integration_filter", "not every system knows", "Compare fields with values"),
        ("schedule: {every_minutes: 0}", "schedule", "every_minutes is 0; it must be 1 or more.", ""),
        ("conflict_scope: fields", "conflict_scope", "conflict_scope cannot be 'fields'.", "Did you mean field?"),
        ("dependencies: CUSTOMER", "dependencies", "A mapping cannot depend on itself.", ""),
        (
            "templates: [{code: A, side: both, values: {}}]",
            "templates A",
            "side cannot be 'both'.",
            "local, integration",
        ),
        (
            "templates: [{code: A, side: local}]",
            "templates A",
            "The key 'values' is missing",
            "Field names of that side",
        ),
        ("local_tabel: x", "local_tabel", "There is no key 'local_tabel'", "Did you mean local_table?"),
    ],
)
def test_what_can_be_wrong_with_a_mapping(text: str, field: str, message: str, remedy: str) -> None:
    lines = SMALL.splitlines()
    key = text.split(":")[0]
    kept = [line for line in lines if not line.strip(" -").startswith(f"{key}:")]
    if key == "name":
        kept.insert(2, f"  - {text}")
    else:
        kept.insert(5, f"    {text}")
    found = problem("\n".join(kept))
    assert (found.mapping or "mapping 1", found.field) in [("CUSTOMER", field), ("mapping 1", field)]
    assert found.line == kept.index(next(line for line in kept if text in line)) + 1
    assert message in found.message
    assert remedy in found.remedy


def test_missing_keys_are_named_with_what_they_are_for() -> None:
    found = problems("version: 1\nmappings:\n  - name: CUSTOMER\n    fields: []\n")
    assert [(item.message, item.line) for item in found] == [
        ("The key 'local_table' is missing from a table mapping.", 3),
        ("The key 'integration_table' is missing from a table mapping.", 3),
        ("fields must not be empty.", 4),
    ]
    assert found[0].remedy == "The table of the local system."


@pytest.mark.parametrize(
    ("rule", "message", "remedy"),
    [
        ("{code: A}", "The key 'type' is missing.", "type: uppercase"),
        ("{code: A, type: upercase}", "type cannot be 'upercase'.", "Did you mean uppercase?"),
        ("{code: A, type: prefix}", "The key 'text' is missing from this transformation rule.", "set before the value"),
        ("{code: A, type: trim, text: x}", "There is no key 'text' in this transformation rule.", "Known: code"),
        ("{code: TRIM, type: trim}", "TRIM is a predefined transformation rule.", ""),
    ],
)
def test_what_can_be_wrong_with_a_transformation_rule(rule: str, message: str, remedy: str) -> None:
    found = problem(SMALL.replace("mappings:", f"transformation_rules:\n  - {rule}\nmappings:"))
    assert found.line == 3
    assert found.field.startswith("transformation rule ")
    assert message in found.message
    assert remedy in found.remedy


def test_everything_is_told_at_once_in_the_order_of_the_file() -> None:
    found = problems("""\
        version: 2
        mappings:
          - name: CUSTOMER
            local_table: customers
            integration_table: account
            dependencies: CUSTOMER
            direction: to_integration
            fields:
              - {local: a, integration: b, directon: x, enabled: perhaps}
              - {local: c, integration: d}
              - {local: c, integration: d}
              - {local: e, integration: f, direction: from_integration}
              - {local: g, integration: h, constant: 1, related_key: code}
          - name: CUSTOMER
            local_table: customers
            integration_table: account
            fields: [{local: a, integration: b}]
        """)
    assert [(item.line, item.field, item.message.split(".")[0][:40]) for item in found] == [
        (1, "", "version cannot be 2"),
        (6, "dependencies", "A mapping cannot depend on itself"),
        (9, "a=b", "enabled must be true or false, not 'perh"),
        (9, "a=b", "There is no key 'directon' in a field ma"),
        (11, "c=d", "The fields c=d are mapped twice"),
        (12, "e=f", "The field goes from_integration, but its"),
        (13, "g=h", "A constant is written to one side: leave"),
        (13, "g=h", "related_key needs related_mapping"),
        (14, "", "The mapping CUSTOMER stands in the file "),
    ]


def test_a_problem_with_a_row_makes_no_others_of_its_mapping() -> None:
    found = problem(SMALL.replace("{local: displayName, integration: name}", "{local: displayName, integration: 5}"))
    assert found.message == "integration must be a text, not 5."


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("abc01.' {}[]:-#&*!|>\n", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["version", "mappings", "name", "fields", "local", "integration", "constant", "when", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, derandomize=True)
@given(ANYTHING)
def test_any_values_are_either_read_or_told_as_problems(values: Any) -> None:
    text = json.dumps(values)
    try:
        content = read_mapping_text(text).content
    except MappingProblems as error:
        found = error.problems
    else:
        assert isinstance(content, MappingFile)
        return
    assert found
    assert all(item.message and item.file for item in found)


@settings(deadline=None, derandomize=True)
@given(st.text("version: 1\nmapgs-[]{}'\"#&*!|>,a", max_size=60))
def test_any_text_is_either_read_or_told_as_problems(text: str) -> None:
    try:
        read_mapping_text(text)
    except MappingProblems as error:
        found = error.problems
    else:
        return
    assert found


def test_a_later_problem_of_a_mapping_gets_file_and_line() -> None:
    document = read_mapping_text(SMALL.replace("    fields:", "    local_filter: a eq 1\n    fields:"), "m.yaml")
    at = {
        field: document.place(MappingProblem("wrong", mapping="CUSTOMER", field=field)).line
        for field in ("displayName=name", "local_filter", "integration_filter", "")
    }
    assert at == {"displayName=name": 8, "local_filter": 6, "integration_filter": 3, "": 3}
    assert document.place(MappingProblem("wrong", mapping="VENDOR")).file == ""


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MappingProblems, match="No such file"):
        read_mapping_file(tmp_path / "nothing.yaml")
    (tmp_path / "old.yaml").write_bytes(b"version: 1 # \xe4")
    with pytest.raises(MappingProblems, match="no text in UTF-8"):
        read_mapping_file(tmp_path / "old.yaml")


def test_files_that_belong_together_name_each_thing_once(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml"))
    first.write_text(SMALL)
    second.write_text(SMALL.replace("CUSTOMER", "VENDOR"))
    assert [document.name for document in read_mapping_files([first, second])] == [str(first), str(second)]
    third.write_text(SMALL + "      - 7\n")
    second.write_text(SMALL)
    with pytest.raises(MappingProblems) as error:
        read_mapping_files([first, second, third])
    assert [(item.file, item.line) for item in error.value.problems] == [(str(third), 8), (str(second), 3)]
    assert f"stands in {first} too" in str(error.value)


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_standard_mappings_come_back_from_their_export(name: str) -> None:
    content = read_mapping_text(standard_text(name), name).content
    text = export_mappings(content)
    assert read_mapping_text(text).content == content
    assert export_mappings(read_mapping_text(text).content) == text


def test_an_export_is_made_for_people() -> None:
    content = MappingFile(
        version=1,
        transformation_rules=(Prefix(code="NUMBER", text="C-"), Trim(code="CUT", description="Cut")),
        mappings=(
            TableMapping(
                name="CUSTOMER",
                local_table="customers",
                integration_table="account",
                direction=Direction.TO_INTEGRATION,
                fields=(
                    FieldMapping(local="number", integration="accountnumber", transformation=("NUMBER",)),
                    FieldMapping(
                        integration="creditlimit", direction=Direction.TO_INTEGRATION, constant=Decimal("100")
                    ),
                    FieldMapping(
                        local="code", integration="code", caption="No.", match=Match(), when=When(company="7")
                    ),
                ),
                templates=(Template(code="NEW", side=Side.INTEGRATION, values={"type": 3}),),
            ),
            TableMapping(
                name="VENDOR",
                local_table="vendors",
                integration_table="account",
                fields=(FieldMapping(local="a" * 40, integration="b" * 40, caption="c" * 40),),
            ),
        ),
    )
    assert export_mappings(content) == dedent("""\
        version: 1

        transformation_rules:
          - {type: prefix, code: NUMBER, text: C-}
          - {type: trim, code: CUT, description: Cut}

        mappings:
          # CUSTOMER: customers -> account
          - name: CUSTOMER
            local_table: customers
            integration_table: account
            direction: to_integration
            templates:
              - {code: NEW, side: integration, values: {type: 3}}
            fields:
              - {local: number, integration: accountnumber, transformation: [NUMBER]}
              - {integration: creditlimit, direction: to_integration, constant: 100.0}
              - {local: code, integration: code, caption: No., match: {}, when: {company: '7'}}

          # VENDOR: vendors <-> account
          - name: VENDOR
            local_table: vendors
            integration_table: account
            fields:
              - local: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
                integration: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
                caption: cccccccccccccccccccccccccccccccccccccccc
        """)
    assert read_mapping_text(export_mappings(content)).content == content


def test_where_the_systems_are_known_an_export_tells_their_captions() -> None:
    customers = Table("customers", "id", {"blocked": Field("blocked", FieldType.ENUM)}, caption="Customer")
    options = (Option(1, "Active"), Option(2, "Inactive"), Option(3, "Other"))
    account = Table(
        "account",
        "accountid",
        {"statuscode": Field("statuscode", FieldType.OPTION, caption="Status Reason", options=options)},
        caption="Account",
    )
    content = MappingFile(
        version=1,
        mappings=(
            TableMapping(
                name="CUSTOMER",
                local_table="customers",
                integration_table="account",
                fields=(
                    FieldMapping(local="blocked", integration="statuscode", values={" ": 1, "All": 2}),
                    FieldMapping(local="other", integration="statuscode", caption="Blocked"),
                ),
            ),
        ),
    )
    text = export_mappings(content, lambda _side, name: {table.name: table for table in (customers, account)}[name])
    assert "# CUSTOMER: Customer <-> Account" in text
    assert "# Status Reason; statuscode 1 = Active, 2 = Inactive\n      - {local: blocked" in text
    assert text.count("#") == 2
    assert read_mapping_text(text).content == content


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
SCALARS = (
    NAMES
    | st.just("")
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(-(10**10), 10**10, places=3)
    | st.sampled_from(
        ["5", "1e3", "true", "null", "~", "007", "2024-01-31", "- a", "a: b", "#", " x ", "'", '"', "<<", "="]
    )
)
ROWS = st.builds(
    FieldMapping,
    local=NAMES,
    integration=NAMES,
    caption=st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    direction=st.sampled_from(list(Direction)),
    validate_local=st.booleans(),
    transformation=st.lists(NAMES, max_size=2).map(tuple),
    values=st.dictionaries(NAMES, SCALARS, max_size=2).filter(lambda v: len({str(x) for x in v.values()}) == len(v)),
    match=st.none() | st.builds(Match, priority=st.integers(0, 3)),
    when=st.none() | st.builds(When, company=st.none() | NAMES, not_mapped=st.booleans()),
)
CONSTANTS = st.builds(FieldMapping, integration=NAMES, constant=SCALARS, direction=st.just(Direction.TO_INTEGRATION))
MAPPINGS = st.builds(
    TableMapping,
    name=NAMES.filter(lambda name: bool(name.strip())),
    description=st.text(max_size=200) | st.lists(st.sampled_from(["some", "longer", "words:", "#", "-"])).map(" ".join),
    local_table=NAMES,
    integration_table=NAMES,
    dependencies=st.just(()),
    fields=st.lists(ROWS | CONSTANTS, min_size=1, max_size=4, unique_by=lambda row: row.key).map(tuple),
    templates=st.lists(
        st.builds(
            Template, code=NAMES, side=st.sampled_from(list(Side)), values=st.dictionaries(NAMES, SCALARS, max_size=2)
        ),
        max_size=2,
        unique_by=lambda template: (template.side, template.code),
    ).map(tuple),
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(MAPPINGS, max_size=2, unique_by=lambda mapping: mapping.name), st.text(max_size=30))
def test_whatever_was_exported_is_read_as_the_same(mappings: list[TableMapping], description: str) -> None:
    content = MappingFile(version=1, description=description, mappings=tuple(mappings))
    text = export_mappings(content)
    assert read_mapping_text(text).content == content
    assert not [line for line in text.splitlines() if line.startswith("\t")]


def test_the_published_schema_is_current() -> None:
    made = json.dumps(mapping_file_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_PAGES"):
        SCHEMA_FILE.write_text(made, encoding="utf-8")
    assert SCHEMA_FILE.read_text(encoding="utf-8") == made, (
        "run this test with WRITE_PAGES=1 and look at the difference"
    )


def test_the_schema_describes_every_key() -> None:
    schema = mapping_file_schema()
    undescribed = [
        f"{name}.{key}"
        for name, part in {"MappingFile": schema, **schema["$defs"]}.items()
        for key, value in part.get("properties", {}).items()
        if "description" not in value and key not in ("type", "code")
    ]
    assert undescribed == []
