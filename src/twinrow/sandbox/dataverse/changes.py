"""Change tracking: the whole table first, then what has changed since.

A *delta token* holds the version up to which changes have been told, and when it was given out. A read that runs over
several pages tells changes up to the version at which it began; what changes meanwhile is left to the next round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.paging import (
    Cookie,
    lower_escapes,
    read_cookie,
    with_option,
    without_option,
    write_cookie,
)
from twinrow.sandbox.dataverse.preferences import Preferences
from twinrow.sandbox.dataverse.queries import LARGEST_PAGE
from twinrow.sandbox.dataverse.questions import selected_names
from twinrow.sandbox.dataverse.selecting import ALIAS, Plan, context, plan_for

_TOKEN = re.compile(r"(\d+)!(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)")
_TIME = "%m/%d/%Y %H:%M:%S"
_REFUSED = ("$filter", "$orderby", "$expand", "$top")


@dataclass(frozen=True)
class _Round:
    """One page of one round: where the round ends, and where the page begins."""

    until: int
    cookie: Cookie | None

    @property
    def page(self) -> int:
        return self.cookie.page if self.cookie else 1


class ChangeReader:
    """Reads the change feed of one table for one call."""

    def __init__(self, environment: Environment, call: Call, preferences: Preferences, table: Table) -> None:
        self._environment = environment
        self._call = call
        self._preferences = preferences
        self._table = table
        self._size = min(preferences.page_size or LARGEST_PAGE, environment.number("page_size"), LARGEST_PAGE)

    def page(self, options: dict[str, str], query: str) -> dict[str, Any]:
        """One page of a first read or of a round of changes, as the body that is sent. Raises DataverseError."""
        self._check(options)
        selected = selected_names(options)
        plan = plan_for(self._environment, self._table, selected, self._preferences)
        cookie = read_cookie(options["$skiptoken"]) if "$skiptoken" in options else None
        until = cookie.tracking if cookie and cookie.tracking is not None else self._environment.storage.version
        this_round = _Round(until, cookie)
        if "$deltatoken" not in options:
            return self._first_read(plan, this_round, query, selected)
        return self._changes(plan, this_round, query, selected, self._since(options["$deltatoken"]))

    def count(self, options: dict[str, str]) -> int:
        """How many changes there are since a delta token."""
        self._check(options)
        since = self._since(options["$deltatoken"])
        table, storage = self._table, self._environment.storage
        (rows,) = storage.execute(f'SELECT count(*) FROM "{table.name}" WHERE versionnumber > ?', (since,)).fetchone()  # noqa: S608
        (deleted,) = storage.execute(
            "SELECT count(*) FROM sandbox_deleted WHERE entity = ? AND version > ?", (table.name, since)
        ).fetchone()
        return int(rows + deleted)

    def _check(self, options: dict[str, str]) -> None:
        for name in _REFUSED:
            if name in options:
                raise errors.bad_query(
                    f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
                )
        if not self._environment.tracks_changes(self._table.name):
            raise DataverseError(400, "0x80072491", f"Change tracking is not enabled for entity {self._table.name}.")

    def _since(self, token: str) -> int:
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise errors.bad_query("The delta token is malformed.")
        given = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
        (days,) = self._environment.storage.execute("SELECT expirechangetrackingindays FROM organization").fetchone()
        # A token tells its time in whole seconds.
        if self._environment.clock.now().replace(microsecond=0) - given > timedelta(days=days):
            raise DataverseError(
                400,
                "0x80044352",
                "Version stamp associated with the client has expired. Please perform a full sync.",
            )
        return int(match[1])

    def _first_read(
        self, plan: Plan, this_round: _Round, query: str, selected: tuple[str, ...] | None
    ) -> dict[str, Any]:
        table = self._table
        key = f'{ALIAS}."{table.id}"'
        after = this_round.cookie.values[0] if this_round.cookie else ""
        raws = self._environment.storage.execute(
            f'SELECT {plan.sql}, {key} FROM "{table.name}" {ALIAS} WHERE {key} > ? ORDER BY {key} LIMIT ?',  # noqa: S608
            (after, self._size + 1),
        ).fetchall()
        more = len(raws) > self._size
        del raws[self._size :]
        body = {"@odata.context": context(self._call.root, table, selected or (), (), single=False)}
        if more:
            body["@odata.nextLink"] = self._next_link(this_round, query, (raws[-1][-1],), raws[0][-1], raws[-1][-1])
        else:
            body["@odata.deltaLink"] = self._delta_link(this_round, query)
        return body | {"value": [plan.build(raw) for raw in raws]}

    def _changes(
        self, plan: Plan, this_round: _Round, query: str, selected: tuple[str, ...] | None, since: int
    ) -> dict[str, Any]:
        table, storage = self._table, self._environment.storage
        stage, after = this_round.cookie.values if this_round.cookie else ("rows", since)
        raws: list[tuple[Any, ...]] = []
        if stage == "rows":
            version = f'{ALIAS}."versionnumber"'
            raws = storage.execute(
                f'SELECT {plan.sql}, {ALIAS}."{table.id}", {version} FROM "{table.name}" {ALIAS} '  # noqa: S608
                f"WHERE {version} > ? AND {version} <= ? ORDER BY {version} LIMIT ?",
                (after, this_round.until, self._size + 1),
            ).fetchall()
        room = self._size + 1 - len(raws)
        deleted = storage.execute(
            "SELECT id, version FROM sandbox_deleted WHERE entity = ? AND version > ? AND version <= ? "
            "ORDER BY version LIMIT ?",
            (table.name, after if stage == "deleted" else since, this_round.until, room),
        ).fetchall()
        told = [("rows", raw[-1], raw[-2]) for raw in raws] + [("deleted", v, key) for key, v in deleted]
        more = len(told) > self._size
        del told[self._size :]
        rows = [plan.build(raw) for raw in raws[: self._size]]
        rows += [self._gone(key) for kind, _, key in told if kind == "deleted"]
        listed = f"({','.join(selected)})" if selected else ""
        body = {"@odata.context": f"{self._call.root}/$metadata#{table.set}{listed}/$delta"}
        if more:
            body["@odata.nextLink"] = self._next_link(this_round, query, told[-1][:2], told[0][2], told[-1][2])
        else:
            body["@odata.deltaLink"] = self._delta_link(this_round, query)
        return body | {"value": rows}

    def _gone(self, key: str) -> dict[str, Any]:
        return {
            "@odata.context": f"{self._call.root}/$metadata#{self._table.set}/$deletedEntity",
            "id": key,
            "reason": "deleted",
        }

    def _next_link(self, this_round: _Round, query: str, values: tuple[Any, ...], first: str, last: str) -> str:
        following = Cookie(this_round.page + 1, values, this_round.until)
        token = write_cookie(following, self._table.id, first, last)
        return f"{self._call.url(self._table.set)}?{with_option(query, '$skiptoken', token)}"

    def _delta_link(self, this_round: _Round, query: str) -> str:
        time = self._environment.clock.now().strftime(_TIME)
        token = lower_escapes(quote(f"{this_round.until}!{time}", safe=""))
        kept = without_option(query, "$skiptoken", "$deltatoken", "$count")
        return f"{self._call.url(self._table.set)}?{kept}{'&' if kept else ''}$deltatoken={token}"
