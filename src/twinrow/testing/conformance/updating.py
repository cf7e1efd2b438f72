"""Updates and deletes: what is sent, what stays, and whose version holds."""

# ruff: noqa: D102 (the names of the cases say what they are about)

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import STATUS, Status
from twinrow.testing.conformance.exchange import (
    Row,
    all_ids,
    create,
    create_one,
    delete,
    held,
    holds,
    statuses,
    update,
)
from twinrow.testing.conformance.subject import Subject


def _token(subject: Subject, row: Row) -> str | None:
    """Return the version that a write must carry: none where the table has no version checks."""
    if not subject.capabilities.version_checks:
        return None
    assert row[VERSION], "a table with version checks has versions"
    return str(row[VERSION])


def _needs_versions(subject: Subject) -> None:
    if not subject.capabilities.version_checks:
        pytest.skip("the table has no version checks, and says so")


class Updating:
    """Updates."""

    def test_an_update_changes_what_is_sent_and_leaves_the_rest(self, subject: Subject) -> None:
        was = create_one(subject, subject.values(1))
        (answer,) = update(subject, [(was[ID], _token(subject, was), {subject.text: "new text"})])
        assert (answer[STATUS], answer[ID]) == (Status.WRITTEN, was[ID])
        assert answer[subject.text] == "new text"
        now = held(subject, [was[ID]])[was[ID]]
        assert holds(now, subject.values(1) | {subject.text: "new text"})
        assert now[VERSION] == answer[VERSION]

    def test_each_record_of_a_request_has_fields_of_its_own(self, subject: Subject) -> None:
        records = create(subject, [subject.values(number) for number in range(4)])
        later = subject.values(77)
        changes: list[Row] = [
            {subject.text: later[subject.text]},
            {subject.other: later[subject.other]},
            {subject.text: "both", subject.other: later[subject.other]},
            {},
        ]
        answers = update(
            subject,
            [(was[ID], _token(subject, was), values) for was, values in zip(records, changes, strict=True)],
        )
        assert statuses(answers) == [Status.WRITTEN] * 4
        stored = held(subject, [was[ID] for was in records])
        for number, (was, values, answer) in enumerate(zip(records, changes, answers, strict=True)):
            expected = subject.values(number) | values
            assert holds(stored[was[ID]], expected)
            assert holds(answer, {name: expected[name] for name in (subject.text, subject.other)})
            assert answer[VERSION] == stored[was[ID]][VERSION]

    def test_an_answer_holds_the_fields_that_were_asked_for(self, subject: Subject) -> None:
        records = create(subject, [subject.values(number) for number in range(2)], returning=(subject.other,))
        assert [row[subject.other] for row in records] == [subject.values(number)[subject.other] for number in range(2)]
        changes: list[Row] = [{subject.text: "new"}, {subject.other: subject.values(9)[subject.other]}]
        for returning in (subject.names, (), (subject.other,)):
            tokens = [(row[ID], _token(subject, row)) for row in records]
            requests = [(id, token, values) for (id, token), values in zip(tokens, changes, strict=True)]
            records = update(subject, requests, returning=returning)
            stored = held(subject, [row[ID] for row in records])
            for number, (row, values) in enumerate(zip(records, changes, strict=True)):
                expected = {
                    name: value for name, value in (subject.values(number) | values).items() if name in returning
                }
                assert holds(row, expected)
                assert row[VERSION] == stored[row[ID]][VERSION]

    def test_a_record_that_does_not_exist_is_missing(self, subject: Subject) -> None:
        was = create_one(subject, subject.values(1))
        gone = create_one(subject, subject.values(2))
        subject.remove(gone[ID])
        changes = [
            (gone[ID], _token(subject, gone), {subject.text: "x"}),
            (was[ID], _token(subject, was), {subject.text: "y"}),
            (str(uuid4()), _token(subject, was), {subject.text: "z"}),
        ]
        answers = update(subject, changes)
        assert statuses(answers) == [Status.MISSING, Status.WRITTEN, Status.MISSING]
        assert [answer[ID] for answer in answers] == [id for id, _, _ in changes]
        assert held(subject, [gone[ID]]) == {}, "an update creates nothing"

    def test_a_version_that_no_longer_holds_is_stale_and_nothing_is_written(self, subject: Subject) -> None:
        _needs_versions(subject)
        records = create(subject, [subject.values(number) for number in range(3)])
        subject.edit(records[1][ID], {subject.other: subject.values(50)[subject.other]})
        answers = update(subject, [(was[ID], was[VERSION], {subject.text: "ours"}) for was in records])
        assert statuses(answers) == [Status.WRITTEN, Status.STALE, Status.WRITTEN]
        now = held(subject, [records[1][ID]])[records[1][ID]]
        assert holds(now, subject.values(1) | {subject.other: subject.values(50)[subject.other]})

    def test_two_edits_at_once_do_not_look_like_one_version(self, subject: Subject) -> None:
        _needs_versions(subject)
        id = create_one(subject, subject.values(1))[ID]
        versions = []
        for number in range(20):
            subject.edit(id, {subject.text: f"edit {number}"})
            versions.append(held(subject, [id])[id][VERSION])
        assert len(set(versions)) == 20
        assert statuses(update(subject, [(id, versions[-2], {subject.text: "ours"})])) == [Status.STALE]

    def test_the_version_of_an_answer_serves_the_next_write(self, subject: Subject) -> None:
        _needs_versions(subject)
        answer = create_one(subject, subject.values(1))
        versions = {answer[VERSION]}
        for number in range(3):
            (answer,) = update(subject, [(answer[ID], answer[VERSION], {subject.text: f"round {number}"})])
            assert answer[STATUS] == Status.WRITTEN
            versions.add(answer[VERSION])
        assert len(versions) == 4
        assert held(subject, [answer[ID]])[answer[ID]][VERSION] == answer[VERSION]

    def test_the_version_of_a_record_that_nobody_changed_stays(self, subject: Subject) -> None:
        _needs_versions(subject)
        answer = create_one(subject, subject.values(1))
        create_one(subject, subject.values(2))
        first, second = (held(subject, [answer[ID]], by=by) for by in (subject.connector, subject.reopen()))
        assert first == second
        assert first[answer[ID]][VERSION] == answer[VERSION]

    def test_the_same_record_twice_in_one_request_is_written_once(self, subject: Subject) -> None:
        _needs_versions(subject)
        was = create_one(subject, subject.values(1))
        answers = update(subject, [(was[ID], was[VERSION], {subject.text: f"try {number}"}) for number in range(2)])
        assert Counter(statuses(answers)) == {Status.WRITTEN: 1, Status.STALE: 1}
        written = next(answer for answer in answers if answer[STATUS] == Status.WRITTEN)
        assert held(subject, [was[ID]])[was[ID]][subject.text] == written[subject.text]

    def test_without_version_checks_an_update_leaves_what_it_does_not_send(self, subject: Subject) -> None:
        if subject.capabilities.version_checks:
            pytest.skip("the table has version checks")
        was = create_one(subject, subject.values(1))
        subject.edit(was[ID], {subject.other: subject.values(50)[subject.other]})
        assert statuses(update(subject, [(was[ID], None, {subject.text: "ours"})])) == [Status.WRITTEN]
        expected = {subject.text: "ours", subject.other: subject.values(50)[subject.other]}
        assert holds(held(subject, [was[ID]])[was[ID]], expected)

    def test_a_large_request_is_carried_out_whole(self, subject: Subject) -> None:
        records = create(subject, [subject.values(number) for number in range(subject.many)])
        changes = [(was[ID], _token(subject, was), {subject.text: f"T{n}"}) for n, was in enumerate(records)]
        answers = update(subject, changes)
        assert statuses(answers) == [Status.WRITTEN] * subject.many
        assert [answer[subject.text] for answer in answers] == [f"T{n}" for n in range(subject.many)]

    def test_the_systems_own_logic_is_in_the_answer(self, subject: Subject) -> None:
        name = subject.upper_cased
        if name is None:
            pytest.skip("the subject names no field that the system changes by itself")
        was = create_one(subject, subject.values(1))
        (answer,) = update(subject, [(was[ID], _token(subject, was), {name: "later"})])
        assert answer[name] == "LATER"
        row = subject.connector.fetch(subject.table, (name,), [was[ID]]).to_dicts()[0]
        assert (row[name], row[VERSION]) == ("LATER", answer[VERSION])


class Deleting:
    """Deletes."""

    def test_a_deleted_record_is_gone(self, subject: Subject) -> None:
        kept, gone = create(subject, [subject.values(number) for number in range(2)])
        assert statuses(delete(subject, [(gone[ID], _token(subject, gone))])) == [Status.WRITTEN]
        assert set(held(subject, [kept[ID], gone[ID]])) == {kept[ID]}
        assert gone[ID] not in all_ids(subject)
        selected = subject.connector.select(subject.table, (), None)[ID].to_list()
        assert gone[ID] not in selected
        assert kept[ID] in selected

    def test_what_is_gone_is_missing_and_what_changed_is_stale(self, subject: Subject) -> None:
        gone, edited, plain = create(subject, [subject.values(number) for number in range(3)])
        subject.remove(gone[ID])
        subject.edit(edited[ID], {subject.text: "edited"})
        records = [(row[ID], _token(subject, row)) for row in (gone, edited, plain)]
        expected = Status.STALE if subject.capabilities.version_checks else Status.WRITTEN
        answers = delete(subject, records)
        assert statuses(answers) == [Status.MISSING, expected, Status.WRITTEN]
        assert (edited[ID] in held(subject, [edited[ID]])) == subject.capabilities.version_checks
