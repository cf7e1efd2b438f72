"""What a system will not take: each refusal names field and remedy, and keeps no other record from being written."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import ERROR, ERROR_FIELD, RECOVERY, REMEDY, STATUS, Status
from twinrow.model.outcomes import Recovery
from twinrow.testing.conformance.exchange import Row, all_ids, create, create_one, held, holds, statuses, update
from twinrow.testing.conformance.subject import Subject


def _too_long(subject: Subject) -> tuple[str, str]:
    for field in subject.usable:
        if field.is_text and field.max_length is not None and not field.options:
            return field.name, "x" * (field.max_length + 1)
    pytest.skip("no field that the cases may write has a length")


def _is_refusal(answer: Mapping[str, Any], field: str) -> bool:
    return (
        answer[STATUS] == Status.REFUSED
        and answer[ERROR_FIELD] == field
        and bool(answer[ERROR])
        and bool(answer[REMEDY])
        and answer[RECOVERY] == Recovery.DATA
        and answer[VERSION] is None
    )


class Refusing:
    """Refused records."""

    def test_a_text_that_is_too_long_is_refused_by_field(self, subject: Subject) -> None:
        field, text = _too_long(subject)
        before = len(all_ids(subject))
        rows = [subject.values(number) for number in range(3)]
        rows[1][field] = text
        answers = create(subject, rows)
        assert statuses(answers) == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
        assert _is_refusal(answers[1], field), answers[1]
        assert len(all_ids(subject)) == before + 2

    def test_a_refused_update_leaves_the_record_as_it_was(self, subject: Subject) -> None:
        field, text = _too_long(subject)
        records = create(subject, [subject.values(number) for number in range(3)])
        tokens = [row[VERSION] if subject.capabilities.version_checks else None for row in records]
        changes: list[Row] = [{subject.text: "a"}, {field: text}, {subject.text: "c"}]
        answers = update(
            subject, [(row[ID], token, values) for row, token, values in zip(records, tokens, changes, strict=True)]
        )
        assert statuses(answers) == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
        assert _is_refusal(answers[1], field), answers[1]
        now = held(subject, [records[1][ID]])[records[1][ID]]
        assert holds(now, subject.values(1))
        assert now[VERSION] == records[1][VERSION]

    def test_a_record_without_a_required_field_is_refused_by_field(self, subject: Subject) -> None:
        field = next((field.name for field in subject.usable if field.required), None)
        if field is None:
            pytest.skip("no field that the cases may write is required")
        rows = [subject.values(number) for number in range(3)]
        del rows[1][field]
        if subject.description.field(field).nullable:
            rows[2][field] = None
        answers = create(subject, rows)
        assert answers[0][STATUS] == Status.WRITTEN
        assert _is_refusal(answers[1], field), answers[1]
        assert not subject.description.field(field).nullable or _is_refusal(answers[2], field), answers[2]

    def test_a_reference_to_nothing_is_refused_by_field(self, subject: Subject) -> None:
        if subject.unknown_reference is None or not subject.references:
            pytest.skip("the system does not look where references point")
        name, known = next(iter(subject.references.items()))
        rows = [subject.values(number) | {name: known} for number in range(3)]
        rows[1][name] = subject.unknown_reference
        answers = create(subject, rows)
        assert statuses(answers) == [Status.WRITTEN, Status.REFUSED, Status.WRITTEN]
        assert _is_refusal(answers[1], name), answers[1]
        assert answers[0][name] == known

    def test_many_refusals_among_many_records(self, subject: Subject) -> None:
        field, text = _too_long(subject)
        rows = [subject.values(number) for number in range(60)]
        for number in range(0, 60, 7):
            rows[number][field] = text
        answers = create(subject, rows)
        expected = [Status.REFUSED if number % 7 == 0 else Status.WRITTEN for number in range(60)]
        assert statuses(answers) == expected
        stored = held(subject, [answer[ID] for answer in answers if answer[STATUS] == Status.WRITTEN])
        assert all(
            holds(stored[answer[ID]], row)
            for answer, row in zip(answers, rows, strict=True)
            if answer[STATUS] == Status.WRITTEN
        )

    def test_a_refusal_does_not_spoil_the_next_request(self, subject: Subject) -> None:
        field, text = _too_long(subject)
        assert statuses(create(subject, [subject.values(1) | {field: text}])) == [Status.REFUSED]
        create_one(subject, subject.values(2))
