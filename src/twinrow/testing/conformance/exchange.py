"""Requests from plain rows, and answers as plain rows: the small talk between the cases and a connector.

A *row* is a dictionary of field values; a field that a row lacks is not sent for that record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import polars as pl

from twinrow.batch.columns import DELETED, ID, VERSION, frame_schema
from twinrow.connectors.base import (
    MARK,
    STATUS,
    ChangePage,
    ChangeRequest,
    Connector,
    CreateKeys,
    Status,
    WriteKind,
    WriteRequest,
    result_schema,
    sent,
)
from twinrow.model.filters import Filter
from twinrow.testing.conformance.subject import Subject

Row = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """How a create is told from its repetition: an id or a mark, whichever the system knows; neither where it knows none."""

    id: str | None = None
    mark: str | None = None


def new_keys(subject: Subject, count: int) -> list[Key]:
    """Return keys for that many new records, as the system wants them."""
    match subject.capabilities.create_keys:
        case CreateKeys.CHOSEN:
            return [Key(id=str(uuid4())) for _ in range(count)]
        case CreateKeys.PROPOSED:
            return [Key(id=id) for id in subject.connector.propose_keys(subject.table, count)]
        case CreateKeys.MARK:
            return [Key(mark=str(uuid4())) for _ in range(count)]
        case CreateKeys.NONE:
            return [Key() for _ in range(count)]


def create(
    subject: Subject,
    rows: Sequence[Mapping[str, Any]],
    keys: Sequence[Key] | None = None,
    *,
    returning: tuple[str, ...] | None = None,
) -> list[Row]:
    """Create records; return the answers. Without `keys`, new ones are taken."""
    keys = keys if keys is not None else new_keys(subject, len(rows))
    columns: dict[str, list[Any]] = {ID: [key.id for key in keys], MARK: [key.mark for key in keys]}
    return write(subject, WriteKind.CREATE, columns, rows, returning=returning)


def create_one(subject: Subject, values: Mapping[str, Any]) -> Row:
    """Create a record that the system takes; return its answer."""
    (answer,) = create(subject, [values])
    assert answer[STATUS] == Status.WRITTEN, answer
    return answer


def update(
    subject: Subject,
    changes: Sequence[tuple[str, str | None, Mapping[str, Any]]],
    *,
    returning: tuple[str, ...] | None = None,
) -> list[Row]:
    """Update records given as (id, version, values); return the answers."""
    columns: dict[str, list[str | None]] = {
        ID: [id for id, _, _ in changes],
        VERSION: [version for _, version, _ in changes],
    }
    return write(subject, WriteKind.UPDATE, columns, [values for _, _, values in changes], returning=returning)


def delete(subject: Subject, records: Sequence[tuple[str, str | None]]) -> list[Row]:
    """Delete records given as (id, version); return the answers."""
    columns: dict[str, list[str | None]] = {ID: [id for id, _ in records], VERSION: [version for _, version in records]}
    return write(subject, WriteKind.DELETE, columns, [{} for _ in records])


def write(
    subject: Subject,
    kind: WriteKind,
    columns: Mapping[str, Sequence[str | None]],
    rows: Sequence[Mapping[str, Any]],
    *,
    returning: tuple[str, ...] | None = None,
) -> list[Row]:
    """Carry a write out and hold its answer to the form that every answer has."""
    table = subject.description
    fields = tuple(dict.fromkeys(name for row in rows for name in row))
    types = frame_schema(table, fields)
    data: dict[str, pl.Series] = {name: pl.Series(name, values, dtype=pl.String) for name, values in columns.items()}
    for name in fields:
        data[name] = pl.Series(name, [row.get(name) for row in rows], dtype=types[name])
        if not all(name in row for row in rows):
            data[sent(name)] = pl.Series(sent(name), [name in row for row in rows])
    request = WriteRequest(subject.table, kind, pl.DataFrame(data), fields, returning)
    answer = subject.connector.write(request)
    assert dict(answer.schema) == result_schema(table, request.answered)
    assert answer.height == len(rows), "one answer for each record"
    return answer.to_dicts()


def statuses(answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the statuses of some answers."""
    return [answer[STATUS] for answer in answers]


def held(subject: Subject, ids: Iterable[str], *, by: Connector | None = None) -> dict[str, Row]:
    """Return what the system holds of these records, by id, with versions and times."""
    frame = (by or subject.connector).fetch(subject.table, subject.names, list(ids))
    assert dict(frame.schema) == frame_schema(subject.description, subject.names)
    rows = {row[ID]: row for row in frame.to_dicts()}
    assert len(rows) == frame.height, "a record is handed over once"
    return rows


def all_ids(subject: Subject) -> list[str]:
    """Return the ids of every record of the table."""
    pages = list(subject.connector.ids(subject.table))
    assert all(page.dtype == pl.String and page.null_count() == 0 for page in pages)
    return [id for page in pages for id in page.to_list()]


def holds(row: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Say whether a row has these values, to the letter."""
    return all(row[name] == value and type(row[name]) is type(value) for name, value in values.items())


@dataclass
class Feed:
    """A feed of changes, read to its end."""

    pages: list[ChangePage] = field(default_factory=list)

    @property
    def watermark(self) -> str:
        """Where the next feed begins."""
        assert self.pages[-1].watermark is not None
        return self.pages[-1].watermark

    @property
    def rows(self) -> list[Row]:
        """Everything handed over, in order."""
        return [row for page in self.pages for row in page.frame.to_dicts()]

    @property
    def ids(self) -> list[str]:
        """The ids handed over, in order."""
        return [row[ID] for row in self.rows]

    @property
    def seen(self) -> set[tuple[str, str | None]]:
        """The ids and versions handed over."""
        return {(row[ID], row[VERSION]) for row in self.rows}

    def fresh(self, seen: set[tuple[str, str | None]]) -> list[str]:
        """Return the ids that were handed over with a version not seen before (or as deleted), each once."""
        return list(dict.fromkeys(row[ID] for row in self.rows if row[DELETED] or (row[ID], row[VERSION]) not in seen))


def read_feed(
    subject: Subject,
    since: str | None = None,
    *,
    cursor: str | None = None,
    condition: Filter | None = None,
    page_rows: int = 1_000,
    fields: tuple[str, ...] | None = None,
    by: Connector | None = None,
    between: dict[int, Any] | None = None,
) -> Feed:
    """Read a feed to its end and hold its pages to the form that every feed has.

    `between` maps a number of pages to what is done once that many have been handed over.
    """
    names = subject.names if fields is None else fields
    request = ChangeRequest(subject.table, names, since, cursor, condition, page_rows)
    schema = frame_schema(subject.description, names)
    feed = Feed()
    for page in (by or subject.connector).changes(request):
        assert not feed.pages or feed.pages[-1].watermark is None, "nothing follows the page with the watermark"
        assert dict(page.frame.schema) == schema
        assert page.frame.height <= page_rows, "a page holds no more than was asked for"
        assert page.frame[DELETED].null_count() == page.frame[ID].null_count() == 0
        feed.pages.append(page)
        assert page.recheck_from == feed.pages[0].recheck_from, "every page says what the next feed hands over again"
        if between is not None and len(feed.pages) in between:
            between[len(feed.pages)]()
    assert feed.pages, "a feed has a page, even without changes"
    assert feed.pages[-1].watermark is not None, "the last page tells where the next feed begins"
    return feed
