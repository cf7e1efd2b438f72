"""Frames to the parts of batches, column by column: one text for each record, from request line to body.

Source: protocol page, sections 5, 6 and 22. Conditions and preferences stand on each part, because those of the batch do not
reach it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import WriteKind, WriteRequest, sent
from twinrow.connectors.dataverse.tables import DataverseTable
from twinrow.connectors.odata.bodies import json_objects, only_where
from twinrow.connectors.odata.filters import GUID

_GUID = rf"^(?i){GUID.pattern}$"
_TOKEN = r"^[\x20-\x7e]+$"  # noqa: S105 - the form of version tokens
_JSON = "Content-Type: application/json\r\n"
_NOTHING = "{}"
_BODY = "body"


@dataclass(frozen=True, slots=True)
class Target:
    """Where parts go and what they ask back: the path of the entity set, a query, and headers."""

    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def header_lines(self) -> str:
        """The headers as they stand in a part."""
        return "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The part of each record of a request; None where there is none because id or version are no usable ones.

    `untouched` are the updates that send nothing: their part only looks at the row.
    """

    parts: Sequence[str | None]
    untouched: frozenset[int] = frozenset()


def outgoing(table: DataverseTable, request: WriteRequest, target: Target) -> Outgoing:
    """Return the parts of a request."""
    match request.kind:
        case WriteKind.CREATE:
            return Outgoing(_texts(_with_bodies(table, request), _create(target)))
        case WriteKind.UPDATE:
            frame = _with_bodies(table, request)
            untouched = frame.get_column(_BODY) == _NOTHING
            return Outgoing(
                _texts(frame, _update(table, frame, target)),
                frozenset(row for row, nothing in enumerate(untouched) if nothing),
            )
        case WriteKind.DELETE:
            return Outgoing(_texts(request.frame, _delete(table, request.frame, target)))


def lost_references(table: DataverseTable, request: WriteRequest) -> dict[int, tuple[str, str]]:
    """Return the records whose reference leads to a table that it cannot lead to: companion and its value, by row."""
    frame = request.frame
    found: dict[int, tuple[str, str]] = {}
    for name in request.fields if request.kind is not WriteKind.DELETE else ():
        lookup = table.wire[name].lookup
        if lookup is None or lookup.companion is None or lookup.companion not in frame.columns:
            continue
        told = _named(pl.col(lookup.companion))
        wrong = told.is_not_null() & ~told.is_in([known.table for known in lookup.targets]) & pl.col(name).is_not_null()
        if sent(name) in frame.columns:
            wrong = wrong & pl.col(sent(name))
        rows = frame.with_row_index("row").filter(wrong).select("row", lookup.companion)
        found |= {row: (lookup.companion, value) for row, value in rows.iter_rows()}
    return found


def _named(companion: pl.Expr) -> pl.Expr:
    return companion.str.strip_chars().str.to_lowercase()


def _create(target: Target) -> pl.Expr:
    condition = "If-None-Match: *\r\n"
    chosen = _lines("PATCH", f"{target.path}(", _id(), f")?{target.query}", f"{_JSON}{condition}{target.header_lines}")
    made = _lines("POST", f"{target.path}?{target.query}", None, "", f"{_JSON}{target.header_lines}")
    return pl.when(pl.col(ID).is_null()).then(pl.concat_str([*made, _BODY])).otherwise(pl.concat_str([*chosen, _BODY]))


def _update(table: DataverseTable, frame: pl.DataFrame, target: Target) -> pl.Expr:
    start = [pl.lit(f"PATCH {target.path}("), _id(), pl.lit(f")?{target.query} HTTP/1.1\r\n{_JSON}If-Match: ")]
    change = [*start, _token(table, frame), pl.lit(f"\r\n{target.header_lines}\r\n"), pl.col(_BODY)]
    look = _lines(
        "GET", f"{target.path}(", _id(), f")?{target.query}", f"Accept: application/json\r\n{target.header_lines}"
    )
    return pl.when(pl.col(_BODY) == _NOTHING).then(pl.concat_str(look)).otherwise(pl.concat_str(change))


def _delete(table: DataverseTable, frame: pl.DataFrame, target: Target) -> pl.Expr:
    start = [pl.lit(f"DELETE {target.path}("), _id(), pl.lit(") HTTP/1.1\r\nIf-Match: ")]
    return pl.concat_str([*start, _token(table, frame), pl.lit("\r\n\r\n")])


def _lines(method: str, before: str, id: pl.Expr | None, after: str, headers: str) -> list[pl.Expr]:
    end = pl.lit(f"{after} HTTP/1.1\r\n{headers}\r\n")
    return [pl.lit(f"{method} {before}"), *([id] if id is not None else []), end]


def _id() -> pl.Expr:
    """Return the id as it stands in an address; null for what is none."""
    return pl.when(pl.col(ID).str.contains(_GUID)).then(pl.col(ID).str.to_lowercase())


def _token(table: DataverseTable, frame: pl.DataFrame) -> pl.Expr:
    """Return the version that must hold; without version checks it is enough that the row is there."""
    if not table.capabilities.version_checks:
        return pl.lit("*")
    if VERSION not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    return pl.when(pl.col(VERSION).str.contains(_TOKEN)).then(pl.col(VERSION))


def _texts(frame: pl.DataFrame, part: pl.Expr) -> list[str | None]:
    return frame.select(part.alias("part")).to_series().to_list()


def _with_bodies(table: DataverseTable, request: WriteRequest) -> pl.DataFrame:
    frame = request.frame
    bodies = pl.Series(_BODY, json_objects(frame, list(_members(table, request))), dtype=pl.String)
    return frame.select(name for name in (ID, VERSION) if name in frame.columns).with_columns(bodies)


def _members(table: DataverseTable, request: WriteRequest) -> Iterator[pl.Expr]:
    columns = request.frame.columns
    for name in request.fields:
        companion = table.companion(name)
        told = pl.col(companion) if companion is not None and companion in columns else None
        for member in table.wire[name].members(pl.col(name), told):
            yield only_where(member, pl.col(sent(name))) if sent(name) in columns else member
