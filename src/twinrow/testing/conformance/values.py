"""Values come back exactly as they were sent."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from twinrow.batch.columns import ID, MODIFIED_AT, VERSION
from twinrow.connectors.base import STATUS, Status
from twinrow.model.tables import FieldType
from twinrow.testing.conformance.exchange import Row, create, create_one, held, holds, read_feed, statuses, update
from twinrow.testing.conformance.samples import extremes
from twinrow.testing.conformance.subject import Subject


def extreme_rows(subject: Subject) -> list[Row]:
    """Return records that together hold every extreme value of every field."""
    columns: dict[str, Iterator[object]] = {
        field.name: iter(extremes(field, precision=subject.precision, multiline=subject.multiline))
        for field in subject.usable
    }
    missing = object()
    rows = []
    for number, values in enumerate(zip_longest(*columns.values(), fillvalue=missing)):
        given = {name: value for name, value in zip(columns, values, strict=True) if value is not missing}
        rows.append(subject.values(number) | given)
    return rows


class Values:
    """Every type, at its edges, through creates, updates, fetches and feeds."""

    def test_every_value_survives_a_create(self, subject: Subject) -> None:
        rows = extreme_rows(subject)
        answers = create(subject, rows)
        assert statuses(answers) == [Status.WRITTEN] * len(rows), answers
        stored = held(subject, [answer[ID] for answer in answers])
        for row, answer in zip(rows, answers, strict=True):
            assert holds(answer, row)
            assert holds(stored[answer[ID]], row)

    def test_every_value_survives_an_update(self, subject: Subject) -> None:
        rows = extreme_rows(subject)
        created = create(subject, [subject.values(1_000 + number) for number in range(len(rows))])
        answers = update(subject, [(was[ID], was[VERSION], row) for was, row in zip(created, rows, strict=True)])
        assert statuses(answers) == [Status.WRITTEN] * len(rows), answers
        stored = held(subject, [answer[ID] for answer in answers])
        for row, answer in zip(rows, answers, strict=True):
            assert holds(answer, row)
            assert holds(stored[answer[ID]], row)

    def test_every_value_that_somebody_else_wrote_comes_in_the_feed(self, subject: Subject) -> None:
        since = read_feed(subject).watermark
        rows = {subject.add(row): row for row in extreme_rows(subject)}
        found = {row[ID]: row for row in read_feed(subject, since).rows}
        assert set(rows) <= set(found)
        for id, row in rows.items():
            assert holds(found[id], row)

    def test_blank_and_absent_texts_stay_what_they_are(self, subject: Subject) -> None:
        texts = [field for field in subject.usable if field.type is FieldType.TEXT and not field.required]
        for number, field in enumerate(texts):
            blanks = ([""] if field.empty_text else []) + ([None] if field.nullable else [])
            for blank in blanks:
                answer = create_one(subject, subject.values(number) | {field.name: blank})
                assert answer[field.name] == blank
                assert held(subject, [answer[ID]])[answer[ID]][field.name] == blank

    def test_an_answer_a_fetch_a_selection_and_a_feed_say_the_same(self, subject: Subject) -> None:
        since = read_feed(subject).watermark
        answer = create_one(subject, subject.values(1))
        fetched = held(subject, [answer[ID]])[answer[ID]]
        (fed,) = [row for row in read_feed(subject, since).rows if row[ID] == answer[ID]]
        selected = {row[ID]: row for row in subject.connector.select(subject.table, subject.names, None).to_dicts()}
        expected = {name: answer[name] for name in (ID, VERSION, MODIFIED_AT, *subject.names)}
        for row in (fetched, fed, selected[answer[ID]]):
            assert {name: row[name] for name in expected} == expected

    def test_only_the_fields_that_were_asked_for_are_handed_over(self, subject: Subject) -> None:
        answer = create_one(subject, subject.values(1))
        assert list(subject.connector.fetch(subject.table, (subject.text,), [answer[ID]]).columns)[-1] == subject.text
        for fields in ((), (subject.other,), (subject.other, subject.text)):
            assert read_feed(subject, fields=fields).pages[0].frame.columns[5:] == list(fields)

    def test_times_of_change_are_the_systems_own(self, subject: Subject) -> None:
        before = subject.connector.now().replace(microsecond=0)
        answer = create_one(subject, subject.values(1))
        after = subject.connector.now()
        assert answer[STATUS] == Status.WRITTEN
        assert answer[MODIFIED_AT] is None or before <= answer[MODIFIED_AT] <= after
