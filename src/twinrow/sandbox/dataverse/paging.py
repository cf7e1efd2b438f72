"""Pages and the cookies that lead from one to the next.

A cookie says after which row the next page begins: the values of the order terms in the last row, and its id. So a
page is found again by its rows, not by counting, whatever is written in between. Callers take it as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape, unescape
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.odata.filter_sql import Fragment, joined

_OUTER = re.compile(r'<cookie pagenumber="(\d+)" pagingcookie="([^"]*)"')
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_INNER = re.compile(r'<sandbox state="([^"]*)"')


@dataclass(frozen=True)
class SortTerm:
    """One term of the order: an SQL expression (with its collation), and the way."""

    sql: str
    collation: str = ""
    descending: bool = False

    @property
    def order(self) -> str:
        """For ORDER BY."""
        return f"{self.sql}{self.collation}{' DESC' if self.descending else ''}"


@dataclass(frozen=True)
class Cookie:
    """Where a page begins: after the row with these values of the order terms, the id being the last.

    `tracking` is the version at which a change-tracking read began, None for an ordinary one.
    """

    page: int
    values: tuple[Any, ...]
    tracking: int | None = None


def write_cookie(cookie: Cookie, key_name: str, first: str, last: str) -> str:
    """The value of `$skiptoken`, percent-encoded."""
    state = escape(msgspec.json.encode([cookie.values, cookie.tracking]).decode())
    inner = (
        f'<cookie page="{cookie.page - 1}"><{key_name} last="{{{last.upper()}}}" first="{{{first.upper()}}}" />'
        f'<sandbox state="{state}" /></cookie>'
    )
    encoded = lower_escapes(quote(inner, safe=""))
    tracking = "True" if cookie.tracking is not None else "False"
    outer = f'<cookie pagenumber="{cookie.page}" pagingcookie="{encoded}" istracking="{tracking}" />'
    return quote(outer, safe="=/")


def lower_escapes(text: str) -> str:
    """A percent-encoded text with its escapes in lower case, as the service writes them."""
    return _ESCAPE.sub(lambda match: match[0].lower(), text)


def read_cookie(token: str) -> Cookie:
    """A decoded `$skiptoken`. Raises DataverseError for what is none of ours."""
    outer = _OUTER.search(token)
    inner = _INNER.search(unquote(outer[2])) if outer else None
    if outer is None or inner is None:
        raise errors.bad_query("Malformed XML in the Paging Cookie.")
    values, tracking = msgspec.json.decode(unescape(inner[1]), type=tuple[tuple[Any, ...], int | None])
    return Cookie(int(outer[1]), values, tracking)


def after(terms: list[SortTerm], values: tuple[Any, ...]) -> Fragment:
    """The SQL condition of rows behind a row with these values. Nothing comes before everything else."""
    alternatives: list[Fragment] = []
    equal: list[Fragment] = []
    for term, value in zip(terms, values, strict=True):
        beyond = _beyond(term, value)
        if beyond is not None:
            pieces = [*equal, beyond]
            alternatives.append(Fragment(" AND ".join(p.sql for p in pieces), joined(p.values for p in pieces)))
        equal.append(Fragment(f"{term.sql} IS ?{term.collation}", (value,)))
    behind = Fragment(
        "(" + " OR ".join(f"({a.sql})" for a in alternatives) + ")", joined(a.values for a in alternatives)
    )
    first, value = terms[0], values[0]
    if len(terms) == 1 or value is None or first.descending:
        return behind
    # Said once more in a form that lets SQLite begin there in an index.
    return Fragment(f"{first.sql} >= ?{first.collation} AND {behind.sql}", (value, *behind.values))


def _beyond(term: SortTerm, value: Any) -> Fragment | None:
    if value is None:
        return None if term.descending else Fragment(f"{term.sql} IS NOT NULL")
    if term.descending:
        return Fragment(f"({term.sql} < ?{term.collation} OR {term.sql} IS NULL)", (value,))
    return Fragment(f"{term.sql} > ?{term.collation}", (value,))


def with_option(query: str, name: str, value: str) -> str:
    """A raw query string with one option replaced or added; `value` is encoded already."""
    kept = [piece for piece in query.split("&") if piece and unquote(piece.partition("=")[0]) != name]
    return "&".join([*kept, f"{name}={value}"])


def without_option(query: str, *names: str) -> str:
    """A raw query string without some options."""
    return "&".join(p for p in query.split("&") if p and unquote(p.partition("=")[0]) not in names)
