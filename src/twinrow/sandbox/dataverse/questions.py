"""A query taken apart: where its rows come from, which of them, in which order, as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.filters import DataverseFilter, Scope
from twinrow.sandbox.dataverse.paging import SortTerm
from twinrow.sandbox.dataverse.schema import ManyToMany, ManyToOne
from twinrow.sandbox.dataverse.selecting import ALIAS
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.odata.errors import ODataError, UnknownProperty
from twinrow.sandbox.odata.filter_parsing import parse_filter
from twinrow.sandbox.odata.filter_sql import Column, Fragment
from twinrow.sandbox.odata.query_options import parse_orderby, parse_select

_KNOWN = {"$select", "$filter", "$orderby", "$expand", "$top", "$count", "$skiptoken", "$deltatoken"}
_REFUSED = {"fetchXml", "savedQuery", "userQuery", "sql"}


@dataclass(frozen=True)
class Source:
    """Where rows come from: a table (under the alias `t0`) with joins and a condition of its own.

    `set_name` and `path` are how it is called in the context URL and in links.
    """

    table: Table
    path: str
    joins: str = ""
    condition: Fragment = field(default_factory=lambda: Fragment("1"))


@dataclass(frozen=True)
class Question:
    """A query taken apart, as SQL."""

    joins: str
    condition: Fragment
    terms: list[SortTerm]


def selected_names(options: dict[str, str]) -> tuple[str, ...] | None:
    """The properties of `$select`, None for all."""
    names = tuple(parse_select(options.get("$select", "")))
    return None if not names or names == ("*",) else names


def check_options(options: dict[str, str]) -> None:
    """Refuse query options that the service does not take. Raises DataverseError."""
    for name in options:
        if name in _REFUSED:
            raise errors.bad_query(f"The query parameter {name} is not supported.")
        if name.startswith("$") and name not in _KNOWN:
            raise errors.bad_query(f"The query parameter '{name}' is not supported.")


def as_dataverse(error: ODataError) -> DataverseError:
    """An error in what was written in the URL, in the service's words."""
    if isinstance(error, UnknownProperty):
        return DataverseError(400, "0x0", str(error))
    return errors.bad_query(str(error))


def question_of(
    environment: Environment, call: Call, source: Source, options: dict[str, str], *, ordered: bool
) -> Question:
    """Filter and order as SQL. Raises DataverseError."""
    table = source.table
    scope = Scope(table, ALIAS)
    translator = DataverseFilter(environment, call, scope)
    condition = source.condition
    terms: list[SortTerm] = []
    try:
        if options.get("$filter"):
            inner = translator.condition(parse_filter(options["$filter"], options))
            condition = Fragment(f"{condition.sql} AND {inner.sql}", condition.values + inner.values)
        if ordered:
            order = parse_orderby(_with_aliases(options))
            terms = [_sort_term(translator.column(term.path), term.descending) for term in order]
    except ODataError as error:
        raise as_dataverse(error) from None
    terms.append(SortTerm(f'{ALIAS}."{table.id}"'))
    return Question(source.joins + scope.joins_sql, condition, terms)


def other_table(table: Table, relationship: ManyToOne | ManyToMany) -> str:
    """The table whose rows a collection holds."""
    return relationship.table if isinstance(relationship, ManyToOne) else relationship.other(table.name)


def owner_column(table: Table, relationship: ManyToOne | ManyToMany) -> str:
    """SQL for the id of the row whose collection a related row is in."""
    return f'{ALIAS}."{relationship.column}"' if isinstance(relationship, ManyToOne) else f'm."{table.id}"'


def related_source(
    environment: Environment, table: Table, relationship: ManyToOne | ManyToMany, keys: list[str], path: str
) -> Source:
    """The rows in a collection of any of these rows."""
    target = environment.catalog.tables[other_table(table, relationship)]
    marks = ", ".join("?" * len(keys))
    condition = f"{owner_column(table, relationship)} IN ({marks})"
    joins = ""
    if isinstance(relationship, ManyToOne):
        column = target.columns[relationship.column]
        if column.polymorphic:
            condition += f" AND {ALIAS}.\"{type_column(column)}\" = '{relationship.target}'"
    else:
        joins = f' JOIN "{relationship.intersect}" m ON m."{target.id}" = {ALIAS}."{target.id}"'
    return Source(target, path, joins, Fragment(condition, tuple(keys)))


def _sort_term(column: Column, descending: bool) -> SortTerm:
    collation = " COLLATE NOCASE" if column.edm == "Edm.String" else ""
    if column.kind == "Decimal":
        collation = " COLLATE decimal"
    return SortTerm(column.sql, collation, descending)


def _with_aliases(options: dict[str, str]) -> str:
    """`$orderby` with the names that parameter aliases stand for."""
    return re.sub(r"@\w+", lambda m: options.get(m[0], m[0]), options.get("$orderby", ""))
