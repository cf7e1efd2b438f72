"""Every kind of transformation rule has an example that is checked and run, and stands on the page, which is made from the model.

`WRITE_PAGES=1 pytest tests/unit/actions/test_transformation_rules_page.py` writes the page anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic_core import PydanticUndefined

import twinrow
from twinrow.model.rules import PREDEFINED, AnyRule
from twinrow.model.tables import FieldType

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "transformation-rules"
PAGE = ROOT / "docs" / "reference" / "transformation-rules.md"
KINDS: dict[str, Any] = {kind.model_fields["type"].default: kind for kind in get_args(AnyRule)}
COUNTRIES = "CREATE TABLE countries (id TEXT PRIMARY KEY, code TEXT, name TEXT)"


@dataclass(frozen=True)
class Case:
    """The example of a rule: the columns that it needs, and what becomes of the values of one customer."""

    local: str
    integration: str
    given: str
    expected: object
    others: tuple[tuple[str, object], ...] = ()
    """More pairs of a given and an expected value, for the same columns."""
    column: str = ""
    target: str = ""


CASES = {
    "uppercase": Case("country_code varchar(10)", "country varchar(80)", "dk", "DK"),
    "lowercase": Case("email varchar(80)", "emailaddress varchar(100)", "Ann@Contoso.COM", "ann@contoso.com"),
    "title_case": Case("contact varchar(80)", "primarycontact varchar(80)", "ann o'hara", "Ann O'hara"),
    "trim": Case("name varchar(80)", "name varchar(80)", "  Adatum ", "Adatum"),
    "substring": Case(
        "email varchar(80), post_code varchar(20)",
        "domain varchar(80), region varchar(20)",
        "ann@contoso.com",
        "contoso.com",
    ),
    "replace": Case(
        "address varchar(80)", "address varchar(80)", "Strandvej 1;2900 Hellerup", "Strandvej 1, 2900 Hellerup"
    ),
    "regex_replace": Case("contact varchar(80)", "primarycontact varchar(80)", "Ann Lee", "Lee, Ann"),
    "regex_match": Case("registration varchar(80)", "registration varchar(20)", "CVR DK 12-345678", "12345678"),
    "remove_non_alphanumeric": Case("phone_no varchar(80)", "telephone varchar(80)", "+45 (33) 12-34", "45331234"),
    "date_format": Case("founded varchar(20)", "founded date", "31-01-2024", "2024-01-31"),
    "datetime_format": Case("last_visit varchar(20)", "lastvisit timestamp", "31.01.2024 17:05", "2024-01-31 17:05:00"),
    "decimal_format": Case("credit_limit varchar(20)", "creditlimit numeric(12,2)", "1.234,50", "1234.5"),
    "field_lookup": Case(
        "country_code varchar(10)", "country varchar(80)", "DK", "Denmark", (("XX", "XX"), ("NO", "Norway"), ("", ""))
    ),
    "round": Case("credit_limit numeric(12,4)", "creditlimit numeric(12,4)", "99.995", "100"),
    "extract_from_date": Case("founded date", "foundedin integer", "1987-05-04", "1987"),
    "unix_timestamp": Case("last_visit integer", "lastvisit timestamp", "1706695200", "2024-01-31 10:00:00"),
    "prefix": Case("name varchar(80)", "name varchar(80)", "10", "C-10", column="no", target="accountnumber"),
    "custom": Case("bank_account varchar(40)", "bankaccount varchar(40)", "dk50 0040 0440", "DK5000400440"),
}
FUNCTION = """
import polars as pl

def iban(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(" ", "").str.to_uppercase()
"""


@pytest.fixture
def offered(tmp_path: Path) -> Iterator[None]:
    """A package that offers the function of the example, found by its metadata like any that is installed."""
    package = tmp_path / "packages"
    metadata = package / "our_rules-1.0.dist-info"
    metadata.mkdir(parents=True)
    (package / "our_rules.py").write_text(FUNCTION, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: our-rules\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[twinrow.transformation_rules]\niban = our_rules:iban\n", encoding="utf-8"
    )
    sys.path.insert(0, str(package))
    yield
    sys.path.remove(str(package))


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_of_each_rule_fits_its_tables_and_runs(kind: str, tmp_path: Path) -> None:
    case = CASES[kind]
    column, target = case.column or case.local.split()[0], case.target or case.integration.split()[0]
    pairs = [(case.given, case.expected), *case.others]
    with closing(sqlite3.connect(tmp_path / "erp.db")) as erp:
        erp.execute(f'CREATE TABLE customers (id TEXT PRIMARY KEY, "no" varchar(20) NOT NULL, {case.local})')
        erp.execute(COUNTRIES)
        erp.execute("INSERT INTO countries VALUES ('1', 'DK', 'Denmark'), ('2', 'NO', 'Norway')")
        for number, (given, _) in enumerate(pairs):
            erp.execute('INSERT INTO customers (id, "no") VALUES (?, ?)', (f"c{number}", str(number)))
            erp.execute(f'UPDATE customers SET "{column}" = ? WHERE id = ?', (given, f"c{number}"))
        erp.commit()
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm:
        crm.execute(
            f"CREATE TABLE accounts (id TEXT PRIMARY KEY, accountnumber varchar(20), {case.integration})",
        )
    with twinrow.open("sqlite://") as ws:
        ws.add_system("erp", "sql", url=f"sqlite:///{tmp_path / 'erp.db'}", tables={"customers": {}})
        ws.add_system("crm", "sql", url=f"sqlite:///{tmp_path / 'crm.db'}", tables={"accounts": {}})
        ws.add_connection("main", "erp", "crm")

        problems = ws.check_mapping_files(EXAMPLES / f"{kind}.yaml")
        assert [problem for problem in problems if problem.severity == "error"] == []
        ws.apply_mappings(EXAMPLES / f"{kind}.yaml")
        run = ws.synchronize("CUSTOMER")
        again = ws.synchronize("CUSTOMER")

        assert [error.message for error in run.errors] == []
        assert all(job.inserted == job.modified == 0 for job in again.jobs)
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm:
        found = [str(value or "") for (value,) in crm.execute(f"SELECT {target} FROM accounts ORDER BY accountnumber")]
    assert [text.removesuffix(".000000").removesuffix(".0") for text in found] == [
        str(expected) for _, expected in pairs
    ]


def test_there_is_an_example_for_each_rule_and_no_other() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(KINDS) == set(CASES)


def page() -> str:
    """Return the page about transformation rules."""
    lines = [INTRODUCTION]
    for kind, model in KINDS.items():
        lines += [f"### `{kind}`", "", model.__doc__.strip(), ""]
        given = [name for name in model.model_fields if name not in ("type", "code", "description", "next_rule")]
        if given:
            lines += ["| Key | Value | Meaning |", "| --- | --- | --- |"]
            lines += [_key_line(model, name) for name in given]
            lines.append("")
        example = (EXAMPLES / f"{kind}.yaml").read_text(encoding="utf-8").rstrip()
        case = CASES[kind]
        lines += [f"Works on {_types(model.takes)}; goes into {_types(model.fits)}.{_losses(model)}", ""]
        lines += [f"`{_quoted(case.given)}` becomes `{_quoted(case.expected)}`:", ""]
        lines += ["```yaml", example, "```", ""]
    lines += [PREDEFINED_HEAD]
    lines += [f"| `{rule.code}` | `{rule.type}`{_given(rule)} | {rule.description} |" for rule in PREDEFINED]
    return "\n".join([*lines, "", CUSTOM])


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key_line(model: Any, name: str) -> str:
    field = model.model_fields[name]
    default = "" if field.default is PydanticUndefined else f"{getattr(field.default, 'value', field.default)}"
    shown = (
        "must be there"
        if field.default is PydanticUndefined
        else f"`{default}`"
        if default not in ("", "None")
        else "none"
    )
    values = [str(value) for value in get_args(field.annotation) if isinstance(value, str)]
    allowed = f"{', '.join(f'`{value}`' for value in values)}; " if values else ""
    return f"| `{name}` | {allowed}{shown} | {field.description} |"


def _types(types: frozenset[FieldType]) -> str:
    if types == frozenset(FieldType):
        return "fields of any type"
    return "fields of type " + ", ".join(kind.value for kind in FieldType if kind in types)


def _losses(model: Any) -> str:
    if model.loses:
        return f" Takes away {model.loses}: a field that goes both ways needs `on_loss`."
    return f" It {model.one_way}, which nothing turns back: let such a field go one way." if model.one_way else ""


def _given(rule: AnyRule) -> str:
    given = rule.model_dump(exclude_defaults=True, exclude={"code", "description", "type"})
    return "".join(f", {key} `{value}`" for key, value in given.items())


INTRODUCTION = """# Transformation rules

<!-- Made from the model by tests/unit/actions/test_transformation_rules_page.py: change it there. -->

A transformation rule changes a value on its way. Rules stand in a [mapping file](mapping-files.md) under
`transformation_rules`, and field mappings name them by their codes: one, or several that work one after the other.

```yaml
version: 1
transformation_rules:
  - {code: NUMBER_PREFIX, type: prefix, text: C-}
mappings:
  - name: CUSTOMER
    local_table: customers
    integration_table: accounts
    fields:
      - {local: number, integration: accountnumber, direction: to_integration, transformation: [TRIM, NUMBER_PREFIX]}
```

| Key of every rule | Value | Meaning |
| --- | --- | --- |
| `code` | text of up to 20 characters | by it field mappings name the rule; must be there |
| `type` | one of those below | what the rule does; must be there |
| `description` | text of up to 100 characters | what it is for |
| `next_rule` | code | the rule that works on this one's result, wherever this one is named |

What holds for all of them:

* A rule gets the value as a text: numbers as `1234.5`, dates as `2024-01-31`, points in time as `2024-01-31T10:00:00Z`. What it
  makes is read as a value of the destination's type. A value that does not fit fails its record, by name; all others go on.
* A blank stays a blank, and no value stays no value. Only a custom rule decides for itself.
* Rules apply in one pass: in that of a one-way field, else in the one that `transformation_direction` names, without which it is
  the one to the integration side. The other way the value goes as it is.
* Each field sees its source's own value, whatever the rules of other fields do with it.
* Rules that take something away are known. A field that goes both ways says by `on_loss` what is to happen then; without it, a
  value that would lose something fails its record.
* When a rule is changed, all records are looked at again in the next run.
* A rule that does not exist, cannot work (a pattern that cannot be read, a culture or a format that there is not), or does not
  go with the types of its fields is an error when the mapping is checked. A run that meets one stops before it reads anything.

`twinrow mapping fields CUSTOMER --try VALUE --rule CODE` shows what a rule makes of a value, and
`twinrow mapping fields CUSTOMER --field FIELD --try VALUE` what a field mapping makes of it.

Cultures are written as `da-DK`: a language and mostly a country. Regular expressions are those of the Rust library `regex`:
without look-around and without references back into the pattern; case never counts. Dates have formats as in .NET: `yyyy` `yy`
`MMMM` `MMM` `MM` `M` `dddd` `ddd` `dd` `d` `HH` `H` `hh` `h` `mm` `m` `ss` `s` `f` to `fffffff` (`F`: as many as there are)
`tt` `t` `zzz` `zz` `z` `K`; texts stand in quotes, and `/` stands for `/`, `.` and `-`. Years of two
digits up to 49 are of this century. Times without a zone are in UTC.

## Kinds

The examples are files in `examples/transformation-rules/`.
"""

PREDEFINED_HEAD = """## Rules that are always there

| Code | What it is | What it is for |
| --- | --- | --- |"""

CUSTOM = """## Rules of your own in Python

A custom rule names a function that an installed package offers as an entry point:

```toml
[project.entry-points."twinrow.transformation_rules"]
iban = "our_rules:iban"
```

```python
import polars as pl


def iban(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(" ", "").str.to_uppercase()
```

The function gets a Polars Series of texts, each once, with null where a record has no value, and returns a Series of as many
texts in the same order. It should make the same of a text each time, and remember nothing. When it raises, Twinrow finds out with
which texts: their records fail with what was raised; the others are carried. A changed function is not noticed: synchronize
with `--full` after installing it.
"""


def test_the_page_is_current() -> None:
    made = page()
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "run this test with WRITE_PAGES=1 and look at the difference"
