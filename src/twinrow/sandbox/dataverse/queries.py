"""Reading many rows: pages, counts, links to the next page."""

from __future__ import annotations

from typing import Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.expanding import Expander
from twinrow.sandbox.dataverse.paging import Cookie, after, read_cookie, with_option, write_cookie
from twinrow.sandbox.dataverse.preferences import METADATA_VERSION, TOTAL_COUNT, TOTAL_EXCEEDED, Preferences
from twinrow.sandbox.dataverse.questions import Question, Source, check_options, question_of, selected_names
from twinrow.sandbox.dataverse.selecting import ALIAS, Plan, context, plan_for
from twinrow.sandbox.odata.filter_sql import Fragment

COUNT_LIMIT = 5000
LARGEST_PAGE = 5000


class Reader:
    """Reads collections for one call."""

    def __init__(self, environment: Environment, call: Call, preferences: Preferences) -> None:
        self._environment = environment
        self._call = call
        self._preferences = preferences

    def page(self, source: Source, options: dict[str, str], query: str) -> dict[str, Any]:
        """One page of a source as the body that is sent; `query` is the raw query string, for the next link."""
        check_options(options)
        table, preferences = source.table, self._preferences
        selected = selected_names(options)
        plan = plan_for(self._environment, table, selected, preferences)
        expander = Expander(self._environment, self._call, preferences, plan, options.get("$expand", ""))
        question = question_of(self._environment, self._call, source, options, ordered=True)
        cookie = read_cookie(options["$skiptoken"]) if "$skiptoken" in options else None
        size, limit = self._size(options)
        raws = self._fetch(source, plan, question, cookie, limit)
        more = len(raws) > size
        del raws[size:]
        body: dict[str, Any] = {
            "@odata.context": context(self._call.root, table, selected or (), expander.context_names, single=False)
        }
        body |= self._totals(source, question, options)
        rows = [plan.build(raw) for raw in raws]
        expander.fill(rows, raws)
        body["value"] = rows
        if more:
            body["@odata.nextLink"] = self._next_link(source, question, raws, cookie, query)
        return body

    def count(self, source: Source, options: dict[str, str]) -> int:
        """How many rows there are, never more than the limit."""
        question = question_of(self._environment, self._call, source, options, ordered=False)
        return min(self._count(source, question), COUNT_LIMIT)

    def _size(self, options: dict[str, str]) -> tuple[int, int]:
        """How many rows the page holds, and how many are asked of the database to see whether there are more."""
        largest = min(self._environment.number("page_size"), LARGEST_PAGE)
        preferred = self._preferences.page_size
        if preferred is not None:
            size = min(preferred, largest)
            return size, size + 1
        if "$top" in options:
            top = options["$top"]
            if not top.isdigit():
                raise errors.bad_query(f"Invalid value '{top}' for $top query option found.")
            size = min(int(top), largest)
            return size, size
        return largest, largest + 1

    def _fetch(
        self, source: Source, plan: Plan, question: Question, cookie: Cookie | None, limit: int
    ) -> list[tuple[Any, ...]]:
        condition = question.condition
        if cookie is not None:
            if len(cookie.values) != len(question.terms):
                raise errors.bad_query("The Paging Cookie does not belong to this query.")
            beyond = after(question.terms, cookie.values)
            condition = Fragment(f"{condition.sql} AND {beyond.sql}", condition.values + beyond.values)
        order = ", ".join(term.order for term in question.terms)
        # The values that a next page's cookie needs stand behind those of the plan.
        sort_values = ", ".join(term.sql for term in question.terms)
        sql = (
            f'SELECT {plan.sql}, {sort_values} FROM "{source.table.name}" {ALIAS}{question.joins} '  # noqa: S608
            f"WHERE {condition.sql} ORDER BY {order} LIMIT ?"
        )
        return self._environment.storage.execute(sql, (*condition.values, limit)).fetchall()

    def _count(self, source: Source, question: Question) -> int:
        sql = f'SELECT count(*) FROM "{source.table.name}" {ALIAS}{question.joins} WHERE {question.condition.sql}'  # noqa: S608
        row = self._environment.storage.execute(sql, question.condition.values).fetchone()
        return int(row[0])

    def _totals(self, source: Source, question: Question, options: dict[str, str]) -> dict[str, Any]:
        totals: dict[str, Any] = {}
        wanted = options.get("$count") == "true"
        count = self._count(source, question) if wanted else -1
        if wanted:
            totals["@odata.count"] = min(count, COUNT_LIMIT)
        if self._preferences.wants(TOTAL_COUNT):
            totals[f"@{TOTAL_COUNT}"] = min(count, COUNT_LIMIT)
        if self._preferences.wants(TOTAL_EXCEEDED):
            totals[f"@{TOTAL_EXCEEDED}"] = count > COUNT_LIMIT
        if self._preferences.wants(METADATA_VERSION):
            totals[f"@{METADATA_VERSION}"] = str(self._environment.catalog.version)
        return totals

    def _next_link(
        self,
        source: Source,
        question: Question,
        raws: list[tuple[Any, ...]],
        cookie: Cookie | None,
        query: str,
    ) -> str:
        following = Cookie((cookie.page if cookie else 1) + 1, raws[-1][-len(question.terms) :])
        token = write_cookie(following, source.table.id, raws[0][-1], raws[-1][-1])
        return f"{self._call.url(source.path)}?{with_option(query, '$skiptoken', token)}"
