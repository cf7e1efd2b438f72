"""The page about filters is made from the model, and each of its examples is evaluated.

`WRITE_PAGES=1 pytest tests/unit/model/test_filters_page.py` writes it anew.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from twinrow.batch.columns import ID, conform
from twinrow.batch.filters import filter_expression
from twinrow.model.errors import FilterError, UnknownField
from twinrow.model.filters import COMPARISONS, FITTING, FUNCTIONS, check_filter, parse_filter
from twinrow.model.tables import Field, FieldType, Option, Table

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "filters.md"
CUSTOMERS = Table(
    "customers",
    "id",
    {
        field.name: field
        for field in (
            Field("id", FieldType.TEXT),
            Field("name", FieldType.TEXT, max_length=100),
            Field("city", FieldType.TEXT, max_length=30),
            Field("blocked", FieldType.ENUM, options=(Option(" ", "Not blocked"), Option("All", "All"))),
            Field("creditLimit", FieldType.DECIMAL, scale=2),
            Field("employees", FieldType.INTEGER),
            Field("founded", FieldType.DATE),
            Field("seen", FieldType.DATETIME),
            Field("vip", FieldType.BOOLEAN),
        )
    },
)
ROWS = [
    ("Adatum", "Oslo", " ", "100.50", 5, date(1987, 5, 4), datetime(2024, 1, 31, 10, tzinfo=UTC), True),
    ("O'Hara", "Bergen", " ", "0.00", 120, date(2001, 1, 1), datetime(2024, 2, 1, tzinfo=UTC), False),
    ("Fabrikam", "", "All", "2000.00", None, None, None, False),
]
EXAMPLES = {
    "name eq 'adatum'": ["Adatum"],
    "name eq 'O''Hara'": ["O'Hara"],
    "blocked eq ' '": ["Adatum", "O'Hara"],
    "creditLimit gt 100": ["Adatum", "Fabrikam"],
    "creditLimit in (0, 2000)": ["O'Hara", "Fabrikam"],
    "employees ne 5": ["O'Hara", "Fabrikam"],
    "employees eq null": ["Fabrikam"],
    "founded lt 2000-01-01": ["Adatum"],
    "seen ge 2024-01-31T10:00:00Z": ["Adatum", "O'Hara"],
    "vip": ["Adatum"],
    "not vip and city ne ''": ["O'Hara"],
    "contains(name, 'a') and not (employees gt 100)": ["Adatum", "Fabrikam"],
    "startswith(name, 'fab') or endswith(city, 'gen')": ["O'Hara", "Fabrikam"],
}
MEANINGS = {
    "eq": "is the value; `null` is no value",
    "ne": "is not the value, also where there is none",
    "gt": "is greater; no value is not",
    "ge": "is greater, or the value",
    "lt": "is less; no value is not",
    "le": "is less, or the value",
    "in": "is one of several values: `in (1, 2)`",
    "contains": "the text has the value in it",
    "startswith": "the text begins with the value",
    "endswith": "the text ends with the value",
}
WRITTEN = {str: "`'Oslo'`; an id also without quotes", int: "`5`", bool: "`true`, `false`", Decimal: "`1.5`"} | {
    date: "`2024-01-31`",
    datetime: "`2024-01-31T10:00:00Z`",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_example_means_what_the_page_says(text: str) -> None:
    condition = parse_filter(text)
    assert condition is not None
    check_filter(condition, CUSTOMERS)
    names = list(CUSTOMERS.fields)[1:]
    columns = {ID: [row[0] for row in ROWS]} | {
        name: [Decimal(str(row[n])) if name == "creditLimit" else row[n] for row in ROWS]
        for n, name in enumerate(names)
    }
    frame = conform(pl.DataFrame(columns), CUSTOMERS, names)
    assert frame.filter(filter_expression(condition, CUSTOMERS)).get_column("name").to_list() == EXAMPLES[text]


REFUSED = {
    "nme eq 'Adatum'": "There is no field in table customers named 'nme'",
    "employees eq 'five'": "The filter compares customers.employees, which is integer, with 'five'",
    "blocked eq 'Some'": "The filter compares customers.blocked, which is enum, with 'Some'",
    "contains(employees, '5')": "contains() needs a text field; customers.employees is integer",
    "tolower(name) eq 'adatum'": "uses the function tolower(), which not every system knows",
    "name eq city": "compares with the field city, which is no plain value",
    "name eq 'Adatum' and": "cannot be read near 'and'",
    "company eq '${company}'": "The filter uses ${company}, which has no value",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_is_refused_with_the_words_of_the_page(text: str) -> None:
    with pytest.raises((FilterError, UnknownField)) as refused:
        check_filter(parse_filter(text), CUSTOMERS)
    assert REFUSED[text] in refused.value.message


def page() -> str:
    """Return the page about filters."""
    lines = [INTRODUCTION, "| Operator | A record satisfies it where the field … |", "| --- | --- |"]
    lines += [f"| `{name}` | {MEANINGS[name]} |" for name in COMPARISONS.values()]
    lines += ["", "| Function | Where … |", "| --- | --- |"]
    lines += [f"| `{name}(field, 'text')` | {MEANINGS[name]} |" for name in FUNCTIONS]
    lines += [TYPES, "| Fields of type | Values are written as |", "| --- | --- |"]
    for kind in FieldType:
        told = [WRITTEN[type_] for type_ in FITTING[kind]]
        lines.append(f"| {kind.value} | {' or '.join(told)} |")
    lines += [BEHIND_TYPES, "| Filter | Satisfied by |", "| --- | --- |"]
    lines += [f"| `{text}` | {', '.join(found)} |" for text, found in EXAMPLES.items()]
    lines += [WRONG, "| Filter | What is told |", "| --- | --- |"]
    lines += [f"| `{text}` | {told} |" for text, told in REFUSED.items()]
    return "\n".join([*lines, SYSTEMS])


def test_everything_that_can_stand_in_a_filter_is_told() -> None:
    assert set(MEANINGS) == {*COMPARISONS.values(), *FUNCTIONS}
    assert set(FITTING) == set(FieldType)


INTRODUCTION = """# Filters

<!-- Made from the model by tests/unit/model/test_filters_page.py: change it there. -->

A filter says which records of a table take part. Mappings have one for each side (`local_filter`, `integration_filter`),
templates one on the record that they are chosen for. All are written in one language, whatever the system: OData `$filter`, with
what every system knows.

A filter is looked at for the **source** of a pass: a record that leaves it keeps its coupling and is no longer carried; its
counterpart may lie outside its own side's filter. When a filter changes, also by another value of a variable, all records are
looked at in the next run, and those that newly satisfy it are carried.

## What can stand in a filter
"""

TYPES = """
Conditions are combined by `and`, `or`, `not` and brackets; `and` binds closer than `or`. A field of type boolean needs no
comparison: `not vip`.
"""

BEHIND_TYPES = """
Texts stand in single quotes, and a quote within them is doubled. They are compared regardless of case and of blanks at the end.
Where a field cannot hold both, `null` and `''` mean the same. A day, compared with a point in time, is its midnight in UTC.

**Variables** stand as `${name}` and are replaced by the connection's setting of that name, for example `${company_id}`; within
quotes their quotes are doubled. Without a company, `${company_id}` is an id that no company has.

## Examples

| Name | City | Blocked | Credit limit | Employees | Founded | Seen | VIP |
| --- | --- | --- | --- | --- | --- | --- | --- |
| Adatum | Oslo | | 100.50 | 5 | 1987-05-04 | 2024-01-31 10:00 | yes |
| O'Hara | Bergen | | 0.00 | 120 | 2001-01-01 | 2024-02-01 00:00 | no |
| Fabrikam | | All | 2000.00 | | | | no |
"""

WRONG = """
## What is refused

A filter is checked against its table when a mapping is checked, and before a run reads anything. What is wrong is told with its
place in the text.
"""

SYSTEMS = """
## What the systems are asked

What a system can look for itself, it is asked for; what it hands over is looked at again, so that a filter means the same
everywhere.

| System | How |
| --- | --- |
| Business Central | `or` only works within one field there, and `not` and `in` are not known; see below |
| Dataverse | one request; choices are asked for by their numbers, and records by their lookups |
| SQL | a condition of the statement, with bound values |
| your own connector | gets the condition as a tree (`twinrow.model.filters`) and may let more through |

`a eq 1 or b eq 2` is asked of Business Central in two requests, whose pages are put together in the order of the changes, each
record once. Up to four requests make one page. Beyond that, and where the service minds what a filter does not (the case of a
text that is searched for), more records are read, and Twinrow looks at them.
"""


def test_the_page_is_current() -> None:
    made = page()
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "run this test with WRITE_PAGES=1 and look at the difference"
